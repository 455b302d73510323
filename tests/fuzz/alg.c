/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "alg.h"
#include "fuzz.h"

/*
 * The ALGs' parsers on any payload.
 *
 * Input: which ALG, flags, the payload. It lies in a heap block of just its size.
 */
#define FROM_OUTSIDE  0x01
#define SERVER_INSIDE 0x02
#define AT_LINE       0x04
#define NO_ROOM       0x08

static uint32_t expected;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

/* Only the inside host's own ports can be asked for: the ALG names no address. */
static bool expect(struct alg_call *call, uint16_t inside_port, struct alg_endpoint *outside)
{
	FUZZ_CHECK(inside_port != 0);
	expected++;
	*outside = call->outside;
	return call->context == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct alg_call call;
	struct fuzz_input input = {data, size};
	uint8_t which = fuzz_byte(&input);
	uint8_t flags = fuzz_byte(&input);
	size_t length = ALG_PAYLOAD_MAX;
	const uint8_t *bytes = fuzz_bytes(&input, &length);
	const struct alg *alg;
	enum alg_result result;
	uint32_t n = 0;
	char *in;

	while (alg_at(n) != NULL)
		n++;
	alg = alg_at(which % n);
	if (length == 0)
		return 0;
	in = malloc(length);
	FUZZ_CHECK(in != NULL);
	memcpy(in, bytes, length);
	call.in = in;
	call.length = (uint32_t)length;
	call.direction = flags & FROM_OUTSIDE;
	call.server_inside = flags & SERVER_INSIDE;
	call.at_line = flags & AT_LINE;
	call.inside = (struct alg_endpoint){RTE_BE32(0x64400002), 4000};
	call.outside = (struct alg_endpoint){RTE_BE32(0xcb007101), 40000};
	call.remote = (struct alg_endpoint){RTE_BE32(0xc0000201), alg->port};
	call.context = flags & NO_ROOM ? &call : NULL;
	call.expect = expect;
	call.out_length = call.copied = 0;
	expected = 0;
	result = alg->payload(&call);
	FUZZ_CHECK(expected <= 8); /* one packet takes few ports */
	FUZZ_CHECK(call.copied <= length && call.out_length <= sizeof(call.out));
	if (result == ALG_CHANGED && alg_finish(&call))
		FUZZ_CHECK(call.out_length <= sizeof(call.out));
	FUZZ_CHECK((result == ALG_CHANGED) <= (call.copied > 0));
	free(in);
	return 0;
}
