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
 *	static json_t *show_pools(struct cmd_call *call);
 *	static const struct cmd pools_cmd = {
 *		.path = "/weir/pools", .help = "...", .run = show_pools };
 *	CMD_REGISTER(pools_cmd);
 *
 * `run` is called in one of two ways, which the command chooses:
 *  - CMD_READS: in the thread that asks (a telemetry client's own). It only reads counters.
 *  - CMD_CONTROL: in the control thread. It may walk tables: the thread is online in RCU meanwhile,
 *    so nothing it sees is freed. If it `changes` state it may instead wait for workers, and is
 *not.
 */
enum cmd_where { CMD_READS, CMD_CONTROL };

struct cmd_call {
	/* An object, never NULL; read it with cmd_arg(). From the control socket as sent.
	 * Telemetry's parameters "A,B,key=C" become {"args": ["A", "B"], "key": "C"}. */
	json_t *args;
	/* set by run on failure, beside returning NULL: one line for a person */
	char error[256];
	/* The answer is for DPDK telemetry: at most 16 KiB, so a list is paged tightly. */
	bool telemetry;
};

struct cmd {
	const char *path;  /* "/weir/pools": under 56 characters of [A-Za-z0-9_/] */
	const char *usage; /* telemetry's parameters, "ADDRESS,PORT,PROTOCOL", or NULL */
	const char *help;  /* one line under 128 characters; says the parameters too (for /help) */
	/* The names of its arguments with spaces between. Any other argument is then refused: a
	 * filter spelled wrong must not clear everything. NULL: not checked. */
	const char *names;
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

void cmd_register(const struct cmd *cmd); /* before main() */

/* The i-th command, or NULL past the end. */
const struct cmd *cmd_get(uint32_t i);
const struct cmd *cmd_find(const char *path);

/* How CMD_CONTROL commands reach the control thread from another: lib/control/call.h sets it. */
extern json_t *(*cmd_run_in_control)(const struct cmd *cmd, struct cmd_call *call);

/* Whether DPDK telemetry would take the command: its path, its help, and no other of that path.
 * NULL, or what is wrong. */
const char *cmd_wrong(const struct cmd *cmd);

/*
 * Registers every command that does not change state with DPDK telemetry. 0, or -EINVAL after
 * saying which command is wrong. Call once, after cmd_run_in_control is set.
 *
 * DPDK 22.11 carries less than JSON, and drops silently what it cannot carry. So an answer is
 * reshaped first: a list of objects becomes an object with the keys "0", "1", ...; characters in
 * keys other than [A-Za-z0-9_/] become '_'; null is left out; true and false are 1 and 0;
 * fractions are text. A text over 127 bytes ends in "..." and the answer holds "truncated": the
 * key of the first such. An answer that does not fit at all (16 KiB, 256 entries of an object, 512
 * of a list) is replaced by {"error": "..."}.
 */
int cmd_telemetry_setup(void);

/*
 * An argument as text: by name, or else the i-th of "args" (CMD_NAMED: by name only). NULL when
 * not given; an empty text, null and false count as not given. Numbers come as text, true as
 * "true", and anything else as its JSON, which no parser of values takes: what was asked for is
 * never ignored. Valid as long as the call.
 */
#define CMD_NAMED UINT32_MAX
const char *cmd_arg(const struct cmd_call *call, const char *name, uint32_t i);

/* Refuses arguments that cmd->names does not have: true, or false with call->error set. */
bool cmd_args_known(const struct cmd *cmd, struct cmd_call *call);

/* Sets call->error and returns NULL. */
json_t *cmd_fail(struct cmd_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
