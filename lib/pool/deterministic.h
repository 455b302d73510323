/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_DETERMINISTIC_H
#define WEIR_POOL_DETERMINISTIC_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "pool.h"

/*
 * Deterministic pools, RFC 7422: the configuration alone says which public address and block of
 * ports a subscriber has, and who has a public port. Nothing is kept for it and nothing need be
 * logged; the answers hold before the first packet and after a restart.
 *
 * The addresses of `inside` are numbered as the configuration lists them, from 0; those of
 * `addresses` too, without excluded ones. Of the blocks of an address the first C are computed, all
 * but its overflow-blocks at the end of the port range. Subscriber n has block n % C of address
 * n / C. So what is appended to either list moves nobody, and a running pool goes on with it; other
 * changes of these keys, and of port-range and block-size, move subscribers: with them it counts as
 * another pool (pool.h).
 *
 * A computed block is like any other while its subscriber holds it: it belongs to the subscriber's
 * home, and ports in it are unpredictable. It is never free for others, so it need not rest once it
 * is released (RFC 6888 REQ-8, exception B), unless the configuration that said so is gone. Once it
 * is full, its subscriber may hold overflow blocks, which are dynamic blocks in everything.
 */

struct deterministic;

/* ---- control thread ---- */

/* What the keys of pool i of n must be: 0, or -EINVAL with `error` set, or -ENOMEM.
 * Its addresses and numbers have been found right. */
int deterministic_check(const struct pool_config *config, uint32_t n, uint32_t i,
			struct config_error *error);
/* Whether the computation gives a block on this public address of the pool to anybody. */
bool deterministic_uses(const struct pool_config *config, rte_be32_t address);

/* Blocks of an address whose holders are computed; 0: the pool is dynamic. */
uint32_t deterministic_blocks(const struct pool_config *config);
/* The computation of a checked pool; *created is NULL for a dynamic one. 0, or -ENOMEM. */
int deterministic_create(const struct pool_config *config, struct deterministic **created);
void deterministic_destroy(struct deterministic *deterministic);
/* How many subscribers it serves. */
uint32_t deterministic_subscribers(const struct deterministic *deterministic);

/* Whether whoever `before` serves has the same block with `after`; NULL: of a dynamic pool. They
 * have as many blocks of an address. */
bool deterministic_goes_on(const struct deterministic *before, const struct deterministic *after);
/* Puts it in the place of the pool's, which is returned: RCU. */
struct deterministic *deterministic_swap(struct pool *pool, struct deterministic *deterministic);

/* ---- any thread ---- */

/* The block of an inside address in a pool, held or not; NULL: none, it is not one of the pool's,
 * or the pool is dynamic. Like an address that was found, it is there until the caller's next
 * quiescent state. */
struct block *deterministic_block(const struct pool *pool, rte_be32_t inside, uint32_t realm);
/* The other way round: who has a block. False: nobody, or it is a dynamic one. */
bool deterministic_holder(const struct block *block, rte_be32_t *inside, uint32_t *realm);

#endif
