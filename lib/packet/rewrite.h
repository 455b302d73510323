/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_REWRITE_H
#define WEIR_REWRITE_H

#include "packet.h"

/*
 * The one rewrite: source NAT, destination NAT, hairpin and the packet quoted in an ICMP error.
 * `src` to `dport` are what the packet shall have; the deltas (RFC 1624) turn its checksums.
 */
struct rewrite {
	rte_be32_t src, dst;
	rte_be16_t sport, dport;
	uint16_t l3_delta; /* of the addresses: the IP header's checksum */
	uint16_t l4_delta; /* as the transport checksum counts: addresses and ports; ICMP:
			      identifier */
};

/* The deltas of a rewrite that makes `to` of `from`. */
uint16_t rewrite_l3_delta(const struct tuple *from, const struct tuple *to);
uint16_t rewrite_l4_delta(const struct tuple *from, const struct tuple *to);

/* Writes addresses, ports and checksums of a PACKET_QUERY and takes one from its TTL. */
void rewrite_packet(const struct packet *p, const struct rewrite *rw);

/* The same for a fragment but the first (PACKET_LATER): the IP header. */
void rewrite_fragment(const struct packet *p, const struct rewrite *rw);

/* Gives a packet another IP identification. */
void rewrite_ident(const struct packet *p, rte_be16_t ident);

/*
 * Writes a PACKET_ERROR: the quoted packet by `quoted`, the outer addresses, the checksums, and
 * takes one from the outer TTL. The quote may end anywhere behind its first 8 transport bytes.
 */
void rewrite_error(const struct packet *p, const struct rewrite *quoted, rte_be32_t src,
		   rte_be32_t dst);

/* Makes the maximum segment size that a SYN announces no larger than this (host order). */
void rewrite_mss(const struct packet *p, uint16_t most);

/* Takes one from the TTL of a packet that is sent on as it is. */
void rewrite_ttl(const struct packet *p);

#endif
