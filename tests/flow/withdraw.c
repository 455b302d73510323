/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"
#include "rules.h"

/* A first packet that is refused late, when its sessions stand already, leaves nothing. */

static struct frame_spec of(const char *src, uint16_t port)
{
	return (struct frame_spec){.src = src,
				   .dst = B1,
				   .proto = IPPROTO_UDP,
				   .sport = port,
				   .dport = 53,
				   .length = 33};
}

/* What the server alone has: nothing is left of who called in vain. */
static void expect_only_the_server(void)
{
	assert_int_equal(flow_sessions(), 1);
	assert_int_equal(flow_mappings(), 1);
	assert_int_equal(flow_ports(), 1);
}

/* A call that the server may not have, over its limit, leaves nothing of the caller either,
 * whatever their homes. */
static void a_refused_call_leaves_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		struct frame_spec served = of(NULL, 4000), in = served;
		struct endpoint public;

		flow_start(&(struct flow_setup){.workers = 2, .max_sessions_per_subscriber = 1});
		flow_pick_homes(i, &served.src, &in.src);
		public = flow_open(&served);
		in.dst = public.address;
		in.dport = public.port;
		flow_refuse(INSIDE, &in, VERDICT_SESSION_LIMIT, 3, 1);
		expect_only_the_server();
		if (i < 7)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/* The same of one that is too big for the way to the server, ... */
static void a_call_too_big_leaves_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		struct frame_spec served = of(NULL, 4000), in = served;
		struct endpoint public;

		flow_start(&(struct flow_setup){.workers = 2, .inside_mtu = 600});
		flow_pick_homes(i, &served.src, &in.src);
		public = flow_open(&served);
		in.dst = public.address;
		in.dport = public.port;
		in.length = 900;
		in.df = true;
		flow_refuse_at(INSIDE, &in, VERDICT_FRAGMENTATION_NEEDED, 3, 4, 600, __FILE__,
			       __LINE__);
		expect_only_the_server();
		if (i < 7)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/* ... of one that the other home's ring had no room for, ... */
static void a_call_lost_between_homes_leaves_nothing(void **state)
{
	struct frame_spec served = of(NULL, 4000), in = served;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	served.src = flow_subscriber_of(0);
	in.src = flow_subscriber_of(1);
	public = flow_open(&served);
	in.dst = public.address;
	in.dport = public.port;
	flow_deliver_to(1);
	flow_limit_handover(0);
	flow_drop(INSIDE, &in, VERDICT_HANDOVER_FULL);
	expect_only_the_server();
}

/* ... and of one to a server that is not there any more: while its neighbour is asked for, the
 * call waits; then its sender is told. */
static void a_call_to_a_silent_server_leaves_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		char server[] = "100.64.255.10"; /* a silent one */
		struct frame_spec served = of(server, 4000), in = served;
		struct endpoint public;

		flow_start(&(struct flow_setup){.workers = 2});
		while (home_of_subscriber(flow_address(server)) != (i & 1))
			server[12]++;
		in.src = flow_subscriber_of(i >> 1 & 1);
		flow_deliver_to(i >> 2);
		public = flow_open(&served);
		in.dst = public.address;
		in.dport = public.port;
		flow_queue(INSIDE, &in);
		flow_turn();
		flow_advance(5);
		flow_expect_verdict(VERDICT_NO_NEIGHBOUR);
		while (flow_receive(INSIDE) != NULL) /* requests, and the error */
			;
		assert_int_equal(flow_count(answers[ANSWER_HOST_UNREACHABLE]), 1);
		expect_only_the_server();
		if (i < 7)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

/* A first fragment that has passed before begins a session again when that has ended; it is refused
 * where its datagram's fragments meet. */
static void a_repeated_fragment_leaves_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		const struct rule_config deny = {.action = RULE_DENY}, permit = {0};
		struct frame_spec in = of(NULL, 4000);

		flow_start(&(struct flow_setup){.workers = 2});
		in.src = flow_subscriber_of(i & 1);
		in.ip_id = 7;
		in.length = 800;
		in.fragment_length = 400;
		flow_deliver_to(i >> 1);
		flow_send(INSIDE, &in);
		flow_expect_verdict(VERDICT_TRANSLATED);
		assert_int_equal(flow_sessions(), 1);
		flow_rules(&deny, 1);
		flow_rules(&permit, 1);
		assert_int_equal(flow_sessions(), 0);
		assert_non_null(flow_receive(OUTSIDE));
		flow_drop(INSIDE, &in, VERDICT_FRAGMENT_REPEATED);
		flow_expect_nothing_kept();
		if (i < 3)
			assert_int_equal(flow_teardown(NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(a_refused_call_leaves_nothing),
		FLOW_TEST(a_call_too_big_leaves_nothing),
		FLOW_TEST(a_call_lost_between_homes_leaves_nothing),
		FLOW_TEST(a_call_to_a_silent_server_leaves_nothing),
		FLOW_TEST(a_repeated_fragment_leaves_nothing),
	};

	return FLOW_RUN(tests);
}
