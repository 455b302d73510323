/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CALL_H
#define WEIR_CALL_H

#include "cmd.h"

struct event_base;

/*
 * Calls of commands into the control thread. A telemetry thread posts its call, wakes the control
 * thread's event loop through an eventfd, and sleeps until the reply is there; after
 * CALL_TIMEOUT_MS it gives up: a call not begun is withdrawn, the reply of one that runs is thrown
 * away by the control thread when it comes.
 */

#define CALL_TIMEOUT_MS 2000

/* Control thread. Sets cmd_run_in_control. 0, or -errno. */
int call_setup(struct event_base *base);
/* Control thread. Calls that wait, and later ones, are answered with an error. */
void call_teardown(void);

/* Control thread. Runs the command at once, online in RCU if it is a CMD_CONTROL one that
 * changes nothing. */
json_t *call_here(const struct cmd *cmd, struct cmd_call *call);

#endif
