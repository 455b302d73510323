/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BENCH_WORLD_H
#define WEIR_BENCH_WORLD_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "worker.h"

/*
 * A whole weir in this process: real workers, with their rings and tables, between two interfaces
 * that are not there (nic.h). What they receive the bench writes into memory, what they send is
 * left to its owner. Worker i runs on lcore i; with one worker, that is the main lcore.
 *
 * Subscribers are behind one router inside, the Internet behind one outside, as at an ISP. The
 * population is that of FD.io CSIT: SUBSCRIBER_SESSIONS sessions a subscriber, each from a port of
 * its own, and as many subscribers as it takes. With blocks of 64 ports each subscriber has one.
 */
#define SUBSCRIBER_SESSIONS 63
#define BLOCK_SIZE          64

enum { PORT_INSIDE, PORT_OUTSIDE };

struct world {
	uint64_t now_ms; /* the time that weir sees */
	uint64_t memory_before;
};

struct world_eal {
	const char *cpus;   /* "1", "1,0": an lcore each */
	uint32_t megabytes; /* 0: hugepages, as many as it takes */
};

/* Starts EAL, and what weir starts once a process. Ends the process when that fails. */
void world_start_eal(const struct world_eal *eal);

/* The world, with room for `sessions` sessions. Ends the process when that fails. */
void world_setup(struct world *world, uint32_t sessions, uint32_t workers_n);

/* What a worker does each turn besides packets; its lcore. */
void world_poll(const struct world *world, struct worker *worker);

/* A worker's lcore begins or ends to use what is freed in RCU. */
void world_begin_lcore(void);
void world_end_lcore(void);

/* The process's memory: bytes of its own pages and of hugepages. */
uint64_t world_memory(void);

_Noreturn void world_die(const char *what);

#endif
