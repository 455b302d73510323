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
			struct packet *p = &burst->packet[burst->candidate[i]];

			if (p->session == NULL && p->home == home)
				candidate[n++] = burst->candidate[i];
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
	bool *astray = &pipeline->astray[burst->packet[burst->candidate[0]].in_port];
	bool own_first = !*astray;
	uint32_t strays = 0;
	uint64_t homes = 0;

	if (own_first)
		find_in(pipeline, own, burst->candidate, candidates);
	for (uint32_t i = 0; i < candidates; i++) {
		struct packet *p = &burst->packet[burst->candidate[i]];
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

/* ICMP errors, which are odd from the beginning, behind the other candidates, for what they are
 * about. */
static void add_errors(struct burst *burst)
{
	uint8_t *next = burst->candidate + burst->whole_n + burst->fragments_n;

	burst->errors_n = 0;
	for (uint32_t i = 0; i < burst->odd_n; i++)
		if (burst->packet[burst->odd[i]].kind == PACKET_ERROR)
			next[burst->errors_n++] = burst->odd[i];
}

/* Step 2: the session of each packet, by bulk look-up in its home's table. */
void step_find(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;
	uint32_t n;

	add_errors(burst);
	n = burst->whole_n + burst->fragments_n + burst->errors_n;
	burst->created = pipeline->config.stats->sessions_created;
	if (n == 0)
		return;
	if (likely(home_workers == 1))
		find_in(pipeline, 0, burst->candidate, n);
	else
		find_by_home(pipeline, n);
}
