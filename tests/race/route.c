/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "eal.h"
#include "network.h"
#include "random.h"
#include "rcu.h"
#include "route.h"

/*
 * Workers look up routes while the control thread changes neighbours and routes. The MAC of
 * 192.0.2.N is always 02:00:V:V:V:N with some V, so a header that is torn, or of another
 * neighbour, shows.
 */
#define LCORES     3
#define NEIGHBOURS 32 /* 192.0.2.2 and on */
#define CHANGES    20000
#define REPLACES   20

struct keep {
	uint32_t nexthop, generation; /* 0: nothing kept */
};

struct seen {
	struct keep keeps[NEIGHBOURS];
	uint64_t found, kept;
	uint64_t wrong;   /* a header that is not the neighbour's */
	uint64_t changed; /* a header that did not stay what it was before a quiescent state */
	uint64_t no_route;
};

static struct seen seen[LCORES];
static uint32_t stop;

static bool is_right(const struct nexthop *hop)
{
	const uint8_t *mac = hop->link_header;
	uint8_t last = (uint8_t)(rte_be_to_cpu_32(hop->address) & 0xff);

	return mac[0] == 2 && mac[1] == 0 && mac[2] == mac[3] && mac[3] == mac[4] && mac[5] == last;
}

static rte_be32_t address_of(uint32_t i)
{
	return rte_cpu_to_be_32(RTE_IPV4(192u, 0, 2, 2 + i % NEIGHBOURS));
}

/* One look-up, directly or by a gateway. */
static void look_up(struct seen *s, uint32_t i)
{
	uint32_t host = 2 + i % NEIGHBOURS, nexthop;
	rte_be32_t destination =
		rte_cpu_to_be_32(i & 1 ? RTE_IPV4(192u, 0, 2, host) : RTE_IPV4(10, host, 1, 1));
	uint32_t generation = route_generation();
	struct route_target target;
	enum route_result result = route_find_from(1, destination, &nexthop, &target);
	struct nexthop copy;

	s->no_route += result != ROUTE_OK && result != ROUTE_UNRESOLVED;
	if (result != ROUTE_OK)
		return;
	copy = nexthops[nexthop];
	s->found++;
	s->wrong += !is_right(&copy) || copy.address != address_of(i);
	for (uint32_t spin = 0; spin < i % 16; spin++)
		rte_pause();
	s->changed += memcmp(copy.link_header, nexthops[nexthop].link_header, 14) != 0;
	s->keeps[i % NEIGHBOURS] = (struct keep){.nexthop = nexthop, .generation = generation};
}

/* What a session does: it goes on with the number that it has, as long as the generation stays. */
static void use_kept(struct seen *s, uint32_t i)
{
	const struct keep *keep = &s->keeps[i % NEIGHBOURS];
	const struct nexthop *hop = &nexthops[keep->nexthop];

	if (keep->generation != route_generation())
		return;
	s->kept++;
	s->wrong += !is_right(hop) || hop->address != address_of(i);
}

static int read_routes(void *arg)
{
	uint32_t me = rte_lcore_id();

	(void)arg;
	rte_rcu_qsbr_thread_register(rcu, me);
	rte_rcu_qsbr_thread_online(rcu, me);
	for (uint32_t i = me; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		if (i / NEIGHBOURS % 64 == 0)
			look_up(&seen[me], i);
		use_kept(&seen[me], i);
		rte_rcu_qsbr_quiescent(rcu, me);
	}
	rte_rcu_qsbr_thread_offline(rcu, me);
	rte_rcu_qsbr_thread_unregister(rcu, me);
	return 0;
}

static void replace(void)
{
	static struct route_config config[NEIGHBOURS];

	for (uint32_t i = 0; i < NEIGHBOURS; i++) {
		config[i].to.address = rte_cpu_to_be_32(RTE_IPV4(10, 2 + i, 0, 0));
		config[i].to.length = 16;
		config[i].via = rte_cpu_to_be_32(RTE_IPV4(192u, 0, 2, 2 + i));
	}
	/* for want of memory while the old table is in use nothing changes */
	route_replace(config, NEIGHBOURS);
}

/* A second passes at each: who is heard of soon again changes its MAC, who is not is forgotten and
 * comes again. */
static void change_neighbours(void)
{
	struct random random;
	uint64_t now_ms = 0;

	random_init_seeded(&random, 5);
	for (uint32_t i = 0; i < CHANGES; i++) {
		uint32_t host = 2 + random_below(&random, NEIGHBOURS), version = i & 0xff;
		char address[TEXT_IPV4_SIZE], mac[RTE_ETHER_ADDR_FMT_SIZE];

		snprintf(mac, sizeof(mac), "02:00:%02x:%02x:%02x:%02x", version, version, version,
			 host);
		text_ipv4(rte_cpu_to_be_32(RTE_IPV4(192u, 0, 2, host)), address);
		now_ms += 1000;
		network_hear(NETWORK_OUTSIDE, address, mac, now_ms);
		if (i % (CHANGES / REPLACES) == 0)
			replace();
	}
}

/* Whatever the control thread changes, a worker finds a next hop's own header or none, and it stays
 * as it is while the worker may use it. */
static void readers_and_writer(void **state)
{
	uint32_t lcore;

	(void)state;
	replace();
	rte_eal_mp_remote_launch(read_routes, NULL, SKIP_MAIN);
	change_neighbours();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	RTE_LCORE_FOREACH_WORKER (lcore) {
		const struct seen *s = &seen[lcore];

		print_message("lcore %u: %lu found, %lu kept\n", lcore, s->found, s->kept);
		assert_int_equal(s->wrong, 0);
		assert_int_equal(s->changed, 0);
		assert_int_equal(s->no_route, 0);
		assert_true(s->found > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_and_writer),
	};

	support_eal_setup(LCORES, 384);
	network_setup();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	network_teardown();
	return failed;
}
