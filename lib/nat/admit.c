/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include "alg.h"
#include "clock.h"
#include "nat.h"
#include "rules.h"
#include "statics.h"

/* Whether a packet may begin a session: RFC 6146 section 3.5.2.2, RFC 5508 REQ-1. */
static enum verdict may_begin(const struct packet *p)
{
	if (p->flags & PACKET_LATER) /* the first fragment's session has ended */
		return VERDICT_NO_SESSION;
	switch (tuple_proto(&p->tuple)) {
	case IPPROTO_TCP:
		if (p->tuple.sport == 0 || p->tuple.dport == 0)
			return VERDICT_PORT_ZERO;
		return p->tcp_event == TCP_EVENT_SYN ? VERDICT_COUNT : VERDICT_BAD_TCP_STATE;
	case IPPROTO_ICMP:
		return p->flags & PACKET_REQUEST ? VERDICT_COUNT : VERDICT_NO_SESSION;
	case IPPROTO_UDP: /* from port 0 means that no answer is awaited: RFC 768 */
		return p->tuple.dport == 0 ? VERDICT_PORT_ZERO : VERDICT_COUNT;
	default:
		return VERDICT_COUNT;
	}
}

/*
 * Whether another session has one of the session's tuples. A port of a pool is one mapping's alone,
 * so that none has that begins inside; without, two realms may have one inside address, or one
 * inside endpoint two public ones. From the outside, the remote may have a session with the inside
 * endpoint through another mapping of it, where those depend on the remote: who forges its address
 * must not take that over. Of a PPTP call, the remote's identifier is whatever it says.
 */
static bool is_taken(const struct nat *nat, const struct mapping *mapping,
		     const struct session *session, uint32_t direction)
{
	const struct block *block = mapping_block(mapping);

	if (direction == 0 && block != NULL && tuple_has_ports(&session->tuple[0]) &&
	    pool_address_statics(block->address) == POOL_STATIC_NONE)
		return false;
	for (int i = 0; i < 2; i++) {
		uint8_t side;

		if (session_find(nat->sessions, &session->tuple[i], tuple_hash(&session->tuple[i]),
				 &side) != NULL)
			return true;
	}
	return false;
}

/* The tuples of a session of the mapping that the packet begins. */
static void session_tuples(const struct mapping *mapping, const struct packet *p,
			   struct tuple tuple[2])
{
	const struct tuple *host = mapping_host(mapping)->tuple;
	bool keeps_ports = mapping_keeps_ports(mapping);

	tuple[p->direction] = p->tuple;
	if (p->direction == 0) {
		tuple[1] = tuple_inverse(&p->tuple, REALM_OUTSIDE);
		/* exempted from translation, it keeps its address */
		if (mapping->kind != MAPPING_EXEMPT)
			tuple[1].dst = host[1].dst;
		if (!keeps_ports)
			tuple[1].dport = host[1].dport;
		return;
	}
	tuple[0] = tuple_inverse(&p->tuple, tuple_realm(&host[0]));
	tuple[0].src = host[0].src;
	if (!keeps_ports && !(p->flags & PACKET_REQUEST)) /* which has no port for the asked */
		tuple[0].sport = host[0].sport;
}

/* A record for a session of the mapping: its own, if no session has it. NULL: there is no room. */
static struct session *session_for(struct nat *nat, const struct mapping *mapping,
				   const struct tuple tuple[2])
{
	struct session *session = mapping_host(mapping);

	if (session_is_spare(session) && mapping_is_of(mapping, tuple))
		session_renew(session);
	else
		session = session_new(nat->sessions);
	if (session != NULL)
		memcpy(session->tuple, tuple, sizeof(session->tuple));
	return session;
}

#define TCP_GRACE 10 /* seconds */

/*
 * Since when the inside of a session that the outside begins has not sent: RFC 4787 REQ-6, RFC 7857
 * section 7. Where packets from the outside refresh nothing, such sessions end with the mapping's
 * other ones, however many come; until then a server has time to answer a SYN.
 */
static uint32_t sent_before(const struct mapping *mapping, const struct session *session,
			    uint32_t now)
{
	uint32_t sent = mapping_last_sent(mapping, now), least;

	if (mapping_is_fixed(mapping)) /* there for good */
		return now;
	if (tuple_proto(&session->tuple[0]) != IPPROTO_TCP || mapping->sessions == mapping->inbound)
		return sent;
	least = now + TCP_GRACE - RTE_MIN(now, session_timeout(session));
	return RTE_MAX(sent, RTE_MIN(least, now));
}

/* Fills the rest of a session that has its tuples and flags, and publishes it; or gives it back.
 * The first packet is of `direction`. */
static enum verdict publish(struct nat *nat, struct mapping *mapping, struct session *session,
			    uint32_t direction)
{
	uint32_t now = clock_seconds(nat->now_ms);
	struct tuple translated = tuple_inverse(&session->tuple[1], 0);
	rte_be32_t remote = session->tuple[1].src;

	if (is_taken(nat, mapping, session, direction)) {
		session_cancel(nat->sessions, session);
		return direction == 0 ? VERDICT_NO_PORT : VERDICT_FILTERED;
	}
	session->l3_delta = rewrite_l3_delta(&session->tuple[0], &translated);
	session->l4_delta = rewrite_l4_delta(&session->tuple[0], &translated);
	session->owner = mapping;
	session->seen[0] = direction == 0 ? now : sent_before(mapping, session, now);
	session->seen[direction] = now;
	if (remotes_add(nat, mapping, remote) != 0) {
		session_cancel(nat->sessions, session);
		return VERDICT_TABLE_FULL;
	}
	alg_begin(nat, session);
	if (session_publish(nat->sessions, session, now) != 0) {
		alg_end(nat, session);
		remotes_remove(nat, mapping, remote);
		return VERDICT_TABLE_FULL;
	}
	mapping->sessions++;
	if (direction == 0)
		mapping_sent(mapping, now);
	limits_count(mapping, session);
	nat->stats->sessions_created++;
	return VERDICT_COUNT;
}

/* The session between a mapping and a remote endpoint, which is the far end of the packet. */
static enum verdict create_session(struct nat *nat, struct mapping *mapping, struct packet *p)
{
	struct tuple both[2];
	struct session *session;
	enum verdict verdict;

	session_tuples(mapping, p, both);
	session = session_for(nat, mapping, both);
	if (session == NULL)
		return VERDICT_TABLE_FULL;
	if (p->direction == 1) {
		session->flags |= SESSION_INBOUND;
		if (alg_expects(nat, mapping, p->tuple.src))
			session->flags |= SESSION_EXPECTED;
	}
	if (pool_address_find(both[1].src) != NULL)
		session->flags |= SESSION_HAIRPIN;
	verdict = publish(nat, mapping, session, p->direction);
	if (verdict == VERDICT_COUNT)
		p->session = session;
	return verdict;
}

enum verdict nat_begin(struct nat *nat, struct mapping *mapping, const struct tuple tuple[2],
		       uint8_t flags)
{
	struct session *session;
	enum verdict verdict;
	struct pool *pool;

	if (!reclaim_has_room(nat->reclaim, 4))
		return VERDICT_TABLE_FULL;
	if (rules_decide(&tuple[0], &pool) == RULE_DENY)
		return VERDICT_DENIED;
	verdict = limits_outbound(nat, mapping_subscriber(mapping), tuple_proto(&tuple[0]));
	if (verdict != VERDICT_COUNT)
		return verdict;
	session = session_for(nat, mapping, tuple);
	if (session == NULL)
		return VERDICT_TABLE_FULL;
	session->flags = flags;
	return publish(nat, mapping, session, 0);
}

/*
 * The mapping of a packet from the inside that a rule permits, if its subscriber may have one
 * session more: an endpoint-independent one that there is, whatever pool the rule names (RFC 4787
 * REQ-1); one that depends on the remote; or a new one.
 */
static enum verdict get_mapping(struct nat *nat, const struct tuple *tuple, struct pool *pool,
				struct subscriber **subscriber, struct mapping **mapping)
{
	struct tuple key = mapping_key(tuple, ENDPOINT_INDEPENDENT);
	enum verdict verdict = VERDICT_COUNT;
	enum dependence dependence;
	const struct static_entry *entry = static_of_inside(tuple);

	if (entry != NULL)
		return fixed_static(nat, entry, mapping);
	*mapping = mapping_find_serving(nat, &key);
	if (*mapping != NULL)
		*subscriber = mapping_subscriber(*mapping);
	else
		verdict = subscriber_get(nat, tuple, pool, subscriber);
	if (verdict == VERDICT_COUNT)
		verdict = limits_outbound(nat, *subscriber, tuple_proto(tuple));
	if (verdict != VERDICT_COUNT || *mapping != NULL)
		return verdict;
	dependence = pool->mapping[nat_port_protocol(tuple_proto(tuple))];
	if (!tuple_has_ports(tuple)) /* the remote tells them apart */
		dependence = RTE_MAX(dependence, ADDRESS_DEPENDENT);
	if (dependence != ENDPOINT_INDEPENDENT) {
		key = mapping_key(tuple, dependence);
		*mapping = mapping_find_serving(nat, &key);
		if (*mapping != NULL)
			return VERDICT_COUNT;
	}
	return mapping_create(nat, *subscriber, tuple, dependence, mapping);
}

/* *subscriber is set once there is one. */
static enum verdict admit_outbound(struct nat *nat, struct packet *p,
				   struct subscriber **subscriber)
{
	enum verdict verdict = VERDICT_COUNT, limit = VERDICT_COUNT;
	struct mapping *mapping;
	struct pool *pool;

	p->direction = 0;
	switch (rules_decide(&p->tuple, &pool)) {
	case RULE_PERMIT:
		verdict = get_mapping(nat, &p->tuple, pool, subscriber, &mapping);
		break;
	case RULE_EXEMPT:
		verdict = fixed_exempt(nat, &p->tuple, &mapping);
		break;
	case RULE_DENY:
		return VERDICT_DENIED;
	case RULE_NONE:
		return VERDICT_NO_RULE;
	}
	if (verdict != VERDICT_COUNT)
		return verdict;
	mapping->sessions++; /* so that it stays while the session is made */
	if (mapping_is_fixed(mapping)) {
		*subscriber = mapping_subscriber(mapping);
		limit = limits_outbound(nat, *subscriber, tuple_proto(&p->tuple));
	}
	verdict = limit != VERDICT_COUNT ? limit : create_session(nat, mapping, p);
	mapping_put(nat, mapping);
	if (verdict == VERDICT_COUNT && !tuple_has_ports(&p->tuple) &&
	    !portless_is_only(nat, p->session)) {
		session_end(nat->sessions,
			    p->session); /* nat_admit() saw to it that there is room */
		p->session = NULL;
		return VERDICT_PROTOCOL_TAKEN;
	}
	return verdict;
}

/* Whether a rule denies what a packet from the outside would begin through a mapping. */
static bool is_denied_inside(const struct mapping *mapping, const struct tuple *tuple)
{
	const struct tuple *host = &mapping_host(mapping)->tuple[0];
	struct tuple inside = tuple_inverse(tuple, tuple_realm(host));
	struct pool *pool;

	inside.src = host->src;
	return rules_decide(&inside, &pool) == RULE_DENY;
}

/* The dynamic mapping of a packet's public destination, or NULL. */
static struct mapping *mapping_for(struct nat *nat, const struct tuple *tuple)
{
	struct tuple key = mapping_outside_key(tuple);

	return mapping_find_serving(nat, &key);
}

bool nat_is_static(const struct tuple *tuple)
{
	return fixed_find(tuple) != NULL;
}

rte_be32_t nat_inside_of(struct nat *nat, const struct tuple *tuple, uint32_t *realm,
			 enum verdict *why)
{
	const struct static_entry *entry = fixed_find(tuple);
	const struct mapping *mapping;

	if (entry != NULL) {
		*realm = entry->realm;
		return entry->inside;
	}
	mapping = mapping_for(nat, tuple);
	if (mapping == NULL || !remotes_let_in(nat, mapping, tuple)) {
		*why = mapping != NULL ? VERDICT_FILTERED : VERDICT_NO_SESSION;
		return 0;
	}
	*realm = tuple_realm(&mapping_host(mapping)->tuple[0]);
	return mapping_host(mapping)->tuple[0].src;
}

static enum verdict admit_through(struct nat *nat, struct packet *p, struct mapping *mapping)
{
	enum verdict verdict;

	if (is_denied_inside(mapping, &p->tuple))
		return VERDICT_DENIED_INBOUND;
	verdict = limits_inbound(mapping, tuple_proto(&p->tuple));
	if (verdict == VERDICT_COUNT)
		verdict = create_session(nat, mapping, p);
	if (unlikely(verdict != VERDICT_COUNT))
		refused_note(nat, mapping_subscriber(mapping), &mapping_host(mapping)->tuple[0], p,
			     verdict);
	return verdict;
}

static enum verdict admit_static(struct nat *nat, struct packet *p,
				 const struct static_entry *entry)
{
	struct mapping *mapping;
	enum verdict verdict = fixed_static(nat, entry, &mapping);

	if (verdict != VERDICT_COUNT)
		return verdict;
	p->direction = 1;
	mapping->sessions++; /* so that it stays while the session is made */
	verdict = admit_through(nat, p, mapping);
	mapping_put(nat, mapping);
	return verdict;
}

static enum verdict admit_inbound(struct nat *nat, struct packet *p, struct mapping *mapping)
{
	if (mapping == NULL)
		return VERDICT_NO_SESSION;
	if (!remotes_let_in(nat, mapping, &p->tuple))
		return VERDICT_FILTERED;
	p->direction = 1;
	return admit_through(nat, p, mapping);
}

enum verdict nat_admit_ping(struct nat *nat, struct packet *p, rte_be16_t identifier)
{
	const struct static_entry *entry = fixed_find(&p->tuple);
	struct tuple named = p->tuple;

	named.dport = identifier;
	if (!reclaim_has_room(nat->reclaim, 4))
		return VERDICT_TABLE_FULL;
	if (entry != NULL)
		return admit_static(nat, p, entry);
	return admit_inbound(nat, p, mapping_for(nat, &named));
}

enum verdict nat_admit(struct nat *nat, struct packet *p)
{
	const struct static_entry *entry;
	enum verdict verdict = may_begin(p);
	struct subscriber *subscriber = NULL;

	if (verdict != VERDICT_COUNT)
		return verdict;
	/* what is undone below, and the session's own failure, need room */
	if (!reclaim_has_room(nat->reclaim, 4))
		return VERDICT_TABLE_FULL;
	if (tuple_realm(&p->tuple) == REALM_OUTSIDE) {
		entry = fixed_find(&p->tuple);
		return entry != NULL ? admit_static(nat, p, entry)
				     : admit_inbound(nat, p, mapping_for(nat, &p->tuple));
	}
	verdict = admit_outbound(nat, p, &subscriber);
	if (unlikely(verdict != VERDICT_COUNT))
		refused_note(nat, subscriber, &p->tuple, p, verdict);
	return verdict;
}
