/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRCTL_CLIENT_H
#define WEIRCTL_CLIENT_H

#include <jansson.h>

/*
 * Asks weir over the control socket (one connection, opened at the first call). Takes the reference
 * to args (an object, or NULL). The reply, or NULL after saying on stderr what is wrong.
 */
json_t *client_ask(const char *path, json_t *args);

#endif
