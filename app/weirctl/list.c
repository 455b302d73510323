/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "format.h"
#include "list.h"

#define PAGE 1000

void print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

static const json_t *find(const json_t *element, const char *key)
{
	const char *dot = strchr(key, '.');
	char outer[64];

	if (dot == NULL)
		return json_object_get(element, key);
	snprintf(outer, sizeof(outer), "%.*s", (int)(dot - key), key);
	return json_object_get(json_object_get(element, outer), dot + 1);
}

static const char *endpoint(const json_t *element, const char *key)
{
	char port[64];

	snprintf(port, sizeof(port), "%s_port", key);
	return format_endpoint(text_of(element, key), int_of(element, port),
			       text_of(element, "protocol"));
}

const char *list_text(const json_t *element, const struct field *field)
{
	static char text[64];
	const json_t *value = find(element, field->key);
	json_int_t number = json_integer_value(value);

	if (value == NULL || json_is_null(value))
		return "-";
	if (field->kind == LIST_ENDPOINT)
		return endpoint(element, field->key);
	if (field->kind == LIST_PERCENT) {
		snprintf(text, sizeof(text), "%.1f %%", json_number_value(value));
		return text;
	}
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (json_is_real(value)) {
		snprintf(text, sizeof(text), "%.1f", json_real_value(value));
		return text;
	}
	switch (field->kind) {
	case LIST_COUNT:
		return format_count(number);
	case LIST_BYTES:
		return format_bytes(number);
	case LIST_SECONDS:
		return format_seconds(number);
	case LIST_SPEED:
		return format_speed(number);
	default:
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, number);
		return text;
	}
}

static bool is_usual(const json_t *value)
{
	return value == NULL || json_is_null(value) ||
	       (json_is_integer(value) && json_integer_value(value) >= 0 &&
		json_integer_value(value) <= 1) ||
	       (json_is_string(value) && json_string_length(value) == 0);
}

static bool is_wanted(const struct field *field, const json_t *elements)
{
	size_t i;
	json_t *element;

	if (!field->only_unusual)
		return true;
	json_array_foreach (elements, i, element)
		if (!is_usual(find(element, field->key)))
			return true;
	return false;
}

static void choose_columns(struct list *list, const json_t *elements, const struct field *fields,
			   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_wanted(&fields[i], elements))
			continue;
		list->field[list->table.columns] = &fields[i];
		table_column(&list->table, fields[i].title,
			     fields[i].kind != LIST_TEXT && fields[i].kind != LIST_ENDPOINT);
	}
}

void list_rows(struct list *list, const json_t *elements, const struct field *fields, size_t n)
{
	size_t i;
	json_t *element;

	if (list->table.columns == 0)
		choose_columns(list, elements, fields, n);
	json_array_foreach (elements, i, element)
		for (size_t c = 0; c < list->table.columns; c++)
			table_cell(&list->table, "%s", list_text(element, list->field[c]));
}

int list_show(const struct command *command, json_t *args, const char *key,
	      const struct field *fields, size_t n)
{
	json_t *reply = client_ask(command->path, args);
	struct list list = {0};

	if (reply == NULL)
		return EXIT_REFUSED;
	if (options.json) {
		print_json(reply);
	} else {
		list_rows(&list, json_object_get(reply, key), fields, n);
		table_print(&list.table);
	}
	json_decref(reply);
	return EXIT_DONE;
}

static void print_elements(const json_t *elements, bool first_page)
{
	size_t i;
	json_t *element;

	json_array_foreach (elements, i, element) {
		fputs(first_page && i == 0 ? "\n  " : ",\n  ", stdout);
		json_dumpf(element, stdout, 0);
	}
}

/* The next cursor as text, "" at the end; false when weir gives the same one for ever. */
static bool next_cursor(json_t *args, const json_t *reply)
{
	const json_t *next = json_object_get(reply, "next");
	json_t *before = json_object_get(args, "after");
	bool moved =
		next == NULL || json_is_null(next) || before == NULL || !json_equal(next, before);

	if (next == NULL || json_is_null(next))
		json_object_del(args, "after");
	else
		json_object_set(args, "after", (json_t *)(uintptr_t)next);
	return moved;
}

json_int_t list_pages(const struct command *command, json_t *args, const char *key,
		      json_int_t limit, void (*page)(const json_t *elements, void *arg), void *arg,
		      bool *more)
{
	json_int_t n = 0;
	bool failed = false;

	*more = false;
	if (options.json)
		printf("{\"%s\": [", key);
	do {
		json_int_t want = limit - n < PAGE ? limit - n : PAGE;
		json_t *reply, *elements;

		json_object_set_new(args, "limit", json_integer(want));
		reply = client_ask(command->path, json_deep_copy(args));
		elements = json_object_get(reply, key);
		failed = reply == NULL || (!next_cursor(args, reply) &&
					   refuse("weir sends one page again and again") != 0);
		if (!failed && options.json)
			print_elements(elements, n == 0);
		else if (!failed)
			page(elements, arg);
		n += (json_int_t)json_array_size(elements);
		*more = json_object_get(args, "after") != NULL;
		json_decref(reply);
	} while (!failed && *more && n < limit);
	if (options.json && !failed)
		printf("%s]}\n", n > 0 ? "\n" : "");
	json_decref(args);
	return failed ? -1 : n;
}
