/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "config.h"
#include "random.h"
#include "timeouts.h"

/*
 * Pools, public addresses, port blocks, and the ports inside a block.
 *
 * pool -> public address -> block -> port. A subscriber is paired with one public address and takes
 * blocks on it; a port is picked unpredictably inside a block (RFC 6056). A block is the unit of
 * logging and of ownership: it belongs to one worker (the home of the subscriber that holds it)
 * from take to release. This module knows no NAT: a holder is an opaque pointer.
 *
 * Who may call: block_take() any worker, any time, lock-free (one atomic operation on the address's
 * bitmap of free blocks). Everything else on a block: only the worker that holds it. A released
 * block rests for the pool's port-reuse-timeout (RFC 6888 REQ-8) in the releasing worker's queue,
 * and pool_poll() by that worker puts it back. Homes and counters: any thread reads.
 *
 * An address's blocks lie side by side from the first port of port-range, which need not be a
 * multiple of the block size; ports at its end that do not fill a block are not used. In a
 * deterministic pool (deterministic.h) the first of them have computed holders, and block_take()
 * gives the others only.
 *
 * What workers look pools and addresses up in is an immutable snapshot that the control thread
 * replaces (change.c). Whoever found an address in it may use it until its next quiescent state; a
 * subscriber paired with it, and a block on it, keep it for longer. An address that the
 * configuration no longer has drains: it is not found, chosen or given blocks any more, its holders
 * let go of it, and after a grace period its memory is free (drain.c). One that comes back, in
 * whatever pool, is a new record meanwhile, which gets the blocks as the old one has them back: so
 * a port is never two sessions', and ports that rest go on resting.
 */

/* Protocols with ports of their own; other protocols have none. */
enum port_protocol { PORT_TCP, PORT_UDP, PORT_ICMP, PORT_PROTOCOLS };

/*
 * How much of the remote endpoint matters: to a mapping, as it decides whether the next session
 * uses it too (RFC 4787 section 4.1); to a filter, as it decides who may send inside (section 5).
 */
enum dependence { ENDPOINT_INDEPENDENT, ADDRESS_DEPENDENT, ADDRESS_AND_PORT_DEPENDENT };
enum pooling { POOLING_PAIRED, POOLING_SOFT };
enum allocation { ALLOCATION_DYNAMIC, ALLOCATION_DETERMINISTIC };
#define DEPENDENCE_OF_POOL 0 /* an override that is none; others are the dependence + 1 */

#define BLOCK_SIZE_MIN 64
#define BLOCK_SIZE_MAX 32768

#define LOW_PORTS 1024 /* RFC 4787 REQ-3 a: below are the well-known ports */

/* The configuration of one pool: an element of the "pools" list. */
struct pool_config {
	char *name;
	struct config_prefixes addresses;
	struct config_prefixes excluded_addresses;
	uint32_t allocation; /* enum allocation; the next three are for deterministic only */
	struct config_prefixes inside;
	uint32_t realm;           /* of the inside addresses */
	uint32_t overflow_blocks; /* of each address: dynamic ones */
	struct config_range port_range;
	uint32_t block_size; /* ports; a power of two, 64 to 32768 */
	uint32_t max_blocks_per_subscriber;
	uint32_t port_reuse_timeout; /* seconds that a released block rests */
	uint32_t block_idle_timeout; /* seconds that an unused block stays with its subscriber */
	uint32_t mapping, filtering; /* enum dependence */
	/* by protocol, where they differ: DEPENDENCE_OF_POOL, or enum dependence + 1 */
	uint32_t mapping_of[PORT_PROTOCOLS], filtering_of[PORT_ICMP];
	bool other_protocols;     /* those without ports: by address alone */
	struct timeouts timeouts; /* 0: as for all */
	uint32_t address_pooling; /* enum pooling */
	bool port_overloading;
	bool port_parity, keep_port_range;
	/* of one subscriber, in all and by protocol; 0: no limit */
	uint32_t max_ports, max_ports_of[PORT_PROTOCOLS];
	/* of one subscriber; 0: as `limits` says */
	uint32_t max_sessions, session_rate;
	uint32_t max_resting_ports; /* of the pool and each protocol; 0: no limit */
};

extern const struct config_section pool_config_section;

/*
 * A block of ports on one public address. The first group is set once. The second is the holder's,
 * to read and write as it likes. The third is written by the holder's worker through port_take()
 * and its like; others read it relaxed.
 */
struct block {
	struct pool_address *address;
	uint64_t *bitmap;    /* PORT_PROTOCOLS times `ports` bits; 1: in use */
	uint16_t ports;      /* of each protocol */
	uint16_t first_port; /* host order */
	uint16_t number;     /* among the address's blocks */

	/* of `ports`, neither free nor in use: others', which the holder must not get */
	uint16_t reserved[PORT_PROTOCOLS];
	uint32_t idle_since; /* seconds, when the last port was given back */
	void *holder;        /* the subscriber, opaque here */
	struct block *next;  /* the holder's list of blocks; while resting, the queue */

	uint64_t since_ms; /* taken at; while resting: released at */
	uint16_t used[PORT_PROTOCOLS];
	uint16_t overloaded; /* users of ports beyond the first of each; relaxed */
} __rte_cache_aligned;

static_assert(sizeof(struct block) == RTE_CACHE_LINE_SIZE, "a block is one cache line");

struct pool;
struct deterministic;

/* What of an address is mapped statically: no subscriber is paired with a whole one. */
enum { POOL_STATIC_NONE, POOL_STATIC_PORTS, POOL_STATIC_WHOLE };

struct pool_address {
	struct pool *pool;
	struct block *block; /* the address's blocks, by number */
	uint8_t *home;       /* by block number: worker + 1 that holds it, 0 nobody; relaxed */
	uint64_t *free;      /* by block number: 1: free; atomic */
	uint16_t *sharers;   /* by block, protocol, port: users beyond the first; NULL: never */
	struct span *span;   /* the memory that this record lies in */
	rte_be32_t address;
	uint32_t subscribers;  /* paired with it; atomic, relaxed */
	uint32_t blocks_taken; /* atomic, relaxed: held or resting */
	/* atomic, relaxed: set by the control thread */
	uint16_t blocks_closed; /* neither free nor taken: still those of the record before */
	uint8_t statics;        /* POOL_STATIC_... */
	bool drains;            /* the configuration no longer has it */
} __rte_cache_aligned;

static_assert(sizeof(struct pool_address) == RTE_CACHE_LINE_SIZE, "an address is one cache line");

/* The addresses of a pool that new subscribers get: sorted. */
struct pool_choice {
	uint32_t n;
	struct pool_address *address[];
};

/* Blocks that one worker released, the longest resting first. */
struct resting {
	struct block *first, *last;
	uint32_t n; /* others read it relaxed */
} __rte_cache_aligned;

struct pool {
	char *name;
	uint16_t id; /* among all pools that there are; another's once this is freed */
	uint32_t blocks_per_address;
	uint32_t computed_blocks;       /* of them, the first: their holders are computed */
	uint32_t block_shift;           /* block_size is 1 << block_shift */
	uint32_t low_blocks;            /* of an address: those below port 1024 */
	bool overloads[PORT_PROTOCOLS]; /* RFC 7857 section 3 */
	/* Single fields may change while workers run, but for the sizes. Without the lists and the
	 * name. */
	struct pool_config config;
	/* enum dependence, overrides taken in; likewise */
	uint8_t mapping[PORT_PROTOCOLS], filtering[PORT_PROTOCOLS];
	struct pool_choice *choice;          /* replaced as a whole, RCU */
	struct deterministic *deterministic; /* likewise; NULL: the pool is dynamic */
	struct resting *resting;             /* by worker */
	uint32_t blocks_total;       /* of all addresses, those that drain too; atomic, relaxed */
	uint32_t addresses_draining; /* the control thread's */
	/* blocks of all addresses held or resting; atomic, relaxed */
	uint32_t blocks_taken __rte_cache_aligned;
	/* when a search of all addresses found none with a free block, and how many were taken;
	 * likewise */
	uint32_t none_taken;
	uint64_t none_ms;
	uint64_t refused; /* packets for which it had no port; atomic, relaxed */
};

/* ---- control thread ---- */

/*
 * Makes the pools of a checked configuration for `workers` workers. 0, -ENOMEM, or -EINVAL: more
 * workers than a byte can name. Excluded addresses are not in a pool at all. The configuration may
 * be freed afterwards.
 */
int pools_setup(const struct pool_config *config, uint32_t n, uint32_t workers);
/* No worker may use a block any more. */
void pools_teardown(void);

/*
 * Another configuration while workers run, in steps, so that rules and static mappings change with
 * it and nothing is half applied. Pools are known by name. Addresses that a pool has before and
 * after stay as they are, with all that is on them.
 *
 *	pools_prepare()  checks and allocates; nothing is changed
 *	pools_begin()    new addresses and pools are there, beside the old ones
 *	                 ... rules and static mappings name the new pools, and no packet uses old
 *ones pools_finish()   what is no more drains
 *
 * or pools_abort() after the first. A pool's sizes (block-size, port-range) and whether it
 * overloads ports are for good, and so is whom a deterministic pool serves where; but it may serve
 * more. With others it counts as another pool, and all its sessions end.
 */
struct pools_change;
/* -ENOMEM with nothing changed. */
int pools_prepare(const struct pool_config *config, uint32_t n, struct pools_change **change);
/* The pool of a name, or the first, as they will be; NULL: there is none. `change` NULL: as they
 * are. */
struct pool *pools_change_named(const struct pools_change *change, const char *name);
/* The address as it will be, or NULL; likewise. */
struct pool_address *pools_change_find(const struct pools_change *change, rte_be32_t address);
/* Each address that a pool has from now on, and did not have before. */
void pools_change_added(const struct pools_change *change, void (*each)(rte_be32_t address));
void pools_begin(struct pools_change *change);
void pools_finish(struct pools_change *change);
void pools_abort(struct pools_change *change);

/*
 * What of a running pool, by its name, cannot change: its sizes, and whether it overloads ports. 0,
 * or -EINVAL with `error` set.
 */
int pools_check_change(const struct pool_config *before, uint32_t before_n,
		       const struct pool_config *after, uint32_t n, struct config_error *error);

/* Now and then: lets go of what has drained. Never waits. */
void pools_drain(void);
/*
 * What a config must hold beyond its rows: a name or an address given twice, addresses that no host
 * can have, an exclusion of what is not there, a block size that is no power of two, a port range
 * without a whole block. 0, or -EINVAL with `error` set, or -ENOMEM.
 */
int pools_check(const struct pool_config *config, uint32_t n, struct config_error *error);

/* ---- any thread ---- */

/* enum dependence of a protocol, its override taken in. */
uint8_t pool_mapping(const struct pool_config *config, enum port_protocol protocol);
uint8_t pool_filtering(const struct pool_config *config, enum port_protocol protocol);
/* Whether any pool has timeouts of its own. */
bool pools_have_timeouts(void);
/* Whether the same public port may serve several remote endpoints. */
bool pool_overloads(const struct pool_config *config, enum port_protocol protocol);
/* Whether any pool filters a protocol so. */
bool pools_filter_by(enum dependence dependence);

/* "address-dependent", "deterministic" */
extern const char *const dependence_names[], *const allocation_names[];

uint32_t pools_count(void);
uint32_t pools_workers(void);
/* NULL past the last. */
struct pool *pool_get(uint32_t i);
struct pool *pool_by_name(const char *name);

/* The addresses that new subscribers get, sorted. NULL past the last. */
uint32_t pool_addresses(const struct pool *pool);
struct pool_address *pool_address_get(const struct pool *pool, uint32_t i);

/* That of this pool with the address, or NULL. */
struct pool_address *pool_address_in(const struct pool *pool, rte_be32_t address);

/* The pool address, or NULL when no pool has it. A few ranges are compared: cheap on the path. */
struct pool_address *pool_address_find(rte_be32_t address);

/* Whether subscribers may have new sessions on it: the configuration has it, and not all of it for
 * one server. */
static inline bool pool_address_serves(const struct pool_address *address)
{
	return !__atomic_load_n(&address->drains, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&address->statics, __ATOMIC_RELAXED) != POOL_STATIC_WHOLE;
}

/* POOL_STATIC_... */
static inline uint8_t pool_address_statics(const struct pool_address *address)
{
	return __atomic_load_n(&address->statics, __ATOMIC_RELAXED);
}

/* The block that covers a public port (host order), taken or not; NULL: no block covers it. */
struct block *pool_address_block(struct pool_address *address, uint16_t port);

/* Whether only one subscriber may hold it, who is computed. */
static inline bool block_is_computed(const struct block *block)
{
	return block->number < block->address->pool->computed_blocks;
}

/* The worker that holds the block that covers the port (host order), or -1: nobody holds it, or no
 * block covers it. Reads one byte, and never the block. */
int pool_address_home(const struct pool_address *address, uint16_t port);
/* The same of a block. */
int block_home(const struct block *block);

/* Ports in use over all the pool's blocks by protocol, and blocks by state, those of addresses that
 * drain too: for `show`. Control thread; while workers run, the figures are of slightly different
 * moments. */
struct pool_usage {
	uint64_t ports_used[PORT_PROTOCOLS];
	uint64_t ports_total; /* per protocol */
	uint64_t overloaded;  /* users of ports beyond the first of each */
	uint32_t blocks_total, blocks_taken, blocks_resting;
	uint32_t subscribers;
	uint32_t addresses, addresses_draining;
};
void pool_usage(const struct pool *pool, struct pool_usage *usage);

/* ---- any worker ---- */

/*
 * Chooses a public address for a new subscriber: unpredictable, among those with a free block,
 * the one with fewer subscribers of two random picks; every address is looked at before it says
 * there is none, which it then says for SEARCH_AGAIN_MS while as many blocks are taken. `prefer`
 * may be NULL: a filter for addresses whose traffic is steered to the caller; addresses it refuses
 * are taken only when no other has a block. Adds one to the address's subscribers. NULL: no address
 * has a free block. (Another worker may take the last block before the caller does: then leave, and
 * choose again.)
 */
#define SEARCH_AGAIN_MS 10
struct pool_address *pool_address_choose(struct pool *pool, struct random *random,
					 bool (*prefer)(rte_be32_t address, uint32_t worker),
					 uint32_t worker, uint64_t now_ms);
/* A subscriber more of an address that was not chosen. */
void pool_address_join(struct pool_address *address);
/* The subscriber left: takes one from its subscribers. */
void pool_address_leave(struct pool_address *address);

/*
 * Takes a free block of the address for `worker`: an unpredictable one. NULL: none is free.
 * The block comes with no port in use.
 */
struct block *block_take(struct pool_address *address, uint32_t worker, void *holder,
			 struct random *random, uint64_t now_ms);

/* The same among the blocks whose numbers are first to end - 1. */
struct block *block_take_among(struct pool_address *address, uint32_t first, uint32_t end,
			       uint32_t worker, void *holder, struct random *random,
			       uint64_t now_ms);

/* Takes this very block, for the subscriber that is computed. NULL: it is held, or its address
 * drains, or it is still that of somebody before a reload. */
struct block *block_take_computed(struct block *block, uint32_t worker, void *holder,
				  uint64_t now_ms);

/* ---- the worker that holds the block ---- */

/* The block rests, then is free. A computed one does not rest: it is the same subscriber's again.
 * No port of it may be in use, and it is in no list of its holder. `now_ms` never goes back on one
 * worker. */
void block_release(struct block *block, uint32_t worker, uint64_t now_ms);

/* Takes an unpredictable free port, uniform over the free ones. Host order; -1: none is free. */
int32_t port_take(struct block *block, enum port_protocol protocol, struct random *random);
/* What port_take() would give by this random number, without taking it. */
int32_t port_foresee(const struct block *block, enum port_protocol protocol, uint32_t number);
/* Asks the memory for what port_take() and port_give() touch beside the block. */
void block_prefetch(const struct block *block, enum port_protocol protocol);
/* The same among the odd ports, or the even ones (RFC 4787 REQ-4). */
int32_t port_take_parity(struct block *block, enum port_protocol protocol, bool odd,
			 struct random *random);
/* One user more of a port in use, where the pool overloads. False: it has too many. */
bool port_share(struct block *block, enum port_protocol protocol, uint16_t port);
/* Gives back a port that was taken or shared. True: it was the last user's, and the port is free.
 */
bool port_give(struct block *block, enum port_protocol protocol, uint16_t port);
/* Takes this very port: false when it is in use or not in the block. */
bool port_take_exact(struct block *block, enum port_protocol protocol, uint16_t port);

/* A port that was just taken is somebody else's: it stays so until the block is released. */
void port_reserve(struct block *block, enum port_protocol protocol);

/* Any worker may read, relaxed: whether the port is in the block and in use. A cheap refusal of
 * unsolicited packets. */
bool port_in_use(const struct block *block, enum port_protocol protocol, uint16_t port);

/* Puts rested blocks back, at most POOL_POLL_MAX of each pool: each worker its own, once a second
 * or oftener; with nothing to do it costs a compare a pool. */
#define POOL_POLL_MAX 256
void pool_poll(uint32_t worker, uint64_t now_ms);

#endif
