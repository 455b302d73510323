/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CMD_H
#define WEIR_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <rte_common.h>

/*
 * A command is one const struct in its owner's file. It answers with JSON, and is reachable both as
 * a DPDK telemetry command and over the control socket (weirctl).
 *
 *	static json_t *show_pools(const struct cmd_call *call);
 *	static const struct cmd pools_cmd = {
 *		.path = "/weir/pools", .help = "...", .run = show_pools };
 *	CMD_REGISTER(pools_cmd);
 *
 * `run` is called in one of two ways, which the command chooses:
 *  - CMD_READS: in the thread that asks (a telemetry client's own). It only reads counters.
 *  - CMD_CONTROL: in the control thread, which is online in RCU meanwhile. It may walk tables and
 *    change what the control thread owns.
 */
enum cmd_where { CMD_READS, CMD_CONTROL };

struct cmd_call {
	/* an object; from the control socket as sent; from telemetry {"args": ["A", "B"]}
	 * made of the comma-separated parameters. Never NULL. */
	json_t *args;
	/* set by run on failure, beside returning NULL: one line for a person */
	char error[256];
	/* The answer is for DPDK telemetry: at most 16 KiB, so a list is paged tightly. */
	bool telemetry;
};

struct cmd {
	const char *path;  /* "/weir/pools": under 56 characters of [A-Za-z0-9_/] */
	const char *usage; /* telemetry's parameters, "ADDRESS,PORT,PROTOCOL", or NULL */
	const char *help;  /* one line; says the parameters too (shown by /help) */
	enum cmd_where where;
	bool changes; /* changes state: control socket only, not telemetry */
	/* A new reference, or NULL with call->error set. */
	json_t *(*run)(struct cmd_call *call);
};

#define CMD_REGISTER(cmd)           \
	RTE_INIT(cmd##_register)    \
	{                           \
		cmd_register(&cmd); \
	}

void cmd_register(const struct cmd *cmd);

/* The i-th command, or NULL past the end. */
const struct cmd *cmd_get(uint32_t i);
const struct cmd *cmd_find(const char *path);

/* How CMD_CONTROL commands reach the control thread: set by lib/control before telemetry is on. */
extern json_t *(*cmd_run_in_control)(const struct cmd *cmd, struct cmd_call *call);

/* Registers every command that does not change state with DPDK telemetry. 0, or -errno. */
int cmd_telemetry_setup(void);

/* An argument: by name, or the i-th of "args". NULL when not given (an empty text counts as not
 * given). Numbers come as text too. Valid as long as the call. */
const char *cmd_arg(const struct cmd_call *call, const char *name, uint32_t i);

/* Sets call->error and returns NULL. */
json_t *cmd_fail(struct cmd_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
