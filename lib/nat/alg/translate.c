/* SPDX-License-Identifier: BSD-3-Clause */
/* The packets of sessions that ALGs follow: payload out, the ALG's answer in, lengths and numbers
 * held right. */
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
#include "state.h"

/* A packet under way: where its payload is, all in one segment. */
struct view {
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;  /* or NULL */
	struct rte_udp_hdr *udp;  /* or NULL */
	uint32_t payload, length; /* from the frame's beginning; bytes */
};

/* False: there is no payload to read, or it lies in pieces that fit in no single segment. */
static bool view_packet(struct nat *nat, struct packet *p, struct view *view)
{
	uint32_t header, end = (uint32_t)p->l3 + p->length;

	if (p->flags & PACKET_FRAGMENT_ANY || rte_pktmbuf_linearize(p->mbuf) != 0) {
		nat->stats->alg_skipped++;
		return false;
	}
	*view = (struct view){.ip = packet_ip(p)};
	if (view->ip->next_proto_id == IPPROTO_TCP) {
		view->tcp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_tcp_hdr *, p->l4);
		header = (view->tcp->data_off >> 4) * 4u;
	} else {
		view->udp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_udp_hdr *, p->l4);
		header = sizeof(*view->udp);
		end = RTE_MIN(end, p->l4 + (uint32_t)rte_be_to_cpu_16(view->udp->dgram_len));
	}
	view->payload = p->l4 + header;
	if (view->payload >= end || end > rte_pktmbuf_data_len(p->mbuf))
		return false;
	view->length = end - view->payload;
	if (view->length > ALG_PAYLOAD_MAX) {
		nat->stats->alg_skipped++;
		return false;
	}
	return true;
}

static struct alg_endpoint endpoint(rte_be32_t address, rte_be16_t port)
{
	return (struct alg_endpoint){.address = address, .port = rte_be_to_cpu_16(port)};
}

/* Where in a segment the first line begins, as far as was seen. */
static uint32_t first_line(const struct dialogue *dialogue, uint32_t direction, uint32_t seq,
			   uint32_t length)
{
	const uint32_t *line = dialogue->line[direction];
	uint32_t first = RTE_MIN(line[0] - seq, line[1] - seq); /* modulo 2^32 */

	return dialogue->lines_known[direction] && first < length ? first : ALG_NO_LINE;
}

static void line_begins(struct dialogue *dialogue, uint32_t direction, uint32_t seq)
{
	uint32_t *line = dialogue->line[direction];

	if (!dialogue->lines_known[direction])
		line[0] = line[1] = seq;
	dialogue->lines_known[direction] = true;
	if (line[0] == seq || line[1] == seq)
		return;
	line[1] = line[0];
	line[0] = seq;
}

/* The payload as the ALG wants it, in call->out. */
static enum alg_result ask(struct nat *nat, struct dialogue *dialogue, const struct packet *p,
			   const struct view *view)
{
	const struct session *session = p->session;
	const struct alg_context context = {nat, session};
	struct alg_call *call = &nat->algs->call;
	enum alg_result result;

	memcpy(nat->algs->in, rte_pktmbuf_mtod_offset(p->mbuf, char *, view->payload),
	       view->length);
	call->in = nat->algs->in;
	call->length = view->length;
	call->direction = p->direction;
	call->server_inside = session->flags & SESSION_INBOUND;
	call->first_line =
		view->tcp == NULL ? 0
				  : first_line(dialogue, p->direction,
					       rte_be_to_cpu_32(view->tcp->sent_seq), view->length);
	call->inside = endpoint(session->tuple[0].src, session->tuple[0].sport);
	call->outside = endpoint(session->tuple[1].dst, session->tuple[1].dport);
	call->remote = endpoint(session->tuple[0].dst, session->tuple[0].dport);
	call->memory = dialogue->memory;
	call->services = &alg_services;
	call->context = &context;
	call->out_length = call->copied = call->next_line = 0;
	result = dialogue->alg->payload(call);
	if (call->copied > 0 && !alg_finish(call)) {
		call->copied = 0;
		return ALG_REFUSED;
	}
	return result;
}

/* Puts the new payload into the packet. False: it has no room for it. */
static bool put_payload(struct packet *p, const struct view *view, const struct alg_call *call)
{
	int32_t growth = (int32_t)call->out_length - (int32_t)call->length;
	rte_be16_t total = rte_cpu_to_be_16((uint16_t)(p->length + growth));

	if (p->length + growth > UINT16_MAX)
		return false;
	if (growth > 0 && rte_pktmbuf_append(p->mbuf, (uint16_t)growth) == NULL)
		return false;
	if (growth < 0)
		rte_pktmbuf_trim(p->mbuf, (uint16_t)-growth);
	memcpy(rte_pktmbuf_mtod_offset(p->mbuf, char *, view->payload), call->out,
	       call->out_length);
	view->ip->hdr_checksum =
		checksum_apply(view->ip->hdr_checksum,
			       checksum_fold(checksum_delta16(view->ip->total_length, total)));
	view->ip->total_length = total;
	p->length = (uint16_t)(p->length + growth);
	if (view->tcp != NULL) {
		view->tcp->cksum = 0;
		view->tcp->cksum = rte_ipv4_udptcp_cksum(view->ip, view->tcp);
		return true;
	}
	view->udp->dgram_len =
		rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(view->udp->dgram_len) + growth));
	if (view->udp->dgram_cksum != 0) {
		view->udp->dgram_cksum = 0;
		view->udp->dgram_cksum = rte_ipv4_udptcp_cksum(view->ip, view->udp);
	}
	return true;
}

/* What arrives with a wrong checksum shall not leave with a right one. */
static bool checksum_ok(const struct view *view)
{
	if (view->tcp != NULL)
		return rte_ipv4_udptcp_cksum_verify(view->ip, view->tcp) == 0;
	return view->udp->dgram_cksum == 0 ||
	       rte_ipv4_udptcp_cksum_verify(view->ip, view->udp) == 0;
}

static void count(struct nat *nat, enum alg_result result)
{
	switch (result) {
	case ALG_CHANGED:
		nat->stats->alg_changed++;
		break;
	case ALG_MALFORMED:
		nat->stats->alg_malformed++;
		break;
	case ALG_SPLIT:
		nat->stats->alg_split++;
		break;
	case ALG_REFUSED:
		nat->stats->alg_refused++;
		break;
	case ALG_UNCHANGED:
		break;
	}
}

static void translate_payload(struct nat *nat, struct dialogue *dialogue, struct packet *p)
{
	struct alg_call *call = &nat->algs->call;
	uint32_t seq;
	struct view view;

	if (!view_packet(nat, p, &view) || !checksum_ok(&view))
		return;
	seq = view.tcp != NULL ? rte_be_to_cpu_32(view.tcp->sent_seq) : 0;
	count(nat, ask(nat, dialogue, p, &view));
	if (call->copied > 0 && !put_payload(p, &view, call))
		nat->stats->alg_skipped++;
	else if (view.tcp != NULL && call->copied > 0 && call->out_length != call->length)
		alg_stream_grow(&dialogue->stream[p->direction], seq + call->copied,
				(int32_t)(call->out_length - call->length));
	if (view.tcp != NULL && call->next_line != 0)
		line_begins(dialogue, p->direction, seq + call->next_line);
}

/* The segment's own header; its payload was dealt with. `seq` of what was sent before stays. */
static void translate_stream(const struct dialogue *dialogue, const struct packet *p)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_tcp_hdr *, p->l4);
	uint32_t end = p->l4 + (tcp->data_off >> 4) * 4u;
	const struct alg_stream *own = &dialogue->stream[p->direction];
	const struct alg_stream *other = &dialogue->stream[p->direction ^ 1];

	end = RTE_MIN(end, (uint32_t)rte_pktmbuf_data_len(p->mbuf));
	if (own->changed || other->changed)
		alg_stream_rewrite(tcp, rte_pktmbuf_mtod_offset(p->mbuf, uint8_t *, end), own,
				   other);
}

void alg_translate(struct nat *nat, struct packet *p)
{
	struct dialogue *dialogue;
	const struct rte_tcp_hdr *tcp;

	if (p->flags & PACKET_LATER)
		return;
	if (tuple_proto(&p->tuple) == IPPROTO_GRE)
		return alg_translate_call(p);
	dialogue = dialogue_of(nat->algs, p->session);
	if (dialogue == NULL)
		return;
	if (tuple_proto(&p->tuple) != IPPROTO_TCP)
		return translate_payload(nat, dialogue, p);
	if (p->tcp_event == TCP_EVENT_SYN || p->tcp_event == TCP_EVENT_SYNACK) {
		tcp = rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_tcp_hdr *, p->l4);
		/* a new connection on old ports */
		dialogue->stream[p->direction] = (struct alg_stream){0};
		dialogue->lines_known[p->direction] = false;
		line_begins(dialogue, p->direction, rte_be_to_cpu_32(tcp->sent_seq) + 1);
	} else {
		translate_payload(nat, dialogue, p);
	}
	translate_stream(dialogue, p);
}
