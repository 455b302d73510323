/* SPDX-License-Identifier: BSD-3-Clause */
/* Deterministic pools (RFC 7422): the whole dataplane gives what the computation says. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "cmd.h"
#include "flow.h"
#include "pools.h"
#include "rules.h"
#include "statics.h"

#define BLOCK    64
#define STRANGER "100.64.0.200" /* inside, but not in the list */

/*
 * Addresses .1 and .2 with 4 blocks from port 1024 on; the last is for overflow. S1, 100.64.0.2, is
 * the third of .0 to .4: it has the third block of the first address, and S2 the first of the
 * second.
 */
static void deterministic(struct pool_config *pool)
{
	pool->allocation = ALLOCATION_DETERMINISTIC;
	pool->realm = 1;
	pool->inside = support_ranges("100.64.0.0-100.64.0.4");
	pool->overflow_blocks = 1;
}

static const struct flow_setup four_blocks = {.pool = "203.0.113.1-203.0.113.2",
					      .ports_first = 1024,
					      .ports_last = 1024 + 4 * BLOCK - 1,
					      .block_size = BLOCK,
					      .set_pool = deterministic};
#define S1_PUBLIC "203.0.113.1"
#define S1_FIRST  (1024 + 2 * BLOCK)
#define S2_PUBLIC "203.0.113.2"
#define S2_FIRST  1024
#define OVERFLOW  (1024 + 3 * BLOCK)

static void start_with(void (*set)(struct pool_config *pool))
{
	struct flow_setup setup = four_blocks;

	setup.set_pool = set;
	flow_start(&setup);
}

static struct frame_spec packet(const char *subscriber, uint8_t proto, uint16_t sport,
				uint16_t dport)
{
	return (struct frame_spec){.src = subscriber,
				   .dst = B1,
				   .proto = proto,
				   .sport = sport,
				   .dport = dport,
				   .ident = sport,
				   .type = 8,
				   .tcp_flags = RTE_TCP_SYN_FLAG,
				   .length = 20};
}

/* A new UDP session, and that it works both ways. */
static struct endpoint opens(const char *subscriber, uint16_t sport)
{
	struct frame_spec spec = packet(subscriber, IPPROTO_UDP, sport, 53), in, out;
	struct endpoint public = flow_open(&spec);

	in = flow_reply(&spec, &public);
	out = flow_answer(&spec);
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	return public;
}

static void expect_in(struct endpoint public, const char *address, uint32_t first)
{
	assert_string_equal(public.address, address);
	assert_in_range(public.port, first, first + BLOCK - 1);
}

static void refused(const char *subscriber, uint16_t sport, enum verdict verdict, uint8_t code)
{
	struct frame_spec spec = packet(subscriber, IPPROTO_UDP, sport, 53);

	flow_refuse(INSIDE, &spec, verdict, 3, code);
}

/* The subscriber's own block, full: BLOCK sessions of source ports from 3000 on. */
static void fill_own(const char *subscriber, const char *address, uint32_t first)
{
	for (uint16_t i = 0; i < BLOCK; i++)
		expect_in(opens(subscriber, (uint16_t)(3000 + i)), address, first);
}

/* ---- who gets what ---- */

/* Every protocol's ports and identifiers are of the one computed block, whoever comes first. */
static void a_subscriber_has_its_computed_block(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};

	(void)state;
	flow_start(&four_blocks);
	for (uint32_t i = 0; i < RTE_DIM(protocols); i++) {
		struct frame_spec s1 = packet(S1, protocols[i], 3000, 80);
		struct frame_spec s2 = packet(S2, protocols[i], 3000, 80);

		expect_in(flow_open(&s2), S2_PUBLIC, S2_FIRST);
		expect_in(flow_open(&s1), S1_PUBLIC, S1_FIRST);
	}
	assert_int_equal(flow_blocks(), 2);
	assert_int_equal(flow_subscribers(), 2);
}

/* RFC 6056: where in the block cannot be told from the port before, or from the source port. */
static void ports_in_the_block_are_unpredictable(void **state)
{
	uint32_t neighbours = 0, before = 0, same_order = 0;

	(void)state;
	flow_start(&four_blocks);
	for (uint16_t i = 0; i < BLOCK; i++) {
		uint32_t port = opens(S1, (uint16_t)(3000 + i)).port;

		neighbours += port - before == 1 || before - port == 1;
		same_order += port == (uint32_t)S1_FIRST + i;
		before = port;
	}
	assert_in_range(neighbours, 0, 12);
	assert_in_range(same_order, 0, 8);
}

/* Who is not listed is refused with a reason of its own, and leaves nothing: it never gets what is
 * computed for others. RFC 1812: administratively prohibited. */
static void who_is_not_listed_is_refused(void **state)
{
	(void)state;
	flow_start(&four_blocks);
	refused(STRANGER, 3000, VERDICT_NOT_IN_POOL, 13);
	assert_int_equal(flow_subscribers(), 0);
	opens(S1, 3000);
	refused("100.64.0.5", 3000, VERDICT_NOT_IN_POOL, 13);
	assert_int_equal(flow_subscribers(), 1);
}

static void other_realm(struct pool_config *pool)
{
	deterministic(pool);
	pool->realm = 2;
}

/* The same address in another realm is another subscriber's. */
static void another_realm_is_not_listed(void **state)
{
	(void)state;
	start_with(other_realm);
	refused(S1, 3000, VERDICT_NOT_IN_POOL, 13);
}

/* Protocols without ports go by the computed address. */
static void protocols_without_ports(void **state)
{
	struct frame_spec gre = packet(S2, 47, 0, 0), out;

	(void)state;
	flow_start(&four_blocks);
	out = gre;
	out.src = S2_PUBLIC;
	out.any_ip_id = true;
	out = flow_hop(&out);
	flow_pass(INSIDE, &gre, VERDICT_TRANSLATED, OUTSIDE, &out);
	gre.src = STRANGER;
	flow_refuse(INSIDE, &gre, VERDICT_NOT_IN_POOL, 3, 13);
}

/* Two workers: the block belongs to its subscriber's home, and packets from the outside find it
 * from either. */
static void blocks_belong_to_their_homes(void **state)
{
	struct flow_setup setup = four_blocks;

	(void)state;
	setup.workers = 2;
	flow_start(&setup);
	for (uint32_t i = 0; i < 5; i++) {
		char subscriber[16];
		struct frame_spec spec, in, out;
		struct endpoint public;
		struct pool_address *address;

		snprintf(subscriber, sizeof(subscriber), "100.64.0.%u", i);
		spec = packet(subscriber, IPPROTO_UDP, 3000, 53);
		if (i < 2)
			continue; /* the network, and weir */
		flow_deliver_to(i % 2);
		public = flow_open(&spec);
		expect_in(public, i < 3 ? S1_PUBLIC : S2_PUBLIC, 1024 + i % 3 * BLOCK);
		address = pool_address_find(flow_address(public.address));
		assert_int_equal(pool_address_home(address, public.port),
				 home_of_subscriber(flow_address(subscriber)));
		in = flow_reply(&spec, &public);
		out = flow_answer(&spec);
		in.src = out.src = B2; /* a new session, which only the home makes */
		out = flow_hop(&out);
		flow_deliver_to(!(i % 2));
		flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	}
}

/* RFC 4787 REQ-9: two subscribers of one deterministic pool reach each other, with the external
 * source. */
static void hairpin(void **state)
{
	struct frame_spec in, out;
	struct endpoint s1, s2;

	(void)state;
	flow_start(&four_blocks);
	s1 = opens(S1, 3000);
	s2 = opens(S2, 4000);
	in = packet(S2, IPPROTO_UDP, 4000, s1.port);
	in.dst = s1.address;
	out = in;
	out.src = s2.address;
	out.sport = s2.port;
	out.dst = S1;
	out.dport = 3000;
	out.any_ip_id = true;
	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_HAIRPINNED, INSIDE, &out);
}

/* ---- time ---- */

/* RFC 6888 REQ-8, exception B: once it is idle the block is nobody's in use, and its subscriber has
 * it again at once; others never. */
static void the_block_needs_no_rest(void **state)
{
	struct pool_usage usage;

	(void)state;
	flow_start(&four_blocks);
	for (uint32_t i = 0; i < 3; i++) {
		fill_own(S1, S1_PUBLIC, S1_FIRST);
		flow_advance(302);
		assert_int_equal(flow_ports(), 0);
		assert_int_equal(flow_blocks(), 1);
		flow_advance(62); /* block-idle-timeout, twice at most */
		pool_usage(pool_get(0), &usage);
		assert_int_equal(usage.blocks_taken + usage.blocks_resting, 0);
		assert_int_equal(flow_subscribers(), 0);
	}
}

/* ---- overflow ---- */

/* With its own block full a subscriber gets an overflow block of its address, like a dynamic one:
 * the first who needs it has it, and it rests afterwards. */
static void overflow_is_dynamic(void **state)
{
	struct pool_usage usage;

	(void)state;
	flow_start(&four_blocks);
	fill_own(S1, S1_PUBLIC, S1_FIRST);
	for (uint16_t i = 0; i < BLOCK; i++)
		expect_in(opens(S1, (uint16_t)(4000 + i)), S1_PUBLIC, OVERFLOW);
	refused(S1, 5000, VERDICT_NO_PORT, 1);
	assert_int_equal(flow_blocks(), 2);
	/* another address has one of its own */
	fill_own(S2, S2_PUBLIC, S2_FIRST);
	expect_in(opens(S2, 4000), S2_PUBLIC, OVERFLOW);
	flow_advance(400);
	pool_usage(pool_get(0), &usage);
	assert_int_equal(usage.blocks_taken, 0);
	assert_int_equal(usage.blocks_resting, 2);
	fill_own(S1, S1_PUBLIC, S1_FIRST);
	refused(S1, 5000, VERDICT_NO_PORT, 1);
	flow_advance(121);
	opens(S1, 5000);
}

/* The own block stays the subscriber's while it holds overflow, and new ports come from there. */
static void the_own_block_is_used_first(void **state)
{
	(void)state;
	flow_start(&four_blocks);
	fill_own(S1, S1_PUBLIC, S1_FIRST);
	opens(S1, 4000);
	for (uint32_t i = 0; i < 3; i++) {
		flow_advance(200);
		expect_in(opens(S1, 4000), S1_PUBLIC, OVERFLOW);
	}
	assert_int_equal(flow_ports(), 1);
	assert_int_equal(flow_blocks(), 2);
	for (uint16_t i = 0; i < 8; i++)
		expect_in(opens(S1, (uint16_t)(5000 + i)), S1_PUBLIC, S1_FIRST);
	/* and it goes last */
	flow_advance(200);
	opens(S1, 5000);
	flow_advance(250);
	assert_int_equal(flow_blocks(), 1);
	flow_advance(100);
	assert_int_equal(flow_blocks(), 0);
}

static void no_overflow(struct pool_config *pool)
{
	deterministic(pool);
	pool->overflow_blocks = 0;
}

static void two_blocks_at_most(struct pool_config *pool)
{
	deterministic(pool);
	pool->overflow_blocks = 2;
	pool->max_blocks_per_subscriber = 2;
	pool->inside.range[0].last -= 1; /* two addresses of two blocks */
}

/* Without overflow blocks a full block is the end; with them, max-blocks-per-subscriber is. */
static void where_it_ends(void **state)
{
	(void)state;
	start_with(no_overflow);
	fill_own(S1, S1_PUBLIC, S1_FIRST);
	refused(S1, 4000, VERDICT_NO_PORT, 1);
	opens(S2, 3000);
}

static void where_overflow_ends(void **state)
{
	(void)state;
	start_with(two_blocks_at_most);
	for (uint16_t i = 0; i < 2 * BLOCK; i++)
		opens(S1, (uint16_t)(3000 + i));
	refused(S1, 4000, VERDICT_BLOCK_LIMIT, 1);
}

static void soft(struct pool_config *pool)
{
	deterministic(pool);
	pool->address_pooling = POOLING_SOFT;
}

/* Soft pairing: overflow blocks of other addresses too, and never a computed one. */
static void soft_pairing(void **state)
{
	(void)state;
	start_with(soft);
	fill_own(S1, S1_PUBLIC, S1_FIRST);
	for (uint16_t i = 0; i < BLOCK; i++)
		expect_in(opens(S1, (uint16_t)(4000 + i)), S1_PUBLIC, OVERFLOW);
	for (uint16_t i = 0; i < BLOCK; i++)
		expect_in(opens(S1, (uint16_t)(5000 + i)), S2_PUBLIC, OVERFLOW);
	refused(S1, 6000, VERDICT_NO_PORT, 1);
	opens(S2, 3000);
}

/* ---- with other keys ---- */

static void overload(struct pool_config *pool)
{
	no_overflow(pool);
	pool->mapping = pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
	pool->port_overloading = true;
}

/* RFC 7857 section 3: a full block's ports serve other remotes too, in the block. */
static void overloading_stays_in_the_block(void **state)
{
	struct frame_spec spec;

	(void)state;
	start_with(overload);
	fill_own(S1, S1_PUBLIC, S1_FIRST);
	spec = packet(S1, IPPROTO_UDP, 3000, 54);
	expect_in(flow_open(&spec), S1_PUBLIC, S1_FIRST);
	assert_int_equal(flow_ports(), BLOCK);
}

static void parity(struct pool_config *pool)
{
	no_overflow(pool);
	pool->port_parity = true;
}

/* RFC 4787 REQ-4 in the block, while it has such ports. */
static void parity_in_the_block(void **state)
{
	(void)state;
	start_with(parity);
	for (uint16_t i = 0; i < BLOCK / 2; i++)
		assert_int_equal(opens(S1, (uint16_t)(3000 + 2 * i)).port % 2, 0);
	for (uint16_t i = 0; i < BLOCK / 2; i++)
		expect_in(opens(S1, (uint16_t)(4000 + 2 * i)), S1_PUBLIC, S1_FIRST);
}

/* A port of the block that is forwarded statically to somebody else is not the subscriber's. */
static void a_static_port_is_left_out(void **state)
{
	static char udp[] = "udp";
	const struct static_config forward = {
		.outside = flow_address(S1_PUBLIC),
		.outside_port = S1_FIRST + 5,
		.protocol = udp,
		.inside = flow_address(S2),
		.inside_port = 53,
		.realm = 1,
		.weight = 1,
	};
	struct frame_spec tcp;

	(void)state;
	start_with(no_overflow);
	flow_statics(&forward, 1);
	for (uint16_t i = 0; i < BLOCK - 1; i++)
		assert_int_not_equal(opens(S1, (uint16_t)(3000 + i)).port, S1_FIRST + 5);
	refused(S1, 4000, VERDICT_NO_PORT, 1);
	for (uint16_t i = 0; i < BLOCK; i++) {
		tcp = packet(S1, IPPROTO_TCP, (uint16_t)(3000 + i), 80);
		expect_in(flow_open(&tcp), S1_PUBLIC, S1_FIRST);
	}
}

/* ---- weirctl lookup ---- */

static json_t *lookup(const char *address, int port, const char *protocol)
{
	struct cmd_call call = {.args = json_pack("{s:s, s:i, s:s}", "address", address, "port",
						  port, "protocol", protocol)};
	json_t *reply = cmd_find("/weir/lookup")->run(&call);

	json_decref(call.args);
	assert_non_null(reply);
	return reply;
}

static void expect_lookup(const char *address, int port, const char *protocol, const char *inside,
			  const char *outside, int first)
{
	json_t *reply = lookup(address, port, protocol), *block, *wanted;

	block = json_array_get(json_object_get(reply, "blocks"), 0);
	wanted = json_pack("{s:b, s:s, s:s, s:i, s:s, s:i, s:i}", "computed", 1, "pool", "pool",
			   "inside", inside, "realm", 1, "outside", outside, "first", first, "last",
			   first + BLOCK - 1);
	assert_true(json_equal(block, wanted));
	assert_int_equal(json_array_size(json_object_get(reply, "blocks")), 1);
	json_decref(wanted);
	json_decref(reply);
}

static void expect_nobody(const char *address, int port, const char *protocol)
{
	json_t *reply = lookup(address, port, protocol);

	assert_int_equal(json_array_size(json_object_get(reply, "blocks")), 0);
	assert_int_equal(json_array_size(json_object_get(reply, "mappings")), 0);
	json_decref(reply);
}

/* Forward and reverse, of subscribers that never sent a packet; and no answer where there is none:
 * overflow, a block that is nobody's, a protocol without ports, a stranger. */
static void lookup_computes(void **state)
{
	(void)state;
	flow_start(&four_blocks);
	for (int i = 0; i < 5; i++) {
		const char *outside = i < 3 ? S1_PUBLIC : S2_PUBLIC;
		int first = 1024 + i % 3 * BLOCK;
		char inside[16];

		snprintf(inside, sizeof(inside), "100.64.0.%d", i);
		expect_lookup(inside, 5, "tcp", inside, outside, first);
		expect_lookup(outside, first, "udp", inside, outside, first);
		expect_lookup(outside, first + BLOCK - 1, "icmp", inside, outside, first);
	}
	expect_nobody(S1_PUBLIC, OVERFLOW, "udp");
	expect_nobody(S2_PUBLIC, 1024 + 2 * BLOCK, "udp");
	expect_nobody(S1_PUBLIC, 1023, "udp");
	expect_nobody(S1_PUBLIC, 65535, "udp");
	expect_nobody(S1_PUBLIC, 1024, "gre");
	expect_nobody("203.0.113.3", 1024, "udp");
	expect_nobody(STRANGER, 1024, "udp");
	flow_expect_nothing_kept();
}

/* What lookup says beforehand is what packets then get, and live mappings are beside it. A port
 * that is forwarded statically is not said to be the subscriber's. */
static void lookup_and_packets_agree(void **state)
{
	static char udp[] = "udp";
	const struct static_config forward = {
		.outside = flow_address(S2_PUBLIC),
		.outside_port = S2_FIRST,
		.protocol = udp,
		.inside = flow_address(S1),
		.realm = 1,
		.weight = 1,
	};
	struct endpoint public;
	json_t *reply, *mapping;

	(void)state;
	flow_start(&four_blocks);
	public = opens(S1, 3000);
	expect_lookup(public.address, public.port, "udp", S1, S1_PUBLIC, S1_FIRST);
	reply = lookup(public.address, public.port, "udp");
	mapping = json_array_get(json_object_get(reply, "mappings"), 0);
	assert_string_equal(json_string_value(json_object_get(mapping, "inside")), S1);
	json_decref(reply);
	flow_statics(&forward, 1);
	expect_nobody(S2_PUBLIC, S2_FIRST, "udp");
	expect_lookup(S2_PUBLIC, S2_FIRST, "tcp", S2, S2_PUBLIC, S2_FIRST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(a_subscriber_has_its_computed_block),
		FLOW_TEST(ports_in_the_block_are_unpredictable),
		FLOW_TEST(who_is_not_listed_is_refused),
		FLOW_TEST(another_realm_is_not_listed),
		FLOW_TEST(protocols_without_ports),
		FLOW_TEST(blocks_belong_to_their_homes),
		FLOW_TEST(hairpin),
		FLOW_TEST(the_block_needs_no_rest),
		FLOW_TEST(overflow_is_dynamic),
		FLOW_TEST(the_own_block_is_used_first),
		FLOW_TEST(where_it_ends),
		FLOW_TEST(where_overflow_ends),
		FLOW_TEST(soft_pairing),
		FLOW_TEST(overloading_stays_in_the_block),
		FLOW_TEST(parity_in_the_block),
		FLOW_TEST(a_static_port_is_left_out),
		FLOW_TEST(lookup_computes),
		FLOW_TEST(lookup_and_packets_agree),
	};

	return FLOW_RUN(tests);
}
