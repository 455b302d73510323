/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_RCU_H
#define WEIR_RCU_H

#include <rte_rcu_qsbr.h>

/*
 * The one RCU variable. Its readers are the workers, which report a quiescent state every loop,
 * and the control thread, which is online only while it walks something that workers free.
 * A reader's thread id is its lcore id.
 */
extern struct rte_rcu_qsbr *rcu;

/* Control thread, before any reader. 0, or -errno. */
int rcu_setup(void);
void rcu_teardown(void);

#endif
