/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WORKER_CONFIG_H
#define WEIR_WORKER_CONFIG_H

#include <stdint.h>

#include "config.h"

#include "home.h" /* WORKERS_MAX */

enum worker_idle {
	WORKER_IDLE_AUTO,  /* poll on PCI devices, sleep when every port is a kernel-backed vdev */
	WORKER_IDLE_POLL,  /* always */
	WORKER_IDLE_SLEEP, /* short sleeps when nothing comes */
};

struct workers_config {
	uint32_t count;
	struct config_texts cores; /* CPU numbers and ranges as written; empty: chosen by weir */
	uint32_t control_core;
	uint32_t idle;    /* enum worker_idle */
	uint32_t buffers; /* packet buffers a worker */
	uint32_t rx_descriptors;
	uint32_t tx_descriptors;
};

extern const struct config_section workers_config_section;

/*
 * The CPU of each worker, `count` of them into `core`: those that are written, or else the CPUs
 * that this process may use but for the control thread's, or with too few of them all in turn.
 * 0, or -EINVAL with `error` set: not a CPU that this process may use, a CPU twice, or not as
 * many CPUs as workers.
 */
int workers_cores(const struct workers_config *config, uint16_t core[WORKERS_MAX],
		  struct config_error *error);

#endif
