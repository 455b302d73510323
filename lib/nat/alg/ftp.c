/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FTP, RFC 959 section 4.1.2, RFC 2428, RFC 1123 section 4.1.2: the host on the inside says where
 * its data port is, in
 *
 *	PORT h1,h2,h3,h4,p1,p2		EPRT |1|address|port|		a client
 *	227 text h1,h2,h3,h4,p1,p2	229 text (|||port|)		a server
 *
 * and gets the mapping of that port there instead. Only its own address and ports from 1024 on
 * count: no third host can be made a target (RFC 2577). A line counts only where it begins is
 * known, so that no file name, cut by the sender's choice, becomes a command.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "alg.h"

/* Where a line names a data port: [from, to) of it. */
struct found {
	const char *from, *to;
	rte_be32_t address; /* 0: the host's own */
	uint32_t port;
	char delimiter; /* of the extended forms; 0: the old ones */
	bool reply;
};

/* h1,h2,h3,h4,p1,p2 */
static bool parse_six(const char *at, const char *end, struct found *found)
{
	uint32_t high, low;

	found->from = at;
	if (!alg_address(&at, end, ',', &found->address) || at == end || *at++ != ',' ||
	    !alg_number(&at, end, 3, 255, &high) || at == end || *at++ != ',' ||
	    !alg_number(&at, end, 3, 255, &low))
		return false;
	found->port = high << 8 | low;
	found->to = at;
	return true;
}

/* |1|address|port|, or |||port|; any delimiter from 33 to 126: RFC 2428 section 2. */
static bool parse_extended(const char *at, const char *end, bool reply, struct found *found)
{
	char delimiter;

	found->from = at;
	if (end - at < 4 || at[0] < 33 || at[0] > 126 || (at[0] >= '0' && at[0] <= '9'))
		return false;
	delimiter = *at++;
	if (reply) {
		if (at[0] != delimiter || at[1] != delimiter)
			return false;
		at += 2;
	} else {
		if (at[0] != '1' || at[1] != delimiter)
			return false;
		at += 2;
		if (!alg_address(&at, end, '.', &found->address) || at == end || *at++ != delimiter)
			return false;
	}
	if (!alg_number(&at, end, 5, 65535, &found->port) || at == end || *at++ != delimiter)
		return false;
	found->to = at;
	found->delimiter = delimiter;
	found->reply = reply;
	return true;
}

/* RFC 1123 section 4.1.2.6: the numbers of a 227 may stand anywhere behind it. */
static const char *first_digit(const char *at, const char *end)
{
	while (at < end && (*at < '0' || *at > '9'))
		at++;
	return at;
}

static const char *behind_parenthesis(const char *at, const char *end)
{
	while (at < end && *at != '(')
		at++;
	return at < end ? at + 1 : end;
}

/* Whether a line of that side may name a data port at all. */
static bool is_candidate(const char *at, const char *end, bool server)
{
	return server ? alg_begins(at, end, "227 ") || alg_begins(at, end, "229 ")
		      : alg_begins(at, end, "PORT ") || alg_begins(at, end, "EPRT ");
}

static bool parse(const char *at, const char *end, bool server, struct found *found)
{
	if (alg_begins(at, end, "PORT "))
		return parse_six(at + 5, end, found);
	if (alg_begins(at, end, "EPRT "))
		return parse_extended(at + 5, end, server, found);
	if (alg_begins(at, end, "227 "))
		return parse_six(first_digit(at + 4, end), end, found);
	return parse_extended(behind_parenthesis(at + 4, end), end, server, found);
}

static int write_found(const struct found *found, const struct alg_endpoint *outside, char *text,
		       size_t size)
{
	const uint8_t *byte = (const uint8_t *)&outside->address;
	char d = found->delimiter;

	if (d == '\0')
		return snprintf(text, size, "%u,%u,%u,%u,%u,%u", byte[0], byte[1], byte[2], byte[3],
				outside->port >> 8, outside->port & 0xffu);
	if (found->reply)
		return snprintf(text, size, "%c%c%c%u%c", d, d, d, outside->port, d);
	return snprintf(text, size, "%c1%c%u.%u.%u.%u%c%u%c", d, d, byte[0], byte[1], byte[2],
			byte[3], d, outside->port, d);
}

/* A whole line, without its end. */
static enum alg_result line(struct alg_call *call, const char *at, const char *end)
{
	struct found found = {0};
	struct alg_endpoint outside;
	struct alg_wish wish;
	char text[64];
	int n;

	if (!parse(at, end, call->server_inside, &found))
		return ALG_MALFORMED;
	if ((found.address != 0 && found.address != call->inside.address) || found.port < 1024)
		return ALG_MALFORMED;
	wish = (struct alg_wish){.protocol = IPPROTO_TCP,
				 .port = (uint16_t)found.port,
				 .remote = call->remote.address};
	if (!call->services->expect(call, &wish, &outside))
		return ALG_REFUSED;
	n = write_found(&found, &outside, text, sizeof(text));
	if (!alg_replace(call, (uint32_t)(found.from - call->in), (uint32_t)(found.to - call->in),
			 text, (uint32_t)n))
		return ALG_REFUSED;
	return ALG_CHANGED;
}

/* The first line that names a data port: commands go one at a time. */
static enum alg_result payload(struct alg_call *call)
{
	const char *at = call->in, *end = call->in + call->length;
	bool known = call->first_line == 0;

	if (end[-1] == '\n')
		call->next_line = call->length;
	if (call->direction != 0)
		return ALG_UNCHANGED;
	while (at < end) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		const char *stop = feed != NULL ? feed : end;

		if (known && is_candidate(at, stop, call->server_inside))
			return feed != NULL ? line(call, at, stop) : ALG_SPLIT;
		known = true;
		at = stop + 1;
	}
	return ALG_UNCHANGED;
}

static const struct alg ftp = {
	.name = "ftp",
	.protocol = IPPROTO_TCP,
	.port = 21,
	.enabled = &alg_settings.ftp,
	.payload = payload,
};
ALG_REGISTER(ftp);
