/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_version.h>

#include "clock.h"
#include "control.h"
#include "home.h"
#include "port.h"
#include "rcu.h"
#include "worker.h"

static const char usage[] =
	"weir: a carrier-grade NAT\n"
	"\n"
	"  weir -c FILE            runs with this configuration, in the foreground\n"
	"  weir -c FILE --check    only says whether the configuration is valid\n"
	"  weir --config-reference prints every key of the configuration, as Markdown\n"
	"  weir --version\n"
	"\n"
	"SIGTERM ends it, SIGHUP reloads the configuration.\n";

struct options {
	const char *config;
	bool check;
};

/* -1: go on; else the exit status. */
static int parse_options(int argc, char *argv[], struct options *options)
{
	enum { CHECK = 256, REFERENCE, VERSION };
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, CHECK},
		{"config-reference", no_argument, NULL, REFERENCE},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case CHECK:
			options->check = true;
			break;
		case REFERENCE:
			config_reference(stdout);
			return 0;
		case VERSION:
			printf("weir %s, %s\n", WEIR_VERSION, rte_version());
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc || options->config == NULL) {
		fputs(usage, stderr);
		return 2;
	}
	return -1;
}

static int start_eal(const struct config *config)
{
	struct eal_args args;
	int error = eal_args_build(config, &args);

	if (error != 0)
		return error;
	error = rte_eal_init(args.argc, args.argv) < 0 ? -rte_errno : 0;
	eal_args_free(&args);
	if (error != 0)
		fprintf(stderr, "weir: DPDK's EAL does not start: %s\n", strerror(-error));
	return error;
}

static int setup_shared(const struct config *config)
{
	int error;

	clock_setup();
	home_setup(config->workers.count);
	limits = config->limits;
	fragments_settings = config->fragments;
	timeouts_apply(&config->timeouts);
	alg_settings = config->alg;
	alg_switch(&config->alg);
	error = rcu_setup();
	if (error != 0)
		return error;
	error = tuple_setup();
	if (error != 0)
		return error;
	error = pools_setup(config->pools.element, config->pools.n, config->workers.count);
	if (error != 0)
		return error;
	error = statics_replace(config->statics.element, config->statics.n);
	if (error != 0)
		return error;
	return rules_replace(config->rules.element, config->rules.n);
}

static int start_ports(const struct config *config)
{
	const struct iface_config *iface = config->interfaces.element;

	for (uint32_t i = 0; i < config->interfaces.n; i++) {
		int error = port_start(&(struct port_config){
			.iface = &iface[i],
			.workers = config->workers.count,
			.rx_descriptors = config->workers.rx_descriptors,
			.tx_descriptors = config->workers.tx_descriptors,
			.buffers = workers_buffers(),
		});
		if (error != 0)
			return error;
	}
	return route_replace(config->routes.element, config->routes.n);
}

static void stop_ports(void)
{
	for (uint16_t id = 0; id < IFACES_MAX; id++)
		if (ports[id].rx_queues > 0)
			port_stop(id);
}

static uint32_t largest_mtu(const struct config *config)
{
	const struct iface_config *iface = config->interfaces.element;
	uint32_t mtu = 0;

	for (uint32_t i = 0; i < config->interfaces.n; i++)
		mtu = RTE_MAX(mtu, iface[i].mtu);
	return mtu;
}

/* Whether workers may sleep: as configured, or when every port goes through the kernel anyway. */
static bool may_sleep(const struct config *config)
{
	const struct iface_config *iface = config->interfaces.element;

	if (config->workers.idle != WORKER_IDLE_AUTO)
		return config->workers.idle == WORKER_IDLE_SLEEP;
	for (uint32_t i = 0; i < config->interfaces.n; i++)
		if (!eal_device_is_kernel(iface[i].device))
			return false;
	return true;
}

static void announce(void)
{
	arp_announce();
	for (uint32_t i = 0; i < pools_count(); i++)
		for (uint32_t j = 0; j < pool_addresses(pool_get(i)); j++)
			arp_announce_address(pool_address_get(pool_get(i), j)->address);
}

/* Starts in order, serves, unwinds in reverse. */
static int run(const char *path, struct config *config)
{
	int error = start_eal(config);

	if (error != 0)
		return error;
	error = setup_shared(config);
	if (error != 0)
		goto shared;
	error = workers_create(config->workers.count, eal_args_buffers(config),
			       largest_mtu(config));
	if (error != 0)
		goto workers;
	route_transmit = workers_transmit;
	error = route_setup(workers_buffers()[0]);
	if (error != 0)
		goto workers;
	error = start_ports(config);
	if (error != 0)
		goto routes;
	error = workers_setup(&config->icmp, may_sleep(config));
	if (error != 0)
		goto routes;
	error = workers_launch();
	if (error != 0)
		goto launched;
	error = control_setup(path, config);
	if (error == 0) {
		announce();
		control_run();
	}
	control_teardown();
launched:
	workers_stop();
routes:
	stop_ports();
	route_teardown();
workers:
	workers_destroy();
shared:
	rules_teardown();
	statics_teardown();
	pools_teardown();
	rcu_teardown();
	rte_eal_cleanup();
	return error;
}

int main(int argc, char *argv[])
{
	struct options options = {0};
	struct config *config;
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	config = config_load(options.config, stderr);
	if (config == NULL)
		return EXIT_FAILURE;
	if (options.check) {
		printf("%s is valid\n", options.config);
		config_free(config);
		return EXIT_SUCCESS;
	}
	if (control_lock(config->eal.file_prefix) != 0)
		return EXIT_FAILURE;
	return run(options.config, config) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
