/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_REWRITE_H
#define WEIR_REWRITE_H

#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
#include "packet.h"

/*
 * The one rewrite: source NAT, destination NAT, hairpin and the packet quoted in an ICMP error.
 * `src` to `dport` are what the packet shall have; the deltas (RFC 1624) turn its checksums.
 */
struct rewrite {
	rte_be32_t src, dst;
	rte_be16_t sport, dport;
	uint32_t l3_delta; /* of the IP header's checksum: a sum of deltas */
	uint32_t l4_delta; /* of the transport checksum, likewise: addresses and ports; ICMP:
			      identifier */
};

/* The deltas of a rewrite that makes `to` of `from`. */
uint16_t rewrite_l3_delta(const struct tuple *from, const struct tuple *to);
uint16_t rewrite_l4_delta(const struct tuple *from, const struct tuple *to);

/* Writes addresses, ports and checksums of a PACKET_QUERY and takes one from its TTL. */
static inline void rewrite_packet(const struct packet *p, const struct rewrite *rw);
/* The same of its headers. */
static inline void rewrite_headers(struct rte_ipv4_hdr *ip, uint8_t *l4, uint8_t protocol,
				   const struct rewrite *rw);

/* The same for a fragment but the first (PACKET_LATER): the IP header. */
void rewrite_fragment(const struct packet *p, const struct rewrite *rw);

/* Writes another IP identification; the delta for the header's checksum, not folded. */
static inline uint32_t rewrite_ident(struct rte_ipv4_hdr *ip, rte_be16_t ident);

/*
 * Writes a PACKET_ERROR: the quoted packet by `quoted`, the outer addresses, the checksums, and
 * takes one from the outer TTL. The quote may end anywhere behind its first 8 transport bytes.
 */
void rewrite_error(const struct packet *p, const struct rewrite *quoted, rte_be32_t src,
		   rte_be32_t dst);

/* gre.c: gives an enhanced GRE packet, whole or a first fragment, another call's identifier. */
void rewrite_call(const struct packet *p, rte_be16_t id);

/* Makes the maximum segment size that a SYN announces no larger than this (host order). */
void rewrite_mss(const struct packet *p, uint16_t most);

/* Takes one from the TTL of a packet that is sent on as it is. */
void rewrite_ttl(const struct packet *p);

/* ---- the bodies of what every packet takes ---- */

#if RTE_BYTE_ORDER != RTE_LITTLE_ENDIAN
#error "the TTL's delta below is for little-endian machines"
#endif

/* One less in the TTL, the low byte of its 16-bit word: - 1 in one's complement. */
#define TTL_DELTA 0xfffeu

/* Transport bytes that a rewrite touches: up to TCP's checksum. */
#define TRANSPORT_BYTES 18

/* The addresses, and the header's checksum by a delta that may be the sum of several. */
static inline void rewrite_addresses(struct rte_ipv4_hdr *ip, rte_be32_t src, rte_be32_t dst,
				     uint32_t delta)
{
	ip->hdr_checksum = checksum_apply(ip->hdr_checksum, delta);
	ip->src_addr = src;
	ip->dst_addr = dst;
}

static inline void rewrite_icmp(struct rte_icmp_hdr *icmp, const struct rewrite *rw)
{
	/* the asking side's port */
	icmp->icmp_ident = packet_is_request(icmp) ? rw->sport : rw->dport;
	icmp->icmp_cksum = checksum_apply_nonzero(icmp->icmp_cksum, rw->l4_delta);
}

/* A protocol without ports: its checksum, if that covers the addresses. */
void rewrite_covered(const struct rte_ipv4_hdr *ip, void *l4, uint32_t l4_delta);

/* By protocol: where its checksum is, for those that have ports. */
extern const uint8_t rewrite_checksum_at[256];

/* `length` transport bytes are there, 8 at the least. TCP and UDP take the same branches, as they
 * come in no order. */
static inline void rewrite_transport(uint8_t protocol, const struct rte_ipv4_hdr *ip, uint8_t *l4,
				     uint32_t length, const struct rewrite *rw)
{
	uint32_t at = rewrite_checksum_at[protocol];
	uint16_t old, new;

	if (unlikely(at == 0)) {
		if (protocol == IPPROTO_ICMP)
			rewrite_icmp((struct rte_icmp_hdr *)l4, rw);
		else
			rewrite_covered(ip, l4, rw->l4_delta);
		return;
	}
	memcpy(l4, &rw->sport, sizeof(rw->sport) + sizeof(rw->dport));
	if (length < TRANSPORT_BYTES && at + sizeof(old) > length)
		return;
	memcpy(&old, l4 + at, sizeof(old));
	new = checksum_apply(old, rw->l4_delta);
	/* UDP's 0 means none, RFC 768: the sender made none, or it is the other zero */
	if (unlikely(old == 0 || new == 0) && protocol == IPPROTO_UDP)
		new = old == 0 ? 0 : 0xffff;
	memcpy(l4 + at, &new, sizeof(new));
}

static inline void rewrite_headers(struct rte_ipv4_hdr *ip, uint8_t *l4, uint8_t protocol,
				   const struct rewrite *rw)
{
	ip->time_to_live--;
	rewrite_addresses(ip, rw->src, rw->dst, rw->l3_delta + TTL_DELTA);
	rewrite_transport(protocol, ip, l4, TRANSPORT_BYTES, rw);
}

static inline void rewrite_packet(const struct packet *p, const struct rewrite *rw)
{
	rewrite_headers(packet_ip(p), rte_pktmbuf_mtod_offset(p->mbuf, uint8_t *, p->l4),
			tuple_proto(&p->tuple), rw);
}

static inline uint32_t rewrite_ident(struct rte_ipv4_hdr *ip, rte_be16_t ident)
{
	uint16_t old = ip->packet_id;

	ip->packet_id = ident;
	return (uint32_t)checksum_delta16(old, ident);
}

#endif
