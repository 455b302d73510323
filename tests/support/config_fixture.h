/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_CONFIG_FIXTURE_H
#define WEIR_SUPPORT_CONFIG_FIXTURE_H

#include "config_file.h"

/* Configurations for tests, in a directory of their own so that error lines are short. */

/* A small valid configuration of 15 lines. */
extern const char fixture_good[];

/* What the last load wrote: empty, or one line with its newline. */
extern char fixture_errors[1024];

/* Makes weir.yaml. */
void fixture_write(const char *text, size_t size);

struct config *fixture_load(const char *path);
struct config *fixture_load_text(const char *text);

/* fixture_good with the first `from` replaced by `to`; without `from`, followed by it. */
struct config *fixture_load_changed(const char *from, const char *to);

/* Set-up and teardown of a group of tests: into the directory, and out. */
int fixture_enter(void **state);
int fixture_leave(void **state);

#endif
