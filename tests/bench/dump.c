/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include <jansson.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_tcp.h>

#include "bench.h"
#include "cmd.h"
#include "figure.h"
#include "rcu.h"

/*
 * What a dump of all sessions costs the worker beside it. The worker translates established
 * sessions' packets in windows, as fast as it can, on one CPU; on the other the command behind
 * `weirctl show sessions` walks the table page by page and its answers are encoded, as in the
 * control thread. Windows that saw both a dump and none do not count.
 */
#define WINDOW_PACKETS (16 * BURST_MAX)
#define PAGE           "1000"

static struct {
	const struct bench *bench;
	struct world world;
	struct flows flows;
	struct rte_mbuf *mbuf[WINDOW_PACKETS];
	/* what the main lcore does meanwhile; 0 and 1: windows count as quiet, as beside a dump */
	enum { QUIET, DUMPING, STOP } state;
	struct figure figure[2];
} run;

static int get_state(void)
{
	return (int)__atomic_load_n(&run.state, __ATOMIC_ACQUIRE);
}

static double measure(void)
{
	const struct frames *frames = run.flows.frames;
	uint64_t begin;

	for (uint32_t i = 0; i < WINDOW_PACKETS; i++)
		flow_write(&run.flows.flow[flows_random(&run.flows, run.flows.n)], frames,
			   flows_random(&run.flows, 2),
			   frames->length[flows_random(&run.flows, 12)], RTE_TCP_ACK_FLAG,
			   run.mbuf[i]);
	begin = rte_rdtsc_precise();
	for (uint32_t i = 0; i < WINDOW_PACKETS; i += BURST_MAX) {
		world_poll(&run.world, workers[0]);
		pipeline_run(workers[0]->pipeline, &run.mbuf[i], BURST_MAX);
	}
	return (double)(rte_rdtsc_precise() - begin) / WINDOW_PACKETS;
}

static int open_flows(void *context __rte_unused)
{
	world_begin_lcore();
	flows_open(&run.flows, &run.world, workers[0], 0, run.flows.n);
	if (rte_pktmbuf_alloc_bulk(workers[0]->buffers, run.mbuf, WINDOW_PACKETS) != 0)
		world_die("out of packet buffers");
	return 0;
}

static int run_worker(void *context __rte_unused)
{
	int state;

	while ((state = get_state()) != STOP) {
		double cycles = measure();

		if (get_state() == state)
			figure_add(&run.figure[state], cycles);
	}
	return 0;
}

static size_t encoded; /* bytes */

static int take_text(const char *text __rte_unused, size_t n, void *context __rte_unused)
{
	encoded += n;
	return 0;
}

/* One page of /weir/sessions, from where `next` says; true while there is more. */
static bool dump_page(const struct cmd *cmd, json_t **next, uint32_t *sessions)
{
	struct cmd_call call = {.args = json_pack("{s:s, s:o}", "limit", PAGE, "after", *next)};
	json_t *page;

	rte_rcu_qsbr_thread_online(rcu, rte_lcore_id());
	page = cmd->run(&call);
	rte_rcu_qsbr_thread_offline(rcu, rte_lcore_id());
	if (page == NULL || json_dump_callback(page, take_text, NULL, JSON_COMPACT) != 0)
		world_die(call.error);
	*sessions += (uint32_t)json_array_size(json_object_get(page, "sessions"));
	*next = json_incref(json_object_get(page, "next"));
	json_decref(page);
	json_decref(call.args);
	return !json_is_null(*next);
}

static void dump_all(const struct cmd *cmd)
{
	uint32_t sessions = 0;
	json_t *next = json_null();

	while (dump_page(cmd, &next, &sessions))
		;
	json_decref(next);
	if (sessions != run.flows.n)
		world_die("the dump does not show every session");
}

static void print_figure(const char *what, const char *unit, uint32_t number, double value,
			 double best)
{
	printf("{\"bench\": \"dump\", \"sessions\": %u, \"of\": \"/weir/sessions, in process\", "
	       "\"what\": \"%s\", \"unit\": \"%s\", \"run\": %u, \"value\": %.2f, \"best\": "
	       "%.2f}\n",
	       run.flows.n, what, unit, number, value, best);
}

static void run_one(const struct cmd *cmd, uint32_t number)
{
	/* a second with windows as many as usual; a dump is taken to its end */
	uint32_t stretch_ms = run.bench->windows * 10 / 3;
	uint64_t stretch = rte_get_tsc_hz() * stretch_ms / 1000, begin, dumps = 0;
	double quiet, beside, took;

	for (int i = 0; i < 2; i++)
		figure_begin(&run.figure[i]);
	run.state = QUIET;
	if (rte_eal_remote_launch(run_worker, NULL, 1) != 0)
		world_die("an lcore is busy");
	rte_delay_us_sleep(stretch_ms * 1000);
	__atomic_store_n(&run.state, DUMPING, __ATOMIC_RELEASE);
	begin = rte_rdtsc();
	do {
		dump_all(cmd);
		dumps++;
	} while (rte_rdtsc() - begin < stretch);
	took = (double)(rte_rdtsc() - begin) / (double)rte_get_tsc_hz() / (double)dumps;
	__atomic_store_n(&run.state, QUIET, __ATOMIC_RELEASE);
	rte_delay_us_sleep(stretch_ms * 1000);
	__atomic_store_n(&run.state, STOP, __ATOMIC_RELEASE);
	rte_eal_wait_lcore(1);
	quiet = figure_median(&run.figure[QUIET]);
	beside = figure_median(&run.figure[DUMPING]);
	print_figure("busy before and after", "cycles/packet", number, quiet,
		     figure_best(&run.figure[QUIET]));
	print_figure("busy beside it", "cycles/packet", number, beside,
		     figure_best(&run.figure[DUMPING]));
	print_figure("throughput lost", "%", number, (1 - quiet / beside) * 100,
		     (1 - figure_best(&run.figure[QUIET]) / figure_best(&run.figure[DUMPING])) *
			     100);
	print_figure("the dump took", "s", number, took, took);
	fflush(stdout);
	for (int i = 0; i < 2; i++)
		figure_end(&run.figure[i]);
}

void bench_dump(const struct bench *bench)
{
	const struct cmd *cmd = cmd_find("/weir/sessions");

	if (bench->workers != 2 || cmd == NULL)
		world_die("a dump takes two CPUs");
	run.bench = bench;
	world_setup(&run.world, bench->sessions + bench->sessions / 4, 1);
	flows_create(&run.flows, bench->sessions, bench->frames);
	rte_rcu_qsbr_thread_offline(rcu, rte_lcore_id());
	if (rte_eal_remote_launch(open_flows, NULL, 1) != 0)
		world_die("an lcore is busy");
	rte_eal_wait_lcore(1);
	for (uint32_t i = 0; i < bench->runs; i++)
		run_one(cmd, i);
}
