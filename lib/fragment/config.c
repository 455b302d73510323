/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <rte_common.h>

#include "fragment.h"

static const struct config_row rows[] = {
	{.key = "timeout",
	 .type = CONFIG_SECONDS,
	 .offset = offsetof(struct fragments_config, timeout),
	 .preset = "2s",
	 .min = 1,
	 .max = 30,
	 .help = "How long fragments wait for the first of their datagram, and how long that one "
		 "is "
		 "remembered.",
	 .rfc = "RFC 4787 REQ-14"},
	{.key = "max-datagrams",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct fragments_config, max_datagrams),
	 .preset = "4096",
	 .min = 16,
	 .max = 1048576,
	 .help = "Datagrams of which some fragments were seen, for each worker and side; half of "
		 "them may lack their first fragment. Memory is set aside."},
	{.key = "max-waiting",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct fragments_config, max_waiting),
	 .preset = "1024",
	 .min = 16,
	 .max = 65536,
	 .help = "Fragments that wait for the first of their datagram, for each worker and side."},
	{.key = "max-waiting-per-source",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct fragments_config, max_waiting_per_source),
	 .preset = "128",
	 .min = 1,
	 .max = 65535,
	 .help = "How many of them one source may have; 46 are a datagram of 64 KB."},
};

const struct config_section fragments_config_section = {
	.name = "fragments",
	.help = "Fragments that come before the first of their datagram.",
	.size = sizeof(struct fragments_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

struct fragments_config fragments_settings = {
	.timeout = 2, .max_datagrams = 4096, .max_waiting = 1024, .max_waiting_per_source = 128};
