/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <numa.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "port.h"
#include "rcu.h"
#include "worker.h"

LOG_TYPE(worker);

struct worker *workers[WORKERS_MAX];

static struct rte_mempool *buffers_of[WORKERS_MAX];
static uint32_t workers_n;

/* rte_lcore_to_cpu_id() tells the core that has the lcore's number. */
int worker_cpu(unsigned int lcore)
{
	const rte_cpuset_t set = rte_lcore_cpuset(lcore);

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return -1;
}

/* The NUMA node of a worker's CPU; libnuma knows it without hugepages too. */
static int socket_of(unsigned int lcore)
{
	int cpu = worker_cpu(lcore);
	int node = numa_available() < 0 || cpu < 0 ? -1 : numa_node_of_cpu(cpu);

	return node < 0 || !rte_eal_has_hugepages() ? (int)rte_socket_id() : node;
}

static int create_rings(struct worker *worker)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "handover%u", worker->number);
	worker->handover = rte_ring_create(name, HANDOVER_RING_SIZE, worker->socket, RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "control%u", worker->number);
	worker->control = rte_ring_create(name, 1024, worker->socket, RING_F_SC_DEQ);
	return worker->handover == NULL || worker->control == NULL ? -ENOMEM : 0;
}

static int create(uint32_t number, uint32_t buffers, uint32_t room)
{
	unsigned int lcore = number + 1;
	int socket = socket_of(lcore);
	struct worker *worker =
		rte_zmalloc_socket("worker", sizeof(*worker), RTE_CACHE_LINE_SIZE, socket);
	char name[RTE_MEMPOOL_NAMESIZE];

	if (worker == NULL)
		return -ENOMEM;
	workers[number] = worker;
	worker->number = (uint8_t)number;
	worker->lcore = lcore;
	worker->socket = socket;
	worker_stats[number] = &worker->stats;
	snprintf(name, sizeof(name), "buffers%u", number);
	worker->buffers = rte_pktmbuf_pool_create(name, buffers, 256, 0, (uint16_t)room, socket);
	buffers_of[number] = worker->buffers;
	return worker->buffers == NULL ? -ENOMEM : create_rings(worker);
}

int workers_create(uint32_t n, uint32_t buffers, uint32_t mtu)
{
	/* a frame fits into one buffer: Ethernet with a tag and FCS around the largest packet */
	uint32_t room =
		RTE_MAX(mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 4u + RTE_PKTMBUF_HEADROOM,
			(uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE);

	workers_n = n;
	for (uint32_t i = 0; i < n; i++) {
		int error = create(i, buffers, RTE_ALIGN_CEIL(room, 64));

		if (error != 0) {
			LOG(ERR,
			    "no memory for %u packet buffers of worker %u; set eal.memory, or "
			    "lower workers.buffers",
			    buffers, i);
			return error;
		}
	}
	return 0;
}

struct rte_mempool *const *workers_buffers(void)
{
	return buffers_of;
}

/* The queues that a worker polls; says so when a port is on another NUMA node. */
static void assign_queues(struct worker *worker)
{
	for (uint16_t id = 0; id < IFACES_MAX; id++) {
		int socket = ports[id].rx_queues > 0 ? rte_eth_dev_socket_id(id) : -1;

		for (uint16_t queue = 0; queue < ports[id].rx_queues; queue++) {
			if (port_poller(id, queue, workers_n) != worker->number)
				continue;
			worker->queue[worker->queues].port = id;
			worker->queue[worker->queues++].queue = queue;
		}
		if (socket >= 0 && socket != worker->socket)
			LOG(WARNING, "interface %s is on NUMA node %d, worker %u on node %d",
			    ifaces[id].name, socket, worker->number, worker->socket);
	}
}

static uint16_t transmit(void *context, uint16_t id, struct rte_mbuf *frame[], uint16_t n)
{
	const struct worker *worker = context;
	struct port *port = &ports[id];
	uint16_t queue = (uint16_t)(worker->number % port->tx_queues);
	uint16_t sent;

	if (likely(!port->shared_tx))
		return rte_eth_tx_burst(id, queue, frame, n);
	rte_spinlock_lock(&port->tx_lock[queue]);
	sent = rte_eth_tx_burst(id, queue, frame, n);
	rte_spinlock_unlock(&port->tx_lock[queue]);
	return sent;
}

static bool hand_over(void *context __rte_unused, uint8_t home, struct rte_mbuf *packet)
{
	return rte_ring_mp_enqueue(workers[home]->handover, packet) == 0;
}

/* Anybody can send many of these: they leave half of the ring to first packets. */
static bool hand_over_fragment(void *context, uint8_t worker, struct rte_mbuf *packet)
{
	return rte_ring_free_count(workers[worker]->handover) > HANDOVER_RING_SIZE / 2 &&
	       hand_over(context, worker, packet);
}

int workers_setup(const struct icmp_config *icmp, bool sleep)
{
	for (uint32_t i = 0; i < workers_n; i++) {
		struct worker *worker = workers[i];

		worker->sleeps = sleep;
		assign_queues(worker);
		worker->nat = nat_create(worker->number, &worker->stats, worker->socket);
		if (worker->nat == NULL)
			goto no_memory;
		nats[i] = worker->nat;
		worker->pipeline = pipeline_create(&(struct pipeline_config){
			.worker = worker->number,
			.nat = worker->nat,
			.stats = &worker->stats,
			.buffers = worker->buffers,
			.icmp = icmp,
			.socket = worker->socket,
			.transmit = transmit,
			.hand_over = hand_over,
			.hand_over_fragment = hand_over_fragment,
			.context = worker,
		});
		if (worker->pipeline == NULL)
			goto no_memory;
	}
	return 0;

no_memory:
	LOG(ERR, "no memory for the sessions; set eal.memory, or lower limits.max-sessions");
	return -ENOMEM;
}

int workers_launch(void)
{
	loop_stop = false;
	for (uint32_t i = 0; i < workers_n; i++) {
		int error = rte_rcu_qsbr_thread_register(rcu, workers[i]->lcore);

		if (error == 0)
			error = rte_eal_remote_launch(loop_run, workers[i], workers[i]->lcore);
		if (error != 0) {
			LOG(ERR, "cannot start worker %u on lcore %u", i, workers[i]->lcore);
			return error;
		}
	}
	return 0;
}

void workers_stop(void)
{
	loop_stop = true;
	for (uint32_t i = 0; i < workers_n; i++)
		if (workers[i] != NULL)
			rte_eal_wait_lcore(workers[i]->lcore);
}

static void drain(struct rte_ring *ring)
{
	void *frame;

	while (ring != NULL && rte_ring_dequeue(ring, &frame) == 0)
		rte_pktmbuf_free(frame);
	rte_ring_free(ring);
}

void workers_destroy(void)
{
	for (uint32_t i = 0; i < workers_n; i++) {
		struct worker *worker = workers[i];

		if (worker == NULL)
			continue;
		drain(worker->handover);
		drain(worker->control);
		pipeline_destroy(worker->pipeline);
		nat_destroy(worker->nat);
		nats[i] = NULL;
	}
	for (uint32_t i = 0; i < workers_n; i++) { /* buffers go from one to the other */
		if (workers[i] == NULL)
			continue;
		rte_mempool_free(workers[i]->buffers);
		worker_stats[i] = NULL;
		buffers_of[i] = NULL;
		rte_free(workers[i]);
		workers[i] = NULL;
	}
	workers_n = 0;
}

void workers_transmit(struct rte_mbuf *frame, uint16_t port)
{
	frame->port = port;
	if (workers[0] == NULL || rte_ring_enqueue(workers[0]->control, frame) != 0)
		rte_pktmbuf_free(frame);
}
