/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_fixture.h"

struct broken {
	const char *from, *to; /* see fixture_load_changed() */
	const char *error;     /* all that is written, but for the newline */
};

static void refuses(const struct broken *broken, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config *config = fixture_load_changed(broken[i].from, broken[i].to);
		char expected[512];

		snprintf(expected, sizeof(expected), "%s\n", broken[i].error);
		assert_string_equal(fixture_errors, expected);
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
		 "weir.yaml:12: routes[0].Gateway: found an unknown key, want one of to, via, "
		 "interface"},
		{NULL, "timeout: {icmp: 30}\n",
		 "weir.yaml:16: timeout: found an unknown key, did you mean \"timeouts\"?"},
		{NULL, "icmp:\n  errors: yes\n\n  burst: 7\n",
		 "weir.yaml:19: icmp.burst: found an unknown key, want one of errors, rate, "
		 "source-rate, unsolicited-syn, refusal-code"},
		{NULL, "\"x\\ny\": 1\n",
		 "weir.yaml:16: x?y: found an unknown key, want one of interfaces, routes, pools, "
		 "rules, static, timeouts, limits, fragments, alg, icmp, workers, eal, control"},
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
		 "tcp-established, tcp-closing, tcp-reset, udp-first, udp-stream, icmp, "
		 "other, inbound-refresh, ports"},
		{NULL, "rules: all\n",
		 "weir.yaml:16: rules: found \"all\", want a list, each element behind \"- \" or "
		 "in "
		 "[brackets]"},
		{NULL, "rules: [all]\n",
		 "weir.yaml:16: rules[0]: found \"all\", want keys with values: inside, realm, "
		 "destination, protocol, destination-ports, action, pool"},
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
		{NULL, "timeouts: {ports: [{protocol: gre, port: 53, timeout: 5}]}\n",
		 "weir.yaml:16: timeouts.ports[0].protocol: found \"gre\", want tcp or udp"},
		{NULL, "timeouts: {ports: [{protocol: udp, port: 0, timeout: 5}]}\n",
		 "weir.yaml:16: timeouts.ports[0].port: found \"0\", want a number from 1 to "
		 "65535"},
		{"side: outside", "side: outside\n    mss-clamp: 99",
		 "weir.yaml:9: interfaces[1].mss-clamp: found \"99\", want off, auto, or 536 to "
		 "9176 "
		 "bytes"},
		{NULL, "icmp: {unsolicited-syn: maybe}\n",
		 "weir.yaml:16: icmp.unsolicited-syn: found \"maybe\", want drop or unreachable"},
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
	assert_null(fixture_load("none.yaml"));
	assert_string_equal(fixture_errors,
			    "none.yaml: cannot read it: No such file or directory\n");
	assert_null(fixture_load("/"));
	assert_string_equal(fixture_errors, "/: found a directory, want a file\n");
	assert_null(fixture_load("/dev/zero"));
	assert_string_equal(fixture_errors, "/dev/zero: found a device or pipe, want a file\n");
	assert_null(fixture_load_text(""));
	assert_string_equal(fixture_errors, "weir.yaml:1: found nothing, want a configuration\n");
	assert_null(fixture_load_text("# only a comment\n"));
	assert_string_equal(fixture_errors, "weir.yaml:1: found nothing, want a configuration\n");
	assert_null(fixture_load_text("hello\n"));
	assert_non_null(
		strstr(fixture_errors, "weir.yaml:1: found \"hello\", want keys with values"));
	memset(big, '#', sizeof(big));
	fixture_write(big, sizeof(big));
	assert_null(fixture_load("weir.yaml"));
	assert_string_equal(fixture_errors,
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

/* Deterministic pools have room for everybody whom they name, and static mappings leave them their
 * addresses. */
static void wrong_deterministic_pools(void **state)
{
#define DETERMINISTIC "    allocation: deterministic\n"
	static const struct broken table[] = {
		{NULL, DETERMINISTIC,
		 "weir.yaml:14: pools[0].inside: want the subscribers' addresses, such as "
		 "[100.64.0.0/20], as allocation is deterministic"},
		{NULL, DETERMINISTIC "    overflow-blocks: 3\n    inside: [100.64.0.0/22]\n",
		 "weir.yaml:18: pools[0].inside: found \"1024 subscribers\", want at most 960, for "
		 "16 addresses with 60 computed blocks each; or for these subscribers block-size "
		 "512, or 18 addresses"},
		{NULL, DETERMINISTIC "    inside: [100.64.0.0/24, 100.64.0.9]\n",
		 "weir.yaml:17: pools[0].inside: found \"100.64.0.9\", want each address once; "
		 "100.64.0.0-100.64.0.255 is there already"},
		{NULL, "    inside: [100.64.0.0/24]\n",
		 "weir.yaml:16: pools[0].inside: found \"100.64.0.0-100.64.0.255\", want no such "
		 "key without allocation: deterministic; rules say who uses a dynamic pool"},
		{NULL, "    allocation: static\n",
		 "weir.yaml:16: pools[0].allocation: found \"static\", want dynamic or "
		 "deterministic"},
		{NULL,
		 DETERMINISTIC "    inside: [100.64.0.0/24]\n"
			       "static: [{outside: 203.0.113.4, inside: 100.65.0.1}, {outside: "
			       "203.0.113.3, inside: 100.65.0.2}]\n",
		 "weir.yaml:18: static[0].outside: found \"203.0.113.4\", want an address of "
		 "another pool: pool main is deterministic, and this address is its subscribers'"},
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
		{NULL, "rules:\n  - {protocol: tpc}\n",
		 "weir.yaml:17: rules[0].protocol: found \"tpc\", want tcp, udp, icmp, a number up "
		 "to "
		 "255, or any"},
		{NULL, "rules:\n  - {action: deny, pool: main}\n",
		 "weir.yaml:17: rules[0].pool: found \"main\", want no pool where nothing is "
		 "translated"},
		{NULL, "static:\n  - {outside: 203.0.114.5, inside: 100.64.0.5}\n",
		 "weir.yaml:17: static[0].outside: found \"203.0.114.5\", want an address of a "
		 "pool"},
		{NULL, "static:\n  - {outside: 203.0.113.5, inside: 203.0.113.6}\n",
		 "weir.yaml:17: static[0].inside: found \"203.0.113.6\", want an inside address, "
		 "of no "
		 "pool"},
		{NULL,
		 "static:\n  - {outside: 203.0.113.5, outside-port: 80, inside: 100.64.0.5}\n",
		 "weir.yaml:17: static[0].protocol: found \"any\", want tcp or udp, for a port"},
		{NULL,
		 "static:\n  - {outside: 203.0.113.5, inside: 100.64.0.5}\n"
		 "  - {outside: 203.0.113.5, outside-port: 80, protocol: tcp, inside: "
		 "100.64.0.6}\n",
		 "weir.yaml:18: static[1].outside: found \"203.0.113.5\", want an address that "
		 "static[0] does not have as a whole"},
		{NULL, "rules:\n  - {action: drop}\n",
		 "weir.yaml:17: rules[0].action: found \"drop\", want permit, deny or exempt"},
	};

	(void)state;
	REFUSES(table);
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
	config = fixture_load_changed(NULL, "workers: {cores: [1023]}\n");
	assert_null(config);
	assert_non_null(strstr(fixture_errors,
			       "weir.yaml:16: workers.cores[0]: found \"1023\", want one "
			       "of the CPUs that weir may use: 0"));
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
		cmocka_unit_test(wrong_deterministic_pools),
		cmocka_unit_test(wrong_pools),
		cmocka_unit_test(wrong_workers),
	};

	return cmocka_run_group_tests(tests, fixture_enter, fixture_leave);
}
