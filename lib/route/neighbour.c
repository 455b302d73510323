/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "internal.h"
#include "rcu.h"
#include "tuple.h"

/*
 * Hash chains over the next hops themselves, which workers walk while the control thread, the only
 * writer, changes them. A next hop is filled before it is linked and never written while a worker
 * may stand on it: not its fields, and not its `next` other than to unlink the one behind it. So a
 * neighbour whose MAC changes gets a new number, and the old one is retired: unlinked, then free
 * after a grace period.
 */

#define BUCKETS          (2 * NEXTHOPS_MAX)
#define REACHABLE_MS     30000 /* heard of within this time: there */
#define REQUESTS         3
#define REQUEST_EVERY_MS 1000
#define REQUESTS_MAX     2048 /* in one call of neighbour_age */
#define CHANGE_EVERY_MS  1000 /* a MAC that changes more often is ignored meanwhile */

/* What the control thread alone knows of a neighbour; by next hop number. */
struct neighbour {
	uint64_t confirmed_ms;
	uint64_t changed_ms; /* when the MAC was learnt */
	uint64_t asked_ms;
	uint64_t token; /* retired: the grace period */
	uint16_t link;  /* the next one of the free or of the retired */
	uint8_t asked;  /* requests since it is thought to be silent */
	bool used;
};

struct nexthop *nexthops;

static struct neighbour *neighbours;
static uint16_t *buckets;
static uint16_t free_first;                  /* 0: none */
static uint16_t retired_first, retired_last; /* oldest to newest */
static uint32_t counts[IFACES_MAX];          /* by port */
static uint32_t additions;
static uint32_t used_end; /* no number from here on was ever taken */
static uint32_t age_next; /* where neighbour_age goes on */
static uint64_t latest_ms;

int neighbour_setup(void)
{
	nexthops = rte_zmalloc("nexthops", NEXTHOPS_MAX * sizeof(*nexthops), RTE_CACHE_LINE_SIZE);
	neighbours = rte_zmalloc("neighbours", NEXTHOPS_MAX * sizeof(*neighbours), 0);
	buckets = rte_zmalloc("neighbour buckets", BUCKETS * sizeof(*buckets), RTE_CACHE_LINE_SIZE);
	if (nexthops == NULL || neighbours == NULL || buckets == NULL) {
		neighbour_teardown();
		return -ENOMEM;
	}
	for (uint32_t i = NEXTHOP_FIRST; i < NEXTHOPS_MAX - 1; i++)
		neighbours[i].link = (uint16_t)(i + 1);
	free_first = NEXTHOP_FIRST;
	used_end = age_next = NEXTHOP_FIRST;
	return 0;
}

void neighbour_teardown(void)
{
	rte_free(nexthops);
	rte_free(neighbours);
	rte_free(buckets);
	nexthops = NULL;
	neighbours = NULL;
	buckets = NULL;
	free_first = retired_first = retired_last = 0;
	memset(counts, 0, sizeof(counts));
}

static uint16_t *bucket_of(uint16_t port, rte_be32_t address)
{
	struct tuple key = {.src = address, .sport = port};

	return &buckets[tuple_hash(&key) & (BUCKETS - 1)];
}

uint32_t neighbour_find(uint16_t port, rte_be32_t address)
{
	uint16_t number = __atomic_load_n(bucket_of(port, address), __ATOMIC_ACQUIRE);

	while (number != 0) {
		const struct nexthop *hop = &nexthops[number];

		if (hop->address == address && hop->port == port)
			return number;
		number = __atomic_load_n(&hop->next, __ATOMIC_ACQUIRE);
	}
	return NEXTHOP_NONE;
}

uint32_t neighbour_additions(void)
{
	return __atomic_load_n(&additions, __ATOMIC_ACQUIRE);
}

/* The place that holds the neighbour's number: its bucket, or the `next` in front of it. */
static uint16_t *place_of(uint32_t number)
{
	uint16_t *place = bucket_of(nexthops[number].port, nexthops[number].address);

	while (*place != number)
		place = &nexthops[*place].next;
	return place;
}

static void publish(uint16_t *place, uint16_t number)
{
	__atomic_store_n(place, number, __ATOMIC_RELEASE);
}

/* A number with everything filled but `next`, or NEXTHOP_NONE. */
static uint16_t take(uint16_t port, rte_be32_t address, const struct rte_ether_addr *mac,
		     uint64_t now_ms)
{
	struct rte_ether_hdr ether = {.dst_addr = *mac,
				      .src_addr = ifaces[port].source.mac,
				      .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	uint16_t number = free_first;

	if (number == 0)
		return NEXTHOP_NONE;
	free_first = neighbours[number].link;
	used_end = RTE_MAX(used_end, number + 1u);
	nexthops[number] =
		(struct nexthop){.address = address, .port = port, .mtu = ifaces[port].mtu};
	memcpy(nexthops[number].link_header, &ether, sizeof(ether));
	neighbours[number] =
		(struct neighbour){.confirmed_ms = now_ms, .changed_ms = now_ms, .used = true};
	return number;
}

/* Of a number that is no longer linked. */
static void retire(uint32_t number)
{
	struct neighbour *neighbour = &neighbours[number];

	*neighbour = (struct neighbour){.token = rte_rcu_qsbr_start(rcu)};
	if (retired_last != 0)
		neighbours[retired_last].link = (uint16_t)number;
	else
		retired_first = (uint16_t)number;
	retired_last = (uint16_t)number;
}

void neighbour_reclaim(void)
{
	while (retired_first != 0) {
		uint16_t number = retired_first;
		struct neighbour *neighbour = &neighbours[number];

		if (rte_rcu_qsbr_check(rcu, neighbour->token, false) != 1)
			return;
		retired_first = neighbour->link;
		if (retired_first == 0)
			retired_last = 0;
		neighbour->link = free_first;
		free_first = number;
	}
}

/* Half of the numbers stay in reserve for those that wait for a grace period, and no interface can
 * use up another's share. */
static bool has_room(uint16_t port)
{
	return counts[port] < NEXTHOPS_MAX / 2 / iface_count();
}

static void add(uint16_t port, rte_be32_t address, const struct rte_ether_addr *mac,
		uint64_t now_ms)
{
	uint16_t *place = bucket_of(port, address);
	uint16_t number = has_room(port) ? take(port, address, mac, now_ms) : NEXTHOP_NONE;

	if (number == NEXTHOP_NONE)
		return;
	nexthops[number].next = *place;
	publish(place, number);
	counts[port]++;
	__atomic_store_n(&additions, additions + 1, __ATOMIC_RELEASE);
}

static void remove_neighbour(uint32_t number)
{
	publish(place_of(number), nexthops[number].next);
	route_generation_bump();
	counts[nexthops[number].port]--;
	retire(number);
}

static void change_mac(uint32_t number, const struct rte_ether_addr *mac, uint64_t now_ms)
{
	const struct nexthop *old = &nexthops[number];
	uint16_t successor = take(old->port, old->address, mac, now_ms);

	if (successor == NEXTHOP_NONE)
		return;
	nexthops[successor].next = old->next;
	publish(place_of(number), successor);
	route_generation_bump();
	retire(number);
}

void neighbour_update(uint16_t port, rte_be32_t address, const struct rte_ether_addr *mac,
		      uint64_t now_ms)
{
	uint32_t number = neighbour_find(port, address);
	struct neighbour *neighbour = &neighbours[number];

	latest_ms = now_ms;
	if (number == NEXTHOP_NONE)
		return;
	if (memcmp(nexthops[number].link_header, mac, sizeof(*mac)) == 0) {
		neighbour->confirmed_ms = now_ms;
		neighbour->asked = 0;
	} else if (now_ms - neighbour->changed_ms >= CHANGE_EVERY_MS) {
		change_mac(number, mac, now_ms);
	}
}

void neighbour_learn(uint16_t port, rte_be32_t address, const struct rte_ether_addr *mac,
		     uint64_t now_ms)
{
	if (neighbour_find(port, address) == NEXTHOP_NONE)
		add(port, address, mac, now_ms);
	neighbour_update(port, address, mac, now_ms);
}

/* Returns how many requests it sent. */
static uint32_t age(uint32_t number, uint64_t now_ms)
{
	struct neighbour *neighbour = &neighbours[number];
	const struct nexthop *hop = &nexthops[number];
	struct rte_ether_addr mac;

	if (!neighbour->used || now_ms - neighbour->confirmed_ms < REACHABLE_MS)
		return 0;
	if (neighbour->asked > 0 && now_ms - neighbour->asked_ms < REQUEST_EVERY_MS)
		return 0;
	if (neighbour->asked == REQUESTS) {
		remove_neighbour(number);
		return 0;
	}
	memcpy(&mac, hop->link_header, sizeof(mac));
	struct rte_mbuf *frame = arp_request_unicast(route_buffers, hop->port, hop->address, &mac);
	if (frame == NULL)
		return 0;
	route_transmit(frame, hop->port);
	neighbour->asked++;
	neighbour->asked_ms = now_ms;
	return 1;
}

void neighbour_age(uint64_t now_ms)
{
	uint32_t sent = 0;

	latest_ms = now_ms;
	for (uint32_t i = NEXTHOP_FIRST; i < used_end && sent < REQUESTS_MAX; i++) {
		sent += age(age_next, now_ms);
		age_next = age_next + 1 < used_end ? age_next + 1 : NEXTHOP_FIRST;
	}
}

static json_t *neighbour_json(uint32_t number)
{
	const struct neighbour *neighbour = &neighbours[number];
	const struct nexthop *hop = &nexthops[number];
	char address[TEXT_IPV4_SIZE], mac[TEXT_MAC_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:I}", "address", text_ipv4(hop->address, address),
			 "interface", ifaces[hop->port].name, "mac",
			 text_mac(hop->link_header, mac), "state",
			 neighbour->asked == 0 ? "REACHABLE" : "PROBE", "age",
			 (json_int_t)((latest_ms - neighbour->confirmed_ms) / 1000));
}

static json_t *show_neighbours(struct cmd_call *call)
{
	json_t *list = json_array(), *reply = json_pack("{s:o}", "neighbours", list);
	uint32_t from, max;

	if (!route_page(call, &from, &max)) {
		json_decref(reply);
		return NULL;
	}
	for (uint32_t i = from; i < used_end; i++) {
		if (!neighbours[i].used)
			continue;
		if (json_array_size(list) == max) {
			json_object_set_new(reply, "next", json_integer(i));
			break;
		}
		json_array_append_new(list, neighbour_json(i));
	}
	return reply;
}

static const struct cmd neighbours_cmd = {
	.path = "/weir/neighbours",
	.usage = "FROM",
	.help = "Neighbours known by ARP. Parameter: FROM, the last answer's \"next\".",
	.names = "from",
	.where = CMD_CONTROL,
	.run = show_neighbours,
};
CMD_REGISTER(neighbours_cmd);
