/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <rte_common.h>

#include "config_value.h"
#include "text.h"

bool config_value_is_list(const struct config_row *row)
{
	return row->type == CONFIG_PREFIXES || row->type == CONFIG_TEXTS;
}

bool config_value_is_scalar(const struct config_row *row)
{
	return !config_value_is_list(row) && row->type != CONFIG_SECTION &&
	       row->type != CONFIG_SECTIONS;
}

static uint64_t upper_bound(const struct config_row *row, uint64_t without)
{
	return row->max != 0 ? row->max : without;
}

/* ---- from text ---- */

static bool parse_bool(const char *text, bool *value)
{
	static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}};

	for (size_t i = 0; i < RTE_DIM(words); i++) {
		for (int v = 0; v < 2; v++) {
			if (strcasecmp(text, words[i][v]) == 0) {
				*value = v;
				return true;
			}
		}
	}
	return false;
}

static bool parse_uint(const struct config_row *row, const char *text, uint32_t *value)
{
	uint64_t number;

	if (!text_parse_uint(text, upper_bound(row, UINT32_MAX), &number) || number < row->min)
		return false;
	*value = (uint32_t)number;
	return true;
}

static bool parse_seconds(const struct config_row *row, const char *text, uint32_t *value)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char digits[16];
	size_t n = strspn(text, "0123456789");
	uint64_t number, factor = 1;

	if (n == 0 || n >= sizeof(digits))
		return false;
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (text[n] != '\0') {
		factor = 0;
		for (size_t i = 0; i < RTE_DIM(units); i++)
			if (text[n] == units[i].unit && text[n + 1] == '\0')
				factor = units[i].seconds;
	}
	if (factor == 0 || !text_parse_uint(digits, UINT32_MAX, &number))
		return false;
	number *= factor;
	if (number < row->min || number > upper_bound(row, UINT32_MAX))
		return false;
	*value = (uint32_t)number;
	return true;
}

static bool parse_choice(const struct config_row *row, const char *text, uint32_t *value)
{
	for (uint32_t i = 0; row->words[i] != NULL; i++) {
		if (strcmp(row->words[i], text) == 0) {
			*value = i;
			return true;
		}
	}
	return false;
}

static bool parse_text(const struct config_row *row, const char *text, char **value)
{
	size_t n = strlen(text);
	char *copy;

	if (n < row->min || n > upper_bound(row, SIZE_MAX))
		return false;
	copy = strdup(text);
	if (copy == NULL)
		return false;
	*value = copy;
	return true;
}

/* "192.0.2.1/24": text_parse_prefix() with host bits. */
static bool parse_interface(const char *text, struct config_interface *value)
{
	char address[TEXT_IPV4_SIZE];
	const char *slash = strchr(text, '/');
	rte_be32_t parsed;
	uint64_t length;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (!text_parse_ipv4(address, &parsed) || !text_parse_uint(slash + 1, 32, &length))
		return false;
	value->address = parsed;
	value->length = (uint8_t)length;
	return true;
}

/* "A-B" with A at most B. */
static bool parse_port_range(const struct config_row *row, const char *text,
			     struct config_range *value)
{
	uint64_t max = upper_bound(row, UINT16_MAX), first, last;
	char head[16];
	const char *dash = strchr(text, '-');

	if (dash == NULL || (size_t)(dash - text) >= sizeof(head))
		return false;
	memcpy(head, text, (size_t)(dash - text));
	head[dash - text] = '\0';
	if (!text_parse_uint(head, max, &first) || !text_parse_uint(dash + 1, max, &last) ||
	    first < row->min || first > last)
		return false;
	*value = (struct config_range){.first = (uint32_t)first, .last = (uint32_t)last};
	return true;
}

/* A prefix, an address, or "A-B" of addresses. */
static bool parse_addresses(const char *text, struct config_range *value)
{
	char head[TEXT_IPV4_SIZE];
	const char *dash = strchr(text, '-');
	struct prefix prefix;
	rte_be32_t first, last;

	if (dash == NULL) {
		if (!text_parse_prefix(text, &prefix))
			return false;
		first = prefix.address;
		last = prefix.address | ~prefix_mask(prefix.length);
	} else {
		if ((size_t)(dash - text) >= sizeof(head))
			return false;
		memcpy(head, text, (size_t)(dash - text));
		head[dash - text] = '\0';
		if (!text_parse_ipv4(head, &first) || !text_parse_ipv4(dash + 1, &last))
			return false;
	}
	value->first = rte_be_to_cpu_32(first);
	value->last = rte_be_to_cpu_32(last);
	return value->first <= value->last;
}

bool config_value_parse(const struct config_row *row, const char *text, void *value)
{
	struct prefix prefix;

	switch (row->type) {
	case CONFIG_BOOL:
		return parse_bool(text, value);
	case CONFIG_UINT:
		return parse_uint(row, text, value);
	case CONFIG_SECONDS:
		return parse_seconds(row, text, value);
	case CONFIG_CHOICE:
		return parse_choice(row, text, value);
	case CONFIG_TEXT:
		return parse_text(row, text, value);
	case CONFIG_IPV4:
		return text_parse_ipv4(text, value);
	case CONFIG_INTERFACE:
		return parse_interface(text, value);
	case CONFIG_PREFIX:
		if (strchr(text, '/') == NULL || !text_parse_prefix(text, &prefix))
			return false;
		*(struct prefix *)value = prefix;
		return true;
	case CONFIG_PORT_RANGE:
		return parse_port_range(row, text, value);
	default:
		return false;
	}
}

bool config_value_append(const struct config_row *row, const char *text, void *value)
{
	if (row->type == CONFIG_PREFIXES) {
		struct config_prefixes *prefixes = value;

		if (!parse_addresses(text, &prefixes->range[prefixes->n]))
			return false;
		prefixes->n++;
	} else {
		struct config_texts *texts = value;

		texts->text[texts->n] = text[0] != '\0' ? strdup(text) : NULL;
		if (texts->text[texts->n] == NULL)
			return false;
		texts->n++;
	}
	return true;
}

/* ---- in words ---- */

static void want_choice(const struct config_row *row, char want[CONFIG_WANT_SIZE])
{
	int used = 0;

	want[0] = '\0';
	for (uint32_t i = 0; row->words[i] != NULL && used < CONFIG_WANT_SIZE; i++) {
		const char *between = i == 0 ? "" : row->words[i + 1] == NULL ? " or " : ", ";

		used += snprintf(want + used, CONFIG_WANT_SIZE - (size_t)used, "%s%s", between,
				 row->words[i]);
	}
}

static void want_seconds(const struct config_row *row, char want[CONFIG_WANT_SIZE])
{
	snprintf(want, CONFIG_WANT_SIZE,
		 "%" PRIu64 " to %" PRIu64 " seconds, such as 300, 300s, 5m, 2h or 1d", row->min,
		 upper_bound(row, UINT32_MAX));
}

static void want_text(const struct config_row *row, char want[CONFIG_WANT_SIZE])
{
	if (row->max == 0 && row->min == 0)
		snprintf(want, CONFIG_WANT_SIZE, "a text");
	else if (row->max == 0)
		snprintf(want, CONFIG_WANT_SIZE, "a text of at least %" PRIu64 " characters",
			 row->min);
	else
		snprintf(want, CONFIG_WANT_SIZE, "a text of %" PRIu64 " to %" PRIu64 " characters",
			 row->min, row->max);
}

/* With host bits set the network was meant: name it. */
static void want_prefix(const char *found, const char *kinds, char want[CONFIG_WANT_SIZE])
{
	struct config_interface given;
	char text[TEXT_PREFIX_SIZE];

	if (found != NULL && parse_interface(found, &given)) {
		struct prefix prefix = {.address = given.address & prefix_mask(given.length),
					.length = given.length};

		snprintf(want, CONFIG_WANT_SIZE, "no address bits past the prefix length: %s",
			 text_prefix(&prefix, text));
		return;
	}
	snprintf(want, CONFIG_WANT_SIZE, "%s", kinds);
}

void config_value_want(const struct config_row *row, const char *found, char want[CONFIG_WANT_SIZE])
{
	switch (row->type) {
	case CONFIG_BOOL:
		snprintf(want, CONFIG_WANT_SIZE, "yes or no");
		break;
	case CONFIG_UINT:
		snprintf(want, CONFIG_WANT_SIZE, "a number from %" PRIu64 " to %" PRIu64, row->min,
			 upper_bound(row, UINT32_MAX));
		break;
	case CONFIG_SECONDS:
		want_seconds(row, want);
		break;
	case CONFIG_CHOICE:
		want_choice(row, want);
		break;
	case CONFIG_TEXT:
		want_text(row, want);
		break;
	case CONFIG_IPV4:
		snprintf(want, CONFIG_WANT_SIZE, "an IPv4 address such as 192.0.2.1");
		break;
	case CONFIG_INTERFACE:
		snprintf(want, CONFIG_WANT_SIZE,
			 "an IPv4 address with its prefix length, such as 192.0.2.1/24");
		break;
	case CONFIG_PREFIX:
		want_prefix(found, "an IPv4 prefix such as 192.0.2.0/24", want);
		break;
	case CONFIG_PORT_RANGE:
		snprintf(want, CONFIG_WANT_SIZE,
			 "FIRST-LAST within %" PRIu64 " to %" PRIu64 ", such as 1024-65535",
			 row->min, upper_bound(row, UINT16_MAX));
		break;
	case CONFIG_PREFIXES:
		want_prefix(found,
			    "an IPv4 prefix such as 192.0.2.0/24, an address, or a range such as "
			    "192.0.2.1-192.0.2.9",
			    want);
		break;
	case CONFIG_TEXTS:
		snprintf(want, CONFIG_WANT_SIZE, "a text that is not empty");
		break;
	case CONFIG_SECTION:
	case CONFIG_SECTIONS:
		snprintf(want, CONFIG_WANT_SIZE, "keys with values");
		break;
	}
}

/* ---- to JSON ---- */

static json_t *interface_json(const struct config_interface *interface)
{
	char text[TEXT_IPV4_SIZE];

	return json_sprintf("%s/%u", text_ipv4(interface->address, text), interface->length);
}

/* A range as it would be written: a prefix where it is one. */
static json_t *range_json(const struct config_range *range)
{
	char text[TEXT_IPV4_SIZE], last[TEXT_IPV4_SIZE];
	uint64_t count = (uint64_t)range->last - range->first + 1;

	text_ipv4(rte_cpu_to_be_32(range->first), text);
	if (rte_is_power_of_2(count & UINT32_MAX) && (range->first & (count - 1)) == 0)
		return json_sprintf("%s/%u", text, 32 - (uint32_t)__builtin_ctzll(count));
	return json_sprintf("%s-%s", text, text_ipv4(rte_cpu_to_be_32(range->last), last));
}

static json_t *list_json(const struct config_row *row, const void *value)
{
	json_t *list = json_array();

	if (row->type == CONFIG_PREFIXES) {
		const struct config_prefixes *prefixes = value;

		for (uint32_t i = 0; i < prefixes->n; i++)
			json_array_append_new(list, range_json(&prefixes->range[i]));
	} else {
		const struct config_texts *texts = value;

		for (uint32_t i = 0; i < texts->n; i++)
			json_array_append_new(list, json_string(texts->text[i]));
	}
	return list;
}

json_t *config_value_json(const struct config_row *row, const void *value)
{
	const struct config_range *range = value;
	char text[TEXT_PREFIX_SIZE];

	switch (row->type) {
	case CONFIG_BOOL:
		return json_boolean(*(const bool *)value);
	case CONFIG_UINT:
	case CONFIG_SECONDS:
		return json_integer(*(const uint32_t *)value);
	case CONFIG_CHOICE:
		return json_string(row->words[*(const uint32_t *)value]);
	case CONFIG_TEXT:
		return json_string(*(char *const *)value);
	case CONFIG_IPV4:
		return json_string(text_ipv4(*(const rte_be32_t *)value, text));
	case CONFIG_INTERFACE:
		return interface_json(value);
	case CONFIG_PREFIX:
		return json_string(text_prefix(value, text));
	case CONFIG_PORT_RANGE:
		return json_sprintf("%u-%u", range->first, range->last);
	case CONFIG_PREFIXES:
	case CONFIG_TEXTS:
		return list_json(row, value);
	default:
		return NULL;
	}
}
