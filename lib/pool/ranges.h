/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_RANGES_H
#define WEIR_POOL_RANGES_H

#include "pool.h"
#include "text.h"

/* Private to pool/. */

/*
 * The addresses less the excluded ones, in the order of the former, into `range`, which has room
 * for addresses->n + excluded->n (an exclusion splits at most one range in two, as ranges of
 * addresses do not overlap). Returns how many ranges there are.
 */
uint32_t ranges_left(const struct config_prefixes *addresses,
		     const struct config_prefixes *excluded, struct config_range *range);

/* The same of a pool's addresses and excluded ones, sorted. */
uint32_t pool_ranges(const struct pool_config *config, struct config_range *range);

static inline bool ranges_overlap(const struct config_range *a, const struct config_range *b)
{
	return a->first <= b->last && b->first <= a->last;
}

#define RANGE_TEXT_SIZE (2 * TEXT_IPV4_SIZE)

/* "192.0.2.1", or "192.0.2.1-192.0.2.9" */
char *range_text(const struct config_range *range, char text[RANGE_TEXT_SIZE]);

/* Whether all are addresses that a host can have, and the first is not behind the last. */
bool range_is_unicast(const struct config_range *range);

#endif
