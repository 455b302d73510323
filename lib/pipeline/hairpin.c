/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

/*
 * A packet from the inside to one of our own public addresses (RFC 4787 REQ-9) is translated twice:
 * its source by its sender's session, as any packet; then it is what a packet from the outside
 * would be, and its destination is translated by the receiver's session. Each half is a session of
 * its own in its own home, so each keeps its own mapping and port. An ICMP error about such a
 * packet goes back by both sessions too (RFC 5508 REQ-7).
 *
 * A ping, too, is for whoever has the public endpoint that it names (RFC 7857 section 12): the one
 * whose public identifier, of a ping of its own, it carries. It arrives with its sender's public
 * address and identifier, as from the outside, so its answer goes back like any.
 */

/* An ICMP query: its identifier stands for the port of both sides. */
static bool is_ping(const struct packet *p)
{
	return (p->flags & PACKET_REQUEST) != 0;
}

/* The packet's tuple as the second half sees it: from the sender's public endpoint. */
static struct tuple from_outside(const struct packet *p)
{
	const struct tuple *reply = &p->session->tuple[1];

	return (struct tuple){
		.src = reply->dst,
		.dst = p->tuple.dst,
		.sport = reply->dport,
		.dport = p->tuple.dport,
		.proto_realm = proto_realm(tuple_proto(&p->tuple), REALM_OUTSIDE),
	};
}

/* The packet so. */
static void as_from_outside(const struct packet *p, struct packet *half)
{
	*half = *p;
	half->tuple = from_outside(p);
	half->hash = tuple_hash(&half->tuple);
	half->session = NULL;
}

/* Whether the destination half has a session. */
static bool find_second(struct burst *burst, const struct packet *p, struct packet *half, int home)
{
	struct session *session =
		session_find(nats[home]->sessions, &half->tuple, half->hash, &half->direction);

	burst->second[p - burst->packet] = session;
	return session != NULL;
}

/*
 * The receiver keeps the packet out: by its filter, or, of a protocol without ports, because it has
 * sent nothing to the caller yet. For the caller it has left all the same, as it would have for the
 * Internet: its half stays, and lets in what the receiver sends. So two subscribers that call each
 * other find each other (RFC 5128 section 3.3).
 */
static void keep_out(struct pipeline *pipeline, struct packet *p, enum verdict verdict)
{
	track_first_half(pipeline, p);
	packet_refuse(p, verdict);
}

/* The destination half: found, or admitted when this worker is its home; else the packet goes
 * there. */
static void second_session(struct pipeline *pipeline, struct packet *p, int home)
{
	struct burst *burst = &pipeline->burst;
	struct packet half;
	enum verdict verdict;

	as_from_outside(p, &half);
	if (home < 0)
		home = nat_home_of(&half.tuple);
	if (home < 0 && !tuple_has_ports(&p->tuple))
		return keep_out(pipeline, p, VERDICT_NO_SESSION);
	if (home < 0) /* a static mapping that went meanwhile */
		return packet_refuse(p, VERDICT_NO_SESSION);
	if (find_second(burst, p, &half, home)) {
		if (!tuple_has_ports(&p->tuple) && second_half(burst, p) == p->session)
			packet_refuse(p, VERDICT_NO_SESSION); /* nobody but the sender itself */
		return;
	}
	if (p->flags & PACKET_LATER) /* its first fragment's session has ended */
		return packet_refuse(p, VERDICT_NO_SESSION);
	if (home != pipeline->config.worker) {
		p->home = (uint8_t)home;
		return hand_over(pipeline, p);
	}
	verdict = is_ping(p) ? nat_admit_ping(pipeline->config.nat, &half, p->tuple.sport)
			     : nat_admit(pipeline->config.nat, &half);
	if (verdict == VERDICT_FILTERED)
		return keep_out(pipeline, p, verdict);
	if (verdict != VERDICT_COUNT)
		return packet_refuse(p, verdict);
	burst->second[p - burst->packet] = half.session;
}

/* An interface's own address may be in a pool too. */
static bool is_weirs_own(rte_be32_t address)
{
	struct route_target target;
	uint32_t nexthop;

	return route_find(REALM_OUTSIDE, address, &nexthop, &target) == ROUTE_LOCAL;
}

/* The port, or what stands for it, of the public endpoint that the packet is to; host order. */
static uint16_t endpoint_port(const struct packet *p)
{
	return rte_be_to_cpu_16(is_ping(p) ? p->tuple.sport : p->tuple.dport);
}

/* Whether somebody may have the public endpoint that the packet is to; then *home is theirs, or -1:
 * it depends on the sender's public endpoint, as with a static mapping's servers or without ports.
 */
static bool endpoint_is_mapped(const struct packet *p, const struct pool_address *address,
			       int *home)
{
	uint16_t port = endpoint_port(p);
	struct block *block = pool_address_block((struct pool_address *)(uintptr_t)address, port);

	*home = -1;
	if (nat_is_static(&p->tuple))
		return true;
	if (!tuple_has_ports(&p->tuple))
		return !is_weirs_own(p->tuple.dst);
	if (block == NULL)
		return false;
	*home = block_home(block);
	return *home >= 0 && port_in_use(block, nat_port_protocol(tuple_proto(&p->tuple)), port);
}

void find_other_half(struct pipeline *pipeline, const struct packet *p)
{
	const struct pool_address *address = pool_address_find(p->tuple.dst);
	struct packet half;
	int home;

	if (!from_inside(p) || p->session == NULL || address == NULL ||
	    !endpoint_is_mapped(p, address, &home))
		return;
	as_from_outside(p, &half);
	if (home < 0)
		home = nat_home_of(&half.tuple);
	if (home >= 0)
		find_second(&pipeline->burst, p, &half, home);
}

/* The first half: found, or admitted here, as this is its home. */
static bool first_session(struct pipeline *pipeline, struct packet *p)
{
	enum verdict verdict;

	if (p->session != NULL || find_made(pipeline, p))
		return true;
	if (is_spoofed(p, tuple_realm(&p->tuple))) {
		packet_refuse(p, VERDICT_SPOOFED_SOURCE);
		return false;
	}
	verdict = nat_admit(pipeline->config.nat, p);
	if (verdict != VERDICT_COUNT)
		packet_refuse(p, verdict);
	return verdict == VERDICT_COUNT;
}

static void hairpin(struct pipeline *pipeline, struct packet *p)
{
	struct pool_address *address = pool_address_find(p->tuple.dst);
	int home;

	if (likely(address == NULL) || (is_ping(p) && is_weirs_own(p->tuple.dst)))
		return;
	if (!endpoint_is_mapped(p, address, &home)) {
		if (p->session != NULL || !is_weirs_own(p->tuple.dst))
			packet_refuse(p, VERDICT_NO_SESSION);
		return;
	}
	if (p->ttl <= 1)
		return packet_refuse(p, VERDICT_TTL_EXCEEDED);
	if (first_session(pipeline, p))
		second_session(pipeline, p, home);
}

/* An error about a packet that came by hairpin; its session keeps the sender's public endpoint. */
static void hairpin_error(struct pipeline *pipeline, struct packet *p)
{
	struct packet half;
	int home;

	if (!(p->session->flags & SESSION_HAIRPIN))
		return;
	as_from_outside(p, &half);
	home = nat_home_of(&half.tuple);
	if (home < 0 || !find_second(&pipeline->burst, p, &half, home))
		packet_refuse(p, VERDICT_ERROR_NO_SESSION);
}

/* ---- ahead of the odd packets ---- */

/* Where the destination half of a packet is looked for. */
struct half {
	const struct table *table;
	uint64_t hash;
	const struct block *block;
	enum port_protocol protocol;
};

/* False: it has none that is known yet. */
static bool look_for_half(const struct packet *p, struct half *half)
{
	struct pool_address *address = pool_address_find(p->tuple.dst);
	struct tuple key = from_outside(p);
	int home = address != NULL ? pool_address_home(address, endpoint_port(p)) : -1;

	if (home < 0)
		return false;
	*half = (struct half){
		.table = sessions_table(nats[home]->sessions),
		.hash = tuple_hash(&key),
		.block = pool_address_block(address, endpoint_port(p)),
		.protocol = nat_port_protocol(tuple_proto(&p->tuple)),
	};
	table_prefetch(half->table, half->hash);
	rte_prefetch0(half->block);
	return true;
}

static void look_at_half(const struct half *half)
{
	uint8_t direction;
	const struct session *session =
		session_of(half->table, table_guess(half->table, half->hash), &direction);

	if (likely(session != NULL))
		session_prefetch_lines(session);
	block_prefetch(half->block, half->protocol);
}

/* What the destination halves of hairpinned sessions will touch is asked for, of the whole burst.
 */
void foresee_halves(const struct burst *burst)
{
	struct half half[BURST_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < burst->odd_n; i++) {
		const struct packet *p = &burst->packet[burst->odd[i]];

		if (p->kind == PACKET_QUERY && p->session != NULL && from_inside(p) &&
		    p->session->flags & SESSION_HAIRPIN && look_for_half(p, &half[n]))
			n++;
	}
	for (uint32_t i = 0; i < n; i++)
		look_at_half(&half[i]);
}

/* Step 3: the destination half of a packet to one of our own public addresses. */
void odd_hairpin(struct pipeline *pipeline, struct packet *p)
{
	if (!from_inside(p))
		return;
	if (p->kind == PACKET_QUERY)
		hairpin(pipeline, p);
	else if (p->kind == PACKET_ERROR)
		hairpin_error(pipeline, p);
}
