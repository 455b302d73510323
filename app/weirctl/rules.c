/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "format.h"
#include "list.h"

#define DIM(array) (sizeof(array) / sizeof((array)[0]))

static const struct field rule_fields[] = {
	{"number", "RULE", LIST_NUMBER, false},
	{"action", "ACTION", LIST_TEXT, false},
	{"inside", "INSIDE", LIST_TEXT, false},
	{"realm", "REALM", LIST_NUMBER, true},
	{"destination", "DESTINATION", LIST_TEXT, false},
	{"protocol", "PROTO", LIST_TEXT, false},
	{"ports", "PORTS", LIST_TEXT, false},
	{"pool", "POOL", LIST_TEXT, true},
	{"source", "FROM", LIST_TEXT, false},
};

/* Where a rule comes from, in a word. */
static void add_source(json_t *rule)
{
	const char *source = "config";

	if (json_is_true(json_object_get(rule, "added")))
		source = "rule add";
	else if (int_of(rule, "number") == 0)
		source = "preset";
	json_object_set_new(rule, "source", json_string(source));
}

int rule_list(const struct command *command, int argc, char **argv)
{
	struct list list = {0};
	json_t *reply, *rule;
	size_t i;

	if (argc > 0)
		return wrong_use(command, "'%s' is too much", argv[0]);
	reply = client_ask(command->path, NULL);
	if (reply == NULL)
		return EXIT_REFUSED;
	if (options.json) {
		print_json(reply);
	} else {
		json_array_foreach (json_object_get(reply, "rules"), i, rule)
			add_source(rule);
		list_rows(&list, json_object_get(reply, "rules"), rule_fields, DIM(rule_fields));
		table_print(&list.table);
	}
	json_decref(reply);
	return EXIT_DONE;
}

static int ask(const struct command *command, json_t *args, const char *done)
{
	json_t *reply = client_ask(command->path, args);

	if (reply == NULL)
		return EXIT_REFUSED;
	if (options.json)
		print_json(reply);
	else
		printf("rule %s %s; %s session%s ended\n", format_count(int_of(reply, "number")),
		       done,
		       int_of(reply, "ended") == 0 ? "no" : format_count(int_of(reply, "ended")),
		       int_of(reply, "ended") == 1 ? "" : "s");
	json_decref(reply);
	return EXIT_DONE;
}

int rule_add(const struct command *command, int argc, char **argv)
{
	static const char *const words[] = {"inside",   "realm", "destination",
					    "protocol", "ports", "pool"};
	json_t *args;

	if (argc < 2)
		return wrong_use(command, "which number, and permit, deny or exempt?");
	args = json_pack("{s:s, s:s}", "number", argv[0], "action", argv[1]);
	for (int i = 2; i < argc; i += 2) {
		const char *wrong = NULL;
		size_t k = 0;

		while (k < DIM(words) && strcmp(words[k], argv[i]) != 0)
			k++;
		if (k == DIM(words))
			wrong = "there is no '%s' in a rule";
		else if (i + 1 == argc || argv[i + 1][0] == '\0')
			wrong = "'%s' needs a value";
		else if (json_object_get(args, argv[i]) != NULL)
			wrong = "'%s' is given twice";
		if (wrong != NULL) {
			json_decref(args);
			return wrong_use(command, wrong, argv[i]);
		}
		json_object_set_new(args, argv[i], json_string(argv[i + 1]));
	}
	return ask(command, args, "added");
}

int rule_delete(const struct command *command, int argc, char **argv)
{
	if (argc != 1)
		return wrong_use(command, "which number?");
	return ask(command, json_pack("{s:s}", "number", argv[0]), "deleted");
}
