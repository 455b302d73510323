/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "clock.h"
#include "eal.h"
#include "rcu.h"
#include "tuple.h"

void support_eal_setup(uint32_t lcores, uint32_t megabytes)
{
	char memory[16], map[256];
	uint32_t used = 0;

	snprintf(memory, sizeof(memory), "%u", megabytes);
	for (uint32_t i = 0; i < lcores; i++) /* every lcore may run on every CPU */
		used += (uint32_t)snprintf(map + used, sizeof(map) - used, "%s%u@(0-%ld)",
					   i == 0 ? "" : ",", i, sysconf(_SC_NPROCESSORS_ONLN) - 1);
	const char *argv[] = {
		"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",  "-m",
		memory, "--lcores",  map,        "--log-level", "lib.eal:warning", NULL};
	int argc = (int)(sizeof(argv) / sizeof(argv[0])) - 1;

	if (rte_eal_init(argc, (char **)(uintptr_t)argv) < 0) {
		fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
	clock_setup();
	if (rcu_setup() != 0 || tuple_setup() != 0) {
		fprintf(stderr, "no memory for RCU or no random numbers\n");
		exit(1);
	}
}
