/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "alg.h"
#include "flow.h"
#include "statics.h"

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG

/* RFC 2637 section 2: lengths of messages, by type. */
enum { START = 1, ECHO = 5, REQUEST = 7, REPLY, IN_REQUEST, IN_REPLY, IN_CONNECTED, CLEAR, GONE };
static const uint16_t lengths[] = {0,  156, 156, 16, 16, 16,  20, 168,
				   32, 220, 24,  28, 16, 148, 40, 24};
#define LINK_INFO 15

struct message {
	uint8_t bytes[220];
	uint16_t length;
};

/* `first` is at 12, `second` at 14, which is a peer's identifier in replies. */
static struct message message(uint16_t type, uint16_t first, uint16_t second, uint8_t result)
{
	struct message m = {.length = lengths[type]};

	m.bytes[1] = (uint8_t)m.length;
	m.bytes[3] = 1;
	memcpy(m.bytes + 4, "\x1a\x2b\x3c\x4d", 4);
	m.bytes[9] = (uint8_t)type;
	m.bytes[12] = first >> 8;
	m.bytes[13] = (uint8_t)first;
	m.bytes[14] = second >> 8;
	m.bytes[15] = (uint8_t)second;
	m.bytes[16] = result;
	return m;
}

/* A control connection of a client, and what was said. */
struct control {
	const char *client;
	struct endpoint public;
	uint32_t sent, got;
};

static struct frame_spec segment(const struct control *c, const struct message *m)
{
	return (struct frame_spec){.src = c->client,
				   .dst = B1,
				   .proto = IPPROTO_TCP,
				   .sport = 4000,
				   .dport = 1723,
				   .tcp_flags = ACK,
				   .seq = c->sent,
				   .ack = c->got,
				   .payload = m->bytes,
				   .length = m->length};
}

static struct control open_control(const char *client)
{
	struct control c = {.client = client, .sent = 1000, .got = 0};
	static const struct message nothing = {.length = 0};
	struct frame_spec syn = segment(&c, &nothing), answer, out;

	syn.tcp_flags = SYN;
	c.public = flow_open(&syn);
	answer = flow_reply(&syn, &c.public);
	answer.tcp_flags = SYN | ACK;
	answer.seq = 5000;
	answer.ack = 1001;
	out = answer;
	out.dst = client;
	out.dport = 4000;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &answer, VERDICT_TRANSLATED, INSIDE, &out);
	c.sent = 1001;
	c.got = 5001;
	return c;
}

static uint16_t id_at(const struct rte_mbuf *frame, uint32_t at)
{
	const uint8_t *byte = rte_pktmbuf_mtod_offset(frame, const uint8_t *, 54 + at);

	return (uint16_t)(byte[0] << 8 | byte[1]);
}

/* The client says it; what the server reads at 12 is the answer. */
static uint16_t client_says(struct control *c, const struct message *m)
{
	struct frame_spec in = segment(c, m), out;
	struct message told = *m;
	struct rte_mbuf *frame;
	uint16_t id;

	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	assert_non_null(frame);
	id = id_at(frame, 12);
	told.bytes[12] = id >> 8;
	told.bytes[13] = (uint8_t)id;
	out = flow_public(&in, &c->public);
	out.payload = told.bytes;
	out = flow_hop(&out);
	frame_expect(frame, &out); /* all else, and the checksum */
	c->sent += m->length;
	return id;
}

/* The server says it; the client reads `told`. */
static void server_says(struct control *c, const struct message *m, const struct message *told)
{
	const struct frame_spec to_server = segment(c, m);
	struct frame_spec in = flow_reply(&to_server, &c->public), out;

	in.seq = c->got;
	in.ack = c->sent;
	out = in;
	out.dst = c->client;
	out.dport = 4000;
	out.payload = told->bytes;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	c->got += m->length;
}

/* A whole call: its public identifier. */
static uint16_t dial(struct control *c, uint16_t own, uint16_t servers)
{
	struct message request = message(REQUEST, own, 1, 0);
	uint16_t public = client_says(c, &request);
	struct message reply = message(REPLY, servers, public, 1);
	struct message told = message(REPLY, servers, own, 1);

	server_says(c, &reply, &told);
	return public;
}

/* An enhanced GRE packet with the receiver's identifier. */
struct gre {
	uint8_t bytes[16];
	struct frame_spec spec;
};

static struct gre *gre(const char *src, const char *dst, uint16_t id)
{
	static struct gre ring[8];
	static unsigned int n;
	struct gre *g = &ring[n++ % RTE_DIM(ring)];

	*g = (struct gre){.bytes = {0x30, 0x01, 0x88, 0x0b, 0, 4, id >> 8, (uint8_t)id, 0, 0, 0, 1,
				    0xff, 0x03, 0xc0, 0x21}};
	g->spec = (struct frame_spec){
		.src = src, .dst = dst, .proto = IPPROTO_GRE, .df = true, .length = 16};
	g->spec.payload = g->bytes;
	return g;
}

static void expect_call(const char *client, uint16_t own, uint16_t public, uint16_t servers)
{
	struct frame_spec out = gre(POOL, B1, servers)->spec;

	out = flow_hop(&out);
	flow_pass(INSIDE, &gre(client, B1, servers)->spec, VERDICT_TRANSLATED, OUTSIDE, &out);
	out = gre(B1, client, own)->spec;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &gre(B1, POOL, public)->spec, VERDICT_TRANSLATED, INSIDE, &out);
}

static int switch_on(void **state)
{
	(void)state;
	alg_settings.pptp = true;
	alg_switch(&alg_settings);
	return 0;
}

static int switch_off(void **state)
{
	alg_settings.pptp = false;
	alg_switch(&alg_settings);
	return flow_teardown(state);
}

/* Two subscribers behind one address call one server, with the same identifiers. */
static void two_subscribers_reach_one_server(void **state)
{
	struct control a, b;
	uint16_t of_a, of_b;

	(void)state;
	flow_start(&(struct flow_setup){0});
	a = open_control(S1);
	b = open_control(S2);
	of_a = dial(&a, 7, 100);
	of_b = dial(&b, 7, 101);
	assert_int_not_equal(of_a, of_b);
	for (int i = 0; i < 3; i++) {
		expect_call(S1, 7, of_a, 100);
		expect_call(S2, 7, of_b, 101);
	}
	/* another server's packet, or another call's, is nobody's */
	flow_drop(OUTSIDE, &gre(B2, POOL, of_a)->spec, VERDICT_NO_SESSION);
	flow_drop(OUTSIDE, &gre(B1, POOL, of_a ^ 0x4000)->spec, VERDICT_NO_SESSION);
}

/* Identifiers that look like none, or all. */
static void any_identifier(void **state)
{
	static const uint16_t ids[] = {0, 0xffff, 1, 0x8000};
	struct control c;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	for (size_t i = 0; i < RTE_DIM(ids); i++)
		expect_call(S1, ids[i], dial(&c, ids[i], ids[RTE_DIM(ids) - 1 - i]),
			    ids[RTE_DIM(ids) - 1 - i]);
}

/* What comes in names the inside host's identifier; so does what it clears the call with. */
static void all_messages_are_translated(void **state)
{
	struct message link, told, error, clear, gone;
	struct control c;
	uint16_t public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	link = message(START, 0x0100, 0, 0);
	assert_int_equal(client_says(&c, &link), 0x0100);
	public = dial(&c, 7, 100);
	link = message(LINK_INFO, public, 0, 0);
	told = message(LINK_INFO, 7, 0, 0);
	server_says(&c, &link, &told);
	error = message(14, public, 0, 0);
	told = message(14, 7, 0, 0);
	server_says(&c, &error, &told);
	link = message(LINK_INFO, 100, 0, 0);
	assert_int_equal(client_says(&c, &link), 100);
	expect_call(S1, 7, public, 100);
	clear = message(CLEAR, 7, 0, 0);
	assert_int_equal(client_says(&c, &clear), public);
	flow_drop(OUTSIDE, &gre(B1, POOL, public)->spec, VERDICT_NO_SESSION);
	gone = message(GONE, 100, 0, 1);
	server_says(&c, &gone, &gone);
	assert_int_equal(flow_sessions(), 1);

	/* the server ends one */
	flow_advance(31);
	public = dial(&c, 8, 200);
	server_says(&c, &gone, &gone);
	expect_call(S1, 8, public, 200);
	gone = message(GONE, 200, 0, 1);
	server_says(&c, &gone, &gone);
	flow_drop(OUTSIDE, &gre(B1, POOL, public)->spec, VERDICT_NO_SESSION);
}

/* Calls that the server begins: RFC 2637 section 2.9. */
static void incoming_calls(void **state)
{
	struct message request = message(IN_REQUEST, 100, 1, 0);
	struct message reply = message(IN_REPLY, 7, 100, 1), connected, told;
	struct control c;
	uint16_t public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	server_says(&c, &request, &request);
	public = client_says(&c, &reply);
	assert_int_not_equal(public, 7);
	connected = message(IN_CONNECTED, public, 0, 0);
	told = message(IN_CONNECTED, 7, 0, 0);
	server_says(&c, &connected, &told);
	expect_call(S1, 7, public, 100);
}

/* Messages lie across segments as they like, behind their identifiers. */
static void messages_and_segments_differ(void **state)
{
	struct message request = message(REQUEST, 7, 1, 0), part = request, rest, reply, told;
	struct message echo = message(ECHO, 0, 0, 0);
	struct control c;
	uint16_t public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	part.length = 50;
	public = client_says(&c, &part);
	assert_int_not_equal(public, 7);
	/* the rest, an echo, and the begin of the next request */
	memcpy(rest.bytes, request.bytes + 50, 118);
	memcpy(rest.bytes + 118, echo.bytes, 16);
	rest.length = 134;
	client_says(&c, &rest);
	request = message(REQUEST, 8, 2, 0);
	part = request;
	part.length = 14;
	assert_int_not_equal(client_says(&c, &part), 8);
	reply = message(REPLY, 100, public, 1);
	told = message(REPLY, 100, 7, 1);
	server_says(&c, &reply, &told);
	expect_call(S1, 7, public, 100);
	assert_int_equal(flow_count(alg_split), 0);

	/* cut before its identifier: as it is, and counted */
	memcpy(rest.bytes, request.bytes + 14, 154);
	memcpy(rest.bytes + 154, request.bytes, 13);
	rest.length = 167;
	client_says(&c, &rest);
	assert_int_equal(flow_count(alg_split), 1);
}

/* What is no PPTP, or of no known call, opens nothing. */
static void hostile_messages_open_nothing(void **state)
{
	struct message m;
	struct control c;
	uint16_t public, other;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	public = dial(&c, 7, 100);
	/* the server repeats an identifier: the second call has no GRE of its own */
	m = message(REQUEST, 8, 2, 0);
	other = client_says(&c, &m);
	m = message(REPLY, 100, other, 1);
	server_says(&c, &m, &m);
	flow_drop(OUTSIDE, &gre(B1, POOL, other)->spec, VERDICT_NO_SESSION);
	/* or names one that nobody has */
	m = message(LINK_INFO, public ^ other ^ 1, 0, 0);
	server_says(&c, &m, &m);
	expect_call(S1, 7, public, 100);
	m = message(REQUEST, 9, 2, 0);
	m.bytes[4] = 0;
	assert_int_equal(client_says(&c, &m), 9);
	/* the beginning of a message is not known any more */
	m = message(REQUEST, 9, 2, 0);
	assert_int_equal(client_says(&c, &m), 9);
	assert_int_equal(flow_count(alg_refused), 1);
	assert_int_equal(flow_count(alg_malformed), 2);
	assert_int_equal(flow_mappings(), 1 + 2);
}

/* A call that is not answered goes with its time, and a subscriber may have so many. */
static void calls_are_bounded_and_end(void **state)
{
	struct control c;
	uint32_t translated = 0;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	for (uint16_t i = 1; i <= 20; i++) {
		struct message m = message(REQUEST, i, i, 0);

		translated += client_says(&c, &m) != i;
	}
	assert_in_range(translated, 15, 16); /* one may keep its number by chance */
	assert_int_equal(flow_count(alg_refused), 4);
	assert_int_equal(flow_mappings(), 1 + 16);
	flow_advance(31);
	assert_int_equal(flow_mappings(), 1);
}

/* GRE that is of no call goes by address alone, as without the ALG: beside calls, too. */
static void other_gre_goes_as_ever(void **state)
{
	struct frame_spec plain = {.src = S2, .dst = B1, .proto = IPPROTO_GRE, .length = 20};
	struct endpoint public = {.address = POOL};
	struct frame_spec in, out;
	struct control c;
	uint16_t id;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	id = dial(&c, 7, 100);
	in = gre(S2, B1, 55)->spec;
	out = gre(POOL, B1, 55)->spec;
	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_TRANSLATED, OUTSIDE, &out);
	out = flow_public(&plain, &public);
	out = flow_hop(&out);
	flow_pass(INSIDE, &plain, VERDICT_TRANSLATED, OUTSIDE, &out);
	in = gre(B1, POOL, 66)->spec;
	out = gre(B1, S2, 66)->spec;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	assert_int_equal(flow_sessions(), 3);
	expect_call(S1, 7, id, 100);
}

/* Fragments of a call's packets, in any order. */
static void fragments_of_a_call(void **state)
{
	struct control c;
	uint16_t id;
	struct frame_spec in, out;
	struct rte_mbuf *frame;
	struct gre *whole;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	id = dial(&c, 7, 100);
	for (int first = 1; first >= 0; first--) {
		for (int i = 0; i < 2; i++) {
			bool begin = (i == 0) == (first == 1);

			whole = gre(B1, POOL, id);
			in = whole->spec;
			in.df = false;
			in.ip_id = (uint16_t)(40 + first);
			in.fragment_offset = begin ? 0 : 8;
			in.fragment_length = 8;
			flow_queue(OUTSIDE, &in);
		}
		flow_turn();
		flow_expect_verdicts(VERDICT_TRANSLATED, 2);
		for (int i = 0; i < 2; i++) {
			frame = flow_receive(INSIDE);
			out = gre(B1, S1, 7)->spec;
			out.df = false;
			out.ip_id = (uint16_t)(40 + first);
			out.fragment_offset = i == 0 ? 0 : 8;
			out.fragment_length = 8;
			out = flow_hop(&out);
			frame_expect(frame, &out);
		}
	}
}

/* Several workers: whoever gets a packet, the home has its call. */
static void any_worker_gives_it_to_the_home(void **state)
{
	struct control c;
	uint16_t id;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 4});
	for (uint32_t home = 0; home < 4; home++) {
		const char *client = flow_subscriber_of(home);

		flow_deliver_to(home);
		c = open_control(client);
		id = dial(&c, 7, 100);
		for (uint32_t worker = 0; worker < 4; worker++) {
			flow_deliver_to(worker);
			expect_call(client, 7, id, 100);
		}
	}
}

/* Behind a forwarded port, a server's own identifiers are translated. */
static void a_server_inside(void **state)
{
	char tcp[] = "tcp";
	const struct static_config forward = {.outside = RTE_BE32(0xcb007101),
					      .outside_port = 1723,
					      .protocol = tcp,
					      .inside = RTE_BE32(0x64400002),
					      .inside_port = 1723,
					      .realm = 1,
					      .weight = 1};
	struct control c = {.client = S1, .sent = 1001, .got = 5001};
	struct message request = message(REQUEST, 7, 1, 0), reply = message(REPLY, 100, 7, 1);
	struct frame_spec in, out;
	struct rte_mbuf *frame;
	uint16_t id;

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_statics(&forward, 1);
	in = (struct frame_spec){.src = B1,
				 .dst = POOL,
				 .proto = IPPROTO_TCP,
				 .sport = 4000,
				 .dport = 1723,
				 .seq = 1000,
				 .tcp_flags = SYN};
	out = in;
	out.dst = S1;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	in = (struct frame_spec){.src = S1,
				 .dst = B1,
				 .proto = IPPROTO_TCP,
				 .sport = 1723,
				 .dport = 4000,
				 .seq = 5000,
				 .ack = 1001,
				 .tcp_flags = SYN | ACK,
				 .df = true};
	out = in;
	out.src = POOL;
	out = flow_hop(&out);
	flow_pass(INSIDE, &in, VERDICT_TRANSLATED, OUTSIDE, &out);

	in = (struct frame_spec){.src = B1,
				 .dst = POOL,
				 .proto = IPPROTO_TCP,
				 .sport = 4000,
				 .dport = 1723,
				 .seq = c.sent,
				 .ack = c.got,
				 .tcp_flags = ACK,
				 .payload = request.bytes,
				 .length = request.length};
	out = in;
	out.dst = S1;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	in = (struct frame_spec){.src = S1,
				 .dst = B1,
				 .proto = IPPROTO_TCP,
				 .sport = 1723,
				 .dport = 4000,
				 .seq = c.got,
				 .ack = c.sent + request.length,
				 .tcp_flags = ACK,
				 .payload = reply.bytes,
				 .length = reply.length};
	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	id = id_at(frame, 12);
	assert_int_not_equal(id, 100);
	assert_int_equal(id_at(frame, 14), 7);
	expect_call(S1, 100, id, 7);
	flow_statics(NULL, 0);
}

/* Switched off, nothing is read, and GRE goes by address alone. */
static void off_is_off(void **state)
{
	struct message request = message(REQUEST, 7, 1, 0);
	struct control c;
	struct frame_spec out;

	(void)state;
	flow_start(&(struct flow_setup){0});
	c = open_control(S1);
	assert_int_equal(client_says(&c, &request), 7);
	out = gre(POOL, B1, 100)->spec;
	out = flow_hop(&out);
	flow_pass(INSIDE, &gre(S1, B1, 100)->spec, VERDICT_TRANSLATED, OUTSIDE, &out);
	flow_refuse(INSIDE, &gre(S2, B1, 100)->spec, VERDICT_PROTOCOL_TAKEN, 3, 1);
}

#define PPTP_TEST(test) cmocka_unit_test_setup_teardown(test, switch_on, switch_off)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PPTP_TEST(two_subscribers_reach_one_server),
		PPTP_TEST(any_identifier),
		PPTP_TEST(all_messages_are_translated),
		PPTP_TEST(incoming_calls),
		PPTP_TEST(messages_and_segments_differ),
		PPTP_TEST(hostile_messages_open_nothing),
		PPTP_TEST(calls_are_bounded_and_end),
		PPTP_TEST(other_gre_goes_as_ever),
		PPTP_TEST(fragments_of_a_call),
		PPTP_TEST(any_worker_gives_it_to_the_home),
		PPTP_TEST(a_server_inside),
		FLOW_TEST(off_is_off),
	};

	return FLOW_RUN(tests);
}
