/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

/* The worker where the fragments of a datagram meet (fragment.h). */
static uint8_t meeting_point(const struct packet *p)
{
	return home_of_subscriber(from_inside(p) ? p->tuple.src : p->tuple.dst);
}

static struct fragments *fragments_of(struct pipeline *pipeline, const struct packet *p)
{
	return pipeline->fragments[from_inside(p)];
}

static void send_to_meeting_point(struct pipeline *pipeline, struct packet *p)
{
	if (!pipeline->config.hand_over_fragment(pipeline->config.context, meeting_point(p),
						 p->mbuf))
		return packet_refuse(p, VERDICT_HANDOVER_FULL);
	p->kind = PACKET_GONE;
	pipeline->config.stats->handed_over++;
}

static void take_fragment(struct pipeline *pipeline, struct packet *p)
{
	if (!(p->flags & PACKET_LATER))
		p->kind = PACKET_QUERY;
	else if (meeting_point(p) != pipeline->config.worker)
		send_to_meeting_point(pipeline, p);
	else
		fragments_follow(fragments_of(pipeline, p), p, pipeline->now_ms);
}

/*
 * Fragments get the tuple of their datagram's first, or wait for it. For those that have it a
 * session is looked for.
 */
void step_fragment(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;
	uint32_t kept = 0;

	burst->fragments_n = 0;
	for (uint32_t i = 0; i < burst->odd_n; i++) {
		struct packet *p = &burst->packet[burst->odd[i]];

		if (p->kind == PACKET_FRAGMENT)
			take_fragment(pipeline, p);
		if (p->kind == PACKET_QUERY)
			burst->candidate[burst->whole_n + burst->fragments_n++] = burst->odd[i];
		else
			burst->odd[kept++] = burst->odd[i];
	}
	burst->odd_n = kept;
}

/* A new identification for a datagram that leaves with a public source. */
static rte_be16_t new_ident(struct pipeline *pipeline, const struct packet *p)
{
	const struct session *second = second_half(&pipeline->burst, p);
	struct rewrite rw = session_rewrite(p->session, 0);

	return ident_next(&pipeline->ident, rw.src, second != NULL ? second->tuple[0].src : rw.dst,
			  tuple_proto(&p->tuple));
}

static void pass(struct pipeline *pipeline, struct packet *p)
{
	rte_be16_t *ident = &pipeline->burst.ident[p - pipeline->burst.packet];
	enum verdict verdict;

	if (meeting_point(p) != pipeline->config.worker)
		return send_to_meeting_point(pipeline, p);
	*ident = packet_ip(p)->packet_id;
	if (!(p->flags & PACKET_LATER) && p->kind == PACKET_QUERY && p->direction == 0)
		*ident = new_ident(pipeline, p);
	verdict = fragments_pass(fragments_of(pipeline, p), p, ident, pipeline->now_ms);
	if (verdict != VERDICT_COUNT)
		packet_refuse(p, verdict);
}

/* A fragment that nothing else stops is held against those that have passed. */
void odd_fragment(struct pipeline *pipeline, struct packet *p)
{
	if ((p->kind == PACKET_QUERY || p->kind == PACKET_ROUTED) && p->flags & PACKET_FRAGMENT_ANY)
		pass(pipeline, p);
}

void fragment_release(struct pipeline *pipeline)
{
	struct rte_mbuf *packet[BURST_MAX];
	uint32_t n = 0;

	for (int inside = 0; inside < 2; inside++)
		n += fragments_take(pipeline->fragments[inside], packet + n, BURST_MAX - n);
	if (unlikely(n > 0))
		pipeline_walk(pipeline, packet, n);
}
