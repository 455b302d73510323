/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_FILE_H
#define WEIR_CONFIG_FILE_H

#include <stdio.h>

#include <jansson.h>

#include "alg.h"
#include "config.h"
#include "eal_args.h"
#include "fragment.h"
#include "icmp.h"
#include "nat.h"
#include "pool.h"
#include "route.h"
#include "rules.h"
#include "statics.h"
#include "timeouts.h"
#include "worker_config.h"

/*
 * The configuration file, weir.yaml.
 *
 * Each module declares its own part as rows (base/config.h); the root here only names the parts.
 * config_load() reads the file in four steps, and the first thing that is wrong ends it with one
 * line that names file, line, key, what was found and what would be right:
 *
 *	config_yaml.c   is it YAML, with the keys and the shape that the rows say
 *	config_value.c  text to values, each with its type, unit and range; defaults take the same
 *way config_check.c  do the values fit each other config_check.c  does this machine have the
 *devices and CPUs
 *
 * A struct config is never changed. A reload loads another one, applies what differs in rows with
 * `reload`, and frees the old one.
 */

struct control_config {
	char *socket; /* path */
	char *group;  /* that may use it beside the owner; empty: none */
};

struct config {
	struct config_list interfaces; /* of struct iface_config */
	struct config_list routes;     /* of struct route_config */
	struct config_list pools;      /* of struct pool_config */
	struct config_list rules;      /* of struct rule_config */
	struct config_list statics;    /* "static": of struct static_config */
	struct timeouts timeouts;
	struct limits_config limits;
	struct fragments_config fragments;
	struct alg_config alg;
	struct icmp_config icmp;
	struct workers_config workers;
	struct eal_config eal;
	struct control_config control;
};

extern const struct config_section config_root;

/* ---- control thread ---- */

/* The whole of a valid configuration, or NULL with one line written to `errors`. */
struct config *config_load(const char *path, FILE *errors);
void config_free(struct config *config);

/*
 * A configuration that may run: what the modules check themselves, and what only shows when their
 * parts are seen together. 0, or -EINVAL with `error` set.
 */
int config_check(const struct config *config, struct config_error *error);

/* That this machine has the devices and the CPUs. 0, or -EINVAL with `error` set. */
int config_check_machine(const struct config *config, struct config_error *error);

/* ---- any thread ---- */

/* As in the file, with every default filled in. A new reference. */
json_t *config_to_json(const struct config *config);

/* Every key with its default, range, and whether a reload is enough, as Markdown. */
void config_reference(FILE *out);

#endif
