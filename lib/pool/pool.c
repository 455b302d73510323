/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools and their public addresses: set up, found, chosen, counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "log.h"
#include "pool.h"
#include "ranges.h"

LOG_TYPE(pool);

#define WORKERS_MAX UINT8_MAX /* a home is one byte, and 0 is nobody */

/* A run of addresses and its place in the pool's array. Of all pools together, sorted. */
struct run {
	uint32_t first, last; /* host order */
	struct pool_address *address;
};

static struct pool *pools;
static uint32_t pools_n;
static uint32_t workers_n;
static struct run *runs;
static uint32_t runs_n;

/* ---- set up ---- */

static uint64_t *set_up_address(struct pool_address *address, struct pool *pool, uint32_t ipv4,
				uint64_t *bitmap)
{
	uint32_t i = (uint32_t)(address - pool->address);
	uint32_t blocks = pool->blocks_per_address;
	uint32_t protocol_words = pool->config.block_size / 64;

	address->pool = pool;
	address->address = rte_cpu_to_be_32(ipv4);
	address->block = &pool->block[(size_t)i * blocks];
	address->home = &pool->home[(size_t)i * blocks];
	address->free = bitmap;
	bitmap += (blocks + 63) / 64;
	for (uint32_t b = 0; b < blocks; b++) {
		struct block *block = &address->block[b];

		block->address = address;
		block->number = (uint16_t)b;
		block->ports = (uint16_t)pool->config.block_size;
		block->first_port =
			(uint16_t)(pool->config.port_range.first + (b << pool->block_shift));
		block->bitmap = bitmap;
		bitmap += protocol_words * PORT_PROTOCOLS;
		address->free[b / 64] |= 1ULL << b % 64;
	}
	return bitmap;
}

static int allocate(struct pool *pool)
{
	size_t addresses = pool->addresses;
	size_t blocks = addresses * pool->blocks_per_address;
	size_t sharers_size = (blocks << pool->block_shift) * PORT_PROTOCOLS * sizeof(uint16_t);
	size_t words = addresses * ((pool->blocks_per_address + 63) / 64) +
		       blocks * (pool->config.block_size / 64) * PORT_PROTOCOLS;

	pool->address =
		rte_zmalloc("pool", addresses * sizeof(*pool->address), RTE_CACHE_LINE_SIZE);
	pool->block = rte_zmalloc("pool", blocks * sizeof(*pool->block), RTE_CACHE_LINE_SIZE);
	pool->bitmap = rte_zmalloc("pool", words * sizeof(*pool->bitmap), RTE_CACHE_LINE_SIZE);
	pool->home = rte_zmalloc("pool", blocks, RTE_CACHE_LINE_SIZE);
	if (pool_overloads(&pool->config, PORT_TCP) || pool_overloads(&pool->config, PORT_UDP) ||
	    pool_overloads(&pool->config, PORT_ICMP))
		pool->sharers = rte_zmalloc("pool", sharers_size, RTE_CACHE_LINE_SIZE);
	pool->resting =
		rte_zmalloc("pool", workers_n * sizeof(*pool->resting), RTE_CACHE_LINE_SIZE);
	if (pool->address != NULL && pool->block != NULL && pool->bitmap != NULL &&
	    pool->home != NULL && pool->resting != NULL &&
	    (pool->sharers != NULL || !pool->config.port_overloading))
		return 0;
	LOG(ERR, "pool %s: its blocks need %zu MB of memory", pool->name,
	    (blocks * sizeof(*pool->block) + words * sizeof(*pool->bitmap) +
	     (pool->config.port_overloading ? sharers_size : 0)) >>
		    20);
	return -ENOMEM;
}

static int set_up(struct pool *pool, const struct pool_config *config)
{
	uint32_t room = config->addresses.n + config->excluded_addresses.n;
	struct config_range *range = calloc(room, sizeof(*range));
	uint32_t ranges = range != NULL ? pool_ranges(config, range) : 0;
	uint32_t ports = config->port_range.last - config->port_range.first + 1;
	struct pool_address *address;
	uint64_t *bitmap;
	int error = -ENOMEM;

	pool->name = strdup(config->name);
	if (range == NULL || pool->name == NULL)
		goto out;
	pool->config = *config;
	pool->config.name = NULL;
	pool->config.addresses = pool->config.excluded_addresses = (struct config_prefixes){};
	for (int p = 0; p < PORT_PROTOCOLS; p++) {
		pool->mapping[p] = pool_mapping(config, p);
		pool->filtering[p] = pool_filtering(config, p);
		pool->overloads[p] = pool_overloads(config, p);
	}
	pool->block_shift = (uint32_t)__builtin_ctz(config->block_size);
	pool->blocks_per_address = ports >> pool->block_shift;
	if (config->keep_port_range)
		pool->low_blocks = (LOW_PORTS - config->port_range.first) >> pool->block_shift;
	for (uint32_t i = 0; i < ranges; i++)
		pool->addresses += range[i].last - range[i].first + 1;
	error = allocate(pool);
	if (error != 0)
		goto out;
	address = pool->address;
	bitmap = pool->bitmap;
	for (uint32_t i = 0; i < ranges; i++) {
		runs[runs_n++] = (struct run){range[i].first, range[i].last, address};
		for (uint32_t n = 0; n <= range[i].last - range[i].first; n++)
			bitmap = set_up_address(address++, pool, range[i].first + n, bitmap);
	}
	LOG(INFO, "pool %s: %u addresses with %u blocks of %u ports", pool->name, pool->addresses,
	    pool->blocks_per_address, config->block_size);
	if (ports % config->block_size != 0)
		LOG(NOTICE, "pool %s: the last %u ports of its range fill no block and stay unused",
		    pool->name, ports % config->block_size);
out:
	free(range);
	return error;
}

static int compare_runs(const void *a, const void *b)
{
	const struct run *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

int pools_setup(const struct pool_config *config, uint32_t n, uint32_t workers)
{
	size_t room = 0;

	if (workers > WORKERS_MAX)
		return -EINVAL;
	workers_n = workers;
	for (uint32_t i = 0; i < n; i++)
		room += config[i].addresses.n + config[i].excluded_addresses.n;
	runs = rte_zmalloc("pool", room * sizeof(*runs), RTE_CACHE_LINE_SIZE);
	pools = rte_zmalloc("pool", n * sizeof(*pools), RTE_CACHE_LINE_SIZE);
	if (runs == NULL || pools == NULL) {
		pools_teardown();
		return -ENOMEM;
	}
	for (; pools_n < n; pools_n++) {
		int error = set_up(&pools[pools_n], &config[pools_n]);

		if (error != 0) {
			pools_n++; /* what it has is freed too */
			pools_teardown();
			return error;
		}
	}
	qsort(runs, runs_n, sizeof(*runs), compare_runs);
	return 0;
}

void pools_teardown(void)
{
	for (uint32_t i = 0; i < pools_n; i++) {
		free(pools[i].name);
		rte_free(pools[i].address);
		rte_free(pools[i].block);
		rte_free(pools[i].bitmap);
		rte_free(pools[i].home);
		rte_free(pools[i].resting);
		rte_free(pools[i].sharers);
	}
	rte_free(pools);
	rte_free(runs);
	pools = NULL;
	runs = NULL;
	pools_n = runs_n = workers_n = 0;
}

/* ---- find ---- */

uint32_t pools_count(void)
{
	return pools_n;
}

uint32_t pools_workers(void)
{
	return workers_n;
}

struct pool *pool_get(uint32_t i)
{
	return i < pools_n ? &pools[i] : NULL;
}

struct pool *pool_by_name(const char *name)
{
	for (uint32_t i = 0; i < pools_n; i++)
		if (strcmp(pools[i].name, name) == 0)
			return &pools[i];
	return NULL;
}

bool pools_have_timeouts(void)
{
	static const struct timeouts none;

	for (uint32_t i = 0; i < pools_n; i++)
		if (memcmp(&pools[i].config.timeouts, &none, sizeof(none)) != 0)
			return true;
	return false;
}

bool pools_filter_by(enum dependence dependence)
{
	for (uint32_t i = 0; i < pools_n; i++)
		for (int p = 0; p < PORT_PROTOCOLS; p++)
			if (pools[i].filtering[p] == dependence)
				return true;
	return false;
}

struct pool_address *pool_address_find(rte_be32_t address)
{
	uint32_t ipv4 = rte_be_to_cpu_32(address);
	const struct run *run = runs;

	if (runs_n == 0)
		return NULL;
	/* the last run that begins at or before the address */
	for (uint32_t n = runs_n; n > 1; n -= n / 2)
		if (run[n / 2].first <= ipv4)
			run += n / 2;
	/* before the first run the difference wraps round, past any last */
	if (ipv4 - run->first > run->last - run->first)
		return NULL;
	return &run->address[ipv4 - run->first];
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

/* The first address from a random one on, once around, that has a free block and is preferred. */
static struct pool_address *search(struct pool *pool, struct random *random,
				   bool (*prefer)(rte_be32_t address, uint32_t worker),
				   uint32_t worker)
{
	uint32_t at = random_below(random, pool->addresses);

	for (uint32_t i = 0; i < pool->addresses; i++) {
		struct pool_address *address = &pool->address[at];

		if (__atomic_load_n(&address->blocks_taken, __ATOMIC_RELAXED) <
			    pool->blocks_per_address &&
		    __atomic_load_n(&address->statics, __ATOMIC_RELAXED) != POOL_STATIC_WHOLE &&
		    (prefer == NULL || prefer(address->address, worker)))
			return address;
		if (++at == pool->addresses)
			at = 0;
	}
	return NULL;
}

static uint32_t subscribers(const struct pool_address *address)
{
	return __atomic_load_n(&address->subscribers, __ATOMIC_RELAXED);
}

struct pool_address *pool_address_choose(struct pool *pool, struct random *random,
					 bool (*prefer)(rte_be32_t address, uint32_t worker),
					 uint32_t worker)
{
	struct pool_address *address, *other;

	/* A full pool is refused without a search. */
	if (__atomic_load_n(&pool->blocks_taken, __ATOMIC_RELAXED) >=
	    pool->addresses * pool->blocks_per_address)
		return NULL;
	address = search(pool, random, prefer, worker);
	if (address == NULL && prefer != NULL) {
		prefer = NULL;
		address = search(pool, random, prefer, worker);
	}
	if (address == NULL)
		return NULL;
	other = search(pool, random, prefer, worker);
	if (other != NULL && subscribers(other) < subscribers(address))
		address = other;
	__atomic_fetch_add(&address->subscribers, 1, __ATOMIC_RELAXED);
	return address;
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

void pool_usage(const struct pool *pool, struct pool_usage *usage)
{
	uint32_t taken = __atomic_load_n(&pool->blocks_taken, __ATOMIC_RELAXED);

	*usage = (struct pool_usage){};
	usage->blocks_total = pool->addresses * pool->blocks_per_address;
	usage->ports_total = (uint64_t)usage->blocks_total << pool->block_shift;
	for (uint32_t i = 0; i < workers_n; i++)
		usage->blocks_resting += __atomic_load_n(&pool->resting[i].n, __ATOMIC_RELAXED);
	/* read at different moments, so resting may seem more than all */
	usage->blocks_taken = taken > usage->blocks_resting ? taken - usage->blocks_resting : 0;
	for (uint32_t i = 0; i < pool->addresses; i++) {
		usage->subscribers += subscribers(&pool->address[i]);
		add_ports(&pool->address[i], usage);
	}
}
