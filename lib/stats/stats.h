/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

#include <stdint.h>

#include <rte_common.h>
#include <rte_lcore.h>

/* What a refused packet's sender is told. */
enum answer {
	ANSWER_NONE,
	ANSWER_NET_UNREACHABLE,
	ANSWER_HOST_UNREACHABLE,
	ANSWER_PROTOCOL_UNREACHABLE,
	ANSWER_PORT_UNREACHABLE,
	ANSWER_ADMIN_PROHIBITED,
	ANSWER_FRAGMENTATION_NEEDED,
	ANSWER_TTL_EXCEEDED,
	ANSWER_COUNT,
	ANSWER_REFUSAL = ANSWER_COUNT, /* one of them: as icmp.refusal-code says */
};

enum verdict {
#define VERDICT(name, text, answer) VERDICT_##name,
#include "verdict.def"
#undef VERDICT
	VERDICT_COUNT,
};

struct verdict_info {
	const char *name; /* "NO_PORT" */
	const char *text;
	enum answer answer;
};

extern const struct verdict_info verdicts[VERDICT_COUNT];

/* Verdicts before this one mean that the packet was sent on. */
#define VERDICT_FIRST_NOT_SENT VERDICT_ECHO_ANSWERED

/*
 * One a worker, written by it alone; any thread reads. The sum of `verdict` is `received` less
 * what waits: for a neighbour or for other fragments (`held`), or in another worker's ring.
 */
struct stats {
	uint64_t received;                   /* packets polled from ports */
	uint64_t verdict[VERDICT_COUNT + 1]; /* the last: frames of weir's own */
	uint64_t sent; /* packets given to ports: forwarded, answers, fragments, ARP */
	uint64_t answers[ANSWER_COUNT]; /* ICMP errors sent */
	uint64_t answers_limited;       /* ICMP errors not sent: over a rate limit */
	uint64_t answers_suppressed;    /* ICMP errors not sent: RFC 1812 4.3.2.7 forbids one */
	uint64_t handed_over;           /* packets given to another worker's ring */
	uint64_t taken_over;            /* packets taken from the own ring */
	uint64_t held; /* gauge: packets that wait for a neighbour or a first fragment */
	uint64_t sessions_created;
	uint64_t sessions_destroyed;
	uint64_t mappings_created;
	uint64_t mappings_destroyed;
	/* payloads that ALGs saw */
	uint64_t alg_changed;   /* payloads with ports translated */
	uint64_t alg_malformed; /* that name a port in no valid way, or another host's */
	uint64_t alg_split;     /* that end within a line that names a port */
	uint64_t alg_refused;   /* for which there was no port or room */
	uint64_t alg_skipped;   /* in fragments, or too long */
	uint64_t alg_full;      /* sessions not followed: too many */
	uint64_t polls;         /* loops */
	uint64_t polls_busy;    /* loops that found a packet */
	uint64_t cycles_busy;   /* TSC cycles in loops that found a packet */
} __rte_cache_aligned;

/* The workers' stats by worker number; NULL past the last. Set once at start (or by a test). */
extern struct stats *worker_stats[RTE_MAX_LCORE];

#endif
