/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_malloc.h>

#include "rcu.h"
#include "reclaim.h"

#define BATCHES 8 /* grace periods under way at a time */

struct item {
	void *object;
	const struct reclaim_kind *kind;
};

struct batch {
	uint64_t token;
	uint32_t end; /* the first item after it */
};

struct reclaim {
	uint32_t head, tail; /* items [tail, head) wait; free-running */
	uint32_t started;    /* items [tail, started) are in a batch */
	uint32_t batch_head, batch_tail;
	struct batch batch[BATCHES];
	struct item item[RECLAIM_SIZE];
};

struct reclaim *reclaim_create(int socket)
{
	return rte_zmalloc_socket("reclaim", sizeof(struct reclaim), RTE_CACHE_LINE_SIZE, socket);
}

static void free_until(struct reclaim *reclaim, uint32_t end)
{
	for (; reclaim->tail != end; reclaim->tail++) {
		const struct item *item = &reclaim->item[reclaim->tail % RECLAIM_SIZE];

		item->kind->free(item->kind->context, item->object);
	}
}

void reclaim_destroy(struct reclaim *reclaim)
{
	if (reclaim == NULL)
		return;
	free_until(reclaim, reclaim->head);
	rte_free(reclaim);
}

bool reclaim_has_room(const struct reclaim *reclaim, uint32_t n)
{
	return reclaim->head - reclaim->tail + n <= RECLAIM_SIZE;
}

void reclaim_add(struct reclaim *reclaim, void *object, const struct reclaim_kind *kind)
{
	reclaim->item[reclaim->head++ % RECLAIM_SIZE] = (struct item){object, kind};
}

void reclaim_poll(struct reclaim *reclaim)
{
	while (reclaim->batch_tail != reclaim->batch_head) {
		const struct batch *batch = &reclaim->batch[reclaim->batch_tail % BATCHES];

		if (rte_rcu_qsbr_check(rcu, batch->token, false) != 1)
			break;
		reclaim->batch_tail++;
		free_until(reclaim, batch->end);
	}
	if (reclaim->tail == reclaim->head) /* from the front again, which is still in the cache */
		reclaim->head = reclaim->tail = reclaim->started = 0;
}

void reclaim_start(struct reclaim *reclaim)
{
	if (reclaim->started != reclaim->head &&
	    reclaim->batch_head - reclaim->batch_tail < BATCHES) {
		reclaim->batch[reclaim->batch_head++ % BATCHES] = (struct batch){
			.token = rte_rcu_qsbr_start(rcu),
			.end = reclaim->head,
		};
		reclaim->started = reclaim->head;
	}
}

uint32_t reclaim_count(const struct reclaim *reclaim)
{
	return reclaim->head - reclaim->tail;
}
