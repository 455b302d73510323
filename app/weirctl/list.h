/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRCTL_LIST_H
#define WEIRCTL_LIST_H

#include "table.h"
#include "weirctl.h"

/* Replies that are lists of objects: {"pools": [{...}, ...], "next": ...}. */

enum kind {
	LIST_TEXT,
	LIST_NUMBER,   /* as it is: a worker, a port */
	LIST_COUNT,    /* 1,234 */
	LIST_BYTES,    /* 1.2 kB */
	LIST_SECONDS,  /* 2h04m */
	LIST_PERCENT,  /* 12.3 % */
	LIST_SPEED,    /* 10 Gb/s, from Mb/s */
	LIST_ENDPOINT, /* KEY and KEY_port: 192.0.2.1:80 */
};

/* A column: what of each object it shows. */
struct field {
	const char *key; /* "blocks.total" looks inside "blocks" */
	const char *title;
	enum kind kind;
	bool only_unusual; /* left out when every value of the first page is 0, 1, "" or missing */
};

/* The value of a field as a person reads it; "-" when it is missing or null. */
const char *list_text(const json_t *element, const struct field *field);

/* Adds rows for the elements; on the first call chooses the columns (the table is {0}). */
struct list {
	const struct field *field[TABLE_COLUMNS_MAX];
	struct table table;
};
void list_rows(struct list *list, const json_t *elements, const struct field *fields, size_t n);

/* Asks, and prints reply[key] as a table, or the whole reply with --json. An exit code. */
int list_show(const struct command *command, json_t *args, const char *key,
	      const struct field *fields, size_t n);

/*
 * Asks page by page, up to `limit` elements, and calls `page` with each list; with --json prints
 * {"KEY": [...]} instead, an element a line. Takes args. -1: failed and said so; else the number of
 * elements. *more: there are others past the limit.
 */
json_int_t list_pages(const struct command *command, json_t *args, const char *key,
		      json_int_t limit, void (*page)(const json_t *elements, void *arg), void *arg,
		      bool *more);

void print_json(const json_t *value);

#endif
