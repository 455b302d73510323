/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of rules, and the snapshot that workers read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_acl.h>
#include <rte_common.h>

#include "internal.h"
#include "rcu.h"
#include "rules.h"

/* ---- the snapshot ---- */

/* What a rule is matched with: groups of four bytes, big-endian, as rte_acl reads them. */
struct input {
	uint8_t protocol;
	uint8_t unused[3];
	rte_be32_t inside;
	rte_be32_t destination;
	rte_be32_t realm;
	rte_be16_t destination_port;
	rte_be16_t unused2;
};

enum { PROTOCOL, INSIDE, DESTINATION, REALM, DESTINATION_PORT, UNUSED, FIELDS };

#define FIELD(name, kind, bytes, group, member)           \
	[name] = {                                        \
		.type = RTE_ACL_FIELD_TYPE_##kind,        \
		.size = bytes,                            \
		.field_index = name,                      \
		.input_index = group,                     \
		.offset = offsetof(struct input, member), \
	}

static const struct rte_acl_config acl_config = {
	.num_categories = 1,
	.num_fields = FIELDS,
	.defs =
		{
			FIELD(PROTOCOL, BITMASK, 1, 0, protocol),
			FIELD(INSIDE, MASK, 4, 1, inside),
			FIELD(DESTINATION, MASK, 4, 2, destination),
			FIELD(REALM, MASK, 4, 3, realm),
			FIELD(DESTINATION_PORT, RANGE, 2, 4, destination_port),
			FIELD(UNUSED, RANGE, 2, 4, unused2),
		},
};

RTE_ACL_RULE_DEF(acl_rule, FIELDS);

struct decision {
	enum rule_action action;
	struct pool *pool;
};

struct snapshot {
	struct rte_acl_ctx *acl;
	bool exempts;
	/* the first rule matches everything: the usual list of one is not asked */
	bool first_is_all;
	struct decision decision[]; /* by rule */
};

static struct snapshot *current;

static void snapshot_free(struct snapshot *snapshot)
{
	if (snapshot != NULL)
		rte_acl_free(snapshot->acl);
	free(snapshot);
}

static bool is_all_ports(const struct config_range *ports)
{
	return ports->last == 0 || (ports->first == 0 && ports->last == UINT16_MAX);
}

static bool matches_all(const struct rule_config *rule)
{
	uint8_t protocol;

	return rule->inside.length == 0 && rule->realm == 0 && rule->destination.length == 0 &&
	       !rule_protocol(rule, &protocol) && is_all_ports(&rule->destination_ports);
}

static int add_to_acl(struct rte_acl_ctx *acl, uint32_t i, const struct rule_config *rule)
{
	bool all_ports = is_all_ports(&rule->destination_ports);
	struct acl_rule entry = {
		.data = {.category_mask = 1,
			 .priority = RTE_ACL_MAX_PRIORITY - (int32_t)i,
			 .userdata = i + 1},
	};
	uint8_t protocol;

	if (rule_protocol(rule, &protocol)) {
		entry.field[PROTOCOL].value.u8 = protocol;
		entry.field[PROTOCOL].mask_range.u8 = UINT8_MAX;
	}
	entry.field[INSIDE].value.u32 = rte_be_to_cpu_32(rule->inside.address);
	entry.field[INSIDE].mask_range.u32 = rule->inside.length;
	entry.field[DESTINATION].value.u32 = rte_be_to_cpu_32(rule->destination.address);
	entry.field[DESTINATION].mask_range.u32 = rule->destination.length;
	entry.field[REALM].value.u32 = rule->realm;
	entry.field[REALM].mask_range.u32 = rule->realm != 0 ? 32 : 0;
	entry.field[DESTINATION_PORT].value.u16 =
		all_ports ? 0 : (uint16_t)rule->destination_ports.first;
	entry.field[DESTINATION_PORT].mask_range.u16 =
		all_ports ? UINT16_MAX : (uint16_t)rule->destination_ports.last;
	entry.field[UNUSED].mask_range.u16 = UINT16_MAX;
	return rte_acl_add_rules(acl, (const struct rte_acl_rule *)&entry, 1);
}

static int fill(struct snapshot *snapshot, uint32_t i, const struct rule_config *rule,
		const struct pools_change *pools)
{
	struct decision *decision = &snapshot->decision[i];

	decision->action = rule->action;
	decision->pool = pools_change_named(pools, rule->pool != NULL ? rule->pool : "");
	if (decision->pool == NULL)
		return -ENOENT;
	snapshot->exempts |= rule->action == RULE_EXEMPT;
	snapshot->first_is_all |= i == 0 && matches_all(rule);
	return add_to_acl(snapshot->acl, i, rule);
}

/* A list without rules of the configuration ends with one for everybody. */
static struct snapshot *snapshot_create(const struct rule *rule, uint32_t n, bool open,
					const struct pools_change *pools, int *error)
{
	static const struct rule_config everybody;
	static uint32_t number;
	char name[32];
	struct rte_acl_param parameters = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(FIELDS),
		.max_rule_num = n + open,
	};
	struct snapshot *snapshot =
		calloc(1, sizeof(*snapshot) + (n + open) * sizeof(snapshot->decision[0]));

	snprintf(name, sizeof(name), "rules%u", number++);
	*error = -ENOMEM;
	if (snapshot == NULL)
		return NULL;
	snapshot->acl = rte_acl_create(&parameters);
	*error = snapshot->acl != NULL ? 0 : -ENOMEM;
	for (uint32_t i = 0; i < n && *error == 0; i++)
		*error = fill(snapshot, i, &rule[i].config, pools);
	if (*error == 0 && open)
		*error = fill(snapshot, n, &everybody, pools);
	if (*error == 0)
		*error = rte_acl_build(snapshot->acl, &acl_config);
	if (*error == 0)
		return snapshot;
	snapshot_free(snapshot);
	return NULL;
}

static uint32_t classify(const struct snapshot *snapshot, const struct tuple *tuple)
{
	struct input input = {
		.protocol = tuple_proto(tuple),
		.inside = tuple->src,
		.destination = tuple->dst,
		.realm = rte_cpu_to_be_32(tuple_realm(tuple)),
		.destination_port = tuple->dport,
	};
	const uint8_t *data = (const uint8_t *)&input;
	uint32_t match = 0;

	rte_acl_classify(snapshot->acl, &data, &match, 1, 1);
	return match;
}

enum rule_action rules_decide(const struct tuple *tuple, struct pool **pool)
{
	const struct snapshot *snapshot = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
	uint32_t match = snapshot->first_is_all ? 1 : classify(snapshot, tuple);
	const struct decision *decision;

	if (match == 0)
		return RULE_NONE;
	decision = &snapshot->decision[match - 1];
	*pool = decision->pool;
	return decision->action;
}

bool rules_exempt_some(void)
{
	return __atomic_load_n(&current, __ATOMIC_ACQUIRE)->exempts;
}

/* ---- the list: control thread ---- */

struct rule_list rule_list;

static void rule_clean(struct rule *rule)
{
	free(rule->config.protocol);
	free(rule->config.pool);
}

static int rule_copy(struct rule *rule, const struct rule_config *config)
{
	rule->config = *config;
	rule->config.protocol = strdup(config->protocol != NULL ? config->protocol : "any");
	rule->config.pool = strdup(config->pool != NULL ? config->pool : "");
	return rule->config.protocol == NULL || rule->config.pool == NULL ? -ENOMEM : 0;
}

static void swap_in(struct snapshot *new)
{
	struct snapshot *old = current;

	__atomic_store_n(&current, new, __ATOMIC_RELEASE);
	if (old != NULL) {
		/* the control thread may wait: workers report every loop */
		rte_rcu_qsbr_synchronize(rcu, RTE_QSBR_THRID_INVALID);
		snapshot_free(old);
	}
}

/* Puts a list into force. On failure the one before stays. */
static int publish(const struct rule *rule, uint32_t n, bool open)
{
	int error;
	struct snapshot *new = snapshot_create(rule, n, open, NULL, &error);

	if (new != NULL)
		swap_in(new);
	return error;
}

static void list_clean(struct rule_list *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		rule_clean(&list->rule[i]);
	free(list->rule);
}

struct rules_change {
	struct rule_list list;
	struct snapshot *snapshot;
};

static int prepare(struct rules_change *change, const struct rule_config *config, uint32_t n,
		   const struct pools_change *pools)
{
	struct rule_list *list = &change->list;
	int error = 0;

	list->open = n == 0;
	list->rule = calloc(RULES_MAX, sizeof(*list->rule));
	if (list->rule == NULL)
		return -ENOMEM;
	for (; list->n < n && error == 0; list->n++) {
		list->rule[list->n].number = (list->n + 1) * RULE_NUMBER_STEP;
		error = rule_copy(&list->rule[list->n], &config[list->n]);
	}
	if (error == 0)
		change->snapshot = snapshot_create(list->rule, list->n, list->open, pools, &error);
	return error;
}

int rules_prepare(const struct rule_config *config, uint32_t n, const struct pools_change *pools,
		  struct rules_change **change)
{
	int error;

	if (n > RULES_MAX)
		return -ENOSPC;
	*change = calloc(1, sizeof(**change));
	if (*change == NULL)
		return -ENOMEM;
	error = prepare(*change, config, n, pools);
	if (error != 0)
		rules_abort(*change);
	return error;
}

void rules_publish(struct rules_change *change)
{
	swap_in(change->snapshot);
	list_clean(&rule_list);
	rule_list = change->list;
	free(change);
}

void rules_abort(struct rules_change *change)
{
	list_clean(&change->list);
	snapshot_free(change->snapshot);
	free(change);
}

int rules_replace(const struct rule_config *config, uint32_t n)
{
	struct rules_change *change;
	int error = rules_prepare(config, n, NULL, &change);

	if (error == 0)
		rules_publish(change);
	return error;
}

/* The first rule whose number is not lower. */
static uint32_t place_of(uint32_t number)
{
	uint32_t i = 0;

	while (i < rule_list.n && rule_list.rule[i].number < number)
		i++;
	return i;
}

static void take_out(uint32_t i)
{
	memmove(&rule_list.rule[i], &rule_list.rule[i + 1],
		(--rule_list.n - i) * sizeof(*rule_list.rule));
}

static void put_in(uint32_t i, const struct rule *rule)
{
	memmove(&rule_list.rule[i + 1], &rule_list.rule[i],
		(rule_list.n++ - i) * sizeof(*rule_list.rule));
	rule_list.rule[i] = *rule;
}

int rules_add(uint32_t number, const struct rule_config *config)
{
	struct rule rule = {.number = number, .added = true};
	uint32_t i = place_of(number);
	int error;

	if (i < rule_list.n && rule_list.rule[i].number == number)
		return -EEXIST;
	if (rule_list.n == RULES_MAX)
		return -ENOSPC;
	error = rule_copy(&rule, config);
	if (error == 0) {
		put_in(i, &rule);
		error = publish(rule_list.rule, rule_list.n, rule_list.open);
		if (error == 0)
			return 0;
		take_out(i);
	}
	rule_clean(&rule);
	return error;
}

int rules_delete(uint32_t number)
{
	uint32_t i = place_of(number);
	struct rule rule;
	int error;

	if (i == rule_list.n || rule_list.rule[i].number != number)
		return -ENOENT;
	rule = rule_list.rule[i];
	take_out(i);
	error = publish(rule_list.rule, rule_list.n, rule_list.open);
	if (error == 0)
		rule_clean(&rule);
	else
		put_in(i, &rule);
	return error;
}

void rules_teardown(void)
{
	list_clean(&rule_list);
	rule_list = (struct rule_list){};
	snapshot_free(current);
	current = NULL;
}
