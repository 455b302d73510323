/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TIMEOUTS_H
#define WEIR_TIMEOUTS_H

#include <stdint.h>

#include "config.h"

/* Seconds without a packet after which a session ends, by protocol and state. */
struct timeouts {
	uint32_t tcp_opening;     /* SYN_SENT, SYN_RECV: RFC 5382 REQ-5, RFC 7857 section 2.1 */
	uint32_t tcp_established; /* ESTABLISHED: RFC 5382 REQ-5 */
	uint32_t tcp_closing;     /* FIN_WAIT to TIME_WAIT: RFC 5382 REQ-5, RFC 7857 section 2.1 */
	uint32_t tcp_reset;       /* CLOSE, after a RST: RFC 7857 section 2.2 */
	uint32_t udp_first;       /* no answer yet: RFC 4787 REQ-5 */
	uint32_t udp_stream;      /* both ways: RFC 4787 REQ-5 */
	uint32_t icmp;            /* queries: RFC 5508 REQ-2 */
	uint32_t other;           /* protocols without ports */
};

extern const struct config_section timeouts_config_section;

/* The timeouts in force. The control thread writes single fields; workers read them relaxed. */
extern struct timeouts timeouts;

#endif
