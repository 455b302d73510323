/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONTROL_H
#define WEIR_CONTROL_H

#include <stdint.h>

#include "config_file.h"

/*
 * The control thread: the main lcore, an event loop. It owns what workers only read (routes,
 * neighbours, rules, timeouts), serves the control socket and the calls of telemetry's threads, and
 * reloads the configuration.
 */

/*
 * Takes the lock of a file prefix, so that no two weirs share one; it goes with the process,
 * however that ends. 0, or -errno after a line in the log: -EADDRINUSE when another holds it.
 */
int control_lock(const char *file_prefix);

/* Opens the control socket, registers telemetry commands. `config` becomes the control thread's:
 * control_teardown() frees it. 0, or -errno after a line in the log. */
int control_setup(const char *path, struct config *config);
void control_teardown(void);

/* Serves until SIGTERM or SIGINT; SIGHUP reloads. Tells systemd that weir is ready. */
void control_run(void);

/* ---- reload.c ---- */

/*
 * Puts into force what `new` has other than `old`. 0; or -EINVAL with *error set and nothing
 * changed: a key differs that only a restart changes.
 */
int reload_apply(const struct config *old, const struct config *new, struct config_error *error);

#endif
