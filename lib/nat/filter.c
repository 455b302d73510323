/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <strings.h>

#include "cmd.h"
#include "filter.h"

static bool port_matches(uint16_t wanted, rte_be16_t port)
{
	return wanted == 0 || wanted == rte_be_to_cpu_16(port);
}

bool nat_filter_matches(const struct nat_filter *filter, const struct session *session)
{
	const struct tuple *out = &session->tuple[0];
	const struct tuple *in = &session->tuple[1];

	return prefix_contains(&filter->inside, out->src) &&
	       prefix_contains(&filter->outside, in->dst) &&
	       prefix_contains(&filter->remote, in->src) &&
	       port_matches(filter->inside_port, out->sport) &&
	       port_matches(filter->outside_port, in->dport) &&
	       port_matches(filter->remote_port, in->sport) &&
	       (filter->realm == 0 || filter->realm == tuple_realm(out)) &&
	       (filter->protocol == 0 || filter->protocol == tuple_proto(out)) &&
	       (filter->state[0] == '\0' ||
		strcasecmp(filter->state, session_state_name(session)) == 0);
}

static bool parse_prefix(struct cmd_call *call, const char *name, uint32_t i, struct prefix *prefix)
{
	const char *text = cmd_arg(call, name, i);

	if (text == NULL || text_parse_prefix(text, prefix))
		return true;
	cmd_fail(call, "%s: found \"%s\", want an address or a prefix like 192.0.2.0/24", name,
		 text);
	return false;
}

static bool parse_port(struct cmd_call *call, const char *name, uint32_t i, uint16_t *port)
{
	const char *text = cmd_arg(call, name, i);
	uint64_t value;

	if (text == NULL)
		return true;
	if (text_parse_uint(text, UINT16_MAX, &value) && value > 0) {
		*port = (uint16_t)value;
		return true;
	}
	cmd_fail(call, "%s: found \"%s\", want a port from 1 to 65535", name, text);
	return false;
}

static bool parse_protocol(struct cmd_call *call, uint8_t *protocol)
{
	const char *text = cmd_arg(call, "protocol", 6);

	if (text == NULL || text_parse_protocol(text, protocol))
		return true;
	cmd_fail(call, "protocol: found \"%s\", want tcp, udp, icmp or a number", text);
	return false;
}

static bool parse_state(struct cmd_call *call, struct nat_filter *filter)
{
	const char *text = cmd_arg(call, "state", 7);

	if (text == NULL)
		return true;
	if (session_state_exists(text)) {
		snprintf(filter->state, sizeof(filter->state), "%s", text);
		return true;
	}
	cmd_fail(call, "state: found \"%s\", want a TCP state like ESTABLISHED, or NEW or ANSWERED",
		 text);
	return false;
}

static bool parse_realm(struct cmd_call *call, uint32_t *realm)
{
	const char *text = cmd_arg(call, "realm", 10);
	uint64_t value;

	if (text == NULL)
		return true;
	if (text_parse_uint(text, REALM_MAX, &value) && value > 0) {
		*realm = (uint32_t)value;
		return true;
	}
	cmd_fail(call, "realm: found \"%s\", want a number from 1 to %u", text, REALM_MAX);
	return false;
}

bool nat_filter_parse(struct cmd_call *call, struct nat_filter *filter)
{
	memset(filter, 0, sizeof(*filter));
	return parse_prefix(call, "inside", 0, &filter->inside) &&
	       parse_prefix(call, "outside", 1, &filter->outside) &&
	       parse_prefix(call, "remote", 2, &filter->remote) &&
	       parse_port(call, "inside_port", 3, &filter->inside_port) &&
	       parse_port(call, "outside_port", 4, &filter->outside_port) &&
	       parse_port(call, "remote_port", 5, &filter->remote_port) &&
	       parse_protocol(call, &filter->protocol) && parse_state(call, filter) &&
	       parse_realm(call, &filter->realm);
}

bool subscriber_parse(struct cmd_call *call, rte_be32_t *address)
{
	const char *text = cmd_arg(call, "address", 0);

	if (text != NULL && text_parse_ipv4(text, address))
		return true;
	cmd_fail(call, "address: found \"%s\", want a subscriber's address",
		 text != NULL ? text : "");
	return false;
}
