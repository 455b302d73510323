/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may send to a mapping: RFC 4787 section 5. The sessions themselves say so by address and
 * port; by address alone, a table counts them. Only the home reads and writes it, so that what is
 * removed is free at once.
 */
#include <errno.h>

#include <rte_malloc.h>

#include "alg.h"
#include "nat.h"

struct remote {
	struct tuple key;
	uint32_t sessions;
};

struct remotes {
	struct table *table;
	struct slab *slab;
};

static bool has_key(const void *context, uint32_t value, const struct tuple *key)
{
	const struct remote *record = context;

	return tuple_equal(&record[value].key, key);
}

struct remotes *remotes_create(uint32_t n, int socket)
{
	struct remotes *remotes =
		rte_zmalloc_socket("remotes", sizeof(*remotes), RTE_CACHE_LINE_SIZE, socket);

	if (remotes == NULL)
		return NULL;
	remotes->slab = slab_create("remote", n, sizeof(struct remote), socket);
	if (remotes->slab != NULL)
		remotes->table =
			table_create("remotes", n, has_key, slab_at(remotes->slab, 0), socket);
	if (remotes->table == NULL) {
		remotes_destroy(remotes);
		return NULL;
	}
	return remotes;
}

void remotes_destroy(struct remotes *remotes)
{
	if (remotes == NULL)
		return;
	table_destroy(remotes->table);
	slab_destroy(remotes->slab);
	rte_free(remotes);
}

static struct tuple remote_key(const struct mapping *mapping, rte_be32_t remote)
{
	const struct tuple *outside = &mapping_host(mapping)->tuple[1];

	return (struct tuple){.src = remote,
			      .dst = outside->dst,
			      .dport = outside->dport,
			      .proto_realm = outside->proto_realm};
}

static struct remote *find(const struct nat *nat, const struct tuple *key)
{
	return slab_at(nat->remotes->slab, table_find(nat->remotes->table, key, tuple_hash(key)));
}

int remotes_add(struct nat *nat, const struct mapping *mapping, rte_be32_t address)
{
	struct remote *remote;
	struct tuple key;

	if (mapping->filtering != ADDRESS_DEPENDENT)
		return 0;
	key = remote_key(mapping, address);
	remote = find(nat, &key);
	if (remote == NULL) {
		remote = slab_take(nat->remotes->slab);
		if (remote == NULL)
			return -ENOSPC;
		*remote = (struct remote){.key = key};
		if (table_add(nat->remotes->table, tuple_hash(&key),
			      slab_index(nat->remotes->slab, remote)) != 0) {
			slab_give(nat->remotes->slab, remote);
			return -ENOSPC;
		}
	}
	remote->sessions++;
	return 0;
}

void remotes_remove(struct nat *nat, const struct mapping *mapping, rte_be32_t address)
{
	struct remote *remote;
	struct tuple key;

	if (mapping->filtering != ADDRESS_DEPENDENT)
		return;
	key = remote_key(mapping, address);
	remote = find(nat, &key);
	if (--remote->sessions > 0)
		return;
	table_remove(nat->remotes->table, tuple_hash(&key), slab_index(nat->remotes->slab, remote));
	slab_give(nat->remotes->slab, remote);
}

bool remotes_let_in(const struct nat *nat, const struct mapping *mapping, const struct tuple *tuple)
{
	struct tuple key;

	switch (mapping->filtering) {
	case ENDPOINT_INDEPENDENT:
		return true;
	case ADDRESS_DEPENDENT:
		if (alg_expects(nat, mapping, tuple->src))
			return true;
		key = remote_key(mapping, tuple->src);
		return find(nat, &key) != NULL;
	default: /* it would have a session */
		return alg_expects(nat, mapping, tuple->src);
	}
}
