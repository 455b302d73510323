/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_REWRITE_H
#define WEIR_REWRITE_H

#include "packet.h"

/*
 * The one rewrite: source NAT, destination NAT, hairpin and the packet quoted in an ICMP error.
 * The plan of a direction is the inverse of the session's other tuple.
 */
struct rewrite {
	struct tuple to;   /* addresses and ports that the packet shall have */
	uint16_t l3_delta; /* checksum delta of the addresses, RFC 1624 */
	uint16_t l4_delta; /* of addresses and ports as the transport checksum counts them */
};

/*
 * Deltas of a rewrite from `from` to `to`: for the IP header, and for the transport header (for
 * ICMP the identifier alone, as it has no pseudo-header).
 */
uint16_t rewrite_l3_delta(const struct tuple *from, const struct tuple *to);
uint16_t rewrite_l4_delta(const struct tuple *from, const struct tuple *to);

/* Writes addresses, ports and checksums of a plain packet (PACKET_QUERY) and takes one from TTL. */
void rewrite_packet(struct packet *p, const struct rewrite *rw);

/*
 * Writes an ICMP error: the quoted packet by `quoted` (its own direction), the outer addresses
 * `src` and `dst`, both IP checksums and the ICMP checksum, and takes one from the outer TTL.
 * The quote may be cut off anywhere behind its ports.
 */
void rewrite_error(struct packet *p, const struct rewrite *quoted, rte_be32_t src, rte_be32_t dst);

/* Takes one from TTL of a packet that is sent on untranslated. */
void rewrite_ttl(struct packet *p);

#endif
