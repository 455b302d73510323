/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_MAPPING_H
#define WEIR_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "session.h"
#include "stats.h"

struct nat;
struct subscriber;

/*
 * Mappings: inside address, port, protocol <-> public address, port, protocol (RFC 4787 REQ-1).
 * Most have one session. So a mapping has no memory of its own: it lives in the room of a session's
 * record, its host, and its keys are parts of the host's tuples. The host is the session that it
 * was made for; when that ends and others go on, the record stays for the mapping, and the next
 * session of the mapping takes it again. The home alone reads and writes all of it; the control
 * thread reads, in RCU.
 */
enum mapping_kind {
	MAPPING_DYNAMIC, /* of a pool: a port; or of a protocol without ports, an address
			    (portless.c) */
	MAPPING_EXEMPT,  /* one for all of a subscriber's sessions that are not translated (fixed.c)
			  */
	MAPPING_PORT,    /* static: a forwarded port */
	MAPPING_ADDRESS, /* static: a whole address */
};

struct mapping {
	void *place;            /* the block of its port; if it takes none, the subscriber */
	uint32_t sessions;      /* and expectations */
	uint32_t created;       /* seconds; the host's is that of its last session */
	uint16_t inbound;       /* of the sessions: begun from the outside */
	uint16_t expectations;  /* of ALGs */
	uint16_t sent;          /* when the inside sent last: mapping_last_sent() */
	uint8_t kind : 2;       /* enum mapping_kind */
	uint8_t filtering : 2;  /* enum dependence */
	uint8_t dependence : 2; /* enum dependence: how much of the remote its inside key has */
	uint8_t has_block : 1;
	uint8_t has_remote : 1; /* its outside key has the remote: an overloaded port, or none */
	bool live;
};

_Static_assert(sizeof(struct mapping) <= SESSION_ROOM, "a mapping lives in a session's record");

/* The record that it lives in. */
static inline struct session *mapping_host(const struct mapping *mapping)
{
	return session_of_room(mapping);
}

/* NULL: it takes no port of a pool. */
static inline struct block *mapping_block(const struct mapping *mapping)
{
	return mapping->has_block ? mapping->place : NULL;
}

static inline struct subscriber *mapping_subscriber(const struct mapping *mapping)
{
	return mapping->has_block ? mapping_block(mapping)->holder : mapping->place;
}

/* Exempted or static: there by configuration. */
static inline bool mapping_is_fixed(const struct mapping *mapping)
{
	return mapping->kind != MAPPING_DYNAMIC;
}

/* Of a whole address: a session keeps its ports. */
static inline bool mapping_keeps_ports(const struct mapping *mapping)
{
	return mapping->kind == MAPPING_EXEMPT || mapping->kind == MAPPING_ADDRESS;
}

/*
 * The keys that it is found by. Inside: src, sport, protocol, realm, and as much of the remote as
 * it depends on. Outside: dst, dport, protocol, and where it has one the remote. Those of an
 * exempted or static one have no protocol's number, or both endpoints.
 */
struct tuple mapping_inside(const struct mapping *mapping);
struct tuple mapping_outside(const struct mapping *mapping);

/* The inside key of a dynamic one for the flow of `tuple`, from the inside: RFC 4787 section 4.1.
 */
struct tuple mapping_key(const struct tuple *tuple, enum dependence dependence);

/* The outside key of a dynamic one that has its public endpoint for all remotes: that to which
 * `tuple` is, from the outside. */
static inline struct tuple mapping_outside_key(const struct tuple *tuple)
{
	return (struct tuple){
		.dst = tuple->dst, .dport = tuple->dport, .proto_realm = tuple->proto_realm};
}

/* Whether its keys would be the same with these tuples for the host's. */
bool mapping_is_of(const struct mapping *mapping, const struct tuple tuple[2]);

/* What the table of mappings compares keys by. */
bool mapping_has_key(const void *context, uint32_t value, const struct tuple *key);

struct mapping *mapping_find(const struct nat *nat, const struct tuple *key);
/* The same for a new session: one whose public address is no place for any is found no more, and
 * goes with the sessions that it has. */
struct mapping *mapping_find_serving(struct nat *nat, const struct tuple *key);
/* Whether its public address is in its pool no more. */
bool mapping_drains(const struct mapping *mapping);

/* One that mapping_create_fixed() made of such tuples, likewise for a new session; or NULL. */
struct mapping *mapping_find_fixed(struct nat *nat, enum mapping_kind kind,
				   const struct tuple tuple[2]);

/* For the flow of `tuple`, from the inside. */
enum verdict mapping_create(struct nat *nat, struct subscriber *subscriber,
			    const struct tuple *tuple, enum dependence dependence,
			    struct mapping **created);
/* For the inside endpoint of `tuple`, whatever the remote, for an ALG: with a public port of its
 * own, this one (host order) or, if it is 0, any; that of a GRE call is its identifier. */
enum verdict mapping_create_at(struct nat *nat, struct subscriber *subscriber,
			       const struct tuple *tuple, uint16_t outside_port,
			       struct mapping **created);
/* One without a port of a pool; its keys are made of these tuples. */
enum verdict mapping_create_fixed(struct nat *nat, struct subscriber *subscriber,
				  enum mapping_kind kind, const struct tuple tuple[2],
				  struct mapping **created);
/* The inside has sent through the mapping then; seconds. */
void mapping_sent(struct mapping *mapping, uint32_t when);
/* When it did so last, as far as is known: not later than it did. */
uint32_t mapping_last_sent(const struct mapping *mapping, uint32_t now);
/* One session less; the last one takes the mapping with it. */
void mapping_put(struct nat *nat, struct mapping *mapping);
/* Gives back one whose grace period is over, its port too; the context is the home's struct nat. */
void mapping_free(void *context, void *object);

/* The mapping that lives in the i-th record of a home, or NULL: for the control thread, in RCU. */
const struct mapping *mapping_at(const struct nat *nat, uint32_t i);

#endif
