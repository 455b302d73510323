/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "random_frame.h"

#define L3 14

static struct random rng;

void random_frame_seed(uint64_t seed)
{
	random_init_seeded(&rng, seed);
}

uint32_t random_frame_below(uint32_t n)
{
	return random_below(&rng, n);
}

uint8_t random_frame_byte(void)
{
	static const uint8_t corners[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};

	return random_frame_below(4) == 0 ? corners[random_frame_below(RTE_DIM(corners))]
					  : (uint8_t)random_u32(&rng);
}

/* Makes the checksum at `field` right, mostly. */
static void fix(uint8_t *data, uint32_t length, uint32_t field)
{
	if (field + 2 > length || random_frame_below(16) == 0)
		return;
	naive_put16(data + field, 0);
	naive_put16(data + field, ~naive_sum(data, length));
}

static void random_addresses(uint8_t *ip)
{
	for (uint32_t i = 12; i < 20; i++)
		ip[i] = random_frame_byte();
	for (uint32_t i = 12; i < 20; i += 4)
		if (random_frame_below(8) != 0)
			ip[i] = (uint8_t)(1 + random_frame_below(120)); /* one host's */
}

static void random_options(uint8_t *option, uint32_t length)
{
	static const uint8_t kinds[] = {0, 1, 7, 68, 130, 131, 137, 148};

	for (uint32_t i = 0; i < length; i += 4) {
		option[i] = kinds[random_frame_below(RTE_DIM(kinds))];
		option[i + 1] = random_frame_below(4) == 0 ? random_frame_byte() : 4;
	}
}

/* An IP packet of `length` bytes at most, with a header as random as it can be. How long it says
 * it is. */
static uint32_t random_ip(uint8_t *ip, uint32_t length, bool quoted)
{
	static const uint8_t protocols[] = {6, 17, 1, 6, 17, 1, 47, 136, 33};
	static const uint8_t types[] = {0, 8, 13, 14, 3, 11, 12, 5, 17};
	static const uint8_t flags[] = {0x02, 0x10, 0x12, 0x18, 0x11, 0x04, 0x14, 0x00, 0x03, 0x52};
	uint32_t words = random_frame_below(4) == 0 ? 5 + random_frame_below(5) : 5,
		 header = 4 * words;
	uint8_t *l4 = ip + header;

	for (uint32_t i = 0; i < length; i++)
		ip[i] = random_frame_byte();
	ip[0] = random_frame_below(64) == 0 ? random_frame_byte() : (uint8_t)(0x40 | words);
	naive_put16(ip + 2, random_frame_below(16) == 0 ? random_frame_below(2 * length) : length);
	naive_put16(ip + 6, random_frame_below(4) != 0
				    ? random_frame_below(2) << 14
				    : random_frame_below(4) << 13 |
					      (random_frame_below(2) ? random_frame_below(4) : 0));
	ip[9] = protocols[random_frame_below(RTE_DIM(protocols))];
	random_addresses(ip);
	if (length < header + 20)
		return length;
	random_options(ip + 20, header - 20);
	if (ip[9] == IPPROTO_TCP) {
		l4[12] = random_frame_below(8) == 0 ? random_frame_byte() : 0x50;
		l4[13] = flags[random_frame_below(RTE_DIM(flags))];
	} else if (ip[9] == IPPROTO_UDP) {
		naive_put16(l4 + 4, random_frame_below(8) == 0 ? random_frame_below(2 * length)
							       : length - header);
		if (random_frame_below(4) == 0)
			naive_put16(l4 + 6, random_frame_below(2) * 0xffff);
	} else if (ip[9] == IPPROTO_ICMP) {
		l4[0] = types[random_frame_below(RTE_DIM(types))];
		if (!quoted && length > header + 8 + 28)
			random_ip(l4 + 8, length - header - 8, true);
		if (!quoted && random_frame_below(8) != 0) /* about what its destination sent */
			memcpy(l4 + 8 + 12, ip + 16, 4);
		if (!quoted && length > header + 8 + 28)
			fix(l4 + 8, RTE_MIN((l4[8] & 15u) * 4, length - header - 8), 10);
		fix(l4, length - header, 2);
	}
	fix(ip, header, 10);
	return length;
}

uint32_t random_frame(uint8_t frame[RANDOM_FRAME_MAX], const struct rte_ether_addr *mac)
{
	uint32_t length = L3 + (random_frame_below(16) == 0 ? random_frame_below(60)
							    : 20 + random_frame_below(120));

	for (uint32_t i = 0; i < L3; i++)
		frame[i] = random_frame_byte();
	memcpy(frame, mac, 6);
	if (random_frame_below(64) == 0)
		frame[random_frame_below(6)] = random_frame_byte();
	naive_put16(frame + 12, random_frame_below(64) == 0   ? 0x0806
				: random_frame_below(64) == 0 ? random_frame_byte()
							      : 0x0800);
	random_ip(frame + L3, length - L3, false);
	if (random_frame_below(8) == 0) /* padding */
		length += random_frame_below(20);
	return length;
}

struct rte_mbuf *random_frame_cut(struct rte_mempool *pool, const uint8_t *bytes, uint32_t length,
				  uint32_t *first)
{
	bool whole = random_frame_below(2) == 0;
	struct rte_mbuf *head = NULL;

	for (uint32_t at = 0; at < length;) {
		uint32_t n = whole ? length : RTE_MIN(length - at, 1 + random_frame_below(70));
		struct rte_mbuf *segment = rte_pktmbuf_alloc(pool);

		assert_non_null(segment);
		memcpy(rte_pktmbuf_append(segment, (uint16_t)n), bytes + at, n);
		if (head == NULL) {
			head = segment;
			*first = n;
		} else {
			assert_int_equal(rte_pktmbuf_chain(head, segment), 0);
		}
		at += n;
	}
	return head;
}
