/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_FRAGMENT_RANGES_H
#define WEIR_FRAGMENT_RANGES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which bytes of a datagram have passed, private to lib/fragment: sorted ranges that do not touch.
 * As many as there are let 56 fragments pass in any order, and any number in a usual one.
 */
#define RANGES_MAX 28

struct ranges {
	uint16_t end; /* of the datagram's payload; 0: the last fragment has not passed */
	uint16_t n;
	struct {
		uint16_t first, end; /* bytes behind the IP header; `end` is not in it */
	} range[RANGES_MAX];
};

enum ranges_result {
	RANGES_ADDED,
	RANGES_REPEATED, /* it is there: nothing changed */
	RANGES_OVERLAP,  /* in part; or it does not fit the end */
	RANGES_TOO_MANY, /* gaps */
};

/* Adds bytes first to end - 1; `more` is the header's flag of more fragments. */
enum ranges_result ranges_add(struct ranges *ranges, uint16_t first, uint16_t end, bool more);

static inline bool ranges_complete(const struct ranges *ranges)
{
	return ranges->end != 0 && ranges->n == 1 && ranges->range[0].first == 0 &&
	       ranges->range[0].end == ranges->end;
}

#endif
