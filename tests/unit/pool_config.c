/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <rte_common.h>

#include "cmd.h"
#include "eal.h"
#include "pool.h"
#include "pools.h"

/* What the configuration of pools may be, and how pools are shown. */

#define WORKERS 3

static struct random rng;

static struct pool *start(struct pool_config config)
{
	assert_int_equal(pools_setup(&config, 1, WORKERS), 0);
	support_pool_config_clean(&config);
	return pool_get(0);
}

static struct block *take(struct pool_address *address, uint32_t worker, uint64_t now_ms)
{
	return block_take(address, worker, address, &rng, now_ms);
}

static int stop(void **state)
{
	(void)state;
	pools_teardown();
	return 0;
}

static int seed(void **state)
{
	(void)state;
	random_init_seeded(&rng, 20260101);
	return 0;
}

/* ---- configuration ---- */

static void expect(const struct pool_config *config, uint32_t n, const char *path,
		   const char *found)
{
	struct config_error error;
	bool good = path[0] == '\0';

	assert_int_equal(pools_check(config, n, &error), good ? 0 : -EINVAL);
	assert_string_equal(error.path, path);
	assert_string_equal(error.found, found);
	assert_int_equal(error.right[0] == '\0', good);
}

/* Two pools of these addresses: what the check says about them. */
static void expect_of_two(const char *first, const char *second, const char *path,
			  const char *found)
{
	struct pool_config config[] = {support_pool_config("a", first, ""),
				       support_pool_config("b", second, "")};

	expect(config, 2, path, found);
	support_pool_config_clean(&config[0]);
	support_pool_config_clean(&config[1]);
}

/* An address is in one pool once, is one that a host can have, and a pool has some and not too
 * many. */
static void bad_addresses_are_refused(void **state)
{
	static const char *const a = "192.0.2.0-192.0.2.9";

	(void)state;
	expect_of_two(a, "192.0.2.10-192.0.2.11 192.0.2.13", "", "");
	expect_of_two(a, "192.0.2.9-192.0.2.11", "pools[1].addresses", "192.0.2.9-192.0.2.11");
	expect_of_two(a, "10.0.0.1 192.0.2.0", "pools[1].addresses", "192.0.2.0");
	expect_of_two("192.0.2.0-192.0.2.9 192.0.2.4", "192.0.2.10", "pools[0].addresses",
		      "192.0.2.4");
	expect_of_two(a, "", "pools[1].addresses", "0 addresses");
	expect_of_two(a, "20.0.0.0-20.0.255.255", "", "");
	expect_of_two(a, "20.0.0.0-20.1.0.0", "pools[1].addresses", "65537 addresses");
	expect_of_two("0.0.0.9", a, "pools[0].addresses", "0.0.0.9");
	expect_of_two("126.255.255.0-127.0.0.1", a, "pools[0].addresses",
		      "126.255.255.0-127.0.0.1");
	expect_of_two("223.255.255.255-224.0.0.0", a, "pools[0].addresses",
		      "223.255.255.255-224.0.0.0");
	expect_of_two("255.255.255.255", a, "pools[0].addresses", "255.255.255.255");
	expect_of_two("192.0.2.9-192.0.2.0", a, "pools[0].addresses", "192.0.2.9-192.0.2.0");
}

/* Two pools of one name are refused, and no pool at all. */
static void bad_names_are_refused(void **state)
{
	struct pool_config config[] = {support_pool_config("a", "192.0.2.1", ""),
				       support_pool_config("a", "192.0.2.2", "")};

	(void)state;
	expect(config, 2, "pools[1].name", "a");
	expect(config, 0, "pools", "");
	support_pool_config_clean(&config[0]);
	support_pool_config_clean(&config[1]);
}

/* An exclusion is of the pool's addresses, and leaves one. */
static void bad_exclusions_are_refused(void **state)
{
	static const struct {
		const char *excluded, *path, *found;
	} row[] = {
		{"192.0.2.0", "", ""},
		{"192.0.2.0-192.0.2.4 192.0.2.3-192.0.2.8 192.0.2.6", "", ""},
		{"192.0.2.5 192.0.2.10", "pools[0].excluded-addresses", "192.0.2.10"},
		{"192.0.2.0-192.0.2.4 192.0.2.3-192.0.2.20", "pools[0].excluded-addresses", ""},
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		struct pool_config config =
			support_pool_config("a", "192.0.2.0-192.0.2.9", row[i].excluded);

		expect(&config, 1, row[i].path, row[i].found);
		support_pool_config_clean(&config);
	}
}

/* A block is a power of two, and the port range holds one. */
static void bad_numbers_are_refused(void **state)
{
	struct pool_config config = support_pool_config("a", "192.0.2.0-192.0.2.9", "");

	(void)state;
	expect(&config, 1, "", "");
	config.block_size = 1000;
	expect(&config, 1, "pools[0].block-size", "1000");
	config.block_size = 2048;
	config.port_range = (struct config_range){1024, 3070};
	expect(&config, 1, "pools[0].port-range", "1024-3070");
	config.port_range.last = 3071;
	expect(&config, 1, "", "");
	config.port_range = (struct config_range){4096, 1024};
	expect(&config, 1, "pools[0].port-range", "4096-1024");
	support_pool_config_clean(&config);
}

/* RFC 7857 section 3: ports are overloaded only where the remote endpoint tells their users apart;
 * a kept range has whole blocks on both sides of port 1024. */
static void bad_modes_are_refused(void **state)
{
	struct pool_config config = support_pool_config("a", "192.0.2.0-192.0.2.9", "");

	(void)state;
	config.port_overloading = true;
	expect(&config, 1, "pools[0].port-overloading", "yes");
	config.mapping = ADDRESS_AND_PORT_DEPENDENT;
	expect(&config, 1, "pools[0].port-overloading", "yes");
	config.filtering_of[PORT_TCP] = ADDRESS_AND_PORT_DEPENDENT + 1;
	expect(&config, 1, "", "");
	config.mapping_of[PORT_TCP] = ADDRESS_DEPENDENT + 1;
	expect(&config, 1, "pools[0].port-overloading", "yes");
	config.port_overloading = false;
	config.keep_port_range = true;
	expect(&config, 1, "pools[0].keep-port-range", "yes");
	config.port_range.first = 1;
	expect(&config, 1, "pools[0].keep-port-range", "yes");
	config.port_range.first = 512;
	expect(&config, 1, "pools[0].keep-port-range", "yes");
	config.block_size = 512;
	expect(&config, 1, "", "");
	support_pool_config_clean(&config);
}

/* ---- show ---- */

static json_t *run_show(json_t *args, bool telemetry)
{
	struct cmd_call call = {.args = args, .telemetry = telemetry};
	const struct cmd *cmd = cmd_find("/weir/pools");
	json_t *answer;

	assert_non_null(cmd);
	answer = cmd->run(&call);
	assert_int_equal(answer == NULL, call.error[0] != '\0');
	json_decref(args);
	return answer;
}

/* /weir/pools tells of each pool its addresses, subscribers, blocks and ports, and how it maps and
 * filters each protocol. */
static void pools_are_shown(void **state)
{
	struct pool_config config = support_pool_config("p", "192.0.2.0-192.0.2.1", "");

	config.filtering = ADDRESS_DEPENDENT;
	config.mapping_of[PORT_TCP] = ADDRESS_AND_PORT_DEPENDENT + 1;

	struct pool *pool = start(config);
	struct pool_address *address = pool_address_choose(pool, &rng, NULL, 0, 0);
	struct block *block = take(address, 0, 0);
	json_t *answer, *wanted;

	(void)state;
	assert_true(port_take(block, PORT_UDP, &rng) >= 0);
	assert_true(port_take(block, PORT_UDP, &rng) >= 0);
	assert_true(port_take(block, PORT_TCP, &rng) >= 0);
	block_release(take(address, 1, 0), 1, 0);
	answer = run_show(json_object(), true);
	wanted = json_pack("{s:[{s:s, s:s, s:i, s:i, s:i, s:i, s:{s:i, s:i, s:i}, s:{s:i, s:i, "
			   "s:i, s:i, s:i}, s:i, "
			   "s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}}]}",
			   "pools", "name", "p", "allocation", "dynamic", "addresses", 2,
			   "draining", 0, "subscribers", 1, "block-size", 1024, "blocks", "total",
			   126, "taken", 1, "resting", 1, "ports", "total", 126 * 1024, "tcp", 1,
			   "udp", 2, "icmp", 0, "overloaded", 0, "refused", 0, "mapping", "tcp",
			   "address-and-port-dependent", "udp", "endpoint-independent", "icmp",
			   "endpoint-independent", "filtering", "tcp", "address-dependent", "udp",
			   "address-dependent", "icmp", "endpoint-independent");
	assert_true(json_equal(answer, wanted));
	json_decref(answer);
	json_decref(wanted);
}

/* Telemetry gets many pools a page of 16 at a time, each pool once; others get all at once. */
static void pools_are_paged(void **state)
{
	struct pool_config config[70];
	char name[16], address[16];
	uint32_t seen = 0, pages = 0;
	json_t *all;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(config); i++) {
		snprintf(name, sizeof(name), "p%u", i);
		snprintf(address, sizeof(address), "192.0.2.%u", i);
		config[i] = support_pool_config(name, address, "");
		config[i].port_range.last = 2047;
	}
	assert_int_equal(pools_setup(config, RTE_DIM(config), WORKERS), 0);
	for (json_int_t from = 0;; pages++) {
		char text[16];
		json_t *answer, *pool;
		size_t i;

		snprintf(text, sizeof(text), "%d", (int)from);
		answer = run_show(json_pack("{s:[s]}", "args", text), true);
		json_array_foreach (json_object_get(answer, "pools"), i, pool)
			assert_string_equal(json_string_value(json_object_get(pool, "name")),
					    config[seen++].name);
		from = json_integer_value(json_object_get(answer, "next"));
		json_decref(answer);
		if (from == 0)
			break;
	}
	assert_int_equal(seen, RTE_DIM(config));
	assert_int_equal(pages, 4);
	all = run_show(json_object(), false);
	assert_int_equal(json_array_size(json_object_get(all, "pools")), RTE_DIM(config));
	assert_null(json_object_get(all, "next"));
	json_decref(all);
	for (uint32_t i = 0; i < RTE_DIM(config); i++)
		support_pool_config_clean(&config[i]);
	assert_null(run_show(json_pack("{s:s}", "from", "x"), false));
}

/* What of a pool that runs may not change is refused by its key; everything else may. */
static void what_may_not_change_is_refused(void **state)
{
	static const struct {
		uint32_t block_size, first, last;
		uint32_t mapping_tcp, filtering_tcp;
		bool overloading;
		const char *key;
	} row[] = {
		{512, 1024, 65535, 0, 0, true, "pools[1].block-size"},
		{1024, 2048, 65535, 0, 0, true, "pools[1].port-range"},
		{1024, 1024, 65000, 0, 0, true, "pools[1].port-range"},
		{1024, 1024, 65535, 0, 0, false, "pools[1].port-overloading"},
		{1024, 1024, 65535, 1, 0, true, "pools[1].mapping"},
		{1024, 1024, 65535, 0, 2, true, "pools[1].filtering"},
		{1024, 1024, 65535, 0, 3, true, NULL}, /* said in another way */
	};
	struct pool_config before[] = {support_pool_config("a", "192.0.2.1", ""),
				       support_pool_config("b", "192.0.2.2", "")};
	struct config_error error;

	(void)state;
	before[0].mapping = before[0].filtering = ADDRESS_AND_PORT_DEPENDENT;
	before[0].port_overloading = true;
	for (size_t i = 0; i < RTE_DIM(row); i++) {
		/* in another place, which does not matter */
		struct pool_config after[] = {before[1], before[0]};

		after[0].max_ports = 100;
		after[0].filtering = ADDRESS_DEPENDENT;
		after[1].block_size = row[i].block_size;
		after[1].port_range = (struct config_range){row[i].first, row[i].last};
		after[1].mapping_of[PORT_TCP] = row[i].mapping_tcp;
		after[1].filtering_of[PORT_TCP] = row[i].filtering_tcp;
		after[1].port_overloading = row[i].overloading;
		assert_int_equal(pools_check_change(before, 2, after, 2, &error),
				 row[i].key != NULL ? -EINVAL : 0);
		assert_string_equal(error.path, row[i].key != NULL ? row[i].key : "");
		after[1].name = after[0].name; /* one that there was not: anything */
		assert_int_equal(pools_check_change(before, 1, after, 1, &error), 0);
	}
	support_pool_config_clean(&before[0]);
	support_pool_config_clean(&before[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bad_addresses_are_refused, seed, stop),
		cmocka_unit_test_setup_teardown(bad_names_are_refused, seed, stop),
		cmocka_unit_test_setup_teardown(bad_exclusions_are_refused, seed, stop),
		cmocka_unit_test_setup_teardown(bad_numbers_are_refused, seed, stop),
		cmocka_unit_test_setup_teardown(bad_modes_are_refused, seed, stop),
		cmocka_unit_test_setup_teardown(what_may_not_change_is_refused, seed, stop),
		cmocka_unit_test_setup_teardown(pools_are_shown, seed, stop),
		cmocka_unit_test_setup_teardown(pools_are_paged, seed, stop),
	};

	support_eal_setup(1, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
