/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "frame.h"
#include "packet.h"

#define REALM 7u

#define L3 14
#define L4 34

static struct rte_mempool *pool;
static const struct packet_source source = {.mac = {{2, 0, 0, 0, 0, 0x0b}}, .realm = REALM};

static const struct frame_spec udp = {.src = "100.64.0.2",
				      .dst = "198.51.100.1",
				      .proto = IPPROTO_UDP,
				      .sport = 4000,
				      .dport = 53,
				      .length = 20};
static const struct frame_spec tcp = {.src = "100.64.0.2",
				      .dst = "198.51.100.1",
				      .proto = IPPROTO_TCP,
				      .sport = 4000,
				      .dport = 80,
				      .tcp_flags = RTE_TCP_SYN_FLAG,
				      .length = 20};
static const struct frame_spec ping = {.src = "100.64.0.2",
				       .dst = "198.51.100.1",
				       .proto = IPPROTO_ICMP,
				       .type = 8,
				       .ident = 99,
				       .length = 20};
static const struct frame_spec unreachable = {.src = "198.51.100.9",
					      .dst = "100.64.0.2",
					      .proto = IPPROTO_ICMP,
					      .type = 3,
					      .code = 3,
					      .quote = &udp,
					      .quote_length = 28};

/* Parses a frame and frees it. */
static struct packet parse_frame(struct rte_mbuf *frame)
{
	struct packet p = {.mbuf = frame};

	packet_parse(&p, &source);
	rte_pktmbuf_free(frame);
	return p;
}

static struct packet parse(const struct frame_spec *spec)
{
	return parse_frame(frame_build(pool, spec));
}

static void put16(struct rte_mbuf *frame, uint32_t offset, uint16_t value)
{
	*rte_pktmbuf_mtod_offset(frame, rte_be16_t *, offset) = rte_cpu_to_be_16(value);
}

/* After a change to the IP header, so that the change itself is what is seen. */
static void mend_ip_checksum(struct rte_mbuf *frame)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(frame, struct rte_ipv4_hdr *, L3);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

#define expect_refused(p, why)                                            \
	do {                                                              \
		struct packet parsed = p;                                 \
		assert_int_equal(parsed.kind, PACKET_REFUSED);            \
		assert_string_equal(verdicts[parsed.verdict].name, #why); \
	} while (0)

/* A frame with one byte changed, its IP checksum right again. */
static struct packet parse_with_byte(const struct frame_spec *spec, uint32_t offset, uint8_t value)
{
	struct rte_mbuf *frame = frame_build(pool, spec);

	*rte_pktmbuf_mtod_offset(frame, uint8_t *, offset) = value;
	mend_ip_checksum(frame);
	return parse_frame(frame);
}

static struct packet parse_with_word(const struct frame_spec *spec, uint32_t offset, uint16_t value)
{
	struct rte_mbuf *frame = frame_build(pool, spec);

	put16(frame, offset, value);
	mend_ip_checksum(frame);
	return parse_frame(frame);
}

/* What a good packet's record holds. */
static void good_packets(void **state)
{
	struct packet p = parse(&udp);

	(void)state;
	assert_int_equal(p.kind, PACKET_QUERY);
	assert_int_equal(p.l3, L3);
	assert_int_equal(p.l4, L4);
	assert_int_equal(p.length, 48);
	assert_int_equal(p.ttl, 64);
	assert_int_equal(p.flags, 0);
	assert_null(p.session);
	assert_int_equal(p.tuple.src, RTE_BE32(0x64400002));
	assert_int_equal(p.tuple.dst, RTE_BE32(0xc6336401));
	assert_int_equal(p.tuple.sport, RTE_BE16(4000));
	assert_int_equal(p.tuple.dport, RTE_BE16(53));
	assert_int_equal(p.tuple.proto_realm, REALM << 8 | IPPROTO_UDP);
	assert_int_equal(p.hash, tuple_hash(&p.tuple));

	p = parse(&tcp);
	assert_int_equal(p.kind, PACKET_QUERY);
	assert_int_equal(p.tcp_event, TCP_EVENT_SYN);
	assert_int_equal(p.tuple.dport, RTE_BE16(80));
}

/* ICMP queries have the identifier as the asking side's port; the other tells their kinds apart. */
static void icmp_queries(void **state)
{
	static const struct {
		uint8_t type;
		uint16_t sport, dport;
		uint8_t flags;
	} queries[] = {
		{8, 99, 0, PACKET_REQUEST},
		{0, 0, 99, 0},
		{13, 99, 13, PACKET_REQUEST},
		{14, 13, 99, 0},
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(queries); i++) {
		struct frame_spec spec = ping;
		struct packet p;

		spec.type = queries[i].type;
		p = parse(&spec);
		assert_int_equal(p.kind, PACKET_QUERY);
		assert_int_equal(p.flags, queries[i].flags);
		assert_int_equal(rte_be_to_cpu_16(p.tuple.sport), queries[i].sport);
		assert_int_equal(rte_be_to_cpu_16(p.tuple.dport), queries[i].dport);
	}
}

/* An ICMP error's tuple is the quoted packet's, seen the other way, in the realm it came from. */
static void icmp_errors(void **state)
{
	static const uint8_t types[] = {3, 11, 12};
	static const uint8_t nops[40] = {[0 ... 39] = 1};
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(types); i++) {
		struct frame_spec quote = udp, spec = unreachable;

		spec.type = types[i];
		spec.quote = &quote;
		p = parse(&spec);
		assert_int_equal(p.kind, PACKET_ERROR);
		assert_int_equal(p.quote, 42);
		assert_int_equal(p.quote_l4, 62);
		assert_int_equal(p.tuple.src, RTE_BE32(0xc6336401));
		assert_int_equal(p.tuple.dst, RTE_BE32(0x64400002));
		assert_int_equal(p.tuple.sport, RTE_BE16(53));
		assert_int_equal(p.tuple.dport, RTE_BE16(4000));
		assert_int_equal(p.tuple.proto_realm, REALM << 8 | IPPROTO_UDP);
		assert_int_equal(p.hash, tuple_hash(&p.tuple));

		quote.options = nops; /* RFC 5508 REQ-3b */
		quote.options_length = sizeof(nops);
		spec.quote_length = 68;
		p = parse(&spec);
		assert_int_equal(p.kind, PACKET_ERROR);
		assert_int_equal(p.quote_l4, 102);
	}
}

/* Frames for another host are refused, unless the port takes all. */
static void destination_mac(void **state)
{
	struct frame_spec spec = udp;
	struct packet_source all = source;
	struct packet p;

	(void)state;
	spec.dst_mac = "02:00:00:00:00:99";
	expect_refused(parse(&spec), OTHER_HOST);
	all.any_mac = true;
	p = (struct packet){.mbuf = frame_build(pool, &spec)};
	packet_parse(&p, &all);
	rte_pktmbuf_free(p.mbuf);
	assert_int_equal(p.kind, PACKET_QUERY);
	spec.dst_mac = "ff:ff:ff:ff:ff:ff";
	expect_refused(parse(&spec), LINK_BROADCAST);
	assert_int_equal(parse(&spec).flags, PACKET_LINK_BROADCAST);
	spec.dst_mac = "01:00:5e:00:00:01";
	expect_refused(parse(&spec), LINK_BROADCAST);
}

/* ARP goes to lib/route, by broadcast or to us; nothing else but IPv4 goes anywhere. */
static void ether_types(void **state)
{
	struct frame_spec arp = {.src = "100.64.0.2", .dst = "100.64.0.1", .arp = 1};
	struct rte_mbuf *frame = frame_build(pool, &udp);

	(void)state;
	put16(frame, 12, 0x86dd);
	expect_refused(parse_frame(frame), NOT_IPV4);
	assert_int_equal(parse(&arp).kind, PACKET_ARP);
	arp.dst_mac = "ff:ff:ff:ff:ff:ff";
	assert_int_equal(parse(&arp).kind, PACKET_ARP);
	arp.dst_mac = "02:00:00:00:00:99";
	expect_refused(parse(&arp), OTHER_HOST);
}

/* A frame cut anywhere is never taken for whole. */
static void cut_frames(void **state)
{
	static const struct frame_spec *const specs[] = {&udp, &tcp, &ping, &unreachable};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		struct rte_mbuf *whole = frame_build(pool, specs[i]);
		uint16_t length = (uint16_t)rte_pktmbuf_pkt_len(whole);

		rte_pktmbuf_free(whole);
		for (uint16_t cut = 1; cut <= length; cut++) {
			struct rte_mbuf *frame = frame_build(pool, specs[i]);

			rte_pktmbuf_trim(frame, cut);
			expect_refused(parse_frame(frame), TRUNCATED);
		}
	}
}

/* Headers must lie in the first segment, or the packet counts as truncated; payload need not. */
static void segmented_frames(void **state)
{
	static const struct frame_spec *const specs[] = {&udp, &tcp, &ping};
	static const uint16_t headers[] = {L4 + 8, L4 + 20, L4 + 8};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		struct frame_spec spec = *specs[i];

		for (spec.segment = 1; spec.segment < headers[i]; spec.segment++)
			expect_refused(parse(&spec), TRUNCATED);
		for (; spec.segment < headers[i] + 30; spec.segment++)
			assert_int_equal(parse(&spec).kind, PACKET_QUERY);
	}
}

/* RFC 1812 5.2.2: the version, lengths and checksum of the IP header. */
static void ip_header(void **state)
{
	struct frame_spec spec = udp;

	(void)state;
	expect_refused(parse_with_byte(&udp, L3, 0x65), BAD_IP_HEADER);
	expect_refused(parse_with_byte(&udp, L3, 0x44), BAD_IP_HEADER);
	expect_refused(parse_with_byte(&udp, L3, 0x40), BAD_IP_HEADER);
	expect_refused(parse_with_word(&udp, L3 + 2, 19), BAD_IP_HEADER);
	expect_refused(parse_with_word(&udp, L3 + 2, 0), BAD_IP_HEADER);
	expect_refused(parse_with_word(&udp, L3 + 2, 49), TRUNCATED);
	expect_refused(parse_with_word(&udp, L3 + 2, 65535), TRUNCATED);
	expect_refused(parse_with_byte(&udp, L3, 0x4f), TRUNCATED); /* longer than the frame */
	spec.padding = 20;
	expect_refused(parse_with_byte(&spec, L3, 0x4f), BAD_IP_HEADER); /* or than the packet */
	spec.bad_ip_checksum = true;
	expect_refused(parse(&spec), BAD_IP_CHECKSUM);
}

/* IP options are walked: each length is checked, source routes are found behind others. */
static void ip_options(void **state)
{
	static const struct {
		uint8_t bytes[8];
		int verdict; /* -1: passes */
	} options[] = {
		{{1, 1, 1, 1, 1, 1, 1, 1}, -1},
		{{0, 131, 3, 4, 0, 0, 0, 0}, -1}, /* behind the end */
		{{148, 4, 0, 0, 7, 4, 4, 0}, -1},
		{{131, 7, 4, 10, 0, 0, 1, 0}, VERDICT_SOURCE_ROUTED},
		{{1, 137, 7, 4, 10, 0, 0, 1}, VERDICT_SOURCE_ROUTED},
		{{148, 4, 0, 0, 131, 3, 4, 0}, VERDICT_SOURCE_ROUTED},
		{{7, 0, 0, 0, 0, 0, 0, 0}, VERDICT_BAD_IP_HEADER},
		{{7, 1, 0, 0, 0, 0, 0, 0}, VERDICT_BAD_IP_HEADER},
		{{7, 9, 0, 0, 0, 0, 0, 0}, VERDICT_BAD_IP_HEADER},
		{{1, 1, 1, 1, 1, 1, 1, 7}, VERDICT_BAD_IP_HEADER}, /* no length */
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(options); i++) {
		struct frame_spec spec = udp;
		struct packet p;

		spec.options = options[i].bytes;
		spec.options_length = sizeof(options[i].bytes);
		p = parse(&spec);
		if (options[i].verdict < 0) {
			assert_int_equal(p.kind, PACKET_QUERY);
			assert_int_equal(p.flags, PACKET_OPTIONS);
			assert_int_equal(p.l4, L4 + 8);
			assert_int_equal(p.tuple.sport, RTE_BE16(4000));
		} else {
			assert_int_equal(p.kind, PACKET_REFUSED);
			assert_int_equal(p.verdict, options[i].verdict);
		}
	}
}

/* RFC 1812 5.3.7: addresses that are no single host's. */
static void martians(void **state)
{
	static const char *const bad[] = {"0.0.0.0",   "0.1.2.3",   "127.0.0.1",      "224.0.0.1",
					  "239.1.2.3", "240.0.0.1", "255.255.255.255"};
	static const char *const good[] = {"1.0.0.0", "126.255.255.255", "128.0.0.1",
					   "223.255.255.255"};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		struct frame_spec spec = udp;

		spec.src = bad[i];
		expect_refused(parse(&spec), MARTIAN_SOURCE);
		spec = udp;
		spec.dst = bad[i];
		expect_refused(parse(&spec), MARTIAN_DESTINATION);
	}
	for (unsigned int i = 0; i < RTE_DIM(good); i++) {
		struct frame_spec spec = udp;

		spec.src = spec.dst = good[i];
		assert_int_equal(parse(&spec).kind, PACKET_QUERY);
	}
}

/* Transport headers that do not hold what they promise. */
static void transport_headers(void **state)
{
	(void)state;
	expect_refused(parse_with_word(&udp, L4 + 4, 7), BAD_TRANSPORT);
	expect_refused(parse_with_word(&udp, L4 + 4, 29), BAD_TRANSPORT);
	expect_refused(parse_with_word(&udp, L3 + 2, 27), BAD_TRANSPORT);
	expect_refused(parse_with_word(&tcp, L3 + 2, 39), BAD_TRANSPORT);
	expect_refused(parse_with_byte(&tcp, L4 + 12, 0x40), BAD_TRANSPORT);
	expect_refused(parse_with_byte(&tcp, L4 + 12, 0xf0), BAD_TRANSPORT);
	expect_refused(parse_with_word(&ping, L3 + 2, 27), BAD_TRANSPORT);
}

/* Protocols without ports are known by their addresses, and so is each fragment of them. */
static void without_ports(void **state)
{
	struct frame_spec spec = udp;
	struct packet p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		spec.proto = i == 0 ? 47 : 41;
		p = parse(&spec);
		assert_int_equal(p.kind, PACKET_QUERY);
		assert_int_equal(p.tuple.sport, 0);
		assert_int_equal(p.tuple.dport, 0);
		assert_int_equal(tuple_proto(&p.tuple), spec.proto);
	}
	spec.length = 64;
	spec.fragment_offset = 16;
	assert_int_equal(parse(&spec).hash, p.hash);
	assert_int_equal(parse(&spec).kind, PACKET_QUERY);
}

/* TCP flags that no TCP sends together are refused; the strongest flag is the event. */
static void tcp_flags(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		bool fin = flags & 1, syn = flags & 2, rst = flags & 4, ack = flags & 16;
		struct frame_spec spec = tcp;
		struct packet p;
		int event;

		event = rst   ? TCP_EVENT_RST
			: syn ? ack ? TCP_EVENT_SYNACK : TCP_EVENT_SYN
			: fin ? TCP_EVENT_FIN
			: ack ? TCP_EVENT_ACK
			      : TCP_EVENT_NONE;
		if (syn + fin + rst > 1 || (fin && !ack))
			event = TCP_EVENT_NONE;
		spec.tcp_flags = (uint8_t)flags;
		p = parse(&spec);
		if (event == TCP_EVENT_NONE) {
			expect_refused(p, BAD_TCP_FLAGS);
		} else {
			assert_int_equal(p.kind, PACKET_QUERY);
			assert_int_equal(p.tcp_event, event);
		}
	}
}

/* ICMP types but queries and errors about packets are refused, whatever their checksum. */
static void icmp_types(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		struct frame_spec spec = ping;

		if (type == 0 || type == 8 || type == 13 || type == 14 || type == 3 || type == 11 ||
		    type == 12)
			continue;
		spec.type = (uint8_t)type;
		expect_refused(parse(&spec), UNKNOWN_ICMP);
	}
}

/* RFC 5508 REQ-3: what an error must quote. */
static void quotes(void **state)
{
	struct frame_spec quote = udp, spec = unreachable;

	(void)state;
	spec.quote = &quote;
	spec.bad_checksum = true;
	expect_refused(parse(&spec), BAD_ICMP_CHECKSUM);
	spec.bad_checksum = false;
	for (spec.quote_length = 1; spec.quote_length < 28; spec.quote_length++)
		expect_refused(parse(&spec), BAD_QUOTE);
	quote.bad_ip_checksum = true;
	expect_refused(parse(&spec), BAD_QUOTE);
	quote.bad_ip_checksum = false;
	quote.fragment_offset = 8; /* no ports in it */
	expect_refused(parse(&spec), BAD_QUOTE);
	quote.fragment_offset = 0;
	quote.bad_checksum = true; /* REQ-3c: not looked at */
	assert_int_equal(parse(&spec).kind, PACKET_ERROR);
	quote = ping; /* the quoted packet is a query */
	assert_int_equal(parse(&spec).kind, PACKET_ERROR);
	quote = unreachable; /* or an error, about which there is none */
	quote.src = spec.dst;
	quote.dst = spec.src;
	expect_refused(parse(&spec), BAD_QUOTE);
	quote = udp;
	quote.src = "100.64.0.3"; /* errors go to who sent what they quote */
	expect_refused(parse(&spec), BAD_QUOTE);
	quote = udp;
	quote.proto = 47;
	assert_int_equal(parse(&spec).kind, PACKET_ERROR);
}

/* Whatever the bytes: one of the kinds that parse gives, offsets inside the frame, no byte read
 * outside (a sanitizer sees that), and none written. */
static void random_bytes(void **state)
{
	static const struct frame_spec *const specs[] = {&udp, &tcp, &ping, &unreachable};

	(void)state;
	srandom(1);
	for (unsigned int i = 0; i < 200000; i++) {
		struct rte_mbuf *frame = frame_build(pool, specs[i % RTE_DIM(specs)]);
		uint8_t *bytes = rte_pktmbuf_mtod(frame, uint8_t *), copy[256];
		struct packet p = {.mbuf = frame};
		uint16_t length;

		rte_pktmbuf_trim(frame,
				 (uint16_t)(random() % 3 == 0 ? random() % frame->data_len : 0));
		length = frame->data_len;
		for (long n = random() % 4; n > 0 && length > 12; n--)
			bytes[12 + random() % (length - 12)] = (uint8_t)random();
		if (random() % 2 == 0 && length >= L4)
			mend_ip_checksum(frame);
		memcpy(copy, bytes, length);
		packet_parse(&p, &source);
		assert_memory_equal(copy, bytes, length);
		assert_true(p.kind == PACKET_QUERY || p.kind == PACKET_ERROR ||
			    p.kind == PACKET_ARP || p.kind == PACKET_FRAGMENT ||
			    p.kind == PACKET_REFUSED);
		if (p.kind == PACKET_QUERY)
			assert_in_range(p.l4 + (tuple_has_ports(&p.tuple) ? 8 : 0), L4,
					p.l3 + p.length);
		if (p.kind == PACKET_ERROR)
			assert_in_range(p.quote_l4 + 8, L4 + 36, p.l3 + p.length);
		if (p.kind == PACKET_REFUSED)
			assert_in_range(p.verdict, VERDICT_FIRST_NOT_SENT, VERDICT_COUNT - 1);
		rte_pktmbuf_free(frame);
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
		cmocka_unit_test(good_packets),
		cmocka_unit_test(icmp_queries),
		cmocka_unit_test(icmp_errors),
		cmocka_unit_test(destination_mac),
		cmocka_unit_test(ether_types),
		cmocka_unit_test(cut_frames),
		cmocka_unit_test(segmented_frames),
		cmocka_unit_test(ip_header),
		cmocka_unit_test(ip_options),
		cmocka_unit_test(martians),
		cmocka_unit_test(transport_headers),
		cmocka_unit_test(tcp_flags),
		cmocka_unit_test(without_ports),
		cmocka_unit_test(icmp_types),
		cmocka_unit_test(quotes),
		cmocka_unit_test(random_bytes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
