/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ip.h>

#include "generator.h"

#define SUBSCRIBER_FIRST RTE_IPV4(100, 64, 0, 0)
#define SUBSCRIBER_PORT  1024
#define REMOTE_FIRST     RTE_IPV4(198, 18, 64, 0)
#define REMOTES          4096
#define REMOTE_PORT      80
#define NEW_FLOW_PORT    53 /* another, so that these sessions can have a timeout of their own */
#define REUSE_SECONDS    10

/* ---- the population ---- */

/* 0 to n - 1 in random order; NULL: no memory. */
static uint32_t *random_order(uint32_t n)
{
	uint32_t *order = malloc((size_t)n * sizeof(*order));

	for (uint32_t i = 0; order != NULL && i < n; i++)
		order[i] = i;
	for (uint32_t i = n - 1; order != NULL && i > 0; i--) {
		uint32_t j = random_below(&generator.random, i + 1), other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
	return order;
}

static struct side side_of(uint32_t subscriber, uint32_t sport, uint16_t dport, uint32_t flow)
{
	uint32_t remote = random_below(&generator.random, REMOTES);

	return (struct side){
		.src = rte_cpu_to_be_32(SUBSCRIBER_FIRST + 1 + subscriber),
		.dst = rte_cpu_to_be_32(REMOTE_FIRST + remote),
		.sport = rte_cpu_to_be_16((uint16_t)sport),
		.dport = rte_cpu_to_be_16(dport),
		.flow = flow,
	};
}

/* The order outside is another random one: what comes back in order would be an easy case. */
void flows_shuffle_outside(void)
{
	struct side *side = generator.side[1];

	for (uint32_t i = generator.flows - 1; i > 0; i--) {
		uint32_t j = random_below(&generator.random, i + 1);
		struct side other = side[j];

		side[j] = side[i];
		side[i] = other;
	}
}

/* ---- new flows ---- */

/* The subscribers in random order, again and again, each time with their next source port. Once all
 * ports are used up they begin again, if that is later than any session lasts. */
static struct {
	uint32_t *subscriber;
	uint32_t subscribers, next;
	uint32_t first_port, port;
	uint64_t begun; /* TSC when the first port was */
} fresh;

static bool make_new_flows(uint32_t subscribers, uint32_t first_port)
{
	free(fresh.subscriber);
	fresh.subscriber = random_order(subscribers);
	fresh.subscribers = subscribers;
	fresh.first_port = first_port;
	fresh.port = first_port;
	fresh.next = 0;
	fresh.begun = rte_rdtsc();
	return fresh.subscriber != NULL;
}

static bool next_port(void)
{
	uint64_t now = rte_rdtsc();

	if (fresh.port < UINT16_MAX) {
		fresh.port++;
	} else if (now - fresh.begun < REUSE_SECONDS * rte_get_tsc_hz()) {
		return false;
	} else {
		fresh.port = fresh.first_port;
		fresh.begun = now;
	}
	fresh.next = 0;
	return true;
}

bool flows_next_new(struct side *side)
{
	if (fresh.next == fresh.subscribers && !next_port())
		return false;
	*side = side_of(fresh.subscriber[fresh.next++], fresh.port, NEW_FLOW_PORT, NEW_FLOW);
	return true;
}

bool flows_make(uint32_t n, uint32_t per_subscriber)
{
	uint32_t *order = random_order(n);

	for (int i = 0; i < 2; i++) {
		free(generator.side[i]);
		generator.side[i] = calloc(n, sizeof(struct side));
	}
	generator.flows = 0;
	if (order == NULL || generator.side[0] == NULL || generator.side[1] == NULL)
		return false;
	generator.flows = n;
	generator.learned = 0;
	for (uint32_t i = 0; i < n; i++)
		generator.side[0][i] =
			side_of(order[i] / per_subscriber,
				SUBSCRIBER_PORT + order[i] % per_subscriber, REMOTE_PORT, i);
	free(order);
	return make_new_flows((n - 1) / per_subscriber + 1, SUBSCRIBER_PORT + per_subscriber);
}
