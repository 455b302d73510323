/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BENCH_BENCH_H
#define WEIR_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "world.h"

/* What the command line asks for. */
struct bench {
	uint32_t sessions;
	const struct frames *frames;
	const char *direction; /* "out", "in", "mixed", or NULL: each */
	bool steps;
	uint32_t workers;
	const char *trace; /* a file, or NULL */
	uint32_t runs;
	uint32_t windows; /* a run */
};

/* Each prints its figures, a line of JSON each. */
void bench_pipeline(const struct bench *bench);
void bench_mixes(const struct bench *bench);
void bench_sessions(const struct bench *bench);
void bench_churn(const struct bench *bench);
void bench_ports(const struct bench *bench);
void bench_dump(const struct bench *bench);
void bench_workers(const struct bench *bench);
/* Between the first CPU and the second. */
void bench_roundtrip(const struct bench *bench);
/* Prints what trace.py reads. */
void bench_trace(const struct bench *bench);

#endif
