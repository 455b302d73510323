/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "dataplane.h"

/*
 * The whole pipeline on frames of any bytes from both sides.
 *
 * Input: frames, each with flags, an optional length of segments, an optional time in seconds that
 * passes before it, its length (2 bytes), its bytes.
 */
#define FROM_OUTSIDE  0x01
#define RAW           0x02 /* destination MAC and checksums as they are */
#define RAW_TRANSPORT 0x04 /* the transport checksum as it is */
#define AIMED         0x08
#define SEGMENTS      0x10 /* the length of segments follows */
#define TIME          0x20 /* seconds follow */
#define RUN           0x40 /* the burst ends here */

#define FRAMES_MAX 256

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	dataplane_start();
	return 0;
}

static void adjust(uint8_t flags, uint8_t *frame, size_t length)
{
	uint8_t *ip = frame + RTE_ETHER_HDR_LEN;
	size_t ip_length = length - RTE_ETHER_HDR_LEN;

	if (length <= RTE_ETHER_HDR_LEN)
		return;
	if (flags & AIMED)
		dataplane_aim(flags & FROM_OUTSIDE ? OUTSIDE : INSIDE, ip, ip_length);
	if (!(flags & (RAW | RAW_TRANSPORT)))
		fuzz_fix_transport(ip, ip_length);
	if (!(flags & RAW)) {
		memcpy(frame, WEIR_MAC, 6);
		fuzz_fix_ip(ip, ip_length);
	}
	if (!fuzz_transport_ok(ip, ip_length))
		dataplane_allow_wrong_transport();
}

static void one_frame(struct fuzz_input *input)
{
	static uint8_t frame[FUZZ_FRAME_MAX];
	uint8_t flags = fuzz_byte(input);
	uint8_t cut = flags & SEGMENTS ? fuzz_byte(input) : 0;
	uint8_t seconds = flags & TIME ? fuzz_byte(input) : 0;
	size_t length = fuzz_word(input) % FUZZ_FRAME_MAX;
	const uint8_t *bytes = fuzz_bytes(input, &length);

	if (length == 0)
		return;
	memcpy(frame, bytes, length);
	dataplane_advance(seconds % 8);
	adjust(flags, frame, length);
	dataplane_receive(flags & FROM_OUTSIDE ? OUTSIDE : INSIDE, frame, length, cut);
	if (flags & RUN)
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
