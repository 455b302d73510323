/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRCTL_TABLE_H
#define WEIRCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Aligned columns under a header. Rows are kept until table_print(), which may be called again
 * after more rows: widths then only grow, and the header is not repeated. */

#define TABLE_COLUMNS_MAX 24

struct table {
	const char *title[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX]; /* aligned right: numbers */
	size_t width[TABLE_COLUMNS_MAX];
	size_t columns;
	char **cell; /* row by row */
	size_t cells, room;
	bool header_printed;
};

/* Set up with {0}; then its columns, then cells, row by row. */
void table_column(struct table *table, const char *title, bool right);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table *table);

#endif
