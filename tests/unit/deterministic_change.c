/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_common.h>

#include "deterministic.h"
#include "eal.h"
#include "pools.h"

/* Deterministic pools that change while blocks are held. */

#define REST_MS 20000

static struct random rng;

static struct pool_config config_of(const char *inside, const char *addresses)
{
	struct pool_config config = support_pool_config("det", addresses, "");

	config.allocation = ALLOCATION_DETERMINISTIC;
	config.realm = 1;
	config.inside = support_ranges(inside);
	config.block_size = 16384; /* three blocks an address */
	config.port_reuse_timeout = REST_MS / 1000;
	return config;
}

static struct pool *start(struct pool_config config)
{
	assert_int_equal(pools_setup(&config, 1, 1), 0);
	support_pool_config_clean(&config);
	return pool_get(0);
}

static struct pool *change(struct pool_config config)
{
	struct pools_change *to;

	assert_int_equal(pools_prepare(&config, 1, &to), 0);
	pools_begin(to);
	pools_finish(to);
	support_pool_config_clean(&config);
	return pool_get(0);
}

static struct block *block_of(const char *inside)
{
	return deterministic_block(pool_get(0), rte_cpu_to_be_32(support_ipv4(inside)), 1);
}

static struct block *take(const char *inside)
{
	return block_take_computed(block_of(inside), 0, &rng, 1000);
}

static void expect_holder(const struct block *block, const char *inside)
{
	rte_be32_t holder;
	uint32_t realm;

	assert_true(deterministic_holder(block, &holder, &realm));
	assert_int_equal(rte_be_to_cpu_32(holder), support_ipv4(inside));
}

/* Which changes are only more of the same: the pool stays, and all on it.
 * Whatever moves somebody makes another pool. */
static void what_goes_on(void **state)
{
	static const struct {
		const char *inside, *addresses;
		bool goes_on;
	} row[] = {
		{"10.0.0.0-10.0.0.3 10.0.0.8", "192.0.2.1-192.0.2.2 192.0.2.9", true},
		{"10.0.0.0-10.0.0.2 10.0.0.3 10.0.0.8", "192.0.2.1 192.0.2.2 192.0.2.9", true},
		{"10.0.0.0-10.0.0.3 10.0.0.8-10.0.0.9", "192.0.2.1-192.0.2.2 192.0.2.9", true},
		{"10.0.0.0-10.0.0.3 10.0.0.8 9.0.0.1", "192.0.2.1-192.0.2.2 192.0.2.9", true},
		{"10.0.0.0-10.0.0.3 10.0.0.8", "192.0.2.1-192.0.2.2 192.0.2.9 192.0.2.0", true},
		{"10.0.0.0-10.0.0.3", "192.0.2.1-192.0.2.2 192.0.2.9", false},
		{"10.0.0.8 10.0.0.0-10.0.0.3", "192.0.2.1-192.0.2.2 192.0.2.9", false},
		{"10.0.0.0-10.0.0.4 10.0.0.8", "192.0.2.1-192.0.2.2 192.0.2.9", false},
		{"10.0.0.0-10.0.0.3 10.0.0.8", "192.0.2.1-192.0.2.2", false},
		{"10.0.0.0-10.0.0.3 10.0.0.8", "192.0.2.1-192.0.2.3 192.0.2.9", false},
		{"10.0.0.0-10.0.0.3 10.0.0.8", "192.0.2.9 192.0.2.1-192.0.2.2", false},
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		struct pool *pool = start(
			config_of("10.0.0.0-10.0.0.3 10.0.0.8", "192.0.2.1-192.0.2.2 192.0.2.9"));
		struct block *block = block_of("10.0.0.3");
		bool same = change(config_of(row[i].inside, row[i].addresses)) == pool;

		assert_int_equal(same, row[i].goes_on);
		if (same)
			assert_ptr_equal(block_of("10.0.0.3"), block);
		pools_teardown();
	}
}

/* So do the keys beside the lists. */
static void other_keys_make_another_pool(void **state)
{
	struct pool_config config;
	struct pool *pool;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		pool = start(config_of("10.0.0.0-10.0.0.3", "192.0.2.1-192.0.2.9"));
		config = config_of("10.0.0.0-10.0.0.3", "192.0.2.1-192.0.2.9");
		config.max_blocks_per_subscriber = 5;
		if (i == 1)
			config.overflow_blocks = 1;
		else if (i == 2)
			config.realm = 2;
		else if (i == 3)
			config.allocation = ALLOCATION_DYNAMIC;
		assert_int_equal(change(config) == pool, i == 0);
		pools_teardown();
	}
}

/* A block that is held through an addition stays its holder's, and who is added has one. */
static void who_is_added_has_a_block(void **state)
{
	struct block *held;

	(void)state;
	start(config_of("10.0.0.0-10.0.0.4", "192.0.2.1-192.0.2.2"));
	held = take("10.0.0.4");
	assert_null(block_of("10.0.0.9"));
	change(config_of("10.0.0.0-10.0.0.4 10.0.0.9-10.0.0.11", "192.0.2.1-192.0.2.3"));
	assert_ptr_equal(block_of("10.0.0.4"), held);
	assert_null(take("10.0.0.4"));
	assert_int_equal(block_home(held), 0);
	expect_holder(take("10.0.0.9"), "10.0.0.9");
	assert_int_equal(take("10.0.0.11")->address->address,
			 rte_cpu_to_be_32(support_ipv4("192.0.2.3")));
	block_release(held, 0, 2000);
}

/* After a change that moves subscribers a block that was held is not the next one's before it has
 * been given back and has rested (RFC 6888 REQ-8); one that was not is at once. */
static void a_moved_block_rests(void **state)
{
	struct block *held;

	(void)state;
	start(config_of("10.0.0.0-10.0.0.4", "192.0.2.1-192.0.2.2"));
	held = take("10.0.0.0");
	change(config_of("10.0.0.4 10.0.0.1-10.0.0.3 10.0.0.0", "192.0.2.1-192.0.2.2"));
	assert_int_equal(block_of("10.0.0.4")->first_port, held->first_port);
	assert_int_equal(block_of("10.0.0.4")->address->address, held->address->address);
	expect_holder(block_of("10.0.0.4"), "10.0.0.4");
	assert_non_null(take("10.0.0.1"));
	assert_null(take("10.0.0.4"));
	block_release(held, 0, 5000);
	pools_drain();
	pool_poll(0, 5000 + REST_MS - 1);
	pools_drain();
	assert_null(take("10.0.0.4"));
	pool_poll(0, 5000 + REST_MS);
	pools_drain();
	assert_non_null(take("10.0.0.4"));
}

/* A change that is given up changes nothing. */
static void given_up(void **state)
{
	struct pool_config config = config_of("10.0.0.4 10.0.0.0-10.0.0.3", "192.0.2.1-192.0.2.2");
	struct pool *pool = start(config_of("10.0.0.0-10.0.0.4", "192.0.2.1-192.0.2.2"));
	struct block *held = take("10.0.0.0");
	struct pools_change *to;

	(void)state;
	assert_int_equal(pools_prepare(&config, 1, &to), 0);
	pools_abort(to);
	support_pool_config_clean(&config);
	assert_ptr_equal(pool_get(0), pool);
	assert_ptr_equal(block_of("10.0.0.0"), held);
	expect_holder(held, "10.0.0.0");
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

#define TEST(test) cmocka_unit_test_setup_teardown(test, seed, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_goes_on),
		TEST(other_keys_make_another_pool),
		TEST(who_is_added_has_a_block),
		TEST(a_moved_block_rests),
		TEST(given_up),
	};

	support_eal_setup(1, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
