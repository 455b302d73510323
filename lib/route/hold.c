/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_malloc.h>

#include "internal.h"

#define REQUESTS         3
#define REQUEST_EVERY_MS 1000

/* Places are counted from 1; 0 is none. */
struct held {
	struct rte_mbuf *mbuf;
	uint64_t token;
	uint16_t next; /* of the same neighbour, or of the free */
};

/* A neighbour waited for: it has at least one packet. */
struct awaited {
	rte_be32_t address;
	uint16_t port;
	uint16_t first, last; /* held */
	uint16_t packets;
	uint8_t requests;
	uint64_t due_ms; /* the next request, or giving up */
};

struct hold {
	struct rte_mempool *buffers;
	uint32_t packets;
	uint32_t targets;
	uint32_t additions; /* of the neighbour table, as last looked at */
	uint64_t due_ms;    /* nothing is due before; 0: look at every target */
	uint16_t free_first;
	struct awaited awaited[HOLD_TARGETS]; /* the first `targets`, in no order */
	struct held held[HOLD_PACKETS + 1];
};

/* Where hold_poll's answers go. */
struct events {
	struct hold_event *event;
	uint32_t n, max;
};

struct hold *hold_create(struct rte_mempool *buffers, int socket)
{
	struct hold *hold = rte_zmalloc_socket("hold", sizeof(*hold), RTE_CACHE_LINE_SIZE, socket);

	if (hold == NULL)
		return NULL;
	hold->buffers = buffers;
	for (uint16_t i = 1; i < HOLD_PACKETS; i++)
		hold->held[i].next = (uint16_t)(i + 1);
	hold->free_first = 1;
	return hold;
}

void hold_destroy(struct hold *hold)
{
	if (hold == NULL)
		return;
	for (uint32_t i = 0; i < hold->targets; i++) {
		for (uint16_t at = hold->awaited[i].first; at != 0; at = hold->held[at].next)
			rte_pktmbuf_free(hold->held[at].mbuf);
	}
	rte_free(hold);
}

uint32_t hold_count(const struct hold *hold)
{
	return hold->packets;
}

static struct awaited *find(struct hold *hold, const struct route_target *target)
{
	for (uint32_t i = 0; i < hold->targets; i++) {
		struct awaited *awaited = &hold->awaited[i];

		if (awaited->address == target->address && awaited->port == target->port)
			return awaited;
	}
	return NULL;
}

static void append(struct hold *hold, struct awaited *awaited, struct rte_mbuf *mbuf,
		   uint64_t token)
{
	uint16_t at = hold->free_first;

	hold->free_first = hold->held[at].next;
	hold->held[at] = (struct held){.mbuf = mbuf, .token = token};
	if (awaited->last != 0)
		hold->held[awaited->last].next = at;
	else
		awaited->first = at;
	awaited->last = at;
	awaited->packets++;
	hold->packets++;
}

bool hold_packet(struct hold *hold, const struct route_target *target, struct rte_mbuf *mbuf,
		 uint64_t token, uint64_t now_ms, struct rte_mbuf **request)
{
	struct awaited *awaited = find(hold, target);

	*request = NULL;
	if (hold->free_first == 0)
		return false;
	if (awaited == NULL) {
		if (hold->targets == HOLD_TARGETS)
			return false;
		awaited = &hold->awaited[hold->targets++];
		*awaited = (struct awaited){.address = target->address,
					    .port = target->port,
					    .requests = 1,
					    .due_ms = now_ms + REQUEST_EVERY_MS};
		/* Without a buffer this request counts as lost on the way. */
		*request = arp_request(hold->buffers, target->port, target->address);
		hold->due_ms = 0; /* it may have become known since the route was looked up */
	} else if (awaited->packets == HOLD_PER_NEIGHBOUR) {
		return false;
	}
	append(hold, awaited, mbuf, token);
	return true;
}

/* The oldest packet of a neighbour. */
static struct held take_first(struct hold *hold, struct awaited *awaited)
{
	uint16_t at = awaited->first;
	struct held held = hold->held[at];

	awaited->first = held.next;
	if (awaited->first == 0)
		awaited->last = 0;
	hold->held[at].next = hold->free_first;
	hold->free_first = at;
	awaited->packets--;
	hold->packets--;
	return held;
}

/* Gives packets back as far as there is room for events. */
static void give_back(struct hold *hold, struct awaited *awaited, uint32_t nexthop,
		      struct events *events)
{
	while (awaited->packets > 0 && events->n < events->max) {
		struct held held = take_first(hold, awaited);

		events->event[events->n++] = (struct hold_event){
			.what = nexthop == NEXTHOP_NONE ? HOLD_FAILED : HOLD_SEND,
			.mbuf = held.mbuf,
			.nexthop = nexthop,
			.port = awaited->port,
			.token = held.token,
		};
	}
}

static void repeat_request(struct hold *hold, struct awaited *awaited, uint64_t now_ms,
			   struct events *events)
{
	struct rte_mbuf *request;

	if (events->n == events->max)
		return;
	request = arp_request(hold->buffers, awaited->port, awaited->address);
	awaited->requests++;
	awaited->due_ms = now_ms + REQUEST_EVERY_MS;
	if (request != NULL)
		events->event[events->n++] = (struct hold_event){
			.what = HOLD_REQUEST, .mbuf = request, .port = awaited->port};
}

static void poll_one(struct hold *hold, struct awaited *awaited, uint64_t now_ms,
		     struct events *events)
{
	uint32_t nexthop = neighbour_find(awaited->port, awaited->address);

	if (nexthop != NEXTHOP_NONE)
		give_back(hold, awaited, nexthop, events);
	else if (now_ms < awaited->due_ms)
		return;
	else if (awaited->requests < REQUESTS)
		repeat_request(hold, awaited, now_ms, events);
	else
		give_back(hold, awaited, NEXTHOP_NONE, events);
}

uint32_t hold_poll(struct hold *hold, uint64_t now_ms, struct hold_event *event, uint32_t n)
{
	struct events events = {.event = event, .max = n};
	uint32_t additions = neighbour_additions(), i = 0;

	if (now_ms < hold->due_ms && additions == hold->additions)
		return 0;
	hold->additions = additions;
	hold->due_ms = UINT64_MAX;
	while (i < hold->targets) {
		struct awaited *awaited = &hold->awaited[i];

		poll_one(hold, awaited, now_ms, &events);
		if (awaited->packets == 0) {
			*awaited = hold->awaited[--hold->targets];
			continue;
		}
		hold->due_ms = RTE_MIN(hold->due_ms, awaited->due_ms);
		i++;
	}
	if (events.n == n)
		hold->due_ms = 0; /* what did not fit comes with the next call */
	return events.n;
}
