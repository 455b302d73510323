/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pools.h"
#include "text.h"

uint32_t support_ipv4(const char *text)
{
	rte_be32_t address;

	if (!text_parse_ipv4(text, &address)) {
		fprintf(stderr, "the test says %s for an address\n", text);
		exit(1);
	}
	return rte_be_to_cpu_32(address);
}

struct config_prefixes support_ranges(const char *text)
{
	char *copy = strdup(text), *rest = NULL;
	struct config_prefixes list = {calloc(strlen(text) + 1, sizeof(*list.range)), 0};

	for (char *word = strtok_r(copy, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		char *dash = strchr(word, '-');

		if (dash != NULL)
			*dash = '\0';
		list.range[list.n].first = support_ipv4(word);
		list.range[list.n++].last = support_ipv4(dash != NULL ? dash + 1 : word);
	}
	free(copy);
	return list;
}

struct pool_config support_pool_config(const char *name, const char *addresses,
				       const char *excluded)
{
	return (struct pool_config){
		.name = strdup(name),
		.addresses = support_ranges(addresses),
		.excluded_addresses = support_ranges(excluded),
		.port_range = {1024, 65535},
		.block_size = 1024,
		.max_blocks_per_subscriber = 16,
		.port_reuse_timeout = 120,
		.block_idle_timeout = 30,
		.other_protocols = true,
	};
}

void support_pool_config_clean(struct pool_config *config)
{
	free(config->name);
	free(config->addresses.range);
	free(config->excluded_addresses.range);
	free(config->inside.range);
}
