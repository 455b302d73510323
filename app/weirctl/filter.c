/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

#define DIM(array) (sizeof(array) / sizeof((array)[0]))

static bool is_number(const char *text, unsigned long max)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits < 10 && text[digits] == '\0' && strtoul(text, NULL, 10) <= max;
}

const char *filter_wrong_address(const char *text)
{
	struct in_addr address;

	return inet_pton(AF_INET, text, &address) == 1 ? NULL : "an IPv4 address";
}

static const char *wrong_prefix(const char *text)
{
	static const char right[] = "an IPv4 address, or a prefix like 100.64.0.0/24";
	char address[INET_ADDRSTRLEN];
	size_t n = strcspn(text, "/");

	if (n >= sizeof(address) || (text[n] == '/' && !is_number(text + n + 1, 32)))
		return right;
	snprintf(address, sizeof(address), "%.*s", (int)n, text);
	return filter_wrong_address(address) != NULL ? right : NULL;
}

const char *filter_wrong_port(const char *text)
{
	return is_number(text, 65535) ? NULL : "a port number, 0 to 65535";
}

const char *filter_wrong_protocol(const char *text)
{
	static const char *const names[] = {"tcp", "udp",  "icmp", "gre", "esp",
					    "ah",  "sctp", "ipip", "ipv6"};

	for (size_t i = 0; i < DIM(names); i++)
		if (strcmp(names[i], text) == 0)
			return NULL;
	return is_number(text, 255) ? NULL : "tcp, udp, icmp, or a protocol number";
}

/* To weir a filter of 0 is none. */
static const char *wrong_port(const char *text)
{
	return is_number(text, 65535) && strtoul(text, NULL, 10) > 0 ? NULL
								     : "a port number, 1 to 65535";
}

static const char *wrong_realm(const char *text)
{
	return is_number(text, 16777215) && strtoul(text, NULL, 10) > 0
		       ? NULL
		       : "a realm's number, 1 to 16777215";
}

static const char *wrong_state(const char *text)
{
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")] == '\0'
		       ? NULL
		       : "a state as `show sessions` prints it, like ESTABLISHED";
}

static const char *wrong_limit(const char *text)
{
	return is_number(text, 999999999) && strtoul(text, NULL, 10) > 0 ? NULL
									 : "a number from 1 up";
}

/* "limit" is last: only `show` has it. */
static const struct {
	const char *word;
	const char *argument;
	const char *(*wrong)(const char *text);
	int (*fold)(int c); /* applied to the value first */
} words[] = {
	{"inside", "inside", wrong_prefix, NULL},
	{"outside", "outside", wrong_prefix, NULL},
	{"remote", "remote", wrong_prefix, NULL},
	{"inside-port", "inside_port", wrong_port, NULL},
	{"outside-port", "outside_port", wrong_port, NULL},
	{"remote-port", "remote_port", wrong_port, NULL},
	{"protocol", "protocol", filter_wrong_protocol, tolower},
	{"state", "state", wrong_state, toupper},
	{"realm", "realm", wrong_realm, NULL},
	{"limit", "limit", wrong_limit, NULL},
};

static int say_unknown(const struct command *command, const char *word, size_t n)
{
	const char *candidates[DIM(words)];
	const char *close;

	for (size_t i = 0; i < n; i++)
		candidates[i] = words[i].word;
	close = closest(word, candidates, n);
	if (close != NULL)
		return wrong_use(command, "there is no filter '%s'; did you mean '%s'?", word,
				 close);
	return wrong_use(command, "there is no filter '%s'", word);
}

/* One word and its value. */
static int add(const struct command *command, json_t *args, const char *word, char *value, size_t n)
{
	size_t i = 0;
	const char *right;

	while (i < n && strcmp(words[i].word, word) != 0)
		i++;
	if (i == n)
		return say_unknown(command, word, n);
	if (value == NULL)
		return wrong_use(command, "'%s' needs a value", word);
	for (char *c = value; words[i].fold != NULL && *c != '\0'; c++)
		*c = (char)words[i].fold((unsigned char)*c);
	right = words[i].wrong(value);
	if (right != NULL)
		return wrong_use(command, "%s: found '%s', expected %s", word, value, right);
	if (json_object_get(args, words[i].argument) != NULL)
		return wrong_use(command, "'%s' is given twice", word);
	json_object_set_new(args, words[i].argument, json_string(value));
	return 0;
}

json_t *filter_args(const struct command *command, int argc, char **argv, json_int_t *limit)
{
	size_t n = limit != NULL ? DIM(words) : DIM(words) - 1;
	json_t *args = json_object();

	for (int i = 0; i < argc; i += 2) {
		if (add(command, args, argv[i], i + 1 < argc ? argv[i + 1] : NULL, n) != 0) {
			json_decref(args);
			return NULL;
		}
	}
	if (limit != NULL && json_object_get(args, "limit") != NULL) {
		*limit = atoll(json_string_value(json_object_get(args, "limit")));
		json_object_del(args, "limit");
	}
	return args;
}
