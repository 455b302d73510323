/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_tcp.h>

#include "bench.h"
#include "figure.h"
#include "nic.h"
#include "rcu.h"
#include "timeouts.h"
#include "wheel.h"

/*
 * Established sessions with something else beside: new flows, fragments, ICMP errors. Cycles a
 * packet in turns of the worker's loop, with all that a turn does beside packets. A new flow is one
 * packet from the inside; its session ends a few seconds later, so that as many end as begin. For
 * that, simulated time runs: fast, but not so fast that the wheel's looks at the sessions that stay
 * (every WHEEL_SECONDS) are more than a few in a hundred packets.
 */
#define WINDOW_PACKETS (32 * BURST_MAX)
#define FLOW_SECONDS   2 /* a new flow's time without an answer */
#define RESERVE_TURN   6 /* seconds after which a new flow's tuple is used again */
#define OUTLIER        10

static const struct mix {
	const char *name;
	uint32_t new, fragments, errors; /* in 1,000 packets */
} mixes[] = {
	{.name = "nothing"},
	{.name = "0.4 % new flows", .new = 4},
	{.name = "3 % new flows", .new = 30},
	{.name = "10 % fragments", .fragments = 100},
	{.name = "10 % ICMP errors", .errors = 100},
};
#define NEW_MOST 30

static struct {
	struct world world;
	struct flows flows;
	struct rte_mbuf *mbuf[WINDOW_PACKETS], *sorted[WINDOW_PACKETS];
	uint32_t established, reserve; /* flows: these, then those that come and go */
	uint32_t windows_a_second;
	double now_ms;
	uint32_t next_new;
	uint16_t ident;
	uint64_t new, errors, other; /* sent */
	int direction;               /* 0, 1, or -1: both */
} run;

static const struct flow *any_flow(void)
{
	return &run.flows.flow[flows_random(&run.flows, run.established)];
}

/* Writes the frame of slot i, and perhaps of the next: how many. */
static uint32_t write_slot(const struct mix *mix, uint32_t i)
{
	const struct frames *frames = run.flows.frames;
	uint32_t chance = flows_random(&run.flows, 1000);
	uint32_t direction =
		run.direction < 0 ? flows_random(&run.flows, 2) : (uint32_t)run.direction;

	if (chance < mix->new) {
		run.new ++;
		flow_write(&run.flows.flow[run.established + run.next_new], frames, 0, 60,
			   RTE_TCP_SYN_FLAG, run.mbuf[i]);
		run.next_new = (run.next_new + 1) % run.reserve;
	} else if (chance < mix->fragments / 2 && i + 1 < WINDOW_PACKETS) {
		run.other += 2;
		flow_write_fragments(any_flow(), frames, direction, run.ident++, &run.mbuf[i]);
		return 2;
	} else if (chance < mix->errors) {
		run.errors++;
		flow_write_error(any_flow(), frames, direction, run.mbuf[i]);
	} else {
		flow_write(any_flow(), frames, direction,
			   frames->length[flows_random(&run.flows, 12)], RTE_TCP_ACK_FLAG,
			   run.mbuf[i]);
	}
	return 1;
}

/* Each frame to the port that it comes in by. */
static void deliver(void)
{
	uint32_t inside_n = 0, at = 0;

	for (uint16_t port = PORT_INSIDE; port <= PORT_OUTSIDE; port++) {
		for (uint32_t i = 0; i < WINDOW_PACKETS; i++)
			if (run.mbuf[i]->port == port)
				run.sorted[at++] = run.mbuf[i];
		if (port == PORT_INSIDE)
			inside_n = at;
	}
	nic_put(PORT_INSIDE, 0, run.sorted, inside_n);
	nic_put(PORT_OUTSIDE, 0, run.sorted + inside_n, at - inside_n);
}

/* Cycles a packet of a window. */
static double measure(const struct mix *mix)
{
	double ms_a_packet = 1000.0 / run.windows_a_second / WINDOW_PACKETS;
	uint64_t begin;

	for (uint32_t i = 0; i < WINDOW_PACKETS;)
		i += write_slot(mix, i);
	deliver();
	begin = rte_rdtsc_precise();
	while (nic_waiting(0) > 0) {
		run.now_ms += worker_turn(workers[0], (uint64_t)run.now_ms) * ms_a_packet;
		rte_rcu_qsbr_quiescent(rcu, rte_lcore_id());
	}
	run.world.now_ms = (uint64_t)run.now_ms;
	return (double)(rte_rdtsc_precise() - begin) / WINDOW_PACKETS;
}

/* As over a day, each in another second: else the wheel would look at all of them in one. */
static void open_established(void)
{
	for (uint64_t i = 0; i < WHEEL_SECONDS; i++) {
		flows_open(&run.flows, &run.world, workers[0],
			   (uint32_t)(run.established * i / WHEEL_SECONDS),
			   (uint32_t)(run.established * (i + 1) / WHEEL_SECONDS));
		run.now_ms += 1000;
		run.world.now_ms = (uint64_t)run.now_ms;
		world_poll(&run.world, workers[0]);
	}
}

/* What the mix before began ends; the wheel gets as many turns as it has batches. */
static void settle(void)
{
	for (uint32_t i = 0; i < RESERVE_TURN; i++) {
		run.now_ms += 1000;
		run.world.now_ms = (uint64_t)run.now_ms;
		for (uint32_t n = 0; n < (run.established + run.reserve) / 512 + 64; n++)
			world_poll(&run.world, workers[0]);
	}
}

/* The mean, as sessions end in some windows and not in others; without those in which the machine
 * did something else. */
static double mean_without_outliers(struct figure *figure)
{
	double most = OUTLIER * figure_median(figure), sum = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < figure->n; i++) {
		if (figure->window[i] <= most) {
			sum += figure->window[i];
			n++;
		}
	}
	return sum / n;
}

static void check(const struct stats *before, uint32_t windows)
{
	const struct stats *now = &workers[0]->stats;
	uint64_t errors =
		now->verdict[VERDICT_ERROR_TRANSLATED] - before->verdict[VERDICT_ERROR_TRANSLATED];
	uint64_t created = now->sessions_created - before->sessions_created;

	if (errors != run.errors ||
	    now->verdict[VERDICT_TRANSLATED] - before->verdict[VERDICT_TRANSLATED] + errors !=
		    (uint64_t)windows * WINDOW_PACKETS)
		world_die("not every packet was translated");
	if (created != run.new)
		world_die("not every new flow made a session");
	if (now->sessions_destroyed - before->sessions_destroyed < created * 8 / 10)
		world_die("new flows did not come and go at one rate");
}

static void bench_mix(const struct mix *mix, const char *direction, const struct bench *bench,
		      uint32_t number)
{
	uint32_t windows = RTE_ALIGN_MUL_CEIL(bench->windows, run.windows_a_second);
	struct stats before;
	struct figure figure;
	double packets = (double)windows * WINDOW_PACKETS, cycles;

	if (mix->new == 0)
		windows = bench->windows;
	settle();
	/* until as many end as begin */
	for (uint32_t i = 0; mix->new > 0 && i < (FLOW_SECONDS + 2) * run.windows_a_second; i++)
		measure(mix);
	run.new = run.errors = run.other = 0;
	before = workers[0]->stats;
	figure_begin(&figure);
	for (uint32_t i = 0; i < windows; i++)
		figure_add(&figure, measure(mix));
	check(&before, windows);
	packets = (double)windows * WINDOW_PACKETS;
	cycles = mean_without_outliers(&figure);
	printf("{\"bench\": \"mixes\", \"sessions\": %u, \"frames\": \"%s\", "
	       "\"direction\": \"%s\", \"beside\": \"%s\", \"unit\": \"cycles/packet\", "
	       "\"run\": %u, \"value\": %.1f, \"best\": %.1f, \"established_part\": %.4f}\n",
	       run.established, bench->frames->name, direction, mix->name, number, cycles,
	       figure_best(&figure),
	       (packets - (double)(run.new + run.errors + run.other)) / packets);
	fflush(stdout);
	figure_end(&figure);
}

void bench_mixes(const struct bench *bench)
{
	const char *direction = bench->direction != NULL ? bench->direction : "mixed";

	run.direction = strcmp(direction, "mixed") == 0 ? -1 : strcmp(direction, "in") == 0;
	run.established = bench->sessions;
	run.windows_a_second = RTE_MAX(bench->sessions / 1024, 32u);
	run.reserve =
		RESERVE_TURN * run.windows_a_second * WINDOW_PACKETS / 1000 * NEW_MOST * 5 / 4;
	timeouts.udp_first = timeouts.tcp_opening = FLOW_SECONDS;
	timeouts.udp_stream = timeouts.tcp_established = 1u << 30;
	world_setup(&run.world, bench->sessions + run.reserve + bench->sessions / 4, 1);
	run.now_ms = (double)run.world.now_ms;
	flows_create(&run.flows, run.established + run.reserve, bench->frames);
	open_established();
	if (rte_pktmbuf_alloc_bulk(workers[0]->buffers, run.mbuf, WINDOW_PACKETS) != 0)
		world_die("out of packet buffers");
	for (uint32_t number = 0; number < bench->runs; number++)
		for (uint32_t i = 0; i < RTE_DIM(mixes); i++)
			bench_mix(&mixes[i], direction, bench, number);
}
