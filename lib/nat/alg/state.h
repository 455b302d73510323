/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_ALG_STATE_H
#define WEIR_ALG_STATE_H

#include <sys/queue.h>

#include "alg.h"
#include "nat.h"

/* Private to the ALGs: what one home keeps. All of it is the home's alone. */

/* A remote that may come to a mapping; it holds the mapping. */
struct expectation {
	TAILQ_ENTRY(expectation) link;      /* by due */
	LIST_ENTRY(expectation) of_mapping; /* in the mapping's bucket */
	LIST_ENTRY(expectation) of_dialog;  /* in the dialog's bucket, if it is of one */
	struct mapping *mapping;
	rte_be32_t remote;
	uint32_t dialog; /* of the subscriber; 0: none */
	uint32_t due;    /* seconds: when it is looked at */
	uint32_t until;  /* seconds: when it ends */
};
TAILQ_HEAD(expectation_list, expectation);
LIST_HEAD(expectation_bucket, expectation);

/* What is known of a session that an ALG follows. */
struct dialogue {
	struct dialogue *next; /* of its bucket, or of the free ones */
	const struct session *session;
	const struct alg *alg;
	struct alg_stream stream[2];
	/* the sender's numbers of the last two places where lines begin, by direction */
	uint32_t line[2][2];
	bool lines_known[2];
	uint32_t memory[2]; /* the ALG's */
};

struct algs {
	struct expectation_list waiting, unused;
	struct expectation *expectations;
	uint32_t expectations_n;
	struct expectation_bucket *by_mapping, *by_dialog; /* as many as the power of two says */
	uint32_t expectation_buckets;
	struct dialogue *dialogues, *free;
	uint32_t dialogues_n;
	uint32_t buckets; /* a power of two */
	struct alg_call call;
	char in[ALG_PAYLOAD_MAX];
	struct dialogue *bucket[];
};

/* The services of alg_call; their context. */
struct alg_context {
	struct nat *nat;
	const struct session *session;
};
extern const struct alg_services alg_services;

/* alg.c */
struct dialogue *dialogue_of(struct algs *algs, const struct session *session);

/* services.c: writes a GRE packet's call identifier. */
void alg_translate_call(const struct packet *p);

/* ---- expect.c ---- */

/* Whether the subscriber may have one expectation more. */
bool alg_may_expect(const struct nat *nat, const struct subscriber *subscriber);
/* The wish's remote may come to the mapping. False: there are too many; the mapping is as before.
 */
bool alg_expect(struct nat *nat, struct mapping *mapping, const struct alg_wish *wish);
/* Another remote may come to all that is expected for a dialog of the inside host. */
void alg_expect_other(struct nat *nat, const struct tuple *inside, uint32_t dialog,
		      rte_be32_t remote);
/* Nobody may. */
void alg_expect_none(struct nat *nat, const struct tuple *inside, uint32_t dialog);

#endif
