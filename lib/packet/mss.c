/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_byteorder.h>
#include <rte_tcp.h>

#include "checksum.h"
#include "rewrite.h"

/* RFC 9293 section 3.1 */
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define MSS_LENGTH 4

/* Puts `most` in place of a larger value. The value may lie at an odd byte, where its two bytes
 * belong to two words of the checksum. */
static void clamp(struct rte_tcp_hdr *tcp, uint8_t *value, uint16_t most)
{
	bool odd = (value - (uint8_t *)tcp) & 1;
	uint16_t old, new = rte_cpu_to_be_16(most), delta;

	memcpy(&old, value, sizeof(old));
	if (rte_be_to_cpu_16(old) <= most)
		return;
	memcpy(value, &new, sizeof(new));
	delta = checksum_fold(odd ? checksum_delta16(rte_bswap16(old), rte_bswap16(new))
				  : checksum_delta16(old, new));
	tcp->cksum = checksum_apply(tcp->cksum, delta);
}

void rewrite_mss(const struct packet *p, uint16_t most)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_tcp_hdr *, p->l4);
	uint32_t have = rte_pktmbuf_data_len(p->mbuf) - p->l4;
	/* parse saw to it that the header lies within the packet, and 20 bytes in its first segment
	 */
	uint8_t *end = (uint8_t *)tcp + RTE_MIN((tcp->data_off >> 4) * 4u, have);
	uint8_t *option = (uint8_t *)(tcp + 1);

	while (option < end && *option != OPTION_END) {
		if (*option == OPTION_NOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return;
		if (option[0] == OPTION_MSS && option[1] == MSS_LENGTH)
			clamp(tcp, option + 2, most);
		option += option[1];
	}
}
