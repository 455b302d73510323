/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SOCKET_H
#define WEIR_SOCKET_H

/*
 * The control socket: a unix stream socket for the owner and one group, served in the control
 * thread's event loop. weirctl speaks it, and any program can:
 *
 *	{"path": "/weir/pools", "args": {"name": "value"}}      "args" may be left out
 *	{"ok": true, "reply": ...}
 *	{"ok": false, "error": "one line for a person"}
 *
 * One JSON object a line, both ways; answers come in the order of the requests. A client has one
 * answer in the making at a time: the next request is read when the last answer is in the kernel's
 * hands, so a client that does not read costs the memory of one answer and nobody's time. Long
 * lists are asked for in pages: {"after": CURSOR, "limit": N} gives {..., "next": CURSOR or null}.
 */

#define SOCKET_PATH         "/run/weir/weir.sock" /* unless configured or asked for otherwise */
#define SOCKET_CLIENTS_MAX  16
#define SOCKET_REQUEST_MAX  (64 * 1024) /* bytes of one request, with its newline */
#define SOCKET_IDLE_SECONDS 60          /* a client that asks nothing is sent away */
#define SOCKET_SEND_SECONDS 30          /* as is one that reads nothing of its answer */

struct event_base;

/*
 * Control thread. Listens on `path` with mode 0660 and the given group (NULL: the process's own).
 * The last directory of the path is made, 0750, if it is not there; made so, it becomes the
 * group's. What a killed weir left is replaced. Ignores SIGPIPE for the process: a client of this
 * socket or of telemetry that leaves early would end it. 0, or -errno after a line in the log:
 * EADDRINUSE, a weir listens there; EEXIST, the path is something else than a socket; ENOENT, there
 * is no such group; ENAMETOOLONG, EACCES and others.
 */
int socket_open(struct event_base *base, const char *path, const char *group);

/* Control thread. Ends all clients and removes the socket. */
void socket_close(void);

#endif
