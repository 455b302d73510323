/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SDP in SIP, RFC 4566: media ports of the inside host get public ones, RTP's an even one with
 * RTCP's behind it where there is such a pair (RFC 3550 section 11), and RFC 3605's a=rtcp its own.
 * From the other side it is learned who will send there. Offer and answer, RFC 3264, are alike.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "sip.h"

#define MEDIA_MAX 8

/* A media description: where its port stands, and who it is of. */
struct media {
	const char *from, *to;
	uint16_t port;
	uint8_t protocol;
	bool pair;
	rte_be32_t address;              /* its own c=, or 0 */
	const char *rtcp_from, *rtcp_to; /* or NULL */
	uint16_t rtcp;
};

struct description {
	struct sip_message *message;
	rte_be32_t address; /* the session's c=, or 0 */
	struct media media[MEDIA_MAX];
	uint32_t n;
};

static struct media *current(struct description *d)
{
	return d->n > 0 ? &d->media[d->n - 1] : NULL;
}

static const char *skip_word(const char *at, const char *end)
{
	while (at < end && *at != ' ')
		at++;
	return at < end ? at + 1 : end;
}

/* "IN IP4 address" at the end of c= and o=, and in a=rtcp; the own is replaced. 0: another kind. */
static rte_be32_t read_address(struct description *d, const char *at, const char *end)
{
	const struct alg_call *call = d->message->call;
	const char *from = at + 7;
	rte_be32_t address;
	char text[24];

	if (!alg_begins(at, end, "IN IP4 ") || from == end)
		return 0;
	at = from;
	if (!sip_parse_address(from, &at, end, &address))
		return 0;
	if (call->direction == 0 && address == call->inside.address)
		sip_edit(d->message, from, at, text, sip_address(text, call->outside.address));
	return address;
}

/* m=audio 49170 RTP/AVP 0 8 */
static void read_media(struct description *d, const char *at, const char *end)
{
	struct media *media;
	uint32_t port;
	const char *from = skip_word(at, end), *protocol;

	at = from;
	if (!alg_number(&at, end, 5, UINT16_MAX, &port))
		return;
	if (d->n == MEDIA_MAX) {
		d->message->refused = d->message->call->direction == 0;
		return;
	}
	protocol = skip_word(at, end);
	media = &d->media[d->n++];
	*media = (struct media){.from = from,
				.to = at,
				.port = (uint16_t)port,
				.protocol = IPPROTO_UDP,
				.pair = alg_begins(protocol, end, "RTP/")};
	if (alg_begins(protocol, end, "TCP"))
		media->protocol = IPPROTO_TCP;
}

/* a=rtcp:49171 IN IP4 192.0.2.1 */
static void read_rtcp(struct description *d, const char *at, const char *end)
{
	struct media *media = current(d);
	const char *from = at;
	uint32_t port;

	if (media == NULL || !alg_number(&at, end, 5, UINT16_MAX, &port))
		return;
	media->rtcp_from = from;
	media->rtcp_to = at;
	media->rtcp = (uint16_t)port;
	read_address(d, skip_word(at, end), end);
}

static void read_line(struct description *d, const char *at, const char *end)
{
	rte_be32_t address;

	if (end - at < 3 || at[1] != '=')
		return;
	switch (at[0]) {
	case 'o': /* user, identifier, version before it */
		at += 2;
		for (int i = 0; i < 3; i++)
			at = skip_word(at, end);
		read_address(d, at, end);
		break;
	case 'c':
		address = read_address(d, at + 2, end);
		if (current(d) != NULL)
			current(d)->address = address;
		else
			d->address = address;
		break;
	case 'm':
		read_media(d, at + 2, end);
		break;
	case 'a':
		if (alg_begins(at + 2, end, "rtcp:"))
			read_rtcp(d, at + 7, end);
		break;
	}
}

static void edit_port(struct description *d, const char *from, const char *to,
		      const struct alg_wish *wish)
{
	struct alg_call *call = d->message->call;
	struct alg_endpoint outside;
	char text[24];

	if (!call->services->expect(call, wish, &outside))
		d->message->refused = true;
	else
		sip_edit(d->message, from, to, text,
			 (uint32_t)snprintf(text, sizeof(text), "%u", outside.port));
}

/* What the inside host awaits gets a public port. */
static void open_media(struct description *d, const struct media *media, rte_be32_t remote)
{
	struct alg_wish wish = {.protocol = media->protocol,
				.port = media->port,
				.pair = media->pair,
				.remote = remote,
				.dialog = d->message->dialog,
				.seconds = SIP_CALL_SECONDS};

	edit_port(d, media->from, media->to, &wish);
	if (media->rtcp == 0)
		return;
	wish.port = media->rtcp;
	wish.pair = false;
	edit_port(d, media->rtcp_from, media->rtcp_to, &wish);
}

static rte_be32_t address_of(const struct description *d, const struct media *media)
{
	return media->address != 0 ? media->address : d->address;
}

/* Where the other side's media are: they come from there. */
static void learn_remote(struct description *d)
{
	struct sip_message *message = d->message;
	struct alg_call *call = message->call;

	for (uint32_t i = 0; i < d->n; i++) {
		rte_be32_t address = address_of(d, &d->media[i]);

		if (d->media[i].port == 0 || address == 0 || message->dialog == 0)
			continue;
		call->memory[0] = message->dialog;
		call->memory[1] = address;
		call->services->move(call, message->dialog, address);
		return;
	}
}

void sip_read_sdp(struct sip_message *message, const char *at, const char *end)
{
	struct description d = {.message = message};
	struct alg_call *call = message->call;
	rte_be32_t remote = call->memory[0] == message->dialog && message->dialog != 0
				    ? call->memory[1]
				    : call->remote.address;

	while (at < end) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		const char *stop = feed != NULL ? feed : end;

		read_line(&d, at, stop > at && stop[-1] == '\r' ? stop - 1 : stop);
		at = feed != NULL ? feed + 1 : end;
	}
	if (call->direction == 1)
		return learn_remote(&d);
	for (uint32_t i = 0; i < d.n && !message->refused; i++)
		if (d.media[i].port != 0 && address_of(&d, &d.media[i]) == call->inside.address)
			open_media(&d, &d.media[i], remote);
}
