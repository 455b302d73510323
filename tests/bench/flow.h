/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BENCH_FLOW_H
#define WEIR_BENCH_FLOW_H

#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "world.h"

/* The bench's addresses, in host order. */
#define INSIDE_NETWORK   RTE_IPV4(10, 0, 0, 0)
#define OUTSIDE_NETWORK  RTE_IPV4(192, 0, 2, 0)
#define SUBSCRIBER_FIRST RTE_IPV4(100, 64, 0, 0)
#define PUBLIC_FIRST     RTE_IPV4(198, 18, 0, 0)

/* What frames a run sends. Lengths are without the frame check sequence: 60 bytes are "64 B". */
struct frames {
	const char *name;
	uint8_t proto;
	uint16_t length[12]; /* one of these at random */
};

extern const struct frames frames_all[]; /* a NULL name at the end */

/* A session as both sides know it; network order. */
struct flow {
	rte_be32_t inside, remote, public;
	rte_be16_t inside_port, remote_port, public_port;
};

struct flows {
	struct flow *flow;
	uint32_t n;
	const struct frames *frames;
	uint64_t random; /* state: fast, not unpredictable */
};

/* n flows, in a scattered order of subscribers; nothing is sent yet. Memory that is not DPDK's. */
void flows_create(struct flows *flows, uint32_t n, const struct frames *frames);

/* Sends what opens flows [from, to) through a worker, in bursts, and learns their public side. The
 * worker is their home, and the caller. */
void flows_open(const struct flows *flows, const struct world *world, struct worker *worker,
		uint32_t from, uint32_t to);

/* For one or two workers: puts flows in the order of their homes. home_first[i]: where those of
 * home i begin, and behind the last, n. */
void flows_sort_by_home(struct flows *flows, uint32_t home_first[]);

uint32_t flows_random(struct flows *flows, uint32_t below);

/* Writes a frame of a flow into an mbuf, as received on the port that direction 0 (from the
 * inside) or 1 comes in by. */
void flow_write(const struct flow *flow, const struct frames *frames, uint32_t direction,
		uint16_t length, uint8_t tcp_flags, struct rte_mbuf *mbuf);

/* Writes the two fragments of a datagram of a flow, as flow_write() does. */
void flow_write_fragments(const struct flow *flow, const struct frames *frames, uint32_t direction,
			  uint16_t ident, struct rte_mbuf *mbuf[2]);

/* Writes an ICMP error (port unreachable) about a packet of a flow: from the inside about one that
 * came in, from the outside about one that went out. */
void flow_write_error(const struct flow *flow, const struct frames *frames, uint32_t direction,
		      struct rte_mbuf *mbuf);

/* The MAC of weir's port, and of the router behind it. */
struct rte_ether_addr flow_mac(uint16_t port);
struct rte_ether_addr flow_router_mac(uint16_t port);

#endif
