/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_RANDOM_H
#define WEIR_RANDOM_H

#include <stdint.h>

/*
 * Unpredictable numbers (RFC 6056, RFC 6888 REQ-15) without a system call on the packet path:
 * ChaCha12 keyed once by getrandom(). One a worker; not shared between threads.
 */
#define RANDOM_WORDS 128 /* made at once: 8 blocks of 16 */

struct random {
	uint32_t state[16]; /* of the next block */
	uint32_t word[RANDOM_WORDS];
	uint32_t left; /* words not yet given */
};

/* Keys from the kernel. 0, or -errno. */
int random_init(struct random *random);

/* Keys from a seed: the same numbers again. Tests only. */
void random_init_seeded(struct random *random, uint64_t seed);

/* Makes the next words; random_u32() calls it. */
void random_refill(struct random *random);

static inline uint32_t random_u32(struct random *random)
{
	if (random->left == 0)
		random_refill(random);
	return random->word[--random->left];
}

/* Sees to it that the next n numbers, RANDOM_WORDS at most, can be looked at. */
static inline void random_prepare(struct random *random, uint32_t n)
{
	if (random->left < n)
		random_refill(random); /* the few that were left are dropped */
}

/* The number that random_u32() will give after i others, i < n of random_prepare(). */
static inline uint32_t random_peek(const struct random *random, uint32_t i)
{
	return random->word[random->left - 1 - i];
}

/* A 32-bit random number made one of 0 to below - 1, uniform to within 2^-32 * below. */
static inline uint32_t random_scale(uint32_t number, uint32_t below)
{
	return (uint32_t)(((uint64_t)number * below) >> 32);
}

/* Uniform in 0 to below - 1 (to within 2^-32 * below). `below` is not 0. */
static inline uint32_t random_below(struct random *random, uint32_t below)
{
	return random_scale(random_u32(random), below);
}

#endif
