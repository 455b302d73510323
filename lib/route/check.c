/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static int fail(struct config_error *error, const char *found, const char *right)
{
	snprintf(error->found, sizeof(error->found), "%s", found);
	snprintf(error->right, sizeof(error->right), "%s", right);
	return -EINVAL;
}

#define AT(error, ...) snprintf((error)->path, sizeof((error)->path), __VA_ARGS__)

static struct prefix config_subnet(const struct iface_config *config)
{
	return subnet_of(config->address.address, config->address.length);
}

static char *text_interface(const struct iface_config *config, char text[TEXT_PREFIX_SIZE])
{
	char address[TEXT_IPV4_SIZE];

	snprintf(text, TEXT_PREFIX_SIZE, "%s/%u", text_ipv4(config->address.address, address),
		 config->address.length);
	return text;
}

/* "net_tap0" of "net_tap0,iface=tap0": two ports cannot have one. */
static bool same_device(const char *a, const char *b)
{
	size_t length = strcspn(a, ",");

	return length == strcspn(b, ",") && strncmp(a, b, length) == 0;
}

static int check_pair(const struct iface_config *iface, uint32_t i, uint32_t j,
		      struct config_error *error)
{
	struct prefix mine = config_subnet(&iface[i]), other = config_subnet(&iface[j]);
	char found[TEXT_PREFIX_SIZE], right[128];

	if (strcmp(iface[i].name, iface[j].name) == 0) {
		AT(error, "interfaces[%u].name", i);
		return fail(error, iface[i].name, "a name that no other interface has");
	}
	if (same_device(iface[i].device, iface[j].device)) {
		AT(error, "interfaces[%u].device", i);
		snprintf(right, sizeof(right), "a device of its own; interface %s has this one",
			 iface[j].name);
		return fail(error, iface[i].device, right);
	}
	if (prefix_overlaps(&mine, &other)) {
		AT(error, "interfaces[%u].address", i);
		snprintf(right, sizeof(right), "a subnet that does not overlap interface %s's",
			 iface[j].name);
		return fail(error, text_interface(&iface[i], found), right);
	}
	return 0;
}

static int check_iface(const struct iface_config *iface, uint32_t i, struct config_error *error)
{
	struct prefix subnet = config_subnet(&iface[i]);
	char found[TEXT_PREFIX_SIZE];
	uint16_t mss_clamp;

	if (!packet_is_host(iface[i].address.address) || iface[i].address.length == 0 ||
	    !subnet_has_host(&subnet, iface[i].address.address)) {
		AT(error, "interfaces[%u].address", i);
		return fail(error, text_interface(&iface[i], found),
			    "the address of a host in its subnet, as 192.0.2.1/24");
	}
	if (iface[i].side == SIDE_OUTSIDE && iface[i].realm != 1) {
		AT(error, "interfaces[%u].realm", i);
		snprintf(found, sizeof(found), "%u", iface[i].realm);
		return fail(error, found, "no realm: only inside interfaces have one");
	}
	if (!mss_clamp_parse(iface[i].mss_clamp, &mss_clamp)) {
		AT(error, "interfaces[%u].mss-clamp", i);
		return fail(error, iface[i].mss_clamp, "off, auto, or 536 to 9176 bytes");
	}
	for (uint32_t j = 0; j < i; j++) {
		int status = check_pair(iface, i, j, error);

		if (status != 0)
			return status;
	}
	return 0;
}

static int check_gateway(const struct iface_config *iface, uint32_t ifaces_n, rte_be32_t via,
			 struct config_error *error)
{
	char found[TEXT_IPV4_SIZE];

	text_ipv4(via, found);
	for (uint32_t i = 0; i < ifaces_n; i++) {
		struct prefix subnet = config_subnet(&iface[i]);

		if (!prefix_contains(&subnet, via))
			continue;
		if (via == iface[i].address.address)
			return fail(error, found, "another host's address; this is weir's own");
		if (!subnet_has_host(&subnet, via))
			return fail(error, found,
				    "a host's address, not a network or broadcast address");
		return 0;
	}
	return fail(error, found, "a gateway in the subnet of an interface");
}

static int check_route(const struct iface_config *iface, uint32_t ifaces_n,
		       const struct route_config *route, uint32_t r, struct config_error *error)
{
	const struct prefix *to = &route[r].to;
	char found[TEXT_PREFIX_SIZE];

	AT(error, "routes[%u].to", r);
	text_prefix(to, found);
	for (uint32_t i = 0; i < r; i++) {
		if (route[i].to.address == to->address && route[i].to.length == to->length)
			return fail(error, found, "a destination that no other route has");
	}
	for (uint32_t i = 0; i < ifaces_n; i++) {
		struct prefix subnet = config_subnet(&iface[i]);

		if (subnet.address == to->address && subnet.length == to->length)
			return fail(error, found,
				    "no route: this is the subnet of an interface already");
	}
	AT(error, "routes[%u].via", r);
	return check_gateway(iface, ifaces_n, route[r].via, error);
}

int route_check(const struct iface_config *iface, uint32_t ifaces_n,
		const struct route_config *route, uint32_t routes_n, struct config_error *error)
{
	int status = 0;

	if (ifaces_n > IFACES_MAX) {
		char found[16];

		AT(error, "interfaces");
		snprintf(found, sizeof(found), "%u", ifaces_n);
		return fail(error, found, "at most " RTE_STR(IFACES_MAX) " interfaces");
	}
	for (uint32_t i = 0; i < ifaces_n && status == 0; i++)
		status = check_iface(iface, i, error);
	for (uint32_t r = 0; r < routes_n && status == 0; r++)
		status = check_route(iface, ifaces_n, route, r, error);
	return status;
}
