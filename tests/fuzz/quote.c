/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include "dataplane.h"
#include "stats.h"

/*
 * ICMP errors about a session, with any quote, through the whole pipeline.
 *
 * Input: flags, the length of segments, an IP packet from its header on. Before it comes,
 * 100.64.0.2 has talked with 192.0.2.1 by the protocol that the flags say.
 */
#define FROM_INSIDE 0x01
#define RAW         0x02 /* checksums as they are */
#define UNAIMED     0x04 /* addresses and ports of the quote as they are */
#define PROTOCOL    0x30

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	dataplane_start();
	return 0;
}

static void send_packet(enum side_port port, uint8_t *frame, size_t length, size_t cut)
{
	memcpy(frame, WEIR_MAC "\x02\0\0\0\1\2\x08\0", RTE_ETHER_HDR_LEN);
	dataplane_receive(port, frame, length, cut);
	dataplane_run();
}

/* A packet of 40 bytes from 100.64.0.2 port 1000 to 192.0.2.1 port 80, and its answer. */
static void talk(uint8_t protocol)
{
	static const uint8_t request[40] = {0x45, 0,  0, 40, 0,   1, 0, 0, 64, 0,    0, 0,
					    100,  64, 0, 2,  192, 0, 2, 1, 3,  0xe8, 0, 80};
	uint8_t frame[RTE_ETHER_HDR_LEN + sizeof(request)], *ip = frame + RTE_ETHER_HDR_LEN;

	for (enum side_port port = INSIDE; port < DATAPLANE_PORTS; port++) {
		bool answer = port == OUTSIDE;

		memcpy(ip, request, sizeof(request));
		ip[9] = protocol;
		switch (protocol) {
		case IPPROTO_TCP:
			ip[32] = 0x50;
			ip[33] = answer ? 0x12 : 0x02;
			break;
		case IPPROTO_UDP:
			ip[25] = 20;
			break;
		default:
			memset(ip + 20, 0, 4);
			ip[20] = answer ? 0 : 8;
			ip[24] = 7;
			break;
		}
		if (answer)
			dataplane_aim(OUTSIDE, ip, sizeof(request));
		fuzz_fix_transport(ip, sizeof(request));
		fuzz_fix_ip(ip, sizeof(request));
		send_packet(port, frame, sizeof(frame), 0);
	}
	FUZZ_CHECK(dataplane_verdicts(VERDICT_TRANSLATED) == 2);
}

static uint8_t protocol_of(uint8_t flags)
{
	switch (flags & PROTOCOL) {
	case 0x00:
		return IPPROTO_UDP;
	case 0x10:
		return IPPROTO_TCP;
	default:
		return IPPROTO_ICMP;
	}
}

/* An error that passed is about the packet that its receiver sent: its source is the receiver. */
static void check_quote(enum side_port out)
{
	size_t length, quote;
	const uint8_t *ip = dataplane_last(out, &length);

	FUZZ_CHECK(length > 0);
	quote = fuzz_quote(ip, length);
	FUZZ_CHECK(quote != 0 && fuzz_ip_ok(ip + quote, length - quote));
	FUZZ_CHECK(memcmp(ip + 16, ip + quote + 12, 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[FUZZ_FRAME_MAX], *ip = frame + RTE_ETHER_HDR_LEN;
	struct fuzz_input input = {data, size};
	uint8_t flags = fuzz_byte(&input);
	uint8_t cut = fuzz_byte(&input);
	size_t length = sizeof(frame) - RTE_ETHER_HDR_LEN;
	const uint8_t *bytes = fuzz_bytes(&input, &length);
	enum side_port port = flags & FROM_INSIDE ? INSIDE : OUTSIDE;

	if (length == 0)
		return 0;
	dataplane_begin();
	talk(protocol_of(flags));
	memcpy(ip, bytes, length);
	if (!(flags & UNAIMED))
		dataplane_aim(port, ip, length);
	if (!(flags & RAW)) {
		fuzz_fix_transport(ip, length);
		fuzz_fix_ip(ip, length);
	}
	if (!fuzz_transport_ok(ip, length))
		dataplane_allow_wrong_transport();
	send_packet(port, frame, RTE_ETHER_HDR_LEN + length, cut);
	if (dataplane_verdicts(VERDICT_ERROR_TRANSLATED) == 1)
		check_quote(port == INSIDE ? OUTSIDE : INSIDE);
	dataplane_end();
	return 0;
}
