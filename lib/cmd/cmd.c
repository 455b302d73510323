/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

#define COMMANDS_MAX 128

static const struct cmd *commands[COMMANDS_MAX];
static uint32_t commands_n;

json_t *(*cmd_run_in_control)(const struct cmd *cmd, struct cmd_call *call);

void cmd_register(const struct cmd *cmd)
{
	if (commands_n < COMMANDS_MAX)
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

json_t *cmd_fail(struct cmd_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(call->error, sizeof(call->error), format, args);
	va_end(args);
	return NULL;
}
