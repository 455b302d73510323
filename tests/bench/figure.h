/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_BENCH_FIGURE_H
#define WEIR_BENCH_FIGURE_H

#include <stdint.h>

/*
 * A figure is measured in many short windows, so that what else the machine does falls into few of
 * them. A run's figure is the median of its windows.
 */
struct figure {
	double *window;
	uint32_t n, room;
};

void figure_begin(struct figure *figure);
void figure_add(struct figure *figure, double value);
void figure_end(struct figure *figure);

double figure_median(struct figure *figure);
/* The mean of the best (lowest) tenth: what a quiet machine would show. */
double figure_best(struct figure *figure);

/* What two readings of the TSC one after the other differ by, at the least. */
double figure_tsc_cost(void);

#endif
