/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "call.h"
#include "log.h"
#include "socket.h"

LOG_TYPE(socket);

struct client {
	struct bufferevent *stream; /* NULL: the place is free */
	uid_t uid;
	bool ending; /* close once the answer is out */
	bool eof;    /* the client sends nothing more */
};

static struct client clients[SOCKET_CLIENTS_MAX];
static struct evconnlistener *listener;
static struct sockaddr_un address;

/* ---- answers ---- */

static int append(const char *bytes, size_t n, void *output)
{
	return evbuffer_add(output, bytes, n);
}

/* Takes the reference. False: out of memory, half an answer may be in the buffer. */
static bool send_object(struct client *client, json_t *object)
{
	struct evbuffer *output = bufferevent_get_output(client->stream);
	bool sent = object != NULL &&
		    json_dump_callback(object, append, output, JSON_COMPACT) == 0 &&
		    evbuffer_add(output, "\n", 1) == 0;

	json_decref(object);
	return sent;
}

static bool send_error(struct client *client, const char *text)
{
	return send_object(client, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

static void log_change(const struct client *client, const struct cmd *cmd, const json_t *args)
{
	char *text = json_dumps(args, JSON_COMPACT | JSON_ENSURE_ASCII);

	LOG(NOTICE, "user %u: %s %.256s", client->uid, cmd->path, text != NULL ? text : "");
	free(text);
}

static bool run(struct client *client, const struct cmd *cmd, json_t *args)
{
	struct cmd_call call = {.args = args};
	json_t *reply = NULL;

	if (cmd_args_known(cmd, &call)) {
		if (cmd->changes)
			log_change(client, cmd, args);
		reply = call_here(cmd, &call);
	}
	if (reply == NULL)
		return send_error(client, call.error);
	return send_object(client, json_pack("{s:b, s:o}", "ok", 1, "reply", reply));
}

static bool answer_request(struct client *client, json_t *request)
{
	const char *path = json_string_value(json_object_get(request, "path"));
	json_t *args = json_object_get(request, "args");
	const struct cmd *cmd = path != NULL ? cmd_find(path) : NULL;
	bool sent;

	if (path == NULL)
		return send_error(client,
				  "not a request: {\"path\": \"/weir/help\", \"args\": {}}");
	if (cmd == NULL)
		return send_error(client, "no such command; /weir/help lists them");
	if (args != NULL && !json_is_object(args))
		return send_error(client, "\"args\" is not an object");
	args = args != NULL ? json_incref(args) : json_object();
	sent = args != NULL && run(client, cmd, args);
	json_decref(args);
	return sent;
}

static bool answer(struct client *client, const char *line, size_t n)
{
	char text[256];
	json_error_t error;
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	bool sent;

	if (request == NULL) {
		snprintf(text, sizeof(text), "not JSON: column %d: %s", error.column, error.text);
		return send_error(client, text) || send_error(client, "not JSON");
	}
	sent = answer_request(client, request);
	json_decref(request);
	return sent;
}

/* ---- clients ---- */

static void client_close(struct client *client)
{
	bufferevent_free(client->stream);
	client->stream = NULL;
}

/* The next line, or what is left after the last newline of a client that sends no more. */
static char *next_line(struct client *client, size_t *n)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	char *line = evbuffer_readln(input, n, EVBUFFER_EOL_LF);

	*n = line != NULL ? *n : evbuffer_get_length(input);
	if (line != NULL || !client->eof || *n == 0)
		return line;
	line = malloc(*n);
	if (line != NULL)
		evbuffer_remove(input, line, *n);
	return line;
}

/* Answers one request if a whole one is there and no answer is on its way. */
static void serve(struct client *client)
{
	struct evbuffer *output = bufferevent_get_output(client->stream);
	size_t n;
	char *line;
	bool sent = true;

	if (evbuffer_get_length(output) > 0)
		return; /* written() comes back here */
	line = client->ending ? NULL : next_line(client, &n);
	if (line != NULL) {
		sent = answer(client, line, n);
		free(line);
	} else if (client->ending || client->eof) {
		client_close(client);
		return;
	} else if (n >= SOCKET_REQUEST_MAX) {
		client->ending = true;
		sent = send_error(client, "the request is longer than 64 KiB");
	}
	if (!sent)
		client_close(client);
	else if (evbuffer_get_length(output) > 0 || client->eof)
		bufferevent_disable(client->stream, EV_READ);
	else
		bufferevent_enable(client->stream, EV_READ);
}

static void readable(struct bufferevent *stream __rte_unused, void *client)
{
	serve(client);
}

static void written(struct bufferevent *stream __rte_unused, void *client)
{
	serve(client);
}

static void stream_event(struct bufferevent *stream __rte_unused, short what, void *arg)
{
	struct client *client = arg;

	if ((what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_READING) != 0) {
		client->eof = true;
		serve(client);
	} else {
		client_close(client);
	}
}

static struct client *client_place(void)
{
	for (int i = 0; i < SOCKET_CLIENTS_MAX; i++)
		if (clients[i].stream == NULL)
			return &clients[i];
	return NULL;
}

/* One client too many: told so if its socket takes it at once. */
static void turn_away(int fd)
{
	static const char text[] =
		"{\"ok\":false,\"error\":\"too many clients of the control socket\"}\n";

	if (send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		LOG(DEBUG, "a client was turned away without a word");
	close(fd);
}

static void accept_client(struct evconnlistener *of, evutil_socket_t fd,
			  struct sockaddr *from __rte_unused, int from_length __rte_unused,
			  void *arg __rte_unused)
{
	const struct timeval idle = {.tv_sec = SOCKET_IDLE_SECONDS};
	const struct timeval send_time = {.tv_sec = SOCKET_SEND_SECONDS};
	struct client *client = client_place();
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t n = sizeof(peer);

	if (client == NULL) {
		turn_away(fd);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
	*client = (struct client){.uid = peer.uid};
	client->stream =
		bufferevent_socket_new(evconnlistener_get_base(of), fd, BEV_OPT_CLOSE_ON_FREE);
	if (client->stream == NULL) {
		close(fd);
		return;
	}
	bufferevent_setcb(client->stream, readable, written, stream_event, client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, SOCKET_REQUEST_MAX);
	bufferevent_set_timeouts(client->stream, &idle, &send_time);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

/* ---- the listening socket ---- */

static int find_group(const char *name, gid_t *gid)
{
	struct group *group;

	*gid = (gid_t)-1; /* chown() leaves it as it is */
	if (name == NULL)
		return 0;
	group = getgrnam(name);
	if (group == NULL) {
		LOG(ERR, "control socket: there is no group '%s' (groupadd --system %s)", name,
		    name);
		return -ENOENT;
	}
	*gid = group->gr_gid;
	return 0;
}

/* Whether the directory is as weir makes it, but of no group's yet. */
static bool is_fresh(const char *directory)
{
	struct stat st;

	return stat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       st.st_gid == getegid() && (st.st_mode & 07777) == 0750;
}

static int make_directory(const char *path, gid_t gid)
{
	char copy[sizeof(address.sun_path)];
	const char *directory;

	snprintf(copy, sizeof(copy), "%s", path);
	directory = dirname(copy);
	if (mkdir(directory, 0750) != 0 && errno != EEXIST)
		return -errno;
	if (!is_fresh(directory))
		return 0;
	return chown(directory, (uid_t)-1, gid) != 0 ? -errno : 0;
}

/* Removes the socket of a weir that is no more; refuses what is in use or no socket. */
static int make_way(const char *path)
{
	struct stat st;
	int fd, ret;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
	close(fd);
	if (ret == 0 || ret == -EAGAIN) /* EAGAIN: its queue is full, but it is there */
		return -EADDRINUSE;
	return unlink(path) != 0 ? -errno : 0;
}

/* A bound socket, or -errno. Nobody else may connect before group and mode are right. */
static int bind_socket(const char *path, gid_t gid)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t mask;
	int ret;

	if (fd < 0)
		return -errno;
	mask = umask(0177);
	ret = bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ? -errno : 0;
	umask(mask);
	if (ret == 0 && (chown(path, (uid_t)-1, gid) != 0 || chmod(path, 0660) != 0))
		ret = -errno;
	if (ret != 0) {
		close(fd);
		return ret;
	}
	return fd;
}

static int listen_on(struct event_base *base, const char *path, gid_t gid)
{
	int fd;
	int ret = make_directory(path, gid);

	if (ret == 0)
		ret = make_way(path);
	fd = ret == 0 ? bind_socket(path, gid) : ret;
	if (fd < 0)
		return fd;
	listener = evconnlistener_new(base, accept_client, NULL,
				      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
				      SOCKET_CLIENTS_MAX, fd);
	if (listener == NULL) {
		close(fd);
		unlink(path);
		return -ENOMEM;
	}
	return 0;
}

int socket_open(struct event_base *base, const char *path, const char *group)
{
	gid_t gid;
	int ret = find_group(group, &gid);

	if (ret != 0)
		return ret;
	address.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address.sun_path)) {
		ret = -ENAMETOOLONG;
	} else {
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
		ret = listen_on(base, path, gid);
	}
	if (ret == -EADDRINUSE)
		LOG(ERR, "control socket %s: another weir listens there", path);
	else if (ret == -EEXIST)
		LOG(ERR, "control socket %s: there is something else of this name", path);
	else if (ret != 0)
		LOG(ERR, "control socket %s: %s", path, strerror(-ret));
	else
		signal(SIGPIPE, SIG_IGN);
	return ret;
}

void socket_close(void)
{
	if (listener == NULL)
		return;
	for (int i = 0; i < SOCKET_CLIENTS_MAX; i++)
		if (clients[i].stream != NULL)
			client_close(&clients[i]);
	evconnlistener_free(listener);
	listener = NULL;
	unlink(address.sun_path);
}
