/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PPTP, RFC 2637: the two ends of the control connection each give a call an identifier, and a GRE
 * packet of the call has that of its receiver. To the remote, the inside host's is a public one of
 * the subscriber's, as a ping's is (RFC 3022 section 4.1 for ICMP), so that several subscribers
 * behind one address can call one server. Once a call is set up, its GRE has a session; no other
 * GRE gets in by this.
 *
 * Messages lie one behind the other in the stream and have fixed lengths, so nothing moves. It is
 * known where they begin; one whose identifiers two segments share passes as it is.
 */
#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "alg.h"

#define MAGIC   0x1a2b3c4du
#define CONTROL 1

/* Section 2. Each begins with an identifier at 12; replies have their peer's at 14, a result at 16.
 */
enum {
	OUTGOING_CALL_REQUEST = 7,
	OUTGOING_CALL_REPLY,
	INCOMING_CALL_REQUEST,
	INCOMING_CALL_REPLY,
	INCOMING_CALL_CONNECTED,
	CALL_CLEAR_REQUEST,
	CALL_DISCONNECT_NOTIFY,
	WAN_ERROR_NOTIFY,
	SET_LINK_INFO,
};
#define ID         12
#define PEER_ID    14
#define RESULT     16
#define HEADER     12
#define REPLY      17 /* bytes of a reply that count here */
#define LENGTH_MAX 220
#define CONNECTED  1

static uint16_t get16(const char *at)
{
	rte_be16_t value;

	memcpy(&value, at, sizeof(value));
	return rte_be_to_cpu_16(value);
}

static uint32_t get32(const char *at)
{
	rte_be32_t value;

	memcpy(&value, at, sizeof(value));
	return rte_be_to_cpu_32(value);
}

static enum alg_result put16(struct alg_call *call, const char *at, uint16_t value)
{
	const rte_be16_t wire = rte_cpu_to_be_16(value);
	uint32_t from = (uint32_t)(at - call->in);

	return alg_replace(call, from, from + sizeof(wire), (const char *)&wire, sizeof(wire))
		       ? ALG_CHANGED
		       : ALG_REFUSED;
}

static bool from_inside(const struct alg_call *call)
{
	return call->direction == 0;
}

/* The public identifier instead of the inside host's: the call gets one. */
static enum alg_result to_public(struct alg_call *call, const char *at)
{
	const struct alg_wish wish = {
		.protocol = IPPROTO_GRE, .port = get16(at), .remote = call->remote.address};
	struct alg_endpoint outside;

	if (!call->services->expect(call, &wish, &outside))
		return ALG_REFUSED;
	return put16(call, at, outside.port);
}

/* And back. */
static enum alg_result to_inside(struct alg_call *call, const char *at)
{
	uint16_t id;

	if (!call->services->inside_of(call, IPPROTO_GRE, get16(at), &id))
		return ALG_MALFORMED;
	return put16(call, at, id);
}

/* A reply that sets the call up. */
static enum alg_result reply(struct alg_call *call, const char *message)
{
	bool connected = message[RESULT] == CONNECTED;
	const struct alg_wish wish = {.protocol = IPPROTO_GRE,
				      .port = get16(message + ID),
				      .remote = call->remote.address};
	struct alg_endpoint outside = {0};
	enum alg_result result;

	if (!from_inside(call)) {
		if (connected &&
		    !call->services->connect(call, get16(message + PEER_ID), get16(message + ID)))
			return ALG_REFUSED;
		return to_inside(call, message + PEER_ID);
	}
	if (!connected)
		return ALG_UNCHANGED;
	if (!call->services->expect(call, &wish, &outside))
		return ALG_REFUSED;
	result = put16(call, message + ID, outside.port);
	if (result == ALG_CHANGED &&
	    !call->services->connect(call, outside.port, get16(message + PEER_ID)))
		return ALG_REFUSED;
	return result;
}

/* The call ends, in the sender's words. An answer is not waited for: clients hang up the control
 * connection right behind. */
static enum alg_result disconnect(struct alg_call *call, const char *message)
{
	struct alg_endpoint outside;
	enum alg_result result;

	if (!call->services->outside_of(call, IPPROTO_GRE, get16(message + ID), &outside))
		return ALG_UNCHANGED; /* it was never connected, or has ended */
	result = put16(call, message + ID, outside.port);
	call->services->disconnect(call, outside.port, 0);
	return result;
}

/* A message whose identifiers are all there. */
static enum alg_result translate(struct alg_call *call, const char *message, uint16_t type)
{
	switch (type) {
	case OUTGOING_CALL_REQUEST:
	case INCOMING_CALL_REQUEST:
		return from_inside(call) ? to_public(call, message + ID) : ALG_UNCHANGED;
	case OUTGOING_CALL_REPLY:
	case INCOMING_CALL_REPLY:
		return reply(call, message);
	case CALL_CLEAR_REQUEST:
		return from_inside(call) ? disconnect(call, message) : ALG_UNCHANGED;
	case CALL_DISCONNECT_NOTIFY:
		if (from_inside(call))
			return disconnect(call, message);
		call->services->disconnect(call, 0, get16(message + ID));
		return ALG_UNCHANGED;
	case INCOMING_CALL_CONNECTED:
	case WAN_ERROR_NOTIFY:
	case SET_LINK_INFO:
		return from_inside(call) ? ALG_UNCHANGED : to_inside(call, message + ID);
	default:
		return ALG_UNCHANGED;
	}
}

static uint32_t needed(uint16_t type)
{
	if (type == OUTGOING_CALL_REPLY || type == INCOMING_CALL_REPLY)
		return REPLY;
	return type >= OUTGOING_CALL_REQUEST && type <= SET_LINK_INFO ? PEER_ID : HEADER;
}

/* The graver of two. */
static enum alg_result worse(enum alg_result a, enum alg_result b)
{
	return a > b ? a : b;
}

static enum alg_result payload(struct alg_call *call)
{
	enum alg_result result = ALG_UNCHANGED;
	uint32_t at = call->first_line;

	if (at == ALG_NO_LINE)
		return ALG_UNCHANGED;
	while (at < call->length) {
		const char *message = call->in + at;
		uint32_t left = call->length - at;
		uint16_t length, type;

		if (left < HEADER)
			return worse(result, ALG_SPLIT);
		length = get16(message);
		type = get16(message + 8);
		if (get16(message + 2) != CONTROL || get32(message + 4) != MAGIC ||
		    length < needed(type) || length > LENGTH_MAX)
			return ALG_MALFORMED;
		if (left < needed(type))
			result = worse(result, ALG_SPLIT);
		else
			result = worse(result, translate(call, message, type));
		at += length;
	}
	call->next_line = at;
	return result;
}

static const struct alg pptp = {
	.name = "pptp",
	.protocol = IPPROTO_TCP,
	.port = 1723,
	.enabled = &alg_settings.pptp,
	.payload = payload,
};
ALG_REGISTER(pptp);
