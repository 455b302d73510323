/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protocols without ports (GRE, ESP, SCTP, ...; RFC 6888 REQ-1), translated by address alone. With
 * no port to tell them apart, one inside host has a public address, remote and protocol at a time;
 * its mapping is as long-lived as its one session, and only the IP header changes. So the IP
 * identifications of two hosts never meet either, and each fragment goes by itself.
 *
 * A public address is shared by subscribers of several homes, and a packet from the outside has no
 * port whose block would say which. So it is looked for in each home's sessions, first in that
 * which a NIC would steer it to: pools prefer addresses for which the two are the same.
 */
#include <rte_branch_prediction.h>

#include "nat.h"

int portless_home(const struct tuple *tuple)
{
	uint32_t first = home_of_subscriber(tuple->dst);
	uint64_t hash = tuple_hash(tuple);
	uint8_t direction;

	for (uint32_t i = 0; i < home_workers; i++) {
		uint32_t home = (first + i) % home_workers;

		if (__atomic_load_n(&nats[home]->portless, __ATOMIC_RELAXED) != 0 &&
		    session_find(nats[home]->sessions, tuple, hash, &direction) != NULL)
			return (int)home;
	}
	return -1;
}

/* Whether another home's session has the public address, remote and protocol. */
static bool elsewhere(const struct nat *nat, const struct tuple *outside)
{
	uint64_t hash = tuple_hash(outside);
	uint8_t direction;

	for (uint32_t home = 0; home < home_workers; home++)
		if (home != nat->home &&
		    session_find(nats[home]->sessions, outside, hash, &direction) != NULL)
			return true;
	return false;
}

enum verdict portless_take(struct nat *nat, const struct subscriber *subscriber,
			   struct mapping *mapping)
{
	struct tuple *outside = &mapping_host(mapping)->tuple[1];

	if (!subscriber->address->pool->config.other_protocols)
		return VERDICT_UNKNOWN_PROTOCOL;
	outside->dst = subscriber->address->address;
	if (mapping_find(nat, outside) != NULL || elsewhere(nat, outside))
		return VERDICT_PROTOCOL_TAKEN;
	mapping->has_remote = true;
	__atomic_store_n(&nat->portless, nat->portless + 1, __ATOMIC_RELAXED);
	return VERDICT_COUNT;
}

bool portless_is_only(const struct nat *nat, const struct session *session)
{
	if (likely(home_workers == 1))
		return true;
	/* each home publishes, then looks: of two at once, at least one sees the other */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !elsewhere(nat, &session->tuple[1]);
}
