/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_value.h"
#include "config_yaml.h"

#define FILE_MAX (1024 * 1024)

/* ---- reports ---- */

/* One line, whatever the file holds: control characters become '?'. */
static void print_clean(FILE *errors, const char *text)
{
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, errors);
}

int config_yaml_report_line(struct config_yaml *yaml, uint32_t line, const char *path,
			    const char *what)
{
	fprintf(yaml->errors, "%s:", yaml->path);
	if (line > 0)
		fprintf(yaml->errors, "%u:", line);
	fputc(' ', yaml->errors);
	if (path[0] != '\0') {
		print_clean(yaml->errors, path);
		fputs(": ", yaml->errors);
	}
	print_clean(yaml->errors, what);
	fputc('\n', yaml->errors);
	return -EINVAL;
}

int config_yaml_report(struct config_yaml *yaml, const struct config_error *error)
{
	char what[sizeof(error->found) + sizeof(error->right) + 32];

	if (error->found[0] != '\0')
		snprintf(what, sizeof(what), "found \"%s\", want %s", error->found, error->right);
	else
		snprintf(what, sizeof(what), "want %s", error->right);
	return config_yaml_report_line(yaml, config_yaml_line(yaml, error->path), error->path,
				       what);
}

/* ---- the file ---- */

static int refuse_file(struct config_yaml *yaml, const char *what, int code)
{
	config_yaml_report_line(yaml, 0, "", what);
	return code;
}

static int read_all(struct config_yaml *yaml, int fd, size_t size)
{
	ssize_t n = 0;

	yaml->bytes = malloc(size + 1);
	if (yaml->bytes == NULL)
		return -ENOMEM;
	while (yaml->size < size) {
		n = read(fd, yaml->bytes + yaml->size, size - yaml->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		yaml->size += (size_t)n;
	}
	return n < 0 ? -errno : 0;
}

static int read_file(struct config_yaml *yaml)
{
	struct stat status;
	char what[128];
	int fd = open(yaml->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc = 0;

	if (fd < 0 || fstat(fd, &status) != 0)
		rc = -errno;
	else if (S_ISREG(status.st_mode) && status.st_size <= FILE_MAX)
		rc = read_all(yaml, fd, (size_t)status.st_size);
	else if (S_ISREG(status.st_mode))
		rc = refuse_file(yaml, "found more than 1 MiB, want a configuration file", -EFBIG);
	else if (S_ISDIR(status.st_mode))
		rc = refuse_file(yaml, "found a directory, want a file", -EISDIR);
	else
		rc = refuse_file(yaml, "found a device or pipe, want a file", -EINVAL);
	if (rc != 0 && rc != -EFBIG && rc != -EISDIR && rc != -EINVAL) {
		snprintf(what, sizeof(what), "cannot read it: %s", strerror(-rc));
		refuse_file(yaml, what, rc);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- as a document ---- */

/* Whether a line's indentation holds a tab, the most frequent cause of a syntax error. */
static bool indented_by_tab(const struct config_yaml *yaml, size_t line)
{
	const uint8_t *at = yaml->bytes, *end = yaml->bytes + yaml->size;

	for (; line > 0 && at < end; at++)
		line -= *at == '\n';
	while (at < end && *at == ' ')
		at++;
	return at < end && *at == '\t';
}

static size_t line_of_byte(const struct config_yaml *yaml, size_t offset)
{
	size_t line = 0;

	for (size_t i = 0; i < offset && i < yaml->size; i++)
		line += yaml->bytes[i] == '\n';
	return line;
}

static int refuse_syntax(struct config_yaml *yaml, const yaml_parser_t *parser)
{
	size_t line = parser->problem_mark.line;
	char what[256];

	if (parser->error == YAML_MEMORY_ERROR)
		return refuse_file(yaml, "out of memory", -ENOMEM);
	if (parser->error == YAML_READER_ERROR) {
		line = line_of_byte(yaml, parser->problem_offset);
		snprintf(what, sizeof(what), "found %s, want text in UTF-8", parser->problem);
	} else if (indented_by_tab(yaml, line)) {
		snprintf(what, sizeof(what), "found a tab in the indentation, want spaces");
	} else if (parser->context != NULL && parser->context_mark.line != line) {
		snprintf(what, sizeof(what), "not valid YAML: %s (%s in line %zu)", parser->problem,
			 parser->context, parser->context_mark.line + 1);
	} else {
		snprintf(what, sizeof(what), "not valid YAML: %s", parser->problem);
	}
	return config_yaml_report_line(yaml, (uint32_t)line + 1, "", what);
}

/* The line of the first anchor or alias; 0: there is none. */
static uint32_t alias_line(yaml_parser_t *parser)
{
	yaml_token_t token;

	while (yaml_parser_scan(parser, &token) != 0) {
		yaml_token_type_t type = token.type;
		uint32_t line = (uint32_t)token.start_mark.line + 1;

		yaml_token_delete(&token);
		if (type == YAML_ANCHOR_TOKEN || type == YAML_ALIAS_TOKEN)
			return line;
		if (type == YAML_STREAM_END_TOKEN || type == YAML_NO_TOKEN)
			break;
	}
	return 0; /* a syntax error shows again, and better, when the document is loaded */
}

/* Anchors and aliases can repeat parts without end: refused before anything follows them. */
static int refuse_aliases(struct config_yaml *yaml)
{
	yaml_parser_t parser;
	uint32_t line;

	if (yaml_parser_initialize(&parser) == 0)
		return refuse_file(yaml, "out of memory", -ENOMEM);
	yaml_parser_set_input_string(&parser, yaml->bytes, yaml->size);
	line = alias_line(&parser);
	yaml_parser_delete(&parser);
	if (line == 0)
		return 0;
	return config_yaml_report_line(yaml, line, "",
				       "found a YAML anchor or alias (& or *), want the value "
				       "itself, in quotes if it starts with such a character");
}

/* A NUL, written as "\0", would end a text early. */
static int refuse_nul(struct config_yaml *yaml)
{
	for (yaml_node_t *node = yaml->document.nodes.start; node < yaml->document.nodes.top;
	     node++)
		if (node->type == YAML_SCALAR_NODE &&
		    memchr(node->data.scalar.value, '\0', node->data.scalar.length) != NULL)
			return config_yaml_report_line(yaml, (uint32_t)node->start_mark.line + 1,
						       "", "found a NUL character, want none");
	return 0;
}

static int load_documents(struct config_yaml *yaml, yaml_parser_t *parser)
{
	yaml_document_t second;
	int rc = 0;

	yaml_parser_set_input_string(parser, yaml->bytes, yaml->size);
	if (yaml_parser_load(parser, &yaml->document) == 0)
		return refuse_syntax(yaml, parser);
	if (yaml_document_get_root_node(&yaml->document) == NULL)
		return config_yaml_report_line(yaml, 1, "", "found nothing, want a configuration");
	if (yaml_parser_load(parser, &second) == 0)
		return refuse_syntax(yaml, parser);
	if (yaml_document_get_root_node(&second) != NULL)
		rc = config_yaml_report_line(yaml, (uint32_t)second.start_mark.line + 1, "",
					     "found a second YAML document, want one");
	yaml_document_delete(&second);
	return rc;
}

static int parse_document(struct config_yaml *yaml)
{
	yaml_parser_t parser;
	int rc = refuse_aliases(yaml);

	if (rc != 0)
		return rc;
	if (yaml_parser_initialize(&parser) == 0)
		return refuse_file(yaml, "out of memory", -ENOMEM);
	rc = load_documents(yaml, &parser);
	yaml_parser_delete(&parser);
	return rc != 0 ? rc : refuse_nul(yaml);
}

/* ---- by the schema ---- */

static const cyaml_schema_value_t text_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static int make_value(const struct config_row *row, cyaml_schema_value_t *value);

/* The schema of a section's struct: a slot for each row. */
static int make_mapping(const struct config_section *section, enum cyaml_flag flags,
			cyaml_schema_value_t *value)
{
	cyaml_schema_field_t *field = calloc(section->n + 1, sizeof(*field));
	int rc = field != NULL ? 0 : -ENOMEM;

	*value = (cyaml_schema_value_t){
		.type = CYAML_MAPPING,
		.flags = flags,
		.data_size = section->n * (uint32_t)sizeof(struct config_slot),
		.mapping.fields = field,
	};
	for (uint32_t i = 0; i < section->n && rc == 0; i++) {
		field[i].key = section->row[i].key;
		field[i].data_offset = i * (uint32_t)sizeof(struct config_slot);
		field[i].count_offset =
			field[i].data_offset + (uint32_t)offsetof(struct config_slot, n);
		field[i].count_size = sizeof(((struct config_slot *)NULL)->n);
		rc = make_value(&section->row[i], &field[i].value);
	}
	return rc;
}

static int make_value(const struct config_row *row, cyaml_schema_value_t *value)
{
	/* a key with nothing behind it, as when all its parts are commented out, is as none */
	enum cyaml_flag may_be_empty = CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL;
	cyaml_schema_value_t *entry;

	if (row->type == CONFIG_SECTION)
		return make_mapping(row->section, may_be_empty, value);
	if (config_value_is_scalar(row)) {
		*value = text_schema;
		value->flags |= row->preset != NULL ? CYAML_FLAG_OPTIONAL : 0;
		return 0;
	}
	*value = (cyaml_schema_value_t){.type = CYAML_SEQUENCE, .flags = may_be_empty};
	value->sequence.max = row->max != 0 ? (uint32_t)row->max : CYAML_UNLIMITED;
	if (row->type != CONFIG_SECTIONS) {
		value->data_size = sizeof(char *);
		value->sequence.entry = &text_schema;
		return 0;
	}
	value->data_size = row->section->n * (uint32_t)sizeof(struct config_slot);
	value->sequence.entry = entry = calloc(1, sizeof(*entry));
	return entry != NULL ? make_mapping(row->section, CYAML_FLAG_DEFAULT, entry) : -ENOMEM;
}

static void free_value(const cyaml_schema_value_t *value)
{
	const cyaml_schema_field_t *field;

	if (value->type == CYAML_SEQUENCE && value->sequence.entry != &text_schema &&
	    value->sequence.entry != NULL) {
		free_value(value->sequence.entry);
		free((void *)(uintptr_t)value->sequence.entry);
	} else if (value->type == CYAML_MAPPING && value->mapping.fields != NULL) {
		for (field = value->mapping.fields; field->key != NULL; field++)
			free_value(&field->value);
		free((void *)(uintptr_t)value->mapping.fields);
	}
}

static const cyaml_config_t cyaml_config = {
	.mem_fn = cyaml_mem,
	.log_level = CYAML_LOG_ERROR,
	.flags = CYAML_CFG_NO_ALIAS,
};

static int load_slots(struct config_yaml *yaml)
{
	cyaml_err_t refusal;

	if (make_mapping(yaml->root, CYAML_FLAG_POINTER, &yaml->schema) != 0)
		return refuse_file(yaml, "out of memory", -ENOMEM);
	refusal = cyaml_load_data(yaml->bytes, yaml->size, &cyaml_config, &yaml->schema,
				  (cyaml_data_t **)&yaml->slot, NULL);
	if (refusal == CYAML_ERR_OOM)
		return refuse_file(yaml, "out of memory", -ENOMEM);
	return refusal == CYAML_OK ? 0 : config_yaml_explain(yaml, refusal);
}

int config_yaml_load(struct config_yaml *yaml, const char *path, const struct config_section *root,
		     FILE *errors)
{
	int rc;

	*yaml = (struct config_yaml){.path = path, .errors = errors, .root = root};
	rc = read_file(yaml);
	if (rc == 0)
		rc = parse_document(yaml);
	return rc == 0 ? load_slots(yaml) : rc;
}

void config_yaml_close(struct config_yaml *yaml)
{
	if (yaml->slot != NULL)
		cyaml_free(&cyaml_config, &yaml->schema, yaml->slot, 0);
	free_value(&yaml->schema);
	yaml_document_delete(&yaml->document);
	free(yaml->bytes);
}
