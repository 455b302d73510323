/* SPDX-License-Identifier: BSD-3-Clause */
/* Which public port a new mapping gets. */
#include <netinet/in.h>

#include "deterministic.h"
#include "nat.h"
#include "statics.h"

#define SHARE_TRIES 128 /* ports that may be in use towards the very remote: bounds a refusal */

/* What the mapping's port should be like. */
struct wish {
	enum port_protocol protocol;
	bool parity, range; /* as the source port's */
	bool odd, low;
};

static struct wish wish_for(const struct pool *pool, const struct tuple *inside)
{
	enum port_protocol protocol = nat_port_protocol(tuple_proto(inside));
	uint16_t source = rte_be_to_cpu_16(inside->sport);
	bool has_ports = protocol != PORT_ICMP;

	return (struct wish){
		.protocol = protocol,
		.parity = pool->config.port_parity && has_ports,    /* RFC 4787 REQ-4 */
		.range = pool->config.keep_port_range && has_ports, /* RFC 4787 REQ-3 a */
		.odd = source & 1,
		.low = source < LOW_PORTS,
	};
}

static const uint8_t number[PORT_PROTOCOLS] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};

static bool is_static(const struct block *block, enum port_protocol protocol, uint16_t port)
{
	return unlikely(pool_address_statics(block->address) != POOL_STATIC_NONE) &&
	       static_port(block->address, number[protocol], port);
}

/* A port of the block; a static mapping's is left out, and found so once a block. */
static inline int32_t take_in(struct nat *nat, struct block *block, const struct wish *wish)
{
	int32_t port;

	if (!pool_address_serves(block->address)) /* soft pairing: one on another address */
		return -1;
	if (wish->range && (block->first_port < LOW_PORTS) != wish->low)
		return -1;
	for (;;) {
		port = wish->parity
			       ? port_take_parity(block, wish->protocol, wish->odd, &nat->random)
			       : port_take(block, wish->protocol, &nat->random);
		if (port < 0 || !is_static(block, wish->protocol, (uint16_t)port))
			return port;
		port_reserve(block, wish->protocol);
	}
}

/* Whether all ports of its blocks are in use: who is at the limit is refused without a look at each
 * block. */
static bool has_all_in_use(const struct subscriber *subscriber, enum port_protocol protocol)
{
	return subscriber->ports[protocol] >= subscriber->blocks_n
						      << subscriber->address->pool->block_shift;
}

/* A port in one of the subscriber's blocks, the newest first; or -1. */
static int32_t take_in_blocks(struct nat *nat, const struct subscriber *subscriber,
			      const struct wish *wish, struct block **block)
{
	int32_t port = -1;

	for (*block = subscriber->blocks; *block != NULL; *block = (*block)->next) {
		port = take_in(nat, *block, wish);
		if (port >= 0 || has_all_in_use(subscriber, wish->protocol))
			break;
	}
	return port;
}

static struct block *block_on(struct nat *nat, struct pool_address *address,
			      struct subscriber *subscriber, const struct wish *wish)
{
	const struct pool *pool = address->pool;
	uint32_t first = wish->range && !wish->low ? pool->low_blocks : 0;
	uint32_t end = wish->range && wish->low ? pool->low_blocks : pool->blocks_per_address;

	return block_take_among(address, first, end, nat->home, subscriber, &nat->random,
				nat->now_ms);
}

/* Soft pairing, RFC 7857 section 4: a block on any address, as the own one has none left. */
static struct block *block_elsewhere(struct nat *nat, struct subscriber *subscriber,
				     const struct wish *wish)
{
	struct pool *pool = subscriber->address->pool;
	struct pool_address *address;
	struct block *block;

	if (pool->config.address_pooling != POOLING_SOFT)
		return NULL;
	address = pool_address_choose(pool, &nat->random, NULL, nat->home, nat->now_ms);
	if (address == NULL)
		return NULL;
	block = block_on(nat, address, subscriber, wish);
	pool_address_leave(address); /* it is paired with its own */
	return block;
}

/* The subscriber's computed block, which it takes first and gives back last; NULL: it has it, or
 * after a reload it is still that of another, or the pool is dynamic. */
static struct block *block_computed(struct nat *nat, struct subscriber *subscriber)
{
	const struct tuple *key = &subscriber->key;
	struct block *block;

	if (subscriber->blocks != NULL && block_is_computed(subscriber->blocks))
		return NULL;
	block = deterministic_block(subscriber->address->pool, key->src, tuple_realm(key));
	return block != NULL ? block_take_computed(block, nat->home, subscriber, nat->now_ms)
			     : NULL;
}

/* One block more for the subscriber; or why not. */
static enum verdict add_block(struct nat *nat, struct subscriber *subscriber,
			      const struct wish *wish, struct block **added)
{
	struct block **link = &subscriber->blocks, *block;

	if (subscriber->blocks_n >= subscriber->address->pool->config.max_blocks_per_subscriber)
		return VERDICT_BLOCK_LIMIT;
	block = block_computed(nat, subscriber);
	if (block == NULL)
		block = block_on(nat, subscriber->address, subscriber, wish);
	if (block == NULL)
		block = block_elsewhere(nat, subscriber, wish);
	if (block == NULL)
		return VERDICT_NO_PORT;
	/* a computed block stays the first, as nobody else can use its ports */
	if (*link != NULL && block_is_computed(*link))
		link = &(*link)->next;
	block->next = *link;
	*link = block;
	subscriber->blocks_n++;
	*added = block;
	return VERDICT_COUNT;
}

static enum verdict take(struct nat *nat, struct subscriber *subscriber, const struct wish *wish,
			 struct block **block, int32_t *port)
{
	enum verdict verdict;

	*port = take_in_blocks(nat, subscriber, wish, block);
	if (*port >= 0)
		return VERDICT_COUNT;
	verdict = add_block(nat, subscriber, wish, block);
	if (verdict != VERDICT_COUNT)
		return verdict;
	*port = take_in(nat, *block, wish);
	return *port >= 0 ? VERDICT_COUNT : VERDICT_NO_PORT; /* all may be of static mappings */
}

/* ---- overloading: RFC 7857 section 3 ---- */

static void set_outside(struct mapping *mapping, struct block *block, uint16_t port)
{
	struct tuple *outside = &mapping_host(mapping)->tuple[1];

	mapping->place = block;
	mapping->has_block = true;
	outside->dst = block->address->address;
	outside->dport = rte_cpu_to_be_16(port);
}

/* Whether a mapping has the port for all remotes. */
static bool is_exclusive(const struct nat *nat, const struct tuple *outside)
{
	const struct tuple key = mapping_outside_key(outside);

	return mapping_find(nat, &key) != NULL;
}

/* A port in use that is not towards the mapping's remote. */
static bool share(struct nat *nat, const struct subscriber *subscriber, struct mapping *mapping,
		  enum port_protocol protocol)
{
	uint32_t tries = 0;

	for (struct block *block = subscriber->blocks; block != NULL; block = block->next) {
		uint32_t start = random_below(&nat->random, block->ports);

		if (!pool_address_serves(block->address))
			continue;

		for (uint32_t i = 0; i < block->ports && tries < SHARE_TRIES; i++, tries++) {
			uint16_t port = (uint16_t)(block->first_port + (start + i) % block->ports);

			struct tuple outside;

			set_outside(mapping, block, port);
			outside = mapping_outside(mapping);
			if (port_in_use(block, protocol, port) &&
			    !is_static(block, protocol, port) &&
			    mapping_find(nat, &outside) == NULL && !is_exclusive(nat, &outside) &&
			    port_share(block, protocol, port))
				return true;
		}
	}
	return false;
}

enum verdict port_for_mapping(struct nat *nat, struct subscriber *subscriber,
			      struct mapping *mapping, bool exclusive)
{
	const struct pool *pool = subscriber->address->pool;
	struct wish wish = wish_for(pool, &mapping_host(mapping)->tuple[0]);
	enum verdict verdict = VERDICT_PORT_LIMIT;
	struct block *block;
	int32_t port;

	mapping->has_remote = pool->overloads[wish.protocol] && !exclusive;
	if (limits_ports_left(subscriber, wish.protocol)) {
		verdict = take(nat, subscriber, &wish, &block, &port);
		if (verdict != VERDICT_COUNT && (wish.parity || wish.range)) {
			wish.parity = wish.range = false; /* better another port than none */
			verdict = take(nat, subscriber, &wish, &block, &port);
		}
	}
	if (verdict == VERDICT_COUNT) {
		subscriber->ports[wish.protocol]++;
		set_outside(mapping, block, (uint16_t)port);
		return VERDICT_COUNT;
	}
	if (!mapping->has_remote || !share(nat, subscriber, mapping, wish.protocol))
		return verdict;
	return VERDICT_COUNT;
}

/* ---- for ALGs: this very port ---- */

enum verdict port_for_mapping_at(struct subscriber *subscriber, uint16_t port,
				 struct mapping *mapping)
{
	enum port_protocol protocol =
		nat_port_protocol(tuple_proto(&mapping_host(mapping)->tuple[0]));
	struct block *block = subscriber->blocks;

	if (!limits_ports_left(subscriber, protocol))
		return VERDICT_PORT_LIMIT;
	while (block != NULL &&
	       (is_static(block, protocol, port) || !port_take_exact(block, protocol, port)))
		block = block->next;
	if (block == NULL)
		return VERDICT_NO_PORT;
	subscriber->ports[protocol]++;
	set_outside(mapping, block, port);
	return VERDICT_COUNT;
}

#define PAIR_TRIES 16 /* even ports whose next one is looked at, in each block */

static uint16_t pair_in(struct nat *nat, struct block *block, const struct wish *wish)
{
	for (int i = 0; i < PAIR_TRIES; i++) {
		int32_t port = take_in(nat, block, wish);
		uint16_t next = (uint16_t)(port + 1);
		bool found;

		if (port < 0)
			return 0;
		found = next - block->first_port < block->ports &&
			!port_in_use(block, wish->protocol, next) &&
			!is_static(block, wish->protocol, next);
		port_give(block, wish->protocol, (uint16_t)port);
		if (found)
			return (uint16_t)port;
	}
	return 0;
}

uint16_t port_pair(struct nat *nat, struct subscriber *subscriber, enum port_protocol protocol)
{
	const struct wish wish = {.protocol = protocol, .parity = true};
	struct block *block;
	uint16_t port = 0;

	for (block = subscriber->blocks; block != NULL && port == 0; block = block->next)
		port = pair_in(nat, block, &wish);
	if (port == 0 && add_block(nat, subscriber, &wish, &block) == VERDICT_COUNT)
		port = pair_in(nat, block, &wish);
	return port;
}
