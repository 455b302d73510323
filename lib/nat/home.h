/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_HOME_H
#define WEIR_HOME_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

/*
 * Which worker is the home of a subscriber: a pure function of its address, which a NIC computes
 * too. A NIC hashes addresses and ports by Toeplitz: each bit of them that is set adds the 32 bits
 * of a key from the bit's own place on, and the low bits of the sum are a place in a redirection
 * table. Our keys have bits only where they move the table's index for one of the two addresses,
 * so the rest of a packet does not matter, whatever of it a NIC hashes: inside traffic goes by its
 * source, outside traffic by its destination. Fixed before workers start.
 */
#define HOME_TABLE_SIZE 64  /* the smallest that NICs have; larger ones repeat it */
#define HOME_KEY_MIN    12  /* bytes that matter; the rest of a key is 0 */
#define HOME_KEY_MAX    128 /* more than any NIC's */

#define WORKERS_MAX 64

extern uint32_t home_workers;               /* how many there are */
extern uint8_t home_table[HOME_TABLE_SIZE]; /* the worker, by the hash's low bits */
extern uint8_t home_toeplitz[4][256]; /* the hash's low bits of each byte value in its place */
extern uint8_t home_key_source[HOME_KEY_MAX];      /* for inside interfaces */
extern uint8_t home_key_destination[HOME_KEY_MAX]; /* for outside interfaces */

/* Control thread, before workers start. */
void home_setup(uint32_t workers);

/* Whether a redirection table of this size, a power of two, can say the same as home_table. */
bool home_table_fits(uint32_t size);

static inline uint8_t home_of_subscriber(rte_be32_t address)
{
	const uint8_t *byte = (const uint8_t *)&address;

	if (home_workers == 1)
		return 0;
	return home_table[(home_toeplitz[0][byte[0]] ^ home_toeplitz[1][byte[1]] ^
			   home_toeplitz[2][byte[2]] ^ home_toeplitz[3][byte[3]]) %
			  HOME_TABLE_SIZE];
}

#endif
