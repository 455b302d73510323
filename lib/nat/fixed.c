/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings that take no port of a pool: so far those that leave everything as it is, for what a
 * rule exempts from translation (RFC 6888 REQ-6).
 *
 * An exempted session is a session like any other whose translation is the identity. So TCP states,
 * timeouts, limits, counters, `show` and `clear` hold for it too, only answers to what its
 * subscriber sent come in, and its packets take the plain path.
 */
#include "clock.h"
#include "nat.h"

/* The pool of those who need none. */
static struct pool no_pool = {.name = (char[]){"none"}, .config.block_idle_timeout = 30};
static struct pool_address no_address = {.pool = &no_pool};

enum verdict fixed_exempt(struct nat *nat, const struct tuple *tuple, struct mapping **found)
{
	/* one for all of the subscriber's exempted sessions; no protocol has the number 0 here */
	const struct tuple inside = {
		.src = tuple->src,
		.proto_realm = proto_realm(0, tuple_realm(tuple)),
	};
	const struct tuple outside = {
		.dst = tuple->src,
		.proto_realm = proto_realm(0, REALM_OUTSIDE),
	};
	struct subscriber *subscriber;
	enum verdict verdict;

	*found = mapping_find(nat, &inside);
	if (*found != NULL)
		return VERDICT_COUNT;
	verdict = subscriber_get_at(nat, tuple, &no_address, &subscriber);
	if (verdict != VERDICT_COUNT)
		return verdict;
	return mapping_create_fixed(nat, subscriber, &inside, &outside, found);
}
