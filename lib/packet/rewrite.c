/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
#include "rewrite.h"

#if RTE_BYTE_ORDER != RTE_LITTLE_ENDIAN
#error "the TTL's delta below is for little-endian machines"
#endif

/* One less in the TTL, the low byte of its 16-bit word: - 1 in one's complement. */
#define TTL_DELTA 0xfffeu

/* Transport bytes that a rewrite touches: up to TCP's checksum. */
#define TRANSPORT_BYTES 18

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

static inline void rewrite_addresses(struct rte_ipv4_hdr *ip, rte_be32_t src, rte_be32_t dst,
				     uint16_t delta)
{
	ip->src_addr = src;
	ip->dst_addr = dst;
	ip->hdr_checksum = checksum_apply(ip->hdr_checksum, delta);
}

static inline void rewrite_udp(struct rte_udp_hdr *udp, const struct rewrite *rw)
{
	udp->src_port = rw->sport;
	udp->dst_port = rw->dport;
	if (udp->dgram_cksum == 0) /* the sender made none: RFC 768 */
		return;
	udp->dgram_cksum = checksum_apply_nonzero(udp->dgram_cksum, rw->l4_delta);
}

/* `length` transport bytes are there, 8 at the least. */
static inline void rewrite_transport(uint8_t protocol, void *l4, uint32_t length,
				     const struct rewrite *rw)
{
	struct rte_tcp_hdr *tcp = l4;
	struct rte_icmp_hdr *icmp = l4;

	switch (protocol) {
	case IPPROTO_TCP:
		tcp->src_port = rw->sport;
		tcp->dst_port = rw->dport;
		if (length >= TRANSPORT_BYTES)
			tcp->cksum = checksum_apply(tcp->cksum, rw->l4_delta);
		break;
	case IPPROTO_UDP:
		rewrite_udp(l4, rw);
		break;
	case IPPROTO_ICMP: /* the asking side's port is the identifier */
		icmp->icmp_ident = icmp->icmp_type == RTE_IP_ICMP_ECHO_REQUEST ||
						   icmp->icmp_type == ICMP_TIMESTAMP
					   ? rw->sport
					   : rw->dport;
		icmp->icmp_cksum = checksum_apply_nonzero(icmp->icmp_cksum, rw->l4_delta);
		break;
	}
}

/* An IP checksum delta that also takes one from the TTL. */
static inline uint16_t with_ttl(uint16_t delta)
{
	uint32_t sum = (uint32_t)delta + TTL_DELTA;

	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

void rewrite_packet(const struct packet *p, const struct rewrite *rw)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);
	void *l4 = rte_pktmbuf_mtod_offset(p->mbuf, void *, p->l4);

	ip->time_to_live--;
	rewrite_addresses(ip, rw->src, rw->dst, with_ttl(rw->l3_delta));
	rewrite_transport(tuple_proto(&p->tuple), l4, TRANSPORT_BYTES, rw);
}

void rewrite_fragment(const struct packet *p, const struct rewrite *rw)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);

	ip->time_to_live--;
	rewrite_addresses(ip, rw->src, rw->dst, with_ttl(rw->l3_delta));
}

void rewrite_ident(const struct packet *p, rte_be16_t ident)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);
	uint16_t delta = checksum_fold(checksum_delta16(ip->packet_id, ident));

	ip->packet_id = ident;
	ip->hdr_checksum = checksum_apply(ip->hdr_checksum, delta);
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
	rewrite_transport(quoted_ip->next_proto_id,
			  rte_pktmbuf_mtod_offset(p->mbuf, void *, p->quote_l4), length, quoted);
	icmp->icmp_cksum =
		checksum_apply(icmp->icmp_cksum,
			       checksum_fold(checksum_delta16(
				       before, checksum_fold(checksum_sum(quoted_ip, changed)))));
	ip->time_to_live--;
	rewrite_addresses(ip, src, dst, with_ttl(outer));
}

void rewrite_ttl(const struct packet *p)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);

	ip->time_to_live--;
	ip->hdr_checksum = checksum_apply(ip->hdr_checksum, TTL_DELTA);
}
