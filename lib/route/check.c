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

static uint32_t config_realm(const struct iface_config *config)
{
	return config->side == SIDE_OUTSIDE ? REALM_OUTSIDE : config->realm;
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
	if (realms_meet(config_realm(&iface[i]), config_realm(&iface[j])) &&
	    prefix_overlaps(&mine, &other)) {
		AT(error, "interfaces[%u].address", i);
		snprintf(right, sizeof(right), "a subnet that does not overlap interface %s's%s",
			 iface[j].name,
			 iface[i].side == SIDE_INSIDE && iface[j].side == SIDE_INSIDE
				 ? ", or another realm"
				 : "");
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

/*
 * Whether two realms must not have one prefix. An inside one must not hide what is outside from
 * everybody (RFC 4787 REQ-7); where there are several realms, it hides it from its own alone.
 */
static bool must_differ(uint32_t a, uint32_t b, const struct iface_config *iface, uint32_t n)
{
	uint32_t realm = REALM_OUTSIDE;

	for (uint32_t i = 0; i < n && a != b; i++) {
		if (iface[i].side == SIDE_OUTSIDE || iface[i].realm == realm)
			continue;
		if (realm != REALM_OUTSIDE)
			return false;
		realm = iface[i].realm;
	}
	return realms_meet(a, b);
}

static bool names_interface(const struct route_config *route)
{
	return route->interface != NULL && route->interface[0] != '\0';
}

/* Whether the gateway may be the interface's neighbour. */
static bool may_lead_by(const struct route_config *route, const struct iface_config *iface)
{
	struct prefix subnet = config_subnet(iface);

	return (!names_interface(route) || strcmp(route->interface, iface->name) == 0) &&
	       prefix_contains(&subnet, route->via);
}

const struct iface_config *route_gateway(const struct iface_config *iface, uint32_t n,
					 const struct route_config *route)
{
	const struct iface_config *found = NULL;

	for (uint32_t i = 0; i < n; i++) {
		if (!may_lead_by(route, &iface[i]))
			continue;
		if (found != NULL)
			return NULL;
		found = &iface[i];
	}
	return found;
}

static int check_interface(const struct iface_config *iface, uint32_t ifaces_n,
			   const struct route_config *route, uint32_t r, struct config_error *error)
{
	bool exists = false;
	uint32_t n = 0;

	for (uint32_t i = 0; i < ifaces_n; i++) {
		exists |= names_interface(route) && strcmp(route->interface, iface[i].name) == 0;
		n += may_lead_by(route, &iface[i]);
	}
	AT(error, "routes[%u].interface", r);
	if (names_interface(route) && !exists)
		return fail(error, route->interface, "the name of an interface");
	if (n > 1)
		return fail(error, "",
			    "the name of the gateway's interface, as several have its subnet");
	return 0;
}

static int check_gateway(const struct iface_config *iface, uint32_t ifaces_n,
			 const struct route_config *route, uint32_t r, struct config_error *error)
{
	const struct iface_config *gateway = route_gateway(iface, ifaces_n, route);
	char found[TEXT_IPV4_SIZE];
	struct prefix subnet;

	text_ipv4(route->via, found);
	AT(error, "routes[%u].via", r);
	if (gateway == NULL)
		return fail(error, found,
			    names_interface(route) ? "a gateway in the subnet of that interface"
						   : "a gateway in the subnet of an interface");
	subnet = config_subnet(gateway);
	if (route->via == gateway->address.address)
		return fail(error, found, "another host's address; this is weir's own");
	if (!subnet_has_host(&subnet, route->via))
		return fail(error, found, "a host's address, not a network or broadcast address");
	return 0;
}

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->address == b->address && a->length == b->length;
}

/* A destination is known once. The routes' gateways are right. */
static int check_destination(const struct iface_config *iface, uint32_t ifaces_n,
			     const struct route_config *route, uint32_t r,
			     struct config_error *error)
{
	uint32_t realm = config_realm(route_gateway(iface, ifaces_n, &route[r]));
	const struct prefix *to = &route[r].to;
	char found[TEXT_PREFIX_SIZE];

	AT(error, "routes[%u].to", r);
	text_prefix(to, found);
	for (uint32_t i = 0; i < r; i++) {
		if (same_prefix(&route[i].to, to) &&
		    must_differ(config_realm(route_gateway(iface, ifaces_n, &route[i])), realm,
				iface, ifaces_n))
			return fail(error, found, "a destination that no other route has");
	}
	for (uint32_t i = 0; i < ifaces_n; i++) {
		struct prefix subnet = config_subnet(&iface[i]);

		if (same_prefix(&subnet, to) &&
		    must_differ(config_realm(&iface[i]), realm, iface, ifaces_n))
			return fail(error, found,
				    "no route: this is the subnet of an interface already");
	}
	return 0;
}

static int check_route(const struct iface_config *iface, uint32_t ifaces_n,
		       const struct route_config *route, uint32_t r, struct config_error *error)
{
	int status = check_interface(iface, ifaces_n, &route[r], r, error);

	if (status == 0)
		status = check_gateway(iface, ifaces_n, &route[r], r, error);
	return status != 0 ? status : check_destination(iface, ifaces_n, route, r, error);
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
