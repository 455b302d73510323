/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "cmd.h"
#include "eal.h"
#include "socket.h"

/* Loop and clients share this one thread: a client never blocks, the loop runs when it is pumped.
 */

#define BIG (8u << 20)

static struct event_base *base;
static char directory[64], path[96];

/* "length": a reply of so many bytes; without: the arguments. */
static json_t *echo(struct cmd_call *call)
{
	const char *length = cmd_arg(call, "length", CMD_NAMED);
	json_t *reply;
	char *text;

	if (cmd_arg(call, "fail", CMD_NAMED) != NULL)
		return cmd_fail(call, "it failed");
	if (length == NULL)
		return json_deep_copy(call->args);
	text = calloc(1, strtoul(length, NULL, 10) + 1);
	memset(text, 'x', strtoul(length, NULL, 10));
	reply = json_string(text);
	free(text);
	return reply;
}

static const struct cmd echo_cmd = {.path = "/test/echo",
				    .help = "h",
				    .names = "length fail a",
				    .where = CMD_CONTROL,
				    .run = echo};

static void pump(void)
{
	for (int i = 0; i < 10; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int dial_at(const char *at)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", at);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int dial(void)
{
	int fd = dial_at(path);

	assert_true(fd >= 0);
	pump();
	return fd;
}

static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	for (size_t sent = 0; sent < n;) {
		ssize_t now = send(fd, text + sent, n - sent, MSG_NOSIGNAL);

		if (now < 0 && errno != EAGAIN)
			return; /* closed on us */
		sent += now > 0 ? (size_t)now : 0;
		pump();
	}
}

/* The next line; "" when weir closed; NULL when nothing comes. The text is valid till the next. */
static const char *hear(int fd)
{
	static char line[BIG + 1024];
	size_t n = 0;

	for (int idle = 0; idle < 20;) {
		ssize_t now = recv(fd, line + n, 1, MSG_PEEK);

		if (now == 0)
			return "";
		if (now < 0) {
			idle++;
			pump();
			continue;
		}
		/* to the newline and not further: the rest is the next line */
		now = recv(fd, line + n, sizeof(line) - 1 - n, MSG_PEEK);
		for (ssize_t i = 0; i < now; i++)
			if (line[n + (size_t)i] == '\n')
				now = i + 1;
		assert_int_equal(recv(fd, line + n, (size_t)now, 0), now);
		n += (size_t)now;
		line[n] = '\0';
		if (line[n - 1] == '\n')
			return line;
		pump();
	}
	return NULL;
}

static void assert_answer(int fd, const char *expected)
{
	const char *line = hear(fd);

	assert_non_null(line);
	assert_string_equal(line, expected);
}

static void assert_error(int fd, const char *part)
{
	const char *line = hear(fd);
	json_t *answer;

	assert_non_null(line);
	answer = json_loads(line, 0, NULL);
	assert_non_null(answer);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), part));
	json_decref(answer);
}

/* A request is a line, and so is its answer; the connection stays. */
static void asks_and_answers(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"path\": \"/test/echo\", \"args\": {\"a\": 1}}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{\"a\":1}}\n");
	say(fd, "{\"path\": \"/test/echo\"}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{}}\n");
	say(fd, "{\"path\": \"/test/echo\", \"args\": {\"fail\": true}}\n");
	assert_answer(fd, "{\"ok\":false,\"error\":\"it failed\"}\n");
	close(fd);
}

/* What is no request is told so in a line, and the next request is heard. */
static void bad_requests(void **state)
{
	static const struct {
		const char *request, *error;
	} rows[] = {
		{"hello\n", "not JSON"},
		{"\n", "not JSON"},
		{"\xff\xfe{\n", "not JSON"},
		{"{\"path\": \"/test/echo\", \"path\": \"/test/echo\"}\n", "not JSON"},
		{"[1]\n", "not a request"},
		{"{\"path\": 7}\n", "not a request"},
		{"{\"path\": \"/test/nothing\"}\n", "no such command"},
		{"{\"path\": \"/test/echo\", \"args\": [1]}\n", "not an object"},
		{"{\"path\": \"/test/echo\", \"args\": {\"b\": 1}}\n", "no argument 'b'"},
	};
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		say(fd, rows[i].request);
		assert_error(fd, rows[i].error);
	}
	say(fd, "{\"path\": \"/test/echo\"}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{}}\n");
	close(fd);
}

/* Requests sent together are answered in order; one sent in pieces is one. */
static void requests_in_one_and_in_pieces(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"path\":\"/test/echo\",\"args\":{\"a\":1}}\n"
		"{\"path\":\"/test/echo\",\"args\":{\"a\":2}}\n{\"path\":\"/test/e");
	assert_answer(fd, "{\"ok\":true,\"reply\":{\"a\":1}}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{\"a\":2}}\n");
	assert_null(hear(fd));
	say(fd, "cho\",\"args\":{\"a\":3}}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{\"a\":3}}\n");
	close(fd);
}

/* A client may end its side after asking, even without a newline: it is answered, then closed. */
static void half_closed(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"path\":\"/test/echo\",\"args\":{\"a\":1}}\n{\"path\":\"/test/echo\"}");
	shutdown(fd, SHUT_WR);
	assert_answer(fd, "{\"ok\":true,\"reply\":{\"a\":1}}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{}}\n");
	assert_answer(fd, "");
	close(fd);
}

/* 64 KiB with the newline is a request; a byte more is refused and the client sent away. */
static void huge_line(void **state)
{
	static char line[SOCKET_REQUEST_MAX + 2];
	const char *head = "{\"path\":\"/test/echo\",\"args\":{\"a\":\"";
	int fd = dial();

	(void)state;
	for (size_t n = SOCKET_REQUEST_MAX; n <= SOCKET_REQUEST_MAX + 1; n++) {
		memset(line, 'x', n);
		memcpy(line, head, strlen(head));
		memcpy(line + n - 4, "\"}}\n", 5);
		say(fd, line);
		if (n == SOCKET_REQUEST_MAX)
			assert_memory_equal(hear(fd), "{\"ok\":true", 10);
		else
			assert_error(fd, "longer than 64 KiB");
	}
	assert_string_equal(hear(fd), "");
	close(fd);
}

/* One client more than the bound is told so; when one leaves, the next is served. */
static void many_clients(void **state)
{
	int fd[SOCKET_CLIENTS_MAX], late;

	(void)state;
	for (int i = 0; i < SOCKET_CLIENTS_MAX; i++)
		fd[i] = dial();
	late = dial();
	assert_error(late, "too many clients");
	assert_string_equal(hear(late), "");
	close(late);
	close(fd[3]);
	pump();
	fd[3] = dial();
	for (int i = 0; i < SOCKET_CLIENTS_MAX; i++) {
		say(fd[i], "{\"path\": \"/test/echo\"}\n");
		assert_answer(fd[i], "{\"ok\":true,\"reply\":{}}\n");
		close(fd[i]);
	}
	pump();
}

/* A client that does not read keeps nobody waiting, and has no second answer made for it. */
static void slow_reader(void **state)
{
	int slow = dial(), quick = dial();
	char request[128];
	const char *line;

	(void)state;
	snprintf(request, sizeof(request),
		 "{\"path\":\"/test/echo\",\"args\":{\"length\":%u}}\n"
		 "{\"path\":\"/test/nothing\"}\n",
		 BIG);
	say(slow, request);
	for (int i = 0; i < 50; i++) {
		say(quick, "{\"path\": \"/test/echo\"}\n");
		assert_answer(quick, "{\"ok\":true,\"reply\":{}}\n");
	}
	line = hear(slow);
	assert_non_null(line);
	assert_int_equal(strlen(line), BIG + strlen("{\"ok\":true,\"reply\":\"\"}\n"));
	assert_error(slow, "no such command");
	close(slow);
	close(quick);
}

/* A client that leaves in the middle of an answer harms nobody. */
static void client_leaves(void **state)
{
	char request[128];
	int fd;

	(void)state;
	snprintf(request, sizeof(request), "{\"path\":\"/test/echo\",\"args\":{\"length\":%u}}\n",
		 BIG);
	for (int i = 0; i < 2 * SOCKET_CLIENTS_MAX; i++) {
		fd = dial();
		say(fd, request);
		close(fd);
		pump();
	}
	fd = dial();
	say(fd, "{\"path\": \"/test/echo\"}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{}}\n");
	close(fd);
	pump();
}

/* Only owner and group may connect, and look into the directory that was made for it. */
static void modes(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

/* What is at the path decides: nothing or a dead socket is replaced, all else stays. */
static void what_is_at_the_path(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;

	(void)state;
	socket_close();
	assert_int_equal(access(path, F_OK), -1); /* closing removes it */
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(socket_open(base, path, NULL), -EADDRINUSE);
	assert_int_equal(dial_at(path) >= 0, true); /* it still listens; its queue is now fuller */
	for (int i = 0; i < 3; i++)
		dial_at(path);
	assert_int_equal(socket_open(base, path, NULL), -EADDRINUSE);
	close(fd); /* as kill -9 leaves it */
	assert_int_equal(socket_open(base, path, NULL), 0);
	fd = dial();
	say(fd, "{\"path\": \"/test/echo\"}\n");
	assert_answer(fd, "{\"ok\":true,\"reply\":{}}\n");
	close(fd);
	socket_close();
	assert_int_equal(close(creat(path, 0600)), 0);
	assert_int_equal(socket_open(base, path, NULL), -EEXIST);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(path);
	assert_int_equal(socket_open(base, path, "no-such-group"), -ENOENT);
	assert_int_equal(socket_open(base, path, NULL), 0);
}

/* A path that no socket can have is refused. */
static void long_path(void **state)
{
	char name[200];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(socket_open(base, name, NULL), -ENAMETOOLONG);
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	snprintf(directory, sizeof(directory), "/tmp/weir-unit-socket-%d", getpid());
	snprintf(path, sizeof(path), "%s/weir.sock", directory);
	cmd_register(&echo_cmd);
	base = event_base_new();
	return socket_open(base, path, NULL);
}

static int teardown(void **state)
{
	(void)state;
	socket_close();
	event_base_free(base);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_and_answers),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(requests_in_one_and_in_pieces),
		cmocka_unit_test(half_closed),
		cmocka_unit_test(huge_line),
		cmocka_unit_test(many_clients),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(client_leaves),
		cmocka_unit_test(modes),
		cmocka_unit_test(what_is_at_the_path),
		cmocka_unit_test(long_path),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
