/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_RECLAIM_H
#define WEIR_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What was taken out of a table and waits for a grace period before its memory is free. One a
 * worker, used by it alone.
 */

#define RECLAIM_SIZE 65536 /* things that wait at a time; the destroyer pauses beyond */

/* What is done with things of one kind after their grace period. Stays as it is while any wait. */
struct reclaim_kind {
	void (*free)(void *context, void *object);
	void *context;
};

struct reclaim;

struct reclaim *reclaim_create(int socket);
void reclaim_destroy(struct reclaim *reclaim); /* frees what waits */

/* Whether n more items have room. */
bool reclaim_has_room(const struct reclaim *reclaim, uint32_t n);

/* There must be room. */
void reclaim_add(struct reclaim *reclaim, void *object, const struct reclaim_kind *kind);

/* First in every loop: frees what has had its grace period. */
void reclaim_poll(struct reclaim *reclaim);
/* Later in every loop: begins the grace period of what was added. */
void reclaim_start(struct reclaim *reclaim);

/* How many wait. */
uint32_t reclaim_count(const struct reclaim *reclaim);

#endif
