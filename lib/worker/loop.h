/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <stdbool.h>

/* The poll loop, private to lib/worker. */

extern volatile bool loop_stop;

/* An lcore's function: runs a struct worker until loop_stop. */
int loop_run(void *worker);

#endif
