/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 40};

/* Frames for others, and of other protocols, are left alone. */
static void not_for_weir(void **state)
{
	struct frame_spec spec = query;

	(void)state;
	flow_start(&(struct flow_setup){0});
	spec.dst_mac = "02:00:00:00:00:99";
	flow_drop(INSIDE, &spec, VERDICT_OTHER_HOST);
	spec.dst_mac = "ff:ff:ff:ff:ff:ff";
	flow_drop(INSIDE, &spec, VERDICT_LINK_BROADCAST);
	spec.dst_mac = NULL;
	spec.dst = WEIR_INSIDE;
	flow_refuse(INSIDE, &spec, VERDICT_LOCAL, 3, 3);
	spec.src = B1;
	spec.dst = WEIR_OUTSIDE;
	flow_refuse(OUTSIDE, &spec, VERDICT_LOCAL, 3, 3);
	flow_expect_nothing_kept();
}

/* RFC 1812 5.3.13.4: source-routed packets are dropped; malformed options are malformed headers. */
static void source_routes(void **state)
{
	uint8_t loose[] = {131, 7, 4, 192, 0, 2, 9, 0}, strict[] = {1, 137, 3, 4},
		broken[] = {7, 200, 0, 0};
	struct frame_spec spec = query;

	(void)state;
	flow_start(&(struct flow_setup){0});
	spec.options = loose;
	spec.options_length = sizeof(loose);
	flow_drop(INSIDE, &spec, VERDICT_SOURCE_ROUTED);
	spec.options = strict;
	spec.options_length = sizeof(strict);
	flow_drop(INSIDE, &spec, VERDICT_SOURCE_ROUTED);
	spec.options = broken;
	spec.options_length = sizeof(broken);
	flow_drop(INSIDE, &spec, VERDICT_BAD_IP_HEADER);
}

/* Headers that do not hold what they promise. */
static void damaged_headers(void **state)
{
	struct frame_spec spec = query;

	(void)state;
	flow_start(&(struct flow_setup){0});
	spec.bad_ip_checksum = true;
	flow_drop(INSIDE, &spec, VERDICT_BAD_IP_CHECKSUM);
	spec = query;
	spec.proto = IPPROTO_TCP;
	spec.tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG;
	flow_drop(INSIDE, &spec, VERDICT_BAD_TCP_FLAGS);
	spec.tcp_flags = 0;
	flow_drop(INSIDE, &spec, VERDICT_BAD_TCP_FLAGS);
	flow_expect_nothing_kept();
}

/* ICMP types and protocols that weir does not translate. */
static void what_is_not_translated(void **state)
{
	struct frame_spec spec = query;

	(void)state;
	flow_start(&(struct flow_setup){0});
	spec.proto = IPPROTO_ICMP;
	spec.type = 44;
	flow_drop(INSIDE, &spec, VERDICT_UNKNOWN_ICMP);
	spec.type = 5; /* RFC 1812 5.2.7.2: a redirect is for weir alone */
	flow_drop(INSIDE, &spec, VERDICT_UNKNOWN_ICMP);
	flow_expect_nothing_kept();
}

/* Frames that are cut short or no IPv4, given as bytes. */
static void raw_frames(void **state)
{
	static const struct {
		uint16_t offset, cut;
		uint8_t value;
		enum verdict verdict;
	} frames[] = {
		{.offset = 12, .value = 0x86, .verdict = VERDICT_NOT_IPV4},
		{.offset = 14, .value = 0x65, .verdict = VERDICT_BAD_IP_HEADER},
		{.offset = 14, .value = 0x44, .verdict = VERDICT_BAD_IP_HEADER},
		{.cut = 1, .verdict = VERDICT_TRUNCATED},
		{.cut = 50, .verdict = VERDICT_TRUNCATED},
	};

	(void)state;
	flow_start(&(struct flow_setup){0});
	for (unsigned int i = 0; i < RTE_DIM(frames); i++) {
		struct rte_mbuf *frame = flow_queue(INSIDE, &query);

		if (frames[i].cut != 0)
			rte_pktmbuf_trim(frame, frames[i].cut);
		else
			*rte_pktmbuf_mtod_offset(frame, uint8_t *, frames[i].offset) =
				frames[i].value;
		flow_turn();
		flow_expect_verdict(frames[i].verdict);
		flow_expect_silence();
	}
	flow_expect_nothing_kept();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(not_for_weir),    FLOW_TEST(source_routes),
		FLOW_TEST(damaged_headers), FLOW_TEST(what_is_not_translated),
		FLOW_TEST(raw_frames),
	};

	return FLOW_RUN(tests);
}
