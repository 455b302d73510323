/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_debug.h>
#include <rte_malloc.h>

#include "table.h"

/* Of a bucket's entries, so many are planned for: 94 % load. */
#define PLANNED_NUMERATOR   15
#define PLANNED_DENOMINATOR 2
#define BUCKETS_MIN         8

/* Buckets that are looked at for room before the table counts as full. */
#define SEARCH_MAX 512

static uint32_t buckets_for(uint32_t keys)
{
	return (uint32_t)((uint64_t)keys * PLANNED_DENOMINATOR / PLANNED_NUMERATOR) + BUCKETS_MIN;
}

size_t table_memory(uint32_t keys)
{
	return sizeof(struct table) + (size_t)buckets_for(keys) * sizeof(struct table_bucket);
}

struct table *table_create(const char *name, uint32_t keys,
			   bool (*equal)(uintptr_t value, const struct tuple *key), int socket)
{
	struct table *table = rte_zmalloc_socket(name, sizeof(*table), RTE_CACHE_LINE_SIZE, socket);

	if (table == NULL)
		return NULL;
	table->equal = equal;
	table->buckets = buckets_for(keys);
	table->bucket = rte_zmalloc_socket(name, table->buckets * sizeof(table->bucket[0]),
					   RTE_CACHE_LINE_SIZE, socket);
	if (table->bucket == NULL) {
		rte_free(table);
		return NULL;
	}
	return table;
}

void table_destroy(struct table *table)
{
	if (table == NULL)
		return;
	rte_free(table->bucket);
	rte_free(table);
}

/* The other bucket of an entry that stands in this one; of that, this one again. */
static uint32_t other_bucket(const struct table *table, uint32_t bucket, uint16_t tag)
{
	uint32_t sum = (uint32_t)((uint64_t)(tag * 0x9e3779b1u) * table->buckets >> 32);

	return sum >= bucket ? sum - bucket : sum + table->buckets - bucket;
}

static uint32_t first_bucket(const struct table *table, uint64_t hash)
{
	return (uint32_t)(table_first(table, hash) - table->bucket);
}

static uintptr_t find_in(const struct table *table, uint32_t number, const struct tuple *key,
			 uint16_t tag)
{
	const struct table_bucket *bucket = &table->bucket[number];
	uint32_t match;

	for (match = table_match(bucket, tag); match != 0; match &= match - 1) {
		uint64_t entry =
			__atomic_load_n(&bucket->entry[__builtin_ctz(match)], __ATOMIC_ACQUIRE);
		uintptr_t value = table_entry_value(entry);

		/* it may have gone since the match */
		if (entry >> TABLE_TAG_SHIFT == tag && table->equal(value, key))
			return value;
	}
	return 0;
}

uintptr_t table_find(const struct table *table, const struct tuple *key, uint64_t hash)
{
	uint32_t first = first_bucket(table, hash), moves;
	uint16_t tag = table_tag(hash);
	uintptr_t value;

	do {
		moves = __atomic_load_n(&table->moves, __ATOMIC_ACQUIRE);
		value = find_in(table, first, key, tag);
		if (value == 0)
			value = find_in(table, other_bucket(table, first, tag), key, tag);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (value == 0 && __atomic_load_n(&table->moves, __ATOMIC_RELAXED) != moves);
	return value;
}

/* ---- the writer ---- */

/* A free place in the bucket, or -1. */
static int32_t free_place(const struct table_bucket *bucket)
{
	uint32_t match = table_match(bucket, 0);

	return match != 0 ? __builtin_ctz(match) : -1;
}

static void set(struct table *table, uint32_t bucket, int32_t place, uint64_t entry)
{
	__atomic_store_n(&table->bucket[bucket].entry[place], entry, __ATOMIC_RELEASE);
}

/* A bucket that an entry of another one, its parent, may move to. */
struct node {
	uint32_t bucket;
	int16_t parent; /* -1: none */
	uint8_t place;  /* of the entry, in the parent's bucket */
};

/*
 * Makes room in one of the two buckets: breadth first, so that as few entries as can be move. The
 * bucket's number and the free place in it, or -ENOSPC.
 */
static int make_room(struct table *table, uint32_t first, uint32_t other, uint32_t *bucket,
		     int32_t *place)
{
	struct node node[SEARCH_MAX];
	int32_t n = 2, at, free = -1;

	node[0] = (struct node){.bucket = first, .parent = -1};
	node[1] = (struct node){.bucket = other, .parent = -1};
	for (at = 0; at < n; at++) {
		const struct table_bucket *from = &table->bucket[node[at].bucket];

		free = free_place(from);
		if (free >= 0)
			break;
		for (uint8_t i = 0; i < TABLE_WAYS && n < SEARCH_MAX; i++, n++)
			node[n] = (struct node){
				.bucket =
					other_bucket(table, node[at].bucket,
						     (uint16_t)(from->entry[i] >> TABLE_TAG_SHIFT)),
				.parent = (int16_t)at,
				.place = i,
			};
	}
	if (free < 0)
		return -ENOSPC;
	/* from the free place back to the root, each entry moves on */
	for (; node[at].parent >= 0; at = node[at].parent) {
		uint32_t source = node[node[at].parent].bucket;

		set(table, node[at].bucket, free, table->bucket[source].entry[node[at].place]);
		__atomic_store_n(&table->moves, table->moves + 1, __ATOMIC_RELEASE);
		free = node[at].place;
	}
	*bucket = node[at].bucket;
	*place = free;
	return 0;
}

int table_add(struct table *table, uint64_t hash, uintptr_t value)
{
	uint32_t bucket = first_bucket(table, hash);
	uint16_t tag = table_tag(hash);
	int32_t place = free_place(&table->bucket[bucket]);

	if (unlikely(place < 0) &&
	    make_room(table, bucket, other_bucket(table, bucket, tag), &bucket, &place) != 0)
		return -ENOSPC;
	set(table, bucket, place, (uint64_t)tag << TABLE_TAG_SHIFT | value);
	return 0;
}

void table_remove(struct table *table, uint64_t hash, uintptr_t value)
{
	uint16_t tag = table_tag(hash);
	uint64_t entry = (uint64_t)tag << TABLE_TAG_SHIFT | value;
	uint32_t bucket = first_bucket(table, hash);

	for (int tries = 0; tries < 2; tries++, bucket = other_bucket(table, bucket, tag)) {
		for (int32_t i = 0; i < TABLE_WAYS; i++)
			if (table->bucket[bucket].entry[i] == entry)
				return set(table, bucket, i, 0);
	}
	RTE_ASSERT(false);
}
