/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_prefetch.h>

#include "burst.h"

#define PREFETCH_AHEAD 4

/* Whether weir answers ARP for an address that no interface has: those of the pools. */
static bool answers_for(rte_be32_t address)
{
	return pool_address_find(address) != NULL;
}

static void take_arp(struct pipeline *pipeline, struct packet *p)
{
	enum verdict verdict;

	p->kind = PACKET_GONE;
	if (arp_input(p->mbuf, p->in_port, answers_for, &verdict))
		transmit_frame(pipeline, p->mbuf, p->in_port, (uint8_t)verdict);
	else
		pipeline->config.stats->verdict[verdict]++;
}

/* Step 1: the headers into the records. */
void step_parse(struct pipeline *pipeline)
{
	/* a packet that was steered right has its session here: its bucket is on its way early */
	const struct table *own = sessions_table(pipeline->config.nat->sessions);
	struct burst *burst = &pipeline->burst;
	uint32_t n = burst->n, whole_n = 0;

	burst->odd_n = 0;
	for (uint32_t i = 0; i < RTE_MIN(n, (uint32_t)PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst->packet[i].mbuf, void *));
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = &burst->packet[i];

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(
				rte_pktmbuf_mtod(burst->packet[i + PREFETCH_AHEAD].mbuf, void *));
		p->in_port = p->mbuf->port;
		packet_parse(p, &ifaces[p->in_port].source);
		if (likely(p->kind == PACKET_QUERY)) {
			table_prefetch(own, p->hash);
			burst->candidate[whole_n++] = (uint8_t)i;
			continue;
		}
		burst_add_odd(burst, p);
		if (p->kind == PACKET_ERROR)
			table_prefetch(own, p->hash);
		else if (p->kind == PACKET_ARP)
			take_arp(pipeline, p);
	}
	burst->whole_n = whole_n;
}
