/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRCTL_FORMAT_H
#define WEIRCTL_FORMAT_H

#include <jansson.h>

/* Texts for people. Each lives until 15 more were made: use them in one printf. */
const char *format_count(json_int_t count);     /* 1,234,567 */
const char *format_bytes(json_int_t bytes);     /* 1.5 GB; powers of 1000 */
const char *format_seconds(json_int_t seconds); /* 45s, 2h04m, 3d11h */
const char *format_speed(json_int_t mbits);     /* 10 Gb/s */
const char *format_endpoint(const char *address, json_int_t port, const char *protocol);

/* Values of a JSON object: 0 and "" when they are not there. */
json_int_t int_of(const json_t *object, const char *key);
const char *text_of(const json_t *object, const char *key);

#endif
