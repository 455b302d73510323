/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_PORT_H
#define WEIR_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_spinlock.h>

#include "route.h"

enum port_link { PORT_LINK_UNKNOWN, PORT_LINK_DOWN, PORT_LINK_UP };

/*
 * A DPDK port: one RX and one TX queue a worker, as far as the device has them. A device with fewer
 * RX queues is polled by as many workers; TX queues that workers must share are locked, and this is
 * said at start.
 */
struct port {
	uint16_t id;
	uint16_t rx_queues, tx_queues;
	bool shared_tx;      /* workers share TX queues */
	bool steered;        /* the NIC delivers subscribers to their home worker */
	enum port_link link; /* as said last; the control thread's */
	rte_spinlock_t tx_lock[RTE_MAX_QUEUES_PER_PORT];
};

extern struct port ports[IFACES_MAX]; /* by DPDK port id; rx_queues is 0 where there is none */

struct port_config {
	const struct iface_config *iface;
	uint32_t workers;
	uint32_t rx_descriptors, tx_descriptors;
	struct rte_mempool *const *buffers; /* by worker: for the RX queues that it polls */
};

/* The worker that polls an RX queue: queue by queue, ports without enough of them spread out. */
uint32_t port_poller(uint16_t id, uint32_t queue, uint32_t workers);

/*
 * Control thread. Sets up and starts the device of an interface, which EAL has probed, and adds the
 * interface. 0, or -errno after a line in the log that names the device.
 */
int port_start(const struct port_config *config);
/* Control thread, at every tick: looks at the links once a second, and says which went up or down.
 */
void port_watch_links(uint64_t now_ms);
/* Control thread, once no worker polls. */
void port_stop(uint16_t id);

#endif
