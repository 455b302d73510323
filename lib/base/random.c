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

static inline uint32_t rotate(uint32_t value, int bits)
{
	return value << bits | value >> (32 - bits);
}

static inline void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
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
	uint32_t x[16];

	memcpy(x, random->state, sizeof(x));
	for (int round = 0; round < ROUNDS; round += 2) {
		for (int i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
		for (int i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4],
				      &x[12 + (i + 3) % 4]);
	}
	for (int i = 0; i < 16; i++)
		random->block[i] = x[i] + random->state[i];
	random->left = 16;
	if (++random->state[12] == 0)
		random->state[13]++;
}
