/* SPDX-License-Identifier: BSD-3-Clause */
/* Mapping and filtering as the pool says, where that is not endpoint-independent. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 20};
static const struct frame_spec syn = {.src = S1,
				      .dst = B1,
				      .proto = IPPROTO_TCP,
				      .sport = 4000,
				      .dport = 80,
				      .tcp_flags = RTE_TCP_SYN_FLAG};
static const struct frame_spec ping = {
	.src = S1, .dst = B1, .proto = IPPROTO_ICMP, .type = 8, .ident = 7, .length = 8};

/* ---- pools ---- */

static void map_by_address(struct pool_config *pool)
{
	pool->mapping = ADDRESS_DEPENDENT;
}

static void map_by_port(struct pool_config *pool)
{
	pool->mapping = ADDRESS_AND_PORT_DEPENDENT;
}

static void map_tcp_by_port(struct pool_config *pool)
{
	pool->mapping_of[PORT_TCP] = ADDRESS_AND_PORT_DEPENDENT + 1;
}

static void filter_by_address(struct pool_config *pool)
{
	pool->filtering = ADDRESS_DEPENDENT;
}

static void filter_by_port(struct pool_config *pool)
{
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
}

static void filter_tcp_by_address(struct pool_config *pool)
{
	pool->filtering_of[PORT_TCP] = ADDRESS_DEPENDENT + 1;
}

static void filter_all_but_udp_by_port(struct pool_config *pool)
{
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
	pool->filtering_of[PORT_UDP] = ENDPOINT_INDEPENDENT + 1;
}

/* ---- packets ---- */

static struct endpoint open_to(const struct frame_spec *spec, const char *dst, uint16_t dport)
{
	struct frame_spec other = *spec;

	other.dst = dst;
	other.dport = dport;
	return flow_open(&other);
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return strcmp(a->address, b->address) == 0 && a->port == b->port;
}

/* A packet of `src` and its port, to the public endpoint of a session that `spec` began. */
static struct frame_spec probe(const struct frame_spec *spec, const struct endpoint *public,
			       const char *src, uint16_t sport)
{
	struct frame_spec in = flow_reply(spec, public);

	in.src = src;
	in.sport = sport;
	return in;
}

static void comes_in(const struct frame_spec *spec, const struct endpoint *public, const char *src,
		     uint16_t sport)
{
	struct frame_spec in = probe(spec, public, src, sport), out = in;

	out.dst = spec->src;
	out.dport = spec->sport;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

static void is_filtered(const struct frame_spec *spec, const struct endpoint *public,
			const char *src, uint16_t sport)
{
	struct frame_spec in = probe(spec, public, src, sport);

	flow_drop(OUTSIDE, &in, VERDICT_FILTERED);
}

/* ---- mapping ---- */

/* RFC 4787 4.1: address-dependent mapping: one public endpoint for all ports of a remote address,
 * another for another address; paired pooling holds all the same (REQ-2). */
static void mapping_by_address(void **state)
{
	struct endpoint a, b, c;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = map_by_address,
					.pool = "203.0.113.0-203.0.113.7"});
	a = open_to(&query, B1, 53);
	b = open_to(&query, B1, 54);
	c = open_to(&query, B2, 53);
	assert_true(same(&a, &b));
	assert_false(same(&a, &c));
	assert_string_equal(a.address, c.address);
	assert_int_equal(flow_mappings(), 2);
	assert_int_equal(flow_ports(), 2);
	/* filtering is a knob of its own, endpoint-independent here */
	comes_in(&query, &a, B2, 9);
}

/* RFC 4787 4.1: address-and-port-dependent mapping: one public endpoint for each remote endpoint;
 * the second packet to the same one uses the same. */
static void mapping_by_address_and_port(void **state)
{
	struct endpoint a, b, again;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = map_by_port});
	a = open_to(&query, B1, 53);
	b = open_to(&query, B1, 54);
	again = open_to(&query, B1, 53);
	assert_false(same(&a, &b));
	assert_true(same(&a, &again));
	assert_int_equal(flow_mappings(), 2);
}

/* A protocol may be mapped in its own way; ICMP's identifier stays independent of the remote
 * (RFC 5508 REQ-1). */
static void mapping_per_protocol(void **state)
{
	struct endpoint a, b;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = map_tcp_by_port});
	a = open_to(&syn, B1, 80);
	b = open_to(&syn, B1, 81);
	assert_false(same(&a, &b));
	a = open_to(&query, B1, 80);
	b = open_to(&query, B2, 81);
	assert_true(same(&a, &b));
	a = open_to(&ping, B1, 0);
	b = open_to(&ping, B2, 0);
	assert_true(same(&a, &b));
}

/* ---- filtering ---- */

/* RFC 4787 section 5: address-dependent filtering: any port of an address that has a session may
 * come in, no other address; the filter costs an outsider's packet no state. */
static void filtering_by_address(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_by_address});
	public = flow_open(&query);
	is_filtered(&query, &public, B2, 53);
	assert_int_equal(flow_sessions(), 1);
	comes_in(&query, &public, B1, 53);
	comes_in(&query, &public, B1, 54);
	assert_int_equal(flow_sessions(), 2);
	open_to(&query, B2, 99);
	comes_in(&query, &public, B2, 53);
	is_filtered(&query, &public, "192.0.2.3", 53);
}

/* The way in closes when the last session with the address has ended, not before. */
static void filtering_by_address_follows_sessions(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_by_address});
	public = open_to(&query, B1, 53);
	flow_advance(200);
	open_to(&query, B1, 54);
	open_to(&query, B2, 53);
	flow_advance(102);
	assert_int_equal(flow_sessions(), 2);
	comes_in(&query, &public, B1, 60);
	comes_in(&query, &public, B2, 60);
	flow_advance(250);
	open_to(&query, B2, 53);
	flow_advance(52);
	is_filtered(&query, &public, B1, 61);
	comes_in(&query, &public, B2, 61);
}

/* RFC 4787 section 5: address-and-port-dependent filtering: only the endpoint that has a session.
 */
static void filtering_by_address_and_port(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_by_port});
	public = flow_open(&query);
	comes_in(&query, &public, B1, 53);
	is_filtered(&query, &public, B1, 54);
	is_filtered(&query, &public, B2, 53);
	assert_int_equal(flow_sessions(), 1);
}

/* RFC 5382 REQ-3 b: TCP may be filtered and UDP not; RFC 4787 REQ-8: each as chosen. */
static void filtering_per_protocol(void **state)
{
	struct endpoint udp, tcp;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_tcp_by_address});
	udp = flow_open(&query);
	tcp = flow_open(&syn);
	comes_in(&query, &udp, B2, 1);
	is_filtered(&syn, &tcp, B2, 1);
	comes_in(&syn, &tcp, B1, 1);
}

/* The same the other way: the pool's is strict, and UDP's override is not. */
static void an_override_may_be_looser(void **state)
{
	struct endpoint udp, tcp;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_all_but_udp_by_port});
	udp = flow_open(&query);
	tcp = flow_open(&syn);
	comes_in(&query, &udp, B2, 1);
	is_filtered(&syn, &tcp, B1, 1);
}

/* RFC 7857 section 6: a mapping of UDP never lets TCP in, whatever the filter. */
static void a_mapping_is_for_its_protocol(void **state)
{
	struct frame_spec in = {.src = B1,
				.dst = POOL,
				.proto = IPPROTO_TCP,
				.sport = 53,
				.tcp_flags = RTE_TCP_SYN_FLAG};

	(void)state;
	flow_start(&(struct flow_setup){0});
	in.dport = flow_open(&query).port;
	flow_drop(OUTSIDE, &in, VERDICT_NO_SESSION);
}

/* Filtered packets are not told that there is something: no ICMP error even when their TTL ends
 * here. */
static void filtered_before_all_else(void **state)
{
	struct endpoint public;
	struct frame_spec in;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_by_port});
	public = flow_open(&query);
	in = probe(&query, &public, B2, 1);
	in.ttl = 1;
	flow_drop(OUTSIDE, &in, VERDICT_FILTERED);
}

/* RFC 4787 REQ-9 with a filter: a subscriber's packet to another's public endpoint is filtered as
 * one from the outside, by the sender's public address; its own half stays, as of one that went to
 * the outside. */
static void hairpin_is_filtered_too(void **state)
{
	struct frame_spec in = {
		.src = S2, .proto = IPPROTO_UDP, .sport = 5000, .dport = 53, .length = 9};
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_by_port});
	public = flow_open(&query);
	in.dst = public.address;
	in.dport = public.port;
	flow_drop(INSIDE, &in, VERDICT_FILTERED);
	assert_int_equal(flow_sessions(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(mapping_by_address),
		FLOW_TEST(mapping_by_address_and_port),
		FLOW_TEST(mapping_per_protocol),
		FLOW_TEST(filtering_by_address),
		FLOW_TEST(filtering_by_address_follows_sessions),
		FLOW_TEST(filtering_by_address_and_port),
		FLOW_TEST(filtering_per_protocol),
		FLOW_TEST(an_override_may_be_looser),
		FLOW_TEST(a_mapping_is_for_its_protocol),
		FLOW_TEST(filtered_before_all_else),
		FLOW_TEST(hairpin_is_filtered_too),
	};

	return FLOW_RUN(tests);
}
