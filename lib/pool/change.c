/* SPDX-License-Identifier: BSD-3-Clause */
/* From one configuration of pools to the next while workers run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deterministic.h"
#include "log.h"
#include "ranges.h"
#include "rcu.h"
#include "snapshot.h"

LOG_TYPE(pool);

#define POOL_IDS (UINT16_MAX + 1)

struct pools_change {
	/* by pool of the configuration */
	uint32_t n;
	struct pool **pool; /* behind these, those that drain; room for all that there are */
	uint32_t all;
	/* as it will be; once begun, as it was */
	struct pool_choice **choice;
	struct deterministic **deterministic;
	struct pool_config *config; /* the settings: its lists and name are not ours */
	bool *id_taken;
	uint32_t next_id;
	/* what workers look up: first both old and new addresses, then the new ones alone */
	struct snapshot *both, *after;
	struct drain *drain; /* as it will be */
	uint32_t drains;
	rte_be32_t *added;
	uint32_t addeds;
	struct pool_choice **gone; /* of the pools that drain from now on */
	uint32_t gones;
	const struct snapshot *before;
};

/* ---- pools ---- */

/* Whether a pool may become what the configuration says. */
static bool is_the_same(const struct pool *pool, const struct pool_config *config,
			const struct deterministic *deterministic)
{
	if (strcmp(pool->name, config->name) != 0 ||
	    pool->config.block_size != config->block_size ||
	    pool->config.port_range.first != config->port_range.first ||
	    pool->config.port_range.last != config->port_range.last ||
	    pool->config.realm != config->realm ||
	    pool->computed_blocks != deterministic_blocks(config) ||
	    !deterministic_goes_on(pool->deterministic, deterministic))
		return false;
	for (int p = 0; p < PORT_PROTOCOLS; p++)
		if (pool->overloads[p] != pool_overloads(config, p))
			return false;
	return true;
}

static void note_ids(struct pools_change *change)
{
	for (uint32_t i = 0; i < pool_snapshot->all; i++)
		change->id_taken[pool_snapshot->pool[i]->id] = true;
	for (uint32_t id = 0; id < POOL_IDS; id++)
		change->id_taken[id] |= drain_has_id((uint16_t)id);
}

static struct pool *kept_or_new(struct pools_change *change, const struct pool_config *config,
				const struct deterministic *deterministic)
{
	for (uint32_t i = 0; i < pool_snapshot->pools; i++)
		if (is_the_same(pool_snapshot->pool[i], config, deterministic))
			return pool_snapshot->pool[i];
	while (change->next_id < POOL_IDS && change->id_taken[change->next_id])
		change->next_id++;
	return change->next_id < POOL_IDS ? pool_create(config, (uint16_t)change->next_id++) : NULL;
}

static bool is_new_pool(const struct pool *pool)
{
	for (uint32_t i = 0; i < pool_snapshot->pools; i++)
		if (pool_snapshot->pool[i] == pool)
			return false;
	return true;
}

/* ---- addresses ---- */

/* The record that the pool has of the address already, or NULL. Host order. */
static struct pool_address *kept_address(const struct pool *pool, uint32_t ipv4)
{
	struct pool_address *address = snapshot_find(pool_snapshot, ipv4);

	return address != NULL && address->pool == pool ? address : NULL;
}

static bool is_new_address(const struct pool_address *address)
{
	return snapshot_find(pool_snapshot, rte_be_to_cpu_32(address->address)) != address;
}

/* The addresses of a range into the choice: records that there are, new ones between them. */
static int choose_range(struct pool *pool, const struct config_range *range,
			struct pool_choice *choice)
{
	uint32_t ipv4 = range->first, left = range->last - range->first + 1;

	while (left > 0) {
		struct pool_address *address = kept_address(pool, ipv4);
		uint32_t n = 1;

		if (address == NULL) {
			while (n < left && kept_address(pool, ipv4 + n) == NULL)
				n++;
			address = addresses_create(pool, ipv4, n);
			if (address == NULL)
				return -ENOMEM;
		}
		for (uint32_t i = 0; i < n; i++)
			choice->address[choice->n++] = &address[i];
		ipv4 += n;
		left -= n;
	}
	return 0;
}

static int choose(struct pools_change *change, uint32_t i, const struct pool_config *config)
{
	struct config_range *range =
		calloc(config->addresses.n + config->excluded_addresses.n, sizeof(*range));
	uint32_t ranges, addresses = 0;
	int error = 0;

	if (range == NULL)
		return -ENOMEM;
	ranges = pool_ranges(config, range);
	for (uint32_t r = 0; r < ranges; r++)
		addresses += range[r].last - range[r].first + 1;
	change->choice[i] = calloc(1, offsetof(struct pool_choice, address[addresses]));
	if (change->choice[i] == NULL)
		error = -ENOMEM;
	for (uint32_t r = 0; r < ranges && error == 0; r++)
		error = choose_range(change->pool[i], &range[r], change->choice[i]);
	free(range);
	return error;
}

/* ---- snapshots ---- */

/* The pools that are no more, behind those of the configuration. */
static void add_old_pools(struct pools_change *change)
{
	change->all = change->n;
	for (uint32_t i = 0; i < pool_snapshot->all; i++) {
		uint32_t k = 0;

		while (k < change->n && change->pool[k] != pool_snapshot->pool[i])
			k++;
		if (k == change->n)
			change->pool[change->all++] = pool_snapshot->pool[i];
	}
}

static uint32_t count_addresses(const struct snapshot *snapshot)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < snapshot->runs; i++)
		n += snapshot->run[i].last - snapshot->run[i].first + 1;
	return n;
}

static int make_snapshots(struct pools_change *change)
{
	uint32_t after = 0, both;
	struct pool_address **address;

	for (uint32_t i = 0; i < change->n; i++)
		after += change->choice[i]->n;
	address = calloc(after + count_addresses(pool_snapshot) + 1, sizeof(struct pool_address *));
	if (address == NULL)
		return -ENOMEM;
	after = 0;
	for (uint32_t i = 0; i < change->n; i++)
		for (uint32_t k = 0; k < change->choice[i]->n; k++)
			address[after++] = change->choice[i]->address[k];
	change->after = snapshot_create(address, after, change->pool, change->n, change->all);
	/* and those of now, where they are not among these; they go before new ones */
	both = 0;
	for (uint32_t k = 0; k < after; k++)
		if (snapshot_find(pool_snapshot, rte_be_to_cpu_32(address[k]->address)) == NULL)
			address[both++] = address[k];
	for (uint32_t r = 0; r < pool_snapshot->runs; r++) {
		const struct run *run = &pool_snapshot->run[r];

		for (uint32_t k = 0; k <= run->last - run->first; k++)
			address[both++] = &run->address[k];
	}
	change->both = snapshot_create(address, both, change->pool, change->n, change->all);
	free(address);
	return change->after != NULL && change->both != NULL ? 0 : -ENOMEM;
}

/* ---- what drains ---- */

static void add_drain(struct pools_change *change, struct pool_address *address)
{
	change->drain[change->drains++] = (struct drain){.address = address};
}

/* The record that comes after it in the same place gets its blocks. */
static void set_successor(struct pools_change *change, struct drain *drain)
{
	const struct pool *pool = drain->address->pool;
	uint32_t ipv4 = rte_be_to_cpu_32(drain->address->address);

	if (drain->successor != NULL)
		return;
	drain->successor = snapshot_find(change->after, ipv4);
	if (drain->successor == NULL)
		return;
	drain->alike =
		drain->successor->pool->block_shift == pool->block_shift &&
		drain->successor->pool->config.port_range.first == pool->config.port_range.first &&
		drain->successor->pool->blocks_per_address == pool->blocks_per_address;
	drain->waits = false;
	address_close(drain->successor);
}

static int list_added(struct pools_change *change)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < change->n; i++)
		n += change->choice[i]->n;
	change->added = calloc(n + 1, sizeof(*change->added));
	if (change->added == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < change->n; i++)
		for (uint32_t k = 0; k < change->choice[i]->n; k++)
			if (is_new_address(change->choice[i]->address[k]))
				change->added[change->addeds++] =
					change->choice[i]->address[k]->address;
	return 0;
}

static int list_drains(struct pools_change *change)
{
	uint32_t room = pool_drains + count_addresses(pool_snapshot);

	change->drain = calloc(room + 1, sizeof(*change->drain));
	change->gone = calloc(pool_snapshot->pools + 1, sizeof(struct pool_choice *));
	if (change->drain == NULL || change->gone == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < pool_drains; i++)
		change->drain[change->drains++] = pool_drain[i];
	for (uint32_t r = 0; r < pool_snapshot->runs; r++) {
		const struct run *run = &pool_snapshot->run[r];

		for (uint32_t k = 0; k <= run->last - run->first; k++)
			if (snapshot_find(change->after, run->first + k) != &run->address[k])
				add_drain(change, &run->address[k]);
	}
	for (uint32_t i = 0; i < change->drains; i++)
		set_successor(change, &change->drain[i]);
	for (; change->gones < change->all - change->n; change->gones++) {
		change->gone[change->gones] = calloc(1, sizeof(struct pool_choice));
		if (change->gone[change->gones] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the steps ---- */

static void change_free(struct pools_change *change)
{
	for (uint32_t i = 0; i < change->n && change->choice != NULL; i++)
		free(change->choice[i]);
	for (uint32_t i = 0; i < change->n && change->deterministic != NULL; i++)
		deterministic_destroy(change->deterministic[i]);
	for (uint32_t i = 0; i < change->gones; i++)
		free(change->gone[i]);
	free(change->gone);
	free(change->added);
	free(change->choice);
	free(change->deterministic);
	free(change->pool);
	free(change->config);
	free(change->id_taken);
	free(change);
}

void pools_abort(struct pools_change *change)
{
	for (uint32_t i = 0; i < change->n && change->pool != NULL; i++) {
		struct pool_choice *choice = change->choice != NULL ? change->choice[i] : NULL;

		for (uint32_t k = 0; choice != NULL && k < choice->n; k++)
			if (is_new_address(choice->address[k]))
				address_free(choice->address[k]);
		if (change->pool[i] != NULL && is_new_pool(change->pool[i]))
			pool_free(change->pool[i]);
	}
	if (change->both != NULL)
		snapshot_free(change->both);
	if (change->after != NULL)
		snapshot_free(change->after);
	free(change->drain);
	change_free(change);
}

static int prepare(struct pools_change *change, const struct pool_config *config)
{
	int error = 0;

	change->pool = calloc(change->n + pool_snapshot->all + 1, sizeof(struct pool *));
	change->choice = calloc(change->n + 1, sizeof(struct pool_choice *));
	change->deterministic = calloc(change->n + 1, sizeof(struct deterministic *));
	change->config = calloc(change->n + 1, sizeof(*change->config));
	change->id_taken = calloc(POOL_IDS, sizeof(*change->id_taken));
	if (change->pool == NULL || change->choice == NULL || change->deterministic == NULL ||
	    change->config == NULL || change->id_taken == NULL)
		return -ENOMEM;
	note_ids(change);
	for (uint32_t i = 0; i < change->n && error == 0; i++) {
		change->config[i] = config[i];
		error = deterministic_create(&config[i], &change->deterministic[i]);
		if (error != 0)
			break;
		change->pool[i] = kept_or_new(change, &config[i], change->deterministic[i]);
		error = change->pool[i] != NULL ? choose(change, i, &config[i]) : -ENOMEM;
	}
	if (error != 0)
		return error;
	add_old_pools(change);
	error = make_snapshots(change);
	if (error == 0)
		error = list_added(change);
	return error == 0 ? list_drains(change) : error;
}

int pools_prepare(const struct pool_config *config, uint32_t n, struct pools_change **change)
{
	int error;

	*change = calloc(1, sizeof(**change));
	if (*change == NULL)
		return -ENOMEM;
	(*change)->n = n;
	error = prepare(*change, config);
	if (error != 0)
		pools_abort(*change);
	return error;
}

struct pool *pools_change_named(const struct pools_change *change, const char *name)
{
	if (change == NULL)
		return name[0] != '\0' ? pool_by_name(name) : pool_get(0);
	for (uint32_t i = 0; i < change->n; i++)
		if (name[0] == '\0' || strcmp(change->pool[i]->name, name) == 0)
			return change->pool[i];
	return NULL;
}

struct pool_address *pools_change_find(const struct pools_change *change, rte_be32_t address)
{
	return change == NULL ? pool_address_find(address)
			      : snapshot_find(change->after, rte_be_to_cpu_32(address));
}

void pools_change_added(const struct pools_change *change, void (*each)(rte_be32_t address))
{
	for (uint32_t i = 0; i < change->addeds; i++)
		each(change->added[i]);
}

static uint32_t count_new(const struct pool_choice *choice)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < choice->n; k++)
		n += is_new_address(choice->address[k]);
	return n;
}

static struct pool_choice *choice_swap(struct pool *pool, struct pool_choice *choice)
{
	struct pool_choice *before = pool->choice;

	__atomic_store_n(&pool->choice, choice, __ATOMIC_RELEASE);
	return before;
}

void pools_begin(struct pools_change *change)
{
	for (uint32_t i = 0; i < change->n; i++) {
		struct pool *pool = change->pool[i];
		uint32_t added = count_new(change->choice[i]);

		if (added > 0)
			LOG(INFO, "pool %s: addresses more: %u, with %u blocks of %u ports each",
			    pool->name, added, pool->blocks_per_address, pool->config.block_size);
		__atomic_store_n(&pool->blocks_total,
				 pool->blocks_total + added * pool->blocks_per_address,
				 __ATOMIC_RELAXED);
		pool_configure(pool, &change->config[i]);
	}
	change->before = snapshot_publish(change->both);
	/* found before they are chosen */
	for (uint32_t i = 0; i < change->n; i++)
		change->choice[i] = choice_swap(change->pool[i], change->choice[i]);
	/* and chosen before they are computed */
	for (uint32_t i = 0; i < change->n; i++)
		change->deterministic[i] =
			deterministic_swap(change->pool[i], change->deterministic[i]);
}

void pools_finish(struct pools_change *change)
{
	uint32_t removed = change->drains - pool_drains;

	for (uint32_t i = pool_drains; i < change->drains; i++) {
		struct pool_address *address = change->drain[i].address;

		address->pool->addresses_draining++;
		__atomic_store_n(&address->drains, true, __ATOMIC_RELAXED);
	}
	for (uint32_t i = 0; i < change->gones; i++)
		change->gone[i] = choice_swap(change->pool[change->n + i], change->gone[i]);
	if (removed > 0)
		LOG(INFO,
		    "addresses that no pool has any more, or another one: %u; sessions on them end",
		    removed);
	snapshot_publish(change->after);
	if (change->before->all != 0) /* there may be workers: they report every loop */
		rte_rcu_qsbr_synchronize(rcu, RTE_QSBR_THRID_INVALID);
	snapshot_free(change->before);
	snapshot_free(change->both);
	drain_replace(change->drain, change->drains);
	change_free(change);
}
