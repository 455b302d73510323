/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_FILTER_H
#define WEIR_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd.h"
#include "session.h"
#include "text.h"

/* Which sessions a command means. */
struct nat_filter {
	struct prefix inside, outside, remote;           /* length 0: any */
	uint16_t inside_port, outside_port, remote_port; /* host order; 0: any */
	uint32_t realm;                                  /* 0: any */
	uint8_t protocol;                                /* 0: any */
	char state[16];                                  /* empty: any */
};

/* Any thread. */
bool nat_filter_matches(const struct nat_filter *filter, const struct session *session);

/* From a command's arguments inside, outside, remote, inside_port, outside_port, remote_port,
 * protocol, state, realm. False: call->error is set. */
bool nat_filter_parse(struct cmd_call *call, struct nat_filter *filter);

/* A command's argument `address`: a subscriber's. False: call->error is set. */
bool subscriber_parse(struct cmd_call *call, rte_be32_t *address);

#endif
