/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#include "packet.h"
#include "reclaim.h"
#include "rewrite.h"
#include "table.h"
#include "tcp.h"
#include "timeouts.h"

/*
 * Sessions: what stands in the table, who made it, when it ends. Knows no NAT.
 *
 * A session is made complete by its home worker, published under both tuples, and destroyed by its
 * home alone: out of the table, a grace period, then the memory is free. A packet's worker, whoever
 * it is, writes the second cache line. The timing wheel is lazy: a packet only stamps its session,
 * and the wheel looks at the stamp when the entry comes up.
 *
 * Direction 0 is from the inside, 1 from the outside.
 */
#define SESSION_INBOUND  0x01 /* the first packet came from the outside */
#define SESSION_HAIRPIN  0x02 /* the remote is one of our own public addresses */
#define SESSION_ALG      0x40 /* its payload names ports: all its packets go to its home */
#define SESSION_EXPECTED 0x80 /* came to a port that such a payload named */

/* Why a record's memory is not free: all bits must go first. */
#define LIFE_PUBLISHED 0x01 /* in the table */
#define LIFE_RECLAIM   0x02 /* waits for a grace period */
#define LIFE_WHEEL     0x04 /* in the timing wheel */
#define LIFE_ROOM      0x08 /* its room is taken */

/* Bytes that a record has for its owner, who may keep them longer than the session lasts. */
#define SESSION_ROOM 24

struct session {
	/* First cache line: fixed once published, but for the route cache, TCP state and life. */
	struct tuple tuple[2]; /* as packets come: from the inside; from the outside */
	void *owner;           /* the mapping that it uses: opaque here */
	uint16_t l3_delta;     /* checksum deltas of direction 0; direction 1 has their negations */
	uint16_t l4_delta;
	uint32_t generation[2]; /* of the route cache; each written by its direction's worker */
	uint16_t nexthop[2];    /* the route cache; likewise */
	uint32_t created;       /* seconds */
	uint8_t tcp_state;      /* enum tcp_state: by compare-and-swap, when it changes */
	uint8_t flags;          /* SESSION_...: fixed once published */
	uint8_t home;           /* fixed once published */
	uint8_t life;           /* home only: LIFE_... */

	/* Second cache line: what packets change; index: direction, written by its worker. */
	uint64_t packets[2] __rte_cache_aligned;
	uint64_t bytes[2]; /* IP */
	/* seconds: the last packet; [0] until the inside sends: since when it has not */
	uint32_t seen[2];
	uint64_t room[SESSION_ROOM / sizeof(uint64_t)]; /* the owner's, zero at first; home only */
} __rte_cache_aligned;

_Static_assert(sizeof(struct session) == 128, "a session is two cache lines");
_Static_assert(offsetof(struct session, packets) == 64, "what packets change has its own line");

/* The sessions of one home. */
struct sessions;

#define FORESEE_END_ROUNDS 2

struct sessions_config {
	uint32_t capacity;
	uint8_t home;
	int socket;
	struct reclaim *reclaim;
	/* The home's callback when a session is out of the table; its memory is there until the
	 * grace period ends. */
	void (*ended)(void *context, struct session *session);
	/* The same when its time has not come yet: once a timeout at most. May be NULL. */
	void (*stays)(void *context, const struct session *session);
	/* A session will end very soon: asks the memory for what ended() touches, in rounds: each
	 * follows what the one before has brought. */
	void (*foresee_end)(void *context, const struct session *session, uint32_t round);
	void *context;
};

struct sessions *sessions_create(const struct sessions_config *config);
void sessions_destroy(struct sessions *sessions); /* no reader is left */

/* ---- home only ---- */

/* An unpublished session, zeroed; NULL: all are in use. */
struct session *session_new(struct sessions *sessions);
/* Asks the memory for the record that the i-th session_new() from now will give. */
void session_prefetch(const struct sessions *sessions, uint32_t i);
/* Takes the room of an unpublished session's record; the record stays until session_leave_room(),
 * for which a grace period must have passed if the room could be found. */
void *session_take_room(struct session *session);
void session_leave_room(struct sessions *sessions, struct session *session);
/* Whether only the room keeps the record: session_renew() makes it an unpublished session, zeroed
 * but for its tuples, again. */
static inline bool session_is_spare(const struct session *session)
{
	return session->life == LIFE_ROOM;
}
void session_renew(struct session *session);
/* Gives back one that was not published. */
void session_cancel(struct sessions *sessions, struct session *session);
/* Makes it findable under both tuples, and starts its time. 0; or -ENOSPC, and the session is given
 * back. */
int session_publish(struct sessions *sessions, struct session *session, uint32_t now);
/* Takes it out of the table now. Its memory is free after a grace period, and once the wheel has
 * let go of it (at most WHEEL_SECONDS). reclaim_has_room() must hold. */
void session_end(struct sessions *sessions, struct session *session);
/* Ends sessions whose time has come, a few a call: call every loop. */
void sessions_expire(struct sessions *sessions, uint32_t now);

/* ---- any worker ---- */

const struct table *sessions_table(const struct sessions *sessions);
uint32_t sessions_count(const struct sessions *sessions); /* published */
uint32_t sessions_capacity(const struct sessions *sessions);

/* The session at a slot, or NULL when none is published there: to walk them all, in RCU. */
struct session *sessions_at(const struct sessions *sessions, uint32_t i);

/* Its slot. */
uint32_t session_index(const struct sessions *sessions, const struct session *session);

/* The room of the record at a slot, or NULL when it is not taken: likewise. */
const void *sessions_room_at(const struct sessions *sessions, uint32_t i);

static inline struct session *session_of_room(const void *room)
{
	return (struct session *)((uintptr_t)room - offsetof(struct session, room));
}

/* What a value of the sessions' table stands for; NULL of TABLE_NONE. */
static inline struct session *session_of(const struct table *table, uint32_t value,
					 uint8_t *direction)
{
	struct session *record = (struct session *)(uintptr_t)table->context;

	*direction = value & 1;
	return likely(value != TABLE_NONE) ? &record[value >> 1] : NULL;
}

/* The value of one of its tuples there. */
static inline uint32_t session_value(const struct table *table, const struct session *session,
				     uint32_t direction)
{
	const struct session *record = table->context;

	return (uint32_t)(session - record) << 1 | direction;
}

/* Asks the memory for both lines of a session. */
static inline void session_prefetch_lines(const struct session *session)
{
	rte_prefetch0(session);
	rte_prefetch0(&session->packets);
}

/* The session that has a tuple, and which of its two that is; or NULL. */
static inline struct session *session_find(const struct sessions *sessions,
					   const struct tuple *tuple, uint64_t hash,
					   uint8_t *direction)
{
	const struct table *table = sessions_table(sessions);

	return session_of(table, table_find(table, tuple, hash), direction);
}

/* What a packet of `direction` becomes: the inverse of the other tuple. */
static inline struct rewrite session_rewrite(const struct session *session, uint32_t direction)
{
	const struct tuple *other = &session->tuple[direction ^ 1];
	uint32_t flip = -direction & 0xffff; /* all ones: the way back negates */
	struct rewrite rw = {
		.l3_delta = session->l3_delta ^ flip,
		.l4_delta = session->l4_delta ^ flip,
	};
	uint64_t addresses;
	uint32_t both;

	/* source and destination change places: the words' halves do */
	memcpy(&addresses, &other->src, sizeof(addresses));
	memcpy(&both, &other->sport, sizeof(both));
	addresses = addresses << 32 | addresses >> 32;
	both = both << 16 | both >> 16;
	memcpy(&rw.src, &addresses, sizeof(addresses));
	memcpy(&rw.sport, &both, sizeof(both));
	return rw;
}

/* Follows a TCP segment; what is none has TCP_EVENT_NONE. False: it cannot be part of the session.
 */
static inline bool session_track_tcp(struct session *session, uint32_t direction, uint8_t event)
{
	uint32_t side = direction ^ (session->flags & SESSION_INBOUND);
	uint8_t state = __atomic_load_n(&session->tcp_state, __ATOMIC_RELAXED);

	for (;;) {
		uint8_t next = tcp_next(state, side, event);

		if (likely(next == state))
			return true;
		if (next == TCP_REFUSED)
			return false;
		/* two workers may see the two directions at once: neither FIN may be lost */
		if (__atomic_compare_exchange_n(&session->tcp_state, &state, next, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
}

/* Counts and stamps a packet: `length` IP bytes. */
static inline void session_count(struct session *session, uint32_t direction, uint32_t length,
				 uint32_t now)
{
	session->packets[direction]++;
	session->bytes[direction] += length;
	session->seen[direction] = now;
}

/* The timeouts that a session's owner has of its own, or NULL: as for all. NULL itself: no owner
 * has any. Set before workers start. */
extern const struct timeouts *(*session_own_timeouts)(const struct session *session);

/* Seconds without a packet after which it ends, as it is now. */
uint32_t session_timeout(const struct session *session);
/* Seconds without a packet so far. */
uint32_t session_idle(const struct session *session, uint32_t now);
/* "ESTABLISHED", or for other protocols "NEW" (no answer yet) or "ANSWERED". */
const char *session_state_name(const struct session *session);
/* Whether session_state_name() can give this, in any case. */
bool session_state_exists(const char *name);

#endif
