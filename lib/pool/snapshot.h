/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_SNAPSHOT_H
#define WEIR_POOL_SNAPSHOT_H

#include "pool.h"

/* Private to pool/. */

/* ---- what workers look up: pool.c ---- */

/* Addresses whose records lie side by side. */
struct run {
	uint32_t first, last; /* host order */
	struct pool_address *address;
};

/* Never changed, replaced as a whole; RCU frees it. */
struct snapshot {
	uint32_t runs;
	uint32_t pools; /* those of the configuration, in its order: the first of `all` */
	uint32_t all;   /* behind them those that drain */
	struct pool **pool;
	struct run run[]; /* of all pools together, sorted */
};

extern const struct snapshot *pool_snapshot;
extern uint32_t pool_workers;

/* The address in the snapshot, or NULL. Host order. */
static inline struct pool_address *snapshot_find(const struct snapshot *snapshot, uint32_t ipv4)
{
	const struct run *run = snapshot->run;

	if (snapshot->runs == 0)
		return NULL;
	/* the last run that begins at or before the address */
	for (uint32_t n = snapshot->runs; n > 1; n -= n / 2)
		if (run[n / 2].first <= ipv4)
			run += n / 2;
	/* before the first run the difference wraps round, past any last */
	if (ipv4 - run->first > run->last - run->first)
		return NULL;
	return &run->address[ipv4 - run->first];
}

/* A snapshot of these addresses, which it sorts, and pools. NULL: out of memory. */
struct snapshot *snapshot_create(struct pool_address **address, uint32_t n, struct pool **pool,
				 uint32_t pools, uint32_t all);
void snapshot_free(const struct snapshot *snapshot);
/* Puts it in the place of the one in force; that one is returned. */
const struct snapshot *snapshot_publish(const struct snapshot *snapshot);

/* ---- the memory of pools and addresses: address.c ---- */

/* A pool without addresses. NULL: out of memory. */
struct pool *pool_create(const struct pool_config *config, uint16_t id);
void pool_free(struct pool *pool);
/* What a running pool may change. */
void pool_configure(struct pool *pool, const struct pool_config *config);

/* n addresses from `first` on (host order), all of their blocks free. NULL: out of memory. */
struct pool_address *addresses_create(struct pool *pool, uint32_t first, uint32_t n);
void address_free(struct pool_address *address);
/* All blocks free, or none, as they are those of a record before. Nobody uses it yet. */
void address_open(struct pool_address *address);
void address_close(struct pool_address *address);

/* ---- blocks: block.c ---- */

/* Whether any of those whose numbers are first to end - 1 is free. */
bool block_is_free_among(const struct pool_address *address, uint32_t first, uint32_t end);

/* ---- addresses on their way out: drain.c ---- */

struct drain {
	struct pool_address *address;
	struct pool_address *successor; /* gets its blocks; or NULL */
	bool alike;                     /* the successor's blocks are the same */
	bool waits;                     /* for the grace period of `token` */
	uint64_t token;
};

extern struct drain *pool_drain;
extern uint32_t pool_drains;

/* Replaces the list; the one before is freed. A grace period has passed since the addresses were
 * found or chosen. */
void drain_replace(struct drain *list, uint32_t n);
/* Frees what drains, and pools that do: nobody uses them. */
void drain_teardown(void);
/* Whether a pool that is in no snapshot any more waits for its grace period under this number. */
bool drain_has_id(uint16_t id);

#endif
