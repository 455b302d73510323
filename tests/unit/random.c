/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random.h"

/* A seed gives its numbers again; two seeds differ. */
static void seeded_repeats(void **state)
{
	struct random a, b, c;
	uint32_t same = 0;

	(void)state;
	random_init_seeded(&a, 7);
	random_init_seeded(&b, 7);
	random_init_seeded(&c, 8);
	for (int i = 0; i < 1000; i++) {
		uint32_t value = random_u32(&a);

		assert_int_equal(value, random_u32(&b));
		same += value == random_u32(&c);
	}
	assert_true(same < 3);
}

/* random_below() stays below, reaches every value, and favours none (chi-square, 9 degrees). */
static void below_is_uniform(void **state)
{
	struct random random;
	uint32_t count[10] = {0};
	double chi_square = 0;

	(void)state;
	random_init_seeded(&random, 42);
	for (int i = 0; i < 100000; i++) {
		uint32_t value = random_below(&random, 10);

		assert_true(value < 10);
		count[value]++;
	}
	for (int i = 0; i < 10; i++)
		chi_square += (count[i] - 10000.0) * (count[i] - 10000.0) / 10000.0;
	assert_true(chi_square < 27.9); /* p = 0.001 */
}

/* Two generators keyed by the kernel differ: nothing repeats after a restart. */
static void kernel_keys_differ(void **state)
{
	struct random a, b;
	uint32_t same = 0;

	(void)state;
	assert_int_equal(random_init(&a), 0);
	assert_int_equal(random_init(&b), 0);
	for (int i = 0; i < 1000; i++)
		same += random_u32(&a) == random_u32(&b);
	assert_true(same < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeded_repeats),
		cmocka_unit_test(below_is_uniform),
		cmocka_unit_test(kernel_keys_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
