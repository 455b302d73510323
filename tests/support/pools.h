/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_POOLS_H
#define WEIR_SUPPORT_POOLS_H

#include "pool.h"

/*
 * Configurations of pools for tests. Addresses are written "192.0.2.1 198.51.100.0-198.51.100.9";
 * a mistake in them ends the test.
 */

/* The lists on the heap, everything else as the presets of the config say. */
struct pool_config support_pool_config(const char *name, const char *addresses,
				       const char *excluded);
void support_pool_config_clean(struct pool_config *config);

/* Ranges, on the heap. */
struct config_prefixes support_ranges(const char *text);
/* The address in host order. */
uint32_t support_ipv4(const char *text);

#endif
