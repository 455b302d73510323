/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRCTL_H
#define WEIRCTL_H

#include <stdbool.h>

#include <jansson.h>

/*
 * weirctl, the operator's CLI: words become one request on weir's control socket, the reply becomes
 * a table for people, or is printed as it came (--json). It links no DPDK and starts at once.
 *
 *	main.c      options, finding the command, help
 *	client.c    the socket, and what to tell when it does not work
 *	list.c      lists in pages, as tables or JSON
 *	table.c     aligned columns
 *	format.c    units
 *	filter.c    "inside 100.64.0.5 protocol tcp"
 *	show.c, sessions.c, subscribers.c, rules.c, why.c   the commands
 */

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_WRONG_USE = 2 };

struct options {
	const char *socket;
	bool json;
	bool lines;
	bool all;
};
extern struct options options;

struct command {
	const char *name;   /* "show sessions" */
	const char *params; /* "[FILTER...]", or "" */
	const char *help;   /* one line */
	const char *detail; /* more, for its own --help; or NULL */
	const char *path;   /* the command of weir that it asks */
	bool takes_lines, takes_all;
	bool hidden; /* another spelling */
	/* argv: the words after the command's. An exit code. */
	int (*run)(const struct command *command, int argc, char **argv);
};

/* Says on stderr "weirctl: ...", and for wrong use how to get help. Return the exit code. */
int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int wrong_use(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The candidate most like `word`, or NULL when none is close. */
const char *closest(const char *word, const char *const *candidates, size_t n);

/* show.c */
int show_info(const struct command *command, int argc, char **argv);
int show_verdicts(const struct command *command, int argc, char **argv);
int show_workers(const struct command *command, int argc, char **argv);
int show_interfaces(const struct command *command, int argc, char **argv);
int show_ports(const struct command *command, int argc, char **argv);
int show_routes(const struct command *command, int argc, char **argv);
int show_neighbours(const struct command *command, int argc, char **argv);
int show_pools(const struct command *command, int argc, char **argv);
int show_static(const struct command *command, int argc, char **argv);
int show_timeouts(const struct command *command, int argc, char **argv);
int show_config(const struct command *command, int argc, char **argv);
int show_commands(const struct command *command, int argc, char **argv);
int reload(const struct command *command, int argc, char **argv);
/* sessions.c */
int show_sessions(const struct command *command, int argc, char **argv);
int clear_sessions(const struct command *command, int argc, char **argv);
/* subscribers.c */
int show_subscribers(const struct command *command, int argc, char **argv);
int lookup(const struct command *command, int argc, char **argv);
/* rules.c */
int rule_add(const struct command *command, int argc, char **argv);
int rule_delete(const struct command *command, int argc, char **argv);
int rule_list(const struct command *command, int argc, char **argv);
/* why.c */
int why(const struct command *command, int argc, char **argv);

#endif
