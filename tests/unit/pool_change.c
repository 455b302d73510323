/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>
#include <rte_malloc.h>

#include "eal.h"
#include "pools.h"
#include "rcu.h"
#include "snapshot.h"

/* Pools that change while blocks are held, against a dumb model. */

#define WORKERS   3
#define ADDRESSES 20 /* 192.0.2.0 and on */
#define POOLS     4  /* "a" to "d"; the blocks of "d" are twice as large */
#define CELLS     16 /* of an address: 64 ports each, from 1024 on */
#define HELD_MAX  200
#define REST_MS   20000
#define NOBODY    0 /* as a cell's holder */

static struct random rng;

/* ---- configurations ---- */

static struct pool_config config_of(uint32_t pool, const char *addresses)
{
	char name[2] = {(char)('a' + pool), '\0'};
	struct pool_config config = support_pool_config(name, addresses, "");

	config.block_size = pool == POOLS - 1 ? 128 : 64;
	config.port_range.last = 1024 + CELLS * 64 - 1;
	config.port_reuse_timeout = REST_MS / 1000;
	return config;
}

static void change(const struct pool_config *config, uint32_t n)
{
	struct pools_change *to;

	assert_int_equal(pools_prepare(config, n, &to), 0);
	pools_begin(to);
	pools_finish(to);
}

static struct pool_address *find(uint32_t i)
{
	return pool_address_find(rte_cpu_to_be_32(support_ipv4("192.0.2.0") + i));
}

static uint32_t number_of(const struct pool_address *address)
{
	return rte_be_to_cpu_32(address->address) - support_ipv4("192.0.2.0");
}

/* ---- the model ---- */

struct held {
	struct block *block;
	uint32_t worker, address;
};

static struct {
	int pool[ADDRESSES];                    /* which has it; -1: none */
	struct pool_address *record[ADDRESSES]; /* as found */
	uint32_t cell[ADDRESSES][CELLS];        /* who holds it */
	uint64_t rests_until[ADDRESSES][CELLS];
	struct held held[HELD_MAX];
	uint32_t n;
	uint64_t now_ms;
} model;

/* A configuration of the pools in some order, each with those of the addresses that the model says;
 * pools without any are left out. */
static uint32_t model_config(struct pool_config config[POOLS])
{
	uint32_t first = random_below(&rng, POOLS), n = 0;

	for (uint32_t k = 0; k < POOLS; k++) {
		uint32_t pool = (first + k) % POOLS;
		char text[ADDRESSES * 32] = "";

		for (uint32_t i = 0; i < ADDRESSES; i++)
			if (model.pool[i] == (int)pool)
				snprintf(text + strlen(text), sizeof(text) - strlen(text),
					 "%s192.0.2.%u", text[0] != '\0' ? " " : "", i);
		if (text[0] != '\0')
			config[n++] = config_of(pool, text);
	}
	return n;
}

/* Whether what the pools say is what the model says; a record that stays is the same one. */
static void model_compare(const int before[ADDRESSES])
{
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		struct pool_address *address = find(i);

		assert_int_equal(address != NULL, model.pool[i] >= 0);
		if (address == NULL)
			continue;
		assert_int_equal(number_of(address), i);
		assert_int_equal(address->pool->name[0], 'a' + model.pool[i]);
		assert_ptr_equal(pool_by_name(address->pool->name), address->pool);
		assert_false(address->drains);
		if (before[i] == model.pool[i])
			assert_ptr_equal(address, model.record[i]);
		model.record[i] = address;
	}
}

static void model_change(void)
{
	struct pool_config config[POOLS];
	int before[ADDRESSES];
	uint32_t n;

	memcpy(before, model.pool, sizeof(before));
	for (uint32_t moves = 1 + random_below(&rng, 4); moves > 0; moves--)
		model.pool[random_below(&rng, ADDRESSES)] = (int)random_below(&rng, POOLS + 2) - 2;
	if (random_below(&rng, 8) == 0) /* a pool gets another name */
		for (uint32_t i = 0; i < ADDRESSES; i++)
			model.pool[i] = model.pool[i] == 0   ? 1
					: model.pool[i] == 1 ? 0
							     : model.pool[i];
	for (uint32_t i = 0; i < ADDRESSES; i++)
		model.pool[i] = RTE_MAX(model.pool[i], -1);
	n = model_config(config);
	if (random_below(&rng, 4) == 0) { /* nothing comes of it */
		struct pools_change *to;

		assert_int_equal(pools_prepare(config, n, &to), 0);
		pools_abort(to);
		memcpy(model.pool, before, sizeof(before));
	} else {
		change(config, n);
	}
	for (uint32_t i = 0; i < n; i++)
		support_pool_config_clean(&config[i]);
	model_compare(before);
}

/* The cells of a block. */
static void cells_of(const struct block *block, uint32_t *first, uint32_t *end)
{
	*first = (block->first_port - 1024) / 64;
	*end = *first + block->ports / 64;
}

/* A block is nobody else's, and has rested. */
static void model_hold(struct block *block, uint32_t worker)
{
	uint32_t address = number_of(block->address), first, end;

	cells_of(block, &first, &end);
	for (uint32_t c = first; c < end; c++) {
		assert_int_equal(model.cell[address][c], NOBODY);
		assert_true(model.now_ms >= model.rests_until[address][c]);
		model.cell[address][c] = worker + 1;
	}
	assert_int_equal(block_home(block), (int)worker);
	model.held[model.n++] = (struct held){block, worker, address};
}

static void model_take(void)
{
	uint32_t worker = random_below(&rng, WORKERS);
	struct pool *pool = pool_get(random_below(&rng, POOLS));
	struct pool_address *address;
	struct block *block;

	if (pool == NULL || model.n == HELD_MAX)
		return;
	address = pool_address_choose(pool, &rng, NULL, worker, 0);
	if (address == NULL)
		return;
	assert_ptr_equal(address, find(number_of(address)));
	assert_ptr_equal(address->pool, pool);
	block = block_take(address, worker, &model, &rng, model.now_ms);
	assert_non_null(block); /* nobody else takes any */
	model_hold(block, worker);
	/* who holds a block is a subscriber of the address, mostly */
	if (random_below(&rng, 4) == 0)
		pool_address_leave(address);
	else
		block->holder = address;
}

static void model_release(uint32_t i)
{
	struct held held = model.held[i];
	uint32_t first, end;

	cells_of(held.block, &first, &end);
	for (uint32_t c = first; c < end; c++) {
		assert_int_equal(model.cell[held.address][c], held.worker + 1);
		model.cell[held.address][c] = NOBODY;
		model.rests_until[held.address][c] = model.now_ms + REST_MS;
	}
	assert_int_equal(block_home(held.block), (int)held.worker);
	if (held.block->holder == held.block->address)
		pool_address_leave(held.block->address);
	block_release(held.block, held.worker, model.now_ms);
	model.held[i] = model.held[--model.n];
}

/* Of what is not taken nothing may be lost: at the end every block is free once. */
static void all_is_free(void)
{
	for (uint32_t i = 0; i < pools_count(); i++) {
		struct pool *pool = pool_get(i);
		struct pool_usage usage;

		pool_usage(pool, &usage);
		assert_int_equal(usage.blocks_total,
				 pool_addresses(pool) * pool->blocks_per_address);
		assert_int_equal(usage.addresses_draining, 0);
		assert_int_equal(usage.blocks_taken + usage.blocks_resting, 0);
		assert_int_equal(usage.subscribers, 0);
		for (uint32_t k = 0; k < pool_addresses(pool); k++)
			for (uint32_t b = 0; b < pool->blocks_per_address; b++)
				model_hold(block_take(pool_address_get(pool, k), 0, &model, &rng,
						      model.now_ms),
					   0);
		for (uint32_t k = 0; k < pool_addresses(pool); k++)
			assert_null(block_take(pool_address_get(pool, k), 0, &model, &rng,
					       model.now_ms));
		while (model.n > 0)
			model_release(0);
	}
}

/* Whatever comes, goes, moves and comes back in whatever order: addresses that stay are untouched,
 * no block is held twice or before it has rested, and in the end none is lost. */
static void same_as_the_model(void **state)
{
	static const int none[ADDRESSES] = {[0 ... ADDRESSES - 1] = -1};
	struct pool_config config[POOLS];
	uint32_t n;

	(void)state;
	memset(&model, 0, sizeof(model));
	model.now_ms = REST_MS;
	n = model_config(config);
	assert_int_equal(pools_setup(config, n, WORKERS), 0);
	support_pool_config_clean(&config[0]);
	model_compare(none);
	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t what = random_below(&rng, 200);

		if (what == 0)
			model_change();
		else if (what < 90)
			model_take();
		else if (what < 180 && model.n > 0)
			model_release(random_below(&rng, model.n));
		else if (what < 190)
			pool_poll(random_below(&rng, WORKERS), model.now_ms);
		else
			pools_drain();
		model.now_ms += random_below(&rng, 200);
	}
	while (model.n > 0)
		model_release(0);
	for (uint32_t round = 0; round < 8; round++) { /* along a chain of successors, then pools */
		model.now_ms += REST_MS;
		for (uint32_t w = 0; w < WORKERS; w++)
			pool_poll(w, model.now_ms);
		pools_drain();
		pools_drain();
	}
	assert_int_equal(pool_drains, 0);
	assert_int_equal(pool_snapshot->all, pool_snapshot->pools);
	all_is_free();
}

/* ---- single rules ---- */

static void replace(const char *addresses)
{
	struct pool_config config = config_of(0, addresses);

	change(&config, 1);
	support_pool_config_clean(&config);
}

static void start(const char *addresses)
{
	struct pool_config config = config_of(0, addresses);

	assert_int_equal(pools_setup(&config, 1, WORKERS), 0);
	support_pool_config_clean(&config);
}

/* The memory of an address that has drained is free after a grace period, and not before. */
static void a_grace_period_first(void **state)
{
	struct pool_address *gone;
	struct block *block;

	(void)state;
	start("192.0.2.0-192.0.2.1");
	gone = find(1);
	block = block_take(gone, 0, &model, &rng, 0);
	replace("192.0.2.0");
	assert_null(block_take(gone, 0, &model, &rng, 0));
	pools_drain();
	assert_int_equal(pool_drains, 1);
	block_release(block, 0, 0);
	pools_drain();
	assert_int_equal(pool_drains, 1); /* it rests */
	rte_rcu_qsbr_thread_register(rcu, 0);
	rte_rcu_qsbr_thread_online(rcu, 0);
	pool_poll(0, REST_MS);
	for (int i = 0; i < 3; i++) {
		pools_drain();
		assert_int_equal(pool_drains, 1); /* a reader may look at it */
	}
	rte_rcu_qsbr_quiescent(rcu, 0);
	pools_drain();
	assert_int_equal(pool_drains, 0);
	rte_rcu_qsbr_thread_offline(rcu, 0);
	rte_rcu_qsbr_thread_unregister(rcu, 0);
}

/* Who is paired with an address keeps its memory, without any block. */
static void a_subscriber_keeps_it(void **state)
{
	struct pool_address *gone;

	(void)state;
	start("192.0.2.1");
	gone = pool_address_choose(pool_get(0), &rng, NULL, 0, 0);
	replace("192.0.2.0");
	pools_drain();
	assert_int_equal(pool_drains, 1);
	assert_false(pool_address_serves(gone));
	pool_address_leave(gone);
	pools_drain();
	assert_int_equal(pool_drains, 0);
}

/* Between the two steps rules may name old and new pools: both are whole. One that moves is still
 * where it was. */
static void both_are_there_between(void **state)
{
	struct pool_config config[] = {config_of(1, "192.0.2.1-192.0.2.2"),
				       config_of(2, "192.0.2.3")};
	struct pool *old, *second;
	struct pools_change *to;

	(void)state;
	start("192.0.2.0-192.0.2.1");
	old = pool_get(0);
	assert_int_equal(pools_prepare(config, 2, &to), 0);
	second = pools_change_named(to, "c");
	assert_int_equal(pools_count(), 1);
	assert_null(find(3));
	assert_null(pools_change_named(to, "a"));
	pools_begin(to);
	assert_ptr_equal(pool_get(1), second);
	assert_ptr_equal(find(0)->pool, old);
	assert_ptr_equal(find(1)->pool, old);
	assert_ptr_equal(find(2)->pool, pool_get(0));
	assert_ptr_equal(find(3)->pool, second);
	assert_int_equal(pool_snapshot->runs, 3); /* .0 to .1, .2, .3: each once */
	assert_non_null(pool_address_choose(old, &rng, NULL, 0, 0));
	assert_ptr_equal(pool_address_choose(second, &rng, NULL, 0, 0), find(3));
	assert_ptr_equal(pool_address_choose(pool_get(0), &rng, NULL, 0, 0), find(2));
	pools_finish(to);
	assert_null(find(0));
	assert_ptr_equal(find(1)->pool, pool_get(0));
	assert_null(pool_address_choose(old, &rng, NULL, 0, 0));
	for (size_t i = 0; i < RTE_DIM(config); i++)
		support_pool_config_clean(&config[i]);
}

/* The settings of a pool change in place; what is held stays. */
static void settings_change_in_place(void **state)
{
	struct pool_config config = config_of(0, "192.0.2.0");
	struct pool_address *address;
	struct block *block;

	(void)state;
	start("192.0.2.0");
	address = find(0);
	block = block_take(address, 0, &model, &rng, 0);
	config.max_ports = 7;
	config.filtering = ADDRESS_AND_PORT_DEPENDENT;
	config.timeouts.icmp = 5;
	change(&config, 1);
	support_pool_config_clean(&config);
	assert_ptr_equal(find(0), address);
	assert_int_equal(address->pool->config.max_ports, 7);
	assert_int_equal(address->pool->filtering[PORT_UDP], ADDRESS_AND_PORT_DEPENDENT);
	assert_true(pools_have_timeouts());
	assert_int_equal(block_home(block), 0);
	block_release(block, 0, 0);
}

/* When there is no memory for one of the new addresses, all is as before. */
static void without_memory_nothing_changes(void **state)
{
	struct rte_malloc_socket_stats before, after;
	struct pool_config config = config_of(0, "192.0.2.0 198.18.0.0-198.18.255.254");
	struct pools_change *to;
	struct pool_address *address;

	(void)state;
	start("192.0.2.0");
	address = find(0);
	config.port_range.last = 65535;
	config.block_size = 64;
	rte_malloc_get_socket_stats(0, &before);
	assert_int_equal(pools_prepare(&config, 1, &to), -ENOMEM);
	rte_malloc_get_socket_stats(0, &after);
	support_pool_config_clean(&config);
	assert_int_equal(after.heap_allocsz_bytes, before.heap_allocsz_bytes);
	assert_ptr_equal(find(0), address);
	assert_int_equal(pools_count(), 1);
}

static int stop(void **state)
{
	(void)state;
	pools_teardown();
	return 0;
}

static int seed(void **state)
{
	(void)state;
	random_init_seeded(&rng, 20260101);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same_as_the_model, seed, stop),
		cmocka_unit_test_setup_teardown(a_grace_period_first, seed, stop),
		cmocka_unit_test_setup_teardown(a_subscriber_keeps_it, seed, stop),
		cmocka_unit_test_setup_teardown(both_are_there_between, seed, stop),
		cmocka_unit_test_setup_teardown(settings_change_in_place, seed, stop),
		cmocka_unit_test_setup_teardown(without_memory_nothing_changes, seed, stop),
	};

	support_eal_setup(1, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
