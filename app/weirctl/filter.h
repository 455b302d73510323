/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRCTL_FILTER_H
#define WEIRCTL_FILTER_H

#include "weirctl.h"

#define FILTER_DETAIL                                                       \
	"Filters, all of which must hold:\n"                                \
	"  inside A[/LENGTH]       the subscriber's address or prefix\n"    \
	"  outside A[/LENGTH]      the public address\n"                    \
	"  remote A[/LENGTH]       the other end's address\n"               \
	"  inside-port N, outside-port N, remote-port N\n"                  \
	"  protocol P              tcp, udp, icmp, or a number\n"           \
	"  state S                 ESTABLISHED, SYN_SENT, TIME_WAIT, ...\n" \
	"  realm N                 the subscriber's, where there are several\n"

/* The value of a word is one of these. */
const char *filter_wrong_address(const char *text);  /* NULL, or what is wrong */
const char *filter_wrong_port(const char *text);     /* 0 to 65535 */
const char *filter_wrong_protocol(const char *text); /* tcp, udp, icmp, ..., 0 to 255 */

/* "inside 100.64.0.5 protocol tcp" as arguments; "limit N" too where `limit` is not NULL. An
 * object, or NULL after saying what is wrong: the exit code is then EXIT_WRONG_USE. */
json_t *filter_args(const struct command *command, int argc, char **argv, json_int_t *limit);

#endif
