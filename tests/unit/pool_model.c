/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>

#include "eal.h"
#include "pool.h"
#include "pools.h"

/* A pool against a dumb model: every block and port in arrays, searched from end to end. */

#define WORKERS         3
#define MODEL_ADDRESSES 9
#define MODEL_BLOCKS    15 /* ports 1000 to 4999 are 15 blocks of 256 and a rest */
#define MODEL_SIZE      256
#define MODEL_FIRST     1000
#define MODEL_REST_MS   120000

enum model_state { FREE, HELD, RESTING };

struct model_block {
	enum model_state state;
	uint32_t worker;
	uint64_t since_ms;
	bool port[PORT_PROTOCOLS][MODEL_SIZE];
};

static const char *const model_ip[MODEL_ADDRESSES] = {"192.0.2.0",    "192.0.2.2",   "192.0.2.3",
						      "198.51.100.7", "203.0.113.4", "203.0.113.5",
						      "203.0.113.6",  "203.0.113.8", "203.0.113.9"};

static struct random rng;
static struct model_block model[MODEL_ADDRESSES][MODEL_BLOCKS];

static struct pool *start(void)
{
	struct pool_config config = support_pool_config(
		"model", "203.0.113.4-203.0.113.9 192.0.2.0-192.0.2.3 198.51.100.7",
		"203.0.113.7 192.0.2.1");

	config.port_range = (struct config_range){MODEL_FIRST, 4999};
	config.block_size = MODEL_SIZE;
	assert_int_equal(pools_setup(&config, 1, WORKERS), 0);
	support_pool_config_clean(&config);
	return pool_get(0);
}

static struct pool_address *model_address(uint32_t a)
{
	struct pool_address *address =
		pool_address_find(rte_cpu_to_be_32(support_ipv4(model_ip[a])));

	assert_non_null(address);
	return address;
}

static uint32_t model_count(uint32_t address, enum model_state state)
{
	uint32_t n = 0;

	for (uint32_t b = 0; b < MODEL_BLOCKS; b++)
		n += model[address][b].state == state;
	return n;
}

static uint32_t model_ports(const struct model_block *block, uint32_t protocol)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_SIZE; i++)
		n += block->port[protocol][i];
	return n;
}

static void model_block_take(uint32_t a, uint64_t now_ms)
{
	struct pool_address *address = model_address(a);
	uint32_t worker = random_below(&rng, WORKERS);
	struct block *block = block_take(address, worker, address, &rng, now_ms);
	struct model_block *m;

	assert_int_equal(block != NULL, model_count(a, FREE) > 0);
	if (block == NULL)
		return;
	m = &model[a][block->number];
	assert_int_equal(m->state, FREE);
	*m = (struct model_block){.state = HELD, .worker = worker};
	assert_ptr_equal(block->address, address);
	assert_ptr_equal(block->holder, address);
	assert_int_equal(block->first_port, MODEL_FIRST + block->number * MODEL_SIZE);
	assert_int_equal(block->since_ms, now_ms);
}

static void model_port_take(struct block *block, struct model_block *m, uint32_t protocol)
{
	int32_t port = port_take(block, protocol, &rng);

	assert_int_equal(port >= 0, model_ports(m, protocol) < MODEL_SIZE);
	if (port < 0)
		return;
	assert_in_range(port, block->first_port, block->first_port + MODEL_SIZE - 1);
	assert_false(m->port[protocol][port - block->first_port]);
	m->port[protocol][port - block->first_port] = true;
}

static void model_port_exact(struct block *block, struct model_block *m, uint32_t protocol,
			     uint32_t i)
{
	assert_int_equal(port_take_exact(block, protocol, (uint16_t)(block->first_port + i)),
			 !m->port[protocol][i]);
	m->port[protocol][i] = true;
}

static void model_release(struct block *block, struct model_block *m, uint64_t now_ms)
{
	for (uint32_t p = 0; p < PORT_PROTOCOLS; p++)
		for (uint32_t i = 0; i < MODEL_SIZE; i++)
			if (m->port[p][i])
				port_give(block, p, (uint16_t)(block->first_port + i));
	block_release(block, m->worker, now_ms);
	*m = (struct model_block){.state = RESTING, .worker = m->worker, .since_ms = now_ms};
}

static void model_poll(uint32_t worker, uint64_t now_ms)
{
	pool_poll(worker, now_ms);
	for (uint32_t a = 0; a < MODEL_ADDRESSES; a++) {
		for (uint32_t b = 0; b < MODEL_BLOCKS; b++) {
			struct model_block *m = &model[a][b];

			if (m->state == RESTING && m->worker == worker &&
			    now_ms - m->since_ms >= MODEL_REST_MS)
				m->state = FREE;
		}
	}
}

/* One random thing done to a random block that is held. */
static void model_use(uint32_t a, uint32_t b, uint64_t now_ms)
{
	struct pool_address *address = model_address(a);
	struct block *block =
		pool_address_block(address, (uint16_t)(MODEL_FIRST + b * MODEL_SIZE + 17));
	struct model_block *m = &model[a][b];
	uint32_t protocol = random_below(&rng, PORT_PROTOCOLS);
	uint32_t i = random_below(&rng, MODEL_SIZE);
	uint16_t port = (uint16_t)(block->first_port + i);

	assert_int_equal(block->number, b);
	assert_int_equal(block_home(block), m->state == HELD ? (int)m->worker : -1);
	assert_int_equal(pool_address_home(address, port), block_home(block));
	assert_int_equal(port_in_use(block, protocol, port), m->port[protocol][i]);
	if (m->state != HELD)
		return;
	if (m->port[protocol][i]) {
		port_give(block, protocol, port);
		m->port[protocol][i] = false;
		assert_false(port_in_use(block, protocol, port));
	} else if (random_below(&rng, 400) == 0) {
		model_release(block, m, now_ms);
		return;
	} else if (random_below(&rng, 4) == 0) {
		model_port_exact(block, m, protocol, i);
	}
	for (uint32_t n = random_below(&rng, 4); n > 0; n--)
		model_port_take(block, m, protocol);
	assert_int_equal(block->used[protocol], model_ports(m, protocol));
}

static void model_compare_usage(const struct pool *pool)
{
	uint32_t held = 0, resting = 0;
	uint64_t ports[PORT_PROTOCOLS] = {0};
	struct pool_usage usage;

	for (uint32_t a = 0; a < MODEL_ADDRESSES; a++) {
		held += model_count(a, HELD);
		resting += model_count(a, RESTING);
		for (uint32_t b = 0; b < MODEL_BLOCKS; b++)
			for (uint32_t p = 0; p < PORT_PROTOCOLS; p++)
				ports[p] += model_ports(&model[a][b], p);
	}
	pool_usage(pool, &usage);
	assert_int_equal(usage.blocks_total, MODEL_ADDRESSES * MODEL_BLOCKS);
	assert_int_equal(usage.ports_total, MODEL_ADDRESSES * MODEL_BLOCKS * MODEL_SIZE);
	assert_int_equal(usage.blocks_taken, held);
	assert_int_equal(usage.blocks_resting, resting);
	for (uint32_t p = 0; p < PORT_PROTOCOLS; p++)
		assert_int_equal(usage.ports_used[p], ports[p]);
}

/* Whatever is done in whatever order, the pool answers as an array searched from end to end. */
static void same_as_the_model(void **state)
{
	struct pool *pool = start();
	uint64_t now_ms = 1000;

	(void)state;
	memset(model, 0, sizeof(model));
	for (uint32_t step = 0; step < 300000; step++) {
		uint32_t a = random_below(&rng, MODEL_ADDRESSES);

		if (random_below(&rng, 300) == 0)
			model_block_take(a, now_ms);
		model_use(a, random_below(&rng, MODEL_BLOCKS), now_ms);
		now_ms += random_below(&rng, 40);
		if (random_below(&rng, 100) == 0)
			model_poll(random_below(&rng, WORKERS), now_ms);
		if (step % 10000 == 0)
			model_compare_usage(pool);
	}
	model_compare_usage(pool);
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
	};

	support_eal_setup(1, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
