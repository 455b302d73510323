/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TUPLE_H
#define WEIR_TUPLE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

/*
 * One direction of a flow, as a packet shows it. 16 bytes, compared in one go.
 * ICMP queries use the identifier as the port of the asking side, as conntrack does: a request has
 * it in sport, a reply in dport; the other port tells echo (0) from timestamp (TUPLE_TIMESTAMP).
 * Other protocols have no ports: both are 0.
 */
struct tuple {
	rte_be32_t src, dst;
	rte_be16_t sport, dport;
	uint32_t proto_realm; /* protocol in the low 8 bits, realm in the high 24 */
} __rte_aligned(16);

_Static_assert(sizeof(struct tuple) == 16, "a tuple is a 16-byte key");

/* Where an address has its meaning. The outside is 0; inside interfaces have others. */
#define REALM_OUTSIDE 0u
#define REALM_MAX     0xffffffu

#define TUPLE_TIMESTAMP RTE_BE16(13)

static inline uint32_t proto_realm(uint8_t proto, uint32_t realm)
{
	return realm << 8 | proto;
}

static inline uint8_t tuple_proto(const struct tuple *tuple)
{
	return (uint8_t)tuple->proto_realm;
}

static inline uint32_t tuple_realm(const struct tuple *tuple)
{
	return tuple->proto_realm >> 8;
}

/* The same flow seen the other way, in `realm`. */
static inline struct tuple tuple_inverse(const struct tuple *tuple, uint32_t realm)
{
	return (struct tuple){
		.src = tuple->dst,
		.dst = tuple->src,
		.sport = tuple->dport,
		.dport = tuple->sport,
		.proto_realm = proto_realm(tuple_proto(tuple), realm),
	};
}

/* Whether the protocol has ports, or what stands for them. Others are known by address alone. */
static inline bool tuple_has_ports(const struct tuple *tuple)
{
	uint8_t protocol = tuple_proto(tuple);

	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP;
}

static inline bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * The keyed hash of the tables: 16 bytes folded by two multiplications of 64 x 64 bits. CRC32 would
 * be linear in the tuple, so an attacker could aim at one bucket whatever its seed; and with one
 * multiplication some keys would heap up tuples that follow each other, as subscribers' do.
 */
extern uint64_t tuple_hash_key[3];

/* The product of two words, its halves folded. */
static inline uint64_t tuple_fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Control thread, once, before any table is made: a random key. 0, or -errno. */
int tuple_setup(void);

static inline uint64_t tuple_hash_words(uint64_t addresses, uint64_t rest)
{
	uint64_t folded = tuple_fold(addresses ^ tuple_hash_key[0], rest ^ tuple_hash_key[1]);

	return tuple_fold(folded, tuple_hash_key[2]);
}

static inline uint64_t tuple_hash(const struct tuple *tuple)
{
	uint64_t word[2];

	memcpy(word, tuple, sizeof(word));
	return tuple_hash_words(word[0], word[1]);
}

#endif
