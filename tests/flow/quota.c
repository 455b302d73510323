/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of a subscriber, and what is said of who is over one. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cmd.h"
#include "flow.h"

static struct frame_spec packet(const char *subscriber, uint8_t proto, uint16_t sport,
				uint16_t dport)
{
	struct frame_spec spec = {.src = subscriber, .dst = B1, .proto = proto, .length = 20};

	if (proto == IPPROTO_ICMP) {
		spec.type = 8;
		spec.ident = sport;
	} else {
		spec.sport = sport;
		spec.dport = dport;
		spec.tcp_flags = RTE_TCP_SYN_FLAG;
	}
	return spec;
}

static struct endpoint opens(const char *subscriber, uint8_t proto, uint16_t sport)
{
	struct frame_spec spec = packet(subscriber, proto, sport, 53);

	return flow_open(&spec);
}

static void refused(const char *subscriber, uint8_t proto, uint16_t sport, enum verdict verdict)
{
	struct frame_spec spec = packet(subscriber, proto, sport, 53);

	flow_refuse(INSIDE, &spec, verdict, 3, 1);
}

/* The refusals that `weirctl why` shows. */
static json_t *why(const char *address)
{
	struct cmd_call call = {.args = json_pack("{s:s}", "address", address)};
	json_t *answer = cmd_find("/weir/why")->run(&call);
	json_t *list = json_incref(json_object_get(answer, "refusals"));

	json_decref(call.args);
	json_decref(answer);
	return list;
}

static void expect_why(const char *address, size_t n, const char *verdict, json_int_t count)
{
	json_t *list = why(address), *first = json_array_get(list, 0);

	assert_int_equal(json_array_size(list), n);
	if (n > 0) {
		assert_string_equal(json_string_value(json_object_get(first, "verdict")), verdict);
		assert_int_equal(json_integer_value(json_object_get(first, "count")), count);
	}
	json_decref(list);
}

/* ---- ports ---- */

static void few_ports(struct pool_config *pool)
{
	pool->max_ports = 5;
	pool->max_ports_of[PORT_TCP] = 2;
}

/* RFC 6888 REQ-4 A, B: ports of a subscriber, in all and by protocol; sessions through ports that
 * it has, and other subscribers, go on; a port given back may be had again. */
static void ports_of_a_subscriber(void **state)
{
	struct frame_spec other = packet(S1, IPPROTO_TCP, 1, 99);

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = few_ports});
	opens(S1, IPPROTO_TCP, 1);
	opens(S1, IPPROTO_TCP, 2);
	refused(S1, IPPROTO_TCP, 3, VERDICT_PORT_LIMIT);
	flow_open(&other);
	opens(S1, IPPROTO_UDP, 1);
	opens(S1, IPPROTO_UDP, 2);
	opens(S1, IPPROTO_ICMP, 1);
	refused(S1, IPPROTO_UDP, 3, VERDICT_PORT_LIMIT);
	refused(S1, IPPROTO_ICMP, 2, VERDICT_PORT_LIMIT);
	assert_int_equal(flow_ports(), 5);
	opens(S2, IPPROTO_TCP, 1);
	flow_advance(62);
	opens(S1, IPPROTO_UDP, 3);
}

/* ---- sessions ---- */

static void few_sessions(struct limits_config *config)
{
	config->max_sessions_of[PORT_UDP] = 2;
	config->max_sessions_of[PORT_ICMP] = 1;
}

/* The same of sessions by protocol. */
static void sessions_by_protocol(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.set_limits = few_sessions});
	opens(S1, IPPROTO_UDP, 1);
	opens(S1, IPPROTO_UDP, 2);
	refused(S1, IPPROTO_UDP, 3, VERDICT_SESSION_LIMIT);
	opens(S1, IPPROTO_ICMP, 1);
	refused(S1, IPPROTO_ICMP, 2, VERDICT_SESSION_LIMIT);
	for (uint16_t i = 1; i < 10; i++)
		opens(S1, IPPROTO_TCP, i);
	flow_advance(62);
	opens(S1, IPPROTO_ICMP, 2);
	refused(S1, IPPROTO_UDP, 3, VERDICT_SESSION_LIMIT);
}

static void pools_own(struct pool_config *pool)
{
	pool->max_sessions = 1;
	pool->session_rate = 1000;
}

/* A pool may say otherwise than `limits`. */
static void a_pool_has_its_own(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.set_pool = pools_own, .max_sessions_per_subscriber = 9});
	opens(S1, IPPROTO_UDP, 1);
	refused(S1, IPPROTO_UDP, 2, VERDICT_SESSION_LIMIT);
}

/* ---- rate ---- */

static void slow(struct limits_config *config)
{
	config->session_rate = 10;
	config->session_burst = 20;
}

/* RFC 6888 REQ-4 C: so many sessions at once, then so many a second; packets of known sessions are
 * not counted, other subscribers not touched, and a quiet time gives no more than the burst. */
static void set_up_rate(void **state)
{
	struct frame_spec again = packet(S1, IPPROTO_UDP, 1, 53);

	(void)state;
	flow_start(&(struct flow_setup){.set_limits = slow});
	for (uint16_t i = 1; i <= 20; i++)
		opens(S1, IPPROTO_UDP, i);
	refused(S1, IPPROTO_UDP, 21, VERDICT_RATE_LIMIT);
	assert_int_equal(flow_ports(), 20);
	flow_open(&again);
	opens(S2, IPPROTO_UDP, 1);
	flow_advance_ms(100);
	opens(S1, IPPROTO_UDP, 21);
	refused(S1, IPPROTO_UDP, 22, VERDICT_RATE_LIMIT);
	flow_advance(100);
	for (uint16_t i = 31; i <= 50; i++)
		opens(S1, IPPROTO_UDP, i);
	refused(S1, IPPROTO_UDP, 51, VERDICT_RATE_LIMIT);
}

/* A subscriber whose rate is used up by itself is not kept from answering outsiders, and they use
 * up none of it. */
static void outsiders_do_not_use_up_the_rate(void **state)
{
	struct frame_spec spec = packet(S1, IPPROTO_UDP, 1, 53), in;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.set_limits = slow});
	public = flow_open(&spec);
	in = flow_reply(&spec, &public);
	for (in.sport = 1000; in.sport < 1040; in.sport++) {
		flow_send(OUTSIDE, &in);
		flow_expect_verdict(VERDICT_TRANSLATED);
		flow_receive(INSIDE);
	}
	for (uint16_t i = 2; i <= 20; i++)
		opens(S1, IPPROTO_UDP, i);
}

/* ---- from the outside ---- */

static void few_inbound(struct limits_config *config)
{
	config->max_inbound_sessions_per_mapping = 10;
}

/* RFC 6888 REQ-5: spoofed sources begin no more than so many sessions through one mapping, get no
 * answer, and the subscriber's own go on; another mapping has its own count. */
static void spoofed_inbound(void **state)
{
	struct frame_spec spec = packet(S1, IPPROTO_UDP, 1, 53), other, in;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.set_limits = few_inbound});
	public = flow_open(&spec);
	in = flow_reply(&spec, &public);
	for (in.sport = 1000; in.sport < 1010; in.sport++) {
		flow_send(OUTSIDE, &in);
		flow_expect_verdict(VERDICT_TRANSLATED);
		flow_receive(INSIDE);
	}
	for (; in.sport < 1100; in.sport++)
		flow_drop(OUTSIDE, &in, VERDICT_INBOUND_LIMIT);
	assert_int_equal(flow_sessions(), 11);
	expect_why(S1, 1, "INBOUND_LIMIT", 90);
	other = packet(S1, IPPROTO_UDP, 1, 54);
	flow_open(&other);
	opens(S1, IPPROTO_UDP, 2);
	flow_advance(310);
	public = flow_open(&spec);
	in = flow_reply(&spec, &public);
	in.sport = 5;
	flow_send(OUTSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	flow_receive(INSIDE);
}

/* ---- what is said ---- */

/* `weirctl why`: the last refusals by reason, the latest first, with counts; of a stranger too. */
static void why_shows_the_last_refusals(void **state)
{
	(void)state;
	flow_start(&(struct flow_setup){.set_limits = few_sessions,
					.ports_first = 1024,
					.ports_last = 1024 + 63,
					.block_size = 64});
	expect_why(S1, 0, NULL, 0);
	for (uint16_t i = 1; i <= 64; i++)
		opens(S1, IPPROTO_TCP, i);
	refused(S1, IPPROTO_TCP, 65, VERDICT_NO_PORT);
	refused(S1, IPPROTO_TCP, 66, VERDICT_NO_PORT);
	expect_why(S1, 1, "NO_PORT", 2);
	opens(S1, IPPROTO_ICMP, 1);
	refused(S1, IPPROTO_ICMP, 2, VERDICT_SESSION_LIMIT);
	expect_why(S1, 2, "SESSION_LIMIT", 1);
	refused(S1, IPPROTO_TCP, 66, VERDICT_NO_PORT);
	expect_why(S1, 2, "NO_PORT", 3);
	refused(S2, IPPROTO_UDP, 1, VERDICT_NO_ADDRESS);
	expect_why(S2, 1, "NO_ADDRESS", 1);
	refused_show(1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(ports_of_a_subscriber),
		FLOW_TEST(sessions_by_protocol),
		FLOW_TEST(a_pool_has_its_own),
		FLOW_TEST(set_up_rate),
		FLOW_TEST(outsiders_do_not_use_up_the_rate),
		FLOW_TEST(spoofed_inbound),
		FLOW_TEST(why_shows_the_last_refusals),
	};

	return FLOW_RUN(tests);
}
