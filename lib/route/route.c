/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

static const struct config_row rows[] = {
	{.key = "to",
	 .type = CONFIG_PREFIX,
	 .offset = offsetof(struct route_config, to),
	 .reload = true,
	 .help = "The destinations; 0.0.0.0/0 is the default route."},
	{.key = "via",
	 .type = CONFIG_IPV4,
	 .offset = offsetof(struct route_config, via),
	 .reload = true,
	 .help = "The gateway, a host in the subnet of an interface; the route is its realm's."},
	{.key = "interface",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct route_config, interface),
	 .preset = "",
	 .max = 31,
	 .reload = true,
	 .help = "Name of the gateway's interface, where several realms have its subnet."},
};

const struct config_section route_config_section = {
	.name = "routes",
	.help = "Static routes; the interfaces' own subnets need none.",
	.size = sizeof(struct route_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

static uint64_t next_second_ms;

struct rte_mempool *route_buffers;

static void transmit_nowhere(struct rte_mbuf *mbuf, uint16_t port __rte_unused)
{
	rte_pktmbuf_free(mbuf);
}

void (*route_transmit)(struct rte_mbuf *mbuf, uint16_t port) = transmit_nowhere;

int route_setup(struct rte_mempool *buffers)
{
	int status = neighbour_setup();

	if (status != 0)
		return status;
	status = arp_setup();
	if (status != 0) {
		neighbour_teardown();
		return status;
	}
	route_buffers = buffers;
	next_second_ms = 0;
	return 0;
}

void route_teardown(void)
{
	fib_teardown();
	iface_remove_all();
	arp_teardown();
	neighbour_teardown();
	route_transmit = transmit_nowhere;
}

void route_poll(uint64_t now_ms)
{
	neighbour_reclaim();
	fib_reclaim();
	arp_learn(now_ms);
	if (now_ms >= next_second_ms) {
		neighbour_age(now_ms);
		next_second_ms = now_ms + 1000;
	}
}

bool route_page(struct cmd_call *call, uint32_t *from, uint32_t *max)
{
	const char *text = cmd_arg(call, "from", 0);
	uint64_t value = 0;

	if (text != NULL && !text_parse_uint(text, UINT32_MAX, &value)) {
		cmd_fail(call, "from: '%s' is no number", text);
		return false;
	}
	*from = (uint32_t)value;
	*max = call->telemetry ? 100 : UINT32_MAX; /* an element takes up to 150 of 16 KiB */
	return true;
}

static json_t *connected_json(const struct iface *iface)
{
	struct prefix subnet = iface_subnet(iface);
	char to[TEXT_PREFIX_SIZE];

	return json_pack("{s:s, s:s, s:s, s:I}", "to", text_prefix(&subnet, to), "interface",
			 iface->name, "kind", "connected", "realm", (json_int_t)iface->realm);
}

static json_t *static_json(const struct static_route *route)
{
	const struct iface *iface = &ifaces[route->port];
	char to[TEXT_PREFIX_SIZE], via[TEXT_IPV4_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:I}", "to", text_prefix(&route->to, to), "via",
			 text_ipv4(route->via, via), "interface", iface->name, "kind", "static",
			 "realm", (json_int_t)iface->realm);
}

/* Numbered for paging: the ports first, then the static routes. */
static json_t *show_routes(struct cmd_call *call)
{
	json_t *list = json_array(), *reply = json_pack("{s:o}", "routes", list);
	const struct static_route *route;
	uint32_t from, max;

	if (!route_page(call, &from, &max)) {
		json_decref(reply);
		return NULL;
	}
	for (uint32_t i = from;; i++) {
		route = i < IFACES_MAX ? NULL : route_static(i - IFACES_MAX);
		if (i < IFACES_MAX && ifaces[i].name == NULL)
			continue;
		if (i >= IFACES_MAX && route == NULL)
			break;
		if (json_array_size(list) == max) {
			json_object_set_new(reply, "next", json_integer(i));
			break;
		}
		json_array_append_new(list, route == NULL ? connected_json(&ifaces[i])
							  : static_json(route));
	}
	return reply;
}

static const struct cmd routes_cmd = {
	.path = "/weir/routes",
	.usage = "FROM",
	.help = "Connected and static routes. Parameter: FROM, the last answer's \"next\".",
	.names = "from",
	.where = CMD_CONTROL,
	.run = show_routes,
};
CMD_REGISTER(routes_cmd);
