/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_version.h>

#include "bench.h"

/*
 * The measuring half of tools/bench: one kind of figure at one number of sessions a process, so
 * that each begins with fresh memory. Prints a line of JSON a figure.
 */

/* Says what every run says first, and no more. */
static void bench_about(const struct bench *bench __rte_unused) {}

static const struct {
	const char *name;
	void (*run)(const struct bench *bench);
} benches[] = {
	{"about", bench_about},         {"pipeline", bench_pipeline}, {"mixes", bench_mixes},
	{"sessions", bench_sessions},   {"churn", bench_churn},       {"ports", bench_ports},
	{"workers", bench_workers},     {"trace", bench_trace},       {"dump", bench_dump},
	{"roundtrip", bench_roundtrip},
};

static const struct option options[] = {
	{"sessions", required_argument, NULL, 's'},  {"frames", required_argument, NULL, 'f'},
	{"direction", required_argument, NULL, 'd'}, {"steps", no_argument, NULL, 't'},
	{"runs", required_argument, NULL, 'r'},      {"windows", required_argument, NULL, 'w'},
	{"no-huge", required_argument, NULL, 'n'},   {"trace", required_argument, NULL, 'T'},
	{"cpus", required_argument, NULL, 'c'},      {},
};

static _Noreturn void usage(void)
{
	world_die("usage: bench WHAT [--sessions N] [--frames NAME] [--direction out|in|mixed] "
		  "[--steps] [--runs N] [--windows N] [--no-huge MEGABYTES] [--cpus N[,N]]");
}

static const struct frames *frames_by_name(const char *name)
{
	for (const struct frames *frames = frames_all; frames->name != NULL; frames++)
		if (strcmp(frames->name, name) == 0)
			return frames;
	usage();
}

int main(int argc, char *argv[])
{
	struct bench bench = {.sessions = 64512, .frames = frames_all, .runs = 5, .windows = 300};
	struct world_eal eal = {.cpus = "0"};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			bench.sessions = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			bench.frames = frames_by_name(optarg);
			break;
		case 'd':
			bench.direction = optarg;
			break;
		case 't':
			bench.steps = true;
			break;
		case 'r':
			bench.runs = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			bench.windows = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			eal.megabytes = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'T':
			bench.trace = optarg;
			break;
		case 'c':
			eal.cpus = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || bench.sessions == 0)
		usage();
	bench.sessions = (bench.sessions + SUBSCRIBER_SESSIONS - 1) / SUBSCRIBER_SESSIONS *
			 SUBSCRIBER_SESSIONS;
	for (uint32_t i = 0; i < RTE_DIM(benches); i++) {
		if (strcmp(argv[optind], benches[i].name) != 0)
			continue;
		world_start_eal(&eal);
		bench.workers = rte_lcore_count();
		printf("{\"bench\": \"about\", \"tsc_hz\": %" PRIu64 ", \"dpdk\": \"%s\", "
		       "\"weir\": \"%s\"}\n",
		       rte_get_tsc_hz(), rte_version(), WEIR_VERSION);
		benches[i].run(&bench);
		return 0;
	}
	usage();
}
