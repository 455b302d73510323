/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_tcp.h>
#include <x86intrin.h>

#include "bench.h"
#include "nic.h"
#include "rcu.h"

/*
 * Every instruction that two workers run for plain packets, with the registers before it, into a
 * file that trace.py reads: it counts locked instructions, and cache lines that one worker writes
 * and the other touches. The CPU's trap flag stops it at each instruction, so this works where
 * there are no performance counters, as in most virtual machines.
 *
 * The two workers run one after the other, each on its lcore, in real turns of the loop; both get
 * packets of the same flows where the steering makes them share any.
 */
#define WORKERS   2
#define PACKETS   32 /* a side and worker: a burst */
#define FIRST     8  /* of new subscribers: they take many instructions */
#define REGISTERS 17 /* general ones from R8 to RIP, as ucontext has them */
#define TRAP_FLAG 0x100
#define STEPS_MAX 400000

static struct {
	uint64_t (*step)[REGISTERS];
	uint32_t steps;
} trace;

static struct {
	struct world world;
	struct flows flows;
	uint32_t home_first[WORKERS + 1];
	struct rte_mbuf *mbuf[WORKERS][2 * PACKETS];
	uint8_t off[2]; /* how far from its home a packet arrives: from inside, from outside */
	bool first;     /* packets of new subscribers, from the inside */
} run;

static void on_trap(int signal __rte_unused, siginfo_t *info __rte_unused, void *context)
{
	const ucontext_t *now = context;

	if (trace.steps < STEPS_MAX)
		memcpy(trace.step[trace.steps++], now->uc_mcontext.gregs, sizeof(trace.step[0]));
}

static int open_flows(void *context __rte_unused)
{
	uint32_t worker = rte_lcore_id();

	if (worker != 0)
		world_begin_lcore();
	flows_open(&run.flows, &run.world, workers[worker], run.home_first[worker],
		   run.home_first[worker + 1]);
	if (rte_pktmbuf_alloc_bulk(workers[worker]->buffers, run.mbuf[worker], 2 * PACKETS) != 0)
		world_die("out of packet buffers");
	return 0;
}

static void prepare(uint32_t worker)
{
	for (uint32_t direction = 0; direction < 2; direction++) {
		struct rte_mbuf **mbuf = &run.mbuf[worker][direction * PACKETS];
		uint32_t home = (worker + run.off[direction]) % WORKERS;

		for (uint32_t i = 0; i < PACKETS; i++)
			flow_write(&run.flows.flow[run.home_first[home] + i], run.flows.frames,
				   direction, 60, RTE_TCP_ACK_FLAG, mbuf[i]);
		nic_put(direction == 0 ? PORT_INSIDE : PORT_OUTSIDE, worker, mbuf, PACKETS);
	}
}

/* The first packets of new subscribers, at home. */
static void prepare_first(uint32_t worker)
{
	static uint32_t address = SUBSCRIBER_FIRST + (1 << 20);

	for (uint32_t i = 0; i < FIRST; i++) {
		struct flow flow = run.flows.flow[i];

		do
			flow.inside = rte_cpu_to_be_32(address++);
		while (home_of_subscriber(flow.inside) != worker);
		flow_write(&flow, run.flows.frames, 0, 60, RTE_TCP_SYN_FLAG, run.mbuf[worker][i]);
	}
	nic_put(PORT_INSIDE, worker, run.mbuf[worker], FIRST);
}

static void turn(uint32_t worker)
{
	while (nic_waiting(worker) > 0) {
		worker_turn(workers[worker], run.world.now_ms);
		rte_rcu_qsbr_quiescent(rcu, rte_lcore_id());
	}
}

/* Once as it is, once step by step. */
static int run_turns(void *context __rte_unused)
{
	uint32_t worker = rte_lcore_id(), packets = run.first ? FIRST : 2 * PACKETS;
	void (*next)(uint32_t worker) = run.first ? prepare_first : prepare;
	uint64_t before;

	next(worker);
	turn(worker);
	next(worker);
	before = workers[worker]->stats.verdict[VERDICT_TRANSLATED];
	trace.steps = 0;
	__writeeflags(__readeflags() | TRAP_FLAG);
	turn(worker);
	__writeeflags(__readeflags() & ~(unsigned long long)TRAP_FLAG);
	if (workers[worker]->stats.verdict[VERDICT_TRANSLATED] - before != packets)
		world_die("not every packet was translated");
	if (trace.steps == STEPS_MAX)
		world_die("more instructions than there is room for");
	return 0;
}

static void run_on(lcore_function_t *function, uint32_t worker)
{
	if (worker == 0) {
		function(NULL);
		return;
	}
	if (rte_eal_remote_launch(function, NULL, worker) != 0)
		world_die("an lcore is busy");
	rte_eal_wait_lcore(worker);
}

static void copy_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	if (maps == NULL)
		world_die("no /proc/self/maps");
	while (fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, " r-xp ") != NULL)
			printf("map %s", line);
	fclose(maps);
}

static void trace_steering(const char *name, uint8_t off_inside, uint8_t off_outside, FILE *file)
{
	run.off[0] = off_inside;
	run.off[1] = off_outside;
	for (uint32_t worker = 0; worker < WORKERS; worker++) {
		run_on(run_turns, worker);
		printf("segment %u %u %u %s\n", worker, run.first ? FIRST : 2 * PACKETS,
		       trace.steps, name);
		if (fwrite(trace.step, sizeof(trace.step[0]), trace.steps, file) != trace.steps)
			world_die("cannot write the trace");
	}
}

void bench_trace(const struct bench *bench)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	FILE *file = bench->trace != NULL ? fopen(bench->trace, "w") : NULL;

	if (bench->workers != WORKERS || file == NULL)
		world_die("a trace takes two CPUs and a file");
	trace.step = calloc(STEPS_MAX, sizeof(*trace.step));
	if (trace.step == NULL || sigaction(SIGTRAP, &action, NULL) != 0)
		world_die("cannot trace");
	world_setup(&run.world, bench->sessions * 4, WORKERS);
	flows_create(&run.flows, bench->sessions, bench->frames);
	flows_sort_by_home(&run.flows, run.home_first);
	for (uint32_t worker = 0; worker < WORKERS; worker++)
		run_on(open_flows, worker);
	copy_maps();
	trace_steering("right", 0, 0, file);
	trace_steering("wrong", 1, 1, file);
	trace_steering("return wrong", 0, 1, file);
	run.first = true;
	trace_steering("right, new subscribers", 0, 0, file);
	if (fclose(file) != 0)
		world_die("cannot write the trace");
}
