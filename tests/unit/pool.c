/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_common.h>

#include "eal.h"
#include "pool.h"
#include "pools.h"

#define WORKERS 3

static struct random rng;

static struct pool *start(struct pool_config config)
{
	assert_int_equal(pools_setup(&config, 1, WORKERS), 0);
	support_pool_config_clean(&config);
	return pool_get(0);
}

/* A pool of one address, which has `blocks` blocks of `size` ports from port 1000 on. */
static struct pool_address *start_small(uint32_t blocks, uint32_t size)
{
	struct pool_config config = support_pool_config("small", "192.0.2.1", "");

	config.block_size = size;
	config.port_range = (struct config_range){1000, 1000 + blocks * size - 1};
	return pool_address_get(start(config), 0);
}

static struct block *take(struct pool_address *address, uint32_t worker, uint64_t now_ms)
{
	return block_take(address, worker, address, &rng, now_ms);
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

/* ---- find ---- */

/* What an operator may write: out of order, with holes, and ports that are no multiple of a block:
 * 1000 to 4999 are 15 blocks of 256 and a rest. */
static struct pool_config irregular(void)
{
	struct pool_config config = support_pool_config(
		"irregular", "203.0.113.4-203.0.113.9 192.0.2.0-192.0.2.3 198.51.100.7",
		"203.0.113.7 192.0.2.1");

	config.port_range = (struct config_range){1000, 4999};
	config.block_size = 256;
	return config;
}

static const char *const irregular_ip[] = {"192.0.2.0",    "192.0.2.2",   "192.0.2.3",
					   "198.51.100.7", "203.0.113.4", "203.0.113.5",
					   "203.0.113.6",  "203.0.113.8", "203.0.113.9"};

/* Each address of a pool is found and no other: not an excluded one, not a neighbour of a range. */
static void finds_its_addresses_only(void **state)
{
	static const char *const none[] = {
		"0.0.0.0",      "192.0.1.255", "192.0.2.1",   "192.0.2.4",    "198.51.100.6",
		"198.51.100.8", "203.0.113.3", "203.0.113.7", "203.0.113.10", "255.255.255.255"};
	struct pool *pool = start(irregular());

	(void)state;
	assert_int_equal(pool_addresses(pool), RTE_DIM(irregular_ip));
	for (uint32_t i = 0; i < RTE_DIM(irregular_ip); i++) {
		rte_be32_t address = rte_cpu_to_be_32(support_ipv4(irregular_ip[i]));

		assert_ptr_equal(pool_address_find(address), pool_address_get(pool, i));
		assert_int_equal(pool_address_get(pool, i)->address, address);
	}
	for (uint32_t i = 0; i < RTE_DIM(none); i++)
		assert_null(pool_address_find(rte_cpu_to_be_32(support_ipv4(none[i]))));
}

/* With several pools each address is found in its own, and a pool by its name. */
static void finds_among_pools(void **state)
{
	struct pool_config config[] = {
		support_pool_config("games", "203.0.113.0-203.0.113.255", ""),
		support_pool_config("web", "192.0.2.0-192.0.2.127 233.252.0.0-233.252.0.3", ""),
		support_pool_config("spare", "192.0.2.128-192.0.2.255", ""),
	};

	(void)state;
	assert_int_equal(pools_setup(config, RTE_DIM(config), WORKERS), 0);
	assert_int_equal(pools_count(), 3);
	assert_null(pool_get(3));
	assert_null(pool_by_name("none"));
	for (uint32_t i = 0; i < RTE_DIM(config); i++) {
		assert_ptr_equal(pool_by_name(config[i].name), pool_get(i));
		for (uint32_t r = 0; r < config[i].addresses.n; r++) {
			struct config_range range = config[i].addresses.range[r];

			for (uint32_t a = range.first; a <= range.last; a++) {
				struct pool_address *address =
					pool_address_find(rte_cpu_to_be_32(a));

				assert_non_null(address);
				assert_ptr_equal(address->pool, pool_get(i));
				assert_int_equal(address->address, rte_cpu_to_be_32(a));
			}
		}
		support_pool_config_clean(&config[i]);
	}
}

/* Blocks lie side by side from the range's first port on; a rest that fills none is in none. */
static void blocks_cover_the_port_range(void **state)
{
	struct pool *pool = start(irregular());
	struct pool_address *address = pool_address_get(pool, 4);

	(void)state;
	assert_int_equal(pool->blocks_per_address, 15);
	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		struct block *block = pool_address_block(address, (uint16_t)port);
		bool inside = port >= 1000 && port < 1000 + 15 * 256;

		assert_int_equal(block != NULL, inside);
		assert_int_equal(pool_address_home(address, (uint16_t)port), -1);
		if (inside)
			assert_ptr_equal(block, &address->block[(port - 1000) / 256]);
	}
}

/* A pool may use every port from 1 to 65535, in the smallest blocks and in the largest. */
static void whole_port_space(void **state)
{
	static const uint32_t size[] = {64, 32768};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(size); i++) {
		struct pool_config config = support_pool_config("all", "192.0.2.1-192.0.2.2", "");
		struct pool_address *address;
		uint32_t blocks = 65535 / size[i], taken = 0;

		config.port_range = (struct config_range){1, 65535};
		config.block_size = size[i];
		address = pool_address_get(start(config), 1);
		for (struct block *block; (block = take(address, 0, 0)) != NULL; taken++) {
			uint16_t last = (uint16_t)(block->first_port + size[i] - 1);

			assert_true(port_take_exact(block, PORT_ICMP, last));
			assert_int_equal(pool_address_home(address, last), 0);
		}
		assert_int_equal(taken, blocks);
		assert_non_null(pool_address_block(address, (uint16_t)(blocks * size[i])));
		assert_int_equal(pool_address_get(address->pool, 0)->blocks_taken, 0);
		pools_teardown();
	}
}

/* ---- ports ---- */

/* The chi-square of counts that should be equal; with hundreds of cells it is near normal, of mean
 * n - 1 and variance 2(n - 1). */
static double chi_square(const uint32_t *count, uint32_t n)
{
	double sum = 0, total = 0;

	for (uint32_t i = 0; i < n; i++)
		total += count[i];
	for (uint32_t i = 0; i < n; i++)
		sum += (count[i] - total / n) * (count[i] - total / n) / (total / n);
	return sum;
}

static void check_uniform(const uint32_t *count, uint32_t n)
{
	double over = chi_square(count, n) - (n - 1);

	/* three and a half standard deviations */
	assert_true(over < 0 || over * over < 3.5 * 3.5 * 2 * (n - 1));
}

/* Takes and gives back often in a block of which `filled` ports are in use; counts what it got. */
static void check_ports_uniform(uint32_t size, uint32_t filled)
{
	struct pool_address *address = start_small(1, size);
	struct block *block = take(address, 0, 0);
	uint32_t *count = calloc(size, sizeof(*count));
	uint32_t *free_count = calloc(size, sizeof(*free_count));
	uint32_t cells = 0;

	for (uint32_t i = 0; i < filled; i++)
		assert_true(port_take(block, PORT_UDP, &rng) >= 0);
	for (uint32_t i = 0; i < (size - filled) * 200; i++) {
		int32_t port = port_take(block, PORT_UDP, &rng);

		count[port - block->first_port]++;
		port_give(block, PORT_UDP, (uint16_t)port);
	}
	for (uint32_t i = 0; i < size; i++) {
		if (port_in_use(block, PORT_UDP, (uint16_t)(block->first_port + i)))
			assert_int_equal(count[i], 0);
		else
			free_count[cells++] = count[i];
	}
	assert_int_equal(cells, size - filled);
	check_uniform(free_count, cells);
	free(count);
	free(free_count);
	pools_teardown();
}

/* Each free port is as likely as the next, however full the block is (RFC 6056, RFC 6888 REQ-15).
 */
static void ports_are_uniform(void **state)
{
	(void)state;
	check_ports_uniform(1024, 0);
	check_ports_uniform(1024, 512);
	check_ports_uniform(1024, 922);  /* 90 % */
	check_ports_uniform(1024, 1014); /* 99 % */
	check_ports_uniform(64, 32);
	check_ports_uniform(32768, 29491);
}

/* The port given out says nothing about the next one: their difference is as good as uniform. */
static void ports_do_not_follow_each_other(void **state)
{
	struct pool_address *address = start_small(1, 1024);
	struct block *block = take(address, 0, 0);
	uint32_t count[1024] = {0};
	int32_t last = port_take(block, PORT_TCP, &rng);

	(void)state;
	port_give(block, PORT_TCP, (uint16_t)last);
	for (uint32_t i = 0; i < 200000; i++) {
		int32_t port = port_take(block, PORT_TCP, &rng);

		port_give(block, PORT_TCP, (uint16_t)port);
		count[(uint32_t)(port - last) % 1024]++;
		last = port;
	}
	check_uniform(count, 1024);
}

/* Every port of a block can be handed out, each once, then none; the protocols are apart (RFC 6888
 * REQ-13). */
static void every_port_is_handed_out_once(void **state)
{
	static const uint32_t size[] = {64, 1024, 32768};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(size); i++) {
		struct block *block = take(start_small(1, size[i]), 0, 0);
		bool *seen = calloc(size[i], sizeof(*seen));

		assert_true(port_take_exact(block, PORT_TCP, 1000));
		for (uint32_t n = 0; n < size[i]; n++) {
			int32_t foreseen, port;

			random_prepare(&rng, 1);
			foreseen = port_foresee(block, PORT_UDP, random_peek(&rng, 0));
			port = port_take(block, PORT_UDP, &rng);

			assert_int_equal(foreseen, port);
			assert_in_range(port, 1000, 1000 + size[i] - 1);
			assert_false(seen[port - 1000]);
			seen[port - 1000] = true;
		}
		assert_int_equal(port_foresee(block, PORT_UDP, 0), -1);
		assert_int_equal(port_take(block, PORT_UDP, &rng), -1);
		assert_int_equal(block->used[PORT_UDP], size[i]);
		assert_int_equal(block->used[PORT_TCP], 1);
		port_give(block, PORT_UDP, (uint16_t)(1000 + size[i] / 2));
		assert_int_equal(port_take(block, PORT_UDP, &rng), 1000 + size[i] / 2);
		free(seen);
		pools_teardown();
	}
}

/* A port asked for by number is got once, and never from outside the block. */
static void exact_port(void **state)
{
	struct pool_address *address = start_small(3, 64);
	struct block *block = NULL;

	(void)state;
	while (block == NULL || block->number != 1)
		block = take(address, 2, 0);
	assert_true(port_take_exact(block, PORT_TCP, 1064));
	assert_false(port_take_exact(block, PORT_TCP, 1064));
	assert_true(port_take_exact(block, PORT_UDP, 1064));
	assert_true(port_take_exact(block, PORT_TCP, 1127));
	assert_false(port_take_exact(block, PORT_TCP, 1063));
	assert_false(port_take_exact(block, PORT_TCP, 1128));
	assert_false(port_in_use(block, PORT_TCP, 1063));
	assert_false(port_in_use(block, PORT_TCP, 1128));
	assert_int_equal(block->used[PORT_TCP], 2);
	port_give(block, PORT_TCP, 1064);
	assert_true(port_take_exact(block, PORT_TCP, 1064));
}

/* ---- blocks ---- */

/* Each free block is as likely as the next, also beyond the first word of the bitmap. */
static void blocks_are_uniform(void **state)
{
	struct pool_config config = support_pool_config("small", "192.0.2.1", "");
	uint32_t count[200] = {0};
	struct pool_address *address;

	(void)state;
	config.block_size = 64;
	config.port_range = (struct config_range){1024, 1024 + 200 * 64 - 1};
	config.port_reuse_timeout = 0;
	address = pool_address_get(start(config), 0);
	for (uint32_t i = 0; i < 40000; i++) {
		struct block *block = take(address, 0, i);

		count[block->number]++;
		block_release(block, 0, i);
		pool_poll(0, i);
	}
	check_uniform(count, 200);
}

/* A released block is nobody's at once, and nobody gets it for 120 seconds (RFC 6888 REQ-8). */
static void released_block_rests(void **state)
{
	struct pool_address *address = start_small(2, 64);
	struct block *first = take(address, 0, 0), *second = take(address, 1, 0);
	struct pool_usage usage;

	(void)state;
	assert_int_equal(block_home(first), 0);
	assert_int_equal(block_home(second), 1);
	assert_null(take(address, 0, 0));
	block_release(first, 0, 1000);
	block_release(second, 1, 6000);
	assert_int_equal(block_home(first), -1);
	pool_poll(0, 1000 + 119000);
	assert_null(take(address, 2, 1000 + 119000));
	pool_poll(0, 1000 + 119999);
	assert_null(take(address, 2, 1000 + 119999));
	pool_usage(address->pool, &usage);
	assert_int_equal(usage.blocks_resting, 2);
	assert_int_equal(usage.blocks_taken, 0);

	pool_poll(0, 1000 + 120000);
	assert_ptr_equal(take(address, 2, 1000 + 120000), first);
	assert_int_equal(block_home(first), 2);
	assert_null(take(address, 2, 1000 + 120000)); /* the other one rests on */
	pool_usage(address->pool, &usage);
	assert_int_equal(usage.blocks_resting, 1);
	assert_int_equal(usage.blocks_taken, 1);
	/* it rests with the worker that released it */
	pool_poll(0, 6000 + 120000);
	assert_null(take(address, 2, 6000 + 120000));
	pool_poll(1, 6000 + 120000);
	assert_ptr_equal(take(address, 2, 6000 + 120000), second);
}

/* One poll puts back a bounded number of blocks, the longest resting first; the next ones follow.
 */
static void poll_is_bounded(void **state)
{
	struct pool_address *address = start_small(2 * POOL_POLL_MAX + 10, 64);
	uint32_t n = 0;

	(void)state;
	for (struct block *block; (block = take(address, 0, 0)) != NULL; n++)
		block_release(block, 0, n);
	assert_int_equal(n, 2 * POOL_POLL_MAX + 10);
	pool_poll(0, 1000000);
	assert_int_equal(address->blocks_taken, POOL_POLL_MAX + 10);
	for (struct block *block; (block = take(address, 0, 0)) != NULL;)
		assert_true(block->number < n);
	pool_poll(0, 1000000);
	pool_poll(0, 1000000);
	assert_int_equal(address->blocks_taken, POOL_POLL_MAX);
	pool_poll(0, 1000000);
	assert_int_equal(address->blocks_taken, POOL_POLL_MAX);
}

/* ---- choose ---- */

/* Subscribers spread over the addresses: no address has many more than its share. */
static void choice_is_balanced(void **state)
{
	struct pool *pool = start(support_pool_config("p", "192.0.2.0-192.0.2.99", ""));
	struct pool_usage usage;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		assert_non_null(pool_address_choose(pool, &rng, NULL, 0, 0));
	for (uint32_t a = 0; a < 100; a++)
		assert_in_range(pool_address_get(pool, a)->subscribers, 90, 110);
	pool_address_leave(pool_address_get(pool, 0));
	pool_usage(pool, &usage);
	assert_int_equal(usage.subscribers, 9999);
}

static void take_all(struct pool_address *address)
{
	while (take(address, 0, 0) != NULL)
		;
}

/* As long as one block is free its address is found, and no address without a block is chosen. */
static void choice_finds_the_last_block(void **state)
{
	struct pool *pool = start(support_pool_config("p", "192.0.2.0-192.0.2.199", ""));

	(void)state;
	for (uint32_t a = 0; a < pool_addresses(pool); a++)
		if (a != 137)
			take_all(pool_address_get(pool, a));
	for (uint32_t i = 0; i < 100; i++)
		assert_ptr_equal(pool_address_choose(pool, &rng, NULL, 0, 0),
				 pool_address_get(pool, 137));
	take_all(pool_address_get(pool, 137));
	assert_null(pool_address_choose(pool, &rng, NULL, 0, 0));
	assert_int_equal(pool_address_get(pool, 137)->subscribers, 100);
}

/* A pool whose only free blocks are on a server's address is full; for a while no address is looked
 * at, unless a block comes back. */
static void choice_remembers_that_there_is_none(void **state)
{
	struct pool *pool = start(support_pool_config("p", "192.0.2.0-192.0.2.1", ""));
	struct pool_address *server = pool_address_get(pool, 0), *other = pool_address_get(pool, 1);
	struct block *block = take(other, 0, 0);
	uint64_t rested = 120000 + SEARCH_AGAIN_MS;

	(void)state;
	server->statics = POOL_STATIC_WHOLE;
	take_all(other);
	assert_null(pool_address_choose(pool, &rng, NULL, 0, 120000));
	block_release(block, 0, 0);
	pool_poll(0, rested);
	assert_ptr_equal(pool_address_choose(pool, &rng, NULL, 0, rested), other);
	take_all(other);
	assert_null(pool_address_choose(pool, &rng, NULL, 0, rested));
	server->statics = POOL_STATIC_NONE;
	assert_null(pool_address_choose(pool, &rng, NULL, 0, rested + SEARCH_AGAIN_MS - 1));
	assert_ptr_equal(pool_address_choose(pool, &rng, NULL, 0, rested + SEARCH_AGAIN_MS),
			 server);
}

/* Every third address is worker 1's. */
static bool third(rte_be32_t address, uint32_t worker)
{
	return rte_be_to_cpu_32(address) % 3 == worker;
}

/* A preferred address is chosen while one has a block; then any other. */
static void choice_prefers(void **state)
{
	struct pool *pool = start(support_pool_config("p", "192.0.2.0-192.0.2.29", ""));
	uint32_t preferred = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		struct pool_address *address = pool_address_choose(pool, &rng, third, 1, 0);

		assert_true(third(address->address, 1));
	}
	for (uint32_t a = 0; a < pool_addresses(pool); a++) {
		if (third(pool_address_get(pool, a)->address, 1)) {
			take_all(pool_address_get(pool, a));
			preferred++;
		}
	}
	assert_int_equal(preferred, 10);
	for (uint32_t i = 0; i < 100; i++) {
		struct pool_address *address = pool_address_choose(pool, &rng, third, 1, 0);

		assert_non_null(address);
		assert_false(third(address->address, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_its_addresses_only, seed, stop),
		cmocka_unit_test_setup_teardown(finds_among_pools, seed, stop),
		cmocka_unit_test_setup_teardown(blocks_cover_the_port_range, seed, stop),
		cmocka_unit_test_setup_teardown(whole_port_space, seed, stop),
		cmocka_unit_test_setup_teardown(ports_are_uniform, seed, stop),
		cmocka_unit_test_setup_teardown(ports_do_not_follow_each_other, seed, stop),
		cmocka_unit_test_setup_teardown(every_port_is_handed_out_once, seed, stop),
		cmocka_unit_test_setup_teardown(exact_port, seed, stop),
		cmocka_unit_test_setup_teardown(blocks_are_uniform, seed, stop),
		cmocka_unit_test_setup_teardown(released_block_rests, seed, stop),
		cmocka_unit_test_setup_teardown(poll_is_bounded, seed, stop),
		cmocka_unit_test_setup_teardown(choice_is_balanced, seed, stop),
		cmocka_unit_test_setup_teardown(choice_finds_the_last_block, seed, stop),
		cmocka_unit_test_setup_teardown(choice_remembers_that_there_is_none, seed, stop),
		cmocka_unit_test_setup_teardown(choice_prefers, seed, stop),
	};

	support_eal_setup(1, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
