/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_cycles.h>

#include "clock.h"

static uint64_t start_tsc;
static uint64_t ms_per_cycle_64; /* milliseconds a TSC cycle, times 2^64 */

void clock_setup(void)
{
	start_tsc = rte_rdtsc();
	ms_per_cycle_64 = (uint64_t)(((__uint128_t)1000 << 64) / rte_get_tsc_hz());
}

uint64_t clock_ms(void)
{
	return (uint64_t)(((__uint128_t)(rte_rdtsc() - start_tsc) * ms_per_cycle_64) >> 64);
}
