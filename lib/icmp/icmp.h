/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ICMP_H
#define WEIR_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "config.h"
#include "packet.h"

/*
 * ICMP errors that weir itself sends: when it may (RFC 1812 4.3.2.7, RFC 1122 3.2.2), how often
 * (token buckets per source and in all, RFC 1812 4.3.2.8), and what they look like.
 */
struct icmp_config {
	bool errors;          /* send errors at all (RFC 5508 REQ-9) */
	uint32_t rate;        /* errors a second, in all, per worker */
	uint32_t source_rate; /* errors a second to one source, per worker */
};
extern const struct config_section icmp_config_section;

/* The rate limiter: one a worker, called by it alone. Fixed memory; sources share no bucket unless
 * their keyed hashes collide in a set, then the least recently used one is replaced. */
struct icmp_limiter;
struct icmp_limiter *icmp_limiter_create(const struct icmp_config *config, int socket);
void icmp_limiter_destroy(struct icmp_limiter *limiter);
/* Control thread publishes new rates; the next use takes them. */
void icmp_limiter_configure(struct icmp_limiter *limiter, const struct icmp_config *config);
bool icmp_limit_take(struct icmp_limiter *limiter, rte_be32_t source, uint32_t realm,
		     uint64_t now_ms);

/* Whether RFC 1812 4.3.2.7 lets an error be sent about this packet (as it came, headers valid). */
bool icmp_error_allowed(const struct packet *p);

/*
 * Makes the error about p, which is still as it came: a new mbuf that starts with the IP header
 * (room for the link header in front), TOS 0 (precedence 6 for errors), TTL 64, a quote that fills
 * up to 576 bytes, checksums done. `mtu` is for fragmentation needed (host order). NULL: out of
 * buffers.
 */
struct rte_mbuf *icmp_error_build(const struct packet *p, enum answer answer, uint16_t mtu,
				  rte_be32_t from, struct rte_mempool *buffers);

/* Turns an echo request to weir into its reply, in place: addresses, type, checksum, TTL 64.
 * The ICMP checksum must have been found right by icmp_checksum_ok. */
void icmp_echo_answer(struct packet *p);
bool icmp_checksum_ok(const struct packet *p);

#endif
