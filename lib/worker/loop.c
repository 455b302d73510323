/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "clock.h"
#include "loop.h"
#include "port.h"
#include "rcu.h"
#include "worker.h"

/* A worker that may sleep does so after this many turns without a packet, for so long. */
#define IDLE_TURNS    64
#define IDLE_SLEEP_NS 100000

/* Packets that are taken from a queue at once: each time costs a look at indices that another CPU,
 * or the NIC, has just written. */
#define RX_MAX 256

/* While there are bursts, queues are polled until there were so many: what else a turn does is
 * shared by more packets, and waits for some tens of microseconds at most. */
#define TURN_PACKETS 512

volatile bool loop_stop;

static uint32_t poll_ports(struct worker *worker)
{
	struct rte_mbuf *packet[RX_MAX];
	uint32_t found = 0;

	for (uint32_t i = 0; i < worker->queues; i++) {
		uint16_t n = rte_eth_rx_burst(worker->queue[i].port, worker->queue[i].queue, packet,
					      RX_MAX);

		if (n == 0)
			continue;
		worker->stats.received += n;
		pipeline_run(worker->pipeline, packet, n);
		found += n;
	}
	return found;
}

/* First packets that other workers got. */
static uint32_t poll_handover(struct worker *worker)
{
	struct rte_mbuf *packet[RX_MAX];
	uint32_t n = rte_ring_sc_dequeue_burst(worker->handover, (void **)packet, RX_MAX, NULL);

	if (n == 0)
		return 0;
	worker->stats.taken_over += n;
	pipeline_run(worker->pipeline, packet, n);
	return n;
}

/* Frames that the control thread made. */
static void poll_control(struct worker *worker)
{
	struct rte_mbuf *frame;

	while (rte_ring_sc_dequeue(worker->control, (void **)&frame) == 0)
		pipeline_transmit(worker->pipeline, frame, frame->port);
}

uint32_t worker_turn(struct worker *worker, uint64_t now_ms)
{
	uint32_t found = 0, n;

	pipeline_poll(worker->pipeline, now_ms);
	poll_control(worker);
	do {
		n = poll_ports(worker) + poll_handover(worker);
		found += n;
	} while (n >= BURST_MAX && found < TURN_PACKETS);
	return found;
}

int loop_run(void *context)
{
	static const struct timespec nap = {.tv_nsec = IDLE_SLEEP_NS};
	struct worker *worker = context;
	uint32_t idle = 0;

	rte_rcu_qsbr_thread_online(rcu, worker->lcore);
	while (!loop_stop) {
		uint64_t begin = rte_rdtsc();
		uint32_t found = worker_turn(worker, clock_ms());

		worker->stats.polls++;
		rte_rcu_qsbr_quiescent(rcu, worker->lcore);
		if (found > 0) {
			worker->stats.polls_busy++;
			worker->stats.cycles_busy += rte_rdtsc() - begin;
			idle = 0;
		} else if (worker->sleeps && ++idle > IDLE_TURNS) {
			nanosleep(&nap, NULL);
		}
	}
	rte_rcu_qsbr_thread_offline(rcu, worker->lcore);
	rte_rcu_qsbr_thread_unregister(rcu, worker->lcore);
	return 0;
}
