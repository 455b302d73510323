/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_memory.h>

#include "eal.h"
#include "rcu.h"
#include "session.h"

#define CAPACITY 200
#define START    1000u
#define READER   0 /* the RCU reader that the test is */

static struct sessions *sessions;
static struct reclaim *reclaim;
static uint32_t ended_n;
static const struct session *ended_last;

static void foresee_end(void *context, const struct session *session, uint32_t round)
{
	(void)context;
	(void)round;
	(void)session;
}

static void ended(void *context, struct session *session)
{
	assert_ptr_equal(context, &ended_n);
	ended_n++;
	ended_last = session;
}

static int create(void **state)
{
	(void)state;
	ended_n = 0;
	reclaim = reclaim_create(SOCKET_ID_ANY);
	sessions = sessions_create(&(struct sessions_config){
		.capacity = CAPACITY,
		.home = 3,
		.socket = SOCKET_ID_ANY,
		.reclaim = reclaim,
		.ended = ended,
		.foresee_end = foresee_end,
		.context = &ended_n,
	});
	if (reclaim == NULL || sessions == NULL)
		return -1;
	sessions_expire(sessions, START);
	rte_rcu_qsbr_thread_register(rcu, READER);
	rte_rcu_qsbr_thread_online(rcu, READER);
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	rte_rcu_qsbr_thread_offline(rcu, READER);
	rte_rcu_qsbr_thread_unregister(rcu, READER);
	reclaim_destroy(reclaim);
	sessions_destroy(sessions);
	return 0;
}

/* A grace period begins and ends. */
static void grace(void)
{
	reclaim_start(reclaim);
	rte_rcu_qsbr_quiescent(rcu, READER);
	reclaim_poll(reclaim);
}

/* Session number i as a first packet would make it, not published. */
static struct session *new_session(uint32_t i, uint8_t proto)
{
	struct session *session = session_new(sessions);

	if (session == NULL)
		return NULL;
	session->tuple[0] = (struct tuple){
		.src = i, .dst = 1, .sport = 2, .dport = 3, .proto_realm = proto_realm(proto, 1)};
	session->tuple[1] = tuple_inverse(&session->tuple[0], REALM_OUTSIDE);
	session->tuple[1].dst = 9;
	session->tuple[1].dport = (rte_be16_t)i;
	return session;
}

static struct session *publish(uint32_t i, uint8_t proto, uint32_t now)
{
	struct session *session = new_session(i, proto);

	assert_non_null(session);
	session->seen[0] = now;
	assert_int_equal(session_publish(sessions, session, now), 0);
	return session;
}

static struct session *find(const struct tuple *tuple, uint8_t *direction)
{
	return session_find(sessions, tuple, tuple_hash(tuple), direction);
}

static bool is_found(uint32_t i, uint8_t proto)
{
	struct tuple key = {
		.src = i, .dst = 1, .sport = 2, .dport = 3, .proto_realm = proto_realm(proto, 1)};
	uint8_t direction;

	return find(&key, &direction) != NULL;
}

/* A session is found under both tuples, each with its direction, once published and until ended. */
static void published_under_both_tuples(void **state)
{
	struct session *session = new_session(1, IPPROTO_UDP);
	struct tuple tuple[2] = {session->tuple[0], session->tuple[1]};
	uint8_t direction;

	(void)state;
	assert_int_equal(session->home, 3);
	assert_null(find(&tuple[0], &direction));
	assert_int_equal(session_publish(sessions, session, START), 0);
	for (uint8_t d = 0; d < 2; d++) {
		assert_ptr_equal(find(&tuple[d], &direction), session);
		assert_int_equal(direction, d);
	}
	assert_int_equal(sessions_count(sessions), 1);
	session_end(sessions, session);
	assert_int_equal(ended_n, 1);
	assert_ptr_equal(ended_last, session);
	assert_null(find(&tuple[0], &direction));
	assert_null(find(&tuple[1], &direction));
	assert_int_equal(sessions_count(sessions), 0);
}

/* What a packet becomes is the inverse of the other tuple, the deltas of the way back negated. */
static void rewrites(void **state)
{
	struct session *session = new_session(1, IPPROTO_UDP);
	struct rewrite there, back;

	(void)state;
	session->l3_delta = 0x1234;
	session->l4_delta = 0xabcd;
	there = session_rewrite(session, 0);
	assert_int_equal(there.src, session->tuple[1].dst);
	assert_int_equal(there.sport, session->tuple[1].dport);
	assert_int_equal(there.dst, session->tuple[1].src);
	assert_int_equal(there.l3_delta, 0x1234);
	back = session_rewrite(session, 1);
	assert_int_equal(back.dst, session->tuple[0].src);
	assert_int_equal(back.dport, session->tuple[0].sport);
	assert_int_equal(back.l3_delta, (uint16_t)~0x1234);
	assert_int_equal(back.l4_delta, (uint16_t)~0xabcd);
}

static void let_the_wheel_turn(uint32_t from)
{
	for (uint32_t now = from; now <= from + 40; now++)
		for (int i = 0; i < 10; i++)
			sessions_expire(sessions, now);
}

/* Memory of an ended session is nobody's until readers have gone and the wheel has let go. */
static void memory_waits_for_readers(void **state)
{
	struct session *session = publish(0, IPPROTO_UDP, START);

	(void)state;
	for (uint32_t i = 1; i < CAPACITY; i++)
		publish(i, IPPROTO_UDP, START);
	assert_null(session_new(sessions));
	session_end(sessions, session);
	reclaim_start(reclaim);
	reclaim_poll(reclaim);
	assert_int_equal(reclaim_count(reclaim), 1); /* the reader has not reported */
	grace();
	assert_int_equal(reclaim_count(reclaim), 0);
	assert_null(session_new(sessions)); /* the wheel has it */
	let_the_wheel_turn(START);
	assert_ptr_equal(session_new(sessions), session);
}

/* A record whose room is taken is nobody else's, and its owner's again for a session once readers
 * and the wheel have let go of the last; it goes with whatever holds it last. */
static void a_room_keeps_the_record(void **state)
{
	struct session *session = new_session(0, IPPROTO_UDP);
	struct tuple tuple[2] = {session->tuple[0], session->tuple[1]};
	uint8_t *room = session_take_room(session);

	(void)state;
	memset(room, 0x5a, SESSION_ROOM);
	assert_true(session_is_spare(session));
	session->owner = room;
	session->flags = SESSION_INBOUND;
	assert_int_equal(session_publish(sessions, session, START), 0);
	session_count(session, 1, 99, START);
	assert_false(session_is_spare(session));
	session_end(sessions, session);
	assert_false(session_is_spare(session)); /* readers have it, and the wheel */
	grace();
	assert_false(session_is_spare(session));
	let_the_wheel_turn(START);
	assert_true(session_is_spare(session));
	for (uint32_t i = 1; i < CAPACITY; i++)
		assert_ptr_not_equal(session_new(sessions), session);
	assert_null(session_new(sessions));
	session_cancel(sessions, session); /* as one that could not be published */
	assert_null(session_new(sessions));

	session_renew(session);
	assert_memory_equal(session->tuple, tuple, sizeof(tuple));
	assert_null(session->owner);
	assert_int_equal(session->flags, 0);
	assert_int_equal(session->packets[1] + session->bytes[1] + session->seen[1], 0);
	assert_int_equal(session->home, 3);
	for (uint32_t i = 0; i < SESSION_ROOM; i++)
		assert_int_equal(room[i], 0x5a);
	assert_int_equal(session_publish(sessions, session, START), 0);
	session_leave_room(sessions, session);
	assert_true(is_found(0, IPPROTO_UDP));
	assert_null(session_new(sessions));
	session_end(sessions, session);
	grace();
	let_the_wheel_turn(START + 41);
	assert_ptr_equal(session_new(sessions), session);
	assert_null(session_new(sessions));
}

/* One that expires leaves the wheel before its readers. */
static void an_expired_record_waits_for_readers(void **state)
{
	struct session *session = new_session(0, IPPROTO_ICMP);

	(void)state;
	session_take_room(session);
	session->seen[0] = START;
	assert_int_equal(session_publish(sessions, session, START), 0);
	for (uint32_t now = START; is_found(0, IPPROTO_ICMP); now++)
		sessions_expire(sessions, now);
	assert_false(session_is_spare(session));
	grace();
	assert_true(session_is_spare(session));
}

/* A session ends when its time without a packet is over, not a second before. */
static void expiry_to_the_second(void **state)
{
	static const struct {
		uint8_t proto, tcp_state;
		bool answered;
		uint32_t seconds;
	} rows[] = {
		{IPPROTO_ICMP, 0, false, 60},
		{IPPROTO_UDP, 0, false, 300},
		{IPPROTO_UDP, 0, true, 300},
		{IPPROTO_TCP, TCP_SYN_SENT, false, 240},
		{IPPROTO_TCP, TCP_SYN_SENT2, true, 240},
		{IPPROTO_TCP, TCP_SYN_RECV, true, 240},
		{IPPROTO_TCP, TCP_ESTABLISHED, true, 7440},
		{IPPROTO_TCP, TCP_FIN_WAIT, true, 240},
		{IPPROTO_TCP, TCP_CLOSE_WAIT, true, 240},
		{IPPROTO_TCP, TCP_LAST_ACK, true, 240},
		{IPPROTO_TCP, TCP_TIME_WAIT, true, 240},
		{IPPROTO_TCP, TCP_CLOSE, true, 240},
	};
	uint32_t now = START;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct session *session = publish(i, rows[i].proto, now);
		uint32_t end = now + rows[i].seconds;

		session->tcp_state = rows[i].tcp_state;
		session->packets[0] = 1;
		session->packets[1] = rows[i].answered;
		assert_int_equal(session_timeout(session), rows[i].seconds);
		for (; now <= end; now++)
			sessions_expire(sessions, now);
		assert_true(is_found(i, rows[i].proto));
		sessions_expire(sessions, now);
		assert_false(is_found(i, rows[i].proto));
		grace();
	}
}

/* A packet only stamps its session, and the session lives from there; the clock of another worker
 * may be a little ahead. */
static void a_stamp_is_enough(void **state)
{
	struct session *session = publish(1, IPPROTO_ICMP, START);
	uint32_t now = START;

	(void)state;
	for (; now < START + 50; now++)
		sessions_expire(sessions, now);
	session_count(session, 1, 100, now + 1);
	assert_int_equal(session_idle(session, now), 0);
	assert_int_equal(session->packets[1], 1);
	assert_int_equal(session->bytes[1], 100);
	for (; now <= START + 111; now++)
		sessions_expire(sessions, now);
	assert_true(is_found(1, IPPROTO_ICMP));
	sessions_expire(sessions, START + 112);
	assert_false(is_found(1, IPPROTO_ICMP));
}

/* The home of a session follows its TCP state by compare-and-swap; an inbound session's opener is
 * outside. */
static void tcp_sides(void **state)
{
	struct session *session = new_session(1, IPPROTO_TCP);

	(void)state;
	assert_false(session_track_tcp(session, 1, TCP_EVENT_SYN));
	assert_int_equal(session->tcp_state, TCP_NONE);
	session->flags = SESSION_INBOUND;
	assert_true(session_track_tcp(session, 1, TCP_EVENT_SYN));
	assert_true(session_track_tcp(session, 0, TCP_EVENT_SYNACK));
	assert_true(session_track_tcp(session, 1, TCP_EVENT_ACK));
	assert_string_equal(session_state_name(session), "ESTABLISHED");
}

/* sessions_at() walks what is published, and only that. */
static void walking(void **state)
{
	struct session *session = publish(1, IPPROTO_UDP, START);
	uint32_t n = 0;

	(void)state;
	publish(2, IPPROTO_UDP, START);
	new_session(3, IPPROTO_UDP);
	session_end(sessions, session);
	for (uint32_t i = 0; i < sessions_capacity(sessions) + 5; i++)
		n += sessions_at(sessions, i) != NULL;
	assert_int_equal(n, 1);
}

/* At random against an array with a second for each: none is early, late, lost, or there twice; at
 * the end all memory is free again. */
static void against_a_model(void **state)
{
	static struct {
		struct session *session; /* NULL: none */
		uint32_t seen;
	} model[2 * CAPACITY];
	uint32_t count = 0, most = 0;

	(void)state;
	memset(model, 0, sizeof(model));
	srandom(9);
	for (uint32_t now = START; now < START + 3000; now++) {
		for (int i = 0; i < 20; i++)
			sessions_expire(sessions, now);
		for (uint32_t i = 0; i < RTE_DIM(model); i++) {
			if (model[i].session != NULL && now - model[i].seen > 60) {
				model[i].session = NULL;
				count--;
			}
			assert_int_equal(is_found(i, IPPROTO_ICMP), model[i].session != NULL);
		}
		assert_int_equal(sessions_count(sessions), count);
		for (int op = 0; op < 6; op++) {
			uint32_t i = (uint32_t)random() % RTE_DIM(model);
			struct session *session = model[i].session;

			if (session != NULL && random() % 4 == 0) {
				session_end(sessions, session);
				model[i].session = NULL;
				count--;
			} else if (session != NULL) {
				session_count(session, random() % 2, 60, now);
				model[i].seen = now;
			} else if ((session = new_session(i, IPPROTO_ICMP)) != NULL) {
				session->seen[0] = now;
				assert_int_equal(session_publish(sessions, session, now), 0);
				model[i].session = session;
				model[i].seen = now;
				count++;
			}
		}
		most = RTE_MAX(most, count);
		grace();
	}
	assert_true(most > CAPACITY / 2);
	for (uint32_t now = START + 3000; now < START + 3100; now++) {
		for (int i = 0; i < 20; i++)
			sessions_expire(sessions, now);
		grace();
	}
	assert_int_equal(sessions_count(sessions), 0);
	for (uint32_t i = 0; i < CAPACITY; i++)
		assert_non_null(session_new(sessions));
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(published_under_both_tuples),
		TEST(rewrites),
		TEST(memory_waits_for_readers),
		TEST(a_room_keeps_the_record),
		TEST(an_expired_record_waits_for_readers),
		TEST(expiry_to_the_second),
		TEST(a_stamp_is_enough),
		TEST(tcp_sides),
		TEST(walking),
		TEST(against_a_model),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
