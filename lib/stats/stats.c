/* SPDX-License-Identifier: BSD-3-Clause */
#include <jansson.h>

#include "cmd.h"
#include "stats.h"

const struct verdict_info verdicts[VERDICT_COUNT] = {
#define VERDICT(name, text, answer) [VERDICT_##name] = {#name, text, ANSWER_##answer},
#include "verdict.def"
#undef VERDICT
};

struct stats *worker_stats[RTE_MAX_LCORE];

/* The name in lower case with dashes: how a program reads it. */
static const char *lower(const char *name, char text[64])
{
	size_t i;

	for (i = 0; name[i] != '\0' && i < 63; i++)
		text[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 'a' - 'A') : name[i];
	text[i] = '\0';
	return text;
}

static json_t *show_verdicts(struct cmd_call *call __rte_unused)
{
	json_t *reply = json_object();
	uint64_t received = 0;
	uint64_t waiting = 0;

	for (uint32_t v = 0; v < VERDICT_COUNT; v++) {
		char text[64];
		uint64_t sum = 0;

		for (uint32_t w = 0; worker_stats[w] != NULL; w++)
			sum += worker_stats[w]->verdict[v];
		json_object_set_new(reply, lower(verdicts[v].name, text),
				    json_integer((json_int_t)sum));
	}
	for (uint32_t w = 0; worker_stats[w] != NULL; w++) {
		received += worker_stats[w]->received;
		waiting += worker_stats[w]->held;
	}
	json_object_set_new(reply, "received", json_integer((json_int_t)received));
	json_object_set_new(reply, "waiting", json_integer((json_int_t)waiting));
	return reply;
}

static const struct cmd verdicts_cmd = {
	.path = "/weir/verdicts",
	.help = "How every packet received ended. No parameters.",
	.where = CMD_READS,
	.run = show_verdicts,
};
CMD_REGISTER(verdicts_cmd);
