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

/* Several first packets of `odd`: what they will touch is asked for before any is admitted. */
static void foresee(struct pipeline *pipeline, const uint8_t odd[], uint32_t odd_n)
{
	struct packet *first[FORESEE_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < odd_n; i++) {
		struct packet *p = &pipeline->burst.packet[odd[i]];

		if (p->kind == PACKET_QUERY && p->session == NULL && from_inside(p))
			first[n++] = p;
	}
	if (n > 1)
		nat_foresee(pipeline->config.nat, first, n);
}

static void admit(struct pipeline *pipeline, struct packet *p)
{
	enum verdict verdict;

	if (p->kind != PACKET_QUERY)
		return;
	if (p->session == NULL) {
		verdict = nat_admit(pipeline->config.nat, p);
		if (verdict != VERDICT_COUNT)
			return packet_refuse(p, verdict);
	}
	keep_nexthop(&pipeline->burst, p, pipeline->generation);
}

/* Step 5: first packets only: rules, limits, port, and the complete session, published last. */
void step_admit(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;

	for (uint32_t i = 0; i < burst->odd_n; i++) {
		if (i % FORESEE_MAX == 0)
			foresee(pipeline, &burst->odd[i], RTE_MIN(burst->odd_n - i, FORESEE_MAX));
		admit(pipeline, &burst->packet[burst->odd[i]]);
	}
}
