/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>

#include "route.h"

/* What is checked: two good interfaces and two good routes, which a test makes worse. */
static struct iface_config iface[3];
static struct route_config route[2];
static uint32_t ifaces_n, routes_n;

static char inside[] = "inside", outside[] = "outside", third[] = "third";
static char tap0[] = "net_tap0,iface=t0", tap0_again[] = "net_tap0,iface=t9";
static char tap1[] = "net_tap1,iface=t1", tap10[] = "net_tap10,iface=t1";

static int setup(void **state)
{
	(void)state;
	iface[0] = (struct iface_config){.name = inside,
					 .device = tap0,
					 .side = SIDE_INSIDE,
					 .address = {RTE_BE32(RTE_IPV4(100, 64, 0, 1)), 10},
					 .mtu = 1500,
					 .realm = 1};
	iface[1] = (struct iface_config){.name = outside,
					 .device = tap1,
					 .side = SIDE_OUTSIDE,
					 .address = {RTE_BE32(RTE_IPV4(192u, 0, 2, 1)), 24},
					 .mtu = 1500,
					 .realm = 1};
	iface[2] = (struct iface_config){.name = third,
					 .device = tap10,
					 .side = SIDE_OUTSIDE,
					 .address = {RTE_BE32(RTE_IPV4(192u, 0, 3, 1)), 24},
					 .mtu = 1500,
					 .realm = 1};
	route[0] = (struct route_config){.via = RTE_BE32(RTE_IPV4(192u, 0, 2, 254))};
	route[1] = (struct route_config){.to = {RTE_BE32(RTE_IPV4(10, 0, 0, 0)), 8},
					 .via = RTE_BE32(RTE_IPV4(100, 64, 0, 9))};
	ifaces_n = 3;
	routes_n = 2;
	return 0;
}

/* The config is refused at `path`, where `found` stood. */
static void expect_wrong(const char *path, const char *found)
{
	struct config_error error = {0};

	assert_int_equal(route_check(iface, ifaces_n, route, routes_n, &error), -EINVAL);
	assert_string_equal(error.path, path);
	assert_string_equal(error.found, found);
	assert_true(error.right[0] != '\0');
}

/* A good config passes. */
static void good(void **state)
{
	struct config_error error = {0};

	(void)state;
	assert_int_equal(route_check(iface, ifaces_n, route, routes_n, &error), 0);
	assert_string_equal(error.right, "");
}

/* Names and devices are an interface's own; the options of a device are not its name. */
static void twice(void **state)
{
	(void)state;
	iface[2].name = outside;
	expect_wrong("interfaces[2].name", "outside");
	iface[2].name = third;
	iface[2].device = tap0_again;
	expect_wrong("interfaces[2].device", "net_tap0,iface=t9");
}

/* An interface's address is a host's in a subnet that no other interface has a part of. */
static void addresses(void **state)
{
	(void)state;
	iface[2].address.address = RTE_BE32(RTE_IPV4(192u, 0, 3, 0));
	expect_wrong("interfaces[2].address", "192.0.3.0/24");
	iface[2].address.address = RTE_BE32(RTE_IPV4(192u, 0, 3, 255));
	expect_wrong("interfaces[2].address", "192.0.3.255/24");
	iface[2].address.address = RTE_BE32(RTE_IPV4(224u, 0, 3, 1));
	expect_wrong("interfaces[2].address", "224.0.3.1/24");
	iface[2].address = (struct config_interface){RTE_BE32(RTE_IPV4(192u, 0, 2, 200)), 32};
	expect_wrong("interfaces[2].address", "192.0.2.200/32");
	iface[2].address = (struct config_interface){RTE_BE32(RTE_IPV4(100, 0, 0, 1)), 8};
	expect_wrong("interfaces[2].address", "100.0.0.1/8");
}

/* Only the inside has realms. */
static void realm(void **state)
{
	(void)state;
	iface[1].realm = 7;
	expect_wrong("interfaces[1].realm", "7");
}

/* A gateway is a neighbour: not elsewhere, not weir, not a broadcast address. */
static void gateways(void **state)
{
	(void)state;
	route[1].via = RTE_BE32(RTE_IPV4(198u, 51, 100, 1));
	expect_wrong("routes[1].via", "198.51.100.1");
	route[1].via = iface[1].address.address;
	expect_wrong("routes[1].via", "192.0.2.1");
	route[1].via = RTE_BE32(RTE_IPV4(192u, 0, 2, 255));
	expect_wrong("routes[1].via", "192.0.2.255");
}

/* A destination has one route, and an interface's own subnet none. */
static void destinations(void **state)
{
	(void)state;
	route[1].to = route[0].to;
	expect_wrong("routes[1].to", "0.0.0.0/0");
	route[1].to = (struct prefix){RTE_BE32(RTE_IPV4(192u, 0, 2, 0)), 24};
	expect_wrong("routes[1].to", "192.0.2.0/24");
}

/* Realms are apart: two inside ones may have the same subnet and destinations, and the outside a
 * prefix that a realm has inside. A gateway that several could have is one's by name. */
static void same_in_two_realms(void **state)
{
	struct config_error error = {0};
	struct iface_config second = iface[2];
	char nobody[] = "nobody";

	(void)state;
	iface[2].side = SIDE_INSIDE;
	iface[2].address = iface[0].address;
	expect_wrong("interfaces[2].address", "100.64.0.1/10");
	iface[2].realm = 2;
	expect_wrong("routes[1].interface", "");
	route[1].interface = nobody;
	expect_wrong("routes[1].interface", "nobody");
	route[1].interface = outside;
	expect_wrong("routes[1].via", "100.64.0.9");
	route[1].interface = third;
	assert_int_equal(route_check(iface, ifaces_n, route, routes_n, &error), 0);
	route[0] = route[1];
	expect_wrong("routes[1].to", "10.0.0.0/8");
	route[0].interface = inside;
	assert_int_equal(route_check(iface, ifaces_n, route, routes_n, &error), 0);
	route[0] = (struct route_config){.to = {RTE_BE32(RTE_IPV4(100, 64, 0, 0)), 10},
					 .via = RTE_BE32(RTE_IPV4(192u, 0, 2, 254))};
	assert_int_equal(route_check(iface, ifaces_n, route, routes_n, &error), 0);

	/* one inside realm: nobody could reach what is outside */
	iface[2] = second;
	route[1].interface = NULL;
	expect_wrong("routes[0].to", "100.64.0.0/10");

	/* what is connected outside hides nothing, of no realm */
	route[0].to.length = 0;
	route[0].to.address = 0;
	iface[2].side = SIDE_INSIDE;
	iface[2].realm = 2;
	iface[2].address.address = RTE_BE32(RTE_IPV4(192u, 0, 2, 9));
	expect_wrong("interfaces[2].address", "192.0.2.9/24");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good, setup),
		cmocka_unit_test_setup(twice, setup),
		cmocka_unit_test_setup(addresses, setup),
		cmocka_unit_test_setup(realm, setup),
		cmocka_unit_test_setup(gateways, setup),
		cmocka_unit_test_setup(destinations, setup),
		cmocka_unit_test_setup(same_in_two_realms, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
