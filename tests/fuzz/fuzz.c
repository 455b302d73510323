/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include <rte_lcore.h>

#include "fuzz.h"

uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

uint16_t fuzz_word(struct fuzz_input *input)
{
	uint8_t high = fuzz_byte(input);

	return (uint16_t)(high << 8 | fuzz_byte(input));
}

const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t *n)
{
	const uint8_t *bytes = input->at;

	*n = RTE_MIN(*n, input->left);
	input->at += *n;
	input->left -= *n;
	return bytes;
}

/* ---- frames ---- */

static struct rte_mempool *pool;
static uint32_t live;

uint32_t fuzz_frames_live(void)
{
	return live;
}

/* What a segment's memory is. */
struct block {
	struct rte_mbuf_ext_shared_info shared;
	void *bytes;
};

static void free_block(void *bytes, void *opaque)
{
	FUZZ_CHECK(((struct block *)opaque)->bytes == bytes);
	free(bytes);
	free(opaque);
	live--;
}

static struct rte_mbuf *segment(const uint8_t *bytes, size_t length)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	struct block *block = calloc(1, sizeof(*block));

	FUZZ_CHECK(mbuf != NULL && block != NULL && length <= UINT16_MAX);
	block->bytes = malloc(length);
	memcpy(block->bytes, bytes, length);
	block->shared.free_cb = free_block;
	block->shared.fcb_opaque = block;
	rte_mbuf_ext_refcnt_set(&block->shared, 1);
	rte_pktmbuf_attach_extbuf(mbuf, block->bytes, 0, (uint16_t)length, &block->shared);
	mbuf->data_off = 0;
	mbuf->data_len = (uint16_t)length;
	mbuf->pkt_len = (uint32_t)length;
	live++;
	return mbuf;
}

struct rte_mbuf *fuzz_frame(const uint8_t *bytes, size_t length, size_t cut)
{
	struct rte_mbuf *frame = NULL;
	size_t done = 0;

	if (pool == NULL)
		pool = rte_pktmbuf_pool_create("frames", 16383, 0, 0, 0, (int)rte_socket_id());
	FUZZ_CHECK(pool != NULL && length <= FUZZ_FRAME_MAX);
	do {
		size_t part = cut != 0 ? RTE_MIN(cut, length - done) : length;
		struct rte_mbuf *next = segment(bytes + done, part);

		if (frame == NULL)
			frame = next;
		else
			FUZZ_CHECK(rte_pktmbuf_chain(frame, next) == 0);
		done += part;
	} while (done < length);
	return frame;
}

size_t fuzz_flatten(const struct rte_mbuf *frame, uint8_t *bytes, size_t size)
{
	uint32_t length = (uint32_t)RTE_MIN(size, (size_t)rte_pktmbuf_pkt_len(frame));
	const void *at = rte_pktmbuf_read(frame, 0, length, bytes);

	FUZZ_CHECK(at != NULL);
	if (at != bytes)
		memcpy(bytes, at, length);
	return length;
}

/* ---- checksums ---- */

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071, as its text says, on top of `sum`. */
static uint32_t sum_of(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* 0: the bytes hold no whole header. */
static size_t header_length(const uint8_t *ip, size_t length)
{
	size_t header = length < 20 || ip[0] >> 4 != 4 ? 0 : (ip[0] & 0xfu) * 4;

	return header < 20 || header > length ? 0 : header;
}

bool fuzz_ip_ok(const uint8_t *ip, size_t length)
{
	size_t header = header_length(ip, length);

	return header != 0 && sum_of(ip, header, 0) == 0xffff;
}

void fuzz_fix_ip(uint8_t *ip, size_t length)
{
	size_t header = header_length(ip, length);

	if (header == 0)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, ~sum_of(ip, header, 0));
}

/* A transport checksum: where it is, what it covers. */
struct coverage {
	size_t begin, length; /* bytes from the IP header */
	size_t field;
	uint32_t pseudo; /* the pseudo-header's sum */
};

static bool find_coverage(const uint8_t *ip, size_t length, struct coverage *c)
{
	size_t header = header_length(ip, length);

	if (header == 0 || get16(ip + 2) < header || get16(ip + 2) > length ||
	    (get16(ip + 6) & 0x3fff) != 0)
		return false;
	c->begin = header;
	c->length = get16(ip + 2) - header;
	c->pseudo = 0;
	switch (ip[9]) {
	case IPPROTO_ICMP:
		c->field = header + 2;
		return c->length >= 8;
	case IPPROTO_TCP:
		c->field = header + 16;
		if (c->length < 20)
			return false;
		break;
	case IPPROTO_UDP:
		c->field = header + 6;
		if (c->length < 8 || get16(ip + header + 4) < 8 ||
		    get16(ip + header + 4) > c->length)
			return false;
		c->length = get16(ip + header + 4);
		break;
	default:
		return false;
	}
	c->pseudo = sum_of(ip + 12, 8, ip[9] + (uint32_t)c->length);
	return true;
}

bool fuzz_transport_ok(const uint8_t *ip, size_t length)
{
	struct coverage c;

	if (!find_coverage(ip, length, &c))
		return true;
	if (ip[9] == IPPROTO_UDP && get16(ip + c.field) == 0)
		return true;
	return sum_of(ip + c.begin, c.length, c.pseudo) == 0xffff;
}

void fuzz_fix_transport(uint8_t *ip, size_t length)
{
	size_t quote = fuzz_quote(ip, length);
	struct coverage c;
	uint32_t sum;

	if (quote != 0)
		fuzz_fix_ip(ip + quote, length - quote);
	if (!find_coverage(ip, length, &c))
		return;
	put16(ip + c.field, 0);
	sum = sum_of(ip + c.begin, c.length, c.pseudo) ^ 0xffff;
	put16(ip + c.field, ip[9] == IPPROTO_UDP && sum == 0 ? 0xffff : sum);
}

size_t fuzz_quote(const uint8_t *ip, size_t length)
{
	size_t header = header_length(ip, length);

	if (header == 0 || ip[9] != IPPROTO_ICMP || length < header + 8 + 20)
		return 0;
	return ip[header] == 3 || ip[header] == 11 || ip[header] == 12 ? header + 8 : 0;
}
