/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define FIN RTE_TCP_FIN_FLAG
#define RST RTE_TCP_RST_FLAG

static const struct frame_spec syn = {
	.src = S1, .dst = B1, .proto = IPPROTO_TCP, .sport = 4000, .dport = 80, .tcp_flags = SYN};

/* A segment from the inside passes. */
static void segment_out(uint8_t flags, const struct endpoint *public)
{
	struct frame_spec in = flow_flags(&syn, flags), out = flow_public(&in, public);

	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_TRANSLATED, OUTSIDE, &out);
}

/* A segment from the outside passes. */
static void segment_in(uint8_t flags, const struct endpoint *public)
{
	struct frame_spec sent = flow_flags(&syn, flags), in = flow_reply(&sent, public);
	struct frame_spec out = flow_answer(&sent);

	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

static struct endpoint establish(void)
{
	struct endpoint public = flow_open(&syn);

	segment_in(SYN | ACK, &public);
	segment_out(ACK, &public);
	flow_expect_state(&syn, "ESTABLISHED");
	return public;
}

/* The session is there after so many seconds without a packet, and a second later it is not. */
static void expect_lifetime(const char *state, uint32_t seconds)
{
	flow_advance(seconds);
	flow_expect_state(&syn, state);
	flow_advance(1);
	flow_expect_state(&syn, "none");
}

/* RFC 5382 REQ-1: a connection is opened, used and closed through weir. */
static void from_syn_to_time_wait(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&syn);
	flow_expect_state(&syn, "SYN_SENT");
	segment_in(SYN | ACK, &public);
	flow_expect_state(&syn, "SYN_RECV");
	segment_out(ACK, &public);
	flow_expect_state(&syn, "ESTABLISHED");
	segment_out(FIN | ACK, &public);
	flow_expect_state(&syn, "FIN_WAIT");
	segment_in(ACK, &public);
	flow_expect_state(&syn, "FIN_WAIT");
	segment_in(FIN | ACK, &public);
	flow_expect_state(&syn, "TIME_WAIT");
	segment_out(ACK, &public);
	flow_expect_state(&syn, "TIME_WAIT");
}

/* RFC 6146 3.5.2.2: the other side may close first. */
static void the_remote_closes_first(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	segment_in(FIN | ACK, &public);
	flow_expect_state(&syn, "CLOSE_WAIT");
	segment_out(ACK, &public);
	flow_expect_state(&syn, "CLOSE_WAIT");
	segment_out(FIN | ACK, &public);
	flow_expect_state(&syn, "LAST_ACK");
}

/* RFC 5382 REQ-2: simultaneous open: SYNs cross, SYN-ACKs cross, then data. */
static void simultaneous_open(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&syn);
	segment_in(SYN, &public);
	flow_expect_state(&syn, "SYN_SENT2");
	segment_out(SYN | ACK, &public);
	segment_in(SYN | ACK, &public);
	segment_out(ACK, &public);
	flow_expect_state(&syn, "ESTABLISHED");
	segment_in(ACK, &public);
	assert_int_equal(flow_sessions(), 1);
}

/* RFC 5382 REQ-5: an unanswered SYN is remembered for 240 s. */
static void an_unanswered_syn_lives_240_seconds(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&syn);
	expect_lifetime("SYN_SENT", 240);
}

/* RFC 5382 REQ-5: an idle connection lives two hours and four minutes. */
static void an_idle_connection_lives_7440_seconds(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	establish();
	expect_lifetime("ESTABLISHED", 7440);
}

/* A segment of either direction starts the time anew. */
static void segments_refresh_a_connection(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	flow_advance(7000);
	segment_out(ACK, &public);
	flow_advance(7000);
	segment_in(ACK, &public);
	expect_lifetime("ESTABLISHED", 7440);
}

/* RFC 7857 section 2.1: a closing connection lives 240 s. */
static void a_closed_connection_lives_240_seconds(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	segment_out(FIN | ACK, &public);
	segment_in(FIN | ACK, &public);
	expect_lifetime("TIME_WAIT", 240);
}

/* RFC 7857 section 2.2: a RST passes, and the session ends 240 s later. */
static void a_reset_connection_lives_240_seconds(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	segment_out(RST, &public);
	expect_lifetime("CLOSE", 240);
}

/* RFC 7857 section 2.2: a blind RST from the outside ends nothing: data brings the connection back,
 * with all of its time. */
static void data_after_a_blind_reset_keeps_the_connection(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	segment_in(RST, &public);
	flow_expect_state(&syn, "CLOSE");
	flow_advance(240);
	segment_out(ACK, &public);
	flow_expect_state(&syn, "ESTABLISHED");
	segment_in(ACK, &public);
	expect_lifetime("ESTABLISHED", 7440);
}

/* RFC 9293 3.6.1: the opener's new SYN reuses the ports of a closed connection, same mapping. */
static void a_new_syn_reuses_a_closed_connection(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	segment_out(FIN | ACK, &public);
	segment_in(FIN | ACK, &public);
	segment_out(SYN, &public);
	flow_expect_state(&syn, "SYN_SENT");
	segment_in(SYN | ACK, &public);
	segment_out(ACK, &public);
	flow_expect_state(&syn, "ESTABLISHED");
	assert_int_equal(flow_sessions(), 1);
}

/* RFC 9293 3.6.1: so does the other side's, where both have closed: the server calls back. */
static void the_other_side_reuses_a_closed_connection(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	segment_out(FIN | ACK, &public);
	segment_in(FIN | ACK, &public);
	segment_in(SYN, &public);
	segment_out(SYN | ACK, &public);
	segment_in(ACK, &public);
	segment_out(ACK, &public);
	expect_lifetime("ESTABLISHED", 7440);
}

/* RFC 5961's spirit: a blind SYN or SYN-ACK from the outside ends nothing, nor takes of the time.
 */
static void blind_syns_harm_nothing(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	segment_in(SYN, &public);
	flow_expect_state(&syn, "ESTABLISHED");
	segment_in(SYN | ACK, &public);
	flow_expect_state(&syn, "ESTABLISHED");
	segment_in(RST, &public);
	segment_in(SYN, &public); /* after a RST, too */
	segment_out(ACK, &public);
	segment_in(ACK, &public);
	expect_lifetime("ESTABLISHED", 7440);
}

/* RFC 7857 section 7.1: a RST in answer to a packet from the outside does not refresh; one that
 * ends a connection is remembered for its time. */
static void a_reset_in_answer_does_not_refresh(void **state)
{
	struct frame_spec in = {.src = B2, .proto = IPPROTO_TCP, .sport = 999, .tcp_flags = SYN};
	struct frame_spec out, back;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = establish();
	in.dst = public.address;
	in.dport = public.port;
	out = in;
	out.dst = S1;
	out.dport = 4000;
	back = flow_answer(&out);
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	flow_advance(200);
	back.tcp_flags = RST | ACK;
	out = flow_public(&back, &public);
	out = flow_hop(&out);
	flow_pass(INSIDE, &back, VERDICT_TRANSLATED, OUTSIDE, &out);
	flow_expect_state(&back, "CLOSE");
	flow_advance(41);
	flow_expect_state(&back, "none");

	flow_advance(1000); /* the connection that lives is another matter */
	segment_out(RST, &public);
	expect_lifetime("CLOSE", 240);
}

/* Port 0 is nobody's: a TCP that it comes from or goes to, or a UDP that goes to it. A UDP from it
 * awaits no answer (RFC 768), and passes. */
static void port_zero(void **state)
{
	struct frame_spec spec = syn;

	(void)state;
	flow_start(&(struct flow_setup){0});
	spec.sport = 0;
	flow_drop(INSIDE, &spec, VERDICT_PORT_ZERO);
	spec.sport = 4000;
	spec.dport = 0;
	flow_drop(INSIDE, &spec, VERDICT_PORT_ZERO);
	spec.proto = IPPROTO_UDP;
	flow_drop(INSIDE, &spec, VERDICT_PORT_ZERO);
	flow_expect_nothing_kept();
	spec.sport = 0;
	spec.dport = 53;
	flow_open(&spec);
}

/* A SYN from the outside to a public port that nobody has. */
static const struct frame_spec stray = {
	.src = B1, .dst = POOL, .proto = IPPROTO_TCP, .sport = 80, .dport = 5000, .tcp_flags = SYN};

/* RFC 5382 REQ-4: nothing is said for 6 s; then, where the operator wants it, that nobody is there.
 */
static void an_unsolicited_syn(void **state)
{
	struct frame_spec error = {.src = WEIR_OUTSIDE,
				   .dst = B1,
				   .proto = IPPROTO_ICMP,
				   .type = 3,
				   .code = 3,
				   .tos = 0xc0,
				   .any_ip_id = true,
				   .quote = &stray};

	(void)state;
	flow_start(&(struct flow_setup){.answer_syns = true});
	flow_drop(OUTSIDE, &stray, VERDICT_NO_SESSION);
	flow_advance_ms(5999);
	flow_expect_silence();
	flow_advance_ms(1);
	frame_expect(flow_receive(OUTSIDE), &error);
	flow_expect_silence();
	flow_expect_nothing_kept();
	flow_advance(10);
	flow_expect_silence();
}

/* RFC 5382 REQ-4a: by default, nothing ever. */
static void an_unsolicited_syn_is_dropped(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_drop(OUTSIDE, &stray, VERDICT_NO_SESSION);
	flow_advance(10);
	flow_expect_silence();
}

static void filter_by_port(struct pool_config *pool)
{
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
}

/* RFC 5382 REQ-4: the subscriber's own SYN for the connection leaves within 6 s: the first SYN,
 * which the filter kept out, is forgotten. Without it, its sender is told. */
static void an_unsolicited_syn_that_crosses(void **state)
{
	struct frame_spec crossing = syn, in = stray;
	struct endpoint public;
	struct rte_mbuf *error;

	(void)state;
	flow_start(&(struct flow_setup){.answer_syns = true, .set_pool = filter_by_port});
	crossing.dst = B2;
	public = flow_open(&crossing);
	in.dport = public.port;
	flow_drop(OUTSIDE, &in, VERDICT_FILTERED);
	flow_advance(3);
	crossing.dst = B1;
	flow_open(&crossing);
	flow_advance(10);
	flow_expect_silence();

	in.sport = 81;
	flow_drop(OUTSIDE, &in, VERDICT_FILTERED);
	flow_advance(6);
	error = flow_receive(OUTSIDE);
	assert_non_null(error);
	flow_expect_silence();
}

/* A flood of SYNs is answered within what errors may be, and kept within a bound. */
static void a_flood_of_syns(void **state)
{
	struct frame_spec in = stray;
	uint32_t answers = 0;

	(void)state;
	flow_start(&(struct flow_setup){.answer_syns = true});
	for (in.dport = 1024; in.dport < 4024; in.dport++)
		flow_drop(OUTSIDE, &in, VERDICT_NO_SESSION);
	for (uint32_t second = 0; second < 20; second++)
		flow_advance(1); /* neighbours are looked at in each: answers need theirs */
	while (flow_receive(OUTSIDE) != NULL)
		answers++;
	assert_in_range(answers, 5, 100);
	flow_drop(OUTSIDE, &stray, VERDICT_NO_SESSION); /* there is room again */
	flow_advance(6);
	assert_non_null(flow_receive(OUTSIDE));
	flow_expect_silence();
}

/* RFC 6146 3.5.2.2: only a SYN begins a connection; what else comes is refused silently, and leaves
 * nothing. */
static void only_a_syn_begins_a_connection(void **state)
{
	static const uint8_t flags[] = {ACK, SYN | ACK, FIN | ACK,
					RST, RST | ACK, ACK | RTE_TCP_PSH_FLAG};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (unsigned int i = 0; i < RTE_DIM(flags); i++) {
		struct frame_spec segment = flow_flags(&syn, flags[i]);

		flow_drop(INSIDE, &segment, VERDICT_BAD_TCP_STATE);
		flow_expect_nothing_kept();
		assert_int_equal(flow_blocks(), 0);
	}
}

/* RFC 5382 REQ-3: filtering is endpoint-independent: another remote may open a connection to a
 * mapping, by a SYN. */
static void another_remote_connects_to_a_mapping(void **state)
{
	struct frame_spec in = {.src = B2, .proto = IPPROTO_TCP, .sport = 999, .tcp_flags = SYN},
			  out, seen;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&syn);
	in.dst = public.address;
	in.dport = public.port;
	in.tcp_flags = ACK;
	flow_drop(OUTSIDE, &in, VERDICT_BAD_TCP_STATE);
	assert_int_equal(flow_sessions(), 1);

	in.tcp_flags = SYN;
	out = in;
	out.dst = S1;
	out.dport = 4000;
	seen = flow_answer(&out);
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	assert_int_equal(flow_sessions(), 2);
	assert_int_equal(flow_mappings(), 1);
	flow_expect_state(&seen, "SYN_SENT"); /* the opener is outside */

	seen.tcp_flags = SYN | ACK;
	out = flow_public(&seen, &public);
	out = flow_hop(&out);
	flow_pass(INSIDE, &seen, VERDICT_TRANSLATED, OUTSIDE, &out);
	flow_expect_state(&seen, "SYN_RECV");
	in.tcp_flags = ACK;
	flow_send(OUTSIDE, &in);
	flow_expect_state(&seen, "ESTABLISHED");
}

/* The last session of a mapping takes it along: its port is free, its block goes, and rests. */
static void the_last_session_frees_the_port(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&syn);
	assert_int_equal(flow_ports(), 1);
	assert_int_equal(flow_blocks(), 1);
	flow_advance(240);
	assert_int_equal(flow_ports(), 1);
	flow_advance(1);
	flow_expect_nothing_kept();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(from_syn_to_time_wait),
		FLOW_TEST(the_remote_closes_first),
		FLOW_TEST(simultaneous_open),
		FLOW_TEST(an_unanswered_syn_lives_240_seconds),
		FLOW_TEST(an_idle_connection_lives_7440_seconds),
		FLOW_TEST(segments_refresh_a_connection),
		FLOW_TEST(a_closed_connection_lives_240_seconds),
		FLOW_TEST(a_reset_connection_lives_240_seconds),
		FLOW_TEST(data_after_a_blind_reset_keeps_the_connection),
		FLOW_TEST(a_new_syn_reuses_a_closed_connection),
		FLOW_TEST(the_other_side_reuses_a_closed_connection),
		FLOW_TEST(blind_syns_harm_nothing),
		FLOW_TEST(a_reset_in_answer_does_not_refresh),
		FLOW_TEST(port_zero),
		FLOW_TEST(an_unsolicited_syn),
		FLOW_TEST(an_unsolicited_syn_is_dropped),
		FLOW_TEST(an_unsolicited_syn_that_crosses),
		FLOW_TEST(a_flood_of_syns),
		FLOW_TEST(only_a_syn_begins_a_connection),
		FLOW_TEST(another_remote_connects_to_a_mapping),
		FLOW_TEST(the_last_session_frees_the_port),
	};

	return FLOW_RUN(tests);
}
