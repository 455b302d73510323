/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_arp.h>
#include <rte_log.h>

#include "cmd.h"
#include "eal.h"
#include "frame.h"
#include "network.h"
#include "route.h"

#define BROADCAST_MAC "ff:ff:ff:ff:ff:ff"
#define HOST_MAC      "02:00:00:00:aa:01"
#define OTHER_MAC     "02:00:00:00:aa:02"

/* A host of the outside subnet asks for weir's address there. */
static const struct frame_spec asks = {.arp = RTE_ARP_OP_REQUEST,
				       .src_mac = HOST_MAC,
				       .dst_mac = BROADCAST_MAC,
				       .src = "192.0.2.9",
				       .dst = "192.0.2.1"};
/* It answers weir. */
static const struct frame_spec replies = {.arp = RTE_ARP_OP_REPLY,
					  .src_mac = HOST_MAC,
					  .dst_mac = NETWORK_OUTSIDE_MAC,
					  .arp_target_mac = NETWORK_OUTSIDE_MAC,
					  .src = "192.0.2.9",
					  .dst = "192.0.2.1"};

/* What the control thread sent. */
static struct rte_mbuf *sent[8];
static uint16_t sent_port[8];
static uint32_t sent_n;

static void keep_sent(struct rte_mbuf *mbuf, uint16_t port)
{
	assert_true(sent_n < RTE_DIM(sent));
	sent_port[sent_n] = port;
	sent[sent_n++] = mbuf;
}

static void drop_sent(void)
{
	while (sent_n > 0)
		rte_pktmbuf_free(sent[--sent_n]);
}

static int setup(void **state)
{
	(void)state;
	network_setup();
	route_transmit = keep_sent;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drop_sent();
	network_teardown();
	return 0;
}

/* 192.0.2.100 is a pool's. */
static bool answers_for(rte_be32_t address)
{
	return address == RTE_BE32(RTE_IPV4(192u, 0, 2, 100));
}

static bool input(struct rte_mbuf *mbuf, enum verdict expected)
{
	enum verdict verdict;
	bool answered = arp_input(mbuf, NETWORK_OUTSIDE, answers_for, &verdict);

	assert_int_equal(verdict, expected);
	return answered;
}

/* The frame comes in and is not answered; the control thread sees it. */
static void hear(const struct frame_spec *spec, uint64_t now_ms)
{
	assert_false(input(frame_build(network_pool, spec), VERDICT_ARP));
	route_poll(now_ms);
}

/* The MAC that weir knows for an address, as text; NULL: not known. */
static const char *known(const char *address)
{
	static char text[RTE_ETHER_ADDR_FMT_SIZE];
	struct rte_ether_addr mac;
	struct route_target target;
	uint32_t nexthop;

	if (route_find_from(1, network_address(address), &nexthop, &target) != ROUTE_OK)
		return NULL;
	memcpy(&mac, nexthops[nexthop].link_header, sizeof(mac));
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac.addr_bytes[0],
		 mac.addr_bytes[1], mac.addr_bytes[2], mac.addr_bytes[3], mac.addr_bytes[4],
		 mac.addr_bytes[5]);
	return text;
}

/* How many neighbours there are. */
static size_t known_in_all(void)
{
	struct cmd_call call = {.args = json_object()};
	json_t *reply = cmd_find("/weir/neighbours")->run(&call);
	size_t n = json_array_size(json_object_get(reply, "neighbours"));

	json_decref(reply);
	json_decref(call.args);
	return n;
}

/* Who asks is answered, and told nothing but that: padding goes. */
static void expect_answer(const struct frame_spec *question)
{
	struct frame_spec answer = {.arp = RTE_ARP_OP_REPLY,
				    .src_mac = NETWORK_OUTSIDE_MAC,
				    .dst_mac = question->src_mac,
				    .arp_target_mac = question->src_mac,
				    .src = question->dst,
				    .dst = question->src};
	struct rte_mbuf *mbuf = frame_build(network_pool, question);

	assert_true(input(mbuf, VERDICT_ARP));
	frame_expect(mbuf, &answer);
	assert_int_equal(rte_pktmbuf_pkt_len(mbuf), 42);
	rte_pktmbuf_free(mbuf);
}

/* Requests for the interface's address and for a pool's are answered, others are not. */
static void answers(void **state)
{
	struct frame_spec question = asks;

	(void)state;
	question.padding = 18;
	expect_answer(&question);
	question.dst = "192.0.2.100";
	expect_answer(&question);
	question.dst_mac = NETWORK_OUTSIDE_MAC;
	expect_answer(&question);
	question.dst = "192.0.2.101";
	hear(&question, 0);
	question.dst = "100.64.0.1"; /* ours, but on another port */
	hear(&question, 0);
	hear(&replies, 0);
}

/* A probe from 0.0.0.0 is answered, or its sender would take our address (RFC 5227 2.1.1). */
static void answers_probe(void **state)
{
	struct frame_spec probe = asks;

	(void)state;
	probe.src = "0.0.0.0";
	expect_answer(&probe);
	probe.dst = "192.0.2.50";
	hear(&probe, 0);
}

/* One byte of the frame is changed, and it is refused. */
static void expect_bad_byte(uint32_t offset, uint8_t value)
{
	struct rte_mbuf *mbuf = frame_build(network_pool, &asks);

	*rte_pktmbuf_mtod_offset(mbuf, uint8_t *, offset) = value;
	assert_false(input(mbuf, VERDICT_BAD_ARP));
}

/* Every field must be right: types, lengths, operation, senders that are one host. */
static void malformed(void **state)
{
	static const struct {
		uint32_t offset;
		uint8_t value;
	} bad[] = {
		{6, 0x03},  /* Ethernet source: multicast */
		{14, 1},    /* hardware type */
		{15, 6},    /* hardware type: IEEE 802 */
		{17, 6},    /* protocol type */
		{18, 8},    /* hardware address length */
		{19, 16},   /* protocol address length */
		{20, 1},    /* operation */
		{21, 0},    /* operation */
		{21, 3},    /* operation: RARP */
		{22, 0x01}, /* sender MAC: multicast */
		{28, 127},  /* sender address: loopback */
		{28, 224},  /* sender address: multicast */
		{28, 255},  /* sender address: class E */
	};
	struct frame_spec from_nobody = replies, zero_mac = asks;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(bad); i++)
		expect_bad_byte(bad[i].offset, bad[i].value);
	from_nobody.src = "0.0.0.0";
	assert_false(input(frame_build(network_pool, &from_nobody), VERDICT_BAD_ARP));
	zero_mac.src_mac = "00:00:00:00:00:00";
	assert_false(input(frame_build(network_pool, &zero_mac), VERDICT_BAD_ARP));
	route_poll(0);
	assert_null(known("192.0.2.9"));
}

/* A frame that ends early, or is in pieces, is refused. */
static void too_short(void **state)
{
	struct frame_spec cut = asks;

	(void)state;
	for (uint16_t length = 0; length < 42; length++) {
		struct rte_mbuf *mbuf = frame_build(network_pool, &asks);

		rte_pktmbuf_trim(mbuf, (uint16_t)(42 - length));
		assert_false(input(mbuf, VERDICT_BAD_ARP));
	}
	cut.segment = 30;
	assert_false(input(frame_build(network_pool, &cut), VERDICT_BAD_ARP));
}

/* A reply to us makes its sender known. */
static void learns_reply(void **state)
{
	(void)state;
	hear(&replies, 0);
	assert_string_equal(known("192.0.2.9"), HOST_MAC);
}

/* Who asks for an address of ours is known then, as our answer's peer. */
static void learns_request(void **state)
{
	struct frame_spec for_pool = asks;

	(void)state;
	expect_answer(&asks);
	route_poll(0);
	assert_string_equal(known("192.0.2.9"), HOST_MAC);
	for_pool.src = "192.0.2.10";
	for_pool.dst = "192.0.2.100";
	expect_answer(&for_pool);
	route_poll(0);
	assert_non_null(known("192.0.2.10"));
}

/* What is not meant for us makes nobody known. */
static void does_not_learn(void **state)
{
	struct frame_spec for_other = asks, gratuitous = asks, to_all = replies, to_other = replies;

	(void)state;
	for_other.dst = "192.0.2.77";
	hear(&for_other, 0);
	gratuitous.dst = gratuitous.src;
	hear(&gratuitous, 0);
	gratuitous.arp = RTE_ARP_OP_REPLY;
	hear(&gratuitous, 0);
	to_all.dst_mac = BROADCAST_MAC;
	hear(&to_all, 0);
	to_other.dst_mac = OTHER_MAC;
	hear(&to_other, 0);
	to_other = replies;
	to_other.dst = "192.0.2.77";
	hear(&to_other, 0);
	assert_int_equal(known_in_all(), 0);
}

/* Only hosts of the interface's own subnet are learnt, though anybody is answered. */
static void learns_own_subnet_only(void **state)
{
	static const char *const strangers[] = {"198.51.100.9", "100.64.0.9", "192.0.2.0",
						"192.0.2.255"};
	struct frame_spec question = asks, reply = replies;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(strangers); i++) {
		question.src = reply.src = strangers[i];
		expect_answer(&question);
		hear(&reply, 0);
		route_poll(0);
		assert_int_equal(known_in_all(), 0);
	}
}

/* A known neighbour's new MAC is taken from a gratuitous ARP, at most once a second. */
static void moves(void **state)
{
	struct frame_spec gratuitous = asks;

	(void)state;
	hear(&replies, 0);
	gratuitous.dst = gratuitous.src;
	gratuitous.src_mac = OTHER_MAC;
	hear(&gratuitous, 999);
	assert_string_equal(known("192.0.2.9"), HOST_MAC);
	hear(&gratuitous, 1000);
	assert_string_equal(known("192.0.2.9"), OTHER_MAC);
	gratuitous.arp = RTE_ARP_OP_REPLY;
	gratuitous.src_mac = HOST_MAC;
	hear(&gratuitous, 2000);
	assert_string_equal(known("192.0.2.9"), HOST_MAC);
}

/* Somebody with an address of ours is neither answered nor learnt; one line in ten seconds says so.
 */
static void duplicate_address(void **state)
{
	struct frame_spec thief = asks;
	FILE *log = tmpfile();
	char line[256];
	int lines = 0;

	(void)state;
	rte_openlog_stream(log);
	for (uint64_t now_ms = 0; now_ms <= 10000; now_ms += 1000) {
		thief.src = now_ms % 2000 == 0 ? "192.0.2.1" : "192.0.2.100";
		thief.dst = "192.0.2.1";
		hear(&thief, now_ms);
		thief.dst = "192.0.2.100";
		hear(&thief, now_ms);
		thief.dst = "192.0.2.7";
		hear(&thief, now_ms);
	}
	rewind(log);
	while (fgets(line, sizeof(line), log) != NULL)
		lines += strstr(line, "outside: duplicate address: " HOST_MAC) != NULL;
	assert_int_equal(lines, 2);
	rte_openlog_stream(NULL);
	fclose(log);
	assert_null(known("192.0.2.100"));
}

/* Our own frame that comes back is nobody's. */
static void own_frame(void **state)
{
	struct frame_spec own = asks;

	(void)state;
	own.src_mac = NETWORK_OUTSIDE_MAC;
	own.src = "192.0.2.1";
	own.dst = "192.0.2.100";
	hear(&own, 0);
	own.src = "192.0.2.9";
	hear(&own, 0);
	assert_null(known("192.0.2.9"));
}

static void expect_refresh(uint64_t now_ms)
{
	struct frame_spec refresh = {.arp = RTE_ARP_OP_REQUEST,
				     .src_mac = NETWORK_OUTSIDE_MAC,
				     .dst_mac = HOST_MAC,
				     .src = "192.0.2.1",
				     .dst = "192.0.2.9"};

	route_poll(now_ms);
	assert_int_equal(sent_n, 1);
	assert_int_equal(sent_port[0], NETWORK_OUTSIDE);
	frame_expect(sent[0], &refresh);
	drop_sent();
}

/* A neighbour silent for 30 s is asked three times, a second apart, directly; then it is forgotten.
 */
static void ages(void **state)
{
	(void)state;
	hear(&replies, 0);
	for (uint64_t now_ms = 1000; now_ms < 30000; now_ms += 1000)
		route_poll(now_ms);
	assert_int_equal(sent_n, 0);
	expect_refresh(30000);
	route_poll(30500);
	assert_int_equal(sent_n, 0);
	expect_refresh(31000);
	expect_refresh(32000);
	assert_non_null(known("192.0.2.9"));
	route_poll(33000);
	assert_int_equal(sent_n, 0);
	assert_null(known("192.0.2.9"));
}

/* A neighbour that answers in time stays for another 30 s, with the same number. */
static void refreshed(void **state)
{
	uint32_t generation = route_generation();

	(void)state;
	hear(&replies, 0);
	expect_refresh(30000);
	expect_refresh(31000);
	hear(&replies, 31500);
	for (uint64_t now_ms = 32000; now_ms <= 61000; now_ms += 1000)
		route_poll(now_ms);
	assert_int_equal(sent_n, 0);
	assert_non_null(known("192.0.2.9"));
	assert_int_equal(route_generation(), generation);
	expect_refresh(62000);
}

/* More than the control thread can be told at once is lost, and nothing else. */
static void flood(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		assert_false(input(frame_build(network_pool, &replies), VERDICT_ARP));
	route_poll(0);
	assert_non_null(known("192.0.2.9"));
}

static void expect_announced(uint32_t i, uint16_t port, const char *mac, const char *address)
{
	struct frame_spec announcement = {.arp = RTE_ARP_OP_REQUEST,
					  .src_mac = mac,
					  .dst_mac = BROADCAST_MAC,
					  .src = address,
					  .dst = address};

	assert_true(i < sent_n);
	assert_int_equal(sent_port[i], port);
	frame_expect(sent[i], &announcement);
}

/* Every interface announces its address; a pool's is announced where it is connected. */
static void announces(void **state)
{
	(void)state;
	arp_announce();
	arp_announce_address(network_address("192.0.2.100"));
	arp_announce_address(network_address("203.0.113.1"));
	assert_int_equal(sent_n, 3);
	expect_announced(0, NETWORK_INSIDE, NETWORK_INSIDE_MAC, "100.64.0.1");
	expect_announced(1, NETWORK_OUTSIDE, NETWORK_OUTSIDE_MAC, "192.0.2.1");
	expect_announced(2, NETWORK_OUTSIDE, NETWORK_OUTSIDE_MAC, "192.0.2.100");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(answers),        TEST(answers_probe),
		TEST(malformed),      TEST(too_short),
		TEST(learns_reply),   TEST(learns_request),
		TEST(does_not_learn), TEST(learns_own_subnet_only),
		TEST(moves),          TEST(duplicate_address),
		TEST(own_frame),      TEST(ages),
		TEST(refreshed),      TEST(flood),
		TEST(announces),
	};

	support_eal_setup(1, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
