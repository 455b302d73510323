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

static struct table *table;
static struct tuple keys[2 * KEYS];

static int create(void **state)
{
	(void)state;
	table = table_create("test", KEYS, SOCKET_ID_ANY);
	for (uint32_t i = 0; i < 2 * KEYS; i++)
		keys[i] = (struct tuple){.src = i, .dst = 7, .sport = 5, .proto_realm = 17};
	return table == NULL ? -1 : 0;
}

static int destroy(void **state)
{
	(void)state;
	table_destroy(table);
	return 0;
}

static uintptr_t find(uint32_t i)
{
	return table_find(table, &keys[i], tuple_hash(&keys[i]));
}

static int add(uint32_t i, uintptr_t value)
{
	return table_add(table, &keys[i], tuple_hash(&keys[i]), value);
}

static int32_t take_out(uint32_t i)
{
	return table_remove(table, &keys[i], tuple_hash(&keys[i]));
}

/* What was added is found with its value, until it is removed. */
static void add_find_remove(void **state)
{
	int32_t slot;

	(void)state;
	assert_int_equal(find(1), 0);
	assert_int_equal(take_out(1), -ENOENT);
	assert_int_equal(add(1, 0x1001), 0);
	assert_int_equal(find(1), 0x1001);
	assert_int_equal(find(2), 0);
	slot = take_out(1);
	assert_true(slot >= 0);
	assert_int_equal(find(1), 0);
	table_free_slot(table, slot);
	assert_int_equal(add(1, 0x2000), 0);
	assert_int_equal(find(1), 0x2000);
}

/* Keys that differ in one field only are different keys. */
static void every_field_counts(void **state)
{
	struct tuple base = {.src = 1, .dst = 2, .sport = 3, .dport = 4, .proto_realm = 5}, other;

	(void)state;
	assert_int_equal(table_add(table, &base, tuple_hash(&base), 8), 0);
	for (size_t i = 0; i < sizeof(base); i++) {
		other = base;
		((uint8_t *)&other)[i] ^= 0x80;
		assert_int_equal(table_find(table, &other, tuple_hash(&other)), 0);
	}
}

/* The table takes all the keys that it was made for, and says when it is full. */
static void as_many_as_promised(void **state)
{
	uint32_t n = 0;

	(void)state;
	while (n < KEYS) {
		assert_int_equal(add(n, 8 * n + 8), 0);
		n++;
	}
	while (n < 2 * KEYS && add(n, 8) == 0)
		n++;
	assert_true(n < 2 * KEYS);
	assert_int_equal(add(n, 8), -ENOSPC);
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(find(i), 8 * i + 8);
}

/* A removed key's slot is not used again before it is freed: a reader may stand on it. */
static void slots_wait_to_be_freed(void **state)
{
	static int32_t slots[2 * KEYS];
	uint32_t n = 0;

	(void)state;
	while (n < 2 * KEYS && add(n, 8) == 0)
		n++;
	for (uint32_t i = 0; i < n; i++)
		slots[i] = take_out(i);
	assert_int_equal(add(0, 8), -ENOSPC);
	for (uint32_t i = 0; i < n; i++)
		table_free_slot(table, slots[i]);
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(add(i, 8), 0);
}

/* Bulk look-ups of every size give what single ones do. */
static void bulk_is_as_single(void **state)
{
	const struct tuple *key[TABLE_BULK_MAX];
	uint32_t hash[TABLE_BULK_MAX];
	void *value[TABLE_BULK_MAX];

	(void)state;
	for (uint32_t i = 0; i < KEYS; i += 3)
		assert_int_equal(add(i, 16 * i + 16), 0);
	srandom(5);
	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t n = round % TABLE_BULK_MAX + 1;
		uint64_t hits;

		for (uint32_t i = 0; i < n; i++) {
			key[i] = &keys[random() % KEYS];
			hash[i] = tuple_hash(key[i]);
		}
		hits = table_find_bulk(table, key, hash, n, value);
		for (uint32_t i = 0; i < n; i++) {
			uintptr_t single = table_find(table, key[i], hash[i]);

			assert_int_equal(hits >> i & 1, single != 0);
			if (single != 0)
				assert_int_equal((uintptr_t)value[i], single);
		}
		assert_int_equal(hits >> 1 >> (n - 1), 0);
	}
}

/* At random against an array: adds, removals and look-ups. */
static void against_a_model(void **state)
{
	static uintptr_t value[KEYS];

	(void)state;
	memset(value, 0, sizeof(value));
	srandom(6);
	for (uint32_t i = 0; i < 300000; i++) {
		uint32_t key = (uint32_t)random() % KEYS;

		assert_int_equal(find(key), value[key]);
		if (random() % 2 == 0)
			continue;
		if (value[key] == 0) {
			value[key] = (uintptr_t)random() + 1;
			assert_int_equal(add(key, value[key]), 0);
		} else {
			table_free_slot(table, take_out(key));
			value[key] = 0;
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
		TEST(add_find_remove),        TEST(every_field_counts), TEST(as_many_as_promised),
		TEST(slots_wait_to_be_freed), TEST(bulk_is_as_single),  TEST(against_a_model),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
