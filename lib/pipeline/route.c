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
	back = route_find(tuple_realm(&p->tuple), p->tuple.src, &p->nexthop,
			  route_target_of(&pipeline->burst, p));
	if (back != ROUTE_OK && back != ROUTE_UNRESOLVED)
		return packet_refuse(p, VERDICT_LOCAL_ICMP);
	p->kind = PACKET_ECHO;
}

/* Where a packet goes, once translated: an address and where that has its meaning. */
struct destination {
	rte_be32_t address; /* 0: nowhere */
	uint32_t realm;
};

static struct destination far_end(const struct tuple *tuple)
{
	return (struct destination){.address = tuple->src, .realm = tuple_realm(tuple)};
}

/* Where the packet will be sent to, once translated; or nowhere, and *why is set. */
static struct destination planned_destination(struct pipeline *pipeline, const struct packet *p,
					      enum verdict *why)
{
	const struct session *second = second_half(&pipeline->burst, p);
	struct destination to = {.address = p->tuple.dst, .realm = tuple_realm(&p->tuple)};

	if (second != NULL)
		return far_end(&second->tuple[0]);
	if (p->session != NULL)
		return far_end(&p->session->tuple[p->direction ^ 1]);
	if (!from_inside(p))
		to.address = nat_inside_of(pipeline->config.nat, &p->tuple, &to.realm, why);
	return to;
}

bool is_spoofed(const struct packet *p, uint32_t realm)
{
	if (pool_address_find(p->tuple.src) != NULL)
		return true;
	return from_inside(p) ? !route_exists(realm, p->tuple.src)
			      : route_is_inside(realm, p->tuple.src);
}

/* What a router checks before it forwards: RFC 1812 5.3.1, RFC 1191. */
static void check_forwarding(struct packet *p, const struct route_target *target)
{
	if (p->ttl <= 1)
		packet_refuse(p, VERDICT_TTL_EXCEEDED);
	else if (p->length > target->mtu && p->flags & PACKET_DF)
		packet_refuse(p, VERDICT_FRAGMENTATION_NEEDED);
}

/* A first packet from the inside may be for the outside, or for its own realm. */
static enum route_result find_way(const struct packet *p, const struct destination *to,
				  uint32_t *nexthop, struct route_target *target)
{
	return p->session == NULL && from_inside(p)
		       ? route_find_from(to->realm, to->address, nexthop, target)
		       : route_find(to->realm, to->address, nexthop, target);
}

static void route(struct pipeline *pipeline, struct packet *p)
{
	struct route_target *target = route_target_of(&pipeline->burst, p);
	enum verdict why = VERDICT_NO_SESSION;
	struct destination to = planned_destination(pipeline, p, &why);
	bool unmapped = to.address == 0;
	enum route_result result;

	if (unmapped) /* for weir itself, if for anybody */
		to = (struct destination){.address = p->tuple.dst, .realm = REALM_OUTSIDE};
	result = find_way(p, &to, &p->nexthop, target);
	if (unmapped && result != ROUTE_LOCAL && result != ROUTE_BROADCAST)
		return packet_refuse(p, why);
	if (p->session == NULL && is_spoofed(p, to.realm))
		return packet_refuse(p, VERDICT_SPOOFED_SOURCE);
	switch (result) {
	case ROUTE_OK:
	case ROUTE_UNRESOLVED:
		break;
	case ROUTE_LOCAL:
		return take_local(pipeline, p);
	case ROUTE_BROADCAST:
		return packet_refuse(p, VERDICT_MARTIAN_DESTINATION);
	case ROUTE_NONE:
		return packet_refuse(p, VERDICT_NO_ROUTE);
	}
	check_forwarding(p, target);
	if (p->kind == PACKET_QUERY && p->session == NULL && from_inside(p) &&
	    ifaces[target->port].side == SIDE_INSIDE)
		p->kind = PACKET_ROUTED; /* between subscribers, by their own addresses */
}

/* Step 4: the next hop for the planned destination, TTL and MTU. Plain packets have theirs. */
void odd_route(struct pipeline *pipeline, struct packet *p)
{
	if (p->kind == PACKET_QUERY || p->kind == PACKET_ERROR)
		route(pipeline, p);
}
