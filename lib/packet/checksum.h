/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CHECKSUM_H
#define WEIR_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

/*
 * Internet checksums by deltas, RFC 1624. A delta is the one's complement sum of "- old + new" of
 * the bytes that change; all sums here are of 16-bit words in network order as they lie in memory,
 * so no bytes are swapped. "- old" is 0xffff - old.
 */

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	/* with its halves swapped, either half's carry goes into the other */
	return (uint16_t)(((uint32_t)sum + ((uint32_t)sum << 16 | (uint32_t)sum >> 16)) >> 16);
}

static inline uint64_t checksum_delta16(uint16_t old, uint16_t new)
{
	return (uint64_t) new + 0xffff - old;
}

static inline uint64_t checksum_delta32(uint32_t old, uint32_t new)
{
	return (uint64_t) new + UINT32_MAX - old;
}

/* The checksum field after a change: ~(~old + delta), RFC 1624 equation 3. The delta may be the sum
 * of several. */
static inline uint16_t checksum_apply(uint16_t field, uint32_t delta)
{
	uint32_t sum = delta + 0xffff - field;

	return (uint16_t) ~((sum + (sum << 16 | sum >> 16)) >> 16);
}

/*
 * The same, but never 0: 0xffff, the other zero, also verifies where the sum covers nothing but
 * zeros, as that of an ICMP echo reply may. In UDP, 0 means none.
 */
static inline uint16_t checksum_apply_nonzero(uint16_t field, uint32_t delta)
{
	uint16_t sum = checksum_apply(field, delta);

	return sum == 0 ? 0xffff : sum;
}

/* The one's complement sum of `length` bytes, not complemented. Odd lengths count as zero-padded.
 */
static inline uint64_t checksum_sum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint64_t sum = 0;

	for (; length >= 4; length -= 4, bytes += 4) {
		uint32_t word;

		memcpy(&word, bytes, sizeof(word));
		sum += word;
	}
	if (length > 0) {
		uint32_t word = 0;

		memcpy(&word, bytes, length);
		sum += word;
	}
	return sum;
}

/*
 * Whether `length` bytes of a packet from `offset` on are there and add up, their checksum field
 * included, in whatever segments they lie. (DPDK 22.11's rte_raw_cksum_mbuf drops the carries of a
 * segment that begins at an odd byte.)
 */
bool checksum_mbuf_ok(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t length);

#endif
