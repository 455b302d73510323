/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "rcu.h"
#include "statics.h"
#include "text.h"

LOG_TYPE(statics);

struct snapshot {
	uint32_t n;
	struct static_entry *by_outside; /* sorted; the servers of an endpoint side by side */
	struct static_entry *by_inside;
};

static const struct snapshot nothing;
static const struct snapshot *current = &nothing;

/* ---- order ---- */

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static uint64_t outside_key(const struct static_entry *entry)
{
	return (uint64_t)rte_be_to_cpu_32(entry->outside) << 24 |
	       (uint64_t)rte_be_to_cpu_16(entry->outside_port) << 8 | entry->protocol;
}

static uint64_t inside_key(const struct static_entry *entry)
{
	return (uint64_t)rte_be_to_cpu_32(entry->inside) << 24 |
	       (uint64_t)rte_be_to_cpu_16(entry->inside_port) << 8 | entry->protocol;
}

static int compare_outside(const void *a, const void *b)
{
	return compare(outside_key(a), outside_key(b));
}

static int compare_inside(const void *a, const void *b)
{
	const struct static_entry *left = a, *right = b;
	int order = compare(inside_key(a), inside_key(b));

	return order != 0 ? order : compare(left->realm, right->realm);
}

/* The first that is not before the wanted one, or the end. */
static const struct static_entry *lower_bound(const struct static_entry *entry, uint32_t n,
					      const struct static_entry *wanted,
					      int (*order)(const void *, const void *))
{
	while (n > 0) {
		uint32_t half = n / 2;

		if (order(&entry[half], wanted) < 0) {
			entry += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return entry;
}

/* ---- look-ups ---- */

static const struct snapshot *snapshot_get(void)
{
	return __atomic_load_n(&current, __ATOMIC_ACQUIRE);
}

/* The servers of a public endpoint: the first of *n. */
static const struct static_entry *servers(const struct snapshot *snapshot, rte_be32_t address,
					  rte_be16_t port, uint8_t protocol, uint32_t *n)
{
	const struct static_entry wanted = {
		.outside = address, .outside_port = port, .protocol = protocol};
	const struct static_entry *end = snapshot->by_outside + snapshot->n;
	const struct static_entry *first =
		lower_bound(snapshot->by_outside, snapshot->n, &wanted, compare_outside);

	for (*n = 0; first + *n < end && compare_outside(first + *n, &wanted) == 0;)
		++*n;
	return first;
}

const struct static_entry *static_of_outside(const struct tuple *tuple)
{
	const struct snapshot *snapshot = snapshot_get();
	const struct static_entry *entry;
	uint32_t n, total = 0, place;

	entry = servers(snapshot, tuple->dst, tuple->dport, tuple_proto(tuple), &n);
	if (n == 0)
		entry = servers(snapshot, tuple->dst, 0, 0, &n);
	if (n <= 1)
		return n == 1 ? entry : NULL;
	for (uint32_t i = 0; i < n; i++)
		total += entry[i].weight;
	place = (uint32_t)((tuple_hash(tuple) >> 32) * total >> 32);
	while (place >= entry->weight)
		place -= entry++->weight;
	return entry;
}

static const struct static_entry *of_inside(const struct snapshot *snapshot,
					    const struct static_entry *wanted)
{
	const struct static_entry *entry =
		lower_bound(snapshot->by_inside, snapshot->n, wanted, compare_inside);

	for (; entry < snapshot->by_inside + snapshot->n && compare_inside(entry, wanted) == 0;
	     entry++)
		if (entry->is_only)
			return entry;
	return NULL;
}

const struct static_entry *static_of_inside(const struct tuple *tuple)
{
	const struct snapshot *snapshot = snapshot_get();
	const struct static_entry *entry;
	struct static_entry wanted;

	if (snapshot->n == 0)
		return NULL;
	wanted = (struct static_entry){
		.inside = tuple->src,
		.inside_port = tuple->sport,
		.protocol = tuple_proto(tuple),
		.realm = tuple_realm(tuple),
	};
	entry = of_inside(snapshot, &wanted);
	if (entry != NULL)
		return entry;
	wanted.inside_port = 0;
	wanted.protocol = 0;
	return of_inside(snapshot, &wanted);
}

bool static_holds(const struct tuple *inside, const struct tuple *outside)
{
	const struct snapshot *snapshot = snapshot_get();
	const struct static_entry *entry;
	uint32_t n;

	entry = servers(snapshot, outside->dst, outside->dport, tuple_proto(outside), &n);
	for (uint32_t i = 0; i < n; i++)
		if (entry[i].inside == inside->src && entry[i].inside_port == inside->sport &&
		    entry[i].realm == tuple_realm(inside))
			return true;
	entry = servers(snapshot, outside->dst, 0, 0, &n);
	return n == 1 && entry->inside == inside->src && entry->realm == tuple_realm(inside);
}

bool static_port(const struct pool_address *address, uint8_t protocol, uint16_t port)
{
	uint32_t n;

	servers(snapshot_get(), address->address, rte_cpu_to_be_16(port), protocol, &n);
	return n > 0;
}

/* ---- control thread ---- */

static void snapshot_free(const struct snapshot *snapshot)
{
	if (snapshot == &nothing)
		return;
	free(snapshot->by_outside);
	free(snapshot->by_inside);
	free((void *)(uintptr_t)snapshot);
}

static struct static_entry entry_of(const struct static_config *config)
{
	uint32_t port = config->inside_port != 0 ? config->inside_port : config->outside_port;
	struct static_entry entry = {
		.outside = config->outside,
		.inside = config->inside,
		.outside_port = rte_cpu_to_be_16((uint16_t)config->outside_port),
		.inside_port = rte_cpu_to_be_16((uint16_t)port),
		.realm = config->realm,
		.weight = config->weight,
	};

	if (config->outside_port != 0)
		text_parse_protocol(config->protocol, &entry.protocol);
	return entry;
}

static struct snapshot *snapshot_create(const struct static_config *config, uint32_t n)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (snapshot == NULL)
		return NULL;
	snapshot->n = n;
	snapshot->by_outside = calloc(n + 1, sizeof(struct static_entry));
	snapshot->by_inside = calloc(n + 1, sizeof(struct static_entry));
	if (snapshot->by_outside == NULL || snapshot->by_inside == NULL) {
		snapshot_free(snapshot);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		snapshot->by_outside[i] = entry_of(&config[i]);
	qsort(snapshot->by_outside, n, sizeof(struct static_entry), compare_outside);
	for (uint32_t i = 0; i < n; i++) {
		struct static_entry *entry = &snapshot->by_outside[i];

		entry->is_only = (i == 0 || compare_outside(entry - 1, entry) != 0) &&
				 (i + 1 == n || compare_outside(entry + 1, entry) != 0);
	}
	memcpy(snapshot->by_inside, snapshot->by_outside, n * sizeof(struct static_entry));
	qsort(snapshot->by_inside, n, sizeof(struct static_entry), compare_inside);
	return snapshot;
}

static void flag(struct pool_address *address, uint8_t kind)
{
	if (address != NULL)
		__atomic_store_n(&address->statics, kind, __ATOMIC_RELAXED);
}

/* Addresses that have static mappings no more. */
static void unflag_others(const struct snapshot *old, const struct snapshot *new)
{
	for (uint32_t i = 0; i < old->n; i++) {
		const struct static_entry wanted = {.outside = old->by_outside[i].outside};
		const struct static_entry *next =
			lower_bound(new->by_outside, new->n, &wanted, compare_outside);

		if (next == new->by_outside + new->n || next->outside != wanted.outside)
			flag(pool_address_find(wanted.outside), POOL_STATIC_NONE);
	}
}

struct statics_change {
	struct snapshot *snapshot;
};

int statics_prepare(const struct static_config *config, uint32_t n, struct statics_change **change)
{
	struct snapshot *snapshot = snapshot_create(config, n);

	*change = calloc(1, sizeof(**change));
	if (snapshot == NULL || *change == NULL) {
		LOG(ERR, "no memory for %u static mappings", n);
		if (snapshot != NULL)
			snapshot_free(snapshot);
		free(*change);
		return -ENOMEM;
	}
	(*change)->snapshot = snapshot;
	return 0;
}

void statics_mark(const struct statics_change *change, const struct pools_change *pools)
{
	for (uint32_t i = 0; i < change->snapshot->n; i++) {
		const struct static_entry *entry = &change->snapshot->by_outside[i];

		flag(pools_change_find(pools, entry->outside),
		     entry->protocol == 0 ? POOL_STATIC_WHOLE : POOL_STATIC_PORTS);
	}
}

void statics_publish(struct statics_change *change)
{
	const struct snapshot *old = current;

	__atomic_store_n(&current, change->snapshot, __ATOMIC_RELEASE);
	if (old != &nothing) {
		/* the control thread may wait: workers report every loop */
		rte_rcu_qsbr_synchronize(rcu, RTE_QSBR_THRID_INVALID);
		unflag_others(old, change->snapshot);
		snapshot_free(old);
	}
	free(change);
}

void statics_abort(struct statics_change *change)
{
	snapshot_free(change->snapshot);
	free(change);
}

int statics_replace(const struct static_config *config, uint32_t n)
{
	struct statics_change *change;
	int error = statics_prepare(config, n, &change);

	if (error != 0)
		return error;
	statics_mark(change, NULL);
	statics_publish(change);
	return 0;
}

const struct static_entry *static_at(uint32_t i)
{
	return i < current->n ? &current->by_outside[i] : NULL;
}

void statics_teardown(void)
{
	snapshot_free(current);
	current = &nothing;
}
