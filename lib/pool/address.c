/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of pools and addresses. The records of addresses that come together lie side by side,
 * so that finding one is arithmetic; each one's blocks are a piece of memory of their own, so that
 * it can go alone.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "deterministic.h"
#include "log.h"
#include "snapshot.h"

LOG_TYPE(pool);

/* Records of addresses. */
struct span {
	uint32_t left; /* addresses that are not freed */
	struct pool_address address[];
};

/* ---- pools ---- */

void pool_configure(struct pool *pool, const struct pool_config *config)
{
	struct pool_config own = *config;

	own.name = NULL;
	own.addresses = own.excluded_addresses = own.inside = (struct config_prefixes){};
	pool->config = own;
	for (int p = 0; p < PORT_PROTOCOLS; p++) {
		pool->mapping[p] = pool_mapping(config, p);
		pool->filtering[p] = pool_filtering(config, p);
	}
}

struct pool *pool_create(const struct pool_config *config, uint16_t id)
{
	struct pool *pool = rte_zmalloc("pool", sizeof(*pool), RTE_CACHE_LINE_SIZE);
	uint32_t ports = config->port_range.last - config->port_range.first + 1;

	if (pool == NULL)
		return NULL;
	pool->id = id;
	pool->none_taken = UINT32_MAX;
	pool->name = strdup(config->name);
	pool->resting =
		rte_zmalloc("pool", pool_workers * sizeof(*pool->resting), RTE_CACHE_LINE_SIZE);
	if (pool->name == NULL || pool->resting == NULL) {
		pool_free(pool);
		return NULL;
	}
	pool->block_shift = (uint32_t)__builtin_ctz(config->block_size);
	pool->blocks_per_address = ports >> pool->block_shift;
	pool->computed_blocks = deterministic_blocks(config);
	if (config->port_range.first < LOW_PORTS)
		pool->low_blocks = (LOW_PORTS - config->port_range.first) >> pool->block_shift;
	for (int p = 0; p < PORT_PROTOCOLS; p++)
		pool->overloads[p] = pool_overloads(config, p);
	pool_configure(pool, config);
	if (ports % config->block_size != 0)
		LOG(NOTICE, "pool %s: the last %u ports of its range fill no block and stay unused",
		    pool->name, ports % config->block_size);
	return pool;
}

void pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	free(pool->name);
	free(pool->choice);
	deterministic_destroy(pool->deterministic);
	rte_free(pool->resting);
	rte_free(pool);
}

/* ---- addresses ---- */

static bool overloads(const struct pool *pool)
{
	for (int p = 0; p < PORT_PROTOCOLS; p++)
		if (pool->overloads[p])
			return true;
	return false;
}

/* Where the parts of an address's memory begin, behind its blocks; in bytes. */
struct layout {
	size_t free, bitmap, sharers, home, end;
};

static struct layout layout_of(const struct pool *pool)
{
	size_t blocks = pool->blocks_per_address;
	size_t ports = (blocks << pool->block_shift) * PORT_PROTOCOLS;
	struct layout layout = {.free = blocks * sizeof(struct block)};

	layout.bitmap = layout.free + (blocks + 63) / 64 * sizeof(uint64_t);
	layout.sharers = layout.bitmap + ports / 8;
	layout.home = layout.sharers + (overloads(pool) ? ports * sizeof(uint16_t) : 0);
	layout.end = layout.home + blocks;
	return layout;
}

void address_open(struct pool_address *address)
{
	for (uint32_t b = 0; b < address->pool->blocks_per_address; b++)
		address->free[b / 64] |= 1ULL << b % 64;
	address->blocks_closed = 0;
}

void address_close(struct pool_address *address)
{
	for (uint32_t b = 0; b < address->pool->blocks_per_address; b += 64)
		address->free[b / 64] = 0;
	address->blocks_closed = (uint16_t)address->pool->blocks_per_address;
}

static int set_up(struct pool_address *address, struct pool *pool, uint32_t ipv4)
{
	uint32_t blocks = pool->blocks_per_address;
	struct layout layout = layout_of(pool);
	char *memory = rte_zmalloc("pool", layout.end, RTE_CACHE_LINE_SIZE);
	uint64_t *bitmap = (uint64_t *)(memory + layout.bitmap);

	if (memory == NULL)
		return -1;
	address->pool = pool;
	address->address = rte_cpu_to_be_32(ipv4);
	address->block = (struct block *)memory;
	address->free = (uint64_t *)(memory + layout.free);
	address->home = (uint8_t *)(memory + layout.home);
	if (overloads(pool))
		address->sharers = (uint16_t *)(memory + layout.sharers);
	for (uint32_t b = 0; b < blocks; b++) {
		struct block *block = &address->block[b];

		block->address = address;
		block->number = (uint16_t)b;
		block->ports = (uint16_t)pool->config.block_size;
		block->first_port =
			(uint16_t)(pool->config.port_range.first + (b << pool->block_shift));
		block->bitmap = bitmap;
		bitmap += block->ports / 64 * PORT_PROTOCOLS;
	}
	address_open(address);
	return 0;
}

struct pool_address *addresses_create(struct pool *pool, uint32_t first, uint32_t n)
{
	struct span *span =
		rte_zmalloc("pool", offsetof(struct span, address[n]), RTE_CACHE_LINE_SIZE);

	if (span == NULL)
		goto none;
	for (uint32_t i = 0; i < n; i++) {
		span->address[i].span = span;
		if (set_up(&span->address[i], pool, first + i) != 0)
			goto some;
		span->left++;
	}
	return span->address;
some:
	if (span->left == 0)
		rte_free(span);
	else
		for (uint32_t i = span->left; i > 0; i--)
			address_free(&span->address[i - 1]);
none:
	LOG(ERR, "pool %s: no memory for %u addresses of %zu KB", pool->name, n,
	    layout_of(pool).end >> 10);
	return NULL;
}

void address_free(struct pool_address *address)
{
	struct span *span = address->span;

	rte_free(address->block);
	if (--span->left == 0)
		rte_free(span);
}
