/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "deterministic.h"
#include "nat.h"
#include "statics.h"

/*
 * What an operator sees of sessions, mappings and subscribers. All run in the control thread, in
 * RCU, and walk the records of each home by index: a page ends with a cursor "home:index" for the
 * next.
 */
#define PAGE_DEFAULT   1000
#define PAGE_MAX       10000
#define PAGE_TELEMETRY 24 /* an answer of DPDK telemetry is at most 16 KiB */

struct page {
	uint32_t home, index; /* where it begins, then where the next one does */
	uint32_t left;
};

static bool page_parse(struct cmd_call *call, uint32_t i, struct page *page)
{
	const char *after = cmd_arg(call, "after", i);
	const char *limit = cmd_arg(call, "limit", i + 1);
	uint32_t most = call->telemetry ? PAGE_TELEMETRY : PAGE_MAX;
	uint64_t value = call->telemetry ? PAGE_TELEMETRY : PAGE_DEFAULT;
	int end = 0;

	*page = (struct page){0};
	if (after != NULL && (sscanf(after, "%u:%u%n", &page->home, &page->index, &end) != 2 ||
			      after[end] != '\0' || page->home > WORKERS_MAX)) {
		cmd_fail(call, "after: found \"%s\", want the \"next\" of the page before", after);
		return false;
	}
	if (limit != NULL && (!text_parse_uint(limit, UINT32_MAX, &value) || value == 0)) {
		cmd_fail(call, "limit: found \"%s\", want a number from 1 to %u", limit, most);
		return false;
	}
	page->left = (uint32_t)RTE_MIN(value, most);
	return true;
}

/* Moves to the next home once this one has no more. False: that was the last. */
static bool page_step(struct page *page, uint32_t size)
{
	if (page->index < size)
		return true;
	page->home++;
	page->index = 0;
	return page->home < WORKERS_MAX && nats[page->home] != NULL;
}

static void page_end(const struct page *page, bool more, json_t *reply)
{
	char next[32];

	if (more) {
		snprintf(next, sizeof(next), "%u:%u", page->home, page->index);
		json_object_set_new(reply, "next", json_string(next));
	} else {
		json_object_set_new(reply, "next", json_null());
	}
}

static json_t *address_json(rte_be32_t address)
{
	char text[TEXT_IPV4_SIZE];

	return json_string(text_ipv4(address, text));
}

static json_t *port_json(rte_be16_t port)
{
	return json_integer(rte_be_to_cpu_16(port));
}

/* What an ALG has to do with a session; NULL: nothing. */
static const char *alg_role(const struct session *session)
{
	if (session->flags & SESSION_ALG)
		return "followed";
	return session->flags & SESSION_EXPECTED ? "expected" : NULL;
}

/* The ports of the two ends. A PPTP call's packets have their receivers' identifiers only. */
static void ends_of(const struct session *session, rte_be16_t *inside, rte_be16_t *remote)
{
	const struct mapping *mapping = session->owner;
	bool is_call =
		tuple_proto(&session->tuple[0]) == IPPROTO_GRE && session->flags & SESSION_ALG;

	*inside = is_call ? mapping_host(mapping)->tuple[0].sport : session->tuple[0].sport;
	*remote = is_call ? session->tuple[0].dport : session->tuple[1].sport;
}

static json_t *session_json(const struct session *session, uint32_t now)
{
	const struct tuple *out = &session->tuple[0];
	const struct tuple *in = &session->tuple[1];
	rte_be16_t inside_port, remote_port;
	uint32_t idle = session_idle(session, now);
	uint32_t timeout = session_timeout(session);

	ends_of(session, &inside_port, &remote_port);
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:I, "
		"s:I, s:I, s:I, s:s?}",
		"protocol", text_protocol(tuple_proto(out)), "state", session_state_name(session),
		"inside", address_json(out->src), "inside_port", port_json(inside_port), "outside",
		address_json(in->dst), "outside_port", port_json(in->dport), "remote",
		address_json(in->src), "remote_port", port_json(remote_port), "realm",
		(int)tuple_realm(out), "age", (int)(now - session->created), "idle", (int)idle,
		"expires", (int)(idle < timeout ? timeout - idle : 0), "worker", (int)session->home,
		"packets_out", (json_int_t)session->packets[0], "bytes_out",
		(json_int_t)session->bytes[0], "packets_in", (json_int_t)session->packets[1],
		"bytes_in", (json_int_t)session->bytes[1], "alg", alg_role(session));
}

static json_t *show_sessions(struct cmd_call *call)
{
	uint32_t now = clock_seconds(clock_ms());
	struct nat_filter filter;
	struct page page;
	json_t *reply, *list;
	bool more;

	if (!nat_filter_parse(call, &filter) || !page_parse(call, 8, &page))
		return NULL;
	reply = json_object();
	list = json_array();
	more = page.home < WORKERS_MAX && nats[page.home] != NULL;
	while (more && page.left > 0) {
		const struct sessions *sessions = nats[page.home]->sessions;
		const struct session *session = sessions_at(sessions, page.index++);

		if (session != NULL && nat_filter_matches(&filter, session)) {
			json_array_append_new(list, session_json(session, now));
			page.left--;
		}
		more = page_step(&page, sessions_capacity(sessions));
	}
	json_object_set_new(reply, "sessions", list);
	page_end(&page, more, reply);
	return reply;
}

#define FILTER_NAMES \
	"inside outside remote inside_port outside_port remote_port protocol state realm"

static const struct cmd sessions_cmd = {
	.path = "/weir/sessions",
	.usage = "INSIDE,OUTSIDE,REMOTE,INSIDE_PORT,OUTSIDE_PORT,REMOTE_PORT,PROTOCOL,STATE,AFTER,"
		 "LIMIT,REALM",
	.help = "Sessions, by pages. All may be empty: filters, \"next\" of the page before, how "
		"many, one filter more.",
	.where = CMD_CONTROL,
	.run = show_sessions,
};
CMD_REGISTER(sessions_cmd);

static json_t *blocks_json(const struct subscriber *subscriber)
{
	json_t *list = json_array();
	uint32_t size = 1u << subscriber->address->pool->block_shift;

	for (const struct block *block = subscriber->blocks; block != NULL; block = block->next)
		json_array_append_new(
			list,
			json_pack("{s:i, s:i, s:i, s:i, s:i}", "first", block->first_port, "last",
				  block->first_port + size - 1, "tcp", block->used[PORT_TCP], "udp",
				  block->used[PORT_UDP], "icmp", block->used[PORT_ICMP]));
	return list;
}

/* On none it keeps its own. */
static rte_be32_t public_address(const struct subscriber *subscriber)
{
	rte_be32_t address = subscriber->address->address;

	return address != 0 ? address : subscriber->key.src;
}

static json_t *subscriber_json(const struct nat *nat, const struct subscriber *subscriber)
{
	return json_pack("{s:o, s:i, s:s, s:o, s:i, s:i, s:i, s:i, s:o}", "address",
			 address_json(subscriber->key.src), "realm",
			 (int)tuple_realm(&subscriber->key), "pool",
			 subscriber->address->pool->name, "outside",
			 address_json(public_address(subscriber)), "worker", (int)nat->home, "age",
			 (int)(clock_seconds(clock_ms()) - subscriber->created), "sessions",
			 (int)subscriber->sessions, "mappings", (int)subscriber->mappings, "blocks",
			 blocks_json(subscriber));
}

static const struct subscriber *subscriber_at(const struct nat *nat, uint32_t i)
{
	const struct subscriber *subscriber = slab_at(nat->subscribers, i);

	return subscriber != NULL && __atomic_load_n(&subscriber->live, __ATOMIC_ACQUIRE)
		       ? subscriber
		       : NULL;
}

static json_t *show_subscribers(struct cmd_call *call)
{
	struct page page;
	json_t *reply, *list;
	bool more;

	if (!page_parse(call, 0, &page))
		return NULL;
	reply = json_object();
	list = json_array();
	more = page.home < WORKERS_MAX && nats[page.home] != NULL;
	while (more && page.left > 0) {
		const struct nat *nat = nats[page.home];
		const struct subscriber *subscriber = subscriber_at(nat, page.index++);

		if (subscriber != NULL) {
			json_array_append_new(list, subscriber_json(nat, subscriber));
			page.left--;
		}
		more = page_step(&page, slab_size(nat->subscribers));
	}
	json_object_set_new(reply, "subscribers", list);
	page_end(&page, more, reply);
	return reply;
}

static const struct cmd subscribers_cmd = {
	.path = "/weir/subscribers",
	.usage = "AFTER,LIMIT",
	.help = "Subscribers, by pages. May be empty: \"next\" of the page before, how many.",
	.where = CMD_CONTROL,
	.run = show_subscribers,
};
CMD_REGISTER(subscribers_cmd);

static json_t *show_timeouts(struct cmd_call *call __rte_unused)
{
	json_t *reply = timeouts_json();
	const struct pool *pool;

	for (uint32_t i = 0; (pool = pool_get(i)) != NULL; i++)
		timeouts_pool_json(&pool->config.timeouts, pool->name, reply);
	return reply;
}

static const struct cmd timeouts_cmd = {
	.path = "/weir/timeouts",
	.help = "Seconds without a packet after which a session ends. No parameters.",
	.where = CMD_CONTROL,
	.run = show_timeouts,
};
CMD_REGISTER(timeouts_cmd);

/* Every realm's subscriber with the address. */
static json_t *show_subscriber(struct cmd_call *call)
{
	rte_be32_t address;
	json_t *list;

	if (!subscriber_parse(call, &address))
		return NULL;
	list = json_array();
	for (uint32_t home = 0; home < WORKERS_MAX && nats[home] != NULL; home++) {
		for (uint32_t i = 0; i < slab_size(nats[home]->subscribers); i++) {
			const struct subscriber *subscriber = subscriber_at(nats[home], i);

			if (subscriber != NULL && subscriber->key.src == address)
				json_array_append_new(list,
						      subscriber_json(nats[home], subscriber));
		}
	}
	return json_pack("{s:o}", "subscribers", list);
}

static const struct cmd subscriber_cmd = {
	.path = "/weir/subscriber",
	.usage = "ADDRESS",
	.help = "The state of one subscriber. Parameter: its inside address.",
	.where = CMD_CONTROL,
	.run = show_subscriber,
};
CMD_REGISTER(subscriber_cmd);

static json_t *mapping_json(const struct mapping *mapping, uint32_t now)
{
	struct tuple inside = mapping_inside(mapping), outside = mapping_outside(mapping);
	json_t *json = json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:i, s:i, s:i}", "protocol",
		text_protocol(tuple_proto(&outside)), "inside", address_json(inside.src),
		"inside_port", port_json(inside.sport), "outside", address_json(outside.dst),
		"outside_port", port_json(outside.dport), "realm", (int)tuple_realm(&inside),
		"sessions", (int)mapping->sessions, "age", (int)(now - mapping->created));

	if (inside.dst != 0) { /* it depends on the remote; port 0: on its address only */
		json_object_set_new(json, "remote", address_json(inside.dst));
		json_object_set_new(json, "remote_port", port_json(inside.dport));
	}
	return json;
}

static bool is_mapping_of(const struct mapping *mapping, rte_be32_t address, rte_be16_t port,
			  uint8_t protocol)
{
	struct tuple inside = mapping_inside(mapping), outside = mapping_outside(mapping);

	return tuple_proto(&outside) == protocol &&
	       ((inside.src == address && inside.sport == port) ||
		(outside.dst == address && outside.dport == port));
}

static void add_computed(json_t *list, const struct block *block, rte_be32_t inside, uint32_t realm)
{
	const struct pool *pool = block->address->pool;

	json_array_append_new(
		list, json_pack("{s:b, s:s, s:o, s:i, s:o, s:i, s:i}", "computed", 1, "pool",
				pool->name, "inside", address_json(inside), "realm", (int)realm,
				"outside", address_json(block->address->address), "first",
				block->first_port, "last", block->first_port + block->ports - 1));
}

/* The blocks of deterministic pools that an endpoint, public or inside, is computed to have: they
 * are whose they are without a packet. */
static json_t *computed_json(const struct tuple *endpoint)
{
	struct pool_address *outside = pool_address_find(endpoint->src);
	uint16_t port = rte_be_to_cpu_16(endpoint->sport);
	uint8_t protocol = tuple_proto(endpoint);
	json_t *list = json_array();
	const struct block *block;
	const struct pool *pool;
	rte_be32_t inside;
	uint32_t realm;

	if (!tuple_has_ports(endpoint))
		return list;
	if (outside != NULL) {
		block = pool_address_block(outside, port);
		/* the subscriber never gets a port that is mapped statically */
		if (block != NULL && !static_port(outside, protocol, port) &&
		    deterministic_holder(block, &inside, &realm))
			add_computed(list, block, inside, realm);
		return list;
	}
	for (uint32_t i = 0; (pool = pool_get(i)) != NULL; i++) {
		block = deterministic_block(pool, endpoint->src, pool->config.realm);
		if (block != NULL)
			add_computed(list, block, endpoint->src, pool->config.realm);
	}
	return list;
}

/* The mappings of an endpoint: of its public side, or of the inside one in any realm; and what it
 * is computed to have. */
static json_t *show_lookup(struct cmd_call *call)
{
	const char *address_text = cmd_arg(call, "address", 0);
	const char *port_text = cmd_arg(call, "port", 1);
	const char *protocol_text = cmd_arg(call, "protocol", 2);
	uint32_t now = clock_seconds(clock_ms());
	struct tuple endpoint;
	rte_be32_t address;
	uint64_t port;
	uint8_t protocol;
	json_t *list;

	if (address_text == NULL || !text_parse_ipv4(address_text, &address))
		return cmd_fail(call, "address: found \"%s\", want an IPv4 address",
				address_text != NULL ? address_text : "");
	if (port_text == NULL || !text_parse_uint(port_text, UINT16_MAX, &port))
		return cmd_fail(call, "port: found \"%s\", want a port from 0 to 65535",
				port_text != NULL ? port_text : "");
	if (protocol_text == NULL || !text_parse_protocol(protocol_text, &protocol))
		return cmd_fail(call, "protocol: found \"%s\", want tcp, udp or icmp",
				protocol_text != NULL ? protocol_text : "");
	list = json_array();
	for (uint32_t home = 0; home < WORKERS_MAX && nats[home] != NULL; home++) {
		for (uint32_t i = 0; i < sessions_capacity(nats[home]->sessions); i++) {
			const struct mapping *mapping = mapping_at(nats[home], i);

			if (mapping != NULL &&
			    is_mapping_of(mapping, address, rte_cpu_to_be_16((uint16_t)port),
					  protocol))
				json_array_append_new(list, mapping_json(mapping, now));
		}
	}
	endpoint = (struct tuple){.src = address,
				  .sport = rte_cpu_to_be_16((uint16_t)port),
				  .proto_realm = proto_realm(protocol, 0)};
	return json_pack("{s:o, s:o}", "mappings", list, "blocks", computed_json(&endpoint));
}

static const struct cmd lookup_cmd = {
	.path = "/weir/lookup",
	.usage = "ADDRESS,PORT,PROTOCOL",
	.help = "Who has a public address and port, or what an inside one is mapped to; and the "
		"blocks of deterministic pools, computed.",
	.where = CMD_CONTROL,
	.run = show_lookup,
};
CMD_REGISTER(lookup_cmd);

/* How long the workers may take to look at all of their sessions. */
#define CLEAR_WAIT_US 10000000
#define CLEAR_STEP_US 200

static json_t *clear_sessions(struct cmd_call *call)
{
	static const struct nat_filter everything;
	static struct nat_clear clear; /* the workers hold on to it, should one be late */
	uint32_t homes = 0;

	if (__atomic_load_n(&clear.left, __ATOMIC_ACQUIRE) != 0)
		return cmd_fail(call, "sessions are still being cleared");
	if (!nat_filter_parse(call, &clear.filter))
		return NULL;
	if (memcmp(&clear.filter, &everything, sizeof(everything)) == 0 &&
	    cmd_arg(call, "all", CMD_NAMED) == NULL)
		return cmd_fail(call, "say which sessions by a filter, or \"all\": true");
	clear.cleared = 0;
	while (homes < WORKERS_MAX && nats[homes] != NULL)
		homes++;
	__atomic_store_n(&clear.left, homes, __ATOMIC_RELEASE);
	for (uint32_t home = 0; home < homes; home++)
		__atomic_store_n(&nats[home]->clear, &clear, __ATOMIC_RELEASE);
	for (uint32_t us = 0; us < CLEAR_WAIT_US; us += CLEAR_STEP_US) {
		if (__atomic_load_n(&clear.left, __ATOMIC_ACQUIRE) == 0)
			return json_pack("{s:i}", "cleared", (int)clear.cleared);
		usleep(CLEAR_STEP_US);
	}
	return cmd_fail(call, "the workers are still clearing sessions");
}

static const struct cmd clear_cmd = {
	.path = "/weir/clear",
	.help = "Ends the sessions that match the filters of /weir/sessions, or \"all\": true.",
	.names = FILTER_NAMES " all",
	.where = CMD_CONTROL,
	.changes = true,
	.run = clear_sessions,
};
CMD_REGISTER(clear_cmd);
