/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_tcp.h>

#include "bench.h"
#include "burst.h"
#include "figure.h"

/*
 * Cycles a packet of established sessions, through the whole pipeline_run(). Frames are written
 * into buffers a window ahead of the measured calls: as many as a receive ring holds, so their
 * headers are in the cache (L2 or L3), as DDIO leaves them. Flows come in random order.
 */
#define WINDOW_BURSTS  32
#define WINDOW_PACKETS (WINDOW_BURSTS * BURST_MAX)

struct window {
	struct flows *flows;
	struct world *world;
	struct rte_mbuf *mbuf[WINDOW_PACKETS];
};

enum direction { OUT, IN, MIXED, DIRECTIONS };
static const char *const direction_names[DIRECTIONS] = {"out", "in", "mixed"};

static void prepare(struct window *window, enum direction direction)
{
	struct flows *flows = window->flows;

	for (uint32_t i = 0; i < WINDOW_PACKETS; i++) {
		uint32_t side = direction == MIXED ? flows_random(flows, 2) : direction;
		uint16_t length = flows->frames->length[flows_random(flows, 12)];

		flow_write(&flows->flow[flows_random(flows, flows->n)], flows->frames, side, length,
			   RTE_TCP_ACK_FLAG, window->mbuf[i]);
	}
}

static double measure(struct window *window, enum direction direction)
{
	uint64_t begin;

	prepare(window, direction);
	begin = rte_rdtsc_precise();
	for (uint32_t i = 0; i < WINDOW_PACKETS; i += BURST_MAX)
		pipeline_run(workers[0]->pipeline, &window->mbuf[i], BURST_MAX);
	return (double)(rte_rdtsc_precise() - begin) / WINDOW_PACKETS;
}

static void bench_direction(struct window *window, enum direction direction,
			    const struct bench *bench)
{
	struct stats *stats = &workers[0]->stats;

	for (uint32_t run = 0; run < bench->runs; run++) {
		uint64_t before = stats->verdict[VERDICT_TRANSLATED];
		struct figure figure;

		figure_begin(&figure);
		for (uint32_t i = 0; i < bench->windows; i++)
			figure_add(&figure, measure(window, direction));
		if (stats->verdict[VERDICT_TRANSLATED] - before !=
		    (uint64_t)bench->windows * WINDOW_PACKETS)
			world_die("not every packet was translated");
		printf("{\"bench\": \"pipeline\", \"sessions\": %u, \"frames\": \"%s\", "
		       "\"direction\": \"%s\", \"unit\": \"cycles/packet\", \"run\": %u, "
		       "\"value\": %.1f, \"best\": %.1f}\n",
		       window->flows->n, bench->frames->name, direction_names[direction], run,
		       figure_median(&figure), figure_best(&figure));
		fflush(stdout);
		figure_end(&figure);
	}
}

/* ---- by step ---- */

/* As pipeline_walk() has them. */
static const struct {
	const char *name;
	void (*run)(struct pipeline *pipeline);
} steps[] = {
	{"parse", step_parse}, {"fragment", step_fragment}, {"find", step_find},
	{"plain", step_plain}, {"foresee", step_foresee},   {"translate", step_translate_plain},
	{"odd", step_odd},     {"transmit", step_transmit},
};

#define STEPS RTE_DIM(steps)

static void run_by_step(struct pipeline *pipeline, struct rte_mbuf *packet[],
			uint64_t cycles[STEPS])
{
	uint64_t begin, end;

	pipeline->generation = route_generation();
	pipeline->burst.n = BURST_MAX;
	for (uint32_t i = 0; i < BURST_MAX; i++)
		pipeline->burst.packet[i].mbuf = packet[i];
	begin = rte_rdtsc_precise();
	for (uint32_t i = 0; i < STEPS; i++) {
		steps[i].run(pipeline);
		end = rte_rdtsc_precise();
		cycles[i] += end - begin;
		begin = end;
	}
}

static void measure_steps(struct window *window, struct figure figure[STEPS + 1],
			  enum direction direction, double tsc_cost)
{
	uint64_t cycles[STEPS] = {0}, begin, poll = 0;

	prepare(window, direction);
	for (uint32_t i = 0; i < WINDOW_PACKETS; i += BURST_MAX) {
		begin = rte_rdtsc_precise();
		world_poll(window->world, workers[0]);
		poll += rte_rdtsc_precise() - begin;
		run_by_step(workers[0]->pipeline, &window->mbuf[i], cycles);
	}
	for (uint32_t i = 0; i < STEPS; i++)
		figure_add(&figure[i],
			   ((double)cycles[i] - WINDOW_BURSTS * tsc_cost) / WINDOW_PACKETS);
	figure_add(&figure[STEPS], ((double)poll - WINDOW_BURSTS * tsc_cost) / WINDOW_PACKETS);
}

static void bench_steps(struct window *window, enum direction direction, const struct bench *bench)
{
	double tsc_cost = figure_tsc_cost();
	struct figure figure[STEPS + 1];

	for (uint32_t run = 0; run < bench->runs; run++) {
		for (uint32_t i = 0; i <= STEPS; i++)
			figure_begin(&figure[i]);
		for (uint32_t i = 0; i < bench->windows; i++)
			measure_steps(window, figure, direction, tsc_cost);
		for (uint32_t i = 0; i <= STEPS; i++) {
			printf("{\"bench\": \"steps\", \"sessions\": %u, \"frames\": \"%s\", "
			       "\"direction\": \"%s\", \"step\": \"%s\", "
			       "\"unit\": \"cycles/packet\", \"run\": %u, \"value\": %.1f, "
			       "\"best\": %.1f}\n",
			       window->flows->n, bench->frames->name, direction_names[direction],
			       i < STEPS ? steps[i].name : "(poll)", run, figure_median(&figure[i]),
			       figure_best(&figure[i]));
			figure_end(&figure[i]);
		}
		fflush(stdout);
	}
}

void bench_pipeline(const struct bench *bench)
{
	static struct window window;
	static struct flows flows;
	static struct world world;

	world_setup(&world, bench->sessions + bench->sessions / 4, 1); /* 80 % full */
	flows_create(&flows, bench->sessions, bench->frames);
	flows_open(&flows, &world, workers[0], 0, flows.n);
	window.flows = &flows;
	window.world = &world;
	if (rte_pktmbuf_alloc_bulk(workers[0]->buffers, window.mbuf, WINDOW_PACKETS) != 0)
		world_die("out of packet buffers");
	for (enum direction direction = OUT; direction < DIRECTIONS; direction++) {
		if (bench->direction != NULL &&
		    strcmp(bench->direction, direction_names[direction]) != 0)
			continue;
		if (bench->steps)
			bench_steps(&window, direction, bench);
		else
			bench_direction(&window, direction, bench);
	}
}
