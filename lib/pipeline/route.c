/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>

#include "burst.h"

/* A packet for weir itself: an echo request is answered (RFC 1812 4.3.3.6). */
static void take_local(struct pipeline *pipeline, struct packet *p)
{
	enum route_result back;

	if (!tuple_has_ports(&p->tuple)) /* RFC 1122 3.2.2.1 */
		return packet_refuse(p, VERDICT_LOCAL_PROTOCOL);
	if (tuple_proto(&p->tuple) != IPPROTO_ICMP)
		return packet_refuse(p, VERDICT_LOCAL);
	if (p->kind != PACKET_QUERY || p->flags & PACKET_FRAGMENT_ANY ||
	    p->tuple.dport == TUPLE_TIMESTAMP || !(p->flags & PACKET_REQUEST))
		return packet_refuse(p, VERDICT_LOCAL_ICMP);
	if (!icmp_checksum_ok(p))
		return packet_refuse(p, VERDICT_BAD_ICMP_CHECKSUM);
	back = route_find(p->tuple.src, &p->nexthop, route_target_of(&pipeline->burst, p));
	if (back != ROUTE_OK && back != ROUTE_UNRESOLVED)
		return packet_refuse(p, VERDICT_LOCAL_ICMP);
	p->kind = PACKET_ECHO;
}

/*
 * Where the packet will be sent to, once translated; 0: nowhere, and *why says whether nobody has
 * its public destination.
 */
static rte_be32_t planned_destination(struct pipeline *pipeline, const struct packet *p,
				      enum verdict *why)
{
	const struct session *second = second_half(&pipeline->burst, p);
	const struct nat *nat = pipeline->config.nat;
	const struct mapping *mapping;
	rte_be32_t destination;

	if (second != NULL)
		return second->tuple[0].src;
	if (p->session != NULL)
		return p->session->tuple[p->direction ^ 1].src;
	if (from_inside(p))
		return p->tuple.dst;
	destination = nat_static_for(&p->tuple);
	if (destination != 0)
		return destination;
	mapping = nat_mapping_for(pipeline->config.nat, &p->tuple);
	if (mapping != NULL && nat_lets_in(nat, mapping, &p->tuple))
		return mapping_host(mapping)->tuple[0].src;
	*why = mapping != NULL ? VERDICT_FILTERED : VERDICT_NO_SESSION;
	return 0;
}

/* What a router checks before it forwards: RFC 1812 5.3.1, RFC 1191. */
static void check_forwarding(struct packet *p, const struct route_target *target)
{
	if (p->ttl <= 1)
		packet_refuse(p, VERDICT_TTL_EXCEEDED);
	else if (p->length > target->mtu && p->flags & PACKET_DF)
		packet_refuse(p, VERDICT_FRAGMENTATION_NEEDED);
}

static void route(struct pipeline *pipeline, struct packet *p)
{
	struct route_target *target = route_target_of(&pipeline->burst, p);
	enum verdict why = VERDICT_NO_SESSION;
	rte_be32_t destination = planned_destination(pipeline, p, &why);
	bool unmapped = destination == 0;

	switch (route_find(unmapped ? p->tuple.dst : destination, &p->nexthop, target)) {
	case ROUTE_OK:
	case ROUTE_UNRESOLVED:
		break;
	case ROUTE_LOCAL:
		return take_local(pipeline, p);
	case ROUTE_BROADCAST:
		return packet_refuse(p, VERDICT_MARTIAN_DESTINATION);
	case ROUTE_NONE:
		return packet_refuse(p, unmapped ? why : VERDICT_NO_ROUTE);
	}
	if (unmapped)
		return packet_refuse(p, why);
	check_forwarding(p, target);
	if (p->kind == PACKET_QUERY && p->session == NULL && from_inside(p) &&
	    ifaces[target->port].side == SIDE_INSIDE)
		p->kind = PACKET_ROUTED; /* between subscribers, by their own addresses */
}

/* Step 4: the next hop for the planned destination, TTL and MTU. Plain packets have theirs. */
void step_route(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;

	for (uint32_t i = 0; i < burst->odd_n; i++) {
		struct packet *p = &burst->packet[burst->odd[i]];

		if (p->kind == PACKET_QUERY || p->kind == PACKET_ERROR)
			route(pipeline, p);
	}
}
