/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_file.h"
#include "text.h"

/* A small valid configuration, with the number of its last line. */
static const char good[] = "interfaces:\n"                            /* 1 */
			   "  - name: inside\n"                       /* 2 */
			   "    device: \"net_tap0,iface=weir-in\"\n" /* 3 */
			   "    side: inside\n"                       /* 4 */
			   "    address: 100.64.0.1/16\n"             /* 5 */
			   "  - name: outside\n"                      /* 6 */
			   "    device: \"net_tap1,iface=weir-o\"\n"  /* 7 */
			   "    side: outside\n"                      /* 8 */
			   "    address: 198.51.100.1/24\n"           /* 9 */
			   "routes:\n"                                /* 10 */
			   "  - to: 0.0.0.0/0\n"                      /* 11 */
			   "    via: 198.51.100.254\n"                /* 12 */
			   "pools:\n"                                 /* 13 */
			   "  - name: main\n"                         /* 14 */
			   "    addresses: [203.0.113.0/28]\n";       /* 15 */

static char errors[1024];

static void write_file(const char *text, size_t size)
{
	FILE *file = fopen("weir.yaml", "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* Loads it; what it writes is in `errors`. */
static struct config *load(const char *path)
{
	FILE *file = fmemopen(errors, sizeof(errors), "w");
	struct config *config;

	memset(errors, 0, sizeof(errors));
	config = config_load(path, file);
	fclose(file);
	return config;
}

static struct config *load_text(const char *text)
{
	write_file(text, strlen(text));
	return load("weir.yaml");
}

/* `good` with the first `from` replaced by `to`; without `from`, followed by it. */
static void load_changed(const char *from, const char *to, struct config **config)
{
	char text[4096];
	const char *at = from != NULL ? strstr(good, from) : good + strlen(good);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to,
		 from != NULL ? at + strlen(from) : at);
	*config = load_text(text);
}

struct broken {
	const char *from, *to; /* see load_changed() */
	const char *error;     /* all that is written, but for the newline */
};

static void refuses(const struct broken *broken, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config *config;
		char expected[512];

		load_changed(broken[i].from, broken[i].to, &config);
		snprintf(expected, sizeof(expected), "%s\n", broken[i].error);
		assert_string_equal(errors, expected);
		assert_null(config);
	}
}
#define REFUSES(table) refuses(table, sizeof(table) / sizeof((table)[0]))

/* An unknown key is named with its line and the key that was probably meant, or all there are. */
static void unknown_keys(void **state)
{
	static const struct broken table[] = {
		{"addresses:", "adresses:",
		 "weir.yaml:15: pools[0].adresses: found an unknown key, did you mean "
		 "\"addresses\"?"},
		{NULL, "    block_size: 512\n",
		 "weir.yaml:16: pools[0].block_size: found an unknown key, did you mean "
		 "\"block-size\"?"},
		{"via:", "Gateway:",
		 "weir.yaml:12: routes[0].Gateway: found an unknown key, want one of to, via"},
		{NULL, "timeout: {icmp: 30}\n",
		 "weir.yaml:16: timeout: found an unknown key, did you mean \"timeouts\"?"},
		{NULL, "icmp:\n  errors: yes\n\n  burst: 7\n",
		 "weir.yaml:19: icmp.burst: found an unknown key, want one of errors, rate, "
		 "source-rate"},
		{NULL, "\"a\\nb\": 1\n",
		 "weir.yaml:16: a?b: found an unknown key, want one of interfaces, routes, pools, "
		 "rules, timeouts, limits, icmp, workers, eal, control"},
	};

	(void)state;
	REFUSES(table);
}

/* A key that stands twice is refused: one of the two values would be lost. */
static void keys_twice(void **state)
{
	static const struct broken table[] = {
		{NULL, "    name: other\n",
		 "weir.yaml:16: pools[0].name: found it a second time, want it once (it is in line "
		 "14)"},
		{NULL, "routes: []\n",
		 "weir.yaml:16: routes: found it a second time, want it once (it is in line 10)"},
	};

	(void)state;
	REFUSES(table);
}

/* What must be given and is not, is named with what it could be. */
static void missing(void **state)
{
	static const struct broken table[] = {
		{"    side: inside\n", "",
		 "weir.yaml:2: interfaces[0].side: found nothing, want inside or outside"},
		{"    addresses: [203.0.113.0/28]\n", "",
		 "weir.yaml:14: pools[0].addresses: found nothing, want an IPv4 prefix such as "
		 "192.0.2.0/24, an address, or a range such as 192.0.2.1-192.0.2.9"},
		{"[203.0.113.0/28]", "[]",
		 "weir.yaml:15: pools[0].addresses: found nothing, want an IPv4 prefix such as "
		 "192.0.2.0/24, an address, or a range such as 192.0.2.1-192.0.2.9"},
		{"  - name: main\n    addresses: [203.0.113.0/28]\n", "",
		 "weir.yaml:13: pools: found nothing, want a list of at least one"},
		{"pools:\n  - name: main\n    addresses: [203.0.113.0/28]\n", "",
		 "weir.yaml:1: pools: found nothing, want a list of at least one"},
		{"name: main", "name:",
		 "weir.yaml:14: pools[0].name: found nothing, want a text of 1 to 63 characters"},
	};

	(void)state;
	REFUSES(table);
}

/* A value, a list and keys with values are not taken for one another. */
static void wrong_shapes(void **state)
{
	static const struct broken table[] = {
		{"[203.0.113.0/28]", "203.0.113.0/28",
		 "weir.yaml:15: pools[0].addresses: found \"203.0.113.0/28\", want a list, each "
		 "element behind \"- \" or in [brackets]"},
		{"[203.0.113.0/28]", "[[203.0.113.0/28]]",
		 "weir.yaml:15: pools[0].addresses[0]: found a list, want an IPv4 prefix such as "
		 "192.0.2.0/24, an address, or a range such as 192.0.2.1-192.0.2.9"},
		{"name: main", "name: {a: b}",
		 "weir.yaml:14: pools[0].name: found keys with values, want a text of 1 to 63 "
		 "characters"},
		{NULL, "timeouts:\n  - icmp: 30\n",
		 "weir.yaml:17: timeouts: found a list, want keys with values: tcp-opening, "
		 "tcp-established, tcp-closing, tcp-reset, udp-first, udp-stream, icmp"},
		{NULL, "rules: all\n",
		 "weir.yaml:16: rules: found \"all\", want a list, each element behind \"- \" or "
		 "in "
		 "[brackets]"},
		{NULL, "rules: [all]\n",
		 "weir.yaml:16: rules[0]: found \"all\", want keys with values: inside, pool"},
		{NULL, "rules: {inside: 100.64.0.0/10, pool: main}\n",
		 "weir.yaml:16: rules: found keys with values, want a list, each element behind "
		 "\"- "
		 "\" or in [brackets]"},
		{NULL, "[a]: b\n", "weir.yaml:16: found a list, want a word as key"},
	};

	(void)state;
	REFUSES(table);
}

/* Each type of value says what it takes. */
static void wrong_values(void **state)
{
	static const struct broken table[] = {
		{"100.64.0.1/16", "100.64.0.1",
		 "weir.yaml:5: interfaces[0].address: found \"100.64.0.1\", want an IPv4 address "
		 "with "
		 "its prefix length, such as 192.0.2.1/24"},
		{"side: inside", "side: lan",
		 "weir.yaml:4: interfaces[0].side: found \"lan\", want inside or outside"},
		{"via: 198.51.100.254", "via: 198.51.100.256",
		 "weir.yaml:12: routes[0].via: found \"198.51.100.256\", want an IPv4 address such "
		 "as "
		 "192.0.2.1"},
		{"to: 0.0.0.0/0", "to: 10.1.2.3/8",
		 "weir.yaml:11: routes[0].to: found \"10.1.2.3/8\", want no address bits past the "
		 "prefix length: 10.0.0.0/8"},
		{"203.0.113.0/28", "203.0.113.0/28, 203.0.113.9-203.0.113.2",
		 "weir.yaml:15: pools[0].addresses[1]: found \"203.0.113.9-203.0.113.2\", want an "
		 "IPv4 prefix such as 192.0.2.0/24, an address, or a range such as "
		 "192.0.2.1-192.0.2.9"},
		{NULL, "    block-size: 32\n",
		 "weir.yaml:16: pools[0].block-size: found \"32\", want a number from 64 to 32768"},
		{NULL, "    block-size: 0x400\n",
		 "weir.yaml:16: pools[0].block-size: found \"0x400\", want a number from 64 to "
		 "32768"},
		{NULL, "    port-range: 65535-1024\n",
		 "weir.yaml:16: pools[0].port-range: found \"65535-1024\", want FIRST-LAST within "
		 "1 "
		 "to 65535, such as 1024-65535"},
		{NULL, "timeouts: {icmp: 5 minutes}\n",
		 "weir.yaml:16: timeouts.icmp: found \"5 minutes\", want 1 to 604800 seconds, such "
		 "as "
		 "300, 300s, 5m, 2h or 1d"},
		{NULL, "timeouts:\n  icmp: 60\n  udp-first: 8d\n",
		 "weir.yaml:18: timeouts.udp-first: found \"8d\", want 1 to 604800 seconds, such "
		 "as "
		 "300, 300s, 5m, 2h or 1d"},
		{NULL, "limits: {max-sessions: -1}\n",
		 "weir.yaml:16: limits.max-sessions: found \"-1\", want a number from 1024 to "
		 "67108864"},
		{NULL, "limits: {max-sessions: 99999999999999999999}\n",
		 "weir.yaml:16: limits.max-sessions: found \"99999999999999999999\", want a number "
		 "from 1024 to 67108864"},
		{NULL, "icmp: {errors: maybe}\n",
		 "weir.yaml:16: icmp.errors: found \"maybe\", want yes or no"},
		{NULL, "workers: {count: 0}\n",
		 "weir.yaml:16: workers.count: found \"0\", want a number from 1 to 64"},
		{NULL, "workers: {idle: nap}\n",
		 "weir.yaml:16: workers.idle: found \"nap\", want auto, poll or sleep"},
		{NULL, "eal: {args: [\"--a\", \"\"]}\n",
		 "weir.yaml:16: eal.args[1]: found nothing, want a text that is not empty"},
	};

	(void)state;
	REFUSES(table);
}

/* Text that is no YAML, or more of YAML than a configuration needs, is refused in its line. */
static void not_yaml(void **state)
{
	static const struct broken table[] = {
		{NULL, "timeouts:\n\ticmp: 60\n",
		 "weir.yaml:17: found a tab in the indentation, want spaces"},
		{"routes:", "routes: [",
		 "weir.yaml:11: not valid YAML: did not find expected node content"},
		{NULL, "eal: {args: [a, b}\n",
		 "weir.yaml:16: not valid YAML: did not find expected ',' or ']'"},
		{"name: inside", "name: in: side",
		 "weir.yaml:2: not valid YAML: mapping values are not allowed in this context"},
		{"net_tap0,iface=weir-in\"", "net_tap0",
		 "weir.yaml:7: not valid YAML: did not find expected key (while parsing a block "
		 "mapping in line 2)"},
		{"name: main", "name: &n main",
		 "weir.yaml:14: found a YAML anchor or alias (& or *), want the value itself, in "
		 "quotes if it starts with such a character"},
		{"name: main", "name: *n",
		 "weir.yaml:14: found a YAML anchor or alias (& or *), want the value itself, in "
		 "quotes if it starts with such a character"},
		{NULL, "---\nworkers: {count: 2}\n",
		 "weir.yaml:16: found a second YAML document, want one"},
		{"name: main", "name: \"ma\\0in\"",
		 "weir.yaml:14: found a NUL character, want none"},
		{"name: main", "name: m\xff",
		 "weir.yaml:14: found invalid leading UTF-8 octet, want text in UTF-8"},
	};

	(void)state;
	REFUSES(table);
}

/* The whole file may be wrong: none, a directory, a pipe, empty, no mapping, too long. */
static void wrong_files(void **state)
{
	static char big[1024 * 1024 + 1];

	(void)state;
	assert_null(load("none.yaml"));
	assert_string_equal(errors, "none.yaml: cannot read it: No such file or directory\n");
	assert_null(load("/"));
	assert_string_equal(errors, "/: found a directory, want a file\n");
	assert_null(load("/dev/zero"));
	assert_string_equal(errors, "/dev/zero: found a device or pipe, want a file\n");
	assert_null(load_text(""));
	assert_string_equal(errors, "weir.yaml:1: found nothing, want a configuration\n");
	assert_null(load_text("# only a comment\n"));
	assert_string_equal(errors, "weir.yaml:1: found nothing, want a configuration\n");
	assert_null(load_text("hello\n"));
	assert_non_null(strstr(errors, "weir.yaml:1: found \"hello\", want keys with values"));
	memset(big, '#', sizeof(big));
	write_file(big, sizeof(big));
	assert_null(load("weir.yaml"));
	assert_string_equal(errors,
			    "weir.yaml: found more than 1 MiB, want a configuration file\n");
}

/* Interfaces: real devices, one inside and one outside at least. */
static void wrong_interfaces(void **state)
{
	static const struct broken table[] = {
		{"net_tap0,iface=weir-in", "eth0",
		 "weir.yaml:3: interfaces[0].device: found \"eth0\", want a device as DPDK names "
		 "it: "
		 "a PCI address such as 0000:3b:00.0, or net_tap0,iface=NAME or "
		 "net_af_packet0,iface=NAME"},
		{"net_tap0,iface=weir-in", "ffff:ff:1f.7",
		 "weir.yaml:3: interfaces[0].device: found \"ffff:ff:1f.7\", want a PCI device of "
		 "this "
		 "machine (lspci -D lists them)"},
		{"net_tap0,iface=weir-in", "net_af_packet0,iface=nosuch0",
		 "weir.yaml:3: interfaces[0].device: found \"net_af_packet0,iface=nosuch0\", want "
		 "an "
		 "iface= that this machine has (ip link lists them)"},
		{"weir-o\"", "weir-o\"\n    mtu: 1400\n    device: net_tap0",
		 "weir.yaml:9: interfaces[1].device: found it a second time, want it once (it is "
		 "in line 7)"},
		{"net_tap1,iface=weir-o", "net_tap0,iface=weir-o",
		 "weir.yaml:7: interfaces[1].device: found \"net_tap0,iface=weir-o\", want a "
		 "device of its own; "
		 "interface inside has this one"},
		{"198.51.100.1/24", "100.64.200.1/24",
		 "weir.yaml:9: interfaces[1].address: found \"100.64.200.1/24\", want a subnet "
		 "that does not "
		 "overlap interface inside's"},
		{"via: 198.51.100.254", "via: 192.0.2.1",
		 "weir.yaml:12: routes[0].via: found \"192.0.2.1\", want a gateway in the subnet "
		 "of an interface"},
		{"198.51.100.1/24\nroutes:\n  - to: 0.0.0.0/0\n    via: 198.51.100.254\n",
		 "198.51.100.1/32\n",
		 "weir.yaml:1: interfaces: want an outside interface with a subnet, not a /32: "
		 "nothing can leave"},
		{"side: inside", "side: outside",
		 "weir.yaml:1: interfaces: want at least one with side: inside, where the "
		 "subscribers "
		 "are"},
		{"side: outside", "side: inside",
		 "weir.yaml:1: interfaces: want at least one with side: outside, where the "
		 "Internet "
		 "is"},
	};

	(void)state;
	REFUSES(table);
}

/* Pool addresses are outside, and nobody else's. */
static void wrong_pools(void **state)
{
	static const struct broken table[] = {
		{NULL, "    block-size: 1000\n",
		 "weir.yaml:16: pools[0].block-size: found \"1000\", want a power of two, 64 to "
		 "32768"},
		{"203.0.113.0/28", "100.64.9.0/28",
		 "weir.yaml:15: pools[0].addresses: found \"100.64.9.0\", want addresses that are "
		 "outside: the routes lead this one to the inside interface \"inside\""},
		{"203.0.113.0/28", "100.63.0.0-100.70.0.0",
		 "weir.yaml:15: pools[0].addresses: found \"458753 addresses\", want 1 to 65536 "
		 "addresses a pool"},
		{"203.0.113.0/28", "100.63.255.0-100.64.0.0",
		 "weir.yaml:15: pools[0].addresses: found \"100.64.0.0\", want addresses that are "
		 "outside: the routes lead this one to the inside interface \"inside\""},
		{"  - to: 0.0.0.0/0\n",
		 "  - {to: 203.0.113.8/30, via: 100.64.0.2}\n  - to: 0.0.0.0/0\n",
		 "weir.yaml:16: pools[0].addresses: found \"203.0.113.8\", want addresses that are "
		 "outside: the routes lead this one to the inside interface \"inside\""},
		{"  - to: 0.0.0.0/0\n",
		 "  - {to: 203.0.113.0/24, via: 100.64.0.2}\n"
		 "  - {to: 203.0.113.0/29, via: 198.51.100.254}\n  - to: 0.0.0.0/0\n",
		 "weir.yaml:17: pools[0].addresses: found \"203.0.113.8\", want addresses that are "
		 "outside: the routes lead this one to the inside interface \"inside\""},
		{"203.0.113.0/28", "198.51.100.0-198.51.100.9",
		 "weir.yaml:15: pools[0].addresses: found \"198.51.100.1\", want an address of the "
		 "pool's own; this is the address of interface outside, name it in "
		 "excluded-addresses"},
		{"203.0.113.0/28", "198.51.100.240-198.51.100.255",
		 "weir.yaml:15: pools[0].addresses: found \"198.51.100.255\", want an address of "
		 "the "
		 "pool's own; this is the broadcast address of interface outside, name it in "
		 "excluded-addresses"},
		{"203.0.113.0/28", "198.51.100.240-198.51.100.254",
		 "weir.yaml:15: pools[0].addresses: found \"198.51.100.254\", want an address of "
		 "the "
		 "pool's own; this is the gateway of a route, name it in excluded-addresses"},
		{NULL, "  - name: second\n    addresses: [203.0.113.9]\n",
		 "weir.yaml:17: pools[1].addresses: found \"203.0.113.9\", want each address once; "
		 "pool main has 203.0.113.0-203.0.113.15 already"},
		{NULL, "rules:\n  - {inside: 100.64.0.0/10, pool: mian}\n",
		 "weir.yaml:17: rules[0].pool: found \"mian\", want the name of a pool: main"},
	};

	(void)state;
	REFUSES(table);
}

/* An address that is excluded is not the pool's, so it may be the interface's or lead inside. */
static void excluded_addresses_are_not_the_pools(void **state)
{
	struct config *config;

	(void)state;
	load_changed("addresses: [203.0.113.0/28]",
		     "addresses: [198.51.100.0/24]\n    excluded-addresses: [198.51.100.0/31, "
		     "198.51.100.254/31]",
		     &config);
	assert_string_equal(errors, "");
	assert_non_null(config);
	config_free(config);
	load_changed("addresses: [203.0.113.0/28]",
		     "addresses: [100.63.255.0-100.64.0.9]\n    excluded-addresses: "
		     "[100.64.0.0/24]",
		     &config);
	assert_string_equal(errors, "");
	config_free(config);
}

/* Workers: CPUs that there are, one each; buffers enough for the queues; and paths that are. */
static void wrong_workers(void **state)
{
	static const struct broken table[] = {
		{NULL, "workers: {count: 2, cores: [0]}\n",
		 "weir.yaml:16: workers.cores: found \"1 CPU\", want as many as workers.count, "
		 "which "
		 "is 2"},
		{NULL, "workers: {count: 2, cores: [0, \"0\"]}\n",
		 "weir.yaml:16: workers.cores[1]: found \"0\", want each CPU once"},
		{NULL, "workers: {buffers: 2048, rx-descriptors: 1024}\n",
		 "weir.yaml:16: workers.buffers: found \"2048\", want at least 3072, to fill the "
		 "descriptors of 2 interfaces"},
		{NULL, "eal: {file-prefix: a/b}\n",
		 "weir.yaml:16: eal.file-prefix: found \"a/b\", want a word without '/' and '%', "
		 "such "
		 "as weir"},
		{NULL, "control: {socket: weir.sock}\n",
		 "weir.yaml:16: control.socket: found \"weir.sock\", want a path that starts with "
		 "'/', such as /run/weir/weir.sock"},
	};
	struct config *config;

	(void)state;
	REFUSES(table);
	load_changed(NULL, "workers: {cores: [1023]}\n", &config);
	assert_null(config);
	assert_non_null(strstr(errors, "weir.yaml:16: workers.cores[0]: found \"1023\", want one "
				       "of the CPUs that weir may use: 0"));
}

/* With only what must be given, every other key has the default that the reference names. */
static void defaults(void **state)
{
	struct config *config = load_text(good);
	const struct iface_config *iface;
	const struct route_config *route;
	const struct pool_config *pool;

	(void)state;
	assert_string_equal(errors, "");
	assert_non_null(config);
	assert_int_equal(config->interfaces.n, 2);
	iface = config->interfaces.element;
	assert_string_equal(iface[1].name, "outside");
	assert_string_equal(iface[1].device, "net_tap1,iface=weir-o");
	assert_int_equal(iface[0].side, SIDE_INSIDE);
	assert_int_equal(iface[1].side, SIDE_OUTSIDE);
	assert_int_equal(iface[0].address.address, RTE_BE32(0x64400001));
	assert_int_equal(iface[0].address.length, 16);
	assert_int_equal(iface[0].mtu, 1500);
	assert_int_equal(iface[0].realm, 1);
	assert_false(iface[0].promiscuous);
	assert_int_equal(config->routes.n, 1);
	route = config->routes.element;
	assert_int_equal(route->to.length, 0);
	assert_int_equal(route->via, RTE_BE32(0xc63364fe));
	assert_int_equal(config->pools.n, 1);
	pool = config->pools.element;
	assert_string_equal(pool->name, "main");
	assert_int_equal(pool->addresses.n, 1);
	assert_int_equal(pool->addresses.range[0].first, 0xcb007100);
	assert_int_equal(pool->addresses.range[0].last, 0xcb00710f);
	assert_int_equal(pool->excluded_addresses.n, 0);
	assert_int_equal(pool->port_range.first, 1024);
	assert_int_equal(pool->port_range.last, 65535);
	assert_int_equal(pool->block_size, 1024);
	assert_int_equal(pool->max_blocks_per_subscriber, 16);
	assert_int_equal(pool->port_reuse_timeout, 120);
	assert_int_equal(pool->block_idle_timeout, 30);
	assert_int_equal(config->rules.n, 0);
	assert_memory_equal(&config->timeouts, &timeouts, sizeof(timeouts));
	assert_int_equal(config->limits.max_sessions, 262144);
	assert_int_equal(config->limits.max_subscribers, 65536);
	assert_int_equal(config->limits.max_sessions_per_subscriber, 32768);
	assert_true(config->icmp.errors);
	assert_int_equal(config->icmp.rate, 1000);
	assert_int_equal(config->icmp.source_rate, 50);
	assert_int_equal(config->workers.count, 1);
	assert_int_equal(config->workers.cores.n, 0);
	assert_int_equal(config->workers.control_core, 0);
	assert_int_equal(config->workers.idle, WORKER_IDLE_AUTO);
	assert_int_equal(config->workers.buffers, 16384);
	assert_int_equal(config->workers.rx_descriptors, 512);
	assert_int_equal(config->workers.tx_descriptors, 512);
	assert_string_equal(config->eal.file_prefix, "weir");
	assert_int_equal(config->eal.memory, 0);
	assert_int_equal(config->eal.hugepages, EAL_HUGEPAGES_AUTO);
	assert_int_equal(config->eal.args.n, 0);
	assert_string_equal(config->control.socket, "/run/weir/weir.sock");
	assert_string_equal(config->control.group, "");
	config_free(config);
}

/* A part whose keys are all commented out is as if it were not there. */
static void empty_parts(void **state)
{
	struct config *config;

	(void)state;
	load_changed(NULL, "timeouts:\n# icmp: 30\nrules:\nworkers: {}\neal: ~\n", &config);
	assert_null(config); /* but not every way to write "nothing" in YAML is known */
	assert_non_null(strstr(errors, "weir.yaml:20: eal: found \"~\", want keys with values"));
	load_changed(NULL, "timeouts:\n# icmp: 30\nrules:\nworkers: {}\neal:\n", &config);
	assert_string_equal(errors, "");
	assert_non_null(config);
	assert_int_equal(config->timeouts.icmp, 60);
	assert_int_equal(config->workers.count, 1);
	config_free(config);
}

/* Numbers, times, words and lists take every form that the reference names. */
static void forms(void **state)
{
	struct config *config;

	(void)state;
	load_changed(NULL,
		     "    excluded-addresses: [203.0.113.1, 203.0.113.4/30, "
		     "203.0.113.9-203.0.113.11]\n"
		     "    port-range: 2048-4095\n"
		     "    port-reuse-timeout: 0\n"
		     "timeouts: {tcp-opening: 300, tcp-established: 2h, tcp-closing: 5m, "
		     "tcp-reset: 10s, udp-stream: 1d, udp-first: \"60\", icmp: 604800}\n"
		     "limits: {max-sessions: 00262144}\n"
		     "icmp:\n  errors: OFF\n"
		     "workers: {cores: [\"0\"], idle: poll}\n"
		     "eal:\n  args:\n    - --log-level\n    - pmd.net.tap:debug\n"
		     "control: {group: \"weir\"}\n",
		     &config);
	assert_string_equal(errors, "");
	assert_non_null(config);
	const struct pool_config *pool = config->pools.element;
	assert_int_equal(pool->excluded_addresses.n, 3);
	assert_int_equal(pool->excluded_addresses.range[0].last, 0xcb007101);
	assert_int_equal(pool->excluded_addresses.range[1].last, 0xcb007107);
	assert_int_equal(pool->excluded_addresses.range[2].first, 0xcb007109);
	assert_int_equal(pool->port_range.first, 2048);
	assert_int_equal(pool->port_reuse_timeout, 0);
	assert_int_equal(config->timeouts.tcp_opening, 300);
	assert_int_equal(config->timeouts.tcp_established, 7200);
	assert_int_equal(config->timeouts.tcp_closing, 300);
	assert_int_equal(config->timeouts.tcp_reset, 10);
	assert_int_equal(config->timeouts.udp_stream, 86400);
	assert_int_equal(config->timeouts.udp_first, 60);
	assert_int_equal(config->timeouts.icmp, 604800);
	assert_int_equal(config->limits.max_sessions, 262144);
	assert_false(config->icmp.errors);
	assert_int_equal(config->workers.cores.n, 1);
	assert_int_equal(config->workers.idle, WORKER_IDLE_POLL);
	assert_int_equal(config->eal.args.n, 2);
	assert_string_equal(config->eal.args.text[1], "pmd.net.tap:debug");
	assert_string_equal(config->control.group, "weir");
	config_free(config);
}

/* The configuration as JSON has every key, and reads as it would be written. */
static void as_json(void **state)
{
	struct config *config;
	json_t *json;
	const json_t *pool, *iface;

	(void)state;
	load_changed("203.0.113.0/28", "203.0.113.0/28, 203.0.113.20-203.0.113.30", &config);
	assert_non_null(config);
	json = config_to_json(config);
	config_free(config);
	assert_int_equal(json_object_size(json), 10);
	pool = json_array_get(json_object_get(json, "pools"), 0);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(pool, "addresses"), 0)),
		"203.0.113.0/28");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(pool, "addresses"), 1)),
		"203.0.113.20-203.0.113.30");
	assert_int_equal(json_integer_value(json_object_get(pool, "block-size")), 1024);
	assert_string_equal(json_string_value(json_object_get(pool, "port-range")), "1024-65535");
	iface = json_array_get(json_object_get(json, "interfaces"), 1);
	assert_string_equal(json_string_value(json_object_get(iface, "side")), "outside");
	assert_string_equal(json_string_value(json_object_get(iface, "address")),
			    "198.51.100.1/24");
	assert_true(json_is_false(json_object_get(iface, "promiscuous")));
	json_decref(json);
}

/* The reference has a row for every key, and a part for every section. */
static void reference(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	config_reference(file);
	fclose(file);
	for (uint32_t i = 0; i < config_root.n; i++) {
		const struct config_section *section = config_root.row[i].section;
		char heading[64];

		snprintf(heading, sizeof(heading), "\n## %s\n", config_root.row[i].key);
		assert_non_null(strstr(text, heading));
		for (uint32_t k = 0; k < section->n; k++) {
			char row[64];

			assert_non_null(section->row[k].help);
			snprintf(row, sizeof(row), "\n| `%s` | ", section->row[k].key);
			assert_non_null(strstr(text, row));
		}
	}
	assert_non_null(strstr(text, "| `icmp` | `60s` | 1 to 604800 seconds, such as 300, 300s, "
				     "5m, 2h or 1d | reload | RFC 5508 REQ-2 | ICMP query. |"));
	free(text);
}

/* Where the source tree's config/weir.yaml is, with what it has in comments as keys. */
static void read_example(char *text, size_t size)
{
	FILE *file = fopen(WEIR_EXAMPLE, "r");
	size_t n = 0;

	assert_non_null(file);
	for (char line[256]; fgets(line, sizeof(line), file) != NULL;) {
		/* "#key" and "#  key", but "# A sentence" and "#     shell" are comments */
		bool key = line[0] == '#' && strchr(line, ':') != NULL &&
			   (line[1] != ' ' || line[2] == ' ');

		n += (size_t)snprintf(text + n, size - n, "%s", line + key);
		assert_true(n < size);
	}
	fclose(file);
}

/* The example that weir ships is valid, and so is what it has in comments: the defaults. */
static void example(void **state)
{
	static char text[16384];
	struct config *config = load(WEIR_EXAMPLE), *all;
	json_t *json, *json_all;

	(void)state;
	assert_string_equal(errors, "");
	assert_non_null(config);
	read_example(text, sizeof(text));
	all = load_text(text);
	assert_string_equal(errors, "");
	assert_non_null(all);
	assert_int_equal(all->rules.n, 1);
	json = config_to_json(config);
	json_all = config_to_json(all);
	for (uint32_t i = 0; i < config_root.n; i++) {
		const char *key = config_root.row[i].key;

		if (config_root.row[i].type == CONFIG_SECTION)
			assert_true(json_equal(json_object_get(json, key),
					       json_object_get(json_all, key)));
	}
	json_decref(json);
	json_decref(json_all);
	config_free(config);
	config_free(all);
}

static char directory[] = "/tmp/weir-config-XXXXXX";

static int enter_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? chdir(directory) : -1;
}

static int leave_directory(void **state)
{
	(void)state;
	unlink("weir.yaml");
	return chdir("/") == 0 ? rmdir(directory) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_keys),
		cmocka_unit_test(keys_twice),
		cmocka_unit_test(missing),
		cmocka_unit_test(wrong_shapes),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(not_yaml),
		cmocka_unit_test(wrong_files),
		cmocka_unit_test(wrong_interfaces),
		cmocka_unit_test(wrong_pools),
		cmocka_unit_test(excluded_addresses_are_not_the_pools),
		cmocka_unit_test(wrong_workers),
		cmocka_unit_test(defaults),
		cmocka_unit_test(empty_parts),
		cmocka_unit_test(forms),
		cmocka_unit_test(as_json),
		cmocka_unit_test(reference),
		cmocka_unit_test(example),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
