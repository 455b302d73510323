/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ICMP_H
#define WEIR_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "config.h"
#include "packet.h"

/*
 * The ICMP that weir itself sends: errors about packets that it refuses, and answers to pings of
 * its own addresses. Errors that only pass through are lib/nat's.
 *
 * A refused packet whose verdict has an answer goes through three questions, cheapest first: may
 * there be an error about it at all (icmp_error_allowed), is one within the rates
 * (icmp_limit_take), and is there a buffer (icmp_error_build). The packet is still as it came, so
 * the error quotes what its sender knows. The error is a packet of its own: the caller routes it,
 * writes its link header and sends it; the refused packet stays the caller's.
 *
 * All of it is for workers, each with a limiter of its own, and reads no clock.
 */

/* ---- the settings ---- */

/* A SYN from the outside that nobody waits for: RFC 5382 REQ-4. */
enum icmp_unsolicited { ICMP_UNSOLICITED_DROP, ICMP_UNSOLICITED_UNREACHABLE };

struct icmp_config {
	bool errors;              /* send errors at all (RFC 5508 REQ-9) */
	uint32_t rate;            /* errors a second, in all, per worker */
	uint32_t source_rate;     /* errors a second to one source, per worker */
	uint32_t unsolicited_syn; /* enum icmp_unsolicited: what becomes of it in the end */
	uint32_t refusal_code;    /* 0: host unreachable; 1: administratively prohibited */
};
extern const struct config_section icmp_config_section;

/* ---- errors ---- */

/*
 * Whether an error may be sent about a packet that packet_parse() found well-formed (RFC 1812
 * 4.3.2.7, RFC 1122 3.2.2). Not about an ICMP error, nor a type that may be one; a broadcast or
 * multicast, of IP or of the link; a fragment but the first; a source that is no single host.
 * What only the routes know, a connected subnet's broadcast address, the caller refuses: as
 * destination by a verdict without an answer, as source because no route leads to it.
 */
bool icmp_error_allowed(const struct packet *p);

/*
 * Makes the error about p, which is still as it came: a new mbuf that begins with the IP header,
 * with headroom for the link header. TOS 0xc0 (precedence 6: RFC 1812 4.3.2.5), TTL 64, and a quote
 * that fills up to 576 bytes (RFC 1812 4.3.2.3). `answer` is not ANSWER_NONE or ANSWER_REFUSAL.
 * `mtu` is the next link's IP bytes, for ANSWER_FRAGMENTATION_NEEDED (RFC 1191). `from` is the
 * address of the interface that the error leaves by (RFC 1812 4.3.2.4). NULL: out of buffers.
 */
struct rte_mbuf *icmp_error_build(const struct packet *p, enum answer answer, uint16_t mtu,
				  rte_be32_t from, struct rte_mempool *buffers);

/* ---- the limiter (RFC 1812 4.3.2.8) ---- */

/*
 * Token buckets: one for all errors, and one for each source that lately got some. A bucket holds a
 * tenth of a second's tokens, at least ICMP_BURST_MIN, and begins full. Memory is fixed: a source
 * has a place in a set chosen by a keyed hash, and there the one that asked longest ago makes room.
 * Only an error that is sent takes a place, so places go no faster than the rate for all; and a
 * source that was quiet for a tenth of a second would have a full bucket anyway. So a flood of
 * spoofed sources neither grows the table nor makes it forget a bucket that is not full.
 */
#define ICMP_BURST_MIN 5

struct icmp_limiter;

/* Control thread. NULL: out of memory. */
struct icmp_limiter *icmp_limiter_create(const struct icmp_config *config, int socket);
void icmp_limiter_destroy(struct icmp_limiter *limiter);

/* Control thread, at any time: the limiter's next use takes the new rates. */
void icmp_limiter_configure(struct icmp_limiter *limiter, const struct icmp_config *config);

/*
 * The limiter's worker. True: one more error may be sent to this source; it is counted as sent.
 * Never true while errors are switched off. A source over its own rate takes nothing from what all
 * share. `now_ms` does not go back.
 */
bool icmp_limit_take(struct icmp_limiter *limiter, rte_be32_t source, uint32_t realm,
		     uint64_t now_ms);

/* The limiter's worker: whether an unsolicited SYN is answered at last. */
bool icmp_answers_unsolicited(const struct icmp_limiter *limiter);
/* What ANSWER_REFUSAL is: RFC 6888 REQ-11 B says host unreachable, RFC 5508 REQ-8 prohibited. */
enum answer icmp_refusal(const struct icmp_limiter *limiter);

/* ---- echo ---- */

/* Whether the checksum of the ICMP message is right; `p` was parsed and is no fragment. */
bool icmp_checksum_ok(const struct packet *p);

/*
 * Turns an echo request for an address of weir's into its reply, in place (RFC 1122 3.2.2.6): the
 * addresses change sides, type 0, TTL 64. icmp_checksum_ok() was true: the reply's checksum is made
 * from the request's.
 */
void icmp_echo_answer(struct packet *p);

#endif
