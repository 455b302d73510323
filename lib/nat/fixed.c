/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings that take no port of a pool: static ones, and those that leave everything as it is, for
 * what a rule exempts from translation (RFC 6888 REQ-6).
 *
 * An exempted session is a session like any other whose translation is the identity. So TCP states,
 * timeouts, limits, counters, `show` and `clear` hold for it too, only answers to what its
 * subscriber sent come in, and its packets take the plain path.
 *
 * A static mapping is made with its first session and goes with its last: what stands for good is
 * the configuration. Its keys hold both endpoints, as several servers share a public one and one
 * server may have several; the first packet's mapping is found through the configuration.
 */
#include "clock.h"
#include "nat.h"
#include "statics.h"

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

/* Marks the protocol in a key: no dynamic mapping has this. */
#define STATIC_KEY 0x80

enum verdict fixed_static(struct nat *nat, const struct static_entry *entry, struct mapping **found)
{
	uint8_t key = entry->protocol != 0 ? entry->protocol ^ STATIC_KEY : 0;
	const struct tuple inside = {
		.src = entry->inside,
		.dst = entry->outside,
		.sport = entry->inside_port,
		.dport = entry->outside_port,
		.proto_realm = proto_realm(key, entry->realm),
	};
	const struct tuple outside = {
		.src = entry->inside,
		.dst = entry->outside,
		.sport = entry->inside_port,
		.dport = entry->outside_port,
		.proto_realm = proto_realm(entry->protocol, REALM_OUTSIDE),
	};
	struct subscriber *subscriber;
	enum verdict verdict;

	*found = mapping_find(nat, &inside);
	if (*found != NULL)
		return VERDICT_COUNT;
	verdict = subscriber_get_at(nat, &inside, pool_address_find(entry->outside), &subscriber);
	if (verdict != VERDICT_COUNT)
		return verdict;
	return mapping_create_fixed(nat, subscriber, &inside, &outside, found);
}

const struct static_entry *fixed_find(const struct tuple *tuple)
{
	const struct pool_address *address = pool_address_find(tuple->dst);

	if (address == NULL || pool_address_statics(address) == POOL_STATIC_NONE)
		return NULL;
	return static_of_outside(tuple);
}

bool fixed_is_stale(const struct nat *nat, const struct session *session)
{
	const struct mapping *mapping = session->owner;
	const struct tuple *outside = &session->tuple[1];
	const struct static_entry *entry;

	if (pool_address_find(outside->dst) == NULL)
		return false; /* exempted */
	entry = fixed_find(outside);
	if (!mapping->fixed)
		return entry != NULL;
	/* another server of the port may be chosen for it now: all right, if its packets still
	 * find the way here */
	return entry == NULL || !static_holds(&session->tuple[0], outside) ||
	       home_of_subscriber(entry->inside) != nat->home;
}
