/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_ethdev.h>

#include "home.h"
#include "log.h"
#include "port.h"

LOG_TYPE(port);

#define LINKS_EVERY_MS 1000

struct port ports[IFACES_MAX];

uint32_t port_poller(uint16_t id, uint32_t queue, uint32_t workers)
{
	return (queue + (ports[id].rx_queues < workers ? id : 0)) % workers;
}

/* "net_tap0,iface=x" is probed as "net_tap0". */
static int port_by_device(const char *device, uint16_t *id)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t length = strcspn(device, ",");

	if (length >= sizeof(name))
		return -EINVAL;
	memcpy(name, device, length);
	name[length] = '\0';
	return rte_eth_dev_get_port_by_name(name, id);
}

/* Whatever of an IPv4 packet a NIC hashes, with our key and table it delivers subscribers home. */
#define HASHED                                                                     \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | \
	 RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_SCTP |            \
	 RTE_ETH_RSS_NONFRAG_IPV4_OTHER)

/* Only a NIC hashes by itself; a vdev's RSS would be a filter program in the kernel. */
static bool is_nic(const struct rte_eth_dev_info *info)
{
	const struct rte_bus *bus = rte_dev_bus(info->device);

	return bus != NULL && strcmp(rte_bus_name(bus), "pci") == 0;
}

/* How many queues it can receive in: a NIC that does not hash has packets in its first one alone.
 */
static uint16_t most_rx_queues(const struct rte_eth_dev_info *info)
{
	if (is_nic(info) && (info->flow_type_rss_offloads & HASHED) == 0)
		return 1;
	return info->max_rx_queues;
}

/*
 * Whether the device steers, with the hash that it shall compute (nat/home.h). Where it cannot,
 * workers find each other's sessions anyway.
 */
static bool choose_steering(const struct rte_eth_dev_info *info, enum side side,
			    struct rte_eth_conf *conf)
{
	bool takes_key = info->hash_key_size >= HOME_KEY_MIN && info->hash_key_size <= HOME_KEY_MAX;

	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & HASHED;
	if (takes_key) {
		conf->rx_adv_conf.rss_conf.rss_key =
			side == SIDE_INSIDE ? home_key_source : home_key_destination;
		conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
	}
	return takes_key;
}

#define RETA_MAX 2048 /* entries */

/* The redirection table is the homes'. False: the device does not take it. */
static bool set_redirection(uint16_t id, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];

	if (!home_table_fits(info->reta_size) || info->reta_size > RETA_MAX)
		return false;
	memset(reta, 0, sizeof(reta));
	for (uint32_t i = 0; i < info->reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = home_table[i % HOME_TABLE_SIZE];
	}
	return rte_eth_dev_rss_reta_update(id, reta, info->reta_size) == 0;
}

static int configure(uint16_t id, struct port *port, const struct rte_eth_dev_info *info,
		     const struct port_config *config)
{
	struct rte_eth_conf conf = {.rxmode.mtu = config->iface->mtu};

	if (port->rx_queues > 1 && is_nic(info))
		port->steered = choose_steering(info, (enum side)config->iface->side, &conf);
	return rte_eth_dev_configure(id, port->rx_queues, port->tx_queues, &conf);
}

static int setup_queues(uint16_t id, const struct port *port, const struct port_config *config)
{
	int socket = rte_eth_dev_socket_id(id);
	int error;

	for (uint16_t queue = 0; queue < port->rx_queues; queue++) {
		uint32_t worker = port_poller(id, queue, config->workers);

		error = rte_eth_rx_queue_setup(id, queue, (uint16_t)config->rx_descriptors,
					       (unsigned int)socket, NULL, config->buffers[worker]);
		if (error != 0)
			return error;
	}
	for (uint16_t queue = 0; queue < port->tx_queues; queue++) {
		error = rte_eth_tx_queue_setup(id, queue, (uint16_t)config->tx_descriptors,
					       (unsigned int)socket, NULL);
		if (error != 0)
			return error;
	}
	return 0;
}

static bool is_tap(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_tap") == 0;
}

static int add_interface(uint16_t id, const struct rte_eth_dev_info *info,
			 const struct port_config *config)
{
	struct rte_ether_addr mac;
	int error = rte_eth_macaddr_get(id, &mac);

	if (error != 0)
		return error;
	/* a tap's port has the MAC of the kernel's interface, its peer: weir needs one of its own
	 */
	if (is_tap(info))
		mac.addr_bytes[RTE_ETHER_ADDR_LEN - 1] ^= 1;
	if (config->iface->promiscuous)
		rte_eth_promiscuous_enable(id);
	return iface_add(config->iface, id, &mac);
}

static int set_up(uint16_t id, struct port *port, const struct port_config *config)
{
	struct rte_eth_dev_info info;
	uint16_t rx = (uint16_t)config->rx_descriptors, tx = (uint16_t)config->tx_descriptors;
	struct port_config adjusted = *config;
	uint32_t most;
	int error = rte_eth_dev_info_get(id, &info);

	if (error != 0)
		return error;
	port->id = id;
	/* net_tap of DPDK 22.11 overruns an array of its own with more than 4 queues each way */
	most = is_tap(&info) ? 4 : RTE_MAX_QUEUES_PER_PORT;
	port->rx_queues = (uint16_t)RTE_MIN(RTE_MIN(config->workers, most), most_rx_queues(&info));
	port->tx_queues = (uint16_t)RTE_MIN(RTE_MIN(config->workers, most), info.max_tx_queues);
	error = configure(id, port, &info, config);
	if (error != 0)
		return error;
	error = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx);
	if (error != 0)
		return error;
	adjusted.rx_descriptors = rx;
	adjusted.tx_descriptors = tx;
	error = setup_queues(id, port, &adjusted);
	if (error != 0)
		return error;
	/* a device without the call (net_memif) takes frames of any size */
	error = rte_eth_dev_set_mtu(id, (uint16_t)config->iface->mtu);
	if (error != 0 && error != -ENOTSUP)
		return error;
	error = rte_eth_dev_start(id);
	if (error != 0)
		return error;
	port->steered =
		port->steered && port->rx_queues == config->workers && set_redirection(id, &info);
	return add_interface(id, &info, config);
}

int port_start(const struct port_config *config)
{
	const struct iface_config *iface = config->iface;
	struct port *port;
	uint16_t id;
	int error = port_by_device(iface->device, &id);

	if (error != 0 || id >= IFACES_MAX) {
		LOG(ERR,
		    "interface %s: there is no device %s that DPDK can use (a NIC must be bound to "
		    "vfio-pci)",
		    iface->name, iface->device);
		return -ENODEV;
	}
	port = &ports[id];
	for (uint32_t i = 0; i < RTE_DIM(port->tx_lock); i++)
		rte_spinlock_init(&port->tx_lock[i]);
	error = set_up(id, port, config);
	if (error != 0) {
		LOG(ERR, "interface %s: cannot start device %s: %s", iface->name, iface->device,
		    strerror(-error));
		return error;
	}
	port->shared_tx = port->tx_queues < config->workers;
	if (port->rx_queues < config->workers)
		LOG(NOTICE, "interface %s has %u receive queues for %u workers", iface->name,
		    port->rx_queues, config->workers);
	if (port->shared_tx)
		LOG(NOTICE,
		    "interface %s has %u transmit queues for %u workers, which share them "
		    "under a lock",
		    iface->name, port->tx_queues, config->workers);
	if (config->workers > 1 && !port->steered)
		LOG(NOTICE,
		    "interface %s does not steer packets to their home worker: sessions of "
		    "other workers are read where they are",
		    iface->name);
	return 0;
}

static void watch_link(struct port *port)
{
	struct rte_eth_link link = {0};
	enum port_link now;
	bool known;

	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		return;
	now = link.link_status == RTE_ETH_LINK_UP ? PORT_LINK_UP : PORT_LINK_DOWN;
	if (now == port->link)
		return;
	port->link = now;
	known = link.link_speed != RTE_ETH_SPEED_NUM_NONE &&
		link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
	if (now == PORT_LINK_DOWN)
		LOG(WARNING, "interface %s: the link is down", ifaces[port->id].name);
	else
		LOG(NOTICE, "interface %s: the link is up%s%s", ifaces[port->id].name,
		    known ? ", " : "", known ? rte_eth_link_speed_to_str(link.link_speed) : "");
}

void port_watch_links(uint64_t now_ms)
{
	static uint64_t next_ms;

	if (now_ms < next_ms)
		return;
	next_ms = now_ms + LINKS_EVERY_MS;
	for (uint16_t id = 0; id < IFACES_MAX; id++)
		if (ports[id].rx_queues > 0)
			watch_link(&ports[id]);
}

void port_stop(uint16_t id)
{
	rte_eth_dev_stop(id);
	rte_eth_dev_close(id);
	ports[id] = (struct port){0};
}
