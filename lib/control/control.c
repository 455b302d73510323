/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include <rte_eal.h>
#include <rte_version.h>

#include "call.h"
#include "clock.h"
#include "cmd.h"
#include "control.h"
#include "log.h"
#include "port.h"
#include "rcu.h"
#include "socket.h"
#include "worker.h"

LOG_TYPE(control);

/* How often what workers handed over is looked at: what a first packet may wait for ARP beyond the
 * neighbour's own time. */
#define TICK_MS 5

/* How often what drains is looked at. */
#define DRAIN_MS 200

#define SIGNALS 3

static struct {
	const char *path;
	struct config *config;
	struct event_base *base;
	struct event *signal[SIGNALS];
	struct event *tick;
} control;

int control_lock(const char *file_prefix)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/weir/%s.lock", file_prefix);
	if (mkdir("/run/weir", 0750) != 0 && errno != EEXIST) {
		LOG(ERR, "cannot make /run/weir: %s", strerror(errno));
		return -errno;
	}
	/* stays open, and so locked, until the process ends */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0) {
		LOG(ERR, "cannot open %s: %s", path, strerror(errno));
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		LOG(ERR,
		    "a weir with file prefix \"%s\" is running; stop it, or give this one another "
		    "eal.file-prefix",
		    file_prefix);
		close(fd);
		return -EADDRINUSE;
	}
	return 0;
}

/* Reads the file again; on any failure everything stays as it was. `why` gets one line. */
static int reload(char **why)
{
	struct config_error error = {0};
	struct config *config;
	size_t size;
	FILE *lines = open_memstream(why, &size);
	int result = -EINVAL;

	if (lines == NULL)
		return -ENOMEM;
	config = config_load(control.path, lines);
	if (config != NULL) {
		result = reload_apply(control.config, config, &error);
		if (result != 0)
			fprintf(lines, "%s: %s%s%s", error.path, error.found,
				error.found[0] != '\0' ? ", " : "", error.right);
	}
	fclose(lines);
	if (result == 0) {
		LOG(NOTICE, "%s reloaded", control.path);
		config_free(control.config);
		control.config = config;
	} else {
		LOG(ERR, "%s not reloaded: %s", control.path, *why);
		if (config != NULL)
			config_free(config);
	}
	return result;
}

static void on_hangup(evutil_socket_t signal __rte_unused, short what __rte_unused,
		      void *context __rte_unused)
{
	char *why = NULL;

	reload(&why);
	free(why);
}

static void on_end(evutil_socket_t signal, short what __rte_unused, void *context __rte_unused)
{
	LOG(NOTICE, "ending: %s", strsignal(signal));
	event_base_loopbreak(control.base);
}

static void on_tick(evutil_socket_t fd __rte_unused, short what __rte_unused,
		    void *context __rte_unused)
{
	static uint64_t next_drain_ms;
	uint64_t now_ms = clock_ms();

	route_poll(now_ms);
	port_watch_links(now_ms);
	refused_show(now_ms);
	if (now_ms >= next_drain_ms) {
		pools_drain();
		next_drain_ms = now_ms + DRAIN_MS;
	}
}

static int add_events(void)
{
	static const struct timeval tick = {.tv_usec = TICK_MS * 1000};
	static const struct {
		int signal;
		event_callback_fn callback;
	} signals[SIGNALS] = {{SIGTERM, on_end}, {SIGINT, on_end}, {SIGHUP, on_hangup}};

	for (int i = 0; i < SIGNALS; i++) {
		control.signal[i] =
			evsignal_new(control.base, signals[i].signal, signals[i].callback, NULL);
		if (control.signal[i] == NULL || event_add(control.signal[i], NULL) != 0)
			return -ENOMEM;
	}
	control.tick = event_new(control.base, -1, EV_PERSIST, on_tick, NULL);
	if (control.tick == NULL || event_add(control.tick, &tick) != 0)
		return -ENOMEM;
	return 0;
}

int control_setup(const char *path, struct config *config)
{
	const struct control_config *socket = &config->control;
	int error = -ENOMEM;

	control.path = path;
	control.config = config;
	control.base = event_base_new();
	if (control.base == NULL || add_events() != 0) {
		LOG(ERR, "cannot set up the event loop");
		return error;
	}
	if (rte_rcu_qsbr_thread_register(rcu, rte_lcore_id()) != 0)
		return -EINVAL;
	error = call_setup(control.base);
	if (error != 0)
		return error;
	error = cmd_telemetry_setup();
	if (error != 0)
		return error;
	return socket_open(control.base, socket->socket,
			   socket->group[0] != '\0' ? socket->group : NULL);
}

void control_teardown(void)
{
	if (control.base != NULL) {
		socket_close();
		call_teardown();
		for (int i = 0; i < SIGNALS; i++)
			if (control.signal[i] != NULL)
				event_free(control.signal[i]);
		if (control.tick != NULL)
			event_free(control.tick);
		event_base_free(control.base);
	}
	if (control.config != NULL)
		config_free(control.config);
	memset(&control, 0, sizeof(control));
}

void control_run(void)
{
	LOG(NOTICE, "ready");
	sd_notify(0, "READY=1");
	event_base_dispatch(control.base);
	sd_notify(0, "STOPPING=1");
}

static json_t *show_info(struct cmd_call *call __rte_unused)
{
	uint32_t n = 0;

	while (n < WORKERS_MAX && workers[n] != NULL)
		n++;
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:b, s:s, s:s}", "version", WEIR_VERSION,
			 "dpdk", rte_version(), "pid", (int)getpid(), "uptime",
			 (int)clock_seconds(clock_ms()), "workers", (int)n, "hugepages",
			 rte_eal_has_hugepages(), "file_prefix", control.config->eal.file_prefix,
			 "config", control.path);
}

static const struct cmd info_cmd = {
	.path = "/weir/info",
	.help = "Version, process, uptime in seconds. No parameters.",
	.where = CMD_CONTROL,
	.run = show_info,
};
CMD_REGISTER(info_cmd);

static json_t *show_config(struct cmd_call *call __rte_unused)
{
	return config_to_json(control.config);
}

static const struct cmd config_cmd = {
	.path = "/weir/config",
	.help = "The configuration in force, with every default. No parameters.",
	.where = CMD_CONTROL,
	.run = show_config,
};
CMD_REGISTER(config_cmd);

static json_t *run_reload(struct cmd_call *call)
{
	char *why = NULL;
	int error = reload(&why);
	json_t *reply;
	uint32_t ended;

	if (error != 0)
		cmd_fail(call, "not reloaded: %s", why != NULL ? why : strerror(-error));
	free(why);
	if (error != 0)
		return NULL;
	reply = json_pack("{s:s}", "reloaded", control.path);
	if (nat_recheck_wait(&ended)) /* else the workers are still looking at their sessions */
		json_object_set_new(reply, "ended", json_integer(ended));
	return reply;
}

static const struct cmd reload_cmd = {
	.path = "/weir/reload",
	.help = "Reads the configuration file again and puts it into force. No parameters.",
	.where = CMD_CONTROL,
	.changes = true,
	.run = run_reload,
};
CMD_REGISTER(reload_cmd);
