/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_NAT_H
#define WEIR_NAT_H

#include <stdint.h>

#include "config.h"

struct limits_config {
	uint32_t max_sessions; /* of all workers together */
	uint32_t max_subscribers;
	uint32_t max_sessions_per_subscriber;
};
extern const struct config_section limits_config_section;

#endif
