/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STATICS_H
#define WEIR_STATICS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "pool.h"
#include "tuple.h"

/*
 * Static mappings: whole addresses, 1:1, and forwarded ports; the latter to one inside server or to
 * several with weights. They are configuration, so they survive a restart, and a reload changes
 * them. A public address with any lies in a pool, so that it is found as every public address is;
 * a flag on it says whether there is anything to look for.
 *
 * This is an immutable snapshot, swapped by pointer and RCU like the rules, that workers ask for
 * first packets. The mapping itself, and its sessions, are made when the first packet comes, in the
 * home of the inside server: which server that is follows from the packet alone, so every worker
 * finds the home.
 */
struct static_config {
	rte_be32_t outside;
	uint32_t outside_port; /* 0: the whole address */
	char *protocol;        /* "tcp" or "udp"; "any" for a whole address */
	rte_be32_t inside;
	uint32_t inside_port; /* 0: as outside_port */
	uint32_t realm;
	uint32_t weight; /* among the servers of one public port */
};
extern const struct config_section static_config_section;

struct static_entry {
	rte_be32_t outside, inside;
	rte_be16_t outside_port, inside_port; /* 0: the whole address */
	uint8_t protocol;                     /* 0: the whole address */
	bool is_only;                         /* of its public endpoint */
	uint32_t realm;
	uint32_t weight;
};

/* ---- control thread ---- */

/* What they must be beside each other and the pools: 0, or -EINVAL with `error` set. */
int statics_check(const struct static_config *config, uint32_t n, const struct pool_config *pools,
		  uint32_t pools_n, struct config_error *error);
/* Replaces all. 0, or -ENOMEM with nothing changed. */
int statics_replace(const struct static_config *config, uint32_t n);
/*
 * The same in steps, with the pools that change with them, or NULL: with those there are. Prepare:
 * 0, or -ENOMEM; then, before those pools are there, mark what of their addresses is static, and
 * publish; or abort.
 */
struct statics_change;
int statics_prepare(const struct static_config *config, uint32_t n, struct statics_change **change);
void statics_mark(const struct statics_change *change, const struct pools_change *pools);
void statics_publish(struct statics_change *change);
void statics_abort(struct statics_change *change);
void statics_teardown(void);
/* The i-th by public endpoint; NULL past the last. */
const struct static_entry *static_at(uint32_t i);

/* ---- any thread ---- */

/* Where a packet from the outside goes, or NULL: to no static mapping. Of several servers the
 * remote endpoint decides, by weights: the same packet always gives the same. */
const struct static_entry *static_of_outside(const struct tuple *tuple);

/* The mapping that a packet from the inside uses, or NULL. A server that is one of several does not
 * speak for all of them: it has none. */
const struct static_entry *static_of_inside(const struct tuple *tuple);

/* Whether a packet of these two tuples of a session would still go to this server. */
bool static_holds(const struct tuple *inside, const struct tuple *outside);

/* Whether a port (host order) of the address is forwarded. */
bool static_port(const struct pool_address *address, uint8_t protocol, uint16_t port);

#endif
