/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "checksum.h"

bool checksum_mbuf_ok(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t length)
{
	uint64_t sum = 0;
	uint32_t done = 0;

	if ((uint64_t)offset + length > rte_pktmbuf_pkt_len(mbuf))
		return false;
	for (; done < length; mbuf = mbuf->next) {
		if (offset >= mbuf->data_len) {
			offset -= mbuf->data_len;
			continue;
		}
		uint32_t part = RTE_MIN(mbuf->data_len - offset, length - done);
		uint16_t folded = checksum_fold(
			checksum_sum(rte_pktmbuf_mtod_offset(mbuf, const void *, offset), part));
		/* behind an odd number of bytes, high and low change places (RFC 1071) */
		sum += done % 2 == 0 ? folded : rte_bswap16(folded);
		done += part;
		offset = 0;
	}
	return checksum_fold(sum) == 0xffff;
}
