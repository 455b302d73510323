/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tuple.h"

/*
 * A hash table from tuples to 64-bit values (a pointer, and a direction in its bit 0).
 *
 * One writer, the home worker; any worker and the control thread look up at any time, lock-free.
 * Removal takes an entry out of sight at once, but its slot holds the key until table_free_slot(),
 * which the writer calls after an RCU grace period: a reader may still be comparing it.
 */
struct table;

/* Keys that table_find_bulk() takes at most. Never 64: rte_hash of DPDK 22.11 then misses keys. */
#define TABLE_BULK_MAX 32

/* Room for `entries` keys, at about 80 % load. NULL: out of memory. */
struct table *table_create(const char *name, uint32_t entries, int socket);
void table_destroy(struct table *table);

/* ---- any reader ---- */

/* The value, or 0: no such key. */
uintptr_t table_find(const struct table *table, const struct tuple *key, uint32_t hash);

/* Looks up n keys at once, much faster than one by one past the cache. Bit i of the answer is set
 * and value[i] filled when key i is there. */
uint64_t table_find_bulk(const struct table *table, const struct tuple *const key[],
			 const uint32_t hash[], uint32_t n, void *value[]);

/* ---- the writer ---- */

/* The key must not be there: rte_hash would replace its value silently. 0, or -ENOSPC. */
int table_add(struct table *table, const struct tuple *key, uint32_t hash, uintptr_t value);

/* The slot, for table_free_slot() after a grace period; or -ENOENT. */
int32_t table_remove(struct table *table, const struct tuple *key, uint32_t hash);
void table_free_slot(struct table *table, int32_t slot);

#endif
