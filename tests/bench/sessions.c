/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_tcp.h>

#include "bench.h"
#include "figure.h"
#include "timeouts.h"

/*
 * First packets through the whole pipeline, and what sessions cost in memory. The frames are
 * written before each measured window; a window is a turn of the worker's loop a burst, with the
 * poll that it has there.
 */
#define WINDOW_BURSTS  32
#define WINDOW_PACKETS (WINDOW_BURSTS * BURST_MAX)

/* Sends the first packets of WINDOW_PACKETS flows from `from` on, wrapping round: cycles. */
static double open_window(const struct flows *flows, struct world *world, uint64_t from,
			  struct rte_mbuf *mbuf[WINDOW_PACKETS], double ms_a_burst)
{
	double now_ms = (double)world->now_ms;
	uint64_t begin;

	for (uint32_t i = 0; i < WINDOW_PACKETS; i++)
		flow_write(&flows->flow[(from + i) % flows->n], flows->frames, 0, 60,
			   RTE_TCP_SYN_FLAG, mbuf[i]);
	begin = rte_rdtsc_precise();
	for (uint32_t i = 0; i < WINDOW_PACKETS; i += BURST_MAX) {
		now_ms += ms_a_burst;
		world->now_ms = (uint64_t)now_ms;
		world_poll(world, workers[0]);
		pipeline_run(workers[0]->pipeline, &mbuf[i], BURST_MAX);
	}
	return (double)(rte_rdtsc_precise() - begin);
}

static void alloc_window(struct rte_mbuf *mbuf[WINDOW_PACKETS])
{
	if (rte_pktmbuf_alloc_bulk(workers[0]->buffers, mbuf, WINDOW_PACKETS) != 0)
		world_die("out of packet buffers");
}

static void print_rate(const char *bench, const struct flows *flows, uint32_t load,
		       struct figure *figure)
{
	double hz = (double)rte_get_tsc_hz();

	/* windows hold cycles a session */
	printf("{\"bench\": \"%s\", \"sessions\": %u, \"frames\": \"%s\", \"load\": %u, "
	       "\"unit\": \"sessions/s\", \"value\": %.0f, \"best\": %.0f, \"cycles\": %.0f}\n",
	       bench, flows->n, flows->frames->name, load, hz / figure_median(figure),
	       hz / figure_best(figure), figure_median(figure));
	fflush(stdout);
}

/* Opens flows [*next, end) in measured windows. */
static void open_measured(struct flows *flows, struct world *world, uint64_t *next, uint64_t end,
			  uint32_t load)
{
	static struct rte_mbuf *mbuf[WINDOW_PACKETS];
	struct figure figure;

	alloc_window(mbuf);
	figure_begin(&figure);
	for (; *next + WINDOW_PACKETS <= end; *next += WINDOW_PACKETS)
		figure_add(&figure, open_window(flows, world, *next, mbuf, 0) / WINDOW_PACKETS);
	print_rate("setup", flows, load, &figure);
	figure_end(&figure);
	rte_pktmbuf_free_bulk(mbuf, WINDOW_PACKETS);
}

static void print_memory(const struct world *world, uint32_t sessions)
{
	double bytes = (double)(world_memory() - world->memory_before);

	printf("{\"bench\": \"memory\", \"sessions\": %u, \"load\": 80, "
	       "\"unit\": \"bytes/session\", \"value\": %.1f, \"best\": %.1f}\n",
	       limits.max_sessions, bytes / sessions, bytes / sessions);
}

/* The rate when the table is empty, half full, and 80 % full; a twentieth of it each time. */
void bench_sessions(const struct bench *bench)
{
	static const uint32_t load[] = {0, 50, 80};
	static struct flows flows;
	static struct world world;
	uint64_t next = 0;

	flows_create(&flows, bench->sessions, bench->frames);
	world_setup(&world, bench->sessions, 1);
	for (uint32_t i = 0; i < RTE_DIM(load); i++) {
		uint64_t from = (uint64_t)flows.n * load[i] / 100;

		if (from > next)
			flows_open(&flows, &world, workers[0], (uint32_t)next, (uint32_t)from);
		next = RTE_MAX(from, next);
		if (load[i] == 80)
			print_memory(&world, (uint32_t)next);
		open_measured(&flows, &world, &next, from + flows.n / 20, load[i]);
	}
	if (workers[0]->stats.sessions_created != next)
		world_die("not every session was made");
}

/* Sessions made and expired at one rate, the table 40 % full: simulated time goes so fast that a
 * session's timeout passes while as many new ones come. */
void bench_churn(const struct bench *bench)
{
	static struct rte_mbuf *mbuf[WINDOW_PACKETS];
	static struct flows flows;
	static struct world world;
	uint32_t timeout = 16, live = bench->sessions * 2 / 5;
	double ms_a_burst = timeout * 1000.0 * BURST_MAX / live;
	struct figure figure;
	uint64_t next = 0, created, destroyed;

	timeouts.udp_first = timeouts.tcp_opening = timeout;
	flows_create(&flows, bench->sessions, bench->frames);
	world_setup(&world, bench->sessions, 1);
	alloc_window(mbuf);
	for (; next < 2ull * live; next += WINDOW_PACKETS)
		open_window(&flows, &world, next, mbuf, ms_a_burst);
	created = workers[0]->stats.sessions_created;
	destroyed = workers[0]->stats.sessions_destroyed;
	figure_begin(&figure);
	for (uint32_t i = 0; i < 2 * live / WINDOW_PACKETS; i++, next += WINDOW_PACKETS)
		figure_add(&figure,
			   open_window(&flows, &world, next, mbuf, ms_a_burst) / WINDOW_PACKETS);
	created = workers[0]->stats.sessions_created - created;
	destroyed = workers[0]->stats.sessions_destroyed - destroyed;
	if (created != (uint64_t)figure.n * WINDOW_PACKETS || destroyed < created * 9 / 10)
		world_die("sessions did not come and go at one rate");
	/* windows differ: in some a second begins, and its sessions end */
	double sum = 0;
	for (uint32_t i = 0; i < figure.n; i++)
		sum += figure.window[i];
	printf("{\"bench\": \"churn\", \"sessions\": %u, \"frames\": \"%s\", \"load\": 40, "
	       "\"unit\": \"sessions/s\", \"value\": %.0f, \"best\": %.0f, \"cycles\": %.0f}\n",
	       flows.n, flows.frames->name, (double)rte_get_tsc_hz() / (sum / figure.n),
	       (double)rte_get_tsc_hz() / (sum / figure.n), sum / figure.n);
	figure_end(&figure);
}
