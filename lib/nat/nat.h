/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_NAT_H
#define WEIR_NAT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "filter.h"
#include "home.h"
#include "mapping.h"
#include "packet.h"
#include "pool.h"
#include "random.h"
#include "refused.h"
#include "session.h"
#include "slab.h"
#include "stats.h"
#include "wheel.h"

/*
 * Subscribers, their mappings and sessions: who may have state, and what it is.
 *
 * All of a subscriber's state belongs to its home worker, which alone makes and destroys it: the
 * first packet of a session is admitted there (nat_admit), and its end frees, each after the other,
 * the mapping without sessions, the port, the block without ports, and the subscriber without
 * blocks. Other workers read sessions only.
 *
 * Mapping and filtering are endpoint-independent (RFC 4787 REQ-1, REQ-8) or as the pool says;
 * pooling is paired (REQ-2): all of a subscriber's mappings are on one public address.
 */

struct limits_config {
	uint32_t max_sessions; /* of all workers together */
	uint32_t max_subscribers;
	/* of one subscriber; those of a protocol and the rate: 0 is no limit */
	uint32_t max_sessions_per_subscriber;
	uint32_t max_sessions_of[PORT_PROTOCOLS];
	uint32_t session_rate, session_burst; /* a second; at once, 0: a second's */
	uint32_t max_inbound_sessions_per_mapping;
};
extern const struct config_section limits_config_section;

/* A subscriber: all of its state. Written by its home; others read it in RCU. */
struct subscriber {
	/* the address in src, the realm; and which pool or public address, as rules may send one
	 * subscriber to several: it has a record, and limits, in each */
	struct tuple key;
	struct pool_address *address;
	struct block *blocks; /* the newest first, but for a computed one before all */
	uint32_t blocks_n;
	uint32_t mappings, sessions;
	uint32_t sessions_of[PORT_PROTOCOLS], ports[PORT_PROTOCOLS];
	uint32_t tokens, tokens_ms; /* of its set-up rate */
	uint32_t created;           /* seconds */
	uint32_t expectations;      /* of ALGs */
	bool queued;                /* in the wheel of subscribers with an idle block */
	bool retired;               /* another one has its place; it goes with its last session */
	bool live;
	struct refusals refusals;
} __rte_cache_aligned;

static_assert(offsetof(struct subscriber, refusals) <= 2 * RTE_CACHE_LINE_SIZE,
	      "what each session touches of a subscriber is two cache lines");

/* The state of one home. */
struct nat {
	uint8_t home;
	struct sessions *sessions;
	struct table *mapping_table;
	/* sessions by public endpoint and remote address, where filters need it; or NULL */
	struct remotes *remotes;
	struct table *subscriber_table;
	struct slab *subscribers;
	struct wheel *idle;      /* subscribers with an idle block */
	struct refused *refused; /* who was refused, and what is to be said of it */
	struct reclaim *reclaim;
	struct reclaim_kind ended_mappings, ended_subscribers;
	struct stats *stats;
	struct nat_clear *clear; /* what the control thread asks to end, or NULL; atomic */
	uint32_t clear_next;     /* how far it is */
	uint32_t mappings;       /* others read it relaxed */
	uint32_t portless;       /* of them, those of protocols without ports; likewise */
	/* sessions are held against new rules: for which change, how far, and which is done */
	uint32_t recheck_for, recheck_next, recheck_done; /* the last: atomic */
	uint64_t now_ms;                                  /* the time of this loop */
	struct algs *algs;
	struct foresight *foresight; /* foresee.c */
	struct rte_ring *withdrawn;  /* tuples of sessions to end, from any worker */
	struct random random;
} __rte_cache_aligned;

/* By worker; NULL where there is none. Fixed once workers start. */
extern struct nat *nats[WORKERS_MAX];

extern struct limits_config limits; /* single fields may change while workers run */

static inline uint32_t nat_mappings(const struct nat *nat)
{
	return __atomic_load_n(&nat->mappings, __ATOMIC_RELAXED);
}

/* ---- control thread ---- */

/* The state of home `home` of `home_workers`, sized by `limits`. NULL: out of memory. */
struct nat *nat_create(uint8_t home, struct stats *stats, int socket);
void nat_destroy(struct nat *nat);

/* Rules, static mappings or pools have changed: every home ends the sessions that do not go with
 * them, a few in each loop. */
void nat_recheck(void);
/* Whether all homes are through, and how many sessions they ended. */
bool nat_recheck_done(uint32_t *sessions_ended);
/* Waits for that, for at most 10 s; routes and ARP go on. False: it takes longer. */
bool nat_recheck_wait(uint32_t *sessions_ended);

/* What other pools a running weir cannot have: 0, or -EINVAL with `error` set. */
int nat_check_pools(const struct pool_config *config, uint32_t n, struct config_error *error);
/* Pools have changed. */
void nat_take_pools(void);

/* ---- any worker ---- */

/*
 * The home of the session that a packet belongs to or would begin, or -1: it is to a public address
 * and port that nobody holds.
 */
int nat_home_of(const struct tuple *tuple);

/* Ends a session in which no packet has passed, as its first one was refused after all; its home
 * does so in its next loop. Others stay. */
void nat_withdraw(const struct session *session);

/* ---- the home ---- */

/* Whether a packet from the outside is for the inside host of a static mapping. */
bool nat_is_static(const struct tuple *tuple);

/* The inside address that a packet from the outside would begin a session with, and its realm; 0:
 * none, and *why is set. */
rte_be32_t nat_inside_of(struct nat *nat, const struct tuple *tuple, uint32_t *realm,
			 enum verdict *why);

/*
 * Admits a packet that has no session, as a look-up said since the last one was made: makes the
 * session and all that it needs, sets p->session and p->direction. VERDICT_COUNT, or why not; then
 * nothing was made or kept.
 */
enum verdict nat_admit(struct nat *nat, struct packet *p);

/*
 * Before nat_admit() of first packets from the inside (at most FORESEE_MAX): what they will touch
 * is on its way from memory when they come. Begins, and forgets what was begun before; then
 * nat_foresee_next() goes a round further, best after some other work, until nat_foresees() says
 * that there is none left. The packets stay where they are meanwhile.
 */
#define FORESEE_MAX 32u
void nat_foresee(struct nat *nat, struct packet *const p[], uint32_t n);
void nat_foresee_next(struct nat *nat);
bool nat_foresees(const struct nat *nat);
/* The same of a packet from the outside, in one round: scanners send many that nobody waits for. */
void nat_foresee_inbound(const struct nat *nat, const struct tuple *tuple);

/* The same of a ping from one subscriber's public address to that of another, which it names by
 * this public identifier. It has no session. */
enum verdict nat_admit_ping(struct nat *nat, struct packet *p, rte_be16_t identifier);

/* Begins a session of these tuples through a mapping, which an ALG saw to. VERDICT_COUNT, or why
 * not. */
enum verdict nat_begin(struct nat *nat, struct mapping *mapping, const struct tuple tuple[2],
		       uint8_t flags);

/* First in every loop: sets the time, then expiry, idle blocks, reclaim, and what the control
 * thread asked for. Bounded work. */
void nat_poll(struct nat *nat, uint64_t now_ms);

/* Control thread: takes over what a reload may change. */
void limits_reload(const struct limits_config *config);

/* foresee.c */
struct foresight *foresight_create(int socket);
/* Before a session ends: what that touches is asked for. */
void nat_foresee_end(void *nat, const struct session *session, uint32_t round);

/* ---- subscriber.c, mapping.c, port.c, limits.c, remotes.c: used inside nat only ---- */

/* What the table finds the subscriber in the pool by that a packet from the inside is of. */
struct tuple subscriber_key(const struct tuple *tuple, const struct pool *pool);
/* That subscriber, found or made. */
enum verdict subscriber_get(struct nat *nat, const struct tuple *tuple, struct pool *pool,
			    struct subscriber **subscriber);
/* The same, on this very public address. */
enum verdict subscriber_get_at(struct nat *nat, const struct tuple *tuple,
			       struct pool_address *address, struct subscriber **subscriber);
/* Looks for idle blocks and for a subscriber without any. */
void subscriber_check_later(struct nat *nat, struct subscriber *subscriber);
void subscribers_poll(struct nat *nat);

/* Gives back one whose grace period is over; the context is the home's struct nat. */
void subscriber_free(void *context, void *object);

/* What their table compares keys by. */
bool subscriber_has_key(const void *context, uint32_t value, const struct tuple *key);

/*
 * A port for a new mapping: in one of the subscriber's blocks, else in a new one, else, where the
 * pool overloads, and it need not be exclusive, one in use towards other remotes. Sets the
 * mapping's block, and the public address and port in its host's tuple.
 */
enum verdict port_for_mapping(struct nat *nat, struct subscriber *subscriber,
			      struct mapping *mapping, bool exclusive);
/* The same, this very port (host order). */
enum verdict port_for_mapping_at(struct subscriber *subscriber, uint16_t port,
				 struct mapping *mapping);
/* An even port (host order) that is free, as is the next, in one of the subscriber's blocks or a
 * new one; nothing is taken. 0: none was found. */
uint16_t port_pair(struct nat *nat, struct subscriber *subscriber, enum port_protocol protocol);

/* Whether the subscriber may begin a session (VERDICT_COUNT); its rate is charged. */
enum verdict limits_outbound(struct nat *nat, struct subscriber *subscriber, uint8_t protocol);
/* Whether an outsider may begin a session through the mapping. */
enum verdict limits_inbound(const struct mapping *mapping, uint8_t protocol);
/* A session more, or less. */
void limits_count(struct mapping *mapping, const struct session *session);
void limits_uncount(struct mapping *mapping, const struct session *session);
bool limits_ports_left(const struct subscriber *subscriber, enum port_protocol protocol);
/* A new subscriber's rate. */
void limits_begin(struct subscriber *subscriber, uint64_t now_ms);

/* Counts a session of the mapping with a remote address. 0, or -ENOSPC. */
struct remotes *remotes_create(uint32_t n, int socket);
void remotes_destroy(struct remotes *remotes);
int remotes_add(struct nat *nat, const struct mapping *mapping, rte_be32_t address);
void remotes_remove(struct nat *nat, const struct mapping *mapping, rte_be32_t address);
/* Whether the mapping's filter lets a packet from the outside begin a session (RFC 4787 REQ-8). */
bool remotes_let_in(const struct nat *nat, const struct mapping *mapping,
		    const struct tuple *tuple);
/* portless.c */
/* Any worker. The home of a packet from the outside without ports, or -1: nobody's. */
int portless_home(const struct tuple *tuple);
/* The public address for a new mapping without ports, into its host's tuple; or why not. */
enum verdict portless_take(struct nat *nat, const struct subscriber *subscriber,
			   struct mapping *mapping);
/* Whether no other home has just made the same: if one has, this one must go. */
bool portless_is_only(const struct nat *nat, const struct session *session);

/* fixed.c: the mapping of what a rule exempts. */
struct static_entry;
enum verdict fixed_exempt(struct nat *nat, const struct tuple *tuple, struct mapping **mapping);

enum verdict fixed_static(struct nat *nat, const struct static_entry *entry,
			  struct mapping **mapping);
/* The static mapping that a packet from the outside is for, or NULL. Any worker. */
const struct static_entry *fixed_find(const struct tuple *tuple);
/* Whether the static mappings of now do not go with the session. */
bool fixed_is_stale(const struct nat *nat, const struct session *session);

void recheck_poll(struct nat *nat);

/* withdraw.c */
int withdraw_setup(struct nat *nat, int socket);
void withdraw_teardown(struct nat *nat);
void withdraw_poll(struct nat *nat);

/* What of a block a protocol's ports are; the identifiers of ICMP and PPTP are one. */
static inline enum port_protocol nat_port_protocol(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? PORT_TCP : protocol == IPPROTO_UDP ? PORT_UDP : PORT_ICMP;
}

/* A request to end sessions: the control thread fills it, each home works on it in nat_poll(). */
struct nat_clear {
	struct nat_filter filter;
	uint32_t cleared; /* atomic: sessions ended */
	uint32_t left;    /* atomic: homes not done yet */
};

#endif
