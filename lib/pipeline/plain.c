/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"
#include "track.h"

/* Whether only the home can go on with it: it makes sessions, and ALGs work there. */
static bool needs_home(const struct packet *p)
{
	if (p->session != NULL)
		return p->session->flags & SESSION_ALG;
	return !(p->flags & PACKET_LATER);
}

/* GRE that is of no PPTP call that the ALG knows goes by address alone, as ever. */
static void find_without_call(struct pipeline *pipeline, struct packet *p)
{
	int home;

	p->tuple.dport = 0;
	p->flags |= PACKET_IDENT_STAYS;
	p->hash = tuple_hash(&p->tuple);
	home = nat_home_of(&p->tuple);
	p->home = home < 0 ? pipeline->config.worker : (uint8_t)home;
	find_session(p);
}

void hand_over(struct pipeline *pipeline, struct packet *p)
{
	if (!pipeline->config.hand_over(pipeline->config.context, p->home, p->mbuf))
		return packet_refuse(p, VERDICT_HANDOVER_FULL);
	p->kind = PACKET_GONE;
	pipeline->config.stats->handed_over++;
}

/* What is not plain. Without a session it goes to the home, which alone makes one. */
static void set_aside(struct pipeline *pipeline, struct packet *p)
{
	burst_add_odd(&pipeline->burst, p);
	route_prefetch(p->tuple.dst);
	if (p->session == NULL && p->tuple.dport != 0 && !tuple_has_ports(&p->tuple))
		find_without_call(pipeline, p);
	if (home_workers > 1 && p->home != pipeline->config.worker && needs_home(p))
		hand_over(pipeline, p);
}

/* An ICMP error, which is among the odd ones already. */
static void set_error_aside(struct packet *p)
{
	route_prefetch(p->tuple.dst);
	if (p->session == NULL)
		packet_refuse(p, VERDICT_ERROR_NO_SESSION);
}

/*
 * Whether nothing can stop the packet any more: its session was found, and keeps a next hop that is
 * still right. A hairpin session keeps none.
 */
static inline bool is_plain(const struct packet *p, uint32_t generation)
{
	const struct session *session = p->session;

	return session != NULL && session->generation[p->direction] == generation &&
	       ((p->ttl > 1) & (p->tcp_event < TCP_EVENT_SYN)) && /* one branch */
	       p->length <= nexthops[session->nexthop[p->direction]].mtu;
}

/*
 * Plain packets are told from odd ones, and tracked: that nothing else stops them. They pass all
 * other steps by until they are translated.
 */
void step_plain(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;
	const uint8_t *candidate = burst->candidate;
	uint32_t i, end, kept_n = 0, renumbered_n = 0;

	for (i = 0, end = burst->whole_n; i < end; i++) {
		struct packet *p = &burst->packet[candidate[i]];
		bool renumbered = needs_ident(p);

		if (unlikely(!is_plain(p, pipeline->generation))) {
			set_aside(pipeline, p);
			continue;
		}
		p->nexthop = p->session->nexthop[p->direction];
		if (unlikely(!track(p->session, p->direction, p, pipeline->now))) {
			burst_add_odd(burst, p);
			continue;
		}
		/* on both lists, of which one grows: no branch */
		burst->kept[kept_n] = burst->renumbered[renumbered_n] = candidate[i];
		kept_n += !renumbered;
		renumbered_n += renumbered;
	}
	burst->kept_n = kept_n;
	burst->renumbered_n = renumbered_n;
	for (end += burst->fragments_n; i < end; i++)
		set_aside(pipeline, &burst->packet[candidate[i]]);
	for (end += burst->errors_n; i < end; i++)
		set_error_aside(&burst->packet[candidate[i]]);
}
