/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

/* Whether a bucket gives a session for a packet, most likely its own; then that is asked for. */
static inline bool guess(const struct table *table, const struct table_bucket *bucket,
			 struct packet *p)
{
	p->session = session_of(table, table_guess_in(bucket, p->hash), &p->direction);
	if (unlikely(p->session == NULL))
		return false;
	session_prefetch_lines(p->session);
	return true;
}

/* The candidates of one home. All memory is asked for before any is waited for; parse has asked for
 * the buckets of this worker's own table. */
static void find_in(struct pipeline *pipeline, uint8_t home, const uint8_t candidate[], uint32_t n)
{
	const struct table *table = sessions_table(nats[home]->sessions);
	struct burst *burst = &pipeline->burst;
	uint8_t elsewhere[BURST_MAX];
	uint32_t elsewhere_n = 0;

	if (home != pipeline->config.worker)
		for (uint32_t i = 0; i < n; i++)
			table_prefetch(table, burst->packet[candidate[i]].hash);
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = &burst->packet[candidate[i]];

		if (unlikely(!guess(table, table_first(table, p->hash), p)) &&
		    table_prefetch_other(table, p->hash))
			elsewhere[elsewhere_n++] = candidate[i];
	}
	for (uint32_t i = 0; i < elsewhere_n; i++) {
		struct packet *p = &burst->packet[elsewhere[i]];

		guess(table, table_other(table, p->hash), p);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = &burst->packet[candidate[i]];

		if (likely(p->session != NULL &&
			   tuple_equal(&p->session->tuple[p->direction], &p->tuple)))
			continue;
		/* in a table that nobody else writes, what no bucket gave is not there */
		if (p->session == NULL && home == pipeline->config.worker)
			continue;
		p->session =
			session_of(table, table_find(table, &p->tuple, p->hash), &p->direction);
	}
}

/* Looks for those without a session in the tables of their homes. */
static void find_at_homes(struct pipeline *pipeline, uint32_t candidates, uint64_t homes)
{
	struct burst *burst = &pipeline->burst;
	uint8_t candidate[BURST_MAX];

	for (; homes != 0; homes &= homes - 1) {
		uint8_t home = (uint8_t)__builtin_ctzll(homes);
		uint32_t n = 0;

		for (uint32_t i = 0; i < candidates; i++) {
			struct packet *p = &burst->packet[burst->plain[i]];

			if (p->session == NULL && p->home == home)
				candidate[n++] = burst->plain[i];
		}
		find_in(pipeline, home, candidate, n);
	}
}

/*
 * With several workers: each of the candidates in the table of its home. Where a port's packets are
 * steered home, this worker's own table is looked into first, and only what it does not have is
 * asked for its home; where they are not, that would be one look-up more for nearly every packet.
 * A burst comes from one port, and the next from it will be as this one was.
 */
static void find_by_home(struct pipeline *pipeline, uint32_t candidates)
{
	struct burst *burst = &pipeline->burst;
	uint8_t own = pipeline->config.worker;
	bool *astray = &pipeline->astray[burst->packet[burst->plain[0]].in_port];
	bool own_first = !*astray;
	uint32_t strays = 0;
	uint64_t homes = 0;

	if (own_first)
		find_in(pipeline, own, burst->plain, candidates);
	for (uint32_t i = 0; i < candidates; i++) {
		struct packet *p = &burst->packet[burst->plain[i]];
		int home;

		p->home = own;
		if (own_first && likely(p->session != NULL))
			continue;
		home = nat_home_of(&p->tuple);
		/* what nobody is the home of is looked for here: it is not found */
		if (home >= 0)
			p->home = (uint8_t)home;
		strays += p->home != own;
		if (!own_first || p->home != own)
			homes |= UINT64_C(1) << p->home;
	}
	*astray = strays > candidates / 4;
	find_at_homes(pipeline, candidates, homes);
}

void find_session(struct packet *p)
{
	int home = nat_home_of(&p->tuple);

	p->session = home >= 0
			     ? session_find(nats[home]->sessions, &p->tuple, p->hash, &p->direction)
			     : NULL;
}

bool find_made(const struct pipeline *pipeline, struct packet *p)
{
	if (pipeline->config.stats->sessions_created == pipeline->burst.created)
		return false;
	p->session =
		session_find(pipeline->config.nat->sessions, &p->tuple, p->hash, &p->direction);
	return p->session != NULL;
}

/* ICMP errors, which are odd from the beginning, behind the candidates for what they are about: how
 * many. */
static uint32_t add_errors(struct burst *burst, uint32_t candidates)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < burst->odd_n; i++)
		if (burst->packet[burst->odd[i]].kind == PACKET_ERROR)
			burst->plain[candidates + n++] = burst->odd[i];
	return n;
}

/* An ICMP error whose session was looked for. */
static void take_error(struct packet *p)
{
	route_prefetch(p->tuple.dst);
	if (p->session == NULL)
		packet_refuse(p, VERDICT_ERROR_NO_SESSION);
}

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

/* What is not plain. Without a session it goes to the home, which alone makes one. */
static void set_aside(struct pipeline *pipeline, struct packet *p)
{
	burst_add_odd(&pipeline->burst, p);
	route_prefetch(p->tuple.dst);
	if (p->session == NULL && p->tuple.dport != 0 && !tuple_has_ports(&p->tuple))
		find_without_call(pipeline, p);
	if (home_workers == 1 || p->home == pipeline->config.worker || !needs_home(p))
		return;
	if (!pipeline->config.hand_over(pipeline->config.context, p->home, p->mbuf))
		return packet_refuse(p, VERDICT_HANDOVER_FULL);
	p->kind = PACKET_GONE;
	pipeline->config.stats->handed_over++;
}

/*
 * Whether nothing can stop the packet any more: its session was found, and keeps a next hop that is
 * still right. A hairpin session keeps none.
 */
static bool is_plain(const struct packet *p, uint32_t generation)
{
	const struct session *session = p->session;

	return session->generation[p->direction] == generation &&
	       ((p->ttl > 1) & (p->tcp_event < TCP_EVENT_SYN)) && /* one branch */
	       p->length <= nexthops[session->nexthop[p->direction]].mtu;
}

/*
 * Step 2: the session of each packet, by bulk look-up in its home's table; then plain packets are
 * told from odd ones.
 */
void step_find(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;
	uint32_t whole = burst->plain_n, queries = whole + burst->fragments_n;
	uint32_t candidates = queries + add_errors(burst, queries);

	burst->created = pipeline->config.stats->sessions_created;
	if (candidates == 0)
		return;
	if (likely(home_workers == 1))
		find_in(pipeline, 0, burst->plain, candidates);
	else
		find_by_home(pipeline, candidates);

	burst->plain_n = 0;
	for (uint32_t i = 0; i < whole; i++) {
		struct packet *p = &burst->packet[burst->plain[i]];

		if (likely(p->session != NULL && is_plain(p, pipeline->generation))) {
			p->nexthop = p->session->nexthop[p->direction];
			burst->plain[burst->plain_n++] = burst->plain[i];
			continue;
		}
		set_aside(pipeline, p);
	}
	for (uint32_t i = whole; i < queries; i++)
		set_aside(pipeline, &burst->packet[burst->plain[i]]);
	for (uint32_t i = queries; i < candidates; i++)
		take_error(&burst->packet[burst->plain[i]]);
}
