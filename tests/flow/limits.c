/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

#define BLOCK 64

/* The n-th first packet of a subscriber: a source port of its own. */
static struct frame_spec first_packet(const char *subscriber, uint32_t n)
{
	return (struct frame_spec){.src = subscriber,
				   .dst = B1,
				   .proto = IPPROTO_UDP,
				   .sport = (uint16_t)(3000 + n),
				   .dport = 53,
				   .length = 20};
}

static void open_many(const char *subscriber, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		struct frame_spec spec = first_packet(subscriber, i);

		flow_open(&spec);
	}
}

static void refused(const char *subscriber, uint32_t n, enum verdict verdict)
{
	struct frame_spec spec = first_packet(subscriber, n);

	flow_refuse(INSIDE, &spec, verdict, 3, 1);
}

/* When a block is full, a second one is taken; all ports of both are given out. */
static void a_second_block_when_the_first_is_full(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.block_size = BLOCK});
	open_many(S1, 0, BLOCK);
	assert_int_equal(flow_blocks(), 1);
	open_many(S1, BLOCK, 1);
	assert_int_equal(flow_blocks(), 2);
	open_many(S1, BLOCK + 1, BLOCK - 1);
	assert_int_equal(flow_blocks(), 2);
	assert_int_equal(flow_ports(), 2 * BLOCK);
}

/* RFC 6888 REQ-4, REQ-11: a subscriber with its most blocks is refused and told so; others are not,
 * what it has goes on, and another protocol has its own ports. */
static void a_subscriber_gets_so_many_blocks(void **state)
{
	struct frame_spec icmp = {
		.src = S1, .dst = B1, .proto = IPPROTO_ICMP, .type = 8, .ident = 1, .length = 8};

	(void)state;
	flow_start(&(struct flow_setup){.block_size = BLOCK, .max_blocks = 2});
	open_many(S1, 0, 2 * BLOCK);
	refused(S1, 500, VERDICT_BLOCK_LIMIT);
	assert_int_equal(flow_ports(), 2 * BLOCK);
	open_many(S2, 0, 1);
	open_many(S1, 0, 1);
	flow_open(&icmp);
}

/* RFC 6888 REQ-11: no block is left on a subscriber's address: ICMP 3/1, and nothing of others is
 * touched. RFC 7857 section 4: it does not get a port on another address. */
static void no_port_when_the_address_is_used_up(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){
		.ports_first = 1024, .ports_last = 1024 + 2 * BLOCK - 1, .block_size = BLOCK});
	open_many(S1, 0, BLOCK);
	open_many(S2, 0, BLOCK);
	refused(S1, 500, VERDICT_NO_PORT);
	refused(S2, 500, VERDICT_NO_PORT);
	assert_int_equal(flow_sessions(), 2 * BLOCK);
	open_many(S1, 0, BLOCK);
	open_many(S2, 0, BLOCK);
}

/* A new subscriber is refused when no address has a block. */
static void no_address_when_the_pool_is_used_up(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){
		.ports_first = 1024, .ports_last = 1024 + BLOCK - 1, .block_size = BLOCK});
	open_many(S1, 0, 1);
	refused(S2, 0, VERDICT_NO_ADDRESS);
	assert_int_equal(flow_sessions(), 1);
	assert_int_equal(flow_mappings(), 1);
}

/* RFC 6888 REQ-4: a limit of sessions is one subscriber's alone, and what is refused holds no port;
 * when a session ends there is room again. */
static void a_subscriber_gets_so_many_sessions(void **state)
{
	struct frame_spec again = first_packet(S1, 0);

	(void)state;
	flow_start(&(struct flow_setup){.max_sessions_per_subscriber = 3});
	open_many(S1, 0, 3);
	refused(S1, 3, VERDICT_SESSION_LIMIT);
	assert_int_equal(flow_ports(), 3);
	assert_int_equal(flow_mappings(), 3);
	again.dst = B2; /* a mapping that it has, another remote */
	flow_refuse(INSIDE, &again, VERDICT_SESSION_LIMIT, 3, 1);
	open_many(S2, 0, 3);
	open_many(S1, 0, 3);
	flow_advance(301);
	open_many(S1, 3, 3);
}

/* RFC 6888 REQ-5: sessions that outsiders open count too, and what was there goes on. */
static void outsiders_use_up_no_more_than_the_limit(void **state)
{
	struct frame_spec spec = first_packet(S1, 0), probe;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.max_sessions_per_subscriber = 10});
	public = flow_open(&spec);
	for (uint16_t i = 0; i < 50; i++) {
		probe = flow_reply(&spec, &public);
		probe.sport = (uint16_t)(2000 + i);
		flow_queue(OUTSIDE, &probe);
	}
	flow_turn();
	assert_int_equal(flow_sessions(), 10);
	while (flow_receive(INSIDE) != NULL)
		;
	while (flow_receive(OUTSIDE) != NULL)
		;
	probe = flow_reply(&spec, &public);
	flow_send(OUTSIDE, &probe);
	flow_expect_verdict(VERDICT_TRANSLATED);
}

/* RFC 5382 REQ-4: an outsider is not told, not even of a SYN; a subscriber is. */
static void outsiders_are_not_told(void **state)
{
	struct frame_spec spec = first_packet(S1, 0), probe;
	struct endpoint public;

	(void)state;
	spec.proto = IPPROTO_TCP;
	spec.tcp_flags = RTE_TCP_SYN_FLAG;
	flow_start(&(struct flow_setup){.max_sessions_per_subscriber = 1});
	public = flow_open(&spec);
	probe = flow_reply(&spec, &public);
	probe.src = B2;
	flow_drop(OUTSIDE, &probe, VERDICT_SESSION_LIMIT);
	refused(S1, 1, VERDICT_SESSION_LIMIT);
}

static void outsiders_are_not_told_of_a_full_table(void **state)
{
	struct frame_spec spec = first_packet(S1, 0), probe;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.max_sessions = 16});
	public = flow_open(&spec);
	open_many(S1, 1, 15);
	probe = flow_reply(&spec, &public);
	probe.src = B2;
	flow_drop(OUTSIDE, &probe, VERDICT_TABLE_FULL);
	refused(S1, 16, VERDICT_TABLE_FULL);
}

/* A full table refuses what is new, and ends nothing to make room (RFC 6888 REQ-11 D). */
static void a_full_table_refuses(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.max_sessions = 16});
	open_many(S1, 0, 16);
	refused(S1, 16, VERDICT_TABLE_FULL);
	refused(S2, 0, VERDICT_TABLE_FULL);
	assert_int_equal(flow_sessions(), 16);
	open_many(S1, 0, 16);
	flow_advance(301);
	open_many(S2, 0, 16);
}

/* The same with sessions of one mapping: the table is full, not the ports. */
static void a_full_table_refuses_sessions_of_a_mapping(void **state)
{
	struct frame_spec spec = first_packet(S1, 0);

	(void)state;
	flow_start(&(struct flow_setup){.max_sessions = 16});
	for (spec.dport = 1; spec.dport <= 16; spec.dport++)
		flow_open(&spec);
	flow_refuse(INSIDE, &spec, VERDICT_TABLE_FULL, 3, 1);
	assert_int_equal(flow_ports(), 1);
}

/* More subscribers than there is room for are refused. */
static void a_full_subscriber_table_refuses(void **state)
{
	char address[] = "100.64.3.10";

	(void)state;
	flow_start(&(struct flow_setup){.max_subscribers = 16});
	for (int i = 0; i < 16; i++) {
		address[9] = (char)('0' + i / 10);
		address[10] = (char)('0' + i % 10);
		address[9] = (char)(address[9] + 1);
		open_many(address, 0, 1);
	}
	refused(S1, 0, VERDICT_TABLE_FULL);
	assert_int_equal(flow_blocks(), 16);
}

/* Whom no rule translates is told so, and leaves nothing. */
static void no_rule(void **state)
{
	struct frame_spec spec = first_packet(S2, 0);

	(void)state;
	flow_start(&(struct flow_setup){.subscribers = S1 "/32"});
	flow_refuse(INSIDE, &spec, VERDICT_NO_RULE, 3, 13);
	flow_expect_nothing_kept();
	assert_int_equal(flow_blocks(), 0);
	open_many(S1, 0, 1);
}

/* RFC 1812 4.3.2.8: a flood of refused packets gets a few errors; the others are counted. */
static void errors_are_rate_limited(void **state)
{
	struct frame_spec spec = first_packet(S2, 0);

	(void)state;
	flow_start(&(struct flow_setup){.subscribers = S1 "/32"});
	open_many(S1, 0, 1); /* from here on the gateway is known */
	for (int i = 0; i < 100; i++)
		flow_queue(INSIDE, &spec);
	flow_turn();
	flow_expect_verdicts(VERDICT_NO_RULE, 100);
	assert_int_equal(flow_count(answers[ANSWER_ADMIN_PROHIBITED]),
			 5); /* 50 a second: a burst */
	assert_int_equal(flow_count(answers_limited), 95);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(a_second_block_when_the_first_is_full),
		FLOW_TEST(a_subscriber_gets_so_many_blocks),
		FLOW_TEST(no_port_when_the_address_is_used_up),
		FLOW_TEST(no_address_when_the_pool_is_used_up),
		FLOW_TEST(a_subscriber_gets_so_many_sessions),
		FLOW_TEST(outsiders_use_up_no_more_than_the_limit),
		FLOW_TEST(outsiders_are_not_told),
		FLOW_TEST(outsiders_are_not_told_of_a_full_table),
		FLOW_TEST(a_full_table_refuses),
		FLOW_TEST(a_full_table_refuses_sessions_of_a_mapping),
		FLOW_TEST(a_full_subscriber_table_refuses),
		FLOW_TEST(no_rule),
		FLOW_TEST(errors_are_rate_limited),
	};

	return FLOW_RUN(tests);
}
