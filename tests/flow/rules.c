/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "pools.h"
#include "rules.h"

static const struct frame_spec query = {
	.src = S1, .dst = B1, .proto = IPPROTO_UDP, .sport = 4000, .dport = 53, .length = 20};
static const struct frame_spec syn = {.src = S1,
				      .dst = B1,
				      .proto = IPPROTO_TCP,
				      .sport = 4000,
				      .dport = 80,
				      .tcp_flags = RTE_TCP_SYN_FLAG};
static const struct frame_spec ping = {
	.src = S1, .dst = B1, .proto = IPPROTO_ICMP, .type = 8, .ident = 77, .length = 8};

static const struct rule_config permit_all = {.action = RULE_PERMIT};

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_true(text_parse_prefix(text, &prefix));
	return prefix;
}

static struct frame_spec with(const struct frame_spec *spec, const char *src, const char *dst)
{
	struct frame_spec other = *spec;

	other.src = src;
	other.dst = dst;
	return other;
}

/* Two rules: this one, then all are permitted. */
static void rule_before_all(struct rule_config rule)
{
	const struct rule_config rules[] = {rule, permit_all};

	flow_rules(rules, 2);
}

/* The packet leaves as it came, one hop on, and so does its answer. */
static void expect_untouched(const struct frame_spec *out)
{
	struct frame_spec hop = flow_hop(out), answer = flow_answer(out), answer_hop;

	if (out->tcp_flags == RTE_TCP_SYN_FLAG)
		answer.tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
	answer_hop = flow_hop(&answer);
	flow_pass(INSIDE, out, VERDICT_TRANSLATED, OUTSIDE, &hop);
	flow_pass(OUTSIDE, &answer, VERDICT_TRANSLATED, INSIDE, &answer_hop);
}

/* Each part of a rule matches what it names and nothing else; what is denied is refused with
 * communication administratively prohibited (RFC 1812 5.2.7.1), and keeps nothing. */
static void each_part_matches(void **state)
{
	static char udp[] = "udp", tcp[] = "tcp";
	struct frame_spec other;

	(void)state;
	flow_start(&(struct flow_setup){0});
	rule_before_all((struct rule_config){.action = RULE_DENY, .inside = prefix_of(S1)});
	flow_refuse(INSIDE, &query, VERDICT_DENIED, 3, 13);
	flow_expect_nothing_kept();
	other = with(&query, S2, B1);
	flow_open(&other);
	rule_before_all((struct rule_config){.action = RULE_DENY, .destination = prefix_of(B2)});
	other = with(&query, S1, B2);
	flow_refuse(INSIDE, &other, VERDICT_DENIED, 3, 13);
	flow_open(&query);
	rule_before_all((struct rule_config){.action = RULE_DENY, .protocol = tcp});
	flow_refuse(INSIDE, &syn, VERDICT_DENIED, 3, 13);
	flow_open(&ping);
	rule_before_all((struct rule_config){
		.action = RULE_DENY, .protocol = udp, .destination_ports = {53, 54}});
	other = query;
	other.sport = 4001;
	flow_refuse(INSIDE, &other, VERDICT_DENIED, 3, 13);
	other.dport = 55;
	flow_open(&other);
	other.dport = 52;
	flow_open(&other);
	/* hosts of the flow tests are in realm 1 */
	rule_before_all((struct rule_config){.action = RULE_DENY, .realm = 2});
	flow_open(&syn);
	rule_before_all((struct rule_config){.action = RULE_DENY, .realm = 1});
	flow_refuse(INSIDE, &query, VERDICT_DENIED, 3, 13);
}

/* The first rule that matches wins, whatever comes behind; what none matches is refused. */
static void first_match_wins(void **state)
{
	const struct rule_config rules[] = {
		{.action = RULE_PERMIT, .inside = prefix_of(S1), .destination = prefix_of(B1)},
		{.action = RULE_DENY, .destination = prefix_of("192.0.2.0/24")},
		{.action = RULE_PERMIT, .destination = prefix_of("192.0.2.0/24")},
	};
	struct frame_spec other;

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_rules(rules, 3);
	flow_open(&query);
	other = with(&query, S1, B2);
	flow_refuse(INSIDE, &other, VERDICT_DENIED, 3, 13);
	other = with(&query, S1, TRANSIT);
	flow_refuse(INSIDE, &other, VERDICT_NO_RULE, 3, 13);
}

/* Sessions that a new rule denies end at once; the others stay, with their ports. */
static void a_new_rule_ends_what_it_denies(void **state)
{
	struct frame_spec other = with(&query, S1, B2), reply, in;
	struct endpoint denied, kept;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	denied = flow_open(&query);
	kept = flow_open(&other);
	for (uint16_t i = 0; i < 300; i++) {
		struct frame_spec more = query;

		more.src = flow_subscriber_of(i % 2);
		more.sport = (uint16_t)(10000 + i);
		flow_open(&more);
	}
	assert_int_equal(flow_sessions(), 302);
	rule_before_all((struct rule_config){.action = RULE_DENY, .destination = prefix_of(B1)});
	assert_int_equal(flow_sessions(), 1);
	reply = flow_reply(&query, &denied);
	flow_drop(OUTSIDE, &reply, VERDICT_DENIED_INBOUND);
	reply = flow_reply(&other, &kept);
	in = flow_answer(&other);
	in = flow_hop(&in);
	flow_pass(OUTSIDE, &reply, VERDICT_TRANSLATED, INSIDE, &in);
}

/* A remote that a rule denies reaches no mapping either. */
static void the_denied_do_not_come_in(void **state)
{
	struct frame_spec probe, in;
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	rule_before_all((struct rule_config){.action = RULE_DENY, .destination = prefix_of(B2)});
	public = flow_open(&query);
	probe = flow_reply(&query, &public);
	probe.src = B2;
	flow_drop(OUTSIDE, &probe, VERDICT_DENIED_INBOUND);
	assert_int_equal(flow_sessions(), 1);
	probe.src = TRANSIT;
	in = with(&probe, TRANSIT, S1);
	in.dport = query.sport;
	in = flow_hop(&in);
	flow_pass(OUTSIDE, &probe, VERDICT_TRANSLATED, INSIDE, &in);
}

/* RFC 6888 REQ-6: what is exempted leaves with its inside source, and is answered there, whatever
 * the protocol; it takes no port. */
static void exempt_is_untouched(void **state)
{
	struct frame_spec other = with(&query, S1, B2);
	struct endpoint public;

	(void)state;
	flow_start(&(struct flow_setup){0});
	rule_before_all((struct rule_config){.action = RULE_EXEMPT, .destination = prefix_of(B1)});
	expect_untouched(&query);
	expect_untouched(&syn);
	expect_untouched(&ping);
	assert_int_equal(flow_ports(), 0);
	assert_int_equal(flow_sessions(), 3);
	flow_expect_state(&syn, "SYN_RECV");
	public = flow_open(&other);
	assert_string_equal(public.address, POOL);
}

/* Only answers come in: what nobody asked for is refused, before and after. */
static void exempt_lets_only_answers_in(void **state)
{
	struct frame_spec answer = flow_answer(&query), stranger = with(&answer, B2, S1);

	(void)state;
	flow_start(&(struct flow_setup){0});
	rule_before_all((struct rule_config){.action = RULE_EXEMPT, .destination = prefix_of(B1)});
	flow_drop(OUTSIDE, &answer, VERDICT_NO_SESSION);
	expect_untouched(&query);
	flow_drop(OUTSIDE, &stranger, VERDICT_NO_SESSION);
	answer.sport++;
	flow_drop(OUTSIDE, &answer, VERDICT_NO_SESSION);
	assert_int_equal(flow_sessions(), 1);
	flow_advance(301);
	flow_expect_nothing_kept();
}

/* With two workers, answers to an exempted subscriber find their home wherever they arrive. */
static void exempt_with_two_workers(void **state)
{
	struct frame_spec spec = query;

	(void)state;
	flow_start(&(struct flow_setup){.workers = 2});
	rule_before_all((struct rule_config){.action = RULE_EXEMPT});
	for (uint32_t home = 0; home < 2; home++) {
		for (uint32_t worker = 0; worker < 2; worker++) {
			spec.src = flow_subscriber_of(home);
			spec.sport++;
			flow_deliver_to(worker);
			expect_untouched(&spec);
		}
	}
	assert_int_equal(flow_sessions(), 4);
	assert_int_equal(flow_ports(), 0);
}

/* An exempted session keeps on when the rule goes, and new ones are translated. */
static void rules_decide_about_first_packets_only(void **state)
{
	struct frame_spec later = query, hop = flow_hop(&query);

	(void)state;
	flow_start(&(struct flow_setup){0});
	rule_before_all((struct rule_config){.action = RULE_EXEMPT});
	expect_untouched(&query);
	flow_rules(NULL, 0);
	flow_pass(INSIDE, &query, VERDICT_TRANSLATED, OUTSIDE, &hop);
	later.sport++;
	assert_string_equal(flow_open(&later).address, POOL);
}

/* The limit of a subscriber's sessions is one of exempted sessions too. */
static void exempt_has_limits(void **state)
{
	struct frame_spec spec = query, hop;

	(void)state;
	flow_start(&(struct flow_setup){.max_sessions_per_subscriber = 3});
	rule_before_all((struct rule_config){.action = RULE_EXEMPT});
	for (int i = 0; i < 3; i++, spec.sport++) {
		hop = flow_hop(&spec);
		flow_pass(INSIDE, &spec, VERDICT_TRANSLATED, OUTSIDE, &hop);
	}
	flow_refuse(INSIDE, &spec, VERDICT_SESSION_LIMIT, 3, 1);
}

/* An ICMP error about an exempted packet reaches its sender as it is (RFC 5508 REQ-4). */
static void errors_about_exempted(void **state)
{
	struct frame_spec quoted = flow_hop(&query);
	struct frame_spec error = {.src = TRANSIT,
				   .dst = S1,
				   .proto = IPPROTO_ICMP,
				   .type = 3,
				   .code = 1,
				   .quote = &quoted};
	struct frame_spec in = flow_hop(&error);

	(void)state;
	flow_start(&(struct flow_setup){0});
	rule_before_all((struct rule_config){.action = RULE_EXEMPT});
	expect_untouched(&query);
	flow_pass(OUTSIDE, &error, VERDICT_ERROR_TRANSLATED, INSIDE, &in);
}

/* A rule goes where its number says, a number is given once, and what fails changes nothing. */
static void rules_by_number(void **state)
{
	const struct rule_config deny = {.action = RULE_DENY};
	static char absent[] = "absent";
	const struct rule_config wrong = {.pool = absent};
	const struct rule_config rules[] = {permit_all};

	(void)state;
	flow_start(&(struct flow_setup){0});
	flow_readers_offline();
	assert_int_equal(rules_replace(rules, 1), 0); /* number 10 */
	assert_int_equal(rules_add(10, &deny), -EEXIST);
	assert_int_equal(rules_add(5, &wrong), -ENOENT);
	assert_int_equal(rules_delete(5), -ENOENT);
	assert_int_equal(rules_add(11, &deny), 0);
	flow_readers_online();
	flow_open(&query);
	flow_readers_offline();
	assert_int_equal(rules_add(9, &deny), 0);
	flow_readers_online();
	flow_refuse(INSIDE, &syn, VERDICT_DENIED, 3, 13);
	flow_readers_offline();
	assert_int_equal(rules_delete(9), 0);
	flow_readers_online();
	flow_open(&syn);
	/* behind the preset of a list without rules, too */
	flow_readers_offline();
	assert_int_equal(rules_replace(NULL, 0), 0);
	assert_int_equal(rules_add(1, &deny), 0);
	flow_readers_online();
	flow_refuse(INSIDE, &ping, VERDICT_DENIED, 3, 13);
	flow_readers_offline();
	assert_int_equal(rules_delete(1), 0);
	flow_readers_online();
	flow_open(&ping);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(each_part_matches),
		FLOW_TEST(first_match_wins),
		FLOW_TEST(a_new_rule_ends_what_it_denies),
		FLOW_TEST(the_denied_do_not_come_in),
		FLOW_TEST(exempt_is_untouched),
		FLOW_TEST(exempt_lets_only_answers_in),
		FLOW_TEST(exempt_with_two_workers),
		FLOW_TEST(rules_decide_about_first_packets_only),
		FLOW_TEST(exempt_has_limits),
		FLOW_TEST(errors_about_exempted),
		FLOW_TEST(rules_by_number),
	};

	return FLOW_RUN(tests);
}
