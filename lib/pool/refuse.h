/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_REFUSE_H
#define WEIR_POOL_REFUSE_H

#include <stdint.h>

#include "config.h"

/* Private to pool/. Fills all of the error but what was found: a key of a pool, and what would be
 * right. -EINVAL. */
int pool_refuse(struct config_error *error, uint32_t pool, const char *key, const char *right, ...)
	__attribute__((format(printf, 4, 5)));

#endif
