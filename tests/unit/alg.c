/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "alg.h"

/* RFC 9293 section 3.4: numbers before a change keep, those behind it are shifted, and back; across
 * the wrap too. */
static void numbers_move_behind_a_change(void **state)
{
	static const int32_t growths[] = {5, -5};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(growths); i++) {
		struct alg_stream stream = {0};
		uint32_t at = 2, growth = (uint32_t)growths[i];

		alg_stream_grow(&stream, at, growths[i]);
		for (uint32_t n = 0; n < 40; n++) {
			uint32_t seq = 0xfffffff0u + n;
			uint32_t told = alg_stream_seq(&stream, seq);

			assert_int_equal(told, (int32_t)(seq - at) >= 0 ? seq + growth : seq);
			if (growths[i] > 0 || told == seq + growth ||
			    (int32_t)(seq - at - growth) < 0)
				assert_int_equal(alg_stream_ack(&stream, told), seq);
		}
	}
}

/* A second change adds to the first; the first sent again changes nothing. */
static void changes_add_up(void **state)
{
	struct alg_stream stream = {0};

	(void)state;
	alg_stream_grow(&stream, 100, 3);
	alg_stream_grow(&stream, 100, 3);
	assert_int_equal(alg_stream_seq(&stream, 100), 103);
	alg_stream_grow(&stream, 200, -1);
	alg_stream_grow(&stream, 100, 3);
	assert_int_equal(alg_stream_seq(&stream, 150), 153);
	assert_int_equal(alg_stream_seq(&stream, 200), 202);
	assert_int_equal(alg_stream_ack(&stream, 202), 200);
	assert_int_equal(alg_stream_ack(&stream, 153), 150);
}

/* An acknowledgement within a text that is longer now does not count it as seen. */
static void a_grown_text_is_seen_whole_or_not(void **state)
{
	struct alg_stream stream = {0};

	(void)state;
	alg_stream_grow(&stream, 100, 8);
	for (uint32_t ack = 100; ack < 108; ack++)
		assert_int_equal(alg_stream_ack(&stream, ack), 99);
	assert_int_equal(alg_stream_ack(&stream, 108), 100);
}

static bool number(const char *text, uint32_t max, uint32_t *value)
{
	const char *at = text;

	return alg_number(&at, text + strlen(text), 3, max, value);
}

/* Numbers are digits, not too many, not too big. */
static void numbers_are_bounded(void **state)
{
	uint32_t value;

	(void)state;
	assert_true(number("255", 255, &value));
	assert_int_equal(value, 255);
	assert_true(number("007,", 255, &value));
	assert_int_equal(value, 7);
	assert_false(number("256", 255, &value));
	assert_false(number("0255", 255, &value));
	assert_false(number("", 255, &value));
	assert_false(number("-1", 255, &value));
}

/* A new payload that would not fit is refused. */
static void a_payload_has_a_bound(void **state)
{
	static struct alg_call call;
	static char in[ALG_PAYLOAD_MAX], text[ALG_GROWTH_MAX + 1];

	(void)state;
	call.in = in;
	call.length = sizeof(in);
	assert_true(alg_replace(&call, 10, 10, text, ALG_GROWTH_MAX));
	assert_true(alg_finish(&call));
	call.copied = call.out_length = 0;
	assert_true(alg_replace(&call, 10, 10, text, ALG_GROWTH_MAX + 1));
	assert_false(alg_finish(&call));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_move_behind_a_change),
		cmocka_unit_test(changes_add_up),
		cmocka_unit_test(a_grown_text_is_seen_whole_or_not),
		cmocka_unit_test(numbers_are_bounded),
		cmocka_unit_test(a_payload_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
