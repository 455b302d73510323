/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <rte_log.h>

/*
 * Each file that logs says once at its top:   LOG_TYPE(route);
 * and then:                                   LOG(INFO, "next hop %s is up", text);
 * Never on the packet path.
 */
#define LOG_TYPE(name) static RTE_LOG_REGISTER(log_type, weir.name, INFO)
#define LOG(level, format, ...) \
	rte_log(RTE_LOG_##level, log_type, "weir: " format "\n" __VA_OPT__(, ) __VA_ARGS__)

#endif
