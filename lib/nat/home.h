/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_HOME_H
#define WEIR_HOME_H

#include <stdint.h>

#include <rte_byteorder.h>

/*
 * Which worker is the home of a subscriber: a pure function of its address, the one that a NIC
 * computes which hashes inside traffic on the source address alone: the Toeplitz hash of the four
 * bytes, and a redirection table. Fixed before workers start.
 */
#define HOME_TABLE_SIZE 128
#define HOME_KEY_SIZE   40

#define WORKERS_MAX 64

extern uint32_t home_workers; /* how many there are */
extern uint8_t home_key[HOME_KEY_SIZE];
extern uint8_t home_table[HOME_TABLE_SIZE]; /* the worker, by the hash's low bits */
extern uint32_t home_toeplitz[4][256];      /* the hash of each byte value in its place */

/* Control thread, before workers start. */
void home_setup(uint32_t workers);

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
