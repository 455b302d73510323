/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "filter.h"
#include "format.h"
#include "list.h"

#define DIM(array) (sizeof(array) / sizeof((array)[0]))

static const struct field subscriber_fields[] = {
	{"address", "ADDRESS", LIST_TEXT, false},     {"realm", "REALM", LIST_NUMBER, true},
	{"pool", "POOL", LIST_TEXT, false},           {"outside", "OUTSIDE", LIST_TEXT, false},
	{"sessions", "SESSIONS", LIST_COUNT, false},  {"mappings", "MAPPINGS", LIST_COUNT, false},
	{"block_count", "BLOCKS", LIST_COUNT, false}, {"tcp", "TCP USED", LIST_COUNT, false},
	{"udp", "UDP USED", LIST_COUNT, false},       {"icmp", "ICMP USED", LIST_COUNT, false},
	{"worker", "WORKER", LIST_NUMBER, false},
};

static const struct field block_fields[] = {
	{"range", "PORTS", LIST_TEXT, false},     {"size", "SIZE", LIST_COUNT, false},
	{"tcp", "TCP USED", LIST_COUNT, false},   {"udp", "UDP USED", LIST_COUNT, false},
	{"icmp", "ICMP USED", LIST_COUNT, false},
};

static const struct field mapping_fields[] = {
	{"protocol", "PROTO", LIST_TEXT, false},      {"inside", "INSIDE", LIST_ENDPOINT, false},
	{"outside", "OUTSIDE", LIST_ENDPOINT, false}, {"remote", "TOWARDS", LIST_ENDPOINT, true},
	{"realm", "REALM", LIST_NUMBER, true},        {"sessions", "SESSIONS", LIST_COUNT, false},
	{"age", "AGE", LIST_SECONDS, false},
};

static const struct field computed_fields[] = {
	{"pool", "POOL", LIST_TEXT, false},    {"inside", "INSIDE", LIST_TEXT, false},
	{"realm", "REALM", LIST_NUMBER, true}, {"outside", "OUTSIDE", LIST_TEXT, false},
	{"range", "PORTS", LIST_TEXT, false},
};

static void add_ranges(json_t *blocks)
{
	json_t *block;
	size_t i;

	json_array_foreach (blocks, i, block)
		json_object_set_new(block, "range",
				    json_sprintf("%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT,
						 int_of(block, "first"), int_of(block, "last")));
}

/* Sums over the blocks, beside what weir sent. */
static void add_sums(json_t *subscriber)
{
	static const char *const sums[] = {"tcp", "udp", "icmp"};
	json_t *blocks = json_object_get(subscriber, "blocks");
	json_t *block;
	size_t i;

	json_object_set_new(subscriber, "block_count",
			    json_integer((json_int_t)json_array_size(blocks)));
	for (size_t k = 0; k < DIM(sums); k++) {
		json_int_t sum = 0;

		json_array_foreach (blocks, i, block)
			sum += int_of(block, sums[k]);
		json_object_set_new(subscriber, sums[k], json_integer(sum));
	}
	json_array_foreach (blocks, i, block)
		json_object_set_new(
			block, "size",
			json_integer(int_of(block, "last") - int_of(block, "first") + 1));
	add_ranges(blocks);
}

static void print_subscriber(json_t *subscriber)
{
	struct list blocks = {0};

	add_sums(subscriber);
	printf("Subscriber  %s", text_of(subscriber, "address"));
	if (int_of(subscriber, "realm") > 1)
		printf(", realm %jd", (intmax_t)int_of(subscriber, "realm"));
	printf("\nOutside     %s, pool %s\n", text_of(subscriber, "outside"),
	       text_of(subscriber, "pool"));
	printf("Sessions    %s through %s mappings, on worker %jd\n",
	       format_count(int_of(subscriber, "sessions")),
	       format_count(int_of(subscriber, "mappings")),
	       (intmax_t)int_of(subscriber, "worker"));
	if (int_of(subscriber, "block_count") == 0) {
		printf("Blocks      none\n");
		return;
	}
	printf("Blocks      %s\n\n", format_count(int_of(subscriber, "block_count")));
	list_rows(&blocks, json_object_get(subscriber, "blocks"), block_fields, DIM(block_fields));
	table_print(&blocks.table);
}

static int show_one(const char *address)
{
	json_t *reply = client_ask("/weir/subscriber", json_pack("{s:s}", "address", address));
	json_t *list = json_object_get(reply, "subscribers");
	json_t *subscriber;
	int ret = EXIT_DONE;
	size_t i;

	if (reply == NULL)
		return EXIT_REFUSED;
	if (options.json) {
		print_json(reply);
	} else if (json_array_size(list) == 0) {
		ret = refuse("%s is no subscriber now: it has no session and no port block",
			     address);
	} else {
		json_array_foreach (list, i, subscriber) {
			if (i > 0)
				putchar('\n');
			print_subscriber(subscriber);
		}
	}
	json_decref(reply);
	return ret;
}

static void print_page(const json_t *elements, void *arg)
{
	struct list *list = arg;
	json_t *subscriber;
	size_t i;

	json_array_foreach (elements, i, subscriber)
		add_sums(subscriber);
	list_rows(list, elements, subscriber_fields, DIM(subscriber_fields));
	if (list->table.cells > 0)
		table_print(&list->table);
}

int show_subscribers(const struct command *command, int argc, char **argv)
{
	struct list list = {0};
	const char *right;
	json_int_t n;
	bool more;

	if (argc > 1)
		return wrong_use(command, "'%s' is one word too many", argv[1]);
	if (argc == 1) {
		right = filter_wrong_address(argv[0]);
		return right == NULL
			       ? show_one(argv[0])
			       : wrong_use(command, "found '%s', expected %s", argv[0], right);
	}
	n = list_pages(command, json_object(), "subscribers", INT64_MAX, print_page, &list, &more);
	if (n < 0)
		return EXIT_REFUSED;
	if (!options.json)
		printf("%s subscriber%s\n", n == 0 ? "no" : format_count(n), n == 1 ? "" : "s");
	return EXIT_DONE;
}

static int print_lookup(json_t *reply, char **argv)
{
	json_t *mappings = json_object_get(reply, "mappings");
	json_t *blocks = json_object_get(reply, "blocks");
	struct list list = {0}, computed = {0};

	if (json_array_size(mappings) + json_array_size(blocks) == 0)
		return refuse("nobody has %s port %s %s now", argv[0], argv[1], argv[2]);
	if (json_array_size(mappings) == 0) {
		printf("No mapping for %s port %s %s now.\n", argv[0], argv[1], argv[2]);
	} else {
		list_rows(&list, mappings, mapping_fields, DIM(mapping_fields));
		table_print(&list.table);
	}
	if (json_array_size(blocks) == 0)
		return EXIT_DONE;
	printf("\nBy computation, at any time:\n");
	add_ranges(blocks);
	list_rows(&computed, blocks, computed_fields, DIM(computed_fields));
	table_print(&computed.table);
	return EXIT_DONE;
}

int lookup(const struct command *command, int argc, char **argv)
{
	static const struct {
		const char *name;
		const char *(*wrong)(const char *text);
	} params[] = {{"ADDRESS", filter_wrong_address},
		      {"PORT", filter_wrong_port},
		      {"PROTOCOL", filter_wrong_protocol}};
	json_t *reply;
	int ret = EXIT_DONE;

	if (argc != (int)DIM(params))
		return wrong_use(command, "it takes ADDRESS PORT PROTOCOL");
	for (size_t i = 0; i < DIM(params); i++)
		if (params[i].wrong(argv[i]) != NULL)
			return wrong_use(command, "%s: found '%s', expected %s", params[i].name,
					 argv[i], params[i].wrong(argv[i]));
	reply = client_ask(command->path, json_pack("{s:s, s:s, s:s}", "address", argv[0], "port",
						    argv[1], "protocol", argv[2]));
	if (reply == NULL)
		return EXIT_REFUSED;
	if (options.json)
		print_json(reply);
	else
		ret = print_lookup(reply, argv);
	json_decref(reply);
	return ret;
}
