/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "config_file.h"
#include "config_value.h"
#include "config_yaml.h"
#include "socket.h"

static const struct config_row control_rows[] = {
	{.key = "socket",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct control_config, socket),
	 .preset = SOCKET_PATH,
	 .min = 1,
	 .max = 107, /* sun_path with its NUL */
	 .help = "Where weirctl reaches weir."},
	{.key = "group",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct control_config, group),
	 .preset = "",
	 .max = 32,
	 .help = "Group that may use the socket beside weir's own user. Empty: none."},
};

static const struct config_section control_config_section = {
	.name = "control",
	.help = "The control socket.",
	.size = sizeof(struct control_config),
	.row = control_rows,
	.n = RTE_DIM(control_rows),
};

/* clang-format off */
#define LIST(name, part, default_text, limit)                                          \
	{                                                                              \
		.key = #name, .type = CONFIG_SECTIONS, .preset = default_text,         \
		.offset = offsetof(struct config, name), .section = &part##_section,   \
		.max = limit                                                           \
	}
#define PART(name, part)                                                               \
	{                                                                              \
		.key = #name, .type = CONFIG_SECTION, .preset = "",                    \
		.offset = offsetof(struct config, name), .section = &part##_section    \
	}
/* clang-format on */

static const struct config_row root_rows[] = {
	LIST(interfaces, iface_config, NULL, IFACES_MAX),
	LIST(routes, route_config, "", 0),
	LIST(pools, pool_config, NULL, 0),
	LIST(rules, rule_config, "", 0),
	{.key = "static", /* a word of C's, so not by LIST() */
	 .type = CONFIG_SECTIONS,
	 .preset = "",
	 .offset = offsetof(struct config, statics),
	 .section = &static_config_section},
	PART(timeouts, timeouts_config),
	PART(limits, limits_config),
	PART(fragments, fragments_config),
	PART(alg, alg_config),
	PART(icmp, icmp_config),
	PART(workers, workers_config),
	PART(eal, eal_config),
	PART(control, control_config),
};

const struct config_section config_root = {
	.name = "weir",
	.help = "The whole configuration.",
	.size = sizeof(struct config),
	.row = root_rows,
	.n = RTE_DIM(root_rows),
};

/* ---- from text to values ---- */

#define PATH_SIZE 128

/* Fills the struct of a section. `slot` is what is written, one a row, or NULL: nothing. */
static int fill_section(struct config_yaml *yaml, const struct config_section *section,
			const struct config_slot *slot, const char *path, void *target);

static int refuse_value(struct config_yaml *yaml, const struct config_row *row, const char *path,
			const char *found)
{
	struct config_error error;
	char want[CONFIG_WANT_SIZE], what[CONFIG_WANT_SIZE + 32];

	config_value_want(row, found, want);
	if (found == NULL || found[0] == '\0') {
		snprintf(what, sizeof(what), "found nothing, want %s", want);
		return config_yaml_report_line(yaml, config_yaml_line(yaml, path), path, what);
	}
	snprintf(error.path, sizeof(error.path), "%s", path);
	snprintf(error.found, sizeof(error.found), "%s", found);
	snprintf(error.right, sizeof(error.right), "%s", want);
	return config_yaml_report(yaml, &error);
}

static int out_of_memory(struct config_yaml *yaml)
{
	config_yaml_report_line(yaml, 0, "", "out of memory");
	return -ENOMEM;
}

/* Room for n elements, of which there are none yet. */
static int make_room(const struct config_row *row, uint32_t n, void *value)
{
	if (n == 0)
		return 0;
	if (row->type == CONFIG_PREFIXES) {
		struct config_prefixes *prefixes = value;

		prefixes->range = calloc(n, sizeof(*prefixes->range));
		return prefixes->range != NULL ? 0 : -ENOMEM;
	}
	struct config_texts *texts = value;

	texts->text = calloc(n, sizeof(*texts->text));
	return texts->text != NULL ? 0 : -ENOMEM;
}

static int fill_list(struct config_yaml *yaml, const struct config_row *row,
		     const struct config_slot *slot, const char *path, void *value)
{
	char element[PATH_SIZE + 16];

	if (slot == NULL || slot->n == 0)
		return refuse_value(yaml, row, path, NULL);
	if (make_room(row, slot->n, value) != 0)
		return out_of_memory(yaml);
	for (uint32_t i = 0; i < slot->n; i++) {
		snprintf(element, sizeof(element), "%s[%u]", path, i);
		if (!config_value_append(row, slot->texts[i], value))
			return refuse_value(yaml, row, element, slot->texts[i]);
	}
	return 0;
}

/* "[]", "a b" or "[a, b]" */
static int fill_list_preset(struct config_yaml *yaml, const struct config_row *row,
			    const char *path, void *value)
{
	char *copy = strdup(row->preset), *rest = NULL;
	int rc = copy != NULL ? make_room(row, (uint32_t)strlen(copy), value) : -ENOMEM;

	for (char *word = rc == 0 ? strtok_r(copy, "[], ", &rest) : NULL; word != NULL && rc == 0;
	     word = strtok_r(NULL, "[], ", &rest))
		rc = config_value_append(row, word, value) ? 0
							   : refuse_value(yaml, row, path, word);
	free(copy);
	return rc == -ENOMEM ? out_of_memory(yaml) : rc;
}

static int fill_sections(struct config_yaml *yaml, const struct config_row *row,
			 const struct config_slot *slot, const char *path, struct config_list *list)
{
	uint32_t n = slot != NULL ? slot->n : 0;
	char element[PATH_SIZE];
	int rc = 0;

	if (n == 0 && row->preset == NULL)
		return config_yaml_report_line(yaml, config_yaml_line(yaml, path), path,
					       "found nothing, want a list of at least one");
	list->element = calloc(n > 0 ? n : 1, row->section->size);
	if (list->element == NULL)
		return out_of_memory(yaml);
	list->n = n;
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		snprintf(element, sizeof(element), "%.*s[%u]", PATH_SIZE - 16, path, i);
		rc = fill_section(yaml, row->section, slot->slot + (size_t)i * row->section->n,
				  element, (char *)list->element + i * row->section->size);
	}
	return rc;
}

static int fill_row(struct config_yaml *yaml, const struct config_row *row,
		    const struct config_slot *slot, const char *path, void *value)
{
	const char *text;

	if (row->type == CONFIG_SECTION)
		return fill_section(yaml, row->section, slot != NULL ? slot->slot : NULL, path,
				    value);
	if (row->type == CONFIG_SECTIONS)
		return fill_sections(yaml, row, slot, path, value);
	if (config_value_is_list(row)) {
		bool preset = row->preset != NULL && (slot == NULL || slot->n == 0);

		return preset ? fill_list_preset(yaml, row, path, value)
			      : fill_list(yaml, row, slot, path, value);
	}
	text = slot != NULL && slot->text != NULL ? slot->text : row->preset;
	if (text != NULL && config_value_parse(row, text, value))
		return 0;
	return refuse_value(yaml, row, path, text);
}

static int fill_section(struct config_yaml *yaml, const struct config_section *section,
			const struct config_slot *slot, const char *path, void *target)
{
	char inner[PATH_SIZE];
	int rc = 0;

	for (uint32_t i = 0; i < section->n && rc == 0; i++) {
		const struct config_row *row = &section->row[i];

		snprintf(inner, sizeof(inner), "%.*s%s%s", PATH_SIZE - 48, path,
			 path[0] != '\0' ? "." : "", row->key);
		rc = fill_row(yaml, row, slot != NULL ? &slot[i] : NULL, inner,
			      (char *)target + row->offset);
	}
	return rc;
}

/* ---- the whole ---- */

struct config *config_load(const char *path, FILE *errors)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_error error = {0};
	struct config_yaml yaml;
	int rc = config_yaml_load(&yaml, path, &config_root, errors);

	if (rc == 0 && config == NULL)
		rc = out_of_memory(&yaml);
	if (rc == 0)
		rc = fill_section(&yaml, &config_root, yaml.slot, "", config);
	if (rc == 0 &&
	    (config_check(config, &error) != 0 || config_check_machine(config, &error) != 0))
		rc = config_yaml_report(&yaml, &error);
	config_yaml_close(&yaml);
	if (rc == 0)
		return config;
	config_free(config);
	return NULL;
}

static void free_section(const struct config_section *section, void *target);

static void free_row(const struct config_row *row, void *value)
{
	struct config_texts *texts = value;
	struct config_list *list = value;

	switch (row->type) {
	case CONFIG_TEXT:
		free(*(char **)value);
		break;
	case CONFIG_PREFIXES:
		free(((struct config_prefixes *)value)->range);
		break;
	case CONFIG_TEXTS:
		for (uint32_t i = 0; i < texts->n; i++)
			free(texts->text[i]);
		free(texts->text);
		break;
	case CONFIG_SECTION:
		free_section(row->section, value);
		break;
	case CONFIG_SECTIONS:
		for (uint32_t i = 0; i < list->n; i++)
			free_section(row->section, (char *)list->element + i * row->section->size);
		free(list->element);
		break;
	default:
		break;
	}
}

static void free_section(const struct config_section *section, void *target)
{
	for (uint32_t i = 0; i < section->n; i++)
		free_row(&section->row[i], (char *)target + section->row[i].offset);
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	free_section(&config_root, config);
	free(config);
}
