/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "home.h"
#include "pipeline.h"
#include "worker_config.h"

/*
 * The workers: one poll loop an lcore. Worker i runs on lcore i + 1 and polls its RX queue of every
 * port, its own ring (first packets and fragments that other workers were given), and, worker 0,
 * what the control thread sends. It sleeps when idle only if it may (workers.idle).
 */

/* Packets that wait for their home in its ring; more are refused (VERDICT_HANDOVER_FULL). */
#define HANDOVER_RING_SIZE 4096

struct worker {
	uint8_t number;
	bool sleeps;
	unsigned int lcore;
	int socket;
	struct rte_mempool *buffers;
	struct rte_ring *handover; /* many workers put, the worker takes */
	struct rte_ring *control;  /* the control thread puts; worker 0 only */
	struct stats stats;
	struct nat *nat;
	struct pipeline *pipeline;
	uint32_t queues;
	struct {
		uint16_t port, queue;
	} queue[IFACES_MAX];
} __rte_cache_aligned;

/* By number; NULL past the last. */
extern struct worker *workers[WORKERS_MAX];

/* The CPU that an lcore was given, its lowest where there are several; -1: none. Any thread. */
int worker_cpu(unsigned int lcore);

/* ---- control thread, in this order ---- */

/*
 * Makes the workers: packet buffers, rings. `buffers` a worker, each with room for frames of `mtu`
 * IP bytes. 0, or -errno after a line in the log.
 */
int workers_create(uint32_t n, uint32_t buffers, uint32_t mtu);

/* The mempools by worker: for port_start(). */
struct rte_mempool *const *workers_buffers(void);

/* Gives each worker its queues, its state and its pipeline: after ports, pools and limits. */
int workers_setup(const struct icmp_config *icmp, bool sleep);

/* Starts the loops. 0, or -errno. */
int workers_launch(void);
/* Ends the loops and waits for them. */
void workers_stop(void);
/* Frees them, and every packet that waits. */
void workers_destroy(void);

/* ---- control thread, while they run ---- */

/* Sends a frame on a port, by worker 0, and takes it over. */
void workers_transmit(struct rte_mbuf *frame, uint16_t port);

/* ---- for a test that has no ports ---- */

/* One turn of a worker's loop, some bursts while there are: how many packets it found. The caller
 * is the worker. */
uint32_t worker_turn(struct worker *worker, uint64_t now_ms);

#endif
