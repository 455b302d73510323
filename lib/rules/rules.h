/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_RULES_H
#define WEIR_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "pool.h"
#include "text.h"

/*
 * Who is translated, and by which pool: an ordered list, first match wins, that the control thread
 * replaces as a whole by pointer swap and RCU. Workers read it for first packets only.
 */
struct rule_config {
	struct prefix inside; /* the subscriber's address */
	char *pool;
};
extern const struct config_section rule_config_section;

/*
 * Control thread. Replaces the rules; with none given, every inside source uses the first pool.
 * 0, or -errno with nothing changed (-ENOENT: a pool that does not exist).
 */
int rules_replace(const struct rule_config *config, uint32_t n);
void rules_teardown(void);

/* Any worker. The pool that translates a subscriber, or NULL: none does. */
struct pool *rules_find(rte_be32_t inside);

#endif
