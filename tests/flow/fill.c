/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool that is filled to its last port, again and again, for hours: generations of subscribers of
 * whom each fills its one block with TCP, UDP and pings. A generation comes when the one before the
 * last has gone and its blocks have rested, so that half of the pool always lives on.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "pools.h"
#include "text.h"
#include "timeouts.h"

#define GENERATIONS 42
#define SECONDS     400 /* from one to the next */
#define BLOCK       64
#define BLOCKS      64 /* of an address */
#define ADDRESSES   2
#define FIRST       1024
#define SUBSCRIBERS (ADDRESSES * BLOCKS / 2) /* of a generation */
#define PROTOCOLS   3
#define PORTS       (ADDRESSES * BLOCKS * BLOCK) /* of a protocol */
#define TIMEOUT     300
#define REST        120

static const uint8_t protocols[PROTOCOLS] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};

static struct {
	uint32_t now;
	/* by public port: who has it, from 1, and when it was used last */
	struct {
		uint32_t holder, seen;
	} port[PROTOCOLS][PORTS];
	/* by its holder: the place in there */
	uint32_t place[2][SUBSCRIBERS][PROTOCOLS][BLOCK];
} model;

/* Subscriber s of a generation, from 0. */
static uint32_t number(uint32_t generation, uint32_t s)
{
	return generation * SUBSCRIBERS + s;
}

static const char *address_of(uint32_t subscriber)
{
	static char text[TEXT_IPV4_SIZE];
	uint32_t host = support_ipv4("100.64.1.10") + subscriber / 200 * 256 + subscriber % 200;

	return text_ipv4(rte_cpu_to_be_32(host), text);
}

static struct frame_spec packet(uint32_t subscriber, uint32_t p, uint32_t k)
{
	struct frame_spec spec = {.src = address_of(subscriber),
				  .dst = B1,
				  .proto = protocols[p],
				  .length = 4,
				  .df = true};

	if (spec.proto == IPPROTO_ICMP) {
		spec.type = 8;
		spec.ident = (uint16_t)(3000 + k);
	} else {
		spec.sport = (uint16_t)(3000 + k);
		spec.dport = 80;
		spec.tcp_flags = RTE_TCP_SYN_FLAG;
	}
	return spec;
}

static struct endpoint endpoint_at(uint32_t place)
{
	struct endpoint public;

	snprintf(public.address, sizeof(public.address), "203.0.113.%u",
		 1 + place / (BLOCKS * BLOCK) % ADDRESSES);
	public.port = (uint16_t)(FIRST + place % (BLOCKS * BLOCK));
	return public;
}

static uint32_t place_of(const struct endpoint *public)
{
	uint32_t address = support_ipv4(public->address) - support_ipv4("203.0.113.1");

	assert_in_range(address, 0, ADDRESSES - 1);
	assert_in_range(public->port, FIRST, FIRST + BLOCKS * BLOCK - 1);
	return address * BLOCKS * BLOCK + public->port - FIRST;
}

/* A new mapping: of a port that nobody has, and whose last user is long gone and it has rested. */
static void begin(uint32_t generation, uint32_t s, uint32_t p, uint32_t k)
{
	struct frame_spec spec = packet(number(generation, s), p, k);
	struct rte_mbuf *frame;
	struct endpoint public;
	uint32_t place;

	flow_send(INSIDE, &spec);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	assert_non_null(frame);
	public = flow_source(frame);
	place = place_of(&public);
	if (model.port[p][place].holder != 0)
		assert_in_range(model.now - model.port[p][place].seen, TIMEOUT + REST, UINT32_MAX);
	model.port[p][place].holder = number(generation, s) + 1;
	model.port[p][place].seen = model.now;
	model.place[generation % 2][s][p][k] = place;
}

/* RFC 6888 REQ-13: none is refused before the last port is taken. */
static void fill(uint32_t generation)
{
	for (uint32_t s = 0; s < SUBSCRIBERS; s++)
		for (uint32_t k = 0; k < BLOCK; k++)
			for (uint32_t p = 0; p < PROTOCOLS; p++)
				begin(generation, s, p, k);
}

/* So many generations have their ports, and all other blocks rest. */
static void expect_state(uint32_t generations)
{
	struct pool_usage usage;

	pool_usage(pool_get(0), &usage);
	for (uint32_t p = 0; p < PROTOCOLS; p++)
		assert_int_equal(usage.ports_used[p], generations * PORTS / 2);
	assert_int_equal(usage.blocks_taken, generations * SUBSCRIBERS);
	assert_int_equal(usage.blocks_resting, (2 - generations) * SUBSCRIBERS);
	assert_int_equal(flow_sessions(), PROTOCOLS * PORTS * generations / 2);
	assert_int_equal(flow_mappings(), PROTOCOLS * PORTS * generations / 2);
	assert_int_equal(flow_subscribers(), generations * SUBSCRIBERS);
}

static void expect_refused(uint32_t subscriber, uint32_t k, enum verdict verdict)
{
	for (uint32_t p = 0; p < PROTOCOLS; p++) {
		struct frame_spec spec = packet(subscriber, p, k);

		flow_send(INSIDE, &spec);
		flow_expect_verdict(verdict);
		assert_null(flow_receive(OUTSIDE));
		while (flow_receive(INSIDE) != NULL) /* an ICMP error, if the rate allows */
			;
	}
}

/* Who comes, or wants more, while all is taken or rests. */
static void expect_refusals(uint32_t generation)
{
	for (uint32_t i = 0; i < 20; i++)
		expect_refused(number(GENERATIONS, i), 0, VERDICT_NO_ADDRESS);
	for (uint32_t s = 0; s < SUBSCRIBERS; s += 7)
		expect_refused(number(generation, s), BLOCK, VERDICT_BLOCK_LIMIT);
}

/* A mapping is where it was, and works both ways. */
static void use_one(uint32_t subscriber, uint32_t p, uint32_t k, uint32_t place)
{
	struct frame_spec out = packet(subscriber, p, k), seen, reply, back;
	struct endpoint public = endpoint_at(place);

	assert_int_equal(model.port[p][place].holder, subscriber + 1);
	seen = flow_public(&out, &public);
	seen = flow_hop(&seen);
	flow_pass(INSIDE, &out, VERDICT_TRANSLATED, OUTSIDE, &seen);
	reply = flow_reply(&out, &public);
	back = flow_answer(&out);
	back = flow_hop(&back);
	flow_pass(OUTSIDE, &reply, VERDICT_TRANSLATED, INSIDE, &back);
	model.port[p][place].seen = model.now;
}

/* RFC 6888 REQ-11 D: nothing that the generation has was removed to make room. */
static void use(uint32_t generation)
{
	for (uint32_t s = 0; s < SUBSCRIBERS; s++)
		for (uint32_t p = 0; p < PROTOCOLS; p++)
			for (uint32_t k = 0; k < BLOCK; k++)
				use_one(number(generation, s), p, k,
					model.place[generation % 2][s][p][k]);
}

/* In steps, as a turn of the workers ends so many sessions at most. */
static void advance_to(uint32_t second)
{
	for (; model.now < second; model.now++)
		for (uint32_t i = 0; i < 10; i++)
			flow_advance_ms(100);
}

static void filled_for_hours(void **state)
{
	const struct timeouts kept = timeouts;

	(void)state;
	memset(&model, 0, sizeof(model));
	timeouts.tcp_opening = timeouts.icmp = TIMEOUT; /* as UDP's */
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.2",
					.ports_first = FIRST,
					.ports_last = FIRST + BLOCKS * BLOCK - 1,
					.block_size = BLOCK,
					.max_blocks = 1,
					/* a leak would soon show */
					.max_sessions = PROTOCOLS * PORTS + 8,
					.max_subscribers = 4 * SUBSCRIBERS});
	for (uint32_t g = 0; g < GENERATIONS; g++) {
		fill(g);
		if (g > 0) {
			expect_state(2);
			expect_refusals(g);
		}
		advance_to(g * SECONDS + 200);
		use(g);
		advance_to(g * SECONDS + 240); /* the generation before has gone, its blocks rest */
		if (g > 0) {
			expect_state(1);
			expect_refusals(g);
		}
		advance_to((g + 1) * SECONDS);
	}
	timeouts = kept;
}

int main(void)
{
	const struct CMUnitTest tests[] = {FLOW_TEST(filled_for_hours)};

	return FLOW_RUN(tests);
}
