/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include <rte_cycles.h>

#include "clock.h"

static uint64_t start_tsc;
static uint64_t start_wall_us;
static uint64_t ms_per_cycle_64; /* milliseconds a TSC cycle, times 2^64 */

void clock_setup(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	start_wall_us = (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_nsec / 1000;
	start_tsc = rte_rdtsc();
	ms_per_cycle_64 = (uint64_t)(((__uint128_t)1000 << 64) / rte_get_tsc_hz());
}

uint64_t clock_ms(void)
{
	return (uint64_t)(((__uint128_t)(rte_rdtsc() - start_tsc) * ms_per_cycle_64) >> 64);
}

uint64_t clock_wall_us(uint64_t ms)
{
	return start_wall_us + ms * 1000;
}
