/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_VALUE_H
#define WEIR_CONFIG_VALUE_H

#include <jansson.h>

#include "config.h"

/* Single values of the configuration: from text, to JSON, and in words. Any thread. */

/* The longest that config_value_want() writes, with the NUL. */
#define CONFIG_WANT_SIZE 256

/* Whether the row's value is one word of text (a scalar), or a list of words. */
bool config_value_is_scalar(const struct config_row *row);
bool config_value_is_list(const struct config_row *row);

/*
 * Converts the text and sets the value of a scalar row, which lies at `value`. False: the text is
 * not such a value; *value is untouched.
 */
bool config_value_parse(const struct config_row *row, const char *text, void *value);

/* The same for one more element of a list row. The list's memory has room for it. */
bool config_value_append(const struct config_row *row, const char *text, void *value);

/*
 * What would be right for the row: "a number from 1 to 64". `found` is what was there (or NULL):
 * where it tells what was meant, the answer is made of it.
 */
void config_value_want(const struct config_row *row, const char *found,
		       char want[CONFIG_WANT_SIZE]);

/* The value of a scalar or list row as JSON: a new reference. Sections: NULL. */
json_t *config_value_json(const struct config_row *row, const void *value);

#endif
