/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ALG_SIP_H
#define WEIR_ALG_SIP_H

#include "alg.h"

/* Private to SIP's ALG: a message that is read, and what it becomes. */

#define SIP_PORT         5060
#define SIP_EDITS_MAX    64
#define SIP_CALL_SECONDS 180 /* media ports wait for the other side to answer: RFC 3261 timer C */

struct sip_edit {
	uint16_t from, to; /* of the payload */
	uint16_t length;
	char text[24];
};

enum sip_method { SIP_OTHER, SIP_INVITE, SIP_BYE, SIP_CANCEL, SIP_REGISTER };

struct sip_message {
	struct alg_call *call;
	enum sip_method method; /* of a response: of its request */
	uint32_t code;          /* of a response; 0: a request */
	uint32_t dialog;        /* from its Call-ID; 0: it has none */
	uint32_t expires;       /* of a registration: Contact's parameter goes before the header */
	bool contact_expires;
	uint16_t contact; /* the inside port that a Contact names; 0: none does */
	bool is_sdp;
	/* Content-Length: where its number stands, and what it is */
	const char *length_from, *length_to;
	uint32_t length;
	bool refused; /* no port for it, or too much to change */
	uint32_t edits;
	struct sip_edit edit[SIP_EDITS_MAX];
};

/* [from, to) shall be these n characters. */
void sip_edit(struct sip_message *message, const char *from, const char *to, const char *text,
	      uint32_t n);
/* "192.0.2.1"; its length. */
uint32_t sip_address(char text[24], rte_be32_t address);
/* An address that stands at `at`, as a whole word. False: none does. */
bool sip_parse_address(const char *begin, const char **at, const char *end, rte_be32_t *address);

/* sdp.c: the body. */
void sip_read_sdp(struct sip_message *message, const char *at, const char *end);

#endif
