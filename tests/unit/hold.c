/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <rte_arp.h>
#include <rte_lcore.h>

#include "eal.h"
#include "frame.h"
#include "network.h"
#include "route.h"

#define EVENTS 32

static struct hold *hold;
static struct hold_event event[EVENTS];

static const char *const mac = "02:00:00:00:aa:01";

static int setup(void **state)
{
	(void)state;
	network_setup();
	hold = hold_create(network_pool, SOCKET_ID_ANY);
	assert_non_null(hold);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hold_destroy(hold);
	network_teardown();
	return 0;
}

static struct route_target target_of(const char *address)
{
	return (struct route_target){
		.address = network_address(address), .port = NETWORK_OUTSIDE, .mtu = 1500};
}

static struct rte_mbuf *packet(void)
{
	static const struct frame_spec udp = {
		.src = "203.0.113.1", .dst = "198.51.100.1", .proto = IPPROTO_UDP};

	return frame_build(network_pool, &udp);
}

/* Holds a packet; true when that made a request, which is checked. */
static bool put(const char *address, uint64_t token, uint64_t now_ms)
{
	struct frame_spec asks = {.arp = RTE_ARP_OP_REQUEST,
				  .src_mac = NETWORK_OUTSIDE_MAC,
				  .dst_mac = "ff:ff:ff:ff:ff:ff",
				  .src = "192.0.2.1",
				  .dst = address};
	struct route_target target = target_of(address);
	struct rte_mbuf *request;
	bool asked;

	assert_true(hold_packet(hold, &target, packet(), token, now_ms, &request));
	asked = request != NULL;
	if (asked)
		frame_expect(request, &asks);
	rte_pktmbuf_free(request);
	return asked;
}

/* The packet is refused and stays the caller's. */
static void expect_full(const char *address)
{
	struct route_target target = target_of(address);
	struct rte_mbuf *mbuf = packet(), *request;
	uint32_t before = hold_count(hold);

	assert_false(hold_packet(hold, &target, mbuf, 0, 0, &request));
	assert_null(request);
	assert_int_equal(hold_count(hold), before);
	rte_pktmbuf_free(mbuf);
}

/* Polls, frees what comes back, and returns how many events of a kind there were. */
static uint32_t poll(uint64_t now_ms, int what)
{
	uint32_t n = hold_poll(hold, now_ms, event, EVENTS), of_kind = 0;

	for (uint32_t i = 0; i < n; i++) {
		of_kind += (int)event[i].what == what;
		assert_int_equal(event[i].port, NETWORK_OUTSIDE);
		rte_pktmbuf_free(event[i].mbuf);
	}
	assert_int_equal(of_kind, n);
	return n;
}

/* A neighbour is asked for once a second, three times, whatever waits for it; then all its packets
 * fail, in their order. */
static void asks_and_gives_up(void **state)
{
	(void)state;
	assert_true(put("192.0.2.9", 1, 0));
	assert_false(put("192.0.2.9", 2, 500));
	assert_int_equal(poll(999, HOLD_REQUEST), 0);
	assert_int_equal(poll(1000, HOLD_REQUEST), 1);
	assert_false(put("192.0.2.9", 3, 1500));
	assert_int_equal(poll(1999, HOLD_REQUEST), 0);
	assert_int_equal(poll(2000, HOLD_REQUEST), 1);
	assert_int_equal(poll(2999, HOLD_REQUEST), 0);
	assert_int_equal(hold_count(hold), 3);
	assert_int_equal(poll(3000, HOLD_FAILED), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(event[i].token, i + 1);
	assert_int_equal(hold_count(hold), 0);
	assert_true(put("192.0.2.9", 4, 3000));
}

/* Once the neighbour is known its packets come back with its number, in their order; others wait
 * on. */
static void gives_back(void **state)
{
	(void)state;
	put("192.0.2.9", 1, 0);
	put("192.0.2.8", 7, 0);
	put("192.0.2.9", 2, 0);
	assert_int_equal(poll(5, HOLD_SEND), 0);
	network_hear(NETWORK_OUTSIDE, "192.0.2.9", mac, 10);
	assert_int_equal(poll(10, HOLD_SEND), 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(event[i].token, i + 1);
		assert_int_equal(nexthops[event[i].nexthop].address, network_address("192.0.2.9"));
	}
	assert_int_equal(hold_count(hold), 1);
	assert_int_equal(poll(20, HOLD_SEND), 0);
}

/* A neighbour that became known between the look-up and the queue is not waited for. */
static void known_meanwhile(void **state)
{
	(void)state;
	put("192.0.2.8", 7, 0);
	network_hear(NETWORK_OUTSIDE, "192.0.2.9", mac, 0);
	assert_int_equal(poll(0, HOLD_SEND), 0);
	put("192.0.2.9", 1, 0);
	assert_int_equal(poll(0, HOLD_SEND), 1);
}

/* The same address on two ports is two neighbours. */
static void by_port(void **state)
{
	struct route_target target = target_of("192.0.2.9");
	struct rte_mbuf *request;

	(void)state;
	put("192.0.2.9", 1, 0);
	target.port = NETWORK_INSIDE;
	assert_true(hold_packet(hold, &target, packet(), 2, 0, &request));
	assert_non_null(request);
	rte_pktmbuf_free(request);
	network_hear(NETWORK_OUTSIDE, "192.0.2.9", mac, 0);
	assert_int_equal(poll(0, HOLD_SEND), 1);
	assert_int_equal(event[0].token, 1);
	assert_int_equal(hold_count(hold), 1);
}

/* Room for few events: the rest comes with the next calls, nothing twice. */
static void few_at_a_time(void **state)
{
	uint32_t asked = 0, failed = 0;
	char address[TEXT_IPV4_SIZE];

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		put(text_ipv4(rte_cpu_to_be_32(RTE_IPV4(192u, 0, 2, 10 + i % 20)), address), i, 0);
	for (uint64_t now_ms = 1000; now_ms <= 3000; now_ms += 1000) {
		for (uint32_t i = 0; i < 200; i++) {
			uint32_t n = hold_poll(hold, now_ms, event, 3);

			assert_true(n <= 3);
			for (uint32_t j = 0; j < n; j++) {
				asked += event[j].what == HOLD_REQUEST;
				failed += event[j].what == HOLD_FAILED;
				rte_pktmbuf_free(event[j].mbuf);
			}
		}
	}
	assert_int_equal(asked, 40);
	assert_int_equal(failed, 100);
	assert_int_equal(hold_count(hold), 0);
}

/* Packets of a known neighbour that did not fit come with the next call, not a second later. */
static void goes_on_sending(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		put("192.0.2.9", i, 0);
	network_hear(NETWORK_OUTSIDE, "192.0.2.9", mac, 0);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(hold_poll(hold, 0, event, 1), 1);
		assert_int_equal(event[0].what, HOLD_SEND);
		assert_int_equal(event[0].token, i);
		rte_pktmbuf_free(event[0].mbuf);
	}
}

/* One neighbour that is not there takes a part of the queue only. */
static void bounded_per_neighbour(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HOLD_PER_NEIGHBOUR; i++)
		put("192.0.2.9", i, 0);
	expect_full("192.0.2.9");
	put("192.0.2.8", 0, 0);
}

/* The queue has an end, in packets and in neighbours, and its room comes back. */
static void bounded_in_all(void **state)
{
	char address[TEXT_IPV4_SIZE];
	uint32_t failed = 0;

	(void)state;
	for (uint32_t i = 0; i < HOLD_TARGETS; i++)
		put(text_ipv4(rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 0) + i), address), i, 0);
	expect_full("192.0.2.9");
	for (uint32_t i = HOLD_TARGETS; i < HOLD_PACKETS; i++)
		put(text_ipv4(rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 0) + i % HOLD_TARGETS), address),
		    i, 0);
	expect_full("10.0.0.0");
	assert_int_equal(hold_count(hold), HOLD_PACKETS);
	for (uint64_t now_ms = 1000; now_ms <= 2000; now_ms += 1000)
		while (poll(now_ms, HOLD_REQUEST) > 0)
			;
	for (uint32_t n = 1; n > 0; failed += n)
		n = poll(3000, HOLD_FAILED);
	assert_int_equal(failed, HOLD_PACKETS);
	put("192.0.2.9", 0, 3000);
}

/* Without a buffer for requests a packet fails at its time all the same. */
static void out_of_buffers(void **state)
{
	struct route_target target = target_of("192.0.2.9");
	struct rte_mempool *one = rte_pktmbuf_pool_create("one", 1, 0, 0, 256, SOCKET_ID_ANY);
	struct hold *poor = hold_create(one, SOCKET_ID_ANY);
	struct rte_mbuf *taken = rte_pktmbuf_alloc(one), *request;

	(void)state;
	assert_non_null(taken);
	assert_true(hold_packet(poor, &target, packet(), 5, 0, &request));
	assert_null(request);
	for (uint64_t now_ms = 0; now_ms < 3000; now_ms += 100)
		assert_int_equal(hold_poll(poor, now_ms, event, EVENTS), 0);
	assert_int_equal(hold_poll(poor, 3000, event, EVENTS), 1);
	assert_int_equal(event[0].what, HOLD_FAILED);
	rte_pktmbuf_free(event[0].mbuf);
	rte_pktmbuf_free(taken);
	hold_destroy(poor);
	rte_mempool_free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(asks_and_gives_up),     TEST(gives_back),
		TEST(known_meanwhile),       TEST(by_port),
		TEST(few_at_a_time),         TEST(goes_on_sending),
		TEST(bounded_per_neighbour), TEST(bounded_in_all),
		TEST(out_of_buffers),
	};

	support_eal_setup(1, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
