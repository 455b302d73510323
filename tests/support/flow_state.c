/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "pools.h"
#include "text.h"

/* What packets become, and what weir keeps of them. */

rte_be32_t flow_address(const char *text)
{
	rte_be32_t address = 0;

	assert_true(text_parse_ipv4(text, &address));
	return address;
}

struct endpoint flow_source(const struct rte_mbuf *frame)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(frame, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	/* without options: the ports, or behind ICMP's first word its identifier */
	const rte_be16_t *word = (const rte_be16_t *)(ip + 1);
	struct endpoint source;

	text_ipv4(ip->src_addr, source.address);
	source.port = rte_be_to_cpu_16(word[ip->next_proto_id == IPPROTO_ICMP ? 2 : 0]);
	return source;
}

struct frame_spec flow_public(const struct frame_spec *spec, const struct endpoint *source)
{
	struct frame_spec public = *spec;

	public.src = source->address;
	public.any_ip_id = !spec->df; /* weir gives it another */
	if (spec->proto == IPPROTO_ICMP)
	public.ident = source->port;
	else public.sport = source->port;
	return public;
}

struct frame_spec flow_answer(const struct frame_spec *spec)
{
	struct frame_spec answer = *spec;

	answer.src = spec->dst;
	answer.dst = spec->src;
	answer.sport = spec->dport;
	answer.dport = spec->sport;
	if (spec->proto == IPPROTO_ICMP)
		answer.type = spec->type == 8 ? 0 : spec->type == 13 ? 14 : spec->type;
	return answer;
}

struct frame_spec flow_reply(const struct frame_spec *spec, const struct endpoint *source)
{
	struct frame_spec public = flow_public(spec, source);

	public.any_ip_id = spec->any_ip_id;
	return flow_answer(&public);
}

struct frame_spec flow_hop(const struct frame_spec *spec)
{
	struct frame_spec next = *spec;

	next.ttl = (uint8_t)((spec->ttl != 0 ? spec->ttl : 64) - 1);
	return next;
}

struct frame_spec flow_flags(const struct frame_spec *spec, uint8_t tcp_flags)
{
	struct frame_spec other = *spec;

	other.tcp_flags = tcp_flags;
	return other;
}

uint32_t flow_sessions(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < WORKERS_MAX && nats[i] != NULL; i++)
		n += sessions_count(nats[i]->sessions);
	return n;
}

uint32_t flow_mappings(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < WORKERS_MAX && nats[i] != NULL; i++)
		n += nat_mappings(nats[i]);
	return n;
}

uint32_t flow_subscribers(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < WORKERS_MAX && nats[i] != NULL; i++)
		n += slab_taken(nats[i]->subscribers);
	return n;
}

uint32_t flow_ports(void)
{
	struct pool_usage usage;
	uint64_t n = 0;

	pool_usage(pool_get(0), &usage);
	for (int i = 0; i < PORT_PROTOCOLS; i++)
		n += usage.ports_used[i];
	return (uint32_t)n;
}

uint32_t flow_blocks(void)
{
	struct pool_usage usage;

	pool_usage(pool_get(0), &usage);
	return usage.blocks_taken;
}

const struct session *flow_session(const struct frame_spec *spec)
{
	bool icmp = spec->proto == IPPROTO_ICMP;
	struct tuple key = {
		.src = flow_address(spec->src),
		.dst = flow_address(spec->dst),
		.sport = rte_cpu_to_be_16(icmp ? spec->ident : spec->sport),
		.dport = icmp ? (spec->type == 13 ? TUPLE_TIMESTAMP : 0)
			      : rte_cpu_to_be_16(spec->dport),
		.proto_realm = proto_realm(spec->proto, 1),
	};
	const struct nat *nat = nats[home_of_subscriber(key.src)];
	uint8_t direction;

	return session_find(nat->sessions, &key, tuple_hash(&key), &direction);
}

const char *flow_state(const struct frame_spec *spec)
{
	const struct session *session = flow_session(spec);

	return session != NULL ? session_state_name(session) : "none";
}

/* The first from `host` on. */
static char *subscriber_from(uint32_t host, uint32_t worker, char text[TEXT_IPV4_SIZE])
{
	while (home_of_subscriber(rte_cpu_to_be_32(host)) != worker)
		host++;
	return text_ipv4(rte_cpu_to_be_32(host), text);
}

const char *flow_subscriber_of(uint32_t worker)
{
	static char text[WORKERS_MAX][TEXT_IPV4_SIZE];

	return subscriber_from(support_ipv4(S1), worker, text[worker]);
}

void flow_pick_homes(uint32_t i, const char **a, const char **b)
{
	static char text[TEXT_IPV4_SIZE];

	*a = flow_subscriber_of(i & 1);
	*b = subscriber_from(support_ipv4(*a) + 1, i >> 1 & 1, text);
	flow_deliver_to(i >> 2);
}
