/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "random.h"

#define ROUNDS 12

static void start(struct random *random)
{
	/* "expand 32-byte k", RFC 8439 section 2.3 */
	static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(random->state, constants, sizeof(constants));
	random->state[12] = 0;
	random->state[13] = 0;
	random->left = 0;
}

int random_init(struct random *random)
{
	/* the key and the nonce; the counter is set by start() */
	if (getrandom(&random->state[4], 12 * sizeof(uint32_t), 0) != 12 * sizeof(uint32_t))
		return -errno;
	start(random);
	return 0;
}

void random_init_seeded(struct random *random, uint64_t seed)
{
	memset(random, 0, sizeof(*random));
	memcpy(&random->state[4], &seed, sizeof(seed));
	start(random);
}

#define BLOCKS (RANDOM_WORDS / 16)

/* A word of each block. */
typedef uint32_t words __attribute__((vector_size(BLOCKS * sizeof(uint32_t))));

static inline words rotate(words value, int bits)
{
	return value << bits | value >> (32 - bits);
}

static inline void quarter_round(words *a, words *b, words *c, words *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

void random_refill(struct random *random)
{
	static const words numbers = {0, 1, 2, 3, 4, 5, 6, 7};
	words first[16], x[16];

	for (int i = 0; i < 16; i++)
		first[i] = random->state[i] + (words){0};
	first[12] += numbers; /* the counter, whose low word is a multiple of 8 */
	memcpy(x, first, sizeof(x));
	for (int round = 0; round < ROUNDS; round += 2) {
		for (int i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
		for (int i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4],
				      &x[12 + (i + 3) % 4]);
	}
	for (int i = 0; i < 16; i++) {
		x[i] += first[i];
		memcpy(&random->word[i * BLOCKS], &x[i], sizeof(x[i]));
	}
	random->left = RANDOM_WORDS;
	random->state[12] += BLOCKS;
	if (random->state[12] == 0)
		random->state[13]++;
}
