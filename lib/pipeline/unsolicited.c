/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unsolicited SYNs from the outside, RFC 5382 REQ-4: no answer for 6 s, in which the subscriber may
 * open the same connection, its SYN crossing this one; then the sender may be told that there is
 * nobody. Switched off, nothing is kept. Switched on, a ring of a fixed size keeps what the error
 * quotes; what does not fit is dropped without a word, so a flood takes neither memory nor packet
 * buffers, nor room from those that came before it. Answers are limited as all ICMP errors.
 */
#include <rte_malloc.h>

#include "burst.h"

#define SILENCE_MS 6000
#define KEPT_MAX   512 /* a power of two */
#define BYTES_MAX  120 /* an IP and a TCP header, both with all options */

struct kept {
	uint64_t due_ms;
	uint16_t in_port;
	uint16_t length;
	uint8_t bytes[BYTES_MAX];
};

struct unsolicited {
	uint32_t head, tail; /* free-running: [tail, head) wait, the oldest first */
	struct kept kept[KEPT_MAX];
};

struct unsolicited *unsolicited_create(int socket)
{
	return rte_zmalloc_socket("unsolicited", sizeof(struct unsolicited), RTE_CACHE_LINE_SIZE,
				  socket);
}

void unsolicited_destroy(struct unsolicited *unsolicited)
{
	rte_free(unsolicited);
}

void unsolicited_keep(struct pipeline *pipeline, const struct packet *p)
{
	struct unsolicited *unsolicited = pipeline->unsolicited;
	struct kept *kept = &unsolicited->kept[unsolicited->head % KEPT_MAX];
	const void *bytes;

	if (likely(!icmp_answers_unsolicited(pipeline->limiter)) || p->tcp_event != TCP_EVENT_SYN ||
	    pool_address_find(p->tuple.dst) == NULL || p->length > BYTES_MAX ||
	    unsolicited->head - unsolicited->tail == KEPT_MAX)
		return;
	bytes = rte_pktmbuf_read(p->mbuf, p->l3, p->length, kept->bytes);
	if (bytes != kept->bytes)
		memcpy(kept->bytes, bytes, p->length);
	kept->length = p->length;
	kept->in_port = p->in_port;
	kept->due_ms = pipeline->now_ms + SILENCE_MS;
	unsolicited->head++;
}

/* The packet once more, as it came. */
static struct rte_mbuf *again(struct pipeline *pipeline, const struct kept *kept)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pipeline->config.buffers);
	struct rte_ether_hdr *ether;

	if (frame == NULL)
		return NULL;
	ether = (struct rte_ether_hdr *)rte_pktmbuf_append(
		frame, (uint16_t)(sizeof(*ether) + kept->length));
	if (ether == NULL) {
		rte_pktmbuf_free(frame);
		return NULL;
	}
	*ether = (struct rte_ether_hdr){
		.dst_addr = ifaces[kept->in_port].source.mac,
		.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
	};
	memcpy(ether + 1, kept->bytes, kept->length);
	frame->port = kept->in_port;
	return frame;
}

/* Whether the subscriber has opened the connection meanwhile. */
static bool has_session(struct packet *p)
{
	find_session(p);
	return p->session != NULL;
}

static void answer_kept(struct pipeline *pipeline, const struct kept *kept)
{
	struct packet *p = &pipeline->burst.packet[0];

	p->mbuf = again(pipeline, kept);
	if (p->mbuf == NULL)
		return;
	p->in_port = kept->in_port;
	packet_parse(p, &ifaces[kept->in_port].source);
	if (p->kind == PACKET_QUERY && !has_session(p))
		answer_sender(pipeline, p, ANSWER_PORT_UNREACHABLE);
	rte_pktmbuf_free(p->mbuf);
}

void unsolicited_poll(struct pipeline *pipeline)
{
	struct unsolicited *unsolicited = pipeline->unsolicited;

	if (likely(unsolicited->head == unsolicited->tail))
		return;
	for (uint32_t n = 0; n < BURST_MAX && unsolicited->tail != unsolicited->head; n++) {
		const struct kept *kept = &unsolicited->kept[unsolicited->tail % KEPT_MAX];

		if (kept->due_ms > pipeline->now_ms)
			break;
		answer_kept(pipeline, kept);
		unsolicited->tail++;
	}
}
