/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "weirctl.h"

#define ANSWER_SECONDS 30 /* clearing very many sessions takes a while */

static FILE *stream;

/* Who may use the socket: its group, or its directory's when it cannot even be seen. */
static void say_no_permission(void)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct group *group = NULL;
	struct stat st;

	snprintf(copy, sizeof(copy), "%s", options.socket);
	if (stat(options.socket, &st) == 0 || stat(dirname(copy), &st) == 0)
		group = st.st_gid != 0 ? getgrgid(st.st_gid) : NULL;
	refuse("no permission for %s", options.socket);
	if (group != NULL)
		fprintf(stderr,
			"  It is for root and the group '%s': use sudo, or join the group "
			"(usermod -aG %s USER, then log in again).\n",
			group->gr_name, group->gr_name);
	else
		fprintf(stderr, "  It is for root only: use sudo.\n");
}

static void say_not_there(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		say_no_permission();
		return;
	case ENOENT:
		refuse("weir is not running: there is no socket %s", options.socket);
		break;
	case ECONNREFUSED:
		refuse("weir is not running: nothing listens on %s", options.socket);
		break;
	default:
		refuse("cannot connect to %s: %s", options.socket, strerror(error));
		return;
	}
	fprintf(stderr, "  Start it (systemctl start weir), or say where it listens "
			"(weirctl --socket PATH).\n");
}

static int dial(void)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(options.socket) >= sizeof(to.sun_path)) {
		refuse("the socket's path is longer than %zu characters", sizeof(to.sun_path) - 1);
		return -1;
	}
	strcpy(to.sun_path, options.socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		say_not_there(errno);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	stream = fdopen(fd, "r");
	return stream != NULL ? 0 : -1;
}

/* A failure shows in read_answer(): weir may have said why before it closed. */
static void send_request(const char *path, json_t *args)
{
	json_t *request = json_pack("{s:s, s:o}", "path", path, "args", args);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t n = text != NULL ? strlen(text) : 0;

	json_decref(request);
	if (text == NULL)
		return;
	text[n] = '\n'; /* in the closing zero's place */
	for (size_t sent = 0; sent < n + 1;) {
		ssize_t now = send(fileno(stream), text + sent, n + 1 - sent, MSG_NOSIGNAL);

		if (now < 0)
			break;
		sent += (size_t)now;
	}
	free(text);
}

static json_t *read_answer(void)
{
	char *line = NULL;
	size_t size = 0;
	json_t *answer = NULL;

	errno = 0;
	if (getline(&line, &size, stream) > 0) {
		answer = json_loads(line, 0, NULL);
		if (answer == NULL)
			refuse("what listens on %s does not speak weir's protocol", options.socket);
	} else if (errno == EAGAIN) {
		refuse("weir does not answer within %d s on %s", ANSWER_SECONDS, options.socket);
	} else {
		refuse("weir closed the connection without an answer");
	}
	free(line);
	return answer;
}

json_t *client_ask(const char *path, json_t *args)
{
	json_t *answer, *reply;

	args = args != NULL ? args : json_object();
	if (stream == NULL && dial() != 0) {
		json_decref(args);
		return NULL;
	}
	send_request(path, args);
	answer = read_answer();
	if (answer == NULL)
		return NULL;
	if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *error = json_string_value(json_object_get(answer, "error"));

		refuse("%s", error != NULL ? error : "weir refused without saying why");
		json_decref(answer);
		return NULL;
	}
	reply = json_incref(json_object_get(answer, "reply"));
	json_decref(answer);
	return reply;
}
