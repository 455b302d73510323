/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TIMEOUTS_H
#define WEIR_TIMEOUTS_H

#include <stdint.h>

#include <jansson.h>

#include <rte_byteorder.h>

#include "config.h"

#define PORT_TIMEOUTS_MAX 16

/* Of sessions to one destination port: an element of the "ports" list. */
struct port_timeout {
	uint32_t protocol; /* enum timeout_protocol */
	uint32_t port;
	uint32_t timeout; /* seconds */
};
enum timeout_protocol { TIMEOUT_TCP, TIMEOUT_UDP };

/*
 * Seconds without a packet after which a session ends, by protocol and state. In a pool's own, 0
 * means as for all; it has nothing from `inbound_refresh` on.
 */
struct timeouts {
	uint32_t tcp_opening;     /* SYN_SENT, SYN_RECV: RFC 5382 REQ-5, RFC 7857 section 2.1 */
	uint32_t tcp_established; /* ESTABLISHED: RFC 5382 REQ-5 */
	uint32_t tcp_closing;     /* FIN_WAIT to TIME_WAIT: RFC 5382 REQ-5, RFC 7857 section 2.1 */
	uint32_t tcp_reset;       /* CLOSE, after a RST: RFC 7857 section 2.2 */
	uint32_t udp_first;       /* no answer yet: RFC 4787 REQ-5 */
	uint32_t udp_stream;      /* both ways: RFC 4787 REQ-5 */
	uint32_t icmp;            /* queries: RFC 5508 REQ-2 */
	uint32_t other;           /* protocols without ports */
	bool inbound_refresh;     /* packets from the outside count, too: RFC 4787 REQ-6 */
	struct config_list ports; /* struct port_timeout; the configuration's only */
};

extern const struct config_section timeouts_config_section;
extern const struct config_section timeouts_pool_section;

/* The timeouts in force. The control thread writes single fields; workers read them relaxed. */
extern struct timeouts timeouts;

/* Control thread, at any time: puts them in force, and keeps nothing of the configuration. */
void timeouts_apply(const struct timeouts *config);

/* Any thread. Seconds that a UDP session or an established TCP connection to this destination port
 * has by the "ports" list; 0: it says nothing. */
uint32_t timeouts_of_port(uint8_t protocol, rte_be16_t port);

/* Control thread: those in force by their keys, or a pool's own that are not 0. */
json_t *timeouts_json(void);
void timeouts_pool_json(const struct timeouts *own, const char *pool, json_t *object);

#endif
