/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>

#include "alg.h"
#include "nat.h"
#include "rules.h"
#include "statics.h"

struct nat *nats[WORKERS_MAX];

static void session_ended(void *context, struct session *session)
{
	struct nat *nat = context;
	struct mapping *mapping = session->owner;

	nat->stats->sessions_destroyed++;
	alg_end(nat, session);
	limits_uncount(mapping, session);
	remotes_remove(nat, mapping, session->tuple[1].src);
	mapping_put(nat, mapping);
}

/* The wheel has looked at it, and it stays. */
static void session_stays(void *context __rte_unused, const struct session *session)
{
	if (!timeouts.inbound_refresh)
		mapping_sent(session->owner, session->seen[0]);
}

/* Of the pool that translates it. */
static const struct timeouts *own_timeouts(const struct session *session)
{
	const struct mapping *mapping = session->owner;

	return &mapping_subscriber(mapping)->address->pool->config.timeouts;
}

void nat_take_pools(void)
{
	if (pools_have_timeouts()) /* once they have, it is asked for good: it may be in use */
		__atomic_store_n(&session_own_timeouts, own_timeouts, __ATOMIC_RELAXED);
}

int nat_check_pools(const struct pool_config *config, uint32_t n, struct config_error *error)
{
	for (uint32_t i = 0; i < n && nats[0]->remotes == NULL; i++) {
		for (int p = 0; p < PORT_PROTOCOLS; p++) {
			if (pool_filtering(&config[i], p) != ADDRESS_DEPENDENT)
				continue;
			snprintf(error->path, sizeof(error->path), "pools[%u].filtering", i);
			snprintf(error->found, sizeof(error->found), "%s",
				 dependence_names[ADDRESS_DEPENDENT]);
			snprintf(error->right, sizeof(error->right),
				 "another filtering, or a restart: the first pool that filters so "
				 "needs memory that is set aside at start");
			return -EINVAL;
		}
	}
	return 0;
}

/* A home's share of a limit of all: homes are not exactly even. */
static uint32_t share(uint32_t all)
{
	return home_workers == 1 ? all : all / home_workers + all / home_workers / 4 + 1;
}

struct nat *nat_create(uint8_t home, struct stats *stats, int socket)
{
	struct nat *nat = rte_zmalloc_socket("nat", sizeof(*nat), RTE_CACHE_LINE_SIZE, socket);
	uint32_t sessions = share(limits.max_sessions);
	uint32_t subscribers = share(limits.max_subscribers);

	if (nat == NULL)
		return NULL;
	session_own_timeouts = NULL;
	nat_take_pools();
	nat->home = home;
	nat->stats = stats;
	nat->reclaim = reclaim_create(socket);
	nat->ended_mappings = (struct reclaim_kind){mapping_free, nat};
	nat->ended_subscribers = (struct reclaim_kind){subscriber_free, nat};
	nat->sessions = sessions_create(&(struct sessions_config){
		.capacity = sessions,
		.home = home,
		.socket = socket,
		.reclaim = nat->reclaim,
		.ended = session_ended,
		.stays = session_stays,
		.foresee_end = nat_foresee_end,
		.context = nat,
	});
	if (nat->sessions != NULL)
		nat->mapping_table = table_create("mappings", 2 * sessions, mapping_has_key,
						  sessions_table(nat->sessions)->context, socket);
	if (pools_filter_by(ADDRESS_DEPENDENT))
		nat->remotes = remotes_create(sessions, socket);
	nat->subscribers =
		slab_create("subscriber", subscribers, sizeof(struct subscriber), socket);
	if (nat->subscribers != NULL)
		nat->subscriber_table = table_create("subscribers", subscribers, subscriber_has_key,
						     slab_at(nat->subscribers, 0), socket);
	nat->idle = wheel_create(subscribers, 0, socket);
	nat->algs = algs_create(socket);
	nat->foresight = foresight_create(socket);
	nat->refused = refused_create(socket);
	if (nat->reclaim == NULL || nat->sessions == NULL || nat->mapping_table == NULL ||
	    nat->subscriber_table == NULL || nat->subscribers == NULL ||
	    (nat->remotes == NULL && pools_filter_by(ADDRESS_DEPENDENT)) || nat->idle == NULL ||
	    nat->refused == NULL || nat->algs == NULL || nat->foresight == NULL ||
	    withdraw_setup(nat, socket) != 0 || random_init(&nat->random) != 0) {
		nat_destroy(nat);
		return NULL;
	}
	return nat;
}

void nat_destroy(struct nat *nat)
{
	if (nat == NULL)
		return;
	reclaim_destroy(nat->reclaim);
	sessions_destroy(nat->sessions);
	table_destroy(nat->mapping_table);
	remotes_destroy(nat->remotes);
	table_destroy(nat->subscriber_table);
	slab_destroy(nat->subscribers);
	wheel_destroy(nat->idle);
	algs_destroy(nat->algs);
	rte_free(nat->foresight);
	refused_destroy(nat->refused);
	withdraw_teardown(nat);
	rte_free(nat);
}

int nat_home_of(const struct tuple *tuple)
{
	const struct pool_address *address;
	int home;

	if (tuple_realm(tuple) != REALM_OUTSIDE)
		return home_of_subscriber(tuple->src);
	address = pool_address_find(tuple->dst);
	if (address == NULL) /* what is not translated comes back to its inside address */
		return rules_exempt_some() ? home_of_subscriber(tuple->dst) : -1;
	if (unlikely(pool_address_statics(address) != POOL_STATIC_NONE)) {
		const struct static_entry *entry = static_of_outside(tuple);

		if (entry != NULL)
			return home_of_subscriber(entry->inside);
	}
	home = pool_address_home(address, rte_be_to_cpu_16(tuple->dport));
	if (unlikely(home < 0) && !tuple_has_ports(tuple))
		return portless_home(tuple);
	return home;
}

/* Slots of the session table that a request to end sessions looks at in one loop. */
#define CLEAR_STEP 64

static void clear_sessions(struct nat *nat)
{
	struct nat_clear *clear = __atomic_load_n(&nat->clear, __ATOMIC_ACQUIRE);
	uint32_t end = nat->clear_next + CLEAR_STEP;
	uint32_t cleared = 0;

	if (clear == NULL || !reclaim_has_room(nat->reclaim, 2 * CLEAR_STEP))
		return;
	for (; nat->clear_next < end; nat->clear_next++) {
		struct session *session = sessions_at(nat->sessions, nat->clear_next);

		if (session != NULL && nat_filter_matches(&clear->filter, session)) {
			session_end(nat->sessions, session);
			cleared++;
		}
	}
	__atomic_fetch_add(&clear->cleared, cleared, __ATOMIC_RELAXED);
	if (nat->clear_next >= sessions_capacity(nat->sessions)) {
		nat->clear_next = 0;
		__atomic_store_n(&nat->clear, NULL, __ATOMIC_RELAXED);
		/* from here on the request is the asker's again */
		__atomic_fetch_sub(&clear->left, 1, __ATOMIC_RELEASE);
	}
}

void nat_poll(struct nat *nat, uint64_t now_ms)
{
	nat->now_ms = now_ms;
	reclaim_poll(nat->reclaim);
	withdraw_poll(nat);
	sessions_expire(nat->sessions, (uint32_t)(now_ms / 1000));
	subscribers_poll(nat);
	alg_poll(nat);
	pool_poll(nat->home, now_ms);
	clear_sessions(nat);
	recheck_poll(nat);
	reclaim_start(nat->reclaim);
}
