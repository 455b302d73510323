/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "generator.h"
#include "text.h"

/*
 * A traffic generator for `tools/bench ports`: a router on each side of the box under test, in one
 * process on one core. Port 0 is the inside, port 1 the outside. It takes commands from its
 * standard input, one a line, and answers each with one line of JSON:
 *
 *	flows N PER_SUBSCRIBER       makes N flows in random order
 *	learn                        sends each flow once, notes what it became outside
 *	mirror                       outside, each is what it is inside: the box is no NAT
 *	run DIRECTION SIZE RATE MS   out, in or mixed; frame bytes or imix; packets/s, 0: all
 *	loop SIZE FRAMES MS          both ways, as fast as so many frames go round
 *	beside NEW SIZE FROM MS      as `run mixed SIZE 0 MS`, but of 100,000 frames NEW begin new
 *	                             flows, and what comes out counts from FROM ms on
 *	drain                        receives what is under way still
 *	quit
 *
 * Every frame carries its flow, a magic number and the time it was sent, under right checksums. A
 * frame that comes back counts when it carries the magic number and arrived on the other port.
 */
#define BURST       32
#define DESCRIPTORS 2048
#define BUFFERS     65535
#define FRAME_MAX   1514

struct generator generator;

/* ---- what a run counts ---- */

#define LATENCY_BUCKETS 100000 /* of a tenth of a microsecond */

static struct {
	uint64_t sent, received, foreign, full;
	uint64_t new_sent, new_received, new_missing; /* missing: no source port was free */
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
		return arp_take(port, frame);
	memcpy(&payload, udp + 1, sizeof(payload));
	if (payload.magic == MAGIC && payload.flow == NEW_FLOW && port == 1) {
		count.new_received++;
		return;
	}
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

/* The next frame of a port: its next flow's, or by chance a new one's. True: a new one. */
static bool fill_next(struct rte_mbuf *frame, uint16_t port, uint64_t now)
{
	const struct side *side = &generator.side[port][generator.next[port]];
	struct side fresh;
	bool is_new = port == 0 && generator.new_chance != 0 &&
		      random_u32(&generator.random) < generator.new_chance;

	if (is_new && !flows_next_new(&fresh)) {
		count.new_missing++;
		is_new = false;
	}
	if (!is_new && ++generator.next[port] == generator.flows)
		generator.next[port] = 0;
	frame_fill(frame, port, is_new ? &fresh : side, frame_size(generator.next[port]), now);
	return is_new;
}

/* Sends the next n frames on a port. */
static void send_burst(uint16_t port, uint32_t n)
{
	struct rte_mbuf *frame[BURST];
	uint64_t now = rte_rdtsc(), is_new = 0;
	uint16_t sent;

	if (rte_pktmbuf_alloc_bulk(generator.buffers, frame, n) != 0) {
		count.full += n;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		is_new |= (uint64_t)fill_next(frame[i], port, now) << i;
	sent = rte_eth_tx_burst(port, 0, frame, (uint16_t)n);
	count.sent += sent;
	count.new_sent += (uint64_t)__builtin_popcountll(is_new & ((1ull << sent) - 1));
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
				frame_fill(frame[n++], 0, &generator.side[0][i], 60, rte_rdtsc());
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
	flows_shuffle_outside();
	printf("{\"learned\": %u, \"flows\": %u, \"sent\": %" PRIu64 ", \"first_pass_s\": %.6f}\n",
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
	flows_shuffle_outside();
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

static void print_count(double seconds, uint64_t during)
{
	printf("{\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"received_during\": %" PRIu64
	       ", \"refused\": %" PRIu64 ", \"foreign\": %" PRIu64 ", \"new_sent\": %" PRIu64
	       ", \"new_received\": %" PRIu64 ", \"new_missing\": %" PRIu64 ", \"seconds\": %.6f, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
	       count.sent, count.received, during, count.full, count.foreign, count.new_sent,
	       count.new_received, count.new_missing, seconds, percentile(0.5), percentile(0.99),
	       percentile(0.999));
}

/* A generator that was late sends this many bursts at once, and no more: what a pause of its own
 * would pile up is no part of the rate. */
#define LATE_BURSTS 4

static void run(const char *direction, uint64_t rate, uint64_t ms)
{
	bool ports[2] = {strcmp(direction, "in") != 0, strcmp(direction, "out") != 0};
	uint64_t begin, next, end, step, during, now;
	uint16_t port = ports[0] ? 0 : 1;

	drain(20, 1000, false);
	reset();
	begin = next = rte_rdtsc();
	end = begin + ms_to_tsc(ms);
	step = rate != 0 ? rte_get_tsc_hz() * BURST / rate : 0;
	while (rte_rdtsc() < end) {
		receive(false);
		now = rte_rdtsc();
		if (now < next)
			continue;
		next = RTE_MAX(next + step, now - RTE_MIN(now, LATE_BURSTS * step));
		send_burst(port, BURST);
		if (ports[0] && ports[1])
			port ^= 1;
	}
	during = count.received;
	drain(20, 1000, false);
	print_count((double)(end - begin) / (double)rte_get_tsc_hz(), during);
}

/* A loop: never more than `frames` under way, and always so many. What is lost is missed from then
 * on, unless none comes back at all: then all that is under way was lost. */
static void run_loop(uint64_t frames, uint64_t ms)
{
	uint64_t begin, end, last, gone = 0, during;
	uint16_t port = 0;

	drain(20, 1000, false);
	reset();
	begin = last = rte_rdtsc();
	end = begin + ms_to_tsc(ms);
	while (rte_rdtsc() < end) {
		if (receive(false) > 0)
			last = rte_rdtsc();
		if (rte_rdtsc() - last > ms_to_tsc(500)) {
			gone = count.sent - count.received;
			last = rte_rdtsc();
		}
		if (count.sent - count.received - gone + BURST > frames)
			continue;
		send_burst(port, BURST);
		port ^= 1;
	}
	during = count.received;
	drain(50, 1000, false);
	print_count((double)(end - begin) / (double)rte_get_tsc_hz(), during);
}

/*
 * Established flows with new ones beside, as fast as it can; the box runs meanwhile and is stopped
 * then, so nothing waits for the frames that are under way at the end. New flows are counted from
 * the beginning: every frame of theirs that was sent makes a session some time.
 */
static void run_beside(uint64_t from, uint64_t ms)
{
	uint64_t begin = rte_rdtsc(), end = begin + ms_to_tsc(ms), measured = 0, before = 0;
	uint16_t port = 0;

	reset();
	while (measured == 0 || rte_rdtsc() < end) {
		receive(false);
		if (measured == 0 && rte_rdtsc() >= begin + ms_to_tsc(from)) {
			measured = rte_rdtsc();
			before = count.received;
		}
		send_burst(port, BURST);
		port ^= 1;
	}
	print_count((double)(rte_rdtsc() - measured) / (double)rte_get_tsc_hz(),
		    count.received - before);
}

static void set_size(const char *size)
{
	generator.size = strcmp(size, "imix") == 0 ? 0 : (uint32_t)atoi(size) - 4;
}

static void serve(void)
{
	char line[256], direction[16], size[16];
	unsigned long long rate, ms, frames, from;
	uint32_t n, per_subscriber;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "flows %u %u", &n, &per_subscriber) == 2) {
			bool made = n > 0 && per_subscriber > 0 && flows_make(n, per_subscriber);

			printf("{\"flows\": %u}\n", made ? n : 0);
		} else if (generator.flows > 0 && strncmp(line, "learn", 5) == 0) {
			learn();
		} else if (generator.flows > 0 && strncmp(line, "mirror", 6) == 0) {
			mirror();
		} else if (generator.flows > 0 && sscanf(line, "run %15s %15s %llu %llu", direction,
							 size, &rate, &ms) == 4) {
			set_size(size);
			run(direction, rate, ms);
		} else if (generator.flows > 0 &&
			   sscanf(line, "loop %15s %llu %llu", size, &frames, &ms) == 3) {
			set_size(size);
			run_loop(frames, ms);
		} else if (generator.flows > 0 &&
			   sscanf(line, "beside %u %15s %llu %llu", &n, size, &from, &ms) == 4) {
			set_size(size);
			/* of the frames that go out from inside, which are half of all */
			generator.new_chance = (uint32_t)(((uint64_t)n << 33) / 100000);
			run_beside(from, ms);
			generator.new_chance = 0;
		} else if (strncmp(line, "drain", 5) == 0) {
			reset();
			drain(20, 1000, false);
			print_count(0, 0);
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

static bool peers_known(void)
{
	return !rte_is_zero_ether_addr(&generator.peer[0]) &&
	       !rte_is_zero_ether_addr(&generator.peer[1]);
}

/* The box's MACs, by ARP for its two addresses. */
static bool find_peers(void)
{
	for (int i = 0; i < 50 && !peers_known(); i++) {
		for (uint16_t port = 0; port < 2; port++)
			arp_ask(port);
		drain(50, 100, false);
	}
	return peers_known();
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
	printf("{\"ready\": true, \"tsc_hz\": %" PRIu64 "}\n", rte_get_tsc_hz());
	fflush(stdout);
	serve();
	return 0;
}
