/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "alg.h"
#include "flow.h"

static const char get[] = "\0\1file\0octet";

static const struct frame_spec request = {.src = S1,
					  .dst = B1,
					  .proto = IPPROTO_UDP,
					  .sport = 4000,
					  .dport = 69,
					  .payload = get,
					  .length = sizeof(get)};

static void filter_strictly(struct pool_config *pool)
{
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
}

static int switch_on(void **state)
{
	(void)state;
	alg_settings.tftp = true;
	flow_start(&(struct flow_setup){.set_pool = filter_strictly});
	return 0;
}

static int switch_off(void **state)
{
	alg_settings.tftp = false;
	return flow_teardown(state);
}

/* An answer of `from`'s port 3000. */
static void answer(const char *from, const struct endpoint *public, enum verdict verdict)
{
	struct frame_spec in = {.src = from,
				.dst = public->address,
				.proto = IPPROTO_UDP,
				.sport = 3000,
				.dport = public->port,
				.length = 20};
	struct frame_spec out = in;

	out.dst = S1;
	out.dport = 4000;
	out = flow_hop(&out);
	if (verdict == VERDICT_TRANSLATED)
		flow_pass(OUTSIDE, &in, verdict, INSIDE, &out);
	else
		flow_drop(OUTSIDE, &in, verdict);
}

/* RFC 1350 section 4: the server answers from another port, also through the strictest filter; no
 * other host does. */
static void the_server_answers_from_another_port(void **state)
{
	struct endpoint public = flow_open(&request);

	(void)state;
	answer(B2, &public, VERDICT_FILTERED);
	answer(B1, &public, VERDICT_TRANSLATED);
}

/* What is no request opens nothing. */
static void what_is_no_request_opens_nothing(void **state)
{
	static const struct {
		const char *bytes;
		uint16_t length;
	} wrong[] = {{"\0", 1},
		     {"\0\1", 2},
		     {"\0\3\0\1", 4},
		     {"\0\1file", 6},
		     {"\0\1\0octet\0", 9},
		     {"\0\2file\0octet", 12},
		     {"\1\1file\0octet\0", 13}};
	struct frame_spec spec = request;
	struct endpoint public = {0};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(wrong); i++) {
		spec.payload = wrong[i].bytes;
		spec.length = wrong[i].length;
		public = flow_open(&spec);
	}
	answer(B1, &public, VERDICT_FILTERED);
	assert_int_equal(flow_count(alg_malformed), RTE_DIM(wrong));
}

/* RFC 4787 REQ-10: off unless switched on. */
static void off_is_off(void **state)
{
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){.set_pool = filter_strictly});
	public = flow_open(&request);
	answer(B1, &public, VERDICT_FILTERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_server_answers_from_another_port, switch_on,
						switch_off),
		cmocka_unit_test_setup_teardown(what_is_no_request_opens_nothing, switch_on,
						switch_off),
		FLOW_TEST(off_is_off),
	};

	return FLOW_RUN(tests);
}
