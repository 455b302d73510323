/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>

#include "flow.h"
#include "fragment.h"
#include "rules.h"

#define PIECES 3
#define CUT    48 /* bytes of each piece but the last */

static const uint8_t orders[][PIECES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

static const struct frame_spec udp = {.src = S1,
				      .dst = B1,
				      .proto = IPPROTO_UDP,
				      .sport = 4000,
				      .dport = 53,
				      .length = 133,
				      .ip_id = 77};
static const struct frame_spec tcp = {.src = S1,
				      .dst = B1,
				      .proto = IPPROTO_TCP,
				      .sport = 4000,
				      .dport = 80,
				      .tcp_flags = RTE_TCP_ACK_FLAG,
				      .length = 133,
				      .ip_id = 78};
static const struct frame_spec ping = {.src = S1,
				       .dst = B1,
				       .proto = IPPROTO_ICMP,
				       .type = 8,
				       .ident = 4000,
				       .length = 133,
				       .ip_id = 79};

static struct frame_spec piece_of(const struct frame_spec *whole, uint8_t i)
{
	struct frame_spec piece = *whole;

	piece.fragment_offset = (uint16_t)(i * CUT);
	piece.fragment_length = i == PIECES - 1 ? 0 : CUT;
	return piece;
}

static rte_be16_t ident_of(const struct rte_mbuf *frame)
{
	return rte_pktmbuf_mtod_offset(frame, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN)
		->packet_id;
}

static struct rte_mbuf *expect_piece(enum flow_port port, const struct frame_spec *whole, uint8_t i)
{
	struct frame_spec piece = piece_of(whole, i);
	struct rte_mbuf *frame = flow_receive(port);

	assert_non_null(frame);
	frame_expect(frame, &piece);
	return frame;
}

/* The pieces leave: the first, then those that came before it as they came, then the others. */
static void expect_pieces(enum flow_port port, const struct frame_spec *out,
			  const uint8_t order[PIECES])
{
	struct frame_spec hop = flow_hop(out);
	rte_be16_t ident = ident_of(expect_piece(port, &hop, 0));

	for (int k = 0; k < PIECES; k++)
		if (order[k] != 0)
			assert_int_equal(ident_of(expect_piece(port, &hop, order[k])), ident);
	flow_expect_silence();
}

static void send_pieces(enum flow_port port, const struct frame_spec *in,
			const uint8_t order[PIECES])
{
	for (int k = 0; k < PIECES; k++) {
		struct frame_spec piece = piece_of(in, order[k]);

		flow_send(port, &piece);
	}
}

/* A datagram in every order, each time with another identification; one by one. */
static void every_order(enum flow_port in_port, const struct frame_spec *in,
			enum flow_port out_port, const struct frame_spec *out)
{
	struct frame_spec sent = *in, got = *out;

	for (unsigned int i = 0; i < RTE_DIM(orders); i++) {
		sent.ip_id++;
		got.ip_id = sent.ip_id;
		send_pieces(in_port, &sent, orders[i]);
		expect_pieces(out_port, &got, orders[i]);
	}
}

/* RFC 4787 REQ-14: fragments pass in any order, both ways, TCP, UDP and ICMP. */
static void any_order(void **state)
{
	const struct frame_spec *const kinds[] = {&udp, &tcp, &ping};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (unsigned int k = 0; k < RTE_DIM(kinds); k++) {
		struct frame_spec first = flow_flags(kinds[k], RTE_TCP_SYN_FLAG), out, reply, back;
		struct endpoint public = flow_open(&first);

		out = flow_public(kinds[k], &public);
		every_order(INSIDE, kinds[k], OUTSIDE, &out);
		reply = flow_reply(kinds[k], &public);
		back = flow_answer(kinds[k]);
		every_order(OUTSIDE, &reply, INSIDE, &back);
	}
	assert_int_equal(flow_count(held), 0);
}

/* The same in one burst. */
static void one_burst(void **state)
{
	struct frame_spec out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&udp);
	out = flow_public(&udp, &public);
	for (unsigned int i = 0; i < RTE_DIM(orders); i++) {
		for (int k = 0; k < PIECES; k++) {
			struct frame_spec piece = piece_of(&udp, orders[i][k]);

			flow_queue(INSIDE, &piece);
		}
		flow_turn();
		flow_expect_verdicts(VERDICT_TRANSLATED, PIECES);
		expect_pieces(OUTSIDE, &out, orders[i]);
	}
}

/* A fragmented datagram begins a session like any first packet, in any order. */
static void begins_a_session(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(orders); i++) {
		struct rte_mbuf *frame;
		struct endpoint public;
		struct frame_spec out;

		flow_start(&(struct flow_setup){0});
		send_pieces(INSIDE, &udp, orders[i]);
		assert_int_equal(flow_sessions(), 1);
		frame = flow_receive(OUTSIDE);
		assert_non_null(frame);
		public = flow_source(frame);
		out = flow_public(&udp, &public);
		out = flow_hop(&out);
		out.fragment_length = CUT;
		frame_expect(frame, &out);
		out.fragment_length = 0;
		for (int k = 0; k < PIECES; k++)
			if (orders[i][k] != 0)
				expect_piece(OUTSIDE, &out, orders[i][k]);
		flow_expect_silence();
		flow_teardown(state);
	}
	flow_start(&(struct flow_setup){0});
}

/* Wherever each fragment is delivered, all meet: two workers, both ways, a first packet or not. */
static void two_workers(void **state)
{
	(void)state;
	for (uint32_t home = 0; home < 2; home++) {
		for (uint32_t to = 0; to < 1u << PIECES; to++) {
			struct frame_spec in = udp, out, reply, back, piece;
			struct endpoint public;

			flow_start(&(struct flow_setup){.workers = 2});
			in.src = flow_subscriber_of(home);
			for (unsigned int i = 0; i < RTE_DIM(orders); i++) {
				in.sport++;
				public.address[0] = '\0';
				for (int k = 0; k < PIECES; k++) {
					struct rte_mbuf *frame;

					flow_deliver_to(to >> k & 1);
					piece = piece_of(&in, orders[i][k]);
					flow_send(INSIDE, &piece);
					while ((frame = flow_receive(OUTSIDE)) != NULL)
						if (public.address[0] == '\0')
					public = flow_source(frame);
				}
				assert_string_equal(public.address, POOL);
				out = flow_public(&in, &public);
				flow_deliver_to(to & 1);
				send_pieces(INSIDE, &in, orders[i]);
				expect_pieces(OUTSIDE, &out, orders[i]);
				reply = flow_reply(&in, &public);
				back = flow_answer(&in);
				for (int k = 0; k < PIECES; k++) {
					flow_deliver_to(to >> k & 1);
					piece = piece_of(&reply, orders[i][k]);
					flow_send(OUTSIDE, &piece);
				}
				expect_pieces(INSIDE, &back, orders[i]);
			}
			assert_int_equal(flow_count(held), 0);
			flow_teardown(state);
		}
	}
	flow_start(&(struct flow_setup){0});
}

static void hairpin_between(const char *server, const char *client)
{
	struct frame_spec served = udp, call = udp, out;
	struct endpoint public, source;
	struct rte_mbuf *frame;

	served.src = server;
	call.src = client;
	call.sport = 5000;
	public = flow_open(&served);
	call.dst = public.address;
	call.dport = public.port;
	for (unsigned int i = 0; i < RTE_DIM(orders); i++) {
		struct frame_spec piece;

		call.ip_id++;
		if (i == 0) { /* the first call makes its sessions */
			flow_deliver_to(1);
			send_pieces(INSIDE, &call, orders[0]);
			frame = flow_receive(INSIDE);
			assert_non_null(frame);
			source = flow_source(frame);
			assert_non_null(flow_receive(INSIDE));
			assert_non_null(flow_receive(INSIDE));
			call.ip_id++;
		}
		out = flow_public(&call, &source);
		out.dst = server;
		out.dport = 4000;
		for (int k = 0; k < PIECES; k++) {
			flow_deliver_to((uint32_t)k & 1);
			piece = piece_of(&call, orders[i][k]);
			flow_send(INSIDE, &piece);
		}
		expect_pieces(INSIDE, &out, orders[i]);
	}
}

/* RFC 4787 REQ-9 and REQ-14 together; homes alike and different. */
static void hairpin(void **state)
{
	char client[16];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		flow_start(&(struct flow_setup){.workers = 2});
		snprintf(client, sizeof(client), "%s", flow_subscriber_of(i >> 1));
		/* another one of the same home */
		hairpin_between(flow_subscriber_of(i & 1),
				(i & 1) == i >> 1 ? "100.64.0.77" : client);
		flow_teardown(state);
	}
	flow_start(&(struct flow_setup){0});
}

/* RFC 7857 section 12: pings in fragments, and their answers, between subscribers. */
static void hairpinned_pings(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct frame_spec served = ping, call = ping, out, reply, back;
		struct endpoint public, source;
		char client[16];

		flow_start(&(struct flow_setup){.workers = 2});
		snprintf(client, sizeof(client), "%s", flow_subscriber_of(i >> 1));
		served.src = flow_subscriber_of(i & 1);
		call.src = (i & 1) == i >> 1 ? "100.64.0.77" : client;
		public = flow_open(&served);
		call.dst = public.address;
		call.ident = public.port;
		flow_deliver_to(i >> 1);
		flow_send(INSIDE, &call); /* whole: makes its sessions */
		source = flow_source(flow_receive(INSIDE));
		out = flow_public(&call, &source);
		out.dst = served.src;
		every_order(INSIDE, &call, INSIDE, &out);
		reply = flow_answer(&out);
		back = flow_answer(&call);
		back.any_ip_id = true;
		every_order(INSIDE, &reply, INSIDE, &back);
		flow_teardown(state);
	}
	flow_start(&(struct flow_setup){0});
}

/* A hairpinned ping's second session may end between its fragments: the others end with it, and
 * are not handed from worker to worker. */
static void a_hairpin_ends_between_fragments(void **state)
{
	struct frame_spec served = ping, call = ping, piece;
	struct rule_config rule[2] = {{.action = RULE_DENY}, {.action = RULE_PERMIT}};
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	served.src = flow_subscriber_of(0);
	call.src = flow_subscriber_of(1);
	public = flow_open(&served);
	call.dst = public.address;
	call.ident = public.port;
	piece = piece_of(&call, 0);
	flow_send(INSIDE, &piece);
	flow_expect_verdict(VERDICT_HAIRPINNED);
	assert_non_null(flow_receive(INSIDE));
	rule[0].destination = (struct prefix){flow_address(POOL), 32};
	rule[0].inside = (struct prefix){flow_address(served.src), 32};
	flow_rules(rule, 2);
	piece = piece_of(&call, 1);
	flow_drop(INSIDE, &piece, VERDICT_NO_SESSION);
}

/* What has passed is dropped when it comes again, and hurts nothing. */
static void repeated(void **state)
{
	struct frame_spec in = udp, out, piece;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&udp);
	out = flow_public(&udp, &public);
	out = flow_hop(&out);
	piece = piece_of(&in, 1); /* twice before the first */
	flow_send(INSIDE, &piece);
	flow_send(INSIDE, &piece);
	flow_expect_silence();
	piece = piece_of(&in, 0);
	flow_send(INSIDE, &piece);
	expect_piece(OUTSIDE, &out, 0);
	expect_piece(OUTSIDE, &out, 1);
	flow_expect_silence();
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_REPEATED);
	piece = piece_of(&in, 1);
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_REPEATED);
	piece = piece_of(&in, 2);
	flow_send(INSIDE, &piece);
	expect_piece(OUTSIDE, &out, 2);
	flow_expect_silence();
	assert_int_equal(flow_count(held), 0);
}

/* RFC 5722, RFC 1858: a fragment that overlaps what has passed spoils its datagram. */
static void overlapping(void **state)
{
	struct frame_spec piece;

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_open(&udp);
	piece = piece_of(&udp, 0);
	flow_send(INSIDE, &piece);
	assert_non_null(flow_receive(OUTSIDE));
	piece = piece_of(&udp, 1);
	piece.fragment_offset = CUT - 8;
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_OVERLAP);
	piece = piece_of(&udp, 1);
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_OVERLAP);
	piece = piece_of(&udp, 2);
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_OVERLAP);
	piece = piece_of(&udp, 0);
	piece.sport = 5000; /* another first fragment: nothing of it may pass */
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_OVERLAP);
}

/* RFC 1858, RFC 3128: nothing cuts or overwrites a TCP header. */
static void tiny(void **state)
{
	struct frame_spec piece = tcp;

	(void)state;
	flow_start(&(struct flow_setup){0});
	piece.fragment_length = 16;
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_TINY);
	piece.fragment_offset = 8;
	flow_drop(INSIDE, &piece, VERDICT_FRAGMENT_TINY);
	flow_expect_nothing_kept();
}

/* Later fragments alone wait for the timeout, then end; nothing else of them stays. */
static void first_never_comes(void **state)
{
	struct frame_spec piece = piece_of(&udp, 1);

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_send(INSIDE, &piece);
	piece = piece_of(&udp, 2);
	flow_send(INSIDE, &piece);
	assert_int_equal(flow_count(held), 2);
	flow_advance_ms(1900);
	assert_int_equal(flow_count(held), 2);
	flow_advance_ms(200);
	assert_int_equal(flow_count(held), 0);
	assert_int_equal(flow_count(verdict[VERDICT_FRAGMENT_TIMEOUT]), 2);
	flow_expect_nothing_kept();
}

/* When the first is refused, the others are too, once they were not asked to wait. */
static void first_is_refused(void **state)
{
	struct frame_spec piece = piece_of(&udp, 0), out;

	(void)state;
	flow_start(&(struct flow_setup){0});
	piece.ttl = 1;
	flow_refuse(INSIDE, &piece, VERDICT_TTL_EXCEEDED, 11, 0);
	flow_send(INSIDE, &udp);
	assert_non_null(flow_receive(OUTSIDE));
	piece.ttl = 64;
	flow_send(INSIDE, &piece);
	assert_non_null(flow_receive(OUTSIDE));
	out = piece_of(&udp, 1);
	out.ttl = 1; /* no error about a later fragment: RFC 1812 4.3.2.7 */
	flow_drop(INSIDE, &out, VERDICT_TTL_EXCEEDED);
}

/* RFC 4787 REQ-13: a fragment too big for the next link is cut again. */
static void cut_again(void **state)
{
	struct frame_spec in = udp, out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.outside_mtu = 576});
	public = flow_open(&udp);
	in.length = 1400;
	out = flow_public(&in, &public);
	out = flow_hop(&out);
	in.fragment_length = 800;
	flow_send(INSIDE, &in);
	out.fragment_length = 552;
	frame_expect(flow_receive(OUTSIDE), &out);
	out.fragment_offset = 552;
	out.fragment_length = 248;
	frame_expect(flow_receive(OUTSIDE), &out);
	flow_expect_verdict(VERDICT_FRAGMENTED);
	flow_expect_silence();
	in.fragment_offset = 800;
	in.fragment_length = 0;
	flow_send(INSIDE, &in);
	out.fragment_offset = 800;
	out.fragment_length = 552;
	frame_expect(flow_receive(OUTSIDE), &out);
	out.fragment_offset = 1352;
	out.fragment_length = 0;
	frame_expect(flow_receive(OUTSIDE), &out);
	flow_expect_verdict(VERDICT_FRAGMENTED);
	flow_expect_silence();
}

/* An ICMP error in fragments cannot be verified: refused under its own reason. */
static void error_in_fragments(void **state)
{
	struct frame_spec error = {.src = B1,
				   .dst = POOL,
				   .proto = IPPROTO_ICMP,
				   .type = 3,
				   .code = 3,
				   .quote = &udp,
				   .fragment_length = 40};

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_drop(OUTSIDE, &error, VERDICT_FRAGMENTED_ERROR);
}

/* RFC 7857 section 11: equal identifications of two subscribers leave as different ones; atomic
 * packets keep theirs. */
static void identifications(void **state)
{
	struct frame_spec one = udp, two = udp;
	rte_be16_t ident[4];

	(void)state;
	flow_start(&(struct flow_setup){0});
	two.src = S2;
	for (int i = 0; i < 4; i++) {
		struct frame_spec piece = piece_of(i % 2 == 0 ? &one : &two, 0);
		struct rte_mbuf *frame;

		if (i >= 2)
			piece.fragment_length = 0; /* whole, but may be fragmented */
		flow_send(INSIDE, &piece);
		frame = flow_receive(OUTSIDE);
		assert_non_null(frame);
		ident[i] = ident_of(frame);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(ident[i], ident[k]);
	}
	one.df = true;
	flow_send(INSIDE, &one);
	assert_int_equal(ident_of(flow_receive(OUTSIDE)), rte_cpu_to_be_16(one.ip_id));
}

/* RFC 4787 REQ-14a: fragments whose first never comes take bounded room, from one source and from
 * many, and neither whole packets nor datagrams in reverse order suffer. */
static void flood(void **state)
{
	struct frame_spec orphan = {
		.dst = POOL, .proto = IPPROTO_UDP, .length = 80, .fragment_offset = 64};
	struct frame_spec reply, back, out, whole;
	struct endpoint public;
	char source[16];

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&udp);
	reply = flow_reply(&udp, &public);
	back = flow_answer(&udp);
	out = flow_public(&udp, &public);
	orphan.src = B2;
	for (uint16_t i = 0; i < 300; i++) {
		orphan.ip_id = i;
		flow_send(OUTSIDE, &orphan);
	}
	assert_int_equal(flow_count(held), fragments_settings.max_waiting_per_source);
	flow_expect_verdict(VERDICT_FRAGMENT_LIMIT);
	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(source, sizeof(source), "20.0.%u.%u", i >> 8, i & 255);
		orphan.src = source;
		flow_send(OUTSIDE, &orphan);
		assert_true(flow_count(held) <= fragments_settings.max_waiting);
	}
	assert_int_equal(flow_count(held), fragments_settings.max_waiting);
	every_order(OUTSIDE, &reply, INSIDE, &back);
	every_order(INSIDE, &udp, OUTSIDE, &out);
	whole = flow_hop(&back);
	flow_pass(OUTSIDE, &reply, VERDICT_TRANSLATED, INSIDE, &whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(any_order),         FLOW_TEST(one_burst),
		FLOW_TEST(begins_a_session),  FLOW_TEST(two_workers),
		FLOW_TEST(hairpin),           FLOW_TEST(repeated),
		FLOW_TEST(overlapping),       FLOW_TEST(tiny),
		FLOW_TEST(first_never_comes), FLOW_TEST(first_is_refused),
		FLOW_TEST(cut_again),         FLOW_TEST(error_in_fragments),
		FLOW_TEST(identifications),   FLOW_TEST(flood),
		FLOW_TEST(hairpinned_pings),  FLOW_TEST(a_hairpin_ends_between_fragments),
	};

	return FLOW_RUN(tests);
}
