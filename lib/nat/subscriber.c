/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "clock.h"
#include "deterministic.h"
#include "nat.h"

/* A public address whose own hash leads home, so that a NIC can steer its traffic there. */
static bool steered_home(rte_be32_t address, uint32_t worker)
{
	return home_of_subscriber(address) == worker;
}

/* A new one, on a public address that already counts it. */
static enum verdict subscriber_create(struct nat *nat, const struct tuple *key,
				      struct pool_address *address, struct subscriber **created)
{
	struct subscriber *subscriber = slab_take(nat->subscribers);

	if (subscriber == NULL)
		return VERDICT_TABLE_FULL;
	memset(subscriber, 0, sizeof(*subscriber));
	subscriber->key = *key;
	subscriber->created = clock_seconds(nat->now_ms);
	subscriber->address = address;
	if (table_add(nat->subscriber_table, tuple_hash(key),
		      slab_index(nat->subscribers, subscriber)) != 0) {
		slab_give(nat->subscribers, subscriber);
		return VERDICT_TABLE_FULL;
	}
	limits_begin(subscriber, nat->now_ms);
	__atomic_store_n(&subscriber->live, true, __ATOMIC_RELEASE);
	/* if its first session is refused, nothing else will look at it again */
	subscriber_check_later(nat, subscriber);
	*created = subscriber;
	return VERDICT_COUNT;
}

bool subscriber_has_key(const void *context, uint32_t value, const struct tuple *key)
{
	const struct subscriber *record = context;

	return tuple_equal(&record[value].key, key);
}

static struct subscriber *find(const struct nat *nat, const struct tuple *key)
{
	return slab_at(nat->subscribers, table_find(nat->subscriber_table, key, tuple_hash(key)));
}

struct tuple subscriber_key(const struct tuple *tuple, const struct pool *pool)
{
	return (struct tuple){
		.src = tuple->src,
		.sport = pool->id,
		.proto_realm = proto_realm(0, tuple_realm(tuple)),
	};
}

/* The public address that a new subscriber is paired with, and counted on. */
static enum verdict pair(struct nat *nat, const struct tuple *tuple, struct pool *pool,
			 struct pool_address **address)
{
	const struct block *block;

	if (pool->computed_blocks == 0) {
		*address = pool_address_choose(pool, &nat->random, steered_home, nat->home,
					       nat->now_ms);
		return *address != NULL ? VERDICT_COUNT : VERDICT_NO_ADDRESS;
	}
	block = deterministic_block(pool, tuple->src, tuple_realm(tuple));
	if (block == NULL)
		return VERDICT_NOT_IN_POOL;
	*address = block->address;
	pool_address_join(*address);
	return VERDICT_COUNT;
}

/* Makes room for another of the same key; what it has left ends by itself. */
static void retire(struct nat *nat, struct subscriber *subscriber)
{
	table_remove(nat->subscriber_table, tuple_hash(&subscriber->key),
		     slab_index(nat->subscribers, subscriber));
	subscriber->retired = true;
	subscriber_check_later(nat, subscriber);
}

enum verdict subscriber_get(struct nat *nat, const struct tuple *tuple, struct pool *pool,
			    struct subscriber **subscriber)
{
	const struct tuple key = subscriber_key(tuple, pool);
	struct pool_address *address;
	enum verdict verdict;

	*subscriber = find(nat, &key);
	if (*subscriber != NULL) {
		if (likely(pool_address_serves((*subscriber)->address)))
			return VERDICT_COUNT;
		retire(nat, *subscriber);
		*subscriber = NULL;
	}
	verdict = pair(nat, tuple, pool, &address);
	if (verdict != VERDICT_COUNT)
		return verdict;
	if (!pool_address_serves(address)) { /* a computed one */
		pool_address_leave(address);
		return VERDICT_NO_ADDRESS;
	}
	verdict = subscriber_create(nat, &key, address, subscriber);
	if (verdict != VERDICT_COUNT)
		pool_address_leave(address);
	return verdict;
}

enum verdict subscriber_get_at(struct nat *nat, const struct tuple *tuple,
			       struct pool_address *address, struct subscriber **subscriber)
{
	const struct tuple key = {
		.src = tuple->src,
		.dst = address->address,
		.dport = 1, /* not that of a pool */
		.proto_realm = proto_realm(0, tuple_realm(tuple)),
	};
	enum verdict verdict;

	*subscriber = find(nat, &key);
	if (*subscriber != NULL) {
		if (likely((*subscriber)->address == address))
			return VERDICT_COUNT;
		retire(nat, *subscriber); /* on the address as it was in another pool */
		*subscriber = NULL;
	}
	verdict = subscriber_create(nat, &key, address, subscriber);
	if (verdict == VERDICT_COUNT)
		pool_address_join(address);
	return verdict;
}

void subscriber_check_later(struct nat *nat, struct subscriber *subscriber)
{
	if (subscriber->queued)
		return;
	subscriber->queued = true;
	wheel_put(nat->idle, slab_index(nat->subscribers, subscriber),
		  clock_seconds(nat->now_ms) +
			  subscriber->address->pool->config.block_idle_timeout);
}

void subscriber_free(void *context, void *object)
{
	struct nat *nat = context;

	slab_give(nat->subscribers, object);
}

static void subscriber_end(struct nat *nat, struct subscriber *subscriber)
{
	if (!subscriber->retired)
		table_remove(nat->subscriber_table, tuple_hash(&subscriber->key),
			     slab_index(nat->subscribers, subscriber));
	subscriber->live = false;
	pool_address_leave(subscriber->address);
	reclaim_add(nat->reclaim, subscriber, &nat->ended_subscribers);
}

static bool block_is_empty(const struct block *block)
{
	for (int i = 0; i < PORT_PROTOCOLS; i++)
		if (block->used[i] != 0)
			return false;
	return true;
}

/* A computed block stays as long as there are others, so that it is found first. */
static bool is_kept(const struct subscriber *subscriber, const struct block *block)
{
	return block_is_computed(block) && subscriber->blocks_n > 1;
}

/* Releases blocks that were idle long enough. True: one is idle, and shall be looked at again. */
static bool release_idle_blocks(struct nat *nat, struct subscriber *subscriber)
{
	uint32_t wait = subscriber->address->pool->config.block_idle_timeout;
	struct block **link = &subscriber->blocks;
	bool idle = false;

	while (*link != NULL) {
		struct block *block = *link;
		uint32_t timeout = pool_address_serves(block->address) ? wait : 0;

		if (block_is_empty(block)) {
			if (clock_seconds(nat->now_ms) - block->idle_since >= timeout &&
			    !is_kept(subscriber, block)) {
				*link = block->next;
				subscriber->blocks_n--;
				block_release(block, nat->home, nat->now_ms);
				continue;
			}
			idle = true;
		}
		link = &block->next;
	}
	return idle;
}

void subscribers_poll(struct nat *nat)
{
	uint32_t index[WHEEL_BATCH];
	uint32_t n;

	if (!reclaim_has_room(nat->reclaim, WHEEL_BATCH))
		return;
	n = wheel_take(nat->idle, clock_seconds(nat->now_ms), index, WHEEL_BATCH);
	for (uint32_t i = 0; i < n; i++) {
		struct subscriber *subscriber = slab_at(nat->subscribers, index[i]);
		bool idle = release_idle_blocks(nat, subscriber);

		subscriber->queued = false;
		if (subscriber->blocks == NULL && subscriber->mappings == 0)
			subscriber_end(nat, subscriber);
		else if (idle)
			subscriber_check_later(nat, subscriber);
	}
}
