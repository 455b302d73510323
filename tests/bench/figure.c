/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <rte_cycles.h>

#include "figure.h"
#include "world.h"

void figure_begin(struct figure *figure)
{
	*figure = (struct figure){};
}

void figure_add(struct figure *figure, double value)
{
	if (figure->n == figure->room) {
		figure->room = figure->room * 2 + 1024;
		figure->window = realloc(figure->window, figure->room * sizeof(*figure->window));
		if (figure->window == NULL)
			world_die("no memory");
	}
	figure->window[figure->n++] = value;
}

void figure_end(struct figure *figure)
{
	free(figure->window);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

double figure_median(struct figure *figure)
{
	if (figure->n == 0)
		return 0;
	qsort(figure->window, figure->n, sizeof(*figure->window), compare);
	return figure->window[figure->n / 2];
}

double figure_best(struct figure *figure)
{
	uint32_t tenth = figure->n / 10 + (figure->n > 0);
	double sum = 0;

	qsort(figure->window, figure->n, sizeof(*figure->window), compare);
	for (uint32_t i = 0; i < tenth; i++)
		sum += figure->window[i];
	return tenth > 0 ? sum / tenth : 0;
}

double figure_tsc_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 10000; i++) {
		uint64_t begin = rte_rdtsc_precise();
		uint64_t cost = rte_rdtsc_precise() - begin;

		if (cost < least)
			least = cost;
	}
	return (double)least;
}
