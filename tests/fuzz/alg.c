/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
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
#define MAPPED        0x10

/* As tests/fuzz/corpus.py numbers them. */
static const char *const names[] = {"ftp", "pptp", "sip", "tftp"};

static uint32_t expected;
static uint8_t flags;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static bool find_outside(struct alg_call *call, uint8_t protocol, uint16_t port,
			 struct alg_endpoint *outside)
{
	FUZZ_CHECK(protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_GRE);
	*outside = (struct alg_endpoint){call->outside.address, port ^ 0x8001};
	return (flags & MAPPED) != 0;
}

/* Only the inside host's own ports can be asked for: the ALG names no address. */
static bool expect(struct alg_call *call, const struct alg_wish *wish, struct alg_endpoint *outside)
{
	FUZZ_CHECK(wish->port != 0 || wish->protocol == IPPROTO_GRE);
	expected++;
	find_outside(call, wish->protocol, wish->port, outside);
	return !(flags & NO_ROOM);
}

static bool find_inside(struct alg_call *call, uint8_t protocol, uint16_t outside_port,
			uint16_t *port)
{
	(void)call;
	(void)protocol;
	*port = outside_port ^ 0x8001;
	return (flags & MAPPED) != 0;
}

static void move(struct alg_call *call, uint32_t dialog, rte_be32_t remote)
{
	(void)call;
	(void)remote;
	FUZZ_CHECK(dialog != 0);
}

static void forget(struct alg_call *call, uint32_t dialog)
{
	(void)call;
	FUZZ_CHECK(dialog != 0);
}

static bool connect_call(struct alg_call *call, uint16_t outside_id, uint16_t remote_id)
{
	(void)call;
	(void)outside_id;
	(void)remote_id;
	return !(flags & NO_ROOM);
}

static void disconnect_call(struct alg_call *call, uint16_t outside_id, uint16_t remote_id)
{
	(void)call;
	FUZZ_CHECK(outside_id == 0 || remote_id == 0);
}

static const struct alg_services services = {
	.expect = expect,
	.outside_of = find_outside,
	.inside_of = find_inside,
	.move = move,
	.forget = forget,
	.connect = connect_call,
	.disconnect = disconnect_call,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct alg_call call;
	struct fuzz_input input = {data, size};
	uint8_t which = fuzz_byte(&input);
	size_t length = ALG_PAYLOAD_MAX;
	const struct alg *alg;
	const uint8_t *bytes;
	enum alg_result result;
	uint32_t memory[2] = {0}, n = 0;
	char *in;

	flags = fuzz_byte(&input);
	bytes = fuzz_bytes(&input, &length);
	while ((alg = alg_at(n++)) != NULL && strcmp(alg->name, names[which % RTE_DIM(names)]) != 0)
		;
	FUZZ_CHECK(alg != NULL);
	if (length == 0)
		return 0;
	in = malloc(length);
	FUZZ_CHECK(in != NULL);
	memcpy(in, bytes, length);
	call.in = in;
	call.length = (uint32_t)length;
	call.direction = flags & FROM_OUTSIDE;
	call.server_inside = flags & SERVER_INSIDE;
	call.first_line = flags & AT_LINE ? 0 : ALG_NO_LINE;
	call.next_line = 0;
	call.inside = (struct alg_endpoint){RTE_BE32(0x64400002), 5060};
	call.outside = (struct alg_endpoint){RTE_BE32(0xcb007101), 40000};
	call.remote = (struct alg_endpoint){RTE_BE32(0xc0000201), alg->port};
	call.memory = memory;
	call.services = &services;
	call.out_length = call.copied = 0;
	expected = 0;
	result = alg->payload(&call);
	FUZZ_CHECK(expected <= 128); /* one packet asks for few ports */
	FUZZ_CHECK(call.copied <= length && call.out_length <= sizeof(call.out));
	if (call.copied > 0 && alg_finish(&call))
		FUZZ_CHECK(call.out_length <= sizeof(call.out));
	FUZZ_CHECK((result == ALG_CHANGED) <= (call.copied > 0));
	free(in);
	return 0;
}
