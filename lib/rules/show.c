/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules for people and programs. */
#include "cmd.h"
#include "internal.h"

#define TELEMETRY_PAGE 64 /* rules that fit in 16 KiB */

static json_t *rule_json(const struct rule *rule)
{
	const struct rule_config *config = &rule->config;
	const struct config_range *ports = &config->destination_ports;
	char inside[TEXT_PREFIX_SIZE], destination[TEXT_PREFIX_SIZE];

	return json_pack(
		"{s:I, s:s, s:s, s:I, s:s, s:s, s:o, s:s, s:b}", "number", (json_int_t)rule->number,
		"action", rule_actions[config->action], "inside",
		text_prefix(&config->inside, inside), "realm", (json_int_t)config->realm,
		"destination", text_prefix(&config->destination, destination), "protocol",
		config->protocol, "ports",
		json_sprintf("%u-%u", ports->first, ports->last != 0 ? ports->last : UINT16_MAX),
		"pool", config->pool, "added", rule->added);
}

/* Behind the last rule of a configuration without any. */
static json_t *open_json(void)
{
	static char any[] = "any", first[] = "";
	const struct rule rule = {.config = {.protocol = any, .pool = first}};

	return rule_json(&rule);
}

static json_t *list_rules(struct cmd_call *call)
{
	const char *text = cmd_arg(call, "from", 0);
	uint64_t i = 0, end = rule_list.n;
	json_t *list, *reply;

	if (text != NULL && !text_parse_uint(text, UINT32_MAX, &i))
		return cmd_fail(call, "from: %s is not a number", text);
	if (call->telemetry)
		end = RTE_MIN(i + TELEMETRY_PAGE, end);
	list = json_array();
	for (; i < end; i++)
		json_array_append_new(list, rule_json(&rule_list.rule[i]));
	reply = json_pack("{s:o}", "rules", list);
	if (end < rule_list.n)
		json_object_set_new(reply, "next", json_integer((json_int_t)end));
	else if (rule_list.open)
		json_array_append_new(list, open_json());
	return reply;
}

static const struct cmd rules_cmd = {
	.path = "/weir/rules",
	.usage = "FROM",
	.help = "Rules for first packets, in order; number 0: the preset. Parameter: place of the "
		"first to show",
	.names = "from",
	.where = CMD_CONTROL,
	.run = list_rules,
};
CMD_REGISTER(rules_cmd);
