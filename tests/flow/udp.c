/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 31};

static void reply_passes(const struct frame_spec *sent, const struct endpoint *public)
{
	struct frame_spec in = flow_reply(sent, public), out = flow_answer(sent);

	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

/* The session is there after so many seconds without a packet, and a second later it is not. */
static void expect_lifetime(uint32_t seconds)
{
	flow_advance(seconds);
	assert_int_equal(flow_sessions(), 1);
	flow_advance(1);
	assert_int_equal(flow_sessions(), 0);
}

/* RFC 4787 REQ-1: a query and its answer pass, translated both ways. */
static void a_query_and_its_answer(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	assert_string_equal(public.address, POOL);
	assert_in_range(public.port, 1024, 65535);
	reply_passes(&query, &public);
	reply_passes(&query, &public);
}

/* RFC 768: a checksum of 0 says that there is none, and stays 0. */
static void a_missing_checksum_stays_missing(void **state)
{
	struct frame_spec bare = query;
	struct endpoint public;

	(void)state;
	bare.no_checksum = true;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&bare);
	reply_passes(&bare, &public);
}

/* The checksum is held right by deltas, whatever the length, and a wrong one stays wrong: the
 * receiver shall notice. */
static void checksums_of_all_lengths(void **state)
{
	struct frame_spec sent = query;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	for (uint16_t length = 0; length < 70; length++) {
		struct frame_spec out;

		sent.length = length;
		sent.bad_checksum = length % 8 == 7;
		out = flow_public(&sent, &public);
		out = flow_hop(&out);
		if (sent.bad_checksum) {
			flow_send(INSIDE, &sent);
			assert_false(frame_matches(flow_receive(OUTSIDE), &query, NULL));
			continue;
		}
		flow_pass(INSIDE, &sent, VERDICT_TRANSLATED, OUTSIDE, &out);
		reply_passes(&sent, &public);
	}
}

/* Padding of short Ethernet frames is not sent on: on the first packet or later. */
static void padding_is_cut(void **state)
{
	struct frame_spec padded = query, sent = query, out;
	struct endpoint public;

	(void)state;
	padded.length = sent.length = 3;
	padded.padding = 15;
	flow_start(&(struct flow_setup){0});
	flow_send(INSIDE, &padded);
	public = flow_source(flow_receive(OUTSIDE));
	out = flow_public(&sent, &public);
	out = flow_hop(&out);
	flow_pass(INSIDE, &padded, VERDICT_TRANSLATED, OUTSIDE, &out);
}

/* IP options other than source routes pass, and all else is translated behind them. */
static void ip_options_pass(void **state)
{
	static const uint8_t router_alert[] = {148, 4, 0, 0};
	struct frame_spec first = query, out = query;
	struct endpoint public;

	(void)state;
	first.options = router_alert;
	first.options_length = sizeof(router_alert);
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	out = flow_public(&first, &public);
	out = flow_hop(&out);
	flow_pass(INSIDE, &first, VERDICT_TRANSLATED, OUTSIDE, &out);
	reply_passes(&first, &public);
}

/* RFC 4787 REQ-5: 300 s without an answer. */
static void an_unanswered_query_lives_300_seconds(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&query);
	expect_lifetime(300);
}

/* udp-first and udp-stream are told apart by whether packets went both ways. */
static void an_answered_session_has_its_own_timeout(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	timeouts.udp_first = 10;
	timeouts.udp_stream = 100;
	flow_open(&query);
	expect_lifetime(10);
	public = flow_open(&query);
	reply_passes(&query, &public);
	expect_lifetime(100);
	timeouts.udp_first = timeouts.udp_stream = 300;
}

/* RFC 4787 REQ-6: packets of either direction refresh; the mapping is the same to the end. */
static void packets_refresh(void **state)
{
	struct frame_spec out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	out = flow_public(&query, &public);
	out = flow_hop(&out);
	for (int i = 0; i < 3; i++) {
		flow_advance(300);
		flow_pass(INSIDE, &query, VERDICT_TRANSLATED, OUTSIDE, &out);
		flow_advance(300);
		reply_passes(&query, &public);
	}
	expect_lifetime(300);
}

/* RFC 6888 REQ-8: a block without ports stays with its subscriber a while, then is released, rests
 * 120 s, and only then is anybody's. */
static void a_released_block_rests_120_seconds(void **state)
{
	struct frame_spec other = query;

	(void)state;
	other.src = S2;
	/* one address with one block */
	flow_start(&(struct flow_setup){.ports_first = 1024, .ports_last = 1087, .block_size = 64});
	flow_open(&query);
	flow_advance(301);
	assert_int_equal(flow_ports(), 0);
	flow_advance(29);
	assert_int_equal(flow_blocks(), 1);
	flow_advance(1);
	assert_int_equal(flow_blocks(), 0);
	flow_advance(119);
	flow_refuse(INSIDE, &other, VERDICT_NO_ADDRESS, 3, 1);
	flow_advance(1);
	flow_open(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(a_query_and_its_answer),
		FLOW_TEST(a_missing_checksum_stays_missing),
		FLOW_TEST(checksums_of_all_lengths),
		FLOW_TEST(padding_is_cut),
		FLOW_TEST(ip_options_pass),
		FLOW_TEST(an_unanswered_query_lives_300_seconds),
		FLOW_TEST(an_answered_session_has_its_own_timeout),
		FLOW_TEST(packets_refresh),
		FLOW_TEST(a_released_block_rests_120_seconds),
	};

	return FLOW_RUN(tests);
}
