/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "call.h"
#include "eal.h"

/* The main thread is the control thread; askers are threads of their own, as telemetry's are. */

#define ASKERS 8

static struct event_base *base;
static pthread_t control;
static uint32_t runs; /* the control thread's */
static bool run_long; /* until the asker gave up */
static atomic_bool gave_up;

static json_t *add_one(struct cmd_call *call)
{
	runs++;
	assert_true(pthread_equal(pthread_self(), control));
	if (cmd_arg(call, "fail", CMD_NAMED) != NULL)
		return cmd_fail(call, "it failed");
	while (run_long && !atomic_load(&gave_up))
		usleep(1000); /* till the asker gave up: no clock decides the test */
	return json_integer(strtol(cmd_arg(call, "n", CMD_NAMED), NULL, 10) + 1);
}

static const struct cmd cmd = {
	.path = "/test/add", .help = "h", .where = CMD_CONTROL, .run = add_one};

struct asker {
	pthread_t thread;
	json_t *args;
	json_t *reply;
	char error[256];
	atomic_bool done;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	struct cmd_call call = {.args = asker->args};

	asker->reply = cmd_run_in_control(&cmd, &call);
	memcpy(asker->error, call.error, sizeof(asker->error));
	json_decref(asker->args);
	atomic_store(&gave_up, true);
	atomic_store(&asker->done, true);
	return NULL;
}

static void start(struct asker *asker, json_t *args)
{
	*asker = (struct asker){.args = args};
	atomic_store(&gave_up, false);
	assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static void pump_until_done(struct asker *asker)
{
	while (!atomic_load(&asker->done)) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(100);
	}
	pthread_join(asker->thread, NULL);
}

/* Each asker gets the answer to its own question, made in the control thread. */
static void everybody_gets_their_own(void **state)
{
	struct asker asker[ASKERS];

	(void)state;
	runs = 0;
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < ASKERS; i++)
			start(&asker[i], json_pack("{s:i}", "n", round * ASKERS + i));
		for (int i = 0; i < ASKERS; i++) {
			pump_until_done(&asker[i]);
			assert_int_equal(json_integer_value(asker[i].reply),
					 round * ASKERS + i + 1);
			json_decref(asker[i].reply);
		}
	}
	assert_int_equal(runs, 200 * ASKERS);
}

/* A failure's text reaches the asker. */
static void failure_is_told(void **state)
{
	struct asker asker;

	(void)state;
	start(&asker, json_pack("{s:b}", "fail", 1));
	pump_until_done(&asker);
	assert_null(asker.reply);
	assert_string_equal(asker.error, "it failed");
}

/* A call that the control thread does not come to is withdrawn: it never runs. */
static void withdrawn(void **state)
{
	struct asker asker;

	(void)state;
	runs = 0;
	start(&asker, json_pack("{s:i}", "n", 1));
	pthread_join(asker.thread, NULL);
	assert_null(asker.reply);
	assert_non_null(strstr(asker.error, "busy"));
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(runs, 0);
}

/* A call that ends after its asker gave up is thrown away, and the next one works. */
static void ends_too_late(void **state)
{
	struct asker asker;

	(void)state;
	runs = 0;
	run_long = true;
	start(&asker, json_pack("{s:i}", "n", 1));
	pump_until_done(&asker);
	run_long = false;
	assert_int_equal(runs, 1);
	assert_null(asker.reply);
	assert_non_null(strstr(asker.error, "busy"));
	start(&asker, json_pack("{s:i}", "n", 41));
	pump_until_done(&asker);
	assert_int_equal(json_integer_value(asker.reply), 42);
	json_decref(asker.reply);
}

/* Those that wait when weir ends are told, and later ones too. */
static void teardown_answers(void **state)
{
	struct asker asker;

	(void)state;
	runs = 0;
	start(&asker, json_pack("{s:i}", "n", 1));
	usleep(20000); /* mostly it waits by now; both ways are right */
	call_teardown();
	pthread_join(asker.thread, NULL);
	assert_null(asker.reply);
	assert_non_null(strstr(asker.error, "weir is"));
	assert_int_equal(runs, 0);
}

static int setup(void **state)
{
	(void)state;
	support_eal_setup(1, 64);
	control = pthread_self();
	base = event_base_new();
	return call_setup(base);
}

static int teardown(void **state)
{
	(void)state;
	event_base_free(base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_gets_their_own),
		cmocka_unit_test(failure_is_told),
		cmocka_unit_test(withdrawn),
		cmocka_unit_test(ends_too_late),
		cmocka_unit_test(teardown_answers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
