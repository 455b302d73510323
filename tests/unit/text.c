/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>

#include "random.h"
#include "text.h"

/* An address is written as four decimal numbers, and read back as the same. */
static void ipv4_there_and_back(void **state)
{
	static const struct {
		rte_be32_t address;
		const char *text;
	} row[] = {
		{RTE_BE32(0), "0.0.0.0"},
		{RTE_BE32(0xc0000201), "192.0.2.1"},
		{RTE_BE32(0xffffffff), "255.255.255.255"},
	};
	char text[TEXT_IPV4_SIZE];
	struct random random;
	rte_be32_t back;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		assert_string_equal(text_ipv4(row[i].address, text), row[i].text);
		assert_true(text_parse_ipv4(row[i].text, &back));
		assert_int_equal(back, row[i].address);
	}
	random_init_seeded(&random, 1);
	for (uint32_t i = 0; i < 10000; i++) {
		rte_be32_t address = random_u32(&random);

		assert_true(text_parse_ipv4(text_ipv4(address, text), &back));
		assert_int_equal(back, address);
	}
}

/* Whatever is not exactly one address is refused, and the value stays as it was. */
static void bad_ipv4(void **state)
{
	static const char *const bad[] = {
		"",
		"192.0.2",
		"192.0.2.",
		"192.0.2.1.",
		"192.0.2.256",
		"192.0.2.1 ",
		" 192.0.2.1",
		"192.0.2.-1",
		"192.0.2.1/32",
		"0x7f.0.0.1",
		"192.0.2.001",
		"1",
		"192..2.1",
		"192.0.2.1\n",
		"localhost",
		"::1",
		"1.2.3.4.5",
		"192.0.2.0x1",
		"1.2.3.999999999999999999999",
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		rte_be32_t address = 7;

		assert_false(text_parse_ipv4(bad[i], &address));
		assert_int_equal(address, 7);
	}
}

/* A prefix is an address and a length, with no bit below the length; an address alone is a /32. */
static void prefix_there_and_back(void **state)
{
	static const struct {
		const char *text, *back;
		rte_be32_t address;
		uint8_t length;
	} row[] = {
		{"100.64.0.0/10", "100.64.0.0/10", RTE_BE32(0x64400000), 10},
		{"192.0.2.1", "192.0.2.1/32", RTE_BE32(0xc0000201), 32},
		{"192.0.2.1/32", "192.0.2.1/32", RTE_BE32(0xc0000201), 32},
		{"0.0.0.0/0", "0.0.0.0/0", RTE_BE32(0), 0},
		{"128.0.0.0/1", "128.0.0.0/1", RTE_BE32(0x80000000), 1},
		{"192.0.2.254/31", "192.0.2.254/31", RTE_BE32(0xc00002fe), 31},
		{"255.255.255.255/32", "255.255.255.255/32", RTE_BE32(0xffffffff), 32},
	};
	char text[TEXT_PREFIX_SIZE];
	struct prefix prefix;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		assert_true(text_parse_prefix(row[i].text, &prefix));
		assert_int_equal(prefix.address, row[i].address);
		assert_int_equal(prefix.length, row[i].length);
		assert_string_equal(text_prefix(&prefix, text), row[i].back);
	}
}

/* Whatever is not exactly one prefix is refused, and the value stays as it was. */
static void bad_prefix(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/24",
		"192.0.2.0/",
		"192.0.2.1/24",
		"192.0.2.0/33",
		"192.0.2.0/-1",
		"192.0.2.0/+24",
		"0.0.0.1/0",
		"192.0.2.0/24 ",
		"192.0.2.0/ 24",
		"192.0.2.0/24/24",
		"192.0.2/24",
		"192.0.2.0/0x8",
		"192.0.2.0/256",
		"192.0.2.0/4294967320",
		"192.0.2.0 /24",
		"255.255.255.2550/32",
		"192.0.2.0-192.0.2.9",
		"2001:db8::/32",
		"192.0.2.0/18446744073709551640",
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		struct prefix prefix = {.address = 7, .length = 9};

		assert_false(text_parse_prefix(bad[i], &prefix));
		assert_int_equal(prefix.address, 7);
		assert_int_equal(prefix.length, 9);
	}
}

/* The mask has as many one bits as the length says, from the left in network order. */
static void masks(void **state)
{
	struct prefix all = {.address = 0, .length = 0};
	struct prefix net = {.address = RTE_BE32(0xc0000280), .length = 25};

	(void)state;
	assert_int_equal(prefix_mask(0), 0);
	assert_int_equal(prefix_mask(1), RTE_BE32(0x80000000));
	assert_int_equal(prefix_mask(24), RTE_BE32(0xffffff00));
	assert_int_equal(prefix_mask(32), RTE_BE32(0xffffffff));
	assert_true(prefix_contains(&all, RTE_BE32(0)));
	assert_true(prefix_contains(&all, RTE_BE32(0xffffffff)));
	assert_false(prefix_contains(&net, RTE_BE32(0xc000027f)));
	assert_true(prefix_contains(&net, RTE_BE32(0xc0000280)));
	assert_true(prefix_contains(&net, RTE_BE32(0xc00002ff)));
	assert_false(prefix_contains(&net, RTE_BE32(0xc0000300)));
}

/* Each protocol has a text that is read back as the same number; the usual ones have names. */
static void protocol_there_and_back(void **state)
{
	uint8_t back;

	(void)state;
	assert_string_equal(text_protocol(1), "icmp");
	assert_string_equal(text_protocol(6), "tcp");
	assert_string_equal(text_protocol(17), "udp");
	assert_string_equal(text_protocol(47), "gre");
	assert_string_equal(text_protocol(255), "255");
	for (uint32_t protocol = 0; protocol <= UINT8_MAX; protocol++) {
		assert_true(text_parse_protocol(text_protocol((uint8_t)protocol), &back));
		assert_int_equal(back, protocol);
	}
	assert_true(text_parse_protocol("6", &back));
	assert_int_equal(back, 6);
}

/* Whatever is neither a name nor 0 to 255 is refused, and the value stays as it was. */
static void bad_protocol(void **state)
{
	static const char *const bad[] = {"",     "256", "-1",   "+6",  "6 ",
					  " tcp", "tc",  "tcpx", "0x6", "1e1"};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		uint8_t protocol = 77;

		assert_false(text_parse_protocol(bad[i], &protocol));
		assert_int_equal(protocol, 77);
	}
}

/* A number is decimal digits only, up to the maximum included, up to the largest there is. */
static void numbers(void **state)
{
	static const char *const bad[] = {"",
					  "101",
					  "-0",
					  "+1",
					  " 1",
					  "1 ",
					  "1a",
					  "0x1",
					  "1.",
					  "1\n",
					  "18446744073709551617",
					  "99999999999999999999999"};
	uint64_t value;

	(void)state;
	assert_true(text_parse_uint("0", 0, &value));
	assert_int_equal(value, 0);
	assert_true(text_parse_uint("100", 100, &value));
	assert_int_equal(value, 100);
	assert_true(text_parse_uint("010", 100, &value)); /* decimal, not octal */
	assert_int_equal(value, 10);
	assert_true(text_parse_uint("18446744073709551615", UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_false(text_parse_uint("18446744073709551616", UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		value = 5;
		assert_false(text_parse_uint(bad[i], 100, &value));
		assert_int_equal(value, 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_there_and_back),
		cmocka_unit_test(bad_ipv4),
		cmocka_unit_test(prefix_there_and_back),
		cmocka_unit_test(bad_prefix),
		cmocka_unit_test(masks),
		cmocka_unit_test(protocol_there_and_back),
		cmocka_unit_test(bad_protocol),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
