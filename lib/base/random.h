/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_RANDOM_H
#define WEIR_RANDOM_H

#include <stdint.h>

/*
 * Unpredictable numbers (RFC 6056, RFC 6888 REQ-15) without a system call on the packet path:
 * ChaCha12 keyed once by getrandom(). One a worker; not shared between threads.
 */
struct random {
	uint32_t state[16];
	uint32_t block[16];
	uint32_t left; /* words of the block not yet given */
};

/* Keys from the kernel. 0, or -errno. */
int random_init(struct random *random);

/* Keys from a seed: the same numbers again. Tests only. */
void random_init_seeded(struct random *random, uint64_t seed);

/* Makes the next block; random_u32() calls it. */
void random_refill(struct random *random);

static inline uint32_t random_u32(struct random *random)
{
	if (random->left == 0)
		random_refill(random);
	return random->block[--random->left];
}

/* Uniform in 0 to below - 1 (to within 2^-32 * below). `below` is not 0. */
static inline uint32_t random_below(struct random *random, uint32_t below)
{
	return (uint32_t)(((uint64_t)random_u32(random) * below) >> 32);
}

#endif
