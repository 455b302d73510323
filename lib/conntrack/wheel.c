/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "wheel.h"

#define SLOTS      (2 * WHEEL_SECONDS) /* a power of two */
#define CHUNK_SIZE 62
#define NO_CHUNK   UINT32_MAX

struct chunk {
	uint32_t next;
	uint32_t n;
	uint32_t index[CHUNK_SIZE];
};

struct wheel {
	uint32_t cursor;      /* the second being emptied; all before it are empty */
	uint32_t free;        /* chunks not in use */
	uint32_t slot[SLOTS]; /* first chunk, the only one that may have room */
	struct chunk chunk[];
};

struct wheel *wheel_create(uint32_t entries, uint32_t now, int socket)
{
	uint32_t chunks = entries / CHUNK_SIZE + 1 + SLOTS;
	struct wheel *wheel = rte_zmalloc_socket(
		"wheel", sizeof(*wheel) + (size_t)chunks * sizeof(wheel->chunk[0]),
		RTE_CACHE_LINE_SIZE, socket);

	if (wheel == NULL)
		return NULL;
	wheel->cursor = now;
	for (uint32_t i = 0; i < chunks; i++)
		wheel->chunk[i].next = i + 1 < chunks ? i + 1 : NO_CHUNK;
	for (uint32_t i = 0; i < SLOTS; i++)
		wheel->slot[i] = NO_CHUNK;
	return wheel;
}

void wheel_destroy(struct wheel *wheel)
{
	rte_free(wheel);
}

void wheel_put(struct wheel *wheel, uint32_t index, uint32_t when)
{
	uint32_t ahead = when - wheel->cursor;
	uint32_t *slot;
	struct chunk *chunk;

	if ((int32_t)ahead < 1) /* the cursor's own slot may be being emptied */
		ahead = 1;
	if (ahead > WHEEL_SECONDS)
		ahead = WHEEL_SECONDS;
	slot = &wheel->slot[(wheel->cursor + ahead) % SLOTS];
	if (*slot == NO_CHUNK || wheel->chunk[*slot].n == CHUNK_SIZE) {
		uint32_t fresh = wheel->free;

		wheel->free = wheel->chunk[fresh].next;
		wheel->chunk[fresh].next = *slot;
		wheel->chunk[fresh].n = 0;
		*slot = fresh;
	}
	chunk = &wheel->chunk[*slot];
	chunk->index[chunk->n++] = index;
}

uint32_t wheel_take(struct wheel *wheel, uint32_t now, uint32_t index[], uint32_t n)
{
	uint32_t taken = 0;

	while (taken < n && (int32_t)(now - wheel->cursor) >= 0) {
		uint32_t *slot = &wheel->slot[wheel->cursor % SLOTS];
		struct chunk *chunk;

		if (*slot == NO_CHUNK) {
			if (wheel->cursor == now)
				break;
			wheel->cursor++;
			continue;
		}
		chunk = &wheel->chunk[*slot];
		while (taken < n && chunk->n > 0)
			index[taken++] = chunk->index[--chunk->n];
		if (chunk->n == 0) {
			uint32_t empty = *slot;

			*slot = chunk->next;
			chunk->next = wheel->free;
			wheel->free = empty;
		}
	}
	return taken;
}
