/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <rte_malloc.h>

#include "eal.h"
#include "icmp.h"
#include "random.h"

#define RATE        1000u
#define SOURCE_RATE 50u
#define BURST       100u /* of all, at RATE: a tenth of a second */
#define OWN_BURST   ICMP_BURST_MIN
#define START_MS    1000000u

static struct icmp_limiter *limiter_with(bool errors, uint32_t rate, uint32_t source_rate)
{
	const struct icmp_config config = {
		.errors = errors, .rate = rate, .source_rate = source_rate};
	struct icmp_limiter *limiter = icmp_limiter_create(&config, SOCKET_ID_ANY);

	assert_non_null(limiter);
	return limiter;
}

static void configure(struct icmp_limiter *limiter, bool errors, uint32_t rate,
		      uint32_t source_rate)
{
	const struct icmp_config config = {
		.errors = errors, .rate = rate, .source_rate = source_rate};

	icmp_limiter_configure(limiter, &config);
}

/* Some host of realm 1. */
static rte_be32_t host(uint32_t number)
{
	return rte_cpu_to_be_32(0x64400000 + number);
}

/* How many of `n` errors one source gets at one time. */
static uint32_t taken(struct icmp_limiter *limiter, rte_be32_t source, uint32_t n, uint64_t now_ms)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		count += icmp_limit_take(limiter, source, 1, now_ms);
	return count;
}

/* One source that asks 10,000 times a second gets its rate, and a burst before. */
static void source_gets_its_rate(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, RATE, SOURCE_RATE);
	uint32_t count = 0;

	(void)state;
	for (uint32_t ms = 0; ms < 10000; ms++)
		count += taken(limiter, host(1), 10, START_MS + ms);
	assert_in_range(count, 10 * SOURCE_RATE, 10 * SOURCE_RATE + OWN_BURST);
	icmp_limiter_destroy(limiter);
}

/* All sources together get the rate for all, and a burst before, however many they are. */
static void all_get_the_rate(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, RATE, SOURCE_RATE);
	uint32_t count = 0;

	(void)state;
	for (uint32_t ms = 0; ms < 10000; ms++)
		for (uint32_t i = 0; i < 10; i++)
			count += taken(limiter, host(ms * 10 + i), 1, START_MS + ms);
	assert_in_range(count, 10 * RATE, 10 * RATE + BURST);
	icmp_limiter_destroy(limiter);
}

/* Ten sources that ask without pause take nothing from a traceroute: three errors a second. */
static void greedy_sources_starve_no_one(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, RATE, SOURCE_RATE);

	(void)state;
	for (uint32_t ms = 0; ms < 10000; ms++) {
		for (uint32_t greedy = 1; greedy <= 10; greedy++)
			taken(limiter, host(greedy), 10, START_MS + ms);
		if (ms % 1000 == 500)
			assert_int_equal(taken(limiter, host(99), 3, START_MS + ms), 3);
	}
	icmp_limiter_destroy(limiter);
}

/* What a source asks for beyond its own bucket leaves the bucket of all as it is. */
static void refusals_cost_the_others_nothing(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, 100, 1); /* bursts of 10 and 5 */

	(void)state;
	assert_int_equal(taken(limiter, host(1), 1000, START_MS), 5);
	assert_int_equal(taken(limiter, host(2), 1000, START_MS), 5);
	assert_int_equal(taken(limiter, host(3), 1000, START_MS), 0); /* all is used up */
	assert_int_equal(taken(limiter, host(3), 2, START_MS + 20), 2);
	icmp_limiter_destroy(limiter);
}

/* The same address in two realms is two sources, also when they fall into one set. */
static void realms_are_apart(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, 1000000, 1);

	(void)state;
	for (uint32_t realm = 1; realm <= 10000; realm++)
		for (int i = 0; i < ICMP_BURST_MIN; i++)
			assert_true(icmp_limit_take(limiter, host(1), realm, START_MS));
	assert_false(icmp_limit_take(limiter, host(1), 10000, START_MS));
	icmp_limiter_destroy(limiter);
}

/* The smallest rates allow an error now and then; the largest do not overflow. */
static void extreme_rates_work(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, 1, 1);

	(void)state;
	assert_int_equal(taken(limiter, host(1), 100, START_MS), ICMP_BURST_MIN);
	assert_int_equal(taken(limiter, host(1), 100, START_MS + 999), 0);
	assert_int_equal(taken(limiter, host(1), 100, START_MS + 1000), 1);
	configure(limiter, true, 1000000, 1000000);
	/* so long after that the tokens come to just over 2^32 */
	assert_int_equal(taken(limiter, host(1), 200000, START_MS + 1000 + 4295), 100000);
	assert_int_equal(taken(limiter, host(1), 200000, START_MS + 1000 + 4296), 1000);
	icmp_limiter_destroy(limiter);
}

/* A bucket fills up to its burst and no further, also where 32 bits of milliseconds end. */
static void buckets_fill_across_the_wrap(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, RATE, SOURCE_RATE);
	uint64_t end = (uint64_t)UINT32_MAX + 1;

	(void)state;
	assert_int_equal(taken(limiter, host(1), 100, end - 20), OWN_BURST);
	assert_int_equal(taken(limiter, host(1), 100, end - 1), 0);
	assert_int_equal(taken(limiter, host(1), 100, end), 1);
	assert_int_equal(taken(limiter, host(1), 100, end + 60000), OWN_BURST);
	icmp_limiter_destroy(limiter);
}

static size_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats((int)rte_socket_id(), &stats), 0);
	return stats.heap_allocsz_bytes;
}

/*
 * A million spoofed sources in ten seconds: no more errors than the rate, not a byte more memory,
 * and a source over its own rate is not forgotten, which would fill its bucket again.
 */
static void spoofed_sources_gain_nothing(void **state)
{
	struct icmp_limiter *limiter = limiter_with(true, RATE, SOURCE_RATE);
	size_t bytes = heap_bytes();
	uint32_t all = 0, greedy = 0;
	struct random random;

	(void)state;
	random_init_seeded(&random, 1);
	for (uint32_t ms = 0; ms < 10000; ms++) {
		greedy += taken(limiter, host(1), 2, START_MS + ms);
		for (uint32_t i = 0; i < 100; i++)
			all += taken(limiter, random_u32(&random) | 1, 1, START_MS + ms);
	}
	assert_in_range(greedy, 1, 10 * SOURCE_RATE + OWN_BURST);
	assert_in_range(greedy + all, 10 * RATE, 10 * RATE + BURST);
	assert_int_equal(heap_bytes(), bytes);
	icmp_limiter_destroy(limiter);
}

/* New rates count from the next use; errors switched off are off, and on again. */
static void rates_change_while_running(void **state)
{
	struct icmp_limiter *limiter = limiter_with(false, RATE, SOURCE_RATE);

	(void)state;
	assert_int_equal(taken(limiter, host(1), 100, START_MS), 0);
	configure(limiter, true, RATE, 200);
	assert_int_equal(taken(limiter, host(1), 100, START_MS + 1000), 20);
	configure(limiter, true, RATE, SOURCE_RATE);
	assert_int_equal(taken(limiter, host(1), 100, START_MS + 2000), OWN_BURST);
	configure(limiter, false, RATE, SOURCE_RATE);
	assert_int_equal(taken(limiter, host(1), 100, START_MS + 3000), 0);
	icmp_limiter_destroy(limiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_gets_its_rate),
		cmocka_unit_test(all_get_the_rate),
		cmocka_unit_test(greedy_sources_starve_no_one),
		cmocka_unit_test(refusals_cost_the_others_nothing),
		cmocka_unit_test(realms_are_apart),
		cmocka_unit_test(extreme_rates_work),
		cmocka_unit_test(buckets_fill_across_the_wrap),
		cmocka_unit_test(spoofed_sources_gain_nothing),
		cmocka_unit_test(rates_change_while_running),
	};

	support_eal_setup(1, 32);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
