/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

/* First packets whose source cannot be on the side that they came from: RFC 1812 5.3.8, RFC 2827.
 */

static const struct frame_spec query = {.src = S1,
					.dst = B1,
					.proto = IPPROTO_UDP,
					.sport = 4000,
					.dport = 53,
					.df = true,
					.length = 9};

/* From the outside: nobody there has an address of a pool, of a subscriber, or of weir. The mapping
 * is for all others. */
static void from_the_outside(void **state)
{
	static const char *const sources[] = {POOL,         "203.0.113.2",   S1,
					      S2,           "100.64.7.7",    WEIR_INSIDE,
					      WEIR_OUTSIDE, "100.64.255.255"};
	struct endpoint public;
	struct frame_spec in;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.2"});
	public = flow_open(&query);
	in = flow_reply(&query, &public);
	for (uint32_t i = 0; i < RTE_DIM(sources); i++) {
		in.src = sources[i];
		flow_drop(OUTSIDE, &in, VERDICT_SPOOFED_SOURCE);
	}
	assert_int_equal(flow_sessions(), 1);
	in.src = B2;
	flow_send(OUTSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
}

/* Weir itself does not answer them, to whom they never were. */
static void pings_of_weir(void **state)
{
	static const char *const sources[] = {POOL, WEIR_INSIDE, WEIR_OUTSIDE, S1};
	struct frame_spec in = {
		.dst = WEIR_OUTSIDE, .proto = IPPROTO_ICMP, .type = 8, .ident = 1, .length = 9};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (uint32_t i = 0; i < RTE_DIM(sources); i++) {
		in.src = sources[i];
		flow_drop(OUTSIDE, &in, VERDICT_SPOOFED_SOURCE);
	}
}

/* An ICMP error is known by what it quotes, from whatever router it is (RFC 4787 REQ-12 a): many
 * have addresses of a range that subscribers have, too. */
static void errors_from_any_router(void **state)
{
	struct frame_spec quote, error, out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	quote = flow_public(&query, &public);
	error = (struct frame_spec){.src = "100.64.7.7",
				    .dst = public.address,
				    .proto = IPPROTO_ICMP,
				    .type = 11,
				    .quote = &quote,
				    .quote_length = 28};
	out = error;
	out.dst = S1;
	out.quote = &query;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &error, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
}

/* From the inside: only from where an answer would find back. One who makes up addresses takes no
 * place of a subscriber, and nobody is told in their name. */
static void from_the_inside(void **state)
{
	static const char *const sources[] = {POOL,        B1,           "8.8.8.8",
					      WEIR_INSIDE, WEIR_OUTSIDE, "198.51.100.254"};
	static const char *const destinations[] = {B1, S2, POOL, WEIR_INSIDE};
	struct frame_spec in = query;

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (uint32_t i = 0; i < RTE_DIM(sources); i++) {
		in.src = sources[i];
		for (uint32_t k = 0; k < RTE_DIM(destinations); k++) {
			in.dst = destinations[k];
			flow_send(INSIDE, &in);
			if (in.dst == destinations[2]) /* nobody has that port, first of all */
				flow_expect_verdict(VERDICT_NO_SESSION);
			else
				flow_expect_verdict(VERDICT_SPOOFED_SOURCE);
			flow_expect_silence();
		}
	}
	in.dst = B1;
	in.ttl = 1;
	flow_drop(INSIDE, &in, VERDICT_SPOOFED_SOURCE);
	assert_int_equal(flow_subscribers(), 0);
}

/* Nor a call to another subscriber's public endpoint. */
static void hairpin(void **state)
{
	struct endpoint public;
	struct frame_spec in = query;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&query);
	in.src = "8.8.8.8";
	in.dst = public.address;
	in.dport = public.port;
	flow_drop(INSIDE, &in, VERDICT_SPOOFED_SOURCE);
	assert_int_equal(flow_subscribers(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(from_the_outside),
		FLOW_TEST(pings_of_weir),
		FLOW_TEST(errors_from_any_router),
		FLOW_TEST(from_the_inside),
		FLOW_TEST(hairpin),
	};

	return FLOW_RUN(tests);
}
