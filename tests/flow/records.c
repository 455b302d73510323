/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings live in the records of their sessions: what stays when the one ends before the other. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "pool.h"
#include "text.h"

#define UDP_TIMEOUT 300

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 20};

static struct frame_spec to(const struct frame_spec *spec, const char *dst)
{
	struct frame_spec other = *spec;

	other.dst = dst;
	return other;
}

/* Ends the sessions that are older than the last half, and lets go of their records. */
static void first_sessions_end(void)
{
	for (uint32_t i = 0; i < 40; i++)
		flow_advance(1);
}

/* A mapping outlives its first session, in that one's record, and its next session gets it. It is
 * as old as it is. */
static void a_spare_record_is_taken_again(void **state)
{
	struct frame_spec second = to(&query, B2), third = to(&query, TRANSIT);
	const struct mapping *mapping;
	const struct session *host;
	struct endpoint first, again;
	uint32_t created;

	(void)state;
	flow_start(&(struct flow_setup){0});
	first = flow_open(&query);
	host = flow_session(&query);
	mapping = host->owner;
	created = mapping->created;
	assert_ptr_equal(mapping_host(mapping), host);
	flow_advance(UDP_TIMEOUT - 30);
	again = flow_open(&second);
	first_sessions_end();
	assert_int_equal(flow_sessions(), 1);
	assert_true(session_is_spare(host));
	third.sport = query.sport;
	again = flow_open(&third);
	assert_int_equal(again.port, first.port);
	assert_ptr_equal(flow_session(&third), host);
	assert_int_equal(host->packets[0], 1);
	assert_int_equal(host->packets[1], 0);
	assert_ptr_equal(host->owner, mapping);
	assert_int_equal(mapping->sessions, 2);
	assert_int_equal(mapping->created, created);
	assert_true(host->created >= created + UDP_TIMEOUT);
	assert_int_equal(flow_mappings(), 1);
	assert_null(flow_session(&query));
}

/* The table is full when all records are taken, those that are only a mapping's too. Through such a
 * mapping one session more is made. */
static void mappings_alone_take_records(void **state)
{
	struct frame_spec one = query, other;

	(void)state;
	flow_start(&(struct flow_setup){.max_sessions = 1024});
	for (uint16_t i = 0; i < 512; i++) {
		one.sport = (uint16_t)(4000 + i);
		flow_open(&one);
	}
	flow_advance(UDP_TIMEOUT - 30);
	for (uint16_t i = 0; i < 512; i++) {
		other = to(&query, B2);
		other.sport = (uint16_t)(4000 + i);
		flow_open(&other);
	}
	first_sessions_end();
	assert_int_equal(flow_sessions(), 512);
	assert_int_equal(flow_mappings(), 512);
	one.sport = 5000;
	flow_send(INSIDE, &one);
	flow_expect_verdict(VERDICT_TABLE_FULL);
	while (flow_receive(INSIDE) != NULL) /* the error that says so */
		;
	assert_int_equal(flow_mappings(), 512);
	one = to(&query, TRANSIT);
	flow_open(&one);
	assert_int_equal(flow_sessions(), 513);
}

/* The keys of such a mapping have the remote of its first session, and others come in. */
static void open_to_all(struct pool_config *pool)
{
	pool->mapping = ADDRESS_DEPENDENT;
	pool->filtering = ENDPOINT_INDEPENDENT;
}

/* An inside endpoint has a mapping for each remote, and each lets everybody in: who sends from the
 * other's remote, or forges its address, does not take over the session that there is. */
static void two_mappings_one_remote(void **state)
{
	struct frame_spec second = to(&query, B2), probe, out;
	struct endpoint first, other;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = open_to_all});
	first = flow_open(&query);
	other = flow_open(&second);
	assert_int_not_equal(first.port, other.port);
	probe = flow_reply(&second, &first);
	flow_drop(OUTSIDE, &probe, VERDICT_FILTERED);
	out = flow_public(&second, &other);
	out = flow_hop(&out);
	flow_pass(INSIDE, &second, VERDICT_TRANSLATED, OUTSIDE, &out);
	probe.sport++; /* another endpoint there comes in */
	flow_send(OUTSIDE, &probe);
	flow_expect_verdict(VERDICT_TRANSLATED);
	assert_int_equal(flow_sessions(), 3);
}

/* ---- at random ---- */

/* Every mapping is found by its keys and counts its sessions; every session by its tuples. */
static void check_all(void)
{
	static uint32_t sessions[4096];
	struct nat *nat = nats[0];
	uint32_t n = sessions_capacity(nat->sessions), mappings = 0;

	assert_in_range(n, 1, RTE_DIM(sessions));
	memset(sessions, 0, sizeof(sessions));
	for (uint32_t i = 0; i < n; i++) {
		const struct session *session = sessions_at(nat->sessions, i);

		if (session == NULL)
			continue;
		assert_int_equal(session->life & LIFE_RECLAIM, 0);
		sessions[session_index(nat->sessions, mapping_host(session->owner))]++;
		for (uint8_t d = 0; d < 2; d++) {
			uint8_t direction;

			assert_ptr_equal(session_find(nat->sessions, &session->tuple[d],
						      tuple_hash(&session->tuple[d]), &direction),
					 session);
			assert_int_equal(direction, d);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct mapping *mapping = mapping_at(nat, i);
		struct tuple key[2];

		if (mapping == NULL) {
			assert_int_equal(sessions[i], 0);
			continue;
		}
		mappings++;
		assert_true(mapping->sessions > 0);
		assert_int_equal(mapping->sessions, sessions[i]);
		key[0] = mapping_inside(mapping);
		key[1] = mapping_outside(mapping);
		for (int side = 0; side < 2; side++)
			assert_ptr_equal(mapping_find(nat, &key[side]), mapping);
	}
	assert_in_range(nat_mappings(nat), mappings, n); /* some wait for readers */
}

static void send_from_inside(void)
{
	static const char *const remotes[] = {B1, B2, TRANSIT};
	static const char *const subscribers[] = {S1, S2};
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP,
					    IPPROTO_GRE};
	struct frame_spec spec = {
		.src = subscribers[random() % 2],
		.dst = remotes[random() % 3],
		.proto = protocols[random() % RTE_DIM(protocols)],
		.sport = (uint16_t)(4000 + random() % 3),
		.dport = (uint16_t)(53 + random() % 2),
		.ident = (uint16_t)(random() % 3),
		.type = 8,
		.tcp_flags = RTE_TCP_SYN_FLAG,
		.length = 10,
	};

	flow_send(INSIDE, &spec);
}

/* To the public side of some mapping, from some remote. */
static void send_from_outside(void)
{
	const struct mapping *mapping = NULL;
	static char address[16];
	struct frame_spec spec = {
		.src = random() % 2 ? B2 : TRANSIT, .sport = 53, .tcp_flags = RTE_TCP_SYN_FLAG};
	struct tuple outside;

	for (int tries = 0; tries < 50 && mapping == NULL; tries++)
		mapping = mapping_at(nats[0], (uint32_t)random() % 64);
	if (mapping == NULL)
		return;
	outside = mapping_outside(mapping);
	spec.proto = tuple_proto(&outside);
	if (spec.proto != IPPROTO_UDP && spec.proto != IPPROTO_TCP)
		return;
	text_ipv4(outside.dst, address);
	spec.dst = address;
	spec.dport = rte_be_to_cpu_16(outside.dport);
	flow_send(OUTSIDE, &spec);
}

/* The operator clears one. */
static void end_one(void)
{
	struct sessions *sessions = nats[0]->sessions;

	for (int tries = 0; tries < 20; tries++) {
		struct session *session = sessions_at(sessions, (uint32_t)random() % 64);

		if (session != NULL) {
			session_end(sessions, session);
			return;
		}
	}
}

static void live_at_random(void)
{
	for (uint32_t i = 0; i < 3000; i++) {
		switch (random() % 8) {
		case 0:
			end_one();
			break;
		case 1:
			flow_advance((uint32_t)random() % 40);
			break;
		case 2:
		case 3:
			send_from_outside();
			break;
		default:
			send_from_inside();
			break;
		}
		while (flow_receive(INSIDE) != NULL || flow_receive(OUTSIDE) != NULL)
			;
		check_all();
	}
}

/* Every record can be taken, once. */
static void all_records_are_free(void)
{
	static struct session *taken[4096];
	static bool seen[4096];
	struct sessions *sessions = nats[0]->sessions;
	uint32_t n = sessions_capacity(sessions);

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < 40; i++)
		flow_advance(40);
	for (uint32_t i = 0; i < n; i++) {
		taken[i] = session_new(sessions);
		assert_non_null(taken[i]);
		assert_false(seen[session_index(sessions, taken[i])]);
		seen[session_index(sessions, taken[i])] = true;
	}
	assert_null(session_new(sessions));
	for (uint32_t i = 0; i < n; i++)
		session_cancel(sessions, taken[i]);
}

static void independent(struct pool_config *pool)
{
	pool->other_protocols = true;
}

static void address_dependent(struct pool_config *pool)
{
	pool->mapping = pool->filtering = ADDRESS_DEPENDENT;
	pool->other_protocols = true;
}

static void overloaded(struct pool_config *pool)
{
	pool->mapping = pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
	pool->port_overloading = true;
	pool->max_ports = 4; /* fewer than the flows that random() makes */
	pool->other_protocols = true;
}

/* Whatever the mappings depend on: keys stay what they are while records change hands, and in the
 * end nothing is left. */
static void records_change_hands(void **state)
{
	static void (*const pools[])(struct pool_config *) = {independent, address_dependent,
							      open_to_all, overloaded};

	srandom(31);
	for (uint32_t i = 0; i < RTE_DIM(pools); i++) {
		flow_start(&(struct flow_setup){
			.set_pool = pools[i], .block_size = 64, .max_blocks = 1});
		live_at_random();
		all_records_are_free();
		if (i + 1 < RTE_DIM(pools)) /* of the last, cmocka does so */
			flow_teardown(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(a_spare_record_is_taken_again),
		FLOW_TEST(mappings_alone_take_records),
		FLOW_TEST(two_mappings_one_remote),
		FLOW_TEST(records_change_hands),
	};

	return FLOW_RUN(tests);
}
