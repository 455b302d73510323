/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include <rte_ethdev.h>

#include "cmd.h"
#include "route.h"

static void add_identity(json_t *port, uint16_t id)
{
	struct rte_eth_dev_info info = {0};
	char device[RTE_ETH_NAME_MAX_LEN] = "";
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	rte_eth_dev_get_name_by_port(id, device);
	/* weir's own: a tap's driver tells that of the kernel's side */
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		 RTE_ETHER_ADDR_BYTES(&ifaces[id].source.mac));
	rte_eth_dev_info_get(id, &info);
	json_object_set_new(port, "device", json_string(device));
	json_object_set_new(port, "driver",
			    json_string(info.driver_name != NULL ? info.driver_name : ""));
	json_object_set_new(port, "mac", json_string(mac));
	json_object_set_new(port, "rx_queues", json_integer(info.nb_rx_queues));
	json_object_set_new(port, "tx_queues", json_integer(info.nb_tx_queues));
}

/* "speed" is in Mb/s, null when the driver does not know it. */
static void add_link(json_t *port, uint16_t id)
{
	struct rte_eth_link link = {0};
	bool known;

	rte_eth_link_get_nowait(id, &link);
	known = link.link_status == RTE_ETH_LINK_UP && link.link_speed != RTE_ETH_SPEED_NUM_NONE &&
		link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
	json_object_set_new(port, "link",
			    json_string(link.link_status == RTE_ETH_LINK_UP ? "up" : "down"));
	json_object_set_new(port, "speed", known ? json_integer(link.link_speed) : json_null());
}

static void add_counters(json_t *port, uint16_t id)
{
	struct rte_eth_stats stats = {0};

	rte_eth_stats_get(id, &stats);
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{"rx_packets", stats.ipackets}, {"tx_packets", stats.opackets},
		{"rx_bytes", stats.ibytes},     {"tx_bytes", stats.obytes},
		{"rx_missed", stats.imissed},   {"rx_errors", stats.ierrors},
		{"rx_nombuf", stats.rx_nombuf}, {"tx_errors", stats.oerrors},
	};

	for (size_t i = 0; i < RTE_DIM(counters); i++)
		json_object_set_new(port, counters[i].name,
				    json_integer((json_int_t)counters[i].value));
}

static json_t *show_ports(struct cmd_call *call __rte_unused)
{
	json_t *list = json_array();

	for (uint16_t id = 0; id < IFACES_MAX; id++) {
		json_t *port;

		if (ifaces[id].name == NULL || !rte_eth_dev_is_valid_port(id))
			continue;
		port = json_pack("{s:s}", "interface", ifaces[id].name);
		add_identity(port, id);
		add_link(port, id);
		add_counters(port, id);
		json_array_append_new(list, port);
	}
	return json_pack("{s:o}", "ports", list);
}

/* In the control thread: some drivers' link and statistics calls take one caller at a time. */
static const struct cmd ports_cmd = {
	.path = "/weir/ports",
	.help = "The interfaces' devices: link, packets, bytes, losses. No parameters.",
	.names = "",
	.where = CMD_CONTROL,
	.run = show_ports,
};
CMD_REGISTER(ports_cmd);
