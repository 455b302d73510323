/* SPDX-License-Identifier: BSD-3-Clause */
/* What rules a configuration may have. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "internal.h"

const char *const rule_actions[] = {"permit", "deny", "exempt", NULL};

static const struct config_row rows[] = {
	{.key = "inside",
	 .type = CONFIG_PREFIX,
	 .offset = offsetof(struct rule_config, inside),
	 .preset = "0.0.0.0/0",
	 .reload = true,
	 .help = "Subscribers that the rule is for."},
	{.key = "realm",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct rule_config, realm),
	 .preset = "0",
	 .max = REALM_MAX,
	 .reload = true,
	 .help = "Realm of the subscribers' interface; 0: any."},
	{.key = "destination",
	 .type = CONFIG_PREFIX,
	 .offset = offsetof(struct rule_config, destination),
	 .preset = "0.0.0.0/0",
	 .reload = true,
	 .help = "The remote addresses."},
	{.key = "protocol",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct rule_config, protocol),
	 .preset = "any",
	 .min = 1,
	 .max = 15,
	 .reload = true,
	 .help = "tcp, udp, icmp, a protocol number, or any."},
	{.key = "destination-ports",
	 .type = CONFIG_PORT_RANGE,
	 .offset = offsetof(struct rule_config, destination_ports),
	 .preset = "0-65535",
	 .max = 65535,
	 .reload = true,
	 .help = "The remote ports of TCP and UDP."},
	{.key = "action",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct rule_config, action),
	 .preset = "permit",
	 .words = rule_actions,
	 .reload = true,
	 .help = "permit: translated; deny: refused; exempt: forwarded untouched both ways.",
	 .rfc = "RFC 6888 REQ-6"},
	{.key = "pool",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct rule_config, pool),
	 .preset = "",
	 .max = 63,
	 .reload = true,
	 .help = "Name of the pool that translates what is permitted. Empty: the first pool."},
};

const struct config_section rule_config_section = {
	.name = "rules",
	.help = "What happens to first packets; the first rule that matches wins, and what none "
		"matches is refused. Without rules the first pool translates every subscriber.",
	.size = sizeof(struct rule_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

bool rule_protocol(const struct rule_config *rule, uint8_t *protocol)
{
	return rule->protocol != NULL && strcmp(rule->protocol, "any") != 0 &&
	       text_parse_protocol(rule->protocol, protocol);
}

static int refuse(struct config_error *error, uint32_t i, const char *key, const char *found)
{
	snprintf(error->path, sizeof(error->path), "rules[%u].%s", i, key);
	snprintf(error->found, sizeof(error->found), "%s", found);
	return -EINVAL;
}

static int check_pool(const struct rule_config *rule, uint32_t i, const struct pool_config *pools,
		      uint32_t n, struct config_error *error)
{
	size_t used = 0, size = sizeof(error->right);

	if (rule->pool[0] == '\0')
		return 0;
	if (rule->action != RULE_PERMIT) {
		snprintf(error->right, size, "no pool where nothing is translated");
		return refuse(error, i, "pool", rule->pool);
	}
	used += (size_t)snprintf(error->right, size, "the name of a pool: ");
	for (uint32_t k = 0; k < n; k++) {
		if (strcmp(pools[k].name, rule->pool) == 0)
			return 0;
		if (used < size)
			used += (size_t)snprintf(error->right + used, size - used, "%s%s",
						 k > 0 ? ", " : "", pools[k].name);
	}
	return refuse(error, i, "pool", rule->pool);
}

static int check_protocol(const struct rule_config *rule, uint32_t i, struct config_error *error)
{
	uint8_t protocol;

	if (strcmp(rule->protocol, "any") == 0 || text_parse_protocol(rule->protocol, &protocol))
		return 0;
	snprintf(error->right, sizeof(error->right), "tcp, udp, icmp, a number up to 255, or any");
	return refuse(error, i, "protocol", rule->protocol);
}

int rules_check(const struct rule_config *config, uint32_t n, const struct pool_config *pools,
		uint32_t pools_n, struct config_error *error)
{
	int rc = 0;

	if (n > RULES_MAX) {
		snprintf(error->path, sizeof(error->path), "rules");
		snprintf(error->found, sizeof(error->found), "%u rules", n);
		snprintf(error->right, sizeof(error->right), "at most %d rules", RULES_MAX);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		rc = check_protocol(&config[i], i, error);
		if (rc == 0)
			rc = check_pool(&config[i], i, pools, pools_n, error);
	}
	return rc;
}
