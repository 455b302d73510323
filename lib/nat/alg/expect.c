/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expectations: a remote that may come to a mapping, which it holds. They end when their time is
 * up, but those of a dialog stay while its media flow.
 */
#include "clock.h"
#include "state.h"

static struct expectation_bucket *bucket_of(const struct algs *algs, const struct mapping *mapping)
{
	return &algs->by_mapping[(uintptr_t)mapping / sizeof(struct session) %
				 algs->expectation_buckets];
}

/* A dialog's number means something for its inside host only. */
static struct expectation_bucket *dialog_bucket(const struct algs *algs, const struct tuple *inside,
						uint32_t dialog)
{
	const struct tuple key = {.src = inside->src,
				  .dst = dialog,
				  .proto_realm = proto_realm(0, tuple_realm(inside))};

	return &algs->by_dialog[tuple_hash(&key) % algs->expectation_buckets];
}

/* The inside host that it is of. */
static const struct tuple *host_of(const struct expectation *expectation)
{
	return &mapping_host(expectation->mapping)->tuple[0];
}

static bool is_of(const struct expectation *expectation, const struct tuple *inside,
		  uint32_t dialog)
{
	const struct tuple *of = host_of(expectation);

	return expectation->dialog == dialog && of->src == inside->src &&
	       tuple_realm(of) == tuple_realm(inside);
}

static struct expectation *find(const struct algs *algs, const struct mapping *mapping,
				rte_be32_t remote)
{
	struct expectation *expectation;

	if (mapping->expectations == 0)
		return NULL;
	LIST_FOREACH(expectation, bucket_of(algs, mapping), of_mapping)
	if (expectation->mapping == mapping && expectation->remote == remote)
		return expectation;
	return NULL;
}

bool alg_expects(const struct nat *nat, const struct mapping *mapping, rte_be32_t remote)
{
	return find(nat->algs, mapping, remote) != NULL;
}

static void hold(struct nat *nat, struct expectation *expectation, struct mapping *mapping)
{
	struct algs *algs = nat->algs;

	TAILQ_REMOVE(&algs->unused, expectation, link);
	TAILQ_INSERT_TAIL(&algs->waiting, expectation, link);
	LIST_INSERT_HEAD(bucket_of(algs, mapping), expectation, of_mapping);
	expectation->mapping = mapping;
	expectation->dialog = 0;
	mapping->sessions++;
	mapping->expectations++;
	mapping_subscriber(mapping)->expectations++;
	__atomic_store_n(&algs->expectations_n, algs->expectations_n + 1, __ATOMIC_RELAXED);
}

static void set_dialog(const struct nat *nat, struct expectation *expectation, uint32_t dialog)
{
	if (expectation->dialog == dialog)
		return;
	if (expectation->dialog != 0)
		LIST_REMOVE(expectation, of_dialog);
	expectation->dialog = dialog;
	if (dialog != 0)
		LIST_INSERT_HEAD(dialog_bucket(nat->algs, host_of(expectation), dialog),
				 expectation, of_dialog);
}

static void let_go(struct nat *nat, struct expectation *expectation)
{
	struct algs *algs = nat->algs;
	struct mapping *mapping = expectation->mapping;

	set_dialog(nat, expectation, 0);
	LIST_REMOVE(expectation, of_mapping);
	TAILQ_REMOVE(&algs->waiting, expectation, link);
	TAILQ_INSERT_TAIL(&algs->unused, expectation, link);
	__atomic_store_n(&algs->expectations_n, algs->expectations_n - 1, __ATOMIC_RELAXED);
	mapping->expectations--;
	mapping_subscriber(mapping)->expectations--;
	mapping_put(nat, mapping);
}

/* All are looked at after the same time, so that the list is in order. */
static void look_later(struct nat *nat, struct expectation *expectation)
{
	TAILQ_REMOVE(&nat->algs->waiting, expectation, link);
	TAILQ_INSERT_TAIL(&nat->algs->waiting, expectation, link);
	expectation->due = clock_seconds(nat->now_ms) + alg_settings.timeout;
}

/* Expectations looked at in one loop. */
#define STEP 32

static bool media_flow(const struct expectation *expectation)
{
	return expectation->dialog != 0 &&
	       expectation->mapping->sessions > expectation->mapping->expectations;
}

void alg_poll(struct nat *nat)
{
	struct expectation *expectation;
	uint32_t now = clock_seconds(nat->now_ms);

	for (uint32_t i = 0; i < STEP; i++) {
		expectation = TAILQ_FIRST(&nat->algs->waiting);
		if (expectation == NULL || expectation->due > now ||
		    !reclaim_has_room(nat->reclaim, 1))
			return;
		if (expectation->until > now || media_flow(expectation))
			look_later(nat, expectation);
		else
			let_go(nat, expectation);
	}
}

uint32_t alg_expectations(const struct nat *nat)
{
	return __atomic_load_n(&nat->algs->expectations_n, __ATOMIC_RELAXED);
}

bool alg_may_expect(const struct nat *nat, const struct subscriber *subscriber)
{
	return TAILQ_FIRST(&nat->algs->unused) != NULL &&
	       subscriber->expectations < alg_settings.max_expectations_per_subscriber;
}

bool alg_expect(struct nat *nat, struct mapping *mapping, const struct alg_wish *wish)
{
	struct expectation *expectation = find(nat->algs, mapping, wish->remote);

	if (expectation == NULL) {
		if (!alg_may_expect(nat, mapping_subscriber(mapping)))
			return false;
		expectation = TAILQ_FIRST(&nat->algs->unused);
		hold(nat, expectation, mapping);
		expectation->remote = wish->remote;
		expectation->until = 0;
	}
	look_later(nat, expectation);
	expectation->until =
		RTE_MAX(expectation->until,
			clock_seconds(nat->now_ms) + RTE_MAX(wish->seconds, alg_settings.timeout));
	set_dialog(nat, expectation, wish->dialog);
	return true;
}

void alg_expect_other(struct nat *nat, const struct tuple *inside, uint32_t dialog,
		      rte_be32_t remote)
{
	struct expectation *expectation;

	LIST_FOREACH(expectation, dialog_bucket(nat->algs, inside, dialog), of_dialog)
	if (is_of(expectation, inside, dialog))
		expectation->remote = remote;
}

void alg_expect_none(struct nat *nat, const struct tuple *inside, uint32_t dialog)
{
	struct expectation *expectation = LIST_FIRST(dialog_bucket(nat->algs, inside, dialog));

	while (expectation != NULL && reclaim_has_room(nat->reclaim, 4)) {
		struct expectation *next = LIST_NEXT(expectation, of_dialog);

		if (is_of(expectation, inside, dialog))
			let_go(nat, expectation);
		expectation = next;
	}
}
