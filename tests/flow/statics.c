/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "pools.h"
#include "statics.h"

static char tcp[] = "tcp", udp[] = "udp", any[] = "any";

static struct static_config forward(const char *outside, uint16_t port, const char *inside,
				    uint16_t inside_port, char *protocol)
{
	return (struct static_config){
		.outside = rte_cpu_to_be_32(support_ipv4(outside)),
		.outside_port = port,
		.protocol = protocol,
		.inside = rte_cpu_to_be_32(support_ipv4(inside)),
		.inside_port = inside_port,
		.realm = 1,
		.weight = 1,
	};
}

static struct frame_spec packet(const char *src, uint16_t sport, const char *dst, uint16_t dport,
				uint8_t proto)
{
	return (struct frame_spec){.src = src,
				   .dst = dst,
				   .proto = proto,
				   .sport = sport,
				   .dport = dport,
				   .tcp_flags = RTE_TCP_SYN_FLAG,
				   .length = 5};
}

/* A first packet from the outside reaches the server, and its answer leaves from the public
 * endpoint that was asked. */
static void expect_served(const struct frame_spec *in, const char *server, uint16_t port)
{
	struct frame_spec delivered = *in, answer, out;

	delivered.dst = server;
	delivered.dport = port;
	answer = flow_answer(&delivered);
	answer.tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
	delivered = flow_hop(&delivered);
	flow_pass(OUTSIDE, in, VERDICT_TRANSLATED, INSIDE, &delivered);
	out = flow_answer(in);
	out.tcp_flags = answer.tcp_flags;
	out.any_ip_id = true;
	out = flow_hop(&out);
	flow_pass(INSIDE, &answer, VERDICT_TRANSLATED, OUTSIDE, &out);
}

/* A forwarded port reaches its server, another protocol or port does not; the server's own packets
 * from there have the public port. */
static void a_port_is_forwarded(void **state)
{
	struct static_config config = forward(POOL, 443, S1, 8443, tcp);
	struct frame_spec syn = packet(B1, 777, POOL, 443, IPPROTO_TCP);
	struct frame_spec own = packet(S1, 8443, B2, 80, IPPROTO_TCP);
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_statics(&config, 1);
	expect_served(&syn, S1, 8443);
	syn.dport = 444;
	flow_drop(OUTSIDE, &syn, VERDICT_NO_SESSION);
	syn = packet(B1, 777, POOL, 443, IPPROTO_UDP);
	flow_drop(OUTSIDE, &syn, VERDICT_NO_SESSION);
	public = flow_open(&own);
	assert_string_equal(public.address, POOL);
	assert_int_equal(public.port, 443);
	assert_int_equal(flow_ports(), 0);
	own.sport++;
	assert_int_not_equal(flow_open(&own).port, 443);
}

/* A whole address: every port and protocol, in both directions, with the same port. */
static void a_whole_address(void **state)
{
	struct static_config config = forward("203.0.113.2", 0, S1, 0, any);
	struct frame_spec spec = packet(B1, 5, "203.0.113.2", 9, IPPROTO_UDP), in, answer, out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.2"});
	flow_statics(&config, 1);
	expect_served(&spec, S1, 9);
	spec = packet(B1, 5, "203.0.113.2", 60000, IPPROTO_TCP);
	expect_served(&spec, S1, 60000);
	spec = packet(S1, 4000, B2, 53, IPPROTO_UDP);
	public = flow_open(&spec);
	assert_string_equal(public.address, "203.0.113.2");
	assert_int_equal(public.port, 4000);
	spec = (struct frame_spec){.src = B1,
				   .dst = "203.0.113.2",
				   .proto = IPPROTO_ICMP,
				   .type = 8,
				   .ident = 7,
				   .length = 8};
	in = spec;
	in.dst = S1;
	answer = flow_answer(&in);
	in = flow_hop(&in);
	flow_pass(OUTSIDE, &spec, VERDICT_TRANSLATED, INSIDE, &in);
	out = flow_answer(&spec);
	out.any_ip_id = true;
	out = flow_hop(&out);
	flow_pass(INSIDE, &answer, VERDICT_TRANSLATED, OUTSIDE, &out);
	spec = (struct frame_spec){
		.src = S1, .dst = B2, .proto = IPPROTO_ICMP, .type = 8, .ident = 99, .length = 8};
	assert_int_equal(flow_open(&spec).port, 99);
	/* nobody else is put there */
	for (uint16_t i = 0; i < 20; i++) {
		spec = packet(S2, (uint16_t)(100 + i), B1, 53, IPPROTO_UDP);
		assert_string_equal(flow_open(&spec).address, "203.0.113.1");
	}
}

/* RFC 4787 REQ-9: a subscriber reaches the server by its public endpoint, and is seen there with
 * its own public one. */
static void hairpin_to_a_server(void **state)
{
	struct static_config config = forward(POOL, 443, S1, 8443, udp);
	struct frame_spec ask = packet(S2, 4000, POOL, 443, IPPROTO_UDP), in, answer;
	struct endpoint public;
	struct rte_mbuf *frame;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	flow_statics(&config, 1);
	flow_send(INSIDE, &ask);
	flow_expect_verdict(VERDICT_HAIRPINNED);
	frame = flow_receive(INSIDE);
	assert_non_null(frame);
	public = flow_source(frame);
	assert_string_equal(public.address, POOL);
	in = packet(POOL, public.port, S1, 8443, IPPROTO_UDP);
	answer = flow_answer(&in);
	in.any_ip_id = true;
	in = flow_hop(&in);
	frame_expect(frame, &in);
	in = flow_answer(&ask);
	in.any_ip_id = true;
	in = flow_hop(&in);
	flow_pass(INSIDE, &answer, VERDICT_HAIRPINNED, INSIDE, &in);
}

static rte_be32_t destination_of(const struct rte_mbuf *frame)
{
	assert_non_null(frame);
	return rte_pktmbuf_mtod_offset(frame, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN)
		->dst_addr;
}

/* Several servers get new sessions by weight, wherever their homes and wherever packets arrive. */
static void servers_share_by_weight(void **state)
{
	struct static_config config[2];
	uint32_t first = 0;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	config[0] = forward(POOL, 80, flow_subscriber_of(0), 0, udp);
	config[1] = forward(POOL, 80, flow_subscriber_of(1), 8080, udp);
	config[0].weight = 3;
	flow_statics(config, 2);
	for (uint16_t i = 0; i < 400; i++) {
		struct frame_spec ask = packet(B1, (uint16_t)(1000 + i), POOL, 80, IPPROTO_UDP);
		rte_be32_t server;

		flow_deliver_to(i % 2);
		flow_send(OUTSIDE, &ask);
		flow_expect_verdict(VERDICT_TRANSLATED);
		server = destination_of(flow_receive(INSIDE));
		first += server == config[0].inside;
		/* the other worker delivers it to the same */
		flow_deliver_to(1 - i % 2);
		flow_send(OUTSIDE, &ask);
		flow_expect_verdict(VERDICT_TRANSLATED);
		assert_int_equal(destination_of(flow_receive(INSIDE)), server);
	}
	assert_in_range(first, 240, 360); /* 300; a deviation of 9 */
	assert_int_equal(flow_sessions(), 400);
}

/* A forwarded port is no other subscriber's, however full the block is. */
static void a_forwarded_port_is_nobody_elses(void **state)
{
	struct static_config config = forward(POOL, 1030, S2, 0, udp);
	struct frame_spec spec;

	(void)state;
	flow_start(&(struct flow_setup){
		.ports_first = 1024, .ports_last = 1087, .block_size = 64, .max_blocks = 1});
	flow_statics(&config, 1);
	for (uint16_t i = 0; i < 63; i++) {
		spec = packet(S1, (uint16_t)(100 + i), B1, 53, IPPROTO_UDP);
		assert_int_not_equal(flow_open(&spec).port, 1030);
	}
	spec.sport++;
	flow_refuse(INSIDE, &spec, VERDICT_BLOCK_LIMIT, 3, 1);
	spec = packet(B1, 5, POOL, 1030, IPPROTO_UDP);
	expect_served(&spec, S2, 1030);
	/* TCP's is not forwarded */
	for (uint16_t i = 0; i < 64; i++) {
		spec = packet(S1, (uint16_t)(100 + i), B1, 53, IPPROTO_TCP);
		flow_open(&spec);
	}
}

/* New static mappings: sessions of those that went, or that stand in their way, end; others stay.
 */
static void a_reload_changes_them(void **state)
{
	struct static_config config[2] = {forward(POOL, 80, S1, 0, udp),
					  forward(POOL, 81, S1, 0, udp)};
	struct frame_spec first = packet(B1, 5, POOL, 80, IPPROTO_UDP);
	struct frame_spec second = packet(B1, 5, POOL, 81, IPPROTO_UDP);
	struct frame_spec dynamic = packet(S2, 4000, B1, 53, IPPROTO_UDP);
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_statics(config, 2);
	expect_served(&first, S1, 80);
	expect_served(&second, S1, 81);
	public = flow_open(&dynamic);
	assert_int_equal(flow_sessions(), 3);
	flow_statics(config, 1);
	assert_int_equal(flow_sessions(), 2);
	flow_drop(OUTSIDE, &second, VERDICT_NO_SESSION);
	config[0] = forward(POOL, public.port, S1, 0, udp);
	flow_statics(config, 1);
	assert_int_equal(flow_sessions(), 0);
	first = packet(B1, 53, POOL, public.port, IPPROTO_UDP);
	expect_served(&first, S1, public.port);
	flow_statics(NULL, 0);
	assert_int_equal(flow_sessions(), 0);
	flow_open(&dynamic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(a_port_is_forwarded),   FLOW_TEST(a_whole_address),
		FLOW_TEST(hairpin_to_a_server),   FLOW_TEST(servers_share_by_weight),
		FLOW_TEST(a_reload_changes_them), FLOW_TEST(a_forwarded_port_is_nobody_elses),
	};

	return FLOW_RUN(tests);
}
