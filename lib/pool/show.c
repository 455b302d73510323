/* SPDX-License-Identifier: BSD-3-Clause */
/* The pools for people and programs. */
#include "cmd.h"
#include "deterministic.h"
#include "snapshot.h"
#include "text.h"

#define TELEMETRY_PAGE 16 /* pools that fit in 16 KiB */

static json_t *dependence_json(const uint8_t dependence[PORT_PROTOCOLS])
{
	return json_pack("{s:s, s:s, s:s}", "tcp", dependence_names[dependence[PORT_TCP]], "udp",
			 dependence_names[dependence[PORT_UDP]], "icmp",
			 dependence_names[dependence[PORT_ICMP]]);
}

static json_t *ports_json(const struct pool_usage *usage)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)usage->ports_total,
			 "tcp", (json_int_t)usage->ports_used[PORT_TCP], "udp",
			 (json_int_t)usage->ports_used[PORT_UDP], "icmp",
			 (json_int_t)usage->ports_used[PORT_ICMP], "overloaded",
			 (json_int_t)usage->overloaded);
}

static json_t *pool_json(const struct pool *pool)
{
	struct pool_usage usage;
	json_t *json;

	pool_usage(pool, &usage);
	json = json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I}, s:o, s:I, s:o, s:o}", "name",
		pool->name, "allocation", allocation_names[pool->config.allocation], "addresses",
		(json_int_t)usage.addresses, "draining", (json_int_t)usage.addresses_draining,
		"subscribers", (json_int_t)usage.subscribers, "block-size",
		(json_int_t)pool->config.block_size, "blocks", "total",
		(json_int_t)usage.blocks_total, "taken", (json_int_t)usage.blocks_taken, "resting",
		(json_int_t)usage.blocks_resting, "ports", ports_json(&usage), "refused",
		(json_int_t)__atomic_load_n(&pool->refused, __ATOMIC_RELAXED), "mapping",
		dependence_json(pool->mapping), "filtering", dependence_json(pool->filtering));
	if (pool->deterministic != NULL)
		json_object_set_new(
			json, "deterministic",
			json_pack("{s:I, s:I, s:I}", "subscribers",
				  (json_int_t)deterministic_subscribers(pool->deterministic),
				  "computed-blocks", (json_int_t)pool->computed_blocks,
				  "overflow-blocks", (json_int_t)pool->config.overflow_blocks));
	return json;
}

static json_t *show_pools(struct cmd_call *call)
{
	const char *text = cmd_arg(call, "from", 0);
	json_t *pools = json_array();
	uint64_t i = 0, end, all = pool_snapshot->all; /* those that drain come last */

	if (text != NULL && !text_parse_uint(text, UINT32_MAX, &i)) {
		json_decref(pools);
		return cmd_fail(call, "from: %s is not a number", text);
	}
	end = call->telemetry ? RTE_MIN(i + TELEMETRY_PAGE, all) : all;
	for (; i < end; i++)
		json_array_append_new(pools, pool_json(pool_snapshot->pool[i]));
	if (end < all)
		return json_pack("{s:o, s:I}", "pools", pools, "next", (json_int_t)end);
	return json_pack("{s:o}", "pools", pools);
}

static const struct cmd pools_cmd = {
	.path = "/weir/pools",
	.usage = "FROM",
	.help = "Pools: blocks and ports in use. Parameter: number of the first pool to show",
	.names = "from",
	.where = CMD_CONTROL,
	.run = show_pools,
};
CMD_REGISTER(pools_cmd);
