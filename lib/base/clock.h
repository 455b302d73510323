/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <stdint.h>

/*
 * Time since weir started, in milliseconds. A worker reads the clock once a burst and passes the
 * time down; nothing below it reads a clock, so a test sets the time by passing it.
 * Records keep whole seconds in 32 bits; limits and ARP use milliseconds.
 */

void clock_setup(void);

/* Any thread. Milliseconds since clock_setup(); never goes back on one thread. */
uint64_t clock_ms(void);

static inline uint32_t clock_seconds(uint64_t ms)
{
	return (uint32_t)(ms / 1000);
}

#endif
