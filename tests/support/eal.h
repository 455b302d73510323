/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_EAL_H
#define WEIR_SUPPORT_EAL_H

#include <stdint.h>

/*
 * Starts EAL for a test: no hugepages, no devices, no files left behind, `lcores` lcores on
 * whatever CPUs there are (lcore 0 is the caller), `megabytes` of memory, weir's clock, RCU and
 * hash key set up. Exits the test on failure. Call once a process.
 */
void support_eal_setup(uint32_t lcores, uint32_t megabytes);

#endif
