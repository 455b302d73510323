/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ALG_H
#define WEIR_ALG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

#include "config.h"
#include "packet.h"
#include "session.h"

/*
 * Application-level gateways: for protocols whose payload names addresses and ports. Each is one
 * file, alg/NAME.c, with one switch.
 *
 * A session to an ALG's port is followed from its first packet on (SESSION_ALG): it keeps no next
 * hop, so its packets are odd, and they all go to its home. Just before a packet is translated, the
 * ALG reads a copy of its payload and says what shall stand there instead. Where the payload names
 * the sender's own inside endpoint, it gets that endpoint's mapping, held by an expectation until
 * the remote comes or time is up; it never gets any other's. What is malformed or too much passes
 * as it is, and is counted.
 *
 * All state is bounded: dialogues and expectations in all, expectations for each subscriber.
 */
struct alg_config {
	bool ftp;
	bool tftp;
	bool pptp;
	bool sip;
	uint32_t timeout; /* of an expectation, seconds */
	uint32_t max_sessions;
	uint32_t max_expectations;
	uint32_t max_expectations_per_subscriber;
};
extern const struct config_section alg_config_section;
extern struct alg_config alg_settings; /* the switches may change while workers run */

struct mapping;
struct nat;
struct algs; /* the state of one home */

#define ALG_PAYLOAD_MAX 2048 /* longer ones pass as they are */
#define ALG_GROWTH_MAX  512
#define ALG_NO_LINE     UINT32_MAX

struct alg_endpoint {
	rte_be32_t address;
	uint16_t port; /* host order */
};

/* What became of a payload. */
enum alg_result {
	ALG_UNCHANGED,
	ALG_CHANGED,
	ALG_MALFORMED, /* passes as it is */
	ALG_SPLIT,     /* so does a line that is not whole */
	ALG_REFUSED,   /* so does what there is no port or room for */
};

/* A port of the inside host that an ALG asks a public one for. */
struct alg_wish {
	uint8_t protocol;  /* GRE: the port is a call's identifier */
	uint16_t port;     /* host order */
	bool pair;         /* an even port, and the next one for the next (RFC 3550 section 11) */
	rte_be32_t remote; /* who may come */
	uint32_t dialog;   /* what it belongs to, as the ALG numbers it; 0: nothing */
	uint32_t seconds;  /* how long at the least; 0: as configured */
};

struct alg_call;

/* What the home does for an ALG. */
struct alg_services {
	/* The public endpoint of the port, to which the remote may come now. False: there is no
	 * port or no room. */
	bool (*expect)(struct alg_call *call, const struct alg_wish *wish,
		       struct alg_endpoint *outside);
	/* The same of one that has a public endpoint already. */
	bool (*outside_of)(struct alg_call *call, uint8_t protocol, uint16_t port,
			   struct alg_endpoint *outside);
	/* The inside host's port of a public one. False: it has none there. */
	bool (*inside_of)(struct alg_call *call, uint8_t protocol, uint16_t outside_port,
			  uint16_t *port);
	/* Another remote may come to what was expected for a dialog. */
	void (*move)(struct alg_call *call, uint32_t dialog, rte_be32_t remote);
	/* Nobody may, from now on. */
	void (*forget)(struct alg_call *call, uint32_t dialog);
	/* A session between the remote's GRE call and the inside host's of that public identifier,
	 * which was expected. False: refused. */
	bool (*connect)(struct alg_call *call, uint16_t outside_id, uint16_t remote_id);
	/* Ends it. Either identifier may be 0: not known. */
	void (*disconnect)(struct alg_call *call, uint16_t outside_id, uint16_t remote_id);
};

/* One payload in the hands of an ALG. */
struct alg_call {
	/* The packet: `direction` 0 is from the inside. */
	const char *in;
	uint32_t length;
	uint32_t direction;
	bool server_inside; /* the session began from the outside */
	/* TCP: where in `in` the first line or message begins; ALG_NO_LINE: not known. */
	uint32_t first_line;
	/* TCP, set by the ALG: where the one behind `in` will begin, which may be behind its end;
	 * 0: not known. */
	uint32_t next_line;
	/* Of the session. */
	struct alg_endpoint inside, outside, remote;
	/* Two words that the session keeps for the ALG; 0 at first. */
	uint32_t *memory;
	const struct alg_services *services;
	const void *context; /* of the services */
	/* The new payload, by alg_replace(). */
	char out[ALG_PAYLOAD_MAX + ALG_GROWTH_MAX];
	uint32_t out_length;
	uint32_t copied; /* how much of `in` was dealt with: up to the last change's end */
};

struct alg {
	const char *name;
	uint8_t protocol;
	uint16_t port; /* the server's, host order */
	bool peers;    /* the port may be the inside host's, too, whoever began */
	const bool *enabled;
	/* The home, for each packet with a payload, either direction, before it is translated.
	 * Reads call->in, changes it by alg_replace(). */
	enum alg_result (*payload)(struct alg_call *call);
};

/* Before main(). */
#define ALG_REGISTER(alg)           \
	RTE_INIT(alg##_register)    \
	{                           \
		alg_register(&alg); \
	}
void alg_register(const struct alg *alg);

/* The i-th ALG, or NULL past the end. */
const struct alg *alg_at(uint32_t i);

/* ---- for ALGs: text.c ---- */

/* Replaces in[from, to) by a text of n bytes; in order, without overlap. False: no room. */
bool alg_replace(struct alg_call *call, uint32_t from, uint32_t to, const char *text, uint32_t n);
/* The rest of the payload, behind the last change. False: no room. */
bool alg_finish(struct alg_call *call);
/* A decimal number of at most `digits` digits at *at, which moves behind it. False: there is none,
 * or it is more than `max`. */
bool alg_number(const char **at, const char *end, uint32_t digits, uint32_t max, uint32_t *value);
/* Four numbers with `separator` between them. */
bool alg_address(const char **at, const char *end, char separator, rte_be32_t *address);
/* Whether [at, end) begins with the word, in any case. */
bool alg_begins(const char *at, const char *end, const char *word);

/* ---- sequence numbers: seq.c ---- */

/* How a changed stream's numbers differ: one direction of a TCP dialogue. */
struct alg_stream {
	bool changed;
	uint32_t at;     /* the sender's number of the first byte behind the last change */
	uint32_t before; /* what is added to numbers before it */
	uint32_t after;  /* and from it on */
};

/* A change that ends at the sender's number `at` made the stream longer by `growth`. A segment sent
 * again changes nothing. */
void alg_stream_grow(struct alg_stream *stream, uint32_t at, int32_t growth);
/* The sender's number as the receiver knows it, and back. */
uint32_t alg_stream_seq(const struct alg_stream *stream, uint32_t seq);
uint32_t alg_stream_ack(const struct alg_stream *stream, uint32_t ack);

struct rte_tcp_hdr;
/* Writes seq of `own` and ack and SACK of `other` into a segment, and its checksum's change. The
 * options end at `end` at the latest. */
void alg_stream_rewrite(struct rte_tcp_hdr *tcp, const uint8_t *end, const struct alg_stream *own,
			const struct alg_stream *other);

/* Control thread: the switches, before workers start and while they run. */
void alg_switch(const struct alg_config *config);

/* ---- for the home ---- */

struct algs *algs_create(int socket);
void algs_destroy(struct algs *algs);

/* Before a session is published: follows it, if an ALG is for it. */
void alg_begin(struct nat *nat, struct session *session);
/* It ends, or was not published. */
void alg_end(struct nat *nat, struct session *session);

/* A packet of a SESSION_ALG session, trimmed, before it is translated: changes its payload, length
 * and sequence numbers. The home only. */
void alg_translate(struct nat *nat, struct packet *p);

/* expect.c */

/* Whether an expectation lets this remote in. */
bool alg_expects(const struct nat *nat, const struct mapping *mapping, rte_be32_t remote);
/* Ends expectations whose time has come. Every loop. */
void alg_poll(struct nat *nat);
uint32_t alg_expectations(const struct nat *nat);
uint32_t alg_sessions(const struct nat *nat);

#endif
