/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "eal.h"
#include "fragment.h"
#include "frame.h"
#include "ident.h"
#include "ranges.h"

#define UNIT  8
#define UNITS 56 /* of a datagram in the model */

/* In any order all of a datagram passes once, whatever is repeated, and only then it is complete.
 */
static void ranges_in_any_order(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		struct ranges ranges = {0};
		uint32_t units = 2 + (uint32_t)rand() % (UNITS - 1), left = units;
		bool there[UNITS + 1] = {false};

		while (left > 0) {
			uint32_t i = (uint32_t)rand() % units;
			enum ranges_result result =
				ranges_add(&ranges, (uint16_t)(i * UNIT),
					   (uint16_t)((i + 1) * UNIT), i + 1 < units);

			assert_int_equal(result, there[i] ? RANGES_REPEATED : RANGES_ADDED);
			left -= !there[i];
			there[i] = true;
			assert_int_equal(ranges_complete(&ranges), left == 0);
		}
	}
}

/* Against a map of bytes: what is new is added, what is there is repeated, the rest overlaps. */
static void ranges_against_a_model(void **state)
{
	(void)state;
	srand(2);
	for (int round = 0; round < 2000; round++) {
		struct ranges ranges = {0};
		bool there[40] = {false};

		for (int i = 0; i < 30; i++) {
			uint32_t first = (uint32_t)rand() % 39, n = 1 + (uint32_t)rand() % 6, k = 0;
			enum ranges_result result;

			n = RTE_MIN(n, 40 - first);
			for (uint32_t at = first; at < first + n; at++)
				k += there[at];
			result = ranges_add(&ranges, (uint16_t)(first * UNIT),
					    (uint16_t)((first + n) * UNIT), true);
			assert_int_equal(result, k == 0   ? RANGES_ADDED
						 : k == n ? RANGES_REPEATED
							  : RANGES_OVERLAP);
			if (k == 0)
				memset(there + first, 1, n);
		}
	}
}

/* A datagram has one end: nothing lies behind it, and no other fragment may be its last. */
static void ranges_keep_the_end(void **state)
{
	struct ranges ranges = {0};

	(void)state;
	assert_int_equal(ranges_add(&ranges, 80, 100, false), RANGES_ADDED);
	assert_int_equal(ranges_add(&ranges, 104, 112, true), RANGES_OVERLAP);
	assert_int_equal(ranges_add(&ranges, 72, 80, false), RANGES_OVERLAP);
	assert_int_equal(ranges_add(&ranges, 80, 100, true), RANGES_OVERLAP);
	assert_int_equal(ranges_add(&ranges, 80, 100, false), RANGES_REPEATED);
	ranges = (struct ranges){0};
	assert_int_equal(ranges_add(&ranges, 80, 104, true), RANGES_ADDED);
	assert_int_equal(ranges_add(&ranges, 40, 48, false), RANGES_OVERLAP);
}

/* More gaps than there is room for are refused, not forgotten. */
static void ranges_are_bounded(void **state)
{
	struct ranges ranges = {0};

	(void)state;
	for (uint16_t i = 0; i < RANGES_MAX; i++)
		assert_int_equal(ranges_add(&ranges, i * 16, i * 16 + 8, true), RANGES_ADDED);
	assert_int_equal(ranges_add(&ranges, 8000, 8008, true), RANGES_TOO_MANY);
	assert_int_equal(ranges_add(&ranges, 8, 16, true), RANGES_ADDED);
	assert_int_equal(ranges_add(&ranges, 8000, 8008, true), RANGES_ADDED);
}

/* RFC 6864: an identification comes again only after all others, whichever worker gives it. */
static void idents_are_unique(void **state)
{
	static uint8_t seen[65536];

	(void)state;
	for (uint32_t workers = 1; workers <= 4; workers++) {
		uint32_t shares = workers == 3 ? 4 : workers;

		assert_int_equal(tuple_setup(), 0);
		memset(seen, 0, sizeof(seen));
		for (uint8_t worker = 0; worker < workers; worker++) {
			struct ident ident;

			ident_init(&ident, worker, workers);
			for (uint32_t i = 0; i < 65536 / shares; i++) {
				rte_be16_t id = ident_next(&ident, 1, 2, IPPROTO_UDP);

				assert_int_equal(seen[id], 0);
				seen[id] = 1;
			}
		}
	}
}

static struct rte_mempool *pool;
static struct stats stats;

static struct packet later(const char *src, uint16_t ip_id, uint16_t offset)
{
	static const struct packet_source outside = {.any_mac = true};
	struct frame_spec spec = {.src = src,
				  .dst = "203.0.113.1",
				  .proto = IPPROTO_UDP,
				  .length = 200,
				  .ip_id = ip_id,
				  .fragment_offset = offset,
				  .fragment_length = 8};
	struct packet p = {.mbuf = frame_build(pool, &spec)};

	packet_parse(&p, &outside);
	assert_int_equal(p.kind, PACKET_FRAGMENT);
	return p;
}

static struct packet first(const char *src, uint16_t ip_id)
{
	struct packet p = later(src, ip_id, 0);

	assert_false(p.flags & PACKET_LATER);
	return p;
}

static struct fragments *small_table(void)
{
	stats = (struct stats){0};
	fragments_settings = (struct fragments_config){
		.timeout = 2, .max_datagrams = 16, .max_waiting = 6, .max_waiting_per_source = 4};
	return fragments_create(&stats, SOCKET_ID_ANY);
}

static void follow(struct fragments *fragments, struct packet p, uint8_t kind, uint64_t now_ms)
{
	fragments_follow(fragments, &p, now_ms);
	assert_int_equal(p.kind, kind);
	if (kind != PACKET_GONE)
		rte_pktmbuf_free(p.mbuf);
}

static enum verdict pass(struct fragments *fragments, struct packet p, uint64_t now_ms)
{
	rte_be16_t ident = 1;
	enum verdict verdict = fragments_pass(fragments, &p, &ident, now_ms);

	rte_pktmbuf_free(p.mbuf);
	return verdict;
}

/* What waits is bounded in all and by source; the oldest others make room, and all is counted. */
static void waiting_is_bounded(void **state)
{
	struct fragments *fragments = small_table();
	struct rte_mbuf *packet[32];

	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		follow(fragments, later("192.0.2.1", i, 8), PACKET_GONE, 0);
	follow(fragments, later("192.0.2.1", 0, 16), PACKET_REFUSED, 0);
	follow(fragments, later("192.0.2.1", 9, 8), PACKET_REFUSED, 0);
	assert_int_equal(stats.held, 4);
	for (uint16_t i = 0; i < 4; i++)
		follow(fragments, later("192.0.2.2", i, 8), PACKET_GONE, 0);
	assert_int_equal(stats.held, 6);
	assert_int_equal(stats.verdict[VERDICT_FRAGMENT_LIMIT], 2);
	/* the two oldest of 192.0.2.1 are gone; those that are left come behind their firsts */
	assert_int_equal(pass(fragments, first("192.0.2.1", 0), 0), VERDICT_COUNT);
	assert_int_equal(fragments_take(fragments, packet, 32), 0);
	assert_int_equal(pass(fragments, first("192.0.2.1", 3), 0), VERDICT_COUNT);
	assert_int_equal(pass(fragments, first("192.0.2.2", 3), 0), VERDICT_COUNT);
	assert_int_equal(fragments_take(fragments, packet, 32), 2);
	rte_pktmbuf_free(packet[0]);
	rte_pktmbuf_free(packet[1]);
	assert_int_equal(stats.held, 4);
	fragments_destroy(fragments);
}

/* One datagram may take all places, and what is over is refused; then time ends it. */
static void time_ends_what_waits(void **state)
{
	struct fragments *fragments = small_table();

	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		follow(fragments, later("192.0.2.1", 7, 8 + i * 8), PACKET_GONE, 100);
	fragments_expire(fragments, 2099);
	assert_int_equal(stats.held, 4);
	fragments_expire(fragments, 2100);
	assert_int_equal(stats.held, 0);
	assert_int_equal(fragments_count(fragments), 0);
	assert_int_equal(stats.verdict[VERDICT_FRAGMENT_TIMEOUT], 4);
	fragments_destroy(fragments);
}

/* First fragments without others are bounded too, and take no room from those that wait. */
static void firsts_are_bounded(void **state)
{
	struct fragments *fragments = small_table();

	(void)state;
	follow(fragments, later("192.0.2.1", 7, 8), PACKET_GONE, 0);
	for (uint16_t i = 0; i < 100; i++)
		assert_int_equal(pass(fragments, first("192.0.2.2", i), 0), VERDICT_COUNT);
	assert_int_equal(fragments_count(fragments), 1 + 8);
	assert_int_equal(stats.held, 1);
	follow(fragments, later("192.0.2.2", 99, 8), PACKET_QUERY, 0);
	fragments_destroy(fragments);
}

/* Random traffic of few sources: no packet is lost, and in the end nothing is left. */
static void nothing_is_lost(void **state)
{
	static const char *const source[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
	struct fragments *fragments = small_table();
	uint32_t buffers = rte_mempool_avail_count(pool);
	uint64_t now = 0;

	(void)state;
	srand(3);
	for (int i = 0; i < 50000; i++) {
		struct packet p = later(source[rand() % 3], (uint16_t)(rand() % 20),
					(uint16_t)(rand() % 4 * 8));
		struct rte_mbuf *packet[4];
		rte_be16_t ident = 1;

		now += (uint64_t)rand() % 50;
		fragments_expire(fragments, now);
		if (p.flags & PACKET_LATER)
			fragments_follow(fragments, &p, now);
		if (p.kind != PACKET_GONE) {
			if (p.kind != PACKET_REFUSED)
				fragments_pass(fragments, &p, &ident, now);
			rte_pktmbuf_free(p.mbuf);
		}
		for (uint32_t n = fragments_take(fragments, packet, 4); n > 0; n--)
			rte_pktmbuf_free(packet[n - 1]);
		assert_true(fragments_count(fragments) <= 16);
		assert_int_equal(rte_mempool_avail_count(pool) + stats.held, buffers);
	}
	for (int i = 0; i < 4; i++)
		fragments_expire(fragments, now + 2000);
	assert_int_equal(fragments_count(fragments), 0);
	assert_int_equal(rte_mempool_avail_count(pool), buffers);
	fragments_destroy(fragments);
}

/* RFC 791: what fits no datagram is refused before anything is kept of it. */
static void what_fits_no_datagram(void **state)
{
	static const struct packet_source outside = {.any_mac = true};
	/* flags and offset, IP payload bytes */
	static const uint16_t bad[][2] = {{0x2001, 12}, {0x0001, 0}, {0x1ffe, 44}, {0x3fff, 8}};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		struct frame_spec spec = {.src = "192.0.2.1",
					  .dst = "203.0.113.1",
					  .proto = IPPROTO_UDP,
					  .length = 100};
		struct packet p = {.mbuf = frame_build(pool, &spec)};
		struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(p.mbuf, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);

		ip->fragment_offset = rte_cpu_to_be_16(bad[i][0]);
		ip->total_length = rte_cpu_to_be_16(20 + bad[i][1]);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		packet_parse(&p, &outside);
		assert_int_equal(p.kind, PACKET_REFUSED);
		assert_int_equal(p.verdict, VERDICT_BAD_FRAGMENT);
		rte_pktmbuf_free(p.mbuf);
	}
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	pool = rte_pktmbuf_pool_create("fragments", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return pool == NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_in_any_order),  cmocka_unit_test(ranges_against_a_model),
		cmocka_unit_test(ranges_keep_the_end),  cmocka_unit_test(ranges_are_bounded),
		cmocka_unit_test(idents_are_unique),    cmocka_unit_test(waiting_is_bounded),
		cmocka_unit_test(time_ends_what_waits), cmocka_unit_test(firsts_are_bounded),
		cmocka_unit_test(nothing_is_lost),      cmocka_unit_test(what_fits_no_datagram),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
