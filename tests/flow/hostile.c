/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything hostile at once, at random, while one subscriber's TCP connection, UDP stream and ping
 * go on in the same bursts. Each of its packets must leave as if nothing else were there; each
 * packet must end in one verdict or wait (the fixture sees to that after every turn); and what weir
 * keeps must stay within its bounds.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "fragment.h"

#define ROUNDS       4000
#define HOSTILE      24 /* packets of a round */
#define GOOD         8
#define PIECE        6 /* of them, and the next: a datagram in two fragments */
#define CUT          304
#define ATTACKER     S2
#define OWN_SESSIONS 64 /* of a subscriber */
#define INBOUND      32 /* of a mapping */
#define WAITING      40
#define HOLD         1024 /* more than may wait for neighbours */

/* The subscriber's packets of a round, and what they must become. */
static struct {
	struct frame_spec in[GOOD], out[GOOD];
	enum flow_port in_port[GOOD];
	struct endpoint public[3];
} good;

static uint32_t below(uint32_t n)
{
	return (uint32_t)rand() % n;
}

static const char *one_of(const char *const text[], uint32_t n)
{
	return text[below(n)];
}

/* ---- the well-behaved ---- */

static void add_pair(uint32_t i, const struct frame_spec *spec, const struct endpoint *public)
{
	good.public[i] = *public;
	good.in[2 * i] = *spec;
	good.out[2 * i] = flow_public(spec, &good.public[i]);
	good.out[2 * i] = flow_hop(&good.out[2 * i]);
	good.in_port[2 * i] = INSIDE;
	good.in[2 * i + 1] = flow_reply(spec, &good.public[i]);
	good.out[2 * i + 1] = flow_answer(spec);
	good.out[2 * i + 1] = flow_hop(&good.out[2 * i + 1]);
	good.in_port[2 * i + 1] = OUTSIDE;
}

static void begin_good(void)
{
	struct frame_spec tcp = {.src = S1,
				 .dst = B1,
				 .proto = IPPROTO_TCP,
				 .sport = 4000,
				 .dport = 443,
				 .tcp_flags = RTE_TCP_SYN_FLAG,
				 .df = true,
				 .length = 601};
	struct frame_spec udp = {.src = S1,
				 .dst = B1,
				 .proto = IPPROTO_UDP,
				 .sport = 4000,
				 .dport = 3478,
				 .df = true,
				 .length = 173};
	struct frame_spec ping = {.src = S1,
				  .dst = B1,
				  .proto = IPPROTO_ICMP,
				  .type = 8,
				  .ident = 4000,
				  .df = true,
				  .length = 57};
	struct endpoint public = flow_open(&tcp);
	struct frame_spec synack, out;

	synack = flow_flags(&tcp, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG);
	out = flow_answer(&synack);
	out = flow_hop(&out);
	synack = flow_reply(&synack, &public);
	flow_pass(OUTSIDE, &synack, VERDICT_TRANSLATED, INSIDE, &out);
	tcp.tcp_flags = RTE_TCP_ACK_FLAG;
	add_pair(0, &tcp, &public);
	public = flow_open(&udp);
	add_pair(1, &udp, &public);
	public = flow_open(&ping);
	add_pair(2, &ping, &public);
	for (uint32_t i = PIECE; i < GOOD; i++) {
		good.in[i] = good.in[2]; /* the UDP stream's, longer */
		good.in[i].df = false;
		good.in[i].length = 500;
		good.in[i].fragment_offset = i == PIECE ? 0 : CUT;
		good.in[i].fragment_length = i == PIECE ? CUT : 0;
		good.out[i] = flow_public(&good.in[i], &good.public[1]);
		good.out[i] = flow_hop(&good.out[i]);
		good.in_port[i] = INSIDE;
	}
}

/* Everything that left in a round: each of the good ones once. */
static void expect_good(void)
{
	uint32_t seen[GOOD] = {0};
	struct rte_mbuf *frame;

	for (int port = 0; port < FLOW_PORTS; port++)
		while ((frame = flow_receive((enum flow_port)port)) != NULL)
			for (uint32_t i = 0; i < GOOD; i++)
				seen[i] += good.in_port[i] != (enum flow_port)port &&
					   frame_matches(frame, &good.out[i], NULL);
	for (uint32_t i = 0; i < GOOD; i++)
		if (seen[i] != 1)
			fail_msg("the subscriber's packet %u leaves %u times", i, seen[i]);
}

/* ---- the hostile ---- */

/* An address from anywhere, S1's remote too, and no host at all. */
static const char *spoofed(void)
{
	static const char *const known[] = {
		B1, B2, "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", POOL, "203.0.113.2",
		S1};
	static char text[4][16];
	static uint32_t next;

	if (below(4) == 0)
		return one_of(known, RTE_DIM(known));
	next = (next + 1) % 4;
	snprintf(text[next], sizeof(text[next]), "%u.%u.%u.%u", below(224), below(256), below(256),
		 below(256));
	return text[next];
}

static const char *pool_address(void)
{
	return below(2) ? POOL : "203.0.113.2";
}

/* A public port: one of S1's, or any. */
static uint16_t some_port(void)
{
	return below(3) == 0 ? good.public[below(3)].port : (uint16_t)below(65536);
}

static struct frame_spec any_packet(const char *src, const char *dst)
{
	static const uint8_t protocols[] = {6, 6, 17, 17, 1, 47, 50, 0};

	return (struct frame_spec){
		.src = src,
		.dst = dst,
		.proto = protocols[below(RTE_DIM(protocols))],
		.ttl = (uint8_t)(below(8) == 0 ? 1 : 64),
		.df = below(2) != 0,
		.ip_id = (uint16_t)below(64),
		.sport = some_port(),
		.dport = some_port(),
		.ident = some_port(),
		.type = (uint8_t)(below(2) ? 8 * below(2) : below(20)),
		.tcp_flags = (uint8_t)(below(2) ? RTE_TCP_SYN_FLAG : below(64)),
		.length = (uint16_t)below(200),
	};
}

/* To the pool from spoofed sources. */
static void unsolicited(void)
{
	struct frame_spec spec = any_packet(spoofed(), pool_address());

	flow_queue(OUTSIDE, &spec);
}

/* Out of S1's own connection, in its remote's name: resets, SYNs, FIN, any flags. */
static void forged_segment(void)
{
	struct frame_spec spec = good.in[1];

	spec.tcp_flags = (uint8_t)(below(2) ? RTE_TCP_RST_FLAG : RTE_TCP_SYN_FLAG);
	if (below(4) == 0)
		spec.tcp_flags = (uint8_t)(below(64) & ~RTE_TCP_FIN_FLAG);
	spec.seq = (uint32_t)rand();
	spec.length = 0;
	flow_queue(OUTSIDE, &spec);
}

/* About S1's packets, or nothing, from outside; about what S1 got, from inside. */
static void icmp_error(void)
{
	static const uint8_t types[] = {3, 3, 3, 11, 12, 4, 5};
	uint32_t i = below(PIECE);
	struct frame_spec quote = good.in[i] /* as it came, or as it left */, error;

	if (below(8) != 0)
		quote = good.out[i];
	if (below(4) == 0)
		quote.dport = (uint16_t)below(65536);
	error = (struct frame_spec){
		.src = spoofed(),
		.dst = quote.src,
		.proto = IPPROTO_ICMP,
		.type = types[below(RTE_DIM(types))],
		.code = (uint8_t)below(16),
		.mtu = (uint16_t)below(65536),
		.quote = &quote,
		.quote_length = (uint16_t)(below(2) ? 28 : 1 + below(60)),
		.bad_checksum = below(4) == 0,
	};
	if (good.in_port[i] == OUTSIDE)
		error.src = ATTACKER;
	flow_queue(good.in_port[i] == OUTSIDE ? INSIDE : OUTSIDE, &error);
}

/* Of S1's ports too, in any order, most without a first or a last one. */
static void fragment(void)
{
	bool inside = below(2) != 0;
	struct frame_spec spec =
		inside ? any_packet(ATTACKER, B1) : any_packet(spoofed(), pool_address());

	spec.length = 400;
	spec.df = false;
	spec.fragment_offset = (uint16_t)(8 * below(8) * below(8));
	spec.fragment_length = (uint16_t)(below(4) == 0 ? 0 : 8 * (1 + below(8)));
	if (spec.fragment_offset + spec.fragment_length >= 400)
		spec.fragment_length = 0;
	flow_queue(inside ? INSIDE : OUTSIDE, &spec);
}

/* The attacker opens what it can, also towards S1's public endpoints and what nobody answers for.
 */
static void opener(void)
{
	static const char *const to[] = {B1,
					 B2,
					 POOL,
					 "203.0.113.2",
					 "10.1.1.1",
					 WEIR_INSIDE,
					 "198.51.100.211",
					 "100.64.255.9",
					 S1};
	struct frame_spec spec = any_packet(ATTACKER, one_of(to, RTE_DIM(to)));

	flow_queue(INSIDE, &spec);
}

/* A good packet with some of its bytes changed or cut off. */
static void damaged(void)
{
	uint32_t i = below(PIECE);
	struct rte_mbuf *frame = flow_queue(good.in_port[i], &good.in[i]);
	uint32_t length = rte_pktmbuf_data_len(frame);
	uint8_t *byte = rte_pktmbuf_mtod(frame, uint8_t *);

	if (below(2)) /* the transport header */
		byte[RTE_ETHER_HDR_LEN + 20 + below(20)] ^= (uint8_t)(1 + below(255));
	else
		byte[RTE_ETHER_HDR_LEN + 10 + below(2)] ^= (uint8_t)(1 + below(255));
	for (uint32_t n = below(8) == 0 ? below(8) : 0; n > 0; n--)
		byte[RTE_ETHER_HDR_LEN + below(40)] = (uint8_t)below(256);
	if (below(2))
		rte_pktmbuf_trim(frame, (uint16_t)below(length - RTE_ETHER_HDR_LEN));
}

/* Nothing but noise behind the link header, which may be anything too. */
static void noise(void)
{
	struct rte_mbuf *frame = flow_queue(below(2) ? INSIDE : OUTSIDE, &good.in[0]);
	uint32_t length = 1 + below(rte_pktmbuf_data_len(frame));
	uint8_t *byte = rte_pktmbuf_mtod(frame, uint8_t *);

	for (uint32_t k = below(3) == 0 ? 0 : RTE_ETHER_HDR_LEN; k < length; k++)
		byte[k] = (uint8_t)below(256);
	rte_pktmbuf_trim(frame, (uint16_t)(rte_pktmbuf_data_len(frame) - length));
}

static void (*const attacks[])(void) = {unsolicited, forged_segment, icmp_error, fragment,
					opener,      damaged,        noise};

/* ---- together ---- */

static void set_limits(struct limits_config *config)
{
	config->max_inbound_sessions_per_mapping = INBOUND;
}

/* What there may be: each subscriber's sessions, S1's being those from outside too. Few of the
 * damaged packets are right again, from another source. */
static void expect_bounds(void)
{
	assert_in_range(flow_subscribers(), 1, 4);
	assert_in_range(flow_sessions(), 3, flow_subscribers() * OWN_SESSIONS);
	assert_in_range(flow_mappings(), 3, flow_subscribers() * OWN_SESSIONS);
	assert_in_range(flow_count(held), 0, 2 * WAITING + HOLD);
}

/* A burst of both kinds. */
static void round_of(uint32_t number)
{
	uint32_t next = 0;

	good.in[PIECE].ip_id = good.in[PIECE + 1].ip_id = (uint16_t)number;
	for (uint32_t i = 0; i < HOSTILE; i++) {
		if (i % (HOSTILE / GOOD) == number % (HOSTILE / GOOD)) {
			flow_queue(good.in_port[next], &good.in[next]);
			next++;
		}
		attacks[below(RTE_DIM(attacks))]();
	}
	assert_int_equal(next, GOOD);
	flow_turn();
	expect_good();
	expect_bounds();
	flow_advance_ms(50);
}

/* Hostile packets of all kinds harm nobody, and leave nothing behind. */
static void goes_on_undisturbed(void **state)
{
	const struct fragments_config kept = fragments_settings;

	(void)state;
	srand(11);
	fragments_settings.max_waiting = WAITING;
	for (uint32_t workers = 1; workers <= 2; workers++) {
		flow_start(&(struct flow_setup){.workers = workers,
						.pool = "203.0.113.1-203.0.113.2",
						.max_sessions = 4096,
						.max_sessions_per_subscriber = OWN_SESSIONS,
						.set_limits = set_limits});
		begin_good();
		for (uint32_t i = 0; i < ROUNDS; i++)
			round_of(i);
		if (workers == 1)
			assert_int_equal(flow_teardown(NULL), 0);
	}
	fragments_settings = kept;
}

int main(void)
{
	const struct CMUnitTest tests[] = {FLOW_TEST(goes_on_undisturbed)};

	return FLOW_RUN(tests);
}
