/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WHEEL_H
#define WEIR_WHEEL_H

#include <stdint.h>

/*
 * A timing wheel of one-second slots: indices go in with a second, and come out when that second
 * has begun. It is lazy: whoever takes an index out looks whether its time has really come, and
 * puts it back if not; nothing is ever moved inside. Slots are chains of chunks, so that the
 * entries of a slot can be prefetched. One a worker, used by it alone.
 */
#define WHEEL_SECONDS 32 /* an index is put at most this far ahead */
#define WHEEL_BATCH   32

struct wheel;

/* Room for `entries` indices in all, each put once at a time. NULL: out of memory. */
struct wheel *wheel_create(uint32_t entries, uint32_t now, int socket);
void wheel_destroy(struct wheel *wheel);

/* Puts an index at second `when`; later than WHEEL_SECONDS ahead counts as that, past as next. */
void wheel_put(struct wheel *wheel, uint32_t index, uint32_t when);

/* Takes up to n indices whose second has begun (n <= WHEEL_BATCH). */
uint32_t wheel_take(struct wheel *wheel, uint32_t now, uint32_t index[], uint32_t n);

#endif
