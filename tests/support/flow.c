/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_arp.h>

#include "eal.h"
#include "flow.h"
#include "flow_queue.h"
#include "pipeline.h"
#include "pools.h"
#include "rcu.h"
#include "rules.h"
#include "statics.h"

#define WORKERS  4
#define BUFFERS  4096
#define START_MS 1000000
#define RX_MAX   200 /* packets that a worker takes at once: more than walk together */

#define RECEIVED_KEPT 256

static const char weir_mac[] = "02:00:00:00:00:0b";

static struct {
	const char *name, *address;
	uint8_t prefix_length;
} interfaces[FLOW_PORTS] = {
	[INSIDE] = {"inside", WEIR_INSIDE, 16},
	[OUTSIDE] = {"outside", WEIR_OUTSIDE, 24},
	[INSIDE2] = {"inside2", NULL, 16},
};

static const char *const routed[] = {"192.0.2.0", "203.0.113.0", "198.18.0.0"};
#define GATEWAY "198.51.100.254"

struct home {
	struct stats stats;
	struct pipeline *pipeline;
	struct queue input; /* what its ports have for it */
	struct queue ring;  /* what other workers handed over */
};

static struct {
	struct rte_mempool *test_buffers, *weir_buffers;
	uint64_t now_ms;
	uint32_t workers;
	uint32_t deliver_to;
	bool queueing; /* since flow_queue() */
	struct home home[WORKERS];
	struct queue sent[FLOW_PORTS];     /* by weir, not yet received by the test */
	struct queue received[FLOW_PORTS]; /* by the test */
	uint32_t room[FLOW_PORTS], ring_room;
	uint64_t verdict[VERDICT_COUNT]; /* as the last flow_send() began */
	struct pool_config pool;
	struct queue hoard; /* weir's buffers while it shall find none */
} flow;

/* ---- hosts ---- */

static bool is_silent(rte_be32_t address)
{
	uint32_t host = rte_be_to_cpu_32(address);

	return host >> 8 == support_ipv4("100.64.255.0") >> 8 ||
	       (host >= support_ipv4("198.51.100.200") && host < support_ipv4("198.51.100.250"));
}

static void answer_arp(uint16_t port, rte_be32_t address)
{
	char asked[TEXT_IPV4_SIZE], mac[] = "02:00:00:00:01:00";
	struct frame_spec reply = {
		.src = text_ipv4(address, asked),
		.dst = interfaces[port].address,
		.src_mac = mac,
		.dst_mac = weir_mac,
		.arp = RTE_ARP_OP_REPLY,
		.arp_target_mac = weir_mac,
	};
	struct rte_mbuf *frame = frame_build(flow.test_buffers, &reply);

	frame->port = port;
	queue_put(&flow.home[0].input, frame);
}

/* True: the frame asks for a host that answers. */
static bool hosts_answer(uint16_t port, struct rte_mbuf *frame)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(ether + 1);
	rte_be32_t asked = arp->arp_data.arp_tip;

	if (ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP) ||
	    arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) || is_silent(asked))
		return false;
	answer_arp(port, asked);
	rte_pktmbuf_free(frame);
	return true;
}

/* ---- the edges of the pipelines ---- */

static uint16_t transmit(void *context __rte_unused, uint16_t port, struct rte_mbuf *frame[],
			 uint16_t n)
{
	uint16_t sent = (uint16_t)RTE_MIN(n, flow.room[port]);

	flow.room[port] -= sent;
	for (uint16_t i = 0; i < sent; i++)
		if (!hosts_answer(port, frame[i]))
			queue_put(&flow.sent[port], frame[i]);
	return sent;
}

static void transmit_control(struct rte_mbuf *frame, uint16_t port)
{
	if (transmit(NULL, port, &frame, 1) == 0)
		rte_pktmbuf_free(frame);
}

static bool hand_over(void *context __rte_unused, uint8_t home, struct rte_mbuf *packet)
{
	if (flow.ring_room == 0)
		return false;
	flow.ring_room--;
	queue_put(&flow.home[home].ring, packet);
	return true;
}

/* ---- setup ---- */

int flow_group_setup(void **state)
{
	(void)state;
	support_eal_setup(1, 512);
	flow.test_buffers = rte_pktmbuf_pool_create("test", BUFFERS, 0, 0,
						    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	flow.weir_buffers = rte_pktmbuf_pool_create("weir", BUFFERS, 0, 0,
						    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return flow.test_buffers == NULL || flow.weir_buffers == NULL ? -1 : 0;
}

static void start_interface(uint16_t port, uint32_t mtu, const char *mss_clamp)
{
	struct iface_config config = {
		.name = (char *)(uintptr_t)interfaces[port].name,
		.side = port == OUTSIDE ? SIDE_OUTSIDE : SIDE_INSIDE,
		.address = {flow_address(interfaces[port].address), interfaces[port].prefix_length},
		.mtu = mtu != 0 ? mtu : 1500,
		.realm = port == INSIDE2 ? 2 : 1,
		.mss_clamp = (char *)(uintptr_t)mss_clamp,
	};
	struct rte_ether_addr mac;

	rte_ether_unformat_addr(weir_mac, &mac);
	assert_int_equal(iface_add(&config, port, &mac), 0);
}

static void start_network(const struct flow_setup *setup)
{
	struct route_config route[RTE_DIM(routed) + 1] = {0};
	uint32_t n;

	assert_int_equal(route_setup(flow.weir_buffers), 0);
	route_transmit = transmit_control;
	interfaces[INSIDE2].address = setup->inside2;
	start_interface(INSIDE, setup->inside_mtu, setup->inside_mss);
	start_interface(OUTSIDE, setup->outside_mtu, setup->outside_mss);
	if (setup->inside2 != NULL)
		start_interface(INSIDE2, setup->inside_mtu, setup->inside_mss);
	for (n = 0; n < RTE_DIM(routed); n++)
		route[n] = (struct route_config){.to = {flow_address(routed[n]), 24},
						 .via = flow_address(GATEWAY)};
	if (setup->outside_too != NULL) {
		route[n].via = flow_address(GATEWAY);
		assert_true(text_parse_prefix(setup->outside_too, &route[n++].to));
	}
	assert_int_equal(route_replace(route, n), 0);
}

static void start_pools(const struct flow_setup *setup)
{
	struct rule_config rule = {.pool = (char *)(uintptr_t) "pool"};

	flow.pool = support_pool_config("pool", setup->pool != NULL ? setup->pool : POOL, "");
	flow.pool.port_range.first = setup->ports_first != 0 ? setup->ports_first : 1024;
	flow.pool.port_range.last = setup->ports_last != 0 ? setup->ports_last : 65535;
	flow.pool.block_size = setup->block_size != 0 ? setup->block_size : 1024;
	flow.pool.max_blocks_per_subscriber = setup->max_blocks != 0 ? setup->max_blocks : 16;
	if (setup->set_pool != NULL)
		setup->set_pool(&flow.pool);
	assert_int_equal(pools_setup(&flow.pool, 1, flow.workers), 0);
	if (setup->subscribers != NULL)
		assert_true(text_parse_prefix(setup->subscribers, &rule.inside));
	assert_int_equal(rules_replace(&rule, setup->subscribers != NULL), 0);
}

static void start_home(uint32_t number, const struct flow_setup *setup)
{
	const struct icmp_config icmp = {
		.errors = true,
		.rate = 1000,
		.source_rate = 50,
		.unsolicited_syn =
			setup->answer_syns ? ICMP_UNSOLICITED_UNREACHABLE : ICMP_UNSOLICITED_DROP,
	};
	struct home *home = &flow.home[number];

	worker_stats[number] = &home->stats;
	nats[number] = nat_create((uint8_t)number, &home->stats, SOCKET_ID_ANY);
	assert_non_null(nats[number]);
	home->pipeline = pipeline_create(&(struct pipeline_config){
		.worker = (uint8_t)number,
		.nat = nats[number],
		.stats = &home->stats,
		.buffers = flow.weir_buffers,
		.icmp = &icmp,
		.socket = SOCKET_ID_ANY,
		.transmit = transmit,
		.hand_over = hand_over,
		.hand_over_fragment = hand_over,
	});
	assert_non_null(home->pipeline);
	rte_rcu_qsbr_thread_register(rcu, number);
	rte_rcu_qsbr_thread_online(rcu, number);
}

void flow_start(const struct flow_setup *setup)
{
	uint32_t subscriber_limit = setup->max_sessions_per_subscriber;

	flow.now_ms = START_MS;
	flow.workers = setup->workers != 0 ? setup->workers : 1;
	flow.room[INSIDE] = flow.room[OUTSIDE] = flow.room[INSIDE2] = flow.ring_room = UINT32_MAX;
	limits = (struct limits_config){
		.max_sessions = setup->max_sessions != 0 ? setup->max_sessions : 2048,
		.max_subscribers = setup->max_subscribers != 0 ? setup->max_subscribers : 64,
		.max_sessions_per_subscriber =
			subscriber_limit != 0 ? subscriber_limit : UINT32_MAX,
		.max_inbound_sessions_per_mapping = 1024,
	};
	if (setup->set_limits != NULL)
		setup->set_limits(&limits);
	home_setup(flow.workers);
	start_network(setup);
	start_pools(setup);
	for (uint32_t i = 0; i < flow.workers; i++)
		start_home(i, setup);
}

/* ---- turning ---- */

static uint64_t sum_of(size_t offset)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < flow.workers; i++)
		sum += *(const uint64_t *)((const char *)&flow.home[i].stats + offset);
	return sum;
}

uint64_t flow_count_at(size_t offset)
{
	return sum_of(offset);
}

static uint64_t verdict_count(uint32_t verdict)
{
	return sum_of(offsetof(struct stats, verdict) + verdict * sizeof(uint64_t));
}

/* Every packet ends in exactly one verdict, or waits. */
static void check_verdicts(void)
{
	uint64_t sum = sum_of(offsetof(struct stats, held));

	for (uint32_t v = 0; v < VERDICT_COUNT; v++)
		sum += verdict_count(v);
	for (uint32_t i = 0; i < flow.workers; i++)
		sum += flow.home[i].ring.n;
	assert_int_equal(sum, sum_of(offsetof(struct stats, received)));
}

/* One turn of a worker's loop: whether it found a packet. */
static bool turn(uint32_t number)
{
	struct home *home = &flow.home[number];
	struct rte_mbuf *packet[RX_MAX];
	bool found = false;
	uint32_t n;

	pipeline_poll(home->pipeline, flow.now_ms);
	n = queue_take(&home->input, packet, RX_MAX);
	if (n > 0) {
		home->stats.received += n;
		pipeline_run(home->pipeline, packet, n);
		found = true;
	}
	n = queue_take(&home->ring, packet, RX_MAX);
	if (n > 0) {
		home->stats.taken_over += n;
		pipeline_run(home->pipeline, packet, n);
		found = true;
	}
	rte_rcu_qsbr_quiescent(rcu, number);
	return found;
}

/* Until nothing moves any more, and then what a grace period and an ARP answer set free. */
static void turn_until_quiet(bool control)
{
	uint32_t quiet = 0;

	while (quiet < 3) {
		bool found = false;

		for (uint32_t i = 0; i < flow.workers; i++)
			found |= turn(i);
		if (control) {
			route_poll(flow.now_ms);
			pools_drain();
		}
		quiet = found ? 0 : quiet + 1;
	}
	check_verdicts();
}

void flow_turn(void)
{
	flow.queueing = false;
	turn_until_quiet(true);
}

void flow_readers_offline(void)
{
	for (uint32_t i = 0; i < flow.workers; i++)
		rte_rcu_qsbr_thread_offline(rcu, i);
}

void flow_readers_online(void)
{
	for (uint32_t i = 0; i < flow.workers; i++)
		rte_rcu_qsbr_thread_online(rcu, i);
}

struct pool_config flow_pool(const char *name, const char *addresses)
{
	struct pool_config config = flow.pool, parsed = support_pool_config(name, addresses, "");

	config.name = parsed.name;
	config.addresses = parsed.addresses;
	config.excluded_addresses = parsed.excluded_addresses;
	return config;
}

/* ---- packets ---- */

void flow_deliver_to(uint32_t worker)
{
	assert_in_range(worker, 0, flow.workers - 1);
	flow.deliver_to = worker;
}

struct rte_mbuf *flow_queue(enum flow_port port, const struct frame_spec *spec)
{
	struct rte_mbuf *frame = frame_build(flow.test_buffers, spec);

	if (!flow.queueing)
		for (uint32_t v = 0; v < VERDICT_COUNT; v++)
			flow.verdict[v] = verdict_count(v);
	flow.queueing = true;
	frame->port = port;
	queue_put(&flow.home[flow.deliver_to].input, frame);
	return frame;
}

void flow_send(enum flow_port port, const struct frame_spec *spec)
{
	flow.queueing = false;
	flow_queue(port, spec);
	flow_turn();
}

void flow_expect_verdict_at(enum verdict verdict, uint64_t n, const char *file, int line)
{
	bool right = true;

	for (uint32_t v = 0; v < VERDICT_COUNT; v++) {
		uint64_t got = verdict_count(v) - flow.verdict[v];
		uint64_t want = v == verdict ? n : 0;

		if (got == want || (v == VERDICT_ARP && verdict != VERDICT_ARP))
			continue;
		print_error("verdict %s: got %lu, want %lu\n", verdicts[v].name, got, want);
		right = false;
	}
	if (!right)
		_fail(file, line);
}

struct rte_mbuf *flow_receive(enum flow_port port)
{
	struct rte_mbuf *frame;

	if (flow.received[port].n == RECEIVED_KEPT &&
	    queue_take(&flow.received[port], &frame, 1) != 0)
		rte_pktmbuf_free(frame);
	if (queue_take(&flow.sent[port], &frame, 1) == 0)
		return NULL;
	queue_put(&flow.received[port], frame);
	return frame;
}

void flow_expect_silence_at(const char *file, int line)
{
	for (int port = 0; port < FLOW_PORTS; port++) {
		if (flow.sent[port].n == 0)
			continue;
		print_error("%u frames that nobody expected left on the %s port, the first:\n",
			    flow.sent[port].n, interfaces[port].name);
		rte_pktmbuf_dump(stderr, flow.sent[port].packet[0], 80);
		_fail(file, line);
	}
}

void flow_refuse_at(enum flow_port port, const struct frame_spec *in, enum verdict verdict,
		    uint8_t type, uint8_t code, uint16_t mtu, const char *file, int line)
{
	struct frame_spec error = {
		.src = interfaces[port].address,
		.dst = in->src,
		.proto = IPPROTO_ICMP,
		.tos = 0xc0,
		.any_ip_id = true,
		.type = type,
		.code = code,
		.mtu = mtu,
		.quote = in,
	};

	flow_send(port, in);
	flow_expect_verdict_at(verdict, 1, file, line);
	frame_expect_at(flow_receive(port), &error, file, line);
	flow_expect_silence_at(file, line);
}

struct endpoint flow_open_at(const struct frame_spec *in, const char *file, int line)
{
	struct endpoint source = {0};
	struct frame_spec out;
	struct rte_mbuf *frame;

	flow_send(INSIDE, in);
	flow_expect_verdict_at(VERDICT_TRANSLATED, 1, file, line);
	frame = flow_receive(OUTSIDE);
	if (frame == NULL)
		_fail(file, line);
	source = flow_source(frame);
	out = flow_public(in, &source);
	out = flow_hop(&out);
	frame_expect_at(frame, &out, file, line);
	flow_expect_silence_at(file, line);
	return source;
}

/* ---- time ---- */

void flow_advance_ms(uint32_t ms)
{
	flow.now_ms += ms;
	turn_until_quiet(true);
}

void flow_advance(uint32_t seconds)
{
	for (uint32_t left = seconds; left > 0; left--) {
		flow.now_ms += 1000;
		/* the control thread need not look at its neighbours every second */
		turn_until_quiet(left % 10 == 1);
	}
}

/* ---- when things run short ---- */

void flow_limit_port(enum flow_port port, uint32_t frames)
{
	flow.room[port] = frames;
}

void flow_limit_handover(uint32_t packets)
{
	flow.ring_room = packets;
}

void flow_take_buffers(void)
{
	struct rte_mbuf *buffer;

	while ((buffer = rte_pktmbuf_alloc(flow.weir_buffers)) != NULL)
		queue_put(&flow.hoard, buffer);
}

void flow_give_buffers(void)
{
	queue_clear(&flow.hoard);
}

void flow_arp_reply(enum flow_port port, const char *address)
{
	answer_arp(port, flow_address(address));
	flow_turn();
}

/* ---- the end ---- */

/* All that may live longest expires: an established TCP session, its block, its rest. Expiry takes
 * a batch a turn. */
static void let_everything_expire(void)
{
	flow.room[INSIDE] = flow.room[OUTSIDE] = flow.room[INSIDE2] = flow.ring_room = UINT32_MAX;
	for (uint32_t i = 0; i < 8000; i++) {
		flow.now_ms += 1000;
		turn_until_quiet(false);
	}
}

static void stop(void)
{
	for (uint32_t i = 0; i < flow.workers; i++) {
		rte_rcu_qsbr_thread_offline(rcu, i);
		rte_rcu_qsbr_thread_unregister(rcu, i);
		pipeline_destroy(flow.home[i].pipeline);
		nat_destroy(nats[i]);
		nats[i] = NULL;
		worker_stats[i] = NULL;
		queue_clear(&flow.home[i].input);
		queue_clear(&flow.home[i].ring);
		flow.home[i] = (struct home){0};
	}
	for (int port = 0; port < FLOW_PORTS; port++) {
		queue_clear(&flow.sent[port]);
		queue_clear(&flow.received[port]);
	}
	queue_clear(&flow.hoard);
	rules_teardown();
	statics_teardown();
	pools_teardown();
	support_pool_config_clean(&flow.pool);
	route_teardown();
	flow.deliver_to = 0;
	flow.queueing = false;
}

int flow_teardown(void **state)
{
	struct pool_usage usage;
	uint32_t left[6] = {0}, buffers;
	bool clean = true;

	(void)state;
	queue_clear(&flow.hoard);
	let_everything_expire();
	turn_until_quiet(true); /* what drained is let go of */
	pool_usage(pool_get(0), &usage);
	left[0] = flow_sessions();
	left[1] = flow_mappings();
	left[2] = flow_subscribers();
	left[3] = usage.blocks_taken + usage.blocks_resting;
	for (uint32_t i = 0; i < flow.workers; i++)
		left[4] += reclaim_count(nats[i]->reclaim);
	left[5] = usage.addresses_draining;
	stop();
	buffers = rte_mempool_in_use_count(flow.test_buffers) +
		  rte_mempool_in_use_count(flow.weir_buffers);
	for (uint32_t i = 0; i < RTE_DIM(left); i++)
		clean = clean && left[i] == 0;
	if (clean && buffers == 0)
		return 0;
	print_error("left behind: %u sessions, %u mappings, %u subscribers, %u blocks, "
		    "%u things to reclaim, %u addresses, %u packet buffers\n",
		    left[0], left[1], left[2], left[3], left[4], left[5], buffers);
	return -1;
}
