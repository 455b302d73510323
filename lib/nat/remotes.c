/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may send to a mapping: RFC 4787 section 5. The sessions themselves say so by address and
 * port; by address alone, a table counts them. Only the home reads and writes it, so that what is
 * removed is free at once.
 */
#include <errno.h>

#include "alg.h"
#include "nat.h"

static struct tuple remote_key(const struct tuple *outside, rte_be32_t remote)
{
	return (struct tuple){.src = remote,
			      .dst = outside->dst,
			      .dport = outside->dport,
			      .proto_realm = outside->proto_realm};
}

int remotes_add(struct nat *nat, const struct mapping *mapping, rte_be32_t remote)
{
	struct tuple key;
	uint32_t hash;

	if (mapping->filtering != ADDRESS_DEPENDENT)
		return 0;
	key = remote_key(&mapping->outside, remote);
	hash = tuple_hash(&key);
	/* an older count is replaced */
	return table_add(nat->remotes, &key, hash, table_find(nat->remotes, &key, hash) + 1);
}

void remotes_remove(struct nat *nat, const struct mapping *mapping, rte_be32_t remote)
{
	struct tuple key;
	uintptr_t sessions;
	uint32_t hash;

	if (mapping->filtering != ADDRESS_DEPENDENT)
		return;
	key = remote_key(&mapping->outside, remote);
	hash = tuple_hash(&key);
	sessions = table_find(nat->remotes, &key, hash);
	if (sessions > 1)
		table_add(nat->remotes, &key, hash, sessions - 1);
	else
		table_free_slot(nat->remotes, table_remove(nat->remotes, &key, hash));
}

bool nat_lets_in(const struct nat *nat, const struct mapping *mapping, const struct tuple *tuple)
{
	struct tuple key;

	switch (mapping->filtering) {
	case ENDPOINT_INDEPENDENT:
		return true;
	case ADDRESS_DEPENDENT:
		if (alg_expects(nat, mapping, tuple->src))
			return true;
		key = remote_key(&mapping->outside, tuple->src);
		return table_find(nat->remotes, &key, tuple_hash(&key)) != 0;
	default: /* it would have a session */
		return alg_expects(nat, mapping, tuple->src);
	}
}
