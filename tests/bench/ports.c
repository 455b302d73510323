/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>

#include "bench.h"
#include "figure.h"
#include "pool.h"

/*
 * Cycles of port_take(): in one block that stays in the cache; in the blocks of one subscriber,
 * tried as mapping_create() tries them; and in the blocks of a whole pool in random order: as first
 * packets of a burst do, which ask for all their blocks ahead (that is part of the figure), and one
 * by one. Random ports are given back in between, so that the fill stays.
 */
#define TAKES 32 /* a window */
#define ROUND 1024

struct ports {
	const char *name;
	uint32_t block_size, blocks; /* a subscriber's */
	uint32_t subscribers;
	bool ahead;           /* blocks are asked for ahead */
	struct block **block; /* [subscriber][block] */
	uint64_t random;
};

static uint32_t any(struct ports *ports, uint32_t below)
{
	ports->random = ports->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((ports->random >> 32) * below >> 32);
}

/* A port of the subscriber, as mapping.c has it. */
static int32_t take(struct block *const block[], uint32_t n, struct random *random,
		    struct block **from)
{
	for (uint32_t i = 0; i < n; i++) {
		int32_t port = port_take(block[i], PORT_UDP, random);

		*from = block[i];
		if (port >= 0)
			return port;
	}
	return -1;
}

static void fill(struct ports *ports, uint32_t percent, struct random *random)
{
	for (uint32_t i = 0; i < ports->subscribers; i++) {
		struct block **block = &ports->block[i * ports->blocks], *from;
		uint32_t want = ports->blocks * ports->block_size * percent / 100;
		uint32_t have = 0;

		for (uint32_t b = 0; b < ports->blocks; b++)
			have += block[b]->used[PORT_UDP];
		for (; have < want; have++)
			if (take(block, ports->blocks, random, &from) < 0)
				world_die("a port was refused");
	}
}

/* Gives back a random port of the subscriber that is in use. */
static void give(struct ports *ports, struct block *const block[])
{
	for (;;) {
		struct block *from = block[any(ports, ports->blocks)];
		uint16_t port = (uint16_t)(from->first_port + any(ports, from->ports));

		if (port_in_use(from, PORT_UDP, port)) {
			port_give(from, PORT_UDP, port);
			return;
		}
	}
}

/* Asks the memory for blocks and their bitmaps, as lib/nat/foresee.c does. */
static void ask_ahead(struct block *const *block[], uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(block[i][0]);
	for (uint32_t i = 0; i < n; i++)
		block_prefetch(block[i][0], PORT_UDP);
}

/*
 * A round: gives back, then takes again from the same subscribers in the same order. With many
 * subscribers it is long, so that giving back leaves a block no nearer than the L2 cache.
 */
static void measure(struct ports *ports, struct random *random, struct figure *figure,
		    double tsc_cost)
{
	struct block *const *block[ROUND], *from;
	uint32_t round = ports->subscribers == 1 ? TAKES : ROUND;

	for (uint32_t i = 0; i < round; i++) {
		block[i] = &ports->block[any(ports, ports->subscribers) * ports->blocks];
		give(ports, block[i]);
	}
	for (uint32_t i = 0; i < round; i += TAKES) {
		uint64_t begin = rte_rdtsc_precise();

		if (ports->ahead)
			ask_ahead(&block[i], TAKES);
		for (uint32_t j = i; j < i + TAKES; j++)
			if (take(block[j], ports->blocks, random, &from) < 0)
				world_die("a port was refused");
		figure_add(figure, ((double)(rte_rdtsc_precise() - begin) - tsc_cost) / TAKES);
	}
}

static void make_pool(const char *name, uint32_t addresses, uint32_t block_size)
{
	struct config_range range = {PUBLIC_FIRST, PUBLIC_FIRST + addresses - 1};
	struct pool_config config = {
		.name = (char *)(uintptr_t)name,
		.addresses = {&range, 1},
		.port_range = {1024, 65535},
		.block_size = block_size,
	};

	if (pools_setup(&config, 1, 1) != 0)
		world_die("no memory for the pool");
}

static void make_blocks(struct ports *ports, struct random *random)
{
	uint32_t n = ports->subscribers * ports->blocks;
	uint32_t per_address = (65536 - 1024) / ports->block_size;

	make_pool(ports->name, n / per_address + 1, ports->block_size);
	ports->block = calloc(n, sizeof(*ports->block));
	for (uint32_t i = 0; i < n; i++)
		ports->block[i] = block_take(pool_address_get(pool_get(0), i / per_address), 0,
					     ports, random, 0);
}

static const uint32_t percent[] = {10, 50, 90, 99};

static void print_figure(const char *of, uint32_t load, const char *unit, uint32_t run,
			 struct figure *figure)
{
	printf("{\"bench\": \"ports\", \"of\": \"%s\", \"load\": %u, \"unit\": \"%s\", "
	       "\"run\": %u, \"value\": %.1f, \"best\": %.1f}\n",
	       of, load, unit, run, figure_median(figure), figure_best(figure));
	fflush(stdout);
}

static void bench_one(struct ports *ports, const struct bench *bench)
{
	double tsc_cost = figure_tsc_cost();
	struct random random;

	if (random_init(&random) != 0)
		world_die("no random numbers");
	make_blocks(ports, &random);
	for (uint32_t i = 0; i < RTE_DIM(percent); i++) {
		fill(ports, percent[i], &random);
		for (uint32_t run = 0; run < bench->runs; run++) {
			struct figure figure;

			figure_begin(&figure);
			while (figure.n < 20 * bench->windows)
				measure(ports, &random, &figure, tsc_cost);
			print_figure(ports->name, percent[i], "cycles/port", run, &figure);
			figure_end(&figure);
		}
	}
	free(ports->block);
	pools_teardown();
}

/* ---- blocks ---- */

#define ADDRESSES 512

static struct block *take_new(struct random *random)
{
	struct pool_address *address = pool_address_choose(pool_get(0), random, NULL, 0, 0);
	struct block *block = address != NULL ? block_take(address, 0, address, random, 0) : NULL;

	if (block == NULL)
		world_die("a block was refused");
	return block;
}

/* A window: blocks at random places are given back, and as many taken again. */
static double measure_blocks(struct block *block[], uint32_t taken, struct ports *dice,
			     struct random *random)
{
	uint64_t begin;

	for (uint32_t i = 0; i < TAKES; i++) {
		uint32_t which = any(dice, taken);
		struct block *other = block[which];

		block[which] = block[--taken];
		pool_address_leave(other->address);
		block_release(other, 0, 0);
	}
	pool_poll(0, 1);
	begin = rte_rdtsc_precise();
	for (uint32_t i = 0; i < TAKES; i++)
		block[taken++] = take_new(random);
	return (double)(rte_rdtsc_precise() - begin);
}

/* What a new subscriber costs: a public address, and a block on it, of a pool whose blocks are
 * taken to some part. */
static void bench_blocks(const struct bench *bench)
{
	uint32_t blocks = ADDRESSES * ((65536 - 1024) / BLOCK_SIZE), taken = 0;
	struct block **block = calloc(blocks, sizeof(struct block *));
	double tsc_cost = figure_tsc_cost();
	struct ports dice = {.random = 1};
	struct figure figure;
	struct random random;

	if (block == NULL || random_init(&random) != 0)
		world_die("no random numbers");
	make_pool("blocks", ADDRESSES, BLOCK_SIZE);
	for (uint32_t i = 0; i < RTE_DIM(percent); i++) {
		while (taken < (uint64_t)blocks * percent[i] / 100)
			block[taken++] = take_new(&random);
		for (uint32_t run = 0; run < bench->runs; run++) {
			figure_begin(&figure);
			while (figure.n < 5 * bench->windows)
				figure_add(&figure, (measure_blocks(block, taken, &dice, &random) -
						     tsc_cost) /
							    TAKES);
			print_figure("a pool's address and block, for a new subscriber", percent[i],
				     "cycles/block", run, &figure);
			figure_end(&figure);
		}
	}
	free(block);
	pools_teardown();
}

void bench_ports(const struct bench *bench)
{
	struct ports all[] = {
		{"block of 1024", 1024, 1, 1, false, NULL, 1},
		{"subscriber, 4 blocks of 256", 256, 4, 1, false, NULL, 1},
		{"pool, 32768 blocks of 1024", 1024, 1, 32768, true, NULL, 1},
		{"pool, one by one", 1024, 1, 32768, false, NULL, 1},
	};

	for (uint32_t i = 0; i < RTE_DIM(all); i++)
		bench_one(&all[i], bench);
	bench_blocks(bench);
}
