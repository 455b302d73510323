/* SPDX-License-Identifier: BSD-3-Clause */
/* Which public ports mappings get: all of them, shared ones, paired ones, like the source's. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"

#define BLOCK 64

static struct frame_spec packet(const char *subscriber, uint16_t sport, const char *dst,
				uint16_t dport)
{
	return (struct frame_spec){.src = subscriber,
				   .dst = dst,
				   .proto = IPPROTO_UDP,
				   .sport = sport,
				   .dport = dport,
				   .length = 20};
}

static struct endpoint opens(const char *subscriber, uint16_t sport, const char *dst,
			     uint16_t dport)
{
	struct frame_spec spec = packet(subscriber, sport, dst, dport);

	return flow_open(&spec);
}

static void refused(const char *subscriber, uint16_t sport, uint16_t dport, enum verdict verdict)
{
	struct frame_spec spec = packet(subscriber, sport, B1, dport);

	flow_refuse(INSIDE, &spec, verdict, 3, 1);
}

static uint64_t overloaded(void)
{
	struct pool_usage usage;

	pool_usage(pool_get(0), &usage);
	return usage.overloaded;
}

static const struct flow_setup one_block = {
	.ports_first = 1024, .ports_last = 1024 + BLOCK - 1, .block_size = BLOCK};

/* ---- overloading ---- */

static void overload(struct pool_config *pool)
{
	pool->mapping = ADDRESS_AND_PORT_DEPENDENT;
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
	pool->port_overloading = true;
}

static void depend(struct pool_config *pool)
{
	pool->mapping = ADDRESS_AND_PORT_DEPENDENT;
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
}

/* RFC 7857 section 3: once all ports are in use they serve other remote endpoints too, are never
 * shared towards the same one, and each user gets its own answers. */
static void ports_are_shared_towards_other_remotes(void **state)
{
	struct flow_setup setup = one_block;
	struct frame_spec spec, in, out;
	struct endpoint public;
	bool seen[BLOCK] = {0};

	(void)state;
	setup.set_pool = overload;
	flow_start(&setup);
	for (uint16_t i = 0; i < BLOCK; i++)
		opens(S1, (uint16_t)(3000 + i), B1, 53);
	assert_int_equal(overloaded(), 0);
	for (uint16_t i = 0; i < BLOCK; i++) {
		public = opens(S1, (uint16_t)(3000 + i), B2, 53);
		assert_false(seen[public.port - 1024]);
		seen[public.port - 1024] = true;
	}
	assert_int_equal(overloaded(), BLOCK);
	assert_int_equal(flow_ports(), BLOCK);
	refused(S1, 4000, 53, VERDICT_NO_PORT);
	opens(S1, 4000, B1, 54);
	/* an answer goes to the one who asked, though two use the port */
	spec = packet(S1, 3000, B2, 53);
	public = flow_open(&spec);
	in = flow_reply(&spec, &public);
	out = flow_answer(&spec);
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	in.sport = 99;
	flow_drop(OUTSIDE, &in, VERDICT_NO_SESSION);
}

/* The first user may leave before the others: the port stays theirs. */
static void a_shared_port_is_free_after_its_last_user(void **state)
{
	struct flow_setup setup = one_block;

	(void)state;
	setup.set_pool = overload;
	flow_start(&setup);
	for (uint16_t i = 0; i < BLOCK; i++)
		opens(S1, (uint16_t)(3000 + i), B1, 53);
	flow_advance(200);
	for (uint16_t i = 0; i < BLOCK; i++)
		opens(S1, (uint16_t)(3000 + i), B2, 53);
	flow_advance(110);
	assert_int_equal(flow_sessions(), BLOCK);
	assert_int_equal(flow_ports(), BLOCK);
	assert_int_equal(overloaded(), 0);
	for (uint16_t i = 0; i < BLOCK; i++)
		opens(S1, (uint16_t)(3000 + i), B2, 53);
	flow_advance(310);
	assert_int_equal(flow_ports(), 0);
}

/* RFC 4787 REQ-3: without the option no port is shared, whatever the mapping. */
static void ports_are_not_shared_unless_chosen(void **state)
{
	struct flow_setup setup = one_block;

	(void)state;
	setup.set_pool = depend;
	flow_start(&setup);
	for (uint16_t i = 0; i < BLOCK; i++)
		opens(S1, 3000, B1, (uint16_t)(1 + i));
	refused(S1, 3000, 99, VERDICT_NO_PORT);
	assert_int_equal(flow_ports(), BLOCK);
}

/* ---- pooling ---- */

static void soft(struct pool_config *pool)
{
	pool->address_pooling = POOLING_SOFT;
}

static const struct flow_setup two_addresses = {.pool = "203.0.113.1-203.0.113.2",
						.ports_first = 1024,
						.ports_last = 1024 + BLOCK - 1,
						.block_size = BLOCK};

/* RFC 7857 section 4: strict pairing refuses when the paired address is full, though another has
 * ports. */
static void strict_pairing_refuses(void **state)
{
	(void)state;
	flow_start(&two_addresses);
	for (uint16_t i = 0; i < BLOCK; i++)
		opens(S1, (uint16_t)(3000 + i), B1, 53);
	refused(S1, 4000, 53, VERDICT_NO_PORT);
	opens(S2, 3000, B1, 53);
}

/* Soft pairing goes on with another address, and both work both ways; the mappings that were there
 * stay where they are. */
static void soft_pairing_goes_on(void **state)
{
	struct flow_setup setup = two_addresses;
	struct endpoint first, other, again;
	struct frame_spec spec, in, out;

	(void)state;
	setup.set_pool = soft;
	flow_start(&setup);
	first = opens(S1, 3000, B1, 53);
	for (uint16_t i = 1; i < BLOCK; i++) {
		other = opens(S1, (uint16_t)(3000 + i), B1, 53);
		assert_string_equal(first.address, other.address);
	}
	spec = packet(S1, 4000, B1, 53);
	other = flow_open(&spec);
	assert_string_not_equal(first.address, other.address);
	in = flow_reply(&spec, &other);
	out = flow_answer(&spec);
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	again = opens(S1, 3000, B2, 53);
	assert_string_equal(first.address, again.address);
	assert_int_equal(first.port, again.port);
	for (uint16_t i = 1; i < BLOCK; i++)
		opens(S1, (uint16_t)(4000 + i), B1, 53);
	refused(S1, 5000, 53, VERDICT_NO_PORT);
}

/* ---- parity and range ---- */

static void parity(struct pool_config *pool)
{
	pool->port_parity = true;
}

/* RFC 4787 REQ-4: even to even, odd to odd, over blocks that begin even or odd; a free port of the
 * other kind is better than a refusal (RFC 7857 section 8). */
static void parity_is_kept(void **state)
{
	for (uint16_t first = 1024; first <= 1025; first++) {
		flow_start(&(struct flow_setup){.ports_first = first,
						.ports_last = (uint16_t)(first + 2 * BLOCK - 1),
						.block_size = BLOCK,
						.set_pool = parity});
		for (uint16_t i = 0; i < 2 * BLOCK; i++)
			assert_int_equal(opens(S1, (uint16_t)(3000 + i), B1, 53).port % 2, i % 2);
		assert_int_equal(flow_ports(), 2 * BLOCK);
		assert_int_equal(flow_teardown(state), 0);
	}
	flow_start(&(struct flow_setup){.ports_first = 1024,
					.ports_last = 1024 + BLOCK - 1,
					.block_size = BLOCK,
					.set_pool = parity});
	for (uint16_t i = 0; i < BLOCK; i++)
		opens(S1, (uint16_t)(3000 + 2 * i), B1, 53);
	assert_int_equal(flow_ports(), BLOCK);
}

static void keep_range(struct pool_config *pool)
{
	pool->keep_port_range = true;
}

/* RFC 4787 REQ-3 a: a source port below 1024 maps below 1024, others to others, while there are
 * any. */
static void the_range_is_kept(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.ports_first = 1024 - BLOCK,
					.ports_last = 1024 + 2 * BLOCK - 1,
					.block_size = BLOCK,
					.set_pool = keep_range});
	for (uint16_t i = 0; i < BLOCK; i++) {
		assert_in_range(opens(S1, (uint16_t)(500 + i), B1, 53).port, 1, 1023);
		assert_in_range(opens(S1, (uint16_t)(3000 + i), B1, 53).port, 1024, 65535);
	}
	assert_int_equal(flow_blocks(), 2);
	assert_in_range(opens(S1, 600, B1, 53).port, 1024, 65535);
}

/* ---- all of them ---- */

static char *subscriber(uint32_t i)
{
	static char text[16];

	snprintf(text, sizeof(text), "100.64.%u.%u", 1 + i / 200, 10 + i % 200);
	return text;
}

/* RFC 6888 REQ-13: every port can be handed out before the first refusal; the last is found as the
 * first. RFC 4787 REQ-11: at 1, 95 and 100 % the mapping and the filter are of the same type. */
static void all_ports_are_handed_out(void **state)
{
	const uint32_t blocks = 32, all = blocks * BLOCK * 2;
	struct endpoint first, again;
	struct frame_spec spec = packet(subscriber(0), 1000, B1, 53), in, out;
	uint32_t n = 0;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.2",
					.ports_first = 1024,
					.ports_last = (uint16_t)(1024 + blocks * BLOCK - 1),
					.block_size = BLOCK,
					.max_sessions = 8192,
					.max_subscribers = 128});
	for (uint32_t s = 0; s < 2 * blocks; s++) {
		for (uint32_t i = 0; i < BLOCK; i++) {
			again = opens(subscriber(s), (uint16_t)(1000 + i), B1, 53);
			if (s == 0 && i == 0)
				first = again;
			n++;
			if (n != all / 100 && n != all * 95 / 100 && n != all)
				continue;
			again = opens(subscriber(0), 1000, B2, (uint16_t)(n % 60000));
			assert_string_equal(first.address, again.address);
			assert_int_equal(first.port, again.port);
			in = flow_reply(&spec, &first);
			in.src = B2;
			in.sport = (uint16_t)(1 + n % 60000);
			out = in;
			out.dst = spec.src;
			out.dport = spec.sport;
			out = flow_hop(&out);
			flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
		}
	}
	assert_int_equal(flow_ports(), all);
	refused(S1, 1, 53, VERDICT_NO_ADDRESS);
	spec = packet(subscriber(0), 5, B1, 53);
	flow_refuse(INSIDE, &spec, VERDICT_NO_PORT, 3, 1);
}

/* RFC 4787 REQ-2, requirements 3.1: who is paired stays so when others come and fill the addresses;
 * nothing is computed from the pool's size. */
static void pairing_is_remembered(void **state)
{
	struct endpoint first[8], again;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.9", .max_subscribers = 128});
	for (uint32_t s = 0; s < 8; s++)
		first[s] = opens(subscriber(s), 1000, B1, 53);
	for (uint32_t s = 8; s < 100; s++)
		opens(subscriber(s), 1000, B1, 53);
	for (uint32_t s = 0; s < 8; s++) {
		again = opens(subscriber(s), 2000, B1, 53);
		assert_string_equal(first[s].address, again.address);
	}
}

/* ---- rest ---- */

static void rest_few(struct pool_config *pool)
{
	pool->max_resting_ports = BLOCK;
}

/* RFC 6888 REQ-8: so many ports rest at most: beyond, the block that rested longest is free before
 * its time. */
static void few_ports_rest(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.ports_first = 1024,
					.ports_last = 1024 + 2 * BLOCK - 1,
					.block_size = BLOCK,
					.set_pool = rest_few});
	opens(S1, 1, B1, 53);
	flow_advance(20);
	opens(S2, 1, B1, 53);
	flow_advance(320);
	/* one rests, the other may still be held */
	flow_advance(20);
	assert_int_equal(flow_blocks(), 0);
	opens(S1, 1, B1, 53);
	refused(S2, 1, 53, VERDICT_NO_ADDRESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(ports_are_shared_towards_other_remotes),
		FLOW_TEST(a_shared_port_is_free_after_its_last_user),
		FLOW_TEST(ports_are_not_shared_unless_chosen),
		FLOW_TEST(strict_pairing_refuses),
		FLOW_TEST(soft_pairing_goes_on),
		FLOW_TEST(parity_is_kept),
		FLOW_TEST(the_range_is_kept),
		FLOW_TEST(all_ports_are_handed_out),
		FLOW_TEST(pairing_is_remembered),
		FLOW_TEST(few_ports_rest),
	};

	return FLOW_RUN(tests);
}
