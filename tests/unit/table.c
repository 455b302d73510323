/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_memory.h>

#include "eal.h"
#include "table.h"

#define KEYS 512 /* as many as the table was made for */

/* A record is its key; bit 0 of a value is the test's to use. */
static struct table *table;
static struct tuple keys[4 * KEYS];

static bool has_key(const void *context, uint32_t value, const struct tuple *key)
{
	const struct tuple *record = context;

	return tuple_equal(&record[value >> 1], key);
}

static int create(void **state)
{
	(void)state;
	table = table_create("test", KEYS, has_key, keys, SOCKET_ID_ANY);
	for (uint32_t i = 0; i < RTE_DIM(keys); i++)
		keys[i] = (struct tuple){.src = i, .dst = 7, .sport = 5, .proto_realm = 17};
	return table == NULL ? -1 : 0;
}

static int destroy(void **state)
{
	(void)state;
	table_destroy(table);
	return 0;
}

static uint32_t find(uint32_t i)
{
	return table_find(table, &keys[i], tuple_hash(&keys[i]));
}

static uint32_t value_of(uint32_t i)
{
	return i << 1 | (i & 1);
}

static int add(uint32_t i)
{
	return table_add(table, tuple_hash(&keys[i]), value_of(i));
}

static void take_out(uint32_t i)
{
	table_remove(table, tuple_hash(&keys[i]), value_of(i));
}

/* What was added is found with its value, until it is removed. */
static void add_find_remove(void **state)
{
	(void)state;
	assert_int_equal(find(1), TABLE_NONE);
	assert_int_equal(add(1), 0);
	assert_int_equal(find(1), value_of(1));
	assert_int_equal(find(2), TABLE_NONE);
	assert_int_equal(add(2), 0);
	take_out(1);
	assert_int_equal(find(1), TABLE_NONE);
	assert_int_equal(find(2), value_of(2));
	assert_int_equal(add(1), 0);
	assert_int_equal(find(1), value_of(1));
}

/* Keys that differ in one field only are different keys. */
static void every_field_counts(void **state)
{
	struct tuple other;

	(void)state;
	keys[0] = (struct tuple){.src = 1, .dst = 2, .sport = 3, .dport = 4, .proto_realm = 5};
	assert_int_equal(add(0), 0);
	assert_int_equal(find(0), value_of(0));
	for (size_t i = 0; i < sizeof(other); i++) {
		other = keys[0];
		((uint8_t *)&other)[i] ^= 0x80;
		/* whatever the hash: the key itself is compared */
		assert_int_equal(table_find(table, &other, tuple_hash(&other)), TABLE_NONE);
		assert_int_equal(table_find(table, &other, tuple_hash(&keys[0])), TABLE_NONE);
	}
}

/* The table takes all the keys that it was made for, most of them in their first bucket, and says
 * when it is full. */
static void as_many_as_promised(void **state)
{
	uint32_t n = 0, guessed = 0;

	(void)state;
	while (n < KEYS)
		assert_int_equal(add(n++), 0);
	for (uint32_t i = 0; i < KEYS; i++) {
		assert_int_equal(find(i), value_of(i));
		guessed += table_guess(table, tuple_hash(&keys[i])) == value_of(i);
	}
	assert_in_range(guessed, KEYS / 2, KEYS);
	while (n < RTE_DIM(keys) && add(n) == 0)
		n++;
	assert_in_range(n, KEYS, RTE_DIM(keys) - 1);
	assert_int_equal(add(n), -ENOSPC);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(find(i), value_of(i));
	assert_int_equal(find(n), TABLE_NONE);
}

/* Tables of every small size, and a large one, take as many as they were made for. */
static void every_size(void **state)
{
	(void)state;
	for (uint32_t size = 1; size < 2 * KEYS; size += size < 64 ? 1 : 61) {
		table_destroy(table);
		table = table_create("test", size, has_key, keys, SOCKET_ID_ANY);
		assert_non_null(table);
		for (uint32_t i = 0; i < size; i++)
			assert_int_equal(add(i), 0);
		for (uint32_t i = 0; i < size; i++)
			assert_int_equal(find(i), value_of(i));
	}
}

/* Two records of one key: each is taken out by itself. */
static void a_value_is_removed_not_a_key(void **state)
{
	(void)state;
	keys[5] = keys[4];
	assert_int_equal(add(4), 0);
	assert_int_equal(add(5), 0);
	take_out(4);
	assert_int_equal(find(4), value_of(5));
}

/* A guess is the key's value or another's, or none, and table_find() sets it right. */
static void a_guess_is_mostly_right(void **state)
{
	uint32_t right = 0;

	(void)state;
	for (uint32_t i = 0; i < KEYS; i += 2)
		assert_int_equal(add(i), 0);
	for (uint32_t i = 0; i < KEYS; i++)
		right += table_guess(table, tuple_hash(&keys[i])) == find(i);
	assert_in_range(right, KEYS * 9 / 10, KEYS);
}

/* Keys in sequence, as subscribers' addresses and ports are, spread over the buckets whatever the
 * secret key of the hash: nearly all find their place in their first bucket. */
static void sequences_spread(void **state)
{
	uint32_t right = 0, rounds = 400;

	(void)state;
	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t here = 0;

		assert_int_equal(tuple_setup(), 0);
		table_destroy(table);
		table = table_create("test", KEYS, has_key, keys, SOCKET_ID_ANY);
		for (uint32_t i = 0; i < KEYS / 2; i++) {
			keys[i].src = round % 2 ? rte_cpu_to_be_32(i) : 1;
			keys[i].sport = round % 2 ? 5 : rte_cpu_to_be_16((uint16_t)(1024 + i));
			assert_int_equal(add(i), 0);
		}
		for (uint32_t i = 0; i < KEYS / 2; i++)
			here += table_guess(table, tuple_hash(&keys[i])) == find(i);
		assert_in_range(here, KEYS / 2 * 3 / 4, KEYS / 2);
		right += here;
	}
	assert_in_range(right, rounds * KEYS / 2 * 19 / 20, rounds * KEYS / 2);
}

/* At random against an array, the table nearly full: adds, removals and look-ups. */
static void against_a_model(void **state)
{
	static bool there[KEYS];

	(void)state;
	memset(there, 0, sizeof(there));
	srandom(6);
	for (uint32_t i = 0; i < 300000; i++) {
		uint32_t key = (uint32_t)random() % KEYS;

		assert_int_equal(find(key), there[key] ? value_of(key) : TABLE_NONE);
		if (!there[key]) {
			assert_int_equal(add(key), 0);
			there[key] = true;
		} else if (random() % 8 == 0) {
			take_out(key);
			there[key] = false;
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
		TEST(add_find_remove),
		TEST(every_field_counts),
		TEST(as_many_as_promised),
		TEST(every_size),
		TEST(a_value_is_removed_not_a_key),
		TEST(a_guess_is_mostly_right),
		TEST(sequences_spread),
		TEST(against_a_model),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
