/* SPDX-License-Identifier: BSD-3-Clause */
#include "track.h"
#include "burst.h"

/*
 * RFC 7857 section 7.1: a RST from the inside in answer to a packet from the outside refreshes
 * nothing, or the outside could keep a session for ever; one that ends an open connection does, so
 * that it is kept for the time of section 2.2.
 */
static bool refreshes(const struct packet *p, uint32_t direction, uint8_t state)
{
	return p->tcp_event != TCP_EVENT_RST || direction != 0 ||
	       (state >= TCP_ESTABLISHED && state != TCP_CLOSE);
}

static bool track_odd(struct session *session, uint32_t direction, struct packet *p, uint32_t now)
{
	uint8_t state = __atomic_load_n(&session->tcp_state, __ATOMIC_RELAXED);

	if (!refreshes(p, direction, state))
		now = session->seen[direction];
	return track(session, direction, p, now);
}

void track_first_half(struct pipeline *pipeline, struct packet *p)
{
	track_odd(p->session, p->direction, p, pipeline->now);
}

/* Step 6. ICMP errors neither refresh nor end anything (RFC 5508 REQ-6, RFC 5382 REQ-10). */
void odd_track(struct pipeline *pipeline, struct packet *p)
{
	struct session *second = second_half(&pipeline->burst, p);

	if (p->kind == PACKET_QUERY && track_odd(p->session, p->direction, p, pipeline->now) &&
	    second != NULL)
		track_odd(second, 1, p, pipeline->now);
}
