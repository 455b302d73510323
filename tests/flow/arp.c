/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <rte_arp.h>

#include "flow.h"
#include "route.h"

#define SILENT "198.51.100.200" /* a host beside weir that answers no ARP at first */
#define WEIR   "02:00:00:00:00:0b"

static const struct frame_spec query = {
	.src = S1, .dst = SILENT, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 20};
static const struct frame_spec request = {.src_mac = WEIR,
					  .dst_mac = "ff:ff:ff:ff:ff:ff",
					  .src = WEIR_OUTSIDE,
					  .dst = SILENT,
					  .arp = RTE_ARP_OP_REQUEST};

static void expect_waiting(uint64_t n)
{
	assert_int_equal(flow_count(held), n);
	flow_expect_verdicts(VERDICT_TRANSLATED, 0);
}

/* The first packet to an unknown neighbour waits, and is sent when the neighbour answers. */
static void the_first_packet_is_not_lost(void **state)
{
	struct endpoint public;
	struct frame_spec out;
	struct rte_mbuf *frame;

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_send(INSIDE, &query);
	expect_waiting(1);
	frame_expect(flow_receive(OUTSIDE), &request);
	flow_expect_silence();
	flow_arp_reply(OUTSIDE, SILENT);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	assert_non_null(frame);
	public = flow_source(frame);
	out = flow_public(&query, &public);
	out.ttl = 63;
	out.dst_mac = "02:00:00:00:01:00";
	out.src_mac = WEIR;
	frame_expect(frame, &out);
	flow_expect_silence();
	flow_pass(INSIDE, &query, VERDICT_TRANSLATED, OUTSIDE, &out); /* by the same session */
	assert_int_equal(flow_sessions(), 1);
}

/* Packets wait in their order, and one request is sent a second. */
static void packets_wait_in_order(void **state)
{
	struct frame_spec packet = query;

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (packet.length = 20; packet.length < 30; packet.length++)
		flow_queue(INSIDE, &packet);
	flow_turn();
	expect_waiting(10);
	frame_expect(flow_receive(OUTSIDE), &request);
	flow_expect_silence();
	flow_advance_ms(999);
	flow_expect_silence();
	flow_advance_ms(1);
	frame_expect(flow_receive(OUTSIDE), &request);
	flow_expect_silence();
	flow_arp_reply(OUTSIDE, SILENT);
	flow_expect_verdicts(VERDICT_TRANSLATED, 10);
	for (uint32_t length = 20; length < 30; length++)
		assert_int_equal(rte_pktmbuf_pkt_len(flow_receive(OUTSIDE)), 14 + 28 + length);
}

/* Nobody answers three requests: the sender is told (RFC 1122 2.3.2.2), with its packet as it sent
 * it, and no session or port is kept. */
static void nobody_answers(void **state)
{
	struct frame_spec error = {.src = WEIR_INSIDE,
				   .dst = S1,
				   .proto = IPPROTO_ICMP,
				   .tos = 0xc0,
				   .any_ip_id = true,
				   .type = 3,
				   .code = 1,
				   .quote = &query};

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_send(INSIDE, &query);
	frame_expect(flow_receive(OUTSIDE), &request);
	flow_advance(1);
	frame_expect(flow_receive(OUTSIDE), &request);
	flow_advance(1);
	frame_expect(flow_receive(OUTSIDE), &request);
	flow_expect_silence();
	expect_waiting(1);
	flow_advance(1);
	flow_expect_verdict(VERDICT_NO_NEIGHBOUR);
	frame_expect(flow_receive(INSIDE), &error);
	flow_expect_silence();
	flow_expect_nothing_kept();
	assert_int_equal(flow_blocks(), 0);
}

/* So many packets wait for a neighbour; more are dropped silently. */
static void the_queue_is_bounded(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	for (int i = 0; i < HOLD_PER_NEIGHBOUR; i++)
		flow_queue(INSIDE, &query);
	flow_turn();
	expect_waiting(HOLD_PER_NEIGHBOUR);
	flow_receive(OUTSIDE);
	flow_drop(INSIDE, &query, VERDICT_HOLD_FULL);
	flow_arp_reply(OUTSIDE, SILENT);
	assert_int_equal(flow_count(verdict[VERDICT_TRANSLATED]), HOLD_PER_NEIGHBOUR);
}

/* A reply to an unknown subscriber waits too, translated only when it leaves. */
static void replies_wait_for_a_subscriber(void **state)
{
	struct frame_spec sent = query, in, out;
	struct endpoint public;

	(void)state;
	sent.src = "100.64.255.7"; /* silent */
	sent.dst = B1;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&sent);
	in = flow_reply(&sent, &public);
	flow_send(OUTSIDE, &in);
	expect_waiting(1);
	flow_receive(INSIDE);
	flow_arp_reply(INSIDE, "100.64.255.7");
	flow_expect_verdict(VERDICT_TRANSLATED);
	out = flow_answer(&sent);
	out = flow_hop(&out);
	frame_expect(flow_receive(INSIDE), &out);
	flow_expect_silence();
}

/* Weir answers for its own address and, on the outside, for those of its pools. */
static void weir_answers_arp(void **state)
{
	struct frame_spec ask = {.src_mac = "02:00:00:00:00:77",
				 .dst_mac = "ff:ff:ff:ff:ff:ff",
				 .src = "198.51.100.9",
				 .dst = WEIR_OUTSIDE,
				 .arp = RTE_ARP_OP_REQUEST};
	struct frame_spec told = {.src_mac = WEIR,
				  .dst_mac = "02:00:00:00:00:77",
				  .arp_target_mac = "02:00:00:00:00:77",
				  .src = WEIR_OUTSIDE,
				  .dst = "198.51.100.9",
				  .arp = RTE_ARP_OP_REPLY};

	(void)state;
	flow_start(&(struct flow_setup){.pool = "198.51.100.77"});
	flow_pass(OUTSIDE, &ask, VERDICT_ARP, OUTSIDE, &told);
	ask.dst = told.src = "198.51.100.77";
	flow_pass(OUTSIDE, &ask, VERDICT_ARP, OUTSIDE, &told);
	ask.dst = "198.51.100.10";
	flow_drop(OUTSIDE, &ask, VERDICT_ARP);
	ask.src = "127.0.0.1";
	flow_drop(OUTSIDE, &ask, VERDICT_BAD_ARP);
}

/* A neighbour that is used stays known; its MAC is asked for again and again meanwhile. */
static void a_long_session_keeps_its_neighbours(void **state)
{
	struct frame_spec sent = query, out;
	struct endpoint public;

	(void)state;
	sent.dst = B1;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&sent);
	out = flow_public(&sent, &public);
	out = flow_hop(&out);
	for (int i = 0; i < 40; i++) {
		flow_advance(7);
		flow_pass(INSIDE, &sent, VERDICT_TRANSLATED, OUTSIDE, &out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(the_first_packet_is_not_lost),
		FLOW_TEST(packets_wait_in_order),
		FLOW_TEST(nobody_answers),
		FLOW_TEST(the_queue_is_bounded),
		FLOW_TEST(replies_wait_for_a_subscriber),
		FLOW_TEST(weir_answers_arp),
		FLOW_TEST(a_long_session_keeps_its_neighbours),
	};

	return FLOW_RUN(tests);
}
