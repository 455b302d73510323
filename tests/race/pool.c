/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "eal.h"
#include "pool.h"
#include "pools.h"

#define LCORES    4
#define ADDRESSES 2
#define BLOCKS    100 /* an address; more than one word of the bitmap */
#define HOLD      60  /* blocks that an lcore holds at most: together more than there are */
#define ROUNDS    200000

struct seen {
	uint64_t taken, refused;
	uint64_t twice;   /* blocks got while another lcore had them */
	uint64_t strange; /* homes or ports that are not as left */
};

static struct seen seen[LCORES];
static uint32_t owner[ADDRESSES][BLOCKS]; /* lcore + 1; atomic */
static uint32_t waiting;

static uint32_t *owner_of(const struct block *block)
{
	return &owner[rte_be_to_cpu_32(block->address->address) & 1][block->number];
}

static struct block *get(struct random *random, uint32_t me, uint64_t now_ms)
{
	struct pool_address *address = pool_address_choose(pool_get(0), random, NULL, me, now_ms);
	struct block *block;

	if (address == NULL)
		return NULL;
	block = block_take(address, me, &seen[me], random, now_ms);
	pool_address_leave(address);
	if (block == NULL)
		return NULL;
	seen[me].twice += __atomic_exchange_n(owner_of(block), me + 1, __ATOMIC_RELAXED) != 0;
	seen[me].strange += block->used[PORT_UDP] != 0 || block_home(block) != (int)me;
	return block;
}

static void put(struct random *random, struct block *block, uint32_t me, uint64_t now_ms)
{
	int32_t port = port_take(block, PORT_UDP, random);

	seen[me].strange += !port_in_use(block, PORT_UDP, (uint16_t)port) ||
			    block->holder != &seen[me] || block_home(block) != (int)me;
	port_give(block, PORT_UDP, (uint16_t)port);
	seen[me].twice += __atomic_exchange_n(owner_of(block), 0, __ATOMIC_RELAXED) != me + 1;
	block_release(block, me, now_ms);
}

static int run(void *arg)
{
	uint32_t me = rte_lcore_id();
	struct block *held[HOLD];
	struct random random;
	uint32_t n = 0;

	(void)arg;
	random_init_seeded(&random, me);
	/* all at once */
	__atomic_sub_fetch(&waiting, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&waiting, __ATOMIC_RELAXED) != 0)
		rte_pause();
	for (uint64_t now_ms = 0; now_ms < ROUNDS; now_ms++) {
		if (n < HOLD && random_below(&random, 5) < 3) {
			held[n] = get(&random, me, now_ms);
			seen[me].taken += held[n] != NULL;
			seen[me].refused += held[n] == NULL;
			n += held[n] != NULL;
		} else if (n > 0) {
			uint32_t i = random_below(&random, n);

			put(&random, held[i], me, now_ms);
			held[i] = held[--n];
		}
		pool_poll(me, now_ms);
	}
	while (n > 0)
		put(&random, held[--n], me, ROUNDS);
	return 0;
}

static struct pool *start(void)
{
	struct pool_config config = support_pool_config("race", "192.0.2.0-192.0.2.1", "");

	config.port_range.last = 1024 + BLOCKS * 64 - 1;
	config.block_size = 64;
	config.port_reuse_timeout = 0; /* back at the next poll */
	assert_int_equal(pools_setup(&config, 1, LCORES), 0);
	support_pool_config_clean(&config);
	return pool_get(0);
}

/* While four workers take and release blocks of the same addresses, no block is held twice; in the
 * end every block is free once. */
static void no_block_twice_none_lost(void **state)
{
	struct pool *pool = start();
	struct random random;
	struct pool_usage usage;

	(void)state;
	waiting = LCORES;
	assert_int_equal(rte_eal_mp_remote_launch(run, NULL, CALL_MAIN), 0);
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < LCORES; i++) {
		assert_int_equal(seen[i].twice, 0);
		assert_int_equal(seen[i].strange, 0);
		assert_true(seen[i].taken > ROUNDS / 10);
		pool_poll(i, ROUNDS);
	}
	pool_usage(pool, &usage);
	assert_int_equal(usage.blocks_taken + usage.blocks_resting, 0);
	assert_int_equal(usage.subscribers, 0);
	random_init_seeded(&random, 99);
	for (uint32_t i = 0; i < ADDRESSES * BLOCKS; i++)
		assert_non_null(get(&random, 0, ROUNDS + SEARCH_AGAIN_MS));
	assert_null(get(&random, 0, ROUNDS + SEARCH_AGAIN_MS));
	assert_int_equal(seen[0].twice, 0);
	pools_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_block_twice_none_lost),
	};

	support_eal_setup(LCORES, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
