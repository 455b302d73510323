/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_debug.h>
#include <rte_malloc.h>

#include "table.h"

/* Of a bucket's ten entries, so many are planned for. */
#define PLANNED_NUMERATOR   19
#define PLANNED_DENOMINATOR 2
#define BUCKETS_MIN         8

/* Buckets that are looked at for room before the table counts as full. */
#define SEARCH_MAX 512

/* In an entry beside its value: it stands in its other bucket. */
#define DISPLACED 0x80000000u

static uint32_t buckets_for(uint32_t keys)
{
	return (uint32_t)((uint64_t)keys * PLANNED_DENOMINATOR / PLANNED_NUMERATOR) + BUCKETS_MIN;
}

size_t table_memory(uint32_t keys)
{
	return sizeof(struct table) + (size_t)buckets_for(keys) * sizeof(struct table_bucket);
}

struct table *table_create(const char *name, uint32_t keys,
			   bool (*equal)(const void *context, uint32_t value,
					 const struct tuple *key),
			   const void *context, int socket)
{
	struct table *table = rte_zmalloc_socket(name, sizeof(*table), RTE_CACHE_LINE_SIZE, socket);

	if (table == NULL)
		return NULL;
	table->equal = equal;
	table->context = context;
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

static uint32_t find_in(const struct table *table, const struct table_bucket *bucket,
			const struct tuple *key, uint16_t tag)
{
	uint32_t match;

	for (match = table_match(bucket, tag); match != 0; match &= match - 1) {
		/* its tag may be of another entry meanwhile: then the key differs */
		uint32_t value = __atomic_load_n(&bucket->entry[table_match_place(match)],
						 __ATOMIC_RELAXED) &
				 TABLE_VALUE_MAX;

		if (table->equal(table->context, value, key))
			return value;
	}
	return TABLE_NONE;
}

uint32_t table_search(const struct table *table, const struct tuple *key, uint64_t hash)
{
	const struct table_bucket *first = table_first(table, hash);
	uint16_t tag = table_tag(hash);
	uint32_t value, moves;

	do {
		moves = __atomic_load_n(&table->moves, __ATOMIC_ACQUIRE);
		value = find_in(table, first, key, tag);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (value == TABLE_NONE &&
		    __atomic_load_n(&first->elsewhere, __ATOMIC_ACQUIRE) != 0) {
			value = find_in(table, table_other(table, hash), key, tag);
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
		}
	} while (value == TABLE_NONE && __atomic_load_n(&table->moves, __ATOMIC_RELAXED) != moves);
	return value;
}

/* ---- the writer ---- */

/* A free place in the bucket, or -1. */
static int32_t free_place(const struct table_bucket *bucket)
{
	uint32_t match = table_match(bucket, 0);

	return match != 0 ? (int32_t)table_match_place(match) : -1;
}

/* An entry appears whole: who sees the tag sees the value, or another one later; and who sees the
 * value, perhaps beside the tag that was there before, sees its record. */
static void put(struct table_bucket *bucket, int32_t place, uint16_t tag, uint32_t entry)
{
	__atomic_store_n(&bucket->entry[place], entry, __ATOMIC_RELEASE);
	__atomic_store_n(&bucket->tag[place], tag, __ATOMIC_RELEASE);
}

static void take_out(struct table_bucket *bucket, int32_t place)
{
	__atomic_store_n(&bucket->tag[place], 0, __ATOMIC_RELEASE);
	/* no value is written here before readers can see that the tag has gone */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void add_elsewhere(struct table *table, uint32_t bucket, int32_t n)
{
	uint16_t *elsewhere = &table->bucket[bucket].elsewhere;

	__atomic_store_n(elsewhere, (uint16_t)(*elsewhere + n), __ATOMIC_RELEASE);
}

/* Moves an entry to a free place in its other bucket. */
static void move(struct table *table, uint32_t from, int32_t from_place, uint32_t to,
		 int32_t to_place)
{
	uint16_t tag = table->bucket[from].tag[from_place];
	uint32_t entry = table->bucket[from].entry[from_place];

	if (!(entry & DISPLACED))
		add_elsewhere(table, from, 1);
	put(&table->bucket[to], to_place, tag, entry ^ DISPLACED);
	__atomic_store_n(&table->moves, table->moves + 1, __ATOMIC_RELEASE);
	take_out(&table->bucket[from], from_place);
	if (entry & DISPLACED)
		add_elsewhere(table, to, -1);
}

/* A bucket that an entry of another one, its parent, may move to. */
struct node {
	uint32_t bucket;
	int16_t parent; /* -1: none */
	uint8_t place;  /* of the entry, in the parent's bucket */
};

/*
 * Makes room in one of the two buckets, both full: breadth first, so that as few entries as can be
 * move. The bucket's number and the free place in it, or -ENOSPC.
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
		for (uint8_t i = 0; i < TABLE_WAYS && n < SEARCH_MAX; i++, n++) {
			node[n] = (struct node){
				.bucket = table_other_of(table, node[at].bucket, from->tag[i]),
				.parent = (int16_t)at,
				.place = i,
			};
			rte_prefetch0(&table->bucket[node[n].bucket]);
		}
	}
	if (free < 0)
		return -ENOSPC;
	/* from the free place back to the root, each entry moves on */
	for (; node[at].parent >= 0; at = node[at].parent) {
		move(table, node[node[at].parent].bucket, node[at].place, node[at].bucket, free);
		free = node[at].place;
	}
	*bucket = node[at].bucket;
	*place = free;
	return 0;
}

/* The first bucket is full. Like what else is not the rule, out of line: the rule then needs no
 * stack. */
static __rte_noinline int add_to_full(struct table *table, uint32_t first, uint16_t tag,
				      uint32_t value)
{
	uint32_t other = table_other_of(table, first, tag), bucket = other;
	int32_t place = free_place(&table->bucket[other]);

	if (place < 0 && make_room(table, first, other, &bucket, &place) != 0)
		return -ENOSPC;
	if (bucket != first) {
		add_elsewhere(table, first, 1);
		value |= DISPLACED;
	}
	put(&table->bucket[bucket], place, tag, value);
	return 0;
}

int table_add(struct table *table, uint64_t hash, uint32_t value)
{
	uint32_t first = table_first_number(table, hash);
	int32_t place = free_place(&table->bucket[first]);

	RTE_ASSERT(value <= TABLE_VALUE_MAX);
	if (place < 0)
		return add_to_full(table, first, table_tag(hash), value);
	put(&table->bucket[first], place, table_tag(hash), value);
	return 0;
}

/* Takes the entry out of the bucket, if it is there. */
static bool remove_from(struct table *table, uint32_t bucket, uint16_t tag, uint32_t entry)
{
	uint32_t match;

	for (match = table_match(&table->bucket[bucket], tag); match != 0; match &= match - 1) {
		int32_t place = (int32_t)table_match_place(match);

		if (table->bucket[bucket].entry[place] == entry) {
			take_out(&table->bucket[bucket], place);
			return true;
		}
	}
	return false;
}

static __rte_noinline void remove_elsewhere(struct table *table, uint32_t first, uint16_t tag,
					    uint32_t value)
{
	if (remove_from(table, table_other_of(table, first, tag), tag, value | DISPLACED))
		add_elsewhere(table, first, -1);
	else
		RTE_ASSERT(false);
}

void table_remove(struct table *table, uint64_t hash, uint32_t value)
{
	uint32_t first = table_first_number(table, hash);

	if (!remove_from(table, first, table_tag(hash), value))
		remove_elsewhere(table, first, table_tag(hash), value);
}
