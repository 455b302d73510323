/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ROUTE_INTERNAL_H
#define WEIR_ROUTE_INTERNAL_H

#include "cmd.h"
#include "route.h"

/* What the files of lib/route share. No other module includes it. */

/* ---- iface.c ---- */

struct prefix subnet_of(rte_be32_t address, uint8_t length);

/* The address is one host's in the subnet: not its network or broadcast address, which a /31 (RFC
 * 3021) and a /32 do not have. */
bool subnet_has_host(const struct prefix *subnet, rte_be32_t address);

bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

/* Whether one host may have to tell addresses of the two realms apart. */
static inline bool realms_meet(uint32_t a, uint32_t b)
{
	return a == b || a == REALM_OUTSIDE || b == REALM_OUTSIDE;
}

/* "off", "auto" or a number; NULL: off. */
bool mss_clamp_parse(const char *text, uint16_t *clamp);

static inline struct prefix iface_subnet(const struct iface *iface)
{
	return subnet_of(iface->address, iface->prefix_length);
}

uint32_t iface_count(void);
void iface_remove_all(void);

#define TEXT_MAC_SIZE 18
char *text_mac(const uint8_t mac[RTE_ETHER_ADDR_LEN], char text[TEXT_MAC_SIZE]);

/* ---- fib.c: control thread ---- */

/* A static route with its gateway's interface. */
struct static_route {
	struct prefix to;
	rte_be32_t via;
	uint16_t port;
};

/* The i-th static route in use, or NULL past the last. */
const struct static_route *route_static(uint32_t i);

/* Makes and publishes the table again, from the interfaces and the static routes in use. */
int route_rebuild(void);

void route_generation_bump(void);

/* Frees old tables that no worker can see any more. */
void fib_reclaim(void);
/* No worker may look up any more. */
void fib_teardown(void);

/* ---- route.c: control thread ---- */

extern struct rte_mempool *route_buffers;

/* Where a list's page begins, and how many elements it may have at most. False: call->error set. */
bool route_page(struct cmd_call *call, uint32_t *from, uint32_t *max);

/* ---- neighbour.c: one table of who is known, by port and address ---- */

int neighbour_setup(void);
void neighbour_teardown(void);

/* Any worker: the neighbour's next hop number, or NEXTHOP_NONE. */
uint32_t neighbour_find(uint16_t port, rte_be32_t address);

/* Any worker: counts neighbours made known; unchanged means that nobody new is in the table. */
uint32_t neighbour_additions(void);

/* Control thread: the neighbour was heard of. The second does nothing for an unknown one. */
void neighbour_learn(uint16_t port, rte_be32_t address, const struct rte_ether_addr *mac,
		     uint64_t now_ms);
void neighbour_update(uint16_t port, rte_be32_t address, const struct rte_ether_addr *mac,
		      uint64_t now_ms);

/* Control thread, once a second: asks those again that were long silent, removes the dead. */
void neighbour_age(uint64_t now_ms);

/* Control thread: makes numbers free whose grace period has passed. Never waits. */
void neighbour_reclaim(void);

/* ---- arp.c ---- */

int arp_setup(void);
void arp_teardown(void);

/* Control thread: takes in what the workers handed over. */
void arp_learn(uint64_t now_ms);

/* A request to one MAC, to see whether the neighbour is still there. NULL: out of buffers. */
struct rte_mbuf *arp_request_unicast(struct rte_mempool *buffers, uint16_t port, rte_be32_t address,
				     const struct rte_ether_addr *mac);

#endif
