/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>
#include <rte_ip.h>
#include <rte_thash.h>

#include "home.h"
#include "random.h"

enum { SOURCE, DESTINATION, PORTS, WORDS };

/* Where a NIC delivers a packet of which it hashes so many 32-bit words; in host order. */
static uint8_t queue_of(uint32_t *packet, uint32_t words, const uint8_t *key, uint32_t table)
{
	return home_table[rte_softrss(packet, words, key) % table % HOME_TABLE_SIZE];
}

static void randomize(struct random *random, uint32_t packet[WORDS])
{
	for (uint32_t i = 0; i < WORDS; i++)
		packet[i] = random_u32(random);
}

/* Whether a NIC hashes addresses alone or ports too: it finds the home of one address. */
static void nics_deliver_home(void **state)
{
	static const uint32_t workers[] = {2, 3, 5, 16, WORKERS_MAX};
	uint32_t packet[WORDS];
	struct random random;

	(void)state;
	random_init_seeded(&random, 1);
	for (uint32_t i = 0; i < RTE_DIM(workers); i++) {
		home_setup(workers[i]);
		for (uint32_t k = 0; k < 20000; k++) {
			uint32_t words = k % 2 == 0 ? PORTS : WORDS;
			uint32_t table = HOME_TABLE_SIZE << k % 3;

			randomize(&random, packet);
			assert_int_equal(queue_of(packet, words, home_key_source, table),
					 home_of_subscriber(rte_cpu_to_be_32(packet[SOURCE])));
			assert_int_equal(queue_of(packet, words, home_key_destination, table),
					 home_of_subscriber(rte_cpu_to_be_32(packet[DESTINATION])));
		}
	}
}

/* 64 subnets of one size, side by side: their first hosts have each place of the table once. */
static void subnets_are_spread_evenly(void **state)
{
	(void)state;
	home_setup(WORKERS_MAX);
	for (uint32_t i = 0; i < HOME_TABLE_SIZE; i++)
		home_table[i] = (uint8_t)i;
	for (uint32_t shift = 0; shift <= 26; shift++) {
		uint8_t seen[HOME_TABLE_SIZE] = {0};

		for (uint32_t i = 0; i < HOME_TABLE_SIZE; i++)
			seen[home_of_subscriber(rte_cpu_to_be_32(i << shift | 1 << shift >> 1))]++;
		for (uint32_t i = 0; i < HOME_TABLE_SIZE; i++)
			assert_int_equal(seen[i], 1);
	}
}

/* A few subscribers side by side are not all of one worker. */
static void neighbours_are_apart(void **state)
{
	const uint32_t first = RTE_IPV4(100, 64, 0, 8);

	(void)state;
	for (uint32_t workers = 2; workers <= 4; workers += 2) {
		uint32_t seen = 0;

		home_setup(workers);
		for (uint32_t i = 0; i < workers; i++)
			seen |= 1U << home_of_subscriber(rte_cpu_to_be_32(first + i));
		assert_int_equal(seen, (1U << workers) - 1);
	}
}

/* A smaller table does where it repeats itself. */
static void small_tables(void **state)
{
	(void)state;
	home_setup(4);
	assert_false(home_table_fits(0));
	assert_false(home_table_fits(32));
	assert_true(home_table_fits(64));
	assert_true(home_table_fits(512));
	home_setup(1);
	assert_true(home_table_fits(32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nics_deliver_home),
		cmocka_unit_test(subnets_are_spread_evenly),
		cmocka_unit_test(neighbours_are_apart),
		cmocka_unit_test(small_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
