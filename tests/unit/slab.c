/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_memory.h>

#include "eal.h"
#include "slab.h"

#define N 37

/* Records begin zeroed, each is given out once, and then there is none left. */
static void all_records_once(void **state)
{
	struct slab *slab = slab_create("test", N, 72, SOCKET_ID_ANY);
	char zeros[72] = {0}, *record[N], *next, *last = slab_next(slab, N - 1);

	(void)state;
	assert_int_equal(slab_size(slab), N);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(slab_taken(slab), i);
		assert_ptr_equal(slab_next(slab, N - 1 - i), last);
		assert_null(slab_next(slab, N - i));
		next = slab_next(slab, 0);
		record[i] = slab_take(slab);
		assert_ptr_equal(record[i], next);
		assert_memory_equal(record[i], zeros, sizeof(zeros));
		memset(record[i], 0xaa, 72); /* were it somebody else's too, it would not be zero */
	}
	assert_ptr_equal(record[N - 1], last);
	assert_null(slab_take(slab));
	assert_int_equal(slab_taken(slab), N);
	slab_destroy(slab);
}

/* A record and its index name each other; there is none past the end. */
static void indices(void **state)
{
	struct slab *slab = slab_create("test", N, 72, SOCKET_ID_ANY);

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(slab_index(slab, slab_at(slab, i)), i);
	assert_null(slab_at(slab, N));
	slab_destroy(slab);
}

/* The last one given back is the next taken, as it was left. */
static void the_last_given_is_taken_next(void **state)
{
	struct slab *slab = slab_create("test", N, 72, SOCKET_ID_ANY);
	char *a = slab_take(slab), *b = slab_take(slab);

	(void)state;
	strcpy(a, "left");
	slab_give(slab, b);
	slab_give(slab, a);
	assert_ptr_equal(slab_take(slab), a);
	assert_string_equal(a, "left");
	assert_ptr_equal(slab_take(slab), b);
	slab_destroy(slab);
}

/* Against an array of flags, at random: never a record twice, never none while one is free. */
static void against_a_model(void **state)
{
	struct slab *slab = slab_create("test", N, 8, SOCKET_ID_ANY);
	bool taken[N] = {0};
	uint32_t count = 0;

	(void)state;
	srandom(7);
	for (int i = 0; i < 100000; i++) {
		uint32_t index = (uint32_t)random() % N;

		if (taken[index]) {
			slab_give(slab, slab_at(slab, index));
			taken[index] = false;
			count--;
		} else {
			index = slab_index(slab, slab_take(slab));
			assert_in_range(index, 0, N - 1);
			assert_false(taken[index]);
			taken[index] = true;
			count++;
		}
		assert_int_equal(slab_taken(slab), count);
	}
	slab_destroy(slab);
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_records_once),
		cmocka_unit_test(indices),
		cmocka_unit_test(the_last_given_is_taken_next),
		cmocka_unit_test(against_a_model),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
