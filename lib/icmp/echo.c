/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/ip_icmp.h>

#include <rte_icmp.h>

#include "checksum.h"
#include "icmp.h"

#define ECHO_TTL 64

bool icmp_checksum_ok(const struct packet *p)
{
	return checksum_mbuf_ok(p->mbuf, p->l4, (uint32_t)p->l3 + p->length - p->l4);
}

void icmp_echo_answer(struct packet *p)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);
	struct rte_icmp_hdr *icmp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_icmp_hdr *, p->l4);
	rte_be32_t asked = ip->dst_addr;
	uint64_t delta = checksum_delta16(RTE_BE16(ICMP_ECHO << 8), RTE_BE16(ICMP_ECHOREPLY << 8));

	icmp->icmp_type = ICMP_ECHOREPLY;
	icmp->icmp_cksum = checksum_apply_nonzero(icmp->icmp_cksum, checksum_fold(delta));
	ip->dst_addr = ip->src_addr;
	ip->src_addr = asked;
	ip->time_to_live = ECHO_TTL;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_fold(checksum_sum(ip, (size_t)(p->l4 - p->l3)));
}
