/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions that new rules deny, that go against new static mappings, or that are on an address
 * which is in its pool no more, end: each home looks at its own, a few in every loop. */
#include <unistd.h>

#include "clock.h"
#include "nat.h"
#include "route.h"
#include "rules.h"

/* Slots of the session table that are looked at in one loop. */
#define RECHECK_STEP 64

/* How long the control thread waits for workers that look at all of their sessions. */
#define WAIT_US      10000000
#define WAIT_STEP_US 200

static uint32_t wanted; /* how often rules changed; atomic */
static uint32_t ended;  /* sessions, since the last change; atomic */

void nat_recheck(void)
{
	__atomic_store_n(&ended, 0, __ATOMIC_RELAXED);
	__atomic_fetch_add(&wanted, 1, __ATOMIC_RELEASE);
}

bool nat_recheck_done(uint32_t *sessions_ended)
{
	uint32_t target = __atomic_load_n(&wanted, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < WORKERS_MAX && nats[i] != NULL; i++)
		if (__atomic_load_n(&nats[i]->recheck_done, __ATOMIC_ACQUIRE) != target)
			return false;
	*sessions_ended = __atomic_load_n(&ended, __ATOMIC_RELAXED);
	return true;
}

bool nat_recheck_wait(uint32_t *sessions_ended)
{
	for (uint32_t us = 0; us < WAIT_US; us += WAIT_STEP_US) {
		if (nat_recheck_done(sessions_ended))
			return true;
		route_poll(clock_ms());
		usleep(WAIT_STEP_US);
	}
	return false;
}

/* What the outside began is only ended by a rule that says so: its mapping was permitted. */
static bool is_denied(const struct session *session)
{
	struct pool *pool;

	switch (rules_decide(&session->tuple[0], &pool)) {
	case RULE_DENY:
		return true;
	case RULE_NONE:
		return !(session->flags & SESSION_INBOUND);
	default:
		return false;
	}
}

/* Whether the remote has become one of our own addresses, or is none any more. */
static bool hairpin_changed(const struct session *session)
{
	return ((session->flags & SESSION_HAIRPIN) != 0) !=
	       (pool_address_find(session->tuple[1].src) != NULL);
}

static bool must_end(const struct nat *nat, const struct session *session)
{
	return mapping_drains(session->owner) || is_denied(session) ||
	       fixed_is_stale(nat, session) || hairpin_changed(session);
}

void recheck_poll(struct nat *nat)
{
	uint32_t target = __atomic_load_n(&wanted, __ATOMIC_ACQUIRE);
	uint32_t end;

	if (likely(nat->recheck_done == target))
		return;
	if (nat->recheck_for != target) {
		nat->recheck_for = target;
		nat->recheck_next = 0;
	}
	if (!reclaim_has_room(nat->reclaim, 2 * RECHECK_STEP))
		return;
	for (end = nat->recheck_next + RECHECK_STEP; nat->recheck_next < end; nat->recheck_next++) {
		struct session *session = sessions_at(nat->sessions, nat->recheck_next);

		if (session != NULL && must_end(nat, session)) {
			session_end(nat->sessions, session);
			__atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
		}
	}
	if (nat->recheck_next >= sessions_capacity(nat->sessions))
		__atomic_store_n(&nat->recheck_done, target, __ATOMIC_RELEASE);
}
