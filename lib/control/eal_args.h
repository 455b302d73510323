/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_EAL_ARGS_H
#define WEIR_EAL_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/*
 * The arguments of rte_eal_init(), made of the configuration: CPUs, memory, devices. What
 * eal.args gives comes last and replaces what is derived here.
 */

enum eal_hugepages { EAL_HUGEPAGES_AUTO, EAL_HUGEPAGES_YES, EAL_HUGEPAGES_NO };

struct eal_config {
	char *file_prefix;
	uint32_t memory;    /* MB; 0: computed */
	uint32_t hugepages; /* enum eal_hugepages */
	struct config_texts args;
};

extern const struct config_section eal_config_section;

struct config;

#define EAL_ARGS_MAX 256

struct eal_args {
	int argc;
	char *argv[EAL_ARGS_MAX + 1]; /* NULL at the end; rte_eal_init() may reorder them */
	char *text[EAL_ARGS_MAX];     /* the same in order, on the heap: for eal_args_free() */
	bool hugepages;
	char memory[256]; /* for a person: which memory, how much, and why */
};

enum eal_device { EAL_DEVICE_UNKNOWN, EAL_DEVICE_PCI, EAL_DEVICE_VDEV };

/* ---- control thread ---- */

/* 0, or -EINVAL (CPUs), -ENOMEM (eal.hugepages is yes, but too few are free), -E2BIG. Logs which
 * memory is used and why. */
int eal_args_build(const struct config *config, struct eal_args *args);
void eal_args_free(struct eal_args *args);

/* ---- any thread ---- */

/* What a device of the configuration is, by its name alone. */
enum eal_device eal_device_kind(const char *device);

/* Whether frames go through the kernel anyway (tap, af_packet, pcap...), so that a worker that
 * sleeps loses nothing. */
bool eal_device_is_kernel(const char *device);

/* Packet buffers that each worker's mempool is made with. */
uint32_t eal_args_buffers(const struct config *config);

/* MB that weir needs of DPDK's memory, with headroom: see eal_args.c for the sum. */
uint32_t eal_args_memory_mb(const struct config *config);

/* Bytes of free hugepages of all sizes. `root` is "/sys/kernel/mm/hugepages" (another in tests). */
uint64_t eal_hugepages_free(const char *root);

#endif
