/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <rte_arp.h>
#include <rte_lcore.h>

#include "frame.h"
#include "network.h"
#include "route.h"

struct rte_mempool *network_pool;

rte_be32_t network_address(const char *text)
{
	rte_be32_t address;

	assert_true(text_parse_ipv4(text, &address));
	return address;
}

static struct config_interface interface_of(const char *text)
{
	char address[32] = "";
	unsigned length = 0;

	assert_int_equal(sscanf(text, "%31[^/]/%u", address, &length), 2);
	return (struct config_interface){.address = network_address(address),
					 .length = (uint8_t)length};
}

int network_add(uint16_t port, const char *name, const char *address)
{
	struct rte_ether_addr mac = {{2, 0, 0, 0, 0, (uint8_t)(port + 1)}};
	struct iface_config config = {.name = (char *)(uintptr_t)name,
				      .device = (char *)(uintptr_t) "none",
				      .side = port == NETWORK_OUTSIDE ? SIDE_OUTSIDE : SIDE_INSIDE,
				      .address = interface_of(address),
				      .mtu = 1500,
				      .realm = 1};

	return iface_add(&config, port, &mac);
}

void network_setup(void)
{
	if (network_pool == NULL)
		network_pool = rte_pktmbuf_pool_create("network", 4095, 0, 0,
						       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(network_pool);
	assert_int_equal(route_setup(network_pool), 0);
	assert_int_equal(network_add(NETWORK_INSIDE, "inside", "100.64.0.1/24"), 0);
	assert_int_equal(network_add(NETWORK_OUTSIDE, "outside", "192.0.2.1/24"), 0);
}

void network_teardown(void)
{
	route_teardown();
	assert_int_equal(rte_mempool_in_use_count(network_pool), 0);
}

static bool nothing(rte_be32_t address)
{
	(void)address;
	return false;
}

void network_hear(uint16_t port, const char *address, const char *mac, uint64_t now_ms)
{
	char own[TEXT_IPV4_SIZE], own_mac[RTE_ETHER_ADDR_FMT_SIZE];
	enum verdict verdict;

	text_ipv4(ifaces[port].address, own);
	rte_ether_format_addr(own_mac, sizeof(own_mac), &ifaces[port].source.mac);
	struct frame_spec reply = {.arp = RTE_ARP_OP_REPLY,
				   .src_mac = mac,
				   .dst_mac = own_mac,
				   .src = address,
				   .dst = own,
				   .arp_target_mac = own_mac};
	assert_false(arp_input(frame_build(network_pool, &reply), port, nothing, &verdict));
	assert_int_equal(verdict, VERDICT_ARP);
	route_poll(now_ms);
}
