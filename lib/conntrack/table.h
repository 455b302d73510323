/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "tuple.h"

/*
 * A cuckoo hash table from tuples to 31-bit values (a record's index, and what the owner likes in
 * bit 0). It holds no keys: an entry is a value beside 16 bits of the key's hash, and the key is
 * compared where it lies, in the record, which the caller is about to read anyway. So a bucket of
 * ten entries is one cache line, a look-up touches that and the record, and a table costs 6.7 bytes
 * a key. (rte_hash, which this stands in for, has a bucket, a key store and the record to touch,
 * and 44 to 48 bytes a key: tests/bench/README.md.)
 *
 * One writer, the home worker; any worker and the control thread look up at any time, lock-free. A
 * reader may hold a value after it was removed, so the record, its key included, stays as it is
 * until an RCU grace period has passed; the entry itself is free at once.
 *
 * An entry stands in one of two buckets: its first, which the hash gives, or the other, which
 * first bucket and tag give together, so that entries move without a look at their records. A full
 * bucket makes room by moving entries to their other buckets: first the copy, then `moves` goes up,
 * then the old place is reused. A reader that finds nothing while `moves` changed looks again. A
 * bucket knows how many of its entries stand elsewhere, mostly none: then it is all there is to
 * look at for a key that is not there.
 */
#define TABLE_WAYS 10

struct table_bucket {
	uint16_t tag[TABLE_WAYS]; /* 0: free */
	uint16_t elsewhere;       /* entries whose first bucket this is, but stand in their other */
	uint16_t unused;
	uint32_t entry[TABLE_WAYS];
} __rte_cache_aligned;

_Static_assert(sizeof(struct table_bucket) == 64, "a bucket is one cache line");

#define TABLE_VALUE_MAX 0x7fffffffu
#define TABLE_NONE      UINT32_MAX /* no value */

struct table {
	uint32_t buckets;
	/* Whether a value's record has this key; `context` is table_create()'s. */
	bool (*equal)(const void *context, uint32_t value, const struct tuple *key);
	const void *context;
	struct table_bucket *bucket;
	uint32_t moves __rte_cache_aligned; /* by the writer */
};

/* Room for `keys` keys. NULL: out of memory. */
struct table *table_create(const char *name, uint32_t keys,
			   bool (*equal)(const void *context, uint32_t value,
					 const struct tuple *key),
			   const void *context, int socket);
void table_destroy(struct table *table);
/* Bytes that a table for so many keys takes. */
size_t table_memory(uint32_t keys);

/* ---- any reader ---- */

/*
 * For many look-ups at once, past the cache: first prefetch all, then guess all and prefetch what
 * they gave; likewise those that may stand in their other bucket; then compare the keys. What was
 * guessed wrong is looked up by table_find().
 */
static inline uint32_t table_first_number(const struct table *table, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * table->buckets >> 32);
}

static inline const struct table_bucket *table_first(const struct table *table, uint64_t hash)
{
	return &table->bucket[table_first_number(table, hash)];
}

static inline void table_prefetch(const struct table *table, uint64_t hash)
{
	rte_prefetch0(table_first(table, hash));
}

/* Never 0, which a free entry has. */
static inline uint16_t table_tag(uint64_t hash)
{
	return (uint16_t)(hash | 0x8000);
}

/* A bit for each entry with the tag; of two bits, the lower. */
static inline uint32_t table_match(const struct table_bucket *bucket, uint16_t tag)
{
	uint32_t match = 0;

#ifdef __AVX2__
	__m256i tags = _mm256_load_si256((const __m256i *)bucket->tag);

	match = (uint32_t)_mm256_movemask_epi8(
		_mm256_cmpeq_epi16(tags, _mm256_set1_epi16((short)tag)));
#else
	for (uint32_t i = 0; i < TABLE_WAYS; i++)
		match |= (uint32_t)(bucket->tag[i] == tag) << 2 * i;
#endif
	return match & 0x55555;
}

static inline uint32_t table_match_place(uint32_t match)
{
	return (uint32_t)__builtin_ctz(match) / 2;
}

/* The value in the bucket that a key most likely has, or TABLE_NONE. */
static inline uint32_t table_guess_in(const struct table_bucket *bucket, uint64_t hash)
{
	uint32_t match = table_match(bucket, table_tag(hash));

	if (unlikely(match == 0))
		return TABLE_NONE;
	return __atomic_load_n(&bucket->entry[table_match_place(match)], __ATOMIC_RELAXED) &
	       TABLE_VALUE_MAX;
}

static inline uint32_t table_guess(const struct table *table, uint64_t hash)
{
	return table_guess_in(table_first(table, hash), hash);
}

/* The other bucket of an entry that stands in this one; of that, this one again. */
static inline uint32_t table_other_of(const struct table *table, uint32_t bucket, uint16_t tag)
{
	uint32_t sum = (uint32_t)((uint64_t)(tag * 0x9e3779b1u) * table->buckets >> 32);

	return sum >= bucket ? sum - bucket : sum + table->buckets - bucket;
}

static inline const struct table_bucket *table_other(const struct table *table, uint64_t hash)
{
	uint32_t first = table_first_number(table, hash);

	return &table->bucket[table_other_of(table, first, table_tag(hash))];
}

/* Asks for both buckets of a key that will be added or looked for in vain. */
static inline void table_prefetch_both(const struct table *table, uint64_t hash)
{
	table_prefetch(table, hash);
	rte_prefetch0(table_other(table, hash));
}

/* Asks for the other bucket of a key that its first one does not have, if it may stand there or
 * would be put there. False: it is not there. */
static inline bool table_prefetch_other(const struct table *table, uint64_t hash)
{
	const struct table_bucket *first = table_first(table, hash);

	if (__atomic_load_n(&first->elsewhere, __ATOMIC_RELAXED) == 0 && table_match(first, 0) != 0)
		return false;
	rte_prefetch0(table_other(table, hash));
	return true;
}

/* table_find(), where a look at the first bucket is not enough. */
uint32_t table_search(const struct table *table, const struct tuple *key, uint64_t hash);

/* The value, or TABLE_NONE: no such key. */
static inline uint32_t table_find(const struct table *table, const struct tuple *key, uint64_t hash)
{
	uint32_t moves = __atomic_load_n(&table->moves, __ATOMIC_ACQUIRE);
	const struct table_bucket *first = table_first(table, hash);
	uint32_t match = table_match(first, table_tag(hash));

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (match == 0 && __atomic_load_n(&first->elsewhere, __ATOMIC_ACQUIRE) == 0 &&
	    __atomic_load_n(&table->moves, __ATOMIC_RELAXED) == moves)
		return TABLE_NONE;
	return table_search(table, key, hash);
}

/* ---- the writer ---- */

/* The key must not be there. 0, or -ENOSPC. */
int table_add(struct table *table, uint64_t hash, uint32_t value);

/* Takes out this very value of the key with this hash; it is there. */
void table_remove(struct table *table, uint64_t hash, uint32_t value);

#endif
