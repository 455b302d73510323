/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "config.h"
#include "random.h"

/*
 * Pools, public addresses, port blocks, and the ports inside a block.
 *
 * pool -> public address -> block -> port. A subscriber is paired with one public address and takes
 * blocks on it; a port is picked unpredictably inside a block (RFC 6056). A block is the unit of
 * logging and of ownership: it belongs to one worker (the home of the subscriber that holds it)
 * from take to release. This module knows no NAT: a holder is an opaque pointer.
 *
 * Who may call: block_take() any worker, any time, lock-free (one compare-and-swap on the address's
 * bitmap of free blocks). Everything else on a block: only the worker that holds it. A released
 * block rests for the pool's port-reuse-timeout (RFC 6888 REQ-8) in the releasing worker's queue,
 * and pool_poll() by that worker puts it back. Readers (pool_home, counters): any thread.
 */

/* Protocols with ports of their own; other protocols have none. */
enum port_protocol { PORT_TCP, PORT_UDP, PORT_ICMP, PORT_PROTOCOLS };

/* The configuration of one pool: an element of the "pools" list. */
struct pool_config {
	char *name;
	struct config_prefixes addresses;
	struct config_prefixes excluded_addresses;
	struct config_range port_range;
	uint32_t block_size; /* ports; a power of two, 64 to 32768 */
	uint32_t max_blocks_per_subscriber;
	uint32_t port_reuse_timeout; /* seconds that a released block rests */
	uint32_t block_idle_timeout; /* seconds that an unused block stays with its subscriber */
};

extern const struct config_section pool_config_section;

/* A block of ports on one public address. Fields: the holder's worker writes; others read. */
struct block {
	struct pool_address *address;
	void *holder;        /* the subscriber, opaque here */
	struct block *next;  /* for the holder: its list of blocks */
	uint64_t since_ms;   /* taken at; while resting: released at */
	uint16_t first_port; /* host order */
	uint16_t used[PORT_PROTOCOLS];
	uint32_t idle_since; /* for the holder: seconds, when the last port was given back */
	bool idle_queued;    /* for the holder */
	uint64_t *bitmap[PORT_PROTOCOLS]; /* block_size bits each; 1: in use */
	struct block *resting_next;       /* this module's */
};

struct pool;

struct pool_address {
	struct pool *pool;
	rte_be32_t address;
	struct block *block;   /* the address's blocks, by number */
	uint32_t subscribers;  /* paired with it; atomic, relaxed */
	uint32_t blocks_taken; /* atomic, relaxed: taken or resting */
	/* ... the bitmap of free blocks, private to pool/ */
	uint64_t *free;
};

struct pool {
	char *name;
	struct pool_address *address; /* sorted by address */
	uint32_t addresses;
	uint32_t blocks_per_address;
	struct pool_config config; /* as given; owned by the pool */
};

/* ---- control thread ---- */

/*
 * Makes the pools of a checked configuration for `workers` workers. 0, or -errno. Addresses
 * outside port_range and excluded ones get no blocks. Memory: one allocation a pool for blocks and
 * one for bitmaps, NUMA-agnostic.
 */
int pools_setup(const struct pool_config *config, uint32_t n, uint32_t workers);
void pools_teardown(void);
/* What a config must hold beyond its rows: overlap between pools, an address twice, a block size
 * that is no power of two, a port range with no whole block. 0, or -EINVAL with `error` set. */
int pools_check(const struct pool_config *config, uint32_t n, struct config_error *error);

/* ---- any thread ---- */

uint32_t pools_count(void);
struct pool *pool_get(uint32_t i);
struct pool *pool_by_name(const char *name);

/* The pool address, or NULL when no pool has it. A few ranges are compared: cheap on the path. */
struct pool_address *pool_address_find(rte_be32_t address);

/* The block that covers a public port (host order), taken or not; NULL: no block covers it. */
struct block *pool_address_block(struct pool_address *address, uint16_t port);

/* The worker that holds the block, or -1: free or resting. One byte, read relaxed. */
int block_home(const struct block *block);

/* Ports in use over all the pool's blocks by protocol, and blocks by state: for `show`. */
struct pool_usage {
	uint64_t ports_used[PORT_PROTOCOLS];
	uint64_t ports_total; /* per protocol */
	uint32_t blocks_total, blocks_taken, blocks_resting;
	uint32_t subscribers;
};
void pool_usage(const struct pool *pool, struct pool_usage *usage);

/* ---- any worker ---- */

/*
 * Chooses a public address for a new subscriber: unpredictable, among those with a free block,
 * those with fewer subscribers preferred (the better of two random picks; a full scan from a random
 * start before it says there is none). `prefer` may be NULL: a filter for addresses whose traffic
 * is steered to the caller; addresses it refuses are taken only when no other is left.
 * Adds one to its subscribers. NULL: no address has a free block.
 */
struct pool_address *pool_address_choose(struct pool *pool, struct random *random,
					 bool (*prefer)(rte_be32_t address, uint32_t worker),
					 uint32_t worker);
/* The subscriber left: takes one from its subscribers. */
void pool_address_leave(struct pool_address *address);

/*
 * Takes a free block of the address for `worker`: an unpredictable one. NULL: none is free.
 * The block comes with no port in use.
 */
struct block *block_take(struct pool_address *address, uint32_t worker, void *holder,
			 struct random *random, uint64_t now_ms);

/* ---- the worker that holds the block ---- */

/* The block rests, then is free. No port of it may be in use. */
void block_release(struct block *block, uint32_t worker, uint64_t now_ms);

/* Takes an unpredictable free port, uniform over the free ones. Host order; -1: none is free. */
int32_t port_take(struct block *block, enum port_protocol protocol, struct random *random);
void port_give(struct block *block, enum port_protocol protocol, uint16_t port);
/* Takes this very port: false when it is in use. */
bool port_take_exact(struct block *block, enum port_protocol protocol, uint16_t port);

/* Any worker may read, relaxed: whether the port is in use. A cheap refusal of unsolicited packets.
 */
bool port_in_use(const struct block *block, enum port_protocol protocol, uint16_t port);

/* Puts rested blocks back: call once a second or so, each worker its own. Bounded work a call. */
void pool_poll(uint32_t worker, uint64_t now_ms);

#endif
