/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "rcu.h"

struct rte_rcu_qsbr *rcu;

int rcu_setup(void)
{
	rcu = rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(RTE_MAX_LCORE), RTE_CACHE_LINE_SIZE);
	if (rcu == NULL)
		return -ENOMEM;
	rte_rcu_qsbr_init(rcu, RTE_MAX_LCORE);
	return 0;
}

void rcu_teardown(void)
{
	rte_free(rcu);
	rcu = NULL;
}
