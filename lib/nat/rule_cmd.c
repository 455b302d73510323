/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules that change while weir runs; what they deny ends. */
#include <errno.h>

#include "cmd.h"
#include "nat.h"
#include "rules.h"

/* Lets the homes look at their sessions, and waits. */
static json_t *recheck(struct cmd_call *call, uint32_t number)
{
	uint32_t ended;

	nat_recheck();
	if (nat_recheck_wait(&ended))
		return json_pack("{s:I, s:I}", "number", (json_int_t)number, "ended",
				 (json_int_t)ended);
	return cmd_fail(call, "the rule is in force; the workers are still looking at sessions");
}

static bool parse_number(struct cmd_call *call, uint32_t *number)
{
	const char *text = cmd_arg(call, "number", 0);
	uint64_t value;

	if (text == NULL || !text_parse_uint(text, UINT32_MAX, &value) || value == 0) {
		cmd_fail(call, "number: found \"%s\", want the rule's number, from 1",
			 text != NULL ? text : "");
		return false;
	}
	*number = (uint32_t)value;
	return true;
}

static bool parse_prefix(struct cmd_call *call, const char *name, struct prefix *prefix)
{
	const char *text = cmd_arg(call, name, CMD_NAMED);

	if (text == NULL || text_parse_prefix(text, prefix))
		return true;
	cmd_fail(call, "%s: found \"%s\", want an address or a prefix like 192.0.2.0/24", name,
		 text);
	return false;
}

static bool parse_realm(struct cmd_call *call, uint32_t *realm)
{
	const char *text = cmd_arg(call, "realm", CMD_NAMED);
	uint64_t value = 0;

	if (text != NULL && !text_parse_uint(text, REALM_MAX, &value)) {
		cmd_fail(call, "realm: found \"%s\", want a number up to %u", text, REALM_MAX);
		return false;
	}
	*realm = (uint32_t)value;
	return true;
}

/* "80" or "80-90" */
static bool parse_ports(struct cmd_call *call, struct config_range *ports)
{
	const char *text = cmd_arg(call, "ports", CMD_NAMED);
	unsigned int first, last;
	int end = 0;

	if (text == NULL)
		return true;
	if (sscanf(text, "%5u-%5u%n", &first, &last, &end) != 2 || text[end] != '\0') {
		end = 0;
		if (sscanf(text, "%5u%n", &first, &end) == 1 && text[end] == '\0')
			last = first;
		else
			last = 0;
	}
	if (last == 0 || first > last || last > UINT16_MAX) {
		cmd_fail(call, "ports: found \"%s\", want a port or a range like 1024-65535", text);
		return false;
	}
	*ports = (struct config_range){first, last};
	return true;
}

static bool parse_action(struct cmd_call *call, uint32_t *action)
{
	const char *text = cmd_arg(call, "action", CMD_NAMED);

	for (*action = 0; *action < RULE_NONE; ++*action)
		if (text != NULL && strcmp(text, rule_actions[*action]) == 0)
			return true;
	cmd_fail(call, "action: found \"%s\", want permit, deny or exempt",
		 text != NULL ? text : "");
	return false;
}

static bool parse_rule(struct cmd_call *call, struct rule_config *rule)
{
	const char *protocol = cmd_arg(call, "protocol", CMD_NAMED);
	uint8_t number;

	if (protocol != NULL && strcmp(protocol, "any") != 0 &&
	    !text_parse_protocol(protocol, &number)) {
		cmd_fail(call, "protocol: found \"%s\", want tcp, udp, icmp, a number, or any",
			 protocol);
		return false;
	}
	rule->protocol = (char *)(uintptr_t)protocol;
	rule->pool = (char *)(uintptr_t)cmd_arg(call, "pool", CMD_NAMED);
	if (!parse_action(call, &rule->action) || !parse_prefix(call, "inside", &rule->inside) ||
	    !parse_realm(call, &rule->realm) ||
	    !parse_prefix(call, "destination", &rule->destination) ||
	    !parse_ports(call, &rule->destination_ports))
		return false;
	if (rule->pool != NULL && rule->action != RULE_PERMIT) {
		cmd_fail(call, "pool: only a rule that permits has one");
		return false;
	}
	return true;
}

static json_t *add_rule(struct cmd_call *call)
{
	struct rule_config rule = {0};
	uint32_t number;

	if (!parse_number(call, &number) || !parse_rule(call, &rule))
		return NULL;
	switch (rules_add(number, &rule)) {
	case 0:
		return recheck(call, number);
	case -EEXIST:
		return cmd_fail(call, "there is a rule %u; delete it first", number);
	case -ENOENT:
		return cmd_fail(call, "pool: there is no \"%s\"", rule.pool);
	case -ENOSPC:
		return cmd_fail(call, "there are %u rules, the most there may be", RULES_MAX);
	default:
		return cmd_fail(call, "no memory for a rule more");
	}
}

static const struct cmd add_cmd = {
	.path = "/weir/rule_add",
	.help = "A rule for first packets, until the next reload; sessions that it denies end.",
	.names = "number action inside realm destination protocol ports pool",
	.where = CMD_CONTROL,
	.changes = true,
	.run = add_rule,
};
CMD_REGISTER(add_cmd);

static json_t *delete_rule(struct cmd_call *call)
{
	uint32_t number;

	if (!parse_number(call, &number))
		return NULL;
	switch (rules_delete(number)) {
	case 0:
		return recheck(call, number);
	case -ENOENT:
		return cmd_fail(call, "there is no rule %u", number);
	default:
		return cmd_fail(call, "no memory for the rules without it");
	}
}

static const struct cmd delete_cmd = {
	.path = "/weir/rule_del",
	.help = "Deletes a rule, until the next reload. Parameter: its number.",
	.names = "number",
	.where = CMD_CONTROL,
	.changes = true,
	.run = delete_rule,
};
CMD_REGISTER(delete_cmd);
