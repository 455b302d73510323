/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include <rte_lcore.h>

#include "call.h"
#include "rcu.h"

enum state { WAITS, RUNS, DONE, ABANDONED };

/* A call on its way. Fields change under `lock`, but `call` and `reply` while it RUNS: these are
 * the control thread's. Freed by the asker when WAITS or DONE, by the control thread when
 * ABANDONED. */
struct post {
	TAILQ_ENTRY(post) next;
	const struct cmd *cmd;
	struct cmd_call call;
	json_t *reply;
	enum state state;
	pthread_cond_t done;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, post) posts = TAILQ_HEAD_INITIALIZER(posts); /* those that WAIT */
static int wake_fd = -1;                                         /* -1: nobody takes calls */
static struct event *wake;

static void post_free(struct post *post)
{
	json_decref(post->reply);
	json_decref(post->call.args);
	pthread_cond_destroy(&post->done);
	free(post);
}

static struct post *post_create(const struct cmd *cmd, const struct cmd_call *call)
{
	struct post *post = calloc(1, sizeof(*post));
	pthread_condattr_t attr;

	if (post == NULL)
		return NULL;
	post->cmd = cmd;
	post->call = *call;
	json_incref(post->call.args);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&post->done, &attr);
	pthread_condattr_destroy(&attr);
	return post;
}

json_t *call_here(const struct cmd *cmd, struct cmd_call *call)
{
	json_t *reply;

	/* a command that changes things waits for workers, so it must not hold them up */
	if (cmd->where == CMD_READS || cmd->changes)
		return cmd->run(call);
	rte_rcu_qsbr_thread_online(rcu, rte_lcore_id());
	reply = cmd->run(call);
	rte_rcu_qsbr_thread_offline(rcu, rte_lcore_id());
	return reply;
}

/* Control thread, with the lock. */
static void finish(struct post *post, json_t *reply)
{
	post->reply = reply;
	if (post->state == ABANDONED) {
		post_free(post);
		return;
	}
	post->state = DONE;
	pthread_cond_signal(&post->done);
}

static void run_posts(evutil_socket_t fd, short what __rte_unused, void *arg __rte_unused)
{
	struct post *post;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&lock);
	while ((post = TAILQ_FIRST(&posts)) != NULL) {
		json_t *reply;

		TAILQ_REMOVE(&posts, post, next);
		post->state = RUNS;
		pthread_mutex_unlock(&lock);
		reply = call_here(post->cmd, &post->call);
		pthread_mutex_lock(&lock);
		finish(post, reply);
	}
	pthread_mutex_unlock(&lock);
}

/* With the lock: until the reply is there, or it takes too long. */
static void wait_done(struct post *post)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CALL_TIMEOUT_MS / 1000;
	end.tv_nsec += CALL_TIMEOUT_MS % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	while (post->state != DONE)
		if (pthread_cond_timedwait(&post->done, &lock, &end) == ETIMEDOUT)
			return;
}

/* With the lock. Takes the reply out of a post; the post is freed, here or later. */
static json_t *collect(struct post *post, struct cmd_call *call)
{
	json_t *reply;

	switch (post->state) {
	case DONE:
		reply = post->reply;
		post->reply = NULL;
		memcpy(call->error, post->call.error, sizeof(call->error));
		post_free(post);
		return reply;
	case WAITS:
		TAILQ_REMOVE(&posts, post, next);
		post_free(post);
		break;
	default:
		post->state = ABANDONED;
		break;
	}
	return cmd_fail(call, "weir is busy: no answer within %d ms", CALL_TIMEOUT_MS);
}

/* Any thread but the control thread. */
static json_t *run_in_control(const struct cmd *cmd, struct cmd_call *call)
{
	struct post *post = post_create(cmd, call);
	const uint64_t one = 1;
	json_t *reply;

	if (post == NULL)
		return cmd_fail(call, "out of memory");
	pthread_mutex_lock(&lock);
	if (wake_fd < 0) {
		post_free(post);
		reply = cmd_fail(call, "weir is not running");
	} else {
		TAILQ_INSERT_TAIL(&posts, post, next);
		if (write(wake_fd, &one, sizeof(one)) == sizeof(one))
			wait_done(post);
		reply = collect(post, call);
	}
	pthread_mutex_unlock(&lock);
	return reply;
}

int call_setup(struct event_base *base)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	wake = event_new(base, fd, EV_READ | EV_PERSIST, run_posts, NULL);
	if (wake == NULL || event_add(wake, NULL) != 0) {
		close(fd);
		return -ENOMEM;
	}
	pthread_mutex_lock(&lock);
	wake_fd = fd;
	pthread_mutex_unlock(&lock);
	cmd_run_in_control = run_in_control;
	return 0;
}

void call_teardown(void)
{
	struct post *post;

	if (wake == NULL)
		return;
	event_free(wake);
	wake = NULL;
	pthread_mutex_lock(&lock);
	close(wake_fd);
	wake_fd = -1;
	while ((post = TAILQ_FIRST(&posts)) != NULL) {
		TAILQ_REMOVE(&posts, post, next);
		cmd_fail(&post->call, "weir is ending");
		finish(post, NULL);
	}
	pthread_mutex_unlock(&lock);
}
