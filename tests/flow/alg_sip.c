/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alg.h"
#include "flow.h"

#define TEXT 4096

static struct endpoint public; /* of S1's port 5060 */

/* A text of TEXT bytes at the most. */
static void __rte_format_printf(2, 3) put(char *text, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	assert_in_range(vsnprintf(text, TEXT, format, values), 0, TEXT - 1);
	va_end(values);
}

static struct frame_spec message(const char *text)
{
	return (struct frame_spec){.src = S1,
				   .dst = B1,
				   .proto = IPPROTO_UDP,
				   .sport = 5060,
				   .dport = 5060,
				   .df = true,
				   .payload = text,
				   .length = (uint16_t)strlen(text)};
}

/* The payload of the one frame that left, after all else of it was held against `out`. */
static const char *payload_of(enum flow_port port, struct frame_spec *out)
{
	static char text[TEXT];
	struct rte_mbuf *frame = flow_receive(port);
	uint32_t length;

	assert_non_null(frame);
	length = rte_pktmbuf_pkt_len(frame) - 42;
	assert_in_range(length, 0, TEXT - 1);
	memcpy(text, rte_pktmbuf_mtod_offset(frame, const char *, 42), length);
	text[length] = '\0';
	out->payload = text;
	out->length = (uint16_t)length;
	*out = flow_hop(out);
	frame_expect(frame, out);
	flow_expect_silence();
	return text;
}

/* S1 says it to B1; what B1 reads. */
static const char *inside_says(const char *text)
{
	struct frame_spec in = message(text), out;
	struct rte_mbuf *frame;

	flow_send(INSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	if (public.port == 0) {
		frame = flow_receive(OUTSIDE);
		public = flow_source(frame);
		flow_send(INSIDE, &in);
		flow_expect_verdict(VERDICT_TRANSLATED);
	}
	out = flow_public(&in, &public);
	return payload_of(OUTSIDE, &out);
}

/* B1 says it to S1's public endpoint; what S1 reads. */
static const char *outside_says(const char *text)
{
	struct frame_spec to = message(text), in = flow_reply(&to, &public), out = in;

	flow_send(OUTSIDE, &in);
	flow_expect_verdict(VERDICT_TRANSLATED);
	out.dst = S1;
	out.dport = 5060;
	return payload_of(INSIDE, &out);
}

/* A UDP packet to a public port of S1's. */
static void media(const char *from, unsigned int to, uint16_t inside_port, enum verdict verdict)
{
	static uint16_t source = 20000;
	struct frame_spec in = {.src = from,
				.dst = POOL,
				.proto = IPPROTO_UDP,
				.sport = source++,
				.dport = (uint16_t)to,
				.length = 20};
	struct frame_spec out = in;

	out.dst = S1;
	out.dport = inside_port;
	out = flow_hop(&out);
	if (verdict == VERDICT_TRANSLATED)
		flow_pass(OUTSIDE, &in, verdict, INSIDE, &out);
	else
		flow_drop(OUTSIDE, &in, verdict);
}

static void filter_strictly(struct pool_config *pool)
{
	pool->filtering = ADDRESS_AND_PORT_DEPENDENT;
}

static int switch_on(void **state)
{
	(void)state;
	alg_settings.sip = true;
	public.port = 0;
	return 0;
}

static int switch_off(void **state)
{
	alg_settings.sip = false;
	return flow_teardown(state);
}

static void begin(void)
{
	flow_start(&(struct flow_setup){.set_pool = filter_strictly});
}

/* A message with its body and its length. */
static const char *with_body(const char *head, const char *body)
{
	static char text[TEXT];

	put(text, "%sContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", head,
	    strlen(body), body);
	return text;
}

static const char invite[] = "INVITE sip:bob@192.0.2.1 SIP/2.0\r\n"
			     "Via: SIP/2.0/UDP 100.64.0.2:5060;branch=z9hG4bK1;rport\r\n"
			     "From: \"A\" <sip:alice@100.64.0.2>;tag=1\r\n"
			     "To: <sip:bob@192.0.2.1>\r\n"
			     "Call-ID: one@100.64.0.2x\r\n"
			     "CSeq: 1 INVITE\r\n"
			     "Contact: <sip:alice@100.64.0.2>\r\n"
			     "Max-Forwards: 70\r\n";

static const char offer[] = "v=0\r\no=alice 1 1 IN IP4 100.64.0.2\r\ns=-\r\nc=IN IP4 100.64.0.2\r\n"
			    "t=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/* What B1 reads of the offer: the public port of the media, after everything else was checked. */
static unsigned int offered(const char *text)
{
	const char *m = strstr(text, "m=audio "), *length = strstr(text, "Content-Length: ");
	char wanted[TEXT], body[TEXT];
	unsigned int port = 0;

	assert_non_null(m);
	assert_non_null(length);
	assert_int_equal(sscanf(m, "m=audio %u RTP", &port), 1);
	put(body,
	    "v=0\r\no=alice 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\n"
	    "t=0 0\r\nm=audio %u RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
	    port);
	put(wanted,
	    "INVITE sip:bob@192.0.2.1 SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 203.0.113.1:%u;branch=z9hG4bK1;rport\r\n"
	    "From: \"A\" <sip:alice@203.0.113.1>;tag=1\r\n"
	    "To: <sip:bob@192.0.2.1>\r\n"
	    "Call-ID: one@100.64.0.2x\r\n"
	    "CSeq: 1 INVITE\r\n"
	    "Contact: <sip:alice@203.0.113.1:%u>\r\n"
	    "Max-Forwards: 70\r\n"
	    "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
	    public.port, public.port, strlen(body), body);
	assert_string_equal(text, wanted);
	return port;
}

static const char *answer(void)
{
	char head[TEXT];

	put(head,
	    "SIP/2.0 200 OK\r\n"
	    "v: SIP/2.0/UDP 203.0.113.1:%u;branch=z9hG4bK1;received=203.0.113.1;rport=%u\r\n"
	    "f: \"A\" <sip:alice@203.0.113.1>;tag=1\r\n"
	    "t: <sip:bob@192.0.2.1>;tag=2\r\n"
	    "i: one@100.64.0.2x\r\nCSeq: 1 INVITE\r\nm: <sip:bob@192.0.2.1>\r\n",
	    public.port, public.port);
	return with_body(head, "v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n"
			       "m=audio 6000 RTP/AVP 0\r\nc=IN IP4 192.0.2.2\r\n");
}

static const char in_dialog[] = "%s sip:bob@192.0.2.1 SIP/2.0\r\n"
				"Via: SIP/2.0/UDP 100.64.0.2:5060;branch=z9hG4bK2\r\n"
				"Call-ID: one@100.64.0.2x\r\nCSeq: 2 %s\r\n\r\n";

static void say_in_dialog(const char *method)
{
	char text[TEXT];

	put(text, in_dialog, method, method);
	inside_says(text);
}

/* A call: the offer, its answer, media by a pair of ports from where the answer says, and its end.
 */
static void a_call(void **state)
{
	unsigned int port;
	const char *text;

	(void)state;
	begin();
	port = offered(inside_says(with_body(invite, offer)));
	assert_int_equal(port % 2, 0);
	assert_int_equal(flow_mappings(), 3);
	media(B2, port, 4000, VERDICT_FILTERED);
	text = outside_says(answer());
	assert_non_null(strstr(text, "v: SIP/2.0/UDP 100.64.0.2:5060;branch=z9hG4bK1;"
				     "received=100.64.0.2;rport=5060\r\n"));
	assert_non_null(strstr(text, "f: \"A\" <sip:alice@100.64.0.2>;tag=1\r\n"));
	assert_non_null(strstr(text, "c=IN IP4 192.0.2.2\r\n"));
	media(B2, port, 4000, VERDICT_TRANSLATED);
	media(B2, port + 1, 4001, VERDICT_TRANSLATED);
	media(B1, port, 4000, VERDICT_FILTERED);

	/* a second offer keeps the ports */
	assert_int_equal(offered(inside_says(with_body(invite, offer))), port);
	say_in_dialog("BYE");
	media(B2, port, 4000, VERDICT_FILTERED);
	assert_int_equal(flow_count(alg_malformed) + flow_count(alg_refused), 0);
}

/* Ports wait while the other side rings, not for ever; CANCEL and a refusal end them at once. */
static void ports_wait_and_end(void **state)
{
	char busy[TEXT];

	(void)state;
	begin();
	inside_says(with_body(invite, offer));
	flow_advance(170);
	assert_int_equal(flow_mappings(), 3);
	flow_advance(50);
	assert_int_equal(flow_mappings(), 1);
	inside_says(with_body(invite, offer));
	assert_int_equal(flow_mappings(), 3);
	say_in_dialog("CANCEL");
	assert_int_equal(flow_mappings(), 1);
	inside_says(with_body(invite, offer));
	put(busy,
	    "SIP/2.0 486 Busy\r\nVia: SIP/2.0/UDP 203.0.113.1:%u\r\n"
	    "Call-ID: one@100.64.0.2x\r\nCSeq: 1 INVITE\r\n\r\n",
	    public.port);
	outside_says(busy);
	assert_int_equal(flow_mappings(), 1);
}

/* They stay while media flow, however long. */
static void ports_stay_while_media_flow(void **state)
{
	unsigned int port;

	(void)state;
	begin();
	port = offered(inside_says(with_body(invite, offer)));
	outside_says(answer());
	for (int i = 0; i < 10; i++) {
		media(B2, port, 4000, VERDICT_TRANSLATED);
		media(B2, port + 1, 4001, VERDICT_TRANSLATED);
		flow_advance(100);
	}
}

static const char registration[] = "REGISTER sip:192.0.2.1 SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 100.64.0.2:5060;branch=z9hG4bK3\r\n"
				   "Call-ID: two\r\nCSeq: 1 REGISTER\r\n"
				   "Contact: <sip:alice@100.64.0.2:5060>\r\nExpires: 3600\r\n"
				   "Content-Length: 0\r\n\r\n";

/* RFC 3261 section 10: who is registered is called by the Contact, long after the last packet. */
static void a_registered_contact_is_reachable(void **state)
{
	struct frame_spec call = {.src = B1, .dst = POOL, .proto = IPPROTO_UDP, .sport = 5060};
	struct frame_spec out;
	char text[TEXT], wanted[TEXT];

	(void)state;
	begin();
	inside_says(registration);
	put(text,
	    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.1:%u;branch=z9hG4bK3\r\n"
	    "Call-ID: two\r\nCSeq: 1 REGISTER\r\n"
	    "Contact: <sip:alice@192.0.2.77>;expires=100\r\n"
	    "Contact: <sip:alice@203.0.113.1:%u>;expires=1000\r\nExpires: 60\r\n\r\n",
	    public.port, public.port);
	put(wanted, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 100.64.0.2:5060;branch=z9hG4bK3\r\n"
		    "Call-ID: two\r\nCSeq: 1 REGISTER\r\n"
		    "Contact: <sip:alice@192.0.2.77>;expires=100\r\n"
		    "Contact: <sip:alice@100.64.0.2:5060>;expires=1000\r\nExpires: 60\r\n\r\n");
	assert_string_equal(outside_says(text), wanted);
	flow_advance(900);
	assert_int_equal(flow_sessions(), 0);
	put(text, "INVITE sip:alice@203.0.113.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n",
	    public.port);
	call.dport = public.port;
	call.payload = text;
	call.length = (uint16_t)strlen(text);
	out = call;
	flow_send(OUTSIDE, &call);
	flow_expect_verdict(VERDICT_TRANSLATED);
	out.dst = S1;
	out.dport = 5060;
	assert_string_equal(payload_of(INSIDE, &out), "INVITE sip:alice@100.64.0.2:5060 SIP/2.0\r\n"
						      "Via: SIP/2.0/UDP 192.0.2.1\r\n\r\n");
	flow_advance(1000);
	assert_int_equal(flow_mappings(), 0);
}

/* A called subscriber's answer gets ports, for media from where the offer said. */
static void a_called_subscriber_answers(void **state)
{
	char text[TEXT];
	unsigned int port;
	const char *reply;

	(void)state;
	begin();
	inside_says(registration);
	put(text,
	    "INVITE sip:alice@203.0.113.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n"
	    "Call-ID: three\r\nCSeq: 1 INVITE\r\n",
	    public.port);
	outside_says(with_body(text, "v=0\r\nc=IN IP4 192.0.2.2\r\nm=audio 6000 RTP/AVP 0\r\n"));
	reply = inside_says(with_body("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n"
				      "Call-ID: three\r\nCSeq: 1 INVITE\r\n"
				      "Contact: sip:alice@100.64.0.2:5060\r\n",
				      "v=0\r\nc=IN IP4 100.64.0.2\r\nm=audio 4000 RTP/AVP 0\r\n"
				      "a=rtcp:4007 IN IP4 100.64.0.2\r\n"
				      "m=video 0 RTP/AVP 31\r\n"));
	assert_int_equal(sscanf(strstr(reply, "m=audio "), "m=audio %u", &port), 1);
	assert_non_null(strstr(reply, "m=video 0 "));
	media(B2, port, 4000, VERDICT_TRANSLATED);
	assert_int_equal(sscanf(strstr(reply, "a=rtcp:"), "a=rtcp:%u IN IP4 203.0.113.1", &port),
			 1);
	media(B2, port, 4007, VERDICT_TRANSLATED);
	media(B1, port, 4007, VERDICT_FILTERED);
}

/* Another host's address is nobody's business, nor what only looks like the own. */
static void others_addresses_stay(void **state)
{
	static const char head[] = "INVITE sip:100.64.0.2@192.0.2.1 SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 100.64.0.3:5060\r\n"
				   "From: <sip:a@1100.64.0.2>, <sip:a@100.64.0.22>\r\n"
				   "To: <sip:a@100.64.0.2.example>\r\n"
				   "X-Contact: 100.64.0.2\r\nCall-ID: 100.64.0.2\r\n";
	static const char body[] = "c=IN IP4 100.64.0.3\r\nm=audio 4000 RTP/AVP 0\r\n"
				   "m=audio 70000 RTP/AVP 0\r\nc=IN IP6 ::1\r\n";
	char text[TEXT];

	(void)state;
	begin();
	put(text, "%s", with_body(head, body));
	assert_string_equal(inside_says(text), text);
	assert_int_equal(flow_mappings(), 1);
}

/* What is no SIP, or malformed, passes as it is. */
static void what_is_malformed_passes_as_it_is(void **state)
{
	static const char *const none[] = {"\r\n\r\n", "x", "INVITE\r\n\r\n", "SIP/2.0 \r\n\r\n",
					   "SIP/2.0 99 A\r\n\r\n"};
	static const char *const wrong[] = {
		"BYE sip:b@192.0.2.1 SIP/2.0\r\n",
		"BYE sip:b@192.0.2.1 SIP/2.0\r\nCall-ID: 1",
		"BYE sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 100.64.0.2\r\n"
		"Content-Length: 9\r\n\r\n12345678",
		"BYE sip:b@192.0.2.1 SIP/2.0\r\nl: -1\r\n\r\n",
	};

	(void)state;
	begin();
	for (size_t i = 0; i < RTE_DIM(none); i++)
		assert_string_equal(inside_says(none[i]), none[i]);
	assert_int_equal(flow_count(alg_malformed), 0);
	for (size_t i = 0; i < RTE_DIM(wrong); i++)
		assert_string_equal(inside_says(wrong[i]), wrong[i]);
	assert_int_equal(flow_count(alg_malformed), RTE_DIM(wrong));
}

/* As a whole or not at all: more ports than a subscriber may await, more to change than there is
 * room for. */
static void too_much_passes_as_it_is(void **state)
{
	char head[TEXT], text[TEXT];
	int n;

	(void)state;
	begin();
	inside_says(registration);
	put(head, "%s", invite);
	n = (int)strlen(head);
	for (int i = 0; i < 70; i++)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "v:100.64.0.2\r\n");
	put(text, "%s", with_body(head, offer));
	assert_string_equal(inside_says(text), text);
	assert_int_equal(flow_count(alg_refused), 1);
	flow_advance(240);
	for (int i = 0; i < 16; i++) {
		put(text, "INVITE sip:b@192.0.2.1 SIP/2.0\r\nCall-ID: %u\r\nCSeq: 1 INVITE\r\n", i);
		put(head, "c=IN IP4 100.64.0.2\r\nm=audio %u RTP/AVP 0\r\n", 8000 + 2 * i);
		strcpy(text, with_body(text, head));
		if (i >= 8)
			assert_string_equal(inside_says(text), text);
		else
			assert_string_not_equal(inside_says(text), text);
	}
	assert_int_equal(flow_mappings(), 1 + 16);
	assert_int_equal(flow_count(alg_refused), 1 + 8);
}

/* A message in fragments passes, counted. */
static void fragments_pass_as_they_are(void **state)
{
	struct frame_spec in;

	(void)state;
	begin();
	inside_says(registration);
	in = message(registration);
	in.df = false;
	for (int i = 0; i < 2; i++) {
		in.fragment_offset = i == 0 ? 0 : 64;
		in.fragment_length = i == 0 ? 64 : 0;
		flow_queue(INSIDE, &in);
	}
	flow_turn();
	flow_expect_verdicts(VERDICT_TRANSLATED, 2);
	assert_non_null(flow_receive(OUTSIDE));
	assert_non_null(flow_receive(OUTSIDE));
	assert_int_equal(flow_count(alg_skipped), 1);
}

static void off_is_off(void **state)
{
	char text[TEXT];

	(void)state;
	public.port = 0;
	begin();
	put(text, "%s", with_body(invite, offer));
	assert_string_equal(inside_says(text), text);
	assert_int_equal(flow_mappings(), 1);
}

#define SIP_TEST(test) cmocka_unit_test_setup_teardown(test, switch_on, switch_off)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIP_TEST(a_call),
		SIP_TEST(ports_wait_and_end),
		SIP_TEST(ports_stay_while_media_flow),
		SIP_TEST(a_registered_contact_is_reachable),
		SIP_TEST(a_called_subscriber_answers),
		SIP_TEST(others_addresses_stay),
		SIP_TEST(what_is_malformed_passes_as_it_is),
		SIP_TEST(too_much_passes_as_it_is),
		SIP_TEST(fragments_pass_as_they_are),
		FLOW_TEST(off_is_off),
	};

	return FLOW_RUN(tests);
}
