/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TEXT_H
#define WEIR_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

/* Addresses and protocols as text, both ways. Any thread. Addresses are in network order. */

struct prefix {
	rte_be32_t address; /* bits below the length are zero */
	uint8_t length;     /* 0 to 32 */
};

#define TEXT_IPV4_SIZE   16
#define TEXT_PREFIX_SIZE 20

/* Writes "192.0.2.1" into `text` and returns it. */
char *text_ipv4(rte_be32_t address, char text[TEXT_IPV4_SIZE]);
char *text_prefix(const struct prefix *prefix, char text[TEXT_PREFIX_SIZE]);

/* "tcp", "udp", "icmp", or the number as text (from a small static table; never NULL). */
const char *text_protocol(uint8_t protocol);

/* The whole of `text` or nothing: true, and the value is set, or false. */
bool text_parse_ipv4(const char *text, rte_be32_t *address);
bool text_parse_prefix(const char *text, struct prefix *prefix); /* "A" alone is "A/32" */
bool text_parse_protocol(const char *text, uint8_t *protocol);   /* a name or 0 to 255 */
bool text_parse_uint(const char *text, uint64_t max, uint64_t *value);

/* The network mask of a prefix length, in network order. */
static inline rte_be32_t prefix_mask(uint8_t length)
{
	return length == 0 ? 0 : rte_cpu_to_be_32(UINT32_MAX << (32 - length));
}

static inline bool prefix_contains(const struct prefix *prefix, rte_be32_t address)
{
	return (address & prefix_mask(prefix->length)) == prefix->address;
}

#endif
