/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"

/* S1 serves: its mapping was made by a packet to the outside. S2 is its caller. */
static struct frame_spec of(uint8_t proto, const char *src, uint16_t port, uint8_t tcp_flags)
{
	return (struct frame_spec){.src = src,
				   .dst = B1,
				   .proto = proto,
				   .sport = port,
				   .dport = 53,
				   .tcp_flags = tcp_flags,
				   .length = 33};
}

/* The call from `caller` to S1's public endpoint passes, and comes from the caller's own. */
static struct endpoint call(const struct frame_spec *served, const struct endpoint *public,
			    const struct frame_spec *caller)
{
	struct frame_spec in = *caller, out;
	struct endpoint source;
	struct rte_mbuf *frame;

	in.dst = public->address;
	in.dport = public->port;
	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_HAIRPINNED);
	frame = flow_receive(INSIDE);
	assert_non_null(frame);
	source = flow_source(frame);
	out = flow_public(&in, &source);
	out.dst = served->src;
	out.dport = served->sport;
	out = flow_hop(&out);
	frame_expect(frame, &out);
	flow_expect_silence();
	return source;
}

/* S1 answers to the caller's public endpoint, and the caller sees S1's. */
static void answer_passes(const struct frame_spec *served, const struct endpoint *public,
			  const struct frame_spec *caller, const struct endpoint *source,
			  uint8_t tcp_flags)
{
	struct frame_spec in = *served, out;

	in.tcp_flags = tcp_flags;
	in.dst = source->address;
	in.dport = source->port;
	out = flow_public(&in, public);
	out.dst = caller->src;
	out.dport = caller->sport;
	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_HAIRPINNED, INSIDE, &out);
}

static void udp_between(const char *server, const char *client)
{
	struct frame_spec served = of(IPPROTO_UDP, server, 4000, 0);
	struct frame_spec caller = of(IPPROTO_UDP, client, 5000, 0);
	struct endpoint public = flow_open(&served), source;

	source = call(&served, &public, &caller);
	assert_string_equal(source.address, POOL); /* RFC 4787 REQ-9a: the external source */
	answer_passes(&served, &public, &caller, &source, 0);
	for (int i = 0; i < 3; i++) {
		call(&served, &public, &caller);
		answer_passes(&served, &public, &caller, &source, 0);
	}
	assert_int_equal(flow_sessions(), 3); /* the one outside, and two halves */
	assert_int_equal(flow_mappings(), 2);
}

static void tcp_between(const char *server, const char *client)
{
	const uint8_t ack = RTE_TCP_ACK_FLAG;
	struct frame_spec served = of(IPPROTO_TCP, server, 4000, RTE_TCP_SYN_FLAG);
	struct frame_spec caller = of(IPPROTO_TCP, client, 5000, RTE_TCP_SYN_FLAG);
	struct endpoint public = flow_open(&served), source;
	struct frame_spec calls;

	source = call(&served, &public, &caller);
	assert_string_equal(source.address, POOL);
	answer_passes(&served, &public, &caller, &source, RTE_TCP_SYN_FLAG | ack);
	caller.tcp_flags = ack;
	call(&served, &public, &caller);
	answer_passes(&served, &public, &caller, &source, ack);
	calls = caller;
	calls.dst = public.address;
	calls.dport = public.port;
	flow_expect_state(&calls, "ESTABLISHED");
	calls = served;
	calls.dst = source.address;
	calls.dport = source.port;
	flow_expect_state(&calls, "ESTABLISHED");
}

/* RFC 4787 REQ-9: a subscriber reaches another by its public endpoint, and seems to come from its
 * own. */
static void udp(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	udp_between(S1, S2);
}

/* RFC 5382 REQ-8: the same for TCP, both halves tracked. */
static void tcp(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	tcp_between(S1, S2);
}

/* A subscriber reaches itself too. */
static void to_itself(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	udp_between(S1, S1);
}

/* The two subscribers may have different homes, and the ports may give a packet to any worker. */
static void between_homes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		flow_start(&(struct flow_setup){.workers = 2});
		const char *server, *client;

		flow_pick_homes(i, &server, &client);
		udp_between(server, client);
		tcp_between(server, client);
		if (i < 7)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/* RFC 7857 section 12: a ping of one subscriber to the public address and identifier of another,
 * and the answer, between all homes; the sender is seen by its public address. */
static void pings_are_hairpinned(void **state)
{
	static const uint8_t types[] = {8, 13};

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		struct frame_spec served = {
			.dst = B1, .proto = IPPROTO_ICMP, .ident = 77, .df = true, .length = 20};
		struct frame_spec sent = served, seen, answer, got;
		struct endpoint public, source;
		struct rte_mbuf *frame;

		flow_start(&(struct flow_setup){.workers = 2});
		flow_pick_homes(i, &served.src, &sent.src);
		served.type = 8;
		sent.type = types[i >> 2];
		public = flow_open(&served);
		sent.dst = public.address;
		sent.ident = public.port;
		flow_send(INSIDE, &sent);
		flow_expect_verdict(VERDICT_HAIRPINNED);
		frame = flow_receive(INSIDE);
		assert_non_null(frame);
		source = flow_source(frame);
		seen = flow_public(&sent, &source);
		seen.dst = served.src;
		got = flow_hop(&seen);
		frame_expect(frame, &got);
		answer = flow_answer(&seen);
		got = flow_answer(&sent);
		got = flow_hop(&got);
		flow_pass(INSIDE, &answer, VERDICT_HAIRPINNED, INSIDE, &got);
		got = flow_hop(&seen); /* again: by the sessions that are there */
		flow_pass(INSIDE, &sent, VERDICT_HAIRPINNED, INSIDE, &got);
		assert_int_equal(flow_sessions(), 3);
		if (i < 7)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/* RFC 5508 REQ-7: an error about a hairpinned ping reaches who sent it, who knows the quote; also
 * with 8 quoted bytes. */
static void errors_about_pings_are_hairpinned(void **state)
{
	struct frame_spec served = {.src = S1,
				    .dst = B1,
				    .proto = IPPROTO_ICMP,
				    .type = 8,
				    .ident = 77,
				    .df = true,
				    .length = 20};
	struct frame_spec sent = served, seen, error, out;
	struct endpoint public, source;
	struct rte_mbuf *frame;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&served);
	sent.src = S2;
	sent.dst = public.address;
	sent.ident = public.port;
	flow_send(INSIDE, &sent);
	frame = flow_receive(INSIDE);
	assert_non_null(frame);
	source = flow_source(frame);
	seen = flow_public(&sent, &source);
	seen.dst = S1;
	for (uint16_t length = 28; length <= 48; length += 20) {
		error = (struct frame_spec){.src = S1,
					    .dst = source.address,
					    .proto = IPPROTO_ICMP,
					    .type = 3,
					    .code = 13,
					    .df = true,
					    .quote = &seen,
					    .quote_length = length};
		out = error;
		out.src = public.address;
		out.dst = S2;
		out.quote = &sent;
		out = flow_hop(&out);
		flow_pass(INSIDE, &error, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
	}
}

/* A ping to a public address that names no identifier of anybody's is nobody's. It must not leave
 * for the outside, from where it would come back. */
static void a_ping_to_a_public_address(void **state)
{
	struct frame_spec served = of(IPPROTO_UDP, S1, 4000, 0);
	struct frame_spec in = {
		.src = S2, .dst = POOL, .proto = IPPROTO_ICMP, .type = 8, .ident = 9, .length = 8};

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&served);
	flow_drop(INSIDE, &in, VERDICT_NO_SESSION);
	assert_int_equal(flow_sessions(), 1);
}

/* A public endpoint that nobody has: refused, and nothing is left. */
static void nobody_has_it(void **state)
{
	struct frame_spec in = of(IPPROTO_UDP, S2, 5000, 0), served = of(IPPROTO_UDP, S1, 4000, 0);
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	in.dst = POOL;
	in.dport = 6000;
	flow_drop(INSIDE, &in, VERDICT_NO_SESSION);
	flow_expect_nothing_kept();
	assert_int_equal(flow_blocks(), 0);
	public = flow_open(&served); /* in a block that somebody has, too */
	in.dport = public.port ^ 1;
	flow_drop(INSIDE, &in, VERDICT_NO_SESSION);
	assert_int_equal(flow_sessions(), 1);
}

static void filter_by_address(struct pool_config *pool)
{
	pool->filtering = ADDRESS_DEPENDENT;
}

/*
 * RFC 5128 section 3.3: two subscribers behind one filter call each other. The first call is kept
 * out, but it has left: so the other's call is let in, and then the first one's.
 */
static void calls_that_cross_a_filter(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		struct frame_spec a = of(IPPROTO_UDP, NULL, 4000, 0),
				  b = of(IPPROTO_UDP, NULL, 5000, 0);
		struct endpoint a_public, b_public;

		flow_start(&(struct flow_setup){.workers = 2,
						.set_pool = filter_by_address,
						.pool = "203.0.113.1-203.0.113.2"});
		flow_pick_homes(i, &a.src, &b.src);
		a_public = flow_open(&a);
		b_public = flow_open(&b);
		a.dst = b_public.address;
		a.dport = b_public.port;
		flow_drop(INSIDE, &a, VERDICT_FILTERED);
		assert_int_equal(flow_sessions(), 3); /* two outside, and what was called */
		answer_passes(&b, &b_public, &a, &a_public, 0);
		answer_passes(&a, &a_public, &b, &b_public, 0);
		assert_int_equal(flow_sessions(), 4);
		if (i < 7)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/*
 * Protocols without ports: who has sent to the other's public address gets what the other sends to
 * its own, and both see public addresses. The first packet only makes room for the answer.
 */
static void by_address_alone(void **state)
{
	static const uint8_t protocols[] = {47, 50, 132, 136};

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		uint8_t protocol = protocols[i % RTE_DIM(protocols)];
		struct frame_spec a = of(IPPROTO_UDP, NULL, 4000, 0),
				  b = of(IPPROTO_UDP, NULL, 5000, 0), out;
		struct endpoint a_public, b_public;

		flow_start(&(struct flow_setup){.workers = 2, .pool = "203.0.113.1-203.0.113.8"});
		flow_pick_homes(i, &a.src, &b.src);
		do { /* the two must have different addresses */
			a_public = flow_open(&a);
			b_public = flow_open(&b);
			if (strcmp(a_public.address, b_public.address) != 0)
				break;
			assert_int_equal(flow_teardown(NULL), 0);
			flow_start(&(struct flow_setup){.workers = 2,
							.pool = "203.0.113.1-203.0.113.8"});
			flow_pick_homes(i, &a.src, &b.src);
		} while (true);
		a.proto = b.proto = protocol;
		a.dst = b_public.address;
		b.dst = a_public.address;
		flow_drop(INSIDE, &a, VERDICT_NO_SESSION);
		assert_int_equal(flow_sessions(), 3);
		for (int n = 0; n < 2; n++) {
			out = flow_hop(&b);
			out.src = b_public.address;
			out.dst = a.src;
			flow_pass(INSIDE, &b, VERDICT_HAIRPINNED, INSIDE, &out);
			out = flow_hop(&a);
			out.src = a_public.address;
			out.dst = b.src;
			flow_pass(INSIDE, &a, VERDICT_HAIRPINNED, INSIDE, &out);
		}
		assert_int_equal(flow_sessions(), 4);
		if (i < 7)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/* RFC 5508 REQ-7: an error about a hairpinned packet reaches its sender, who knows the quote. */
static void errors_are_hairpinned(void **state)
{
	struct frame_spec served = of(IPPROTO_UDP, S1, 4000, 0),
			  sent = of(IPPROTO_UDP, S2, 5000, 0);
	struct frame_spec got, in, out;
	struct endpoint public, source;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&served);
	source = call(&served, &public, &sent);
	sent.dst = public.address;
	sent.dport = public.port;
	got = flow_public(&sent, &source); /* as S1 got it */
	got.dst = served.src;
	got.dport = served.sport;
	in = (struct frame_spec){.src = S1,
				 .dst = source.address,
				 .proto = IPPROTO_ICMP,
				 .type = 3,
				 .code = 3,
				 .quote = &got,
				 .quote_length = 28};
	out = in;
	out.src = public.address;
	out.any_ip_id = true;
	out.dst = S2;
	out.quote = &sent;
	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_ERROR_TRANSLATED, INSIDE, &out);

	/* and of the answer, the other way */
	got = flow_public(&served, &public);
	got.dst = S2;
	got.dport = 5000;
	served.dst = source.address;
	served.dport = source.port;
	in.src = S2;
	in.dst = public.address;
	in.quote_length = 0;
	out.src = source.address;
	out.dst = S1;
	out.quote = &served;
	out.quote_length = 0;
	flow_pass(INSIDE, &in, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
}

/* Subscribers reach each other by their inside addresses without translation, and weir keeps
 * nothing of it. */
static void by_inside_addresses(void **state)
{
	struct frame_spec in = of(IPPROTO_UDP, S1, 4000, 0), out;

	(void)state;
	flow_start(&(struct flow_setup){0});
	in.dst = S2;
	out = flow_hop(&in);
	flow_pass(INSIDE, &in, VERDICT_ROUTED, INSIDE, &out);
	flow_expect_nothing_kept();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(udp),
		FLOW_TEST(tcp),
		FLOW_TEST(to_itself),
		FLOW_TEST(between_homes),
		FLOW_TEST(pings_are_hairpinned),
		FLOW_TEST(errors_about_pings_are_hairpinned),
		FLOW_TEST(a_ping_to_a_public_address),
		FLOW_TEST(nobody_has_it),
		FLOW_TEST(calls_that_cross_a_filter),
		FLOW_TEST(by_address_alone),
		FLOW_TEST(errors_are_hairpinned),
		FLOW_TEST(by_inside_addresses),
	};

	return FLOW_RUN(tests);
}
