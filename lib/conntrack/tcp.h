/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TCP_H
#define WEIR_TCP_H

#include <stdint.h>

#include "packet.h"

/*
 * TCP connections as RFC 7857 section 2 and RFC 6146 section 3.5.2 have a NAT follow them, with
 * conntrack's names. Direction 0 is the opener's, 1 the other's. Sequence numbers are not
 * followed: nothing is refused but what cannot begin a connection.
 */
enum tcp_state {
	TCP_NONE,      /* no segment yet */
	TCP_SYN_SENT,  /* the opener's SYN */
	TCP_SYN_SENT2, /* a SYN from both sides: simultaneous open */
	TCP_SYN_RECV,  /* answered by SYN and ACK */
	TCP_ESTABLISHED,
	TCP_FIN_WAIT,   /* the opener's FIN */
	TCP_CLOSE_WAIT, /* the other side's FIN */
	TCP_LAST_ACK,   /* both FINs, the other side's first */
	TCP_TIME_WAIT,  /* both FINs, the opener's first */
	TCP_CLOSE,      /* a RST: ends soon, but data brings it back (RFC 7857 section 2.2) */
	TCP_STATES,
};

/* Also a state for "refused": the segment cannot begin a connection. */
#define TCP_REFUSED TCP_STATES

/* Events, and room: an index is made by shifts. */
#define TCP_EVENT_ROOM 8
_Static_assert(TCP_EVENT_COUNT <= TCP_EVENT_ROOM, "there is room for every event");

extern const uint8_t tcp_table[TCP_STATES][2][TCP_EVENT_ROOM];
extern const char *const tcp_state_names[TCP_STATES];

/* The state after a segment, or TCP_REFUSED. TCP_EVENT_NONE changes none: what has no TCP header
 * takes the same branches as what has one, as they come in no order. */
static inline uint8_t tcp_next(uint8_t state, uint32_t direction, uint8_t event)
{
	return tcp_table[state][direction][event];
}

#endif
