/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <jansson.h>

#include <rte_common.h>

#include "cmd.h"
#include "timeouts.h"

#define ROW(name, field, seconds, text, section)                                                 \
	{                                                                                        \
		.key = name, .type = CONFIG_SECONDS, .offset = offsetof(struct timeouts, field), \
		.preset = seconds, .min = 1, .max = 604800, .reload = true, .help = text,        \
		.rfc = section                                                                   \
	}

static const struct config_row rows[] = {
	ROW("tcp-opening", tcp_opening, "240s", "TCP connection being opened.", "RFC 5382 REQ-5"),
	ROW("tcp-established", tcp_established, "7440s", "Established TCP connection.",
	    "RFC 5382 REQ-5"),
	ROW("tcp-closing", tcp_closing, "240s", "TCP connection after a FIN.", "RFC 5382 REQ-5"),
	ROW("tcp-reset", tcp_reset, "240s", "TCP connection after a RST, unless data follows.",
	    "RFC 7857 section 2.2"),
	ROW("udp-first", udp_first, "300s", "UDP session that had no answer yet.",
	    "RFC 4787 REQ-5"),
	ROW("udp-stream", udp_stream, "300s", "UDP session with packets both ways.",
	    "RFC 4787 REQ-5"),
	ROW("icmp", icmp, "60s", "ICMP query.", "RFC 5508 REQ-2"),
	ROW("other", other, "600s", "Session of another protocol, known by address alone.",
	    "RFC 6888 REQ-1"),
};

const struct config_section timeouts_config_section = {
	.name = "timeouts",
	.help = "Seconds without a packet after which a session ends.",
	.size = sizeof(struct timeouts),
	.row = rows,
	.n = RTE_DIM(rows),
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
};

static json_t *show_timeouts(struct cmd_call *call __rte_unused)
{
	json_t *reply = json_object();

	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		uint32_t seconds = *(const uint32_t *)((const char *)&timeouts + rows[i].offset);

		json_object_set_new(reply, rows[i].key, json_integer(seconds));
	}
	return reply;
}

static const struct cmd timeouts_cmd = {
	.path = "/weir/timeouts",
	.help = "Seconds without a packet after which a session ends. No parameters.",
	.where = CMD_READS,
	.run = show_timeouts,
};
CMD_REGISTER(timeouts_cmd);
