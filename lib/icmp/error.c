/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include <rte_random.h>

#include "checksum.h"
#include "icmp.h"

#define DATAGRAM_MAX 576  /* RFC 1812 4.3.2.3 */
#define ERROR_TOS    0xc0 /* precedence 6, internetwork control: RFC 1812 4.3.2.5 */
#define ERROR_TTL    64   /* RFC 1812 4.3.2.2: not the refused packet's */

/* An ICMP error up to its quote: RFC 792, RFC 1191 section 4. */
struct error_header {
	struct rte_ipv4_hdr ip;
	uint8_t type, code;
	rte_be16_t checksum;
	rte_be16_t unused;
	rte_be16_t mtu; /* type 3 code 4 only */
} __rte_packed;

#define ICMP_LENGTH (sizeof(struct error_header) - sizeof(struct rte_ipv4_hdr))
#define QUOTE_MAX   (DATAGRAM_MAX - sizeof(struct error_header))

static const struct {
	uint8_t type, code;
} errors[ANSWER_COUNT] = {
	[ANSWER_NET_UNREACHABLE] = {ICMP_DEST_UNREACH, ICMP_NET_UNREACH},
	[ANSWER_HOST_UNREACHABLE] = {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH},
	[ANSWER_PROTOCOL_UNREACHABLE] = {ICMP_DEST_UNREACH, ICMP_PROT_UNREACH},
	[ANSWER_PORT_UNREACHABLE] = {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH},
	[ANSWER_ADMIN_PROHIBITED] = {ICMP_DEST_UNREACH, ICMP_PKT_FILTERED},
	[ANSWER_FRAGMENTATION_NEEDED] = {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED},
	[ANSWER_TTL_EXCEEDED] = {ICMP_TIME_EXCEEDED, ICMP_EXC_TTL},
};

/* Types that are known to be no errors; any other may be one. */
static bool is_query(uint8_t type)
{
	switch (type) {
	case ICMP_ECHO:
	case ICMP_ECHOREPLY:
	case ICMP_ROUTERADVERT:
	case ICMP_ROUTERSOLICIT:
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REQUEST:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESS:
	case ICMP_ADDRESSREPLY:
		return true;
	default:
		return false;
	}
}

static bool is_icmp_query(const struct packet *p)
{
	uint8_t copy;
	const uint8_t *type = rte_pktmbuf_read(p->mbuf, p->l4, sizeof(copy), &copy);

	return type != NULL && p->l4 < p->l3 + p->length && is_query(*type);
}

bool icmp_error_allowed(const struct packet *p)
{
	const struct rte_ipv4_hdr *ip = packet_ip(p);

	if ((p->flags & PACKET_LINK_BROADCAST) != 0)
		return false;
	/* as a destination too: 0 is an old form of broadcast, and errors about the rest help no
	 * one */
	if (!packet_is_host(ip->src_addr) || !packet_is_host(ip->dst_addr))
		return false;
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return false;
	return ip->next_proto_id != IPPROTO_ICMP || is_icmp_query(p);
}

static void write_ip(struct rte_ipv4_hdr *ip, uint16_t length, rte_be32_t from, rte_be32_t to)
{
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = ERROR_TOS,
		.total_length = rte_cpu_to_be_16(length),
		.packet_id = (rte_be16_t)rte_rand(),
		.time_to_live = ERROR_TTL,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = from,
		.dst_addr = to,
	};
	ip->hdr_checksum = (uint16_t)~checksum_fold(checksum_sum(ip, sizeof(*ip)));
}

struct rte_mbuf *icmp_error_build(const struct packet *p, enum answer answer, uint16_t mtu,
				  rte_be32_t from, struct rte_mempool *buffers)
{
	uint32_t quoted = RTE_MIN((uint32_t)p->length, (uint32_t)QUOTE_MAX);
	uint16_t length = (uint16_t)(sizeof(struct error_header) + quoted);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(buffers);

	if (mbuf == NULL)
		return NULL;
	struct error_header *header = (struct error_header *)rte_pktmbuf_append(mbuf, length);
	/* reads into our buffer where the packet lies in several, else points into the packet */
	const void *quote =
		header == NULL ? NULL : rte_pktmbuf_read(p->mbuf, p->l3, quoted, header + 1);
	if (quote == NULL) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	if (quote != header + 1)
		memcpy(header + 1, quote, quoted);
	write_ip(&header->ip, length, from, packet_ip(p)->src_addr);
	header->type = errors[answer].type;
	header->code = errors[answer].code;
	header->checksum = 0;
	header->unused = 0;
	header->mtu = answer == ANSWER_FRAGMENTATION_NEEDED ? rte_cpu_to_be_16(mtu) : 0;
	header->checksum =
		(uint16_t)~checksum_fold(checksum_sum(&header->type, ICMP_LENGTH + quoted));
	return mbuf;
}
