/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include "clock.h"
#include "nat.h"
#include "statics.h"

enum port_protocol nat_port_protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return PORT_TCP;
	case IPPROTO_UDP:
		return PORT_UDP;
	default:
		return PORT_ICMP;
	}
}

struct mapping *mapping_find(const struct nat *nat, const struct tuple *key)
{
	return (struct mapping *)(table_find(nat->mapping_table, key, tuple_hash(key)) &
				  ~(uintptr_t)1);
}

static void give_port(struct nat *nat, struct mapping *mapping)
{
	enum port_protocol protocol = nat_port_protocol(tuple_proto(&mapping->outside));

	if (mapping->block == NULL) {
		if (!mapping->fixed)
			__atomic_store_n(&nat->portless, nat->portless - 1, __ATOMIC_RELAXED);
		return;
	}
	if (port_give(mapping->block, protocol, rte_be_to_cpu_16(mapping->outside.dport)))
		mapping->subscriber->ports[protocol]--;
	mapping->block->idle_since = clock_seconds(nat->now_ms);
}

/* A value of the table: the record, and in bit 0 which of its keys. */
enum side { INSIDE, OUTSIDE };

static const struct tuple *key_of(const struct mapping *mapping, enum side side)
{
	return side == INSIDE ? &mapping->inside : &mapping->outside;
}

bool mapping_has_key(uintptr_t value, const struct tuple *key)
{
	const struct mapping *mapping = (const struct mapping *)(value & ~(uintptr_t)1);

	return tuple_equal(key_of(mapping, value & 1), key);
}

static int add_key(struct nat *nat, struct mapping *mapping, enum side side)
{
	return table_add(nat->mapping_table, tuple_hash(key_of(mapping, side)),
			 (uintptr_t)mapping | side);
}

static void remove_key(struct nat *nat, struct mapping *mapping, enum side side)
{
	table_remove(nat->mapping_table, tuple_hash(key_of(mapping, side)),
		     (uintptr_t)mapping | side);
}

static void free_mapping(void *context, void *object)
{
	struct nat *nat = context;
	struct mapping *mapping = object;

	mapping->subscriber->mappings--;
	give_port(nat, mapping);
	subscriber_check_later(nat, mapping->subscriber);
	slab_give(nat->mappings, mapping);
}

/* It is out of the table; memory and port are free after a grace period. */
static void reclaim_later(struct nat *nat, struct mapping *mapping)
{
	struct reclaim_item item = {
		.object = mapping,
		.free = free_mapping,
		.context = nat,
	};

	mapping->live = false;
	reclaim_add(nat->reclaim, &item);
}

/* Fills one whose port, if it takes one, is taken, and makes it findable. */
static enum verdict publish(struct nat *nat, struct mapping *mapping)
{
	mapping->created = clock_seconds(nat->now_ms);
	mapping->subscriber->mappings++;
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

enum verdict mapping_create(struct nat *nat, struct subscriber *subscriber,
			    const struct tuple *inside, const struct tuple *remote,
			    struct mapping **created)
{
	enum port_protocol protocol = nat_port_protocol(tuple_proto(inside));
	struct mapping *mapping;
	enum verdict verdict;

	if (!reclaim_has_room(nat->reclaim, 1))
		return VERDICT_TABLE_FULL;
	mapping = slab_take(nat->mappings);
	if (mapping == NULL)
		return VERDICT_TABLE_FULL;
	memset(mapping, 0, sizeof(*mapping));
	mapping->inside = *inside;
	if (pool_address_statics(subscriber->address) == POOL_STATIC_WHOLE)
		verdict = VERDICT_NO_ADDRESS; /* until its blocks are idle: then it has another */
	else if (tuple_has_ports(inside))
		verdict = port_for_mapping(nat, subscriber, remote, mapping);
	else
		verdict = portless_check(nat, subscriber, inside);
	if (verdict != VERDICT_COUNT) {
		slab_give(nat->mappings, mapping);
		return verdict;
	}
	if (!tuple_has_ports(inside)) {
		mapping->outside = (struct tuple){
			.src = inside->dst,
			.dst = subscriber->address->address,
			.proto_realm = proto_realm(tuple_proto(inside), REALM_OUTSIDE),
		};
		__atomic_store_n(&nat->portless, nat->portless + 1, __ATOMIC_RELAXED);
	}
	mapping->subscriber = subscriber;
	mapping->filtering = subscriber->address->pool->filtering[protocol];
	*created = mapping;
	return publish(nat, mapping);
}

enum verdict mapping_create_fixed(struct nat *nat, struct subscriber *subscriber,
				  const struct tuple *inside, const struct tuple *outside,
				  struct mapping **created)
{
	struct mapping *mapping;

	if (!reclaim_has_room(nat->reclaim, 1))
		return VERDICT_TABLE_FULL;
	mapping = slab_take(nat->mappings);
	if (mapping == NULL)
		return VERDICT_TABLE_FULL;
	memset(mapping, 0, sizeof(*mapping));
	mapping->inside = *inside;
	mapping->outside = *outside;
	mapping->subscriber = subscriber;
	mapping->fixed = true;
	mapping->keeps_ports = tuple_proto(inside) == 0;
	*created = mapping;
	return publish(nat, mapping);
}

void mapping_put(struct nat *nat, struct mapping *mapping)
{
	if (--mapping->sessions > 0)
		return;
	nat->stats->mappings_destroyed++;
	remove_key(nat, mapping, INSIDE);
	remove_key(nat, mapping, OUTSIDE);
	reclaim_later(nat, mapping);
}
