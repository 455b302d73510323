/* SPDX-License-Identifier: BSD-3-Clause */
#include "ident.h"

/* A secret of the process: the keyed hash of a number. */
static uint64_t secret(uint32_t number)
{
	struct tuple key = {.src = number, .dst = ~number};

	return tuple_hash(&key);
}

void ident_init(struct ident *ident, uint8_t worker, uint32_t workers)
{
	uint16_t first_factor = (uint16_t)(secret(1) | 1);
	uint32_t shift = 0; /* bits that tell the workers apart */

	while (1u << shift < workers)
		shift++;
	ident->factor_of_flow = secret(0) | 1;
	ident->growth = (uint16_t)(first_factor << shift);
	ident->factor = (uint16_t)(secret(2) | 1);
	for (uint32_t i = 0; i < IDENTS; i++)
		ident->counter[i] = (uint16_t)((secret(i + 3) << shift | worker) * first_factor);
}
