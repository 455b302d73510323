/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_RANDOM_FRAME_H
#define WEIR_SUPPORT_RANDOM_FRAME_H

#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

/*
 * Random frames, the same after each seed: most are nearly right IP, so that every check is reached
 * and failed. Beside them, what a test that reads frames byte by byte needs.
 */
#define RANDOM_FRAME_MAX 256

void random_frame_seed(uint64_t seed);

/* A frame to the MAC, mostly. Its length. */
uint32_t random_frame(uint8_t frame[RANDOM_FRAME_MAX], const struct rte_ether_addr *mac);

/* The frame in segments, often in one; the first has *first bytes. */
struct rte_mbuf *random_frame_cut(struct rte_mempool *pool, const uint8_t *bytes, uint32_t length,
				  uint32_t *first);

/* Less than n; a byte that is often a corner. */
uint32_t random_frame_below(uint32_t n);
uint8_t random_frame_byte(void);

/* ---- bytes ---- */

static inline uint32_t naive_get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline void naive_put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071 word by word; 0xffff where a right checksum is among them. */
static inline uint32_t naive_sum(const uint8_t *data, uint32_t length)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

#endif
