/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "session.h"
#include "slab.h"
#include "wheel.h"

/* What the end of a session may put into the reclaim queue: itself and what its owner loses. */
#define RECLAIM_PER_SESSION 2

struct sessions {
	struct sessions_config config;
	struct table *table;
	struct wheel *wheel;
	struct slab *slab;
	struct reclaim_kind ended; /* sessions that readers may still see */
	uint32_t count;            /* published */
	uint32_t fresh;            /* published since the last expiry */
};

/* A value of the table: the record's index, and in bit 0 which of its tuples. */
static bool has_tuple(const void *context, uint32_t value, const struct tuple *tuple)
{
	const struct session *record = context;

	return tuple_equal(&record[value >> 1].tuple[value & 1], tuple);
}

/* One reason less to keep the memory. */
static void let_go(struct sessions *sessions, struct session *session, uint8_t reason)
{
	session->life &= (uint8_t)~reason;
	if (session->life == 0)
		slab_give(sessions->slab, session);
}

static void after_grace(void *context, void *object)
{
	let_go(context, object, LIFE_RECLAIM);
}

struct sessions *sessions_create(const struct sessions_config *config)
{
	struct sessions *sessions = rte_zmalloc_socket("sessions", sizeof(*sessions),
						       RTE_CACHE_LINE_SIZE, config->socket);
	uint32_t n = config->capacity;

	if (sessions == NULL)
		return NULL;
	sessions->config = *config;
	sessions->ended = (struct reclaim_kind){after_grace, sessions};
	sessions->wheel = wheel_create(n, 0, config->socket);
	sessions->slab = slab_create("session", n, sizeof(struct session), config->socket);
	if (sessions->slab != NULL)
		sessions->table = table_create("sessions", 2 * n, has_tuple,
					       slab_at(sessions->slab, 0), config->socket);
	if (sessions->table == NULL || sessions->wheel == NULL) {
		sessions_destroy(sessions);
		return NULL;
	}
	return sessions;
}

void sessions_destroy(struct sessions *sessions)
{
	if (sessions == NULL)
		return;
	table_destroy(sessions->table);
	wheel_destroy(sessions->wheel);
	slab_destroy(sessions->slab);
	rte_free(sessions);
}

struct session *session_new(struct sessions *sessions)
{
	struct session *session = slab_take(sessions->slab);

	if (session == NULL)
		return NULL;
	memset(session, 0, sizeof(*session));
	session->home = sessions->config.home;
	return session;
}

void session_prefetch(const struct sessions *sessions, uint32_t i)
{
	const struct session *session = slab_next(sessions->slab, i);

	if (session == NULL)
		return;
	rte_prefetch0_write(session);
	rte_prefetch0_write(&session->packets);
}

void *session_take_room(struct session *session)
{
	__atomic_store_n(&session->life, LIFE_ROOM, __ATOMIC_RELEASE);
	return session->room;
}

void session_renew(struct session *session)
{
	size_t begin = offsetof(struct session, owner), end = offsetof(struct session, home);

	memset((char *)session + begin, 0, end - begin);
	begin = offsetof(struct session, packets);
	memset((char *)session + begin, 0, offsetof(struct session, room) - begin);
}

void session_cancel(struct sessions *sessions, struct session *session)
{
	if (session->life == 0)
		slab_give(sessions->slab, session);
}

void session_leave_room(struct sessions *sessions, struct session *session)
{
	let_go(sessions, session, LIFE_ROOM);
}

static void remove_key(struct sessions *sessions, struct session *session, uint32_t direction)
{
	table_remove(sessions->table, tuple_hash(&session->tuple[direction]),
		     session_value(sessions->table, session, direction));
}

static void reclaim_later(struct sessions *sessions, struct session *session)
{
	session->life |= LIFE_RECLAIM;
	reclaim_add(sessions->config.reclaim, session, &sessions->ended);
}

static int add_key(struct sessions *sessions, struct session *session, uint32_t direction)
{
	return table_add(sessions->table, tuple_hash(&session->tuple[direction]),
			 session_value(sessions->table, session, direction));
}

/* Seconds until it may end; 0: now. They are rounded down: never early. */
static uint32_t seconds_left(const struct session *session, uint32_t now)
{
	uint32_t timeout = session_timeout(session);
	uint32_t idle = session_idle(session, now);

	return idle > timeout ? 0 : timeout - idle + 1;
}

int session_publish(struct sessions *sessions, struct session *session, uint32_t now)
{
	session->created = now;
	if (!reclaim_has_room(sessions->config.reclaim, 1) || add_key(sessions, session, 1) != 0) {
		session_cancel(sessions, session);
		return -ENOSPC;
	}
	if (add_key(sessions, session, 0) != 0) { /* a reader may have seen the other key */
		remove_key(sessions, session, 1);
		reclaim_later(sessions, session);
		return -ENOSPC;
	}
	__atomic_store_n(&session->life, session->life | LIFE_WHEEL | LIFE_PUBLISHED,
			 __ATOMIC_RELEASE);
	wheel_put(sessions->wheel, session_index(sessions, session),
		  now + RTE_MAX(seconds_left(session, now), 1u));
	sessions->count++;
	sessions->fresh++;
	return 0;
}

void session_end(struct sessions *sessions, struct session *session)
{
	session->life &= (uint8_t)~LIFE_PUBLISHED;
	sessions->count--;
	remove_key(sessions, session, 0);
	remove_key(sessions, session, 1);
	reclaim_later(sessions, session);
	sessions->config.ended(sessions->config.context, session);
}

/* The wheel gave it. True: its time has come; else it was put back for when it may end next. */
static bool is_due(struct sessions *sessions, struct session *session, uint32_t now)
{
	uint32_t seconds;

	if (!(session->life & LIFE_PUBLISHED)) {
		let_go(sessions, session, LIFE_WHEEL);
		return false;
	}
	seconds = seconds_left(session, now);
	if (seconds == 0)
		return true;
	wheel_put(sessions->wheel, session_index(sessions, session), now + seconds);
	if (sessions->config.stays != NULL)
		sessions->config.stays(sessions->config.context, session);
	return false;
}

/* Asks the memory for what the ends of these sessions touch. */
static void foresee_ends(const struct sessions *sessions, struct session *const session[],
			 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (int side = 0; side < 2; side++)
			table_prefetch_both(sessions->table, tuple_hash(&session[i]->tuple[side]));
	for (uint32_t round = 0; round < FORESEE_END_ROUNDS; round++)
		for (uint32_t i = 0; i < n; i++)
			sessions->config.foresee_end(sessions->config.context, session[i], round);
}

/* What the wheel gives of up to n sessions: how many those are. */
static uint32_t expire(struct sessions *sessions, uint32_t now, uint32_t n)
{
	struct session *session[WHEEL_BATCH];
	uint32_t index[WHEEL_BATCH], due = 0;

	n = wheel_take(sessions->wheel, now, index, n);
	for (uint32_t i = 0; i < n; i++) {
		session[i] = slab_at(sessions->slab, index[i]);
		session_prefetch_lines(session[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		if (is_due(sessions, session[i], now))
			session[due++] = session[i];
	foresee_ends(sessions, session, due);
	for (uint32_t i = 0; i < due; i++) {
		if (session[i]->life & LIFE_PUBLISHED) /* the end of one may be that of another */
			session_end(sessions, session[i]);
		let_go(sessions, session[i], LIFE_WHEEL);
	}
	return n;
}

/* So many, and as many again as have come: so it keeps up, whatever a loop brings. */
void sessions_expire(struct sessions *sessions, uint32_t now)
{
	uint32_t left = WHEEL_BATCH + sessions->fresh, n;

	sessions->fresh = 0;
	do {
		n = RTE_MIN(left, (uint32_t)WHEEL_BATCH);
		if (!reclaim_has_room(sessions->config.reclaim, n * RECLAIM_PER_SESSION))
			return;
		left -= n;
	} while (expire(sessions, now, n) == n && left > 0);
}

const struct table *sessions_table(const struct sessions *sessions)
{
	return sessions->table;
}

uint32_t sessions_count(const struct sessions *sessions)
{
	return __atomic_load_n(&sessions->count, __ATOMIC_RELAXED);
}

uint32_t sessions_capacity(const struct sessions *sessions)
{
	return sessions->config.capacity;
}

struct session *sessions_at(const struct sessions *sessions, uint32_t i)
{
	struct session *session = slab_at(sessions->slab, i);

	if (session == NULL ||
	    !(__atomic_load_n(&session->life, __ATOMIC_ACQUIRE) & LIFE_PUBLISHED))
		return NULL;
	return session;
}

uint32_t session_index(const struct sessions *sessions, const struct session *session)
{
	return session_value(sessions->table, session, 0) >> 1;
}

const void *sessions_room_at(const struct sessions *sessions, uint32_t i)
{
	const struct session *session = slab_at(sessions->slab, i);

	if (session == NULL || !(__atomic_load_n(&session->life, __ATOMIC_ACQUIRE) & LIFE_ROOM))
		return NULL;
	return session->room;
}

const struct timeouts *(*session_own_timeouts)(const struct session *session);

static uint32_t tcp_timeout(const struct timeouts *of, uint8_t state)
{
	switch (state) {
	case TCP_ESTABLISHED:
		return of->tcp_established;
	case TCP_CLOSE:
		return of->tcp_reset;
	case TCP_FIN_WAIT:
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		return of->tcp_closing;
	default:
		return of->tcp_opening;
	}
}

static bool answered(const struct session *session)
{
	return session->packets[0] != 0 && session->packets[1] != 0;
}

static uint32_t timeout_of(const struct timeouts *of, const struct session *session,
			   uint8_t protocol, uint8_t state)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return tcp_timeout(of, state);
	case IPPROTO_UDP:
		return answered(session) ? of->udp_stream : of->udp_first;
	case IPPROTO_ICMP:
		return of->icmp;
	default:
		return of->other;
	}
}

/* The port that its first packet was for, the inside one where it came from the outside. */
static rte_be16_t destination_port(const struct session *session)
{
	return session->flags & SESSION_INBOUND ? session->tuple[0].sport : session->tuple[0].dport;
}

uint32_t session_timeout(const struct session *session)
{
	uint8_t protocol = tuple_proto(&session->tuple[0]);
	uint8_t state = __atomic_load_n(&session->tcp_state, __ATOMIC_RELAXED);
	const struct timeouts *own = NULL;
	uint32_t seconds = 0;

	if (protocol == IPPROTO_UDP || (protocol == IPPROTO_TCP && state == TCP_ESTABLISHED))
		seconds = timeouts_of_port(protocol, destination_port(session));
	if (seconds == 0 && session_own_timeouts != NULL)
		own = session_own_timeouts(session);
	if (own != NULL)
		seconds = timeout_of(own, session, protocol, state);
	return seconds != 0 ? seconds : timeout_of(&timeouts, session, protocol, state);
}

uint32_t session_idle(const struct session *session, uint32_t now)
{
	/* RFC 4787 REQ-6: packets from the inside always count */
	uint32_t last = timeouts.inbound_refresh ? RTE_MAX(session->seen[0], session->seen[1])
						 : session->seen[0];

	return now > last ? now - last : 0;
}

const char *session_state_name(const struct session *session)
{
	if (tuple_proto(&session->tuple[0]) == IPPROTO_TCP)
		return tcp_state_names[session->tcp_state];
	return answered(session) ? "ANSWERED" : "NEW";
}

bool session_state_exists(const char *name)
{
	for (int i = 0; i < TCP_STATES; i++)
		if (strcasecmp(name, tcp_state_names[i]) == 0)
			return true;
	return strcasecmp(name, "NEW") == 0 || strcasecmp(name, "ANSWERED") == 0;
}
