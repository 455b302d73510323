/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "client.h"
#include "filter.h"
#include "list.h"

#define DIM(array) (sizeof(array) / sizeof((array)[0]))

static const struct field refusal_fields[] = {
	{"count", "REFUSED", LIST_COUNT, false},     {"first", "FIRST AGO", LIST_SECONDS, false},
	{"last", "LAST AGO", LIST_SECONDS, false},   {"protocol", "PROTO", LIST_TEXT, false},
	{"remote", "LAST TO", LIST_ENDPOINT, false}, {"realm", "REALM", LIST_NUMBER, true},
	{"verdict", "VERDICT", LIST_TEXT, false},    {"text", "BECAUSE", LIST_TEXT, false},
};

int why(const struct command *command, int argc, char **argv)
{
	struct list list = {0};
	const char *right;
	json_t *reply, *refusals;

	if (argc != 1)
		return wrong_use(command, "it takes ADDRESS");
	right = filter_wrong_address(argv[0]);
	if (right != NULL)
		return wrong_use(command, "found '%s', expected %s", argv[0], right);
	reply = client_ask(command->path, json_pack("{s:s}", "address", argv[0]));
	if (reply == NULL)
		return EXIT_REFUSED;
	refusals = json_object_get(reply, "refusals");
	if (options.json) {
		print_json(reply);
	} else if (json_array_size(refusals) == 0) {
		printf("Nothing of %s was refused lately.\n", argv[0]);
	} else {
		list_rows(&list, refusals, refusal_fields, DIM(refusal_fields));
		table_print(&list.table);
	}
	json_decref(reply);
	return EXIT_DONE;
}
