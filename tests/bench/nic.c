/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ethdev.h>

#include "nic.h"
#include "port.h"
#include "world.h"

#define PORTS 2

struct queue {
	struct rte_mbuf *const *frame;
	uint32_t n;
} __rte_cache_aligned;

static struct queue queues[PORTS][WORKERS_MAX];
static void *data[PORTS][RTE_MAX_QUEUES_PER_PORT];
static void *no_callbacks[RTE_MAX_QUEUES_PER_PORT];

static uint16_t receive(void *context, struct rte_mbuf **frame, uint16_t room)
{
	struct queue *queue = context;
	uint16_t n = (uint16_t)RTE_MIN(queue->n, (uint32_t)room);

	for (uint16_t i = 0; i < n; i++)
		frame[i] = queue->frame[i];
	queue->frame += n;
	queue->n -= n;
	return n;
}

static uint16_t transmit(void *queue __rte_unused, struct rte_mbuf **frame __rte_unused, uint16_t n)
{
	return n;
}

void nic_setup(uint32_t workers_n)
{
	for (uint16_t port = 0; port < PORTS; port++) {
		for (uint32_t i = 0; i < workers_n; i++) {
			struct worker *worker = workers[i];

			data[port][i] = &queues[port][i];
			worker->queue[worker->queues].port = port;
			worker->queue[worker->queues++].queue = (uint16_t)i;
		}
		ports[port] = (struct port){.id = port,
					    .rx_queues = (uint16_t)workers_n,
					    .tx_queues = (uint16_t)workers_n};
		rte_eth_fp_ops[port] = (struct rte_eth_fp_ops){
			.rx_pkt_burst = receive,
			.rxq = {.data = data[port], .clbk = no_callbacks},
			.tx_pkt_burst = transmit,
			.txq = {.data = data[port], .clbk = no_callbacks},
		};
	}
}

void nic_put(uint16_t port, uint32_t worker, struct rte_mbuf *const frame[], uint32_t n)
{
	queues[port][worker].frame = frame;
	queues[port][worker].n = n;
}

uint32_t nic_waiting(uint32_t worker)
{
	return queues[PORT_INSIDE][worker].n + queues[PORT_OUTSIDE][worker].n;
}
