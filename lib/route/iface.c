/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>

#include "internal.h"

#define HEADERS 40 /* IP and TCP without options: RFC 9293 section 3.7.1 */

static const char *const side_words[] = {"inside", "outside", NULL};

static const struct config_row rows[] = {
	{.key = "name",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct iface_config, name),
	 .min = 1,
	 .max = 31,
	 .help = "What weir calls the interface."},
	{.key = "device",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct iface_config, device),
	 .min = 1,
	 .max = 255,
	 .help = "The device as DPDK names it: 0000:3b:00.0, or net_tap0,iface=tap0."},
	{.key = "side",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct iface_config, side),
	 .words = side_words,
	 .help = "Subscribers are inside, the Internet is outside."},
	{.key = "address",
	 .type = CONFIG_INTERFACE,
	 .offset = offsetof(struct iface_config, address),
	 .help = "The interface's own address and its subnet: 192.0.2.1/24."},
	{.key = "mtu",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct iface_config, mtu),
	 .preset = "1500",
	 .min = 576,
	 .max = 9216,
	 .help = "The largest IP packet that the link carries, in bytes.",
	 .rfc = "RFC 1122 3.3.3"},
	{.key = "realm",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct iface_config, realm),
	 .preset = "1",
	 .min = 1,
	 .max = REALM_MAX,
	 .help = "Where inside addresses have their meaning: other realms may have the same ones. "
		 "The outside is always realm 0."},
	{.key = "promiscuous",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct iface_config, promiscuous),
	 .preset = "no",
	 .help = "Put the port in promiscuous mode and take frames for any destination MAC."},
	{.key = "mss-clamp",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct iface_config, mss_clamp),
	 .preset = "off",
	 .min = 1,
	 .max = 8,
	 .help = "The largest segment that TCP connections across this interface may announce: "
		 "off, a number of bytes, or auto: what fits the MTUs of the two interfaces.",
	 .rfc = "RFC 9293 3.7.1"},
};

const struct config_section iface_config_section = {
	.name = "interfaces",
	.help = "The ports, their addresses, and which side they are on.",
	.size = sizeof(struct iface_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

struct iface ifaces[IFACES_MAX];

struct prefix subnet_of(rte_be32_t address, uint8_t length)
{
	return (struct prefix){.address = address & prefix_mask(length), .length = length};
}

bool subnet_has_host(const struct prefix *subnet, rte_be32_t address)
{
	rte_be32_t host_bits = ~prefix_mask(subnet->length);

	if (!prefix_contains(subnet, address))
		return false;
	if (subnet->length >= 31)
		return true;
	return (address & host_bits) != 0 && (address & host_bits) != host_bits;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_contains(a, b->address) || prefix_contains(b, a->address);
}

char *text_mac(const uint8_t mac[RTE_ETHER_ADDR_LEN], char text[TEXT_MAC_SIZE])
{
	snprintf(text, TEXT_MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}

bool mss_clamp_parse(const char *text, uint16_t *clamp)
{
	uint64_t number = MSS_CLAMP_OFF;

	if (text != NULL && strcmp(text, "auto") == 0)
		number = MSS_CLAMP_AUTO;
	else if (text != NULL && strcmp(text, "off") != 0 &&
		 (!text_parse_uint(text, MSS_CLAMP_MAX, &number) || number < MSS_CLAMP_MIN))
		return false;
	*clamp = (uint16_t)number;
	return true;
}

/* One interface's part; `fits` is what the MTUs leave. */
static uint16_t mss_limit(uint16_t clamp, uint16_t fits)
{
	return clamp == MSS_CLAMP_OFF ? UINT16_MAX : clamp == MSS_CLAMP_AUTO ? fits : clamp;
}

uint16_t iface_mss(uint16_t in_port, uint16_t out_port)
{
	const struct iface *in = &ifaces[in_port], *out = &ifaces[out_port];
	uint16_t fits = (uint16_t)(RTE_MIN(in->mtu, out->mtu) - HEADERS);

	if (likely((in->mss_clamp | out->mss_clamp) == MSS_CLAMP_OFF))
		return 0;
	return RTE_MIN(mss_limit(in->mss_clamp, fits), mss_limit(out->mss_clamp, fits));
}

uint32_t iface_count(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < IFACES_MAX; i++)
		count += ifaces[i].name != NULL;
	return count;
}

const struct iface *iface_connected(uint32_t realm, rte_be32_t address)
{
	for (uint32_t i = 0; i < IFACES_MAX; i++) {
		struct prefix subnet = iface_subnet(&ifaces[i]);

		if (ifaces[i].name != NULL && ifaces[i].realm == realm &&
		    prefix_contains(&subnet, address))
			return &ifaces[i];
	}
	return NULL;
}

static int check_new(const struct iface_config *config, uint32_t realm, uint16_t port)
{
	struct prefix subnet = subnet_of(config->address.address, config->address.length);

	if (port >= IFACES_MAX || config->address.length > 32 ||
	    !subnet_has_host(&subnet, config->address.address))
		return -EINVAL;
	if (ifaces[port].name != NULL)
		return -EEXIST;
	for (uint32_t i = 0; i < IFACES_MAX; i++) {
		struct prefix other = iface_subnet(&ifaces[i]);

		if (ifaces[i].name != NULL && realms_meet(realm, ifaces[i].realm) &&
		    prefix_overlaps(&subnet, &other))
			return -EEXIST;
	}
	return 0;
}

static void iface_remove(struct iface *iface)
{
	free((char *)(uintptr_t)iface->name);
	*iface = (struct iface){0};
}

int iface_add(const struct iface_config *config, uint16_t port, const struct rte_ether_addr *mac)
{
	uint32_t realm = config->side == SIDE_OUTSIDE ? REALM_OUTSIDE : config->realm;
	int status = check_new(config, realm, port);
	uint16_t mss_clamp;

	if (status != 0)
		return status;
	if (!mss_clamp_parse(config->mss_clamp, &mss_clamp))
		return -EINVAL;
	ifaces[port] = (struct iface){
		.name = strdup(config->name),
		.side = config->side,
		.realm = realm,
		.port = port,
		.mtu = (uint16_t)config->mtu,
		.address = config->address.address,
		.prefix_length = config->address.length,
		.mss_clamp = mss_clamp,
		.source = {.mac = *mac, .realm = realm, .any_mac = config->promiscuous},
	};
	status = ifaces[port].name == NULL ? -ENOMEM : route_rebuild();
	if (status != 0)
		iface_remove(&ifaces[port]);
	return status;
}

void iface_remove_all(void)
{
	for (uint32_t i = 0; i < IFACES_MAX; i++)
		iface_remove(&ifaces[i]);
}

static json_t *iface_json(const struct iface *iface)
{
	char address[TEXT_IPV4_SIZE], with_length[TEXT_PREFIX_SIZE], mac[TEXT_MAC_SIZE];

	snprintf(with_length, sizeof(with_length), "%s/%u", text_ipv4(iface->address, address),
		 iface->prefix_length);
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:I}", "name", iface->name, "side",
			 side_words[iface->side], "port", iface->port, "mac",
			 text_mac(iface->source.mac.addr_bytes, mac), "address", with_length, "mtu",
			 iface->mtu, "realm", (json_int_t)iface->realm);
}

static json_t *show_interfaces(struct cmd_call *call __rte_unused)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < IFACES_MAX; i++) {
		if (ifaces[i].name != NULL)
			json_array_append_new(list, iface_json(&ifaces[i]));
	}
	return json_pack("{s:o}", "interfaces", list);
}

static const struct cmd interfaces_cmd = {
	.path = "/weir/interfaces",
	.help = "The interfaces, their addresses and DPDK ports. No parameters.",
	.where = CMD_CONTROL,
	.run = show_interfaces,
};
CMD_REGISTER(interfaces_cmd);
