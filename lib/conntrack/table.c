/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include <rte_hash.h>

#include "table.h"

struct table; /* is an rte_hash: no struct of ours around it */

static struct rte_hash *hash_of(const struct table *table)
{
	return (struct rte_hash *)(uintptr_t)table;
}

/* Every caller gives the hash; this is for rte_hash's own use, which there is none of. */
static uint32_t hash_key(const void *key, uint32_t length __rte_unused, uint32_t init __rte_unused)
{
	return tuple_hash(key);
}

struct table *table_create(const char *name, uint32_t entries, int socket)
{
	static uint32_t number;
	char unique[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters parameters = {
		.name = unique,
		.entries = entries,
		.key_len = sizeof(struct tuple),
		.hash_func = hash_key,
		.socket_id = socket,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};
	uint32_t places = rte_align32pow2(entries);

	/* rte_hash makes as many places as the next power of two: one more entry doubles them */
	if (entries > places / 5 * 4)
		parameters.entries = places + 1;
	snprintf(unique, sizeof(unique), "%s%u", name, number++);
	return (struct table *)rte_hash_create(&parameters);
}

void table_destroy(struct table *table)
{
	rte_hash_free(hash_of(table));
}

uintptr_t table_find(const struct table *table, const struct tuple *key, uint32_t hash)
{
	void *value;

	if (rte_hash_lookup_with_hash_data(hash_of(table), key, hash, &value) < 0)
		return 0;
	return (uintptr_t)value;
}

uint64_t table_find_bulk(const struct table *table, const struct tuple *const key[],
			 const uint32_t hash[], uint32_t n, void *value[])
{
	uint64_t hits = 0;

	rte_hash_lookup_with_hash_bulk_data(hash_of(table), (const void **)(uintptr_t)key,
					    (hash_sig_t *)(uintptr_t)hash, n, &hits, value);
	return hits;
}

int table_add(struct table *table, const struct tuple *key, uint32_t hash, uintptr_t value)
{
	return rte_hash_add_key_with_hash_data(hash_of(table), key, hash, (void *)value);
}

int32_t table_remove(struct table *table, const struct tuple *key, uint32_t hash)
{
	return rte_hash_del_key_with_hash(hash_of(table), key, hash);
}

void table_free_slot(struct table *table, int32_t slot)
{
	rte_hash_free_key_with_position(hash_of(table), slot);
}
