/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every place where a reader and the writer of a table can meet, without luck: the processor stops
 * one of them behind each of its instructions (the trap flag), and the other does its work there.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_memory.h>

#include "eal.h"
#include "random.h"
#include "table.h"

#ifdef __x86_64__
#include <x86intrin.h>

#define TRAP_FLAG 0x100

#define BUCKETS_MOST 8
#define KEYS         (BUCKETS_MOST * TABLE_WAYS * 2)
#define STAYING      (KEYS / 4) /* the first keys are there all the time */
#define LOAD         (BUCKETS_MOST * TABLE_WAYS * 24 / 25)
#define WRITES       100 /* each takes out a key and puts one in */
#define MOVES        40  /* of a staying key: a reader of it meets each, behind every instruction */

static struct tuple key[KEYS];
static bool in[KEYS];
static struct table *table;
static struct random rng;

static bool has_key(const void *context, uint32_t value, const struct tuple *wanted)
{
	const struct tuple *keys = context;

	return tuple_equal(&keys[value], wanted);
}

static uint32_t find(uint32_t i)
{
	return table_find(table, &key[i], tuple_hash(&key[i]));
}

/* ---- the writer ---- */

/* A change: one key out, another in. */
struct change {
	uint32_t out, in;
};

static struct change random_change(void)
{
	struct change change;

	do {
		change.out = STAYING + random_below(&rng, KEYS - STAYING);
	} while (!in[change.out]);
	do {
		change.in = STAYING + random_below(&rng, KEYS - STAYING);
	} while (in[change.in]);
	return change;
}

/* False: there was no place for the one. */
static bool make(const struct change *change)
{
	table_remove(table, tuple_hash(&key[change->out]), change->out);
	return table_add(table, tuple_hash(&key[change->in]), change->in) == 0;
}

static void note(const struct change *change, bool made)
{
	in[change->out] = false;
	in[change->in] = made;
}

static void fill(void)
{
	uint32_t n = 0;

	memset(in, 0, sizeof(in));
	for (uint32_t i = 0; i < KEYS; i++)
		key[i] = (struct tuple){.src = i, .dst = 9, .sport = 7, .proto_realm = 17};
	for (uint32_t i = 0; i < KEYS && n < LOAD; i++) {
		in[i] = table_add(table, tuple_hash(&key[i]), i) == 0;
		n += in[i];
		assert_true(in[i] || i >= STAYING);
	}
}

/* ---- one step after the other ---- */

static bool (*behind_each)(void); /* false: no more steps */
static uint64_t steps, meetings, wrong;

static void on_step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *stopped = context;

	(void)signal;
	(void)info;
	steps++;
	if (!behind_each())
		stopped->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void begin_steps(bool (*work)(void))
{
	behind_each = work;
	__writeeflags(__readeflags() | TRAP_FLAG);
}

static void end_steps(void)
{
	__writeeflags(__readeflags() & ~(unsigned long long)TRAP_FLAG);
}

/* The table's memory, to see and to undo changes. */
struct memory {
	struct table_bucket bucket[BUCKETS_MOST];
	uint32_t moves;
};

static void save(struct memory *memory)
{
	memcpy(memory->bucket, table->bucket, sizeof(memory->bucket));
	memory->moves = table->moves;
}

static void restore(const struct memory *memory)
{
	memcpy(table->bucket, memory->bucket, sizeof(memory->bucket));
	table->moves = memory->moves;
}

static bool is_as(const struct memory *memory)
{
	return table->moves == memory->moves &&
	       memcmp(memory->bucket, table->bucket, sizeof(memory->bucket)) == 0;
}

/* ---- a reader behind each instruction of the writer ---- */

static struct change current;
static struct memory last;

static bool look_at_all(void)
{
	if (is_as(&last)) /* as behind the instruction before */
		return true;
	save(&last);
	meetings++;
	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t value = find(i);

		if (i == current.in || i == current.out)
			wrong += value != i && value != TABLE_NONE;
		else
			wrong += value != (in[i] ? i : TABLE_NONE);
	}
	return true;
}

static void readers_meet_the_writer(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < WRITES; n++) {
		bool made;

		current = random_change();
		save(&last);
		begin_steps(look_at_all);
		made = make(&current);
		end_steps();
		note(&current, made);
	}
	print_message("%lu instructions, %lu states of the table, %u moves\n", steps, meetings,
		      table->moves);
	assert_int_equal(wrong, 0);
	assert_true(table->moves > WRITES / 8 && meetings > 3 * WRITES);
}

/* ---- the writer, as far as it may be, behind each instruction of a reader ---- */

/* The states that the table goes through in one change. */
#define STATES_MOST 64
static struct memory states[STATES_MOST];
static uint32_t states_n;

static bool keep_state(void)
{
	if (states_n < STATES_MOST && !is_as(&states[states_n - 1]))
		save(&states[states_n++]);
	return true;
}

static void keep_states(void)
{
	save(&states[0]);
	states_n = 1;
	begin_steps(keep_state);
	make(&current);
	end_steps();
	assert_in_range(states_n, 5, STATES_MOST - 1);
}

/* Where the key's entry stands. */
static const uint32_t *place_of(uint32_t value)
{
	for (uint32_t b = 0; b < table->buckets; b++)
		for (uint32_t i = 0; i < TABLE_WAYS; i++)
			if (table->bucket[b].tag[i] != 0 &&
			    (table->bucket[b].entry[i] & TABLE_VALUE_MAX) == value)
				return &table->bucket[b].entry[i];
	return NULL;
}

/* A change that moves a staying key, not made yet; and that key. */
static struct change moving_change(uint32_t *moved)
{
	for (;;) {
		struct change change = random_change();
		const uint32_t *place[STAYING];
		bool made;

		save(&last);
		for (uint32_t i = 0; i < STAYING; i++)
			place[i] = place_of(i);
		made = make(&change);
		for (*moved = 0; *moved < STAYING; (*moved)++)
			if (place_of(*moved) != place[*moved])
				break;
		if (*moved < STAYING) {
			restore(&last);
			return change;
		}
		note(&change, made);
	}
}

static uint32_t countdown, next_state;

static bool go_on_to_the_next_state(void)
{
	if (countdown-- != 0)
		return true;
	restore(&states[next_state]);
	return false;
}

/* One state up to some instruction of the reader, a later one from there on. */
static void meet_at(uint32_t instruction, uint32_t wanted)
{
	uint32_t from = random_below(&rng, states_n - 1), value;

	restore(&states[from]);
	next_state = from + 1 + random_below(&rng, states_n - 1 - from);
	countdown = instruction;
	begin_steps(go_on_to_the_next_state);
	value = find(wanted);
	end_steps();
	wrong += value != wanted;
	meetings++;
}

static void the_writer_meets_readers(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < MOVES; n++) {
		uint32_t moved, instruction = 0;

		current = moving_change(&moved);
		keep_states();
		do {
			meet_at(instruction++, moved);
		} while (countdown == UINT32_MAX); /* the reader was not at its end before */
		restore(&states[0]);
		note(&current, make(&current));
	}
	print_message("%lu meetings\n", meetings);
	assert_int_equal(wrong, 0);
	assert_true(meetings > MOVES * 30);
}

static int create(void **state)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	(void)state;
	random_init_seeded(&rng, 5);
	table = table_create("steps", 1, has_key, key, SOCKET_ID_ANY);
	if (table == NULL || table->buckets != BUCKETS_MOST)
		return -1;
	fill();
	steps = meetings = wrong = 0;
	return sigaction(SIGTRAP, &action, NULL);
}

static int destroy(void **state)
{
	(void)state;
	table_destroy(table);
	return 0;
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
		TEST(readers_meet_the_writer),
		TEST(the_writer_meets_readers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

#else

int main(void)
{
	return 77; /* skipped: other processors have no trap flag */
}

#endif
