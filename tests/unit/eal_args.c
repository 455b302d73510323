/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_file.h"

/* A configuration with two taps, one pool of 16 addresses, and every default. */
struct fixture {
	struct iface_config iface[2];
	struct config_range range;
	struct pool_config pool;
	char *arg[4];
	struct config config;
	struct eal_args args;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->iface[0].device = (char *)(uintptr_t) "net_tap0,iface=a";
	f->iface[1].device = (char *)(uintptr_t) "net_tap1,iface=b";
	f->range = (struct config_range){.first = 0xcb007100, .last = 0xcb00710f};
	f->pool.addresses = (struct config_prefixes){.range = &f->range, .n = 1};
	f->pool.port_range = (struct config_range){.first = 1024, .last = 65535};
	f->pool.block_size = 1024;
	f->config.interfaces = (struct config_list){.element = f->iface, .n = 2};
	f->config.pools = (struct config_list){.element = &f->pool, .n = 1};
	f->config.limits.max_sessions = 262144;
	f->config.limits.max_subscribers = 65536;
	f->config.workers.count = 1;
	f->config.workers.buffers = 16384;
	f->config.eal.file_prefix = (char *)(uintptr_t) "weir";
	f->config.eal.hugepages = EAL_HUGEPAGES_NO;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	eal_args_free(&f->args);
	free(f);
	return 0;
}

/* The arguments in one line. */
static const char *built(struct fixture *f)
{
	static char line[2048];
	size_t n = 0;

	eal_args_free(&f->args);
	assert_int_equal(eal_args_build(&f->config, &f->args), 0);
	assert_null(f->args.argv[f->args.argc]);
	for (int i = 0; i < f->args.argc; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i > 0 ? " " : "",
				      f->args.argv[i]);
	return line;
}

static void add_arg(struct fixture *f, const char *arg)
{
	f->arg[f->config.eal.args.n++] = (char *)(uintptr_t)arg;
	f->config.eal.args.text = f->arg;
}

/* The control thread is lcore 0, workers follow; memory is computed; taps need no PCI. */
static void plain(void **state)
{
	struct fixture *f = *state;
	char start[256];

	snprintf(start, sizeof(start),
		 " --file-prefix=weir --no-huge -m %u --vdev net_tap0,iface=a --vdev "
		 "net_tap1,iface=b --no-pci",
		 eal_args_memory_mb(&f->config));
	assert_non_null(strstr(built(f), "weir --lcores 0@0,1@"));
	assert_non_null(strstr(built(f), start));
	assert_false(f->args.hugepages);
	assert_non_null(strstr(f->args.memory, "MB of ordinary memory: eal.hugepages is no"));
}

/* A PCI device is allowed by its address, alone; a vdev beside it stays one. */
static void pci(void **state)
{
	struct fixture *f = *state;

	f->iface[0].device = (char *)(uintptr_t) "0000:3b:00.0";
	assert_non_null(strstr(built(f), " -a 0000:3b:00.0 --vdev net_tap1,iface=b"));
	assert_null(strstr(built(f), "--no-pci"));
}

/* Each worker gets an lcore on its own CPU where the configuration names them. */
static void cores(void **state)
{
	struct fixture *f = *state;
	char *core = (char *)(uintptr_t) "0";

	f->config.workers.cores = (struct config_texts){.text = &core, .n = 1};
	assert_non_null(strstr(built(f), " --lcores 0@0,1@0 "));
}

/* A thread that EAL has pinned to one CPU still knows all those that weir was started on. */
static void pinned(void **state)
{
	struct fixture *f = *state;
	struct config_error error;
	uint16_t before[WORKERS_MAX], after[WORKERS_MAX];
	cpu_set_t all, first;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	f->config.workers.count = (uint32_t)CPU_COUNT(&all);
	assert_int_equal(workers_cores(&f->config.workers, before, &error), 0);
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	assert_int_equal(sched_setaffinity(0, sizeof(first), &first), 0);
	assert_int_equal(workers_cores(&f->config.workers, after, &error), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_memory_equal(before, after, f->config.workers.count * sizeof(before[0]));
}

/* With fewer CPUs than workers, CPUs are shared; every worker still has an lcore of its own. */
static void shared_cores(void **state)
{
	struct fixture *f = *state;
	struct config_error error;
	uint16_t core[WORKERS_MAX];

	f->config.workers.count = WORKERS_MAX;
	assert_int_equal(workers_cores(&f->config.workers, core, &error), 0);
	assert_non_null(strstr(built(f), ",64@"));
	for (uint32_t i = 0; i < WORKERS_MAX; i++)
		assert_true(core[i] < (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
}

/* eal.args come last, and what they set is not set twice: EAL refuses a second --lcores. */
static void own_args_replace(void **state)
{
	struct fixture *f = *state;
	const char *line;

	add_arg(f, "--lcores=0@0,1@1");
	add_arg(f, "-m512");
	add_arg(f, "--file-prefix=other");
	line = built(f);
	assert_string_equal(line,
			    "weir --vdev net_tap0,iface=a --vdev net_tap1,iface=b --no-pci "
			    "--log-level=lib.eal:error "
			    "--log-level=lib.telemetry:error --log-level=pmd.net.tap:critical "
			    "--lcores=0@0,1@1 -m512 --file-prefix=other");
	assert_string_equal(f->args.memory, "memory as eal.args says");
}

/* An option that only starts like one of weir's leaves it alone. */
static void other_args_add(void **state)
{
	struct fixture *f = *state;

	add_arg(f, "--main-lcore=0");
	add_arg(f, "--file-prefixes");
	assert_non_null(strstr(built(f), "--lcores 0@0"));
	assert_non_null(strstr(built(f), "--file-prefix=weir"));
}

/* More state, more workers and more addresses need more memory; eal.memory says it instead. */
static void memory_grows(void **state)
{
	struct fixture *f = *state;
	uint32_t before = eal_args_memory_mb(&f->config), now;

	/* at least: two LPM tables of 64 MB, buffers of 2.3 KB, sessions of 178 bytes */
	assert_true(before > 128 + 36 + 98);
	assert_true(before < 512);
	f->config.limits.max_sessions = 1048576;
	now = eal_args_memory_mb(&f->config);
	assert_true(now - before >= 130);
	before = now;
	f->config.workers.count = 2;
	now = eal_args_memory_mb(&f->config);
	assert_true(now - before >= 36);
	before = now;
	f->range.last = f->range.first + 1023;
	now = eal_args_memory_mb(&f->config);
	assert_true(now - before >= 24);
	before = now;
	f->iface[1].mtu = 9000; /* a frame is one buffer */
	now = eal_args_memory_mb(&f->config);
	assert_true(now - before >= 2 * 16384 * 6600 / 1048576);
	f->config.eal.memory = 777;
	assert_non_null(strstr(built(f), "-m 777 "));
}

/* Numbers as large as the rows allow do not wrap. */
static void memory_at_the_limits(void **state)
{
	struct fixture *f = *state;

	f->config.limits.max_sessions = 67108864;
	f->config.limits.max_subscribers = 16777216;
	f->config.workers.count = WORKERS_MAX;
	f->config.workers.buffers = 1048576;
	assert_true(eal_args_memory_mb(&f->config) > 180 * 1024);
}

static void write_pages(const char *directory, const char *pages)
{
	char path[128];
	FILE *file;

	assert_int_equal(mkdir(directory, 0700), 0);
	snprintf(path, sizeof(path), "%s/free_hugepages", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", pages);
	fclose(file);
}

/* Free hugepages of all sizes count, in bytes; without any there are none. */
static void hugepages_are_counted(void **state)
{
	char root[] = "/tmp/weir-pages-XXXXXX", command[64];

	(void)state;
	assert_int_equal(eal_hugepages_free("/nonexistent"), 0);
	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	write_pages("hugepages-2048kB", "3");
	write_pages("hugepages-1048576kB", "2");
	assert_true(eal_hugepages_free(root) == 3 * UINT64_C(2097152) + 2 * UINT64_C(1073741824));
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

/* When hugepages are demanded and too few are free, nothing is built. */
static void too_few_hugepages(void **state)
{
	struct fixture *f = *state;

	f->config.eal.hugepages = EAL_HUGEPAGES_YES;
	f->config.eal.memory = 16777216;
	assert_int_equal(eal_args_build(&f->config, &f->args), -ENOMEM);
	assert_int_equal(f->args.argc, 0);
	f->config.eal.hugepages = EAL_HUGEPAGES_AUTO;
	assert_non_null(strstr(built(f), "--no-huge -m 16777216"));
	assert_non_null(strstr(f->args.memory, "MB of hugepages are free, 16777216 MB are needed"));
}

/* A device's kind shows in its name. */
static void device_kinds(void **state)
{
	static const struct {
		const char *device;
		enum eal_device kind;
		bool kernel;
	} devices[] = {
		{"0000:3b:00.0", EAL_DEVICE_PCI, false},
		{"3b:00.1", EAL_DEVICE_UNKNOWN, false},
		{"0000:3b:00.0,rx_vec_en=1", EAL_DEVICE_PCI, false},
		{"net_tap0,iface=tap0", EAL_DEVICE_VDEV, true},
		{"net_af_packet0,iface=eth0", EAL_DEVICE_VDEV, true},
		{"net_memif0,role=client", EAL_DEVICE_VDEV, false},
		{"virtio_user0,path=/dev/vhost-net", EAL_DEVICE_VDEV, false},
		{"net_virtio_user0,path=/dev/vhost-net", EAL_DEVICE_VDEV, false},
		{"eth0", EAL_DEVICE_UNKNOWN, false},
		{"0000:3b:00", EAL_DEVICE_UNKNOWN, false},
		{"0000:3b:00.0x", EAL_DEVICE_UNKNOWN, false},
		{"", EAL_DEVICE_UNKNOWN, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		assert_int_equal(eal_device_kind(devices[i].device), devices[i].kind);
		assert_int_equal(eal_device_is_kernel(devices[i].device), devices[i].kernel);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain, setup, teardown),
		cmocka_unit_test_setup_teardown(pci, setup, teardown),
		cmocka_unit_test_setup_teardown(cores, setup, teardown),
		cmocka_unit_test_setup_teardown(pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_cores, setup, teardown),
		cmocka_unit_test_setup_teardown(own_args_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(other_args_add, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_at_the_limits, setup, teardown),
		cmocka_unit_test(hugepages_are_counted),
		cmocka_unit_test_setup_teardown(too_few_hugepages, setup, teardown),
		cmocka_unit_test(device_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
