/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_FRAME_H
#define WEIR_SUPPORT_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_tcp.h> /* RTE_TCP_SYN_FLAG and its like */

/*
 * Frames of a test: described once, then built to be sent in and compared with what comes out.
 *
 *	struct frame_spec syn = {.src = "100.64.0.2", .dst = "198.51.100.1", .proto = IPPROTO_TCP,
 *				 .sport = 4000, .dport = 80, .tcp_flags = RTE_TCP_SYN_FLAG};
 *	send(frame_build(pool, &syn));
 *	struct frame_spec out = syn;
 *	out.src = "203.0.113.1";
 *	out.ttl = 63;
 *	frame_expect(receive(), &out);
 *
 * An ICMP error quotes another spec:
 *
 *	{.src = "192.0.2.9", .dst = "203.0.113.1", .proto = IPPROTO_ICMP, .type = 3, .code = 4,
 *	 .mtu = 1400, .quote = &out, .quote_length = 28}
 *
 * Lengths and checksums are right unless asked otherwise; they are computed here, byte by byte,
 * with nothing of weir's own. Numbers are in host order. What is left out is 0 unless said.
 */
struct frame_spec {
	const char *src_mac, *dst_mac; /* "02:00:00:00:00:01"; NULL: some unicast one, or any */
	const char *src, *dst;         /* "192.0.2.1" */
	uint8_t proto;

	uint8_t ttl; /* left out: 64 */
	uint8_t tos;
	bool df;
	uint16_t ip_id;
	bool any_ip_id;         /* frame_expect: do not compare it */
	const uint8_t *options; /* of the IP header; a multiple of 4 bytes */
	uint8_t options_length;

	uint16_t sport, dport; /* TCP and UDP; UDP-Lite and DCCP */
	uint32_t seq;          /* TCP, and (16 bits) ICMP queries */
	uint32_t ack;
	uint8_t tcp_flags;
	const uint8_t *tcp_options; /* a multiple of 4 bytes */
	uint8_t tcp_options_length;
	bool no_checksum;  /* UDP: checksum 0 */
	uint16_t coverage; /* of the checksum: UDP-Lite in bytes, DCCP its CsCov */
	uint8_t type, code;
	uint16_t ident;      /* ICMP queries */
	uint16_t mtu;        /* ICMP errors: the lower half of the second word */
	uint16_t length;     /* of the payload: bytes that differ from their neighbours */
	const void *payload; /* its bytes, when they matter */

	const struct frame_spec *quote; /* ICMP errors: the quoted packet instead of a payload */
	uint16_t quote_length;          /* bytes of it; left out: as many as 576 in all allow */

	/* One fragment of the packet described above: these bytes behind the IP header. */
	uint16_t fragment_offset; /* in bytes, a multiple of 8 */
	uint16_t fragment_length; /* left out: to the end */

	uint16_t arp; /* RTE_ARP_OP_REQUEST or _REPLY: src_mac and src ask or tell, dst is asked */
	const char *arp_target_mac; /* left out: zero */

	uint16_t padding; /* zero bytes behind the IP packet, as of short Ethernet frames */
	uint16_t segment; /* frame_build: cut into mbufs of so many bytes */
	bool bad_ip_checksum, bad_checksum;
};

/* The frame as an mbuf chain; fails the test when there is no buffer. */
struct rte_mbuf *frame_build(struct rte_mempool *pool, const struct frame_spec *spec);

/*
 * Fails the test, naming every field that differs, when `mbuf` is not the frame of `spec`. A
 * checksum is held against the naive one of the whole packet, so it is checked in a cut quote
 * and in a fragment too. The mbuf is not freed.
 */
#define frame_expect(mbuf, spec) frame_expect_at(mbuf, spec, __FILE__, __LINE__)
void frame_expect_at(const struct rte_mbuf *mbuf, const struct frame_spec *spec, const char *file,
		     int line);

/* The same as a question. `why`, unless NULL, gets a line for each field that differs. */
#define FRAME_WHY_SIZE 2048
bool frame_matches(const struct rte_mbuf *mbuf, const struct frame_spec *spec,
		   char why[FRAME_WHY_SIZE]);

#endif
