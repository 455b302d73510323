/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_arp.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "generator.h"

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
uint32_t frame_size(uint32_t sequence)
{
	static const uint16_t imix[12] = {60, 566, 60, 60, 566, 60, 60, 566, 60, 1514, 566, 60};

	return generator.size != 0 ? generator.size : imix[sequence % 12];
}

void frame_fill(struct rte_mbuf *frame, uint16_t port, const struct side *side, uint32_t size,
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

void arp_take(uint16_t port, const struct rte_mbuf *frame)
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

void arp_ask(uint16_t port)
{
	static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

	send_arp(port, RTE_ARP_OP_REQUEST, generator.peer_address[port] ^ RTE_BE32(3),
		 generator.peer_address[port], &broadcast);
}
