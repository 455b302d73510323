/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/random.h>

#include "tuple.h"

uint64_t tuple_hash_key[3] = {1, 1, 1};

int tuple_setup(void)
{
	if (getrandom(tuple_hash_key, sizeof(tuple_hash_key), 0) != sizeof(tuple_hash_key))
		return -errno;
	tuple_hash_key[2] |= 1; /* never 0 */
	return 0;
}
