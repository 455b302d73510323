/* SPDX-License-Identifier: BSD-3-Clause */
#include "home.h"

/*
 * 27 bits, for which any six bits of an address that stand side by side, the others fixed, lead to
 * all 64 places of the table: subscribers are spread evenly, whatever their subnets' size is.
 */
#define PATTERN      UINT32_C(0x5fb4183)
#define PATTERN_BITS 27
/* Where it begins in the key for sources; 32 bits later in that for destinations. */
#define PATTERN_FIRST 31

uint32_t home_workers = 1;
uint8_t home_table[HOME_TABLE_SIZE];
uint8_t home_toeplitz[4][256];
uint8_t home_key_source[HOME_KEY_MAX];
uint8_t home_key_destination[HOME_KEY_MAX];

static void put_pattern(uint8_t key[HOME_KEY_MAX], uint32_t first)
{
	for (uint32_t i = 0; i < PATTERN_BITS; i++)
		if (PATTERN >> (PATTERN_BITS - 1 - i) & 1)
			key[(first + i) / 8] |= (uint8_t)(0x80 >> (first + i) % 8);
}

/* What a bit of the input adds to the hash: the 32 bits of the key from its place on; the low 8. */
static uint8_t window(uint32_t bit)
{
	uint32_t last = bit + 31;

	return (uint8_t)((home_key_source[last / 8 - 1] << 8 | home_key_source[last / 8]) >>
			 (7 - last % 8));
}

static uint8_t hash_byte(uint32_t place, uint32_t value)
{
	uint8_t hash = 0;

	for (uint32_t bit = 0; bit < 8; bit++)
		if (value & 0x80 >> bit)
			hash ^= window(place * 8 + bit);
	return hash;
}

/* The last bit of an address moves the index's highest alone: neighbours have different homes. */
static uint32_t reversed(uint32_t index)
{
	uint32_t result = 0;

	for (uint32_t bit = 1; bit < HOME_TABLE_SIZE; bit <<= 1, index >>= 1)
		result = result << 1 | (index & 1);
	return result;
}

void home_setup(uint32_t workers)
{
	home_workers = workers;
	for (uint32_t i = 0; i < HOME_TABLE_SIZE; i++)
		home_table[i] = (uint8_t)(reversed(i) % workers);
	put_pattern(home_key_source, PATTERN_FIRST);
	put_pattern(home_key_destination, PATTERN_FIRST + 32);
	for (uint32_t place = 0; place < 4; place++)
		for (uint32_t value = 0; value < 256; value++)
			home_toeplitz[place][value] = hash_byte(place, value);
}

bool home_table_fits(uint32_t size)
{
	if (size == 0)
		return false;
	for (uint32_t i = size; i < HOME_TABLE_SIZE; i++)
		if (home_table[i] != home_table[i % size])
			return false;
	return true;
}
