/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp.h"

/* The state after a segment of the opener, or of the other side. */
#define expect(from, direction, event, to) \
	assert_int_equal(tcp_next(TCP_##from, direction, TCP_EVENT_##event), TCP_##to)
#define OPENER 0
#define OTHER  1

/* RFC 6146 3.5.2.2: only the opener's SYN begins a connection. */
static void only_a_syn_begins(void **state)
{
	(void)state;
	for (uint8_t direction = OPENER; direction <= OTHER; direction++)
		for (uint8_t event = TCP_EVENT_ACK; event < TCP_EVENT_COUNT; event++)
			if (direction != OPENER || event != TCP_EVENT_SYN)
				assert_int_equal(tcp_next(TCP_NONE, direction, event), TCP_REFUSED);
	expect(NONE, OPENER, SYN, SYN_SENT);
}

/* A connection that has begun refuses no segment: nothing that passes breaks it. */
static void nothing_else_is_refused(void **state)
{
	(void)state;
	for (uint8_t from = TCP_SYN_SENT; from < TCP_STATES; from++)
		for (uint8_t direction = OPENER; direction <= OTHER; direction++)
			for (uint8_t event = TCP_EVENT_ACK; event < TCP_EVENT_COUNT; event++)
				assert_in_range(tcp_next(from, direction, event), TCP_SYN_SENT,
						TCP_STATES - 1);
}

static void what_has_no_tcp_header_changes_nothing(void **state)
{
	(void)state;
	for (uint8_t from = TCP_NONE; from < TCP_STATES; from++)
		for (uint8_t direction = OPENER; direction <= OTHER; direction++)
			assert_int_equal(tcp_next(from, direction, TCP_EVENT_NONE), from);
}

/* RFC 7857 section 2: established takes a SYN both ways, and the opener's acknowledgement: a flood
 * of SYN-ACKs earns no long timeout. */
static void the_handshake(void **state)
{
	(void)state;
	expect(SYN_SENT, OPENER, SYN, SYN_SENT);
	expect(SYN_SENT, OPENER, ACK, SYN_SENT);
	expect(SYN_SENT, OTHER, ACK, SYN_SENT);
	expect(SYN_SENT, OTHER, SYNACK, SYN_RECV);
	expect(SYN_RECV, OTHER, SYNACK, SYN_RECV);
	expect(SYN_RECV, OTHER, ACK, SYN_RECV);
	expect(SYN_RECV, OPENER, SYN, SYN_RECV);
	expect(SYN_RECV, OPENER, ACK, ESTABLISHED);
}

/* RFC 5382 REQ-2: simultaneous open: SYNs cross, then SYN-ACKs. */
static void simultaneous_open(void **state)
{
	(void)state;
	expect(SYN_SENT, OTHER, SYN, SYN_SENT2);
	expect(SYN_SENT2, OPENER, SYN, SYN_SENT2);
	expect(SYN_SENT2, OTHER, SYN, SYN_SENT2);
	expect(SYN_SENT2, OPENER, ACK, SYN_SENT2);
	expect(SYN_SENT2, OPENER, SYNACK, SYN_RECV);
	expect(SYN_SENT2, OTHER, SYNACK, SYN_RECV);
	expect(SYN_RECV, OPENER, SYNACK, ESTABLISHED);
}

/* Data, and SYNs of whatever origin, keep a connection established. */
static void established_stays(void **state)
{
	(void)state;
	for (uint8_t direction = OPENER; direction <= OTHER; direction++) {
		expect(ESTABLISHED, direction, ACK, ESTABLISHED);
		expect(ESTABLISHED, direction, SYN, ESTABLISHED);
		expect(ESTABLISHED, direction, SYNACK, ESTABLISHED);
	}
}

/* RFC 6146 3.5.2.2: the FIN of each side is remembered, in whatever order they come; the same
 * side's again changes nothing. */
static void closing(void **state)
{
	(void)state;
	expect(SYN_RECV, OPENER, FIN, FIN_WAIT);
	expect(SYN_RECV, OTHER, FIN, CLOSE_WAIT);
	expect(ESTABLISHED, OPENER, FIN, FIN_WAIT);
	expect(FIN_WAIT, OPENER, FIN, FIN_WAIT);
	expect(FIN_WAIT, OPENER, ACK, FIN_WAIT);
	expect(FIN_WAIT, OTHER, ACK, FIN_WAIT);
	expect(FIN_WAIT, OTHER, FIN, TIME_WAIT);
	expect(ESTABLISHED, OTHER, FIN, CLOSE_WAIT);
	expect(CLOSE_WAIT, OTHER, FIN, CLOSE_WAIT);
	expect(CLOSE_WAIT, OPENER, ACK, CLOSE_WAIT);
	expect(CLOSE_WAIT, OTHER, ACK, CLOSE_WAIT);
	expect(CLOSE_WAIT, OPENER, FIN, LAST_ACK);
	for (uint8_t direction = OPENER; direction <= OTHER; direction++) {
		expect(LAST_ACK, direction, ACK, LAST_ACK);
		expect(LAST_ACK, direction, FIN, LAST_ACK);
		expect(TIME_WAIT, direction, ACK, TIME_WAIT);
		expect(TIME_WAIT, direction, FIN, TIME_WAIT);
	}
}

/* RFC 7857 section 2.2: a RST of either side, in any state, shortens the session; data brings it
 * back; nothing else does. */
static void resets(void **state)
{
	(void)state;
	for (uint8_t from = TCP_SYN_SENT; from < TCP_STATES; from++)
		for (uint8_t direction = OPENER; direction <= OTHER; direction++)
			assert_int_equal(tcp_next(from, direction, TCP_EVENT_RST), TCP_CLOSE);
	for (uint8_t direction = OPENER; direction <= OTHER; direction++) {
		expect(CLOSE, direction, ACK, ESTABLISHED);
		expect(CLOSE, direction, FIN, CLOSE);
		expect(CLOSE, direction, SYNACK, CLOSE);
	}
	expect(CLOSE, OTHER, SYN, CLOSE);
}

/* RFC 9293 3.6.1: a new SYN of either side reuses the ports of a connection that both sides closed,
 * and is answered as any. After a RST, only the opener's does (RFC 5961: the other may be forged).
 */
static void reuse(void **state)
{
	(void)state;
	expect(LAST_ACK, OPENER, SYN, SYN_SENT);
	expect(TIME_WAIT, OPENER, SYN, SYN_SENT);
	expect(CLOSE, OPENER, SYN, SYN_SENT);
	expect(LAST_ACK, OTHER, SYN, SYN_SENT2);
	expect(TIME_WAIT, OTHER, SYN, SYN_SENT2);
	expect(SYN_SENT2, OPENER, SYNACK, SYN_RECV);
	expect(SYN_RECV, OPENER, ACK, ESTABLISHED);
	expect(FIN_WAIT, OPENER, SYN, FIN_WAIT);
	expect(CLOSE_WAIT, OPENER, SYN, CLOSE_WAIT);
}

/* Every state has a name for the operator. */
static void names(void **state)
{
	(void)state;
	for (int i = 0; i < TCP_STATES; i++)
		assert_non_null(tcp_state_names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_syn_begins),
		cmocka_unit_test(nothing_else_is_refused),
		cmocka_unit_test(what_has_no_tcp_header_changes_nothing),
		cmocka_unit_test(the_handshake),
		cmocka_unit_test(simultaneous_open),
		cmocka_unit_test(established_stays),
		cmocka_unit_test(closing),
		cmocka_unit_test(resets),
		cmocka_unit_test(reuse),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
