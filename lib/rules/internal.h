/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_RULES_INTERNAL_H
#define WEIR_RULES_INTERNAL_H

#include "rules.h"

/* Private to rules/. */

/* Between the numbers of two rules of the configuration: room for added ones. */
#define RULE_NUMBER_STEP 10

struct rule {
	uint32_t number;
	bool added; /* by a command; a reload forgets it */
	struct rule_config config;
};

/* The control thread's, by number. */
extern struct rule_list {
	struct rule *rule; /* room for RULES_MAX */
	uint32_t n;
	bool open; /* the configuration has no rules: behind the last, everybody is translated */
} rule_list;

/* False: any protocol. */
bool rule_protocol(const struct rule_config *rule, uint8_t *protocol);

#endif
