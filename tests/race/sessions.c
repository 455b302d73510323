/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "eal.h"
#include "nat.h"
#include "pipeline.h"
#include "pools.h"
#include "rcu.h"
#include "rules.h"

#define LCORES      4 /* each is a home, and reads the others' sessions */
#define SUBSCRIBERS 8 /* of a home */
#define KEYS        512
#define CAPACITY    326 /* sessions of a home; fewer than keys: the table runs full */
#define ADDRESSES   2
#define BLOCKS      20 /* an address: fewer than the subscribers want */
#define BLOCK_SIZE  64
#define TIMEOUT     3 /* seconds */
#define TURN_MS     50
#define TURNS       20000
#define YIELD_EVERY 64 /* turns: with fewer CPUs than lcores, others are between anything */

/* What a home knows of its session number `key`. */
struct live {
	struct session *session; /* NULL: there is none */
	struct tuple tuple[2];
	uint64_t since_ms;
};

/* What went wrong or was done, by lcore. */
struct seen {
	uint64_t created, refused, ended, expired, found;
	uint64_t lost;    /* live sessions that are not in the table */
	uint64_t early;   /* ended without a reason */
	uint64_t foreign; /* found under another's key */
	uint64_t partial; /* found before they were complete */
	uint64_t twice;   /* ports that two sessions have */
	uint64_t homeless;
};

static struct seen seen[LCORES];
static struct stats stats[LCORES];
static rte_be32_t subscriber[LCORES][SUBSCRIBERS];
static struct live live[LCORES][KEYS];
static uint32_t owner[ADDRESSES][2][65536]; /* key + 1; atomic */
static uint32_t waiting;

static struct tuple key_of(uint32_t home, uint32_t key)
{
	return (struct tuple){
		.src = subscriber[home][key % SUBSCRIBERS],
		.sport = rte_cpu_to_be_16((uint16_t)(key + 1)),
		.dst = RTE_BE32(0xc0000201) /* 192.0.2.1 */,
		.dport = RTE_BE16(80),
		.proto_realm = proto_realm(key % 3 == 0 ? IPPROTO_TCP : IPPROTO_UDP, 1),
	};
}

static uint32_t *owner_of(const struct tuple *reply)
{
	return &owner[rte_be_to_cpu_32(reply->dst) % ADDRESSES][tuple_proto(reply) == IPPROTO_TCP]
		     [rte_be_to_cpu_16(reply->dport)];
}

/* ---- the home ---- */

static void create(uint32_t me, uint32_t key, uint64_t now_ms)
{
	struct packet p = {.tuple = key_of(me, key), .tcp_event = TCP_EVENT_SYN};
	struct live *mine = &live[me][key];

	p.hash = tuple_hash(&p.tuple);
	if (nat_admit(nats[me], &p) != VERDICT_COUNT) {
		seen[me].refused++;
		return;
	}
	*mine = (struct live){
		.session = p.session,
		.tuple = {p.session->tuple[0], p.session->tuple[1]},
		.since_ms = now_ms,
	};
	seen[me].created++;
	seen[me].twice +=
		__atomic_exchange_n(owner_of(&mine->tuple[1]), key + 1, __ATOMIC_RELAXED) != 0;
}

static void forget(uint32_t me, uint32_t key)
{
	struct live *mine = &live[me][key];

	seen[me].twice +=
		__atomic_exchange_n(owner_of(&mine->tuple[1]), 0, __ATOMIC_RELAXED) != key + 1;
	mine->session = NULL;
}

/* The session is in the table under both tuples, or under neither. */
static bool is_there(uint32_t me, const struct live *mine)
{
	bool there = true;

	for (uint32_t i = 0; i < 2; i++) {
		uint8_t direction;
		const struct session *session =
			session_find(nats[me]->sessions, &mine->tuple[i],
				     tuple_hash(&mine->tuple[i]), &direction);

		there = there && session == mine->session && direction == i;
	}
	return there;
}

/* After expiry had its turn: only sessions whose time had come may be gone. Memory and ports are
 * free no sooner than the turn after. */
static void notice_expired(uint32_t me, uint64_t now_ms)
{
	for (uint32_t key = 0; key < KEYS; key++) {
		struct live *mine = &live[me][key];

		if (mine->session == NULL || is_there(me, mine))
			continue;
		seen[me].expired++;
		seen[me].early += (now_ms - mine->since_ms) / 1000 < TIMEOUT;
		forget(me, key);
	}
}

static void change(uint32_t me, struct random *random, uint64_t now_ms)
{
	uint32_t key = random_below(random, KEYS);
	struct live *mine = &live[me][key];

	if (mine->session == NULL) {
		create(me, key, now_ms);
		return;
	}
	seen[me].lost += !is_there(me, mine);
	if (random_below(random, 4) == 0 && reclaim_has_room(nats[me]->reclaim, 2)) {
		seen[me].ended++;
		session_end(nats[me]->sessions, mine->session);
		forget(me, key);
	}
}

/* ---- any reader ---- */

/* Whatever is found must be whole, the key's own, and keep its port while it is looked at. */
static void check_found(uint32_t me, uint32_t home, const struct tuple *key,
			const struct session *session, uint8_t direction)
{
	struct tuple reply = session->tuple[1], translated = tuple_inverse(&reply, 0);
	uint8_t back_direction;
	const struct session *back =
		session_find(nats[home]->sessions, &reply, tuple_hash(&reply), &back_direction);

	seen[me].found++;
	seen[me].foreign += direction != 0 || !tuple_equal(&session->tuple[0], key);
	seen[me].foreign += back != NULL && (back != session || back_direction != 1);
	seen[me].partial += session->l3_delta != rewrite_l3_delta(key, &translated) ||
			    session->owner == NULL || session->home != home;
	seen[me].homeless += nat_home_of(&reply) != (int)home;
}

/* As step_find() looks: guesses for many, then what was guessed wrong. */
static void look(uint32_t me, struct random *random)
{
	uint32_t home = random_below(random, LCORES);
	const struct table *table = sessions_table(nats[home]->sessions);
	struct tuple key[BURST_MAX];
	uint64_t hash[BURST_MAX];
	uint32_t guess[BURST_MAX];

	for (uint32_t i = 0; i < BURST_MAX; i++) {
		key[i] = key_of(home, random_below(random, KEYS));
		hash[i] = tuple_hash(&key[i]);
		table_prefetch(table, hash[i]);
	}
	for (uint32_t i = 0; i < BURST_MAX; i++)
		guess[i] = table_guess(table, hash[i]);
	for (uint32_t i = 0; i < BURST_MAX; i++) {
		uint8_t direction;
		const struct session *session = session_of(table, guess[i], &direction);

		if (session == NULL || !tuple_equal(&session->tuple[direction], &key[i]))
			session = session_find(nats[home]->sessions, &key[i], hash[i], &direction);
		if (session != NULL)
			check_found(me, home, &key[i], session, direction);
	}
}

static int run(void *arg)
{
	uint32_t me = rte_lcore_id();
	struct random random;

	(void)arg;
	random_init_seeded(&random, me);
	__atomic_sub_fetch(&waiting, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&waiting, __ATOMIC_RELAXED) != 0)
		sched_yield();
	for (uint64_t turn = 0; turn < TURNS; turn++) {
		uint64_t now_ms = turn * TURN_MS;
		uint64_t ends = stats[me].sessions_destroyed;

		nat_poll(nats[me], now_ms);
		if (stats[me].sessions_destroyed != ends)
			notice_expired(me, now_ms);
		for (int i = 0; i < 4; i++)
			change(me, &random, now_ms);
		look(me, &random);
		rte_rcu_qsbr_quiescent(rcu, me);
		if (turn % YIELD_EVERY == 0)
			sched_yield();
	}
	rte_rcu_qsbr_thread_offline(rcu, me);
	return 0;
}

/* ---- before and after ---- */

static void find_subscribers(void)
{
	uint32_t n[LCORES] = {0};

	for (uint32_t host = 2; host < 1000; host++) {
		rte_be32_t address = rte_cpu_to_be_32(RTE_IPV4(100, 64, 0, 0) + host);
		uint32_t home = home_of_subscriber(address);

		if (n[home] < SUBSCRIBERS)
			subscriber[home][n[home]++] = address;
	}
	for (uint32_t home = 0; home < LCORES; home++)
		assert_int_equal(n[home], SUBSCRIBERS);
}

static void start(void)
{
	struct pool_config config = support_pool_config("race", "203.0.113.0-203.0.113.1", "");

	config.port_range.last = config.port_range.first + BLOCKS * BLOCK_SIZE - 1;
	config.block_size = BLOCK_SIZE;
	config.port_reuse_timeout = 0;
	config.block_idle_timeout = 1;
	assert_int_equal(pools_setup(&config, 1, LCORES), 0);
	support_pool_config_clean(&config);
	assert_int_equal(rules_replace(NULL, 0), 0);
	home_setup(LCORES);
	find_subscribers();
	timeouts.tcp_opening = timeouts.tcp_established = timeouts.tcp_closing =
		timeouts.tcp_reset = timeouts.udp_first = timeouts.udp_stream = timeouts.icmp =
			timeouts.other = TIMEOUT;
	limits.max_sessions = (CAPACITY - 1) * LCORES * 4 / 5;
	for (uint32_t i = 0; i < LCORES; i++) {
		worker_stats[i] = &stats[i];
		nats[i] = nat_create((uint8_t)i, &stats[i], (int)rte_socket_id());
		assert_non_null(nats[i]);
		assert_in_range(sessions_capacity(nats[i]->sessions), CAPACITY - 5, CAPACITY);
		assert_int_equal(rte_rcu_qsbr_thread_register(rcu, i), 0);
		rte_rcu_qsbr_thread_online(rcu, i);
	}
}

/* Nobody looks any more: all expires. */
static void expire(uint32_t home)
{
	struct nat *nat = nats[home];

	for (uint64_t turn = 0; turn < 1000; turn++)
		nat_poll(nat, (uint64_t)TURNS * TURN_MS + turn * 1000);
	notice_expired(home, UINT32_MAX);
	assert_int_equal(sessions_count(nat->sessions), 0);
	assert_int_equal(nat_mappings(nat), 0);
	assert_int_equal(slab_taken(nat->subscribers), 0);
	assert_int_equal(reclaim_count(nat->reclaim), 0);
	assert_int_equal(stats[home].sessions_created, stats[home].sessions_destroyed);
	assert_int_equal(stats[home].mappings_created, stats[home].mappings_destroyed);
}

/* Every record and every slot of the table is free again: as many sessions as at first fit in. */
static void fill(uint32_t home)
{
	struct sessions *sessions = nats[home]->sessions;
	struct session *session;

	for (uint32_t i = 0; i < sessions_capacity(sessions); i++) {
		session = session_new(sessions);
		assert_non_null(session);
		session->tuple[0] = (struct tuple){.src = i, .proto_realm = proto_realm(17, 1)};
		session->tuple[1] = (struct tuple){.src = i, .proto_realm = proto_realm(17, 0)};
		assert_int_equal(session_publish(sessions, session, 0), 0);
	}
	assert_null(session_new(sessions));
}

static void stop(void)
{
	for (uint32_t i = 0; i < LCORES; i++) {
		nat_destroy(nats[i]);
		nats[i] = NULL;
	}
	rules_teardown();
	pools_teardown();
}

/*
 * While every home makes and ends sessions and everybody reads everybody's: no session is lost or
 * ends early, none is found under another's key or half made, no port is given twice, and in the
 * end all memory, slots, ports and blocks are free.
 */
static void homes_and_readers(void **state)
{
	struct pool_usage usage;

	(void)state;
	start();
	waiting = LCORES;
	assert_int_equal(rte_eal_mp_remote_launch(run, NULL, CALL_MAIN), 0);
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < LCORES; i++) {
		assert_int_equal(rte_rcu_qsbr_thread_unregister(rcu, i), 0);
		print_message("home %u: %lu created, %lu refused, %lu ended, %lu expired, "
			      "%lu found\n",
			      i, seen[i].created, seen[i].refused, seen[i].ended, seen[i].expired,
			      seen[i].found);
		assert_int_equal(seen[i].lost, 0);
		assert_int_equal(seen[i].early, 0);
		assert_int_equal(seen[i].foreign, 0);
		assert_int_equal(seen[i].partial, 0);
		assert_int_equal(seen[i].twice, 0);
		assert_int_equal(seen[i].homeless, 0);
		assert_true(seen[i].created > CAPACITY && seen[i].found > 0);
	}
	for (uint32_t i = 0; i < LCORES; i++) {
		expire(i);
		fill(i);
	}
	pool_usage(pool_get(0), &usage);
	assert_int_equal(usage.blocks_taken + usage.blocks_resting, 0);
	assert_int_equal(usage.ports_used[PORT_UDP] + usage.ports_used[PORT_TCP], 0);
	assert_int_equal(usage.subscribers, 0);
	stop();
}

/* ---- TCP ---- */

#define CONNECTIONS 1024
#define ROUNDS      400

static struct session connection[CONNECTIONS];
static uint32_t arrived; /* at the barrier; free-running */

/* Both lcores begin the round at once. */
static void meet(uint32_t round)
{
	__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < 2 * (round + 1))
		sched_yield();
}

/* One direction of every connection: its FIN, in each round. */
static int close_all(void *arg)
{
	uint32_t direction = arg != NULL;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		meet(2 * round);
		for (uint32_t i = 0; i < CONNECTIONS; i++)
			session_track_tcp(&connection[i], direction, TCP_EVENT_FIN);
		meet(2 * round + 1);
		/* the next round's beginning, half each */
		for (uint32_t i = direction; i < CONNECTIONS; i += 2) {
			uint8_t now = connection[i].tcp_state;

			if (now != TCP_LAST_ACK && now != TCP_TIME_WAIT)
				__atomic_add_fetch(&seen[0].lost, 1, __ATOMIC_RELAXED);
			connection[i].tcp_state = TCP_ESTABLISHED;
		}
	}
	return 0;
}

/* When the FINs of both directions pass two workers at once, neither is lost. */
static void both_ends_close(void **state)
{
	(void)state;
	seen[0].lost = 0;
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		connection[i].tcp_state = TCP_ESTABLISHED;
	assert_int_equal(rte_eal_remote_launch(close_all, &arrived, 1), 0);
	close_all(NULL);
	rte_eal_wait_lcore(1);
	assert_int_equal(seen[0].lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(homes_and_readers),
		cmocka_unit_test(both_ends_close),
	};

	support_eal_setup(LCORES, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
