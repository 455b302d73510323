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
	ident->worker = worker;
	ident->shift = 0;
	while (1u << ident->shift < workers)
		ident->shift++;
	ident->factor_of_flow = secret(0) | 1;
	ident->factor[0] = (uint16_t)(secret(1) | 1);
	ident->factor[1] = (uint16_t)(secret(2) | 1);
	for (uint32_t i = 0; i < IDENTS; i++)
		ident->next[i] = (uint16_t)secret(i + 3);
}
