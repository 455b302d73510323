/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enhanced GRE, RFC 2637 section 4.1: version 1 with a key, whose low half is the identifier that
 * the receiver of the packet gave the call; the sender's own is not in it. No checksum covers it.
 */
#include "packet.h"
#include "rewrite.h"

struct enhanced_gre {
	uint8_t flags;         /* C, R, K, S, s, recursion control */
	uint8_t flags_version; /* A, flags, version */
	rte_be16_t protocol;   /* PPP */
	rte_be16_t payload_size;
	rte_be16_t call_id;
};

#define CHECKSUM_ROUTING_KEY 0xe0
#define KEY                  0x20
#define VERSION              0x07
#define GRE_PPP              RTE_BE16(0x880b)

bool packet_reads_calls;

static struct enhanced_gre *header(const struct packet *p)
{
	return rte_pktmbuf_mtod_offset(p->mbuf, struct enhanced_gre *, p->l4);
}

bool packet_parse_call(const struct packet *p, uint32_t l4_have, rte_be16_t *id)
{
	const struct enhanced_gre *gre = header(p);

	if (l4_have < sizeof(*gre) || (gre->flags & CHECKSUM_ROUTING_KEY) != KEY ||
	    (gre->flags_version & VERSION) != 1 || gre->protocol != GRE_PPP)
		return false;
	*id = gre->call_id;
	return true;
}

void rewrite_call(const struct packet *p, rte_be16_t id)
{
	header(p)->call_id = id;
}
