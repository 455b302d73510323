/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "eal.h"
#include "pools.h"
#include "rcu.h"
#include "snapshot.h"

/*
 * Three workers take and release blocks as homes do, while the control thread moves addresses in
 * and out of pools and from one to the other. Whatever happens, a block is one worker's at a time.
 */
#define LCORES    4
#define ADDRESSES 6
#define BLOCKS    70 /* an address; more than one word of the bitmap */
#define HOLD      40
#define CHANGES   60

struct seen {
	uint64_t taken;
	uint64_t twice;   /* blocks got while another lcore had them */
	uint64_t strange; /* what is not as left, or not where it was looked for */
};

static struct seen seen[LCORES];
static uint32_t owner[ADDRESSES][BLOCKS]; /* lcore + 1; atomic */
static uint32_t stop, running;

static uint32_t *owner_of(const struct block *block)
{
	return &owner[rte_be_to_cpu_32(block->address->address) & 0xff][block->number];
}

static struct block *get(struct random *random, uint32_t me)
{
	struct pool *pool = pool_get(random_below(random, 2));
	struct pool_address *address;
	struct block *block;

	if (pool == NULL)
		return NULL;
	address = pool_address_choose(pool, random, NULL, me, 0);
	if (address == NULL)
		return NULL;
	seen[me].strange += address->pool != pool;
	block = block_take(address, me, &seen[me], random, 0);
	if (block == NULL) {
		pool_address_leave(address);
		return NULL;
	}
	seen[me].taken++;
	seen[me].twice += __atomic_exchange_n(owner_of(block), me + 1, __ATOMIC_RELAXED) != 0;
	return block;
}

static void put(struct random *random, struct block *block, uint32_t me)
{
	int32_t port = port_take(block, PORT_UDP, random);

	seen[me].strange += port < 0 || block->holder != &seen[me] ||
			    block_home(block) != (int)me ||
			    !port_in_use(block, PORT_UDP, (uint16_t)port);
	port_give(block, PORT_UDP, (uint16_t)port);
	seen[me].twice += __atomic_exchange_n(owner_of(block), 0, __ATOMIC_RELAXED) != me + 1;
	pool_address_leave(block->address);
	block_release(block, me, 0);
}

/* What a packet from the outside does. */
static void look_up(struct random *random, uint32_t me)
{
	rte_be32_t ipv4 =
		rte_cpu_to_be_32(support_ipv4("192.0.2.0") + random_below(random, ADDRESSES));
	const struct pool_address *address = pool_address_find(ipv4);

	if (address == NULL)
		return;
	seen[me].strange += address->address != ipv4;
	seen[me].strange += pool_address_home(address, 1024 + 64) >= LCORES;
}

static int run(void *arg)
{
	uint32_t me = rte_lcore_id();
	struct block *held[HOLD];
	struct random random;
	uint32_t n = 0;

	(void)arg;
	random_init_seeded(&random, me);
	rte_rcu_qsbr_thread_register(rcu, me);
	rte_rcu_qsbr_thread_online(rcu, me);
	__atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (n < HOLD && random_below(&random, 2) == 0) {
			held[n] = get(&random, me);
			n += held[n] != NULL;
		} else if (n > 0) {
			uint32_t i = random_below(&random, n);

			put(&random, held[i], me);
			held[i] = held[--n];
		}
		look_up(&random, me);
		pool_poll(me, 0);
		rte_rcu_qsbr_quiescent(rcu, me);
	}
	while (n > 0)
		put(&random, held[--n], me);
	pool_poll(me, 0);
	rte_rcu_qsbr_thread_offline(rcu, me);
	rte_rcu_qsbr_thread_unregister(rcu, me);
	return 0;
}

/* Two pools that share out the addresses by `which`, two bits each: 0 the first, 1 the second, else
 * neither has it. */
static uint32_t make(uint32_t which, struct pool_config config[2])
{
	char text[2][ADDRESSES * 16] = {"", ""};
	uint32_t n = 0;

	for (uint32_t i = 0; i < ADDRESSES; i++) {
		uint32_t pool = which >> 2 * i & 3;

		if (pool < 2)
			snprintf(text[pool] + strlen(text[pool]),
				 sizeof(text[pool]) - strlen(text[pool]), "192.0.2.%u ", i);
	}
	for (uint32_t i = 0; i < 2; i++) {
		if (text[i][0] == '\0')
			continue;
		config[n] = support_pool_config(i == 0 ? "a" : "b", text[i], "");
		config[n].port_range.last = 1024 + BLOCKS * 64 - 1;
		config[n].block_size = 64;
		config[n].port_reuse_timeout = 0;
		n++;
	}
	return n;
}

static void change(uint32_t which)
{
	struct pool_config config[2];
	struct pools_change *to;
	uint32_t n = make(which, config);

	assert_int_equal(pools_prepare(config, n, &to), 0);
	pools_begin(to);
	pools_finish(to);
	for (uint32_t i = 0; i < n; i++)
		support_pool_config_clean(&config[i]);
}

static void workers_and_changes(void **state)
{
	struct random random;
	struct pool_usage usage;

	(void)state;
	random_init_seeded(&random, 99);
	assert_int_equal(pools_setup(NULL, 0, LCORES), 0);
	change(0);
	rte_eal_mp_remote_launch(run, NULL, SKIP_MAIN);
	while (__atomic_load_n(&running, __ATOMIC_RELAXED) != LCORES - 1)
		;
	for (uint32_t i = 0; i < CHANGES; i++) {
		change(random_below(&random, 1U << 2 * ADDRESSES));
		for (uint32_t k = random_below(&random, 8); k > 0; k--)
			pools_drain();
	}
	change(0);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < CHANGES + 8; i++)
		pools_drain();
	for (uint32_t i = 0; i < LCORES; i++) {
		assert_int_equal(seen[i].twice, 0);
		assert_int_equal(seen[i].strange, 0);
		assert_true(i == 0 || seen[i].taken > 0);
	}
	assert_int_equal(pool_drains, 0);
	assert_int_equal(pool_snapshot->all, 1);
	pool_usage(pool_get(0), &usage);
	assert_int_equal(usage.blocks_taken + usage.blocks_resting + usage.subscribers, 0);
	for (uint32_t i = 0; i < ADDRESSES; i++)
		for (uint32_t b = 0; b < BLOCKS; b++)
			assert_non_null(
				block_take(pool_address_get(pool_get(0), i), 0, NULL, &random, 0));
	pools_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_and_changes),
	};

	support_eal_setup(LCORES, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
