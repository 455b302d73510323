/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools and their public addresses: set up, found, chosen, counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "snapshot.h"

#define WORKERS_MAX UINT8_MAX /* a home is one byte, and 0 is nobody */

static const struct snapshot nothing;

const struct snapshot *pool_snapshot = &nothing;
uint32_t pool_workers;

/* ---- snapshots ---- */

static int compare_addresses(const void *a, const void *b)
{
	uint32_t left = rte_be_to_cpu_32((*(struct pool_address *const *)a)->address);
	uint32_t right = rte_be_to_cpu_32((*(struct pool_address *const *)b)->address);

	return left < right ? -1 : left > right;
}

/* Whether the second record can be found from the first by arithmetic. */
static bool side_by_side(const struct pool_address *first, const struct pool_address *second)
{
	return second == first + 1 &&
	       rte_be_to_cpu_32(second->address) == rte_be_to_cpu_32(first->address) + 1;
}

static uint32_t fill_runs(struct pool_address *const *address, uint32_t n, struct run *run)
{
	uint32_t runs = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t ipv4 = rte_be_to_cpu_32(address[i]->address);

		if (i > 0 && side_by_side(address[i - 1], address[i])) {
			if (run != NULL)
				run[runs - 1].last = ipv4;
			continue;
		}
		if (run != NULL)
			run[runs] = (struct run){ipv4, ipv4, address[i]};
		runs++;
	}
	return runs;
}

struct snapshot *snapshot_create(struct pool_address **address, uint32_t n, struct pool **pool,
				 uint32_t pools, uint32_t all)
{
	struct snapshot *snapshot;
	uint32_t runs;

	if (n > 0)
		qsort(address, n, sizeof(*address), compare_addresses);
	runs = fill_runs(address, n, NULL);
	snapshot = rte_zmalloc("pool",
			       offsetof(struct snapshot, run[runs]) + all * sizeof(*snapshot->pool),
			       RTE_CACHE_LINE_SIZE);
	if (snapshot == NULL)
		return NULL;
	snapshot->runs = fill_runs(address, n, snapshot->run);
	snapshot->pools = pools;
	snapshot->all = all;
	snapshot->pool = (struct pool **)&snapshot->run[runs];
	for (uint32_t i = 0; i < all; i++)
		snapshot->pool[i] = pool[i];
	return snapshot;
}

void snapshot_free(const struct snapshot *snapshot)
{
	if (snapshot != &nothing)
		rte_free((void *)(uintptr_t)snapshot);
}

const struct snapshot *snapshot_publish(const struct snapshot *snapshot)
{
	const struct snapshot *before = pool_snapshot;

	__atomic_store_n(&pool_snapshot, snapshot, __ATOMIC_RELEASE);
	return before;
}

static const struct snapshot *snapshot_get(void)
{
	return __atomic_load_n(&pool_snapshot, __ATOMIC_ACQUIRE);
}

/* ---- set up ---- */

int pools_setup(const struct pool_config *config, uint32_t n, uint32_t workers)
{
	struct pools_change *change;
	int error;

	if (workers > WORKERS_MAX)
		return -EINVAL;
	pool_workers = workers;
	error = pools_prepare(config, n, &change);
	if (error != 0)
		return error;
	pools_begin(change);
	pools_finish(change);
	return 0;
}

void pools_teardown(void)
{
	const struct snapshot *snapshot = pool_snapshot;

	snapshot_publish(&nothing);
	drain_teardown();
	for (uint32_t i = 0; i < snapshot->all; i++) {
		const struct pool_choice *choice = snapshot->pool[i]->choice;

		for (uint32_t k = 0; k < choice->n; k++)
			address_free(choice->address[k]);
		pool_free(snapshot->pool[i]);
	}
	snapshot_free(snapshot);
	pool_workers = 0;
}

/* ---- find ---- */

uint32_t pools_count(void)
{
	return snapshot_get()->pools;
}

uint32_t pools_workers(void)
{
	return pool_workers;
}

struct pool *pool_get(uint32_t i)
{
	const struct snapshot *snapshot = snapshot_get();

	return i < snapshot->pools ? snapshot->pool[i] : NULL;
}

struct pool *pool_by_name(const char *name)
{
	const struct snapshot *snapshot = snapshot_get();

	for (uint32_t i = 0; i < snapshot->pools; i++)
		if (strcmp(snapshot->pool[i]->name, name) == 0)
			return snapshot->pool[i];
	return NULL;
}

bool pools_have_timeouts(void)
{
	static const struct timeouts none;
	const struct snapshot *snapshot = snapshot_get();

	for (uint32_t i = 0; i < snapshot->pools; i++)
		if (memcmp(&snapshot->pool[i]->config.timeouts, &none, sizeof(none)) != 0)
			return true;
	return false;
}

bool pools_filter_by(enum dependence dependence)
{
	const struct snapshot *snapshot = snapshot_get();

	for (uint32_t i = 0; i < snapshot->pools; i++)
		for (int p = 0; p < PORT_PROTOCOLS; p++)
			if (snapshot->pool[i]->filtering[p] == dependence)
				return true;
	return false;
}

static const struct pool_choice *choice_of(const struct pool *pool)
{
	return __atomic_load_n(&pool->choice, __ATOMIC_ACQUIRE);
}

uint32_t pool_addresses(const struct pool *pool)
{
	return choice_of(pool)->n;
}

struct pool_address *pool_address_get(const struct pool *pool, uint32_t i)
{
	const struct pool_choice *choice = choice_of(pool);

	return i < choice->n ? choice->address[i] : NULL;
}

struct pool_address *pool_address_in(const struct pool *pool, rte_be32_t address)
{
	const struct pool_choice *choice = choice_of(pool);
	struct pool_address *const *at = choice->address;
	uint32_t ipv4 = rte_be_to_cpu_32(address);

	if (choice->n == 0)
		return NULL;
	/* the last one that is not behind it */
	for (uint32_t n = choice->n; n > 1; n -= n / 2)
		if (rte_be_to_cpu_32(at[n / 2]->address) <= ipv4)
			at += n / 2;
	return (*at)->address == address ? *at : NULL;
}

struct pool_address *pool_address_find(rte_be32_t address)
{
	return snapshot_find(snapshot_get(), rte_be_to_cpu_32(address));
}

/* The number of the block that covers the port; blocks_per_address or more: none does. */
static inline uint32_t block_number(const struct pool *pool, uint16_t port)
{
	return (port - pool->config.port_range.first) >> pool->block_shift;
}

struct block *pool_address_block(struct pool_address *address, uint16_t port)
{
	uint32_t number = block_number(address->pool, port);

	return number < address->pool->blocks_per_address ? &address->block[number] : NULL;
}

int pool_address_home(const struct pool_address *address, uint16_t port)
{
	uint32_t number = block_number(address->pool, port);

	if (number >= address->pool->blocks_per_address)
		return -1;
	return __atomic_load_n(&address->home[number], __ATOMIC_RELAXED) - 1;
}

/* ---- choose ---- */

static bool has_free_block(const struct pool_address *address)
{
	if (address->pool->computed_blocks != 0)
		return block_is_free_among(address, address->pool->computed_blocks,
					   address->pool->blocks_per_address);
	return __atomic_load_n(&address->blocks_taken, __ATOMIC_RELAXED) +
		       __atomic_load_n(&address->blocks_closed, __ATOMIC_RELAXED) <
	       address->pool->blocks_per_address;
}

/* The first address from a random one on, once around, that has a free block and is preferred. */
static struct pool_address *search(const struct pool_choice *choice, struct random *random,
				   bool (*prefer)(rte_be32_t address, uint32_t worker),
				   uint32_t worker)
{
	uint32_t at = random_below(random, choice->n);

	for (uint32_t i = 0; i < choice->n; i++) {
		struct pool_address *address = choice->address[at];

		if (has_free_block(address) && pool_address_serves(address) &&
		    (prefer == NULL || prefer(address->address, worker)))
			return address;
		if (++at == choice->n)
			at = 0;
	}
	return NULL;
}

static uint32_t subscribers(const struct pool_address *address)
{
	return __atomic_load_n(&address->subscribers, __ATOMIC_RELAXED);
}

/*
 * A full pool is refused without a search: all blocks are taken, or a search found none just now
 * and so many are taken still. The latter is for pools with addresses that have free blocks and
 * take no subscribers, as those of servers: or each packet that is refused would look at all.
 */
static bool is_full(const struct pool *pool, uint32_t taken, uint64_t now_ms)
{
	return taken >= __atomic_load_n(&pool->blocks_total, __ATOMIC_RELAXED) ||
	       (taken == __atomic_load_n(&pool->none_taken, __ATOMIC_RELAXED) &&
		now_ms - __atomic_load_n(&pool->none_ms, __ATOMIC_RELAXED) < SEARCH_AGAIN_MS);
}

static void note_none(struct pool *pool, uint32_t taken, uint64_t now_ms)
{
	/* others take and give meanwhile */
	if (taken != __atomic_load_n(&pool->blocks_taken, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&pool->none_taken, taken, __ATOMIC_RELAXED);
	__atomic_store_n(&pool->none_ms, now_ms, __ATOMIC_RELAXED);
}

struct pool_address *pool_address_choose(struct pool *pool, struct random *random,
					 bool (*prefer)(rte_be32_t address, uint32_t worker),
					 uint32_t worker, uint64_t now_ms)
{
	const struct pool_choice *choice = choice_of(pool);
	uint32_t taken = __atomic_load_n(&pool->blocks_taken, __ATOMIC_RELAXED);
	struct pool_address *address, *other;

	if (is_full(pool, taken, now_ms) || choice->n == 0)
		return NULL;
	address = search(choice, random, prefer, worker);
	if (address == NULL && prefer != NULL) {
		prefer = NULL;
		address = search(choice, random, prefer, worker);
	}
	if (address == NULL) {
		note_none(pool, taken, now_ms);
		return NULL;
	}
	other = search(choice, random, prefer, worker);
	if (other != NULL && subscribers(other) < subscribers(address))
		address = other;
	pool_address_join(address);
	return address;
}

void pool_address_join(struct pool_address *address)
{
	__atomic_fetch_add(&address->subscribers, 1, __ATOMIC_RELAXED);
}

void pool_address_leave(struct pool_address *address)
{
	__atomic_fetch_sub(&address->subscribers, 1, __ATOMIC_RELAXED);
}

/* ---- count ---- */

static void add_ports(const struct pool_address *address, struct pool_usage *usage)
{
	for (uint32_t b = 0; b < address->pool->blocks_per_address; b++) {
		/* a home is one byte: the blocks of a quiet pool are not touched */
		if (__atomic_load_n(&address->home[b], __ATOMIC_RELAXED) == 0)
			continue;
		usage->overloaded +=
			__atomic_load_n(&address->block[b].overloaded, __ATOMIC_RELAXED);
		for (uint32_t p = 0; p < PORT_PROTOCOLS; p++)
			usage->ports_used[p] +=
				__atomic_load_n(&address->block[b].used[p], __ATOMIC_RELAXED);
	}
}

static void add_address(const struct pool_address *address, struct pool_usage *usage)
{
	usage->subscribers += subscribers(address);
	usage->blocks_resting += address->blocks_closed; /* taken or resting where it was before */
	add_ports(address, usage);
}

void pool_usage(const struct pool *pool, struct pool_usage *usage)
{
	const struct pool_choice *choice = choice_of(pool);
	uint32_t taken = __atomic_load_n(&pool->blocks_taken, __ATOMIC_RELAXED);
	uint32_t resting = 0;

	*usage = (struct pool_usage){
		.blocks_total = pool->blocks_total,
		.ports_total = (uint64_t)pool->blocks_total << pool->block_shift,
		.addresses = choice->n,
		.addresses_draining = pool->addresses_draining,
	};
	for (uint32_t i = 0; i < pool_workers; i++)
		resting += __atomic_load_n(&pool->resting[i].n, __ATOMIC_RELAXED);
	/* read at different moments, so resting may seem more than all */
	usage->blocks_taken = taken > resting ? taken - resting : 0;
	usage->blocks_resting = resting;
	for (uint32_t i = 0; i < choice->n; i++)
		add_address(choice->address[i], usage);
	for (uint32_t i = 0; i < pool_drains; i++)
		if (pool_drain[i].address->pool == pool)
			add_address(pool_drain[i].address, usage);
}
