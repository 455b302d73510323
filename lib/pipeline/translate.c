/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ip_frag.h>

#include "alg.h"
#include "burst.h"
#include "checksum.h"
#include "rewrite.h"

/* Cuts a frame to its first `length` bytes, whatever segments they end in. */
static void cut_frame(struct rte_mbuf *frame, uint32_t length)
{
	struct rte_mbuf *segment = frame, *rest;
	uint16_t segments = 1;

	frame->pkt_len = length;
	for (; length > segment->data_len; segments++) {
		length -= segment->data_len;
		segment = segment->next;
	}
	segment->data_len = (uint16_t)length;
	while ((rest = segment->next) != NULL) {
		segment->next = rest->next;
		rte_pktmbuf_free_seg(rest);
	}
	frame->nb_segs = segments;
}

/* Bytes behind the IP packet in the frame are padding: not sent on. Short packets have some and
 * others have none, in no order, so no branch asks whether there are. */
static inline void trim(struct rte_mbuf *frame, uint32_t length)
{
	if (unlikely(frame->nb_segs != 1))
		return cut_frame(frame, length);
	rte_pktmbuf_pkt_len(frame) = length;
	rte_pktmbuf_data_len(frame) = (uint16_t)length;
}

/* Another identification, if the packet's source changes: what keeps its own (RFC 6888 REQ-6) keeps
 * its identification too. The delta for the header's checksum. */
static inline uint32_t new_ident(struct pipeline *pipeline, struct rte_ipv4_hdr *ip,
				 uint8_t protocol, rte_be32_t src, rte_be32_t dst)
{
	if (unlikely(src == ip->src_addr))
		return 0;
	return rewrite_ident(ip, ident_next(&pipeline->ident, src, dst, protocol));
}

/* What the packet of two sessions becomes: the source of the one, the destination of the other. */
static struct rewrite hairpin_rewrite(const struct session *session, const struct session *second)
{
	struct rewrite source = session_rewrite(session, 0);
	struct rewrite destination = session_rewrite(second, 1);

	return (struct rewrite){
		.src = source.src,
		.dst = destination.dst,
		.sport = source.sport,
		.dport = destination.dport,
		.l3_delta = source.l3_delta + destination.l3_delta,
		.l4_delta = source.l4_delta + destination.l4_delta,
	};
}

/*
 * An ICMP error: the quoted packet goes back to what its sender sent, so that it knows it again;
 * the outer destination is that sender (RFC 5508 REQ-4, REQ-5). An error from the inside comes, for
 * the outside, from the public address, whoever sent it; so it does for another subscriber, whose
 * hairpinned packet it is about (REQ-7).
 */
static void translate_error(struct pipeline *pipeline, const struct packet *p,
			    const struct session *second)
{
	const struct session *session = p->session;
	const struct tuple *other =
		second != NULL ? &second->tuple[0] : &session->tuple[p->direction ^ 1];
	struct rewrite quoted = second != NULL ? hairpin_rewrite(session, second)
					       : session_rewrite(session, p->direction);
	rte_be32_t src = p->direction == 0 ? quoted.src : packet_ip(p)->src_addr;

	quoted.src = other->src;
	quoted.dst = other->dst;
	quoted.sport = other->sport;
	quoted.dport = other->dport;
	if (needs_ident(p)) {
		struct rte_ipv4_hdr *ip = packet_ip(p);

		ip->hdr_checksum = checksum_apply(
			ip->hdr_checksum, new_ident(pipeline, ip, IPPROTO_ICMP, src, other->src));
	}
	rewrite_error(p, &quoted, src, other->src);
}

/* Most fragments that a packet is cut into: 64 KB by the smallest MTU of an interface. */
#define FRAGMENTS_MAX 128

/* Cuts a translated packet for its next hop, RFC 791 section 3.2, and sends the fragments. */
static void send_fragments(struct pipeline *pipeline, struct packet *p)
{
	const struct nexthop *nexthop = &nexthops[p->nexthop];
	struct rte_mbuf *fragment[FRAGMENTS_MAX];
	int32_t n;

	rte_pktmbuf_adj(p->mbuf, p->l3);
	n = rte_ipv4_fragment_copy_nonseg_packet(p->mbuf, fragment, FRAGMENTS_MAX, nexthop->mtu,
						 pipeline->config.buffers);
	rte_pktmbuf_free(p->mbuf);
	p->kind = PACKET_GONE;
	pipeline->config.stats->verdict[n > 0 ? VERDICT_FRAGMENTED : VERDICT_NO_BUFFER]++;
	for (int32_t i = 0; i < n; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(fragment[i], struct rte_ipv4_hdr *);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		transmit_own(pipeline, fragment[i], p->nexthop, NULL);
	}
}

static void send_translated(struct pipeline *pipeline, struct packet *p, enum verdict verdict)
{
	const struct nexthop *nexthop = &nexthops[p->nexthop];

	trim(p->mbuf, (uint32_t)p->l3 + p->length);
	if (unlikely(p->length > nexthop->mtu))
		return send_fragments(pipeline, p);
	write_link_header(rte_pktmbuf_mtod(p->mbuf, void *), nexthop);
	transmit_frame(pipeline, p->mbuf, nexthop->port, (uint8_t)verdict);
}

/* A SYN with or without ACK: never plain. */
static void clamp_mss(const struct packet *p)
{
	uint16_t most;

	if (likely(p->tcp_event != TCP_EVENT_SYN && p->tcp_event != TCP_EVENT_SYNACK))
		return;
	most = iface_mss(p->in_port, nexthops[p->nexthop].port);
	if (most != 0)
		rewrite_mss(p, most);
}

/*
 * A packet whose payload may name ports. When it has grown too long for the next link, it goes in
 * fragments: its sender cannot know.
 */
static void translate_alg(struct pipeline *pipeline, struct packet *p)
{
	struct rte_ipv4_hdr *ip = packet_ip(p);
	uint16_t before = p->length;

	trim(p->mbuf, (uint32_t)p->l3 + p->length);
	alg_translate(pipeline->config.nat, p);
	if (p->length > before && p->length > nexthops[p->nexthop].mtu && p->flags & PACKET_DF) {
		p->flags &= (uint8_t)~PACKET_DF;
		ip->hdr_checksum = checksum_apply(
			ip->hdr_checksum, checksum_fold(checksum_delta16(ip->fragment_offset, 0)));
		ip->fragment_offset = 0;
	}
}

/* A packet of one or two sessions, whole or a fragment. */
static void translate_query(struct pipeline *pipeline, struct packet *p,
			    const struct session *second)
{
	struct rewrite rw = second != NULL ? hairpin_rewrite(p->session, second)
					   : session_rewrite(p->session, p->direction);

	if (unlikely(p->session->flags & SESSION_ALG))
		translate_alg(pipeline, p);
	if (p->flags & PACKET_FRAGMENT_ANY)
		rw.l3_delta += rewrite_ident(packet_ip(p),
					     pipeline->burst.ident[p - pipeline->burst.packet]);
	else if (needs_ident(p))
		rw.l3_delta +=
			new_ident(pipeline, packet_ip(p), tuple_proto(&p->tuple), rw.src, rw.dst);
	clamp_mss(p);
	if (p->flags & PACKET_LATER)
		rewrite_fragment(p, &rw);
	else
		rewrite_packet(p, &rw);
	send_translated(pipeline, p, second != NULL ? VERDICT_HAIRPINNED : VERDICT_TRANSLATED);
}

void odd_translate(struct pipeline *pipeline, struct packet *p)
{
	const struct session *second = second_half(&pipeline->burst, p);

	switch (p->kind) {
	case PACKET_QUERY:
		translate_query(pipeline, p, second);
		break;
	case PACKET_ERROR:
		translate_error(pipeline, p, second);
		send_translated(pipeline, p, VERDICT_ERROR_TRANSLATED);
		break;
	case PACKET_ROUTED:
		rewrite_ttl(p);
		send_translated(pipeline, p, VERDICT_ROUTED);
		break;
	case PACKET_ECHO:
		icmp_echo_answer(p);
		send_translated(pipeline, p, VERDICT_ECHO_ANSWERED);
		break;
	}
}

/* Everything is read before anything is written: the compiler must think that a frame's bytes may
 * be anywhere. */
static inline void translate_plain(struct pipeline *pipeline, const struct packet *p,
				   bool with_ident)
{
	const struct nexthop *nexthop = &nexthops[p->nexthop];
	struct rewrite rw = session_rewrite(p->session, p->direction);
	uint32_t length = (uint32_t)p->l3 + p->length;
	uint8_t protocol = tuple_proto(&p->tuple);
	struct rte_mbuf *frame = p->mbuf;
	uint8_t *ether = rte_pktmbuf_mtod(frame, uint8_t *), *l4 = ether + p->l4;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether + p->l3);
	uint16_t port = nexthop->port;

	trim(frame, length);
	write_link_header(ether, nexthop);
	if (with_ident)
		rw.l3_delta += new_ident(pipeline, ip, protocol, rw.src, rw.dst);
	rewrite_headers(ip, l4, protocol, &rw);
	transmit_frame(pipeline, frame, port, VERDICT_TRANSLATED);
}

/* Packets between two rounds of what step_foresee() began: about as long as memory takes. */
#define ROUND_PACKETS 16

static __rte_always_inline void translate_list(struct pipeline *pipeline, const uint8_t list[],
					       uint32_t n, bool with_ident)
{
	for (uint32_t i = 0; i < n; foresee_next(pipeline))
		for (uint32_t end = RTE_MIN(i + ROUND_PACKETS, n); i < end; i++)
			translate_plain(pipeline, &pipeline->burst.packet[list[i]], with_ident);
}

/* Step 7: the only one that writes a packet's bytes. What was not refused by now is sent. */
void step_translate_plain(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;

	translate_list(pipeline, burst->kept, burst->kept_n, false);
	translate_list(pipeline, burst->renumbered, burst->renumbered_n, true);
}
