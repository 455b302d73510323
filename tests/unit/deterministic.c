/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>

#include "cmd.h"
#include "deterministic.h"
#include "eal.h"
#include "pool.h"
#include "pools.h"

/* Deterministic pools against a naive twin: lists of all addresses, dealt out one by one. */

#define WORKERS 3
#define LIST    4096 /* addresses that a twin may have */

static struct random rng;

static struct pool_config config_of(const char *inside, const char *addresses, const char *excluded)
{
	struct pool_config config = support_pool_config("det", addresses, excluded);

	config.allocation = ALLOCATION_DETERMINISTIC;
	config.realm = 1;
	config.inside = support_ranges(inside);
	return config;
}

/* ---- the twin ---- */

/* Addresses in the order of the ranges, without excluded ones; how many. */
static uint32_t expand(const struct config_prefixes *addresses,
		       const struct config_prefixes *excluded, uint32_t list[LIST])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < addresses->n; i++) {
		for (uint32_t a = addresses->range[i].first; a <= addresses->range[i].last; a++) {
			bool out = false;

			for (uint32_t e = 0; excluded != NULL && e < excluded->n; e++)
				out |= a >= excluded->range[e].first &&
				       a <= excluded->range[e].last;
			if (out)
				continue;
			assert_in_range(n, 0, LIST - 1);
			list[n++] = a;
		}
	}
	return n;
}

static void expect_place(const struct pool *pool, uint32_t inside, uint32_t outside, uint32_t place)
{
	const struct block *block = deterministic_block(pool, rte_cpu_to_be_32(inside), 1);
	const struct pool_config *config = &pool->config;

	assert_non_null(block);
	assert_int_equal(rte_be_to_cpu_32(block->address->address), outside);
	assert_ptr_equal(block->address, pool_address_find(rte_cpu_to_be_32(outside)));
	assert_int_equal(block->number, place);
	assert_int_equal(block->first_port, config->port_range.first + place * config->block_size);
	assert_null(deterministic_block(pool, rte_cpu_to_be_32(inside), 2));
}

/* Every port of every address: of the twin's subscriber, or nobody's. */
static void expect_holders(const struct pool *pool, const uint32_t *inside, uint32_t subscribers,
			   const uint32_t *outside, uint32_t addresses)
{
	uint32_t next = 0, realm;
	rte_be32_t holder;

	for (uint32_t a = 0; a < addresses; a++) {
		struct pool_address *address = pool_address_find(rte_cpu_to_be_32(outside[a]));

		for (uint32_t b = 0; b < pool->blocks_per_address; b++) {
			uint32_t port = pool->config.port_range.first +
					b * pool->config.block_size +
					random_below(&rng, pool->config.block_size);
			struct block *block = pool_address_block(address, (uint16_t)port);
			bool computed = b < pool->blocks_per_address - pool->config.overflow_blocks;

			assert_int_equal(block_is_computed(block), computed);
			assert_int_equal(deterministic_holder(block, &holder, &realm),
					 computed && next < subscribers);
			if (!computed || next >= subscribers)
				continue;
			assert_int_equal(rte_be_to_cpu_32(holder), inside[next++]);
			assert_int_equal(realm, 1);
		}
	}
	assert_int_equal(next, subscribers);
}

static void expect_as_the_twin(const struct pool_config *config)
{
	static uint32_t inside[LIST], outside[LIST];
	uint32_t subscribers = expand(&config->inside, NULL, inside);
	uint32_t addresses = expand(&config->addresses, &config->excluded_addresses, outside);
	uint32_t a = 0, place = 0, serves = 0;
	const struct pool *pool;

	assert_int_equal(pools_setup(config, 1, WORKERS), 0);
	pool = pool_get(0);
	assert_int_equal(pool_addresses(pool), addresses);
	assert_int_equal(deterministic_subscribers(pool->deterministic), subscribers);
	for (uint32_t s = 0; s < subscribers; s++) {
		expect_place(pool, inside[s], outside[a], place);
		serves = a + 1;
		if (++place == pool->computed_blocks) {
			place = 0;
			a++;
		}
	}
	expect_holders(pool, inside, subscribers, outside, addresses);
	for (a = 0; a < addresses; a++)
		assert_int_equal(deterministic_uses(config, rte_cpu_to_be_32(outside[a])),
				 a < serves);
	pools_teardown();
}

/* Who is not listed has no block: checked around the edges of the list. */
static void expect_strangers(const struct pool_config *config)
{
	static uint32_t inside[LIST];
	uint32_t n = expand(&config->inside, NULL, inside);
	const struct pool *pool;

	assert_int_equal(pools_setup(config, 1, WORKERS), 0);
	pool = pool_get(0);
	for (uint32_t i = 0; i < config->inside.n; i++) {
		const uint32_t edge[] = {config->inside.range[i].first - 1,
					 config->inside.range[i].last + 1};

		for (uint32_t k = 0; k < RTE_DIM(edge); k++) {
			bool listed = false;

			for (uint32_t s = 0; s < n; s++)
				listed |= inside[s] == edge[k];
			assert_int_equal(deterministic_block(pool, rte_cpu_to_be_32(edge[k]), 1) !=
						 NULL,
					 listed);
		}
	}
	assert_null(deterministic_block(pool, 0, 1));
	assert_null(deterministic_block(pool, UINT32_MAX, 1));
	pools_teardown();
}

/* ---- against it ---- */

/* Up to 5 ranges at random places from `base` on, in random order, none over another. */
static struct config_prefixes random_ranges(uint32_t base, uint32_t longest)
{
	uint32_t n = 1 + random_below(&rng, 5);
	struct config_prefixes list = {calloc(n, sizeof(*list.range)), n};

	for (uint32_t i = 0; i < n; i++) {
		base += random_below(&rng, 3);
		list.range[i].first = base;
		base += random_below(&rng, longest);
		list.range[i].last = base++;
	}
	for (uint32_t i = n; i > 1; i--) {
		struct config_range *other = &list.range[random_below(&rng, i)];
		struct config_range last = list.range[i - 1];

		list.range[i - 1] = *other;
		*other = last;
	}
	return list;
}

static void exclude_some(struct pool_config *config)
{
	struct config_prefixes *out = &config->excluded_addresses;

	free(out->range);
	out->n = random_below(&rng, 4);
	out->range = calloc(out->n + 1, sizeof(*out->range));
	for (uint32_t e = 0; e < out->n; e++) {
		const struct config_range *of =
			&config->addresses.range[random_below(&rng, config->addresses.n)];

		out->range[e].first = of->first + random_below(&rng, of->last - of->first + 1);
		out->range[e].last = out->range[e].first + random_below(&rng, 4);
	}
}

/* Whatever the lists, exclusions, block sizes and overflow blocks: every subscriber has the block
 * that dealing out gives it, every port of a block is that subscriber's, no block is two's. What
 * does not fit is refused, and only that. */
static void same_as_the_twin(void **state)
{
	uint32_t fits = 0, refused = 0;

	(void)state;
	for (uint32_t round = 0; round < 2000; round++) {
		struct pool_config config = config_of("", "", "");
		static uint32_t list[LIST];
		uint32_t subscribers, addresses, blocks;
		struct config_error error;

		free(config.inside.range);
		free(config.addresses.range);
		config.inside = random_ranges(0x64400000, 200);
		config.addresses = random_ranges(0xcb007100, 8);
		exclude_some(&config);
		config.block_size = 64u << random_below(&rng, 5);
		config.port_range.first = 1000 + random_below(&rng, 100);
		config.port_range.last =
			config.port_range.first + 3 * config.block_size + random_below(&rng, 8192);
		config.overflow_blocks = random_below(&rng, 3);
		subscribers = expand(&config.inside, NULL, list);
		addresses = expand(&config.addresses, &config.excluded_addresses, list);
		blocks =
			(config.port_range.last - config.port_range.first + 1) / config.block_size -
			config.overflow_blocks;
		if (pools_check(&config, 1, &error) == 0) {
			assert_in_range(subscribers, 1, addresses * blocks);
			expect_as_the_twin(&config);
			expect_strangers(&config);
			fits++;
		} else if (addresses > 0) {
			assert_string_equal(error.path, "pools[0].inside");
			assert_true(subscribers > addresses * blocks);
			refused++;
		}
		support_pool_config_clean(&config);
	}
	assert_in_range(fits, 100, 1900);
	assert_in_range(refused, 100, 1900);
}

/* An exclusion may go on to the last address that there is. */
static void exclusions_may_reach_far(void **state)
{
	struct pool_config config = config_of("100.64.0.0-100.64.0.99", "203.0.113.1-203.0.113.9",
					      "203.0.113.4-255.255.255.255");

	(void)state;
	expect_as_the_twin(&config);
	support_pool_config_clean(&config);
}

/* What is appended to the inside addresses or the public ones moves nobody; RFC 7422 needs a new
 * record of the configuration then, not of subscribers. */
static void what_is_appended_moves_nobody(void **state)
{
	static const char *const inside[] = {"100.64.0.0-100.64.3.231",
					     "100.64.0.0-100.64.3.231 10.0.0.0-10.0.0.9"};
	static const char *const outside[] = {"203.0.113.8-203.0.113.31",
					      "203.0.113.8-203.0.113.31 192.0.2.1-192.0.2.2"};
	uint32_t before[1000];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct pool_config config = config_of(inside[i == 1], outside[i == 2], "");
		const struct pool *pool;

		assert_int_equal(pools_setup(&config, 1, WORKERS), 0);
		pool = pool_get(0);
		for (uint32_t s = 0; s < 1000; s++) {
			const struct block *block = deterministic_block(
				pool, rte_cpu_to_be_32(support_ipv4("100.64.0.0") + s), 1);
			uint32_t place = block->address->address ^ block->first_port;

			if (i == 0)
				before[s] = place;
			assert_int_equal(place, before[s]);
		}
		pools_teardown();
		support_pool_config_clean(&config);
	}
}

/* ---- blocks ---- */

static struct pool *start(struct pool_config config)
{
	assert_int_equal(pools_setup(&config, 1, WORKERS), 0);
	support_pool_config_clean(&config);
	return pool_get(0);
}

static struct block *block_of(const char *inside)
{
	return deterministic_block(pool_get(0), rte_cpu_to_be_32(support_ipv4(inside)), 1);
}

/* Taking blocks as they come gives the overflow blocks alone, all of them. */
static void others_get_overflow_blocks_only(void **state)
{
	struct pool_config config =
		config_of("100.64.0.0-100.64.0.99", "203.0.113.1-203.0.113.2", "");
	struct pool_address *address;
	struct block *block;
	struct pool *pool;
	uint32_t taken = 0;

	(void)state;
	config.overflow_blocks = 5;
	pool = start(config);
	while ((address = pool_address_choose(pool, &rng, NULL, 0, 0)) != NULL) {
		block = block_take(address, 0, &rng, &rng, 1000);
		assert_non_null(block);
		assert_in_range(block->number, 58, 62);
		taken++;
	}
	assert_int_equal(taken, 10);
	assert_null(block_take(pool_address_get(pool, 0), 0, &rng, &rng, 1000));
	assert_non_null(block_take_computed(block_of("100.64.0.0"), 0, &rng, 1000));
}

/* A computed block is held once at a time, belongs to its holder's worker, and is there again at
 * once: it does not rest, as nobody else can get it (RFC 6888 REQ-8, exception B). */
static void a_computed_block_does_not_rest(void **state)
{
	struct pool *pool = start(config_of("100.64.0.0-100.64.0.99", "203.0.113.1", ""));
	struct block *block = block_of("100.64.0.7");
	struct pool_usage usage;

	(void)state;
	assert_int_equal(block_home(block), -1);
	for (uint32_t i = 0; i < 3; i++) {
		assert_ptr_equal(block_take_computed(block, i, &rng, 1000), block);
		assert_null(block_take_computed(block, i, &rng, 1000));
		assert_int_equal(pool_address_home(block->address, block->first_port), (int)i);
		assert_ptr_equal(block->holder, &rng);
		assert_in_range(port_take(block, PORT_UDP, &rng), block->first_port,
				block->first_port + 1023);
		pool_usage(pool, &usage);
		assert_int_equal(usage.blocks_taken, 1);
		for (uint32_t port = 0; port < 1024; port++)
			if (port_in_use(block, PORT_UDP, (uint16_t)(block->first_port + port)))
				port_give(block, PORT_UDP, (uint16_t)(block->first_port + port));
		block_release(block, i, 1000);
		pool_usage(pool, &usage);
		assert_int_equal(usage.blocks_taken + usage.blocks_resting, 0);
		assert_int_equal(block_home(block), -1);
	}
}

/* A static mapping's port is nobody's while the block is held, and found so anew when it is held
 * again. */
static void reserved_ports_are_forgotten(void **state)
{
	struct block *block;

	(void)state;
	start(config_of("100.64.0.0-100.64.0.9", "203.0.113.1", ""));
	block = block_take_computed(block_of("100.64.0.9"), 0, &rng, 1000);
	assert_int_equal(port_take_exact(block, PORT_TCP, block->first_port), true);
	port_reserve(block, PORT_TCP);
	block_release(block, 0, 1000);
	assert_non_null(block_take_computed(block, 0, &rng, 2000));
	assert_int_equal(port_take_exact(block, PORT_TCP, block->first_port), true);
}

/* /weir/pools says which way a pool works, and how many it serves. */
static void pools_are_shown(void **state)
{
	struct pool_config config =
		config_of("100.64.0.0-100.64.0.99", "203.0.113.1-203.0.113.2", "");
	struct cmd_call call = {.args = json_object()};
	json_t *reply, *wanted;

	(void)state;
	config.overflow_blocks = 5;
	start(config);
	block_take_computed(block_of("100.64.0.7"), 0, &rng, 1000);
	reply = cmd_find("/weir/pools")->run(&call);
	wanted = json_pack("{s:s, s:{s:i, s:i, s:i}, s:{s:i, s:i, s:i}}", "allocation",
			   "deterministic", "blocks", "total", 126, "taken", 1, "resting", 0,
			   "deterministic", "subscribers", 100, "computed-blocks", 58,
			   "overflow-blocks", 5);
	json_object_update_missing(wanted, json_array_get(json_object_get(reply, "pools"), 0));
	assert_true(json_equal(json_array_get(json_object_get(reply, "pools"), 0), wanted));
	json_decref(wanted);
	json_decref(reply);
	json_decref(call.args);
}

/* ---- what a configuration may say ---- */

struct change {
	const char *inside;
	void (*set)(struct pool_config *config);
	const char *path, *found, *right;
};

static void dynamic(struct pool_config *config)
{
	config->allocation = ALLOCATION_DYNAMIC;
}

static void dynamic_overflow(struct pool_config *config)
{
	dynamic(config);
	config->overflow_blocks = 2;
}

static void dynamic_realm(struct pool_config *config)
{
	dynamic(config);
	config->realm = 2;
}

static void keep_range(struct pool_config *config)
{
	config->keep_port_range = true;
	config->port_range.first = 512;
	config->block_size = 512;
}

static void all_overflow(struct pool_config *config)
{
	config->overflow_blocks = 63;
}

static void most_overflow(struct pool_config *config)
{
	config->overflow_blocks = 62;
}

static void one_block_only(struct pool_config *config)
{
	config->overflow_blocks = 1;
	config->max_blocks_per_subscriber = 1;
}

static void modes(struct pool_config *config)
{
	config->port_parity = true;
	config->address_pooling = POOLING_SOFT;
	config->mapping = config->filtering = ADDRESS_AND_PORT_DEPENDENT;
	config->port_overloading = true;
}

static void largest_blocks(struct pool_config *config)
{
	config->block_size = 32768;
}

/* What a pool cannot do is refused where it is written, and a pool that is too small by saying what
 * would fit. 10 addresses of 63 blocks are 630. */
static void bad_keys_are_refused(void **state)
{
	static const struct change change[] = {
		{"100.64.0.0-100.64.2.117", NULL, "", "", ""},
		{"100.64.0.0-100.64.2.117", modes, "", "", ""},
		{"100.64.0.0-100.64.0.9", most_overflow, "", "", ""},
		{"", dynamic, "", "", ""},
		{"", NULL, "pools[0].inside", "",
		 "the subscribers' addresses, such as [100.64.0.0/20], as allocation is "
		 "deterministic"},
		{"100.64.0.0-100.64.2.118", NULL, "pools[0].inside", "631 subscribers",
		 "at most 630, for 10 addresses with 63 computed blocks each; or for these "
		 "subscribers block-size 512, or 11 addresses"},
		{"100.64.0.0-100.64.0.10", most_overflow, "pools[0].inside", "11 subscribers",
		 "at most 10, for 10 addresses with 1 computed blocks each; or for these "
		 "subscribers block-size 512, or 11 addresses"},
		{"100.64.0.0-100.64.0.255", largest_blocks, "pools[0].inside", "256 subscribers",
		 "at most 10, for 10 addresses with 1 computed blocks each; or for these "
		 "subscribers block-size 2048, or 256 addresses"},
		{"100.64.0.0-100.127.255.255", NULL, "pools[0].inside", "4194304 subscribers",
		 "at most 630, for 10 addresses with 63 computed blocks each; or for these "
		 "subscribers 66577 addresses"},
		{"1.0.0.0-126.255.255.255 128.0.0.0-191.255.255.255", NULL, "pools[0].inside",
		 "3187671040 subscribers", NULL},
		{"100.64.0.1 100.64.0.4-100.64.0.9 100.64.0.6", NULL, "pools[0].inside",
		 "100.64.0.6", "each address once; 100.64.0.4-100.64.0.9 is there already"},
		{"224.0.0.1", NULL, "pools[0].inside", "224.0.0.1",
		 "addresses that a host can have"},
		{"203.0.113.9-203.0.113.12", NULL, "pools[0].inside", "203.0.113.9-203.0.113.12",
		 "inside addresses; pool det has 203.0.113.0-203.0.113.9"},
		{"198.51.100.7", NULL, "pools[0].inside", "198.51.100.7",
		 "inside addresses; pool other has 198.51.100.7"},
		{"100.64.0.0-100.64.0.9", all_overflow, "pools[0].overflow-blocks", "63",
		 "less than the 63 blocks of an address"},
		{"100.64.0.0-100.64.0.9", one_block_only, "pools[0].max-blocks-per-subscriber", "1",
		 "at least 2, as there are overflow-blocks beside the computed one"},
		{"100.64.0.0-100.64.0.9", keep_range, "pools[0].keep-port-range", "yes",
		 "no with allocation: deterministic, as a computed block is on one side of port "
		 "1024"},
		{"100.64.0.1", dynamic, "pools[0].inside", "100.64.0.1",
		 "no such key without allocation: deterministic; rules say who uses a dynamic "
		 "pool"},
		{"", dynamic_overflow, "pools[0].overflow-blocks", "2",
		 "no such key without allocation: deterministic"},
		{"", dynamic_realm, "pools[0].realm", "2",
		 "no such key without allocation: deterministic; rules say who uses a dynamic "
		 "pool"},
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(change); i++) {
		struct pool_config config[] = {
			config_of(change[i].inside, "203.0.113.0-203.0.113.9", ""),
			support_pool_config("other", "198.51.100.7", "")};
		struct config_error error;

		if (change[i].set != NULL)
			change[i].set(&config[0]);
		assert_int_equal(pools_check(config, 2, &error),
				 change[i].path[0] != '\0' ? -EINVAL : 0);
		assert_string_equal(error.path, change[i].path);
		assert_string_equal(error.found, change[i].found);
		if (change[i].right != NULL)
			assert_string_equal(error.right, change[i].right);
		support_pool_config_clean(&config[0]);
		support_pool_config_clean(&config[1]);
	}
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
		TEST(same_as_the_twin),
		TEST(exclusions_may_reach_far),
		TEST(what_is_appended_moves_nobody),
		TEST(others_get_overflow_blocks_only),
		TEST(a_computed_block_does_not_rest),
		TEST(reserved_ports_are_forgotten),
		TEST(pools_are_shown),
		TEST(bad_keys_are_refused),
	};

	support_eal_setup(1, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
