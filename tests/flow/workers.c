/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

/*
 * Two workers, and ports that give a packet to either: whatever arrives at the wrong one is treated
 * as at the right one.
 */

/* A query of a subscriber whose home is the worker. */
static struct frame_spec query_of(uint32_t home, uint8_t proto)
{
	return (struct frame_spec){.src = flow_subscriber_of(home),
				   .dst = B1,
				   .proto = proto,
				   .sport = 4000,
				   .dport = 53,
				   .type = 8,
				   .ident = 12,
				   .tcp_flags = RTE_TCP_SYN_FLAG,
				   .length = 20};
}

static void expect_reply(const struct frame_spec *sent, const struct endpoint *public)
{
	struct frame_spec in = flow_reply(sent, public), out = flow_answer(sent);

	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

/* A first packet goes to its home, which makes the session; what follows is translated wherever it
 * arrives. */
static void only_first_packets_are_handed_over(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	for (uint32_t i = 0; i < 2 * RTE_DIM(protocols); i++) {
		uint32_t home = i % 2;
		struct frame_spec sent = query_of(home, protocols[i / 2]), out;
		struct endpoint public;
		uint64_t before;

		flow_deliver_to(!home);
		before = flow_count(handed_over);
		public = flow_open(&sent);
		assert_int_equal(flow_count(handed_over), before + 1);
		assert_int_equal(flow_session(&sent)->home, home);
		out = flow_public(&sent, &public);
		out = flow_hop(&out);
		for (uint32_t worker = 0; worker < 2; worker++) {
			flow_deliver_to(worker);
			sent.tcp_flags = RTE_TCP_ACK_FLAG | RTE_TCP_SYN_FLAG;
			expect_reply(&sent, &public);
			sent.tcp_flags = out.tcp_flags = RTE_TCP_ACK_FLAG;
			flow_pass(INSIDE, &sent, VERDICT_TRANSLATED, OUTSIDE, &out);
		}
		assert_int_equal(flow_count(handed_over), before + 1);
		assert_int_equal(flow_count(taken_over), before + 1);
	}
	assert_int_equal(flow_sessions(), 6);
}

/* At its home a first packet needs no hand-over. */
static void first_packets_at_home(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	for (uint32_t home = 0; home < 2; home++) {
		struct frame_spec sent = query_of(home, IPPROTO_UDP);

		flow_deliver_to(home);
		flow_open(&sent);
	}
	assert_int_equal(flow_count(handed_over), 0);
}

/* A first packet from the outside to a mapping goes to the mapping's home. */
static void first_packets_from_the_outside(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	for (uint32_t home = 0; home < 2; home++) {
		struct frame_spec sent = query_of(home, IPPROTO_UDP), in, out;
		struct endpoint public;
		uint64_t before;

		flow_deliver_to(home);
		public = flow_open(&sent);
		before = flow_count(handed_over);
		in = flow_reply(&sent, &public);
		in.src = B2;
		out = flow_answer(&sent);
		out.src = B2;
		out = flow_hop(&out);
		flow_deliver_to(!home);
		flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
		assert_int_equal(flow_count(handed_over), before + 1);
		flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
		assert_int_equal(flow_count(handed_over), before + 1);
	}
}

/* ICMP errors are translated wherever they arrive, and never handed over. */
static void icmp_errors(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	for (uint32_t i = 0; i < 4; i++) {
		struct frame_spec sent = query_of(i % 2, IPPROTO_UDP), public_quote, error, out;
		struct endpoint public;

		sent.sport = (uint16_t)(sent.sport + i);
		flow_deliver_to(i % 2);
		public = flow_open(&sent);
		public_quote = flow_public(&sent, &public);
		error = (struct frame_spec){.src = TRANSIT,
					    .dst = public.address,
					    .proto = IPPROTO_ICMP,
					    .type = 11,
					    .quote = &public_quote,
					    .quote_length = 28};
		out = error;
		out.dst = sent.src;
		out.quote = &sent;
		out = flow_hop(&out);
		flow_deliver_to(i / 2);
		flow_pass(OUTSIDE, &error, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
	}
	assert_int_equal(flow_count(handed_over), 0);
}

/* What nobody asked for is refused where it arrives: an outsider's flood loads no other worker. */
static void unsolicited_packets_are_not_handed_over(void **state)
{
	struct frame_spec probe = {.src = B1,
				   .dst = POOL,
				   .proto = IPPROTO_UDP,
				   .sport = 1,
				   .dport = 2000,
				   .length = 5};

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	for (uint32_t worker = 0; worker < 2; worker++) {
		flow_deliver_to(worker);
		flow_drop(OUTSIDE, &probe, VERDICT_NO_SESSION);
	}
	assert_int_equal(flow_count(handed_over), 0);
}

/* When the home's ring is full, the packet is lost and counted; nothing is left of it. */
static void a_full_ring(void **state)
{
	struct frame_spec sent;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	sent = query_of(1, IPPROTO_UDP);
	flow_limit_handover(0);
	flow_drop(INSIDE, &sent, VERDICT_HANDOVER_FULL);
	flow_expect_nothing_kept();
	flow_limit_handover(1);
	flow_open(&sent);
}

/* A first packet that is refused at home is answered from there, as it came. */
static void refusals_at_home(void **state)
{
	struct frame_spec sent;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2, .max_sessions_per_subscriber = 1});
	sent = query_of(1, IPPROTO_UDP);
	flow_open(&sent);
	sent.sport++;
	flow_refuse(INSIDE, &sent, VERDICT_SESSION_LIMIT, 3, 1);
	sent.ttl = 1;
	flow_refuse(INSIDE, &sent, VERDICT_TTL_EXCEEDED, 11, 0);
}

/* Blocks of one address belong to different homes; a port's home is its block's. */
static void homes_share_an_address(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.workers = 4, .block_size = 64});
	for (uint16_t n = 0; n < 300; n++) {
		struct frame_spec sent = query_of(n % 4, IPPROTO_UDP);
		struct endpoint public;

		sent.sport = (uint16_t)(sent.sport + n);
		flow_deliver_to(n / 4 % 4);
		public = flow_open(&sent);
		flow_deliver_to(n / 16 % 4);
		expect_reply(&sent, &public);
	}
	assert_int_equal(flow_sessions(), 300);
	assert_int_equal(flow_blocks(), 8); /* 75 ports each of 4 subscribers */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(only_first_packets_are_handed_over),
		FLOW_TEST(first_packets_at_home),
		FLOW_TEST(first_packets_from_the_outside),
		FLOW_TEST(icmp_errors),
		FLOW_TEST(unsolicited_packets_are_not_handed_over),
		FLOW_TEST(a_full_ring),
		FLOW_TEST(refusals_at_home),
		FLOW_TEST(homes_share_an_address),
	};

	return FLOW_RUN(tests);
}
