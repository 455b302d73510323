/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lpm.h>
#include <rte_malloc.h>

#include "internal.h"
#include "log.h"
#include "rcu.h"

LOG_TYPE(route);

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
	 .help = "The gateway, a host in the subnet of an interface."},
};

const struct config_section route_config_section = {
	.name = "routes",
	.help = "Static routes; the interfaces' own subnets need none.",
	.size = sizeof(struct route_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

/* Where a route leads; the table's values are their numbers. */
struct hop {
	rte_be32_t gateway; /* 0: the destination itself */
	uint16_t port;
	uint16_t mtu;
};

enum { HOP_LOCAL, HOP_BROADCAST, HOP_FIRST };
#define HOP_NONE UINT32_MAX

/* All routes at one time. Never changes once published; the next one takes its place. */
struct route_table {
	struct rte_lpm *lpm;
	uint32_t preset; /* the default route's hop: rte_lpm has no prefix of length 0 */
	uint32_t hops;
	struct hop *hop;
	struct route_config *config; /* the static routes that it was made from */
	uint32_t config_n;
	uint64_t token;              /* retired: the grace period */
	struct route_table *retired; /* the one retired next */
};

static struct route_table *table; /* NULL: no interface yet */
static struct route_table *retired_first, *retired_last;
static uint32_t tables_made; /* names them */
static uint64_t next_second_ms;

struct rte_mempool *route_buffers;
uint32_t route_generation_number = 1;

static void transmit_nowhere(struct rte_mbuf *mbuf, uint16_t port __rte_unused)
{
	rte_pktmbuf_free(mbuf);
}

void (*route_transmit)(struct rte_mbuf *mbuf, uint16_t port) = transmit_nowhere;

enum route_result route_find(rte_be32_t destination, uint32_t *nexthop, struct route_target *target)
{
	const struct route_table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	uint32_t number;

	*nexthop = NEXTHOP_NONE;
	if (t == NULL)
		return ROUTE_NONE;
	if (rte_lpm_lookup(t->lpm, rte_be_to_cpu_32(destination), &number) != 0)
		number = t->preset;
	switch (number) {
	case HOP_NONE:
		return ROUTE_NONE;
	case HOP_LOCAL:
		*nexthop = NEXTHOP_LOCAL;
		return ROUTE_LOCAL;
	case HOP_BROADCAST:
		*nexthop = NEXTHOP_BROADCAST;
		return ROUTE_BROADCAST;
	}
	const struct hop *hop = &t->hop[number];
	target->address = hop->gateway != 0 ? hop->gateway : destination;
	target->port = hop->port;
	target->mtu = hop->mtu;
	*nexthop = neighbour_find(target->port, target->address);
	return *nexthop == NEXTHOP_NONE ? ROUTE_UNRESOLVED : ROUTE_OK;
}

void route_generation_bump(void)
{
	uint32_t number = route_generation_number + 1;

	__atomic_store_n(&route_generation_number, number == 0 ? 1 : number, __ATOMIC_RELEASE);
}

static void table_destroy(struct route_table *t)
{
	if (t == NULL)
		return;
	rte_lpm_free(t->lpm);
	rte_free(t->hop);
	rte_free(t->config);
	rte_free(t);
}

static int table_add(struct route_table *t, const struct prefix *to, uint32_t hop)
{
	if (to->length == 0) {
		t->preset = hop;
		return 0;
	}
	return rte_lpm_add(t->lpm, rte_be_to_cpu_32(to->address), to->length, hop);
}

static int table_add_host(struct route_table *t, rte_be32_t address, uint32_t hop)
{
	struct prefix host = {.address = address, .length = 32};

	return table_add(t, &host, hop);
}

static int table_add_static(struct route_table *t, const struct route_config *config)
{
	const struct iface *iface = iface_connected(config->via);
	struct prefix subnet;

	if (iface == NULL)
		return -EINVAL;
	subnet = iface_subnet(iface);
	if (!subnet_has_host(&subnet, config->via) || config->via == iface->address)
		return -EINVAL;
	t->hop[t->hops] =
		(struct hop){.gateway = config->via, .port = iface->port, .mtu = iface->mtu};
	return table_add(t, &config->to, t->hops++);
}

static int table_add_iface(struct route_table *t, const struct iface *iface)
{
	struct prefix subnet = iface_subnet(iface);
	int status;

	t->hop[t->hops] = (struct hop){.port = iface->port, .mtu = iface->mtu};
	status = table_add(t, &subnet, t->hops++);
	if (status == 0 && subnet.length < 31)
		status = table_add_host(t, subnet.address, HOP_BROADCAST);
	if (status == 0 && subnet.length < 31)
		status = table_add_host(t, subnet.address | ~prefix_mask(subnet.length),
					HOP_BROADCAST);
	return status != 0 ? status : table_add_host(t, iface->address, HOP_LOCAL);
}

/* Interfaces last: their own addresses win over a static route to the same prefix. */
static int table_fill(struct route_table *t)
{
	int status = 0;

	for (uint32_t i = 0; i < t->config_n && status == 0; i++)
		status = table_add_static(t, &t->config[i]);
	for (uint32_t i = 0; i < IFACES_MAX && status == 0; i++) {
		if (ifaces[i].name != NULL)
			status = table_add_iface(t, &ifaces[i]);
	}
	return status;
}

/* Room for `config` and the interfaces, with nothing in it; NULL: out of memory. */
static struct route_table *table_create(const struct route_config *config, uint32_t n)
{
	/* an interface has its subnet and up to three addresses; each may need a group of its own
	 */
	struct rte_lpm_config size = {.max_rules = 4 * IFACES_MAX + n,
				      .number_tbl8s = 4 * IFACES_MAX + n};
	struct route_table *t = rte_zmalloc("route table", sizeof(*t), 0);
	char name[RTE_LPM_NAMESIZE];

	if (t == NULL)
		return NULL;
	snprintf(name, sizeof(name), "routes-%u", tables_made++);
	t->lpm = rte_lpm_create(name, SOCKET_ID_ANY, &size);
	t->hop = rte_zmalloc("hops", (HOP_FIRST + IFACES_MAX + n) * sizeof(*t->hop),
			     RTE_CACHE_LINE_SIZE);
	t->config = rte_zmalloc("static routes", (n + 1) * sizeof(*config), 0);
	t->preset = HOP_NONE;
	t->hops = HOP_FIRST;
	if (t->lpm == NULL || t->hop == NULL || t->config == NULL) {
		table_destroy(t);
		return NULL;
	}
	if (n > 0)
		memcpy(t->config, config, n * sizeof(*config));
	t->config_n = n;
	return t;
}

static void reclaim(void)
{
	while (retired_first != NULL) {
		struct route_table *t = retired_first;

		if (rte_rcu_qsbr_check(rcu, t->token, false) != 1)
			return;
		retired_first = t->retired;
		table_destroy(t);
	}
	retired_last = NULL;
}

static void publish(struct route_table *t)
{
	struct route_table *old = table;

	__atomic_store_n(&table, t, __ATOMIC_RELEASE);
	route_generation_bump();
	if (old == NULL)
		return;
	old->token = rte_rcu_qsbr_start(rcu);
	if (retired_last != NULL)
		retired_last->retired = old;
	else
		retired_first = old;
	retired_last = old;
	reclaim(); /* at start, when no worker runs, frees it right away */
}

static int replace(const struct route_config *config, uint32_t n)
{
	struct route_table *t = table_create(config, n);
	int status;

	if (t == NULL)
		return -ENOMEM;
	status = table_fill(t);
	if (status != 0) {
		table_destroy(t);
		return status;
	}
	publish(t);
	return 0;
}

int route_replace(const struct route_config *config, uint32_t n)
{
	int status = replace(config, n);

	if (status == 0)
		LOG(INFO, "%u static routes", n);
	return status;
}

int route_rebuild(void)
{
	return replace(table == NULL ? NULL : table->config, table == NULL ? 0 : table->config_n);
}

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
	while (retired_first != NULL) {
		struct route_table *t = retired_first;

		retired_first = t->retired;
		table_destroy(t);
	}
	retired_last = NULL;
	table_destroy(table);
	table = NULL;
	iface_remove_all();
	arp_teardown();
	neighbour_teardown();
	route_transmit = transmit_nowhere;
}

void route_poll(uint64_t now_ms)
{
	neighbour_reclaim();
	reclaim();
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

	return json_pack("{s:s, s:s, s:s}", "to", text_prefix(&subnet, to), "interface",
			 iface->name, "kind", "connected");
}

static json_t *static_json(const struct route_config *config)
{
	char to[TEXT_PREFIX_SIZE], via[TEXT_IPV4_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s}", "to", text_prefix(&config->to, to), "via",
			 text_ipv4(config->via, via), "interface",
			 iface_connected(config->via)->name, "kind", "static");
}

/* Numbered for paging: the ports first, then the static routes. */
static json_t *show_routes(struct cmd_call *call)
{
	json_t *list = json_array(), *reply = json_pack("{s:o}", "routes", list);
	uint32_t from, max, end = IFACES_MAX + (table == NULL ? 0 : table->config_n);

	if (!route_page(call, &from, &max)) {
		json_decref(reply);
		return NULL;
	}
	for (uint32_t i = from; i < end; i++) {
		if (i < IFACES_MAX && ifaces[i].name == NULL)
			continue;
		if (json_array_size(list) == max) {
			json_object_set_new(reply, "next", json_integer(i));
			break;
		}
		json_array_append_new(list, i < IFACES_MAX
						    ? connected_json(&ifaces[i])
						    : static_json(&table->config[i - IFACES_MAX]));
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
