/* SPDX-License-Identifier: BSD-3-Clause */
#include <sched.h>
#include <stdio.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_tcp.h>

#include "bench.h"
#include "figure.h"
#include "nic.h"
#include "rcu.h"

/*
 * Packets a second of one worker, or of several at once, each on its CPU in the turns of its real
 * loop, with real homes and rings; in each window each worker receives as many frames from either
 * side. A window lasts from when the first worker begins until the last has ended.
 */
#define WINDOW_PACKETS 1024 /* a worker, if they are shared out evenly */
#define SETUP_WINDOWS  16
#define LANES_MAX      2

/* Where packets arrive, with several workers. */
static const struct steering {
	const char *name;
	/* how far from its home a packet from the inside arrives, and one from the outside */
	uint8_t off_inside, off_outside;
	bool anywhere;   /* or at any worker, whoever's it is */
	uint8_t percent; /* at worker 0, of all */
} steerings[] = {
	{.name = "right", .percent = 50},
	{.name = "wrong", .off_inside = 1, .off_outside = 1, .percent = 50},
	{.name = "return wrong", .off_outside = 1, .percent = 50},
	{.name = "anywhere", .anywhere = true, .percent = 50},
	{.name = "right, 90 % at one", .percent = 90},
};

static const char *const packets_names[] = {"established", "first", "none, arithmetic"};

/* A worker's part of a window. */
struct lane {
	struct flows flows; /* a view of its own: the random state */
	struct rte_mbuf *mbuf[LANES_MAX * WINDOW_PACKETS];
	uint32_t n;
	uint32_t next_flow;  /* set-up: of those that arrive here */
	uint64_t taken_over; /* stats.taken_over at the window's end */
	uint64_t begin, end;
} __rte_cache_aligned;

static struct {
	const struct bench *bench;
	struct world world;
	uint32_t lanes;
	struct lane lane[LANES_MAX];
	uint32_t home_first[LANES_MAX + 1]; /* flows are sorted by home */
	uint32_t established[LANES_MAX];    /* so many of them are open */
	const struct steering *steering;
	enum { ESTABLISHED, FIRST, ARITHMETIC } packets;
	uint32_t windows;
	struct figure figure;
	uint32_t arrived __rte_cache_aligned; /* at barriers, ever */
} run;

static void barrier(void)
{
	uint32_t target = __atomic_fetch_add(&run.arrived, 1, __ATOMIC_ACQ_REL) / run.lanes + 1;

	for (uint32_t i = 1; __atomic_load_n(&run.arrived, __ATOMIC_ACQUIRE) < target * run.lanes;
	     i++) {
		rte_pause();
		if (i % 4096 == 0) /* the other's CPU does something else */
			sched_yield();
	}
}

/* ---- flows ---- */

static const struct flow *any_flow(struct lane *lane, uint32_t worker, uint8_t off)
{
	uint32_t home = (worker + off) % run.lanes;

	if (run.steering->anywhere)
		home = flows_random(&lane->flows, run.lanes);
	return &lane->flows.flow[run.home_first[home] +
				 flows_random(&lane->flows, run.established[home])];
}

/* ---- a window ---- */

static void prepare_established(struct lane *lane, uint32_t worker)
{
	const struct frames *frames = lane->flows.frames;

	for (uint32_t i = 0; i < lane->n; i++) {
		uint32_t direction = i >= lane->n / 2;
		uint8_t off = direction == 0 ? run.steering->off_inside : run.steering->off_outside;

		flow_write(any_flow(lane, worker, off), frames, direction,
			   frames->length[flows_random(&lane->flows, 12)], RTE_TCP_ACK_FLAG,
			   lane->mbuf[i]);
	}
	nic_put(PORT_INSIDE, worker, lane->mbuf, lane->n / 2);
	nic_put(PORT_OUTSIDE, worker, lane->mbuf + lane->n / 2, lane->n - lane->n / 2);
}

static void prepare_setup(struct lane *lane, uint32_t worker)
{
	for (uint32_t i = 0; i < lane->n; i++)
		flow_write(&lane->flows.flow[lane->next_flow++], lane->flows.frames, 0, 60,
			   RTE_TCP_SYN_FLAG, lane->mbuf[i]);
	nic_put(PORT_INSIDE, worker, lane->mbuf, lane->n);
	if (run.steering->off_inside != 0)
		lane->taken_over += WINDOW_PACKETS;
}

/* What takes a CPU about as long as a packet, and no memory: what the machine itself makes of two
 * CPUs. */
static void calculate(uint32_t n)
{
	uint64_t a = n, b = 1, c = 2, d = 3;

	for (uint32_t i = 0; i < n * 64; i++) {
		a = a * 3 + b;
		b = b * 5 + c;
		c = c * 7 + d;
		d ^= a + (d << 3);
	}
	__asm__ volatile("" : : "r"(a + b + c + d));
}

static void measure(struct lane *lane, uint32_t number)
{
	struct worker *worker = workers[number];

	lane->begin = rte_rdtsc_precise();
	if (run.packets == ARITHMETIC)
		calculate(lane->n);
	while (nic_waiting(number) > 0 || worker->stats.taken_over < lane->taken_over) {
		worker_turn(worker, run.world.now_ms);
		rte_rcu_qsbr_quiescent(rcu, rte_lcore_id());
	}
	lane->end = rte_rdtsc_precise();
}

static void add_window(void)
{
	uint64_t begin = UINT64_MAX, end = 0;
	uint32_t packets = 0;

	for (uint32_t i = 0; i < run.lanes; i++) {
		begin = RTE_MIN(begin, run.lane[i].begin);
		end = RTE_MAX(end, run.lane[i].end);
		packets += run.lane[i].n;
	}
	figure_add(&run.figure, (double)(end - begin) / packets);
}

static int run_windows(void *context __rte_unused)
{
	uint32_t worker = rte_lcore_id();
	struct lane *lane = &run.lane[worker];

	for (uint32_t i = 0; i < run.windows; i++) {
		if (run.packets == FIRST)
			prepare_setup(lane, worker);
		else if (run.packets == ESTABLISHED)
			prepare_established(lane, worker);
		barrier();
		measure(lane, worker);
		barrier();
		if (worker == 0)
			add_window();
	}
	return 0;
}

/* ---- a run ---- */

static void on_all_lcores(lcore_function_t *function)
{
	if (rte_eal_mp_remote_launch(function, NULL, CALL_MAIN) != 0)
		world_die("an lcore is busy");
	rte_eal_mp_wait_lcore();
}

static uint64_t sum_of(const uint64_t *counter)
{
	size_t offset = (size_t)((const char *)counter - (const char *)&workers[0]->stats);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < run.lanes; i++)
		sum += *(const uint64_t *)((const char *)&workers[i]->stats + offset);
	return sum;
}

static uint64_t translated(void)
{
	return sum_of(&workers[0]->stats.verdict[VERDICT_TRANSLATED]);
}

static void print_figure(uint32_t number)
{
	double hz = (double)rte_get_tsc_hz();

	/* windows hold cycles by packets of all workers */
	printf("{\"bench\": \"workers\", \"sessions\": %u, \"frames\": \"%s\", "
	       "\"packets\": \"%s\", \"workers\": %u, \"steered\": \"%s\", "
	       "\"unit\": \"packets/s\", \"run\": %u, \"value\": %.0f, \"best\": %.0f}\n",
	       run.bench->sessions, run.bench->frames->name, packets_names[run.packets], run.lanes,
	       run.lanes > 1 ? run.steering->name : "", number, hz / figure_median(&run.figure),
	       hz / figure_best(&run.figure));
	fflush(stdout);
}

static void run_one(const struct steering *steering, uint32_t number)
{
	uint32_t packets = run.lanes * WINDOW_PACKETS;
	uint64_t before = translated(), taken_over = sum_of(&workers[0]->stats.taken_over);

	run.steering = steering;
	run.lane[0].n = packets;
	if (run.lanes > 1) {
		run.lane[0].n = packets * steering->percent / 100 & ~1u;
		run.lane[1].n = packets - run.lane[0].n;
	}
	run.windows = run.packets == FIRST ? SETUP_WINDOWS : run.bench->windows;
	figure_begin(&run.figure);
	on_all_lcores(run_windows);
	if (run.packets != ARITHMETIC && translated() - before != (uint64_t)run.windows * packets)
		world_die("not every packet was translated");
	taken_over = sum_of(&workers[0]->stats.taken_over) - taken_over;
	if (taken_over != (run.packets == FIRST && steering->off_inside != 0
				   ? (uint64_t)run.windows * packets
				   : 0))
		world_die("packets went another way than meant");
	print_figure(number);
	figure_end(&run.figure);
}

/* ---- the world ---- */

static int begin_lane(void *context __rte_unused)
{
	uint32_t worker = rte_lcore_id();
	struct lane *lane = &run.lane[worker];

	if (worker != 0)
		world_begin_lcore();
	if (rte_pktmbuf_alloc_bulk(workers[worker]->buffers, lane->mbuf, RTE_DIM(lane->mbuf)) != 0)
		world_die("out of packet buffers");
	lane->flows.random += worker;
	flows_open(&lane->flows, &run.world, workers[worker], run.home_first[worker],
		   run.home_first[worker] + run.established[worker]);
	return 0;
}

static int end_lane(void *context __rte_unused)
{
	if (rte_lcore_id() != 0)
		world_end_lcore();
	return 0;
}

static void begin(uint32_t flows_to_set_up)
{
	static struct flows flows;
	uint32_t n = run.bench->sessions + flows_to_set_up;

	world_setup(&run.world, n + n / 4, run.lanes);
	flows_create(&flows, n, run.bench->frames);
	flows_sort_by_home(&flows, run.home_first);
	for (uint32_t i = 0; i < run.lanes; i++) {
		uint32_t own = run.home_first[i + 1] - run.home_first[i];

		run.established[i] = own - flows_to_set_up / run.lanes;
		run.lane[i].flows = flows;
	}
	on_all_lcores(begin_lane);
}

/* What is left of each home's flows is set up: first half steered right, the rest wrong. */
static void bench_setup(uint32_t runs)
{
	run.packets = FIRST;
	for (uint32_t i = 0; i < run.lanes; i++)
		run.lane[i].next_flow = run.home_first[i] + run.established[i];
	for (uint32_t i = 0; i < runs; i++)
		run_one(&steerings[0], i);
	if (run.lanes == 1)
		return;
	for (uint32_t i = 0; i < run.lanes; i++)
		run.lane[i].taken_over = workers[i]->stats.taken_over;
	RTE_SWAP(run.lane[0].next_flow, run.lane[1].next_flow);
	for (uint32_t i = 0; i < runs; i++)
		run_one(&steerings[1], i);
}

void bench_workers(const struct bench *bench)
{
	uint32_t kinds;

	run.bench = bench;
	run.lanes = bench->workers;
	if (run.lanes > LANES_MAX)
		world_die("two workers at most");
	kinds = run.lanes == 1 ? 1 : RTE_DIM(steerings);
	begin(2 * bench->runs * run.lanes * SETUP_WINDOWS * WINDOW_PACKETS);
	for (uint32_t i = 0; i < bench->runs; i++) {
		run.packets = ARITHMETIC;
		run_one(&steerings[0], i);
		run.packets = ESTABLISHED;
		for (uint32_t kind = 0; kind < kinds; kind++)
			run_one(&steerings[kind], i);
	}
	bench_setup(bench->runs);
	on_all_lcores(end_lane);
}
