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

/* With only what must be given, every other key has the default that the reference names. */
static void defaults(void **state)
{
	struct config *config = fixture_load_text(fixture_good);
	const struct iface_config *iface;
	const struct route_config *route;
	const struct pool_config *pool;

	(void)state;
	assert_string_equal(fixture_errors, "");
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
	assert_memory_equal(&config->timeouts, &timeouts, offsetof(struct timeouts, ports));
	assert_int_equal(config->timeouts.ports.n, 0);
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
	config = fixture_load_changed(NULL, "timeouts:\n# icmp: 30\nrules:\nworkers: {}\neal: ~\n");
	assert_null(config); /* but not every way to write "nothing" in YAML is known */
	assert_non_null(
		strstr(fixture_errors, "weir.yaml:20: eal: found \"~\", want keys with values"));
	config = fixture_load_changed(NULL, "timeouts:\n# icmp: 30\nrules:\nworkers: {}\neal:\n");
	assert_string_equal(fixture_errors, "");
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
	config = fixture_load_changed(
		NULL, "    excluded-addresses: [203.0.113.1, 203.0.113.4/30, "
		      "203.0.113.9-203.0.113.11]\n"
		      "    port-range: 2048-4095\n"
		      "    port-reuse-timeout: 0\n"
		      "timeouts: {tcp-opening: 300, tcp-established: 2h, tcp-closing: 5m, "
		      "tcp-reset: 10s, udp-stream: 1d, udp-first: \"60\", icmp: 604800}\n"
		      "limits: {max-sessions: 00262144}\n"
		      "icmp:\n  errors: OFF\n"
		      "workers: {cores: [\"0\"], idle: poll}\n"
		      "eal:\n  args:\n    - --log-level\n    - pmd.net.tap:debug\n"
		      "control: {group: \"weir\"}\n");
	assert_string_equal(fixture_errors, "");
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
	config =
		fixture_load_changed("203.0.113.0/28", "203.0.113.0/28, 203.0.113.20-203.0.113.30");
	assert_non_null(config);
	json = config_to_json(config);
	config_free(config);
	assert_int_equal(json_object_size(json), 13);
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
	struct config *config = fixture_load(WEIR_EXAMPLE), *all;
	json_t *json, *json_all;

	(void)state;
	assert_string_equal(fixture_errors, "");
	assert_non_null(config);
	read_example(text, sizeof(text));
	all = fixture_load_text(text);
	assert_string_equal(fixture_errors, "");
	assert_non_null(all);
	assert_int_equal(all->rules.n, 3);
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

/* An address that is excluded is not the pool's, so it may be the interface's or lead inside. */
static void excluded_addresses_are_not_the_pools(void **state)
{
	struct config *config;

	(void)state;
	config = fixture_load_changed(
		"addresses: [203.0.113.0/28]",
		"addresses: [198.51.100.0/24]\n    excluded-addresses: [198.51.100.0/31, "
		"198.51.100.254/31]");
	assert_string_equal(fixture_errors, "");
	assert_non_null(config);
	config_free(config);
	config = fixture_load_changed(
		"addresses: [203.0.113.0/28]",
		"addresses: [100.63.255.0-100.64.0.9]\n    excluded-addresses: "
		"[100.64.0.0/24]");
	assert_string_equal(fixture_errors, "");
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(empty_parts),
		cmocka_unit_test(forms),
		cmocka_unit_test(as_json),
		cmocka_unit_test(reference),
		cmocka_unit_test(example),
		cmocka_unit_test(excluded_addresses_are_not_the_pools),
	};

	return cmocka_run_group_tests(tests, fixture_enter, fixture_leave);
}
