/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "checksum.h"

uint64_t checksum_sum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint64_t sum = 0;

	for (; length >= 4; length -= 4, bytes += 4) {
		uint32_t word;

		memcpy(&word, bytes, sizeof(word));
		sum += word;
	}
	if (length > 0) {
		uint32_t word = 0;

		memcpy(&word, bytes, length);
		sum += word;
	}
	return sum;
}
