/* SPDX-License-Identifier: BSD-3-Clause */
#include "home.h"

uint32_t home_workers = 1;
uint8_t home_table[HOME_TABLE_SIZE];
uint32_t home_toeplitz[4][256];

/* Any key with all 32-bit windows different does; this one is Microsoft's, which every NIC takes.
 */
uint8_t home_key[HOME_KEY_SIZE] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* 32 bits of the key from bit `bit` on. */
static uint32_t window(uint32_t bit)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < 5; i++)
		bits = bits << 8 | home_key[bit / 8 + i];
	return (uint32_t)(bits >> (8 - bit % 8));
}

void home_setup(uint32_t workers)
{
	home_workers = workers;
	for (uint32_t i = 0; i < HOME_TABLE_SIZE; i++)
		home_table[i] = (uint8_t)(i % workers);
	for (uint32_t place = 0; place < 4; place++) {
		for (uint32_t value = 0; value < 256; value++) {
			uint32_t hash = 0;

			for (uint32_t bit = 0; bit < 8; bit++)
				if (value & 0x80 >> bit)
					hash ^= window(place * 8 + bit);
			home_toeplitz[place][value] = hash;
		}
	}
}
