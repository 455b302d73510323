/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "eal.h"
#include "frame.h"

/* The tests' own tool: what it builds is right by DPDK's sums, and it sees every difference. */

static struct rte_mempool *pool;

static const uint8_t router_alert[] = {0x94, 4, 0, 0};
static const uint8_t mss[] = {2, 4, 5, 0xb4};

static const struct frame_spec tcp = {.src_mac = "02:00:00:00:00:01",
				      .dst_mac = "02:00:00:00:00:02",
				      .src = "100.64.0.2",
				      .dst = "198.51.100.1",
				      .proto = IPPROTO_TCP,
				      .sport = 4000,
				      .dport = 80,
				      .seq = 0x12345678,
				      .tcp_flags = RTE_TCP_SYN_FLAG,
				      .tcp_options = mss,
				      .tcp_options_length = sizeof(mss),
				      .options = router_alert,
				      .options_length = sizeof(router_alert),
				      .length = 333};
static const struct frame_spec udp = {.src_mac = "02:00:00:00:00:01",
				      .dst_mac = "02:00:00:00:00:02",
				      .src = "100.64.0.2",
				      .dst = "198.51.100.1",
				      .proto = IPPROTO_UDP,
				      .sport = 4000,
				      .dport = 53,
				      .df = true,
				      .ttl = 1,
				      .length = 31};
static const struct frame_spec error = {.src_mac = "02:00:00:00:00:01",
					.dst_mac = "02:00:00:00:00:02",
					.src = "192.0.2.9",
					.dst = "100.64.0.2",
					.proto = IPPROTO_ICMP,
					.type = 3,
					.code = 4,
					.mtu = 1400,
					.quote = &udp};

static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *frame)
{
	return rte_pktmbuf_mtod_offset(frame, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
}

static uint16_t transport_sum(const struct rte_ipv4_hdr *ip)
{
	size_t header = rte_ipv4_hdr_len(ip), length = rte_be_to_cpu_16(ip->total_length) - header;
	uint32_t sum = rte_ipv4_phdr_cksum(ip, 0);

	sum += rte_raw_cksum((const uint8_t *)ip + header, length);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* A receiver that adds up the sums finds them right, with odd lengths and options too. */
static void sums_are_right(void **state)
{
	const struct frame_spec *specs[] = {&tcp, &udp};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++)
		for (uint16_t length = 0; length < 64; length++) {
			struct frame_spec spec = *specs[i];

			spec.length = length;
			struct rte_mbuf *frame = frame_build(pool, &spec);
			struct rte_ipv4_hdr *ip = ip_of(frame);

			assert_int_equal(rte_raw_cksum(ip, rte_ipv4_hdr_len(ip)), 0xffff);
			assert_int_equal(transport_sum(ip), 0xffff);
			assert_int_equal(frame->pkt_len,
					 RTE_ETHER_HDR_LEN + rte_be_to_cpu_16(ip->total_length));
			rte_pktmbuf_free(frame);
		}
	struct rte_mbuf *frame = frame_build(pool, &error);
	assert_int_equal(rte_raw_cksum(ip_of(frame) + 1, frame->pkt_len - 34), 0xffff);
	rte_pktmbuf_free(frame);
}

/* A frame matches its own spec; with any one bit turned over it does not. */
static void every_bit_matters(void **state)
{
	const struct frame_spec *specs[] = {&tcp, &udp, &error};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		struct rte_mbuf *frame = frame_build(pool, specs[i]);
		uint8_t *bytes = rte_pktmbuf_mtod(frame, uint8_t *);

		frame_expect(frame, specs[i]);
		for (uint32_t bit = 0; bit < 8 * frame->pkt_len; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (frame_matches(frame, specs[i], NULL))
				fail_msg("spec %u: bit %u of byte %u goes unseen", i, bit % 8,
					 bit / 8);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		rte_pktmbuf_free(frame);
	}
}

/* The report names the field and both values, and says when it is the quoted packet's. */
static void report_names_fields(void **state)
{
	struct frame_spec other = udp, other_error = error;
	char why[FRAME_WHY_SIZE];

	(void)state;
	other.src = "203.0.113.1";
	other_error.quote = &other;
	struct rte_mbuf *frame = frame_build(pool, &other_error);
	assert_false(frame_matches(frame, &error, why));
	assert_non_null(strstr(why, "quoted IP source: got 203.0.113.1, want 100.64.0.2"));
	assert_null(strstr(why, "ICMP checksum: got 0x0")); /* made good by the builder */
	assert_null(strstr(why, "quoted UDP source port"));
	rte_pktmbuf_free(frame);
	assert_false(frame_matches(NULL, &error, why));
	assert_non_null(strstr(why, "no frame"));
}

/* What a spec leaves open is not compared: MACs, and the identification on request. */
static void open_fields_match(void **state)
{
	struct frame_spec open = udp, sent = udp;

	(void)state;
	open.src_mac = open.dst_mac = NULL;
	open.any_ip_id = true;
	sent.ip_id = 4711;
	struct rte_mbuf *frame = frame_build(pool, &sent);
	frame_expect(frame, &open);
	open.any_ip_id = false;
	assert_false(frame_matches(frame, &open, NULL));
	rte_pktmbuf_free(frame);
}

/* Fragments laid side by side are the datagram; all but the last say that more follow. */
static void fragments_add_up(void **state)
{
	struct frame_spec first = udp, second = udp;

	(void)state;
	first.fragment_length = 24;
	second.fragment_offset = 24;
	struct rte_mbuf *whole = frame_build(pool, &udp);
	struct rte_mbuf *a = frame_build(pool, &first), *b = frame_build(pool, &second);
	uint8_t *data = rte_pktmbuf_mtod_offset(whole, uint8_t *, 34);

	frame_expect(a, &first);
	frame_expect(b, &second);
	assert_int_equal(a->pkt_len, 34 + 24);
	assert_int_equal(b->pkt_len, 34 + 39 - 24);
	assert_memory_equal(data, rte_pktmbuf_mtod_offset(a, uint8_t *, 34), 24);
	assert_memory_equal(data + 24, rte_pktmbuf_mtod_offset(b, uint8_t *, 34), 15);
	assert_int_equal(ip_of(a)->fragment_offset, RTE_BE16(0x6000)); /* DF too: as asked */
	assert_int_equal(ip_of(b)->fragment_offset, RTE_BE16(0x4003));
	rte_pktmbuf_free(whole);
	rte_pktmbuf_free(a);
	rte_pktmbuf_free(b);
}

/* Several mbufs in a chain, a short quote, padding, ARP, no and bad checksums. */
static void other_shapes(void **state)
{
	struct frame_spec chained = tcp, cut = error, padded = udp, zero = udp, bad = udp;
	const struct frame_spec arp = {.arp = 1, .src = "192.0.2.1", .dst = "192.0.2.2"};
	struct frame_spec *specs[] = {&chained, &cut, &padded, &zero, &bad};

	(void)state;
	chained.segment = 50;
	cut.quote_length = 28;
	padded.padding = 7;
	zero.no_checksum = true;
	bad.bad_checksum = true;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		struct rte_mbuf *frame = frame_build(pool, specs[i]);

		frame_expect(frame, specs[i]);
		assert_int_equal(frame->nb_segs, specs[i] == &chained ? 8 : 1);
		assert_int_equal(frame_matches(frame, &udp, NULL), false);
		rte_pktmbuf_free(frame);
	}
	struct rte_mbuf *frame = frame_build(pool, &arp);
	frame_expect(frame, &arp);
	*rte_pktmbuf_mtod_offset(frame, uint8_t *, 41) = 9;
	assert_false(frame_matches(frame, &arp, NULL));
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
		cmocka_unit_test(sums_are_right),      cmocka_unit_test(every_bit_matters),
		cmocka_unit_test(report_names_fields), cmocka_unit_test(open_fields_match),
		cmocka_unit_test(fragments_add_up),    cmocka_unit_test(other_shapes),
		cmocka_unit_test(no_buffer_lost),
	};

	support_eal_setup(1, 64);
	pool = rte_pktmbuf_pool_create("frames", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
