/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <strings.h>

#include "alg.h"

static bool append(struct alg_call *call, const char *text, uint32_t n)
{
	if (n > sizeof(call->out) - call->out_length)
		return false;
	memcpy(call->out + call->out_length, text, n);
	call->out_length += n;
	return true;
}

bool alg_replace(struct alg_call *call, uint32_t from, uint32_t to, const char *text, uint32_t n)
{
	if (n > sizeof(call->out) || from - call->copied > sizeof(call->out) - n ||
	    from - call->copied + n > sizeof(call->out) - call->out_length)
		return false;
	append(call, call->in + call->copied, from - call->copied);
	append(call, text, n);
	call->copied = to;
	return true;
}

bool alg_finish(struct alg_call *call)
{
	return append(call, call->in + call->copied, call->length - call->copied);
}

bool alg_number(const char **at, const char *end, uint32_t digits, uint32_t max, uint32_t *value)
{
	const char *digit = *at;

	*value = 0;
	for (; digit < end && *digit >= '0' && *digit <= '9'; digit++) {
		if (digits-- == 0)
			return false;
		*value = *value * 10 + (uint32_t)(*digit - '0');
	}
	if (digit == *at || *value > max)
		return false;
	*at = digit;
	return true;
}

bool alg_address(const char **at, const char *end, char separator, rte_be32_t *address)
{
	uint32_t host = 0, byte;

	for (int i = 0; i < 4; i++) {
		if (i > 0 && (*at == end || *(*at)++ != separator))
			return false;
		if (!alg_number(at, end, 3, 255, &byte))
			return false;
		host = host << 8 | byte;
	}
	*address = rte_cpu_to_be_32(host);
	return true;
}

bool alg_begins(const char *at, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - at) >= n && strncasecmp(at, word, n) == 0;
}
