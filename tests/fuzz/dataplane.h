/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_FUZZ_DATAPLANE_H
#define WEIR_FUZZ_DATAPLANE_H

#include "fuzz.h"

/*
 * The real dataplane of one worker between two ports that are calls, for inputs that are frames.
 * Everything in it is small and ends soon, so that an input can reach the limits:
 *
 *	100.64.0.2, .3 ---- INSIDE 100.64.0.1/16 [weir] 198.51.100.1/24 OUTSIDE ---- 198.51.100.254
 *	                              mtu 1500       mtu 600                        everything else
 *	                              pool 203.0.113.1: 4 blocks of 64 ports, 2 a subscriber
 *
 * Checked of every frame that leaves: lengths, IP checksum, TTL, MAC, and the transport checksum
 * unless a frame with a wrong one came in; at the end of an input, that nothing is left of it.
 */
enum side_port { INSIDE, OUTSIDE, DATAPLANE_PORTS };

#define WEIR_MAC "\x02\0\0\0\0\x01" /* on both ports */

void dataplane_start(void);

/* Around an input: the hosts are known by ARP; all expires, and nothing is left. */
void dataplane_begin(void);
void dataplane_end(void);

/* A frame in. It waits for dataplane_run(), or until a burst is full. */
void dataplane_receive(enum side_port port, const uint8_t *frame, size_t length, size_t cut);
void dataplane_run(void);
void dataplane_advance(uint32_t seconds);

/* From now to the end of the input, transport checksums that leave may be wrong. */
void dataplane_allow_wrong_transport(void);

/* The IP packet that left last by a port; *length is 0 when there was none. */
const uint8_t *dataplane_last(enum side_port port, size_t *length);

/* The IP packet, or as much as there is of it, goes to where the last packet that left leads:
 * an ICMP error quotes what left by `port`; from outside, an answer to it; from inside, to the
 * public endpoint of another session. */
void dataplane_aim(enum side_port port, uint8_t *ip, size_t length);

/* How many packets had this verdict since dataplane_begin(). */
uint64_t dataplane_verdicts(int verdict);

#endif
