/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "flow.h"

/* A prime: a step through the subscribers' sessions that meets each once. */
#define SCATTER 2654435761u

const struct frames frames_all[] = {
	{"udp64", IPPROTO_UDP, {60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60}},
	{"tcp64", IPPROTO_TCP, {60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60}},
	{"imix", IPPROTO_UDP, {60, 60, 60, 60, 60, 60, 60, 590, 590, 590, 590, 1514}},
	{},
};

struct rte_ether_addr flow_mac(uint16_t port)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)port}};
}

struct rte_ether_addr flow_router_mac(uint16_t port)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 1, (uint8_t)port}};
}

/* xorshift64*: a few cycles, outside the measured windows */
uint32_t flows_random(struct flows *flows, uint32_t below)
{
	uint64_t x = flows->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	flows->random = x;
	return (uint32_t)(((x * 0x2545f4914f6cdd1du >> 32) * below) >> 32);
}

void flows_create(struct flows *flows, uint32_t n, const struct frames *frames)
{
	size_t bytes = n * sizeof(struct flow);

	flows->flow = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (flows->flow == MAP_FAILED)
		world_die("no memory for the flows");
	flows->n = n;
	flows->frames = frames;
	flows->random = 0x9e3779b97f4a7c15;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t place = (uint32_t)((uint64_t)i * SCATTER % n);

		flows->flow[i] = (struct flow){
			.inside = rte_cpu_to_be_32(SUBSCRIBER_FIRST + 256 +
						   place / SUBSCRIBER_SESSIONS),
			.inside_port =
				rte_cpu_to_be_16((uint16_t)(1024 + place % SUBSCRIBER_SESSIONS)),
			.remote = rte_cpu_to_be_32(RTE_IPV4(45, 0, 0, 0) +
						   flows_random(flows, 1 << 24)),
			.remote_port = rte_cpu_to_be_16((uint16_t)(1 + flows_random(flows, 65535))),
		};
	}
}

void flows_sort_by_home(struct flows *flows, uint32_t home_first[])
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < flows->n && home_workers > 1; i++) {
		if (home_of_subscriber(flows->flow[i].inside) == 0) {
			struct flow other = flows->flow[first];

			flows->flow[first++] = flows->flow[i];
			flows->flow[i] = other;
		}
	}
	home_first[0] = 0;
	home_first[1] = first;
	home_first[home_workers] = flows->n;
}

static void write_transport(const struct frames *frames, uint8_t tcp_flags, uint16_t length,
			    rte_be16_t sport, rte_be16_t dport, void *l4)
{
	if (frames->proto == IPPROTO_TCP) {
		*(struct rte_tcp_hdr *)l4 = (struct rte_tcp_hdr){
			.src_port = sport,
			.dst_port = dport,
			.data_off = sizeof(struct rte_tcp_hdr) / 4 << 4,
			.tcp_flags = tcp_flags,
			.cksum = 0x1234, /* weir changes it by a delta, and does not verify it */
		};
		return;
	}
	*(struct rte_udp_hdr *)l4 = (struct rte_udp_hdr){
		.src_port = sport,
		.dst_port = dport,
		.dgram_len = rte_cpu_to_be_16(length),
		.dgram_cksum = 0x1234,
	};
}

void flow_write(const struct flow *flow, const struct frames *frames, uint32_t direction,
		uint16_t length, uint8_t tcp_flags, struct rte_mbuf *mbuf)
{
	struct rte_ether_hdr *ether;
	struct rte_ipv4_hdr *ip;
	uint16_t port = direction == 0 ? PORT_INSIDE : PORT_OUTSIDE;

	rte_pktmbuf_reset(mbuf);
	mbuf->port = port;
	mbuf->data_len = length;
	mbuf->pkt_len = length;
	ether = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	*ether = (struct rte_ether_hdr){.dst_addr = flow_mac(port),
					.src_addr = flow_router_mac(port),
					.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	ip = (struct rte_ipv4_hdr *)(ether + 1);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(length - sizeof(*ether))),
		.time_to_live = 64,
		.next_proto_id = frames->proto,
		.src_addr = direction == 0 ? flow->inside : flow->remote,
		.dst_addr = direction == 0 ? flow->remote : flow->public,
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	write_transport(frames, tcp_flags, (uint16_t)(length - sizeof(*ether) - sizeof(*ip)),
			direction == 0 ? flow->inside_port : flow->remote_port,
			direction == 0 ? flow->remote_port : flow->public_port, ip + 1);
}

/* ---- what is not plain ---- */

#define FRAGMENT_DATA 32 /* bytes behind each IP header */

static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
}

void flow_write_fragments(const struct flow *flow, const struct frames *frames, uint32_t direction,
			  uint16_t ident, struct rte_mbuf *mbuf[2])
{
	uint16_t length = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + FRAGMENT_DATA;

	for (uint32_t i = 0; i < 2; i++) {
		struct rte_ipv4_hdr *ip = ip_of(mbuf[i]);

		flow_write(flow, frames, direction, length, RTE_TCP_ACK_FLAG, mbuf[i]);
		ip->packet_id = rte_cpu_to_be_16(ident);
		ip->fragment_offset = i == 0 ? RTE_BE16(RTE_IPV4_HDR_MF_FLAG)
					     : RTE_BE16(FRAGMENT_DATA / RTE_IPV4_HDR_OFFSET_UNITS);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	if (frames->proto == IPPROTO_UDP)
		((struct rte_udp_hdr *)(ip_of(mbuf[0]) + 1))->dgram_len =
			RTE_BE16(2 * FRAGMENT_DATA);
}

void flow_write_error(const struct flow *flow, const struct frames *frames, uint32_t direction,
		      struct rte_mbuf *mbuf)
{
	struct error {
		struct rte_icmp_hdr icmp;
		struct rte_ipv4_hdr ip;
		rte_be16_t sport, dport;
		uint32_t rest; /* of the 8 bytes that RFC 792 quotes */
	} __rte_packed *error;
	uint16_t length = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + sizeof(*error);
	struct rte_ipv4_hdr *ip = ip_of(mbuf);

	flow_write(flow, frames, direction, length, 0, mbuf);
	ip->next_proto_id = IPPROTO_ICMP;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	error = (struct error *)(ip + 1);
	*error = (struct error){
		.icmp = {.icmp_type = 3, .icmp_code = 3},
		.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		       .total_length = RTE_BE16(46),
		       .time_to_live = 60,
		       .next_proto_id = frames->proto,
		       .src_addr = ip->dst_addr,
		       .dst_addr = ip->src_addr},
		.sport = direction == 0 ? flow->remote_port : flow->public_port,
		.dport = direction == 0 ? flow->inside_port : flow->remote_port,
	};
	error->ip.hdr_checksum = rte_ipv4_cksum(&error->ip);
	error->icmp.icmp_cksum = (uint16_t)~rte_raw_cksum(error, sizeof(*error));
}

/* ---- opening ---- */

/* Learns the public side of a flow that is open. */
static void learn(struct flow *flow, const struct flows *flows, const struct worker *worker)
{
	struct tuple key = {.src = flow->inside,
			    .dst = flow->remote,
			    .sport = flow->inside_port,
			    .dport = flow->remote_port,
			    .proto_realm = proto_realm(flows->frames->proto, 1)};
	uint8_t direction;
	const struct session *session =
		session_find(worker->nat->sessions, &key, tuple_hash(&key), &direction);

	if (session == NULL)
		world_die("a flow has no session");
	flow->public = session->tuple[1].dst;
	flow->public_port = session->tuple[1].dport;
}

/* One frame of each of up to a burst of flows. */
static void send_one_each(const struct flows *flows, const struct world *world,
			  struct worker *worker, uint32_t from, uint32_t n, uint32_t direction,
			  uint8_t tcp_flags)
{
	struct rte_mbuf *mbuf[BURST_MAX];

	if (rte_pktmbuf_alloc_bulk(worker->buffers, mbuf, n) != 0)
		world_die("out of packet buffers");
	for (uint32_t i = 0; i < n; i++)
		flow_write(&flows->flow[from + i], flows->frames, direction, 60, tcp_flags,
			   mbuf[i]);
	pipeline_run(worker->pipeline, mbuf, n);
	rte_pktmbuf_free_bulk(mbuf, n);
	world_poll(world, worker);
}

void flows_open(const struct flows *flows, const struct world *world, struct worker *worker,
		uint32_t from, uint32_t to)
{
	uint64_t sent = worker->stats.verdict[VERDICT_TRANSLATED];

	for (uint32_t i = from; i < to; i += BURST_MAX) {
		uint32_t n = RTE_MIN(to - i, (uint32_t)BURST_MAX);

		send_one_each(flows, world, worker, i, n, 0, RTE_TCP_SYN_FLAG);
		for (uint32_t j = i; j < i + n; j++)
			learn(&flows->flow[j], flows, worker);
		send_one_each(flows, world, worker, i, n, 1, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG);
		send_one_each(flows, world, worker, i, n, 0, RTE_TCP_ACK_FLAG);
	}
	if (worker->stats.verdict[VERDICT_TRANSLATED] - sent != 3ull * (to - from))
		world_die("not every flow could be opened");
}
