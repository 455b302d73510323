/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "format.h"
#include "list.h"

#define DIM(array) (sizeof(array) / sizeof((array)[0]))

static int too_many(const struct command *command, char **argv)
{
	return wrong_use(command, "'%s' is one word too many", argv[0]);
}

/* Asks a command without parameters. With --json prints the reply. NULL: *ret is the exit code. */
static json_t *ask_plain(const struct command *command, int argc, char **argv, int *ret)
{
	json_t *reply;

	if (argc > 0) {
		*ret = too_many(command, argv);
		return NULL;
	}
	reply = client_ask(command->path, NULL);
	*ret = reply != NULL ? EXIT_DONE : EXIT_REFUSED;
	if (reply != NULL && options.json) {
		print_json(reply);
		json_decref(reply);
		return NULL;
	}
	return reply;
}

/* ---- plain lists ---- */

static const struct field interface_fields[] = {
	{"name", "INTERFACE", LIST_TEXT, false},  {"side", "SIDE", LIST_TEXT, false},
	{"address", "ADDRESS", LIST_TEXT, false}, {"mac", "MAC", LIST_TEXT, false},
	{"mtu", "MTU", LIST_NUMBER, false},       {"realm", "REALM", LIST_NUMBER, true},
	{"port", "PORT", LIST_NUMBER, false},
};

static const struct field port_fields[] = {
	{"interface", "INTERFACE", LIST_TEXT, false},
	{"device", "DEVICE", LIST_TEXT, false},
	{"driver", "DRIVER", LIST_TEXT, false},
	{"link", "LINK", LIST_TEXT, false},
	{"speed", "SPEED", LIST_SPEED, false},
	{"rx_packets", "RX PACKETS", LIST_COUNT, false},
	{"rx_bytes", "RX BYTES", LIST_BYTES, false},
	{"tx_packets", "TX PACKETS", LIST_COUNT, false},
	{"tx_bytes", "TX BYTES", LIST_BYTES, false},
	{"rx_missed", "RX MISSED", LIST_COUNT, false},
	{"rx_errors", "RX ERRORS", LIST_COUNT, false},
	{"rx_nombuf", "RX NO BUFFER", LIST_COUNT, false},
	{"tx_errors", "TX ERRORS", LIST_COUNT, false},
	{"rx_queues", "RX QUEUES", LIST_NUMBER, true},
	{"tx_queues", "TX QUEUES", LIST_NUMBER, true},
};

static const struct field route_fields[] = {
	{"to", "TO", LIST_TEXT, false},
	{"via", "VIA", LIST_TEXT, false},
	{"interface", "INTERFACE", LIST_TEXT, false},
	{"kind", "KIND", LIST_TEXT, false},
	{"realm", "REALM", LIST_NUMBER, true},
};

static const struct field neighbour_fields[] = {
	{"address", "ADDRESS", LIST_TEXT, false},  {"interface", "INTERFACE", LIST_TEXT, false},
	{"mac", "MAC", LIST_TEXT, false},          {"state", "STATE", LIST_TEXT, false},
	{"age", "CONFIRMED", LIST_SECONDS, false},
};

static const struct field static_fields[] = {
	{"protocol", "PROTO", LIST_TEXT, false},    {"outside", "OUTSIDE", LIST_ENDPOINT, false},
	{"inside", "INSIDE", LIST_ENDPOINT, false}, {"realm", "REALM", LIST_NUMBER, true},
	{"weight", "WEIGHT", LIST_NUMBER, true},    {"pool", "POOL", LIST_TEXT, false},
};

static const struct field command_fields[] = {
	{"path", "COMMAND", LIST_TEXT, false},
	{"changes", "CHANGES", LIST_TEXT, false},
	{"help", "WHAT", LIST_TEXT, false},
	{"usage", "PARAMETERS", LIST_TEXT, false},
};

int show_interfaces(const struct command *command, int argc, char **argv)
{
	if (argc > 0)
		return too_many(command, argv);
	return list_show(command, NULL, "interfaces", interface_fields, DIM(interface_fields));
}

int show_ports(const struct command *command, int argc, char **argv)
{
	if (argc > 0)
		return too_many(command, argv);
	return list_show(command, NULL, "ports", port_fields, DIM(port_fields));
}

int show_routes(const struct command *command, int argc, char **argv)
{
	if (argc > 0)
		return too_many(command, argv);
	return list_show(command, NULL, "routes", route_fields, DIM(route_fields));
}

int show_neighbours(const struct command *command, int argc, char **argv)
{
	if (argc > 0)
		return too_many(command, argv);
	return list_show(command, NULL, "neighbours", neighbour_fields, DIM(neighbour_fields));
}

int show_static(const struct command *command, int argc, char **argv)
{
	if (argc > 0)
		return too_many(command, argv);
	return list_show(command, NULL, "static", static_fields, DIM(static_fields));
}

int show_commands(const struct command *command, int argc, char **argv)
{
	if (argc > 0)
		return too_many(command, argv);
	return list_show(command, NULL, "commands", command_fields, DIM(command_fields));
}

/* ---- pools ---- */

static const struct field pool_fields[] = {
	{"name", "POOL", LIST_TEXT, false},
	{"addresses", "ADDRESSES", LIST_COUNT, false},
	{"draining", "DRAINING", LIST_COUNT, true},
	{"subscribers", "SUBSCRIBERS", LIST_COUNT, false},
	{"block-size", "BLOCK SIZE", LIST_NUMBER, false},
	{"blocks.total", "BLOCKS", LIST_COUNT, false},
	{"blocks.taken", "TAKEN", LIST_COUNT, false},
	{"blocks.resting", "RESTING", LIST_COUNT, false},
	{"use", "IN USE", LIST_PERCENT, false},
	{"ports.tcp", "TCP USED", LIST_COUNT, false},
	{"ports.udp", "UDP USED", LIST_COUNT, false},
	{"ports.icmp", "ICMP USED", LIST_COUNT, false},
	{"ports.overloaded", "OVERLOADED", LIST_COUNT, true},
	{"refused", "REFUSED", LIST_COUNT, true},
	{"allocates", "ALLOCATION", LIST_TEXT, true},
	{"maps", "MAPPING", LIST_TEXT, true},
	{"filters", "FILTERING", LIST_TEXT, true},
};

/* {"tcp": "address-dependent", ...} in words; "" when it is endpoint-independent throughout. */
static json_t *dependence_text(const json_t *by_protocol)
{
	const char *tcp = text_of(by_protocol, "tcp"), *udp = text_of(by_protocol, "udp");
	const char *icmp = text_of(by_protocol, "icmp");

	if (strcmp(tcp, udp) != 0)
		return json_sprintf("tcp %s, udp %s, icmp %s", tcp, udp, icmp);
	if (strcmp(tcp, icmp) != 0)
		return json_sprintf("tcp and udp %s, icmp %s", tcp, icmp);
	return json_string(strcmp(tcp, "endpoint-independent") != 0 ? tcp : "");
}

int show_pools(const struct command *command, int argc, char **argv)
{
	struct list list = {0};
	json_t *reply, *pool;
	size_t i;
	int ret;

	reply = ask_plain(command, argc, argv, &ret);
	if (reply == NULL)
		return ret;
	/* a resting block cannot be taken either */
	json_array_foreach (json_object_get(reply, "pools"), i, pool) {
		const json_t *blocks = json_object_get(pool, "blocks");
		json_int_t total = int_of(blocks, "total");
		json_int_t busy = int_of(blocks, "taken") + int_of(blocks, "resting");

		json_object_set_new(
			pool, "use",
			json_real(total > 0 ? 100.0 * (double)busy / (double)total : 0));
		json_object_set_new(pool, "allocates",
				    strcmp(text_of(pool, "allocation"), "dynamic") != 0
					    ? json_incref(json_object_get(pool, "allocation"))
					    : json_string(""));
		json_object_set_new(pool, "maps",
				    dependence_text(json_object_get(pool, "mapping")));
		json_object_set_new(pool, "filters",
				    dependence_text(json_object_get(pool, "filtering")));
	}
	list_rows(&list, json_object_get(reply, "pools"), pool_fields, DIM(pool_fields));
	table_print(&list.table);
	json_decref(reply);
	return ret;
}

/* ---- verdicts ---- */

/* In the order of the packet's walk. */
static const struct {
	const char *name;
	const char *text;
} verdicts[] = {
#define VERDICT(name, text, answer) {#name, text},
#include "verdict.def"
#undef VERDICT
};

static void print_verdict(struct table *table, const char *name, const char *text, json_int_t count,
			  json_int_t received)
{
	double share = received > 0 ? 100.0 * (double)count / (double)received : 0.0;

	if (count == 0 && !options.all)
		return;
	table_cell(table, "%s", format_count(count));
	if (count > 0 && share < 0.01)
		table_cell(table, "<0.01 %%");
	else
		table_cell(table, "%.2f %%", share);
	table_cell(table, "%s", name);
	table_cell(table, "%s", text);
}

int show_verdicts(const struct command *command, int argc, char **argv)
{
	struct table table = {0};
	json_t *reply, *value;
	json_int_t received, waiting;
	const char *key;
	int ret;

	reply = ask_plain(command, argc, argv, &ret);
	if (reply == NULL)
		return ret;
	received = int_of(reply, "received");
	waiting = int_of(reply, "waiting");
	json_object_del(reply, "received");
	json_object_del(reply, "waiting");
	table_column(&table, "PACKETS", true);
	table_column(&table, "SHARE", true);
	table_column(&table, "VERDICT", false);
	table_column(&table, "MEANING", false);
	for (size_t i = 0; i < DIM(verdicts); i++) {
		char name[64];
		size_t n = 0;

		for (; verdicts[i].name[n] != '\0' && n < sizeof(name) - 1; n++)
			name[n] = (char)tolower((unsigned char)verdicts[i].name[n]);
		name[n] = '\0';
		print_verdict(&table, name, verdicts[i].text, int_of(reply, name), received);
		json_object_del(reply, name);
	}
	json_object_foreach (reply, key, value) /* a newer weir's */
		print_verdict(&table, key, "", json_integer_value(value), received);
	table_print(&table);
	printf("%s packets received, %s of them waiting for a neighbour\n", format_count(received),
	       format_count(waiting));
	json_decref(reply);
	return ret;
}

/* ---- workers ---- */

static const struct field worker_fields[] = {
	{"worker", "WORKER", LIST_NUMBER, false},
	{"lcore", "LCORE", LIST_NUMBER, false},
	{"cpu", "CPU", LIST_NUMBER, false},
	{"socket", "SOCKET", LIST_NUMBER, false},
	{"busy_percent", "BUSY", LIST_PERCENT, false},
	{"cycles_per_packet", "CYCLES/PKT", LIST_COUNT, false},
	{"received", "RECEIVED", LIST_COUNT, false},
	{"sent", "SENT", LIST_COUNT, false},
	{"handed_over", "HANDED OVER", LIST_COUNT, false},
	{"taken_over", "TAKEN OVER", LIST_COUNT, false},
	{"held", "HELD", LIST_COUNT, false},
	{"sessions", "SESSIONS", LIST_COUNT, false},
	{"mappings", "MAPPINGS", LIST_COUNT, false},
	{"subscribers", "SUBSCRIBERS", LIST_COUNT, false},
};

/* The ICMP errors of all workers: what was sent, and what was not. */
static void print_answers(const json_t *workers)
{
	json_t *sums = json_object();
	json_int_t limited = 0, suppressed = 0;
	bool sent = false;
	json_t *worker, *value;
	const char *key;
	size_t i;

	json_array_foreach (workers, i, worker) {
		json_object_foreach (json_object_get(worker, "answers"), key, value)
			json_object_set_new(
				sums, key,
				json_integer(int_of(sums, key) + json_integer_value(value)));
		limited += int_of(worker, "answers_limited");
		suppressed += int_of(worker, "answers_suppressed");
	}
	printf("\nICMP errors:");
	json_object_foreach (sums, key, value) {
		if (json_integer_value(value) == 0)
			continue;
		sent = true;
		printf(" %s ", format_count(json_integer_value(value)));
		for (const char *c = key; *c != '\0'; c++)
			putchar(*c == '_' ? ' ' : *c);
		putchar(',');
	}
	if (!sent)
		printf(" none,");
	printf(" %s over a rate limit, %s that RFC 1812 forbids\n", format_count(limited),
	       format_count(suppressed));
	json_decref(sums);
}

int show_workers(const struct command *command, int argc, char **argv)
{
	struct list list = {0};
	json_t *reply, *workers;
	int ret;

	reply = ask_plain(command, argc, argv, &ret);
	if (reply == NULL)
		return ret;
	workers = json_object_get(reply, "workers");
	list_rows(&list, workers, worker_fields, DIM(worker_fields));
	table_print(&list.table);
	print_answers(workers);
	json_decref(reply);
	return ret;
}

/* ---- trees ---- */

static void print_tree(const json_t *value, int depth);

static void print_scalar(const char *key, const json_t *value)
{
	static const struct field plain = {"value", "", LIST_NUMBER, false};
	json_t *holder = json_pack("{s:O}", "value", value);

	if (json_is_object(value) || json_is_array(value))
		printf("-\n"); /* an empty one */
	else if (strcmp(key, "uptime") == 0)
		printf("%s\n", format_seconds(json_integer_value(value)));
	else
		printf("%s\n", list_text(holder, &plain));
	json_decref(holder);
}

static void print_branch(const char *key, const json_t *value, int width, int depth)
{
	if (json_object_size(value) + json_array_size(value) > 0) {
		printf("%*s%s\n", depth * 2, "", key);
		print_tree(value, depth + 1);
	} else {
		printf("%*s%-*s  ", depth * 2, "", width, key);
		print_scalar(key, value);
	}
}

/* Keys and values, one a line; what is nested is indented. */
static void print_tree(const json_t *value, int depth)
{
	int width = 0;
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)value, key, v)
		if ((int)strlen(key) > width && !json_is_object(v) && !json_is_array(v))
			width = (int)strlen(key);
	json_object_foreach ((json_t *)(uintptr_t)value, key, v)
		print_branch(key, v, width, depth);
	json_array_foreach (value, i, v) {
		if (json_is_object(v) && i > 0)
			putchar('\n');
		if (json_is_object(v) || json_is_array(v)) {
			print_tree(v, depth);
		} else {
			printf("%*s", depth * 2, "");
			print_scalar("", v);
		}
	}
	if (json_is_string(value))
		printf("%s\n", json_string_value(value));
}

static int show_tree(const struct command *command, int argc, char **argv)
{
	int ret;
	json_t *reply = ask_plain(command, argc, argv, &ret);

	if (reply != NULL)
		print_tree(reply, 0);
	json_decref(reply);
	return ret;
}

int show_info(const struct command *command, int argc, char **argv)
{
	return show_tree(command, argc, argv);
}

int show_config(const struct command *command, int argc, char **argv)
{
	return show_tree(command, argc, argv);
}

int reload(const struct command *command, int argc, char **argv)
{
	int ret;
	json_t *reply = ask_plain(command, argc, argv, &ret);

	if (reply == NULL)
		return ret;
	printf("reloaded %s", text_of(reply, "reloaded"));
	if (int_of(reply, "ended") > 0)
		printf("; %s session%s ended", format_count(int_of(reply, "ended")),
		       int_of(reply, "ended") == 1 ? "" : "s");
	putchar('\n');
	json_decref(reply);
	return ret;
}

int show_timeouts(const struct command *command, int argc, char **argv)
{
	struct table table = {0};
	json_t *reply, *value;
	const char *key;
	int ret;

	reply = ask_plain(command, argc, argv, &ret);
	if (reply == NULL)
		return ret;
	table_column(&table, "TIMEOUT", false);
	table_column(&table, "SECONDS", true);
	table_column(&table, "", true);
	json_object_foreach (reply, key, value) {
		table_cell(&table, "%s", key);
		if (json_is_boolean(value)) {
			table_cell(&table, "%s", json_is_true(value) ? "yes" : "no");
			table_cell(&table, "%s", "");
			continue;
		}
		table_cell(&table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		table_cell(&table, "%s", format_seconds(json_integer_value(value)));
	}
	table_print(&table);
	json_decref(reply);
	return ret;
}
