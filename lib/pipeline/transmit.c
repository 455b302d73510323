/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

void transmit_flush(struct pipeline *pipeline, uint16_t port)
{
	struct stats *stats = pipeline->config.stats;
	struct out *out = &pipeline->out[port];
	uint32_t sent;

	sent = pipeline->config.transmit(pipeline->config.context, port, out->frame,
					 (uint16_t)out->n);
	stats->sent += sent;
	if (likely(!out->others))
		stats->verdict[VERDICT_TRANSLATED] += sent;
	else
		for (uint32_t i = 0; i < sent; i++)
			stats->verdict[out->verdict[i]]++;
	for (uint32_t i = sent; i < out->n; i++) {
		stats->verdict[out->verdict[i] == VERDICT_COUNT ? VERDICT_COUNT
								: VERDICT_TX_FULL]++;
		rte_pktmbuf_free(out->frame[i]);
	}
	out->n = 0;
	out->others = false;
}

void transmit_own(struct pipeline *pipeline, struct rte_mbuf *packet, uint32_t nexthop,
		  const struct route_target *target)
{
	struct rte_mbuf *request = NULL;

	if (rte_pktmbuf_prepend(packet, RTE_ETHER_HDR_LEN) == NULL) {
		rte_pktmbuf_free(packet);
		return;
	}
	if (nexthop >= NEXTHOP_FIRST) {
		write_link_header(rte_pktmbuf_mtod(packet, void *), &nexthops[nexthop]);
		transmit_frame(pipeline, packet, nexthops[nexthop].port, VERDICT_COUNT);
		return;
	}
	if (!hold_packet(pipeline->hold, target, packet, HELD_ANSWER, pipeline->now_ms, &request))
		rte_pktmbuf_free(packet);
	else if (request != NULL)
		transmit_frame(pipeline, request, target->port, VERDICT_COUNT);
}

void pipeline_transmit(struct pipeline *pipeline, struct rte_mbuf *frame, uint16_t port)
{
	transmit_frame(pipeline, frame, port, VERDICT_COUNT);
	step_transmit(pipeline);
}

/* Step 9: every port's line is sent. */
void step_transmit(struct pipeline *pipeline)
{
	for (; pipeline->out_ports != 0; pipeline->out_ports &= pipeline->out_ports - 1)
		transmit_flush(pipeline, (uint16_t)__builtin_ctz(pipeline->out_ports));
}
