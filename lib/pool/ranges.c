/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "ranges.h"

/* What is left of a range from its beginning up to the next exclusion: into `left`, and *range is
 * what comes behind. False: nothing, as the beginning is excluded. */
static bool cut(struct config_range *range, const struct config_prefixes *excluded,
		struct config_range *left)
{
	*left = *range;
	for (uint32_t e = 0; e < excluded->n; e++) {
		const struct config_range *out = &excluded->range[e];

		if (out->first <= range->first && out->last >= range->first) {
			range->first = RTE_MIN(out->last, range->last) + 1;
			return false;
		}
		if (out->first > left->first && out->first <= left->last)
			left->last = out->first - 1;
	}
	range->first = left->last + 1;
	return true;
}

uint32_t ranges_left(const struct config_prefixes *addresses,
		     const struct config_prefixes *excluded, struct config_range *range)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < addresses->n; i++) {
		struct config_range rest = addresses->range[i], left;

		/* no address is the very last, past which `first` would wrap round */
		while (rest.first <= rest.last)
			if (cut(&rest, excluded, &left))
				range[n++] = left;
	}
	return n;
}

static int compare(const void *a, const void *b)
{
	const struct config_range *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

uint32_t pool_ranges(const struct pool_config *config, struct config_range *range)
{
	uint32_t n = ranges_left(&config->addresses, &config->excluded_addresses, range);

	if (n > 0)
		qsort(range, n, sizeof(*range), compare);
	return n;
}

char *range_text(const struct config_range *range, char text[RANGE_TEXT_SIZE])
{
	char first[TEXT_IPV4_SIZE], last[TEXT_IPV4_SIZE];

	text_ipv4(rte_cpu_to_be_32(range->first), first);
	text_ipv4(rte_cpu_to_be_32(range->last), last);
	if (range->first == range->last)
		snprintf(text, RANGE_TEXT_SIZE, "%s", first);
	else
		snprintf(text, RANGE_TEXT_SIZE, "%s-%s", first, last);
	return text;
}

/* Networks 0 and 127, multicast and class E are nobody's address. */
bool range_is_unicast(const struct config_range *range)
{
	static const struct config_range loopback = {127U << 24, (128U << 24) - 1};

	return range->first <= range->last && range->first >= 1U << 24 &&
	       range->last < 224U << 24 && !ranges_overlap(range, &loopback);
}
