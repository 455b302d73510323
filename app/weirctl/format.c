/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format.h"

#define TEXTS     16
#define TEXT_SIZE 64

static char *next_text(void)
{
	static char texts[TEXTS][TEXT_SIZE];
	static unsigned int next;

	return texts[next++ % TEXTS];
}

const char *format_count(json_int_t count)
{
	char digits[32];
	char *out = next_text();
	size_t n, at = 0;

	n = (size_t)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, count);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && digits[i - 1] != '-' && (n - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

const char *format_bytes(json_int_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)bytes;
	size_t unit = 0;
	char *out = next_text();

	/* 999.95 would be printed as 1000.0 */
	for (; value >= (unit == 0 ? 1000 : 999.95) && unit < 6; unit++)
		value /= 1000;
	snprintf(out, TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return out;
}

const char *format_seconds(json_int_t seconds)
{
	intmax_t s = (intmax_t)seconds;
	char *out = next_text();

	if (s < 60)
		snprintf(out, TEXT_SIZE, "%jds", s);
	else if (s < 3600)
		snprintf(out, TEXT_SIZE, "%jdm%02jds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_SIZE, "%jdh%02jdm", s / 3600, s / 60 % 60);
	else
		snprintf(out, TEXT_SIZE, "%jdd%02jdh", s / 86400, s / 3600 % 24);
	return out;
}

const char *format_speed(json_int_t mbits)
{
	char *out = next_text();

	if (mbits >= 1000)
		snprintf(out, TEXT_SIZE, "%g Gb/s", (double)mbits / 1000);
	else
		snprintf(out, TEXT_SIZE, "%jd Mb/s", (intmax_t)mbits);
	return out;
}

const char *format_endpoint(const char *address, json_int_t port, const char *protocol)
{
	char *out = next_text();

	/* a query's identifier is no port, and there is none on the remote side; protocols without
	 * ports have none at all */
	if (port == 0 && strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
		snprintf(out, TEXT_SIZE, "%s", address);
	else
		snprintf(out, TEXT_SIZE, "%s:%jd", address, (intmax_t)port);
	return out;
}

json_int_t int_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}
