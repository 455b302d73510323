/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks from free to held to resting to free, and the ports of a held block. */
#include <rte_common.h>
#include <rte_debug.h>
#include <rte_prefetch.h>

#include "snapshot.h"

#ifdef __BMI2__
#include <immintrin.h>
#endif

#define WORD_BITS 64
/* of an address's bitmap of free blocks: 65535 ports in blocks of 64 */
#define FREE_WORDS_MAX 16

/* The place of the n-th one bit, from 0, of a word that has more than n. */
static inline uint32_t select_bit(uint64_t word, uint32_t n)
{
/* Zen 1 and 2 have PDEP in microcode, slower than this loop. */
#if defined(__BMI2__) && !defined(__znver1__) && !defined(__znver2__)
	return (uint32_t)__builtin_ctzll(_pdep_u64(1ULL << n, word));
#else
	uint32_t place = 0;

	for (uint32_t half = WORD_BITS / 2; half > 0; half /= 2) {
		uint32_t low = (uint32_t)__builtin_popcountll(word & ((1ULL << half) - 1));

		if (n >= low) {
			n -= low;
			word >>= half;
			place += half;
		}
	}
	return place;
#endif
}

/* ---- blocks ---- */

/* The bits of word i that stand for numbers from first to end - 1. */
static uint64_t mask_of(uint32_t i, uint32_t first, uint32_t end)
{
	uint32_t base = i * WORD_BITS;
	uint64_t mask = UINT64_MAX;

	if (first > base)
		mask = first - base < WORD_BITS ? mask << (first - base) : 0;
	if (end < base + WORD_BITS)
		mask &= end > base ? UINT64_MAX >> (base + WORD_BITS - end) : 0;
	return mask;
}

/* Takes one of the address's free blocks from first to end - 1, each as likely as the next; its
 * number, or -1. */
static int32_t take_free(struct pool_address *address, uint32_t first, uint32_t end,
			 struct random *random)
{
	uint32_t words = (end + WORD_BITS - 1) / WORD_BITS;
	uint64_t free[FREE_WORDS_MAX];

	for (;;) {
		uint32_t total = 0, word = 0, n, count;
		uint64_t bit;

		for (uint32_t i = 0; i < words; i++) {
			free[i] = __atomic_load_n(&address->free[i], __ATOMIC_RELAXED) &
				  mask_of(i, first, end);
			total += (uint32_t)__builtin_popcountll(free[i]);
		}
		if (total == 0)
			return -1;
		n = random_below(random, total);
		while (n >= (count = (uint32_t)__builtin_popcountll(free[word]))) {
			n -= count;
			word++;
		}
		n = select_bit(free[word], n);
		bit = 1ULL << n;
		/* acquire: what the last holder wrote into the block, before we write. When the
		 * bit is gone another worker has the block, so somebody always gets on. */
		if (__atomic_fetch_and(&address->free[word], ~bit, __ATOMIC_ACQUIRE) & bit)
			return (int32_t)(word * WORD_BITS + n);
	}
}

bool block_is_free_among(const struct pool_address *address, uint32_t first, uint32_t end)
{
	for (uint32_t i = first / WORD_BITS; i < (end + WORD_BITS - 1) / WORD_BITS; i++)
		if (__atomic_load_n(&address->free[i], __ATOMIC_RELAXED) & mask_of(i, first, end))
			return true;
	return false;
}

/* A block that was just taken out of the free ones is the holder's. */
static struct block *begin(struct block *block, uint32_t worker, void *holder, uint64_t now_ms)
{
	__atomic_fetch_add(&block->address->blocks_taken, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&block->address->pool->blocks_taken, 1, __ATOMIC_RELAXED);
	block->holder = holder;
	block->next = NULL;
	block->since_ms = now_ms;
	block->idle_since = 0;
	block->overloaded = 0;
	__atomic_store_n(&block->address->home[block->number], (uint8_t)(worker + 1),
			 __ATOMIC_RELAXED);
	return block;
}

struct block *block_take_among(struct pool_address *address, uint32_t first, uint32_t end,
			       uint32_t worker, void *holder, struct random *random,
			       uint64_t now_ms)
{
	int32_t number;

	if (__atomic_load_n(&address->drains, __ATOMIC_RELAXED))
		return NULL;
	number = take_free(address, RTE_MAX(first, address->pool->computed_blocks), end, random);
	return number >= 0 ? begin(&address->block[number], worker, holder, now_ms) : NULL;
}

struct block *block_take_computed(struct block *block, uint32_t worker, void *holder,
				  uint64_t now_ms)
{
	struct pool_address *address = block->address;
	uint64_t *word = &address->free[block->number / WORD_BITS];
	uint64_t bit = 1ULL << block->number % WORD_BITS;

	if (__atomic_load_n(&address->drains, __ATOMIC_RELAXED) ||
	    (__atomic_fetch_and(word, ~bit, __ATOMIC_ACQUIRE) & bit) == 0)
		return NULL;
	return begin(block, worker, holder, now_ms);
}

/* No port is in use, so the bits that are set are those of reserved ports. */
static void forget_reserved(struct block *block)
{
	uint32_t words = block->ports / WORD_BITS;

	for (uint32_t p = 0; p < PORT_PROTOCOLS; p++) {
		for (uint32_t i = 0; i < words && block->reserved[p] != 0; i++)
			__atomic_store_n(&block->bitmap[p * words + i], 0, __ATOMIC_RELAXED);
		block->reserved[p] = 0;
	}
}

struct block *block_take(struct pool_address *address, uint32_t worker, void *holder,
			 struct random *random, uint64_t now_ms)
{
	return block_take_among(address, 0, address->pool->blocks_per_address, worker, holder,
				random, now_ms);
}

static void put_back(struct block *block)
{
	struct pool_address *address = block->address;

	/* the counters first: they may say free a moment early, never full a moment late */
	__atomic_fetch_sub(&address->blocks_taken, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&address->pool->blocks_taken, 1, __ATOMIC_RELAXED);
	__atomic_fetch_or(&address->free[block->number / WORD_BITS],
			  1ULL << block->number % WORD_BITS, __ATOMIC_RELEASE);
}

void block_release(struct block *block, uint32_t worker, uint64_t now_ms)
{
	struct pool_address *address = block->address;
	struct resting *resting = &address->pool->resting[worker];

	RTE_ASSERT(block->used[PORT_TCP] == 0 && block->used[PORT_UDP] == 0 &&
		   block->used[PORT_ICMP] == 0);
	__atomic_store_n(&address->home[block->number], 0, __ATOMIC_RELAXED);
	forget_reserved(block);
	block->holder = NULL;
	block->next = NULL;
	block->since_ms = now_ms;
	/* nobody else gets it, unless another configuration computes differently */
	if (block_is_computed(block) && !__atomic_load_n(&address->drains, __ATOMIC_RELAXED)) {
		put_back(block);
		return;
	}
	/* every block of a pool rests equally long, so the queue is in order of time */
	if (resting->first == NULL)
		resting->first = block;
	else
		resting->last->next = block;
	resting->last = block;
	__atomic_store_n(&resting->n, resting->n + 1, __ATOMIC_RELAXED);
}

/* Blocks that may rest at one worker: its share (RFC 6888 REQ-8 asks for a knob). */
static uint32_t resting_max(const struct pool *pool)
{
	uint32_t ports = pool->config.max_resting_ports;

	return ports == 0 ? UINT32_MAX : (ports >> pool->block_shift) / pools_workers();
}

static __rte_noinline void pool_poll_one(struct pool *pool, uint32_t worker, uint64_t now_ms)
{
	struct resting *resting = &pool->resting[worker];
	uint64_t rest_ms = (uint64_t)pool->config.port_reuse_timeout * 1000;
	uint32_t most = resting_max(pool);

	for (uint32_t i = 0; i < POOL_POLL_MAX; i++) {
		struct block *block = resting->first;

		if (block == NULL || (block->since_ms + rest_ms > now_ms && resting->n <= most))
			return;
		/* out of the queue first: from put_back() on it may be another worker's */
		resting->first = block->next;
		__atomic_store_n(&resting->n, resting->n - 1, __ATOMIC_RELAXED);
		put_back(block);
	}
}

void pool_poll(uint32_t worker, uint64_t now_ms)
{
	const struct snapshot *snapshot = __atomic_load_n(&pool_snapshot, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < snapshot->all; i++)
		if (snapshot->pool[i]->resting[worker].first != NULL)
			pool_poll_one(snapshot->pool[i], worker, now_ms);
}

int block_home(const struct block *block)
{
	return __atomic_load_n(&block->address->home[block->number], __ATOMIC_RELAXED) - 1;
}

/* ---- ports ---- */

static inline uint64_t *bitmap(const struct block *block, enum port_protocol protocol)
{
	return &block->bitmap[(uint32_t)protocol * (block->ports / WORD_BITS)];
}

/* One writer, so plain arithmetic; relaxed stores, as others read. */
static inline void set_bit(struct block *block, enum port_protocol protocol, uint64_t *word,
			   uint64_t bit)
{
	__atomic_store_n(word, *word | bit, __ATOMIC_RELAXED);
	__atomic_store_n(&block->used[protocol], block->used[protocol] + 1, __ATOMIC_RELAXED);
}

static inline uint32_t free_ports(const struct block *block, enum port_protocol protocol)
{
	return block->ports - block->used[protocol] - block->reserved[protocol];
}

/* The place in the block of its n-th free port. */
static inline int32_t pick(const struct block *block, enum port_protocol protocol, uint32_t n)
{
	const uint64_t *words = bitmap(block, protocol);
	uint32_t i = 0, count;

	while (n >= (count = (uint32_t)__builtin_popcountll(~words[i]))) {
		n -= count;
		i++;
	}
	return (int32_t)(i * WORD_BITS + select_bit(~words[i], n));
}

int32_t port_take(struct block *block, enum port_protocol protocol, struct random *random)
{
	uint32_t free = free_ports(block, protocol);
	int32_t place;

	if (free == 0)
		return -1;
	place = pick(block, protocol, random_below(random, free));
	set_bit(block, protocol, &bitmap(block, protocol)[place / WORD_BITS],
		1ULL << place % WORD_BITS);
	return block->first_port + place;
}

int32_t port_foresee(const struct block *block, enum port_protocol protocol, uint32_t number)
{
	uint32_t free = free_ports(block, protocol);

	return free == 0 ? -1
			 : block->first_port + pick(block, protocol, random_scale(number, free));
}

void block_prefetch(const struct block *block, enum port_protocol protocol)
{
	const uint64_t *words = bitmap(block, protocol);

	/* those of larger blocks come by themselves: they are read in order */
	rte_prefetch0(words);
	rte_prefetch0(words + RTE_CACHE_LINE_SIZE / sizeof(*words));
}

int32_t port_take_parity(struct block *block, enum port_protocol protocol, bool odd,
			 struct random *random)
{
	/* the places of such ports, as the block may begin with an odd one */
	uint64_t mask = odd != (block->first_port & 1) ? 0xaaaaaaaaaaaaaaaa : 0x5555555555555555;
	uint64_t *words = bitmap(block, protocol);
	uint32_t free = 0, i = 0, n, count, place;

	for (uint32_t w = 0; w < block->ports / WORD_BITS; w++)
		free += (uint32_t)__builtin_popcountll(~words[w] & mask);
	if (free == 0)
		return -1;
	n = random_below(random, free);
	while (n >= (count = (uint32_t)__builtin_popcountll(~words[i] & mask))) {
		n -= count;
		i++;
	}
	place = select_bit(~words[i] & mask, n);
	set_bit(block, protocol, &words[i], 1ULL << place);
	return (int32_t)(block->first_port + i * WORD_BITS + place);
}

bool port_take_exact(struct block *block, enum port_protocol protocol, uint16_t port)
{
	uint32_t place = (uint32_t)port - block->first_port;
	uint64_t *word = &bitmap(block, protocol)[place / WORD_BITS];
	uint64_t bit = 1ULL << place % WORD_BITS;

	if (place >= block->ports || (*word & bit) != 0)
		return false;
	set_bit(block, protocol, word, bit);
	return true;
}

void port_reserve(struct block *block, enum port_protocol protocol)
{
	__atomic_store_n(&block->used[protocol], block->used[protocol] - 1, __ATOMIC_RELAXED);
	block->reserved[protocol]++;
}

/* How many use the port beyond the first. */
static uint16_t *sharers(const struct block *block, enum port_protocol protocol, uint16_t port)
{
	size_t row = (size_t)block->number * PORT_PROTOCOLS + protocol;

	return &block->address->sharers[row * block->ports + (uint32_t)(port - block->first_port)];
}

static void count_overloaded(struct block *block, int change)
{
	__atomic_store_n(&block->overloaded, (uint16_t)(block->overloaded + change),
			 __ATOMIC_RELAXED);
}

bool port_share(struct block *block, enum port_protocol protocol, uint16_t port)
{
	uint16_t *users = sharers(block, protocol, port);

	if (block->overloaded == UINT16_MAX)
		return false;
	++*users;
	count_overloaded(block, 1);
	return true;
}

bool port_give(struct block *block, enum port_protocol protocol, uint16_t port)
{
	uint32_t place = (uint32_t)port - block->first_port;
	uint64_t *word = &bitmap(block, protocol)[place / WORD_BITS];
	uint64_t bit = 1ULL << place % WORD_BITS;

	RTE_ASSERT(place < block->ports && (*word & bit) != 0);
	if (block->address->sharers != NULL && *sharers(block, protocol, port) > 0) {
		--*sharers(block, protocol, port);
		count_overloaded(block, -1);
		return false;
	}
	__atomic_store_n(word, *word & ~bit, __ATOMIC_RELAXED);
	__atomic_store_n(&block->used[protocol], block->used[protocol] - 1, __ATOMIC_RELAXED);
	return true;
}

bool port_in_use(const struct block *block, enum port_protocol protocol, uint16_t port)
{
	uint32_t place = (uint32_t)port - block->first_port;
	uint64_t *word = &bitmap(block, protocol)[place / WORD_BITS];

	return place < block->ports &&
	       (__atomic_load_n(word, __ATOMIC_RELAXED) >> place % WORD_BITS & 1) != 0;
}
