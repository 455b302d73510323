/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_RANGES_H
#define WEIR_POOL_RANGES_H

#include "pool.h"

/* Private to pool/. */

/*
 * The addresses of a pool less the excluded ones, sorted, into `range`, which has room for
 * addresses.n + excluded_addresses.n (an exclusion splits at most one range in two, as ranges of
 * addresses do not overlap). Returns how many ranges there are.
 */
uint32_t pool_ranges(const struct pool_config *config, struct config_range *range);

#endif
