/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "ranges.h"

static int compare(const void *a, const void *b)
{
	const struct config_range *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

uint32_t pool_ranges(const struct pool_config *config, struct config_range *range)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < config->addresses.n; i++)
		range[n++] = config->addresses.range[i];
	for (uint32_t e = 0; e < config->excluded_addresses.n; e++) {
		struct config_range out = config->excluded_addresses.range[e];

		for (uint32_t i = n; i-- > 0;) {
			struct config_range *r = &range[i];

			if (out.last < r->first || out.first > r->last)
				continue;
			if (out.first > r->first && out.last < r->last) {
				range[n++] = (struct config_range){out.last + 1, r->last};
				r->last = out.first - 1;
			} else if (out.first > r->first) {
				r->last = out.first - 1;
			} else if (out.last < r->last) {
				r->first = out.last + 1;
			} else {
				*r = range[--n];
			}
		}
	}
	if (n > 0)
		qsort(range, n, sizeof(*range), compare);
	return n;
}
