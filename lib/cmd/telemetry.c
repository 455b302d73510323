/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>
#include <rte_telemetry.h>

#include "cmd.h"
#include "log.h"

/*
 * JSON to DPDK's telemetry data, in two steps: reshape() makes JSON that telemetry can carry as it
 * is, or says why not; convert() then cannot lose anything. See cmd_telemetry_setup() for the
 * rules, and DPDK's lib/telemetry for the limits.
 */

LOG_TYPE(cmd);

/* DPDK's buffer is 16 KiB; the command's name, quotes and braces go off it, and what its writers
 * want free at the end. */
#define ANSWER_MAX (16 * 1024 - 256)

struct reshape {
	char cut[RTE_TEL_MAX_STRING_LEN]; /* key of the first text that was shortened */
	const char *wrong;                /* why the answer cannot be carried at all */
};

static json_t *reshape(const json_t *value, const char *key, struct reshape *r);

/* DPDK drops control characters, and reads out of bounds on what is no ASCII. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static json_t *reshape_text(const char *text, const char *key, struct reshape *r)
{
	char out[RTE_TEL_MAX_STRING_LEN];

	if (rte_strscpy(out, text, sizeof(out)) < 0) {
		memcpy(out + sizeof(out) - 4, "...", 4);
		if (r->cut[0] == '\0')
			rte_strscpy(r->cut, key, sizeof(r->cut));
	}
	make_printable(out);
	return json_string(out);
}

static void reshape_key(const char *key, char out[RTE_TEL_MAX_STRING_LEN], struct reshape *r)
{
	size_t i;

	for (i = 0; key[i] != '\0' && i < RTE_TEL_MAX_STRING_LEN - 1; i++) {
		bool kept = (key[i] >= '0' && key[i] <= '9') || (key[i] >= 'A' && key[i] <= 'Z') ||
			    (key[i] >= 'a' && key[i] <= 'z') || key[i] == '/';

		out[i] = kept ? key[i] : '_';
	}
	out[i] = '\0';
	if (key[i] != '\0')
		r->wrong = "a key is longer than 127 characters";
}

/* Takes the reference to `value`, which may be NULL: left out. */
static void add(json_t *object, const char *key, json_t *value, struct reshape *r)
{
	if (value == NULL)
		return;
	if (json_object_get(object, key) != NULL)
		r->wrong = "two keys are one to telemetry";
	json_object_set_new(object, key, value);
	if (json_object_size(object) > RTE_TEL_MAX_DICT_ENTRIES)
		r->wrong = "an object has more than 256 entries";
}

static json_t *reshape_object(const json_t *value, struct reshape *r)
{
	json_t *object = json_object();
	char name[RTE_TEL_MAX_STRING_LEN];
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)value, key, v) {
		reshape_key(key, name, r);
		add(object, name, reshape(v, name, r), r);
		if (r->wrong != NULL)
			break;
	}
	return object;
}

/* Telemetry's lists hold values of one kind; of objects it has none (22.11). */
static bool all_of(const json_t *list, bool (*is)(const json_t *value))
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!is(json_array_get(list, i)))
			return false;
	return true;
}

static bool is_text(const json_t *value)
{
	return json_is_string(value);
}

static bool is_natural(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_int(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= INT_MIN &&
	       json_integer_value(value) <= INT_MAX;
}

static json_t *reshape_list(const json_t *value, const char *key, struct reshape *r)
{
	bool plain = all_of(value, is_text) || all_of(value, is_natural) || all_of(value, is_int);
	json_t *out = plain ? json_array() : json_object();
	char index[24];

	if (plain && json_array_size(value) > RTE_TEL_MAX_ARRAY_ENTRIES)
		r->wrong = "a list has more than 512 entries";
	for (size_t i = 0; i < json_array_size(value) && r->wrong == NULL; i++) {
		json_t *v = reshape(json_array_get(value, i), key, r);

		snprintf(index, sizeof(index), "%zu", i);
		if (plain)
			json_array_append_new(out, v);
		else
			add(out, index, v, r);
	}
	return out;
}

/* NULL for null, which is left out. */
static json_t *reshape(const json_t *value, const char *key, struct reshape *r)
{
	char text[64];

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return reshape_object(value, r);
	case JSON_ARRAY:
		return reshape_list(value, key, r);
	case JSON_STRING:
		return reshape_text(json_string_value(value), key, r);
	case JSON_INTEGER:
		if (is_natural(value) || is_int(value))
			return json_integer(json_integer_value(value));
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return json_string(text);
	case JSON_REAL:
		snprintf(text, sizeof(text), "%.15g", json_real_value(value));
		return json_string(text);
	case JSON_TRUE:
	case JSON_FALSE:
		return json_integer(json_is_true(value));
	default:
		return NULL;
	}
}

static void convert_object(const json_t *object, struct rte_tel_data *data);

static void convert_list(const json_t *list, struct rte_tel_data *data)
{
	bool naturals = all_of(list, is_natural);

	if (all_of(list, is_text))
		rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	else
		rte_tel_data_start_array(data, naturals ? RTE_TEL_U64_VAL : RTE_TEL_INT_VAL);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);

		if (json_is_string(v))
			rte_tel_data_add_array_string(data, json_string_value(v));
		else if (naturals)
			rte_tel_data_add_array_u64(data, (uint64_t)json_integer_value(v));
		else
			rte_tel_data_add_array_int(data, (int)json_integer_value(v));
	}
}

static void convert_container(const char *key, const json_t *value, struct rte_tel_data *data)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL) {
		rte_tel_data_add_dict_string(data, key, "out of memory");
		return;
	}
	if (json_is_object(value))
		convert_object(value, inner);
	else
		convert_list(value, inner);
	/* DPDK frees it once it is written */
	if (rte_tel_data_add_dict_container(data, key, inner, 0) != 0)
		rte_tel_data_free(inner);
}

static void convert_object(const json_t *object, struct rte_tel_data *data)
{
	const char *key;
	json_t *v;

	rte_tel_data_start_dict(data);
	json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
		if (json_is_string(v))
			rte_tel_data_add_dict_string(data, key, json_string_value(v));
		else if (is_natural(v))
			rte_tel_data_add_dict_u64(data, key, (uint64_t)json_integer_value(v));
		else if (json_is_integer(v))
			rte_tel_data_add_dict_int(data, key, (int)json_integer_value(v));
		else
			convert_container(key, v, data);
	}
}

/* An answer in telemetry's shape; never NULL but for want of memory. Takes the reference. */
static json_t *reshape_reply(json_t *reply)
{
	struct reshape r = {.cut = ""};
	json_t *out, *whole;
	size_t size;

	whole = json_is_object(reply) ? json_incref(reply) : json_pack("{s:O}", "reply", reply);
	out = reshape_object(whole, &r);
	if (r.cut[0] != '\0')
		add(out, "truncated", json_string(r.cut), &r);
	size = json_dumpb(out, NULL, 0, JSON_COMPACT);
	if (size > ANSWER_MAX)
		r.wrong = "it is longer than 16 KiB";
	if (r.wrong != NULL) {
		json_decref(out);
		out = json_pack("{s:s+}", "error", "telemetry cannot carry the answer: ", r.wrong);
	}
	json_decref(whole);
	json_decref(reply);
	return out;
}

/* "A,B,key=C": named parameters by their name, the others in "args". */
static json_t *args_of(const char *params)
{
	json_t *list = json_array();
	json_t *args = json_pack("{s:o}", "args", list);
	char text[1024], *rest = text, *word;

	rte_strscpy(text, params != NULL ? params : "", sizeof(text));
	make_printable(text);
	if (text[0] == '\0')
		return args;
	while ((word = strsep(&rest, ",")) != NULL) {
		char *value = strchr(word, '=');

		if (value == NULL) {
			json_array_append_new(list, json_string(word));
		} else {
			*value++ = '\0';
			json_object_set_new(args, word, json_string(value));
		}
	}
	return args;
}

/* In the thread of a telemetry client. */
static int answer(const char *path, const char *params, struct rte_tel_data *data)
{
	const struct cmd *cmd = cmd_find(path);
	struct cmd_call call = {.args = args_of(params), .telemetry = true};
	json_t *reply = NULL;

	if (cmd == NULL || call.args == NULL)
		return -EINVAL;
	if (cmd_args_known(cmd, &call))
		reply = cmd->where == CMD_READS ? cmd->run(&call) : cmd_run_in_control(cmd, &call);
	if (reply == NULL)
		reply = json_pack("{s:s}", "error", call.error);
	json_decref(call.args);
	reply = reply != NULL ? reshape_reply(reply) : NULL;
	if (reply == NULL)
		return -ENOMEM;
	convert_object(reply, data);
	json_decref(reply);
	return 0;
}

int cmd_telemetry_setup(void)
{
	const struct cmd *cmd;

	for (uint32_t i = 0; (cmd = cmd_get(i)) != NULL; i++) {
		const char *wrong = cmd_wrong(cmd);
		int ret = 0;

		if (wrong != NULL) {
			LOG(ERR, "command %s: %s", cmd->path, wrong);
			return -EINVAL;
		}
		if (!cmd->changes)
			ret = rte_telemetry_register_cmd(cmd->path, answer, cmd->help);
		if (ret != 0)
			return ret;
	}
	return 0;
}
