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

static bool may_change(const struct config_section *section)
{
	for (uint32_t i = 0; i < section->n; i++)
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

int reload_apply(const struct config *old, const struct config *new, struct config_error *error)
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
	/* what can fail comes first; the others go back if one fails */
	result = route_replace(new->routes.element, new->routes.n);
	if (result == 0)
		result = statics_replace(new->statics.element, new->statics.n);
	if (result == 0) {
		result = rules_replace(new->rules.element, new->rules.n);
		if (result != 0)
			statics_replace(old->statics.element, old->statics.n);
	}
	if (result != 0) {
		route_replace(old->routes.element, old->routes.n);
		snprintf(error->path, sizeof(error->path), "routes, rules, static");
		snprintf(error->right, sizeof(error->right), "cannot be replaced: %s",
			 strerror(-result));
		return result;
	}
	set_limits(new);
	nat_recheck(); /* what new rules and static mappings leave no place for ends */
	return 0;
}
