/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ROUTE_H
#define WEIR_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "config.h"
#include "packet.h"
#include "text.h"

/*
 * Interfaces, routes, neighbours (ARP) and the packets that wait for them.
 *
 * The control thread owns all of it: it writes neighbours and publishes route tables by pointer
 * swap and RCU. Workers read. A next hop is a small number, the index of a `struct nexthop` that
 * holds the whole link header to put in front; numbers are stable while route_generation() is.
 *
 * ARP. A worker answers requests itself (arp_answer) and hands what is to be learnt to the control
 * thread through route_to_control. When a packet's next hop is not resolved, the worker puts it
 * into its own hold queue, which sends the request, repeats it (1 s, 3 times), and gives the
 * packets back once the control thread has published the neighbour, or when it gives up.
 */

enum side { SIDE_INSIDE, SIDE_OUTSIDE };

struct iface_config {
	char *name;
	char *device; /* as DPDK names it */
	uint32_t side;
	struct config_interface address;
	uint32_t mtu;
	uint32_t realm; /* inside only; 1 unless given */
	bool promiscuous;
};
extern const struct config_section iface_config_section;

struct route_config {
	struct prefix to;
	rte_be32_t via;
};
extern const struct config_section route_config_section;

#define IFACES_MAX 32

/* An interface: a DPDK port with an address. Fixed once started. */
struct iface {
	const char *name;
	enum side side;
	uint32_t realm;
	uint16_t port; /* DPDK port id */
	uint16_t mtu;  /* IP bytes */
	rte_be32_t address;
	uint8_t prefix_length;
	struct packet_source source; /* for packet_parse: MAC and realm */
};

/* By DPDK port id; `name` is NULL where there is none. */
extern struct iface ifaces[IFACES_MAX];

/* ---- next hops: any worker reads ---- */

struct nexthop {
	uint8_t link_header[16]; /* 14 bytes of Ethernet, ready to copy; [14..15] unused */
	rte_be32_t address;      /* the neighbour's */
	uint16_t port;
	uint16_t mtu;
	uint8_t resolved; /* the header is right; release/acquire */
};

/* Numbers that are no neighbour. */
#define NEXTHOP_NONE      0u /* no route */
#define NEXTHOP_LOCAL     1u /* an address of weir itself */
#define NEXTHOP_BROADCAST 2u /* a connected subnet's network or broadcast address */
#define NEXTHOP_FIRST     3u

#define NEXTHOPS_MAX 65536u

extern struct nexthop *nexthops; /* NEXTHOPS_MAX of them */

/*
 * Any worker. The next hop for a destination. When the destination is reached but its neighbour is
 * not known yet: 0 is returned in *nexthop's `NEXTHOP_NONE` place as false, and *target says whom
 * to ask on which port.
 */
struct route_target {
	rte_be32_t address;
	uint16_t port;
	uint16_t mtu;
};
enum route_result { ROUTE_OK, ROUTE_UNRESOLVED, ROUTE_NONE, ROUTE_LOCAL, ROUTE_BROADCAST };
enum route_result route_find(rte_be32_t destination, uint32_t *nexthop,
			     struct route_target *target);

/* Changes whenever a cached next hop number may have become wrong. Never 0. Relaxed. */
static inline uint32_t route_generation(void);

/* The address of the interface on the port: the source of what weir itself sends there. */
static inline rte_be32_t route_source(uint16_t port)
{
	return ifaces[port].address;
}

/* ---- ARP on a worker ---- */

/*
 * Takes an ARP frame. When it asks for an address of ours on that port (the interface's, or one for
 * which `answers_for` returns true), turns the mbuf into the answer and returns true: send it on
 * the port it came by. Otherwise returns false and the mbuf is freed or queued for the control
 * thread. What can be learnt from it goes to the control thread either way. Probes with sender
 * 0.0.0.0 are answered (RFC 5227). Sets *verdict: VERDICT_ARP or VERDICT_BAD_ARP.
 */
bool arp_input(struct rte_mbuf *mbuf, uint16_t port, bool (*answers_for)(rte_be32_t address),
	       enum verdict *verdict);

/* A request for target->address from the port's address, or NULL when out of buffers. */
struct rte_mbuf *arp_request(struct rte_mempool *buffers, uint16_t port, rte_be32_t address);

/* ---- the hold queue: one a worker, called by it alone ---- */

#define HOLD_PACKETS       1024 /* in all */
#define HOLD_PER_NEIGHBOUR 64

struct hold; /* made by hold_create */

struct hold *hold_create(struct rte_mempool *buffers, int socket);
void hold_destroy(struct hold *hold); /* frees what waits */

/*
 * Keeps a packet, complete but for its link header, until target is resolved. The first packet for
 * a target makes a request: *request is set to a frame to send on target->port, else to NULL.
 * `token` comes back with the packet. False: no room, the packet is still the caller's.
 */
bool hold_packet(struct hold *hold, const struct route_target *target, struct rte_mbuf *mbuf,
		 uint64_t token, uint64_t now_ms, struct rte_mbuf **request);

/* One of what hold_poll gives back. */
struct hold_event {
	enum { HOLD_SEND, HOLD_FAILED, HOLD_REQUEST } what;
	struct rte_mbuf *mbuf; /* HOLD_SEND: link header written; HOLD_FAILED: as it was given;
				* HOLD_REQUEST: an ARP request to repeat */
	uint16_t port;         /* to send on */
	uint64_t token;
};
/* Up to n events; call every loop while hold_count() is not 0. */
uint32_t hold_poll(struct hold *hold, uint64_t now_ms, struct hold_event *event, uint32_t n);
uint32_t hold_count(const struct hold *hold);

/* ---- control thread ---- */

/* Called by ARP's timers and by announcements to send a frame on a port (set by lib/control). */
extern void (*route_transmit)(struct rte_mbuf *mbuf, uint16_t port);

int route_setup(struct rte_mempool *buffers); /* before workers start */
void route_teardown(void);
/* Adds an interface: its connected subnet and own address. `port` is started. */
int iface_add(const struct iface_config *config, uint16_t port);
/* Replaces all static routes at once: 0, or -errno with nothing changed. */
int route_replace(const struct route_config *config, uint32_t n);
/* Checks beyond the rows: gateway in no connected subnet, a route twice, overlapping interfaces,
 * a name or device twice, more than one interface of the same prefix. */
int route_check(const struct iface_config *iface, uint32_t ifaces, const struct route_config *route,
		uint32_t routes, struct config_error *error);
/* Once every few ms: takes what workers handed over (learns), every second: ages, refreshes. */
void route_poll(uint64_t now_ms);
/* Gratuitous ARP on every interface, and for every pool address in its subnet (`each` lists them).
 */
void arp_announce(void);
void arp_announce_address(rte_be32_t address);
/* On which interface an address is connected; NULL: on none. */
const struct iface *iface_connected(rte_be32_t address);

extern uint32_t route_generation_number;
static inline uint32_t route_generation(void)
{
	return __atomic_load_n(&route_generation_number, __ATOMIC_RELAXED);
}

#endif
