/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include "clock.h"
#include "nat.h"
#include "statics.h"

/* ---- keys ---- */

/* Marks the protocol in a static mapping's inside key: no dynamic mapping has this. */
#define STATIC_KEY 0x80

struct tuple mapping_key(const struct tuple *tuple, enum dependence dependence)
{
	struct tuple key = *tuple;

	if (dependence < ADDRESS_DEPENDENT)
		key.dst = 0;
	if (dependence < ADDRESS_AND_PORT_DEPENDENT)
		key.dport = 0;
	return key;
}

static struct tuple fixed_inside(const struct mapping *mapping, const struct tuple tuple[2])
{
	const struct tuple *inside = &tuple[0], *outside = &tuple[1];
	struct tuple key = *inside;

	switch (mapping->kind) {
	case MAPPING_EXEMPT:
		return (struct tuple){
			.src = inside->src,
			.proto_realm = proto_realm(0, tuple_realm(inside)),
		};
	case MAPPING_ADDRESS:
		return (struct tuple){
			.src = inside->src,
			.dst = outside->dst,
			.proto_realm = proto_realm(0, tuple_realm(inside)),
		};
	default: /* MAPPING_PORT */
		key.dst = outside->dst;
		key.dport = outside->dport;
		key.proto_realm ^= STATIC_KEY;
		return key;
	}
}

static struct tuple fixed_outside(const struct mapping *mapping, const struct tuple tuple[2])
{
	const struct tuple *inside = &tuple[0], *outside = &tuple[1];
	struct tuple key = *outside;

	switch (mapping->kind) {
	case MAPPING_EXEMPT:
		return (struct tuple){
			.dst = inside->src,
			.proto_realm = proto_realm(0, REALM_OUTSIDE),
		};
	case MAPPING_ADDRESS: /* several servers share one: both endpoints tell them apart */
		return (struct tuple){
			.src = inside->src,
			.dst = outside->dst,
			.proto_realm = proto_realm(0, REALM_OUTSIDE),
		};
	default: /* MAPPING_PORT */
		key.src = inside->src;
		key.sport = inside->sport;
		return key;
	}
}

static inline struct tuple inside_of(const struct mapping *mapping, const struct tuple tuple[2])
{
	if (unlikely(mapping->kind != MAPPING_DYNAMIC))
		return fixed_inside(mapping, tuple);
	return mapping_key(&tuple[0], mapping->dependence);
}

static inline struct tuple outside_of(const struct mapping *mapping, const struct tuple tuple[2])
{
	if (unlikely(mapping->kind != MAPPING_DYNAMIC))
		return fixed_outside(mapping, tuple);
	return (struct tuple){
		.src = mapping->has_remote ? tuple[1].src : 0,
		.sport = mapping->has_remote ? tuple[1].sport : 0,
		.dst = tuple[1].dst,
		.dport = tuple[1].dport,
		.proto_realm = tuple[1].proto_realm,
	};
}

struct tuple mapping_inside(const struct mapping *mapping)
{
	return inside_of(mapping, mapping_host(mapping)->tuple);
}

struct tuple mapping_outside(const struct mapping *mapping)
{
	return outside_of(mapping, mapping_host(mapping)->tuple);
}

bool mapping_is_of(const struct mapping *mapping, const struct tuple tuple[2])
{
	struct tuple inside[2], outside[2];

	if (memcmp(mapping_host(mapping)->tuple, tuple, 2 * sizeof(*tuple)) == 0)
		return true;
	inside[0] = mapping_inside(mapping);
	inside[1] = inside_of(mapping, tuple);
	outside[0] = mapping_outside(mapping);
	outside[1] = outside_of(mapping, tuple);
	return tuple_equal(&inside[0], &inside[1]) && tuple_equal(&outside[0], &outside[1]);
}

/* ---- the table ---- */

/* A value: the host's index, and in bit 0 which of the keys. */
enum side { INSIDE, OUTSIDE };

static struct tuple key_of(const struct mapping *mapping, enum side side)
{
	return side == INSIDE ? mapping_inside(mapping) : mapping_outside(mapping);
}

static uint32_t value_of(const struct nat *nat, const struct mapping *mapping, enum side side)
{
	return session_value(nat->mapping_table, mapping_host(mapping), side);
}

static struct mapping *mapping_of(const void *records, uint32_t value)
{
	struct session *record = (struct session *)(uintptr_t)records;

	return (struct mapping *)record[value >> 1].room;
}

bool mapping_has_key(const void *context, uint32_t value, const struct tuple *key)
{
	struct tuple own = key_of(mapping_of(context, value), value & 1);

	return tuple_equal(&own, key);
}

struct mapping *mapping_find(const struct nat *nat, const struct tuple *key)
{
	uint32_t value = table_find(nat->mapping_table, key, tuple_hash(key));

	return value != TABLE_NONE ? mapping_of(nat->mapping_table->context, value) : NULL;
}

static int add_key(struct nat *nat, struct mapping *mapping, enum side side)
{
	struct tuple key = key_of(mapping, side);

	return table_add(nat->mapping_table, tuple_hash(&key), value_of(nat, mapping, side));
}

/* Inline: of each side only what its key is made of is computed. */
static __rte_always_inline void remove_key(struct nat *nat, struct mapping *mapping, enum side side)
{
	struct tuple key = key_of(mapping, side);

	table_remove(nat->mapping_table, tuple_hash(&key), value_of(nat, mapping, side));
}

static const struct pool_address *address_of(const struct mapping *mapping)
{
	const struct block *block = mapping_block(mapping);

	return block != NULL ? block->address : mapping_subscriber(mapping)->address;
}

bool mapping_drains(const struct mapping *mapping)
{
	return __atomic_load_n(&address_of(mapping)->drains, __ATOMIC_RELAXED);
}

static bool serves(const struct mapping *mapping)
{
	return mapping_is_fixed(mapping) ? !mapping_drains(mapping)
					 : pool_address_serves(address_of(mapping));
}

struct mapping *mapping_find_serving(struct nat *nat, const struct tuple *key)
{
	struct mapping *mapping = mapping_find(nat, key);

	if (mapping == NULL || likely(serves(mapping)))
		return mapping;
	remove_key(nat, mapping, INSIDE);
	remove_key(nat, mapping, OUTSIDE);
	mapping->live = false;
	return NULL;
}

struct mapping *mapping_find_fixed(struct nat *nat, enum mapping_kind kind,
				   const struct tuple tuple[2])
{
	const struct mapping such = {.kind = kind};
	struct tuple key = inside_of(&such, tuple);

	return mapping_find_serving(nat, &key);
}

const struct mapping *mapping_at(const struct nat *nat, uint32_t i)
{
	const struct mapping *mapping = sessions_room_at(nat->sessions, i);

	return mapping != NULL && __atomic_load_n(&mapping->live, __ATOMIC_ACQUIRE) ? mapping
										    : NULL;
}

/* ---- life ---- */

static void give_port(struct nat *nat, struct mapping *mapping)
{
	const struct tuple *outside = &mapping_host(mapping)->tuple[1];
	enum port_protocol protocol = nat_port_protocol(tuple_proto(outside));
	struct block *block = mapping_block(mapping);

	if (block == NULL) {
		if (!mapping_is_fixed(mapping))
			__atomic_store_n(&nat->portless, nat->portless - 1, __ATOMIC_RELAXED);
		return;
	}
	if (port_give(block, protocol, rte_be_to_cpu_16(outside->dport)))
		mapping_subscriber(mapping)->ports[protocol]--;
	block->idle_since = clock_seconds(nat->now_ms);
}

static void count(struct nat *nat, int32_t change)
{
	__atomic_store_n(&nat->mappings, nat->mappings + (uint32_t)change, __ATOMIC_RELAXED);
}

void mapping_free(void *context, void *object)
{
	struct nat *nat = context;
	struct mapping *mapping = object;
	struct subscriber *subscriber = mapping_subscriber(mapping);

	subscriber->mappings--;
	give_port(nat, mapping);
	subscriber_check_later(nat, subscriber);
	count(nat, -1);
	session_leave_room(nat->sessions, mapping_host(mapping));
}

/* It is out of the table; memory and port are free after a grace period. */
static void reclaim_later(struct nat *nat, struct mapping *mapping)
{
	mapping->live = false;
	reclaim_add(nat->reclaim, mapping, &nat->ended_mappings);
}

/* 16 bits of it: more than the longest timeout. */
#define SENT_UNIT 16

void mapping_sent(struct mapping *mapping, uint32_t when)
{
	uint16_t sent = (uint16_t)(when / SENT_UNIT);

	if ((int16_t)(sent - mapping->sent) > 0)
		mapping->sent = sent;
}

uint32_t mapping_last_sent(const struct mapping *mapping, uint32_t now)
{
	uint32_t units = now / SENT_UNIT;

	return (units - (uint16_t)(units - mapping->sent)) * SENT_UNIT;
}

/* Makes one findable whose port, if it takes one, is taken. */
static enum verdict publish(struct nat *nat, struct mapping *mapping)
{
	mapping->created = clock_seconds(nat->now_ms);
	mapping->sent = (uint16_t)(mapping->created / SENT_UNIT);
	mapping_subscriber(mapping)->mappings++;
	if (add_key(nat, mapping, OUTSIDE) != 0) {
		reclaim_later(nat, mapping);
		return VERDICT_TABLE_FULL;
	}
	if (add_key(nat, mapping, INSIDE) != 0) {
		remove_key(nat, mapping, OUTSIDE);
		reclaim_later(nat, mapping);
		return VERDICT_TABLE_FULL;
	}
	__atomic_store_n(&mapping->live, true, __ATOMIC_RELEASE);
	nat->stats->mappings_created++;
	return VERDICT_COUNT;
}

/* One in a new record. NULL: there is no room. */
static struct mapping *create(struct nat *nat, enum mapping_kind kind,
			      struct subscriber *subscriber)
{
	struct session *host;
	struct mapping *mapping;

	if (!reclaim_has_room(nat->reclaim, 1))
		return NULL;
	host = session_new(nat->sessions);
	if (host == NULL)
		return NULL;
	mapping = session_take_room(host);
	mapping->kind = kind;
	mapping->place = subscriber;
	count(nat, 1);
	return mapping;
}

/* One for the flow, without a public side yet. */
static struct mapping *create_dynamic(struct nat *nat, struct subscriber *subscriber,
				      const struct tuple *tuple, enum dependence dependence)
{
	struct mapping *mapping = create(nat, MAPPING_DYNAMIC, subscriber);
	struct session *host;

	if (mapping == NULL)
		return NULL;
	host = mapping_host(mapping);
	host->tuple[0] = *tuple;
	host->tuple[1] = tuple_inverse(tuple, REALM_OUTSIDE);
	mapping->dependence = dependence;
	mapping->filtering =
		subscriber->address->pool->filtering[nat_port_protocol(tuple_proto(tuple))];
	return mapping;
}

/* Its public side was found, or why not: then it goes. */
static enum verdict complete(struct nat *nat, struct mapping *mapping, enum verdict verdict,
			     struct mapping **created)
{
	if (verdict != VERDICT_COUNT) {
		count(nat, -1);
		session_leave_room(nat->sessions, mapping_host(mapping));
		return verdict;
	}
	*created = mapping;
	return publish(nat, mapping);
}

enum verdict mapping_create(struct nat *nat, struct subscriber *subscriber,
			    const struct tuple *tuple, enum dependence dependence,
			    struct mapping **created)
{
	struct mapping *mapping = create_dynamic(nat, subscriber, tuple, dependence);
	enum verdict verdict;

	if (mapping == NULL)
		return VERDICT_TABLE_FULL;
	if (!pool_address_serves(subscriber->address))
		verdict = VERDICT_NO_ADDRESS; /* an ALG wants it for a session that there is */
	else if (tuple_has_ports(tuple))
		verdict = port_for_mapping(nat, subscriber, mapping, false);
	else
		verdict = portless_take(nat, subscriber, mapping);
	return complete(nat, mapping, verdict, created);
}

enum verdict mapping_create_at(struct nat *nat, struct subscriber *subscriber,
			       const struct tuple *tuple, uint16_t outside_port,
			       struct mapping **created)
{
	struct mapping *mapping = create_dynamic(nat, subscriber, tuple, ENDPOINT_INDEPENDENT);
	enum verdict verdict;

	if (mapping == NULL)
		return VERDICT_TABLE_FULL;
	if (!pool_address_serves(subscriber->address))
		verdict = VERDICT_NO_ADDRESS; /* an ALG wants it for a session that there is */
	else if (outside_port != 0)
		verdict = port_for_mapping_at(subscriber, outside_port, mapping);
	else
		verdict = port_for_mapping(nat, subscriber, mapping, true);
	return complete(nat, mapping, verdict, created);
}

enum verdict mapping_create_fixed(struct nat *nat, struct subscriber *subscriber,
				  enum mapping_kind kind, const struct tuple tuple[2],
				  struct mapping **created)
{
	struct mapping *mapping = create(nat, kind, subscriber);

	if (mapping == NULL)
		return VERDICT_TABLE_FULL;
	memcpy(mapping_host(mapping)->tuple, tuple, sizeof(mapping_host(mapping)->tuple));
	*created = mapping;
	return publish(nat, mapping);
}

void mapping_put(struct nat *nat, struct mapping *mapping)
{
	if (--mapping->sessions > 0)
		return;
	nat->stats->mappings_destroyed++;
	if (mapping->live) {
		remove_key(nat, mapping, INSIDE);
		remove_key(nat, mapping, OUTSIDE);
	}
	reclaim_later(nat, mapping);
}
