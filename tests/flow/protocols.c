/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"
#include "timeouts.h"

/* Protocols without ports, RFC 6888 REQ-1: translated by address alone. */

static struct frame_spec from(const char *src, uint8_t proto)
{
	return (struct frame_spec){.src = src, .dst = B1, .proto = proto, .length = 60};
}

static void expect_out(const struct frame_spec *in, const struct endpoint *public)
{
	struct frame_spec out = flow_public(in, public);

	out = flow_hop(&out);
	flow_pass(INSIDE, in, VERDICT_TRANSLATED, OUTSIDE, &out);
}

static void expect_reply(const struct frame_spec *sent, const struct endpoint *public)
{
	struct frame_spec in = flow_reply(sent, public), out = flow_answer(sent);

	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

/* Only the IP header changes, both ways, and no port is used. */
static void there_and_back(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_GRE,  IPPROTO_ESP,  IPPROTO_AH, IPPROTO_SCTP,
					    IPPROTO_IPIP, IPPROTO_IPV6, 253};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (uint32_t i = 0; i < RTE_DIM(protocols); i++) {
		struct frame_spec in = from(S1, protocols[i]);
		struct endpoint public = flow_open(&in);

		assert_string_equal(public.address, POOL);
		flow_expect_state(&in, "NEW");
		expect_reply(&in, &public);
		flow_expect_state(&in, "ANSWERED");
		expect_out(&in, &public);
		assert_int_equal(flow_sessions(), i + 1);
	}
	assert_int_equal(flow_ports(), 0);
	assert_int_equal(flow_blocks(), 0);
}

/*
 * UDP-Lite (RFC 3828) and DCCP (RFC 4340 section 9) cover the addresses by their checksum, however
 * little of the payload: it is right on the other side, both ways, and so it is where an ICMP error
 * quotes it.
 */
static void checksums_that_cover_the_addresses(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t coverage;
	} cases[] = {
		{IPPROTO_UDPLITE, 0}, {IPPROTO_UDPLITE, 8}, {IPPROTO_UDPLITE, 21},
		{IPPROTO_DCCP, 0},    {IPPROTO_DCCP, 1},    {IPPROTO_DCCP, 3},
	};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		struct frame_spec in = from(S1, cases[i].protocol), quote, error, out;
		struct endpoint public;

		in.sport = 4000;
		in.dport = 5000;
		in.coverage = cases[i].coverage;
		in.length = 61;
		public = flow_open(&in);
		public.port = in.sport;
		expect_reply(&in, &public);
		expect_out(&in, &public);
		for (uint16_t length = 28; length <= 40; length += 12) {
			quote = flow_public(&in, &public);
			quote.any_ip_id = false;
			error = (struct frame_spec){.src = TRANSIT,
						    .dst = public.address,
						    .proto = IPPROTO_ICMP,
						    .type = 11,
						    .quote = &quote,
						    .quote_length = length};
			out = error;
			out.dst = S1;
			out.quote = &in;
			out = flow_hop(&out);
			flow_pass(OUTSIDE, &error, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
		}
	}
}

/* In fragments the checksum lies in the first alone, and what else stands there is data. */
static void checksums_in_fragments(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_UDPLITE, IPPROTO_DCCP};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (uint32_t i = 0; i < RTE_DIM(protocols); i++) {
		struct frame_spec whole = from(S1, protocols[i]), part;
		struct endpoint public;

		whole.length = 2000;
		whole.sport = 4000;
		part = whole;
		part.fragment_offset = 1000;
		public = flow_open(&part);
		public.port = whole.sport;
		part.fragment_offset = 0;
		for (part.fragment_length = 8; part.fragment_length <= 1000;
		     part.fragment_length += 496) {
			expect_out(&part, &public);
			expect_reply(&part, &public);
		}
		part.fragment_offset = 1000;
		part.fragment_length = 0;
		expect_reply(&part, &public);
	}
}

/* A packet that ends before its checksum. */
static void no_room_for_the_checksum(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_UDPLITE, IPPROTO_DCCP};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (uint32_t i = 0; i < RTE_DIM(protocols); i++) {
		struct frame_spec in = from(S1, IPPROTO_ESP);
		struct rte_mbuf *frame;
		struct rte_ipv4_hdr *ip;

		in.length = 7;
		frame = flow_queue(INSIDE, &in);
		ip = rte_pktmbuf_mtod_offset(frame, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
		ip->next_proto_id = protocols[i];
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		flow_turn();
		flow_expect_verdict(VERDICT_BAD_TRANSPORT);
		flow_expect_silence();
	}
}

/* RFC 6888 REQ-2: pooling is paired: all of a subscriber is on one public address. */
static void the_paired_address(void **state)
{
	struct frame_spec udp = from(S1, IPPROTO_UDP), esp = from(S1, IPPROTO_ESP);
	struct endpoint paired, public;

	(void)state;
	udp.sport = udp.dport = 500;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.8"});
	paired = flow_open(&udp);
	public = flow_open(&esp);
	assert_string_equal(public.address, paired.address);
}

/* One inside host for each public address, remote and protocol; another is told why not, and may
 * as soon as the first is gone. */
static void one_host_for_each_remote_and_protocol(void **state)
{
	struct frame_spec first = from(S1, IPPROTO_ESP), second = from(S2, IPPROTO_ESP), other;

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&first);
	flow_refuse(INSIDE, &second, VERDICT_PROTOCOL_TAKEN, 3, 1);
	assert_int_equal(flow_sessions(), 1);
	assert_int_equal(flow_mappings(), 1);
	other = second;
	other.dst = B2;
	flow_open(&other);
	other = second;
	other.proto = IPPROTO_GRE;
	flow_open(&other);
	other = first;
	other.dst = B2;
	flow_refuse(INSIDE, &other, VERDICT_PROTOCOL_TAKEN, 3, 1);
	flow_advance(601);
	flow_open(&second);
	flow_refuse(INSIDE, &first, VERDICT_PROTOCOL_TAKEN, 3, 1);
}

/* What nobody asked for is refused silently, from any remote, and leaves nothing. */
static void unsolicited(void **state)
{
	struct frame_spec in = from(S1, IPPROTO_GRE), stray;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	stray = (struct frame_spec){.src = B1, .dst = POOL, .proto = IPPROTO_GRE, .length = 60};
	flow_drop(OUTSIDE, &stray, VERDICT_NO_SESSION);
	flow_expect_nothing_kept();
	public = flow_open(&in);
	stray.src = B2;
	flow_drop(OUTSIDE, &stray, VERDICT_NO_SESSION);
	stray.src = B1;
	stray.proto = IPPROTO_ESP;
	flow_drop(OUTSIDE, &stray, VERDICT_NO_SESSION);
	assert_int_equal(flow_sessions(), 1);
	expect_reply(&in, &public);
}

/* A session of these lives 600 s without a packet. */
static void lives_600_seconds(void **state)
{
	struct frame_spec in = from(S1, IPPROTO_SCTP);
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&in);
	flow_advance(600);
	expect_reply(&in, &public);
	flow_advance(600);
	flow_expect_state(&in, "ANSWERED");
	flow_advance(1);
	flow_expect_state(&in, "none");
}

static void no_other_protocols(struct pool_config *pool)
{
	pool->other_protocols = false;
}

/* The pool's other-protocols: no. */
static void switched_off(void **state)
{
	struct frame_spec in = from(S1, IPPROTO_GRE);

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = no_other_protocols});
	flow_drop(INSIDE, &in, VERDICT_UNKNOWN_PROTOCOL);
	flow_expect_nothing_kept();
}

/* RFC 5508 REQ-4, REQ-5: errors about them are translated too, both ways, also with 8 quoted bytes.
 */
static void errors(void **state)
{
	struct frame_spec sent = from(S1, IPPROTO_ESP), seen, in, out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&sent);
	seen = flow_public(&sent, &public);
	for (uint16_t length = 28; length <= 80; length += 52) {
		in = (struct frame_spec){.src = TRANSIT,
					 .dst = public.address,
					 .proto = IPPROTO_ICMP,
					 .type = 3,
					 .code = 4,
					 .mtu = 1400,
					 .quote = &seen,
					 .quote_length = length};
		out = in;
		out.dst = S1;
		out.quote = &sent;
		out = flow_hop(&out);
		flow_pass(OUTSIDE, &in, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
	}
	sent = flow_answer(&sent);
	seen = flow_answer(&seen);
	in = (struct frame_spec){.src = S1,
				 .dst = B1,
				 .proto = IPPROTO_ICMP,
				 .type = 3,
				 .code = 2,
				 .quote = &sent,
				 .quote_length = 28};
	out = in;
	out.src = public.address;
	out.any_ip_id = true;
	out.quote = &seen;
	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_ERROR_TRANSLATED, OUTSIDE, &out);
}

/* Fragments need no port: each goes by itself, in any order, both ways. */
static void fragments(void **state)
{
	struct frame_spec whole = from(S1, IPPROTO_ESP), part;
	struct endpoint public;

	(void)state;
	whole.length = 2000;
	flow_start(&(struct flow_setup){0});
	part = whole;
	part.fragment_offset = 1000;
	public = flow_open(&part);
	part.fragment_offset = 0;
	part.fragment_length = 1000;
	expect_out(&part, &public);
	expect_reply(&part, &public);
	assert_int_equal(flow_sessions(), 1);
}

/* To an address of a pool that nobody has it from: it must not leave for the outside. */
static void to_our_own_pool(void **state)
{
	struct frame_spec in = from(S1, IPPROTO_GRE);

	(void)state;
	flow_start(&(struct flow_setup){0});
	in.dst = POOL;
	flow_drop(INSIDE, &in, VERDICT_NO_SESSION);
	flow_expect_nothing_kept();
}

/* RFC 1122 3.2.2.1: weir itself speaks none of them, and says so. */
static void to_weir_itself(void **state)
{
	struct frame_spec in = from(S1, IPPROTO_GRE);

	(void)state;
	flow_start(&(struct flow_setup){0});
	in.dst = WEIR_INSIDE;
	flow_refuse(INSIDE, &in, VERDICT_LOCAL_PROTOCOL, 3, 2);
	flow_expect_nothing_kept();
}

/* Two workers: a packet from the outside finds its session whoever's it is, at whichever worker it
 * arrives; and the rule of one host holds across homes. */
static void two_workers(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	for (uint32_t home = 0; home < 2; home++) {
		struct frame_spec in = from(flow_subscriber_of(home), IPPROTO_GRE);
		struct frame_spec rival = from(flow_subscriber_of(!home), IPPROTO_GRE);
		struct frame_spec quoted, error, out;
		struct endpoint public;

		in.dst = rival.dst = home == 0 ? B1 : B2;
		flow_deliver_to(!home);
		public = flow_open(&in);
		assert_int_equal(flow_session(&in)->home, home);
		quoted = flow_public(&in, &public);
		error = (struct frame_spec){.src = TRANSIT,
					    .dst = public.address,
					    .proto = IPPROTO_ICMP,
					    .type = 11,
					    .quote = &quoted,
					    .quote_length = 28};
		out = error;
		out.dst = in.src;
		out.quote = &in;
		out = flow_hop(&out);
		for (uint32_t worker = 0; worker < 2; worker++) {
			flow_deliver_to(worker);
			expect_reply(&in, &public);
			expect_out(&in, &public);
			flow_refuse(INSIDE, &rival, VERDICT_PROTOCOL_TAKEN, 3, 1);
			flow_pass(OUTSIDE, &error, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
		}
	}
	assert_int_equal(flow_sessions(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(there_and_back),
		FLOW_TEST(checksums_that_cover_the_addresses),
		FLOW_TEST(checksums_in_fragments),
		FLOW_TEST(no_room_for_the_checksum),
		FLOW_TEST(the_paired_address),
		FLOW_TEST(one_host_for_each_remote_and_protocol),
		FLOW_TEST(unsolicited),
		FLOW_TEST(lives_600_seconds),
		FLOW_TEST(switched_off),
		FLOW_TEST(errors),
		FLOW_TEST(fragments),
		FLOW_TEST(to_our_own_pool),
		FLOW_TEST(to_weir_itself),
		FLOW_TEST(two_workers),
	};

	return FLOW_RUN(tests);
}
