/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_FRAGMENT_H
#define WEIR_FRAGMENT_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "config.h"
#include "packet.h"
#include "stats.h"

/*
 * IPv4 fragments through a NAT, in any order (RFC 4787 REQ-14), without putting datagrams together.
 *
 * Only the first fragment has ports, so only it can find or begin a session; the others go the way
 * that it went. A table remembers datagrams of which a fragment was seen, by realm, source,
 * destination, protocol and IP identification: once the first has passed, its tuple. A later
 * fragment takes that tuple and is then looked up, routed and sent like any packet; nothing here
 * points at a session. One that comes too early waits, as it came, and is given back behind the
 * first, in the order of arrival. TCP and UDP checksums lie in the first fragment, where they
 * change by deltas.
 *
 * Where fragments meet: every worker has tables of its own, so all fragments of a datagram must
 * come to one worker, and only the first shows more than addresses. It is the home of the inside
 * address for what comes from the inside, and the worker that the same function names for the
 * public address for what comes from the outside: the ones that a NIC delivers to (nat/home.h).
 * Later fragments are handed to it at once. The first is found, and where it needs a session handed
 * to its home and admitted, like any first packet; then, before anything is written or counted, it
 * is handed to the meeting point, and passes there. Each hand-over leaves a session behind that the
 * next worker finds, so it ends. It passes once only, so each fragment is recorded when it passes,
 * not when it comes: it may have waited for its neighbour's ARP and walk again.
 *
 * What passes is checked against what has passed: a repeated fragment is dropped; one that overlaps
 * what has passed in part, or does not fit the datagram's end, spoils the whole datagram (RFC 1858,
 * RFC 5722), and no more of it passes. A datagram of which all has passed is forgotten: its sender
 * may use the identification again.
 *
 * Bounds. All memory is set aside at the start. Datagrams are in two queues, oldest first, each
 * with half of the places: those that wait for their first fragment, and those that have it. When
 * places or packets run out, the oldest that waits makes room for the newest: a flood of fragments
 * whose first never comes shortens how long others may wait, and a first that comes closely behind
 * is still in time. One source's share of the waiting packets is bounded; and the two sides have a
 * table each, so nothing that comes from the outside takes room from subscribers. Packets that are
 * not fragments never see any of this.
 *
 * All of it is for one worker.
 */

struct fragments_config {
	uint32_t timeout; /* seconds */
	uint32_t max_datagrams;
	uint32_t max_waiting;
	uint32_t max_waiting_per_source;
};
extern const struct config_section fragments_config_section;

/* What new tables are made by: set before workers start. */
extern struct fragments_config fragments_settings;

struct fragments;

/*
 * Control thread. A table, by fragments_settings. Packets that end in it are counted in `stats`,
 * and those that wait in stats->held. NULL: out of memory.
 */
struct fragments *fragments_create(struct stats *stats, int socket);
/* Frees the packets that wait in it. */
void fragments_destroy(struct fragments *fragments);

/* ---- the worker ---- */

/*
 * A fragment other than the first (PACKET_LATER). When its first has passed, it is a PACKET_QUERY
 * afterwards, with the first's tuple, and a PACKET_REQUEST like it; or it waits here (PACKET_GONE);
 * or it is refused.
 */
void fragments_follow(struct fragments *fragments, struct packet *p, uint64_t now_ms);

/*
 * Records that a fragment, first or later, is about to be sent: VERDICT_COUNT, or why not. `ident`
 * is the IP identification that the datagram leaves with: with the first fragment the caller sets
 * it, with a later one it is set to the first's.
 */
enum verdict fragments_pass(struct fragments *fragments, const struct packet *p, rte_be16_t *ident,
			    uint64_t now_ms);

/* Packets whose first has passed meanwhile, up to n: to take the walk again, as they came. */
uint32_t fragments_take(struct fragments *fragments, struct rte_mbuf *packet[], uint32_t n);

/* Every loop: ends what waited too long. Bounded work. */
void fragments_expire(struct fragments *fragments, uint64_t now_ms);

/* Datagrams that are remembered. */
uint32_t fragments_count(const struct fragments *fragments);

#endif
