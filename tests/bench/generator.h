/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BENCH_GENERATOR_H
#define WEIR_BENCH_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "random.h"

/* What the generator's files share. Port 0 is the box's inside, port 1 its outside. */

#define MAGIC    0x77656972u
#define NEW_FLOW UINT32_MAX /* no flow of the population: the first packet of another */

struct payload {
	uint32_t magic;
	uint32_t flow;
	uint64_t sent; /* TSC */
} __rte_packed;

/* A direction of a flow: what its frames say. 16 bytes, read in order while sending. */
struct side {
	rte_be32_t src, dst;
	rte_be16_t sport, dport;
	uint32_t flow;
};

struct generator {
	struct rte_mempool *buffers;
	struct rte_ether_addr mac[2], peer[2]; /* ours; the box's */
	rte_be32_t peer_address[2];
	struct side *side[2]; /* by direction: sent on port 0, on port 1 */
	uint32_t flows;
	uint32_t next[2];
	uint32_t learned;
	struct random random;
	uint32_t size; /* frame bytes without FCS; 0: IMIX */
	/* of 2^32 frames that go out from inside: first packets of new flows */
	uint32_t new_chance;
};
extern struct generator generator;

/* Makes n flows in random order, inside; those of a subscriber are from ports in a row. False: no
 * memory. */
bool flows_make(uint32_t n, uint32_t per_subscriber);
void flows_shuffle_outside(void);
/* The first packet of a flow beside them, of any of the subscribers, that has no session. False:
 * there is none left, as every source port was used not long ago. */
bool flows_next_new(struct side *side);

/* Writes the frame of one direction of a flow, as sent on a port now, into a buffer of ours: its
 * bytes behind the payload are zero. */
void frame_fill(struct rte_mbuf *frame, uint16_t port, const struct side *side, uint32_t size,
		uint64_t now);
/* Frame bytes of the sequence-th packet. */
uint32_t frame_size(uint32_t sequence);

/* Learns the box's MAC from ARP, and answers as a router that has every address but the box's. */
void arp_take(uint16_t port, const struct rte_mbuf *frame);
/* Asks for the box's MAC. */
void arp_ask(uint16_t port);

#endif
