/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>

#include "cmd.h"
#include "eal.h"
#include "network.h"
#include "random.h"
#include "rcu.h"
#include "route.h"

#define READER 1 /* an RCU reader that the tests play */

static const char *const first_mac = "02:00:00:00:aa:01";
static const char *const second_mac = "02:00:00:00:aa:02";

static int setup(void **state)
{
	(void)state;
	network_setup();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	network_teardown();
	return 0;
}

static enum route_result find(const char *destination, uint32_t *nexthop,
			      struct route_target *target)
{
	return route_find_from(1, network_address(destination), nexthop, target);
}

static enum route_result result_of(const char *destination)
{
	struct route_target target;
	uint32_t nexthop;

	return find(destination, &nexthop, &target);
}

/* The number of a neighbour; fails the test when it is not known. */
static uint32_t number_of(const char *destination)
{
	struct route_target target;
	uint32_t nexthop;

	assert_int_equal(find(destination, &nexthop, &target), ROUTE_OK);
	return nexthop;
}

static struct route_config route(const char *to, const char *via)
{
	struct route_config config = {.via = network_address(via)};

	assert_true(text_parse_prefix(to, &config.to));
	return config;
}

static void expect_target(const char *destination, const char *address, uint16_t port)
{
	struct route_target target;
	uint32_t nexthop;

	assert_int_equal(find(destination, &nexthop, &target), ROUTE_UNRESOLVED);
	assert_int_equal(nexthop, NEXTHOP_NONE);
	assert_int_equal(target.address, network_address(address));
	assert_int_equal(target.port, port);
	assert_int_equal(target.mtu, 1500);
}

/* A host of a connected subnet is its own next hop; elsewhere there is no route. */
static void connected(void **state)
{
	(void)state;
	expect_target("100.64.0.77", "100.64.0.77", NETWORK_INSIDE);
	expect_target("192.0.2.254", "192.0.2.254", NETWORK_OUTSIDE);
	assert_int_equal(result_of("198.51.100.1"), ROUTE_NONE);
	assert_ptr_equal(iface_connected(REALM_OUTSIDE, network_address("192.0.2.9")),
			 &ifaces[NETWORK_OUTSIDE]);
	assert_null(iface_connected(1, network_address("192.0.2.9")));
	assert_null(iface_connected(REALM_OUTSIDE, network_address("198.51.100.1")));
}

/* Own addresses are local, a subnet's network and broadcast addresses are no host's. */
static void own_addresses(void **state)
{
	struct route_target target;
	uint32_t nexthop;

	(void)state;
	assert_int_equal(find("192.0.2.1", &nexthop, &target), ROUTE_LOCAL);
	assert_int_equal(nexthop, NEXTHOP_LOCAL);
	assert_int_equal(find("192.0.2.0", &nexthop, &target), ROUTE_BROADCAST);
	assert_int_equal(nexthop, NEXTHOP_BROADCAST);
	assert_int_equal(result_of("192.0.2.255"), ROUTE_BROADCAST);
}

/* A /31 has two hosts and no broadcast address (RFC 3021), a /32 is just the interface. */
static void point_to_point(void **state)
{
	(void)state;
	assert_int_equal(network_add(2, "link", "198.51.100.2/31"), 0);
	assert_int_equal(network_add(3, "loop", "198.51.100.4/32"), 0);
	assert_int_equal(result_of("198.51.100.2"), ROUTE_LOCAL);
	expect_target("198.51.100.3", "198.51.100.3", 2);
	assert_int_equal(result_of("198.51.100.4"), ROUTE_LOCAL);
	assert_int_equal(result_of("198.51.100.5"), ROUTE_NONE);
}

/* An interface is refused on a port that has one, where subnets overlap, and without a host's
 * address. */
static void interfaces_refused(void **state)
{
	(void)state;
	assert_int_equal(network_add(NETWORK_INSIDE, "again", "10.0.0.1/8"), -EEXIST);
	assert_int_equal(network_add(2, "over", "100.64.0.129/25"), -EEXIST);
	assert_int_equal(network_add(2, "over", "100.64.1.1/10"), -EEXIST);
	assert_int_equal(network_add(2, "network", "10.0.0.0/8"), -EINVAL);
	assert_int_equal(network_add(IFACES_MAX, "far", "10.0.0.1/8"), -EINVAL);
	assert_null(ifaces[2].name);
}

/* The most specific route wins; the default route takes the rest, and not connected subnets. */
static void longest_prefix(void **state)
{
	struct route_config config[] = {
		route("0.0.0.0/0", "192.0.2.254"),
		route("203.0.113.0/24", "192.0.2.253"),
		route("203.0.113.64/26", "100.64.0.9"),
		route("128.0.0.0/1", "192.0.2.252"),
	};

	(void)state;
	assert_int_equal(route_replace(config, RTE_DIM(config)), 0);
	expect_target("8.8.8.8", "192.0.2.254", NETWORK_OUTSIDE);
	expect_target("203.0.113.1", "192.0.2.253", NETWORK_OUTSIDE);
	expect_target("203.0.113.65", "100.64.0.9", NETWORK_INSIDE);
	expect_target("203.0.112.1", "192.0.2.252", NETWORK_OUTSIDE);
	expect_target("100.64.0.5", "100.64.0.5", NETWORK_INSIDE);
	assert_int_equal(result_of("192.0.2.255"), ROUTE_BROADCAST);
}

/* Each realm has its own routes, and the outside's where those are longer; two may have the same
 * addresses. */
static void realms(void **state)
{
	const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 3}};
	struct iface_config second = {.name = (char *)(uintptr_t) "second",
				      .side = SIDE_INSIDE,
				      .address = {network_address("100.64.0.1"), 24},
				      .mtu = 1500,
				      .realm = 1};
	struct route_config config[] = {
		route("0.0.0.0/0", "192.0.2.254"),   route("10.0.0.0/8", "100.64.0.9"),
		route("10.1.0.0/16", "192.0.2.253"), route("10.0.0.0/8", "100.64.0.9"),
		route("10.0.0.0/8", "192.0.2.252"),
	};
	static const struct {
		const char *destination;
		uint16_t from[3], in[3]; /* ports, by realm; 9: none, 8: weir itself */
	} cases[] = {
		{"8.8.8.8", {1, 1, 1}, {1, 9, 9}},    {"10.1.0.1", {1, 1, 1}, {1, 0, 2}},
		{"10.2.0.1", {1, 0, 2}, {1, 0, 2}},   {"100.64.0.7", {1, 0, 2}, {1, 0, 2}},
		{"100.64.0.1", {1, 8, 8}, {1, 8, 8}}, {"192.0.2.1", {8, 8, 8}, {8, 9, 9}},
	};

	(void)state;
	assert_int_equal(iface_add(&second, 2, &mac), -EEXIST);
	second.realm = 2;
	assert_int_equal(iface_add(&second, 2, &mac), 0);
	assert_int_equal(route_replace(config, RTE_DIM(config)), -EINVAL); /* which gateway? */
	config[1].interface = (char *)(uintptr_t) "inside";
	config[3].interface = (char *)(uintptr_t) "second";
	assert_int_equal(route_replace(config, RTE_DIM(config)), 0);
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		rte_be32_t address = network_address(cases[i].destination);

		for (uint32_t realm = 0; realm < 3; realm++) {
			struct route_target target = {.port = 9};
			uint32_t nexthop;

			if (route_find_from(realm, address, &nexthop, &target) == ROUTE_LOCAL)
				target.port = 8;
			assert_int_equal(target.port, cases[i].from[realm]);
			target.port = 9;
			if (route_find(realm, address, &nexthop, &target) == ROUTE_LOCAL)
				target.port = 8;
			assert_int_equal(target.port, cases[i].in[realm]);
		}
	}
	assert_int_equal(route_find(3, network_address("100.64.0.7"), &(uint32_t){0},
				    &(struct route_target){0}),
			 ROUTE_NONE);
	assert_true(route_is_inside(1, network_address("10.2.0.1")));
	assert_false(route_is_inside(REALM_OUTSIDE, network_address("10.2.0.1"))); /* a tie */
	assert_false(route_is_inside(2, network_address("10.1.0.1")));
	assert_true(route_is_inside(REALM_OUTSIDE, network_address("100.64.0.7")));
	assert_true(route_is_inside(2, network_address("192.0.2.1")));
	assert_false(route_is_inside(2, network_address("8.8.8.8")));
}

/* What a linear scan finds. */
static const struct route_config *scan(const struct route_config *config, uint32_t n,
				       rte_be32_t address)
{
	const struct route_config *best = NULL;

	for (uint32_t i = 0; i < n; i++) {
		if (prefix_contains(&config[i].to, address) &&
		    (best == NULL || config[i].to.length > best->to.length))
			best = &config[i];
	}
	return best;
}

#define MODEL_ROUTES 300

/* Distinct prefixes inside 8.0.0.0/6, so that many nest, each with a gateway of its own. */
static void random_routes(struct random *random, struct route_config *config)
{
	for (uint32_t i = 0; i < MODEL_ROUTES;) {
		uint8_t length = (uint8_t)(6 + random_below(random, 27));
		rte_be32_t any = rte_cpu_to_be_32(8u << 24 | random_u32(random) >> 6);
		struct prefix to = {.address = any & prefix_mask(length), .length = length};
		bool twice = false;

		for (uint32_t j = 0; j < i; j++)
			twice |= memcmp(&config[j].to.address, &to.address, 4) == 0 &&
				 config[j].to.length == length;
		if (twice)
			continue;
		config[i] = (struct route_config){
			.to = to, .via = rte_cpu_to_be_32(RTE_IPV4(192u, 0, 2, 2 + i % 250))};
		i++;
	}
}

/* Many routes nested at random find what a linear scan finds. */
static void like_the_model(void **state)
{
	struct route_config config[MODEL_ROUTES];
	struct route_target target;
	struct random random;
	uint32_t nexthop, hits = 0;

	(void)state;
	random_init_seeded(&random, 3);
	random_routes(&random, config);
	assert_int_equal(route_replace(config, MODEL_ROUTES), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		/* half of them close to a route's edge */
		uint32_t near = rte_be_to_cpu_32(config[i % MODEL_ROUTES].to.address);
		rte_be32_t address = rte_cpu_to_be_32(i & 1 ? near - 1 + random_below(&random, 3)
							    : 8u << 24 | random_u32(&random) >> 6);
		const struct route_config *best = scan(config, MODEL_ROUTES, address);

		if (best == NULL) {
			assert_int_equal(route_find_from(1, address, &nexthop, &target),
					 ROUTE_NONE);
			continue;
		}
		hits++;
		assert_int_equal(route_find_from(1, address, &nexthop, &target), ROUTE_UNRESOLVED);
		assert_int_equal(target.address, best->via);
	}
	assert_true(hits > 10000);
}

/* Routes of which one is wrong change nothing, not even the generation. */
static void replace_all_or_nothing(void **state)
{
	struct route_config good = route("0.0.0.0/0", "192.0.2.254");
	struct route_config bad[] = {route("0.0.0.0/0", "100.64.0.9"),
				     route("203.0.113.0/24", "198.51.100.1")};
	const char *wrong[] = {"198.51.100.1", "192.0.2.1", "192.0.2.255", "192.0.2.0"};
	uint32_t generation;

	(void)state;
	assert_int_equal(route_replace(&good, 1), 0);
	generation = route_generation();
	for (uint32_t i = 0; i < RTE_DIM(wrong); i++) {
		bad[1].via = network_address(wrong[i]);
		assert_int_equal(route_replace(bad, 2), -EINVAL);
		expect_target("203.0.113.1", "192.0.2.254", NETWORK_OUTSIDE);
	}
	assert_int_equal(route_generation(), generation);
	assert_int_equal(route_replace(NULL, 0), 0);
	assert_int_equal(result_of("203.0.113.1"), ROUTE_NONE);
	assert_true(route_generation() != generation);
}

/* A known neighbour's next hop holds the whole link header, for a gateway and for itself. */
static void resolved(void **state)
{
	static const uint8_t header[14] = {2, 0, 0, 0, 0xaa, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	struct route_config config = route("0.0.0.0/0", "192.0.2.254");
	uint32_t number;

	(void)state;
	assert_int_equal(route_replace(&config, 1), 0);
	network_hear(NETWORK_OUTSIDE, "192.0.2.254", first_mac, 0);
	number = number_of("8.8.8.8");
	assert_int_equal(number, number_of("192.0.2.254"));
	assert_true(number >= NEXTHOP_FIRST);
	assert_memory_equal(nexthops[number].link_header, header, sizeof(header));
	assert_int_equal(nexthops[number].port, NETWORK_OUTSIDE);
	assert_int_equal(nexthops[number].mtu, 1500);
	expect_target("192.0.2.253", "192.0.2.253", NETWORK_OUTSIDE);
}

/* The generation stays when a neighbour is added or heard again, and changes with its MAC and when
 * it goes. */
static void generation(void **state)
{
	uint32_t before = route_generation(), number;

	(void)state;
	network_hear(NETWORK_OUTSIDE, "192.0.2.254", first_mac, 0);
	network_hear(NETWORK_OUTSIDE, "192.0.2.254", first_mac, 5000);
	assert_int_equal(route_generation(), before);
	number = number_of("192.0.2.254");
	network_hear(NETWORK_OUTSIDE, "192.0.2.254", second_mac, 6000);
	assert_true(route_generation() != before);
	assert_true(number_of("192.0.2.254") != number);
	before = route_generation();
	for (uint64_t now_ms = 36000; now_ms < 40000; now_ms += 1000)
		route_poll(now_ms);
	assert_int_equal(result_of("192.0.2.254"), ROUTE_UNRESOLVED);
	assert_true(route_generation() != before);
}

/* The generation is never 0, which a session without a next hop may use. */
static void generation_wraps(void **state)
{
	(void)state;
	route_generation_number = UINT32_MAX;
	assert_int_equal(route_replace(NULL, 0), 0);
	assert_int_equal(route_generation(), 1);
}

/* The number of a neighbour whose MAC changed stays as it was, and is given to nobody else, until
 * every worker has passed a quiescent state. */
static void number_rests(void **state)
{
	struct nexthop before;
	uint32_t number;

	(void)state;
	rte_rcu_qsbr_thread_register(rcu, READER);
	rte_rcu_qsbr_thread_online(rcu, READER);
	network_hear(NETWORK_OUTSIDE, "192.0.2.2", first_mac, 0);
	number = number_of("192.0.2.2");
	before = nexthops[number];
	network_hear(NETWORK_OUTSIDE, "192.0.2.2", second_mac, 2000);
	network_hear(NETWORK_OUTSIDE, "192.0.2.3", first_mac, 2000);
	assert_true(number_of("192.0.2.3") != number);
	assert_memory_equal(&nexthops[number], &before, sizeof(before));

	rte_rcu_qsbr_quiescent(rcu, READER);
	route_poll(2000);
	network_hear(NETWORK_OUTSIDE, "192.0.2.4", first_mac, 2000);
	assert_int_equal(number_of("192.0.2.4"), number);
	rte_rcu_qsbr_thread_offline(rcu, READER);
	rte_rcu_qsbr_thread_unregister(rcu, READER);
}

/* Old tables are kept as long as a worker may read them; then their memory is free again. */
static void tables_are_freed(void **state)
{
	(void)state;
	rte_rcu_qsbr_thread_register(rcu, READER);
	rte_rcu_qsbr_thread_online(rcu, READER);
	assert_int_equal(route_replace(NULL, 0), 0);
	/* 64 MB each: soon none is left while the reader is not quiescent */
	while (route_replace(NULL, 0) == 0)
		;
	assert_int_equal(result_of("192.0.2.1"), ROUTE_LOCAL);
	rte_rcu_qsbr_quiescent(rcu, READER);
	route_poll(0);
	assert_int_equal(route_replace(NULL, 0), 0);
	rte_rcu_qsbr_thread_offline(rcu, READER);
	rte_rcu_qsbr_thread_unregister(rcu, READER);
}

/* One interface's neighbours, however many, leave room for another's. */
static void shares(void **state)
{
	char address[TEXT_IPV4_SIZE];
	uint32_t known = 0;

	(void)state;
	assert_int_equal(network_add(2, "wide", "10.0.0.1/8"), 0);
	for (uint32_t i = 0; i < NEXTHOPS_MAX / 2; i++)
		network_hear(2, text_ipv4(rte_cpu_to_be_32((10u << 24) + 2 + i), address),
			     first_mac, 0);
	for (uint32_t i = 0; i < NEXTHOPS_MAX / 2; i++)
		known += result_of(text_ipv4(rte_cpu_to_be_32((10u << 24) + 2 + i), address)) ==
			 ROUTE_OK;
	assert_in_range(known, NEXTHOPS_MAX / 8, NEXTHOPS_MAX / 4);
	network_hear(NETWORK_INSIDE, "100.64.0.9", first_mac, 0);
	number_of("100.64.0.9");
}

static json_t *run(const char *path, const char *arg, bool telemetry)
{
	struct cmd_call call = {.telemetry = telemetry};
	const struct cmd *cmd = cmd_find(path);
	json_t *reply;

	assert_non_null(cmd);
	call.args = arg == NULL ? json_object() : json_pack("{s:s}", "from", arg);
	reply = cmd->run(&call);
	json_decref(call.args);
	return reply;
}

static void expect_json(json_t *reply, const char *text)
{
	char *found = json_dumps(reply, JSON_SORT_KEYS);

	assert_string_equal(found, text);
	free(found);
	json_decref(reply);
}

/* The commands show what there is. */
static void commands(void **state)
{
	struct route_config config = route("0.0.0.0/0", "192.0.2.254");

	(void)state;
	assert_int_equal(route_replace(&config, 1), 0);
	network_hear(NETWORK_OUTSIDE, "192.0.2.254", first_mac, 1000);
	route_poll(4000);
	expect_json(
		run("/weir/routes", NULL, false),
		"{\"routes\": [{\"interface\": \"inside\", \"kind\": \"connected\", "
		"\"realm\": 1, \"to\": \"100.64.0.0/24\"}, {\"interface\": \"outside\", \"kind\": "
		"\"connected\", \"realm\": 0, \"to\": \"192.0.2.0/24\"}, {\"interface\": "
		"\"outside\", \"kind\": \"static\", \"realm\": 0, \"to\": \"0.0.0.0/0\", \"via\": "
		"\"192.0.2.254\"}]}");
	expect_json(run("/weir/neighbours", NULL, false),
		    "{\"neighbours\": [{\"address\": \"192.0.2.254\", \"age\": 3, \"interface\": "
		    "\"outside\", \"mac\": \"02:00:00:00:aa:01\", \"state\": \"REACHABLE\"}]}");
	json_t *reply = run("/weir/interfaces", NULL, false);
	expect_json(
		json_incref(json_array_get(json_object_get(reply, "interfaces"), 1)),
		"{\"address\": \"192.0.2.1/24\", \"mac\": \"02:00:00:00:00:02\", \"mtu\": 1500, "
		"\"name\": \"outside\", \"port\": 1, \"realm\": 0, \"side\": \"outside\"}");
	json_decref(reply);
	assert_null(run("/weir/routes", "x", false));
}

/* A list too long for one answer over telemetry goes on at "next". */
static void pages(void **state)
{
	char address[TEXT_IPV4_SIZE], from[16] = "0";
	uint32_t seen = 0, calls = 0;

	(void)state;
	for (uint32_t i = 2; i < 252; i++)
		network_hear(NETWORK_OUTSIDE,
			     text_ipv4(rte_cpu_to_be_32(RTE_IPV4(192u, 0, 2, i)), address),
			     first_mac, 0);
	for (json_t *next = NULL; calls == 0 || next != NULL; calls++) {
		json_t *reply = run("/weir/neighbours", from, true);

		seen += (uint32_t)json_array_size(json_object_get(reply, "neighbours"));
		next = json_object_get(reply, "next");
		snprintf(from, sizeof(from), "%lld", (long long)json_integer_value(next));
		json_decref(reply);
	}
	assert_int_equal(seen, 250);
	assert_int_equal(calls, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(connected),        TEST(own_addresses),
		TEST(point_to_point),   TEST(interfaces_refused),
		TEST(longest_prefix),   TEST(realms),
		TEST(like_the_model),   TEST(replace_all_or_nothing),
		TEST(resolved),         TEST(generation),
		TEST(generation_wraps), TEST(number_rests),
		TEST(tables_are_freed), TEST(shares),
		TEST(commands),         TEST(pages),
	};

	support_eal_setup(1, 320);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
