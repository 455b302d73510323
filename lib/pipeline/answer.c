/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

void answer_sender(struct pipeline *pipeline, struct packet *p, enum answer what)
{
	struct stats *stats = pipeline->config.stats;
	uint16_t mtu = route_target_of(&pipeline->burst, p)->mtu;
	struct route_target target;
	enum route_result result;
	struct rte_mbuf *error;
	uint32_t nexthop;

	if (what == ANSWER_REFUSAL)
		what = icmp_refusal(pipeline->limiter);
	if (!icmp_error_allowed(p)) {
		stats->answers_suppressed++;
		return;
	}
	result = route_find(tuple_realm(&p->tuple), packet_ip(p)->src_addr, &nexthop, &target);
	if (result != ROUTE_OK && result != ROUTE_UNRESOLVED) {
		stats->answers_suppressed++;
		return;
	}
	if (!icmp_limit_take(pipeline->limiter, packet_ip(p)->src_addr, tuple_realm(&p->tuple),
			     pipeline->now_ms)) {
		stats->answers_limited++;
		return;
	}
	error = icmp_error_build(p, what, mtu, route_source(target.port), pipeline->config.buffers);
	if (error == NULL)
		return;
	stats->answers[what]++;
	transmit_own(pipeline, error, nexthop, &target);
}

/*
 * What the outside begins and is refused: no answer at once (RFC 5382 REQ-4). That ports or
 * sessions have run out is told to subscribers, whose they are (RFC 6888 REQ-11 B); an outsider
 * shall not learn it.
 */
static bool is_unsolicited(const struct packet *p)
{
	return !from_inside(p) &&
	       (p->verdict == VERDICT_NO_SESSION || p->verdict == VERDICT_FILTERED ||
		p->verdict == VERDICT_INBOUND_LIMIT ||
		verdicts[p->verdict].answer == ANSWER_REFUSAL);
}

/* A first packet that is refused leaves no session: those that it began end, here or in their
 * homes, unless another packet has passed in them. */
static void withdraw_sessions(const struct burst *burst, const struct packet *p)
{
	if (p->session != NULL)
		nat_withdraw(p->session);
	if (second_half(burst, p) != NULL)
		nat_withdraw(second_half(burst, p));
}

/* Step 8: a refused packet ends here: counted, answered where the verdict says so, freed. */
void odd_answer(struct pipeline *pipeline, struct packet *p)
{
	enum answer answer = verdicts[p->verdict].answer;

	if (p->kind != PACKET_REFUSED)
		return;
	pipeline->config.stats->verdict[p->verdict]++;
	withdraw_sessions(&pipeline->burst, p);
	if (is_unsolicited(p))
		unsolicited_keep(pipeline, p);
	else if (answer != ANSWER_NONE)
		answer_sender(pipeline, p, answer);
	rte_pktmbuf_free(p->mbuf);
}
