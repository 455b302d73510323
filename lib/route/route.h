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
 * holds the whole link header to put in front. What a number stands for never changes while a
 * worker may use it: a neighbour that changes its MAC gets a new number, and the old one is given
 * again only after a grace period. A worker may keep a number as long as route_generation() stays.
 *
 * ARP (RFC 826). A worker answers requests itself (arp_input) and hands what can be learnt to the
 * control thread through a bounded ring. When a packet's next hop is not known, the worker puts it
 * into its own hold queue, which sends the request, repeats it (1 s, 3 times), and gives the
 * packets back once the control thread has published the neighbour, or when it gives up. A
 * neighbour that was not heard of for 30 s is asked again (3 times, 1 s apart), then forgotten.
 *
 * Realms. Each inside realm has addresses and routes of its own, and so has the outside: the
 * subnets of its interfaces, and the static routes whose gateways are in them. Two inside realms
 * may have the same addresses. What goes to a subscriber is routed by its realm alone; what comes
 * from one goes by its realm's routes and the outside's, the longest prefix first, and its realm's
 * where they tie: so an address that a realm has inside too is the outside's for all other realms
 * (RFC 4787 REQ-7).
 *
 * Addresses are in network order throughout.
 */

enum side { SIDE_INSIDE, SIDE_OUTSIDE };

struct iface_config {
	char *name;
	char *device; /* as DPDK names it */
	uint32_t side;
	struct config_interface address;
	uint32_t mtu;
	uint32_t realm;   /* inside only; 1 unless given */
	bool promiscuous; /* take frames for any destination MAC */
	char *mss_clamp;  /* "off", "auto" or a number */
};
extern const struct config_section iface_config_section;

struct route_config {
	struct prefix to;
	rte_be32_t via;
	char *interface; /* the gateway's, where several realms have its subnet; NULL, empty: any */
};
extern const struct config_section route_config_section;

#define IFACES_MAX 32

/* What a SYN that crosses an interface may announce: anything; what fits the smaller of the MTUs.
 */
#define MSS_CLAMP_OFF  0
#define MSS_CLAMP_AUTO 1
#define MSS_CLAMP_MIN  536 /* what a host may send unasked: RFC 9293 section 3.7.1 */
#define MSS_CLAMP_MAX  9176

/* An interface: a DPDK port with an address. Fixed once started. */
struct iface {
	const char *name;
	enum side side;
	uint32_t realm;
	uint16_t port; /* DPDK port id */
	uint16_t mtu;  /* IP bytes */
	rte_be32_t address;
	uint8_t prefix_length;
	uint16_t mss_clamp; /* the most that a SYN may announce; or MSS_CLAMP_OFF, MSS_CLAMP_AUTO */
	struct packet_source source; /* for packet_parse: MAC and realm */
};

/* By DPDK port id; `name` is NULL where there is none. */
extern struct iface ifaces[IFACES_MAX];

/* ---- next hops: any worker reads ---- */

/* Every next hop is a neighbour that is known: its header is ready. Never changes while in use. */
struct nexthop {
	uint8_t link_header[16]; /* 14 bytes of Ethernet, ready to copy; [14..15] unused */
	rte_be32_t address;      /* the neighbour's */
	uint16_t port;
	uint16_t mtu;  /* IP bytes */
	uint16_t next; /* lib/route's own: the table's chain */
} __rte_aligned(32);

/* Numbers that are no neighbour. */
#define NEXTHOP_NONE      0u /* no route, or the neighbour is not known yet */
#define NEXTHOP_LOCAL     1u /* an address of weir itself */
#define NEXTHOP_BROADCAST 2u /* a connected subnet's network or broadcast address */
#define NEXTHOP_FIRST     3u

#define NEXTHOPS_MAX 65536u

extern struct nexthop *nexthops; /* NEXTHOPS_MAX of them */

/* Whom a packet goes to next: the destination itself, or the gateway towards it. */
struct route_target {
	rte_be32_t address;
	uint16_t port;
	uint16_t mtu; /* IP bytes */
};

enum route_result {
	ROUTE_OK,         /* *nexthop and *target are set */
	ROUTE_UNRESOLVED, /* *target is set: its MAC is not known, see hold_packet */
	ROUTE_NONE,
	ROUTE_LOCAL,
	ROUTE_BROADCAST,
};

/* Any worker. Asks the memory for what the look-ups below of a destination will read. */
void route_prefetch(rte_be32_t destination);

/*
 * Any worker, without a lock. The next hop towards a destination in a realm. *nexthop is always
 * set: to a neighbour's number with ROUTE_OK, else to the NEXTHOP_ constant of the result. To keep
 * the number with a generation, read route_generation() first.
 */
enum route_result route_find(uint32_t realm, rte_be32_t destination, uint32_t *nexthop,
			     struct route_target *target);
/* The same towards what a host in the realm means by the address: in its realm, or outside. */
enum route_result route_find_from(uint32_t realm, rte_be32_t destination, uint32_t *nexthop,
				  struct route_target *target);

/* Any worker. Whether a route of the realm leads to a host of this address. */
bool route_exists(uint32_t realm, rte_be32_t address);
/* Any worker. Whether nobody outside has an address: it is weir's own, or, as the realm's hosts
 * mean it (REALM_OUTSIDE: those of any realm), inside. */
bool route_is_inside(uint32_t realm, rte_be32_t address);

extern uint32_t route_generation_number;

/*
 * Any worker. Changes whenever a kept next hop number may have become wrong: at new routes, and
 * when a neighbour is removed or changes its MAC. Never 0.
 */
static inline uint32_t route_generation(void)
{
	return __atomic_load_n(&route_generation_number, __ATOMIC_ACQUIRE);
}

/* The most that a SYN may announce that comes and goes by these ports; 0: anything. */
uint16_t iface_mss(uint16_t in_port, uint16_t out_port);

/* The address of the interface on the port: the source of what weir itself sends there. */
static inline rte_be32_t route_source(uint16_t port)
{
	return ifaces[port].address;
}

/* ---- ARP on a worker ---- */

/*
 * Takes an ARP frame (Ethernet header included) that came in by a port with an interface. When it
 * asks for an address of ours (the interface's, or one for which `answers_for` returns true), turns
 * the mbuf into the answer and returns true: send it on the same port. Otherwise frees it and
 * returns false. What can be learnt goes to the control thread either way. Probes with sender
 * 0.0.0.0 are answered (RFC 5227 2.1.1). Sets *verdict: VERDICT_ARP or VERDICT_BAD_ARP.
 */
bool arp_input(struct rte_mbuf *mbuf, uint16_t port, bool (*answers_for)(rte_be32_t address),
	       enum verdict *verdict);

/* A broadcast request for `address` from the port's address, or NULL when out of buffers. */
struct rte_mbuf *arp_request(struct rte_mempool *buffers, uint16_t port, rte_be32_t address);

/* ---- the hold queue: one a worker, called by it alone ---- */

#define HOLD_PACKETS       1024 /* in all */
#define HOLD_PER_NEIGHBOUR 64

#define HOLD_TARGETS 256 /* neighbours waited for at a time */

struct hold;

/* `buffers` is for requests. NULL: out of memory. */
struct hold *hold_create(struct rte_mempool *buffers, int socket);
void hold_destroy(struct hold *hold); /* frees what waits */

/*
 * Keeps a packet as it is until target is known. The first packet for a target makes a request:
 * *request is set to a frame to send on target->port, else to NULL. `token` comes back with the
 * packet. False: no room, the packet is still the caller's.
 */
bool hold_packet(struct hold *hold, const struct route_target *target, struct rte_mbuf *mbuf,
		 uint64_t token, uint64_t now_ms, struct rte_mbuf **request);

/* One of what hold_poll gives back. */
struct hold_event {
	enum { HOLD_SEND, HOLD_FAILED, HOLD_REQUEST } what;
	struct rte_mbuf *mbuf; /* HOLD_SEND, HOLD_FAILED: as it was given; HOLD_REQUEST: an ARP
				* request to repeat */
	uint32_t nexthop;      /* HOLD_SEND: the neighbour, known now */
	uint16_t port;         /* to send on */
	uint64_t token;
};
/*
 * Up to n events; call every loop while hold_count() is not 0 (it is cheap when nothing is due). A
 * neighbour is asked for once a second; 1 s after the third request its packets fail.
 */
uint32_t hold_poll(struct hold *hold, uint64_t now_ms, struct hold_event *event, uint32_t n);
uint32_t hold_count(const struct hold *hold); /* packets that wait */

/* ---- control thread ---- */

/* Sends a frame that the control thread made (a refresh, an announcement) and takes it over. Set by
 * lib/control; until then such frames are freed. */
extern void (*route_transmit)(struct rte_mbuf *mbuf, uint16_t port);

/* Before workers start: 0, or -errno. `buffers` is for frames that the control thread makes. */
int route_setup(struct rte_mempool *buffers);
/* After workers have stopped. */
void route_teardown(void);

/*
 * Before workers start. Adds an interface with its connected subnet and own address; `mac` is the
 * port's. Copies what it needs. 0; -EINVAL: no such port id or address; -EEXIST: the port has one,
 * or the subnet overlaps another's, of the same realm or one of them outside; -ENOMEM.
 */
int iface_add(const struct iface_config *config, uint16_t port, const struct rte_ether_addr *mac);

/*
 * Replaces all static routes at once. Copies what it needs. 0, or -errno with nothing changed:
 * -EINVAL when a gateway is in no connected subnet, or in several of which none is named, -ENOMEM
 * (a table takes 64 MB beside the one in use).
 */
int route_replace(const struct route_config *config, uint32_t n);

/* The interface of a route's gateway, or NULL: none, or several of which the route names none. */
const struct iface_config *route_gateway(const struct iface_config *iface, uint32_t n,
					 const struct route_config *route);

/*
 * Checks beyond the rows: names, devices or routes twice, overlapping subnets, addresses that are
 * no host's, gateways in no connected subnet. 0, or -EINVAL with *error set.
 */
int route_check(const struct iface_config *iface, uint32_t ifaces_n,
		const struct route_config *route, uint32_t routes_n, struct config_error *error);

/* Every few ms: learns what workers handed over and frees what no worker can see any more; every
 * second: ages and refreshes. */
void route_poll(uint64_t now_ms);

/* Announces the address of every interface (gratuitous ARP, RFC 5227 2.3). */
void arp_announce(void);
/* Announces an address of a pool on the outside interface whose subnet it lies in, if any. */
void arp_announce_address(rte_be32_t address);

/* Any thread. The interface of the realm in whose subnet an address lies; NULL: none. */
const struct iface *iface_connected(uint32_t realm, rte_be32_t address);

#endif
