/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>

#include "cmd.h"

/* What telemetry answers is asked for at DPDK's own socket: only what comes out there counts. */

#define ANSWER_SIZE (64 * 1024)

static json_t *next_reply;     /* what the fake command answers; NULL: it fails */
static json_t *last_args;      /* what it was given */
static uint32_t control_calls; /* calls that went through cmd_run_in_control */
static char before[16], second[16], named[16];

static json_t *fake_run(struct cmd_call *call)
{
	const char *text;

	json_decref(last_args);
	last_args = json_deep_copy(call->args);
	text = cmd_arg(call, "first", 0);
	snprintf(before, sizeof(before), "%s", text != NULL ? text : "none");
	text = cmd_arg(call, "second", 1);
	snprintf(second, sizeof(second), "%s", text != NULL ? text : "none");
	text = cmd_arg(call, "key", CMD_NAMED);
	snprintf(named, sizeof(named), "%s", text != NULL ? text : "none");
	return next_reply != NULL ? json_incref(next_reply) : cmd_fail(call, "no \xff such thing");
}

static json_t *in_control(const struct cmd *cmd, struct cmd_call *call)
{
	control_calls++;
	return cmd->run(call);
}

static const struct cmd fake = {.path = "/test/fake", .help = "h", .run = fake_run};
static const struct cmd walks = {
	.path = "/test/walks", .help = "h", .where = CMD_CONTROL, .run = fake_run};
static const struct cmd changer = {
	.path = "/test/changer", .help = "h", .changes = true, .run = fake_run};
static const struct cmd strict = {
	.path = "/test/strict", .help = "h", .names = "inside inside_port", .run = fake_run};

/* The value that telemetry answers with, parsed. */
static json_t *ask(const char *request)
{
	static char answer[ANSWER_SIZE];
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	json_t *whole, *value;
	ssize_t n;

	assert_true((size_t)snprintf(to.sun_path, sizeof(to.sun_path), "%s/dpdk_telemetry.v2",
				     rte_eal_get_runtime_dir()) < sizeof(to.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_true(recv(fd, answer, sizeof(answer), 0) > 0); /* the greeting */
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	n = recv(fd, answer, sizeof(answer), 0);
	assert_true(n > 0);
	close(fd);
	whole = json_loadb(answer, (size_t)n, 0, NULL);
	assert_non_null(whole);
	value = json_incref(json_object_iter_value(json_object_iter(whole)));
	json_decref(whole);
	return value;
}

/* Takes the reply; the answer. */
static json_t *answer_for(json_t *reply)
{
	json_t *answer;

	assert_non_null(reply);
	next_reply = reply;
	answer = ask("/test/fake");
	json_decref(next_reply);
	next_reply = NULL;
	return answer;
}

static bool is_error(json_t *answer)
{
	return json_object_size(answer) == 1 && json_object_get(answer, "error") != NULL;
}

/* JSON that telemetry has no words for is reshaped; nothing but null is left out. */
static void shapes(void **state)
{
	static const struct {
		const char *reply, *answer;
	} rows[] = {
		{"{}", "{}"},
		{"{\"a\": 1, \"b\": -5, \"c\": \"x\"}", "{\"a\": 1, \"b\": -5, \"c\": \"x\"}"},
		{"{\"n\": 9223372036854775807}", "{\"n\": 9223372036854775807}"},
		{"{\"n\": -9223372036854775807}", "{\"n\": \"-9223372036854775807\"}"},
		{"{\"t\": true, \"f\": false, \"z\": null, \"r\": 12.5}",
		 "{\"t\": 1, \"f\": 0, \"r\": \"12.5\"}"},
		{"{\"tcp-established\": 7440}", "{\"tcp_established\": 7440}"},
		{"{\"l\": [1, 2, 3], \"s\": [\"a\", \"b\"], \"e\": [], \"m\": [-1, 2]}",
		 "{\"l\": [1, 2, 3], \"s\": [\"a\", \"b\"], \"e\": [], \"m\": [-1, 2]}"},
		{"{\"l\": [1, \"a\", [2, 3], null, -9000000000]}",
		 "{\"l\": {\"0\": 1, \"1\": \"a\", \"2\": [2, 3], \"4\": \"-9000000000\"}}"},
		{"{\"pools\": [{\"name\": \"a\", \"b\": {\"total\": 3}}, {\"name\": \"b\"}]}",
		 "{\"pools\": {\"0\": {\"name\": \"a\", \"b\": {\"total\": 3}},"
		 " \"1\": {\"name\": \"b\"}}}"},
		{"{\"q\": \"say \\\"x\\\\\\\"\", \"u\": \"\\u00e9\\u0001\"}",
		 "{\"q\": \"say \\\"x\\\\\\\"\", \"u\": \"???\"}"},
		{"[1, 2]", "{\"reply\": [1, 2]}"},
		{"\"text\"", "{\"reply\": \"text\"}"},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		json_t *answer = answer_for(json_loads(rows[i].reply, JSON_DECODE_ANY, NULL));
		json_t *expected = json_loads(rows[i].answer, 0, NULL);

		if (!json_equal(answer, expected))
			print_message("%s\n", json_dumps(answer, 0));
		assert_true(json_equal(answer, expected));
		json_decref(answer);
		json_decref(expected);
	}
}

static json_t *text_of_length(size_t n)
{
	static char text[ANSWER_SIZE];

	memset(text, 'x', n);
	text[n] = '\0';
	return json_string(text);
}

/* A text over 127 bytes is shortened, ends in dots, and the answer says whose it was. */
static void long_text_is_marked(void **state)
{
	json_t *answer;

	(void)state;
	answer = answer_for(
		json_pack("{s:o, s:o}", "fits", text_of_length(127), "a-b", text_of_length(128)));
	assert_int_equal(json_string_length(json_object_get(answer, "fits")), 127);
	assert_int_equal(json_string_length(json_object_get(answer, "a_b")), 127);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "a_b")), "xx..."));
	assert_string_equal(json_string_value(json_object_get(answer, "truncated")), "a_b");
	json_decref(answer);
}

static json_t *object_of(size_t n)
{
	json_t *object = json_object();
	char key[24];

	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "k%zu", i);
		json_object_set_new(object, key, json_integer(1));
	}
	return object;
}

static json_t *list_of(size_t n, const char *text)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, text != NULL ? json_string(text) : json_object());
	return list;
}

/* Up to DPDK's bounds all entries arrive; past them the answer is an error, never a part. */
static void entries_are_all_or_none(void **state)
{
	static const struct {
		size_t most;
		bool list;
		const char *text; /* NULL: a list of objects */
	} rows[] = {{256, false, NULL}, {512, true, "t"}, {256, true, NULL}};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		for (size_t n = rows[i].most - 1; n <= rows[i].most + 2; n++) {
			json_t *answer = answer_for(
				json_pack("{s:o}", "v",
					  rows[i].list ? list_of(n, rows[i].text) : object_of(n)));
			json_t *v = json_object_get(answer, "v");

			if (n <= rows[i].most)
				assert_int_equal(json_is_array(v) ? json_array_size(v)
								  : json_object_size(v),
						 n);
			else
				assert_true(is_error(answer));
			json_decref(answer);
		}
	}
}

/* Around 16 KiB, byte by byte, and in lists and objects: the whole answer, or an error. */
static void bytes_are_all_or_none(void **state)
{
	char text[101];
	uint32_t whole = 0, errors = 0;

	(void)state;
	memset(text, '"', 100);
	text[100] = '\0';
	for (size_t last = 0; last < 100; last++) {
		for (size_t n = 78; n < 82; n++) { /* 203 bytes each: a quote is escaped */
			json_t *list = list_of(n, text);
			json_t *reply =
				json_pack("{s:{s:o}, s:s#}", "in", "ner", list, "last", text, last);
			json_t *answer;

			json_incref(reply);
			answer = answer_for(reply);
			assert_true(is_error(answer) || json_equal(answer, reply));
			errors += is_error(answer);
			whole += !is_error(answer);
			json_decref(answer);
			json_decref(reply);
		}
	}
	assert_true(errors > 100 && whole > 100);
}

/* A key too long, and two keys that telemetry cannot tell apart, are errors too. */
static void keys_are_kept_apart(void **state)
{
	json_t *answer = answer_for(json_pack("{s:i, s:i}", "a-b", 1, "a_b", 2));
	json_t *long_key = text_of_length(128);

	(void)state;
	assert_true(is_error(answer));
	json_decref(answer);
	answer = answer_for(json_pack("{s:i}", json_string_value(long_key), 1));
	assert_true(is_error(answer));
	json_decref(answer);
	json_decref(long_key);
}

/* A failure is an "error" text of plain characters; what changes state is not there at all. */
static void failures(void **state)
{
	json_t *answer = ask("/test/fake");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(answer, "error")), "no ? such thing");
	json_decref(answer);
	answer = ask("/test/changer");
	assert_true(json_is_null(answer));
}

/* "A,,key=B" is the first argument, no second one, and one by name. */
static void telemetry_parameters(void **state)
{
	(void)state;
	json_decref(ask("/test/fake,100.64.0.5,,key=B"));
	assert_string_equal(before, "100.64.0.5");
	assert_string_equal(second, "none");
	assert_string_equal(named, "B");
	json_decref(ask("/test/fake,,tcp"));
	assert_string_equal(before, "none");
	assert_string_equal(second, "tcp");
	json_decref(ask("/test/fake"));
	assert_string_equal(before, "none");
}

/* Numbers and true are text; null, false and "" are not given; the rest is never ignored. */
static void argument_values(void **state)
{
	struct cmd_call call = {
		.args = json_pack("{s:i, s:b, s:b, s:n, s:s, s:[s], s:f, s:[i, n, s]}", "number",
				  443, "yes", 1, "no", 0, "null", "empty", "", "list", "x", "real",
				  1.5, "args", 7, "third")};

	(void)state;
	assert_string_equal(cmd_arg(&call, "number", CMD_NAMED), "443");
	assert_string_equal(cmd_arg(&call, "yes", CMD_NAMED), "true");
	assert_null(cmd_arg(&call, "no", CMD_NAMED));
	assert_null(cmd_arg(&call, "null", CMD_NAMED));
	assert_null(cmd_arg(&call, "empty", CMD_NAMED));
	assert_null(cmd_arg(&call, "absent", CMD_NAMED));
	assert_string_equal(cmd_arg(&call, "list", CMD_NAMED), "[\"x\"]");
	assert_string_equal(cmd_arg(&call, "real", CMD_NAMED), "1.5");
	assert_string_equal(cmd_arg(&call, "absent", 0), "7");
	assert_null(cmd_arg(&call, "absent", 1));
	assert_string_equal(cmd_arg(&call, "absent", 2), "third");
	assert_null(cmd_arg(&call, "absent", 3));
	json_decref(call.args);
}

/* An argument that the command does not have is refused, whole names only. */
static void unknown_arguments(void **state)
{
	static const struct {
		const char *args;
		bool known;
	} rows[] = {
		{"{}", true},
		{"{\"inside\": 1, \"inside_port\": 2}", true},
		{"{\"args\": [1]}", true},
		{"{\"insid\": 1}", false},
		{"{\"inside inside_port\": 1}", false},
		{"{\"port\": 1}", false},
		{"{\"\": 1}", false},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct cmd_call call = {.args = json_loads(rows[i].args, 0, NULL)};

		assert_int_equal(cmd_args_known(&strict, &call), rows[i].known);
		assert_true(rows[i].known == (call.error[0] == '\0'));
		json_decref(call.args);
	}
}

/* A command that walks tables is handed to the control thread; a reader is not. */
static void where_commands_run(void **state)
{
	uint32_t calls = control_calls;

	(void)state;
	json_decref(ask("/test/fake"));
	assert_int_equal(control_calls, calls);
	json_decref(ask("/test/walks"));
	assert_int_equal(control_calls, calls + 1);
}

/* What DPDK would refuse is found, and every command of weir is right. */
static void commands_are_right(void **state)
{
	static const char help[] = "a text of 128 characters: 56789012345678901234567890123456789"
				   "0123456789012345678901234567890123456789012345678901234567890"
				   "12345678";
	const struct cmd bad[] = {
		{.path = "weir", .help = "h"},
		{.path = "/weir/no-dash", .help = "h"},
		{.path = "/weir/of_more_than_fifty_five_characters_which_is_too_long", .help = "h"},
		{.path = "/weir/x", .help = help},
		{.path = "/weir/x", .help = NULL},
	};
	const struct cmd *cmd;
	uint32_t n = 0;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(bad); i++)
		assert_non_null(cmd_wrong(&bad[i]));
	for (; (cmd = cmd_get(n)) != NULL; n++) {
		if (cmd_wrong(cmd) != NULL)
			print_message("%s: %s\n", cmd->path, cmd_wrong(cmd));
		assert_null(cmd_wrong(cmd));
	}
	assert_true(n > 5); /* the fakes, help, and weir's own */
	assert_non_null(cmd_find("/weir/help"));
	assert_null(cmd_find("/weir/nothing"));
}

static int setup(void **state)
{
	char prefix[64];
	const char *argv[] = {"test",          "--no-huge", "--no-pci",      "-m",   "64",
			      "--lcores",      "0",         "--file-prefix", prefix, "--log-level",
			      "lib.*:warning", NULL};

	(void)state;
	snprintf(prefix, sizeof(prefix), "weir-unit-cmd-%d", getpid());
	cmd_run_in_control = in_control;
	cmd_register(&fake);
	cmd_register(&walks);
	cmd_register(&changer);
	cmd_register(&strict);
	if (rte_eal_init((int)RTE_DIM(argv) - 1, (char **)(uintptr_t)argv) < 0)
		return -1;
	return cmd_telemetry_setup();
}

static int teardown(void **state)
{
	char command[256];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	json_decref(last_args);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(long_text_is_marked),
		cmocka_unit_test(entries_are_all_or_none),
		cmocka_unit_test(bytes_are_all_or_none),
		cmocka_unit_test(keys_are_kept_apart),
		cmocka_unit_test(failures),
		cmocka_unit_test(telemetry_parameters),
		cmocka_unit_test(argument_values),
		cmocka_unit_test(unknown_arguments),
		cmocka_unit_test(where_commands_run),
		cmocka_unit_test(commands_are_right),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
