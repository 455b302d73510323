/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "dataplane.h"

/*
 * ARP frames of any bytes, and packets that wait for an answer, in a dataplane that learns from
 * them.
 *
 * Input: frames, each with flags, a length, its bytes from the destination MAC on. Unless RAW, the
 * fields that every ARP frame shares are put right.
 */
#define FROM_OUTSIDE 0x01
#define RAW          0x02
#define BROADCAST    0x04
#define TIME         0x08 /* a second passes first */
#define PACKET       0x10 /* a packet to the frame's last 4 bytes instead */

#define FRAMES_MAX 128

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	dataplane_start();
	return 0;
}

/* A packet of 28 bytes from 100.64.0.2 to `address`, so that weir looks for a neighbour. */
static size_t make_packet(uint8_t *frame, const uint8_t *address)
{
	static const uint8_t udp[28] = {0x45, 0, 0, 28, 0, 1, 0, 0, 9, 17, 0, 0, 100, 64,
					0,    2, 0, 0,  0, 0, 4, 0, 0, 53, 0, 8, 0,   0};
	uint8_t to[4];

	memcpy(to, address, sizeof(to));
	memcpy(frame, WEIR_MAC "\x02\0\0\0\1\2\x08\0", RTE_ETHER_HDR_LEN);
	memcpy(frame + RTE_ETHER_HDR_LEN, udp, sizeof(udp));
	memcpy(frame + RTE_ETHER_HDR_LEN + 16, to, sizeof(to));
	fuzz_fix_ip(frame + RTE_ETHER_HDR_LEN, sizeof(udp));
	return RTE_ETHER_HDR_LEN + sizeof(udp);
}

static void one_frame(struct fuzz_input *input)
{
	static const uint8_t shared[] = {8, 6, 0, 1, 8, 0, 6, 4, 0};
	uint8_t frame[256] = {0};
	uint8_t flags = fuzz_byte(input);
	size_t length = fuzz_byte(input);
	const uint8_t *bytes = fuzz_bytes(input, &length);
	enum side_port port = flags & FROM_OUTSIDE ? OUTSIDE : INSIDE;

	if (length == 0)
		return;
	memcpy(frame, bytes, length);
	if (flags & TIME)
		dataplane_advance(1);
	if (flags & PACKET) {
		length = make_packet(frame, frame + (length > 4 ? length - 4 : 0));
		port = INSIDE;
	} else if (!(flags & RAW)) {
		memcpy(frame, flags & BROADCAST ? "\xff\xff\xff\xff\xff\xff" : WEIR_MAC, 6);
		memcpy(frame + 12, shared, sizeof(shared));
		frame[21] = (uint8_t)(1 + (frame[21] & 1));
	}
	dataplane_receive(port, frame, length, 0);
	dataplane_run();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};

	dataplane_begin();
	for (int i = 0; i < FRAMES_MAX && input.left > 0; i++)
		one_frame(&input);
	dataplane_end();
	return 0;
}
