/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "socket.h"
#include "weirctl.h"

#define DIM(array) (sizeof(array) / sizeof((array)[0]))

struct options options = {.socket = SOCKET_PATH};

static int help(const struct command *command, int argc, char **argv);

static const struct command commands[] = {
	{.name = "show info",
	 .params = "",
	 .path = "/weir/info",
	 .run = show_info,
	 .help = "version, process, uptime, workers"},
	{.name = "show verdicts",
	 .params = "[--all]",
	 .path = "/weir/verdicts",
	 .run = show_verdicts,
	 .takes_all = true,
	 .help = "how every packet received ended; --all: also those with no packet"},
	{.name = "show workers",
	 .params = "",
	 .path = "/weir/workers",
	 .run = show_workers,
	 .help = "load, packets and sessions of each worker"},
	{.name = "show interfaces",
	 .params = "",
	 .path = "/weir/interfaces",
	 .run = show_interfaces,
	 .help = "interfaces and their addresses"},
	{.name = "show ports",
	 .params = "",
	 .path = "/weir/ports",
	 .run = show_ports,
	 .help = "the interfaces' devices: link, packets, losses"},
	{.name = "show routes",
	 .params = "",
	 .path = "/weir/routes",
	 .run = show_routes,
	 .help = "connected and static routes"},
	{.name = "show neighbours",
	 .params = "",
	 .path = "/weir/neighbours",
	 .run = show_neighbours,
	 .help = "neighbours known by ARP"},
	{.name = "show pools",
	 .params = "",
	 .path = "/weir/pools",
	 .run = show_pools,
	 .help = "public addresses, port blocks and ports in use"},
	{.name = "show sessions",
	 .params = "[FILTER...] [limit N] [--lines]",
	 .path = "/weir/sessions",
	 .run = show_sessions,
	 .takes_lines = true,
	 .help = "sessions; --lines: one each as `conntrack -L` writes it, for grep",
	 .detail = FILTER_DETAIL
	 "  limit N                 only the first N\n"
	 "\n"
	 "  weirctl show sessions inside 100.64.0.5 protocol tcp\n"
	 "  weirctl show sessions remote 198.51.100.7 remote-port 443 --lines\n"},
	{.name = "show subscribers",
	 .params = "[ADDRESS]",
	 .path = "/weir/subscribers",
	 .run = show_subscribers,
	 .help = "subscribers; or one, with its port blocks"},
	{.name = "show static",
	 .params = "",
	 .path = "/weir/static",
	 .run = show_static,
	 .help = "static mappings: whole addresses and forwarded ports"},
	{.name = "show timeouts",
	 .params = "",
	 .path = "/weir/timeouts",
	 .run = show_timeouts,
	 .help = "after how long without a packet a session ends"},
	{.name = "show config",
	 .params = "",
	 .path = "/weir/config",
	 .run = show_config,
	 .help = "the configuration in force, defaults included"},
	{.name = "show commands",
	 .params = "",
	 .path = "/weir/help",
	 .run = show_commands,
	 .help = "the commands of the control socket and of DPDK telemetry"},
	{.name = "lookup",
	 .params = "ADDRESS PORT PROTOCOL",
	 .path = "/weir/lookup",
	 .run = lookup,
	 .help = "who has a public address and port now; or what an inside one maps to",
	 .detail =
		 "In a deterministic pool also who has it at any time, and the block of ports of\n"
		 "an inside address. Exit code 1 when nobody has it.\n"
		 "\n"
		 "  weirctl lookup 203.0.113.7 40021 tcp\n"
		 "  weirctl lookup 100.64.0.5 5000 udp\n"},
	{.name = "why",
	 .params = "ADDRESS",
	 .path = "/weir/why",
	 .run = why,
	 .help = "why a subscriber's packets were refused lately",
	 .detail = "  weirctl why 100.64.0.5\n"},
	{.name = "clear sessions",
	 .params = "FILTER... | --all",
	 .path = "/weir/clear",
	 .run = clear_sessions,
	 .takes_all = true,
	 .help = "end sessions; their ports become free",
	 .detail = FILTER_DETAIL "\n"
				 "  weirctl clear sessions inside 100.64.0.5\n"},
	{.name = "rule add",
	 .params = "NUMBER permit|deny|exempt [WORD VALUE...]",
	 .path = "/weir/rule_add",
	 .run = rule_add,
	 .help = "one rule more, until the next reload; sessions that it denies end",
	 .detail =
		 "The first rule that matches a first packet wins; the configuration's rules have\n"
		 "the numbers 10, 20, ... A word left out matches everything.\n"
		 "  inside PREFIX           the subscribers\n"
		 "  realm N                 of their interface\n"
		 "  destination PREFIX      the remote addresses\n"
		 "  protocol PROTOCOL       tcp, udp, icmp or a number\n"
		 "  ports PORT|FIRST-LAST   the remote ports\n"
		 "  pool NAME               with permit: who translates\n"
		 "\n"
		 "  weirctl rule add 5 deny destination 192.0.2.0/24 protocol tcp ports 25\n"
		 "  weirctl rule add 15 exempt destination 198.18.0.0/15\n"},
	{.name = "rule del",
	 .params = "NUMBER",
	 .path = "/weir/rule_del",
	 .run = rule_delete,
	 .help = "one rule less, until the next reload"},
	{.name = "rule list",
	 .params = "",
	 .path = "/weir/rules",
	 .run = rule_list,
	 .help = "the rules for first packets, in order"},
	{.name = "reload",
	 .params = "",
	 .path = "/weir/reload",
	 .run = reload,
	 .help = "read the configuration again; a wrong one changes nothing"},
	{.name = "help", .params = "[COMMAND]", .run = help, .help = "this; or one command's help"},
	{.name = "show subscriber",
	 .params = "ADDRESS",
	 .path = "/weir/subscribers",
	 .run = show_subscribers,
	 .hidden = true,
	 .help = "one subscriber, with its port blocks"},
	{.name = "show neighbors",
	 .params = "",
	 .path = "/weir/neighbours",
	 .run = show_neighbours,
	 .hidden = true,
	 .help = "neighbours known by ARP"},
};

int refuse(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("weirctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_REFUSED;
}

int wrong_use(const struct command *command, const char *format, ...)
{
	va_list args;

	fputs("weirctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (command != NULL)
		fprintf(stderr, "\n  weirctl %s %s\n  More: weirctl help %s\n", command->name,
			command->params, command->name);
	else
		fprintf(stderr, "\n  More: weirctl help\n");
	return EXIT_WRONG_USE;
}

/* ---- words ---- */

#define WORD_MAX 32

/* Edits (a letter added, left out, or changed) between two words of at most WORD_MAX letters. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	size_t m = strlen(a), n = strlen(b);

	if (m > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; i <= m; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[n];
}

const char *closest(const char *word, const char *const *candidates, size_t n)
{
	size_t best = strlen(word) / 3 + 2; /* so many edits are too many */
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (distance(word, candidates[i]) < best) {
			best = distance(word, candidates[i]);
			found = candidates[i];
		}
	}
	return found;
}

/* The i-th word of a command's name, or NULL. */
static const char *name_word(const struct command *command, int i, char word[WORD_MAX + 1])
{
	const char *at = command->name;

	for (; i > 0; i--) {
		at = strchr(at, ' ');
		if (at == NULL)
			return NULL;
		at++;
	}
	snprintf(word, WORD_MAX + 1, "%.*s", (int)strcspn(at, " "), at);
	return word;
}

/* Keeps the candidates whose i-th word is `word`, or failing that begins with it. Their number. */
static size_t narrow(bool candidate[DIM(commands)], int i, const char *word)
{
	bool exact[DIM(commands)] = {0}, begins[DIM(commands)] = {0};
	size_t exact_n = 0, begins_n = 0;
	char name[WORD_MAX + 1];

	for (size_t c = 0; c < DIM(commands); c++) {
		if (!candidate[c] || name_word(&commands[c], i, name) == NULL)
			continue;
		exact[c] = strcmp(name, word) == 0;
		begins[c] = strncmp(name, word, strlen(word)) == 0;
		exact_n += exact[c];
		begins_n += begins[c];
	}
	if (exact_n + begins_n > 0)
		memcpy(candidate, exact_n > 0 ? exact : begins, sizeof(exact));
	return exact_n > 0 ? exact_n : begins_n;
}

static void list_candidates(FILE *to, const bool candidate[DIM(commands)])
{
	for (size_t c = 0; c < DIM(commands); c++)
		if (candidate[c] && !commands[c].hidden)
			fprintf(to, "  %-16s  %s\n", commands[c].name, commands[c].help);
}

static int say_unknown(const bool candidate[DIM(commands)], int i, const char *word)
{
	char names[DIM(commands)][WORD_MAX + 1];
	const char *of[DIM(commands)];
	const char *close;
	size_t n = 0;

	for (size_t c = 0; c < DIM(commands); c++)
		if (candidate[c] && (of[n] = name_word(&commands[c], i, names[n])) != NULL)
			n++;
	close = closest(word, of, n);
	refuse(close != NULL ? "there is no '%s'; did you mean '%s'?" : "there is no '%s'", word,
	       close);
	if (close == NULL && i > 0)
		list_candidates(stderr, candidate);
	else
		fprintf(stderr, "  More: weirctl help\n");
	return EXIT_WRONG_USE;
}

/* What is left is one command: all candidates do the same. */
static const struct command *only_one(const bool candidate[DIM(commands)])
{
	const struct command *found = NULL;

	for (size_t c = 0; c < DIM(commands); c++) {
		if (!candidate[c])
			continue;
		if (found != NULL && found->run != commands[c].run)
			return NULL;
		if (found == NULL)
			found = &commands[c];
	}
	return found;
}

/* The command of the words, *used of them; or NULL after saying what is wrong. */
static const struct command *find_command(int argc, char **argv, int *used)
{
	bool candidate[DIM(commands)];
	char word[WORD_MAX + 1];
	int i;

	memset(candidate, true, sizeof(candidate));
	for (i = 0; i < argc; i++) {
		const struct command *command;

		if (narrow(candidate, i, argv[i]) == 0) {
			say_unknown(candidate, i, argv[i]);
			return NULL;
		}
		command = only_one(candidate);
		if (command != NULL && name_word(command, i + 1, word) == NULL) {
			*used = i + 1;
			return command;
		}
	}
	refuse(i == 0 ? "what?" : "'%s': which of these?", i > 0 ? argv[i - 1] : "");
	list_candidates(stderr, candidate);
	return NULL;
}

/* ---- help ---- */

static const char options_help[] =
	"Options:\n"
	"  --socket PATH  weir's control socket; default " SOCKET_PATH "\n"
	"  --json         print weir's reply as JSON\n"
	"  --version, --help\n";

static void help_all(void)
{
	bool all[DIM(commands)];

	memset(all, true, sizeof(all));
	printf("weirctl [OPTIONS] COMMAND: look into a running weir, and change it\n\n");
	list_candidates(stdout, all);
	printf("\n%s\n"
	       "Words may be shortened: weirctl sh ver. One command's help: weirctl help COMMAND\n"
	       "Exit code: 0 done, 1 refused or failed, 2 wrong use\n",
	       options_help);
}

static void help_one(const struct command *command)
{
	printf("weirctl %s %s\n  %s\n", command->name, command->params, command->help);
	if (command->detail != NULL)
		printf("\n%s", command->detail);
	printf("\n%s", options_help);
}

static int help(const struct command *command, int argc, char **argv)
{
	int used;

	if (argc == 0) {
		help_all();
		return EXIT_DONE;
	}
	command = find_command(argc, argv, &used);
	if (command == NULL)
		return EXIT_WRONG_USE;
	help_one(command);
	return EXIT_DONE;
}

/* ---- options ---- */

enum { OPTION_SOCKET = 256, OPTION_JSON, OPTION_LINES, OPTION_ALL, OPTION_VERSION };

static const struct option long_options[] = {
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"json", no_argument, NULL, OPTION_JSON},
	{"lines", no_argument, NULL, OPTION_LINES},
	{"all", no_argument, NULL, OPTION_ALL},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{0},
};

/* Options may stand anywhere. False: an unknown one, and getopt has said so. */
static bool read_options(int argc, char **argv, bool *wants_help, bool *wants_version)
{
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case OPTION_SOCKET:
			options.socket = optarg;
			break;
		case OPTION_JSON:
			options.json = true;
			break;
		case OPTION_LINES:
			options.lines = true;
			break;
		case OPTION_ALL:
			options.all = true;
			break;
		case OPTION_VERSION:
			*wants_version = true;
			break;
		case 'h':
			*wants_help = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

static int run(const struct command *command, int argc, char **argv)
{
	if (options.lines && !command->takes_lines)
		return wrong_use(command, "--lines is for `show sessions`");
	if (options.all && !command->takes_all)
		return wrong_use(command, "'%s' has no --all", command->name);
	if (options.lines && options.json)
		return wrong_use(command, "--lines and --json exclude each other");
	return command->run(command, argc, argv);
}

int main(int argc, char **argv)
{
	bool wants_help = false, wants_version = false;
	const struct command *command;
	int used, ret;

	if (!read_options(argc, argv, &wants_help, &wants_version)) {
		fprintf(stderr, "  More: weirctl help\n");
		return EXIT_WRONG_USE;
	}
	argc -= optind;
	argv += optind;
	if (wants_version) {
		printf("weirctl " WEIR_VERSION "\n");
		return EXIT_DONE;
	}
	if (wants_help)
		return help(NULL, argc, argv);
	if (argc == 0) {
		help_all();
		return EXIT_WRONG_USE;
	}
	command = find_command(argc, argv, &used);
	if (command == NULL)
		return EXIT_WRONG_USE;
	ret = run(command, argc - used, argv + used);
	if (fflush(stdout) != 0 || ferror(stdout))
		return refuse("cannot write the output");
	return ret;
}
