/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_YAML_H
#define WEIR_CONFIG_YAML_H

#include <stdint.h>
#include <stdio.h>

#include <cyaml/cyaml.h>
#include <yaml.h>

#include "config.h"

/*
 * A YAML file by the rows of a section: what is written there as text, and where.
 *
 * libcyaml reads the file by a schema that is made from the rows; every value stays text, so that
 * a default goes through the same conversion as a value that is written. libcyaml says whether the
 * file has the right shape, but not on which line it has not; the same bytes as a libyaml document
 * tell that (config_yaml_explain.c).
 */

/* What is written for one row: nothing (NULL), or by the row's type */
struct config_slot {
	union {
		char *text;               /* of a scalar */
		char **texts;             /* of a list: n of them */
		struct config_slot *slot; /* one for each row of a section; of a list of sections
					   * n times as many */
	};
	uint32_t n;
};

struct config_yaml {
	const char *path; /* of the file */
	FILE *errors;
	uint8_t *bytes;
	size_t size;
	yaml_document_t document;
	const struct config_section *root;
	cyaml_schema_value_t schema;
	struct config_slot *slot; /* of the root's rows; NULL before it is loaded */
};

/* Control thread. 0, or -errno with one line written to `errors`. Close it either way. */
int config_yaml_load(struct config_yaml *yaml, const char *path, const struct config_section *root,
		     FILE *errors);
void config_yaml_close(struct config_yaml *yaml);

/* The line that holds "pools[1].addresses", or the nearest thing around it that is written. */
uint32_t config_yaml_line(struct config_yaml *yaml, const char *path);

/* Writes the error's one line. Returns -EINVAL. */
int config_yaml_report(struct config_yaml *yaml, const struct config_error *error);

/* The same at a line that is known. `what` is "found ..., want ...". */
int config_yaml_report_line(struct config_yaml *yaml, uint32_t line, const char *path,
			    const char *what);

/* Finds what libcyaml refused, and reports it. Returns -EINVAL. */
int config_yaml_explain(struct config_yaml *yaml, cyaml_err_t refusal);

#endif
