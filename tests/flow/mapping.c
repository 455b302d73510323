/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 20};

static struct frame_spec to(const struct frame_spec *spec, const char *dst, uint16_t dport)
{
	struct frame_spec other = *spec;

	other.dst = dst;
	other.dport = dport;
	return other;
}

static struct frame_spec from(const struct frame_spec *spec, const char *src, uint16_t sport)
{
	struct frame_spec other = *spec;

	other.src = src;
	other.sport = sport;
	return other;
}

static void expect_same(const struct endpoint *a, const struct endpoint *b)
{
	assert_string_equal(a->address, b->address);
	assert_int_equal(a->port, b->port);
}

/* A packet from the outside to a public endpoint. */
static struct frame_spec probe_of(const char *src, const struct endpoint *public, uint8_t proto)
{
	return (struct frame_spec){.src = src,
				   .dst = public->address,
				   .proto = proto,
				   .sport = 777,
				   .dport = public->port,
				   .tcp_flags = RTE_TCP_SYN_FLAG,
				   .length = 9};
}

/* RFC 4787 REQ-1: an inside endpoint has one public endpoint towards all remotes, while another
 * subscriber with the same port has another. */
static void mapping_is_endpoint_independent(void **state)
{
	struct frame_spec rival = from(&query, S2, query.sport), other;
	struct endpoint first, again, rivals;

	(void)state;
	flow_start(&(struct flow_setup){0});
	first = flow_open(&query);
	rivals = flow_open(&rival);
	assert_true(first.port != rivals.port || strcmp(first.address, rivals.address) != 0);
	other = to(&query, B1, 54);
	again = flow_open(&other);
	expect_same(&again, &first);
	other = to(&query, B2, 53);
	again = flow_open(&other);
	expect_same(&again, &first);
	other = to(&rival, B2, 53);
	again = flow_open(&other);
	expect_same(&again, &rivals);
	assert_int_equal(flow_mappings(), 2);
	assert_int_equal(flow_sessions(), 5);
}

/* RFC 7857 section 5: TCP and UDP of one inside endpoint are mappings of their own. */
static void mappings_are_per_protocol(void **state)
{
	struct frame_spec tcp = query, probe;
	struct endpoint public;

	(void)state;
	tcp.proto = IPPROTO_TCP;
	tcp.tcp_flags = RTE_TCP_SYN_FLAG;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	/* RFC 7857 section 6: a UDP mapping lets no TCP in */
	probe = probe_of(B2, &public, IPPROTO_TCP);
	flow_drop(OUTSIDE, &probe, VERDICT_NO_SESSION);
	flow_open(&tcp);
	assert_int_equal(flow_mappings(), 2);
}

/* RFC 4787 REQ-8: any remote reaches a mapping, by a session of its own, and is answered from the
 * same public endpoint. */
static void filtering_is_endpoint_independent(void **state)
{
	struct frame_spec probe, delivered, answer, out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	probe = probe_of(B2, &public, IPPROTO_UDP);
	delivered = to(&probe, S1, query.sport);
	answer = flow_answer(&delivered);
	delivered = flow_hop(&delivered);
	flow_pass(OUTSIDE, &probe, VERDICT_TRANSLATED, INSIDE, &delivered);
	assert_int_equal(flow_sessions(), 2);
	assert_int_equal(flow_mappings(), 1);
	out = flow_public(&answer, &public);
	out = flow_hop(&out);
	flow_pass(INSIDE, &answer, VERDICT_TRANSLATED, OUTSIDE, &out);
	assert_int_equal(flow_sessions(), 2);
}

/* RFC 6888 REQ-5: what nobody asked for costs a look-up and no state. */
static void unsolicited_packets_leave_no_state(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	struct endpoint public = {POOL, 0};
	struct frame_spec probe, ping;

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (uint16_t i = 0; i < 500; i++) {
		public.port = (uint16_t)(i * 131);
		probe = probe_of(B2, &public, protocols[i % 2]);
		flow_drop(OUTSIDE, &probe, VERDICT_NO_SESSION);
	}
	ping = (struct frame_spec){
		.src = B1, .dst = POOL, .proto = IPPROTO_ICMP, .type = 8, .ident = 5};
	flow_drop(OUTSIDE, &ping, VERDICT_NO_SESSION);
	flow_expect_nothing_kept();
	assert_int_equal(flow_blocks(), 0);

	/* and so beside a subscriber's ports in one block */
	public = flow_open(&query);
	public.port ^= 1;
	probe = probe_of(B1, &public, IPPROTO_UDP);
	flow_drop(OUTSIDE, &probe, VERDICT_NO_SESSION);
	assert_int_equal(flow_sessions(), 1);
}

/* RFC 4787 REQ-2, RFC 7857 section 4: all of a subscriber's mappings are on one public address,
 * whatever the protocol, over many blocks. */
static void pooling_is_paired(void **state)
{
	struct frame_spec spec = query;
	struct endpoint first, public;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.8", .block_size = 64});
	first = flow_open(&query);
	for (uint16_t i = 0; i < 600; i++) {
		spec.proto = i % 3 == 0 ? IPPROTO_UDP : i % 3 == 1 ? IPPROTO_TCP : IPPROTO_ICMP;
		spec.tcp_flags = RTE_TCP_SYN_FLAG;
		spec.type = 8;
		spec.ident = spec.sport = (uint16_t)(10000 + i);
		public = flow_open(&spec);
		assert_string_equal(public.address, first.address);
	}
	assert_int_equal(flow_blocks(), 4); /* 200 ports a protocol, 64 a block */
}

/* Subscribers share an address, and none has a public endpoint of another's. */
static void public_endpoints_are_unique(void **state)
{
	static bool used[65536];
	struct endpoint public;

	(void)state;
	memset(used, 0, sizeof(used));
	flow_start(&(struct flow_setup){.block_size = 64});
	for (uint16_t i = 0; i < 400; i++) {
		struct frame_spec spec =
			from(&query, i % 2 == 0 ? S1 : S2, (uint16_t)(5000 + i / 2));

		public = flow_open(&spec);
		assert_false(used[public.port]);
		used[public.port] = true;
	}
}

/* A mapping lives as long as the last of its sessions. */
static void a_mapping_lives_with_its_sessions(void **state)
{
	struct frame_spec second = to(&query, B2, 53);
	struct endpoint first, again;

	(void)state;
	flow_start(&(struct flow_setup){0});
	first = flow_open(&query);
	flow_advance(200);
	again = flow_open(&second);
	expect_same(&again, &first);
	flow_advance(101);
	assert_int_equal(flow_sessions(), 1);
	assert_int_equal(flow_mappings(), 1);
	again = flow_open(&query);
	expect_same(&again, &first);
	flow_advance(301);
	flow_expect_nothing_kept();
}

/* Two first packets of one session in one burst make one session. */
static void one_burst_makes_one_session(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	for (int i = 0; i < 20; i++)
		flow_queue(INSIDE, &query);
	flow_turn();
	flow_expect_verdicts(VERDICT_TRANSLATED, 20);
	assert_int_equal(flow_sessions(), 1);
	assert_int_equal(flow_mappings(), 1);
	assert_int_equal(flow_ports(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(mapping_is_endpoint_independent),
		FLOW_TEST(mappings_are_per_protocol),
		FLOW_TEST(filtering_is_endpoint_independent),
		FLOW_TEST(unsolicited_packets_leave_no_state),
		FLOW_TEST(pooling_is_paired),
		FLOW_TEST(public_endpoints_are_unique),
		FLOW_TEST(a_mapping_lives_with_its_sessions),
		FLOW_TEST(one_burst_makes_one_session),
	};

	return FLOW_RUN(tests);
}
