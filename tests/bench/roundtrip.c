/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "bench.h"
#include "figure.h"

/*
 * How many TSC cycles a cache line takes from one CPU to the other and back: two threads answer
 * each other's writes to one line. CPUs of a virtual machine may share an L3 cache at one time and
 * not at another, and every figure on the wire depends on it.
 */
#define TRIPS   64 /* a window */
#define MOST_MS 20 /* where others have the CPUs too, a trip lasts as long as they do */

static struct {
	uint32_t number; /* odd: it is the other's to answer */
} line __rte_cache_aligned;

#define LAST UINT32_MAX

static uint32_t wait_for_other_than(uint32_t number)
{
	uint32_t now;

	do
		now = __atomic_load_n(&line.number, __ATOMIC_ACQUIRE);
	while (now == number);
	return now;
}

static int answer(void *context __rte_unused)
{
	uint32_t number = 0;

	while ((number = wait_for_other_than(number)) != LAST)
		__atomic_store_n(&line.number, ++number, __ATOMIC_RELEASE);
	return 0;
}

void bench_roundtrip(const struct bench *bench)
{
	uint64_t end = rte_get_tsc_cycles() + rte_get_tsc_hz() / 1000 * MOST_MS;
	unsigned int other = rte_get_next_lcore(rte_lcore_id(), 1, 0);
	struct figure figure;
	uint32_t number = 0;

	if (other == RTE_MAX_LCORE || rte_eal_remote_launch(answer, NULL, other) != 0)
		world_die("a round trip takes two CPUs");
	figure_begin(&figure);
	do {
		uint64_t begin = rte_rdtsc_precise();

		for (uint32_t i = 0; i < TRIPS; i++) {
			__atomic_store_n(&line.number, number + 1, __ATOMIC_RELEASE);
			number = wait_for_other_than(number + 1);
		}
		figure_add(&figure, (double)(rte_rdtsc_precise() - begin) / TRIPS);
	} while (figure.n < bench->windows && rte_get_tsc_cycles() < end);
	__atomic_store_n(&line.number, LAST, __ATOMIC_RELEASE);
	rte_eal_wait_lcore(other);
	printf("{\"bench\": \"roundtrip\", \"unit\": \"cycles\", \"value\": %.0f, \"best\": "
	       "%.0f}\n",
	       figure_median(&figure), figure_best(&figure));
	figure_end(&figure);
}
