/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_udp.h>

#include "eal.h"
#include "frame.h"
#include "rewrite.h"
#include "text.h"

static struct rte_mempool *pool;
static const struct packet_source source = {.mac = {{2, 0, 0, 0, 0, 0x0b}}, .realm = 1};

/* A random address as text, often one whose words are all zeros or ones. */
static const char *random_address(char text[TEXT_IPV4_SIZE])
{
	static const uint32_t corners[] = {0x0a000000, 0x0affffff, 0x01000000, 0xdfffffff};
	uint32_t address = random() % 4 == 0 ? corners[random() % 4]
					     : (uint32_t)random() % 0x5f000000 + 0x01000000;

	if (address >> 24 == 127)
		address = 0x0a0a0a0a;
	return text_ipv4(rte_cpu_to_be_32(address), text);
}

static uint16_t random_port(void)
{
	static const uint16_t corners[] = {0, 1, 0xfffe, 0xffff};

	return random() % 4 == 0 ? corners[random() % 4] : (uint16_t)random();
}

/* A packet and what it shall become. */
struct change {
	char address[4][TEXT_IPV4_SIZE];
	struct frame_spec from, to;
};

static void random_change(struct change *c, uint8_t proto)
{
	static const uint8_t types[] = {0, 8, 13, 14};

	c->from = (struct frame_spec){
		.src = random_address(c->address[0]),
		.dst = random_address(c->address[1]),
		.proto = proto,
		.ttl = (uint8_t)(random() % 254 + 2),
		.tos = (uint8_t)random(),
		.ip_id = (uint16_t)random(),
		.sport = random_port(),
		.dport = random_port(),
		.ident = random_port(),
		.seq = (uint32_t)random(),
		.type = types[random() % 4],
		.tcp_flags = RTE_TCP_ACK_FLAG,
		.no_checksum = random() % 8 == 0,
		.length = (uint16_t)(random() % 80),
	};
	c->to = c->from;
	c->to.src = random_address(c->address[2]);
	c->to.dst = random_address(c->address[3]);
	c->to.sport = random_port();
	c->to.dport = random_port();
	c->to.ident = random_port();
}

static struct tuple tuple_of(const struct frame_spec *spec)
{
	bool request = spec->type == 8 || spec->type == 13;
	struct tuple tuple = {.proto_realm = proto_realm(spec->proto, 1)};

	text_parse_ipv4(spec->src, &tuple.src);
	text_parse_ipv4(spec->dst, &tuple.dst);
	if (spec->proto != IPPROTO_ICMP) {
		tuple.sport = rte_cpu_to_be_16(spec->sport);
		tuple.dport = rte_cpu_to_be_16(spec->dport);
	} else if (request) {
		tuple.sport = rte_cpu_to_be_16(spec->ident);
	} else {
		tuple.dport = rte_cpu_to_be_16(spec->ident);
	}
	return tuple;
}

static struct rewrite rewrite_of(const struct frame_spec *from, const struct frame_spec *to)
{
	struct tuple a = tuple_of(from), b = tuple_of(to);

	return (struct rewrite){.src = b.src,
				.dst = b.dst,
				.sport = b.sport,
				.dport = b.dport,
				.l3_delta = rewrite_l3_delta(&a, &b),
				.l4_delta = rewrite_l4_delta(&a, &b)};
}

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};

/* Rewriting a packet gives what building it anew gives: every protocol, odd lengths too, checksums
 * recomputed from all bytes. */
static void packets(void **state)
{
	(void)state;
	srandom(11);
	for (int i = 0; i < 60000; i++) {
		struct change c;
		struct rewrite rw;
		struct packet p = {0};

		random_change(&c, protocols[i % 3]);
		rw = rewrite_of(&c.from, &c.to);
		p.mbuf = frame_build(pool, &c.from);
		packet_parse(&p, &source);
		assert_int_equal(p.kind, PACKET_QUERY);
		rewrite_packet(&p, &rw);
		c.to.ttl--;
		frame_expect(p.mbuf, &c.to);
		rte_pktmbuf_free(p.mbuf);
	}
}

/* The deltas of the way back are the complements of those of the way there. */
static void there_and_back(void **state)
{
	(void)state;
	srandom(12);
	for (int i = 0; i < 30000; i++) {
		struct change c;
		struct rewrite there, back;
		struct packet p = {0};

		random_change(&c, protocols[i % 3]);
		there = rewrite_of(&c.from, &c.to);
		back = rewrite_of(&c.to, &c.from);
		back.l3_delta = (uint16_t)~there.l3_delta;
		back.l4_delta = (uint16_t)~there.l4_delta;
		c.from.ttl = 64;
		p.mbuf = frame_build(pool, &c.from);
		packet_parse(&p, &source);
		rewrite_packet(&p, &there);
		rewrite_packet(&p, &back);
		c.from.ttl -= 2;
		frame_expect(p.mbuf, &c.from);
		rte_pktmbuf_free(p.mbuf);
	}
}

/* RFC 768: a UDP checksum that comes out as 0 is sent as 0xffff, whatever the port that makes it
 * so; one of 0 stays 0. */
static void udp_checksums_at_the_edge(void **state)
{
	struct change c;
	uint32_t edges = 0;

	(void)state;
	srandom(13);
	random_change(&c, IPPROTO_UDP);
	c.from.no_checksum = c.to.no_checksum = false;
	for (uint32_t port = 0; port < 65536; port++) {
		struct rewrite rw;
		struct packet p = {0};
		const struct rte_udp_hdr *udp;

		c.to.sport = (uint16_t)port;
		rw = rewrite_of(&c.from, &c.to);
		p.mbuf = frame_build(pool, &c.from);
		packet_parse(&p, &source);
		rewrite_packet(&p, &rw);
		udp = rte_pktmbuf_mtod_offset(p.mbuf, const struct rte_udp_hdr *, p.l4);
		assert_int_not_equal(udp->dgram_cksum, 0);
		edges += udp->dgram_cksum == 0xffff;
		c.to.ttl = (uint8_t)(c.from.ttl - 1);
		frame_expect(p.mbuf, &c.to);
		rte_pktmbuf_free(p.mbuf);
	}
	assert_true(edges > 0);
}

/* A rewritten ICMP error is what building it anew gives, however little it quotes from 8 transport
 * bytes on; half a checksum is left as it is. */
static void errors(void **state)
{
	(void)state;
	srandom(14);
	for (int i = 0; i < 60000; i++) {
		struct change quote, outer;
		struct frame_spec from, to;
		struct rewrite rw;
		struct packet p = {0};
		char src[TEXT_IPV4_SIZE], dst[TEXT_IPV4_SIZE];
		rte_be32_t new_src, new_dst;

		random_change(&quote, protocols[i % 3]);
		random_change(&outer, IPPROTO_ICMP);
		from = (struct frame_spec){.src = outer.from.src,
					   .dst = quote.from.src,
					   .proto = IPPROTO_ICMP,
					   .type = 11,
					   .quote = &quote.from,
					   .quote_length = (uint16_t)(28 + random() % 40)};
		if (quote.from.proto == IPPROTO_TCP && from.quote_length == 37)
			from.quote_length++;
		to = from;
		to.src = random_address(src);
		to.dst = random_address(dst);
		to.quote = &quote.to;
		to.ttl = 63;
		text_parse_ipv4(to.src, &new_src);
		text_parse_ipv4(to.dst, &new_dst);
		rw = rewrite_of(&quote.from, &quote.to);
		p.mbuf = frame_build(pool, &from);
		packet_parse(&p, &source);
		assert_int_equal(p.kind, PACKET_ERROR);
		rewrite_error(&p, &rw, new_src, new_dst);
		frame_expect(p.mbuf, &to);
		rte_pktmbuf_free(p.mbuf);
	}
}

/* What is only forwarded loses one from its TTL. */
static void ttl(void **state)
{
	(void)state;
	srandom(15);
	for (int i = 0; i < 2000; i++) {
		struct change c;
		struct packet p = {0};

		random_change(&c, IPPROTO_UDP);
		p.mbuf = frame_build(pool, &c.from);
		packet_parse(&p, &source);
		rewrite_ttl(&p);
		c.from.ttl--;
		frame_expect(p.mbuf, &c.from);
		rte_pktmbuf_free(p.mbuf);
	}
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	pool = rte_pktmbuf_pool_create("frames", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(udp_checksums_at_the_edge),
		cmocka_unit_test(errors),
		cmocka_unit_test(ttl),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
