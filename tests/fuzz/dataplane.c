/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dataplane.h"
#include "eal.h"
#include "fragment.h"
#include "icmp.h"
#include "internal.h" /* of route */
#include "nat.h"
#include "pipeline.h"
#include "pools.h"
#include "route.h"
#include "rules.h"

#define TIMEOUT    4   /* seconds, of every session */
#define ENDS_IN    100 /* seconds after which all must be gone */
#define STALE_MS   31000
#define BUFFERS    2047
#define OUTPUT_MAX 65536

/* RTE_IPV4 shifts into the sign */
#define IPV4(a, b, c, d) RTE_BE32(a##u << 24 | b##u << 16 | c##u << 8 | d##u)

static const struct iface_config interfaces[DATAPLANE_PORTS] = {
	[INSIDE] = {.name = (char *)(uintptr_t) "inside",
		    .side = SIDE_INSIDE,
		    .address = {IPV4(100, 64, 0, 1), 16},
		    .mtu = 1500,
		    .realm = 1},
	[OUTSIDE] = {.name = (char *)(uintptr_t) "outside",
		     .side = SIDE_OUTSIDE,
		     .address = {IPV4(198, 51, 100, 1), 24},
		     .mtu = 600},
};

static struct rte_mempool *buffers;
static struct nat *nat;
static struct pipeline *pipeline;
static struct stats stats, before;
static uint64_t now_ms = 1000;

static struct rte_mbuf *waiting[BURST_MAX];
static uint32_t waiting_n;
static bool transport_may_be_wrong;
static struct output {
	size_t length;
	uint8_t frame[OUTPUT_MAX];
} last[DATAPLANE_PORTS];

static void check_output(enum side_port port, const uint8_t *frame, size_t length)
{
	const uint8_t *ip = frame + RTE_ETHER_HDR_LEN;
	size_t ip_length = length - RTE_ETHER_HDR_LEN;

	FUZZ_CHECK(length >= RTE_ETHER_HDR_LEN + 20);
	FUZZ_CHECK(memcmp(frame + 6, WEIR_MAC, 6) == 0);
	if (frame[12] == 8 && frame[13] == 6) {
		FUZZ_CHECK(length == RTE_ETHER_HDR_LEN + 28);
		FUZZ_CHECK(memcmp(ip + 8, WEIR_MAC, 6) == 0);
		return;
	}
	FUZZ_CHECK(frame[12] == 8 && frame[13] == 0 && (frame[0] & 1) == 0);
	FUZZ_CHECK(ip_length == (size_t)(ip[2] << 8 | ip[3]));
	FUZZ_CHECK(ip_length <= interfaces[port].mtu);
	FUZZ_CHECK(fuzz_ip_ok(ip, ip_length));
	FUZZ_CHECK(ip[8] > 0);
	/* weir looks at the checksum of an ICMP error, and at its quoted header's */
	if (fuzz_quote(ip, ip_length) != 0)
		FUZZ_CHECK(fuzz_transport_ok(ip, ip_length));
	if (!transport_may_be_wrong)
		FUZZ_CHECK(fuzz_transport_ok(ip, ip_length));
}

static uint16_t transmit(void *context, uint16_t port, struct rte_mbuf *frame[], uint16_t n)
{
	(void)context;
	FUZZ_CHECK(port < DATAPLANE_PORTS);
	for (uint16_t i = 0; i < n; i++) {
		struct output *out = &last[port];
		size_t length = fuzz_flatten(frame[i], out->frame, sizeof(out->frame));

		check_output(port, out->frame, length);
		out->length = out->frame[13] == 0 ? length : 0;
		rte_pktmbuf_free(frame[i]);
	}
	return n;
}

/* A single worker is everybody's home. */
static bool hand_over(void *context, uint8_t home, struct rte_mbuf *packet)
{
	(void)context;
	(void)home;
	(void)packet;
	FUZZ_CHECK(false);
	return false;
}

static void start_routes(void)
{
	struct route_config gateway = {.via = IPV4(198, 51, 100, 254)};
	struct rte_ether_addr mac;

	memcpy(&mac, WEIR_MAC, sizeof(mac));
	FUZZ_CHECK(route_setup(buffers) == 0);
	for (uint16_t port = 0; port < DATAPLANE_PORTS; port++)
		FUZZ_CHECK(iface_add(&interfaces[port], port, &mac) == 0);
	FUZZ_CHECK(route_replace(&gateway, 1) == 0);
}

static void start_pool(void)
{
	struct pool_config config = support_pool_config("fuzz", "203.0.113.1", "");

	config.port_range.last = config.port_range.first + 4 * 64 - 1;
	config.block_size = 64;
	config.max_blocks_per_subscriber = 2;
	config.port_reuse_timeout = 0;
	config.block_idle_timeout = 1;
	FUZZ_CHECK(pools_setup(&config, 1, 1) == 0);
	/* only DPDK's memory points to its name: the leak sanitizer does not look there */
	FUZZ_CHECK(atexit(pools_teardown) == 0);
	support_pool_config_clean(&config);
	FUZZ_CHECK(rules_replace(NULL, 0) == 0);
}

void dataplane_start(void)
{
	static const struct icmp_config icmp = {
		.errors = true, .rate = 1000000, .source_rate = 1000000};

	support_eal_setup(1, 256);
	memset(tuple_hash_key, 0x5a, sizeof(tuple_hash_key)); /* the same for every run */
	timeouts.tcp_opening = timeouts.tcp_established = timeouts.tcp_closing =
		timeouts.tcp_reset = timeouts.udp_first = timeouts.udp_stream = timeouts.icmp =
			timeouts.other = TIMEOUT;
	limits = (struct limits_config){
		.max_sessions = 128, .max_subscribers = 16, .max_sessions_per_subscriber = 64};
	fragments_settings = (struct fragments_config){.timeout = TIMEOUT,
						       .max_datagrams = 8,
						       .max_waiting = 8,
						       .max_waiting_per_source = 6};
	buffers = rte_pktmbuf_pool_create("buffers", BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  (int)rte_socket_id());
	FUZZ_CHECK(buffers != NULL);
	start_routes();
	start_pool();
	home_setup(1);
	nat = nat_create(0, &stats, (int)rte_socket_id());
	FUZZ_CHECK(nat != NULL);
	nats[0] = nat;
	worker_stats[0] = &stats;
	pipeline = pipeline_create(&(struct pipeline_config){.nat = nat,
							     .stats = &stats,
							     .buffers = buffers,
							     .icmp = &icmp,
							     .socket = (int)rte_socket_id(),
							     .transmit = transmit,
							     .hand_over = hand_over});
	FUZZ_CHECK(pipeline != NULL);
}

static uint64_t ended(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < VERDICT_COUNT; i++)
		sum += stats.verdict[i];
	return sum;
}

void dataplane_run(void)
{
	uint64_t arp = stats.verdict[VERDICT_ARP];

	stats.received += waiting_n;
	if (waiting_n > 0)
		pipeline_run(pipeline, waiting, waiting_n);
	waiting_n = 0;
	if (stats.verdict[VERDICT_ARP] != arp) {
		/* what route_poll() does, but for ageing all neighbours: too slow for every input
		 */
		neighbour_reclaim();
		arp_learn(now_ms);
	}
	FUZZ_CHECK(stats.received == ended() + stats.held);
}

void dataplane_receive(enum side_port port, const uint8_t *frame, size_t length, size_t cut)
{
	struct rte_mbuf *mbuf = fuzz_frame(frame, length, cut);

	mbuf->port = (uint16_t)port;
	waiting[waiting_n++] = mbuf;
	if (waiting_n == BURST_MAX)
		dataplane_run();
}

void dataplane_advance(uint32_t seconds)
{
	dataplane_run();
	for (uint32_t i = 0; i < seconds; i++) {
		now_ms += 1000;
		pipeline_poll(pipeline, now_ms);
		FUZZ_CHECK(stats.received == ended() + stats.held);
	}
}

/* What weir's host with this address would answer, were it asked. */
static void learn(enum side_port port, rte_be32_t address)
{
	uint8_t reply[] = WEIR_MAC "\x02\0\0\0\1\0\x08\x06"
				   "\0\x01\x08\0\x06\x04\0\x02"
				   "\x02\0\0\0\1\0"
				   "AAAA" WEIR_MAC "BBBB";

	memcpy(reply + 28, &address, sizeof(address));
	memcpy(reply + 38, &interfaces[port].address.address, sizeof(rte_be32_t));
	reply[11] = reply[27] = *((uint8_t *)&address + 3);
	dataplane_receive(port, reply, sizeof(reply) - 1, 0);
}

void dataplane_begin(void)
{
	transport_may_be_wrong = false;
	last[INSIDE].length = last[OUTSIDE].length = 0;
	random_init_seeded(&nat->random, 1);
	learn(OUTSIDE, interfaces[OUTSIDE].address.address + RTE_BE32(253));
	learn(INSIDE, IPV4(100, 64, 0, 2));
	learn(INSIDE, IPV4(100, 64, 0, 3));
	dataplane_run();
	before = stats;
}

/* Neighbours that the input taught are forgotten. */
static void forget_neighbours(void)
{
	/* asked three times, then removed */
	for (int i = 0; i < 4; i++) {
		now_ms += STALE_MS;
		route_poll(now_ms);
	}
	pipeline_poll(pipeline, now_ms);
}

static bool all_gone(void)
{
	struct pool_usage usage;

	pool_usage(pool_get(0), &usage);
	return stats.held == 0 && sessions_count(nat->sessions) == 0 && nat_mappings(nat) == 0 &&
	       slab_taken(nat->subscribers) == 0 && reclaim_count(nat->reclaim) == 0 &&
	       usage.subscribers == 0 && usage.blocks_taken + usage.blocks_resting == 0 &&
	       fuzz_frames_live() == 0 && rte_mempool_in_use_count(buffers) == 0;
}

void dataplane_end(void)
{
	dataplane_advance(TIMEOUT + 1); /* datagrams are forgotten */
	for (int i = 0; i < ENDS_IN && !all_gone(); i++)
		dataplane_advance(1);
	FUZZ_CHECK(all_gone());
	FUZZ_CHECK(stats.sessions_created == stats.sessions_destroyed);
	FUZZ_CHECK(stats.mappings_created == stats.mappings_destroyed);
	if (stats.verdict[VERDICT_ARP] != before.verdict[VERDICT_ARP])
		forget_neighbours();
}

void dataplane_allow_wrong_transport(void)
{
	transport_may_be_wrong = true;
}

const uint8_t *dataplane_last(enum side_port port, size_t *length)
{
	*length = last[port].length == 0 ? 0 : last[port].length - RTE_ETHER_HDR_LEN;
	return last[port].frame + RTE_ETHER_HDR_LEN;
}

uint64_t dataplane_verdicts(int verdict)
{
	return stats.verdict[verdict] - before.verdict[verdict];
}

/* ---- aiming ---- */

/* An IP packet's addresses and ports: an ICMP query's identifier is the port of either side. */
struct ends {
	uint8_t *address[2], *port[2]; /* source, destination; port: NULL where there is none */
};

static bool find_ends(uint8_t *ip, size_t length, struct ends *ends)
{
	size_t header = length < 20 ? 0 : (ip[0] & 0xfu) * 4;

	if (header < 20 || length < header + 8)
		return false;
	ends->address[0] = ip + 12;
	ends->address[1] = ip + 16;
	ends->port[0] = ip[9] == IPPROTO_ICMP ? ip + header + 4 : ip + header;
	ends->port[1] = ip[9] == IPPROTO_ICMP ? ip + header + 4 : ip + header + 2;
	return ip[9] == IPPROTO_ICMP || ip[9] == IPPROTO_TCP || ip[9] == IPPROTO_UDP;
}

static void copy_end(const struct ends *to, int to_side, const struct ends *from, int from_side)
{
	memcpy(to->address[to_side], from->address[from_side], 4);
	memcpy(to->port[to_side], from->port[from_side], 2);
}

void dataplane_aim(enum side_port port, uint8_t *ip, size_t length)
{
	size_t quote = fuzz_quote(ip, length), target_length;
	enum side_port seen = quote != 0 ? port : OUTSIDE;
	uint8_t *target = (uint8_t *)(uintptr_t)dataplane_last(seen, &target_length);
	struct ends goal, ends;

	if (!find_ends(target, target_length, &goal))
		return;
	if (quote != 0) {
		if (!find_ends(ip + quote, length - quote, &ends))
			return;
		ip[quote + 9] = target[9];
		if (!find_ends(ip + quote, length - quote, &ends))
			return;
		copy_end(&ends, 0, &goal, 0);
		copy_end(&ends, 1, &goal, 1);
		memcpy(ip + 16, goal.address[0], 4);
		return;
	}
	if (!find_ends(ip, length, &ends))
		return;
	if (port == OUTSIDE)
		copy_end(&ends, 0, &goal, 1);
	copy_end(&ends, 1, &goal, 0);
}
