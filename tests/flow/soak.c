/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hours of many subscribers' traffic against a dumb model of what they must have. The model knows
 * of each mapping when its sessions had their last packets, and so whether it must live, may live,
 * or must be gone; of each block who had it last, and until when at most.
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
#include "pools.h"

#define HOURS       4
#define PACKETS     12 /* a second */
#define SUBSCRIBERS 200
#define AWAKE       60  /* of them at a time */
#define NAP         900 /* seconds after which others are awake */
#define SOURCES     90  /* ports of a subscriber */
#define ADDRESSES   3
#define BLOCK       64
#define BLOCKS      20 /* of an address */
#define FIRST       1024
#define BLOCK_IDLE  30
#define REST        120
#define SLACK       4 /* seconds that expiry may be late */

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
static const uint32_t lifetimes[] = {240, 300, 60};
static const char *const remotes[] = {B1, B2, "192.0.2.3"};

#define PROTOCOLS RTE_DIM(protocols)
#define REMOTES   RTE_DIM(remotes)

struct model_mapping {
	bool known;
	uint32_t address; /* 0 to ADDRESSES - 1 */
	uint16_t port;
	uint32_t until; /* the last session's time is over */
};

static struct {
	uint32_t now;
	uint32_t refused;
	struct model_mapping mapping[SUBSCRIBERS][SOURCES][PROTOCOLS];
	/* who had the port last: its mapping */
	struct model_mapping *user[ADDRESSES][BLOCKS * BLOCK][PROTOCOLS];
	/* of a block: who had it last, and when the last port in it was surely free */
	struct {
		uint32_t holder, until;
	} block[ADDRESSES][BLOCKS];
} model;

static const char *address_of(uint32_t subscriber)
{
	static char text[16];

	snprintf(text, sizeof(text), "100.64.%u.%u", 1 + subscriber / 100, 10 + subscriber % 100);
	return text;
}

static bool lives(const struct model_mapping *mapping)
{
	return mapping->known && model.now <= mapping->until;
}

/* ---- what must hold ---- */

/* A new public endpoint: nobody has it, its block is the subscriber's, was free, or has rested. */
static void check_new(uint32_t subscriber, uint32_t p, struct model_mapping *mapping)
{
	uint32_t place = mapping->port - FIRST;
	struct model_mapping *other;

	assert_in_range(place, 0, BLOCKS * BLOCK - 1);
	other = model.user[mapping->address][place][p];
	/* it may have moved since */
	assert_true(other == NULL || other == mapping || !lives(other) ||
		    other->address != mapping->address || other->port != mapping->port);
	if (model.block[mapping->address][place / BLOCK].holder != subscriber + 1)
		assert_true(model.block[mapping->address][place / BLOCK].until == 0 ||
			    model.now >= model.block[mapping->address][place / BLOCK].until + REST);
	model.user[mapping->address][place][p] = mapping;
	model.block[mapping->address][place / BLOCK].holder = subscriber + 1;
}

/* RFC 4787 REQ-2: the subscriber's living mappings are all on this address. */
static void check_paired(uint32_t subscriber, uint32_t address)
{
	for (uint32_t k = 0; k < SOURCES; k++)
		for (uint32_t p = 0; p < PROTOCOLS; p++)
			if (lives(&model.mapping[subscriber][k][p]))
				assert_int_equal(model.mapping[subscriber][k][p].address, address);
}

/* A refusal is right only if every block may be taken: held, idle, or resting. */
static void check_refused(uint32_t subscriber)
{
	uint32_t address = ADDRESSES;

	model.refused++;
	for (uint32_t k = 0; k < SOURCES; k++)
		for (uint32_t p = 0; p < PROTOCOLS; p++)
			if (lives(&model.mapping[subscriber][k][p]))
				address = model.mapping[subscriber][k][p].address;
	for (uint32_t a = 0; a < ADDRESSES; a++) {
		uint32_t busy = 0;

		if (address < ADDRESSES && a != address)
			continue;
		for (uint32_t b = 0; b < BLOCKS; b++)
			busy += model.block[a][b].until != 0 &&
				model.now <= model.block[a][b].until + BLOCK_IDLE + REST + 34 +
						     SLACK; /* the wheel looks each 32 s */
		/* who has no mapping may still be paired, with any */
		if (busy == BLOCKS)
			return;
	}
	fail_msg("refused with free blocks");
}

/* ---- traffic ---- */

static void touch(struct model_mapping *mapping, uint32_t p)
{
	uint32_t *until = &model.block[mapping->address][(mapping->port - FIRST) / BLOCK].until;

	mapping->until = model.now + lifetimes[p];
	*until = RTE_MAX(*until, mapping->until);
}

static struct frame_spec packet(uint32_t subscriber, uint32_t source, uint32_t p, uint32_t remote)
{
	struct frame_spec spec = {.src = address_of(subscriber),
				  .dst = remotes[remote],
				  .proto = protocols[p],
				  .length = 20};

	if (spec.proto == IPPROTO_ICMP) {
		spec.type = 8;
		spec.ident = (uint16_t)(3000 + source);
	} else {
		spec.sport = (uint16_t)(3000 + source);
		spec.dport = 80;
		spec.tcp_flags = RTE_TCP_SYN_FLAG;
	}
	return spec;
}

static void drain(enum flow_port port)
{
	while (flow_receive(port) != NULL)
		;
}

static void send_out(uint32_t subscriber, uint32_t source, uint32_t p, uint32_t remote)
{
	struct model_mapping *mapping = &model.mapping[subscriber][source][p];
	struct frame_spec spec = packet(subscriber, source, p, remote);
	struct model_mapping before = *mapping;
	struct rte_mbuf *frame;
	struct endpoint public;

	flow_send(INSIDE, &spec);
	frame = flow_receive(OUTSIDE);
	if (frame == NULL) {
		assert_false(lives(mapping));
		check_refused(subscriber);
		return drain(INSIDE);
	}
	public = flow_source(frame);
	mapping->known = true;
	mapping->address = support_ipv4(public.address) - support_ipv4("203.0.113.1");
	mapping->port = public.port;
	check_paired(subscriber, mapping->address);
	if (model.now <= before.until && before.known) {
		assert_int_equal(mapping->address, before.address);
		assert_int_equal(mapping->port, before.port);
	} else {
		check_new(subscriber, p, mapping);
	}
	touch(mapping, p);
}

/* A stranger's packet reaches whom the mapping is of, if it lives, and nobody if it is gone. */
static void send_in(uint32_t subscriber, uint32_t source, uint32_t p)
{
	struct model_mapping *mapping = &model.mapping[subscriber][source][p];
	char public[16];
	struct frame_spec spec = {.src = "192.0.2.9",
				  .dst = public,
				  .proto = protocols[p],
				  .sport = 7,
				  .dport = mapping->port,
				  .tcp_flags = RTE_TCP_SYN_FLAG,
				  .length = 20};
	struct rte_mbuf *frame;

	if (protocols[p] == IPPROTO_ICMP || !mapping->known)
		return;
	snprintf(public, sizeof(public), "203.0.113.%u", mapping->address + 1);
	flow_send(OUTSIDE, &spec);
	frame = flow_receive(INSIDE);
	if (lives(mapping)) {
		struct frame_spec out = spec;

		assert_non_null(frame);
		out.dst = address_of(subscriber);
		out.dport = (uint16_t)(3000 + source);
		out = flow_hop(&out);
		frame_expect(frame, &out);
		touch(mapping, p);
	} else if (model.now > mapping->until + SLACK &&
		   model.user[mapping->address][mapping->port - FIRST][p] == mapping) {
		assert_null(frame);
	} else if (frame != NULL) { /* it may be somebody else's now: who had the port last */
		touch(model.user[mapping->address][mapping->port - FIRST][p], p);
	}
	drain(OUTSIDE);
}

/* RFC 6888 REQ-8, REQ-11, REQ-13, RFC 4787 REQ-1, REQ-2 over hours: no port twice, no mapping moved
 * or forgotten, no block reused before it rested, no refusal while there is a block; and in the end
 * nothing is left behind, as flow_teardown() sees to. */
static void hours_of_traffic(void **state)
{
	(void)state;
	memset(&model, 0, sizeof(model));
	srand(1);
	flow_start(&(struct flow_setup){.workers = 2,
					.pool = "203.0.113.1-203.0.113.3",
					.ports_first = FIRST,
					.ports_last = FIRST + BLOCKS * BLOCK - 1,
					.block_size = BLOCK,
					.max_sessions = 16384,
					.max_subscribers = 512});
	for (model.now = 1; model.now < HOURS * 3600; model.now++) {
		for (uint32_t i = 0; i < PACKETS; i++) {
			uint32_t subscriber =
				(model.now / NAP * AWAKE / 2 + (uint32_t)rand() % AWAKE) %
				SUBSCRIBERS;
			uint32_t source = (uint32_t)rand() % SOURCES;
			uint32_t p = (uint32_t)rand() % PROTOCOLS;

			if (rand() % 4 == 0)
				send_in(subscriber, source, p);
			else
				send_out(subscriber, source, p, (uint32_t)rand() % REMOTES);
		}
		flow_advance(1);
	}
	print_message("%u packets, %u refused\n", HOURS * 3600 * PACKETS, model.refused);
	assert_true(model.refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {FLOW_TEST(hours_of_traffic)};

	return FLOW_RUN(tests);
}
