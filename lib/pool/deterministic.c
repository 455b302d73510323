/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "deterministic.h"
#include "log.h"
#include "ranges.h"
#include "refuse.h"
#include "text.h"

LOG_TYPE(pool);

/* Addresses side by side, and the number of the first. Host order. */
struct span {
	uint32_t first, last;
	uint32_t number;
};

/* Addresses and their numbers. */
struct numbering {
	struct span *by_number, *by_address; /* the same spans, sorted */
	uint32_t spans;
	uint64_t count; /* of addresses */
};

struct deterministic {
	struct numbering inside, outside;
	uint32_t blocks; /* of an address that are computed */
};

/* ---- numbers ---- */

static int compare(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

/* 0, or -ENOMEM. */
static int number(struct numbering *numbering, const struct config_prefixes *addresses,
		  const struct config_prefixes *excluded)
{
	uint32_t room = addresses->n + excluded->n;
	struct config_range *range = calloc(room, sizeof(*range));

	*numbering = (struct numbering){
		.by_number = calloc(room, sizeof(struct span)),
		.by_address = calloc(room, sizeof(struct span)),
	};
	if (range == NULL || numbering->by_number == NULL || numbering->by_address == NULL) {
		free(range);
		return -ENOMEM;
	}
	numbering->spans = ranges_left(addresses, excluded, range);
	for (uint32_t i = 0; i < numbering->spans; i++) {
		numbering->by_number[i] =
			(struct span){range[i].first, range[i].last, (uint32_t)numbering->count};
		numbering->count += range[i].last - range[i].first + 1;
	}
	memcpy(numbering->by_address, numbering->by_number, numbering->spans * sizeof(struct span));
	qsort(numbering->by_address, numbering->spans, sizeof(struct span), compare);
	free(range);
	return 0;
}

static void clean(struct numbering *numbering)
{
	free(numbering->by_number);
	free(numbering->by_address);
}

static bool number_of(const struct numbering *numbering, uint32_t address, uint32_t *number)
{
	const struct span *span = numbering->by_address;

	/* the last span that begins at or before the address */
	for (uint32_t n = numbering->spans; n > 1; n -= n / 2)
		if (span[n / 2].first <= address)
			span += n / 2;
	if (address < span->first || address > span->last)
		return false;
	*number = span->number + (address - span->first);
	return true;
}

/* The span of a number, which is less than the count. */
static const struct span *span_of(const struct numbering *numbering, uint32_t number)
{
	const struct span *span = numbering->by_number;

	for (uint32_t n = numbering->spans; n > 1; n -= n / 2)
		if (span[n / 2].number <= number)
			span += n / 2;
	return span;
}

static uint32_t address_of(const struct numbering *numbering, uint32_t number)
{
	const struct span *span = span_of(numbering, number);

	return span->first + (number - span->number);
}

/* How many numbers from this one on are of the same span. */
static uint32_t left_in_span(const struct numbering *numbering, uint32_t number)
{
	return span_of(numbering, number)->last - address_of(numbering, number) + 1;
}

/* Whether all that have a number have the same one in the other. */
static bool is_part(const struct numbering *numbering, const struct numbering *other)
{
	uint32_t n = 0;

	if (numbering->count > other->count)
		return false;
	while (n < numbering->count) {
		if (address_of(numbering, n) != address_of(other, n))
			return false;
		n += RTE_MIN(left_in_span(numbering, n), left_in_span(other, n));
	}
	return true;
}

/* ---- what a configuration may say ---- */

static int refuse_range(struct config_error *error, const struct config_range *range)
{
	char text[RANGE_TEXT_SIZE];

	snprintf(error->found, sizeof(error->found), "%s", range_text(range, text));
	return -EINVAL;
}

static int check_dynamic(const struct pool_config *pool, uint32_t i, struct config_error *error)
{
	static const char right[] = "no such key without allocation: deterministic";

	if (pool->inside.n != 0) {
		pool_refuse(error, i, "inside", "%s; rules say who uses a dynamic pool", right);
		return refuse_range(error, &pool->inside.range[0]);
	}
	if (pool->overflow_blocks != 0) {
		snprintf(error->found, sizeof(error->found), "%u", pool->overflow_blocks);
		return pool_refuse(error, i, "overflow-blocks", "%s", right);
	}
	if (pool->realm > 1) {
		snprintf(error->found, sizeof(error->found), "%u", pool->realm);
		return pool_refuse(error, i, "realm", "%s; rules say who uses a dynamic pool",
				   right);
	}
	return 0;
}

/* Range r of the inside addresses: addresses of hosts, given once, and nobody's public ones. */
static int check_inside(const struct pool_config *config, uint32_t n, uint32_t i, uint32_t r,
			struct config_error *error)
{
	const struct config_prefixes *inside = &config[i].inside;
	const struct config_range *range = &inside->range[r];
	char text[RANGE_TEXT_SIZE];

	if (!range_is_unicast(range)) {
		pool_refuse(error, i, "inside", "addresses that a host can have");
		return refuse_range(error, range);
	}
	for (uint32_t k = 0; k < r; k++) {
		if (!ranges_overlap(range, &inside->range[k]))
			continue;
		pool_refuse(error, i, "inside", "each address once; %s is there already",
			    range_text(&inside->range[k], text));
		return refuse_range(error, range);
	}
	for (uint32_t p = 0; p < n; p++) {
		for (uint32_t k = 0; k < config[p].addresses.n; k++) {
			if (!ranges_overlap(range, &config[p].addresses.range[k]))
				continue;
			pool_refuse(error, i, "inside", "inside addresses; pool %s has %s",
				    config[p].name,
				    range_text(&config[p].addresses.range[k], text));
			return refuse_range(error, range);
		}
	}
	return 0;
}

static uint32_t blocks_of(const struct pool_config *pool, uint32_t block_size)
{
	return (pool->port_range.last - pool->port_range.first + 1) / block_size;
}

static int check_keys(const struct pool_config *pool, uint32_t i, struct config_error *error)
{
	uint32_t blocks = blocks_of(pool, pool->block_size);

	if (pool->inside.n == 0)
		return pool_refuse(error, i, "inside",
				   "the subscribers' addresses, such as [100.64.0.0/20], as "
				   "allocation is deterministic");
	snprintf(error->found, sizeof(error->found), "yes");
	if (pool->keep_port_range)
		return pool_refuse(error, i, "keep-port-range",
				   "no with allocation: deterministic, as a computed block is on "
				   "one side of port 1024");
	snprintf(error->found, sizeof(error->found), "%u", pool->overflow_blocks);
	if (pool->overflow_blocks >= blocks)
		return pool_refuse(error, i, "overflow-blocks",
				   "less than the %u blocks of an address", blocks);
	snprintf(error->found, sizeof(error->found), "%u", pool->max_blocks_per_subscriber);
	if (pool->overflow_blocks > 0 && pool->max_blocks_per_subscriber == 1)
		return pool_refuse(error, i, "max-blocks-per-subscriber",
				   "at least 2, as there are overflow-blocks beside the computed "
				   "one");
	error->found[0] = '\0';
	return 0;
}

/* The largest block size with which the addresses have blocks for so many; 0: none. */
static uint32_t size_for(const struct pool_config *pool, uint64_t addresses, uint64_t subscribers)
{
	for (uint32_t size = pool->block_size / 2; size >= BLOCK_SIZE_MIN; size /= 2)
		if ((blocks_of(pool, size) - pool->overflow_blocks) * addresses >= subscribers)
			return size;
	return 0;
}

/* A block for everybody: else, what would do. */
static int check_room(const struct pool_config *pool, uint32_t i, uint64_t subscribers,
		      uint64_t addresses, struct config_error *error)
{
	uint32_t blocks = deterministic_blocks(pool);
	uint32_t size = size_for(pool, addresses, subscribers);
	char smaller[48] = "";

	if (subscribers <= addresses * blocks)
		return 0;
	snprintf(error->found, sizeof(error->found), "%lu subscribers", subscribers);
	if (size != 0)
		snprintf(smaller, sizeof(smaller), " block-size %u, or", size);
	return pool_refuse(error, i, "inside",
			   "at most %lu, for %lu addresses with %u computed blocks each; or for "
			   "these subscribers%s %lu addresses",
			   addresses * blocks, addresses, blocks, smaller,
			   (subscribers + blocks - 1) / blocks);
}

int deterministic_check(const struct pool_config *config, uint32_t n, uint32_t i,
			struct config_error *error)
{
	static const struct config_prefixes none;
	const struct pool_config *pool = &config[i];
	struct numbering inside = {}, outside = {};
	int rc;

	if (pool->allocation == ALLOCATION_DYNAMIC)
		return check_dynamic(pool, i, error);
	rc = check_keys(pool, i, error);
	for (uint32_t r = 0; r < pool->inside.n && rc == 0; r++)
		rc = check_inside(config, n, i, r, error);
	if (rc == 0)
		rc = number(&inside, &pool->inside, &none);
	if (rc == 0)
		rc = number(&outside, &pool->addresses, &pool->excluded_addresses);
	if (rc == 0)
		rc = check_room(pool, i, inside.count, outside.count, error);
	clean(&inside);
	clean(&outside);
	return rc;
}

/* ---- control thread ---- */

/* Without memory to look: as if it did. */
bool deterministic_uses(const struct pool_config *config, rte_be32_t address)
{
	struct deterministic *deterministic;
	uint32_t place;
	bool uses;

	if (deterministic_create(config, &deterministic) != 0)
		return true;
	uses = deterministic != NULL &&
	       (number_of(&deterministic->outside, rte_be_to_cpu_32(address), &place) &&
		(uint64_t)place * deterministic->blocks < deterministic->inside.count);
	deterministic_destroy(deterministic);
	return uses;
}

uint32_t deterministic_blocks(const struct pool_config *config)
{
	return config->allocation == ALLOCATION_DETERMINISTIC
		       ? blocks_of(config, config->block_size) - config->overflow_blocks
		       : 0;
}

int deterministic_create(const struct pool_config *config, struct deterministic **created)
{
	static const struct config_prefixes none;
	struct deterministic *deterministic;
	int error;

	*created = NULL;
	if (config->allocation == ALLOCATION_DYNAMIC)
		return 0;
	deterministic = calloc(1, sizeof(*deterministic));
	if (deterministic == NULL)
		return -ENOMEM;
	deterministic->blocks = deterministic_blocks(config);
	error = number(&deterministic->inside, &config->inside, &none);
	if (error == 0)
		error = number(&deterministic->outside, &config->addresses,
			       &config->excluded_addresses);
	if (error == 0)
		*created = deterministic;
	else
		deterministic_destroy(deterministic);
	return error;
}

void deterministic_destroy(struct deterministic *deterministic)
{
	if (deterministic == NULL)
		return;
	clean(&deterministic->inside);
	clean(&deterministic->outside);
	free(deterministic);
}

uint32_t deterministic_subscribers(const struct deterministic *deterministic)
{
	return (uint32_t)deterministic->inside.count;
}

bool deterministic_goes_on(const struct deterministic *before, const struct deterministic *after)
{
	if (before == NULL || after == NULL)
		return before == after;
	return is_part(&before->inside, &after->inside) &&
	       is_part(&before->outside, &after->outside);
}

/* What must be known to compute who had an address and port is the configuration. This says how
 * much of it is used. */
static void log_use(const struct pool *pool)
{
	uint32_t subscribers = deterministic_subscribers(pool->deterministic);
	uint32_t blocks = pool->deterministic->blocks;
	uint32_t addresses = (uint32_t)pool->deterministic->outside.count;
	uint32_t used = (subscribers + blocks - 1) / blocks;
	uint32_t even = (subscribers + addresses - 1) / addresses;

	LOG(INFO,
	    "pool %s: deterministic, for %u subscribers: %u blocks of an address, from port %u on",
	    pool->name, subscribers, blocks, pool->config.port_range.first);
	if (used < addresses && even < blocks)
		LOG(NOTICE,
		    "pool %s: nobody uses the last %u of its addresses; overflow-blocks %u would "
		    "spread the subscribers over all",
		    pool->name, addresses - used, pool->blocks_per_address - even);
}

struct deterministic *deterministic_swap(struct pool *pool, struct deterministic *deterministic)
{
	struct deterministic *before = pool->deterministic;

	__atomic_store_n(&pool->deterministic, deterministic, __ATOMIC_RELEASE);
	if (deterministic != NULL && !deterministic_goes_on(deterministic, before))
		log_use(pool);
	return before;
}

/* ---- any thread ---- */

static const struct deterministic *get(const struct pool *pool)
{
	return __atomic_load_n(&pool->deterministic, __ATOMIC_ACQUIRE);
}

struct block *deterministic_block(const struct pool *pool, rte_be32_t inside, uint32_t realm)
{
	const struct deterministic *deterministic = get(pool);
	struct pool_address *address;
	uint32_t subscriber;

	if (deterministic == NULL || realm != pool->config.realm ||
	    !number_of(&deterministic->inside, rte_be_to_cpu_32(inside), &subscriber))
		return NULL;
	address = pool_address_in(pool,
				  rte_cpu_to_be_32(address_of(&deterministic->outside,
							      subscriber / deterministic->blocks)));
	return address != NULL ? &address->block[subscriber % deterministic->blocks] : NULL;
}

bool deterministic_holder(const struct block *block, rte_be32_t *inside, uint32_t *realm)
{
	const struct deterministic *deterministic = get(block->address->pool);
	uint64_t subscriber;
	uint32_t place;

	if (deterministic == NULL || !block_is_computed(block) ||
	    !number_of(&deterministic->outside, rte_be_to_cpu_32(block->address->address), &place))
		return false;
	subscriber = (uint64_t)place * deterministic->blocks + block->number;
	if (subscriber >= deterministic->inside.count)
		return false;
	*inside = rte_cpu_to_be_32(address_of(&deterministic->inside, (uint32_t)subscriber));
	*realm = block->address->pool->config.realm;
	return true;
}
