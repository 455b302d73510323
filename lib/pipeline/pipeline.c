/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_malloc.h>

#include "burst.h"
#include "clock.h"

struct pipeline *pipeline_create(const struct pipeline_config *config)
{
	struct pipeline *pipeline = rte_zmalloc_socket("pipeline", sizeof(*pipeline),
						       RTE_CACHE_LINE_SIZE, config->socket);

	if (pipeline == NULL)
		return NULL;
	pipeline->config = *config;
	pipeline->limiter = icmp_limiter_create(config->icmp, config->socket);
	pipeline->hold = hold_create(config->buffers, config->socket);
	pipeline->unsolicited = unsolicited_create(config->socket);
	for (int inside = 0; inside < 2; inside++)
		pipeline->fragments[inside] = fragments_create(config->stats, config->socket);
	ident_init(&pipeline->ident, config->worker, home_workers);
	if (pipeline->limiter == NULL || pipeline->hold == NULL || pipeline->unsolicited == NULL ||
	    pipeline->fragments[0] == NULL || pipeline->fragments[1] == NULL) {
		pipeline_destroy(pipeline);
		return NULL;
	}
	return pipeline;
}

void pipeline_destroy(struct pipeline *pipeline)
{
	if (pipeline == NULL)
		return;
	if (pipeline->hold != NULL)
		hold_destroy(pipeline->hold);
	for (int inside = 0; inside < 2; inside++)
		fragments_destroy(pipeline->fragments[inside]);
	unsolicited_destroy(pipeline->unsolicited);
	if (pipeline->limiter != NULL)
		icmp_limiter_destroy(pipeline->limiter);
	rte_free(pipeline);
}

struct icmp_limiter *pipeline_limiter(struct pipeline *pipeline)
{
	return pipeline->limiter;
}

void pipeline_poll(struct pipeline *pipeline, uint64_t now_ms)
{
	pipeline->now_ms = now_ms;
	pipeline->now = clock_seconds(now_ms);
	nat_poll(pipeline->config.nat, now_ms);
	hold_release(pipeline);
	unsolicited_poll(pipeline);
	for (int inside = 0; inside < 2; inside++)
		fragments_expire(pipeline->fragments[inside], now_ms);
	fragment_release(pipeline);
	step_transmit(pipeline);
}

/* One by one: they are few and each takes another way, so that a loop in every step costs more. */
void step_odd(struct pipeline *pipeline)
{
	struct burst *burst = &pipeline->burst;

	for (uint32_t i = 0; i < burst->odd_n; i++) {
		struct packet *p = &burst->packet[burst->odd[i]];

		foresee_rest(pipeline, i);
		odd_hairpin(pipeline, p);
		odd_route(pipeline, p);
		odd_hold(pipeline, p);
		odd_admit(pipeline, p);
		odd_fragment(pipeline, p);
		odd_track(pipeline, p);
		odd_translate(pipeline, p);
		odd_answer(pipeline, p);
	}
}

/* The walk. Down, no coming back; before translate no step writes a byte of a packet. */
void pipeline_walk(struct pipeline *pipeline, struct rte_mbuf *packet[], uint32_t n)
{
	struct burst *burst = &pipeline->burst;

	pipeline->generation = route_generation();
	burst->n = n;
	for (uint32_t i = 0; i < n; i++)
		burst->packet[i].mbuf = packet[i];
	step_parse(pipeline);
	step_fragment(pipeline);
	step_find(pipeline);
	step_plain(pipeline);
	step_foresee(pipeline);
	step_translate_plain(pipeline);
	step_odd(pipeline);
}

void pipeline_run(struct pipeline *pipeline, struct rte_mbuf *packet[], uint32_t n)
{
	for (uint32_t i = 0; i < n; i += BURST_MAX) {
		pipeline_walk(pipeline, packet + i, RTE_MIN(n - i, (uint32_t)BURST_MAX));
		fragment_release(pipeline); /* right behind their first */
	}
	step_transmit(pipeline);
}
