/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 20};

/* RFC 1812 5.3.1: a packet with its last TTL ends, and its sender is told: on the first packet,
 * which leaves no state, and later. */
static void ttl_exceeded_to_the_inside(void **state)
{
	struct frame_spec last = query;

	(void)state;
	last.ttl = 1;
	flow_start(&(struct flow_setup){0});
	flow_refuse(INSIDE, &last, VERDICT_TTL_EXCEEDED, 11, 0);
	flow_expect_nothing_kept();
	assert_int_equal(flow_blocks(), 0);
	flow_open(&query);
	flow_refuse(INSIDE, &last, VERDICT_TTL_EXCEEDED, 11, 0);
}

/* The same for the outside, which knows the packet by the public address. */
static void ttl_exceeded_to_the_outside(void **state)
{
	struct frame_spec last;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	last = flow_reply(&query, &public);
	last.ttl = 1;
	flow_refuse(OUTSIDE, &last, VERDICT_TTL_EXCEEDED, 11, 0);
}

/* RFC 4787 REQ-13, RFC 1191: too big and not to be fragmented: the sender is told the next link's
 * MTU, and a first packet leaves no state. */
static void fragmentation_needed_to_the_inside(void **state)
{
	struct frame_spec big = query;

	(void)state;
	big.length = 1000;
	big.df = true;
	flow_start(&(struct flow_setup){.outside_mtu = 900});
	flow_refuse_at(INSIDE, &big, VERDICT_FRAGMENTATION_NEEDED, 3, 4, 900, __FILE__, __LINE__);
	flow_expect_nothing_kept();
	flow_open(&query);
	flow_refuse_at(INSIDE, &big, VERDICT_FRAGMENTATION_NEEDED, 3, 4, 900, __FILE__, __LINE__);
	big.length = 900 - 28;
	flow_open(&big); /* it fits to the byte */
}

static void fragmentation_needed_to_the_outside(void **state)
{
	struct frame_spec big;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.inside_mtu = 900});
	public = flow_open(&query);
	big = flow_reply(&query, &public);
	big.length = 1000;
	big.df = true;
	flow_refuse_at(OUTSIDE, &big, VERDICT_FRAGMENTATION_NEEDED, 3, 4, 900, __FILE__, __LINE__);
}

/* The fragments of `whole`, in order, on a link of `mtu`. */
static void expect_fragments(enum flow_port port, const struct frame_spec *whole, uint16_t mtu)
{
	uint16_t room = (uint16_t)((mtu - 20) / 8 * 8), bytes = (uint16_t)(whole->length + 8);

	for (uint16_t offset = 0; offset < bytes; offset = (uint16_t)(offset + room)) {
		struct frame_spec fragment = *whole;

		fragment.fragment_offset = offset;
		fragment.fragment_length = (uint16_t)RTE_MIN(room, bytes - offset);
		frame_expect(flow_receive(port), &fragment);
	}
	flow_expect_silence();
}

/* RFC 4787 REQ-13a, RFC 791 3.2: without DF it is sent in fragments, in order, translated; each
 * packet counts once. */
static void fragments_to_the_outside(void **state)
{
	struct frame_spec big = query, out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.outside_mtu = 700});
	public = flow_open(&query);
	for (big.length = 673; big.length < 1472; big.length = (uint16_t)(big.length + 101)) {
		big.ip_id++;
		out = flow_public(&big, &public);
		out = flow_hop(&out);
		flow_send(INSIDE, &big);
		flow_expect_verdict(VERDICT_FRAGMENTED);
		expect_fragments(OUTSIDE, &out, 700);
	}
}

static void fragments_to_the_inside(void **state)
{
	struct frame_spec in, out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.inside_mtu = 576});
	public = flow_open(&query);
	in = flow_reply(&query, &public);
	in.length = 1400;
	out = flow_answer(&query);
	out.length = 1400;
	out = flow_hop(&out);
	flow_send(OUTSIDE, &in);
	flow_expect_verdict(VERDICT_FRAGMENTED);
	expect_fragments(INSIDE, &out, 576);
}

/* Without buffers for the fragments the packet is lost, and counted once. */
static void no_buffers_for_fragments(void **state)
{
	struct frame_spec big = query;

	(void)state;
	big.length = 1000;
	flow_start(&(struct flow_setup){.outside_mtu = 700});
	flow_open(&query);
	flow_take_buffers();
	flow_drop(INSIDE, &big, VERDICT_NO_BUFFER);
	flow_give_buffers();
	flow_send(INSIDE, &big);
	flow_expect_verdict(VERDICT_FRAGMENTED);
}

/* RFC 1812 4.3.2.7: no error about an ICMP error, a martian source, or what came by link broadcast;
 * the same packets without that get one. */
static void some_packets_are_never_answered(void **state)
{
	struct frame_spec spec = query, quote = flow_answer(&query);
	static const char *const sources[] = {"0.0.0.0", "127.0.0.1", "224.0.0.5", "240.0.0.1",
					      "255.255.255.255"};

	(void)state;
	flow_start(&(struct flow_setup){0});
	spec.ttl = 1;
	flow_refuse(INSIDE, &spec, VERDICT_TTL_EXCEEDED, 11, 0);
	for (unsigned int i = 0; i < RTE_DIM(sources); i++) {
		spec.src = sources[i];
		flow_drop(INSIDE, &spec, VERDICT_MARTIAN_SOURCE);
	}
	spec.src = S1;
	spec.dst_mac = "ff:ff:ff:ff:ff:ff";
	flow_drop(INSIDE, &spec, VERDICT_LINK_BROADCAST);
	spec.dst_mac = "01:00:5e:00:00:05";
	flow_drop(INSIDE, &spec, VERDICT_LINK_BROADCAST);
	spec.dst_mac = NULL;
	spec.dst = "224.0.0.9";
	flow_drop(INSIDE, &spec, VERDICT_MARTIAN_DESTINATION);
	spec.dst = "198.51.100.255"; /* a connected subnet's broadcast */
	flow_drop(INSIDE, &spec, VERDICT_MARTIAN_DESTINATION);
	spec.dst = B1;
	spec.src = "100.64.255.255"; /* and as a source */
	flow_drop(INSIDE, &spec, VERDICT_SPOOFED_SOURCE);
	spec = query;
	flow_open(&spec);
	spec = (struct frame_spec){.src = S1,
				   .dst = B1,
				   .ttl = 1,
				   .proto = IPPROTO_ICMP,
				   .type = 3,
				   .code = 3,
				   .quote = &quote};
	flow_drop(INSIDE, &spec, VERDICT_TTL_EXCEEDED);
}

/* A destination without a route: ICMP 3/0, and no state. */
static void no_route(void **state)
{
	struct frame_spec lost = query;

	(void)state;
	lost.dst = "10.1.2.3";
	flow_start(&(struct flow_setup){0});
	flow_refuse(INSIDE, &lost, VERDICT_NO_ROUTE, 3, 0);
	flow_expect_nothing_kept();
	assert_int_equal(flow_blocks(), 0);
}

/* A port that takes no more frames loses them, and they are counted as lost, not as sent. */
static void a_full_transmit_queue(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&query);
	flow_limit_port(OUTSIDE, 0);
	flow_drop(INSIDE, &query, VERDICT_TX_FULL);
	flow_limit_port(OUTSIDE, UINT32_MAX);
	flow_send(INSIDE, &query);
	flow_expect_verdict(VERDICT_TRANSLATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(ttl_exceeded_to_the_inside),
		FLOW_TEST(ttl_exceeded_to_the_outside),
		FLOW_TEST(fragmentation_needed_to_the_inside),
		FLOW_TEST(fragmentation_needed_to_the_outside),
		FLOW_TEST(fragments_to_the_outside),
		FLOW_TEST(fragments_to_the_inside),
		FLOW_TEST(no_buffers_for_fragments),
		FLOW_TEST(some_packets_are_never_answered),
		FLOW_TEST(no_route),
		FLOW_TEST(a_full_transmit_queue),
	};

	return FLOW_RUN(tests);
}
