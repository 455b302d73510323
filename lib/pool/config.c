/* SPDX-License-Identifier: BSD-3-Clause */
/* What a pool's configuration may be. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "deterministic.h"
#include "pool.h"
#include "ranges.h"
#include "refuse.h"
#include "text.h"
#include "tuple.h"

#define ADDRESSES_MAX 65536 /* of one pool: with usual blocks about 2 GB */

#define DEPENDENCES "endpoint-independent", "address-dependent", "address-and-port-dependent"

const char *const dependence_names[] = {DEPENDENCES, NULL};
static const char *const pooling_names[] = {"paired", "soft", NULL};
const char *const allocation_names[] = {"dynamic", "deterministic", NULL};
static const char *const override_names[] = {"as-pool", DEPENDENCES, NULL};

#define OVERRIDE(name, array, protocol, text)                                                 \
	{                                                                                     \
		.key = name, .type = CONFIG_CHOICE, .words = override_names,                  \
		.offset = offsetof(struct pool_config, array[protocol]), .preset = "as-pool", \
		.reload = true, .help = text, .rfc = "RFC 5382 REQ-3"                         \
	}

#define LIMIT(name, field, most, text)                                                            \
	{                                                                                         \
		.key = name, .type = CONFIG_UINT, .offset = offsetof(struct pool_config, field),  \
		.preset = "0", .max = most, .reload = true, .help = text, .rfc = "RFC 6888 REQ-4" \
	}

static const struct config_row rows[] = {
	{.key = "name",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct pool_config, name),
	 .min = 1,
	 .max = 63,
	 .reload = true,
	 .help = "What rules and logs call the pool."},
	{.key = "addresses",
	 .type = CONFIG_PREFIXES,
	 .offset = offsetof(struct pool_config, addresses),
	 .reload = true,
	 .help = "Public addresses that subscribers share: prefixes and ranges A-B.",
	 .rfc = "RFC 6888 REQ-3"},
	{.key = "excluded-addresses",
	 .type = CONFIG_PREFIXES,
	 .offset = offsetof(struct pool_config, excluded_addresses),
	 .preset = "",
	 .reload = true,
	 .help = "Those of the addresses that are left alone."},
	{.key = "allocation",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct pool_config, allocation),
	 .preset = "dynamic",
	 .words = allocation_names,
	 .help = "Whether a subscriber gets any free block, or always the one that is computed "
		 "from "
		 "its place among the inside addresses.",
	 .rfc = "RFC 7422"},
	{.key = "inside",
	 .type = CONFIG_PREFIXES,
	 .offset = offsetof(struct pool_config, inside),
	 .preset = "",
	 .reload = true,
	 .help = "Of a deterministic pool: the subscribers' addresses, one block for each. What is "
		 "appended here or to addresses moves nobody.",
	 .rfc = "RFC 7422"},
	{.key = "realm",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct pool_config, realm),
	 .preset = "1",
	 .min = 1,
	 .max = REALM_MAX,
	 .help = "Of a deterministic pool: the realm of the inside addresses.",
	 .rfc = "RFC 7422"},
	{.key = "overflow-blocks",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct pool_config, overflow_blocks),
	 .preset = "0",
	 .max = 1022,
	 .help = "Of a deterministic pool: blocks at the end of each address's port-range that its "
		 "subscribers share dynamically once their own are full.",
	 .rfc = "RFC 7422"},
	{.key = "port-range",
	 .type = CONFIG_PORT_RANGE,
	 .offset = offsetof(struct pool_config, port_range),
	 .preset = "1024-65535",
	 .min = 1,
	 .max = 65535,
	 .help = "Public ports that subscribers get."},
	{.key = "block-size",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct pool_config, block_size),
	 .preset = "1024",
	 .min = BLOCK_SIZE_MIN,
	 .max = BLOCK_SIZE_MAX,
	 .help = "Ports that a subscriber gets at a time, a power of two; one log record each.",
	 .rfc = "RFC 6888 REQ-14"},
	{.key = "max-blocks-per-subscriber",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct pool_config, max_blocks_per_subscriber),
	 .preset = "16",
	 .min = 1,
	 .max = 64,
	 .reload = true,
	 .help = "Blocks that one subscriber may hold at a time.",
	 .rfc = "RFC 6888 REQ-4"},
	{.key = "port-reuse-timeout",
	 .type = CONFIG_SECONDS,
	 .offset = offsetof(struct pool_config, port_reuse_timeout),
	 .preset = "120s",
	 .max = 86400,
	 .reload = true,
	 .help = "How long a released block rests before somebody else may get it.",
	 .rfc = "RFC 6888 REQ-8"},
	{.key = "block-idle-timeout",
	 .type = CONFIG_SECONDS,
	 .offset = offsetof(struct pool_config, block_idle_timeout),
	 .preset = "30s",
	 .max = 86400,
	 .reload = true,
	 .help = "How long a block without a port in use stays with its subscriber."},
	{.key = "mapping",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct pool_config, mapping),
	 .preset = "endpoint-independent",
	 .words = dependence_names,
	 .reload = true,
	 .help = "Whether an inside endpoint has one public endpoint towards everybody, or one for "
		 "each remote address, or for each remote address and port.",
	 .rfc = "RFC 4787 REQ-1, RFC 6888 REQ-7"},
	OVERRIDE("mapping-tcp", mapping_of, PORT_TCP, "Mapping of TCP where it differs."),
	OVERRIDE("mapping-udp", mapping_of, PORT_UDP, "Mapping of UDP where it differs."),
	OVERRIDE("mapping-icmp", mapping_of, PORT_ICMP, "Mapping of ICMP where it differs."),
	{.key = "filtering",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct pool_config, filtering),
	 .preset = "endpoint-independent",
	 .words = dependence_names,
	 .reload = true,
	 .help = "Whose packets reach a mapped inside endpoint: everybody's, or those from remote "
		 "addresses that it has sessions with, or from such addresses and ports.",
	 .rfc = "RFC 4787 REQ-8, RFC 5382 REQ-3"},
	OVERRIDE("filtering-tcp", filtering_of, PORT_TCP, "Filtering of TCP where it differs."),
	OVERRIDE("filtering-udp", filtering_of, PORT_UDP, "Filtering of UDP where it differs."),
	{.key = "timeouts",
	 .type = CONFIG_SECTION,
	 .offset = offsetof(struct pool_config, timeouts),
	 .preset = "",
	 .section = &timeouts_pool_section,
	 .reload = true,
	 .help = "Timeouts of the pool's own."},
	{.key = "other-protocols",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct pool_config, other_protocols),
	 .preset = "yes",
	 .reload = true,
	 .help = "Translate protocols without ports (GRE, ESP, SCTP, ...) by address alone: one "
		 "subscriber at a time for each public address, remote and protocol.",
	 .rfc = "RFC 6888 REQ-1"},
	{.key = "address-pooling",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct pool_config, address_pooling),
	 .preset = "paired",
	 .words = pooling_names,
	 .reload = true,
	 .help = "Whether a subscriber whose public address is used up is refused (paired), or "
		 "gets ports on another address too (soft).",
	 .rfc = "RFC 4787 REQ-2, RFC 7857 section 4"},
	{.key = "port-overloading",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct pool_config, port_overloading),
	 .preset = "no",
	 .help = "Once a subscriber's ports are used up, use them again towards other remote "
		 "endpoints; for protocols with mapping and filtering "
		 "address-and-port-dependent.",
	 .rfc = "RFC 7857 section 3"},
	{.key = "port-parity",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct pool_config, port_parity),
	 .preset = "no",
	 .reload = true,
	 .help = "Give even source ports even public ports and odd ones odd ports, while there "
		 "are any.",
	 .rfc = "RFC 4787 REQ-4, RFC 7857 section 8"},
	{.key = "keep-port-range",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct pool_config, keep_port_range),
	 .preset = "no",
	 .reload = true,
	 .help = "Give source ports below 1024 public ports below 1024 and others the others, "
		 "while there are any.",
	 .rfc = "RFC 4787 REQ-3 a"},
	LIMIT("max-ports-per-subscriber", max_ports, 65536 * 3,
	      "Public ports that one subscriber may use, of all protocols. 0: no limit."),
	LIMIT("max-ports-tcp", max_ports_of[PORT_TCP], 65536,
	      "TCP ports that one subscriber may use. 0: no limit."),
	LIMIT("max-ports-udp", max_ports_of[PORT_UDP], 65536,
	      "UDP ports that one subscriber may use. 0: no limit."),
	LIMIT("max-ports-icmp", max_ports_of[PORT_ICMP], 65536,
	      "ICMP identifiers that one subscriber may use. 0: no limit."),
	LIMIT("max-sessions-per-subscriber", max_sessions, 67108864,
	      "Sessions that one subscriber may have. 0: as limits.max-sessions-per-subscriber."),
	LIMIT("session-rate", session_rate, 1000000,
	      "Sessions a second that one subscriber may begin. 0: as limits.session-rate."),
	{.key = "max-resting-ports",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct pool_config, max_resting_ports),
	 .preset = "0",
	 .max = UINT32_MAX,
	 .reload = true,
	 .help = "Public ports of the pool that may rest at a time; beyond, those that rested "
		 "longest are free at once. 0: no limit.",
	 .rfc = "RFC 6888 REQ-8"},
};

const struct config_section pool_config_section = {
	.name = "pools",
	.help = "Public addresses and how their ports are shared out.",
	.size = sizeof(struct pool_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

static uint8_t resolve(uint32_t of_pool, uint32_t override)
{
	return (uint8_t)(override == DEPENDENCE_OF_POOL ? of_pool : override - 1);
}

uint8_t pool_mapping(const struct pool_config *config, enum port_protocol protocol)
{
	return resolve(config->mapping, config->mapping_of[protocol]);
}

uint8_t pool_filtering(const struct pool_config *config, enum port_protocol protocol)
{
	/* nothing from the outside begins an ICMP session */
	return protocol == PORT_ICMP ? ENDPOINT_INDEPENDENT
				     : resolve(config->filtering, config->filtering_of[protocol]);
}

bool pool_overloads(const struct pool_config *config, enum port_protocol protocol)
{
	return config->port_overloading &&
	       pool_mapping(config, protocol) == ADDRESS_AND_PORT_DEPENDENT &&
	       (protocol == PORT_ICMP ||
		pool_filtering(config, protocol) == ADDRESS_AND_PORT_DEPENDENT);
}

int pool_refuse(struct config_error *error, uint32_t pool, const char *key, const char *right, ...)
{
	va_list args;

	snprintf(error->path, sizeof(error->path), "pools[%u].%s", pool, key);
	va_start(args, right);
	vsnprintf(error->right, sizeof(error->right), right, args);
	va_end(args);
	return -EINVAL;
}

static int check_numbers(const struct pool_config *config, uint32_t i, struct config_error *error)
{
	const struct config_range *ports = &config->port_range;

	if (!rte_is_power_of_2(config->block_size)) {
		snprintf(error->found, sizeof(error->found), "%u", config->block_size);
		return pool_refuse(error, i, "block-size", "a power of two, 64 to 32768");
	}
	if (ports->first > ports->last || ports->last - ports->first + 1 < config->block_size) {
		snprintf(error->found, sizeof(error->found), "%u-%u", ports->first, ports->last);
		return pool_refuse(error, i, "port-range", "at least one block of %u ports",
				   config->block_size);
	}
	return 0;
}

static int check_modes(const struct pool_config *config, uint32_t i, struct config_error *error)
{
	const struct config_range *ports = &config->port_range;

	/* RFC 7857 section 3: only the remote endpoint tells two users of a port apart */
	if (config->port_overloading && !pool_overloads(config, PORT_TCP) &&
	    !pool_overloads(config, PORT_UDP)) {
		snprintf(error->found, sizeof(error->found), "yes");
		return pool_refuse(
			error, i, "port-overloading",
			"mapping and filtering address-and-port-dependent with it, of tcp "
			"or udp at least");
	}
	if (config->keep_port_range && (ports->first >= LOW_PORTS || ports->last <= LOW_PORTS ||
					(LOW_PORTS - ports->first) % config->block_size != 0)) {
		snprintf(error->found, sizeof(error->found), "yes");
		return pool_refuse(
			error, i, "keep-port-range",
			"a port-range from whole blocks below 1024 to ports above it, such "
			"as 512-65535 in blocks of 512");
	}
	return 0;
}

static int check_addresses(const struct pool_config *config, uint32_t i, struct config_error *error)
{
	uint64_t addresses = 0;
	char text[RANGE_TEXT_SIZE];

	for (uint32_t r = 0; r < config->addresses.n; r++) {
		const struct config_range *range = &config->addresses.range[r];

		if (!range_is_unicast(range)) {
			snprintf(error->found, sizeof(error->found), "%s", range_text(range, text));
			return pool_refuse(error, i, "addresses", "addresses that a host can have");
		}
		addresses += range->last - range->first + 1;
	}
	if (addresses == 0 || addresses > ADDRESSES_MAX) {
		snprintf(error->found, sizeof(error->found), "%lu addresses", addresses);
		return pool_refuse(error, i, "addresses", "1 to %u addresses a pool",
				   ADDRESSES_MAX);
	}
	return 0;
}

/* That no address of range `r` of pool `i` was given before: in this pool or in one before it. */
static int check_once(const struct pool_config *config, uint32_t i, uint32_t r,
		      struct config_error *error)
{
	const struct config_range *range = &config[i].addresses.range[r];
	char text[RANGE_TEXT_SIZE];

	for (uint32_t j = 0; j <= i; j++) {
		for (uint32_t s = 0; s < (j < i ? config[j].addresses.n : r); s++) {
			const struct config_range *before = &config[j].addresses.range[s];

			if (!ranges_overlap(range, before))
				continue;
			snprintf(error->found, sizeof(error->found), "%s", range_text(range, text));
			return pool_refuse(error, i, "addresses",
					   "each address once; pool %s has %s already",
					   config[j].name, range_text(before, text));
		}
	}
	return 0;
}

static int check_excluded(const struct pool_config *config, uint32_t i, struct config_error *error)
{
	char text[RANGE_TEXT_SIZE];
	struct config_range *left;
	uint32_t n;

	for (uint32_t e = 0; e < config->excluded_addresses.n; e++) {
		const struct config_range *out = &config->excluded_addresses.range[e];
		uint32_t r = 0;

		while (r < config->addresses.n && !ranges_overlap(out, &config->addresses.range[r]))
			r++;
		if (r == config->addresses.n) {
			snprintf(error->found, sizeof(error->found), "%s", range_text(out, text));
			return pool_refuse(error, i, "excluded-addresses",
					   "some of the pool's addresses");
		}
	}
	left = calloc(config->addresses.n + config->excluded_addresses.n, sizeof(*left));
	if (left == NULL)
		return -ENOMEM;
	n = pool_ranges(config, left);
	free(left);
	if (n == 0)
		return pool_refuse(error, i, "excluded-addresses",
				   "at least one address of the pool left over");
	return 0;
}

static int check_name(const struct pool_config *config, uint32_t i, struct config_error *error)
{
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(config[i].name, config[j].name) == 0) {
			snprintf(error->found, sizeof(error->found), "%s", config[i].name);
			return pool_refuse(error, i, "name", "a name that no other pool has");
		}
	}
	return 0;
}

int pools_check(const struct pool_config *config, uint32_t n, struct config_error *error)
{
	int bad = 0;

	*error = (struct config_error){};
	if (n == 0) {
		snprintf(error->path, sizeof(error->path), "pools");
		snprintf(error->right, sizeof(error->right), "at least one pool");
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n && bad == 0; i++) {
		bad = check_name(config, i, error);
		if (bad == 0)
			bad = check_numbers(&config[i], i, error);
		if (bad == 0)
			bad = check_modes(&config[i], i, error);
		if (bad == 0)
			bad = check_addresses(&config[i], i, error);
		for (uint32_t r = 0; r < config[i].addresses.n && bad == 0; r++)
			bad = check_once(config, i, r, error);
		if (bad == 0)
			bad = check_excluded(&config[i], i, error);
		if (bad == 0)
			bad = deterministic_check(config, n, i, error);
	}
	return bad;
}

static int refuse_change(struct config_error *error, uint32_t i, const char *key)
{
	return pool_refuse(
		error, i, key,
		"what it is now: a change of this needs a restart, or a pool of another name");
}

/* RFC 7422: whom it serves with which ports must not move. */
static int check_computed(const struct pool_config *before, const struct pool_config *after,
			  uint32_t i, struct config_error *error)
{
	struct deterministic *was = NULL, *will = NULL;
	int bad = 0;

	if (before->allocation != after->allocation)
		return refuse_change(error, i, "allocation");
	if (deterministic_blocks(before) != deterministic_blocks(after))
		return refuse_change(error, i, "overflow-blocks");
	if (deterministic_create(before, &was) != 0 || deterministic_create(after, &will) != 0)
		bad = -ENOMEM;
	else if (before->realm != after->realm)
		bad = refuse_change(error, i, "realm");
	else if (!deterministic_goes_on(was, will))
		bad = pool_refuse(
			error, i, "addresses",
			"and inside, what they are now with more appended: other changes move "
			"subscribers, which needs a restart, or a pool of another name");
	deterministic_destroy(was);
	deterministic_destroy(will);
	return bad;
}

static int check_change(const struct pool_config *before, const struct pool_config *after,
			uint32_t i, struct config_error *error)
{
	if (before->block_size != after->block_size) {
		snprintf(error->found, sizeof(error->found), "%u", after->block_size);
		return refuse_change(error, i, "block-size");
	}
	if (before->port_range.first != after->port_range.first ||
	    before->port_range.last != after->port_range.last) {
		snprintf(error->found, sizeof(error->found), "%u-%u", after->port_range.first,
			 after->port_range.last);
		return refuse_change(error, i, "port-range");
	}
	for (int p = 0; p < PORT_PROTOCOLS; p++) {
		if (pool_overloads(before, p) == pool_overloads(after, p))
			continue;
		if (before->port_overloading != after->port_overloading)
			return refuse_change(error, i, "port-overloading");
		/* ports are overloaded where both are address-and-port-dependent */
		return refuse_change(error, i,
				     pool_mapping(before, p) != pool_mapping(after, p)
					     ? "mapping"
					     : "filtering");
	}
	return check_computed(before, after, i, error);
}

int pools_check_change(const struct pool_config *before, uint32_t before_n,
		       const struct pool_config *after, uint32_t n, struct config_error *error)
{
	int bad = 0;

	*error = (struct config_error){};
	for (uint32_t i = 0; i < n && bad == 0; i++)
		for (uint32_t k = 0; k < before_n && bad == 0; k++)
			if (strcmp(before[k].name, after[i].name) == 0)
				bad = check_change(&before[k], &after[i], i, error);
	return bad;
}
