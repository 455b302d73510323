/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "filter.h"
#include "format.h"
#include "list.h"

static const struct field session_fields[] = {
	{"protocol", "PROTO", LIST_TEXT, false},
	{"state", "STATE", LIST_TEXT, false},
	{"inside", "INSIDE", LIST_ENDPOINT, false},
	{"outside", "OUTSIDE", LIST_ENDPOINT, false},
	{"remote", "REMOTE", LIST_ENDPOINT, false},
	{"realm", "REALM", LIST_NUMBER, true},
	{"alg", "ALG", LIST_TEXT, true},
	{"age", "AGE", LIST_SECONDS, false},
	{"idle", "IDLE", LIST_SECONDS, false},
	{"expires", "EXPIRES", LIST_SECONDS, false},
	{"packets_out", "PKTS OUT", LIST_COUNT, false},
	{"bytes_out", "BYTES OUT", LIST_BYTES, false},
	{"packets_in", "PKTS IN", LIST_COUNT, false},
	{"bytes_in", "BYTES IN", LIST_BYTES, false},
};

static int protocol_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} protocols[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"gre", 47}, {"esp", 50}};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocols[i].name, name) == 0)
			return protocols[i].number;
	return 0;
}

/* One direction as `conntrack -L` writes it. */
static void print_tuple(const json_t *s, const char *source, json_int_t source_port,
			const char *destination, json_int_t destination_port,
			const char *packets_key, const char *bytes_key)
{
	printf("src=%s dst=%s ", source, destination);
	if (strcmp(text_of(s, "protocol"), "icmp") == 0)
		printf("id=%jd ", (intmax_t)(source_port != 0 ? source_port : destination_port));
	else if (source_port != 0 || destination_port != 0)
		printf("sport=%jd dport=%jd ", (intmax_t)source_port, (intmax_t)destination_port);
	printf("packets=%jd bytes=%jd ", (intmax_t)int_of(s, packets_key),
	       (intmax_t)int_of(s, bytes_key));
}

static void print_line(const json_t *s)
{
	const char *protocol = text_of(s, "protocol");
	json_int_t inside_port = int_of(s, "inside_port"), outside_port = int_of(s, "outside_port");
	json_int_t remote_port = int_of(s, "remote_port");

	printf("%-8s %d %jd ", protocol, protocol_number(protocol), (intmax_t)int_of(s, "expires"));
	if (text_of(s, "state")[0] != '\0')
		printf("%s ", text_of(s, "state"));
	print_tuple(s, text_of(s, "inside"), inside_port, text_of(s, "remote"), remote_port,
		    "packets_out", "bytes_out");
	print_tuple(s, text_of(s, "remote"), remote_port, text_of(s, "outside"), outside_port,
		    "packets_in", "bytes_in");
	printf("realm=%jd worker=%jd age=%jd idle=%jd\n", (intmax_t)int_of(s, "realm"),
	       (intmax_t)int_of(s, "worker"), (intmax_t)int_of(s, "age"),
	       (intmax_t)int_of(s, "idle"));
}

static void print_page(const json_t *elements, void *arg)
{
	struct list *list = arg;
	json_t *element;
	size_t i;

	if (options.lines) {
		json_array_foreach (elements, i, element)
			print_line(element);
		return;
	}
	list_rows(list, elements, session_fields,
		  sizeof(session_fields) / sizeof(session_fields[0]));
	if (list->table.cells > 0)
		table_print(&list->table);
}

int show_sessions(const struct command *command, int argc, char **argv)
{
	json_int_t limit = INT64_MAX, n;
	json_t *args = filter_args(command, argc, argv, &limit);
	struct list list = {0};
	bool more;

	if (args == NULL)
		return EXIT_WRONG_USE;
	n = list_pages(command, args, "sessions", limit, print_page, &list, &more);
	if (n < 0)
		return EXIT_REFUSED;
	if (!options.json && !options.lines)
		printf("%s session%s%s\n", n == 0 ? "no" : format_count(n), n == 1 ? "" : "s",
		       more ? "; there are more" : "");
	return EXIT_DONE;
}

int clear_sessions(const struct command *command, int argc, char **argv)
{
	json_t *args, *reply;

	if (argc == 0 && !options.all)
		return wrong_use(command, "say which sessions by a filter, or --all");
	if (argc > 0 && options.all)
		return wrong_use(command, "a filter and --all exclude each other");
	args = filter_args(command, argc, argv, NULL);
	if (args == NULL)
		return EXIT_WRONG_USE;
	if (options.all)
		json_object_set_new(args, "all", json_true());
	reply = client_ask(command->path, args);
	if (reply == NULL)
		return EXIT_REFUSED;
	if (options.json)
		print_json(reply);
	else if (int_of(reply, "cleared") == 0)
		printf("no session matched\n");
	else
		printf("%s session%s cleared\n", format_count(int_of(reply, "cleared")),
		       int_of(reply, "cleared") == 1 ? "" : "s");
	json_decref(reply);
	return EXIT_DONE;
}
