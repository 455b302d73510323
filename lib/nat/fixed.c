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

/* One of these tuples on the address, found or made. */
static enum verdict get(struct nat *nat, enum mapping_kind kind, const struct tuple tuple[2],
			struct pool_address *address, struct mapping **found)
{
	struct subscriber *subscriber;
	enum verdict verdict;

	if (address == NULL) /* the configuration is just changing */
		return VERDICT_NO_ADDRESS;
	*found = mapping_find_fixed(nat, kind, tuple);
	if (*found != NULL)
		return VERDICT_COUNT;
	verdict = subscriber_get_at(nat, &tuple[0], address, &subscriber);
	if (verdict != VERDICT_COUNT)
		return verdict;
	return mapping_create_fixed(nat, subscriber, kind, tuple, found);
}

enum verdict fixed_exempt(struct nat *nat, const struct tuple *tuple, struct mapping **found)
{
	const struct tuple of[2] = {*tuple, tuple_inverse(tuple, REALM_OUTSIDE)};

	return get(nat, MAPPING_EXEMPT, of, &no_address, found);
}

enum verdict fixed_static(struct nat *nat, const struct static_entry *entry, struct mapping **found)
{
	const struct tuple of[2] = {
		{.src = entry->inside,
		 .sport = entry->inside_port,
		 .proto_realm = proto_realm(entry->protocol, entry->realm)},
		{.dst = entry->outside,
		 .dport = entry->outside_port,
		 .proto_realm = proto_realm(entry->protocol, REALM_OUTSIDE)},
	};

	return get(nat, entry->protocol != 0 ? MAPPING_PORT : MAPPING_ADDRESS, of,
		   pool_address_find(entry->outside), found);
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
	if (!mapping_is_fixed(mapping))
		return entry != NULL;
	/* another server of the port may be chosen for it now: all right, if its packets still
	 * find the way here */
	return entry == NULL || !static_holds(&session->tuple[0], outside) ||
	       home_of_subscriber(entry->inside) != nat->home;
}
