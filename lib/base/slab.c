/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_malloc.h>

#include "slab.h"

struct slab {
	char *records;
	size_t size;
	uint32_t n;
	uint32_t free_n;
	uint32_t free[]; /* a stack of indices */
};

struct slab *slab_create(const char *name, uint32_t n, size_t size, int socket)
{
	struct slab *slab =
		rte_malloc_socket(name, sizeof(*slab) + (size_t)n * sizeof(slab->free[0]),
				  RTE_CACHE_LINE_SIZE, socket);

	if (slab == NULL)
		return NULL;
	slab->records = rte_zmalloc_socket(name, n * size, RTE_CACHE_LINE_SIZE, socket);
	if (slab->records == NULL) {
		rte_free(slab);
		return NULL;
	}
	slab->size = size;
	slab->n = n;
	slab->free_n = n;
	for (uint32_t i = 0; i < n; i++) /* the lowest index on top */
		slab->free[i] = n - 1 - i;
	return slab;
}

void slab_destroy(struct slab *slab)
{
	if (slab == NULL)
		return;
	rte_free(slab->records);
	rte_free(slab);
}

void *slab_take(struct slab *slab)
{
	if (slab->free_n == 0)
		return NULL;
	return slab->records + slab->free[--slab->free_n] * slab->size;
}

void *slab_next(const struct slab *slab, uint32_t i)
{
	if (i >= slab->free_n)
		return NULL;
	return slab->records + slab->free[slab->free_n - 1 - i] * slab->size;
}

void slab_give(struct slab *slab, void *record)
{
	slab->free[slab->free_n++] = slab_index(slab, record);
}

uint32_t slab_index(const struct slab *slab, const void *record)
{
	return (uint32_t)((size_t)((const char *)record - slab->records) / slab->size);
}

void *slab_at(const struct slab *slab, uint32_t index)
{
	return index < slab->n ? slab->records + index * slab->size : NULL;
}

uint32_t slab_taken(const struct slab *slab)
{
	return slab->n - __atomic_load_n(&slab->free_n, __ATOMIC_RELAXED);
}

uint32_t slab_size(const struct slab *slab)
{
	return slab->n;
}
