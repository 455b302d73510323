/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* random_peek() tells what random_u32() will give, wherever in its store of numbers it is. */
static void peek_foresees(void **state)
{
	struct random random;

	(void)state;
	random_init_seeded(&random, 3);
	for (uint32_t n = 1; n <= RANDOM_WORDS; n++) {
		uint32_t seen[RANDOM_WORDS];

		random_prepare(&random, n);
		for (uint32_t i = 0; i < n; i++)
			seen[i] = random_peek(&random, i);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(random_u32(&random), seen[i]);
	}
}

/* The numbers are ChaCha12's key stream: its first block of a key and nonce of zeros. */
static void is_chacha12(void **state)
{
	static const uint8_t expected[64] = {
		0x9b, 0xf4, 0x9a, 0x6a, 0x07, 0x55, 0xf9, 0x53, 0x81, 0x1f, 0xce, 0x12, 0x5f,
		0x26, 0x83, 0xd5, 0x04, 0x29, 0xc3, 0xbb, 0x49, 0xe0, 0x74, 0x14, 0x7e, 0x00,
		0x89, 0xa5, 0x2e, 0xae, 0x15, 0x5f, 0x05, 0x64, 0xf8, 0x79, 0xd2, 0x7a, 0xe3,
		0xc0, 0x2c, 0xe8, 0x28, 0x34, 0xac, 0xfa, 0x8c, 0x79, 0x3a, 0x62, 0x9f, 0x2c,
		0xa0, 0xde, 0x69, 0x19, 0x61, 0x0b, 0xe8, 0x2f, 0x41, 0x13, 0x26, 0xbe,
	};
	uint32_t block[16];
	struct random random;

	(void)state;
	random_init_seeded(&random, 0);
	random_refill(&random);
	for (uint32_t i = 0; i < 16; i++)
		block[i] = random.word[i * RANDOM_WORDS / 16];
	assert_memory_equal(block, expected, sizeof(block));
}

/* No number of any of many refills comes where another did: the counter goes on. */
static void blocks_differ(void **state)
{
	struct random random;
	uint32_t first[RANDOM_WORDS], same = 0;

	(void)state;
	random_init_seeded(&random, 0);
	random_refill(&random);
	memcpy(first, random.word, sizeof(first));
	for (uint32_t i = 0; i < 100; i++) {
		random_refill(&random);
		for (uint32_t j = 0; j < RANDOM_WORDS; j++)
			same += random.word[j] == first[j];
	}
	assert_true(same < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeded_repeats),     cmocka_unit_test(below_is_uniform),
		cmocka_unit_test(kernel_keys_differ), cmocka_unit_test(peek_foresees),
		cmocka_unit_test(is_chacha12),        cmocka_unit_test(blocks_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
