/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "ranges.h"

/* Makes room for a range at place i. */
static void insert(struct ranges *ranges, uint32_t i, uint16_t first, uint16_t end)
{
	memmove(&ranges->range[i + 1], &ranges->range[i],
		(ranges->n - i) * sizeof(ranges->range[0]));
	ranges->range[i].first = first;
	ranges->range[i].end = end;
	ranges->n++;
}

static void remove_at(struct ranges *ranges, uint32_t i)
{
	ranges->n--;
	memmove(&ranges->range[i], &ranges->range[i + 1],
		(ranges->n - i) * sizeof(ranges->range[0]));
}

/* Whether a fragment agrees with the datagram's end, as far as both are known. */
static bool fits_end(const struct ranges *ranges, uint16_t end, bool more)
{
	if (more)
		return ranges->end == 0 || end < ranges->end;
	if (ranges->end != 0)
		return end == ranges->end;
	return ranges->n == 0 || ranges->range[ranges->n - 1].end <= end;
}

enum ranges_result ranges_add(struct ranges *ranges, uint16_t first, uint16_t end, bool more)
{
	uint32_t i = 0;

	if (!fits_end(ranges, end, more))
		return RANGES_OVERLAP;
	while (i < ranges->n && ranges->range[i].end <= first)
		i++; /* range i is the first that ends behind `first` */
	if (i < ranges->n && ranges->range[i].first < end)
		return ranges->range[i].first <= first && end <= ranges->range[i].end
			       ? RANGES_REPEATED
			       : RANGES_OVERLAP;
	bool left = i > 0 && ranges->range[i - 1].end == first;
	bool right = i < ranges->n && ranges->range[i].first == end;

	if (!left && !right && ranges->n == RANGES_MAX)
		return RANGES_TOO_MANY;
	if (!more)
		ranges->end = end;
	if (left && right) {
		ranges->range[i - 1].end = ranges->range[i].end;
		remove_at(ranges, i);
	} else if (left) {
		ranges->range[i - 1].end = end;
	} else if (right) {
		ranges->range[i].first = first;
	} else {
		insert(ranges, i, first, end);
	}
	return RANGES_ADDED;
}
