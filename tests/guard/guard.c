/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_version.h>
#include <valgrind/callgrind.h>

#include "flow.h"
#include "frame.h"
#include "pool.h"
#include "random.h"
#include "text.h"
#include "timeouts.h"
#include "world.h"

/*
 * The program whose instructions tools/guard counts: the bench's world of one worker, and the same
 * packets through it each time. Valgrind's callgrind counts, and only between count_on() and
 * count_off(); a scenario ends with one dump, named "SCENARIO UNITS UNIT". Random numbers, hash key
 * and clock are fixed, so a count repeats to the instruction.
 */
#define SESSIONS 2016 /* of UDP, and of TCP; half of them are opened first */
#define OPEN     1008
#define PACKETS  (15 * BURST_MAX) /* a scenario's */
#define PINGS    BURST_MAX

static struct {
	struct world world;
	struct flows udp, tcp;
	struct flow ping[PINGS]; /* ports: the identifiers */
	struct flow hairpin[BURST_MAX];
} guard;

/* Stands in for libc's: every key and seed of this process is the same each time. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags __rte_unused)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < length; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)buffer)[i] = (uint8_t)(state >> 56);
	}
	return (ssize_t)length;
}

/* ---- counting ---- */

static void scenario_begin(void)
{
	CALLGRIND_START_INSTRUMENTATION;
	CALLGRIND_ZERO_STATS;
}

/* callgrind begins with collecting nothing; each turns it over */
#define count_on()  CALLGRIND_TOGGLE_COLLECT
#define count_off() CALLGRIND_TOGGLE_COLLECT

static void scenario_end(const char *name, uint32_t units, const char *unit)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %u %s", name, units, unit);
	CALLGRIND_STOP_INSTRUMENTATION;
	CALLGRIND_DUMP_STATS_AT(text);
}

/* ---- frames ---- */

/* As received from the router behind a port; the MACs are those of flow_mac(). */
static struct rte_mbuf *build(uint16_t port, struct frame_spec *spec)
{
	struct rte_mbuf *mbuf;

	spec->dst_mac = port == PORT_INSIDE ? "02:00:00:00:00:00" : "02:00:00:00:00:01";
	mbuf = frame_build(workers[0]->buffers, spec);
	mbuf->port = port;
	return mbuf;
}

static struct rte_mbuf *flow_frame(const struct flows *flows, uint32_t i, uint32_t direction,
				   uint8_t tcp_flags)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(workers[0]->buffers);

	if (mbuf == NULL)
		world_die("out of packet buffers");
	flow_write(&flows->flow[i], flows->frames, direction, 60, tcp_flags, mbuf);
	return mbuf;
}

static struct rte_mbuf *udp_out(uint32_t i)
{
	return flow_frame(&guard.udp, i, 0, 0);
}

static struct rte_mbuf *udp_in(uint32_t i)
{
	return flow_frame(&guard.udp, i, 1, 0);
}

static struct rte_mbuf *tcp_out(uint32_t i)
{
	return flow_frame(&guard.tcp, i, 0, RTE_TCP_ACK_FLAG);
}

static struct rte_mbuf *tcp_in(uint32_t i)
{
	return flow_frame(&guard.tcp, i, 1, RTE_TCP_ACK_FLAG);
}

static struct rte_mbuf *udp_first(uint32_t i)
{
	return flow_frame(&guard.udp, OPEN + i, 0, 0);
}

static struct rte_mbuf *tcp_first(uint32_t i)
{
	return flow_frame(&guard.tcp, OPEN + i, 0, RTE_TCP_SYN_FLAG);
}

static struct rte_mbuf *ping_out(uint32_t i)
{
	const struct flow *ping = &guard.ping[i % PINGS];
	char src[TEXT_IPV4_SIZE], dst[TEXT_IPV4_SIZE];

	return build(PORT_INSIDE, &(struct frame_spec){
					  .src = text_ipv4(ping->inside, src),
					  .dst = text_ipv4(ping->remote, dst),
					  .proto = IPPROTO_ICMP,
					  .type = 8,
					  .ident = rte_be_to_cpu_16(ping->inside_port),
					  .seq = i,
					  .length = 56,
				  });
}

static struct rte_mbuf *ping_in(uint32_t i)
{
	const struct flow *ping = &guard.ping[i % PINGS];
	char src[TEXT_IPV4_SIZE], dst[TEXT_IPV4_SIZE];

	return build(PORT_OUTSIDE, &(struct frame_spec){
					   .src = text_ipv4(ping->remote, src),
					   .dst = text_ipv4(ping->public, dst),
					   .proto = IPPROTO_ICMP,
					   .ident = rte_be_to_cpu_16(ping->public_port),
					   .seq = i,
					   .length = 56,
				   });
}

/* A datagram of 1,208 bytes in two fragments, the first first. */
static struct rte_mbuf *fragment_out(uint32_t i)
{
	const struct flow *flow = &guard.udp.flow[i / 2];
	char src[TEXT_IPV4_SIZE], dst[TEXT_IPV4_SIZE];

	return build(PORT_INSIDE, &(struct frame_spec){
					  .src = text_ipv4(flow->inside, src),
					  .dst = text_ipv4(flow->remote, dst),
					  .proto = IPPROTO_UDP,
					  .sport = rte_be_to_cpu_16(flow->inside_port),
					  .dport = rte_be_to_cpu_16(flow->remote_port),
					  .length = 1200,
					  .ip_id = (uint16_t)i / 2,
					  .fragment_offset = i % 2 * 608,
					  .fragment_length = i % 2 == 0 ? 608 : 600,
				  });
}

static struct rte_mbuf *fragment_in(uint32_t i)
{
	const struct flow *flow = &guard.udp.flow[i / 2];
	char src[TEXT_IPV4_SIZE], dst[TEXT_IPV4_SIZE];

	return build(PORT_OUTSIDE, &(struct frame_spec){
					   .src = text_ipv4(flow->remote, src),
					   .dst = text_ipv4(flow->public, dst),
					   .proto = IPPROTO_UDP,
					   .sport = rte_be_to_cpu_16(flow->remote_port),
					   .dport = rte_be_to_cpu_16(flow->public_port),
					   .length = 1200,
					   .ip_id = (uint16_t)i / 2,
					   .fragment_offset = i % 2 * 608,
					   .fragment_length = i % 2 == 0 ? 608 : 600,
				   });
}

/* "Port unreachable" about a packet that weir sent. */
static struct rte_mbuf *error_in(uint32_t i)
{
	const struct flow *flow = &guard.udp.flow[i];
	char src[TEXT_IPV4_SIZE], dst[TEXT_IPV4_SIZE];
	struct frame_spec sent = {
		.src = text_ipv4(flow->public, src),
		.dst = text_ipv4(flow->remote, dst),
		.proto = IPPROTO_UDP,
		.ttl = 60,
		.sport = rte_be_to_cpu_16(flow->public_port),
		.dport = rte_be_to_cpu_16(flow->remote_port),
		.length = 18,
	};

	return build(PORT_OUTSIDE, &(struct frame_spec){
					   .src = dst,
					   .dst = src,
					   .proto = IPPROTO_ICMP,
					   .type = 3,
					   .code = 3,
					   .quote = &sent,
				   });
}

/* One subscriber to another by its public endpoint. */
static struct rte_mbuf *hairpin(uint32_t i)
{
	return flow_frame(&(struct flows){.flow = guard.hairpin, .frames = guard.udp.frames},
			  i % BURST_MAX, 0, 0);
}

/* To a port of the pool that nobody has. */
static struct rte_mbuf *refused_in(uint32_t i)
{
	struct flow flow = {
		.remote = rte_cpu_to_be_32(RTE_IPV4(45, 1, 2, 3)),
		.remote_port = RTE_BE16(53),
		.public = rte_cpu_to_be_32(PUBLIC_FIRST),
		.public_port = rte_cpu_to_be_16((uint16_t)(60000 + i)),
	};

	return flow_frame(&(struct flows){.flow = &flow, .frames = guard.udp.frames}, 0, 1, 0);
}

/* Answered by an ICMP error, which is limited; so each is another subscriber's. */
static struct rte_mbuf *ttl_exceeded(uint32_t i)
{
	char src[TEXT_IPV4_SIZE];
	rte_be32_t subscriber = rte_cpu_to_be_32(SUBSCRIBER_FIRST + 256 + i);

	return build(PORT_INSIDE, &(struct frame_spec){
					  .src = text_ipv4(subscriber, src),
					  .dst = "45.1.2.3",
					  .proto = IPPROTO_UDP,
					  .ttl = 1,
					  .sport = 33000,
					  .dport = 33434,
					  .length = 18,
				  });
}

/* ---- scenarios of packets ---- */

struct scenario {
	const char *name;
	struct rte_mbuf *(*frame)(uint32_t i); /* the i-th packet */
	uint32_t packets;
	enum verdict verdict; /* of each */
};

static const struct scenario scenarios[] = {
	{"udp-out", udp_out, PACKETS, VERDICT_TRANSLATED},
	{"udp-in", udp_in, PACKETS, VERDICT_TRANSLATED},
	{"tcp-out", tcp_out, PACKETS, VERDICT_TRANSLATED},
	{"tcp-in", tcp_in, PACKETS, VERDICT_TRANSLATED},
	{"ping-out", ping_out, PACKETS, VERDICT_TRANSLATED},
	{"ping-in", ping_in, PACKETS, VERDICT_TRANSLATED},
	{"fragment-out", fragment_out, PACKETS, VERDICT_TRANSLATED},
	{"fragment-in", fragment_in, PACKETS, VERDICT_TRANSLATED},
	{"error-in", error_in, PACKETS, VERDICT_ERROR_TRANSLATED},
	{"hairpin", hairpin, PACKETS, VERDICT_HAIRPINNED},
	{"refused-in", refused_in, PACKETS, VERDICT_NO_SESSION},
	{"ttl-exceeded", ttl_exceeded, BURST_MAX, VERDICT_TTL_EXCEEDED},
	{"udp-first", udp_first, PACKETS, VERDICT_TRANSLATED},
	{"tcp-first", tcp_first, PACKETS, VERDICT_TRANSLATED},
};

/* One burst from packet `from` on. Frames that weir sent on stay ours: into `mbuf`. */
static void run_burst(const struct scenario *scenario, uint32_t from,
		      struct rte_mbuf *mbuf[BURST_MAX])
{
	for (uint32_t i = 0; i < BURST_MAX; i++)
		mbuf[i] = scenario->frame(from + i);
	world_poll(&guard.world, workers[0]);
	count_on();
	pipeline_run(workers[0]->pipeline, mbuf, BURST_MAX);
	count_off();
}

static void run_scenario(const struct scenario *scenario)
{
	const uint64_t *ended = &workers[0]->stats.verdict[scenario->verdict];
	bool sent_on = scenario->verdict <= VERDICT_ROUTED;
	struct rte_mbuf *mbuf[BURST_MAX];
	uint64_t before = *ended;

	scenario_begin();
	for (uint32_t i = 0; i < scenario->packets; i += BURST_MAX) {
		run_burst(scenario, i, mbuf);
		if (sent_on)
			rte_pktmbuf_free_bulk(mbuf, BURST_MAX);
	}
	scenario_end(scenario->name, scenario->packets, "packet");
	if (*ended - before != scenario->packets)
		world_die(scenario->name);
}

/* ---- other scenarios ---- */

/* A block of 1,024 ports of which `percent` stay in use: as many are given back as are taken. */
static void run_ports(const char *name, struct block *block, uint32_t percent)
{
	enum { TAKES = 1024 };
	struct random random;
	uint32_t port;

	random_init_seeded(&random, 1);
	while (block->used[PORT_UDP] < block->ports * percent / 100)
		if (port_take(block, PORT_UDP, &random) < 0)
			world_die("a port was refused");
	scenario_begin();
	for (uint32_t i = 0; i < TAKES; i++) {
		do
			port = block->first_port + random_below(&random, block->ports);
		while (!port_in_use(block, PORT_UDP, (uint16_t)port));
		port_give(block, PORT_UDP, (uint16_t)port);
		count_on();
		port_take(block, PORT_UDP, &random);
		count_off();
	}
	scenario_end(name, TAKES, "port");
	if (block->used[PORT_UDP] != block->ports * percent / 100)
		world_die(name);
}

/* Before the world, which has a pool of its own. */
static void run_all_ports(void)
{
	struct config_range range = {PUBLIC_FIRST, PUBLIC_FIRST};
	struct pool_config config = {
		.name = (char *)(uintptr_t) "ports",
		.addresses = {&range, 1},
		.port_range = {1024, 65535},
		.block_size = 1024,
	};
	struct random random;
	struct block *block;

	random_init_seeded(&random, 1);
	if (pools_setup(&config, 1, 1) != 0)
		world_die("no memory for the pool");
	block = block_take(pool_address_get(pool_get(0), 0), 0, &random, &random, 0);
	run_ports("port-50", block, 50);
	run_ports("port-99", block, 99);
	pools_teardown();
}

/* A turn of a worker that has nothing to do. */
static void run_idle(void)
{
	enum { TURNS = 1000 };

	scenario_begin();
	for (uint32_t i = 0; i < TURNS; i++) {
		guard.world.now_ms++;
		count_on();
		world_poll(&guard.world, workers[0]);
		count_off();
	}
	scenario_end("idle", TURNS, "turn");
}

/* The sessions of udp-first end: from the second batch on, turn by turn. */
static void run_expire(void)
{
	const uint64_t *ended = &workers[0]->stats.sessions_destroyed;
	uint64_t all = *ended + PACKETS, before = *ended;
	uint64_t end_ms = guard.world.now_ms + 2000 * timeouts.udp_first;

	for (; *ended == before && guard.world.now_ms < end_ms; guard.world.now_ms++)
		world_poll(&guard.world, workers[0]);
	before = *ended;
	scenario_begin();
	count_on();
	for (; *ended < all && guard.world.now_ms < end_ms; guard.world.now_ms++)
		world_poll(&guard.world, workers[0]);
	count_off();
	scenario_end("expire", (uint32_t)(*ended - before), "session");
	if (*ended < all || *ended - before < PACKETS / 2)
		world_die("expire");
}

/* ---- */

/* Pings of many subscribers; their public identifiers are in what weir sends. */
static void setup_pings(void)
{
	struct scenario first = {.frame = ping_out};
	struct rte_mbuf *mbuf[BURST_MAX];

	for (uint32_t i = 0; i < PINGS; i++) {
		guard.ping[i] = guard.udp.flow[i];
		guard.ping[i].inside_port = rte_cpu_to_be_16((uint16_t)(100 + i));
	}
	run_burst(&first, 0, mbuf);
	for (uint32_t i = 0; i < PINGS; i++) {
		const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(
			mbuf[i], const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);

		guard.ping[i].public = ip->src_addr;
		guard.ping[i].public_port = ((const struct rte_icmp_hdr *)(ip + 1))->icmp_ident;
	}
	rte_pktmbuf_free_bulk(mbuf, BURST_MAX);
}

static void setup_hairpin(void)
{
	struct scenario first = {.frame = hairpin};
	struct rte_mbuf *mbuf[BURST_MAX];

	for (uint32_t i = 0; i < BURST_MAX; i++) {
		const struct flow *other = &guard.udp.flow[OPEN - 1 - i];

		guard.hairpin[i] = guard.udp.flow[i];
		guard.hairpin[i].remote = other->public;
		guard.hairpin[i].remote_port = other->public_port;
	}
	run_burst(&first, 0, mbuf);
	rte_pktmbuf_free_bulk(mbuf, BURST_MAX);
}

static void setup(void)
{
	world_setup(&guard.world, 4 * SESSIONS, 1);
	limits.max_inbound_sessions_per_mapping = 1024; /* hairpinned ones are such */
	timeouts.udp_first = 16;                        /* the shortest */
	flows_create(&guard.udp, SESSIONS, &frames_all[0]);
	flows_create(&guard.tcp, SESSIONS, &frames_all[1]);
	flows_open(&guard.udp, &guard.world, workers[0], 0, OPEN);
	flows_open(&guard.tcp, &guard.world, workers[0], 0, OPEN);
	setup_pings();
	setup_hairpin();
}

int main(void)
{
	printf("gcc %s, %s\n", __VERSION__, rte_version());
	fflush(stdout);
	world_start_eal(&(struct world_eal){.cpus = "0", .megabytes = 256});
	run_all_ports();
	setup();
	run_idle();
	for (uint32_t i = 0; i < RTE_DIM(scenarios); i++)
		run_scenario(&scenarios[i]);
	run_expire();
	return 0;
}
