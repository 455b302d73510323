/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_file.h"
#include "text.h"

/* What only shows when the parts of a configuration are seen together, or beside the machine. */

/* Fills the error. `found` may be empty. */
static int __attribute__((format(printf, 4, 5)))
refuse(struct config_error *error, const char *path, const char *found, const char *right, ...)
{
	va_list args;

	snprintf(error->path, sizeof(error->path), "%s", path);
	snprintf(error->found, sizeof(error->found), "%s", found);
	va_start(args, right);
	vsnprintf(error->right, sizeof(error->right), right, args);
	va_end(args);
	return -EINVAL;
}

/* ---- interfaces ---- */

static uint32_t count_side(const struct config *config, enum side side)
{
	const struct iface_config *iface = config->interfaces.element;
	uint32_t n = 0;

	for (uint32_t i = 0; i < config->interfaces.n; i++)
		n += iface[i].side == side;
	return n;
}

static int check_devices(const struct config *config, struct config_error *error)
{
	const struct iface_config *iface = config->interfaces.element;
	char path[64];

	for (uint32_t i = 0; i < config->interfaces.n; i++) {
		if (eal_device_kind(iface[i].device) != EAL_DEVICE_UNKNOWN)
			continue;
		snprintf(path, sizeof(path), "interfaces[%u].device", i);
		return refuse(error, path, iface[i].device,
			      "a device as DPDK names it: a PCI address such as 0000:3b:00.0, or "
			      "net_tap0,iface=NAME or net_af_packet0,iface=NAME");
	}
	return 0;
}

static int check_sides(const struct config *config, struct config_error *error)
{
	if (count_side(config, SIDE_INSIDE) == 0)
		return refuse(error, "interfaces", "",
			      "at least one with side: inside, where the subscribers are");
	if (count_side(config, SIDE_OUTSIDE) == 0)
		return refuse(error, "interfaces", "",
			      "at least one with side: outside, where the Internet is");
	return 0;
}

/* ---- pools and where their addresses lead ---- */

static struct prefix subnet_of_iface(const struct iface_config *iface)
{
	return (struct prefix){.address =
				       iface->address.address & prefix_mask(iface->address.length),
			       .length = iface->address.length};
}

static bool is_in_reach(const struct iface_config *iface, uint32_t realm)
{
	return iface->side == SIDE_OUTSIDE || iface->realm == realm;
}

/* The interface, of the realm or outside, in whose subnet the address is, or NULL. */
static const struct iface_config *connected(const struct config *config, uint32_t realm,
					    rte_be32_t address)
{
	const struct iface_config *iface = config->interfaces.element;

	for (uint32_t i = 0; i < config->interfaces.n; i++) {
		struct prefix subnet = subnet_of_iface(&iface[i]);

		if (is_in_reach(&iface[i], realm) && prefix_contains(&subnet, address))
			return &iface[i];
	}
	return NULL;
}

/* The interface that packets from the realm to the address leave by, or NULL: none. */
static const struct iface_config *way_to(const struct config *config, uint32_t realm,
					 rte_be32_t address)
{
	const struct iface_config *best = connected(config, realm, address);
	const struct route_config *route = config->routes.element;
	uint8_t length = 0;

	if (best != NULL)
		return best;
	for (uint32_t i = 0; i < config->routes.n; i++) {
		const struct iface_config *iface =
			route_gateway(config->interfaces.element, config->interfaces.n, &route[i]);

		if (prefix_contains(&route[i].to, address) && is_in_reach(iface, realm) &&
		    (best == NULL || route[i].to.length > length)) {
			best = iface;
			length = route[i].to.length;
		}
	}
	return best;
}

static bool ranges_hold(const struct config_prefixes *ranges, uint32_t address)
{
	for (uint32_t i = 0; i < ranges->n; i++)
		if (address >= ranges->range[i].first && address <= ranges->range[i].last)
			return true;
	return false;
}

/* Host order. */
static bool pool_holds(const struct pool_config *pool, uint32_t address)
{
	return ranges_hold(&pool->addresses, address) &&
	       !ranges_hold(&pool->excluded_addresses, address);
}

/* One pool address: it must not lead to the subscribers of any realm. Host order. */
static int check_way(const struct config *config, uint32_t i, uint32_t address,
		     struct config_error *error)
{
	const struct pool_config *pool = config->pools.element;
	const struct iface_config *from = config->interfaces.element, *iface;
	char path[64], text[TEXT_IPV4_SIZE];

	if (!pool_holds(&pool[i], address))
		return 0;
	for (uint32_t k = 0; k < config->interfaces.n; k++) {
		iface = way_to(config, from[k].realm, rte_cpu_to_be_32(address));
		if (iface == NULL || iface->side == SIDE_OUTSIDE)
			continue;
		snprintf(path, sizeof(path), "pools[%u].addresses", i);
		return refuse(error, path, text_ipv4(rte_cpu_to_be_32(address), text),
			      "addresses that are outside: the routes lead this one to the inside "
			      "interface \"%s\"",
			      iface->name);
	}
	return 0;
}

/*
 * Where addresses lead changes only where a prefix or an excluded range begins or ends, so those
 * addresses speak for the ones between.
 */
static int check_edges(const struct config *config, uint32_t i, const struct config_range *range,
		       struct config_error *error)
{
	int rc = check_way(config, i, range->first, error);

	if (rc == 0 && range->last != UINT32_MAX)
		rc = check_way(config, i, range->last + 1, error);
	return rc;
}

static struct config_range range_of(const struct prefix *prefix)
{
	return (struct config_range){
		.first = rte_be_to_cpu_32(prefix->address),
		.last = rte_be_to_cpu_32(prefix->address | ~prefix_mask(prefix->length)),
	};
}

static int check_pool_way(const struct config *config, uint32_t i, struct config_error *error)
{
	const struct pool_config *pool = (const struct pool_config *)config->pools.element + i;
	const struct iface_config *iface = config->interfaces.element;
	const struct route_config *route = config->routes.element;
	int rc = 0;

	for (uint32_t k = 0; k < pool->addresses.n && rc == 0; k++)
		rc = check_edges(config, i, &pool->addresses.range[k], error);
	for (uint32_t k = 0; k < pool->excluded_addresses.n && rc == 0; k++)
		rc = check_edges(config, i, &pool->excluded_addresses.range[k], error);
	for (uint32_t k = 0; k < config->interfaces.n && rc == 0; k++) {
		struct prefix subnet = subnet_of_iface(&iface[k]);
		struct config_range range = range_of(&subnet);

		rc = check_edges(config, i, &range, error);
	}
	for (uint32_t k = 0; k < config->routes.n && rc == 0; k++) {
		struct config_range range = range_of(&route[k].to);

		rc = check_edges(config, i, &range, error);
	}
	return rc;
}

/* An address that somebody else has, `whose`, must not be in a pool. Network order. */
static int check_taken(const struct config *config, rte_be32_t address, const char *whose,
		       const char *name, struct config_error *error)
{
	const struct pool_config *pool = config->pools.element;
	char path[64], text[TEXT_IPV4_SIZE];

	for (uint32_t i = 0; i < config->pools.n; i++) {
		if (!pool_holds(&pool[i], rte_be_to_cpu_32(address)))
			continue;
		snprintf(path, sizeof(path), "pools[%u].addresses", i);
		return refuse(error, path, text_ipv4(address, text),
			      "an address of the pool's own; this is %s%s%s, name it in "
			      "excluded-addresses",
			      whose, name[0] != '\0' ? " " : "", name);
	}
	return 0;
}

static int check_taken_by_iface(const struct config *config, const struct iface_config *iface,
				struct config_error *error)
{
	struct prefix subnet = subnet_of_iface(iface);
	rte_be32_t broadcast = subnet.address | ~prefix_mask(subnet.length);
	int rc = check_taken(config, iface->address.address, "the address of interface",
			     iface->name, error);

	if (rc == 0 && subnet.length < 31)
		rc = check_taken(config, subnet.address, "the network address of interface",
				 iface->name, error);
	if (rc == 0 && subnet.length < 31)
		rc = check_taken(config, broadcast, "the broadcast address of interface",
				 iface->name, error);
	return rc;
}

static int check_pool_addresses(const struct config *config, struct config_error *error)
{
	const struct iface_config *iface = config->interfaces.element;
	const struct route_config *route = config->routes.element;
	int rc = 0;

	for (uint32_t i = 0; i < config->interfaces.n && rc == 0; i++)
		if (iface[i].side == SIDE_OUTSIDE)
			rc = check_taken_by_iface(config, &iface[i], error);
	for (uint32_t i = 0; i < config->routes.n && rc == 0; i++)
		rc = check_taken(config, route[i].via, "the gateway of a route", "", error);
	for (uint32_t i = 0; i < config->pools.n && rc == 0; i++)
		rc = check_pool_way(config, i, error);
	return rc;
}

/* A way out for what the pools translate: a subnet or a route outside. */
static int check_way_out(const struct config *config, struct config_error *error)
{
	const struct iface_config *iface = config->interfaces.element;

	for (uint32_t i = 0; i < config->interfaces.n; i++)
		if (iface[i].side == SIDE_OUTSIDE && iface[i].address.length < 32)
			return 0; /* a gateway is in such a subnet, too */
	return refuse(error, "interfaces", "",
		      "an outside interface with a subnet, not a /32: nothing can leave");
}

/* ---- the other parts ---- */

static int check_buffers(const struct config *config, struct config_error *error)
{
	const struct workers_config *workers = &config->workers;
	uint32_t needed =
		config->interfaces.n * (workers->rx_descriptors + workers->tx_descriptors);
	char found[16];

	if (workers->buffers >= needed)
		return 0;
	snprintf(found, sizeof(found), "%u", workers->buffers);
	return refuse(error, "workers.buffers", found,
		      "at least %u, to fill the descriptors of %u interfaces", needed,
		      config->interfaces.n);
}

static int check_eal(const struct config *config, struct config_error *error)
{
	const char *prefix = config->eal.file_prefix;

	/* it becomes the name of a directory */
	if (strpbrk(prefix, "/%") != NULL || strcmp(prefix, ".") == 0 || strcmp(prefix, "..") == 0)
		return refuse(error, "eal.file-prefix", prefix,
			      "a word without '/' and '%%', such as weir");
	if (config->control.socket[0] != '/')
		return refuse(error, "control.socket", config->control.socket,
			      "a path that starts with '/', such as /run/weir/weir.sock");
	return 0;
}

int config_check(const struct config *config, struct config_error *error)
{
	int rc = check_devices(config, error);

	if (rc == 0)
		rc = route_check(config->interfaces.element, config->interfaces.n,
				 config->routes.element, config->routes.n, error);
	if (rc == 0)
		rc = check_sides(config, error);
	if (rc == 0)
		rc = check_way_out(config, error);
	if (rc == 0)
		rc = pools_check(config->pools.element, config->pools.n, error);
	if (rc == 0)
		rc = check_pool_addresses(config, error);
	if (rc == 0)
		rc = rules_check(config->rules.element, config->rules.n, config->pools.element,
				 config->pools.n, error);
	if (rc == 0)
		rc = statics_check(config->statics.element, config->statics.n,
				   config->pools.element, config->pools.n, error);
	if (rc == 0)
		rc = check_buffers(config, error);
	return rc == 0 ? check_eal(config, error) : rc;
}

/* ---- the machine ---- */

static bool pci_device_exists(const char *device)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.*s", (int)strcspn(device, ","),
		 device);
	return access(path, F_OK) == 0;
}

/* The kernel's interface that a vdev stands on: "eth0" of "net_af_packet0,iface=eth0"; false: it
 * stands on none. */
static bool lower_interface(const char *device, char name[IF_NAMESIZE])
{
	const char *iface = strstr(device, ",iface=");
	size_t length;

	if (iface == NULL ||
	    (strncmp(device, "net_af_packet", 13) != 0 && strncmp(device, "net_af_xdp", 10) != 0))
		return false;
	iface += strlen(",iface=");
	length = strcspn(iface, ",");
	snprintf(name, IF_NAMESIZE, "%.*s", (int)length, iface);
	return true;
}

static int check_device_exists(const char *path, const char *device, struct config_error *error)
{
	char name[IF_NAMESIZE];

	if (eal_device_kind(device) == EAL_DEVICE_PCI) {
		if (!pci_device_exists(device))
			return refuse(error, path, device,
				      "a PCI device of this machine (lspci -D lists them)");
	} else if (lower_interface(device, name) && if_nametoindex(name) == 0) {
		return refuse(error, path, device,
			      "an iface= that this machine has (ip link lists them)");
	}
	return 0;
}

int config_check_machine(const struct config *config, struct config_error *error)
{
	const struct iface_config *iface = config->interfaces.element;
	uint16_t core[WORKERS_MAX];
	char path[64];
	int rc = 0;

	for (uint32_t i = 0; i < config->interfaces.n && rc == 0; i++) {
		snprintf(path, sizeof(path), "interfaces[%u].device", i);
		rc = check_device_exists(path, iface[i].device, error);
	}
	return rc == 0 ? workers_cores(&config->workers, core, error) : rc;
}
