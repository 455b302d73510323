/* SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "state.h"
#include "statics.h"

static struct expectation *find(const struct algs *algs, const struct mapping *mapping,
				rte_be32_t remote)
{
	struct expectation *expectation;

	TAILQ_FOREACH (expectation, &algs->waiting, link)
		if (expectation->mapping == mapping && expectation->remote == remote)
			return expectation;
	return NULL;
}

bool alg_expects(const struct nat *nat, const struct mapping *mapping, rte_be32_t remote)
{
	return mapping->expectations != 0 && find(nat->algs, mapping, remote) != NULL;
}

/* A mapping that depends on no remote, found or made. */
static struct mapping *get_mapping(struct nat *nat, const struct session *session,
				   rte_be16_t inside_port)
{
	const struct mapping *own = session->owner;
	struct mapping *mapping;
	struct tuple flow = session->tuple[0], key = {
						       .src = flow.src,
						       .sport = inside_port,
						       .proto_realm = flow.proto_realm,
					       };

	flow.sport = inside_port;
	if (inside_port == session->tuple[0].sport || mapping_keeps_ports(own))
		return session->owner;
	/* forwarded ports: the address of the one is no place for others */
	if (mapping_is_fixed(own) || static_of_inside(&key) != NULL)
		return NULL;
	mapping = mapping_find(nat, &key);
	if (mapping == NULL && mapping_create(nat, mapping_subscriber(own), &flow,
					      ENDPOINT_INDEPENDENT, &mapping) != VERDICT_COUNT)
		return NULL;
	return mapping;
}

static void hold(struct nat *nat, struct expectation *expectation, struct mapping *mapping,
		 rte_be32_t remote)
{
	struct algs *algs = nat->algs;

	TAILQ_REMOVE(&algs->unused, expectation, link);
	TAILQ_INSERT_TAIL(&algs->waiting, expectation, link);
	expectation->mapping = mapping;
	expectation->remote = remote;
	mapping->sessions++;
	mapping->expectations++;
	mapping_subscriber(mapping)->expectations++;
	__atomic_store_n(&algs->expectations_n, algs->expectations_n + 1, __ATOMIC_RELAXED);
}

static uint32_t due(const struct nat *nat)
{
	return clock_seconds(nat->now_ms) + alg_settings.timeout;
}

struct mapping *alg_expect(struct nat *nat, const struct session *session, rte_be16_t inside_port)
{
	const struct mapping *own = session->owner;
	struct expectation *expectation = TAILQ_FIRST(&nat->algs->unused);
	rte_be32_t remote = session->tuple[0].dst;
	struct mapping *mapping;

	/* a mapping that is not held after all takes a place in the queue */
	if (expectation == NULL || !reclaim_has_room(nat->reclaim, 4) ||
	    mapping_subscriber(own)->expectations >= alg_settings.max_expectations_per_subscriber) {
		/* but what is expected already may be said again */
		struct tuple key = {
			.src = session->tuple[0].src,
			.sport = inside_port,
			.proto_realm = session->tuple[0].proto_realm,
		};

		mapping = mapping_find(nat, &key);
		return mapping != NULL && alg_expects(nat, mapping, remote) ? mapping : NULL;
	}
	mapping = get_mapping(nat, session, inside_port);
	if (mapping == NULL)
		return NULL;
	if (mapping->expectations != 0 && find(nat->algs, mapping, remote) != NULL) {
		expectation = find(nat->algs, mapping, remote);
		TAILQ_REMOVE(&nat->algs->waiting, expectation, link);
		TAILQ_INSERT_TAIL(&nat->algs->waiting, expectation, link);
	} else {
		hold(nat, expectation, mapping, remote);
	}
	expectation->due = due(nat);
	return mapping;
}

static void let_go(struct nat *nat, struct expectation *expectation)
{
	struct algs *algs = nat->algs;
	struct mapping *mapping = expectation->mapping;

	TAILQ_REMOVE(&algs->waiting, expectation, link);
	TAILQ_INSERT_TAIL(&algs->unused, expectation, link);
	__atomic_store_n(&algs->expectations_n, algs->expectations_n - 1, __ATOMIC_RELAXED);
	mapping->expectations--;
	mapping_subscriber(mapping)->expectations--;
	mapping_put(nat, mapping);
}

/* Expectations looked at in one loop. */
#define STEP 32

void alg_poll(struct nat *nat)
{
	struct expectation *expectation;
	uint32_t now = clock_seconds(nat->now_ms);

	for (uint32_t i = 0; i < STEP; i++) {
		expectation = TAILQ_FIRST(&nat->algs->waiting);
		if (expectation == NULL || expectation->due > now ||
		    !reclaim_has_room(nat->reclaim, 1))
			return;
		let_go(nat, expectation);
	}
}

uint32_t alg_expectations(const struct nat *nat)
{
	return __atomic_load_n(&nat->algs->expectations_n, __ATOMIC_RELAXED);
}
