/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIP over UDP, RFC 3261. What names the inside host's own endpoint in the request line, Via,
 * Contact, From, To, Route and Record-Route gets its public one on the way out, and back on the way
 * in; so do media ports in SDP (sdp.c), and Content-Length follows. A message is changed as a whole
 * or passes as it is.
 *
 * Media ports stay while a call is set up, and as long as media flow; BYE, CANCEL and a refusal end
 * that. A registrar that accepts a registration may reach its Contact for as long as it says.
 *
 * Every byte is looked at a fixed number of times, whatever it is.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sip.h"

#define REGISTRATION_DEFAULT 3600 /* RFC 3261 section 10.2.1.1 */
#define REGISTRATION_MAX     7200
#define EXPIRES_MAX          999999999

void sip_edit(struct sip_message *message, const char *from, const char *to, const char *text,
	      uint32_t n)
{
	struct sip_edit *edit = &message->edit[message->edits];

	if (message->edits == SIP_EDITS_MAX || n > sizeof(edit->text)) {
		message->refused = true;
		return;
	}
	*edit = (struct sip_edit){.from = (uint16_t)(from - message->call->in),
				  .to = (uint16_t)(to - message->call->in),
				  .length = (uint16_t)n};
	memcpy(edit->text, text, n);
	message->edits++;
}

uint32_t sip_address(char text[24], rte_be32_t address)
{
	const uint8_t *byte = (const uint8_t *)&address;

	return (uint32_t)snprintf(text, 24, "%u.%u.%u.%u", byte[0], byte[1], byte[2], byte[3]);
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == '-' || c == '_';
}

bool sip_parse_address(const char *begin, const char **at, const char *end, rte_be32_t *address)
{
	const char *to = *at;

	if (**at < '0' || **at > '9' || (*at > begin && is_word((*at)[-1])) ||
	    !alg_address(&to, end, '.', address) || (to < end && (is_word(*to) || *to == '@')))
		return false;
	*at = to;
	return true;
}

/* ---- endpoints in headers ---- */

enum header {
	OTHER,
	VIA,
	CONTACT,
	IDENTITY, /* From, To: no port is added where there is none */
	ROUTE,    /* the request line, too */
	CALL_ID,
	CSEQ,
	EXPIRES,
	CONTENT_TYPE,
	CONTENT_LENGTH,
};

/* The other name of an endpoint of the inside host. False: it has none. */
static bool translate(struct sip_message *message, enum header header, uint16_t port,
		      struct alg_endpoint *other)
{
	struct alg_call *call = message->call;
	const struct alg_wish wish = {.protocol = IPPROTO_UDP,
				      .port = port,
				      .remote = call->remote.address,
				      .dialog = message->dialog,
				      .seconds = SIP_CALL_SECONDS};

	if (message->refused)
		return false;
	if (call->direction == 1) {
		other->address = call->inside.address;
		other->port = call->inside.port;
		return port == call->outside.port ||
		       call->services->inside_of(call, IPPROTO_UDP, port, &other->port);
	}
	*other = call->outside;
	if (port == call->inside.port || call->services->outside_of(call, IPPROTO_UDP, port, other))
		return true;
	if ((header != VIA && header != CONTACT) || port == 0)
		return false;
	if (call->services->expect(call, &wish, other))
		return true;
	message->refused = true;
	return false;
}

static rte_be32_t own_address(const struct alg_call *call)
{
	return call->direction == 0 ? call->inside.address : call->outside.address;
}

static rte_be32_t other_address(const struct alg_call *call)
{
	return call->direction == 0 ? call->outside.address : call->inside.address;
}

/* The own address at [from, to), and perhaps a port behind it; the end of both. */
static const char *edit_endpoint(struct sip_message *message, enum header header, const char *begin,
				 const char *from, const char *to, const char *end)
{
	const char *at = to < end ? to + 1 : end;
	struct alg_endpoint other;
	uint32_t port, n;
	char text[24];
	bool has_port = to < end && *to == ':' && alg_number(&at, end, 5, UINT16_MAX, &port);

	n = sip_address(text, other_address(message->call));
	if (!has_port && (header == IDENTITY || (from > begin && from[-1] == '='))) {
		sip_edit(message, from, to, text, n); /* received=, maddr= */
		return to;
	}
	if (!has_port) {
		port = SIP_PORT;
		at = to;
	}
	if (!translate(message, header, (uint16_t)port, &other))
		return at;
	n = sip_address(text, other.address);
	n += (uint32_t)snprintf(text + n, sizeof(text) - n, ":%u", other.port);
	sip_edit(message, from, at, text, n);
	if (header == CONTACT)
		message->contact = message->call->direction == 1 ? other.port : (uint16_t)port;
	return at;
}

/* All of the own endpoints in a header's value. */
static void edit_endpoints(struct sip_message *message, enum header header, const char *begin,
			   const char *end)
{
	const char *at = begin;
	rte_be32_t address;

	while (at < end) {
		const char *from = at;

		if (!sip_parse_address(begin, &at, end, &address))
			at++;
		else if (address == own_address(message->call))
			at = edit_endpoint(message, header, begin, from, at, end);
	}
}

/* ";name=number": where the number begins, or NULL. */
static const char *find_number(const char *begin, const char *end, const char *name, uint32_t max,
			       uint32_t *value, const char **behind)
{
	size_t n = strlen(name);

	for (const char *at = begin; at < end; at++) {
		const char *number = at + 1 + n;

		if (*at != ';' || !alg_begins(at + 1, end, name))
			continue;
		*behind = number;
		if (alg_number(behind, end, 9, max, value))
			return number;
	}
	return NULL;
}

/* RFC 3581: what the server saw, which the client must not. */
static void edit_rport(struct sip_message *message, const char *begin, const char *end)
{
	const struct alg_call *call = message->call;
	const char *behind, *from;
	char text[24];
	uint32_t port;

	if (call->direction != 1)
		return;
	from = find_number(begin, end, "rport=", UINT16_MAX, &port, &behind);
	if (from != NULL && port == call->outside.port)
		sip_edit(message, from, behind, text,
			 (uint32_t)snprintf(text, sizeof(text), "%u", call->inside.port));
}

/* ---- headers ---- */

static const struct {
	const char *name;
	char compact; /* RFC 3261 section 7.3.3; 0: none */
	enum header header;
} headers[] = {
	{"via", 'v', VIA},
	{"contact", 'm', CONTACT},
	{"from", 'f', IDENTITY},
	{"to", 't', IDENTITY},
	{"route", 0, ROUTE},
	{"record-route", 0, ROUTE},
	{"call-id", 'i', CALL_ID},
	{"cseq", 0, CSEQ},
	{"expires", 0, EXPIRES},
	{"content-type", 'c', CONTENT_TYPE},
	{"content-length", 'l', CONTENT_LENGTH},
};

static enum header header_of(const char *name, const char *end)
{
	size_t n = (size_t)(end - name);

	for (size_t i = 0; i < RTE_DIM(headers); i++)
		if ((n == 1 && headers[i].compact != 0 && (*name | 0x20) == headers[i].compact) ||
		    (n == strlen(headers[i].name) && strncasecmp(name, headers[i].name, n) == 0))
			return headers[i].header;
	return OTHER;
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	return at;
}

/* FNV-1a. Whose dialog it is counts, too: nobody gets at another's by its number. */
static uint32_t hash(const char *at, const char *end)
{
	uint32_t value = 2166136261u;

	for (; at < end && *at != '\r' && *at != '\n' && *at != ' '; at++)
		value = (value ^ (uint8_t)*at) * 16777619u;
	return value != 0 ? value : 1;
}

static enum sip_method method_of(const char *at, const char *end)
{
	static const struct {
		const char *name;
		enum sip_method method;
	} methods[] = {{"INVITE", SIP_INVITE},
		       {"BYE", SIP_BYE},
		       {"CANCEL", SIP_CANCEL},
		       {"REGISTER", SIP_REGISTER}};

	for (size_t i = 0; i < RTE_DIM(methods); i++) {
		size_t n = strlen(methods[i].name);

		if ((size_t)(end - at) >= n && memcmp(at, methods[i].name, n) == 0 &&
		    (at + n == end || !is_word(at[n])))
			return methods[i].method;
	}
	return SIP_OTHER;
}

static void read_cseq(struct sip_message *message, const char *at, const char *end)
{
	uint32_t number;

	if (message->code != 0 && alg_number(&at, end, 9, UINT32_MAX, &number))
		message->method = method_of(skip_space(at, end), end);
}

static void read_length(struct sip_message *message, const char *at, const char *end)
{
	message->length_from = at;
	if (alg_number(&at, end, 5, ALG_PAYLOAD_MAX, &message->length))
		message->length_to = at;
}

static void read_contact(struct sip_message *message, const char *at, const char *end)
{
	uint16_t before = message->contact;
	const char *behind;
	uint32_t seconds;

	message->contact = 0;
	edit_endpoints(message, CONTACT, at, end);
	if (message->contact == 0)
		message->contact = before;
	else if (find_number(at, end, "expires=", EXPIRES_MAX, &seconds, &behind) != NULL) {
		message->expires = seconds;
		message->contact_expires = true;
	}
}

/* A header that is whole, with the lines that it goes on in. */
static void read_header(struct sip_message *message, const char *at, const char *end)
{
	const char *colon = memchr(at, ':', (size_t)(end - at)), *stop = colon;
	enum header header;
	uint32_t seconds;

	if (colon == NULL)
		return;
	while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t'))
		stop--;
	header = header_of(at, stop);
	at = skip_space(colon + 1, end);
	switch (header) {
	case VIA:
		edit_endpoints(message, header, at, end);
		edit_rport(message, at, end);
		break;
	case CONTACT:
		read_contact(message, at, end);
		break;
	case IDENTITY:
	case ROUTE:
		edit_endpoints(message, header, at, end);
		break;
	case CALL_ID:
		message->dialog = hash(at, end);
		break;
	case CSEQ:
		read_cseq(message, at, end);
		break;
	case EXPIRES:
		if (!message->contact_expires && alg_number(&at, end, 9, EXPIRES_MAX, &seconds))
			message->expires = seconds;
		break;
	case CONTENT_TYPE:
		message->is_sdp = alg_begins(at, end, "application/sdp");
		break;
	case CONTENT_LENGTH:
		read_length(message, at, end);
		break;
	case OTHER:
		break;
	}
}

/* The line behind the one at `at`, and those that go on with it; `end`: there is none. */
static const char *next_line(const char *at, const char *end)
{
	do {
		const char *feed = memchr(at, '\n', (size_t)(end - at));

		at = feed != NULL ? feed + 1 : end;
	} while (at < end && (*at == ' ' || *at == '\t'));
	return at;
}

static bool is_empty(const char *at, const char *end)
{
	return at < end && (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n'));
}

/* Section 7.1, 7.2. False: it is no SIP, but perhaps what keeps a NAT awake. */
static bool read_start(struct sip_message *message, const char *at, const char *end)
{
	static const char version[] = "SIP/2.0";
	size_t n = sizeof(version) - 1;
	const char *space = memchr(at, ' ', (size_t)(end - at));

	while (end > at && (end[-1] == '\r' || end[-1] == '\n'))
		end--;
	if (space == NULL || (size_t)(end - at) < 2 * n)
		return false;
	if (memcmp(at, version, n) == 0) {
		at += n + 1;
		return alg_number(&at, end, 3, 699, &message->code) && message->code >= 100;
	}
	if (memcmp(end - n, version, n) != 0)
		return false;
	message->method = method_of(at, end);
	edit_endpoints(message, ROUTE, space, end - n);
	return true;
}

/* ---- the whole ---- */

static void follow(struct sip_message *message)
{
	struct alg_call *call = message->call;
	const struct alg_wish registration = {
		.protocol = IPPROTO_UDP,
		.port = message->contact,
		.remote = call->remote.address,
		.seconds = RTE_MIN(message->expires, (uint32_t)REGISTRATION_MAX),
	};
	struct alg_endpoint outside;

	if (message->code / 100 == 2 && message->method == SIP_REGISTER && call->direction == 1 &&
	    message->contact != 0 && message->expires != 0)
		call->services->expect(call, &registration, &outside);
	if (message->dialog == 0)
		return;
	if (message->code == 0 ? message->method == SIP_BYE || message->method == SIP_CANCEL
			       : message->method == SIP_INVITE && message->code >= 300)
		call->services->forget(call, message->dialog);
}

/* The bytes by which the edits behind `body` make it longer. */
static int32_t growth(const struct sip_message *message, uint32_t body)
{
	int32_t bytes = 0;

	for (uint32_t i = 0; i < message->edits; i++)
		if (message->edit[i].from >= body)
			bytes += message->edit[i].length -
				 (message->edit[i].to - message->edit[i].from);
	return bytes;
}

static void edit_length(struct sip_message *message, const char *body)
{
	int32_t bytes = growth(message, (uint32_t)(body - message->call->in));
	char text[24];

	if (bytes != 0 && message->length_to != NULL)
		sip_edit(message, message->length_from, message->length_to, text,
			 (uint32_t)snprintf(text, sizeof(text), "%d",
					    (int32_t)message->length + bytes));
}

/* In the order of their places: they come nearly so. */
static void sort_edits(struct sip_message *message)
{
	for (uint32_t i = 1; i < message->edits; i++)
		for (uint32_t j = i; j > 0 && message->edit[j - 1].from > message->edit[j].from;
		     j--) {
			struct sip_edit edit = message->edit[j];

			message->edit[j] = message->edit[j - 1];
			message->edit[j - 1] = edit;
		}
}

static enum alg_result apply(struct sip_message *message)
{
	struct alg_call *call = message->call;

	if (message->refused)
		return ALG_REFUSED;
	if (message->edits == 0)
		return ALG_UNCHANGED;
	sort_edits(message);
	for (uint32_t i = 0; i < message->edits; i++) {
		const struct sip_edit *edit = &message->edit[i];

		if (edit->from < call->copied) /* a number that is two things */
			continue;
		if (!alg_replace(call, edit->from, edit->to, edit->text, edit->length)) {
			call->copied = call->out_length = 0;
			return ALG_REFUSED;
		}
	}
	return ALG_CHANGED;
}

static enum alg_result payload(struct alg_call *call)
{
	const char *at = call->in, *end = call->in + call->length, *next = next_line(at, end);
	struct sip_message message = {.call = call, .expires = REGISTRATION_DEFAULT};

	if (!read_start(&message, at, next))
		return ALG_UNCHANGED;
	for (at = next; at < end && !is_empty(at, end); at = next) {
		next = next_line(at, end);
		read_header(&message, at, next);
	}
	if (at == end)
		return ALG_MALFORMED;
	at += *at == '\r' ? 2 : 1;
	if (message.length_to != NULL) {
		if (message.length > (uint32_t)(end - at))
			return ALG_MALFORMED;
		end = at + message.length;
	} else if (message.length_from != NULL) {
		return ALG_MALFORMED;
	}
	if (message.is_sdp && at < end)
		sip_read_sdp(&message, at, end);
	edit_length(&message, at);
	follow(&message);
	return apply(&message);
}

static const struct alg sip = {
	.name = "sip",
	.protocol = IPPROTO_UDP,
	.port = SIP_PORT,
	.peers = true,
	.enabled = &alg_settings.sip,
	.payload = payload,
};
ALG_REGISTER(sip);
