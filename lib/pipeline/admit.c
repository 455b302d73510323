/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

/* Keeps the next hop in the session, so that its packets are plain from now on. */
static void keep_nexthop(const struct burst *burst, struct packet *p, uint32_t generation)
{
	struct session *session = p->session;

	if (p->nexthop < NEXTHOP_FIRST || session->flags & (SESSION_HAIRPIN | SESSION_ALG) ||
	    second_half(burst, p) != NULL)
		return;
	session->nexthop[p->direction] = (uint16_t)p->nexthop;
	session->generation[p->direction] = generation;
}

/* Begins with the first packets of the odd ones from `from` on, FORESEE_MAX at most. */
static void foresee(struct pipeline *pipeline, uint32_t from)
{
	struct burst *burst = &pipeline->burst;
	struct packet *first[FORESEE_MAX];
	uint32_t n = 0, i;

	for (i = from; i < burst->odd_n && n < FORESEE_MAX; i++) {
		struct packet *p = &burst->packet[burst->odd[i]];

		if (p->kind != PACKET_QUERY || p->session != NULL)
			continue;
		if (from_inside(p))
			first[n++] = p;
		else
			nat_foresee_inbound(pipeline->config.nat, &p->tuple);
	}
	burst->foreseen = i;
	nat_foresee(pipeline->config.nat, first, n);
}

/* Beside step 2: what first packets and hairpinned ones will touch is asked for; it comes while
 * plain ones are sent. */
void step_foresee(struct pipeline *pipeline)
{
	foresee(pipeline, 0);
	foresee_halves(&pipeline->burst);
}

void foresee_next(struct pipeline *pipeline)
{
	if (unlikely(nat_foresees(pipeline->config.nat)))
		nat_foresee_next(pipeline->config.nat);
}

void foresee_rest(struct pipeline *pipeline, uint32_t i)
{
	if (i == pipeline->burst.foreseen)
		foresee(pipeline, i);
	while (nat_foresees(pipeline->config.nat))
		nat_foresee_next(pipeline->config.nat);
}

/* Step 5: first packets only: rules, limits, port, and the complete session, published last. */
void odd_admit(struct pipeline *pipeline, struct packet *p)
{
	enum verdict verdict;

	if (p->kind != PACKET_QUERY)
		return;
	if (p->session == NULL && !find_made(pipeline, p)) {
		verdict = nat_admit(pipeline->config.nat, p);
		if (verdict != VERDICT_COUNT)
			return packet_refuse(p, verdict);
	}
	keep_nexthop(&pipeline->burst, p, pipeline->generation);
}
