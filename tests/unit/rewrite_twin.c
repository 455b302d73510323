/* SPDX-License-Identifier: BSD-3-Clause */
/* The rewrite against a naive twin, which changes random frames byte by byte: their checksums stay
 * as right or wrong as they were. */
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
#include "rewrite.h"

#define FRAMES 400000
#define L3     14
#define REALM  5u

static struct rte_mempool *pool;
static const struct packet_source source = {.mac = {{2, 0, 0, 0, 0, 0x0b}}, .realm = REALM};

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP;
}

/* One's complement, at most 0xffff each. */
static uint32_t plus(uint32_t a, uint32_t b)
{
	return (a + b) % 0xffff;
}

static uint32_t minus(uint32_t a, uint32_t b)
{
	return (a % 0xffff + 0xffff - b % 0xffff) % 0xffff;
}

/* The sum of what a transport checksum counts of what a rewrite changes. */
static uint32_t counted(const uint8_t *ip, const uint8_t *l4)
{
	uint32_t addresses = naive_sum(ip + 12, 8);

	if (ip[9] == IPPROTO_ICMP)
		return naive_get16(l4 + 4);
	return ip[9] == IPPROTO_TCP || ip[9] == IPPROTO_UDP ? plus(addresses, naive_sum(l4, 4))
							    : addresses;
}

/* Where the transport checksum lies; 0: nowhere. */
static uint32_t field_of(const uint8_t *ip)
{
	if ((naive_get16(ip + 6) & 0x1fff) != 0) /* in the first fragment */
		return 0;
	switch (ip[9]) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return 6;
	case IPPROTO_ICMP:
		return 2;
	default:
		return 0;
	}
}

/* Makes `new` of a header and `have` transport bytes: addresses, ports or identifier. The checksums
 * are as wrong as they were. */
static void twin_rewrite(uint8_t *ip, uint8_t *l4, uint32_t have, const struct tuple *new)
{
	uint32_t header = (ip[0] & 15u) * 4, before = naive_sum(ip, header);
	uint32_t counted_before = counted(ip, l4), field = field_of(ip), sum;
	bool request = l4[0] == 8 || l4[0] == 13;

	memcpy(ip + 12, &new->src, 4);
	memcpy(ip + 16, &new->dst, 4);
	naive_put16(ip + 10, minus(naive_get16(ip + 10), minus(naive_sum(ip, header), before)));
	if (ip[9] == IPPROTO_TCP || ip[9] == IPPROTO_UDP) {
		memcpy(l4, &new->sport, 2);
		memcpy(l4 + 2, &new->dport, 2);
	} else if (ip[9] == IPPROTO_ICMP) {
		memcpy(l4 + 4, request ? &new->sport : &new->dport, 2);
	}
	if (field == 0 || have < field + 2 || (ip[9] == IPPROTO_UDP && naive_get16(l4 + 6) == 0))
		return;
	sum = minus(naive_get16(l4 + field), minus(counted(ip, l4), counted_before));
	naive_put16(l4 + field, sum == 0 ? 0xffff : sum);
}

/* Bytes are the same; these checksums may be 0 for 0xffff, as what they cover is never all zeros.
 */
static void compare_bytes(const uint8_t *found, const uint8_t *wanted, uint32_t length,
			  const uint32_t checksum[4])
{
	uint8_t same[RANDOM_FRAME_MAX];

	memcpy(same, found, length);
	for (uint32_t i = 0; i < 4; i++)
		if (checksum[i] != 0 && naive_get16(found + checksum[i]) % 0xffff == 0 &&
		    naive_get16(wanted + checksum[i]) % 0xffff == 0)
			memcpy(same + checksum[i], wanted + checksum[i], 2);
	assert_memory_equal(same, wanted, length);
}

static struct rewrite rewrite_of(const struct tuple *from, const struct tuple *to)
{
	return (struct rewrite){.src = to->src,
				.dst = to->dst,
				.sport = to->sport,
				.dport = to->dport,
				.l3_delta = rewrite_l3_delta(from, to),
				.l4_delta = rewrite_l4_delta(from, to)};
}

static struct tuple random_tuple(const struct tuple *like)
{
	struct tuple tuple;

	for (uint32_t i = 0; i < sizeof(tuple); i++)
		((uint8_t *)&tuple)[i] = random_frame_byte();
	if (!has_ports(tuple_proto(like)))
		tuple.sport = tuple.dport = 0;
	if (tuple_proto(like) == IPPROTO_ICMP) { /* only the identifier is translated */
		if (like->sport == 0 || like->sport == TUPLE_TIMESTAMP)
			tuple.sport = like->sport;
		if (like->dport == 0 || like->dport == TUPLE_TIMESTAMP)
			tuple.dport = like->dport;
	}
	tuple.proto_realm = like->proto_realm;
	return tuple;
}

static void take_from_ttl(uint8_t *ip)
{
	uint32_t header = (ip[0] & 15u) * 4, before = naive_sum(ip, header);

	ip[8]--;
	naive_put16(ip + 10, minus(naive_get16(ip + 10), minus(naive_sum(ip, header), before)));
}

/* An identifier that makes the checksum of an ICMP query 0, or 0xffff. */
static void aim_at_zero(const uint8_t *l4, struct tuple *to)
{
	uint32_t ident = plus(naive_get16(l4 + 4), naive_get16(l4 + 2));

	naive_put16((uint8_t *)(l4[0] == 8 || l4[0] == 13 ? &to->sport : &to->dport), ident);
}

static void rewrite_query(struct packet *p, uint8_t *wanted)
{
	struct tuple to = random_tuple(&p->tuple);
	struct rewrite rw;

	if (wanted[L3 + 9] == IPPROTO_ICMP && random_frame_below(4) == 0)
		aim_at_zero(wanted + p->l4, &to);
	rw = rewrite_of(&p->tuple, &to);
	rewrite_packet(p, &rw);
	twin_rewrite(wanted + L3, wanted + p->l4, UINT32_MAX, &to);
	take_from_ttl(wanted + L3);
}

static void rewrite_an_error(struct packet *p, uint8_t *wanted, uint32_t first)
{
	struct tuple quoted = tuple_inverse(&p->tuple, REALM), to = random_tuple(&quoted);
	struct rewrite rw = rewrite_of(&quoted, &to);
	rte_be32_t src = random_frame_below(UINT32_MAX), dst = random_frame_below(UINT32_MAX);
	uint32_t end = RTE_MIN((uint32_t)p->l3 + p->length, first), before, after;
	uint8_t *ip = wanted + L3, *l4 = wanted + p->l4;

	rewrite_error(p, &rw, src, dst);
	before = naive_sum(l4, L3 + p->length - p->l4);
	twin_rewrite(wanted + p->quote, wanted + p->quote_l4, end - p->quote_l4, &to);
	after = naive_sum(l4, L3 + p->length - p->l4);
	naive_put16(l4 + 2, minus(naive_get16(l4 + 2), minus(after, before)));
	take_from_ttl(ip);
	before = naive_sum(ip, (ip[0] & 15u) * 4);
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	after = naive_sum(ip, (ip[0] & 15u) * 4);
	naive_put16(ip + 10, minus(naive_get16(ip + 10), minus(after, before)));
}

static void rewrite_as_the_twin(void **state)
{
	uint32_t queries = 0, errors = 0;

	(void)state;
	random_frame_seed(22);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint8_t wanted[RANDOM_FRAME_MAX] = {0}, after[RANDOM_FRAME_MAX];
		uint32_t length = random_frame(wanted, &source.mac), first = 0, checksum[4] = {0};
		struct packet p = {0};

		p.mbuf = random_frame_cut(pool, wanted, length, &first);
		packet_parse(&p, &source);
		checksum[0] = L3 + 10u;
		if (p.kind <= PACKET_ERROR && p.ttl == 0) /* route refuses those */
			p.kind = PACKET_REFUSED;
		if (p.kind == PACKET_QUERY) {
			rewrite_query(&p, wanted);
			checksum[1] = wanted[L3 + 9] == IPPROTO_TCP ? p.l4 + 16u : 0;
			queries++;
		} else if (p.kind == PACKET_ERROR) {
			rewrite_an_error(&p, wanted, first);
			checksum[1] = p.l4 + 2u;
			checksum[2] = p.quote + 10u;
			checksum[3] = wanted[p.quote + 9] == IPPROTO_TCP ? p.quote_l4 + 16u : 0;
			errors++;
		}
		if (p.kind == PACKET_QUERY || p.kind == PACKET_ERROR)
			compare_bytes(rte_pktmbuf_read(p.mbuf, 0, length, after), wanted, length,
				      checksum);
		rte_pktmbuf_free(p.mbuf);
	}
	assert_in_range(queries, FRAMES / 8, FRAMES);
	assert_in_range(errors, 1000, FRAMES);
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
		cmocka_unit_test(rewrite_as_the_twin),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
