/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>

#include <rte_common.h>

#include "timeouts.h"

/* What all have; a pool may have its own, where 0 is none. */
#define ROW(name, field, seconds, least, text, section)                                          \
	{                                                                                        \
		.key = name, .type = CONFIG_SECONDS, .offset = offsetof(struct timeouts, field), \
		.preset = seconds, .min = least, .max = 604800, .reload = true, .help = text,    \
		.rfc = section                                                                   \
	}
#define OPENING     "TCP connection being opened."
#define ESTABLISHED "Established TCP connection."
#define CLOSING     "TCP connection after a FIN."
#define RESET       "TCP connection after a RST, unless data follows."
#define FIRST       "UDP session that had no answer yet."
#define STREAM      "UDP session with packets both ways."
#define ICMP        "ICMP query."
#define OTHER       "Session of another protocol, known by address alone."

static const char *const protocol_words[] = {"tcp", "udp", NULL};

static const struct config_row port_rows[] = {
	{.key = "protocol",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct port_timeout, protocol),
	 .words = protocol_words,
	 .reload = true,
	 .help = "The protocol of the port."},
	{.key = "port",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct port_timeout, port),
	 .min = 1,
	 .max = 65535,
	 .reload = true,
	 .help = "The destination port of a session's first packet."},
	{.key = "timeout",
	 .type = CONFIG_SECONDS,
	 .offset = offsetof(struct port_timeout, timeout),
	 .min = 1,
	 .max = 604800,
	 .reload = true,
	 .help = "Of a UDP session, answered or not, or an established TCP connection."},
};

static const struct config_section ports_section = {
	.name = "ports",
	.help = "Sessions to one destination port, such as DNS; they go before a pool's own.",
	.size = sizeof(struct port_timeout),
	.row = port_rows,
	.n = RTE_DIM(port_rows),
};

static const struct config_row rows[] = {
	ROW("tcp-opening", tcp_opening, "240s", 1, OPENING, "RFC 5382 REQ-5"),
	ROW("tcp-established", tcp_established, "7440s", 1, ESTABLISHED, "RFC 5382 REQ-5"),
	ROW("tcp-closing", tcp_closing, "240s", 1, CLOSING, "RFC 5382 REQ-5"),
	ROW("tcp-reset", tcp_reset, "240s", 1, RESET, "RFC 7857 section 2.2"),
	ROW("udp-first", udp_first, "300s", 1, FIRST, "RFC 4787 REQ-5"),
	ROW("udp-stream", udp_stream, "300s", 1, STREAM, "RFC 4787 REQ-5"),
	ROW("icmp", icmp, "60s", 1, ICMP, "RFC 5508 REQ-2"),
	ROW("other", other, "600s", 1, OTHER, "RFC 6888 REQ-1"),
	{.key = "inbound-refresh",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct timeouts, inbound_refresh),
	 .preset = "yes",
	 .reload = true,
	 .help = "Whether packets from the outside, too, keep a session and its mapping; those "
		 "from "
		 "the inside do.",
	 .rfc = "RFC 4787 REQ-6"},
	{.key = "ports",
	 .type = CONFIG_SECTIONS,
	 .offset = offsetof(struct timeouts, ports),
	 .preset = "",
	 .max = PORT_TIMEOUTS_MAX,
	 .section = &ports_section,
	 .reload = true,
	 .help = "Timeouts by destination port.",
	 .rfc = "RFC 4787 REQ-5a"},
};

const struct config_section timeouts_config_section = {
	.name = "timeouts",
	.help = "Seconds without a packet after which a session ends.",
	.size = sizeof(struct timeouts),
	.row = rows,
	.n = RTE_DIM(rows),
};

static const struct config_row pool_rows[] = {
	ROW("tcp-opening", tcp_opening, "0", 0, OPENING, NULL),
	ROW("tcp-established", tcp_established, "0", 0, ESTABLISHED, NULL),
	ROW("tcp-closing", tcp_closing, "0", 0, CLOSING, NULL),
	ROW("tcp-reset", tcp_reset, "0", 0, RESET, NULL),
	ROW("udp-first", udp_first, "0", 0, FIRST, NULL),
	ROW("udp-stream", udp_stream, "0", 0, STREAM, NULL),
	ROW("icmp", icmp, "0", 0, ICMP, NULL),
	ROW("other", other, "0", 0, OTHER, NULL),
};

const struct config_section timeouts_pool_section = {
	.name = "timeouts",
	.help = "The pool's own timeouts. 0: as for all.",
	.size = sizeof(struct timeouts),
	.row = pool_rows,
	.n = RTE_DIM(pool_rows),
};

struct timeouts timeouts = {
	.tcp_opening = 240,
	.tcp_established = 7440,
	.tcp_closing = 240,
	.tcp_reset = 240,
	.udp_first = 300,
	.udp_stream = 300,
	.icmp = 60,
	.other = 600,
	.inbound_refresh = true,
};

/* Seconds, protocol and port in one word each, so that no reader sees half of one; 0: none. */
static uint64_t port_timeouts[PORT_TIMEOUTS_MAX];

#define PORT_KEY(protocol, port) ((uint64_t)(protocol) << 48 | (uint64_t)(port) << 32)

void timeouts_apply(const struct timeouts *config)
{
	const struct port_timeout *row = config->ports.element;

	timeouts = *config;
	timeouts.ports = (struct config_list){0};
	for (uint32_t i = 0; i < PORT_TIMEOUTS_MAX; i++) {
		uint64_t word = 0;

		if (i < config->ports.n)
			word = PORT_KEY(row[i].protocol == TIMEOUT_TCP ? IPPROTO_TCP : IPPROTO_UDP,
					row[i].port) |
			       row[i].timeout;
		__atomic_store_n(&port_timeouts[i], word, __ATOMIC_RELAXED);
	}
}

uint32_t timeouts_of_port(uint8_t protocol, rte_be16_t port)
{
	uint64_t key = PORT_KEY(protocol, rte_be_to_cpu_16(port));

	for (uint32_t i = 0; i < PORT_TIMEOUTS_MAX; i++) {
		uint64_t word = __atomic_load_n(&port_timeouts[i], __ATOMIC_RELAXED);

		if (word == 0)
			return 0;
		if ((word ^ key) <= UINT32_MAX)
			return (uint32_t)word;
	}
	return 0;
}

static uint32_t seconds_of(const struct timeouts *from, uint32_t i)
{
	return *(const uint32_t *)((const char *)from + pool_rows[i].offset);
}

json_t *timeouts_json(void)
{
	json_t *object = json_object();
	char key[32];

	for (uint32_t i = 0; i < RTE_DIM(pool_rows); i++)
		json_object_set_new(object, pool_rows[i].key,
				    json_integer(seconds_of(&timeouts, i)));
	for (uint32_t i = 0; i < PORT_TIMEOUTS_MAX && port_timeouts[i] != 0; i++) {
		snprintf(key, sizeof(key), "%s port %u",
			 port_timeouts[i] >> 48 == IPPROTO_TCP ? "tcp" : "udp",
			 (unsigned int)(uint16_t)(port_timeouts[i] >> 32));
		json_object_set_new(object, key, json_integer((uint32_t)port_timeouts[i]));
	}
	json_object_set_new(object, "inbound-refresh", json_boolean(timeouts.inbound_refresh));
	return object;
}

void timeouts_pool_json(const struct timeouts *own, const char *pool, json_t *object)
{
	char key[128];

	for (uint32_t i = 0; i < RTE_DIM(pool_rows); i++) {
		if (seconds_of(own, i) == 0)
			continue;
		snprintf(key, sizeof(key), "%s in pool %s", pool_rows[i].key, pool);
		json_object_set_new(object, key, json_integer(seconds_of(own, i)));
	}
}
