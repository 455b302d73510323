/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "worker.h"

static const struct config_row *row_of(const struct config_section *section, const char *key)
{
	for (uint32_t i = 0; i < section->n; i++)
		if (strcmp(section->row[i].key, key) == 0)
			return &section->row[i];
	return NULL;
}

/* Whether a list's elements may change, come and go; of pools their owner says what may. */
static bool may_change(const struct config_section *section)
{
	for (uint32_t i = 0; i < section->n && section != &pool_config_section; i++)
		if (!section->row[i].reload)
			return false;
	return true;
}

/* The first key that differs and that a running weir cannot change goes into `path`. */
static bool needs_restart(const struct config_section *section, const json_t *old,
			  const json_t *new, char *path, size_t size)
{
	size_t used = strlen(path);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t) new, key, value) {
		const struct config_row *row = row_of(section, key);
		const json_t *before = json_object_get(old, key);

		if (row == NULL || json_equal(before, value))
			continue;
		snprintf(path + used, size - used, "%s%s", used > 0 ? "." : "", key);
		if (row->type == CONFIG_SECTION) {
			if (needs_restart(row->section, before, value, path, size))
				return true;
		} else if (row->type == CONFIG_SECTIONS ? !may_change(row->section)
							: !row->reload) {
			return true;
		}
		path[used] = '\0';
	}
	return false;
}

static void set_limits(const struct config *config)
{
	timeouts_apply(&config->timeouts);
	alg_switch(&config->alg);
	limits_reload(&config->limits);
	for (uint32_t i = 0; i < WORKERS_MAX && workers[i] != NULL; i++)
		icmp_limiter_configure(pipeline_limiter(workers[i]->pipeline), &config->icmp);
}

/* What is ready to be put into force. */
struct change {
	struct pools_change *pools;
	struct statics_change *statics;
	struct rules_change *rules;
};

static void abort_all(struct change *change)
{
	if (change->rules != NULL)
		rules_abort(change->rules);
	if (change->statics != NULL)
		statics_abort(change->statics);
	if (change->pools != NULL)
		pools_abort(change->pools);
}

/* Makes everything that needs memory. On failure the part goes into `path`, and nothing is kept. */
static int prepare_all(struct change *change, const struct config *new, const char **path)
{
	int result;

	*path = "pools";
	result = pools_prepare(new->pools.element, new->pools.n, &change->pools);
	if (result != 0) {
		change->pools = NULL;
		return result;
	}
	*path = "static";
	result = statics_prepare(new->statics.element, new->statics.n, &change->statics);
	if (result != 0)
		change->statics = NULL;
	if (result == 0) {
		*path = "rules";
		result = rules_prepare(new->rules.element, new->rules.n, change->pools,
				       &change->rules);
		if (result != 0)
			change->rules = NULL;
	}
	if (result == 0) { /* the last that can fail: then nothing has changed */
		*path = "routes";
		result = route_replace(new->routes.element, new->routes.n);
	}
	if (result != 0)
		abort_all(change);
	return result;
}

/* Cannot fail. Each packet sees rules whose pools are there. */
static void publish_all(struct change *change)
{
	statics_mark(change->statics, change->pools);
	pools_begin(change->pools);
	nat_take_pools();
	statics_publish(change->statics);
	rules_publish(change->rules);
	pools_change_added(change->pools, arp_announce_address);
	pools_finish(change->pools);
}

static int check(const struct config *old, const struct config *new, struct config_error *error)
{
	json_t *before = config_to_json(old);
	json_t *after = config_to_json(new);
	bool restart;
	int result;

	error->path[0] = '\0';
	restart = needs_restart(&config_root, before, after, error->path, sizeof(error->path));
	json_decref(before);
	json_decref(after);
	if (restart) {
		snprintf(error->right, sizeof(error->right), "a change of this needs a restart");
		return -EINVAL;
	}
	result = pools_check_change(old->pools.element, old->pools.n, new->pools.element,
				    new->pools.n, error);
	return result == 0 ? nat_check_pools(new->pools.element, new->pools.n, error) : result;
}

int reload_apply(const struct config *old, const struct config *new, struct config_error *error)
{
	struct change change = {0};
	const char *path;
	int result = check(old, new, error);

	if (result != 0)
		return result;
	result = prepare_all(&change, new, &path);
	if (result != 0) {
		snprintf(error->path, sizeof(error->path), "%s", path);
		snprintf(error->right, sizeof(error->right), "cannot be replaced: %s",
			 strerror(-result));
		return result;
	}
	publish_all(&change);
	set_limits(new);
	nat_recheck(); /* what has no place any more ends */
	return 0;
}
