/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BURST_H
#define WEIR_BURST_H

#include "fragment.h"
#include "ident.h"
#include "pipeline.h"

/*
 * Private to the pipeline: a burst under way, and the steps that take it.
 *
 * Plain packets, whose session was found and keeps their next hop, are only tracked, translated and
 * sent, in tight loops. Odd ones are everything else, one by one.
 */

#define TX_ROOM 128 /* frames kept for a port before they are sent */

struct out {
	uint32_t n;
	bool others; /* than VERDICT_TRANSLATED are among them */
	struct rte_mbuf *frame[TX_ROOM];
	uint8_t verdict[TX_ROOM]; /* VERDICT_COUNT: not a received packet, or already counted */
} __rte_cache_aligned;

struct burst {
	uint32_t n;
	/* those that a session is looked for: whole packets, then fragments, then ICMP errors */
	uint32_t whole_n, fragments_n, errors_n;
	/* plain ones that keep their IP identification, that need another; odd ones */
	uint32_t kept_n, renumbered_n, odd_n;
	uint32_t foreseen; /* of the odd ones, as far as nat_foresee() has looked */
	uint64_t created;  /* sessions that this worker had made before find */
	uint8_t candidate[BURST_MAX];
	uint8_t kept[BURST_MAX], renumbered[BURST_MAX], odd[BURST_MAX];
	struct packet packet[BURST_MAX];
	/* odd packets only */
	struct session *second[BURST_MAX];     /* hairpin: the session of the destination half */
	struct route_target target[BURST_MAX]; /* where route sends it */
	rte_be16_t ident[BURST_MAX];           /* fragments: the IP identification to leave with */
};

_Static_assert(IFACES_MAX <= 32, "out_ports has a bit for each port");

struct unsolicited;

struct pipeline {
	struct pipeline_config config;
	struct unsolicited *unsolicited;
	struct icmp_limiter *limiter;
	struct hold *hold;
	struct fragments *fragments[2]; /* from the outside; from the inside */
	struct ident ident;
	uint64_t now_ms;
	uint32_t now;        /* seconds */
	uint32_t generation; /* of routes, as this burst began */
	struct burst burst;
	bool astray[IFACES_MAX]; /* by port: packets come to other workers than their home */
	uint32_t out_ports;      /* bit by port: something is in line for it */
	struct out out[IFACES_MAX];
};

/* What a packet in the hold queue is: its token. */
enum held { HELD_PACKET, HELD_ANSWER };

static inline void burst_add_odd(struct burst *burst, const struct packet *p)
{
	uint8_t i = (uint8_t)(p - burst->packet);

	burst->odd[burst->odd_n++] = i;
	burst->second[i] = NULL;
}

static inline bool from_inside(const struct packet *p)
{
	return tuple_realm(&p->tuple) != REALM_OUTSIDE;
}

/* Whether a packet that leaves with a public source needs a new IP identification (ident.h). */
static inline bool needs_ident(const struct packet *p)
{
	return (p->direction == 0) & !(p->flags & (PACKET_DF | PACKET_IDENT_STAYS));
}

/* The other half of a hairpinned packet, or NULL. */
static inline struct session *second_half(const struct burst *burst, const struct packet *p)
{
	return burst->second[p - burst->packet];
}

/* Where an odd packet goes next; set by route. */
static inline struct route_target *route_target_of(struct burst *burst, const struct packet *p)
{
	return &burst->target[p - burst->packet];
}

/* The steps, in their order; each in the file of its name. First those of the whole burst: what is
 * odd is told from what is plain, and plain packets are sent. */
void step_parse(struct pipeline *pipeline);
void step_fragment(struct pipeline *pipeline);
void step_find(struct pipeline *pipeline);
void step_plain(struct pipeline *pipeline);
void step_foresee(struct pipeline *pipeline);
void step_translate_plain(struct pipeline *pipeline);
/* Then each odd packet goes through all others, the next one behind it. */
void step_odd(struct pipeline *pipeline);
/* And once for all bursts that came together: drivers cost less by the packet then. */
void step_transmit(struct pipeline *pipeline);

void odd_hairpin(struct pipeline *pipeline, struct packet *p);
void odd_route(struct pipeline *pipeline, struct packet *p);
void odd_hold(struct pipeline *pipeline, struct packet *p);
void odd_admit(struct pipeline *pipeline, struct packet *p);
void odd_fragment(struct pipeline *pipeline, struct packet *p);
void odd_track(struct pipeline *pipeline, struct packet *p);
void odd_translate(struct pipeline *pipeline, struct packet *p);
void odd_answer(struct pipeline *pipeline, struct packet *p);

/* ---- shared by steps ---- */

/* A round further in what step_foresee() began: where other work was done meanwhile. */
void foresee_next(struct pipeline *pipeline);
/* What the destination halves of hairpinned sessions will touch is asked for. */
void foresee_halves(const struct burst *burst);
/* All of it, before the i-th odd packet; what was not begun with it is begun. */
void foresee_rest(struct pipeline *pipeline, uint32_t i);

/* The steps for n packets, BURST_MAX at most, but for the last: what they send is in line. */
void pipeline_walk(struct pipeline *pipeline, struct rte_mbuf *packet[], uint32_t n);

static inline void write_link_header(void *ether, const struct nexthop *nexthop)
{
	memcpy(ether, nexthop->link_header, RTE_ETHER_HDR_LEN);
}

/* Sends what is in line for a port. What the port does not take is lost, and counted so. */
void transmit_flush(struct pipeline *pipeline, uint16_t port);

/* Puts a frame, link header and all, in line for a port. */
static inline void transmit_frame(struct pipeline *pipeline, struct rte_mbuf *frame, uint16_t port,
				  uint8_t verdict)
{
	struct out *out = pipeline->out + port;
	uint32_t n = out->n;

	out->frame[n] = frame;
	out->verdict[n] = verdict;
	out->others |= verdict != VERDICT_TRANSLATED;
	out->n = n + 1;
	pipeline->out_ports |= 1u << port;
	if (unlikely(n + 1 == TX_ROOM))
		transmit_flush(pipeline, port);
}

/* Sends a packet of weir's own, from its IP header on, to `target`, or lets it wait. */
void transmit_own(struct pipeline *pipeline, struct rte_mbuf *packet, uint32_t nexthop,
		  const struct route_target *target);

/*
 * Whether a first packet's source cannot be on the side that it came from: RFC 1812 5.3.8, RFC
 * 2827. Nobody sends from an address of a pool. From the outside, `realm` being where the packet is
 * for, nobody sends from one that there is inside, or weir's own; from the inside, nobody from
 * where no route of the realm leads back to. An established session's packets have its addresses.
 */
bool is_spoofed(const struct packet *p, uint32_t realm);

/* Gives the packet, as it came, to its home; refused where that one's ring is full. */
void hand_over(struct pipeline *pipeline, struct packet *p);

/* The session of a packet whose tuple is set, by a look-up of its own. */
void find_session(struct packet *p);

/* The same of the other half, if it is hairpinned. */
void find_other_half(struct pipeline *pipeline, const struct packet *p);

/* Whether an earlier packet of the burst has made the session of one that had none; then p has it.
 */
bool find_made(const struct pipeline *pipeline, struct packet *p);

/* Follows a packet in its own half alone: it has left there, and the other half refuses it. */
void track_first_half(struct pipeline *pipeline, struct packet *p);

/* Makes and sends the ICMP error that a packet's sender deserves, if it may have one. */
void answer_sender(struct pipeline *pipeline, struct packet *p, enum answer what);

/* SYNs from the outside that nobody waits for (RFC 5382 REQ-4). */
struct unsolicited *unsolicited_create(int socket);
void unsolicited_destroy(struct unsolicited *unsolicited);
/* Remembers a refused packet from the outside, if it is one and shall be answered. */
void unsolicited_keep(struct pipeline *pipeline, const struct packet *p);
/* Answers those whose time has come. */
void unsolicited_poll(struct pipeline *pipeline);

/* Packets that waited: puts them in line, walks or fails them. */
void hold_release(struct pipeline *pipeline);

/* Fragments that waited for their first: walks a burst of them, if there are. */
void fragment_release(struct pipeline *pipeline);

#endif
