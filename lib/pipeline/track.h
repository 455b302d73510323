/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TRACK_H
#define WEIR_TRACK_H

#include "packet.h"
#include "session.h"

/* Private to the pipeline. Step 6: follows a packet in its session: TCP state, time stamp,
 * counters. False: it is refused. */
static inline bool track(struct session *session, uint32_t direction, struct packet *p,
			 uint32_t now)
{
	if (unlikely(!session_track_tcp(session, direction, p->tcp_event))) {
		packet_refuse(p, VERDICT_BAD_TCP_STATE);
		return false;
	}
	session_count(session, direction, p->length, now);
	return true;
}

#endif
