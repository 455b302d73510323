/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define COMMANDS_MAX 128
/* DPDK's MAX_CMD_LEN and RTE_TEL_MAX_STRING_LEN, both with the closing zero */
#define PATH_SIZE 56
#define HELP_SIZE 128

static const struct cmd *commands[COMMANDS_MAX];
static uint32_t commands_n;

json_t *(*cmd_run_in_control)(const struct cmd *cmd, struct cmd_call *call);

void cmd_register(const struct cmd *cmd)
{
	if (commands_n == COMMANDS_MAX) {
		fprintf(stderr, "weir: more than %d commands\n", COMMANDS_MAX);
		abort();
	}
	commands[commands_n++] = cmd;
}

const struct cmd *cmd_get(uint32_t i)
{
	return i < commands_n ? commands[i] : NULL;
}

const struct cmd *cmd_find(const char *path)
{
	for (uint32_t i = 0; i < commands_n; i++)
		if (strcmp(commands[i]->path, path) == 0)
			return commands[i];
	return NULL;
}

const char *cmd_wrong(const struct cmd *cmd)
{
	uint32_t same = 0;

	if (cmd->path[0] != '/' || strlen(cmd->path) >= PATH_SIZE)
		return "the path does not begin with '/' or is too long";
	for (const char *c = cmd->path; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '/')
			return "the path has a character other than letters, digits, '_' and '/'";
	if (cmd->help == NULL || strlen(cmd->help) >= HELP_SIZE)
		return "the help is missing or too long";
	for (uint32_t i = 0; i < commands_n; i++)
		same += strcmp(commands[i]->path, cmd->path) == 0;
	return same > 1 ? "two commands have this path" : NULL;
}

json_t *cmd_fail(struct cmd_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(call->error, sizeof(call->error), format, args);
	va_end(args);
	/* it may quote what an outsider sent, cut anywhere: one line that is valid JSON */
	for (char *c = call->error; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return NULL;
}

/* A value that is not a text yet becomes one; NULL: it counts as not given. */
static json_t *as_text(const json_t *value)
{
	json_t *text;
	char *json;

	if (value == NULL || json_is_null(value) || json_is_false(value))
		return NULL;
	json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	text = json != NULL ? json_string(json) : NULL;
	free(json);
	return text;
}

static const char *text_of(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && text[0] != '\0' ? text : NULL;
}

const char *cmd_arg(const struct cmd_call *call, const char *name, uint32_t i)
{
	json_t *list = json_object_get(call->args, "args");
	json_t *value = json_object_get(call->args, name);
	json_t *text;

	if (value != NULL) {
		if (json_is_string(value))
			return text_of(value);
		text = as_text(value); /* kept in the arguments, so that it lives as long */
		return text != NULL && json_object_set_new(call->args, name, text) == 0
			       ? text_of(text)
			       : NULL;
	}
	value = i != CMD_NAMED ? json_array_get(list, i) : NULL;
	if (json_is_string(value))
		return text_of(value);
	text = as_text(value);
	return text != NULL && json_array_set_new(list, i, text) == 0 ? text_of(text) : NULL;
}

/* Whether `name` is one of the words of `names`. */
static bool names_have(const char *names, const char *name)
{
	while (*names != '\0') {
		size_t n = strcspn(names, " ");

		if (strlen(name) == n && memcmp(names, name, n) == 0)
			return true;
		names += n;
		names += strspn(names, " ");
	}
	return false;
}

bool cmd_args_known(const struct cmd *cmd, struct cmd_call *call)
{
	const char *name;
	json_t *value;

	if (cmd->names == NULL)
		return true;
	json_object_foreach (call->args, name, value) {
		if (strcmp(name, "args") == 0 || names_have(cmd->names, name))
			continue;
		cmd_fail(call, "%s has no argument '%.40s'; it has: %s", cmd->path, name,
			 cmd->names[0] != '\0' ? cmd->names : "none");
		return false;
	}
	return true;
}

static json_t *show_help(struct cmd_call *call __rte_unused)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < commands_n; i++)
		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s, s:b}", "path", commands[i]->path, "usage",
				  commands[i]->usage != NULL ? commands[i]->usage : "", "help",
				  commands[i]->help, "changes", commands[i]->changes));
	return json_pack("{s:o}", "commands", list);
}

static const struct cmd help_cmd = {
	.path = "/weir/help",
	.help = "Every command of weir. No parameters.",
	.names = "",
	.where = CMD_READS,
	.run = show_help,
};
CMD_REGISTER(help_cmd);
