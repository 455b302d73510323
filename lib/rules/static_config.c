/* SPDX-License-Identifier: BSD-3-Clause */
/* What static mappings a configuration may have. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "deterministic.h"
#include "statics.h"
#include "text.h"

static const struct config_row rows[] = {
	{.key = "outside",
	 .type = CONFIG_IPV4,
	 .offset = offsetof(struct static_config, outside),
	 .reload = true,
	 .help = "Public address, of a pool."},
	{.key = "outside-port",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct static_config, outside_port),
	 .preset = "0",
	 .max = 65535,
	 .reload = true,
	 .help = "Public port; 0: the whole address, all ports and protocols."},
	{.key = "protocol",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct static_config, protocol),
	 .preset = "any",
	 .min = 1,
	 .max = 15,
	 .reload = true,
	 .help = "Of a port: tcp or udp."},
	{.key = "inside",
	 .type = CONFIG_IPV4,
	 .offset = offsetof(struct static_config, inside),
	 .reload = true,
	 .help = "Inside server."},
	{.key = "inside-port",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct static_config, inside_port),
	 .preset = "0",
	 .max = 65535,
	 .reload = true,
	 .help = "Its port; 0: as outside-port."},
	{.key = "realm",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct static_config, realm),
	 .preset = "1",
	 .min = 1,
	 .max = REALM_MAX,
	 .reload = true,
	 .help = "Realm of the server's interface."},
	{.key = "weight",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct static_config, weight),
	 .preset = "1",
	 .min = 1,
	 .max = 1000,
	 .reload = true,
	 .help = "Its share of new sessions, where several servers have one public port."},
};

const struct config_section static_config_section = {
	.name = "static",
	.help = "Static mappings: whole addresses, and ports to one inside server or several.",
	.size = sizeof(struct static_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

#define PATH(error, i, key) snprintf((error)->path, sizeof((error)->path), "static[%u].%s", i, key)
#define RIGHT(error, ...)   snprintf((error)->right, sizeof((error)->right), __VA_ARGS__)

static int refuse_address(struct config_error *error, rte_be32_t address)
{
	text_ipv4(address, error->found);
	return -EINVAL;
}

static bool holds(const struct config_prefixes *ranges, rte_be32_t address)
{
	uint32_t host = rte_be_to_cpu_32(address);

	for (uint32_t i = 0; i < ranges->n; i++)
		if (host >= ranges->range[i].first && host <= ranges->range[i].last)
			return true;
	return false;
}

/* The pool that has the address, or NULL. */
static const struct pool_config *pool_of(const struct pool_config *pool, uint32_t n,
					 rte_be32_t address)
{
	for (uint32_t i = 0; i < n; i++)
		if (holds(&pool[i].addresses, address) &&
		    !holds(&pool[i].excluded_addresses, address))
			return &pool[i];
	return NULL;
}

static int check_one(const struct static_config *config, uint32_t i, const struct pool_config *pool,
		     uint32_t pools_n, struct config_error *error)
{
	const struct pool_config *its = pool_of(pool, pools_n, config->outside);
	bool port = config->outside_port != 0;
	uint8_t protocol = 0;

	if (its == NULL) {
		PATH(error, i, "outside");
		RIGHT(error, "an address of a pool");
		return refuse_address(error, config->outside);
	}
	if (!port && deterministic_uses(its, config->outside)) {
		PATH(error, i, "outside");
		RIGHT(error,
		      "an address of another pool: pool %s is deterministic, and this address is "
		      "its subscribers'",
		      its->name);
		return refuse_address(error, config->outside);
	}
	if (pool_of(pool, pools_n, config->inside) != NULL) {
		PATH(error, i, "inside");
		RIGHT(error, "an inside address, of no pool");
		return refuse_address(error, config->inside);
	}
	if (!port && config->inside_port != 0) {
		PATH(error, i, "inside-port");
		RIGHT(error, "no port without an outside-port");
		snprintf(error->found, sizeof(error->found), "%u", config->inside_port);
		return -EINVAL;
	}
	if (strcmp(config->protocol, "any") != 0 &&
	    !text_parse_protocol(config->protocol, &protocol))
		protocol = UINT8_MAX;
	if (port ? protocol != IPPROTO_TCP && protocol != IPPROTO_UDP : protocol != 0) {
		PATH(error, i, "protocol");
		RIGHT(error, "%s", port ? "tcp or udp, for a port" : "any, for a whole address");
		snprintf(error->found, sizeof(error->found), "%s", config->protocol);
		return -EINVAL;
	}
	return 0;
}

/* An element and its place in the list. */
struct place {
	const struct static_config *config;
	uint32_t i;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->config->outside != right->config->outside)
		return left->config->outside < right->config->outside ? -1 : 1;
	return left->i < right->i ? -1 : left->i > right->i;
}

static bool is_same(const struct static_config *a, const struct static_config *b)
{
	return a->outside_port == b->outside_port && strcmp(a->protocol, b->protocol) == 0 &&
	       a->inside == b->inside && a->inside_port == b->inside_port && a->realm == b->realm;
}

/* Two elements of one public address, the first before the second. */
static int check_two(const struct place *first, const struct place *second,
		     struct config_error *error)
{
	const struct static_config *a = first->config, *b = second->config;

	if (a->outside_port != 0 && b->outside_port != 0) {
		if (!is_same(a, b))
			return 0;
		PATH(error, second->i, "inside");
		RIGHT(error, "a server that static[%u] does not name already", first->i);
		return refuse_address(error, b->inside);
	}
	PATH(error, second->i, "outside");
	if (a->outside_port == 0)
		RIGHT(error, "an address that static[%u] does not have as a whole", first->i);
	else
		RIGHT(error, "an address of which static[%u] has no port", first->i);
	return refuse_address(error, b->outside);
}

int statics_check(const struct static_config *config, uint32_t n, const struct pool_config *pools,
		  uint32_t pools_n, struct config_error *error)
{
	struct place *place = calloc(n + 1, sizeof(*place));
	int rc = place != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n && rc == 0; i++) {
		place[i] = (struct place){&config[i], i};
		rc = check_one(&config[i], i, pools, pools_n, error);
	}
	if (rc == 0)
		qsort(place, n, sizeof(*place), compare_places);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		for (uint32_t k = i + 1;
		     k < n && rc == 0 && place[k].config->outside == place[i].config->outside; k++)
			rc = check_two(&place[i], &place[k], error);
	free(place);
	return rc;
}
