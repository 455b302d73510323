/* SPDX-License-Identifier: BSD-3-Clause */

#include "rewrite.h"

const uint8_t rewrite_checksum_at[256] = {
	[IPPROTO_UDP] = offsetof(struct rte_udp_hdr, dgram_cksum),
	[IPPROTO_TCP] = offsetof(struct rte_tcp_hdr, cksum),
};

uint16_t rewrite_l3_delta(const struct tuple *from, const struct tuple *to)
{
	return checksum_fold(checksum_delta32(from->src, to->src) +
			     checksum_delta32(from->dst, to->dst));
}

uint16_t rewrite_l4_delta(const struct tuple *from, const struct tuple *to)
{
	uint64_t ports =
		checksum_delta16(from->sport, to->sport) + checksum_delta16(from->dport, to->dport);

	if (tuple_proto(from) == IPPROTO_ICMP)
		return checksum_fold(ports);
	return checksum_fold(ports + rewrite_l3_delta(from, to));
}

/* UDP-Lite (RFC 3828 section 3.1) and DCCP (RFC 4340 section 9.1): it lies where UDP's does, in the
 * first fragment alone. */
void rewrite_covered(const struct rte_ipv4_hdr *ip, void *l4, uint32_t l4_delta)
{
	struct rte_udp_hdr *header = l4;

	if (packet_covers_addresses(ip->next_proto_id) &&
	    (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		header->dgram_cksum = checksum_apply_nonzero(header->dgram_cksum, l4_delta);
}

void rewrite_fragment(const struct packet *p, const struct rewrite *rw)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);

	ip->time_to_live--;
	rewrite_addresses(ip, rw->src, rw->dst, rw->l3_delta + TTL_DELTA);
}

void rewrite_error(const struct packet *p, const struct rewrite *quoted, rte_be32_t src,
		   rte_be32_t dst)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);
	struct rte_ipv4_hdr *quoted_ip =
		rte_pktmbuf_mtod_offset(p->mbuf, struct rte_ipv4_hdr *, p->quote);
	struct rte_icmp_hdr *icmp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_icmp_hdr *, p->l4);
	/* what the quote may change: its headers, as far as they are quoted */
	uint32_t end = RTE_MIN((uint32_t)p->l3 + p->length, rte_pktmbuf_data_len(p->mbuf));
	uint32_t length = RTE_MIN(end - p->quote_l4, (uint32_t)TRANSPORT_BYTES);
	uint32_t changed = (uint32_t)(p->quote_l4 - p->quote) + length;
	uint16_t before = checksum_fold(checksum_sum(quoted_ip, changed));
	uint16_t outer = checksum_fold(checksum_delta32(ip->src_addr, src) +
				       checksum_delta32(ip->dst_addr, dst));

	rewrite_addresses(quoted_ip, quoted->src, quoted->dst, quoted->l3_delta);
	rewrite_transport(quoted_ip->next_proto_id, quoted_ip,
			  rte_pktmbuf_mtod_offset(p->mbuf, uint8_t *, p->quote_l4), length, quoted);
	icmp->icmp_cksum =
		checksum_apply(icmp->icmp_cksum,
			       checksum_fold(checksum_delta16(
				       before, checksum_fold(checksum_sum(quoted_ip, changed)))));
	ip->time_to_live--;
	rewrite_addresses(ip, src, dst, outer + TTL_DELTA);
}

void rewrite_ttl(const struct packet *p)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);

	ip->time_to_live--;
	ip->hdr_checksum = checksum_apply(ip->hdr_checksum, TTL_DELTA);
}
