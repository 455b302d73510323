/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of routes: how it is looked up, made, and replaced by the next one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lpm.h>
#include <rte_malloc.h>

#include "internal.h"
#include "log.h"
#include "rcu.h"

LOG_TYPE(route);

/* Where a prefix leads; the tables' values are their numbers. */
struct hop {
	rte_be32_t gateway; /* 0: the destination itself */
	uint16_t port;
	uint16_t mtu;
	uint8_t result; /* enum route_result; ROUTE_OK: the above are set */
	uint8_t rank;   /* the length of its prefix + 1; 0: there is none */
};

enum { HOP_NONE, HOP_LOCAL, HOP_BROADCAST, HOP_FIRST };

#define REALMS_MAX (1 + IFACES_MAX)

/*
 * All routes at one time. Never changes once published; the next one takes its place.
 *
 * One longest-prefix match serves all realms: over the prefixes of all of them, each with a row
 * that says for each realm where that realm's own longest prefix leads from there.
 */
struct route_table {
	struct rte_lpm *lpm; /* its values are rows; row 0: what no prefix matches */
	uint32_t realms;
	uint32_t realm[REALMS_MAX]; /* of the columns; the first is the outside's */
	uint32_t rows;
	uint32_t *row; /* `realms` numbers of hops each */
	uint32_t hops;
	struct hop *hop;
	struct static_route *fixed; /* the static routes that it was made from */
	uint32_t fixed_n;
	uint64_t token;              /* retired: the grace period */
	struct route_table *retired; /* the one retired next */
};

static struct route_table *table; /* NULL: no interface yet */
static struct route_table *retired_first, *retired_last;
static uint32_t tables_made; /* names them */
uint32_t route_generation_number = 1;

/* ---- any worker ---- */

static __rte_always_inline const uint32_t *row_of(const struct route_table *t,
						  rte_be32_t destination)
{
	uint32_t row;

	if (rte_lpm_lookup(t->lpm, rte_be_to_cpu_32(destination), &row) != 0)
		row = 0;
	return &t->row[row * t->realms];
}

static __rte_always_inline const struct hop *hop_in(const struct route_table *t,
						    const uint32_t *row, uint32_t realm)
{
	for (uint32_t i = 0; i < t->realms; i++)
		if (t->realm[i] == realm)
			return &t->hop[row[i]];
	return &t->hop[HOP_NONE];
}

static __rte_always_inline enum route_result follow(const struct hop *hop, rte_be32_t destination,
						    uint32_t *nexthop, struct route_target *target)
{
	if (unlikely(hop->result != ROUTE_OK)) {
		*nexthop = hop->result == ROUTE_LOCAL       ? NEXTHOP_LOCAL
			   : hop->result == ROUTE_BROADCAST ? NEXTHOP_BROADCAST
							    : NEXTHOP_NONE;
		return hop->result;
	}
	target->address = hop->gateway != 0 ? hop->gateway : destination;
	target->port = hop->port;
	target->mtu = hop->mtu;
	*nexthop = neighbour_find(target->port, target->address);
	return *nexthop == NEXTHOP_NONE ? ROUTE_UNRESOLVED : ROUTE_OK;
}

void route_prefetch(rte_be32_t destination)
{
	const struct route_table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

	if (t != NULL)
		rte_prefetch0(&t->lpm->tbl24[rte_be_to_cpu_32(destination) >> 8]);
}

enum route_result route_find(uint32_t realm, rte_be32_t destination, uint32_t *nexthop,
			     struct route_target *target)
{
	const struct route_table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

	*nexthop = NEXTHOP_NONE;
	if (t == NULL)
		return ROUTE_NONE;
	return follow(hop_in(t, row_of(t, destination), realm), destination, nexthop, target);
}

enum route_result route_find_from(uint32_t realm, rte_be32_t destination, uint32_t *nexthop,
				  struct route_target *target)
{
	const struct route_table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	const struct hop *own, *outside;
	const uint32_t *row;

	*nexthop = NEXTHOP_NONE;
	if (t == NULL)
		return ROUTE_NONE;
	row = row_of(t, destination);
	own = hop_in(t, row, realm);
	outside = &t->hop[row[0]];
	return follow(own->rank >= outside->rank ? own : outside, destination, nexthop, target);
}

bool route_exists(uint32_t realm, rte_be32_t address)
{
	const struct route_table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

	return t != NULL && hop_in(t, row_of(t, address), realm)->result == ROUTE_OK;
}

bool route_is_inside(uint32_t realm, rte_be32_t address)
{
	const struct route_table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	const struct hop *outside;
	const uint32_t *row;

	if (t == NULL)
		return false;
	row = row_of(t, address);
	outside = &t->hop[row[0]];
	if (outside->result == ROUTE_LOCAL || outside->result == ROUTE_BROADCAST)
		return true;
	for (uint32_t i = 1; i < t->realms; i++) {
		uint32_t rank = t->hop[row[i]].rank;

		/* where prefixes tie, hosts of other realms mean the outside */
		if (t->realm[i] == realm ? rank > 0 && rank >= outside->rank
					 : realm == REALM_OUTSIDE && rank > outside->rank)
			return true;
	}
	return false;
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
	rte_free(t->row);
	rte_free(t->hop);
	rte_free(t->fixed);
	rte_free(t);
}

/* ---- filling a table ---- */

/* A prefix of a realm and where it leads. */
struct entry {
	struct prefix to;
	uint32_t column;
	uint32_t hop;
	uint32_t order; /* of two alike the later one wins */
};

struct entries {
	struct entry *entry;
	uint32_t n;
};

static uint32_t column_of(const struct route_table *t, uint32_t realm)
{
	uint32_t i = 0;

	while (t->realm[i] != realm)
		i++;
	return i;
}

static void add_entry(const struct route_table *t, struct entries *entries, uint32_t realm,
		      rte_be32_t address, uint8_t length, uint32_t hop)
{
	entries->entry[entries->n] = (struct entry){
		.to = subnet_of(address, length),
		.column = column_of(t, realm),
		.hop = hop,
		.order = entries->n,
	};
	entries->n++;
}

static uint32_t add_hop(struct route_table *t, rte_be32_t gateway, uint16_t port, uint8_t length)
{
	t->hop[t->hops] = (struct hop){
		.gateway = gateway,
		.port = port,
		.mtu = ifaces[port].mtu,
		.result = ROUTE_OK,
		.rank = (uint8_t)(length + 1),
	};
	return t->hops++;
}

static void add_iface(struct route_table *t, struct entries *entries, const struct iface *iface)
{
	struct prefix subnet = iface_subnet(iface);

	add_entry(t, entries, iface->realm, subnet.address, subnet.length,
		  add_hop(t, 0, iface->port, subnet.length));
	if (subnet.length < 31) {
		add_entry(t, entries, iface->realm, subnet.address, 32, HOP_BROADCAST);
		add_entry(t, entries, iface->realm, subnet.address | ~prefix_mask(subnet.length),
			  32, HOP_BROADCAST);
	}
	add_entry(t, entries, iface->realm, iface->address, 32, HOP_LOCAL);
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	if (left->to.length != right->to.length)
		return left->to.length < right->to.length ? -1 : 1;
	if (left->to.address != right->to.address)
		return left->to.address < right->to.address ? -1 : 1;
	return left->order < right->order ? -1 : 1;
}

/* A row for a prefix, as long as all that are in already or longer: at first as the longest of
 * those. 0, or -errno. */
static int add_row(struct route_table *t, const struct prefix *to, uint32_t *number)
{
	const uint32_t *parent = row_of(t, to->address);

	if (to->length == 0) { /* rte_lpm has no prefix of that length */
		*number = 0;
		return 0;
	}
	*number = t->rows++;
	memcpy(&t->row[*number * t->realms], parent, t->realms * sizeof(*parent));
	return rte_lpm_add(t->lpm, rte_be_to_cpu_32(to->address), to->length, *number);
}

static int add_rows(struct route_table *t, const struct entries *entries)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < entries->n; i++) {
		const struct entry *entry = &entries->entry[i];
		bool same = i > 0 && entry[-1].to.length == entry->to.length &&
			    entry[-1].to.address == entry->to.address;
		int status = same ? 0 : add_row(t, &entry->to, &row);

		if (status != 0)
			return status;
		t->row[row * t->realms + entry->column] = entry->hop;
	}
	return 0;
}

/* Interfaces last: their own addresses win over a static route to the same prefix. */
static int table_fill(struct route_table *t, struct entries *entries)
{
	for (uint32_t i = 0; i < t->fixed_n; i++) {
		const struct static_route *route = &t->fixed[i];

		add_entry(t, entries, ifaces[route->port].realm, route->to.address,
			  route->to.length, add_hop(t, route->via, route->port, route->to.length));
	}
	for (uint32_t i = 0; i < IFACES_MAX; i++)
		if (ifaces[i].name != NULL)
			add_iface(t, entries, &ifaces[i]);
	qsort(entries->entry, entries->n, sizeof(*entries->entry), compare_entries);
	return add_rows(t, entries);
}

static void set_columns(struct route_table *t)
{
	t->realms = 1; /* the first is the outside's */
	for (uint32_t i = 0; i < IFACES_MAX; i++) {
		bool known = ifaces[i].name == NULL;

		for (uint32_t k = 0; k < t->realms; k++)
			known |= t->realm[k] == ifaces[i].realm;
		if (!known)
			t->realm[t->realms++] = ifaces[i].realm;
	}
}

/* Room for static routes and the interfaces, with nothing in it; NULL: out of memory. */
static struct route_table *table_create(const struct static_route *fixed, uint32_t n)
{
	/* an interface has its subnet and up to three addresses; each may need a group of its own
	 */
	uint32_t prefixes = 4 * IFACES_MAX + n;
	struct rte_lpm_config size = {.max_rules = prefixes, .number_tbl8s = prefixes};
	struct route_table *t = rte_zmalloc("route table", sizeof(*t), 0);
	char name[RTE_LPM_NAMESIZE];

	if (t == NULL)
		return NULL;
	set_columns(t);
	snprintf(name, sizeof(name), "routes-%u", tables_made++);
	t->lpm = rte_lpm_create(name, SOCKET_ID_ANY, &size);
	t->row = rte_zmalloc("routes", (prefixes + 1) * t->realms * sizeof(*t->row),
			     RTE_CACHE_LINE_SIZE);
	t->hop = rte_zmalloc("hops", (HOP_FIRST + IFACES_MAX + n) * sizeof(*t->hop),
			     RTE_CACHE_LINE_SIZE);
	t->fixed = rte_zmalloc("static routes", (n + 1) * sizeof(*fixed), 0);
	if (t->lpm == NULL || t->row == NULL || t->hop == NULL || t->fixed == NULL) {
		table_destroy(t);
		return NULL;
	}
	t->rows = 1;
	t->hop[HOP_NONE] = (struct hop){.result = ROUTE_NONE};
	t->hop[HOP_LOCAL] = (struct hop){.result = ROUTE_LOCAL, .rank = 33};
	t->hop[HOP_BROADCAST] = (struct hop){.result = ROUTE_BROADCAST, .rank = 33};
	t->hops = HOP_FIRST;
	if (n > 0)
		memcpy(t->fixed, fixed, n * sizeof(*fixed));
	t->fixed_n = n;
	return t;
}

/* ---- one table after another ---- */

void fib_reclaim(void)
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
	fib_reclaim(); /* at start, when no worker runs, frees it right away */
}

static int replace(const struct static_route *fixed, uint32_t n)
{
	struct entries entries = {.entry = calloc(4 * IFACES_MAX + n, sizeof(struct entry))};
	struct route_table *t = table_create(fixed, n);
	int status = -ENOMEM;

	if (t != NULL && entries.entry != NULL)
		status = table_fill(t, &entries);
	free(entries.entry);
	if (status != 0) {
		table_destroy(t);
		return status;
	}
	publish(t);
	return 0;
}

/* The interface of a route's gateway, or NULL: none, or several of which none is named. */
static const struct iface *gateway_iface(const struct route_config *config)
{
	const char *name = config->interface;
	const struct iface *found = NULL;

	for (uint32_t i = 0; i < IFACES_MAX; i++) {
		struct prefix subnet = iface_subnet(&ifaces[i]);

		if (ifaces[i].name == NULL || !prefix_contains(&subnet, config->via) ||
		    (name != NULL && name[0] != '\0' && strcmp(name, ifaces[i].name) != 0))
			continue;
		if (found != NULL)
			return NULL;
		found = &ifaces[i];
	}
	return found;
}

static int resolve(const struct route_config *config, struct static_route *route)
{
	const struct iface *iface = gateway_iface(config);
	struct prefix subnet;

	if (iface == NULL)
		return -EINVAL;
	subnet = iface_subnet(iface);
	if (!subnet_has_host(&subnet, config->via) || config->via == iface->address)
		return -EINVAL;
	*route = (struct static_route){.to = config->to, .via = config->via, .port = iface->port};
	return 0;
}

int route_replace(const struct route_config *config, uint32_t n)
{
	struct static_route *fixed = calloc(n + 1, sizeof(*fixed));
	int status = fixed != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n && status == 0; i++)
		status = resolve(&config[i], &fixed[i]);
	if (status == 0)
		status = replace(fixed, n);
	free(fixed);
	if (status == 0)
		LOG(INFO, "%u static routes", n);
	return status;
}

int route_rebuild(void)
{
	return replace(table == NULL ? NULL : table->fixed, table == NULL ? 0 : table->fixed_n);
}

const struct static_route *route_static(uint32_t i)
{
	return table != NULL && i < table->fixed_n ? &table->fixed[i] : NULL;
}

void fib_teardown(void)
{
	while (retired_first != NULL) {
		struct route_table *t = retired_first;

		retired_first = t->retired;
		table_destroy(t);
	}
	retired_last = NULL;
	table_destroy(table);
	table = NULL;
}
