/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
#include "packet.h"

#define IP_OPTION_END           0
#define IP_OPTION_NOP           1
#define IP_OPTION_LOOSE_SOURCE  131
#define IP_OPTION_STRICT_SOURCE 137

bool packet_is_host(rte_be32_t source)
{
	uint8_t first = *(const uint8_t *)&source;

	/* not 0/8, 127/8, 224/4, 240/4, 255.255.255.255 */
	return (uint8_t)(first - 1) < 223 && first != 127;
}

static bool ip_checksum_ok(const void *header, uint32_t length)
{
	return checksum_fold(checksum_sum(header, length)) == 0xffff;
}

/* The same of a header without options. */
static inline bool plain_checksum_ok(const struct rte_ipv4_hdr *ip)
{
	uint64_t words[2];

	memcpy(words, ip, sizeof(words));
	return checksum_fold((words[0] & UINT32_MAX) + (words[0] >> 32) + (words[1] & UINT32_MAX) +
			     (words[1] >> 32) + ip->dst_addr) == 0xffff;
}

/* Whether a frame is for this MAC. Two bytes more of both are read: both have them. */
static inline bool is_mac(const struct rte_ether_hdr *ether, const struct packet_source *source)
{
	uint64_t wanted, found;

	_Static_assert(offsetof(struct packet_source, mac) == 0, "read as a word");
	memcpy(&wanted, source, sizeof(wanted));
	memcpy(&found, ether, sizeof(found));
	return (wanted ^ found) << 16 == 0;
}

/* The tuple of a packet that has ports, which its transport header begins with, and its hash: made
 * as two words, for what is written in small pieces cannot be read in large ones at once. */
static inline void set_tuple(struct packet *p, const struct rte_ipv4_hdr *ip, const void *l4,
			     uint32_t realm)
{
	uint64_t addresses, rest;
	uint32_t ports;

	memcpy(&addresses, &ip->src_addr, sizeof(addresses));
	memcpy(&ports, l4, sizeof(ports));
	rest = ports | (uint64_t)proto_realm(ip->next_proto_id, realm) << 32;
	memcpy(&p->tuple, &addresses, sizeof(addresses));
	memcpy(&p->tuple.sport, &rest, sizeof(rest));
	p->hash = tuple_hash_words(addresses, rest);
}

static void set_addresses(struct packet *p, const struct rte_ipv4_hdr *ip, uint32_t realm)
{
	p->tuple = (struct tuple){.src = ip->src_addr,
				  .dst = ip->dst_addr,
				  .proto_realm = proto_realm(ip->next_proto_id, realm)};
}

static inline uint32_t header_length(const struct rte_ipv4_hdr *ip)
{
	return (ip->version_ihl & 0xfu) * 4;
}

/* Walks the options: VERDICT_COUNT when they may pass. */
static enum verdict check_options(const struct rte_ipv4_hdr *ip)
{
	const uint8_t *option = (const uint8_t *)(ip + 1);
	const uint8_t *end = (const uint8_t *)ip + header_length(ip);

	while (option < end && *option != IP_OPTION_END) {
		if (*option == IP_OPTION_NOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return VERDICT_BAD_IP_HEADER;
		if (*option == IP_OPTION_LOOSE_SOURCE || *option == IP_OPTION_STRICT_SOURCE)
			return VERDICT_SOURCE_ROUTED;
		option += option[1];
	}
	return VERDICT_COUNT;
}

static bool icmp_is_query(uint8_t type)
{
	return type == ICMP_ECHO || type == ICMP_ECHOREPLY || type == ICMP_TIMESTAMP ||
	       type == ICMP_TIMESTAMPREPLY;
}

static bool icmp_is_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

/* The ports of an ICMP query: the identifier on the side that asks (tuple.h). */
static bool icmp_query_ports(const struct rte_icmp_hdr *icmp, struct tuple *tuple)
{
	bool timestamp =
		icmp->icmp_type == ICMP_TIMESTAMP || icmp->icmp_type == ICMP_TIMESTAMPREPLY;
	bool request = icmp->icmp_type == ICMP_ECHO || icmp->icmp_type == ICMP_TIMESTAMP;
	rte_be16_t other = timestamp ? TUPLE_TIMESTAMP : 0;

	tuple->sport = request ? icmp->icmp_ident : other;
	tuple->dport = request ? other : icmp->icmp_ident;
	return request;
}

/*
 * The quoted packet of an ICMP error (RFC 5508 REQ-3): its header and 8 transport bytes must be
 * there, its IP checksum right; its transport checksum is not looked at. Errors are sent to who
 * sent what they quote: others are forged. The tuple is its inverse.
 */
static void parse_error(struct packet *p, uint32_t realm)
{
	uint32_t end = RTE_MIN((uint32_t)p->l3 + p->length, rte_pktmbuf_data_len(p->mbuf));
	uint32_t quote = p->l4 + sizeof(struct rte_icmp_hdr);
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_ipv4_hdr *, quote);
	const rte_be16_t *ports;
	uint32_t l4;
	struct tuple quoted;

	if (end < quote + sizeof(*ip) || ip->version_ihl >> 4 != 4 ||
	    header_length(ip) < sizeof(*ip) || end < quote + header_length(ip) + 8 ||
	    !ip_checksum_ok(ip, header_length(ip)) ||
	    (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0 ||
	    ip->src_addr != p->tuple.dst)
		return packet_refuse(p, VERDICT_BAD_QUOTE);
	l4 = quote + header_length(ip);
	quoted = (struct tuple){.src = ip->src_addr,
				.dst = ip->dst_addr,
				.proto_realm = proto_realm(ip->next_proto_id, realm)};
	ports = rte_pktmbuf_mtod_offset(p->mbuf, const rte_be16_t *, l4);
	if (ip->next_proto_id == IPPROTO_TCP || ip->next_proto_id == IPPROTO_UDP) {
		quoted.sport = ports[0];
		quoted.dport = ports[1];
	} else if (ip->next_proto_id == IPPROTO_ICMP) {
		if (!icmp_is_query(*(const uint8_t *)ports))
			return packet_refuse(p, VERDICT_BAD_QUOTE);
		icmp_query_ports((const struct rte_icmp_hdr *)ports, &quoted);
	}
	p->tuple = tuple_inverse(&quoted, realm);
	p->quote = (uint16_t)quote;
	p->quote_l4 = (uint16_t)l4;
	p->kind = PACKET_ERROR;
}

static void parse_icmp(struct packet *p, uint32_t l4_have, uint32_t l4_length, uint32_t realm)
{
	const struct rte_icmp_hdr *icmp =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_icmp_hdr *, p->l4);

	if (l4_length < sizeof(*icmp))
		return packet_refuse(p, VERDICT_BAD_TRANSPORT);
	if (l4_have < sizeof(*icmp))
		return packet_refuse(p, VERDICT_TRUNCATED);
	if (icmp_is_query(icmp->icmp_type)) {
		if (icmp_query_ports(icmp, &p->tuple))
			p->flags |= PACKET_REQUEST;
		return;
	}
	if (!icmp_is_error(icmp->icmp_type))
		return packet_refuse(p, VERDICT_UNKNOWN_ICMP);
	/* RFC 5508 REQ-3: an error's checksum is verified before it is used */
	if (!checksum_mbuf_ok(p->mbuf, p->l4, l4_length))
		return packet_refuse(p, VERDICT_BAD_ICMP_CHECKSUM);
	parse_error(p, realm);
}

/* TCP's header, which is in the first segment. False: refused. */
static inline bool parse_tcp(struct packet *p, const struct rte_tcp_hdr *tcp, uint32_t l4_length)
{
	/* by the flags FIN, SYN, RST, PSH, ACK; 0: no TCP sends this */
	static const uint8_t events[32] = {
		[0x10] = TCP_EVENT_ACK, [0x18] = TCP_EVENT_ACK,    [0x02] = TCP_EVENT_SYN,
		[0x0a] = TCP_EVENT_SYN, [0x12] = TCP_EVENT_SYNACK, [0x1a] = TCP_EVENT_SYNACK,
		[0x11] = TCP_EVENT_FIN, [0x19] = TCP_EVENT_FIN,    [0x04] = TCP_EVENT_RST,
		[0x14] = TCP_EVENT_RST, [0x0c] = TCP_EVENT_RST,    [0x1c] = TCP_EVENT_RST,
	};

	if (unlikely(tcp->data_off >> 4 < 5 || (tcp->data_off >> 4) * 4u > l4_length)) {
		packet_refuse(p, VERDICT_BAD_TRANSPORT);
		return false;
	}
	p->tcp_event = events[tcp->tcp_flags & 0x1f];
	if (unlikely(p->tcp_event == TCP_EVENT_NONE)) {
		packet_refuse(p, VERDICT_BAD_TCP_FLAGS);
		return false;
	}
	return true;
}

/* The header of UDP or TCP, which must lie in the first segment. False: refused. */
static inline bool parse_transport(struct packet *p, const struct rte_ipv4_hdr *ip, const void *l4,
				   uint32_t l4_have, uint32_t l4_length)
{
	const struct rte_udp_hdr *udp = l4;
	bool is_udp = ip->next_proto_id == IPPROTO_UDP;
	uint32_t header = is_udp ? sizeof(struct rte_udp_hdr) : sizeof(struct rte_tcp_hdr);
	uint32_t length;

	if (unlikely(l4_have < header || l4_length < header)) {
		packet_refuse(p, l4_length < header ? VERDICT_BAD_TRANSPORT : VERDICT_TRUNCATED);
		return false;
	}
	if (!is_udp)
		return parse_tcp(p, l4, l4_length);
	length = rte_be_to_cpu_16(udp->dgram_len);
	if (unlikely(length < header || length > l4_length)) {
		packet_refuse(p, VERDICT_BAD_TRANSPORT);
		return false;
	}
	return true;
}

/* What is not IPv4 to our own MAC. */
static void parse_other(struct packet *p, const struct rte_ether_hdr *ether, bool to_us)
{
	bool group = rte_is_multicast_ether_addr(&ether->dst_addr);

	if (!to_us && !group)
		return packet_refuse(p, VERDICT_OTHER_HOST);
	if (group)
		p->flags |= PACKET_LINK_BROADCAST;
	if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		p->kind = PACKET_ARP;
	else if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		packet_refuse(p, VERDICT_LINK_BROADCAST);
	else
		packet_refuse(p, VERDICT_NOT_IPV4);
}

/* Headers that few packets have: options, fragments. True: go on with the transport header. */
static bool parse_unusual(struct packet *p, const struct rte_ipv4_hdr *ip, uint32_t ip_header)
{
	enum verdict verdict;

	if (ip->version_ihl >> 4 != 4 || ip_header < sizeof(*ip)) {
		packet_refuse(p, VERDICT_BAD_IP_HEADER);
		return false;
	}
	if ((uint32_t)p->l3 + ip_header > rte_pktmbuf_data_len(p->mbuf)) {
		packet_refuse(p, VERDICT_TRUNCATED);
		return false;
	}
	if (ip_header > sizeof(*ip)) {
		p->flags |= PACKET_OPTIONS;
		verdict = check_options(ip);
		if (verdict != VERDICT_COUNT) {
			packet_refuse(p, verdict);
			return false;
		}
	}
	return true;
}

/* A TCP header that a first fragment has only in part: RFC 1858 3. */
static bool cuts_tcp(const struct packet *p, uint32_t l4_length)
{
	const struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_tcp_hdr *, p->l4);

	return l4_length < sizeof(*tcp) || (tcp->data_off >> 4) * 4u > l4_length;
}

/* The transport header of a first fragment. Fragments but the last have at least 8 bytes. */
static void parse_first(struct packet *p, const struct rte_ipv4_hdr *ip, uint32_t l4_length)
{
	uint32_t realm = tuple_realm(&p->tuple);
	const struct rte_udp_hdr *udp =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_udp_hdr *, p->l4);
	const struct rte_icmp_hdr *icmp = (const struct rte_icmp_hdr *)udp;

	switch (ip->next_proto_id) {
	case IPPROTO_UDP:
		if (rte_be_to_cpu_16(udp->dgram_len) <= l4_length)
			return packet_refuse(p, VERDICT_BAD_TRANSPORT);
		return set_tuple(p, ip, udp, realm);
	case IPPROTO_TCP:
		if (cuts_tcp(p, l4_length))
			return packet_refuse(p, VERDICT_FRAGMENT_TINY);
		if (parse_tcp(p, (const void *)udp, l4_length))
			set_tuple(p, ip, udp, realm);
		return;
	case IPPROTO_ICMP:
		if (icmp_is_error(icmp->icmp_type)) /* its checksum cannot be verified */
			return packet_refuse(p, VERDICT_FRAGMENTED_ERROR);
		if (!icmp_is_query(icmp->icmp_type))
			return packet_refuse(p, VERDICT_UNKNOWN_ICMP);
		if (icmp_query_ports(icmp, &p->tuple))
			p->flags |= PACKET_REQUEST;
		break;
	case IPPROTO_GRE:
		packet_parse_call(p, l4_length, &p->tuple.dport);
		break;
	}
	p->hash = tuple_hash(&p->tuple);
}

/* GRE that may be of a PPTP call. */
static bool reads_calls(const struct packet *p)
{
	return tuple_proto(&p->tuple) == IPPROTO_GRE &&
	       __atomic_load_n(&packet_reads_calls, __ATOMIC_RELAXED);
}

/* Known by address alone: one host has the public address, remote and protocol. */
static void parse_portless(struct packet *p, const struct rte_ipv4_hdr *ip, uint32_t l4_have,
			   uint32_t l4_length)
{
	p->flags |= PACKET_IDENT_STAYS;
	if (!packet_covers_addresses(ip->next_proto_id))
		return;
	if (l4_length < sizeof(struct rte_udp_hdr))
		return packet_refuse(p, VERDICT_BAD_TRANSPORT);
	if (l4_have < sizeof(struct rte_udp_hdr))
		return packet_refuse(p, VERDICT_TRUNCATED);
}

/* A fragment. Of the first, all that a whole packet has; of another, no ports and no hash. */
static void parse_fragment(struct packet *p, const struct rte_ipv4_hdr *ip, uint32_t l4_have,
			   uint32_t l4_length, uint32_t realm)
{
	uint32_t flags = rte_be_to_cpu_16(ip->fragment_offset);
	uint32_t offset = (flags & RTE_IPV4_HDR_OFFSET_MASK) * 8;
	bool more = (flags & RTE_IPV4_HDR_MF_FLAG) != 0;
	uint8_t protocol = ip->next_proto_id;

	set_addresses(p, ip, realm);
	if (l4_length == 0 || (more && l4_length % 8 != 0) || offset + p->length > UINT16_MAX)
		return packet_refuse(p, VERDICT_BAD_FRAGMENT);
	/* nothing to look for: it goes by itself */
	if (!tuple_has_ports(&p->tuple) && !reads_calls(p)) {
		p->flags |= PACKET_IDENT_STAYS;
		p->hash = tuple_hash(&p->tuple);
		if (offset == 0)
			parse_portless(p, ip, l4_have, l4_length);
		return;
	}
	p->kind = PACKET_FRAGMENT;
	p->flags |= PACKET_FRAGMENT_ANY;
	if (offset == 0) {
		if (l4_have < RTE_MIN(l4_length, sizeof(struct rte_tcp_hdr)))
			return packet_refuse(p, VERDICT_TRUNCATED);
		return parse_first(p, ip, l4_length);
	}
	/* what would overwrite a TCP header's flags: RFC 3128 */
	if (protocol == IPPROTO_TCP && offset < sizeof(struct rte_tcp_hdr))
		return packet_refuse(p, VERDICT_FRAGMENT_TINY);
	p->flags |= PACKET_LATER;
}

void packet_parse(struct packet *p, const struct packet_source *source)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(p->mbuf, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);
	uint32_t have = rte_pktmbuf_data_len(p->mbuf);
	uint32_t ip_header;
	bool to_us;

	p->kind = PACKET_QUERY;
	p->verdict = 0; /* the four in one store */
	p->flags = 0;
	p->tcp_event = TCP_EVENT_NONE;
	p->session = NULL;
	if (unlikely(have < sizeof(*ether)))
		return packet_refuse(p, VERDICT_TRUNCATED);
	to_us = is_mac(ether, source) ||
		(source->any_mac && !rte_is_multicast_ether_addr(&ether->dst_addr));
	if (unlikely(!to_us || ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return parse_other(p, ether, to_us);
	if (unlikely(have < sizeof(*ether) + sizeof(*ip)))
		return packet_refuse(p, VERDICT_TRUNCATED);

	p->l3 = sizeof(*ether);
	p->length = rte_be_to_cpu_16(ip->total_length);
	ip_header = sizeof(*ip);
	if (unlikely(ip->version_ihl != RTE_IPV4_VHL_DEF)) {
		ip_header = header_length(ip);
		if (!parse_unusual(p, ip, ip_header))
			return;
	}
	if (unlikely(p->length < ip_header))
		return packet_refuse(p, VERDICT_BAD_IP_HEADER);
	if (unlikely(p->l3 + p->length > rte_pktmbuf_pkt_len(p->mbuf)))
		return packet_refuse(p, VERDICT_TRUNCATED);
	if (unlikely(ip_header == sizeof(*ip) ? !plain_checksum_ok(ip)
					      : !ip_checksum_ok(ip, ip_header)))
		return packet_refuse(p, VERDICT_BAD_IP_CHECKSUM);
	p->ttl = ip->time_to_live;
	p->l4 = (uint16_t)(p->l3 + ip_header);
	if (unlikely(!packet_is_host(ip->src_addr)))
		return packet_refuse(p, VERDICT_MARTIAN_SOURCE);
	if (unlikely(!packet_is_host(ip->dst_addr)))
		return packet_refuse(p, VERDICT_MARTIAN_DESTINATION);
	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG))
		p->flags |= PACKET_DF;
	if (unlikely(ip->fragment_offset &
		     RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)))
		return parse_fragment(p, ip, have - p->l4, p->length - ip_header, source->realm);

	if (likely(ip->next_proto_id == IPPROTO_UDP || ip->next_proto_id == IPPROTO_TCP)) {
		const uint8_t *l4 = (const uint8_t *)ip + ip_header;

		if (likely(parse_transport(p, ip, l4, have - p->l4, p->length - ip_header)))
			set_tuple(p, ip, l4, source->realm);
		return;
	}
	set_addresses(p, ip, source->realm);
	if (ip->next_proto_id == IPPROTO_ICMP)
		parse_icmp(p, have - p->l4, p->length - ip_header, source->realm);
	else if (!reads_calls(p) ||
		 !packet_parse_call(p, RTE_MIN(have - p->l4, (uint32_t)p->length - ip_header),
				    &p->tuple.dport))
		parse_portless(p, ip, have - p->l4, p->length - ip_header);
	p->hash = tuple_hash(&p->tuple);
}
