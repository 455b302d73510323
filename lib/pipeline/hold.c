/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

/*
 * A packet whose next hop is not known waits as it came, and takes the walk again once it is: so it
 * is tracked and translated once, an error about it quotes it right, and a first packet that nobody
 * takes leaves no session.
 */
static void hold(struct pipeline *pipeline, struct packet *p)
{
	const struct route_target *target = route_target_of(&pipeline->burst, p);
	struct rte_mbuf *request;

	if (!hold_packet(pipeline->hold, target, p->mbuf, HELD_PACKET, pipeline->now_ms, &request))
		return packet_refuse(p, VERDICT_HOLD_FULL);
	p->kind = PACKET_GONE;
	pipeline->config.stats->held++;
	if (request != NULL)
		transmit_frame(pipeline, request, target->port, VERDICT_COUNT);
}

/* A packet whose neighbour is not known goes into the hold queue. */
void odd_hold(struct pipeline *pipeline, struct packet *p)
{
	if (p->kind < PACKET_ARP && p->nexthop == NEXTHOP_NONE)
		hold(pipeline, p);
}

/* Nobody answered: the packet is refused, and its sender told. */
static void fail(struct pipeline *pipeline, struct rte_mbuf *packet)
{
	struct burst *burst = &pipeline->burst;

	struct packet *p = &burst->packet[0];

	burst->n = 1;
	p->mbuf = packet;
	step_parse(pipeline);
	burst->odd_n = 0;
	burst_add_odd(burst, p);
	/* a hairpinned one may have begun sessions: they end with it */
	if (p->kind == PACKET_QUERY || (p->kind == PACKET_FRAGMENT && !(p->flags & PACKET_LATER))) {
		find_session(p);
		find_other_half(pipeline, p);
	}
	packet_refuse(p, VERDICT_NO_NEIGHBOUR);
	odd_answer(pipeline, p);
}

/* An answer of weir's own, or a repeated request: sent, or given up. */
static void release_own(struct pipeline *pipeline, const struct hold_event *event)
{
	if (event->what == HOLD_FAILED) {
		rte_pktmbuf_free(event->mbuf);
		return;
	}
	if (event->what == HOLD_SEND)
		write_link_header(rte_pktmbuf_mtod(event->mbuf, void *), &nexthops[event->nexthop]);
	transmit_frame(pipeline, event->mbuf, event->port, VERDICT_COUNT);
}

void hold_release(struct pipeline *pipeline)
{
	struct hold_event event[BURST_MAX];
	struct rte_mbuf *packet[BURST_MAX];
	uint32_t n, packets = 0;

	if (likely(hold_count(pipeline->hold) == 0))
		return;
	n = hold_poll(pipeline->hold, pipeline->now_ms, event, BURST_MAX);
	for (uint32_t i = 0; i < n; i++) {
		if (event[i].what == HOLD_REQUEST || event[i].token == HELD_ANSWER) {
			release_own(pipeline, &event[i]);
			continue;
		}
		pipeline->config.stats->held--;
		if (event[i].what == HOLD_SEND)
			packet[packets++] = event[i].mbuf;
		else
			fail(pipeline, event[i].mbuf);
	}
	if (packets > 0)
		pipeline_walk(pipeline, packet, packets);
}
