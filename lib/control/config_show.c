/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "config_file.h"
#include "config_value.h"

/* What the rows give beside the values: the configuration as JSON and a reference. */

static json_t *section_json(const struct config_section *section, const void *target);

static json_t *row_json(const struct config_row *row, const void *value)
{
	const struct config_list *list = value;
	json_t *array;

	if (row->type == CONFIG_SECTION)
		return section_json(row->section, value);
	if (row->type != CONFIG_SECTIONS)
		return config_value_json(row, value);
	array = json_array();
	for (uint32_t i = 0; i < list->n; i++)
		json_array_append_new(array,
				      section_json(row->section, (const char *)list->element +
									 i * row->section->size));
	return array;
}

static json_t *section_json(const struct config_section *section, const void *target)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < section->n; i++)
		json_object_set_new(
			object, section->row[i].key,
			row_json(&section->row[i], (const char *)target + section->row[i].offset));
	return object;
}

json_t *config_to_json(const struct config *config)
{
	return section_json(&config_root, config);
}

/* ---- the reference ---- */

static void print_range(FILE *out, const struct config_row *row)
{
	char want[CONFIG_WANT_SIZE];

	if (row->type == CONFIG_TEXTS)
		snprintf(want, sizeof(want), "a list of texts");
	else
		config_value_want(row, NULL, want);
	if (row->type == CONFIG_PREFIXES)
		fprintf(out, "a list, each %s", want);
	else
		fputs(want, out);
}

static void print_default(FILE *out, const struct config_row *row)
{
	if (row->preset == NULL)
		fputs("must be given", out);
	else if (row->type == CONFIG_SECTION)
		fputs("see below", out);
	else if (row->preset[0] == '\0')
		fputs(config_value_is_list(row) || row->type == CONFIG_SECTIONS ? "`[]`" : "`\"\"`",
		      out);
	else
		fprintf(out, "`%s`", row->preset);
}

/* A section, and behind it those inside it. `path` is of what it lies in: "pools.", or empty. */
static void print_section(FILE *out, const char *path, const struct config_row *part)
{
	const struct config_section *section = part->section;
	char inner[64];

	fprintf(out, "\n## %s%s\n\n%s%s\n\n", path, part->key, section->help,
		part->type != CONFIG_SECTIONS ? ""
		: part->preset == NULL        ? " A list of at least one."
					      : " A list.");
	fputs("| key | default | value | change | RFC | meaning |\n"
	      "|---|---|---|---|---|---|\n",
	      out);
	for (uint32_t i = 0; i < section->n; i++) {
		const struct config_row *row = &section->row[i];

		fprintf(out, "| `%s` | ", row->key);
		print_default(out, row);
		fputs(" | ", out);
		print_range(out, row);
		fprintf(out, " | %s | %s | %s |\n", row->reload ? "reload" : "restart",
			row->rfc != NULL ? row->rfc : "", row->help);
	}
	snprintf(inner, sizeof(inner), "%s%s.", path, part->key);
	for (uint32_t i = 0; i < section->n; i++)
		if (section->row[i].section != NULL)
			print_section(out, inner, &section->row[i]);
}

void config_reference(FILE *out)
{
	fputs("# Configuration reference\n\n"
	      "Every key of weir.yaml. A key that is not given has its default. \"reload\": a "
	      "running weir takes a new value; \"restart\": at the next start.\n",
	      out);
	for (uint32_t i = 0; i < config_root.n; i++)
		print_section(out, "", &config_root.row[i]);
}
