/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "config_yaml.h"

/* Where a path stands in the file, and why libcyaml refused it: by the libyaml document. */

static const char *node_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static uint32_t node_line(const yaml_node_t *node)
{
	return (uint32_t)node->start_mark.line + 1;
}

/* ---- a path's line ---- */

static yaml_node_pair_t *find_pair(yaml_document_t *document, const yaml_node_t *mapping,
				   const char *key, size_t length)
{
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		yaml_node_t *node = yaml_document_get_node(document, pair->key);

		if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == length &&
		    memcmp(node->data.scalar.value, key, length) == 0)
			return pair;
	}
	return NULL;
}

/* One step of the path, into *node: false when it is not written. */
static bool step_into(yaml_document_t *document, const char **path, yaml_node_t **node,
		      uint32_t *line)
{
	if (**path == '[' && (*node)->type == YAML_SEQUENCE_NODE) {
		char *end;
		unsigned long i = strtoul(*path + 1, &end, 10);
		yaml_node_item_t *item = (*node)->data.sequence.items.start;

		if (i >= (size_t)((*node)->data.sequence.items.top - item))
			return false;
		*node = yaml_document_get_node(document, item[i]);
		*line = node_line(*node);
		*path = *end == ']' ? end + 1 : end;
		return true;
	}
	if ((*node)->type == YAML_MAPPING_NODE) {
		const char *key = *path + (**path == '.');
		size_t length = strcspn(key, ".[");
		yaml_node_pair_t *pair = find_pair(document, *node, key, length);

		if (pair == NULL)
			return false;
		*line = node_line(yaml_document_get_node(document, pair->key));
		*node = yaml_document_get_node(document, pair->value);
		*path = key + length;
		return true;
	}
	return false;
}

uint32_t config_yaml_line(struct config_yaml *yaml, const char *path)
{
	yaml_node_t *node = yaml_document_get_root_node(&yaml->document);
	uint32_t line = 1;

	while (*path != '\0' && node != NULL && step_into(&yaml->document, &path, &node, &line))
		;
	return line;
}

/* ---- words that are nearly right ---- */

/* '_' and capitals are what people mix up. */
static int fold(char c)
{
	return c == '_' ? '-' : tolower((unsigned char)c);
}

#define WORD_MAX 48

/* Letters to insert, delete or change to make one of the other (Levenshtein). */
static uint32_t edit_distance(const char *a, const char *b)
{
	uint32_t row[WORD_MAX + 1];
	size_t n = strlen(b);

	if (n > WORD_MAX || strlen(a) > WORD_MAX)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= n; j++)
		row[j] = j;
	for (uint32_t i = 0; a[i] != '\0'; i++) {
		uint32_t diagonal = row[0];

		row[0] = i + 1;
		for (uint32_t j = 0; j < n; j++) {
			uint32_t change = diagonal + (fold(a[i]) != fold(b[j]));
			uint32_t shorter = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;

			diagonal = row[j + 1];
			row[j + 1] = change < shorter ? change : shorter;
		}
	}
	return row[n];
}

static const char *nearest_key(const struct config_section *section, const char *word)
{
	uint32_t best = (uint32_t)strlen(word) / 3 + 1;
	const char *nearest = NULL;

	for (uint32_t i = 0; i < section->n; i++) {
		uint32_t distance = edit_distance(word, section->row[i].key);

		if (distance < best || (distance == best && nearest == NULL)) {
			best = distance;
			nearest = section->row[i].key;
		}
	}
	return nearest;
}

/* ---- what is wrong ---- */

#define PATH_SIZE 192

static int refuse_key(struct config_yaml *yaml, const struct config_section *section,
		      const yaml_node_t *key, const char *path)
{
	const char *nearest = nearest_key(section, node_text(key));
	char what[512];
	size_t used;

	if (nearest != NULL) {
		snprintf(what, sizeof(what), "found an unknown key, did you mean \"%s\"?", nearest);
	} else {
		used = (size_t)snprintf(what, sizeof(what), "found an unknown key, want one of ");
		for (uint32_t i = 0; i < section->n && used < sizeof(what); i++)
			used += (size_t)snprintf(what + used, sizeof(what) - used, "%s%s",
						 i > 0 ? ", " : "", section->row[i].key);
	}
	return config_yaml_report_line(yaml, node_line(key), path, what);
}

static int refuse_twice(struct config_yaml *yaml, const yaml_node_t *key, const yaml_node_t *first,
			const char *path)
{
	char what[96];

	snprintf(what, sizeof(what), "found it a second time, want it once (it is in line %u)",
		 node_line(first));
	return config_yaml_report_line(yaml, node_line(key), path, what);
}

static int refuse_kind(struct config_yaml *yaml, const yaml_node_t *node, uint32_t line,
		       const char *path, const char *want)
{
	struct config_error error = {0};
	char what[CONFIG_WANT_SIZE + 64];
	const char *found = node->type == YAML_SEQUENCE_NODE ? "a list" : "keys with values";

	if (node->type == YAML_SCALAR_NODE && node->data.scalar.length > 0) {
		snprintf(error.path, sizeof(error.path), "%s", path);
		snprintf(error.found, sizeof(error.found), "%s", node_text(node));
		snprintf(error.right, sizeof(error.right), "%s", want);
		return config_yaml_report(yaml, &error);
	}
	if (node->type == YAML_SCALAR_NODE)
		found = "nothing";
	snprintf(what, sizeof(what), "found %s, want %s", found, want);
	return config_yaml_report_line(yaml, line, path, what);
}

static int explain_mapping(struct config_yaml *yaml, const struct config_section *section,
			   yaml_node_t *node, const char *path);

static int explain_list(struct config_yaml *yaml, const struct config_row *row, yaml_node_t *node,
			const char *path)
{
	uint32_t n = (uint32_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	char element[PATH_SIZE], want[CONFIG_WANT_SIZE];
	int rc = 0;

	for (uint32_t i = 0; i < n && rc == 0; i++) {
		yaml_node_t *item =
			yaml_document_get_node(&yaml->document, node->data.sequence.items.start[i]);

		snprintf(element, sizeof(element), "%.*s[%u]", PATH_SIZE - 16, path, i);
		if (row->max != 0 && i >= row->max) {
			snprintf(want, sizeof(want), "found more than %u elements, want at most %u",
				 (uint32_t)row->max, (uint32_t)row->max);
			return config_yaml_report_line(yaml, node_line(item), path, want);
		}
		if (row->type == CONFIG_SECTIONS) {
			rc = explain_mapping(yaml, row->section, item, element);
		} else if (item->type != YAML_SCALAR_NODE) {
			config_value_want(row, NULL, want);
			rc = refuse_kind(yaml, item, node_line(item), element, want);
		}
	}
	return rc;
}

/* A value that is no section: what its row asks for, by shape alone. */
static int explain_value(struct config_yaml *yaml, const struct config_row *row, yaml_node_t *node,
			 uint32_t line, const char *path)
{
	bool empty = node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0;
	char want[CONFIG_WANT_SIZE];

	if (config_value_is_scalar(row)) {
		if (node->type == YAML_SCALAR_NODE)
			return 0;
		config_value_want(row, NULL, want);
		return refuse_kind(yaml, node, line, path, want);
	}
	if (empty)
		return 0;
	if (row->type == CONFIG_SECTION)
		return explain_mapping(yaml, row->section, node, path);
	if (node->type != YAML_SEQUENCE_NODE)
		return refuse_kind(yaml, node, line, path,
				   "a list, each element behind \"- \" or in [brackets]");
	return explain_list(yaml, row, node, path);
}

static const struct config_row *row_of(const struct config_section *section, const char *key)
{
	for (uint32_t i = 0; i < section->n; i++)
		if (strcmp(section->row[i].key, key) == 0)
			return &section->row[i];
	return NULL;
}

static int explain_pair(struct config_yaml *yaml, const struct config_section *section,
			const yaml_node_t *node, const yaml_node_pair_t *pair, const char *path)
{
	yaml_node_t *key = yaml_document_get_node(&yaml->document, pair->key), *first;
	yaml_node_t *value = yaml_document_get_node(&yaml->document, pair->value);
	const struct config_row *row;
	char inner[PATH_SIZE];

	if (key->type != YAML_SCALAR_NODE)
		return refuse_kind(yaml, key, node_line(key), path, "a word as key");
	snprintf(inner, sizeof(inner), "%.*s%s%.*s", PATH_SIZE - 64, path,
		 path[0] != '\0' ? "." : "", 60, node_text(key));
	first = yaml_document_get_node(
		&yaml->document,
		find_pair(&yaml->document, node, node_text(key), key->data.scalar.length)->key);
	row = row_of(section, node_text(key));
	if (row == NULL)
		return refuse_key(yaml, section, key, inner);
	if (first != key)
		return refuse_twice(yaml, key, first, inner);
	return explain_value(yaml, row, value, node_line(key), inner);
}

static int explain_missing(struct config_yaml *yaml, const struct config_section *section,
			   const yaml_node_t *node, const char *path)
{
	char inner[PATH_SIZE], what[CONFIG_WANT_SIZE + 32], want[CONFIG_WANT_SIZE];

	for (uint32_t i = 0; i < section->n; i++) {
		const struct config_row *row = &section->row[i];

		if (!config_value_is_scalar(row) || row->preset != NULL ||
		    find_pair(&yaml->document, node, row->key, strlen(row->key)) != NULL)
			continue;
		config_value_want(row, NULL, want);
		snprintf(what, sizeof(what), "found nothing, want %s", want);
		snprintf(inner, sizeof(inner), "%.*s%s%s", PATH_SIZE - 64, path,
			 path[0] != '\0' ? "." : "", row->key);
		return config_yaml_report_line(yaml, node_line(node), inner, what);
	}
	return 0;
}

static int explain_mapping(struct config_yaml *yaml, const struct config_section *section,
			   yaml_node_t *node, const char *path)
{
	char want[256];
	size_t used;
	int rc = 0;

	if (node->type != YAML_MAPPING_NODE) {
		used = (size_t)snprintf(want, sizeof(want), "keys with values: ");
		for (uint32_t i = 0; i < section->n && used < sizeof(want); i++)
			used += (size_t)snprintf(want + used, sizeof(want) - used, "%s%s",
						 i > 0 ? ", " : "", section->row[i].key);
		return refuse_kind(yaml, node, node_line(node), path, want);
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top && rc == 0; pair++)
		rc = explain_pair(yaml, section, node, pair, path);
	return rc != 0 ? rc : explain_missing(yaml, section, node, path);
}

int config_yaml_explain(struct config_yaml *yaml, cyaml_err_t refusal)
{
	yaml_node_t *root = yaml_document_get_root_node(&yaml->document);
	int rc = explain_mapping(yaml, yaml->root, root, "");

	if (rc != 0)
		return rc;
	return config_yaml_report_line(yaml, 0, "", cyaml_strerror(refusal));
}
