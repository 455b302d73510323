/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>
#include <rte_memory.h>

#include "eal.h"
#include "wheel.h"

#define START 1000u

static struct wheel *wheel;

static int create(void **state)
{
	(void)state;
	wheel = wheel_create(1000, START, SOCKET_ID_ANY);
	return wheel == NULL ? -1 : 0;
}

static int destroy(void **state)
{
	(void)state;
	wheel_destroy(wheel);
	return 0;
}

/* The second at which an index comes out, looking every second. */
static uint32_t comes_out(uint32_t index)
{
	uint32_t got;

	for (uint32_t now = START; now < START + 200; now++)
		if (wheel_take(wheel, now, &got, 1) == 1) {
			assert_int_equal(got, index);
			return now;
		}
	return 0;
}

/* An index comes out in its second, and once. */
static void in_its_second(void **state)
{
	(void)state;
	wheel_put(wheel, 5, START + 17);
	assert_int_equal(comes_out(5), START + 17);
	assert_int_equal(comes_out(5), 0);
}

/* What is too far ahead comes out as late as the wheel reaches; what is past, next. */
static void far_ahead_and_past(void **state)
{
	uint32_t got;

	(void)state;
	wheel_put(wheel, 5, START + 7440);
	assert_int_equal(comes_out(5), START + WHEEL_SECONDS);
	assert_int_equal(wheel_take(wheel, START + 200, &got, 1), 0);
	wheel_put(wheel, 6, START - 100);
	assert_int_equal(wheel_take(wheel, START + 200, &got, 1), 0);
	assert_int_equal(wheel_take(wheel, START + 201, &got, 1), 1);
	assert_int_equal(got, 6);
}

/* A call gives no more than it was asked for, and the next one goes on. */
static void bounded_batches(void **state)
{
	static bool seen[300];
	uint32_t index[WHEEL_BATCH], n, all = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < RTE_DIM(seen); i++)
		wheel_put(wheel, i, START + 3);
	assert_int_equal(wheel_take(wheel, START + 2, index, WHEEL_BATCH), 0);
	while ((n = wheel_take(wheel, START + 3, index, 7)) > 0) {
		assert_in_range(n, 1, 7);
		for (uint32_t i = 0; i < n; i++, all++) {
			assert_false(seen[index[i]]);
			seen[index[i]] = true;
		}
	}
	assert_int_equal(all, RTE_DIM(seen));
}

/* A late look finds all that came due meanwhile. */
static void a_late_look(void **state)
{
	uint32_t index[WHEEL_BATCH];

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		wheel_put(wheel, i, START + 1 + 3 * i);
	assert_int_equal(wheel_take(wheel, START + 100000, index, WHEEL_BATCH), 10);
}

/* Seconds wrap after 136 years; nothing changes. */
static void seconds_wrap(void **state)
{
	struct wheel *old = wheel_create(100, UINT32_MAX - 5, SOCKET_ID_ANY);
	uint32_t got;

	(void)state;
	assert_int_equal(wheel_take(old, UINT32_MAX - 5, &got, 1), 0);
	wheel_put(old, 1, UINT32_MAX - 5 + 20);
	assert_int_equal(wheel_take(old, UINT32_MAX - 5 + 19, &got, 1), 0);
	assert_int_equal(wheel_take(old, UINT32_MAX - 5 + 20, &got, 1), 1);
	wheel_destroy(old);
}

/* Against an array of seconds, at random, with all the room in use: none early, late or lost. */
static void against_a_model(void **state)
{
	static uint32_t due[1000]; /* 0: not in the wheel */
	uint32_t index[WHEEL_BATCH], n;

	(void)state;
	memset(due, 0, sizeof(due));
	srandom(3);
	for (uint32_t now = START; now < START + 2000; now++) {
		while ((n = wheel_take(wheel, now, index, WHEEL_BATCH)) > 0)
			for (uint32_t i = 0; i < n; i++) {
				assert_int_equal(due[index[i]], now);
				due[index[i]] = 0;
			}
		for (uint32_t i = 0; i < RTE_DIM(due); i++) {
			assert_true(due[i] == 0 || due[i] > now);
			if (due[i] != 0 || random() % 8 == 0)
				continue;
			uint32_t when = now - 5 + (uint32_t)random() % 50;

			wheel_put(wheel, i, when);
			due[i] = RTE_MIN(RTE_MAX(when, now + 1), now + WHEEL_SECONDS);
		}
	}
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_its_second), TEST(far_ahead_and_past), TEST(bounded_batches),
		TEST(a_late_look),   TEST(seconds_wrap),       TEST(against_a_model),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
