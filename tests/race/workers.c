/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_arp.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_udp.h>

#include "clock.h"
#include "eal.h"
#include "frame.h"
#include "pools.h"
#include "port.h"
#include "rcu.h"
#include "rules.h"
#include "worker.h"

/*
 * The real workers on their lcores, between two ports of rte_rings. The main lcore is the control
 * thread, the subscribers and the Internet; it gives each packet to any worker's queue.
 */
#define WORKERS     3
#define SUBSCRIBERS 32
#define FLOWS       256
#define PACKETS     20000
#define UNDERWAY    256 /* packets at a time: no ring is ever full */
#define RING        1024

enum { INSIDE, OUTSIDE, PORTS };

static struct rte_ring *rx[PORTS][WORKERS], *tx[PORTS][WORKERS];
static struct rte_mempool *pool;
static char mac[PORTS][RTE_ETHER_ADDR_FMT_SIZE];
static struct random rng;

/* A subscriber's socket and what the first packet from it showed its public endpoint to be. */
static struct flow {
	char inside[16], remote[16], public[16];
	rte_be32_t inside_address, public_address; /* 0: not seen yet */
	uint16_t port, public_port;
} flow[FLOWS];

/* A packet by its number, which is its payload. */
enum kind { UNSENT, OUT, BACK, CALL, ARRIVED };

static struct sent {
	enum kind kind;
	uint16_t from, to; /* flows */
} sent[PACKETS];

static uint32_t sent_n, arrived_n, arrived_by_kind[ARRIVED];

/* ---- set-up ---- */

static void start_port(uint16_t port, const char *name, const char *address, uint8_t length)
{
	struct iface_config config = {.name = (char *)(uintptr_t)name,
				      .side = port == INSIDE ? SIDE_INSIDE : SIDE_OUTSIDE,
				      .mtu = 1500,
				      .realm = 1,
				      .address = {rte_cpu_to_be_32(support_ipv4(address)), length}};
	char device[RTE_ETH_NAME_MAX_LEN], ring[RTE_RING_NAMESIZE];
	struct rte_ether_addr ether;

	for (uint32_t i = 0; i < WORKERS; i++) {
		snprintf(ring, sizeof(ring), "%s_rx%u", name, i);
		rx[port][i] = rte_ring_create(ring, RING, (int)rte_socket_id(), 0);
		snprintf(ring, sizeof(ring), "%s_tx%u", name, i);
		tx[port][i] = rte_ring_create(ring, RING, (int)rte_socket_id(), 0);
	}
	assert_int_equal(
		rte_eth_from_rings(name, rx[port], WORKERS, tx[port], WORKERS, rte_socket_id()),
		port);
	assert_int_equal(rte_eth_dev_get_name_by_port(port, device), 0);
	config.device = device;
	assert_int_equal(port_start(&(struct port_config){.iface = &config,
							  .workers = WORKERS,
							  .rx_descriptors = RING,
							  .tx_descriptors = RING,
							  .buffers = workers_buffers()}),
			 0);
	rte_eth_macaddr_get(port, &ether);
	rte_ether_format_addr(mac[port], sizeof(mac[port]), &ether);
}

static void start(void)
{
	static const struct icmp_config icmp = {.errors = true, .rate = 1000, .source_rate = 10};
	struct route_config gateway = {.via = rte_cpu_to_be_32(support_ipv4("198.51.100.254"))};
	struct pool_config config = support_pool_config("race", "203.0.113.0-203.0.113.3", "");

	limits.max_sessions = 65536;
	limits.max_subscribers = 1024;
	pool = rte_pktmbuf_pool_create("traffic", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       (int)rte_socket_id());
	assert_non_null(pool);
	home_setup(WORKERS);
	assert_int_equal(pools_setup(&config, 1, WORKERS), 0);
	support_pool_config_clean(&config);
	assert_int_equal(rules_replace(NULL, 0), 0);
	assert_int_equal(route_setup(pool), 0);
	assert_int_equal(workers_create(WORKERS, 2047, 1500), 0);
	start_port(INSIDE, "inside", "100.64.0.1", 16);
	start_port(OUTSIDE, "outside", "198.51.100.1", 24);
	assert_int_equal(route_replace(&gateway, 1), 0);
	assert_int_equal(workers_setup(&icmp, true), 0);
	assert_int_equal(workers_launch(), 0);
}

static void put(uint16_t port, struct rte_mbuf *frame)
{
	frame->port = port;
	assert_int_equal(rte_ring_enqueue(rx[port][random_below(&rng, WORKERS)], frame), 0);
}

/* A neighbour answers before it is asked, and the control thread hears it. From then on
 * route_poll() is not called, so no neighbour grows old however slow the machine is. */
static void introduce(uint16_t port, const char *address, const char *ours)
{
	struct frame_spec reply = {.arp = RTE_ARP_OP_REPLY,
				   .src = address,
				   .dst = ours,
				   .src_mac = "02:00:00:00:00:0a",
				   .dst_mac = mac[port],
				   .arp_target_mac = mac[port]};
	struct route_target target;
	uint32_t nexthop;

	put(port, frame_build(pool, &reply));
	while (route_find_from(1, rte_cpu_to_be_32(support_ipv4(address)), &nexthop, &target) !=
	       ROUTE_OK) {
		route_poll(clock_ms());
		sched_yield();
	}
}

static void make_flows(void)
{
	introduce(OUTSIDE, "198.51.100.254", "198.51.100.1");
	for (uint32_t i = 0; i < FLOWS; i++) {
		snprintf(flow[i].inside, sizeof(flow[i].inside), "100.64.7.%u",
			 1 + i % SUBSCRIBERS);
		snprintf(flow[i].remote, sizeof(flow[i].remote), "192.0.2.%u", 1 + i % 5);
		flow[i].inside_address = rte_cpu_to_be_32(support_ipv4(flow[i].inside));
		flow[i].port = (uint16_t)(5000 + i);
		if (i < SUBSCRIBERS)
			introduce(INSIDE, flow[i].inside, "100.64.0.1");
	}
}

/* ---- packets ---- */

static void send_packet(enum kind kind, uint16_t from, uint16_t to)
{
	uint32_t number = sent_n++;
	struct flow *f = &flow[from], *t = &flow[to];
	uint16_t port = kind == BACK ? OUTSIDE : INSIDE;
	struct frame_spec spec = {.dst_mac = mac[port],
				  .proto = IPPROTO_UDP,
				  .src = f->inside,
				  .sport = f->port,
				  .dst = f->remote,
				  .dport = 53,
				  .payload = &number,
				  .length = sizeof(number)};

	if (kind == BACK) {
		spec.src = t->remote;
		spec.sport = 53;
	}
	if (kind != OUT) {
		spec.dst = t->public;
		spec.dport = t->public_port;
	}
	sent[number] = (struct sent){kind, from, to};
	put(port, frame_build(pool, &spec));
}

/* A flow has one public endpoint, whoever sees it first. */
static void check_public(struct flow *f, rte_be32_t address, uint16_t port)
{
	if (f->public_address == 0) {
		const uint8_t *byte = (const uint8_t *)&address;

		f->public_address = address;
		f->public_port = port;
		snprintf(f->public, sizeof(f->public), "%u.%u.%u.%u", byte[0], byte[1], byte[2],
			 byte[3]);
	}
	assert_int_equal(f->public_address, address);
	assert_int_equal(f->public_port, port);
}

static void check_arrived(uint16_t port, const struct rte_mbuf *frame)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(frame, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);
	uint32_t number;

	assert_int_equal(frame->pkt_len, RTE_ETHER_HDR_LEN + 28 + sizeof(number));
	assert_int_equal(ip->next_proto_id, IPPROTO_UDP);
	assert_int_equal(rte_ipv4_cksum(ip), 0);
	assert_int_equal(rte_ipv4_udptcp_cksum_verify(ip, udp), 0);
	memcpy(&number, udp + 1, sizeof(number));
	assert_in_range(number, 0, sent_n - 1);

	struct sent *s = &sent[number];
	assert_in_range(s->kind, OUT, CALL); /* not twice */
	assert_int_equal(port, s->kind == OUT ? OUTSIDE : INSIDE);
	if (s->kind != BACK)
		check_public(&flow[s->from], ip->src_addr, rte_be_to_cpu_16(udp->src_port));
	if (s->kind != OUT) {
		assert_int_equal(ip->dst_addr, flow[s->to].inside_address);
		assert_int_equal(rte_be_to_cpu_16(udp->dst_port), flow[s->to].port);
	}
	arrived_by_kind[s->kind]++;
	arrived_n++;
	s->kind = ARRIVED;
}

static void receive(void)
{
	struct rte_mbuf *frame;

	for (uint16_t port = 0; port < PORTS; port++)
		for (uint32_t i = 0; i < WORKERS; i++)
			while (rte_ring_dequeue(tx[port][i], (void **)&frame) == 0) {
				check_arrived(port, frame);
				rte_pktmbuf_free(frame);
			}
}

/* Out, back, or from subscriber to subscriber by the public endpoint. */
static void send_any(void)
{
	uint16_t from = (uint16_t)random_below(&rng, FLOWS);
	uint16_t to = (uint16_t)random_below(&rng, FLOWS);

	if (flow[to].public_address != 0 && random_below(&rng, 2) == 0)
		send_packet(BACK, to, to);
	else if (flow[to].public_address != 0 && random_below(&rng, 2) == 0)
		send_packet(CALL, from, to);
	else
		send_packet(OUT, from, from);
}

/* ---- the counters ---- */

static uint64_t sum_of(size_t offset)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < WORKERS; i++)
		sum += *(const uint64_t *)((const char *)&workers[i]->stats + offset);
	return sum;
}

#define SUM(field) sum_of(offsetof(struct stats, field))

static void check_counters(void)
{
	uint64_t verdicts_sum = 0, sessions = 0;

	for (int i = 0; i < VERDICT_COUNT; i++)
		verdicts_sum += SUM(verdict[i]);
	for (uint32_t i = 0; i < WORKERS; i++)
		sessions += sessions_count(workers[i]->nat->sessions);
	print_message("%u out, %u back, %u between subscribers; %lu handed over, %lu sessions\n",
		      arrived_by_kind[OUT], arrived_by_kind[BACK], arrived_by_kind[CALL],
		      SUM(handed_over), sessions);
	assert_int_equal(SUM(verdict[VERDICT_ARP]), 1 + SUBSCRIBERS);
	assert_int_equal(SUM(received), PACKETS + 1 + SUBSCRIBERS);
	assert_int_equal(verdicts_sum, SUM(received));
	assert_int_equal(SUM(verdict[VERDICT_TRANSLATED]),
			 arrived_by_kind[OUT] + arrived_by_kind[BACK]);
	assert_int_equal(SUM(verdict[VERDICT_HAIRPINNED]), arrived_by_kind[CALL]);
	assert_int_equal(SUM(handed_over), SUM(taken_over));
	assert_true(SUM(handed_over) > FLOWS / 4);
	assert_int_equal(SUM(sessions_created) - SUM(sessions_destroyed), sessions);
}

/*
 * Packets that are sprayed over the workers all arrive, translated alike by whoever had them, and
 * each ends in one verdict.
 */
static void sprayed_packets_arrive(void **state)
{
	(void)state;
	random_init_seeded(&rng, 1);
	start();
	make_flows();
	while (arrived_n < PACKETS) {
		while (sent_n < PACKETS && sent_n - arrived_n < UNDERWAY)
			send_any();
		receive();
		sched_yield();
	}
	workers_stop();
	check_counters();
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(rte_mempool_in_use_count(workers[i]->buffers), 0);
	for (uint16_t port = 0; port < PORTS; port++)
		port_stop(port);
	workers_destroy();
	route_teardown();
	rules_teardown();
	pools_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sprayed_packets_arrive),
	};

	support_eal_setup(WORKERS + 1, 512);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
