/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "text.h"
#include "worker_config.h"

static const char *const idle_words[] = {
	[WORKER_IDLE_AUTO] = "auto",
	[WORKER_IDLE_POLL] = "poll",
	[WORKER_IDLE_SLEEP] = "sleep",
	NULL,
};

static const struct config_row rows[] = {
	{.key = "count",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct workers_config, count),
	 .preset = "1",
	 .min = 1,
	 .max = WORKERS_MAX,
	 .help = "Workers: threads that each poll a queue of every port."},
	{.key = "cores",
	 .type = CONFIG_TEXTS,
	 .offset = offsetof(struct workers_config, cores),
	 .preset = "",
	 .max = WORKERS_MAX,
	 .help = "CPU of each worker, numbers or ranges such as 2-5. Without it: every CPU but the "
		 "control core's, or, when those are too few, all in turn."},
	{.key = "control-core",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct workers_config, control_core),
	 .preset = "0",
	 .max = CPU_SETSIZE - 1,
	 .help = "CPU of the control thread; it may be shared with other programs."},
	{.key = "idle",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct workers_config, idle),
	 .preset = "auto",
	 .words = idle_words,
	 .help = "What a worker does when no packet comes: poll on (lowest latency, a CPU at 100 "
		 "%), "
		 "or sleep shortly. auto: poll on PCI devices, sleep on kernel-backed ones."},
	{.key = "buffers",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct workers_config, buffers),
	 .preset = "16384",
	 .min = 2048,
	 .max = 1048576,
	 .help = "Packet buffers for each worker, about 2.3 KB each."},
	{.key = "rx-descriptors",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct workers_config, rx_descriptors),
	 .preset = "512",
	 .min = 64,
	 .max = 8192,
	 .help = "Length of a receive queue; the device may round it."},
	{.key = "tx-descriptors",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct workers_config, tx_descriptors),
	 .preset = "512",
	 .min = 64,
	 .max = 8192,
	 .help = "Length of a transmit queue; the device may round it."},
};

const struct config_section workers_config_section = {
	.name = "workers",
	.help = "The threads that move packets.",
	.size = sizeof(struct workers_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

/* The CPUs that weir was started on. EAL pins its threads, so a reload could not ask any more. */
static cpu_set_t started_on;

RTE_INIT(read_started_on)
{
	if (sched_getaffinity(0, sizeof(started_on), &started_on) != 0)
		CPU_ZERO(&started_on);
}

/* As "0-3,6". */
static void usable_text(const cpu_set_t *usable, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE && used < size; first++) {
		int last = first;

		if (!CPU_ISSET(first, usable))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, usable))
			last++;
		used += (size_t)snprintf(text + used, size - used,
					 last > first ? "%s%d-%d" : "%s%d", used > 0 ? "," : "",
					 first, last);
		first = last;
	}
}

static int refuse_cpu(struct config_error *error, const char *path, const char *found,
		      const cpu_set_t *usable)
{
	char text[128];

	usable_text(usable, text, sizeof(text));
	snprintf(error->path, sizeof(error->path), "%s", path);
	snprintf(error->found, sizeof(error->found), "%s", found);
	snprintf(error->right, sizeof(error->right), "one of the CPUs that weir may use: %s", text);
	return -EINVAL;
}

/* "3" or "3-5" */
static bool parse_cores(const char *text, uint32_t *first, uint32_t *last)
{
	char head[16];
	const char *dash = strchr(text, '-');
	size_t n = dash != NULL ? (size_t)(dash - text) : strlen(text);
	uint64_t a, b;

	if (n >= sizeof(head))
		return false;
	memcpy(head, text, n);
	head[n] = '\0';
	if (!text_parse_uint(head, CPU_SETSIZE - 1, &a))
		return false;
	b = a;
	if (dash != NULL && !text_parse_uint(dash + 1, CPU_SETSIZE - 1, &b))
		return false;
	*first = (uint32_t)a;
	*last = (uint32_t)b;
	return a <= b;
}

/* Takes the CPUs of one element of `cores`. */
static int add_cores(const struct workers_config *config, uint32_t i, const cpu_set_t *usable,
		     cpu_set_t *taken, uint16_t core[WORKERS_MAX], uint32_t *n,
		     struct config_error *error)
{
	const char *text = config->cores.text[i];
	char path[32];
	uint32_t first, last;

	snprintf(path, sizeof(path), "workers.cores[%u]", i);
	if (!parse_cores(text, &first, &last))
		return refuse_cpu(error, path, text, usable);
	for (uint32_t cpu = first; cpu <= last; cpu++) {
		if (!CPU_ISSET(cpu, usable))
			return refuse_cpu(error, path, text, usable);
		if (CPU_ISSET(cpu, taken)) {
			refuse_cpu(error, path, text, usable);
			snprintf(error->right, sizeof(error->right), "each CPU once");
			return -EINVAL;
		}
		CPU_SET(cpu, taken);
		if (*n < WORKERS_MAX)
			core[*n] = (uint16_t)cpu;
		(*n)++;
	}
	return 0;
}

static int written_cores(const struct workers_config *config, const cpu_set_t *usable,
			 uint16_t core[WORKERS_MAX], struct config_error *error)
{
	cpu_set_t taken;
	uint32_t n = 0;

	CPU_ZERO(&taken);
	for (uint32_t i = 0; i < config->cores.n; i++)
		if (add_cores(config, i, usable, &taken, core, &n, error) != 0)
			return -EINVAL;
	if (n == config->count)
		return 0;
	snprintf(error->path, sizeof(error->path), "workers.cores");
	snprintf(error->found, sizeof(error->found), "%u CPU%s", n, n == 1 ? "" : "s");
	snprintf(error->right, sizeof(error->right), "as many as workers.count, which is %u",
		 config->count);
	return -EINVAL;
}

static void chosen_cores(const struct workers_config *config, const cpu_set_t *usable,
			 uint16_t core[WORKERS_MAX])
{
	cpu_set_t choice = *usable;
	uint32_t n = 0;

	CPU_CLR(config->control_core, &choice);
	if ((uint32_t)CPU_COUNT(&choice) < config->count)
		choice = *usable;
	while (n < config->count)
		for (uint16_t cpu = 0; cpu < CPU_SETSIZE && n < config->count; cpu++)
			if (CPU_ISSET(cpu, &choice))
				core[n++] = cpu;
}

int workers_cores(const struct workers_config *config, uint16_t core[WORKERS_MAX],
		  struct config_error *error)
{
	const cpu_set_t *usable = &started_on;
	char found[16];

	if (!CPU_ISSET(config->control_core, usable)) {
		snprintf(found, sizeof(found), "%u", config->control_core);
		return refuse_cpu(error, "workers.control-core", found, usable);
	}
	if (config->cores.n > 0)
		return written_cores(config, usable, core, error);
	chosen_cores(config, usable, core);
	return 0;
}
