/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"

/* The maximum segment size that SYNs announce, where an interface has mss-clamp. */

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG

static struct frame_spec syn(const uint8_t *options, uint8_t length)
{
	return (struct frame_spec){.src = S1,
				   .dst = B1,
				   .proto = IPPROTO_TCP,
				   .sport = 4000,
				   .dport = 80,
				   .tcp_flags = SYN,
				   .tcp_options = options,
				   .tcp_options_length = length};
}

/* What goes in as `in` leaves as `out`: the SYN, the SYN again, and the answer to it. */
static void expect_options(const uint8_t *in, const uint8_t *out, uint8_t length)
{
	struct frame_spec sent = syn(in, length), seen = syn(out, length), answer, got;
	struct endpoint public = {0};
	struct rte_mbuf *frame;

	for (int i = 0; i < 2; i++) {
		flow_send(INSIDE, &sent);
		flow_expect_verdict(VERDICT_TRANSLATED);
		frame = flow_receive(OUTSIDE);
		assert_non_null(frame);
		public = flow_source(frame);
		got = flow_public(&seen, &public);
		got = flow_hop(&got);
		frame_expect(frame, &got);
	}
	sent.tcp_flags = seen.tcp_flags = SYN | ACK;
	answer = flow_reply(&sent, &public);
	got = flow_answer(&seen);
	got = flow_hop(&got);
	flow_pass(OUTSIDE, &answer, VERDICT_TRANSLATED, INSIDE, &got);
}

/* auto: what fits the smaller of the two MTUs; a smaller announcement stays. The value may lie at
 * an odd byte, or come twice. */
static void automatic(void **state)
{
	static const uint8_t in[][8] = {
		{2, 4, 5, 180, 1, 1, 1, 0}, /* 1460 */
		{1, 2, 4, 5, 180, 1, 1, 0},   {1, 1, 1, 2, 4, 255, 255, 0},
		{2, 4, 2, 24, 1, 1, 1, 0}, /* 536 */
		{2, 4, 5, 180, 2, 4, 5, 180}, {3, 3, 7, 2, 4, 5, 180, 0},
	};
	static const uint8_t out[][8] = {
		{2, 4, 5, 80, 1, 1, 1, 0}, /* 1360 */
		{1, 2, 4, 5, 80, 1, 1, 0},  {1, 1, 1, 2, 4, 5, 80, 0}, {2, 4, 2, 24, 1, 1, 1, 0},
		{2, 4, 5, 80, 2, 4, 5, 80}, {3, 3, 7, 2, 4, 5, 80, 0},
	};

	(void)state;
	flow_start(&(struct flow_setup){.outside_mtu = 1400, .outside_mss = "auto"});
	for (uint32_t i = 0; i < RTE_DIM(in); i++)
		expect_options(in[i], out[i], 8);
}

/* A number; the smaller of the two interfaces' holds. */
static void fixed(void **state)
{
	static const uint8_t in[] = {2, 4, 5, 180}, out[] = {2, 4, 2, 88};

	(void)state;
	flow_start(&(struct flow_setup){.inside_mss = "600", .outside_mss = "auto"});
	expect_options(in, out, 4);
}

/* Off by default. */
static void off(void **state)
{
	static const uint8_t in[] = {2, 4, 255, 255};

	(void)state;
	flow_start(&(struct flow_setup){.outside_mtu = 1400});
	expect_options(in, in, 4);
}

/* Options that are no options are left alone, whatever lengths they claim. */
static void malformed(void **state)
{
	static const uint8_t in[][4] = {
		{2, 0, 5, 180}, {2, 1, 5, 180}, {2, 3, 5, 180}, {2, 5, 5, 180}, {2, 255, 5, 180},
		{0, 2, 4, 5},   {1, 1, 1, 2},   {1, 1, 2, 4},   {99, 5, 0, 0},  {1, 2, 4, 5},
	};

	(void)state;
	flow_start(&(struct flow_setup){.outside_mss = "536"});
	for (uint32_t i = 0; i < RTE_DIM(in); i++)
		expect_options(in[i], in[i], 4);
}

/* Only SYNs announce: the same bytes in another segment stay. */
static void only_syns(void **state)
{
	static const uint8_t options[] = {2, 4, 5, 180};
	struct frame_spec sent = syn(NULL, 0), out;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.outside_mss = "536"});
	public = flow_open(&sent);
	sent.tcp_options = options;
	sent.tcp_options_length = 4;
	sent.tcp_flags = ACK;
	out = flow_public(&sent, &public);
	out = flow_hop(&out);
	flow_pass(INSIDE, &sent, VERDICT_TRANSLATED, OUTSIDE, &out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(automatic), FLOW_TEST(fixed),     FLOW_TEST(off),
		FLOW_TEST(malformed), FLOW_TEST(only_syns),
	};

	return FLOW_RUN(tests);
}
