/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define GAP 2

void table_column(struct table *table, const char *title, bool right)
{
	if (table->columns == TABLE_COLUMNS_MAX)
		abort();
	table->title[table->columns] = title;
	table->right[table->columns] = right;
	table->width[table->columns] = strlen(title);
	table->columns++;
}

void table_cell(struct table *table, const char *format, ...)
{
	size_t *width = &table->width[table->cells % table->columns];
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	if (table->cells == table->room) {
		table->room = table->room * 2 + 64;
		table->cell = realloc(table->cell, table->room * sizeof(*table->cell));
		if (table->cell == NULL)
			abort();
	}
	table->cell[table->cells++] = text;
	if (strlen(text) > *width)
		*width = strlen(text);
}

static void print_row(const struct table *table, const char *const *cell)
{
	size_t last = table->columns;

	/* no blanks at the end of a line */
	while (last > 0 && cell[last - 1][0] == '\0')
		last--;
	for (size_t c = 0; c < last; c++) {
		int width = (int)table->width[c];

		if (table->right[c])
			printf("%*s", width, cell[c]);
		else if (c + 1 < last)
			printf("%-*s", width, cell[c]);
		else
			printf("%s", cell[c]);
		if (c + 1 < last)
			printf("%*s", GAP, "");
	}
	putchar('\n');
}

void table_print(struct table *table)
{
	if (!table->header_printed)
		print_row(table, table->title);
	table->header_printed = true;
	for (size_t i = 0; i + table->columns <= table->cells; i += table->columns)
		print_row(table, (const char *const *)&table->cell[i]);
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i]);
	free(table->cell);
	table->cell = NULL;
	table->cells = 0;
	table->room = 0;
}
