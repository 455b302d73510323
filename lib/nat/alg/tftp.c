/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TFTP, RFC 1350 section 4: the server answers a request from another port, to the port that asked.
 * So the request's own mapping is expected to be used by the server, whatever its filter.
 */
#include <netinet/in.h>
#include <string.h>

#include "alg.h"

#define READ_REQUEST  1
#define WRITE_REQUEST 2

/* Whether a text ends within [*at, end); *at moves behind it. */
static bool skip_text(const char **at, const char *end)
{
	const char *zero = memchr(*at, '\0', (size_t)(end - *at));

	if (zero == NULL || zero == *at)
		return false;
	*at = zero + 1;
	return true;
}

static enum alg_result payload(struct alg_call *call)
{
	const char *at = call->in, *end = call->in + call->length;
	struct alg_endpoint outside;
	struct alg_wish wish;

	if (call->direction != 0 || call->server_inside)
		return ALG_UNCHANGED;
	if (call->length < 2 || at[0] != 0 || (at[1] != READ_REQUEST && at[1] != WRITE_REQUEST))
		return ALG_MALFORMED;
	at += 2;
	if (!skip_text(&at, end) || !skip_text(&at, end)) /* the file, the mode */
		return ALG_MALFORMED;
	wish = (struct alg_wish){
		.protocol = IPPROTO_UDP, .port = call->inside.port, .remote = call->remote.address};
	return call->services->expect(call, &wish, &outside) ? ALG_UNCHANGED : ALG_REFUSED;
}

static const struct alg tftp = {
	.name = "tftp",
	.protocol = IPPROTO_UDP,
	.port = 69,
	.enabled = &alg_settings.tftp,
	.payload = payload,
};
ALG_REGISTER(tftp);
