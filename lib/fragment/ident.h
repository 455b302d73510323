/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_IDENT_H
#define WEIR_IDENT_H

#include <stdint.h>

#include "tuple.h"

/*
 * New IP identifications for packets that leave with a public source and may be fragmented on their
 * way, or are: RFC 7857 section 11, RFC 6864 section 5.3.1. Subscribers choose theirs each by
 * itself, so two that share a public address would sooner or later send fragments of the same
 * identification to one destination, which mixes them up. Atomic packets (DF, no fragment) keep
 * theirs, which nobody may read.
 *
 * A counter for each public source, destination and protocol (those that share a secret hash share
 * it) goes through all identifications before one comes again: RFC 6864's lifetime at as many
 * packets a second as 16 bits allow. Workers write no shared memory: each has its own counters and
 * a part of the identifications, told by the counter's lowest bits. What the counter gives is
 * shuffled by a secret permutation, the same for all workers, so what one host gets says little
 * about what another gets next. The permutation's first step is to multiply by a secret; the
 * counters are kept multiplied, and so is what they grow by.
 *
 * An ICMP error that comes back quotes the new identification, and the host inside sees that one;
 * hosts tell by addresses and ports what an error is about.
 */
#define IDENT_BITS 12 /* of the number of counters */
#define IDENTS     (1u << IDENT_BITS)

struct ident {
	uint64_t factor_of_flow;
	uint16_t growth; /* of a counter, a packet */
	uint16_t factor; /* the second multiplication's */
	uint16_t counter[IDENTS];
};

/* Control thread, after tuple_setup(). */
void ident_init(struct ident *ident, uint8_t worker, uint32_t workers);

static inline rte_be16_t ident_next(struct ident *ident, rte_be32_t src, rte_be32_t dst,
				    uint8_t protocol)
{
	uint64_t flow = ((uint64_t)dst << 32 | src) + ((uint64_t)protocol << 24);
	uint16_t *counter = &ident->counter[flow * ident->factor_of_flow >> (64 - IDENT_BITS)];
	uint32_t x = *counter;

	*counter = (uint16_t)(x + ident->growth);
	/* each line is a permutation of 16 bits */
	x ^= x >> 7;
	x = (uint16_t)(x * ident->factor);
	x ^= x >> 9;
	return (rte_be16_t)x;
}

#endif
