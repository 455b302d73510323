/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "rules.h"
#include "statics.h"

/*
 * Two inside realms with the same addresses: behind INSIDE is realm 1, behind INSIDE2 realm 2, and
 * a subscriber of the one is never taken for that of the other.
 */
static const struct flow_setup same_addresses = {.inside2 = WEIR_INSIDE};

static const enum flow_port inside[] = {INSIDE, INSIDE2};

static struct frame_spec query(uint8_t proto)
{
	return (struct frame_spec){.src = S1,
				   .dst = B1,
				   .proto = proto,
				   .sport = 4000,
				   .dport = 53,
				   .type = 8,
				   .ident = 12,
				   .df = true,
				   .tcp_flags = RTE_TCP_SYN_FLAG,
				   .length = 40};
}

/* The first packet of a session of a realm; what its public endpoint is. */
static struct endpoint open_in(enum flow_port port, const struct frame_spec *in)
{
	struct frame_spec out;
	struct endpoint source;
	struct rte_mbuf *frame;

	flow_send(port, in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	assert_non_null(frame);
	source = flow_source(frame);
	out = flow_public(in, &source);
	out = flow_hop(&out);
	frame_expect(frame, &out);
	flow_expect_silence();
	return source;
}

static void expect_reply(enum flow_port port, const struct frame_spec *sent,
			 const struct endpoint *public)
{
	struct frame_spec in = flow_reply(sent, public), out = flow_answer(sent);

	in.tcp_flags = out.tcp_flags |= RTE_TCP_ACK_FLAG;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, port, &out);
}

/* RFC 4787 REQ-1 for each of two subscribers with one address and port: each has a mapping of its
 * own, and its answers. */
static void two_subscribers_of_one_address(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};

	(void)state;
	for (uint32_t workers = 1; workers <= 2; workers++) {
		flow_start(&(struct flow_setup){.inside2 = WEIR_INSIDE, .workers = workers});
		for (uint32_t i = 0; i < RTE_DIM(protocols); i++) {
			struct frame_spec sent = query(protocols[i]);
			struct endpoint public[2];

			for (int realm = 0; realm < 2; realm++)
			public[realm] = open_in(inside[realm], &sent);
			assert_int_not_equal(public[0].port, public[1].port);
			for (int n = 0; n < 4; n++) {
				expect_reply(inside[n & 1], &sent, &public[n & 1]);
				flow_deliver_to(n % workers);
			}
		}
		assert_int_equal(flow_subscribers(), 2);
		assert_int_equal(flow_mappings(), 6);
		if (workers < 2)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/* Without ports the two must not have one public address, remote and protocol. */
static void protocols_without_ports(void **state)
{
	struct frame_spec sent = query(IPPROTO_GRE);
	struct endpoint public;

	(void)state;
	flow_start(&same_addresses);
	public = open_in(INSIDE2, &sent);
	expect_reply(INSIDE2, &sent, &public);
	flow_refuse(INSIDE, &sent, VERDICT_PROTOCOL_TAKEN, 3, 1);
	expect_reply(INSIDE2, &sent, &public);
}

/* By their own addresses subscribers reach those of their own realm alone. */
static void own_addresses(void **state)
{
	struct frame_spec in = query(IPPROTO_UDP), out;

	(void)state;
	flow_start(&same_addresses);
	in.dst = S2;
	out = flow_hop(&in);
	for (int realm = 0; realm < 2; realm++)
		flow_pass(inside[realm], &in, VERDICT_ROUTED, inside[realm], &out);
	flow_expect_nothing_kept();
}

/* RFC 4787 REQ-9: by public endpoints those of the other realm, too, even with one's own address.
 */
static void hairpin(void **state)
{
	struct frame_spec served = query(IPPROTO_UDP), in = served, out, answer;
	struct endpoint public, source;
	struct rte_mbuf *frame;

	(void)state;
	flow_start(&same_addresses);
	public = open_in(INSIDE2, &served);
	in.sport = 5000;
	in.dst = public.address;
	in.dport = public.port;
	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_HAIRPINNED);
	frame = flow_receive(INSIDE2);
	assert_non_null(frame);
	source = flow_source(frame);
	out = flow_public(&in, &source);
	out.dst = served.src;
	out.dport = served.sport;
	out = flow_hop(&out);
	frame_expect(frame, &out);

	answer = served;
	answer.dst = source.address;
	answer.dport = source.port;
	out = flow_public(&answer, &public);
	out.dst = in.src;
	out.dport = in.sport;
	out = flow_hop(&out);
	flow_pass(INSIDE2, &answer, VERDICT_HAIRPINNED, INSIDE, &out);
}

/* ICMP errors, weir's own and those that pass, go to the realm that the packet was from. */
static void icmp_errors(void **state)
{
	struct frame_spec sent = query(IPPROTO_UDP), quote, error, out;
	struct endpoint public[2];

	(void)state;
	flow_start(&same_addresses);
	for (int realm = 0; realm < 2; realm++)
	public[realm] = open_in(inside[realm], &sent);
	for (int realm = 0; realm < 2; realm++) {
		quote = flow_public(&sent, &public[realm]);
		error = (struct frame_spec){.src = TRANSIT,
					    .dst = public[realm].address,
					    .proto = IPPROTO_ICMP,
					    .type = 11,
					    .quote = &quote,
					    .quote_length = 28};
		out = error;
		out.dst = S1;
		out.quote = &sent;
		out = flow_hop(&out);
		flow_pass(OUTSIDE, &error, VERDICT_ERROR_TRANSLATED, inside[realm], &out);
	}
	sent.ttl = 1;
	for (int realm = 0; realm < 2; realm++)
		flow_refuse(inside[realm], &sent, VERDICT_TTL_EXCEEDED, 11, 0);
}

/* Weir's own address may be the same in both, and answers in both. */
static void weir_itself(void **state)
{
	struct frame_spec ping = query(IPPROTO_ICMP), out;

	(void)state;
	flow_start(&same_addresses);
	ping.dst = WEIR_INSIDE;
	out = flow_answer(&ping);
	for (int realm = 0; realm < 2; realm++)
		flow_pass(inside[realm], &ping, VERDICT_ECHO_ANSWERED, inside[realm], &out);
}

/* Fragments of datagrams of one address and identification. */
static void fragments(void **state)
{
	struct frame_spec whole = query(IPPROTO_UDP), part, out;
	struct endpoint public[2];

	(void)state;
	flow_start(&same_addresses);
	whole.length = 800;
	whole.ip_id = 7;
	whole.df = false;
	for (int realm = 0; realm < 2; realm++) {
		part = whole;
		part.fragment_length = 400;
		public[realm] = open_in(inside[realm], &part);
	}
	for (int realm = 0; realm < 2; realm++) {
		part = whole;
		part.fragment_offset = 400;
		out = flow_public(&part, &public[realm]);
		out = flow_hop(&out);
		flow_pass(inside[realm], &part, VERDICT_TRANSLATED, OUTSIDE, &out);
	}
}

/* A forwarded port leads to the server of its realm. */
static void static_mappings(void **state)
{
	static char tcp[] = "tcp";
	struct static_config config = {.outside = flow_address(POOL),
				       .outside_port = 443,
				       .protocol = tcp,
				       .inside = flow_address(S1),
				       .realm = 2,
				       .weight = 1};
	struct frame_spec in = {.src = B1,
				.dst = POOL,
				.proto = IPPROTO_TCP,
				.sport = 9,
				.dport = 443,
				.tcp_flags = RTE_TCP_SYN_FLAG},
			  out;

	(void)state;
	flow_start(&same_addresses);
	flow_statics(&config, 1);
	out = in;
	out.dst = S1;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE2, &out);
}

/* A rule may be for a realm. */
static void rules(void **state)
{
	const struct rule_config rule[] = {{.realm = 2, .action = RULE_DENY}, {.realm = 1}};
	struct frame_spec in = query(IPPROTO_UDP);

	(void)state;
	flow_start(&same_addresses);
	flow_rules(rule, RTE_DIM(rule));
	flow_refuse(INSIDE2, &in, VERDICT_DENIED, 3, 13);
	flow_open(&in);
}

/*
 * RFC 4787 REQ-7: the outside has a prefix that realm 1 has inside. For realm 2 its hosts are hosts
 * outside like any, both ways; for realm 1 its own are meant.
 */
static void a_prefix_inside_and_outside(void **state)
{
	struct frame_spec in = query(IPPROTO_UDP), out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.inside2 = "10.9.0.1", .outside_too = "100.64.0.0/16"});
	in.src = "10.9.0.2";
	in.dst = S2;
	public = open_in(INSIDE2, &in);
	expect_reply(INSIDE2, &in, &public);
	out = flow_answer(&in); /* another port of that host: it begins a session */
	out.sport = 1234;
	in = flow_public(&out, &public);
	in.src = S2;
	in.sport = 1234;
	in.any_ip_id = false;
	in.dst = public.address;
	in.dport = public.port;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE2, &out);

	in = query(IPPROTO_UDP);
	in.dst = S2;
	out = flow_hop(&in);
	flow_pass(INSIDE, &in, VERDICT_ROUTED, INSIDE, &out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(two_subscribers_of_one_address),
		FLOW_TEST(protocols_without_ports),
		FLOW_TEST(own_addresses),
		FLOW_TEST(hairpin),
		FLOW_TEST(icmp_errors),
		FLOW_TEST(weir_itself),
		FLOW_TEST(fragments),
		FLOW_TEST(static_mappings),
		FLOW_TEST(rules),
		FLOW_TEST(a_prefix_inside_and_outside),
	};

	return FLOW_RUN(tests);
}
