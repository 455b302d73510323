/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "clock.h"
#include "flow.h"
#include "nic.h"
#include "pool.h"
#include "rcu.h"
#include "rules.h"
#include "tuple.h"
#include "world.h"

#define BUFFERS 8191 /* a worker */

static const struct icmp_config icmp = {.errors = true, .rate = 1000, .source_rate = 10};

_Noreturn void world_die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* "0@1,1@0" of "1,0" */
static void name_lcores(const char *cpus, char *lcores, size_t room)
{
	uint32_t lcore = 0;
	size_t used = 0;

	for (const char *cpu = cpus; cpu != NULL; cpu = strchr(cpu, ',')) {
		cpu += *cpu == ',';
		used += (size_t)snprintf(lcores + used, room - used, "%s%u@%u",
					 lcore > 0 ? "," : "", lcore, (uint32_t)atoi(cpu));
		if (used >= room)
			world_die("too many CPUs");
		lcore++;
	}
}

void world_start_eal(const struct world_eal *eal)
{
	char memory[16], lcores[128];
	const char *argv[20] = {"bench", "--no-pci",    "--no-telemetry", "--lcores",
				lcores,  "--log-level", "lib.eal:error"};
	int argc = 7;

	name_lcores(eal->cpus, lcores, sizeof(lcores));
	snprintf(memory, sizeof(memory), "%u", eal->megabytes);
	if (eal->megabytes == 0) {
		argv[argc++] = "--in-memory";
		argv[argc++] = "--single-file-segments";
	} else {
		argv[argc++] = "--no-huge";
		argv[argc++] = "--no-shconf";
		argv[argc++] = "-m";
		argv[argc++] = memory;
	}
	if (rte_eal_init(argc, (char **)(uintptr_t)argv) < 0)
		world_die(rte_strerror(rte_errno));
	clock_setup();
	if (rcu_setup() != 0 || tuple_setup() != 0)
		world_die("no memory for RCU or no random numbers");
	world_begin_lcore();
}

void world_begin_lcore(void)
{
	if (rte_rcu_qsbr_thread_register(rcu, rte_lcore_id()) != 0)
		world_die("RCU has no room");
	rte_rcu_qsbr_thread_online(rcu, rte_lcore_id());
}

void world_end_lcore(void)
{
	rte_rcu_qsbr_thread_offline(rcu, rte_lcore_id());
	rte_rcu_qsbr_thread_unregister(rcu, rte_lcore_id());
}

static void setup_pool(uint32_t subscribers, uint32_t workers_n)
{
	uint32_t blocks = (65536 - 1024) / BLOCK_SIZE;
	/* subscribers choose at random, so a few addresses more than it takes */
	uint32_t addresses = subscribers / blocks * 5 / 4 + 2;
	struct config_range range = {PUBLIC_FIRST, PUBLIC_FIRST + addresses - 1};
	char name[] = "bench";
	struct pool_config config = {
		.name = name,
		.addresses = {&range, 1},
		.port_range = {1024, 65535},
		.block_size = BLOCK_SIZE,
		.max_blocks_per_subscriber = 4,
		.port_reuse_timeout = 120,
		.block_idle_timeout = 30,
	};

	if (pools_setup(&config, 1, workers_n) != 0 || rules_replace(NULL, 0) != 0)
		world_die("no memory for the pool");
}

static void add_iface(uint16_t port, const char *name, uint32_t side, uint32_t address)
{
	struct rte_ether_addr mac = flow_mac(port);
	char text[16];
	struct iface_config config = {
		.name = strncpy(text, name, sizeof(text)),
		.device = text,
		.side = side,
		.address = {rte_cpu_to_be_32(address), 30},
		.mtu = 1500,
		.realm = 1,
	};

	if (iface_add(&config, port, &mac) != 0)
		world_die("cannot add an interface");
}

struct arp_frame {
	struct rte_ether_hdr ether;
	struct rte_arp_hdr arp;
} __rte_packed __rte_aligned(2);

/* The router behind a port asks weir for its MAC, and so is known. */
static void meet_router(uint16_t port)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(workers[0]->buffers);
	struct arp_frame *frame = (void *)rte_pktmbuf_append(mbuf, sizeof(*frame));
	uint32_t network = port == PORT_INSIDE ? INSIDE_NETWORK : OUTSIDE_NETWORK;
	struct rte_ether_addr router = flow_router_mac(port);

	memset(frame, 0, sizeof(*frame));
	memset(&frame->ether.dst_addr, 0xff, sizeof(frame->ether.dst_addr));
	frame->ether.src_addr = router;
	frame->ether.ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	frame->arp.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	frame->arp.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	frame->arp.arp_hlen = sizeof(router);
	frame->arp.arp_plen = sizeof(rte_be32_t);
	frame->arp.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	frame->arp.arp_data.arp_sha = router;
	frame->arp.arp_data.arp_sip = rte_cpu_to_be_32(network + 2);
	frame->arp.arp_data.arp_tip = rte_cpu_to_be_32(network + 1);
	mbuf->port = port;
	pipeline_run(workers[0]->pipeline, &mbuf, 1);
	rte_pktmbuf_free(mbuf);
}

static void setup_routes(void)
{
	struct route_config route[] = {
		{.to = {rte_cpu_to_be_32(SUBSCRIBER_FIRST), 10},
		 .via = rte_cpu_to_be_32(INSIDE_NETWORK + 2)},
		{.to = {0, 0}, .via = rte_cpu_to_be_32(OUTSIDE_NETWORK + 2)},
	};

	if (route_setup(workers[0]->buffers) != 0)
		world_die("no memory for routes");
	add_iface(PORT_INSIDE, "inside", SIDE_INSIDE, INSIDE_NETWORK + 1);
	add_iface(PORT_OUTSIDE, "outside", SIDE_OUTSIDE, OUTSIDE_NETWORK + 1);
	if (route_replace(route, RTE_DIM(route)) != 0)
		world_die("cannot add the routes");
}

void world_setup(struct world *world, uint32_t sessions, uint32_t workers_n)
{
	uint32_t subscribers = sessions / SUBSCRIBER_SESSIONS + 1;

	*world = (struct world){.now_ms = 1000};
	home_setup(workers_n);
	if (workers_create(workers_n, BUFFERS, 1500) != 0)
		world_die("no memory for packet buffers");
	setup_routes();
	limits = (struct limits_config){.max_sessions = RTE_MAX(sessions, 1024u * workers_n),
					.max_subscribers = RTE_MAX(subscribers, 64u * workers_n),
					.max_sessions_per_subscriber = 32768};
	world->memory_before = world_memory();
	setup_pool(subscribers, workers_n);
	if (workers_setup(&icmp, false) != 0)
		world_die("no memory for the sessions");
	nic_setup(workers_n);
	meet_router(PORT_INSIDE);
	meet_router(PORT_OUTSIDE);
	route_poll(world->now_ms);
	world_poll(world, workers[0]);
}

void world_poll(const struct world *world, struct worker *worker)
{
	pipeline_poll(worker->pipeline, world->now_ms);
	rte_rcu_qsbr_quiescent(rcu, rte_lcore_id());
}

uint64_t world_memory(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long own = 0, huge = 0;
	char line[128];

	if (file == NULL)
		world_die("no /proc/self/status");
	while (fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "VmRSS: %lu", &own);
		sscanf(line, "HugetlbPages: %lu", &huge);
	}
	fclose(file);
	return ((uint64_t)own + huge) * 1024;
}
