/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SLAB_H
#define WEIR_SLAB_H

#include <stddef.h>
#include <stdint.h>

/*
 * A fixed number of records of one size, taken and given back by one thread. The last one given
 * back is the next taken. Any thread may read records by index.
 */
struct slab;

/* `n` zeroed records of `size` bytes on the NUMA node. NULL: out of memory. */
struct slab *slab_create(const char *name, uint32_t n, size_t size, int socket);
void slab_destroy(struct slab *slab);

/* A record, as it was given back; NULL: all are taken. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *record);

/* The record that the i-th call of slab_take() from now, from 0, will give; or NULL. */
void *slab_next(const struct slab *slab, uint32_t i);

uint32_t slab_index(const struct slab *slab, const void *record);
void *slab_at(const struct slab *slab, uint32_t index); /* NULL past the end */
uint32_t slab_taken(const struct slab *slab);
uint32_t slab_size(const struct slab *slab);

#endif
