/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>

#include "rcu.h"
#include "rules.h"

static const struct config_row rows[] = {
    {.key = "inside",
     .type = CONFIG_PREFIX,
     .offset = offsetof(struct rule_config, inside),
     .reload = true,
     .help = "Subscribers that the rule is for."},
    {.key = "pool",
     .type = CONFIG_TEXT,
     .offset = offsetof(struct rule_config, pool),
     .min = 1,
     .max = 63,
     .reload = true,
     .help = "Name of the pool that translates them."},
};

const struct config_section rule_config_section = {
    .name = "rules",
    .help = "Which pool translates whom; the first rule that matches wins. Without rules the "
	    "first pool translates every subscriber.",
    .size = sizeof(struct rule_config),
    .row = rows,
    .n = RTE_DIM(rows),
};

struct rule {
	struct prefix inside;
	struct pool *pool;
};

struct rules {
	uint32_t n;
	struct rule rule[];
};

static struct rules *current;

int rules_replace(const struct rule_config *config, uint32_t n)
{
	uint32_t rules_n = n > 0 ? n : 1;
	struct rules *new = calloc(1, sizeof(*new) + rules_n * sizeof(new->rule[0]));
	struct rules *old = current;

	if (new == NULL)
		return -ENOMEM;
	new->n = rules_n;
	new->rule[0].pool = pool_get(0); /* the prefix is 0/0: everybody */
	for (uint32_t i = 0; i < n; i++) {
		new->rule[i].inside = config[i].inside;
		new->rule[i].pool = pool_by_name(config[i].pool);
		if (new->rule[i].pool == NULL) {
			free(new);
			return -ENOENT;
		}
	}
	__atomic_store_n(&current, new, __ATOMIC_RELEASE);
	if (old != NULL) {
		/* the control thread may wait: workers report every loop */
		rte_rcu_qsbr_synchronize(rcu, RTE_QSBR_THRID_INVALID);
		free(old);
	}
	return 0;
}

void rules_teardown(void)
{
	free(current);
	current = NULL;
}

struct pool *rules_find(rte_be32_t inside)
{
	const struct rules *rules = __atomic_load_n(&current, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < rules->n; i++)
		if (prefix_contains(&rules->rule[i].inside, inside))
			return rules->rule[i].pool;
	return NULL;
}
