/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reload does while packets pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow.h"
#include "pools.h"
#include "rules.h"
#include "statics.h"

void flow_rules(const struct rule_config *rule, uint32_t n)
{
	uint32_t ended;

	flow_readers_offline();
	assert_int_equal(rules_replace(rule, n), 0);
	flow_readers_online();
	nat_recheck();
	while (!nat_recheck_done(&ended))
		flow_turn();
}

void flow_statics(const struct static_config *config, uint32_t n)
{
	uint32_t ended;

	flow_readers_offline();
	assert_int_equal(statics_replace(config, n), 0);
	flow_readers_online();
	nat_recheck();
	while (!nat_recheck_done(&ended))
		flow_turn();
}

void flow_reload_begin(const struct flow_config *config)
{
	struct pools_change *pools;
	struct rules_change *rules;
	struct statics_change *statics;

	assert_int_equal(pools_prepare(config->pool, config->pools, &pools), 0);
	assert_int_equal(rules_prepare(config->rule, config->rules, pools, &rules), 0);
	assert_int_equal(statics_prepare(config->fixed, config->statics, &statics), 0);
	flow_readers_offline();
	statics_mark(statics, pools);
	pools_begin(pools);
	nat_take_pools();
	statics_publish(statics);
	rules_publish(rules);
	pools_finish(pools);
	flow_readers_online();
	nat_recheck();
}

void flow_reload(const struct flow_config *config)
{
	uint32_t ended;

	flow_reload_begin(config);
	while (!nat_recheck_done(&ended))
		flow_turn();
	flow_turn();
}

void flow_addresses(const char *addresses)
{
	struct pool_config pool = flow_pool("pool", addresses);

	flow_reload(&(struct flow_config){.pool = &pool, .pools = 1});
	support_pool_config_clean(&pool);
}
