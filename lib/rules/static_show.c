/* SPDX-License-Identifier: BSD-3-Clause */
/* The static mappings for people and programs. */
#include "cmd.h"
#include "statics.h"
#include "text.h"

#define TELEMETRY_PAGE 64 /* mappings that fit in 16 KiB */

static json_t *entry_json(const struct static_entry *entry)
{
	const struct pool_address *address = pool_address_find(entry->outside);
	char outside[TEXT_IPV4_SIZE], inside[TEXT_IPV4_SIZE];

	return json_pack("{s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:s}", "protocol",
			 entry->protocol != 0 ? text_protocol(entry->protocol) : "any", "outside",
			 text_ipv4(entry->outside, outside), "outside_port",
			 (int)rte_be_to_cpu_16(entry->outside_port), "inside",
			 text_ipv4(entry->inside, inside), "inside_port",
			 (int)rte_be_to_cpu_16(entry->inside_port), "realm", (int)entry->realm,
			 "weight", (int)entry->weight, "pool",
			 address != NULL ? address->pool->name : "");
}

static json_t *show_static(struct cmd_call *call)
{
	const char *text = cmd_arg(call, "from", 0);
	const struct static_entry *entry;
	uint64_t i = 0, end = UINT32_MAX;
	json_t *list, *reply;

	if (text != NULL && !text_parse_uint(text, UINT32_MAX, &i))
		return cmd_fail(call, "from: %s is not a number", text);
	if (call->telemetry)
		end = i + TELEMETRY_PAGE;
	list = json_array();
	for (; i < end && (entry = static_at((uint32_t)i)) != NULL; i++)
		json_array_append_new(list, entry_json(entry));
	reply = json_pack("{s:o}", "static", list);
	if (static_at((uint32_t)i) != NULL)
		json_object_set_new(reply, "next", json_integer((json_int_t)i));
	return reply;
}

static const struct cmd static_cmd = {
	.path = "/weir/static",
	.usage = "FROM",
	.help = "Static mappings, by public endpoint; port 0: whole addresses. Parameter: place of "
		"the first to show",
	.names = "from",
	.where = CMD_CONTROL,
	.run = show_static,
};
CMD_REGISTER(static_cmd);
