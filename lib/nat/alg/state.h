/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ALG_STATE_H
#define WEIR_ALG_STATE_H

#include <sys/queue.h>

#include "alg.h"
#include "nat.h"

/* Private to the ALGs: what one home keeps. All of it is the home's alone. */

/* A remote that may come to a mapping; it holds the mapping. */
struct expectation {
	TAILQ_ENTRY(expectation) link; /* by due */
	struct mapping *mapping;
	rte_be32_t remote;
	uint32_t due; /* seconds */
};
TAILQ_HEAD(expectation_list, expectation);

/* What is known of a session that an ALG follows. */
struct dialogue {
	struct dialogue *next; /* of its bucket, or of the free ones */
	const struct session *session;
	const struct alg *alg;
	struct alg_stream stream[2];
	/* the sender's numbers of the last two places where lines begin, by direction */
	uint32_t line[2][2];
	bool lines_known[2];
};

struct algs {
	struct expectation_list waiting, unused;
	struct expectation *expectations;
	uint32_t expectations_n;
	struct dialogue *dialogues, *free;
	uint32_t dialogues_n;
	uint32_t buckets; /* a power of two */
	struct alg_call call;
	char in[ALG_PAYLOAD_MAX];
	struct dialogue *bucket[];
};

#endif
