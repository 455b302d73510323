/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BENCH_WORLD_H
#define WEIR_BENCH_WORLD_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "nat.h"
#include "pipeline.h"
#include "stats.h"

/*
 * A whole weir of one worker in this process, with two interfaces that are not there: what it
 * sends is left to its owner, what it receives the bench writes into memory.
 *
 * Subscribers are behind one router inside, the Internet behind one outside, as at an ISP. The
 * population is that of FD.io CSIT: SUBSCRIBER_SESSIONS sessions a subscriber, each from a port of
 * its own, and as many subscribers as it takes. With blocks of 64 ports each subscriber has one.
 */
#define SUBSCRIBER_SESSIONS 63
#define BLOCK_SIZE          64

enum { PORT_INSIDE, PORT_OUTSIDE };

struct world {
	struct rte_mempool *buffers;
	struct nat *nat;
	struct pipeline *pipeline;
	struct stats stats;
	uint64_t now_ms; /* the time that weir sees */
	double setup_ms; /* what nat_create() took */
	uint64_t memory_before;
};

/* Starts EAL on one CPU (with hugepages or without, then with `megabytes`), and what weir starts
 * once a process. Ends the process when that fails. */
void world_start_eal(bool hugepages, uint32_t megabytes, int cpu);

/* The world, with room for `sessions` sessions. Ends the process when that fails. */
void world_setup(struct world *world, uint32_t sessions);

/* What a worker does each turn besides packets. */
void world_poll(struct world *world);

/* The process's memory: bytes of its own pages and of hugepages. */
uint64_t world_memory(void);

_Noreturn void world_die(const char *what);

#endif
