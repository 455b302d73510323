/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much one subscriber may have. RFC 6888 REQ-4, REQ-5: what is over a limit is refused, and
 * nothing that lives is ever ended to make room (REQ-11 D).
 */
#include "nat.h"

#define LIMIT(name, field, default_text, most, text)                                           \
	{                                                                                      \
		.key = name, .type = CONFIG_UINT, .preset = default_text, .max = most,         \
		.offset = offsetof(struct limits_config, field), .reload = true, .help = text, \
		.rfc = "RFC 6888 REQ-4"                                                        \
	}

static const struct config_row rows[] = {
	{.key = "max-sessions",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct limits_config, max_sessions),
	 .preset = "262144",
	 .min = 1024,
	 .max = 67108864,
	 .help = "Sessions of all subscribers together; memory is set aside. A mapping whose "
		 "first session has ended keeps that one's place, for its next session."},
	{.key = "max-subscribers",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct limits_config, max_subscribers),
	 .preset = "65536",
	 .min = 16,
	 .max = 16777216,
	 .help = "Subscribers at a time; memory is set aside."},
	{.key = "max-sessions-per-subscriber",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct limits_config, max_sessions_per_subscriber),
	 .preset = "32768",
	 .min = 1,
	 .max = 67108864,
	 .reload = true,
	 .help = "Sessions that one subscriber may have.",
	 .rfc = "RFC 6888 REQ-4"},
	LIMIT("max-sessions-tcp", max_sessions_of[PORT_TCP], "0", 67108864,
	      "TCP sessions that one subscriber may have. 0: no limit of its own."),
	LIMIT("max-sessions-udp", max_sessions_of[PORT_UDP], "0", 67108864,
	      "UDP sessions that one subscriber may have. 0: no limit of its own."),
	LIMIT("max-sessions-icmp", max_sessions_of[PORT_ICMP], "0", 67108864,
	      "ICMP sessions that one subscriber may have. 0: no limit of its own."),
	LIMIT("session-rate", session_rate, "0", 1000000,
	      "Sessions a second that one subscriber may begin. 0: no limit."),
	LIMIT("session-burst", session_burst, "0", 4000000,
	      "Sessions that one subscriber may begin at once. 0: those of a second."),
	{.key = "max-inbound-sessions-per-mapping",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct limits_config, max_inbound_sessions_per_mapping),
	 .preset = "1024",
	 .min = 1,
	 .max = 65535,
	 .reload = true,
	 .help = "Sessions that packets from the outside, perhaps from spoofed sources, may begin "
		 "through one mapping.",
	 .rfc = "RFC 6888 REQ-5"},
};

const struct config_section limits_config_section = {
	.name = "limits",
	.help = "How much state there may be.",
	.size = sizeof(struct limits_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

struct limits_config limits = {
	.max_sessions = 262144,
	.max_subscribers = 65536,
	.max_sessions_per_subscriber = 32768,
	.max_inbound_sessions_per_mapping = 1024,
};

static uint32_t get(const uint32_t *limit)
{
	return __atomic_load_n(limit, __ATOMIC_RELAXED);
}

static void set(uint32_t *limit, uint32_t value)
{
	__atomic_store_n(limit, value, __ATOMIC_RELAXED);
}

void limits_reload(const struct limits_config *config)
{
	set(&limits.max_sessions_per_subscriber, config->max_sessions_per_subscriber);
	for (int i = 0; i < PORT_PROTOCOLS; i++)
		set(&limits.max_sessions_of[i], config->max_sessions_of[i]);
	set(&limits.session_burst, config->session_burst);
	set(&limits.session_rate, config->session_rate);
	set(&limits.max_inbound_sessions_per_mapping, config->max_inbound_sessions_per_mapping);
}

static bool has_most_sessions(const struct subscriber *subscriber, enum port_protocol protocol)
{
	uint32_t of_pool = subscriber->address->pool->config.max_sessions;
	uint32_t most = of_pool != 0 ? of_pool : get(&limits.max_sessions_per_subscriber);
	uint32_t of_protocol = get(&limits.max_sessions_of[protocol]);

	return subscriber->sessions >= most ||
	       (of_protocol != 0 && subscriber->sessions_of[protocol] >= of_protocol);
}

/* ---- the rate ---- */

#define TOKEN 1000 /* so that a rate a second is a number of these a millisecond */

static uint32_t rate_of(const struct pool *pool)
{
	return pool->config.session_rate != 0 ? pool->config.session_rate
					      : get(&limits.session_rate);
}

static uint32_t full_bucket(uint32_t rate)
{
	uint32_t burst = get(&limits.session_burst);

	return (burst != 0 ? burst : rate) * TOKEN;
}

void limits_begin(struct subscriber *subscriber, uint64_t now_ms)
{
	subscriber->tokens = full_bucket(rate_of(subscriber->address->pool));
	subscriber->tokens_ms = (uint32_t)now_ms;
}

/* One session more within the subscriber's rate; it is counted. */
static bool take_token(struct subscriber *subscriber, uint64_t now_ms)
{
	uint32_t rate = rate_of(subscriber->address->pool);
	uint64_t tokens;

	if (rate == 0)
		return true;
	tokens = subscriber->tokens + (uint64_t)((uint32_t)now_ms - subscriber->tokens_ms) * rate;
	subscriber->tokens = (uint32_t)RTE_MIN(tokens, (uint64_t)full_bucket(rate));
	subscriber->tokens_ms = (uint32_t)now_ms;
	if (subscriber->tokens < TOKEN)
		return false;
	subscriber->tokens -= TOKEN;
	return true;
}

/* ---- admission ---- */

enum verdict limits_outbound(struct nat *nat, struct subscriber *subscriber, uint8_t protocol)
{
	if (has_most_sessions(subscriber, nat_port_protocol(protocol)))
		return VERDICT_SESSION_LIMIT;
	return take_token(subscriber, nat->now_ms) ? VERDICT_COUNT : VERDICT_RATE_LIMIT;
}

/* The rate is not asked: outsiders must not use up what is the subscriber's. */
enum verdict limits_inbound(const struct mapping *mapping, uint8_t protocol)
{
	/* what is mapped for good is there for many */
	if (!mapping_is_fixed(mapping) &&
	    mapping->inbound >= get(&limits.max_inbound_sessions_per_mapping))
		return VERDICT_INBOUND_LIMIT;
	return has_most_sessions(mapping_subscriber(mapping), nat_port_protocol(protocol))
		       ? VERDICT_SESSION_LIMIT
		       : VERDICT_COUNT;
}

void limits_count(struct mapping *mapping, const struct session *session)
{
	struct subscriber *subscriber = mapping_subscriber(mapping);

	mapping->inbound += (session->flags & SESSION_INBOUND) != 0;
	subscriber->sessions++;
	subscriber->sessions_of[nat_port_protocol(tuple_proto(&session->tuple[0]))]++;
}

void limits_uncount(struct mapping *mapping, const struct session *session)
{
	struct subscriber *subscriber = mapping_subscriber(mapping);

	mapping->inbound -= (session->flags & SESSION_INBOUND) != 0;
	subscriber->sessions--;
	subscriber->sessions_of[nat_port_protocol(tuple_proto(&session->tuple[0]))]--;
}

/* RFC 6888 REQ-4: ports of one subscriber, in all and of the protocol. */
bool limits_ports_left(const struct subscriber *subscriber, enum port_protocol protocol)
{
	const struct pool_config *config = &subscriber->address->pool->config;
	uint32_t all = 0;

	for (int i = 0; i < PORT_PROTOCOLS; i++)
		all += subscriber->ports[i];
	return (config->max_ports == 0 || all < config->max_ports) &&
	       (config->max_ports_of[protocol] == 0 ||
		subscriber->ports[protocol] < config->max_ports_of[protocol]);
}
