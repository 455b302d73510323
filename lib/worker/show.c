/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_lcore.h>

#include "alg.h"
#include "cmd.h"
#include "worker.h"

static const char *const answer_names[ANSWER_COUNT] = {
	[ANSWER_NET_UNREACHABLE] = "net_unreachable",
	[ANSWER_HOST_UNREACHABLE] = "host_unreachable",
	[ANSWER_PROTOCOL_UNREACHABLE] = "protocol_unreachable",
	[ANSWER_PORT_UNREACHABLE] = "port_unreachable",
	[ANSWER_ADMIN_PROHIBITED] = "admin_prohibited",
	[ANSWER_FRAGMENTATION_NEEDED] = "fragmentation_needed",
	[ANSWER_TTL_EXCEEDED] = "ttl_exceeded",
};

static json_t *answers_json(const struct stats *stats)
{
	json_t *answers = json_object();

	for (int i = ANSWER_NONE + 1; i < ANSWER_COUNT; i++)
		json_object_set_new(answers, answer_names[i],
				    json_integer((json_int_t)stats->answers[i]));
	return answers;
}

static json_t *alg_json(const struct worker *worker)
{
	const struct stats *stats = &worker->stats;

	return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "sessions",
			 (int)alg_sessions(worker->nat), "expectations",
			 (int)alg_expectations(worker->nat), "changed",
			 (json_int_t)stats->alg_changed, "malformed",
			 (json_int_t)stats->alg_malformed, "split", (json_int_t)stats->alg_split,
			 "refused", (json_int_t)stats->alg_refused, "skipped",
			 (json_int_t)stats->alg_skipped, "full", (json_int_t)stats->alg_full);
}

static json_t *worker_json(const struct worker *worker)
{
	const struct stats *stats = &worker->stats;
	uint64_t packets = stats->received + stats->taken_over;
	uint64_t polls = stats->polls != 0 ? stats->polls : 1;

	return json_pack(
		"{s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, "
		"s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:o}",
		"worker", (int)worker->number, "lcore", (int)worker->lcore, "cpu",
		worker_cpu(worker->lcore), "socket", worker->socket, "received",
		(json_int_t)stats->received, "sent", (json_int_t)stats->sent, "handed_over",
		(json_int_t)stats->handed_over, "taken_over", (json_int_t)stats->taken_over, "held",
		(json_int_t)stats->held, "sessions",
		(json_int_t)sessions_count(worker->nat->sessions), "mappings",
		(json_int_t)nat_mappings(worker->nat), "subscribers",
		(json_int_t)slab_taken(worker->nat->subscribers), "sessions_created",
		(json_int_t)stats->sessions_created, "sessions_destroyed",
		(json_int_t)stats->sessions_destroyed, "waiting_reclaim",
		(json_int_t)reclaim_count(worker->nat->reclaim), "busy_percent",
		100.0 * (double)stats->polls_busy / (double)polls, "cycles_busy",
		(json_int_t)stats->cycles_busy, "cycles_per_packet",
		(json_int_t)(packets != 0 ? stats->cycles_busy / packets : 0), "buffers",
		(json_int_t)worker->buffers->size, "buffers_in_use",
		(json_int_t)rte_mempool_in_use_count(worker->buffers), "answers",
		answers_json(stats), "answers_limited", (json_int_t)stats->answers_limited,
		"answers_suppressed", (json_int_t)stats->answers_suppressed, "alg",
		alg_json(worker));
}

static json_t *show_workers(struct cmd_call *call __rte_unused)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < WORKERS_MAX && workers[i] != NULL; i++)
		json_array_append_new(list, worker_json(workers[i]));
	return json_pack("{s:o}", "workers", list);
}

static const struct cmd workers_cmd = {
	.path = "/weir/workers",
	.help = "Packets, state and load of each worker. No parameters.",
	.where = CMD_READS,
	.run = show_workers,
};
CMD_REGISTER(workers_cmd);
