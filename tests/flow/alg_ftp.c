/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alg.h"
#include "flow.h"
#include "statics.h"

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG

/* The client's numbers begin here, so that they wrap; the server's there. */
#define CLIENT 0xfffffff0u
#define SERVER 5000u

static const struct frame_spec syn = {.src = S1,
				      .dst = B1,
				      .proto = IPPROTO_TCP,
				      .sport = 4000,
				      .dport = 21,
				      .seq = CLIENT,
				      .tcp_flags = SYN};

/* What the client says, and what the server says to the public endpoint. */
static struct frame_spec client_says(uint32_t seq, uint32_t ack, const char *text)
{
	struct frame_spec spec = syn;

	spec.tcp_flags = ACK;
	spec.seq = seq;
	spec.ack = ack;
	spec.payload = text;
	spec.length = (uint16_t)strlen(text);
	return spec;
}

static struct frame_spec server_says(const struct endpoint *public, uint32_t seq, uint32_t ack,
				     const char *text)
{
	struct frame_spec spec = flow_reply(&syn, public);

	spec.tcp_flags = ACK;
	spec.seq = seq;
	spec.ack = ack;
	spec.payload = text;
	spec.length = (uint16_t)strlen(text);
	return spec;
}

static struct frame_spec to_client(const struct frame_spec *in)
{
	struct frame_spec out = *in;

	out.dst = S1;
	out.dport = 4000;
	return flow_hop(&out);
}

/* The control connection is open: both have sent a SYN. */
static struct endpoint open_control(void)
{
	struct endpoint public = flow_open(&syn);
	struct frame_spec in = server_says(&public, SERVER, CLIENT + 1, ""), out;

	in.tcp_flags = SYN | ACK;
	out = to_client(&in);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
	return public;
}

/* The client's segment leaves as `text`, `shift` behind its own numbers. */
static void expect_sent(const struct frame_spec *in, const struct endpoint *public, uint32_t shift,
			const char *text)
{
	struct frame_spec out = flow_public(in, public);

	out.seq += shift;
	out.payload = text;
	out.length = (uint16_t)strlen(text);
	out = flow_hop(&out);
	flow_pass(INSIDE, in, VERDICT_TRANSLATED, OUTSIDE, &out);
}

static void expect_unchanged(const struct frame_spec *in, const struct endpoint *public)
{
	expect_sent(in, public, 0, in->payload);
}

/* The public port in "...,p1,p2\r\n" of a frame that left. */
static uint16_t named_port(struct rte_mbuf *frame, char *text, size_t size)
{
	uint32_t length = rte_pktmbuf_pkt_len(frame) - 54;
	const char *payload = rte_pktmbuf_mtod_offset(frame, const char *, 54);
	unsigned int a, b, c, d, high, low;

	assert_true(length < size);
	memcpy(text, payload, length);
	text[length] = '\0';
	assert_int_equal(sscanf(text, "PORT %u,%u,%u,%u,%u,%u", &a, &b, &c, &d, &high, &low), 6);
	assert_int_equal(a << 24 | b << 16 | c << 8 | d, 0xcb007101);
	return (uint16_t)(high << 8 | low);
}

static const char command[] = "PORT 100,64,0,2,19,137\r\n"; /* port 5001 */

static uint16_t say_port(uint32_t seq, char *text, size_t size)
{
	struct frame_spec in = client_says(seq, SERVER + 1, command);
	struct rte_mbuf *frame;

	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	assert_non_null(frame);
	flow_expect_silence();
	return named_port(frame, text, size);
}

/* The server opens the data connection, from its port 20. */
static void server_opens(uint16_t port, enum verdict verdict)
{
	struct frame_spec in = {.src = B1,
				.dst = POOL,
				.proto = IPPROTO_TCP,
				.sport = 20,
				.dport = port,
				.tcp_flags = SYN};
	struct frame_spec out = in;

	out.dst = S1;
	out.dport = 5001;
	out = flow_hop(&out);
	if (verdict == VERDICT_TRANSLATED)
		flow_pass(OUTSIDE, &in, verdict, INSIDE, &out);
	else
		flow_drop(OUTSIDE, &in, verdict);
}

/*
 * RFC 959 section 4.1.2: PORT names the data port's public endpoint instead, the stream's numbers
 * are held right both ways, in acknowledgements and SACK (RFC 2018) too, and the server gets
 * through to the client.
 */
static void active_ftp_works(void **state)
{
	static const uint8_t sack[] = {1, 1, 5, 10, 0, 0, 0, 0, 0, 0, 0, 0};
	uint8_t seen[sizeof(sack)], told[sizeof(sack)];
	struct endpoint public;
	struct frame_spec in, out;
	char text[64];
	uint32_t next = CLIENT + 1 + (uint32_t)strlen(command), shift;
	uint16_t port;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = open_control();
	port = say_port(CLIENT + 1, text, sizeof(text));
	shift = (uint32_t)strlen(text) - (uint32_t)strlen(command);
	assert_int_equal(flow_count(alg_changed), 1);
	server_opens(port, VERDICT_TRANSLATED);

	/* sent again, it reads the same, and moves nothing */
	assert_int_equal(say_port(CLIENT + 1, text, sizeof(text)), port);

	in = server_says(&public, SERVER + 1, next + shift, "200 PORT\r\n");
	out = to_client(&in);
	out.ack = next;
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);

	in = client_says(next, SERVER + 11, "LIST\r\n");
	expect_sent(&in, &public, shift, "LIST\r\n");

	in = server_says(&public, SERVER + 11, next + shift, "");
	memcpy(seen, sack, sizeof(sack));
	memcpy(told, sack, sizeof(sack));
	*(uint32_t *)(seen + 4) = rte_cpu_to_be_32(next + shift + 2);
	*(uint32_t *)(seen + 8) = rte_cpu_to_be_32(next + shift + 6);
	*(uint32_t *)(told + 4) = rte_cpu_to_be_32(next + 2);
	*(uint32_t *)(told + 8) = rte_cpu_to_be_32(next + 6);
	in.tcp_options = seen;
	in.tcp_options_length = sizeof(seen);
	out = to_client(&in);
	out.ack = next;
	out.tcp_options = told;
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &out);
}

/* RFC 2428: so does EPRT. */
static void extended_port_works(void **state)
{
	static const char eprt[] = "eprt |1|100.64.0.2|5001|\r\n";
	struct endpoint public;
	struct frame_spec in;
	struct rte_mbuf *frame;
	unsigned int port;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = open_control();
	(void)public;
	in = client_says(CLIENT + 1, SERVER + 1, eprt);
	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	assert_int_equal(sscanf(rte_pktmbuf_mtod_offset(frame, const char *, 54),
				"eprt |1|203.0.113.1|%u|\r", &port),
			 1);
	server_opens((uint16_t)port, VERDICT_TRANSLATED);
}

/* RFC 2577: neither a third host's address nor a well-known port gets a mapping; malformed and
 * split commands pass as they are. */
static void what_is_not_ones_own_passes_as_it_is(void **state)
{
	static const char *const wrong[] = {
		"PORT 100,64,0,3,19,137\r\n",    "PORT 192,0,2,1,19,137\r\n",
		"PORT 100,64,0,2,0,21\r\n",      "PORT 100,64,0,2,19\r\n",
		"PORT 100,64,0,2,256,1\r\n",     "PORT \r\n",
		"EPRT |1|100.64.0.2|5001\r\n",   "EPRT |2|::1|5001|\r\n",
		"EPRT |1|100.64.0.2|99999|\r\n",
	};
	struct endpoint public;
	struct frame_spec in;
	uint32_t seq = CLIENT + 1;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = open_control();
	for (size_t i = 0; i < RTE_DIM(wrong); i++) {
		in = client_says(seq, SERVER + 1, wrong[i]);
		expect_unchanged(&in, &public);
		seq += (uint32_t)strlen(wrong[i]);
	}
	assert_int_equal(flow_count(alg_malformed), RTE_DIM(wrong));
	in = client_says(seq, SERVER + 1, "PORT 100,64,0,2,1");
	expect_unchanged(&in, &public);
	in = client_says(seq + 17, SERVER + 1, "9,137\r\n");
	expect_unchanged(&in, &public);
	assert_int_equal(flow_count(alg_split), 1);
	assert_int_equal(flow_mappings(), 1);
}

/* A command in the middle of a line is none: what looks like one at a segment's begin may be the
 * tail of a name that the sender was made to send. */
static void a_tail_is_no_command(void **state)
{
	struct endpoint public;
	struct frame_spec in;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = open_control();
	in = client_says(CLIENT + 1, SERVER + 1, "STOR x");
	expect_unchanged(&in, &public);
	in = client_says(CLIENT + 7, SERVER + 1, command);
	expect_unchanged(&in, &public);
	assert_int_equal(flow_mappings(), 1);
}

/* Behind other commands in one segment, and cut into small buffers. */
static void in_several_lines_and_pieces(void **state)
{
	static const char both[] = "TYPE I\r\nPORT 100,64,0,2,19,137\r\n";
	struct endpoint public;
	struct frame_spec in;
	struct rte_mbuf *frame;
	char text[64];

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = open_control();
	(void)public;
	in = client_says(CLIENT + 1, SERVER + 1, both);
	in.segment = 60;
	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	memcpy(text, rte_pktmbuf_mtod_offset(frame, const char *, 54), 30);
	text[30] = '\0';
	assert_memory_equal(text, "TYPE I\r\nPORT 203,0,113,1,", 25);
}

static void filter_strictly(struct pool_config *pool)
{
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
}

/* RFC 4787 REQ-8: under a strict filter, the remote that was named may come; nobody else, and not
 * after the time. */
static void only_the_server_may_come(void **state)
{
	char text[64];
	struct frame_spec stranger = {
		.src = B2, .dst = POOL, .proto = IPPROTO_TCP, .sport = 20, .tcp_flags = SYN};
	uint16_t port;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_strictly});
	open_control();
	port = say_port(CLIENT + 1, text, sizeof(text));
	stranger.dport = port;
	flow_drop(OUTSIDE, &stranger, VERDICT_FILTERED);
	server_opens(port, VERDICT_TRANSLATED);
	flow_advance(31);
	stranger.src = B1;
	stranger.sport = 22;
	flow_drop(OUTSIDE, &stranger, VERDICT_FILTERED);
}

/* A data port that nobody comes to is given back; a subscriber names so many at a time. */
static void expectations_are_bounded_and_end(void **state)
{
	struct frame_spec in;
	struct endpoint public;
	char text[64];
	uint32_t seq = CLIENT + 1;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = open_control();
	(void)public;
	for (unsigned int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "PORT 100,64,0,2,19,%u\r\n", 100 + i);
		in = client_says(seq, SERVER + 1, text);
		flow_send(INSIDE, &in);
		flow_expect_verdict(VERDICT_TRANSLATED);
		assert_non_null(flow_receive(OUTSIDE));
		seq += (uint32_t)strlen(text);
	}
	assert_int_equal(flow_mappings(), 1 + 16);
	assert_int_equal(flow_count(alg_refused), 4);
	flow_advance(31);
	assert_int_equal(flow_mappings(), 1);
}

/* A server behind a forwarded port: its answer to PASV names a public port, and clients come in. */
static void a_forwarded_server_is_passive(void **state)
{
	char tcp[] = "tcp";
	const struct static_config forward = {.outside = flow_address(POOL),
					      .outside_port = 21,
					      .protocol = tcp,
					      .inside = flow_address(S1),
					      .inside_port = 21,
					      .realm = 1,
					      .weight = 1};
	static const char passive[] = "227 Entering Passive Mode (100,64,0,2,19,137)\r\n";
	struct frame_spec client = {.src = B1,
				    .dst = POOL,
				    .proto = IPPROTO_TCP,
				    .sport = 4000,
				    .dport = 21,
				    .seq = CLIENT,
				    .tcp_flags = SYN};
	struct frame_spec server = {.src = S1,
				    .dst = B1,
				    .proto = IPPROTO_TCP,
				    .sport = 21,
				    .dport = 4000,
				    .seq = SERVER,
				    .ack = CLIENT + 1,
				    .tcp_flags = SYN | ACK,
				    .df = true};
	unsigned int a, b, c, d, high, low;
	struct frame_spec out = client;
	struct rte_mbuf *frame;
	char text[64];
	uint32_t length;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_strictly});
	flow_statics(&forward, 1);
	out.dst = S1;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &client, VERDICT_TRANSLATED, INSIDE, &out);
	out = server;
	out.src = POOL;
	out = flow_hop(&out);
	flow_pass(INSIDE, &server, VERDICT_TRANSLATED, OUTSIDE, &out);
	server.seq = SERVER + 1;
	server.tcp_flags = ACK;
	server.payload = passive;
	server.length = sizeof(passive) - 1;
	flow_send(INSIDE, &server);
	flow_expect_verdict(VERDICT_TRANSLATED);
	frame = flow_receive(OUTSIDE);
	length = rte_pktmbuf_pkt_len(frame) - 54;
	assert_in_range(length, 1, sizeof(text) - 1);
	memcpy(text, rte_pktmbuf_mtod_offset(frame, const char *, 54), length);
	text[length] = '\0';
	assert_int_equal(sscanf(text, "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u)", &a, &b, &c,
				&d, &high, &low),
			 6);
	assert_int_equal(a << 24 | b << 16 | c << 8 | d, 0xcb007101);

	client = (struct frame_spec){.src = B1,
				     .dst = POOL,
				     .proto = IPPROTO_TCP,
				     .sport = 4001,
				     .dport = (uint16_t)(high << 8 | low),
				     .tcp_flags = SYN};
	out = client;
	out.dst = S1;
	out.dport = 5001;
	out = flow_hop(&out);
	flow_pass(OUTSIDE, &client, VERDICT_TRANSLATED, INSIDE, &out);
	client.src = B2;
	flow_drop(OUTSIDE, &client, VERDICT_FILTERED);
	flow_statics(NULL, 0);
}

/* Several workers: whoever gets a segment, the home changes it. */
static void any_worker_gives_it_to_the_home(void **state)
{
	char text[64];
	uint16_t port;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 4});
	open_control();
	port = say_port(CLIENT + 1, text, sizeof(text));
	for (uint32_t worker = 0; worker < 4; worker++) {
		flow_deliver_to(worker);
		assert_int_equal(say_port(CLIENT + 1, text, sizeof(text)), port);
	}
}

static int switch_off(void **state)
{
	(void)state;
	alg_settings.ftp = false;
	return 0;
}

static int switch_on(void **state)
{
	alg_settings.ftp = true;
	return flow_teardown(state);
}

/* Switched off, nothing is touched. */
static void off_is_off(void **state)
{
	struct endpoint public;
	struct frame_spec in;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = open_control();
	in = client_says(CLIENT + 1, SERVER + 1, command);
	expect_unchanged(&in, &public);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(active_ftp_works),
		FLOW_TEST(extended_port_works),
		FLOW_TEST(what_is_not_ones_own_passes_as_it_is),
		FLOW_TEST(a_tail_is_no_command),
		FLOW_TEST(in_several_lines_and_pieces),
		FLOW_TEST(only_the_server_may_come),
		FLOW_TEST(expectations_are_bounded_and_end),
		FLOW_TEST(a_forwarded_server_is_passive),
		FLOW_TEST(any_worker_gives_it_to_the_home),
		cmocka_unit_test_setup_teardown(off_is_off, switch_off, switch_on),
	};

	return FLOW_RUN(tests);
}
