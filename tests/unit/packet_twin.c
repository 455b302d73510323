/* SPDX-License-Identifier: BSD-3-Clause */
/* packet_parse() against a naive twin, which reads random frames byte by byte, whole and in
 * segments.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "packet.h"
#include "random_frame.h"

#define FRAMES 400000
#define L3     14
#define REALM  5u

static struct rte_mempool *pool;
static const struct packet_source source = {.mac = {{2, 0, 0, 0, 0, 0x0b}}, .realm = REALM};

/* What it finds; `verdict` is VERDICT_COUNT when the packet is not refused. */
struct found {
	enum verdict verdict;
	enum packet_kind kind;
	struct tuple tuple;
	uint32_t l4, length, quote, quote_l4;
	uint8_t flags, event;
};

#define REFUSE(why)                     \
	do {                            \
		found->verdict = (why); \
		return;                 \
	} while (0)

static bool is_host(const uint8_t *address)
{
	return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

static bool is_query(uint8_t type)
{
	return type == 0 || type == 8 || type == 13 || type == 14;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP;
}

static enum verdict twin_options(const uint8_t *option, uint32_t length)
{
	for (uint32_t i = 0; i < length && option[i] != 0;) {
		if (option[i] == 1) {
			i++;
			continue;
		}
		if (length - i < 2 || option[i + 1] < 2 || option[i + 1] > length - i)
			return VERDICT_BAD_IP_HEADER;
		if (option[i] == 131 || option[i] == 137)
			return VERDICT_SOURCE_ROUTED;
		i += option[i + 1];
	}
	return VERDICT_COUNT;
}

static void twin_ports(const uint8_t *ip, const uint8_t *l4, struct tuple *tuple)
{
	bool request = l4[0] == 8 || l4[0] == 13, timestamp = l4[0] >= 13;

	memcpy(&tuple->src, ip + 12, 4);
	memcpy(&tuple->dst, ip + 16, 4);
	tuple->proto_realm = REALM << 8 | ip[9];
	if (ip[9] == IPPROTO_TCP || ip[9] == IPPROTO_UDP) {
		memcpy(&tuple->sport, l4, 2);
		memcpy(&tuple->dport, l4 + 2, 2);
	} else if (ip[9] == IPPROTO_ICMP) {
		memcpy(request ? &tuple->sport : &tuple->dport, l4 + 4, 2);
		naive_put16((uint8_t *)(request ? &tuple->dport : &tuple->sport),
			    timestamp ? 13 : 0);
	}
}

static void twin_error(const uint8_t *frame, uint32_t first, struct found *found)
{
	const uint8_t *ip = frame + L3, *quote = frame + found->l4 + 8, *l4;
	uint32_t end = RTE_MIN(first, L3 + found->length), have = end - (found->l4 + 8);
	uint32_t header;
	struct tuple quoted = {0};

	if (naive_sum(frame + found->l4, L3 + found->length - found->l4) != 0xffff)
		REFUSE(VERDICT_BAD_ICMP_CHECKSUM);
	if (have > first || have < 20)
		REFUSE(VERDICT_BAD_QUOTE);
	header = (quote[0] & 15u) * 4;
	if (quote[0] >> 4 != 4 || header < 20 || have < header + 8 ||
	    naive_sum(quote, header) != 0xffff || (naive_get16(quote + 6) & 0x1fff) != 0 ||
	    memcmp(quote + 12, ip + 16, 4) != 0)
		REFUSE(VERDICT_BAD_QUOTE);
	l4 = quote + header;
	if (quote[9] == IPPROTO_ICMP && !is_query(l4[0]))
		REFUSE(VERDICT_BAD_QUOTE);
	twin_ports(quote, l4, &quoted);
	found->tuple = (struct tuple){.src = quoted.dst,
				      .dst = quoted.src,
				      .sport = quoted.dport,
				      .dport = quoted.sport,
				      .proto_realm = quoted.proto_realm};
	found->kind = PACKET_ERROR;
	found->quote = found->l4 + 8;
	found->quote_l4 = found->quote + header;
}

static uint8_t twin_event(uint8_t flags)
{
	switch (flags & 0x17) { /* FIN, SYN, RST, ACK: PSH goes with all but a lone FIN or none */
	case 0x10:
		return TCP_EVENT_ACK;
	case 0x02:
		return TCP_EVENT_SYN;
	case 0x12:
		return TCP_EVENT_SYNACK;
	case 0x11:
		return TCP_EVENT_FIN;
	case 0x04:
	case 0x14:
		return TCP_EVENT_RST;
	default:
		return TCP_EVENT_NONE;
	}
}

/* `length` transport bytes, `have` of them in the first segment; a whole packet, or a first
 * fragment. */
static void twin_transport(const uint8_t *frame, uint32_t first, bool is_first, struct found *found)
{
	const uint8_t *ip = frame + L3, *l4 = frame + found->l4;
	uint32_t have = first - found->l4, length = L3 + found->length - found->l4;
	uint8_t protocol = ip[9];
	uint32_t header = protocol == IPPROTO_TCP ? 20 : 8;

	if (is_first && have < RTE_MIN(length, 20u))
		REFUSE(VERDICT_TRUNCATED);
	if (!is_first && length < header)
		REFUSE(VERDICT_BAD_TRANSPORT);
	if (!is_first && have < header)
		REFUSE(VERDICT_TRUNCATED);
	switch (protocol) {
	case IPPROTO_TCP:
		if (is_first && (length < 20 || (l4[12] >> 4) * 4u > length))
			REFUSE(VERDICT_FRAGMENT_TINY);
		if (l4[12] >> 4 < 5 || (l4[12] >> 4) * 4u > length)
			REFUSE(VERDICT_BAD_TRANSPORT);
		found->event = twin_event(l4[13]);
		if (found->event == TCP_EVENT_NONE)
			REFUSE(VERDICT_BAD_TCP_FLAGS);
		break;
	case IPPROTO_UDP: /* a first fragment says more than it has */
		if (naive_get16(l4 + 4) < 8 || (naive_get16(l4 + 4) > length) != is_first)
			REFUSE(VERDICT_BAD_TRANSPORT);
		break;
	case IPPROTO_ICMP:
		if (l4[0] == 3 || l4[0] == 11 || l4[0] == 12) {
			if (is_first)
				REFUSE(VERDICT_FRAGMENTED_ERROR);
			return twin_error(frame, first, found);
		}
		if (!is_query(l4[0]))
			REFUSE(VERDICT_UNKNOWN_ICMP);
		if (l4[0] == 8 || l4[0] == 13)
			found->flags |= PACKET_REQUEST;
		break;
	}
	twin_ports(ip, l4, &found->tuple);
}

static void twin_portless(const uint8_t *frame, uint32_t first, uint32_t offset,
			  struct found *found)
{
	const uint8_t *ip = frame + L3;
	uint32_t length = L3 + found->length - found->l4;

	found->flags |= PACKET_IDENT_STAYS;
	if (offset == 0 && (ip[9] == IPPROTO_UDPLITE || ip[9] == IPPROTO_DCCP)) {
		if (length < 8)
			REFUSE(VERDICT_BAD_TRANSPORT);
		if (first < found->l4 + 8)
			REFUSE(VERDICT_TRUNCATED);
	}
	twin_ports(ip, ip, &found->tuple);
}

static void twin_fragment(const uint8_t *frame, uint32_t first, struct found *found)
{
	const uint8_t *ip = frame + L3;
	uint32_t length = L3 + found->length - found->l4,
		 offset = (naive_get16(ip + 6) & 0x1fff) * 8;

	if (length == 0 || (naive_get16(ip + 6) & 0x2000 && length % 8 != 0) ||
	    offset + found->length > 65535)
		REFUSE(VERDICT_BAD_FRAGMENT);
	if (!has_ports(ip[9]))
		return twin_portless(frame, first, offset, found);
	found->kind = PACKET_FRAGMENT;
	found->flags |= PACKET_FRAGMENT_ANY;
	if (offset == 0)
		return twin_transport(frame, first, true, found);
	if (ip[9] == IPPROTO_TCP && offset < 20)
		REFUSE(VERDICT_FRAGMENT_TINY);
	found->flags |= PACKET_LATER;
	twin_ports(ip, ip, &found->tuple);
	found->tuple.sport = found->tuple.dport = 0;
}

static void twin_parse(const uint8_t *frame, uint32_t length, uint32_t first, struct found *found)
{
	const uint8_t *ip = frame + L3;
	bool to_us = memcmp(frame, &source.mac, 6) == 0, group = frame[0] & 1;
	uint32_t header;

	memset(found, 0, sizeof(*found));
	found->verdict = VERDICT_COUNT;
	found->kind = PACKET_QUERY;
	if (first < L3)
		REFUSE(VERDICT_TRUNCATED);
	if (!to_us && !group)
		REFUSE(VERDICT_OTHER_HOST);
	if (naive_get16(frame + 12) == 0x0806) {
		found->flags = group ? PACKET_LINK_BROADCAST : 0;
		found->kind = PACKET_ARP;
		return;
	}
	if (naive_get16(frame + 12) != 0x0800)
		REFUSE(VERDICT_NOT_IPV4);
	if (group)
		REFUSE(VERDICT_LINK_BROADCAST);
	if (first < L3 + 20)
		REFUSE(VERDICT_TRUNCATED);
	header = (ip[0] & 15u) * 4;
	found->l4 = L3 + header;
	found->length = naive_get16(ip + 2);
	if (ip[0] >> 4 != 4 || header < 20)
		REFUSE(VERDICT_BAD_IP_HEADER);
	if (first < found->l4)
		REFUSE(VERDICT_TRUNCATED);
	if (header > 20) {
		enum verdict verdict = twin_options(ip + 20, header - 20);

		found->flags |= PACKET_OPTIONS;
		if (verdict != VERDICT_COUNT)
			REFUSE(verdict);
	}
	if (found->length < header)
		REFUSE(VERDICT_BAD_IP_HEADER);
	if (L3 + found->length > length)
		REFUSE(VERDICT_TRUNCATED);
	if (naive_sum(ip, header) != 0xffff)
		REFUSE(VERDICT_BAD_IP_CHECKSUM);
	if (!is_host(ip + 12))
		REFUSE(VERDICT_MARTIAN_SOURCE);
	if (!is_host(ip + 16))
		REFUSE(VERDICT_MARTIAN_DESTINATION);
	if (naive_get16(ip + 6) & 0x4000)
		found->flags |= PACKET_DF;
	if ((naive_get16(ip + 6) & 0x3fff) != 0)
		return twin_fragment(frame, first, found);
	if (has_ports(ip[9]))
		return twin_transport(frame, first, false, found);
	twin_portless(frame, first, 0, found);
}

/* ---- both ---- */

static struct {
	uint32_t verdict[VERDICT_COUNT + 1], kind[PACKET_GONE + 1], event[TCP_EVENT_COUNT];
} seen;

static void compare(const struct packet *p, const struct found *found)
{
	seen.verdict[found->verdict]++;
	if (found->verdict != VERDICT_COUNT) {
		assert_int_equal(p->kind, PACKET_REFUSED);
		assert_int_equal(p->verdict, found->verdict);
		return;
	}
	seen.kind[found->kind]++;
	assert_int_equal(p->kind, found->kind);
	assert_int_equal(p->flags, found->flags);
	if (found->kind == PACKET_ARP)
		return;
	assert_int_equal(p->l3, L3);
	assert_int_equal(p->l4, found->l4);
	assert_int_equal(p->length, found->length);
	assert_int_equal(p->tcp_event, found->event);
	seen.event[found->event]++;
	assert_memory_equal(&p->tuple, &found->tuple, sizeof(p->tuple));
	if (!(p->flags & PACKET_LATER)) /* those have the hash of their first */
		assert_true(p->hash == tuple_hash(&found->tuple));
	if (found->kind == PACKET_ERROR) {
		assert_int_equal(p->quote, found->quote);
		assert_int_equal(p->quote_l4, found->quote_l4);
	}
}

static void parse_as_the_twin(void **state)
{
	(void)state;
	random_frame_seed(21);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint8_t frame[RANDOM_FRAME_MAX] = {0}, after[RANDOM_FRAME_MAX];
		uint32_t length = random_frame(frame, &source.mac), first = 0;
		struct packet p;
		struct found found;

		memset(&p, 0xa5, sizeof(p)); /* of the packet before */
		p.mbuf = random_frame_cut(pool, frame, length, &first);
		packet_parse(&p, &source);
		twin_parse(frame, length, first, &found);
		compare(&p, &found);
		assert_ptr_equal(p.session, NULL);
		assert_memory_equal(rte_pktmbuf_read(p.mbuf, 0, length, after), frame, length);
		rte_pktmbuf_free(p.mbuf);
	}
	for (int kind = PACKET_QUERY; kind <= PACKET_FRAGMENT; kind++)
		if (kind != PACKET_ROUTED && kind != PACKET_ECHO)
			assert_in_range(seen.kind[kind], 100, FRAMES);
	for (int event = TCP_EVENT_NONE; event < TCP_EVENT_COUNT; event++)
		assert_in_range(seen.event[event], 1000, FRAMES);
	for (int verdict = VERDICT_OTHER_HOST; verdict <= VERDICT_UNKNOWN_ICMP; verdict++)
		if (verdict != VERDICT_PORT_ZERO && verdict != VERDICT_BAD_ARP &&
		    verdict != VERDICT_SPOOFED_SOURCE && verdict != VERDICT_FRAGMENT_OVERLAP &&
		    verdict != VERDICT_FRAGMENT_REPEATED)
			assert_in_range(seen.verdict[verdict], 20, FRAMES);
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	pool = rte_pktmbuf_pool_create("frames", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_as_the_twin),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
