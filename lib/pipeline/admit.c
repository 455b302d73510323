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

/* Several first packets: what they will touch is asked for before any is admitted. */
static void foresee(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;
	struct packet *first[BURST_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < burst->odd_n; i++) {
		struct packet *p = &burst->packet[burst->odd[i]];

		if (p->kind == PACKET_QUERY && p->session == NULL && from_inside(p))
			first[n++] = p;
	}
	if (n > 1)
		nat_foresee(pipeline->config.nat, first, n);
}

/* Step 5: first packets only: rules, limits, port, and the complete session, published last. */
void step_admit(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;

	foresee(pipeline);
	for (uint32_t i = 0; i < burst->odd_n; i++) {
		struct packet *p = &burst->packet[burst->odd[i]];
		enum verdict verdict;

		if (p->kind != PACKET_QUERY)
			continue;
		if (p->session == NULL) {
			verdict = nat_admit(pipeline->config.nat, p);
			if (verdict != VERDICT_COUNT) {
				packet_refuse(p, verdict);
				continue;
			}
		}
		keep_nexthop(burst, p, pipeline->generation);
	}
}
