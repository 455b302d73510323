/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "tuple.h"

/*
 * A cuckoo hash table from tuples to records. It holds no keys: an entry is a value (a record's
 * address, and what the owner likes in bit 0) beside 16 bits of the key's hash, and the key is
 * compared where it lies, in the record, which the caller is about to read anyway. So a bucket of
 * eight entries is one cache line, a look-up touches that and the record, and a table costs 8.5
 * bytes a key. (rte_hash, which this stands in for, has a bucket, a key store and the record to
 * touch, and 44 to 48 bytes a key: tests/bench/README.md.)
 *
 * One writer, the home worker; any worker and the control thread look up at any time, lock-free. A
 * reader may hold a value after it was removed, so the record, its key included, stays as it is
 * until an RCU grace period has passed; the entry itself is free at once.
 *
 * An entry stands in one of two buckets: the first, which the hash gives, or the other, which first
 * bucket and tag give together, so that entries move without a look at their records. A full bucket
 * makes room by moving entries to their other buckets: first the copy, then `moves` goes up, then
 * the old place is reused. A reader that finds nothing while `moves` changed looks again.
 */
#define TABLE_WAYS 8

struct table_bucket {
	uint64_t entry[TABLE_WAYS]; /* 0: free */
} __rte_cache_aligned;

struct table {
	uint32_t buckets;
	/* Whether a value's record has this key. */
	bool (*equal)(uintptr_t value, const struct tuple *key);
	struct table_bucket *bucket;
	uint32_t moves __rte_cache_aligned; /* by the writer */
};

/* Room for `keys` keys. NULL: out of memory. */
struct table *table_create(const char *name, uint32_t keys,
			   bool (*equal)(uintptr_t value, const struct tuple *key), int socket);
void table_destroy(struct table *table);
/* Bytes that a table for so many keys takes. */
size_t table_memory(uint32_t keys);

/* ---- any reader ---- */

/* The value, or 0: no such key. */
uintptr_t table_find(const struct table *table, const struct tuple *key, uint64_t hash);

/*
 * For many look-ups at once, past the cache: first prefetch all, then guess all and prefetch what
 * they gave, then compare the keys; what was guessed wrong is looked up by table_find().
 */
static inline const struct table_bucket *table_first(const struct table *table, uint64_t hash)
{
	return &table->bucket[(hash >> 32) * table->buckets >> 32];
}

static inline void table_prefetch(const struct table *table, uint64_t hash)
{
	rte_prefetch0(table_first(table, hash));
}

#define TABLE_TAG_SHIFT 48

/* Never 0, which a free entry has. */
static inline uint16_t table_tag(uint64_t hash)
{
	return (uint16_t)(hash | 0x8000);
}

/* A bit for each entry with the tag. */
static inline uint32_t table_match(const struct table_bucket *bucket, uint16_t tag)
{
#ifdef __AVX2__
	const __m256i *half = (const __m256i *)bucket->entry;
	__m256i wanted = _mm256_set1_epi16((short)tag);
	/* the sign of a 64-bit lane is that of its highest 16 bits: the tag's */
	__m256i low = _mm256_cmpeq_epi16(_mm256_load_si256(&half[0]), wanted);
	__m256i high = _mm256_cmpeq_epi16(_mm256_load_si256(&half[1]), wanted);

	return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
	       (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
#else
	uint32_t match = 0;

	for (uint32_t i = 0; i < TABLE_WAYS; i++)
		match |= (uint32_t)(bucket->entry[i] >> TABLE_TAG_SHIFT == tag) << i;
	return match;
#endif
}

static inline uintptr_t table_entry_value(uint64_t entry)
{
	return (uintptr_t)(entry & ((UINT64_C(1) << TABLE_TAG_SHIFT) - 1));
}

/* The value that the key most likely has, or 0. */
static inline uintptr_t table_guess(const struct table *table, uint64_t hash)
{
	const struct table_bucket *bucket = table_first(table, hash);
	uint32_t match = table_match(bucket, table_tag(hash));

	if (unlikely(match == 0))
		return 0;
	return table_entry_value(
		__atomic_load_n(&bucket->entry[__builtin_ctz(match)], __ATOMIC_ACQUIRE));
}

/* ---- the writer ---- */

/* The key must not be there. 0, or -ENOSPC. */
int table_add(struct table *table, uint64_t hash, uintptr_t value);

/* Takes out this very value of the key with this hash; it is there. */
void table_remove(struct table *table, uint64_t hash, uintptr_t value);

#endif
