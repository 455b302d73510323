/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequence numbers of a stream whose payload changed its length: RFC 9293 section 3.4, and those in
 * selective acknowledgements, RFC 2018. All arithmetic is modulo 2^32.
 */
#include <string.h>

#include <rte_tcp.h>

#include "alg.h"
#include "checksum.h"

#define OPTION_END  0
#define OPTION_NOP  1
#define OPTION_SACK 5

static bool reached(uint32_t number, uint32_t at)
{
	return (int32_t)(number - at) >= 0;
}

void alg_stream_grow(struct alg_stream *stream, uint32_t at, int32_t growth)
{
	if (stream->changed && reached(stream->at, at)) /* sent again */
		return;
	stream->changed = true;
	stream->at = at;
	stream->before = stream->after;
	stream->after += (uint32_t)growth;
}

uint32_t alg_stream_seq(const struct alg_stream *stream, uint32_t seq)
{
	return seq + (reached(seq, stream->at) ? stream->after : stream->before);
}

uint32_t alg_stream_ack(const struct alg_stream *stream, uint32_t ack)
{
	if (reached(ack, stream->at + stream->after))
		return ack - stream->after;
	ack -= stream->before;
	/* in the middle of a text that is longer now: not all of it has come */
	return reached(ack, stream->at) ? stream->at - 1 : ack;
}

static uint64_t replace32(void *field, uint32_t value)
{
	rte_be32_t old, new = rte_cpu_to_be_32(value);

	memcpy(&old, field, sizeof(old));
	memcpy(field, &new, sizeof(new));
	return checksum_delta32(old, new);
}

static uint32_t load32(const void *field)
{
	rte_be32_t value;

	memcpy(&value, field, sizeof(value));
	return rte_be_to_cpu_32(value);
}

/* Edges that lie at an odd byte count swapped. */
static uint16_t swapped(uint64_t delta)
{
	return rte_bswap16(checksum_fold(delta));
}

static uint64_t rewrite_sack(uint8_t *option, uint8_t length, bool odd,
			     const struct alg_stream *other)
{
	uint64_t delta = 0;

	for (uint8_t *edge = option + 2; edge + 4 <= option + length; edge += 4)
		delta += replace32(edge, alg_stream_ack(other, load32(edge)));
	return odd ? swapped(delta) : checksum_fold(delta);
}

static uint64_t rewrite_options(struct rte_tcp_hdr *tcp, const uint8_t *end,
				const struct alg_stream *other)
{
	uint8_t *start = (uint8_t *)tcp, *option = (uint8_t *)(tcp + 1);
	uint64_t delta = 0;

	while (option < end && *option != OPTION_END) {
		if (*option == OPTION_NOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			break;
		if (*option == OPTION_SACK)
			delta += rewrite_sack(option, option[1], (option - start) % 2 != 0, other);
		option += option[1];
	}
	return delta;
}

void alg_stream_rewrite(struct rte_tcp_hdr *tcp, const uint8_t *end, const struct alg_stream *own,
			const struct alg_stream *other)
{
	uint64_t delta = 0;

	if (own->changed)
		delta += replace32(&tcp->sent_seq,
				   alg_stream_seq(own, rte_be_to_cpu_32(tcp->sent_seq)));
	if (other->changed && tcp->tcp_flags & RTE_TCP_ACK_FLAG) {
		delta += replace32(&tcp->recv_ack,
				   alg_stream_ack(other, rte_be_to_cpu_32(tcp->recv_ack)));
		delta += rewrite_options(tcp, end, other);
	}
	tcp->cksum = checksum_apply(tcp->cksum, checksum_fold(delta));
}
