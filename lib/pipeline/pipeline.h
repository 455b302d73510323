/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "icmp.h"
#include "nat.h"
#include "route.h"
#include "stats.h"

/*
 * A packet's walk, from a burst of received frames to frames sent. One a worker, used by it alone.
 * The edges are calls, so that a test runs the very same walk between ports of its own.
 */

#define BURST_MAX 64 /* packets that walk together */

struct pipeline;

struct pipeline_config {
	uint8_t worker;
	struct nat *nat; /* the worker's own */
	struct stats *stats;
	struct rte_mempool *buffers; /* for answers and fragments */
	const struct icmp_config *icmp;
	int socket;
	/* Sends up to n frames on a port and takes them over: how many it took. */
	uint16_t (*transmit)(void *context, uint16_t port, struct rte_mbuf *frame[], uint16_t n);
	/* Gives a packet, as it came, to its home worker: false when that one's ring is full. */
	bool (*hand_over)(void *context, uint8_t home, struct rte_mbuf *packet);
	/* The same for a fragment that goes where its datagram's fragments meet: false a good deal
	 * earlier, so that a flood of fragments leaves room for first packets. */
	bool (*hand_over_fragment)(void *context, uint8_t worker, struct rte_mbuf *packet);
	void *context;
};

/* Control thread. NULL: out of memory. */
struct pipeline *pipeline_create(const struct pipeline_config *config);
/* Frees the packets that wait in it. */
void pipeline_destroy(struct pipeline *pipeline);

struct icmp_limiter *pipeline_limiter(struct pipeline *pipeline);

/* ---- the worker ---- */

/* First in every loop: expiry, packets that waited for a neighbour. Sets the time. */
void pipeline_poll(struct pipeline *pipeline, uint64_t now_ms);

/*
 * Takes n packets, each with mbuf->port set to the port it came in by, through the walk, BURST_MAX
 * at a time. They are not the caller's afterwards. Does not count them as received.
 */
void pipeline_run(struct pipeline *pipeline, struct rte_mbuf *packet[], uint32_t n);

/* Sends a frame that the control thread made, and takes it over. */
void pipeline_transmit(struct pipeline *pipeline, struct rte_mbuf *frame, uint16_t port);

#endif
