/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BENCH_NIC_H
#define WEIR_BENCH_NIC_H

#include <stdint.h>

#include <rte_mbuf.h>

/*
 * Two ports that are not there, with a queue each way for each worker. A queue delivers the frames
 * that it was given; frames sent are taken and left alone, so their owner may use them again.
 * Behind workers_setup(), which would ask ethdev.
 */
void nic_setup(uint32_t workers_n);

/* What a worker's receive queue delivers from now on. Not while that worker polls. */
void nic_put(uint16_t port, uint32_t worker, struct rte_mbuf *const frame[], uint32_t n);

/* How many of them a worker has not received yet. */
uint32_t nic_waiting(uint32_t worker);

#endif
