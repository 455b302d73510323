/* SPDX-License-Identifier: BSD-3-Clause */
/* What ALGs ask the home for: public ports of the session's inside host, and sessions of its PPTP
 * calls. Nothing here is ever any other host's. */
#include <netinet/in.h>

#include "rewrite.h"
#include "state.h"
#include "statics.h"

/* The key of an inside port of the session's host. */
static struct tuple inside_key(const struct session *session, uint8_t protocol, uint16_t port)
{
	return (struct tuple){
		.src = session->tuple[0].src,
		.sport = rte_cpu_to_be_16(port),
		.proto_realm = proto_realm(protocol, tuple_realm(&session->tuple[0])),
	};
}

/* Its mapping that depends on no remote, or the session's own; NULL: there is none. */
static struct mapping *find_mapping(const struct nat *nat, const struct session *session,
				    uint8_t protocol, uint16_t port)
{
	const struct tuple key = inside_key(session, protocol, port);
	struct mapping *own = session->owner;

	if (mapping_keeps_ports(own) ||
	    (protocol == tuple_proto(&session->tuple[0]) && key.sport == session->tuple[0].sport))
		return own;
	return mapping_find(nat, &key);
}

/* The same, made if need be; `outside_port` is the one that it shall have, 0: any. */
static struct mapping *get_mapping(struct nat *nat, const struct session *session, uint8_t protocol,
				   uint16_t port, uint16_t outside_port)
{
	const struct tuple key = inside_key(session, protocol, port);
	const struct mapping *own = session->owner;
	struct mapping *mapping = find_mapping(nat, session, protocol, port);
	const struct static_entry *entry;
	enum verdict verdict;

	if (mapping != NULL)
		return mapping;
	entry = static_of_inside(&key);
	if (entry != NULL) /* forwarded already: so the remote must be told */
		verdict = fixed_static(nat, entry, &mapping);
	else
		verdict = mapping_create_at(nat, mapping_subscriber(own), &key, outside_port,
					    &mapping);
	return verdict == VERDICT_COUNT ? mapping : NULL;
}

static struct alg_endpoint outside_of(const struct mapping *mapping, uint16_t port)
{
	const struct tuple *outside = &mapping_host(mapping)->tuple[1];

	return (struct alg_endpoint){
		.address = outside->dst,
		.port = mapping_keeps_ports(mapping) ? port : rte_be_to_cpu_16(outside->dport),
	};
}

/* The port's mapping with its expectation, or NULL. */
static struct mapping *expect_port(struct nat *nat, const struct session *session,
				   const struct alg_wish *wish, uint16_t port,
				   uint16_t outside_port)
{
	const struct mapping *own = session->owner;
	struct mapping *mapping;

	if (alg_may_expect(nat, mapping_subscriber(own)))
		mapping = get_mapping(nat, session, wish->protocol, port, outside_port);
	else /* but what is expected already may be said again */
		mapping = find_mapping(nat, session, wish->protocol, port);
	return mapping != NULL && alg_expect(nat, mapping, wish) ? mapping : NULL;
}

/* RTCP's port, behind RTP's where that is even and the other is free. */
static void expect_next(struct nat *nat, const struct session *session, const struct alg_wish *wish,
			uint16_t outside_port)
{
	if (outside_port % 2 == 0)
		expect_port(nat, session, wish, wish->port + 1, outside_port + 1);
}

/* An even public port with a free one behind it, if a pair is wanted that is not there yet. */
static uint16_t choose_pair(struct nat *nat, const struct session *session,
			    const struct alg_wish *wish)
{
	const struct mapping *own = session->owner;

	if (!alg_may_expect(nat, mapping_subscriber(own)) ||
	    find_mapping(nat, session, wish->protocol, wish->port) != NULL)
		return 0;
	return port_pair(nat, mapping_subscriber(own), nat_port_protocol(wish->protocol));
}

static bool expect(struct alg_call *call, const struct alg_wish *wish, struct alg_endpoint *outside)
{
	const struct alg_context *context = call->context;
	const struct session *session = context->session;
	bool pair = wish->pair && wish->port % 2 == 0;
	const struct mapping *mapping;

	/* a mapping that is not held after all takes a place in the queue */
	if (!reclaim_has_room(context->nat->reclaim, 8))
		return false;
	mapping = expect_port(context->nat, session, wish, wish->port,
			      pair ? choose_pair(context->nat, session, wish) : 0);
	if (mapping == NULL)
		return false;
	*outside = outside_of(mapping, wish->port);
	if (pair)
		expect_next(context->nat, session, wish, outside->port);
	return true;
}

static bool find_outside(struct alg_call *call, uint8_t protocol, uint16_t port,
			 struct alg_endpoint *outside)
{
	const struct alg_context *context = call->context;
	const struct mapping *mapping =
		find_mapping(context->nat, context->session, protocol, port);

	if (mapping == NULL)
		return false;
	*outside = outside_of(mapping, port);
	return true;
}

/* The mapping of the host's with this public port. */
static struct mapping *of_public(const struct alg_context *context, uint8_t protocol,
				 uint16_t outside_port)
{
	const struct session *session = context->session;
	const struct tuple key = {
		.dst = session->tuple[1].dst,
		.dport = rte_cpu_to_be_16(outside_port),
		.proto_realm = proto_realm(protocol, REALM_OUTSIDE),
	};
	struct mapping *own = session->owner, *mapping;

	if (mapping_keeps_ports(own) ||
	    (protocol == tuple_proto(&session->tuple[0]) && key.dport == session->tuple[1].dport))
		return own;
	mapping = mapping_find(context->nat, &key);
	return mapping != NULL && mapping_host(mapping)->tuple[0].src == session->tuple[0].src &&
			       tuple_realm(&mapping_host(mapping)->tuple[0]) ==
				       tuple_realm(&session->tuple[0])
		       ? mapping
		       : NULL;
}

static bool find_inside(struct alg_call *call, uint8_t protocol, uint16_t outside_port,
			uint16_t *port)
{
	const struct alg_context *context = call->context;
	const struct mapping *mapping = of_public(context, protocol, outside_port);

	if (mapping == NULL)
		return false;
	*port = mapping_keeps_ports(mapping)
			? outside_port
			: rte_be_to_cpu_16(mapping_host(mapping)->tuple[0].sport);
	return true;
}

static void move(struct alg_call *call, uint32_t dialog, rte_be32_t remote)
{
	const struct alg_context *context = call->context;

	alg_expect_other(context->nat, &context->session->tuple[0], dialog, remote);
}

static void forget(struct alg_call *call, uint32_t dialog)
{
	const struct alg_context *context = call->context;

	alg_expect_none(context->nat, &context->session->tuple[0], dialog);
}

/* ---- PPTP's calls ---- */

/* The session of a call, or NULL; `direction` is that of the tuple. */
static struct session *call_session(const struct nat *nat, const struct tuple *tuple)
{
	uint8_t direction;

	return session_find(nat->sessions, tuple, tuple_hash(tuple), &direction);
}

/* The tuples of a call: each packet names its receiver's identifier only. */
static void call_tuples(const struct session *control, uint16_t outside_id, uint16_t remote_id,
			struct tuple tuple[2])
{
	const struct tuple *out = &control->tuple[0];

	tuple[0] = (struct tuple){
		.src = out->src,
		.dst = out->dst,
		.dport = rte_cpu_to_be_16(remote_id),
		.proto_realm = proto_realm(IPPROTO_GRE, tuple_realm(out)),
	};
	tuple[1] = (struct tuple){
		.src = out->dst,
		.dst = control->tuple[1].dst,
		.dport = rte_cpu_to_be_16(outside_id),
		.proto_realm = proto_realm(IPPROTO_GRE, REALM_OUTSIDE),
	};
}

static bool connect_call(struct alg_call *call, uint16_t outside_id, uint16_t remote_id)
{
	const struct alg_context *context = call->context;
	struct mapping *mapping = of_public(context, IPPROTO_GRE, outside_id);
	struct session *session;
	struct tuple tuple[2];

	if (mapping == NULL)
		return false;
	if (mapping_keeps_ports(mapping)) /* all GRE is its */
		return true;
	call_tuples(context->session, outside_id, remote_id, tuple);
	session = call_session(context->nat, &tuple[0]);
	if (session != NULL) /* said again */
		return session->owner == mapping;
	return nat_begin(context->nat, mapping, tuple, SESSION_ALG | SESSION_EXPECTED) ==
	       VERDICT_COUNT;
}

static void disconnect_call(struct alg_call *call, uint16_t outside_id, uint16_t remote_id)
{
	const struct alg_context *context = call->context;
	const struct mapping *own = context->session->owner, *mapping;
	struct session *session;
	struct tuple tuple[2];

	call_tuples(context->session, outside_id, remote_id, tuple);
	session = call_session(context->nat, &tuple[outside_id != 0]);
	if (session == NULL || !(session->flags & SESSION_ALG) ||
	    !reclaim_has_room(context->nat->reclaim, 4))
		return;
	mapping = session->owner;
	if (mapping_subscriber(mapping) == mapping_subscriber(own))
		session_end(context->nat->sessions, session);
}

void alg_translate_call(const struct packet *p)
{
	const struct mapping *mapping = p->session->owner;

	if (p->direction == 1)
		rewrite_call(p, mapping_host(mapping)->tuple[0].sport);
}

const struct alg_services alg_services = {
	.expect = expect,
	.outside_of = find_outside,
	.inside_of = find_inside,
	.move = move,
	.forget = forget,
	.connect = connect_call,
	.disconnect = disconnect_call,
};
