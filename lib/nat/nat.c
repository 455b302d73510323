/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_common.h>

#include "nat.h"

static const struct config_row rows[] = {
    {.key = "max-sessions",
     .type = CONFIG_UINT,
     .offset = offsetof(struct limits_config, max_sessions),
     .preset = "262144",
     .min = 1024,
     .max = 67108864,
     .help = "Sessions of all subscribers together; memory is set aside."},
    {.key = "max-subscribers",
     .type = CONFIG_UINT,
     .offset = offsetof(struct limits_config, max_subscribers),
     .preset = "65536",
     .min = 16,
     .max = 16777216,
     .help = "Subscribers at a time; memory is set aside."},
    {.key = "max-sessions-per-subscriber",
     .type = CONFIG_UINT,
     .offset = offsetof(struct limits_config, max_sessions_per_subscriber),
     .preset = "32768",
     .min = 1,
     .max = 67108864,
     .reload = true,
     .help = "Sessions that one subscriber may have.",
     .rfc = "RFC 6888 REQ-4"},
};

const struct config_section limits_config_section = {
    .name = "limits",
    .help = "How much state there may be.",
    .size = sizeof(struct limits_config),
    .row = rows,
    .n = RTE_DIM(rows),
};
