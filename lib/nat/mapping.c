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

/* A port of the block; a static mapping's is left out, and found so once a block. */
static int32_t take_from(struct nat *nat, struct block *block, enum port_protocol protocol)
{
	static const uint8_t number[PORT_PROTOCOLS] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	int32_t port = port_take(block, protocol, &nat->random);

	if (likely(pool_address_statics(block->address) == POOL_STATIC_NONE))
		return port;
	while (port >= 0 && static_port(block->address, number[protocol], (uint16_t)port)) {
		port_reserve(block, protocol);
		port = port_take(block, protocol, &nat->random);
	}
	return port;
}

/* A port in one of the subscriber's blocks, the newest first; or in a new block. */
static enum verdict take_port(struct nat *nat, struct subscriber *subscriber,
			      enum port_protocol protocol, struct block **block, uint16_t *port)
{
	struct pool *pool = subscriber->address->pool;
	int32_t taken;

	for (*block = subscriber->blocks; *block != NULL; *block = (*block)->next) {
		taken = take_from(nat, *block, protocol);
		if (taken >= 0) {
			*port = (uint16_t)taken;
			return VERDICT_COUNT;
		}
	}
	if (subscriber->blocks_n >= pool->config.max_blocks_per_subscriber)
		return VERDICT_SUBSCRIBER_LIMIT;
	*block = block_take(subscriber->address, nat->home, subscriber, &nat->random, nat->now_ms);
	if (*block == NULL)
		return VERDICT_NO_PORT;
	(*block)->next = subscriber->blocks;
	subscriber->blocks = *block;
	subscriber->blocks_n++;
	taken = take_from(nat, *block, protocol);
	*port = (uint16_t)taken;
	return taken >= 0 ? VERDICT_COUNT : VERDICT_NO_PORT;
}

static void give_port(struct nat *nat, struct mapping *mapping)
{
	if (mapping->block == NULL) {
		if (!mapping->fixed)
			__atomic_store_n(&nat->portless, nat->portless - 1, __ATOMIC_RELAXED);
		return;
	}
	port_give(mapping->block, nat_port_protocol(tuple_proto(&mapping->outside)),
		  rte_be_to_cpu_16(mapping->outside.dport));
	mapping->block->idle_since = clock_seconds(nat->now_ms);
}

static int add_key(struct nat *nat, const struct tuple *key, struct mapping *mapping)
{
	return table_add(nat->mapping_table, key, tuple_hash(key), (uintptr_t)mapping);
}

static int32_t remove_key(struct nat *nat, const struct tuple *key)
{
	return table_remove(nat->mapping_table, key, tuple_hash(key));
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

/* Out of the table; memory and port are free after a grace period. */
static void remove_later(struct nat *nat, struct mapping *mapping, int32_t slot0, int32_t slot1)
{
	struct reclaim_item item = {
		.object = mapping,
		.free = free_mapping,
		.context = nat,
		.table = nat->mapping_table,
		.slot = {slot0, slot1},
	};

	mapping->live = false;
	reclaim_add(nat->reclaim, &item);
}

/* Fills one whose port, if it takes one, is taken, and makes it findable. */
static enum verdict publish(struct nat *nat, struct mapping *mapping)
{
	mapping->created = clock_seconds(nat->now_ms);
	mapping->subscriber->mappings++;
	if (add_key(nat, &mapping->outside, mapping) != 0) {
		remove_later(nat, mapping, -1, -1);
		return VERDICT_TABLE_FULL;
	}
	if (add_key(nat, &mapping->inside, mapping) != 0) {
		remove_later(nat, mapping, remove_key(nat, &mapping->outside), -1);
		return VERDICT_TABLE_FULL;
	}
	__atomic_store_n(&mapping->live, true, __ATOMIC_RELEASE);
	nat->stats->mappings_created++;
	return VERDICT_COUNT;
}

enum verdict mapping_create(struct nat *nat, struct subscriber *subscriber,
			    const struct tuple *inside, struct mapping **created)
{
	uint8_t protocol = tuple_proto(inside);
	struct mapping *mapping;
	struct block *block = NULL;
	enum verdict verdict;
	uint16_t port = 0;

	if (!reclaim_has_room(nat->reclaim, 1))
		return VERDICT_TABLE_FULL;
	mapping = slab_take(nat->mappings);
	if (mapping == NULL)
		return VERDICT_TABLE_FULL;
	if (pool_address_statics(subscriber->address) == POOL_STATIC_WHOLE)
		verdict = VERDICT_NO_ADDRESS; /* until its blocks are idle: then it has another */
	else if (tuple_has_ports(inside))
		verdict = take_port(nat, subscriber, nat_port_protocol(protocol), &block, &port);
	else
		verdict = portless_check(nat, subscriber, inside);
	if (verdict != VERDICT_COUNT) {
		slab_give(nat->mappings, mapping);
		return verdict;
	}
	memset(mapping, 0, sizeof(*mapping));
	mapping->inside = *inside;
	mapping->outside = (struct tuple){
		.dst = subscriber->address->address,
		.dport = rte_cpu_to_be_16(port),
		.proto_realm = proto_realm(protocol, REALM_OUTSIDE),
	};
	if (block == NULL) {
		mapping->outside.src = inside->dst;
		__atomic_store_n(&nat->portless, nat->portless + 1, __ATOMIC_RELAXED);
	}
	mapping->subscriber = subscriber;
	mapping->block = block;
	mapping->filtering = subscriber->address->pool->filtering[nat_port_protocol(protocol)];
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
	remove_later(nat, mapping, remove_key(nat, &mapping->inside),
		     remove_key(nat, &mapping->outside));
}
