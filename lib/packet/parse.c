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

#define L3 RTE_ETHER_HDR_LEN /* where the IP header is */

#define IP_OPTION_END           0
#define IP_OPTION_NOP           1
#define IP_OPTION_LOOSE_SOURCE  131
#define IP_OPTION_STRICT_SOURCE 137

/* By an address' first octet: not 0/8, 127/8, 224/4, 240/4, 255.255.255.255 */
static const bool host_octet[256] = {[1 ... 126] = true, [128 ... 223] = true};

bool packet_is_host(rte_be32_t source)
{
	return host_octet[(uint8_t)source];
}

/* DPDK's is assembly, which the compiler cannot see through. */
static inline uint16_t get16(rte_be16_t value)
{
	return __builtin_bswap16(value);
}

/* Their sum is 0, which in one's complement every multiple of 0xffff is; a header is never all
 * zeros. */
static inline bool ip_checksum_ok(const void *header, uint32_t length)
{
	return checksum_sum(header, length) % 0xffff == 0;
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

/* The ports that a transport header begins with, as they lie there. */
static inline uint32_t ports_of(const void *l4)
{
	uint32_t ports;

	memcpy(&ports, l4, sizeof(ports));
	return ports;
}

/* The tuple of a packet that has ports, and its hash: made as two words, for what is written in
 * small pieces cannot be read in large ones at once. */
static inline void set_tuple(struct packet *p, const struct rte_ipv4_hdr *ip, uint32_t ports,
			     uint32_t realm)
{
	uint64_t addresses, rest;

	memcpy(&addresses, &ip->src_addr, sizeof(addresses));
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

static inline bool icmp_is_query(uint8_t type)
{
	const uint32_t queries = 1u << ICMP_ECHO | 1u << ICMP_ECHOREPLY | 1u << ICMP_TIMESTAMP |
				 1u << ICMP_TIMESTAMPREPLY;

	return type < 32 && (queries >> type & 1) != 0;
}

static bool icmp_is_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

/* The ports of an ICMP query, as ports_of() gives others': the identifier on the side that asks
 * (tuple.h). */
static inline uint32_t icmp_query_ports(const struct rte_icmp_hdr *icmp)
{
	uint32_t other = icmp->icmp_type >= ICMP_TIMESTAMP ? TUPLE_TIMESTAMP : 0;
	uint32_t ports = icmp->icmp_ident | other << 16;

	return packet_is_request(icmp) ? ports : ports << 16 | ports >> 16;
}

/*
 * The quoted packet of an ICMP error (RFC 5508 REQ-3): its header and 8 transport bytes must be
 * there, its IP checksum right; its transport checksum is not looked at. Errors are sent to who
 * sent what they quote: others are forged. The tuple is its inverse.
 */
static void parse_error(struct packet *p, rte_be32_t destination, uint32_t realm)
{
	uint32_t end = RTE_MIN((uint32_t)p->l3 + p->length, rte_pktmbuf_data_len(p->mbuf));
	uint32_t quote = p->l4 + sizeof(struct rte_icmp_hdr);
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_ipv4_hdr *, quote);
	const void *header;
	uint32_t l4, ports = 0;
	struct tuple quoted;

	if (end < quote + sizeof(*ip) || ip->version_ihl >> 4 != 4 ||
	    header_length(ip) < sizeof(*ip) || end < quote + header_length(ip) + 8 ||
	    !ip_checksum_ok(ip, header_length(ip)) ||
	    (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0 ||
	    ip->src_addr != destination)
		return packet_refuse(p, VERDICT_BAD_QUOTE);
	l4 = quote + header_length(ip);
	quoted = (struct tuple){.src = ip->src_addr,
				.dst = ip->dst_addr,
				.proto_realm = proto_realm(ip->next_proto_id, realm)};
	header = rte_pktmbuf_mtod_offset(p->mbuf, const void *, l4);
	if (ip->next_proto_id == IPPROTO_TCP || ip->next_proto_id == IPPROTO_UDP) {
		ports = ports_of(header);
	} else if (ip->next_proto_id == IPPROTO_ICMP) {
		if (!icmp_is_query(*(const uint8_t *)header))
			return packet_refuse(p, VERDICT_BAD_QUOTE);
		ports = icmp_query_ports(header);
	}
	memcpy(&quoted.sport, &ports, sizeof(ports));
	p->tuple = tuple_inverse(&quoted, realm);
	p->hash = tuple_hash(&p->tuple);
	p->quote = (uint16_t)quote;
	p->quote_l4 = (uint16_t)l4;
	p->kind = PACKET_ERROR;
}

static inline void set_query(struct packet *p, const struct rte_ipv4_hdr *ip,
			     const struct rte_icmp_hdr *icmp, uint32_t realm)
{
	set_tuple(p, ip, icmp_query_ports(icmp), realm);
	p->flags |= packet_is_request(icmp) ? PACKET_REQUEST : 0;
}

static void parse_icmp(struct packet *p, const struct rte_ipv4_hdr *ip, uint32_t l4_have,
		       uint32_t l4_length, uint32_t realm)
{
	const struct rte_icmp_hdr *icmp =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_icmp_hdr *, p->l4);

	if (l4_length < sizeof(*icmp))
		return packet_refuse(p, VERDICT_BAD_TRANSPORT);
	if (l4_have < sizeof(*icmp))
		return packet_refuse(p, VERDICT_TRUNCATED);
	if (likely(icmp_is_query(icmp->icmp_type)))
		return set_query(p, ip, icmp, realm);
	if (!icmp_is_error(icmp->icmp_type))
		return packet_refuse(p, VERDICT_UNKNOWN_ICMP);
	/* RFC 5508 REQ-3: an error's checksum is verified before it is used */
	if (!checksum_mbuf_ok(p->mbuf, p->l4, l4_length))
		return packet_refuse(p, VERDICT_BAD_ICMP_CHECKSUM);
	parse_error(p, ip->dst_addr, realm);
}

/* What TCP's header says, which is there. False: refused. */
static inline bool check_tcp(struct packet *p, const struct rte_tcp_hdr *tcp, uint32_t l4_length)
{
	/* by the flags FIN, SYN, RST, PSH, ACK; 0: no TCP sends this */
	static const uint8_t events[32] = {
		[0x10] = TCP_EVENT_ACK, [0x18] = TCP_EVENT_ACK,    [0x02] = TCP_EVENT_SYN,
		[0x0a] = TCP_EVENT_SYN, [0x12] = TCP_EVENT_SYNACK, [0x1a] = TCP_EVENT_SYNACK,
		[0x11] = TCP_EVENT_FIN, [0x19] = TCP_EVENT_FIN,    [0x04] = TCP_EVENT_RST,
		[0x14] = TCP_EVENT_RST, [0x0c] = TCP_EVENT_RST,    [0x1c] = TCP_EVENT_RST,
	};
	uint32_t header = tcp->data_off >> 2 & 0x3c;

	if (unlikely(header < sizeof(*tcp) || header > l4_length)) {
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

/* Whether so much of a transport header is in the first segment; if not, refused. */
static inline bool check_there(struct packet *p, uint32_t header, uint32_t l4_have,
			       uint32_t l4_length)
{
	if (likely(l4_have >= header))
		return true;
	packet_refuse(p, l4_length < header ? VERDICT_BAD_TRANSPORT : VERDICT_TRUNCATED);
	return false;
}

/* That `l4_length` is a header's at the least follows from the length that the header tells. */
static inline void parse_udp(struct packet *p, const struct rte_ipv4_hdr *ip, const void *l4,
			     uint32_t l4_have, uint32_t l4_length, uint32_t realm)
{
	const struct rte_udp_hdr *udp = l4;
	uint32_t length;

	if (!check_there(p, sizeof(*udp), l4_have, l4_length))
		return;
	length = get16(udp->dgram_len);
	if (unlikely(length < sizeof(*udp) || length > l4_length))
		return packet_refuse(p, VERDICT_BAD_TRANSPORT);
	set_tuple(p, ip, ports_of(l4), realm);
}

/* Likewise. */
static inline void parse_tcp(struct packet *p, const struct rte_ipv4_hdr *ip, const void *l4,
			     uint32_t l4_have, uint32_t l4_length, uint32_t realm)
{
	if (check_there(p, sizeof(struct rte_tcp_hdr), l4_have, l4_length) &&
	    check_tcp(p, l4, l4_length))
		set_tuple(p, ip, ports_of(l4), realm);
}

static inline bool is_to_us(const struct rte_ether_hdr *ether, const struct packet_source *source)
{
	return likely(is_mac(ether, source)) ||
	       (source->any_mac && !rte_is_multicast_ether_addr(&ether->dst_addr));
}

/* What is not IPv4 to our own MAC, or too short to be. */
static __rte_noinline void parse_other(struct packet *p, const struct packet_source *source)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(p->mbuf, const struct rte_ether_hdr *);
	bool group, to_us;

	if (rte_pktmbuf_data_len(p->mbuf) < sizeof(*ether))
		return packet_refuse(p, VERDICT_TRUNCATED);
	group = rte_is_multicast_ether_addr(&ether->dst_addr);
	to_us = is_to_us(ether, source);
	if (!to_us && !group)
		return packet_refuse(p, VERDICT_OTHER_HOST);
	if (group)
		p->flags |= PACKET_LINK_BROADCAST;
	if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		p->kind = PACKET_ARP;
	else if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		packet_refuse(p, to_us ? VERDICT_TRUNCATED : VERDICT_LINK_BROADCAST);
	else
		packet_refuse(p, VERDICT_NOT_IPV4);
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
		return set_tuple(p, ip, ports_of(udp), realm);
	case IPPROTO_TCP:
		if (cuts_tcp(p, l4_length))
			return packet_refuse(p, VERDICT_FRAGMENT_TINY);
		if (check_tcp(p, (const void *)udp, l4_length))
			set_tuple(p, ip, ports_of(udp), realm);
		return;
	case IPPROTO_ICMP:
		if (icmp_is_error(icmp->icmp_type)) /* its checksum cannot be verified */
			return packet_refuse(p, VERDICT_FRAGMENTED_ERROR);
		if (!icmp_is_query(icmp->icmp_type))
			return packet_refuse(p, VERDICT_UNKNOWN_ICMP);
		return set_query(p, ip, icmp, realm);
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
static __rte_noinline void parse_fragment(struct packet *p, const struct rte_ipv4_hdr *ip,
					  uint32_t l4_have, uint32_t l4_length, uint32_t realm)
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

/* ICMP, and protocols that have no ports. */
static __rte_noinline void parse_without_ports(struct packet *p, const struct rte_ipv4_hdr *ip,
					       uint32_t l4_have, uint32_t l4_length, uint32_t realm)
{
	if (likely(ip->next_proto_id == IPPROTO_ICMP))
		return parse_icmp(p, ip, l4_have, l4_length, realm);
	set_addresses(p, ip, realm);
	if (!reads_calls(p) || !packet_parse_call(p, RTE_MIN(l4_have, l4_length), &p->tuple.dport))
		parse_portless(p, ip, l4_have, l4_length);
	p->hash = tuple_hash(&p->tuple);
}

/* An IP header of `ip_header` bytes, which are there, and what follows. Compiled once for those
 * without options, whose length it knows. */
static __rte_always_inline void parse_ipv4(struct packet *p, const struct rte_ipv4_hdr *ip,
					   uint32_t ip_header, uint32_t have, uint32_t realm)
{
	const uint8_t *l4 = (const uint8_t *)ip + ip_header;
	uint32_t length = get16(ip->total_length);
	uint32_t l4_have, l4_length;

	p->length = (uint16_t)length;
	if (unlikely(length < ip_header))
		return packet_refuse(p, VERDICT_BAD_IP_HEADER);
	if (unlikely(L3 + length > rte_pktmbuf_pkt_len(p->mbuf)))
		return packet_refuse(p, VERDICT_TRUNCATED);
	if (unlikely(!ip_checksum_ok(ip, ip_header)))
		return packet_refuse(p, VERDICT_BAD_IP_CHECKSUM);
	p->l3 = L3;
	p->l4 = (uint16_t)(L3 + ip_header);
	p->ttl = ip->time_to_live;
	if (unlikely(!packet_is_host(ip->src_addr)))
		return packet_refuse(p, VERDICT_MARTIAN_SOURCE);
	if (unlikely(!packet_is_host(ip->dst_addr)))
		return packet_refuse(p, VERDICT_MARTIAN_DESTINATION);
	p->flags |= ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG) ? PACKET_DF : 0;
	l4_have = have - (L3 + ip_header);
	l4_length = length - ip_header;
	if (unlikely(ip->fragment_offset &
		     RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)))
		return parse_fragment(p, ip, l4_have, l4_length, realm);
	switch (ip->next_proto_id) {
	case IPPROTO_UDP:
		return parse_udp(p, ip, l4, l4_have, l4_length, realm);
	case IPPROTO_TCP:
		return parse_tcp(p, ip, l4, l4_have, l4_length, realm);
	default:
		return parse_without_ports(p, ip, l4_have, l4_length, realm);
	}
}

/* Its IP header is not the usual one of 20 bytes. */
static __rte_noinline void parse_unusual(struct packet *p, const struct rte_ipv4_hdr *ip,
					 uint32_t have, uint32_t realm)
{
	uint32_t ip_header = header_length(ip);
	enum verdict verdict;

	if (ip->version_ihl >> 4 != 4 || ip_header < sizeof(*ip))
		return packet_refuse(p, VERDICT_BAD_IP_HEADER);
	if (L3 + ip_header > have)
		return packet_refuse(p, VERDICT_TRUNCATED);
	p->flags |= PACKET_OPTIONS;
	verdict = check_options(ip);
	if (verdict != VERDICT_COUNT)
		return packet_refuse(p, verdict);
	parse_ipv4(p, ip, ip_header, have, realm);
}

void packet_parse(struct packet *p, const struct packet_source *source)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(p->mbuf, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);
	uint32_t have = rte_pktmbuf_data_len(p->mbuf);

	p->kind = PACKET_QUERY;
	p->verdict = 0; /* the four in one store */
	p->flags = 0;
	p->tcp_event = TCP_EVENT_NONE;
	p->session = NULL;
	if (unlikely(have < sizeof(*ether) + sizeof(*ip) || !is_to_us(ether, source) ||
		     ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return parse_other(p, source);
	if (unlikely(ip->version_ihl != RTE_IPV4_VHL_DEF))
		return parse_unusual(p, ip, have, source->realm);
	parse_ipv4(p, ip, sizeof(*ip), have, source->realm);
}
