/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "random.h"
#include "text.h"

/*
 * A traffic generator for `tools/bench ports`: a router on each side of the box under test, in one
 * process on one core. Port 0 is the inside, port 1 the outside. It takes commands from its
 * standard input, one a line, and answers each with one line of JSON:
 *
 *	flows N PER_SUBSCRIBER         makes N flows in random order
 *	learn                          sends each flow once, notes what it became outside
 *	mirror                         outside, each flow is what it is inside: for a box that
 *translates not run DIRECTION SIZE RATE MS     out, in or mixed; frame bytes or imix; packets a
 *second, 0: all quit
 *
 * Every frame carries its flow, a magic number and the time it was sent, under right checksums. A
 * frame that comes back counts when it carries the magic number and arrived on the other port.
 */
#define BURST       32
#define DESCRIPTORS 2048
#define BUFFERS     65535
#define FRAME_MAX   1514
#define MAGIC       0x77656972u

#define SUBSCRIBER_FIRST RTE_IPV4(100, 64, 0, 0)
#define SUBSCRIBER_PORT  1024
#define REMOTE_FIRST     RTE_IPV4(198, 18, 64, 0)
#define REMOTES          4096
#define REMOTE_PORT      80

struct payload {
	uint32_t magic;
	uint32_t flow;
	uint64_t sent; /* TSC */
} __rte_packed;

/* A direction of a flow: what its frames say. 16 bytes, read in order while sending. */
struct side {
	rte_be32_t src, dst;
	rte_be16_t sport, dport;
	uint32_t flow;
};

static struct {
	struct rte_mempool *buffers;
	struct rte_ether_addr mac[2], peer[2]; /* ours; the box's */
	rte_be32_t peer_address[2];
	struct side *side[2]; /* by direction: sent on port 0, on port 1 */
	uint32_t flows;
	uint32_t next[2];
	uint32_t learned;
	struct random random;
	uint32_t size; /* frame bytes without FCS; 0: IMIX */
} generator;

/* ---- frames ---- */

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t sum32(uint32_t word)
{
	return (word & 0xffff) + (word >> 16);
}

/* Simple IMIX: 7 x 64, 4 x 570, 1 x 1518 bytes with FCS. */
static uint32_t next_size(uint32_t sequence)
{
	static const uint16_t imix[12] = {60, 566, 60, 60, 566, 60, 60, 566, 60, 1514, 566, 60};

	return generator.size != 0 ? generator.size : imix[sequence % 12];
}

static void fill(struct rte_mbuf *frame, uint16_t port, const struct side *side, uint32_t size,
		 uint64_t now)
{
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	struct payload payload = {.magic = MAGIC, .flow = side->flow, .sent = now};
	rte_be16_t ip_length = rte_cpu_to_be_16((uint16_t)(size - sizeof(*ether)));
	rte_be16_t udp_length = rte_cpu_to_be_16((uint16_t)(size - sizeof(*ether) - sizeof(*ip)));
	uint64_t addresses = sum32(side->src) + sum32(side->dst);

	frame->data_len = (uint16_t)size;
	frame->pkt_len = size;
	ether->dst_addr = generator.peer[port];
	ether->src_addr = generator.mac[port];
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = ip_length,
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = side->src,
		.dst_addr = side->dst,
	};
	ip->hdr_checksum = (uint16_t)~fold(RTE_BE16(RTE_IPV4_VHL_DEF << 8) + ip_length +
					   RTE_BE16(RTE_IPV4_HDR_DF_FLAG) +
					   RTE_BE16(64 << 8 | IPPROTO_UDP) + addresses);
	*udp = (struct rte_udp_hdr){
		.src_port = side->sport, .dst_port = side->dport, .dgram_len = udp_length};
	memcpy(udp + 1, &payload, sizeof(payload));
	/* what follows the payload is zero: buffers are zeroed once and nothing else is written */
	udp->dgram_cksum = (uint16_t)~fold(addresses + RTE_BE16(IPPROTO_UDP) + 2ull * udp_length +
					   side->sport + side->dport + sum32(payload.magic) +
					   sum32(payload.flow) + sum32((uint32_t)payload.sent) +
					   sum32((uint32_t)(payload.sent >> 32)));
	if (udp->dgram_cksum == 0)
		udp->dgram_cksum = 0xffff;
}

/* ---- ARP: a router that has every address but the box's ---- */

static void send_arp(uint16_t port, uint16_t operation, rte_be32_t from, rte_be32_t to,
		     const struct rte_ether_addr *to_mac)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(generator.buffers);
	struct rte_ether_hdr *ether;
	struct rte_arp_hdr *arp;

	if (frame == NULL)
		return;
	frame->data_len = 60;
	frame->pkt_len = 60;
	ether = rte_pktmbuf_mtod(frame, struct rte_ether_hdr *);
	memset(ether, 0, 60);
	arp = (struct rte_arp_hdr *)(ether + 1);
	ether->dst_addr = *to_mac;
	ether->src_addr = generator.mac[port];
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(operation),
		.arp_data = {.arp_sha = generator.mac[port],
			     .arp_sip = from,
			     .arp_tha = *to_mac,
			     .arp_tip = to},
	};
	if (rte_eth_tx_burst(port, 0, &frame, 1) == 0)
		rte_pktmbuf_free(frame);
}

static void take_arp(uint16_t port, const struct rte_mbuf *frame)
{
	const struct rte_arp_hdr *arp =
		rte_pktmbuf_mtod_offset(frame, const struct rte_arp_hdr *, RTE_ETHER_HDR_LEN);

	if (frame->pkt_len < RTE_ETHER_HDR_LEN + sizeof(*arp))
		return;
	if (arp->arp_data.arp_sip == generator.peer_address[port])
		generator.peer[port] = arp->arp_data.arp_sha;
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
	    arp->arp_data.arp_tip != generator.peer_address[port])
		send_arp(port, RTE_ARP_OP_REPLY, arp->arp_data.arp_tip, arp->arp_data.arp_sip,
			 &arp->arp_data.arp_sha);
}

/* ---- what a run counts ---- */

#define LATENCY_BUCKETS 100000 /* of a tenth of a microsecond */

static struct {
	uint64_t sent, received, foreign, full;
	uint32_t *latency;
} count;

static void receive_one(uint16_t port, struct rte_mbuf *frame, uint64_t now, bool learn)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);
	struct payload payload;
	uint64_t bucket;

	if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return take_arp(port, frame);
	memcpy(&payload, udp + 1, sizeof(payload));
	if (frame->pkt_len < 60 || payload.magic != MAGIC || payload.flow >= generator.flows) {
		count.foreign++;
		return;
	}
	count.received++;
	bucket = (now - payload.sent) * 10000000 / rte_get_tsc_hz();
	count.latency[RTE_MIN(bucket, (uint64_t)LATENCY_BUCKETS - 1)]++;
	if (learn && port == 1) {
		struct side *in = &generator.side[1][payload.flow];

		generator.learned += in->dst == 0;
		*in = (struct side){.src = ip->dst_addr,
				    .dst = ip->src_addr,
				    .sport = udp->dst_port,
				    .dport = udp->src_port,
				    .flow = payload.flow};
	}
}

static uint32_t receive(bool learn)
{
	struct rte_mbuf *frame[BURST];
	uint32_t all = 0;

	for (uint16_t port = 0; port < 2; port++) {
		uint16_t n = rte_eth_rx_burst(port, 0, frame, BURST);
		uint64_t now = rte_rdtsc();

		for (uint16_t i = 0; i < n; i++) {
			if (i + 4 < n)
				rte_prefetch0(rte_pktmbuf_mtod(frame[i + 4], void *));
			receive_one(port, frame[i], now, learn);
		}
		rte_pktmbuf_free_bulk(frame, n);
		all += n;
	}
	return all;
}

/* Sends the next n flows on a port. */
static void send_burst(uint16_t port, uint32_t n)
{
	struct rte_mbuf *frame[BURST];
	uint64_t now = rte_rdtsc();
	uint16_t sent;

	if (rte_pktmbuf_alloc_bulk(generator.buffers, frame, n) != 0) {
		count.full += n;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct side *side = &generator.side[port][generator.next[port]];

		if (++generator.next[port] == generator.flows)
			generator.next[port] = 0;
		fill(frame[i], port, side, next_size(generator.next[port]), now);
	}
	sent = rte_eth_tx_burst(port, 0, frame, (uint16_t)n);
	count.sent += sent;
	count.full += n - sent;
	if (sent < n)
		rte_pktmbuf_free_bulk(&frame[sent], n - sent);
}

/* ---- commands ---- */

static uint64_t ms_to_tsc(uint64_t ms)
{
	return ms * rte_get_tsc_hz() / 1000;
}

/* Receives until nothing has come for `quiet` ms, at most `most` ms. */
static void drain(uint64_t quiet, uint64_t most, bool learn)
{
	uint64_t begin = rte_rdtsc(), last = begin;

	while (rte_rdtsc() - begin < ms_to_tsc(most) && rte_rdtsc() - last < ms_to_tsc(quiet))
		if (receive(learn) > 0)
			last = rte_rdtsc();
}

static void reset(void)
{
	uint32_t *latency = count.latency;

	memset(latency, 0, LATENCY_BUCKETS * sizeof(*latency));
	memset(&count, 0, sizeof(count));
	count.latency = latency;
}

static bool make_flows(uint32_t n, uint32_t per_subscriber)
{
	uint32_t *order = malloc((size_t)n * sizeof(*order));

	for (int i = 0; i < 2; i++) {
		free(generator.side[i]);
		generator.side[i] = calloc(n, sizeof(struct side));
	}
	generator.flows = 0;
	if (order == NULL || generator.side[0] == NULL || generator.side[1] == NULL)
		return false;
	generator.flows = n;
	generator.learned = 0;
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = random_below(&generator.random, i + 1), other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t subscriber = order[i] / per_subscriber;
		uint32_t remote = random_below(&generator.random, REMOTES);

		generator.side[0][i] = (struct side){
			.src = rte_cpu_to_be_32(SUBSCRIBER_FIRST + 1 + subscriber),
			.dst = rte_cpu_to_be_32(REMOTE_FIRST + remote),
			.sport = rte_cpu_to_be_16(
				(uint16_t)(SUBSCRIBER_PORT + order[i] % per_subscriber)),
			.dport = rte_cpu_to_be_16(REMOTE_PORT),
			.flow = i,
		};
	}
	free(order);
	return true;
}

/* The order outside is another random one: what comes back in order would be an easy case. */
static void shuffle_outside(void)
{
	struct side *side = generator.side[1];

	for (uint32_t i = generator.flows - 1; i > 0; i--) {
		uint32_t j = random_below(&generator.random, i + 1);
		struct side other = side[j];

		side[j] = side[i];
		side[i] = other;
	}
}

/* Sends all of the frames, receiving meanwhile, unless the box takes none for a tenth of a second.
 */
static void send_all(struct rte_mbuf *frame[], uint16_t n)
{
	uint64_t deadline = rte_rdtsc() + ms_to_tsc(100);
	uint16_t sent = 0;

	while (sent < n && rte_rdtsc() < deadline) {
		sent += rte_eth_tx_burst(0, 0, &frame[sent], n - sent);
		receive(true);
	}
	count.sent += sent;
	rte_pktmbuf_free_bulk(&frame[sent], n - sent);
}

/* One pass over the flows that are not known outside yet. */
static void learn_pass(void)
{
	struct rte_mbuf *frame[BURST];
	uint16_t n = 0;

	for (uint32_t i = 0; i < generator.flows; i++) {
		if (generator.side[1][i].dst == 0) {
			frame[n] = rte_pktmbuf_alloc(generator.buffers);
			if (frame[n] != NULL)
				fill(frame[n++], 0, &generator.side[0][i], 60, rte_rdtsc());
		}
		if (n == BURST || i + 1 == generator.flows) {
			send_all(frame, n);
			n = 0;
		}
	}
}

static void learn(void)
{
	uint64_t begin, first = 0;

	generator.size = 60;
	reset();
	begin = rte_rdtsc();
	for (int pass = 0; pass < 8 && generator.learned < generator.flows; pass++) {
		learn_pass();
		if (pass == 0)
			first = rte_rdtsc();
		drain(100, 3000, true);
	}
	shuffle_outside();
	printf("{\"learned\": %u, \"flows\": %u, \"sent\": %" PRIu64 ", \"first_pass_s\": %.3f}\n",
	       generator.learned, generator.flows, count.sent,
	       (double)(first - begin) / (double)rte_get_tsc_hz());
}

static void mirror(void)
{
	for (uint32_t i = 0; i < generator.flows; i++) {
		const struct side *out = &generator.side[0][i];

		generator.side[1][i] = (struct side){.src = out->dst,
						     .dst = out->src,
						     .sport = out->dport,
						     .dport = out->sport,
						     .flow = i};
	}
	generator.learned = generator.flows;
	shuffle_outside();
	printf("{\"learned\": %u}\n", generator.learned);
}

static double percentile(double part)
{
	uint64_t wanted = (uint64_t)((double)count.received * part), seen = 0;

	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		seen += count.latency[i];
		if (seen > wanted)
			return i / 10.0;
	}
	return LATENCY_BUCKETS / 10.0;
}

static void run(const char *direction, uint64_t rate, uint64_t ms)
{
	bool ports[2] = {strcmp(direction, "in") != 0, strcmp(direction, "out") != 0};
	uint64_t begin, next, end, step, during;
	uint16_t port = ports[0] ? 0 : 1;

	drain(20, 1000, false);
	reset();
	begin = next = rte_rdtsc();
	end = begin + ms_to_tsc(ms);
	step = rate != 0 ? rte_get_tsc_hz() * BURST / rate : 0;
	while (rte_rdtsc() < end) {
		receive(false);
		if (rte_rdtsc() < next)
			continue;
		next += step;
		send_burst(port, BURST);
		if (ports[0] && ports[1])
			port ^= 1;
	}
	during = count.received;
	drain(20, 1000, false);
	printf("{\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"received_during\": %" PRIu64
	       ", \"refused\": %" PRIu64 ", \"foreign\": %" PRIu64 ", \"seconds\": %.6f, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
	       count.sent, count.received, during, count.full, count.foreign,
	       (double)(end - begin) / (double)rte_get_tsc_hz(), percentile(0.5), percentile(0.99),
	       percentile(0.999));
}

static void serve(void)
{
	char line[256], direction[16], size[16];
	unsigned long long rate, ms;
	uint32_t n, per_subscriber;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "flows %u %u", &n, &per_subscriber) == 2) {
			bool made = n > 0 && per_subscriber > 0 && make_flows(n, per_subscriber);

			printf("{\"flows\": %u}\n", made ? n : 0);
		} else if (generator.flows > 0 && strncmp(line, "learn", 5) == 0) {
			learn();
		} else if (generator.flows > 0 && strncmp(line, "mirror", 6) == 0) {
			mirror();
		} else if (generator.flows > 0 && sscanf(line, "run %15s %15s %llu %llu", direction,
							 size, &rate, &ms) == 4) {
			generator.size = strcmp(size, "imix") == 0 ? 0 : (uint32_t)atoi(size) - 4;
			run(direction, rate, ms);
		} else if (strncmp(line, "quit", 4) == 0) {
			return;
		} else {
			printf("{\"error\": \"unknown command\"}\n");
		}
		fflush(stdout);
	}
}

/* ---- start ---- */

static int start_port(uint16_t port)
{
	struct rte_eth_conf conf = {0};

	if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(port, 0, DESCRIPTORS, 0, NULL, generator.buffers) != 0 ||
	    rte_eth_tx_queue_setup(port, 0, DESCRIPTORS, 0, NULL) != 0 ||
	    rte_eth_dev_start(port) != 0)
		return -1;
	return rte_eth_macaddr_get(port, &generator.mac[port]);
}

static bool wait_for_link(void)
{
	for (uint16_t port = 0; port < 2; port++) {
		struct rte_eth_link link = {0};

		for (int i = 0; i < 1000 && link.link_status == 0; i++) {
			rte_eth_link_get_nowait(port, &link);
			rte_delay_ms(10);
		}
		if (link.link_status == 0)
			return false;
	}
	return true;
}

/* The box's MACs, by ARP for its two addresses. */
static bool find_peers(void)
{
	static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

	for (int i = 0; i < 50 && rte_is_zero_ether_addr(&generator.peer[0]); i++) {
		for (uint16_t port = 0; port < 2; port++)
			send_arp(port, RTE_ARP_OP_REQUEST,
				 generator.peer_address[port] ^ RTE_BE32(3),
				 generator.peer_address[port], &broadcast);
		drain(50, 100, false);
	}
	return !rte_is_zero_ether_addr(&generator.peer[0]) &&
	       !rte_is_zero_ether_addr(&generator.peer[1]);
}

static void zero_buffer(struct rte_mempool *pool __rte_unused, void *context __rte_unused,
			void *object, unsigned int index __rte_unused)
{
	struct rte_mbuf *frame = object;

	memset(frame->buf_addr, 0, frame->buf_len);
}

/* "INSIDE OUTSIDE", the box's addresses; or "- -" for a box that has none and answers no ARP. */
static bool parse_addresses(int argc, char *argv[])
{
	static const struct rte_ether_addr any = {{0x02, 0, 0, 0, 0, 0x01}};

	if (argc != 3)
		return false;
	if (strcmp(argv[1], "-") == 0) {
		generator.peer[0] = any;
		generator.peer[1] = any;
		return true;
	}
	return text_parse_ipv4(argv[1], &generator.peer_address[0]) &&
	       text_parse_ipv4(argv[2], &generator.peer_address[1]);
}

int main(int argc, char *argv[])
{
	int used = rte_eal_init(argc, argv);

	if (used < 0 || !parse_addresses(argc - used, argv + used)) {
		fprintf(stderr, "generator EAL-ARGUMENTS -- INSIDE-ADDRESS OUTSIDE-ADDRESS\n");
		return 2;
	}
	random_init_seeded(&generator.random, 1);
	generator.buffers = rte_pktmbuf_pool_create(
		"buffers", BUFFERS, 512, 0, RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	count.latency = calloc(LATENCY_BUCKETS, sizeof(*count.latency));
	if (generator.buffers == NULL || count.latency == NULL) {
		fprintf(stderr, "generator: no memory\n");
		return 1;
	}
	rte_mempool_obj_iter(generator.buffers, zero_buffer, NULL);
	if (start_port(0) != 0 || start_port(1) != 0) {
		fprintf(stderr, "generator: two ports are needed\n");
		return 1;
	}
	if (!wait_for_link() || !find_peers()) {
		fprintf(stderr, "generator: the box does not answer\n");
		return 1;
	}
	printf("{\"ready\": true}\n");
	fflush(stdout);
	serve();
	return 0;
}
