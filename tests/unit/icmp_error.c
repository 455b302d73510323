/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ether.h>

#include "eal.h"
#include "frame.h"
#include "icmp.h"

static struct rte_mempool *pool;

static const struct frame_spec udp = {.src = "100.64.0.2",
				      .dst = "198.51.100.1",
				      .proto = IPPROTO_UDP,
				      .sport = 4000,
				      .dport = 33434,
				      .ttl = 1,
				      .ip_id = 77,
				      .length = 32};
static const struct frame_spec ping = {.src = "100.64.0.2",
				       .dst = "100.64.0.1",
				       .proto = IPPROTO_ICMP,
				       .type = 8,
				       .ident = 99,
				       .seq = 3,
				       .length = 56};

/* The record of a frame as parse leaves it: written here, so that parse may refuse what it likes.
 */
static struct packet record_of(struct rte_mbuf *frame)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);

	return (struct packet){
		.mbuf = frame,
		.l3 = RTE_ETHER_HDR_LEN,
		.l4 = (uint16_t)(RTE_ETHER_HDR_LEN + rte_ipv4_hdr_len(ip)),
		.length = rte_be_to_cpu_16(ip->total_length),
		.flags = rte_is_multicast_ether_addr(&ether->dst_addr) ? PACKET_LINK_BROADCAST : 0,
	};
}

static bool allowed(const struct frame_spec *spec)
{
	struct rte_mbuf *frame = frame_build(pool, spec);
	struct packet p = record_of(frame);
	bool yes = icmp_error_allowed(&p);

	rte_pktmbuf_free(frame);
	return yes;
}

static bool allowed_between(const char *src, const char *dst)
{
	struct frame_spec spec = udp;

	spec.src = src;
	spec.dst = dst;
	return allowed(&spec);
}

static bool allowed_about_icmp(uint8_t type)
{
	struct frame_spec spec = ping;

	spec.type = type;
	return allowed(&spec);
}

/* Ordinary packets of any protocol deserve their error. */
static void ordinary_packets_are_answered(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_GRE, IPPROTO_ESP};
	struct frame_spec spec = udp;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(protocols); i++) {
		spec.proto = protocols[i];
		assert_true(allowed(&spec));
	}
	assert_true(allowed(&ping));
}

/* RFC 1812 4.3.2.7: not about an ICMP error, nor a type that may be one; all queries are fine. */
static void only_icmp_queries_are_answered(void **state)
{
	static const uint8_t queries[] = {0, 8, 9, 10, 13, 14, 15, 16, 17, 18};

	(void)state;
	for (unsigned int type = 0; type <= UINT8_MAX; type++)
		assert_int_equal(allowed_about_icmp((uint8_t)type),
				 memchr(queries, (int)type, sizeof(queries)) != NULL);
}

/* ICMP without a type byte, by its total length or in fact, is not answered. */
static void icmp_without_type_is_not_answered(void **state)
{
	struct rte_mbuf *frame = frame_build(pool, &ping);
	struct packet p = record_of(frame);

	(void)state;
	p.length = 20;
	assert_false(icmp_error_allowed(&p));
	p.length = 21;
	assert_true(icmp_error_allowed(&p));
	assert_int_equal(rte_pktmbuf_trim(frame, (uint16_t)(frame->pkt_len - 34)), 0);
	assert_false(icmp_error_allowed(&p));
	rte_pktmbuf_free(frame);
}

/* RFC 1812 4.3.2.7: not about a broadcast or multicast of IP; its unicast neighbours are fine. */
static void ip_broadcasts_are_not_answered(void **state)
{
	(void)state;
	assert_false(allowed_between("100.64.0.2", "255.255.255.255"));
	assert_false(allowed_between("100.64.0.2", "224.0.0.1"));
	assert_false(allowed_between("100.64.0.2", "239.255.255.255"));
	assert_false(allowed_between("100.64.0.2", "0.0.0.0"));
	assert_true(allowed_between("100.64.0.2", "223.255.255.254"));
}

/* RFC 1812 4.3.2.7: not about an IP packet in a broadcast or multicast frame. */
static void link_broadcasts_are_not_answered(void **state)
{
	struct frame_spec spec = udp;

	(void)state;
	spec.dst_mac = "ff:ff:ff:ff:ff:ff";
	assert_false(allowed(&spec));
	spec.dst_mac = "01:00:5e:00:00:01";
	assert_false(allowed(&spec));
	spec.dst_mac = "02:00:5e:00:00:01";
	assert_true(allowed(&spec));
}

/* RFC 1812 4.3.2.7: about the first fragment only, and about no fragment of an ICMP error. */
static void later_fragments_are_not_answered(void **state)
{
	struct frame_spec first = udp, last = udp, error = ping;

	(void)state;
	first.fragment_length = 16;
	last.fragment_offset = 16;
	error.type = 11;
	error.fragment_length = 16;
	assert_true(allowed(&first));
	assert_false(allowed(&last));
	assert_false(allowed(&error));
}

/* RFC 1812 4.3.2.7, 5.3.7: not to a source that is no single host; the edges beside are hosts. */
static void only_hosts_are_answered(void **state)
{
	static const char *const strangers[] = {"0.0.0.0",         "0.255.255.255",  "127.0.0.1",
						"127.255.255.255", "224.0.0.1",      "239.1.2.3",
						"240.0.0.1",       "255.255.255.255"};
	static const char *const hosts[] = {"1.0.0.0", "126.255.255.255", "128.0.0.1",
					    "223.255.255.255"};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(strangers); i++)
		assert_false(allowed_between(strangers[i], "198.51.100.1"));
	for (unsigned int i = 0; i < RTE_DIM(hosts); i++)
		assert_true(allowed_between(hosts[i], "198.51.100.1"));
}

/* An error about `spec` as on the wire: with a link header, which its headroom must take. */
static struct rte_mbuf *error_about(const struct frame_spec *spec, enum answer answer, uint16_t mtu)
{
	struct rte_mbuf *frame = frame_build(pool, spec);
	struct packet p = record_of(frame);
	struct rte_mbuf *error = icmp_error_build(&p, answer, mtu, inet_addr("100.64.0.1"), pool);

	assert_non_null(error);
	frame_expect(frame, spec); /* the packet is still as it came */
	rte_pktmbuf_free(frame);
	struct rte_ether_hdr *ether =
		(struct rte_ether_hdr *)rte_pktmbuf_prepend(error, RTE_ETHER_HDR_LEN);
	assert_non_null(ether);
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	return error;
}

static struct frame_spec expected(const struct frame_spec *quote, uint8_t type, uint8_t code)
{
	return (struct frame_spec){.src = "100.64.0.1",
				   .dst = quote->src,
				   .proto = IPPROTO_ICMP,
				   .tos = 0xc0,
				   .any_ip_id = true,
				   .type = type,
				   .code = code,
				   .quote = quote};
}

static void expect_error(const struct frame_spec *quote, enum answer answer, uint8_t type,
			 uint8_t code)
{
	struct frame_spec want = expected(quote, type, code);
	struct rte_mbuf *error = error_about(quote, answer, 1400);

	want.mtu = answer == ANSWER_FRAGMENTATION_NEEDED ? 1400 : 0;
	frame_expect(error, &want);
	rte_pktmbuf_free(error);
}

/* Each answer has its type and code; only fragmentation needed carries an MTU (RFC 1191). */
static void answers_have_their_codes(void **state)
{
	(void)state;
	expect_error(&udp, ANSWER_NET_UNREACHABLE, 3, 0);
	expect_error(&udp, ANSWER_HOST_UNREACHABLE, 3, 1);
	expect_error(&udp, ANSWER_PORT_UNREACHABLE, 3, 3);
	expect_error(&udp, ANSWER_ADMIN_PROHIBITED, 3, 13);
	expect_error(&udp, ANSWER_FRAGMENTATION_NEEDED, 3, 4);
	expect_error(&udp, ANSWER_TTL_EXCEEDED, 11, 0);
}

/* RFC 1812 4.3.2.3: the quote is the whole packet or what 576 bytes hold; any length, sums right.
 */
static void quote_fills_576_bytes(void **state)
{
	struct frame_spec spec = udp;

	(void)state;
	for (spec.length = 0; spec.length < 560; spec.length++) {
		struct rte_mbuf *error = error_about(&spec, ANSWER_TTL_EXCEEDED, 0);
		uint32_t whole = 20 + 8 + 20 + 8 + spec.length;

		assert_int_equal(error->pkt_len, RTE_ETHER_HDR_LEN + RTE_MIN(whole, 576u));
		rte_pktmbuf_free(error);
		expect_error(&spec, ANSWER_TTL_EXCEEDED, 11, 0);
	}
	spec.length = 1472;
	expect_error(&spec, ANSWER_FRAGMENTATION_NEEDED, 3, 4);
}

/* The quote is the packet as it came: options, UDP without a checksum, ICMP, a bad transport sum.
 */
static void quote_is_as_received(void **state)
{
	static const uint8_t options[] = {7, 7, 4, 0, 0, 0, 0, 0};
	struct frame_spec with_options = udp, no_checksum = udp, bad = udp, fragment = udp;

	(void)state;
	with_options.options = options;
	with_options.options_length = sizeof(options);
	with_options.tos = 0x2e;
	with_options.df = true;
	with_options.length = 700;
	no_checksum.no_checksum = true;
	bad.bad_checksum = true;
	fragment.fragment_length = 24;
	expect_error(&with_options, ANSWER_TTL_EXCEEDED, 11, 0);
	expect_error(&no_checksum, ANSWER_TTL_EXCEEDED, 11, 0);
	expect_error(&bad, ANSWER_TTL_EXCEEDED, 11, 0);
	expect_error(&fragment, ANSWER_TTL_EXCEEDED, 11, 0);
	expect_error(&ping, ANSWER_TTL_EXCEEDED, 11, 0);
}

/* A short packet's link padding is no part of the packet and is not quoted. */
static void padding_is_not_quoted(void **state)
{
	struct frame_spec padded = udp, plain = udp;

	(void)state;
	padded.length = plain.length = 1;
	padded.padding = 17;
	struct frame_spec want = expected(&plain, 11, 0);
	struct rte_mbuf *error = error_about(&padded, ANSWER_TTL_EXCEEDED, 0);
	frame_expect(error, &want);
	rte_pktmbuf_free(error);
}

/* The quote of a packet in several mbufs is put together, wherever the cuts are. */
static void segments_are_quoted(void **state)
{
	struct frame_spec spec = udp;

	(void)state;
	spec.length = 1400;
	for (spec.segment = 34; spec.segment < 700; spec.segment++)
		expect_error(&spec, ANSWER_FRAGMENTATION_NEEDED, 3, 4);
}

/* A record that says more bytes than the packet has makes no error, and loses no buffer. */
static void short_packet_makes_no_error(void **state)
{
	struct rte_mbuf *frame = frame_build(pool, &udp);
	struct packet p = record_of(frame);

	(void)state;
	p.length++;
	assert_null(icmp_error_build(&p, ANSWER_TTL_EXCEEDED, 0, inet_addr("100.64.0.1"), pool));
	rte_pktmbuf_free(frame);
}

/* Without a buffer there is no error; with buffers too small for one neither. */
static void no_buffer_no_error(void **state)
{
	struct rte_mempool *small =
		rte_pktmbuf_pool_create("small", 1, 0, 0, RTE_PKTMBUF_HEADROOM + 64, SOCKET_ID_ANY);
	struct rte_mbuf *frame = frame_build(pool, &udp);
	struct packet p = record_of(frame);

	(void)state;
	assert_non_null(small);
	assert_null(icmp_error_build(&p, ANSWER_TTL_EXCEEDED, 0, inet_addr("100.64.0.1"), small));
	assert_int_equal(rte_mempool_in_use_count(small), 0);
	struct rte_mbuf *last = rte_pktmbuf_alloc(small);
	assert_non_null(last);
	assert_null(icmp_error_build(&p, ANSWER_TTL_EXCEEDED, 0, inet_addr("100.64.0.1"), small));
	rte_pktmbuf_free(last);
	rte_pktmbuf_free(frame);
	rte_mempool_free(small);
}

/* A ping of any size is answered in place with its own identifier, sequence number and bytes. */
static void echo_is_answered(void **state)
{
	struct frame_spec request = ping;

	(void)state;
	request.ttl = 3;
	request.tos = 0x10;
	for (request.length = 0; request.length < 1473; request.length++) {
		struct frame_spec reply = request;
		struct rte_mbuf *frame = frame_build(pool, &request);
		struct packet p = record_of(frame);

		reply.src = request.dst;
		reply.dst = request.src;
		reply.type = 0;
		reply.ttl = 64;
		assert_true(icmp_checksum_ok(&p));
		icmp_echo_answer(&p);
		frame_expect(frame, &reply);
		rte_pktmbuf_free(frame);
	}
}

/* The ICMP checksum is the sum over all segments of the packet, and over no link padding. */
static void echo_checksum_is_checked(void **state)
{
	struct frame_spec spec = ping;

	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		spec.bad_checksum = bad;
		for (spec.segment = 42; spec.segment < 120; spec.segment++) {
			struct rte_mbuf *frame = frame_build(pool, &spec);
			struct packet p = record_of(frame);

			assert_int_equal(icmp_checksum_ok(&p), !bad);
			rte_pktmbuf_free(frame);
		}
	}
	spec = ping;
	spec.padding = 2;
	struct rte_mbuf *frame = frame_build(pool, &spec);
	struct packet p = record_of(frame);
	memset(rte_pktmbuf_mtod_offset(frame, uint8_t *, frame->pkt_len - 2), 0xab, 2);
	assert_true(icmp_checksum_ok(&p));
	rte_pktmbuf_free(frame);
}

/* No test above lost a buffer. */
static void no_buffer_lost(void **state)
{
	(void)state;
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_packets_are_answered),
		cmocka_unit_test(only_icmp_queries_are_answered),
		cmocka_unit_test(icmp_without_type_is_not_answered),
		cmocka_unit_test(ip_broadcasts_are_not_answered),
		cmocka_unit_test(link_broadcasts_are_not_answered),
		cmocka_unit_test(later_fragments_are_not_answered),
		cmocka_unit_test(only_hosts_are_answered),
		cmocka_unit_test(answers_have_their_codes),
		cmocka_unit_test(quote_fills_576_bytes),
		cmocka_unit_test(quote_is_as_received),
		cmocka_unit_test(padding_is_not_quoted),
		cmocka_unit_test(segments_are_quoted),
		cmocka_unit_test(short_packet_makes_no_error),
		cmocka_unit_test(no_buffer_no_error),
		cmocka_unit_test(echo_is_answered),
		cmocka_unit_test(echo_checksum_is_checked),
		cmocka_unit_test(no_buffer_lost),
	};

	support_eal_setup(1, 64);
	pool = rte_pktmbuf_pool_create("frames", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
