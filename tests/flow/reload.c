/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools that change while sessions go on: whom it does not concern does not notice. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_arp.h>

#include "flow.h"
#include "pools.h"
#include "rules.h"
#include "statics.h"

static struct frame_spec packet(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	return (struct frame_spec){.src = src,
				   .dst = dst,
				   .proto = IPPROTO_UDP,
				   .sport = sport,
				   .dport = dport,
				   .length = 10};
}

/* A session of before: the next packet out and the answer, with the same public endpoint. */
static void goes_on(const struct frame_spec *spec, const struct endpoint *public)
{
	struct frame_spec out = flow_public(spec, public), in = flow_reply(spec, public), delivered;
	uint64_t sessions = flow_count(sessions_created);

	out = flow_hop(&out);
	flow_pass(INSIDE, spec, VERDICT_TRANSLATED, OUTSIDE, &out);
	delivered = flow_answer(spec);
	delivered = flow_hop(&delivered);
	flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &delivered);
	assert_int_equal(flow_count(sessions_created), sessions);
}

/* The others of four addresses: all of them but `without`, and .9 beside. */
static const char *others(const char *without)
{
	static char text[128];

	text[0] = '\0';
	for (int i = 1; i <= 4; i++) {
		char address[16];

		snprintf(address, sizeof(address), "203.0.113.%d", i);
		if (strcmp(address, without) != 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", address);
	}
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "203.0.113.9");
	return text;
}

#define FOUR "203.0.113.1-203.0.113.4"

/* Requirements, trap 1: adding an address moves nobody; nor does removing another one. */
static void sessions_go_on(void **state)
{
	struct frame_spec spec[2] = {packet(S1, 3000, B1, 53), packet(S2, 3000, B1, 53)};
	struct frame_spec more = packet(S1, 3000, B2, 80), other = packet(S1, 3001, B2, 80);
	struct endpoint public[2], again;
	char unused[16] = "";

	(void)state;
	flow_start(&(struct flow_setup){.pool = FOUR});
	for (int i = 0; i < 2; i++)
	public[i] = flow_open(&spec[i]);
	for (int i = 1; i <= 4 && unused[0] == '\0'; i++) {
		snprintf(unused, sizeof(unused), "203.0.113.%d", i);
		if (strcmp(unused, public[0].address) == 0 ||
		    strcmp(unused, public[1].address) == 0)
			unused[0] = '\0';
	}
	flow_addresses(others(unused));
	for (int i = 0; i < 2; i++)
		goes_on(&spec[i], &public[i]);
	again = flow_open(&more); /* by the same mapping */
	assert_string_equal(again.address, public[0].address);
	assert_int_equal(again.port, public[0].port);
	again = flow_open(&other); /* and the subscriber is paired as it was */
	assert_string_equal(again.address, public[0].address);
	assert_int_equal(flow_subscribers(), 2);
}

/* What is on an address that is no more ends, and its subscriber has another address with its next
 * packet; nobody is let in by the old one. Who is on another address goes on. */
static void a_removed_address_drains(void **state)
{
	struct frame_spec spec = packet(S1, 3000, B1, 53), stays = packet(S2, 3000, B1, 53), in;
	struct endpoint public, kept, next;

	(void)state;
	flow_start(&(struct flow_setup){.pool = FOUR});
	public = flow_open(&spec);
	kept = flow_open(&stays);
	in = flow_reply(&spec, &public);
	flow_addresses(others(public.address));
	assert_null(flow_session(&spec));
	flow_drop(OUTSIDE, &in, VERDICT_NO_SESSION);
	if (strcmp(kept.address, public.address) != 0) /* the choice is random, if not quite */
		goes_on(&stays, &kept);
	next = flow_open(&spec);
	assert_string_not_equal(next.address, public.address);
	goes_on(&spec, &next);
	flow_drop(OUTSIDE, &in, VERDICT_NO_SESSION);
}

/* Homes look at 64 sessions in a turn, so what comes behind these is still there for a while. */
static void begin_many(void)
{
	for (uint16_t i = 0; i < 200; i++) {
		struct frame_spec spec = packet(S2, (uint16_t)(5000 + i), B1, 53);

		flow_open(&spec);
	}
}

/* From the moment of the change, before any session was looked at, what begins has the new address:
 * also from an inside endpoint that is mapped on the old one. */
static void new_sessions_move_at_once(void **state)
{
	struct frame_spec spec = packet(S1, 3000, B1, 53), more = packet(S1, 3000, B2, 80);
	struct pool_config pool;
	struct endpoint next;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1"});
	begin_many();
	flow_open(&spec);
	pool = flow_pool("pool", "203.0.113.2");
	flow_reload_begin(&(struct flow_config){.pool = &pool, .pools = 1});
	next = flow_open(&more);
	assert_string_equal(next.address, "203.0.113.2");
	flow_advance(1);
	assert_null(flow_session(&spec));
	goes_on(&more, &next);
	support_pool_config_clean(&pool);
}

/* Where rules exempt, packets to any address are looked for at somebody: a mapping on an address
 * that is no more lets nobody in there. */
static void an_old_mapping_lets_nobody_in(void **state)
{
	struct frame_spec spec = packet(S1, 3000, B1, 53), in;
	const struct rule_config rules[] = {
		{.destination = {.address = flow_address("198.18.0.0"), .length = 24},
		 .action = RULE_EXEMPT},
		{.action = RULE_PERMIT}};
	struct flow_config config = {.pools = 1, .rule = rules, .rules = 2};
	struct pool_config pool;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1"});
	flow_rules(rules, 2);
	begin_many();
	public = flow_open(&spec);
	in = flow_reply(&spec, &public);
	in.src = B2;
	pool = flow_pool("pool", "203.0.113.2");
	config.pool = &pool;
	flow_reload_begin(&config);
	flow_send(OUTSIDE, &in);
	flow_expect_verdict(VERDICT_NO_SESSION);
	assert_null(flow_receive(INSIDE));
	flow_advance(1);
	support_pool_config_clean(&pool);
}

/* weir answers ARP for the pool's addresses of now, and tells neighbours of a new one. */
static void arp_follows(void **state)
{
	struct frame_spec ask = {.src_mac = "02:00:00:00:00:99",
				 .dst_mac = "ff:ff:ff:ff:ff:ff",
				 .src = "198.51.100.99",
				 .dst = "198.51.100.10",
				 .arp = RTE_ARP_OP_REQUEST};

	(void)state;
	flow_start(&(struct flow_setup){.pool = "198.51.100.10"});
	flow_send(OUTSIDE, &ask);
	assert_non_null(flow_receive(OUTSIDE));
	flow_addresses("198.51.100.11");
	flow_send(OUTSIDE, &ask);
	flow_expect_silence();
	ask.dst = "198.51.100.11";
	flow_send(OUTSIDE, &ask);
	assert_non_null(flow_receive(OUTSIDE));
}

/* A pool gets another name: its sessions end, and its addresses serve at once again, with ports
 * that are nobody's and do not rest. */
static void a_pool_is_renamed(void **state)
{
	struct frame_spec spec = packet(S1, 3000, B1, 53), other = packet(S2, 3000, B1, 53);
	const struct rule_config rule = {.pool = (char[]){"new"}};
	struct pool_config pool;
	struct endpoint public, next;

	(void)state;
	flow_start(&(struct flow_setup){.ports_first = 1024, .ports_last = 1151, .block_size = 64});
	public = flow_open(&spec);
	pool = flow_pool("new", POOL);
	flow_reload(&(struct flow_config){.pool = &pool, .pools = 1, .rule = &rule, .rules = 1});
	assert_null(flow_session(&spec));
	next = flow_open(&other);
	assert_string_equal(next.address, POOL);
	assert_int_not_equal(next.port / 64, public.port / 64); /* the other of two blocks */
	flow_refuse(INSIDE, &spec, VERDICT_NO_ADDRESS, 3, 1);
	goes_on(&other, &next);
	for (uint32_t s = 0; s < 160; s++) {
		flow_advance(1);
		if (s % 60 == 0)
			goes_on(&other, &next);
	}
	flow_open(&spec); /* the first block has rested */
	support_pool_config_clean(&pool);
}

static void soft(struct pool_config *pool)
{
	pool->address_pooling = POOLING_SOFT;
}

/* With soft pairing a subscriber has ports on several addresses: what is on one that is no more
 * ends, the rest goes on. */
static void soft_pairing_loses_one(void **state)
{
	const struct flow_setup setup = {.pool = "203.0.113.1-203.0.113.2",
					 .ports_first = 1024,
					 .ports_last = 1087,
					 .block_size = 64,
					 .set_pool = soft};
	struct frame_spec first = packet(S1, 3000, B1, 53), last = packet(S1, 3064, B1, 53);
	struct frame_spec again = packet(S1, 3064, B2, 80);
	struct endpoint public, elsewhere;

	(void)state;
	flow_start(&setup);
	public = flow_open(&first);
	for (uint16_t i = 1; i < 64; i++) {
		struct frame_spec spec = packet(S1, (uint16_t)(3000 + i), B1, 53);

		flow_open(&spec);
	}
	elsewhere = flow_open(&last);
	assert_string_not_equal(elsewhere.address, public.address);
	flow_addresses(public.address);
	assert_int_equal(flow_sessions(), 64);
	goes_on(&first, &public);
	flow_refuse(INSIDE, &again, VERDICT_NO_PORT, 3, 1); /* it is full */
}

static struct static_config forward(const char *outside, uint16_t port, const char *inside)
{
	static char udp[] = "udp", any[] = "any";

	return (struct static_config){
		.outside = flow_address(outside),
		.outside_port = port,
		.protocol = port != 0 ? udp : any,
		.inside = flow_address(inside),
		.inside_port = port,
		.realm = 1,
		.weight = 1,
	};
}

/* Static mappings move with the addresses in one change: to a new address, to another pool. */
static void statics_move_along(void **state)
{
	struct static_config before = forward("203.0.113.1", 80, S1);
	struct static_config after[] = {forward("203.0.113.1", 80, S1),
					forward("203.0.113.5", 80, S2)};
	struct frame_spec in = packet(B1, 777, "203.0.113.1", 80), to;
	const struct rule_config rule = {.pool = (char[]){"pool"}};
	struct pool_config pool[2];

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1"});
	flow_statics(&before, 1);
	flow_send(OUTSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	pool[0] = flow_pool("pool", "203.0.113.4");
	pool[1] = flow_pool("servers", "203.0.113.1 203.0.113.5");
	flow_reload(&(struct flow_config){
		.pool = pool, .pools = 2, .rule = &rule, .rules = 1, .fixed = after, .statics = 2});
	assert_int_equal(flow_sessions(), 0);
	for (int i = 0; i < 2; i++) {
		in.dst = i == 0 ? "203.0.113.1" : "203.0.113.5";
		to = in;
		to.dst = i == 0 ? S1 : S2;
		to = flow_hop(&to);
		while (flow_receive(INSIDE) != NULL)
			;
		flow_pass(OUTSIDE, &in, VERDICT_TRANSLATED, INSIDE, &to);
	}
	for (int i = 0; i < 2; i++)
		support_pool_config_clean(&pool[i]);
}

/* An address that becomes one server's as a whole is no place for others: they have another one
 * with their next packet. */
static void a_whole_address_is_left_at_once(void **state)
{
	struct frame_spec spec = packet(S1, 3000, B1, 53);
	struct endpoint public, next;
	struct static_config whole;

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1-203.0.113.2"});
	public = flow_open(&spec);
	whole = forward(public.address, 0, S2);
	flow_statics(&whole, 1);
	next = flow_open(&spec);
	assert_string_not_equal(next.address, public.address);
}

/* An address that was somewhere in the Internet becomes ours: sessions to it end, so that the next
 * packet goes to who has it now; and the other way round. */
static void remotes_become_ours(void **state)
{
	struct frame_spec spec = packet(S1, 3000, "203.0.113.9", 53);

	(void)state;
	flow_start(&(struct flow_setup){.pool = "203.0.113.1"});
	flow_open(&spec);
	flow_addresses("203.0.113.1 203.0.113.9");
	assert_null(flow_session(&spec));
	flow_drop(INSIDE, &spec, VERDICT_NO_SESSION);
	flow_addresses("203.0.113.1");
	flow_open(&spec);
}

/* Settings change in place, for what comes; what is there stays. */
static void settings_change(void **state)
{
	struct frame_spec spec = packet(S1, 3000, B1, 53), more = packet(S1, 3001, B1, 53), in;
	struct pool_config pool;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	public = flow_open(&spec);
	pool = flow_pool("pool", POOL);
	pool.max_ports = 1;
	pool.filtering = ADDRESS_AND_PORT_DEPENDENT;
	pool.timeouts.udp_stream = 40;
	flow_reload(&(struct flow_config){.pool = &pool, .pools = 1});
	goes_on(&spec, &public);
	flow_refuse(INSIDE, &more, VERDICT_PORT_LIMIT, 3, 1);
	flow_advance(42);
	assert_null(flow_session(&spec));
	flow_advance(1);
	public = flow_open(&spec); /* and its mapping filters as the pool says now */
	in = flow_reply(&spec, &public);
	in.src = B2;
	flow_drop(OUTSIDE, &in, VERDICT_FILTERED);
	support_pool_config_clean(&pool);
}

#define PAIRS 12

/* With several workers, each home ends what it has on the address, and nothing else. */
static void every_home_ends_its_own(void **state)
{
	struct frame_spec spec[PAIRS];
	struct endpoint public[PAIRS];
	char src[PAIRS][16], gone[16];
	uint32_t moved = 0;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 4, .pool = FOUR});
	for (uint32_t i = 0; i < PAIRS; i++) {
		snprintf(src[i], sizeof(src[i]), "100.64.1.%u", i + 1);
		spec[i] = packet(src[i], 3000, B1, 53);
		flow_deliver_to(i % 4);
		public[i] = flow_open(&spec[i]);
	}
	strcpy(gone, public[0].address);
	flow_addresses(others(gone));
	for (uint32_t i = 0; i < PAIRS; i++) {
		flow_deliver_to((i + 1) % 4);
		if (strcmp(public[i].address, gone) != 0) {
			goes_on(&spec[i], &public[i]);
			continue;
		}
		assert_null(flow_session(&spec[i]));
		public[i] = flow_open(&spec[i]);
		assert_string_not_equal(public[i].address, gone);
		goes_on(&spec[i], &public[i]);
		moved++;
	}
	assert_in_range(moved, 1, PAIRS - 1);
	assert_int_equal(flow_sessions(), PAIRS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(sessions_go_on),
		FLOW_TEST(a_removed_address_drains),
		FLOW_TEST(new_sessions_move_at_once),
		FLOW_TEST(an_old_mapping_lets_nobody_in),
		FLOW_TEST(arp_follows),
		FLOW_TEST(a_pool_is_renamed),
		FLOW_TEST(soft_pairing_loses_one),
		FLOW_TEST(statics_move_along),
		FLOW_TEST(a_whole_address_is_left_at_once),
		FLOW_TEST(remotes_become_ours),
		FLOW_TEST(settings_change),
		FLOW_TEST(every_home_ends_its_own),
	};

	return FLOW_RUN(tests);
}
