/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "stats.h"
#include "tuple.h"

/*
 * The per-packet record, filled once by parse and carried down the pipeline beside the packet.
 * Steps up to `translate` read the packet and write only this record: a refused packet is still as
 * it came. All offsets are from the start of the frame.
 */
enum packet_kind {
	PACKET_QUERY,    /* all but ICMP errors: the tuple is its own */
	PACKET_ERROR,    /* ICMP error: the tuple is the inverse of the quoted packet's */
	PACKET_ROUTED,   /* to be sent on as it is */
	PACKET_ECHO,     /* an echo request to weir, to be answered */
	PACKET_ARP,      /* for lib/route */
	PACKET_FRAGMENT, /* a fragment; of the first, the tuple is set */
	PACKET_REFUSED,  /* the verdict is set */
	PACKET_GONE,     /* somebody else has the mbuf: another worker, the hold queue */
};

/*
 * What a segment is to the TCP state machine; the strongest flag wins. From SYN on they are few and
 * need a closer look, so they are never plain.
 */
enum tcp_event {
	TCP_EVENT_NONE, /* no TCP header: another protocol, or a fragment but the first */
	TCP_EVENT_ACK,
	TCP_EVENT_FIN,
	TCP_EVENT_SYN,
	TCP_EVENT_SYNACK,
	TCP_EVENT_RST,
	TCP_EVENT_COUNT,
};

/* packet.flags */
#define PACKET_LINK_BROADCAST 0x01 /* came in a broadcast or multicast frame */
#define PACKET_OPTIONS        0x02 /* has IP options */
#define PACKET_DF             0x04 /* must not be fragmented */
#define PACKET_REQUEST        0x08 /* an ICMP query's request, not its reply */
#define PACKET_FRAGMENT_ANY   0x10 /* is a fragment */
#define PACKET_LATER          0x20 /* is a fragment but not the first: nothing is at l4 */

#define PACKET_IDENT_STAYS 0x40 /* its IP identification is nobody else's already */

struct session;

struct packet {
	struct tuple tuple;
	struct rte_mbuf *mbuf;
	struct session *session; /* set by find or admit */
	uint64_t hash;           /* tuple_hash(&tuple) */
	uint32_t nexthop;        /* set by route */
	uint16_t l3, l4;         /* the IP header; the header behind it */
	uint16_t length;         /* the IP total length */
	uint16_t quote;          /* PACKET_ERROR: the quoted IP header */
	uint16_t quote_l4;       /* PACKET_ERROR: the quoted transport header */
	uint16_t in_port;        /* DPDK port that it came in by */
	uint8_t kind;            /* enum packet_kind */
	uint8_t verdict;         /* enum verdict */
	uint8_t flags;
	uint8_t tcp_event; /* enum tcp_event */
	uint8_t direction; /* of the session: 0 original, 1 reply */
	uint8_t home;      /* the worker that owns the session, or would */
	uint8_t ttl;
} __rte_cache_aligned;

_Static_assert(sizeof(struct packet) == 64, "a packet record is one cache line");

/* What parse needs to know of the port that the packet came in by. */
struct packet_source {
	struct rte_ether_addr mac; /* the port's own; frames for others are refused */
	uint32_t realm;
	bool any_mac; /* take frames for any destination */
};

static inline struct rte_ipv4_hdr *packet_ip(const struct packet *p)
{
	return rte_pktmbuf_mtod_offset(p->mbuf, struct rte_ipv4_hdr *, p->l3);
}

/* Refuses the packet: the one way to end it before it is sent. */
static inline void packet_refuse(struct packet *p, enum verdict verdict)
{
	p->kind = PACKET_REFUSED;
	p->verdict = (uint8_t)verdict;
}

/*
 * Any worker. Reads the headers of p->mbuf, every length checked before use, and fills the record;
 * on failure the packet is refused. Sets everything up to `ttl` except session, nexthop, direction
 * and home. p->mbuf and p->in_port are set by the caller.
 */
void packet_parse(struct packet *p, const struct packet_source *source);

/* Whether an ICMP query is a request, not its reply. They come in no order: no branch. */
static inline bool packet_is_request(const struct rte_icmp_hdr *icmp)
{
	const uint32_t requests = 1u << ICMP_ECHO | 1u << ICMP_TIMESTAMP;

	return requests >> icmp->icmp_type % 32 & 1;
}

/* Whether the protocol, one without ports for us, covers the addresses by a checksum that lies in
 * its first 8 bytes: UDP-Lite, DCCP. */
static inline bool packet_covers_addresses(uint8_t protocol)
{
	return protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

/* Whether GRE packets of PPTP have their call's identifier in tuple.dport: the switch of its ALG.
 * Set by the control thread while workers run. */
extern bool packet_reads_calls;

/*
 * gre.c: the identifier of the receiver's call in an enhanced GRE packet (RFC 2637 section 4.1),
 * `l4_have` bytes of which are there from p->l4 on. False: it is no such packet.
 */
bool packet_parse_call(const struct packet *p, uint32_t l4_have, rte_be16_t *id);

/* True when `source` (network order) is one host's address: RFC 1812 4.2.2.11, 5.3.7. */
bool packet_is_host(rte_be32_t source);

#endif
