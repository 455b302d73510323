/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"
#include "timeouts.h"

/* Timeouts by port and pool, and what refreshes a session. */

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 31};

static struct timeouts before;

static void change(bool inbound_refresh, struct port_timeout *row, uint32_t n)
{
	struct timeouts new = before = timeouts;

	new.inbound_refresh = inbound_refresh;
	new.ports = (struct config_list){row, n};
	timeouts_apply(&new);
}

static int restore(void **state)
{
	int result = flow_teardown(state);

	timeouts_apply(&before);
	return result;
}

#define CHANGE_TEST(test) cmocka_unit_test_teardown(test, restore)

static void expect_reply(const struct frame_spec *sent, const struct endpoint *public)
{
	struct frame_spec in = flow_reply(sent, public), out = flow_answer(sent);

	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

static void expect_out(const struct frame_spec *in, const struct endpoint *public)
{
	struct frame_spec out = flow_public(in, public);

	out = flow_hop(&out);
	flow_pass(INSIDE, in, VERDICT_TRANSLATED, OUTSIDE, &out);
}

/* The session is there after so many seconds without a packet, and a second later it is not. */
static void expect_lifetime(const struct frame_spec *spec, uint32_t seconds)
{
	flow_advance(seconds);
	assert_non_null(flow_session(spec));
	flow_advance(1);
	assert_null(flow_session(spec));
}

/* RFC 4787 REQ-5a: sessions to a well-known port may have a time of their own, answered or not; so
 * may established TCP connections. Others keep theirs. */
static void by_port(void **state)
{
	struct port_timeout rows[] = {
		{TIMEOUT_UDP, 53, 10}, {TIMEOUT_UDP, 443, 500}, {TIMEOUT_TCP, 443, 900}};
	struct frame_spec spec = query;
	struct endpoint public;

	(void)state;
	change(true, rows, 3);
	flow_start(&(struct flow_setup){0});
	flow_open(&spec);
	expect_lifetime(&spec, 10);
	public = flow_open(&spec);
	expect_reply(&spec, &public);
	expect_lifetime(&spec, 10);
	spec.dport = 443;
	flow_open(&spec);
	expect_lifetime(&spec, 500);
	spec.dport = 54;
	flow_open(&spec);
	expect_lifetime(&spec, 300);

	spec = query;
	spec.proto = IPPROTO_TCP;
	spec.dport = 53;
	spec.tcp_flags = SYN;
	flow_open(&spec);
	expect_lifetime(&spec, 240);
	spec.dport = 443;
	public = flow_open(&spec);
	flow_advance(240);
	spec.tcp_flags = SYN | ACK;
	expect_reply(&spec, &public);
	spec.tcp_flags = ACK;
	expect_out(&spec, &public);
	expect_lifetime(&spec, 900);
}

/* Of a session from the outside, the inside port counts. */
static void by_port_of_the_inside(void **state)
{
	struct port_timeout rows[] = {{TIMEOUT_UDP, 4000, 10}};
	struct frame_spec in = {.src = B2, .proto = IPPROTO_UDP, .sport = 9999}, out;
	struct endpoint public;

	(void)state;
	change(true, rows, 1);
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	in.dst = public.address;
	in.dport = public.port;
	out = in;
	out.dst = S1;
	out.dport = 4000;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	assert_int_equal(flow_sessions(), 2);
	flow_advance(11);
	assert_int_equal(flow_sessions(), 1);
}

static void of_its_own(struct pool_config *pool)
{
	pool->timeouts.udp_first = 20;
	pool->timeouts.other = 30;
}

/* A pool's own timeouts go before those of all; what it has none for is as for all. */
static void by_pool(void **state)
{
	struct port_timeout rows[] = {{TIMEOUT_UDP, 443, 10}};
	struct frame_spec spec = query;
	struct endpoint public;

	(void)state;
	change(true, rows, 1);
	flow_start(&(struct flow_setup){.set_pool = of_its_own});
	flow_open(&spec);
	expect_lifetime(&spec, 20);
	public = flow_open(&spec);
	expect_reply(&spec, &public);
	expect_lifetime(&spec, 300);
	spec.proto = IPPROTO_GRE;
	spec.sport = spec.dport = 0;
	flow_open(&spec);
	expect_lifetime(&spec, 30);
	spec = query;
	spec.dport = 443; /* a port goes before the pool */
	flow_open(&spec);
	expect_lifetime(&spec, 10);
}

/* RFC 4787 REQ-6a: by default packets from the outside refresh. */
static void inbound_refreshes(void **state)
{
	struct endpoint public;

	(void)state;
	change(true, NULL, 0);
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	flow_advance(300);
	expect_reply(&query, &public);
	expect_lifetime(&query, 300);
}

/* What another remote sends to the public endpoint of `query`, and what S1 gets. */
static void probe(const struct endpoint *public, uint16_t port, struct frame_spec *in,
		  struct frame_spec *out)
{
	*in = (struct frame_spec){.src = B2,
				  .dst = public->address,
				  .proto = IPPROTO_UDP,
				  .sport = port,
				  .dport = public->port};
	*out = *in;
	out->dst = S1;
	out->dport = query.sport;
	*out = flow_hop(out);
}

/*
 * RFC 4787 REQ-6, RFC 7857 section 7: switched off, only packets from the inside refresh. However
 * many remotes send to a mapping, it ends when its subscriber has sent nothing for the timeout.
 */
static void only_outbound_refreshes(void **state)
{
	struct frame_spec in, out;
	struct endpoint public;

	(void)state;
	change(false, NULL, 0);
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	flow_advance(200);
	expect_out(&query, &public);
	for (uint16_t second = 0; second < 300; second += 10) {
		probe(&public, 2000 + second, &in, &out);
		flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
		expect_reply(&query, &public);
		flow_advance(10);
	}
	flow_advance(2);
	probe(&public, 2000, &in, &out);
	flow_drop(OUTSIDE, &in, VERDICT_NO_SESSION);
	flow_expect_nothing_kept();
}

/* What is sent to any remote through the mapping counts: an outsider's session lasts as long. */
static void outbound_to_others_refreshes(void **state)
{
	struct frame_spec in, out, back, other = query;
	struct endpoint public, again;

	(void)state;
	change(false, NULL, 0);
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	other.dport = 5353;
	for (int i = 0; i < 10; i++) {
		again = flow_open(&other);
		assert_int_equal(again.port, public.port);
		flow_advance(200);
	}
	probe(&public, 2000, &in, &out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	flow_advance(60);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	back = (struct frame_spec){
		.src = S1, .dst = B2, .proto = IPPROTO_UDP, .sport = query.sport, .dport = 2000};
	assert_int_equal(flow_session(&back)->packets[1], 2);
	flow_advance(42);
	flow_drop(OUTSIDE, &in, VERDICT_NO_SESSION);
	flow_expect_nothing_kept();
}

/* A session that an outsider began is the subscriber's as soon as it has answered. */
static void an_answer_refreshes(void **state)
{
	struct frame_spec in, out, back, seen;
	struct endpoint public;

	(void)state;
	change(false, NULL, 0);
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	flow_advance(290);
	probe(&public, 2000, &in, &out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	back = (struct frame_spec){
		.src = S1, .dst = B2, .proto = IPPROTO_UDP, .sport = query.sport, .dport = 2000};
	seen = flow_public(&back, &public);
	seen = flow_hop(&seen);
	flow_pass(INSIDE, &back, VERDICT_TRANSLATED, OUTSIDE, &seen);
	flow_advance(290);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	expect_lifetime(&back, 10);
}

/* A server behind a mapping that has been silent for long has time to answer a SYN. */
static void a_server_has_time_to_answer(void **state)
{
	const uint8_t ack = RTE_TCP_ACK_FLAG, syn = RTE_TCP_SYN_FLAG;
	struct frame_spec call = query, in, out, back, seen;
	struct endpoint public;

	(void)state;
	change(false, NULL, 0);
	flow_start(&(struct flow_setup){0});
	call.proto = IPPROTO_TCP;
	call.tcp_flags = syn;
	public = flow_open(&call);
	call.tcp_flags = syn | ack;
	expect_reply(&call, &public);
	call.tcp_flags = ack;
	expect_out(&call, &public);
	flow_advance(3000);
	probe(&public, 2000, &in, &out);
	in.proto = out.proto = IPPROTO_TCP;
	in.tcp_flags = out.tcp_flags = syn;
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	flow_advance(8);
	back = (struct frame_spec){.src = S1,
				   .dst = B2,
				   .proto = IPPROTO_TCP,
				   .sport = query.sport,
				   .dport = 2000,
				   .tcp_flags = syn | ack};
	seen = flow_public(&back, &public);
	seen = flow_hop(&seen);
	flow_pass(INSIDE, &back, VERDICT_TRANSLATED, OUTSIDE, &seen);
}

static void by_address(struct pool_config *pool)
{
	pool->filtering = ADDRESS_DEPENDENT;
}

/* RFC 5508 REQ-6: errors of either direction refresh nothing; nor does what a filter refuses. */
static void errors_and_filtered_packets_refresh_nothing(void **state)
{
	struct frame_spec seen, got, error, out, in = {.src = B2, .proto = IPPROTO_UDP, .sport = 9};
	struct endpoint public;

	(void)state;
	change(true, NULL, 0);
	flow_start(&(struct flow_setup){.set_pool = by_address});
	public = flow_open(&query);
	flow_advance(290);
	seen = flow_public(&query, &public);
	error = (struct frame_spec){.src = TRANSIT,
				    .dst = public.address,
				    .proto = IPPROTO_ICMP,
				    .type = 3,
				    .code = 3,
				    .quote = &seen};
	out = error;
	out.dst = S1;
	out.quote = &query;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &error, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
	got = flow_answer(&query);
	seen = flow_answer(&seen);
	error.src = S1;
	error.dst = B1;
	error.quote = &got;
	out = error;
	out.src = public.address;
	out.any_ip_id = true;
	out.quote = &seen;
	out = flow_hop(&out);
	flow_pass(INSIDE, &error, VERDICT_ERROR_TRANSLATED, OUTSIDE, &out);
	in.dst = public.address;
	in.dport = public.port;
	flow_drop(OUTSIDE, &in, VERDICT_FILTERED);
	expect_lifetime(&query, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANGE_TEST(by_port),
		CHANGE_TEST(by_port_of_the_inside),
		CHANGE_TEST(by_pool),
		CHANGE_TEST(inbound_refreshes),
		CHANGE_TEST(only_outbound_refreshes),
		CHANGE_TEST(outbound_to_others_refreshes),
		CHANGE_TEST(an_answer_refreshes),
		CHANGE_TEST(a_server_has_time_to_answer),
		CHANGE_TEST(errors_and_filtered_packets_refresh_nothing),
	};

	return FLOW_RUN(tests);
}
