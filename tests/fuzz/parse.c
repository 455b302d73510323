/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "eal.h"
#include "fuzz.h"
#include "packet.h"

/*
 * packet_parse() on a frame of any bytes, first in one segment, then in several.
 *
 * Input: flags, the length of segments, the frame.
 */
#define INSIDE  0x01
#define ANY_MAC 0x02
#define RAW     0x04 /* checksums and destination MAC as they are */

static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 1}};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	support_eal_setup(1, 64);
	return 0;
}

/* Whether a rewrite writes behind the IP header: it relies on 8 bytes there. */
static bool writes_transport(const struct packet *p)
{
	return p->kind == PACKET_ERROR || tuple_has_ports(&p->tuple) ||
	       (packet_covers_addresses(tuple_proto(&p->tuple)) &&
		(packet_ip(p)->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) == 0);
}

/* What the record says lies inside the packet, and the rest of the pipeline relies on it. */
static void check_record(const struct packet *p)
{
	uint32_t first = rte_pktmbuf_data_len(p->mbuf);

	if (p->kind == PACKET_REFUSED) {
		FUZZ_CHECK(p->verdict > VERDICT_FIRST_NOT_SENT && p->verdict < VERDICT_COUNT);
		return;
	}
	if (p->kind == PACKET_ARP)
		return;
	FUZZ_CHECK(p->kind == PACKET_QUERY || p->kind == PACKET_ERROR ||
		   p->kind == PACKET_FRAGMENT);
	FUZZ_CHECK(p->l3 == RTE_ETHER_HDR_LEN && p->l4 >= p->l3 + 20 && p->l4 <= first);
	FUZZ_CHECK(p->l3 + p->length <= rte_pktmbuf_pkt_len(p->mbuf));
	FUZZ_CHECK(p->ttl == packet_ip(p)->time_to_live);
	if (p->flags & PACKET_LATER) {
		FUZZ_CHECK(p->kind == PACKET_FRAGMENT && p->l4 < p->l3 + p->length);
		return;
	}
	if (writes_transport(p))
		FUZZ_CHECK(p->l4 + 8u <= first && p->l4 + 8u <= (uint32_t)p->l3 + p->length);
	FUZZ_CHECK(p->hash == tuple_hash(&p->tuple));
	if (p->kind == PACKET_ERROR)
		FUZZ_CHECK(p->quote >= p->l4 + 8 && p->quote_l4 >= p->quote + 20 &&
			   p->quote_l4 + 8u <= RTE_MIN(first, (uint32_t)p->l3 + p->length));
}

static struct packet parse(const uint8_t *frame, size_t length, size_t cut,
			   const struct packet_source *source)
{
	static uint8_t after[FUZZ_FRAME_MAX];
	struct packet p;

	memset(&p, 0xa5, sizeof(p));
	p.mbuf = fuzz_frame(frame, length, cut);
	packet_parse(&p, source);
	check_record(&p);
	FUZZ_CHECK(fuzz_flatten(p.mbuf, after, sizeof(after)) == length);
	FUZZ_CHECK(memcmp(after, frame, length) == 0);
	rte_pktmbuf_free(p.mbuf);
	FUZZ_CHECK(fuzz_frames_live() == 0);
	return p;
}

/* Segments make no difference, but that headers cut apart may be refused. */
static void compare(const struct packet *whole, const struct packet *cut)
{
	if (cut->kind == PACKET_REFUSED &&
	    (cut->verdict == VERDICT_TRUNCATED || cut->verdict == VERDICT_BAD_QUOTE))
		return;
	FUZZ_CHECK(whole->kind == cut->kind && whole->flags == cut->flags);
	if (whole->kind == PACKET_REFUSED) {
		FUZZ_CHECK(whole->verdict == cut->verdict);
	} else if (whole->kind != PACKET_ARP) {
		FUZZ_CHECK(tuple_equal(&whole->tuple, &cut->tuple));
		FUZZ_CHECK(whole->length == cut->length && whole->l4 == cut->l4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[FUZZ_FRAME_MAX];
	struct fuzz_input input = {data, size};
	uint8_t flags = fuzz_byte(&input);
	uint8_t cut = fuzz_byte(&input);
	size_t length = sizeof(frame);
	const uint8_t *bytes = fuzz_bytes(&input, &length);
	struct packet_source source = {
		.mac = mac, .realm = flags & INSIDE, .any_mac = (flags & ANY_MAC) != 0};

	if (length == 0)
		return 0;
	memcpy(frame, bytes, length);
	if (!(flags & RAW) && length > RTE_ETHER_HDR_LEN) {
		memcpy(frame, &mac, sizeof(mac));
		fuzz_fix_transport(frame + RTE_ETHER_HDR_LEN, length - RTE_ETHER_HDR_LEN);
		fuzz_fix_ip(frame + RTE_ETHER_HDR_LEN, length - RTE_ETHER_HDR_LEN);
	}
	struct packet whole = parse(frame, length, 0, &source);
	if (cut != 0) {
		struct packet pieces = parse(frame, length, cut, &source);

		compare(&whole, &pieces);
	}
	return 0;
}
