/* SPDX-License-Identifier: BSD-3-Clause */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "eal.h"
#include "random.h"
#include "rcu.h"
#include "table.h"

#define LCORES      4 /* the first writes, the others read */
#define ROUNDS      48
#define TURNS       80000 /* of the writer, a round: each takes out a key and puts one in */
#define YIELD_EVERY 512   /* with fewer CPUs than lcores, others are between anything */

/* Keys that tables are made for: small ones, so that readers often look where entries move. */
static const uint32_t made_for[] = {8, 64, 256};
#define SIZE_MOST 640

/*
 * Of `size` keys, which nearly fill the table, half are there all the time, and the others come and
 * go. Of these, some get another key each time, once readers have let go of their records.
 */
#define SIZE(table)    ((table)->buckets * TABLE_WAYS * 24 / 25)
#define STAYING(size)  ((size) / 2)
#define COMING(size)   (size)
#define CHANGING(size) ((size) / 8)
#define RECORDS(size)  (STAYING(size) + COMING(size) + CHANGING(size))

struct record {
	struct tuple key;
	uint64_t token; /* CHANGING, out of the table: of the grace period that it waits for */
	bool in;
};

static struct record record[RECORDS(SIZE_MOST)];
static uint32_t version[RECORDS(SIZE_MOST)]; /* of the key; atomic */
static struct table *table;
static uint32_t size, running;
static uint64_t refused; /* as the writer found no place for them */

/* What readers saw, by lcore. */
static struct seen {
	uint64_t found, absent;
	uint64_t missed;  /* keys that were there all the time */
	uint64_t foreign; /* records of other keys, or that had changed meanwhile */
} seen[LCORES];

static struct tuple key_of(uint32_t i, uint32_t of_version)
{
	return (struct tuple){.src = i, .dst = of_version, .sport = 7, .proto_realm = 17};
}

static uint32_t value_of(uint32_t i)
{
	return i << 1 | (i & 1);
}

static bool has_key(const void *context, uint32_t value, const struct tuple *key)
{
	const struct record *records = context;

	return tuple_equal(&records[value >> 1].key, key);
}

/* ---- readers ---- */

/* As step_find() looks: a guess, and what was guessed wrong is looked up. */
static uint32_t find(const struct tuple *key, bool guess)
{
	uint64_t hash = tuple_hash(key);
	uint32_t value = guess ? table_guess(table, hash) : TABLE_NONE;

	if (value != TABLE_NONE && has_key(record, value, key))
		return value;
	return table_find(table, key, hash);
}

static void look(struct seen *mine, struct random *random)
{
	uint32_t i = random_below(random, RECORDS(size));
	struct tuple key = key_of(i, __atomic_load_n(&version[i], __ATOMIC_RELAXED));
	uint32_t value = find(&key, random_below(random, 2) == 0);

	if (value == TABLE_NONE) {
		mine->absent++;
		mine->missed += i < STAYING(size);
	} else {
		mine->found++;
		mine->foreign += value != value_of(i) || !has_key(record, value, &key);
	}
	/* a key that never was there */
	key.sport = 8;
	mine->foreign += find(&key, false) != TABLE_NONE;
}

static int read_all(void *arg)
{
	uint32_t me = rte_lcore_id();
	struct random random;

	(void)arg;
	random_init_seeded(&random, me);
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0) {
		for (uint32_t i = 0; i < 16; i++)
			look(&seen[me], &random);
		rte_rcu_qsbr_quiescent(rcu, me);
		if (random_below(&random, YIELD_EVERY / 16) == 0)
			sched_yield();
	}
	return 0;
}

/* ---- the writer ---- */

static void put_in(uint32_t i)
{
	record[i].in = table_add(table, tuple_hash(&record[i].key), value_of(i)) == 0;
	refused += !record[i].in;
}

static void take_out(uint32_t i)
{
	table_remove(table, tuple_hash(&record[i].key), value_of(i));
	record[i].in = false;
	if (i >= STAYING(size) + COMING(size))
		record[i].token = rte_rcu_qsbr_start(rcu);
}

/* Whether a record that is out may come in; one that changes gets a new key. */
static bool prepare(uint32_t i)
{
	uint32_t next = version[i] + 1;

	if (i < STAYING(size) + COMING(size))
		return true;
	if (rte_rcu_qsbr_check(rcu, record[i].token, false) != 1)
		return false;
	record[i].key = key_of(i, next);
	__atomic_store_n(&version[i], next, __ATOMIC_RELAXED);
	return true;
}

/* One of those that come and go, which is in or out; any that can be at once. */
static uint32_t choose(struct random *random, bool in)
{
	uint32_t first = STAYING(size), n = RECORDS(size) - first;
	uint32_t start = random_below(random, n);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t chosen = first + (start + i) % n;

		if (record[chosen].in == in && (in || prepare(chosen)))
			return chosen;
	}
	return UINT32_MAX;
}

static void fill(struct random *random)
{
	memset(record, 0, sizeof(record));
	memset(version, 0, sizeof(version));
	for (uint32_t i = 0; i < RECORDS(size); i++)
		record[i].key = key_of(i, 0);
	for (uint32_t i = 0; i < STAYING(size); i++) {
		put_in(i);
		assert_true(record[i].in);
	}
	for (uint32_t n = STAYING(size); n < size; n++)
		put_in(choose(random, false));
}

static void write_all(struct random *random)
{
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		take_out(choose(random, true));
		put_in(choose(random, false)); /* of those that do not change, some are out */
		if (turn % YIELD_EVERY == 0)
			sched_yield();
	}
}

static void check_all(void)
{
	for (uint32_t i = 0; i < RECORDS(size); i++)
		assert_int_equal(find(&record[i].key, false),
				 record[i].in ? value_of(i) : TABLE_NONE);
}

/*
 * While the writer adds, removes and moves entries of a full table, every reader finds what stands
 * there all the time, and under no key another's record.
 */
static void one_writer_many_readers(void **state)
{
	struct random random;
	uint64_t moves = 0;

	(void)state;
	random_init_seeded(&random, 77);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		assert_int_equal(tuple_setup(), 0);
		table = table_create("race", made_for[round % RTE_DIM(made_for)], has_key, record,
				     SOCKET_ID_ANY);
		assert_non_null(table);
		size = SIZE(table);
		assert_in_range(size, 1, SIZE_MOST);
		fill(&random);
		__atomic_store_n(&running, 1, __ATOMIC_RELEASE);
		for (uint32_t i = 1; i < LCORES; i++)
			assert_int_equal(rte_eal_remote_launch(read_all, NULL, i), 0);
		write_all(&random);
		__atomic_store_n(&running, 0, __ATOMIC_RELEASE);
		rte_eal_mp_wait_lcore();
		moves += table->moves;
		check_all();
		table_destroy(table);
	}
	print_message("%lu moves, %lu refused\n", moves, refused);
	assert_in_range(moves, ROUNDS * TURNS / 8, UINT64_MAX);
	assert_in_range(refused, 0, ROUNDS * TURNS / 50);
	for (uint32_t i = 1; i < LCORES; i++) {
		print_message("reader %u: %lu found, %lu absent\n", i, seen[i].found,
			      seen[i].absent);
		assert_int_equal(seen[i].missed, 0);
		assert_int_equal(seen[i].foreign, 0);
		assert_true(seen[i].found > 0 && seen[i].absent > 0);
	}
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(LCORES, 64);
	for (uint32_t i = 1; i < LCORES; i++) {
		assert_int_equal(rte_rcu_qsbr_thread_register(rcu, i), 0);
		rte_rcu_qsbr_thread_online(rcu, i);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_writer_many_readers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
