/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_REFUSED_H
#define WEIR_REFUSED_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "packet.h"

/*
 * Refusals that speak (RFC 6888 REQ-11 C): who was refused, why, and since when, for `weirctl why`
 * and for a log line that names the subscriber and the limit.
 *
 * The home notes a refusal in the subscriber's record, or, of who could not become one, in a small
 * table of strangers that forgets the oldest. Of each at most one event a minute goes into a ring
 * to the control thread, which alone writes lines: so many a second, but in any case one of each
 * pool, as the exhaustion of one must not hide that of another; then it says how many it left out.
 * A line names no destination (RFC 6888 REQ-12). A pool counts what it had no port for.
 */
#define REFUSALS_KEPT 2 /* different reasons of one subscriber: the latest first */

struct refusal {
	uint8_t verdict; /* enum verdict; with count 0: none */
	uint8_t protocol;
	rte_be16_t remote_port;
	rte_be32_t remote;    /* of the latest packet */
	uint32_t first, last; /* seconds */
	uint32_t count;
};

struct refusals {
	struct refusal of[REFUSALS_KEPT];
	uint32_t said; /* seconds of the last event + 1; 0: never */
};

struct nat;
struct subscriber;
struct refused;

struct refused *refused_create(int socket);
void refused_destroy(struct refused *refused);

/* The home. `subscriber` is NULL for who is none; `inside` has its address in src, and the realm.
 */
void refused_note(struct nat *nat, struct subscriber *subscriber, const struct tuple *inside,
		  const struct packet *p, enum verdict verdict);

/* Control thread, often: writes the lines. */
void refused_show(uint64_t now_ms);

#endif
