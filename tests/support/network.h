/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_NETWORK_H
#define WEIR_SUPPORT_NETWORK_H

#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_mempool.h>

/*
 * Two interfaces without devices behind them, and neighbours that speak when the test says so:
 *
 *	inside 100.64.0.1/24 [port 0, 02:00:00:00:00:01] weir [port 1, ...:02] 192.0.2.1/24 outside
 *
 * Call support_eal_setup() before, with 256 MB and more.
 */
#define NETWORK_INSIDE  0
#define NETWORK_OUTSIDE 1

#define NETWORK_INSIDE_MAC  "02:00:00:00:00:01"
#define NETWORK_OUTSIDE_MAC "02:00:00:00:00:02"

extern struct rte_mempool *network_pool;

void network_setup(void);
/* Fails the test when a buffer is missing. */
void network_teardown(void);

/* An interface besides: `address` as "10.0.0.1/8". Returns what iface_add does. */
int network_add(uint16_t port, const char *name, const char *address);

/* "192.0.2.1" in network order. */
rte_be32_t network_address(const char *text);

/* A neighbour answers a request of weir's, and the control thread learns it. */
void network_hear(uint16_t port, const char *address, const char *mac, uint64_t now_ms);

#endif
