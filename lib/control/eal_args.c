/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf_core.h>

#include "config_file.h"
#include "eal_args.h"
#include "log.h"

LOG_TYPE(eal);

#define MEGABYTE UINT64_C(1048576)

static const char *const hugepages_words[] = {
	[EAL_HUGEPAGES_AUTO] = "auto",
	[EAL_HUGEPAGES_YES] = "yes",
	[EAL_HUGEPAGES_NO] = "no",
	NULL,
};

static const struct config_row rows[] = {
	{.key = "file-prefix",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct eal_config, file_prefix),
	 .preset = "weir",
	 .min = 1,
	 .max = 63,
	 .help = "Name of weir's directory below /run/dpdk. Two running weirs need two names."},
	{.key = "memory",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct eal_config, memory),
	 .preset = "0",
	 .max = 16777216,
	 .help = "MB of memory for tables and packet buffers. 0: computed from the other keys."},
	{.key = "hugepages",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct eal_config, hugepages),
	 .preset = "auto",
	 .words = hugepages_words,
	 .help = "Whether that memory is hugepages. auto: when enough are free."},
	{.key = "args",
	 .type = CONFIG_TEXTS,
	 .offset = offsetof(struct eal_config, args),
	 .preset = "",
	 .max = 64,
	 .help = "More arguments for DPDK's EAL, one word an element; they replace weir's own."},
};

const struct config_section eal_config_section = {
	.name = "eal",
	.help = "DPDK's environment.",
	.size = sizeof(struct eal_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

/* ---- devices ---- */

/* "0000:3b:00.0", perhaps with ",options" behind */
static bool is_pci(const char *device)
{
	const char *form = "xxxx:xx:xx.x";

	while (*form != '\0' &&
	       (*form == 'x' ? isxdigit((unsigned char)*device) != 0 : *device == *form)) {
		form++;
		device++;
	}
	return *form == '\0' && (*device == '\0' || *device == ',');
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

enum eal_device eal_device_kind(const char *device)
{
	if (is_pci(device))
		return EAL_DEVICE_PCI;
	if (starts_with(device, "net_") || starts_with(device, "virtio_user"))
		return EAL_DEVICE_VDEV;
	return EAL_DEVICE_UNKNOWN;
}

bool eal_device_is_kernel(const char *device)
{
	static const char *const kernel[] = {"net_tap", "net_af_packet", "net_af_xdp", "net_pcap"};

	for (size_t i = 0; i < RTE_DIM(kernel); i++)
		if (starts_with(device, kernel[i]))
			return true;
	return false;
}

/* ---- memory ---- */

uint32_t eal_args_buffers(const struct config *config)
{
	return config->workers.buffers;
}

/* nat/remotes.c: an entry and a record a session, where a pool filters by address. */
static uint64_t remotes_bytes(const struct config *config, uint64_t sessions)
{
	const struct pool_config *pool = config->pools.element;

	for (uint32_t i = 0; i < config->pools.n; i++)
		for (int p = 0; p < PORT_PROTOCOLS; p++)
			if (pool_filtering(&pool[i], p) == ADDRESS_DEPENDENT)
				return table_memory((uint32_t)sessions) + sessions * 36;
	return 0;
}

/* One worker's. A session: two entries in each of two tables, a record, a timer. */
static uint64_t worker_bytes(const struct config *config)
{
	const struct iface_config *iface = config->interfaces.element;
	uint64_t n = config->workers.count;
	/* with several homes, each has a quarter more than its share (nat/nat.c) */
	uint64_t sessions = config->limits.max_sessions * (n > 1 ? 5 : 4) / (4 * n) + 1;
	uint64_t subscribers = config->limits.max_subscribers * (n > 1 ? 5 : 4) / (4 * n) + 1;
	uint64_t buffer = RTE_MBUF_DEFAULT_BUF_SIZE;

	for (uint32_t i = 0; i < config->interfaces.n; i++)
		buffer = RTE_MAX(buffer, (uint64_t)iface[i].mtu + RTE_PKTMBUF_HEADROOM + 64);
	return 8 * MEGABYTE + eal_args_buffers(config) * (buffer + 320) +
	       2 * table_memory((uint32_t)(2 * sessions)) + sessions * (128 + 16) +
	       remotes_bytes(config, sessions) + table_memory((uint32_t)subscribers) +
	       subscribers * (128 + 16);
}

/* A bit a port and protocol, a record a block, and a record an address. */
static uint64_t pools_bytes(const struct config *config)
{
	const struct pool_config *pool = config->pools.element;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < config->pools.n; i++) {
		uint64_t ports = pool[i].port_range.last - pool[i].port_range.first + 1;
		uint64_t addresses = 0;

		for (uint32_t k = 0; k < pool[i].addresses.n; k++)
			addresses += (uint64_t)pool[i].addresses.range[k].last -
				     pool[i].addresses.range[k].first + 1;
		if (pool[i].port_overloading)
			bytes += addresses * ports * PORT_PROTOCOLS * sizeof(uint16_t);
		bytes += addresses * (ports * PORT_PROTOCOLS / 8 +
				      (ports / pool[i].block_size + 1) * 128 + 256);
	}
	return bytes;
}

/*
 * - 32 MB for EAL and ports;
 * - two route tables, as one replaces another, of 64 MB and 1 KB a route; 16 MB for neighbours;
 * - each worker's packet buffers and its share of sessions and subscribers;
 * - the pools' blocks, and room for a reload to add to them;
 *
 * and an eighth on top, for memory is fragmented.
 */
uint32_t eal_args_memory_mb(const struct config *config)
{
	uint64_t bytes = (32 + 2 * 64 + 16) * MEGABYTE;

	bytes += (uint64_t)config->routes.n * 2 * 1024;
	bytes += config->workers.count * worker_bytes(config);
	bytes += pools_bytes(config) + RTE_MIN(pools_bytes(config), 64 * MEGABYTE) + MEGABYTE;
	return (uint32_t)(bytes / 8 * 9 / MEGABYTE) + 1;
}

static bool read_number(const char *path, const char *format, uint64_t *number)
{
	FILE *file = fopen(path, "r");
	char line[128];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = sscanf(line, format, number) == 1;
	if (file != NULL)
		fclose(file);
	return found;
}

uint64_t eal_hugepages_free(const char *root)
{
	DIR *directory = opendir(root);
	const struct dirent *entry;
	uint64_t bytes = 0;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		uint64_t kilobytes, pages;
		char path[512];

		snprintf(path, sizeof(path), "%s/%s/free_hugepages", root, entry->d_name);
		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kilobytes) == 1 &&
		    read_number(path, "%" SCNu64, &pages))
			bytes += pages * kilobytes * 1024;
	}
	if (directory != NULL)
		closedir(directory);
	return bytes;
}

/* ---- arguments ---- */

static int __attribute__((format(printf, 2, 3))) add(struct eal_args *args, const char *format, ...)
{
	va_list list;
	char *text = NULL;
	int length;

	if (args->argc == EAL_ARGS_MAX)
		return -E2BIG;
	va_start(list, format);
	length = vasprintf(&text, format, list);
	va_end(list);
	if (length < 0)
		return -ENOMEM;
	args->text[args->argc] = args->argv[args->argc] = text;
	args->argc++;
	return 0;
}

/* Whether eal.args has one of the options, as "-m", "-m512", "--lcores" or "--lcores=...". */
static bool given(const struct config *config, const char *const *options)
{
	for (uint32_t i = 0; i < config->eal.args.n; i++) {
		const char *arg = config->eal.args.text[i];

		for (uint32_t k = 0; options[k] != NULL; k++) {
			size_t length = strlen(options[k]);
			bool is_long = starts_with(options[k], "--");

			if (starts_with(arg, options[k]) &&
			    (!is_long || arg[length] == '\0' || arg[length] == '='))
				return true;
		}
	}
	return false;
}

static const char *const lcore_options[] = {"-c", "-l", "--lcores", NULL};
static const char *const memory_options[] = {
	"-m",         "--socket-mem",  "--no-huge",    "--in-memory",
	"--huge-dir", "--huge-unlink", "--legacy-mem", NULL};
static const char *const prefix_options[] = {"--file-prefix", NULL};
static const char *const pci_options[] = {"-a", "--allow", "-b", "--block", "--no-pci", NULL};

/* The control thread is lcore 0, worker i is lcore i + 1. */
static int add_lcores(const struct config *config, struct eal_args *args)
{
	const struct workers_config *workers = &config->workers;
	uint16_t core[WORKERS_MAX];
	struct config_error error;
	char map[(WORKERS_MAX + 1) * 12];
	size_t used;
	int rc;

	if (given(config, lcore_options))
		return 0;
	rc = workers_cores(workers, core, &error);
	if (rc != 0)
		return rc;
	used = (size_t)snprintf(map, sizeof(map), "0@%u", workers->control_core);
	for (uint32_t i = 0; i < workers->count; i++)
		used += (size_t)snprintf(map + used, sizeof(map) - used, ",%u@%u", i + 1, core[i]);
	rc = add(args, "--lcores");
	return rc == 0 ? add(args, "%s", map) : rc;
}

/* Which memory, and the reason in words. */
static bool choose_hugepages(const struct config *config, uint32_t needed, struct eal_args *args)
{
	uint32_t there = (uint32_t)(eal_hugepages_free("/sys/kernel/mm/hugepages") >> 20);

	if (config->eal.hugepages == EAL_HUGEPAGES_NO) {
		snprintf(args->memory, sizeof(args->memory),
			 "%u MB of ordinary memory: eal.hugepages is no", needed);
		return false;
	}
	if (there >= needed || config->eal.hugepages == EAL_HUGEPAGES_YES) {
		snprintf(args->memory, sizeof(args->memory),
			 "up to %u MB of hugepages: %u MB are free", needed, there);
		return true;
	}
	snprintf(args->memory, sizeof(args->memory),
		 "%u MB of ordinary memory: %s%u MB of hugepages are free, %u MB are needed",
		 needed, there > 0 ? "only " : "", there, needed);
	return false;
}

static void warn_of_little_memory(uint32_t needed)
{
	uint64_t kilobytes;

	if (read_number("/proc/meminfo", "MemAvailable: %" SCNu64, &kilobytes) &&
	    kilobytes / 1024 < needed)
		LOG(WARNING, "%u MB of memory are needed, %" PRIu64 " MB are available", needed,
		    kilobytes / 1024);
}

static int check_hugepages(uint32_t needed)
{
	uint32_t there = (uint32_t)(eal_hugepages_free("/sys/kernel/mm/hugepages") >> 20);

	if (there >= needed)
		return 0;
	LOG(ERR,
	    "eal.hugepages is yes, but %u MB of hugepages are free and %u MB are needed: write "
	    "more to /proc/sys/vm/nr_hugepages, or set eal.hugepages to auto",
	    there, needed);
	return -ENOMEM;
}

/*
 * Hugepages: taken as they are needed, left nowhere (--in-memory). Ordinary memory: DPDK takes all
 * of it at once, and --in-memory is refused beside --no-huge.
 */
static int add_memory(const struct config *config, struct eal_args *args)
{
	uint32_t needed = config->eal.memory != 0 ? config->eal.memory : eal_args_memory_mb(config);
	int rc;

	if (given(config, memory_options)) {
		snprintf(args->memory, sizeof(args->memory), "memory as eal.args says");
		return 0;
	}
	args->hugepages = choose_hugepages(config, needed, args);
	if (args->hugepages) {
		rc = config->eal.hugepages == EAL_HUGEPAGES_YES ? check_hugepages(needed) : 0;
		return rc == 0 ? add(args, "--in-memory") : rc;
	}
	warn_of_little_memory(needed);
	rc = add(args, "--no-huge");
	if (rc == 0)
		rc = add(args, "-m");
	return rc == 0 ? add(args, "%u", needed) : rc;
}

static int add_devices(const struct config *config, struct eal_args *args)
{
	const struct iface_config *iface = config->interfaces.element;
	bool pci = false;
	int rc = 0;

	for (uint32_t i = 0; i < config->interfaces.n && rc == 0; i++) {
		bool is_pci_device = eal_device_kind(iface[i].device) == EAL_DEVICE_PCI;

		pci |= is_pci_device;
		rc = add(args, "%s", is_pci_device ? "-a" : "--vdev");
		if (rc == 0)
			rc = add(args, "%s", iface[i].device);
	}
	if (rc == 0 && !pci && !given(config, pci_options))
		rc = add(args, "--no-pci");
	return rc;
}

/* EAL tells its findings, and net_tap reports what weir does not use (rte_flow) as errors. */
static int add_log_levels(struct eal_args *args)
{
	int rc = add(args, "--log-level=lib.eal:error");

	if (rc == 0)
		rc = add(args, "--log-level=lib.telemetry:error");
	return rc == 0 ? add(args, "--log-level=pmd.net.tap:critical") : rc;
}

static int build(const struct config *config, struct eal_args *args)
{
	int rc = add(args, "weir");

	if (rc == 0)
		rc = add_lcores(config, args);
	if (rc == 0 && !given(config, prefix_options))
		rc = add(args, "--file-prefix=%s", config->eal.file_prefix);
	if (rc == 0)
		rc = add_memory(config, args);
	if (rc == 0)
		rc = add_devices(config, args);
	if (rc == 0)
		rc = add_log_levels(args);
	for (uint32_t i = 0; i < config->eal.args.n && rc == 0; i++)
		rc = add(args, "%s", config->eal.args.text[i]);
	return rc;
}

int eal_args_build(const struct config *config, struct eal_args *args)
{
	int rc;

	*args = (struct eal_args){0};
	rc = build(config, args);
	if (rc == 0)
		LOG(INFO, "%s", args->memory);
	else
		eal_args_free(args);
	return rc;
}

void eal_args_free(struct eal_args *args)
{
	for (uint32_t i = 0; i < EAL_ARGS_MAX; i++)
		free(args->text[i]);
	*args = (struct eal_args){0};
}
