/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <rte_malloc.h>

#include "icmp.h"

#define SETS   1024 /* a power of two */
#define PLACES 4    /* a set is one cache line */
#define TOKEN  1000 /* so that a rate a second is a number of these a millisecond */

static const char *const unsolicited_words[] = {"drop", "unreachable", NULL};
static const char *const refusal_codes[] = {"host-unreachable", "admin-prohibited", NULL};

static const struct config_row rows[] = {
	{.key = "errors",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct icmp_config, errors),
	 .preset = "yes",
	 .reload = true,
	 .help = "Tell senders by ICMP errors that their packets were refused.",
	 .rfc = "RFC 5508 REQ-9"},
	{.key = "rate",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct icmp_config, rate),
	 .preset = "1000",
	 .min = 1,
	 .max = 1000000,
	 .reload = true,
	 .help = "ICMP errors a second that a worker sends in all.",
	 .rfc = "RFC 1812 4.3.2.8"},
	{.key = "source-rate",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct icmp_config, source_rate),
	 .preset = "50",
	 .min = 1,
	 .max = 1000000,
	 .reload = true,
	 .help = "ICMP errors a second that a worker sends to one source.",
	 .rfc = "RFC 1812 4.3.2.8"},
	{.key = "unsolicited-syn",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct icmp_config, unsolicited_syn),
	 .preset = "drop",
	 .words = unsolicited_words,
	 .reload = true,
	 .help = "A SYN from the outside to a public port that nobody has: drop it without a word, "
		 "or, unless the subscriber opens the same connection within 6 s, say that the "
		 "port is unreachable.",
	 .rfc = "RFC 5382 REQ-4"},
	{.key = "refusal-code",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct icmp_config, refusal_code),
	 .preset = "host-unreachable",
	 .words = refusal_codes,
	 .reload = true,
	 .help = "What a subscriber is told that ran out of ports or sessions: ICMP type 3 code 1, "
		 "or code 13.",
	 .rfc = "RFC 6888 REQ-11, RFC 5508 REQ-8"},
};

const struct config_section icmp_config_section = {
	.name = "icmp",
	.help = "The ICMP errors that weir itself sends.",
	.size = sizeof(struct icmp_config),
	.row = rows,
	.n = sizeof(rows) / sizeof(rows[0]),
};

struct bucket {
	uint32_t tokens;  /* in 1/TOKEN */
	uint32_t then_ms; /* when they were counted; wraps after 49 days, which costs nothing */
};

struct source {
	rte_be32_t address; /* 0: a free place */
	uint32_t realm;
	struct bucket bucket;
};

struct icmp_limiter {
	/* written by the control thread, read by the worker */
	uint32_t rate, source_rate, refusal_code;
	uint32_t unsolicited_syn;
	/* the worker's own */
	struct bucket all __rte_cache_aligned;
	struct source set[SETS][PLACES] __rte_cache_aligned;
};

_Static_assert(sizeof(struct source[PLACES]) == RTE_CACHE_LINE_SIZE, "a set is a cache line");

static uint32_t burst(uint32_t rate)
{
	return RTE_MAX(rate / 10, (uint32_t)ICMP_BURST_MIN) * TOKEN;
}

static void refill(struct bucket *bucket, uint32_t rate, uint32_t now_ms)
{
	uint64_t tokens = bucket->tokens + (uint64_t)(now_ms - bucket->then_ms) * rate;

	bucket->tokens = (uint32_t)RTE_MIN(tokens, (uint64_t)burst(rate));
	bucket->then_ms = now_ms;
}

/* The source's bucket, or a full one in the place of the source that asked longest ago. */
static struct bucket *source_bucket(struct icmp_limiter *limiter, rte_be32_t address,
				    uint32_t realm, uint32_t source_rate, uint32_t now_ms)
{
	const struct tuple key = {.src = address, .proto_realm = proto_realm(0, realm)};
	struct source *set = limiter->set[tuple_hash(&key) % SETS], *oldest = set;

	for (struct source *s = set; s < set + PLACES; s++) {
		if (s->address == address && s->realm == realm)
			return &s->bucket;
		if (oldest->address == 0)
			continue;
		if (s->address == 0 || now_ms - s->bucket.then_ms > now_ms - oldest->bucket.then_ms)
			oldest = s;
	}
	*oldest = (struct source){.address = address,
				  .realm = realm,
				  .bucket = {.tokens = burst(source_rate), .then_ms = now_ms}};
	return &oldest->bucket;
}

bool icmp_limit_take(struct icmp_limiter *limiter, rte_be32_t source, uint32_t realm,
		     uint64_t now_ms)
{
	uint32_t rate = __atomic_load_n(&limiter->rate, __ATOMIC_RELAXED);
	uint32_t source_rate = __atomic_load_n(&limiter->source_rate, __ATOMIC_RELAXED);

	if (rate == 0)
		return false;
	refill(&limiter->all, rate, (uint32_t)now_ms);
	if (limiter->all.tokens < TOKEN)
		return false;
	struct bucket *own = source_bucket(limiter, source, realm, source_rate, (uint32_t)now_ms);
	refill(own, source_rate, (uint32_t)now_ms);
	if (own->tokens < TOKEN)
		return false;
	own->tokens -= TOKEN;
	limiter->all.tokens -= TOKEN;
	return true;
}

void icmp_limiter_configure(struct icmp_limiter *limiter, const struct icmp_config *config)
{
	/* the worker may see one of them before another: harmless */
	__atomic_store_n(&limiter->refusal_code, config->refusal_code, __ATOMIC_RELAXED);
	__atomic_store_n(&limiter->source_rate, config->source_rate, __ATOMIC_RELAXED);
	__atomic_store_n(&limiter->unsolicited_syn, config->unsolicited_syn, __ATOMIC_RELAXED);
	__atomic_store_n(&limiter->rate, config->errors ? config->rate : 0, __ATOMIC_RELAXED);
}

bool icmp_answers_unsolicited(const struct icmp_limiter *limiter)
{
	return __atomic_load_n(&limiter->unsolicited_syn, __ATOMIC_RELAXED) ==
	       ICMP_UNSOLICITED_UNREACHABLE;
}

enum answer icmp_refusal(const struct icmp_limiter *limiter)
{
	return __atomic_load_n(&limiter->refusal_code, __ATOMIC_RELAXED) == 0
		       ? ANSWER_HOST_UNREACHABLE
		       : ANSWER_ADMIN_PROHIBITED;
}

struct icmp_limiter *icmp_limiter_create(const struct icmp_config *config, int socket)
{
	struct icmp_limiter *limiter =
		rte_zmalloc_socket("icmp_limiter", sizeof(*limiter), RTE_CACHE_LINE_SIZE, socket);

	if (limiter == NULL)
		return NULL;
	icmp_limiter_configure(limiter, config);
	limiter->all.tokens = burst(config->rate);
	return limiter;
}

void icmp_limiter_destroy(struct icmp_limiter *limiter)
{
	rte_free(limiter);
}
