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
	step_foresee(pipeline);
	/* plain packets pass the others by: nothing can stop them any more */
	step_track_plain(pipeline);
	step_translate_plain(pipeline);
	step_hairpin(pipeline);
	step_route(pipeline);
	step_hold(pipeline);
	step_admit(pipeline);
	step_fragment_pass(pipeline);
	step_track(pipeline);
	step_translate(pipeline);
	step_answer(pipeline);
	step_transmit(pipeline);
}

void pipeline_run(struct pipeline *pipeline, struct rte_mbuf *packet[], uint32_t n)
{
	pipeline_walk(pipeline, packet, n);
	fragment_release(pipeline); /* right behind their first */
}
