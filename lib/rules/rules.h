/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_RULES_H
#define WEIR_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "pool.h"
#include "text.h"
#include "tuple.h"

/*
 * Who is translated, by which pool, and what is not let through or not translated: an ordered
 * list, the first match wins. Workers ask for first packets only.
 *
 * The control thread owns the list: what the configuration says, numbered 10, 20, ..., and what
 * `weirctl rule add` put between; the latter lasts until the next reload. Every change builds a new
 * snapshot (a classifier of rte_acl) and swaps one pointer, so a packet sees the old list or the
 * new one, and nothing between; RCU frees the old.
 *
 * A rule sees a session as its subscriber does: inside address, realm, remote address, protocol,
 * remote port. So a session that the outside begins through a mapping is denied by the same rules.
 */
enum rule_action {
	RULE_PERMIT, /* translated, by the rule's pool */
	RULE_DENY,   /* refused */
	RULE_EXEMPT, /* forwarded untouched: RFC 6888 REQ-6 */
	RULE_NONE,   /* no rule matches */
};

struct rule_config {
	struct prefix inside; /* the subscriber's address */
	uint32_t realm;       /* 0: any */
	struct prefix destination;
	char *protocol;                        /* a name, a number or "any"; NULL: any */
	struct config_range destination_ports; /* 0-0: all */
	uint32_t action;                       /* enum rule_action, RULE_NONE excepted */
	char *pool;                            /* NULL or empty: the first */
};
extern const struct config_section rule_config_section;

extern const char *const rule_actions[]; /* by enum rule_action, NULL at the end */

/* Rules at most, of the configuration and added ones together. */
#define RULES_MAX 10000

/* ---- control thread ---- */

/*
 * What rules must hold beyond their rows, beside these pools: 0, or -EINVAL with `error` set.
 */
int rules_check(const struct rule_config *config, uint32_t n, const struct pool_config *pools,
		uint32_t pools_n, struct config_error *error);

/*
 * Replaces all rules, added ones too; with none given, every inside source uses the first pool.
 * 0, or -errno with nothing changed (-ENOENT: a pool that does not exist).
 */
int rules_replace(const struct rule_config *config, uint32_t n);
/* The same in steps, with the pools that change with them, or NULL: with those there are. Prepare
 * returns what rules_replace() does; then publish, or abort. */
struct rules_change;
struct pools_change;
int rules_prepare(const struct rule_config *config, uint32_t n, const struct pools_change *pools,
		  struct rules_change **change);
void rules_publish(struct rules_change *change);
void rules_abort(struct rules_change *change);
void rules_teardown(void);

/* One rule more, before those with a higher number. 0, or -errno with nothing changed (-EEXIST:
 * the number is taken; -ENOENT: no such pool; -ENOSPC: RULES_MAX). */
int rules_add(uint32_t number, const struct rule_config *config);
/* One less. 0, or -ENOENT: no rule has the number. */
int rules_delete(uint32_t number);

/* ---- any worker ---- */

/* What happens to a first packet, `tuple` as from the inside. *pool is set for RULE_PERMIT. */
enum rule_action rules_decide(const struct tuple *tuple, struct pool **pool);

/* Whether any rule exempts: else nothing from the outside is for an inside address. */
bool rules_exempt_some(void);

#endif
