/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

/*
 * A packet from the inside to one of our own public addresses (RFC 4787 REQ-9) is translated twice:
 * its source by its sender's session, as any packet; then it is what a packet from the outside
 * would be, and its destination is translated by the receiver's session. Each half is a session of
 * its own in its own home, so each keeps its own mapping and port.
 */

/* The packet as the second half sees it: from the sender's public endpoint. */
static void as_from_outside(const struct packet *p, struct packet *half)
{
	const struct tuple *reply = &p->session->tuple[1];

	*half = *p;
	half->tuple.src = reply->dst;
	half->tuple.sport = reply->dport;
	half->tuple.proto_realm = proto_realm(tuple_proto(&p->tuple), REALM_OUTSIDE);
	half->hash = tuple_hash(&half->tuple);
	half->session = NULL;
}

/* The destination half: found, or admitted when this worker is its home; else the packet goes
 * there. */
static void second_session(struct pipeline *pipeline, struct packet *p, int home)
{
	struct burst *burst = &pipeline->burst;
	struct packet half;
	enum verdict verdict;
	uintptr_t value;

	as_from_outside(p, &half);
	value = table_find(sessions_table(nats[home]->sessions), &half.tuple, half.hash);
	if (value != 0) {
		burst->second[p - burst->packet] = session_of(value, &half.direction);
		return;
	}
	if (home != pipeline->config.worker) {
		p->home = (uint8_t)home;
		if (!pipeline->config.hand_over(pipeline->config.context, p->home, p->mbuf))
			return packet_refuse(p, VERDICT_HANDOVER_FULL);
		p->kind = PACKET_GONE;
		pipeline->config.stats->handed_over++;
		return;
	}
	verdict = nat_admit(pipeline->config.nat, &half);
	if (verdict != VERDICT_COUNT)
		return packet_refuse(p, verdict);
	burst->second[p - burst->packet] = half.session;
}

/* Whether somebody has the public endpoint that the packet is to; then *home is theirs. */
static bool endpoint_is_mapped(const struct packet *p, const struct pool_address *address,
			       int *home)
{
	uint16_t port = rte_be_to_cpu_16(p->tuple.dport);
	struct block *block = pool_address_block((struct pool_address *)(uintptr_t)address, port);

	if (block == NULL)
		return false;
	*home = block_home(block);
	return *home >= 0 && port_in_use(block, nat_port_protocol(tuple_proto(&p->tuple)), port);
}

static void hairpin(struct pipeline *pipeline, struct packet *p)
{
	struct pool_address *address = pool_address_find(p->tuple.dst);
	enum verdict verdict;
	int home;

	if (likely(address == NULL))
		return;
	if (!endpoint_is_mapped(p, address, &home)) {
		/* an interface's own address may be in a pool too: route knows */
		if (p->session != NULL)
			packet_refuse(p, VERDICT_NO_SESSION);
		return;
	}
	if (p->ttl <= 1)
		return packet_refuse(p, VERDICT_TTL_EXCEEDED);
	if (p->session == NULL) {
		verdict = nat_admit(pipeline->config.nat, p);
		if (verdict != VERDICT_COUNT)
			return packet_refuse(p, verdict);
	}
	second_session(pipeline, p, home);
}

/* Step 3: the destination half of packets to our own public addresses. */
void step_hairpin(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;

	for (uint32_t i = 0; i < burst->odd_n; i++) {
		struct packet *p = &burst->packet[burst->odd[i]];

		burst->second[burst->odd[i]] = NULL;
		if (p->kind == PACKET_QUERY && from_inside(p))
			hairpin(pipeline, p);
	}
}
