/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

static const struct frame_spec ping = {.src = S1,
				       .dst = B1,
				       .proto = IPPROTO_ICMP,
				       .type = 8,
				       .ident = 77,
				       .seq = 3,
				       .length = 57};
static const struct frame_spec timestamp = {.src = S1,
					    .dst = B1,
					    .proto = IPPROTO_ICMP,
					    .type = 13,
					    .ident = 77,
					    .seq = 3,
					    .length = 12};
static const struct frame_spec udp = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 99};
static const struct frame_spec udp_bare = {.src = S1,
					   .dst = B1,
					   .proto = IPPROTO_UDP,
					   .sport = 4000,
					   .dport = 53,
					   .length = 99,
					   .no_checksum = true};
static const struct frame_spec syn = {.src = S1,
				      .dst = B1,
				      .proto = IPPROTO_TCP,
				      .sport = 4000,
				      .dport = 80,
				      .tcp_flags = RTE_TCP_SYN_FLAG,
				      .length = 40};

/* What errors are about. */
static const struct frame_spec *const kinds[] = {&ping, &timestamp, &udp, &udp_bare, &syn};

/* How much of it routers quote: the least, up to a TCP checksum's edge and behind, all. */
static const uint16_t lengths[] = {28, 29, 36, 38, 39, 40, 0};

static void reply_passes(const struct frame_spec *sent, const struct endpoint *public)
{
	struct frame_spec in = flow_reply(sent, public), out = flow_answer(sent);

	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

static struct frame_spec error_of(const char *src, const char *dst, uint8_t type, uint8_t code,
				  const struct frame_spec *quote, uint16_t quoted)
{
	return (struct frame_spec){.src = src,
				   .dst = dst,
				   .proto = IPPROTO_ICMP,
				   .type = type,
				   .code = code,
				   .mtu = type == 3 && code == 4 ? 1400 : 0,
				   .quote = quote,
				   .quote_length = quoted};
}

/* RFC 5508 REQ-1: pings and timestamps pass both ways, with a public identifier. */
static void queries_and_replies(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&ping);
	reply_passes(&ping, &public);
	public = flow_open(&timestamp);
	reply_passes(&timestamp, &public);
	assert_int_equal(flow_sessions(), 2);
}

/* RFC 5508 REQ-1a: the identifier's mapping is the same towards all remotes, and a rival's is
 * another. */
static void identifiers_are_endpoint_independent(void **state)
{
	struct frame_spec other = ping, rival = ping;
	struct endpoint first, second, rivals;

	(void)state;
	other.dst = B2;
	rival.src = S2;
	flow_start(&(struct flow_setup){0});
	first = flow_open(&ping);
	second = flow_open(&other);
	rivals = flow_open(&rival);
	assert_int_equal(first.port, second.port);
	assert_int_not_equal(first.port, rivals.port);
}

/* RFC 5508 REQ-2: a query lives 60 s. */
static void a_query_lives_60_seconds(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&ping);
	flow_advance(60);
	assert_int_equal(flow_sessions(), 1);
	flow_advance(1);
	flow_expect_nothing_kept();
}

/* A reply that nobody asked for begins nothing, from either side. */
static void a_reply_begins_nothing(void **state)
{
	struct frame_spec reply = flow_answer(&ping);

	(void)state;
	reply.src = S1;
	reply.dst = B1;
	flow_start(&(struct flow_setup){0});
	flow_drop(INSIDE, &reply, VERDICT_NO_SESSION);
	reply.src = B1;
	reply.dst = POOL;
	flow_drop(OUTSIDE, &reply, VERDICT_NO_SESSION);
	flow_expect_nothing_kept();
}

/* An error about `sent`, from the outside: what it quotes goes back to what the subscriber sent. */
static void error_comes_in(const char *src, uint8_t type, uint8_t code,
			   const struct frame_spec *sent, const struct endpoint *public,
			   uint16_t quoted)
{
	struct frame_spec out_quote = flow_public(sent, public), in_quote = *sent, in, out;

	in_quote.ttl = out_quote.ttl = 1;
	in = error_of(src, public->address, type, code, &out_quote, quoted);
	out = error_of(src, sent->src, type, code, &in_quote, quoted);
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_ERROR_TRANSLATED, INSIDE, &out);
}

/* RFC 5508 REQ-4, RFC 5382 REQ-9: an error about a session goes to the subscriber, with outer and
 * quoted packet translated, whoever on the way sent it and however little it quotes. */
static void errors_from_the_outside(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	for (unsigned int k = 0; k < RTE_DIM(kinds); k++) {
		struct endpoint public = flow_open(kinds[k]);

		for (unsigned int i = 0; i < RTE_DIM(lengths); i++) {
			error_comes_in(B1, 3, 3, kinds[k], &public, lengths[i]);
			error_comes_in(TRANSIT, 3, 4, kinds[k], &public, lengths[i]);
			error_comes_in(TRANSIT, 11, 0, kinds[k], &public, lengths[i]);
			error_comes_in(TRANSIT, 12, 0, kinds[k], &public, lengths[i]);
		}
		if (kinds[k] == &udp)
			flow_advance(301); /* the next kind has the same ports */
	}
}

/* An error about a reply, from the inside: it leaves as the public address's, whoever sent it. */
static void error_goes_out(const char *src, uint8_t type, uint8_t code,
			   const struct frame_spec *sent, const struct endpoint *public,
			   uint16_t quoted)
{
	struct frame_spec in_quote = flow_answer(sent), out_quote = flow_reply(sent, public), in,
			  out;

	in_quote.ttl = out_quote.ttl = 1;
	in = error_of(src, B1, type, code, &in_quote, quoted);
	out = error_of(public->address, B1, type, code, &out_quote, quoted);
	out.any_ip_id = true;
	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_ERROR_TRANSLATED, OUTSIDE, &out);
}

/* RFC 5508 REQ-5: errors from the inside, from the subscriber or a router behind it. */
static void errors_from_the_inside(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	for (unsigned int k = 0; k < RTE_DIM(kinds); k++) {
		struct endpoint public = flow_open(kinds[k]);

		for (unsigned int i = 0; i < RTE_DIM(lengths); i++) {
			error_goes_out(S1, 3, 3, kinds[k], &public, lengths[i]);
			error_goes_out(ROUTER, 11, 0, kinds[k], &public, lengths[i]);
			error_goes_out(ROUTER, 3, 4, kinds[k], &public, lengths[i]);
		}
		if (kinds[k] == &udp)
			flow_advance(301);
	}
}

/* RFC 5508 REQ-3: the quoted packet may carry IP options, and a wrong transport checksum. */
static void odd_quotes_pass(void **state)
{
	static const uint8_t nops[40] = {[0 ... 38] = 1};
	struct frame_spec sent = udp;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&udp);
	sent.options = nops;
	sent.options_length = sizeof(nops);
	error_comes_in(TRANSIT, 11, 0, &sent, &public, 68);
	error_comes_in(TRANSIT, 11, 0, &sent, &public, 0);
	sent = udp;
	sent.bad_checksum = true;
	struct frame_spec quote = flow_public(&sent, &public);
	struct frame_spec in = error_of(TRANSIT, POOL, 11, 0, &quote, 0);
	flow_send(OUTSIDE, &in);
	flow_expect_verdict(VERDICT_ERROR_TRANSLATED);
}

/* RFC 5508 REQ-6, RFC 4787 REQ-12, RFC 5382 REQ-10: an error neither refreshes nor ends a session.
 */
static void errors_refresh_and_end_nothing(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&udp);
	flow_advance(200);
	for (uint8_t code = 0; code < 16; code++)
		error_comes_in(TRANSIT, 3, code, &udp, &public, 28);
	error_goes_out(S1, 3, 3, &udp, &public, 28);
	reply_passes(&udp, &public);
	flow_advance(200);
	error_comes_in(TRANSIT, 3, 3, &udp, &public, 28);
	error_goes_out(S1, 3, 3, &udp, &public, 28);
	flow_advance(100);
	assert_int_equal(flow_sessions(), 1);
	flow_advance(1);
	assert_int_equal(flow_sessions(), 0);
}

/* RFC 5508 REQ-4, REQ-5: an error about no session is dropped, and makes none. */
static void errors_about_nothing_are_dropped(void **state)
{
	struct endpoint nobody = {POOL, 5000};
	struct frame_spec quote = flow_public(&udp, &nobody), in;

	(void)state;
	flow_start(&(struct flow_setup){0});
	in = error_of(TRANSIT, POOL, 11, 0, &quote, 28);
	flow_drop(OUTSIDE, &in, VERDICT_ERROR_NO_SESSION);
	quote = flow_answer(&udp);
	in = error_of(S1, B1, 3, 3, &quote, 28);
	flow_drop(INSIDE, &in, VERDICT_ERROR_NO_SESSION);
	flow_expect_nothing_kept();
}

/* RFC 5508 REQ-3: an error with a wrong checksum, its own or its quote's IP header's, is dropped.
 */
static void damaged_errors_are_dropped(void **state)
{
	struct endpoint public;
	struct frame_spec quote, in;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&udp);
	quote = flow_public(&udp, &public);
	in = error_of(TRANSIT, POOL, 11, 0, &quote, 28);
	in.bad_checksum = true;
	flow_drop(OUTSIDE, &in, VERDICT_BAD_ICMP_CHECKSUM);
	in.bad_checksum = false;
	quote.bad_ip_checksum = true;
	flow_drop(OUTSIDE, &in, VERDICT_BAD_QUOTE);
}

/* An error to another than the sender of what it quotes is forged, and nobody gets it: neither a
 * subscriber from the outside, nor by a subscriber's doing a host outside that it was not for. */
static void misdirected_errors_are_dropped(void **state)
{
	struct endpoint public;
	struct frame_spec quote, in;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.2"});
	public = flow_open(&udp);
	quote = flow_public(&udp, &public);
	in = error_of(TRANSIT, public.address[10] == '1' ? "203.0.113.2" : "203.0.113.1", 3, 1,
		      &quote, 0);
	flow_drop(OUTSIDE, &in, VERDICT_BAD_QUOTE);
	quote = flow_answer(&udp);
	in = error_of(S1, B2, 3, 3, &quote, 0);
	flow_drop(INSIDE, &in, VERDICT_BAD_QUOTE);
}

/* The TTL of an error counts too, and no error is sent about it (RFC 1812 4.3.2.7). */
static void an_error_with_the_last_ttl_ends(void **state)
{
	struct endpoint public;
	struct frame_spec quote, in;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&udp);
	quote = flow_public(&udp, &public);
	in = error_of(TRANSIT, POOL, 11, 0, &quote, 28);
	in.ttl = 1;
	flow_drop(OUTSIDE, &in, VERDICT_TTL_EXCEEDED);
}

/* An echo request to weir's own addresses is answered, from either side; nothing else is. */
static void weir_answers_pings(void **state)
{
	struct frame_spec in = ping, out;

	(void)state;
	flow_start(&(struct flow_setup){0});
	in.dst = WEIR_INSIDE;
	out = flow_answer(&in);
	flow_pass(INSIDE, &in, VERDICT_ECHO_ANSWERED, INSIDE, &out);
	in.dst = WEIR_OUTSIDE; /* the other side's address */
	out = flow_answer(&in);
	flow_pass(INSIDE, &in, VERDICT_ECHO_ANSWERED, INSIDE, &out);
	in.src = B1;
	out = flow_answer(&in);
	flow_pass(OUTSIDE, &in, VERDICT_ECHO_ANSWERED, OUTSIDE, &out);

	in.bad_checksum = true;
	flow_drop(OUTSIDE, &in, VERDICT_BAD_ICMP_CHECKSUM);
	in.bad_checksum = false;
	in.type = 13;
	in.length = 12;
	flow_drop(OUTSIDE, &in, VERDICT_LOCAL_ICMP);
	in.type = 0;
	flow_drop(OUTSIDE, &in, VERDICT_LOCAL_ICMP);
	flow_expect_nothing_kept();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(queries_and_replies),
		FLOW_TEST(identifiers_are_endpoint_independent),
		FLOW_TEST(a_query_lives_60_seconds),
		FLOW_TEST(a_reply_begins_nothing),
		FLOW_TEST(errors_from_the_outside),
		FLOW_TEST(errors_from_the_inside),
		FLOW_TEST(odd_quotes_pass),
		FLOW_TEST(errors_refresh_and_end_nothing),
		FLOW_TEST(errors_about_nothing_are_dropped),
		FLOW_TEST(damaged_errors_are_dropped),
		FLOW_TEST(misdirected_errors_are_dropped),
		FLOW_TEST(an_error_with_the_last_ttl_ends),
		FLOW_TEST(weir_answers_pings),
	};

	return FLOW_RUN(tests);
}
