/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses on their way out. Their holders, subscribers and blocks, are counted in the address
 * itself, and nobody can become one any more, so that the count only falls; at 0, and a grace
 * period later, the memory is free. Where the address has come back as another record, that one
 * gets each block once it is free here.
 */
#include <stdlib.h>

#include <rte_malloc.h>

#include "rcu.h"
#include "snapshot.h"

struct drain *pool_drain;
uint32_t pool_drains;

/* The pool that is in no snapshot since this one; both wait for the grace period. */
static struct {
	struct pool *pool;
	const struct snapshot *before;
	uint64_t token;
} leaving;

/* ---- addresses ---- */

/* Blocks that are free here are the successor's. */
static void hand_on(const struct drain *drain)
{
	struct pool_address *from = drain->address, *to = drain->successor;

	if (to == NULL || !drain->alike)
		return;
	for (uint32_t i = 0; i < (from->pool->blocks_per_address + 63) / 64; i++) {
		uint64_t blocks = __atomic_exchange_n(&from->free[i], 0, __ATOMIC_ACQUIRE);

		if (blocks == 0)
			continue;
		__atomic_fetch_or(&to->free[i], blocks, __ATOMIC_RELEASE);
		__atomic_store_n(&to->blocks_closed,
				 to->blocks_closed - __builtin_popcountll(blocks),
				 __ATOMIC_RELAXED);
	}
}

static void hand_on_all(const struct drain *drain)
{
	uint32_t blocks;

	if (drain->successor == NULL || drain->alike)
		return hand_on(drain);
	blocks = drain->successor->pool->blocks_per_address;
	for (uint32_t b = 0; b < blocks; b++)
		__atomic_fetch_or(&drain->successor->free[b / 64], 1ULL << b % 64,
				  __ATOMIC_RELEASE);
	__atomic_store_n(&drain->successor->blocks_closed, 0, __ATOMIC_RELAXED);
}

static bool is_held(const struct pool_address *address)
{
	return __atomic_load_n(&address->subscribers, __ATOMIC_ACQUIRE) != 0 ||
	       __atomic_load_n(&address->blocks_taken, __ATOMIC_ACQUIRE) != 0 ||
	       address->blocks_closed != 0;
}

/* True: its memory is free. */
static bool drain_one(struct drain *drain)
{
	struct pool_address *address = drain->address;
	struct pool *pool = address->pool;

	hand_on(drain);
	if (!drain->waits) {
		if (is_held(address))
			return false;
		/* who held it last may be about to write a word */
		drain->token = rte_rcu_qsbr_start(rcu);
		drain->waits = true;
	}
	if (rte_rcu_qsbr_check(rcu, drain->token, false) != 1)
		return false;
	hand_on_all(drain);
	__atomic_store_n(&pool->blocks_total, pool->blocks_total - pool->blocks_per_address,
			 __ATOMIC_RELAXED);
	pool->addresses_draining--;
	address_free(address);
	return true;
}

/* ---- pools ---- */

static void finish_leaving(void)
{
	snapshot_free(leaving.before);
	pool_free(leaving.pool);
	leaving.before = NULL;
	leaving.pool = NULL;
}

/* A snapshot like the one in force without the i-th pool. */
static struct snapshot *without(uint32_t i)
{
	const struct snapshot *now = pool_snapshot;
	size_t size = offsetof(struct snapshot, run[now->runs]);
	struct snapshot *snapshot =
		rte_zmalloc("pool", size + now->all * sizeof(*now->pool), RTE_CACHE_LINE_SIZE);

	if (snapshot == NULL)
		return NULL;
	snapshot->runs = now->runs;
	snapshot->pools = now->pools;
	snapshot->pool = (struct pool **)&snapshot->run[now->runs];
	for (uint32_t r = 0; r < now->runs; r++)
		snapshot->run[r] = now->run[r];
	for (uint32_t k = 0; k < now->all; k++)
		if (k != i)
			snapshot->pool[snapshot->all++] = now->pool[k];
	return snapshot;
}

/* One pool after the other: workers still look into it for blocks that rest. */
static void drain_pools(void)
{
	if (leaving.pool != NULL) {
		if (rte_rcu_qsbr_check(rcu, leaving.token, false) != 1)
			return;
		finish_leaving();
	}
	for (uint32_t i = pool_snapshot->pools; i < pool_snapshot->all; i++) {
		struct snapshot *snapshot;

		if (pool_snapshot->pool[i]->addresses_draining != 0)
			continue;
		snapshot = without(i);
		if (snapshot == NULL)
			return;
		leaving.pool = pool_snapshot->pool[i];
		leaving.before = snapshot_publish(snapshot);
		leaving.token = rte_rcu_qsbr_start(rcu);
		return;
	}
}

/* ---- the control thread's ---- */

void pools_drain(void)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < pool_drains; i++) {
		struct drain *drain = &pool_drain[i];

		if (!drain_one(drain))
			pool_drain[left++] = *drain;
	}
	pool_drains = left;
	drain_pools();
}

bool drain_has_id(uint16_t id)
{
	return leaving.pool != NULL && leaving.pool->id == id;
}

void drain_replace(struct drain *list, uint32_t n)
{
	if (leaving.pool != NULL)
		finish_leaving();
	free(pool_drain);
	pool_drain = list;
	pool_drains = n;
	for (uint32_t i = 0; i < n; i++)
		hand_on(&list[i]);
}

void drain_teardown(void)
{
	if (leaving.pool != NULL)
		finish_leaving();
	for (uint32_t i = 0; i < pool_drains; i++)
		address_free(pool_drain[i].address);
	free(pool_drain);
	pool_drain = NULL;
	pool_drains = 0;
}
