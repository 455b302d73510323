/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_FLOW_QUEUE_H
#define WEIR_SUPPORT_FLOW_QUEUE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#define QUEUE_SIZE 4096

/* Packets in the order they came. */
struct queue {
	uint32_t n;
	struct rte_mbuf *packet[QUEUE_SIZE];
};

static inline void queue_put(struct queue *queue, struct rte_mbuf *packet)
{
	if (queue->n == QUEUE_SIZE) {
		fprintf(stderr, "more packets than the fixture has room for\n");
		abort();
	}
	queue->packet[queue->n++] = packet;
}

/* The first packets, up to max. */
static inline uint32_t queue_take(struct queue *queue, struct rte_mbuf *packet[], uint32_t max)
{
	uint32_t n = RTE_MIN(queue->n, max);

	memcpy(packet, queue->packet, n * sizeof(*packet));
	queue->n -= n;
	memmove(queue->packet, queue->packet + n, queue->n * sizeof(*packet));
	return n;
}

static inline void queue_clear(struct queue *queue)
{
	rte_pktmbuf_free_bulk(queue->packet, queue->n);
	queue->n = 0;
}

#endif
