/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "bench.h"
#include "figure.h"
#include "pool.h"

/*
 * Cycles of port_take(): in one block that stays in the cache; in the blocks of one subscriber,
 * tried as mapping_create() tries them; and in the blocks of a whole pool in random order. Random
 * ports are given back in between, so that the fill stays.
 */
#define TAKES 32 /* a window */
#define ROUND 1024

struct ports {
	const char *name;
	uint32_t block_size, blocks; /* a subscriber's */
	uint32_t subscribers;
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

		for (uint32_t j = i; j < i + TAKES; j++)
			if (take(block[j], ports->blocks, random, &from) < 0)
				world_die("a port was refused");
		figure_add(figure, ((double)(rte_rdtsc_precise() - begin) - tsc_cost) / TAKES);
	}
}

static void make_blocks(struct ports *ports, struct random *random)
{
	uint32_t n = ports->subscribers * ports->blocks;
	uint32_t per_address = (65536 - 1024) / ports->block_size;
	struct config_range range = {PUBLIC_FIRST, PUBLIC_FIRST + n / per_address};
	struct pool_config config = {
		.name = (char *)(uintptr_t)ports->name,
		.addresses = {&range, 1},
		.port_range = {1024, 65535},
		.block_size = ports->block_size,
	};

	if (pools_setup(&config, 1, 1) != 0)
		world_die("no memory for the pool");
	ports->block = calloc(n, sizeof(*ports->block));
	for (uint32_t i = 0; i < n; i++)
		ports->block[i] =
			block_take(&pool_get(0)->address[i / per_address], 0, ports, random, 0);
}

static void bench_one(struct ports *ports, const struct bench *bench)
{
	static const uint32_t percent[] = {10, 50, 90, 99};
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
			printf("{\"bench\": \"ports\", \"of\": \"%s\", \"load\": %u, "
			       "\"unit\": \"cycles/port\", \"run\": %u, \"value\": %.1f, "
			       "\"best\": %.1f}\n",
			       ports->name, percent[i], run, figure_median(&figure),
			       figure_best(&figure));
			figure_end(&figure);
		}
	}
	free(ports->block);
	pools_teardown();
}

void bench_ports(const struct bench *bench)
{
	struct ports all[] = {
		{"block of 1024", 1024, 1, 1, NULL, 1},
		{"subscriber, 4 blocks of 256", 256, 4, 1, NULL, 1},
		{"pool, 32768 blocks of 1024", 1024, 1, 32768, NULL, 1},
	};

	for (uint32_t i = 0; i < RTE_DIM(all); i++)
		bench_one(&all[i], bench);
}
