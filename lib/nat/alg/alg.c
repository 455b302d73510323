/* SPDX-License-Identifier: BSD-3-Clause */
/* Which there are, what they may have, and the sessions that they follow. */
#include <rte_malloc.h>

#include "state.h"

#define SWITCH(name, field, state, text, section)                                               \
	{                                                                                       \
		.key = name, .type = CONFIG_BOOL, .offset = offsetof(struct alg_config, field), \
		.preset = state, .reload = true, .help = text, .rfc = section                   \
	}

static const struct config_row rows[] = {
	SWITCH("ftp", ftp, "yes", "FTP: data ports that a host inside names are translated.",
	       "RFC 5382 REQ-6"),
	SWITCH("tftp", tftp, "no", "TFTP: the server may answer a request from another port.",
	       "RFC 4787 REQ-10"),
	SWITCH("pptp", pptp, "no",
	       "PPTP: calls are told apart by public identifiers, so that several subscribers "
	       "behind one public address reach one server. Off, as few need it, and each GRE "
	       "packet then goes by the subscriber's home, one by one. Calls under way end when "
	       "it is switched.",
	       "RFC 2637"),
	SWITCH("sip", sip, "no",
	       "SIP over UDP: addresses and ports in headers and SDP are translated, media ports "
	       "opened. Clients that find their way through NATs by STUN or ICE do so without.",
	       "RFC 4787 REQ-10"),
	{.key = "timeout",
	 .type = CONFIG_SECONDS,
	 .offset = offsetof(struct alg_config, timeout),
	 .preset = "30s",
	 .min = 1,
	 .max = 3600,
	 .reload = false,
	 .help = "How long a data port that was named waits for the remote."},
	{.key = "max-sessions",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct alg_config, max_sessions),
	 .preset = "4096",
	 .min = 1,
	 .max = 1048576,
	 .help = "Sessions that ALGs follow, for each worker; memory is set aside. More pass as "
		 "they are."},
	{.key = "max-expectations",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct alg_config, max_expectations),
	 .preset = "1024",
	 .min = 1,
	 .max = 65536,
	 .help = "Data ports that wait for their remote, for each worker."},
	{.key = "max-expectations-per-subscriber",
	 .type = CONFIG_UINT,
	 .offset = offsetof(struct alg_config, max_expectations_per_subscriber),
	 .preset = "16",
	 .min = 1,
	 .max = 65535,
	 .help = "How many of them one subscriber may have."},
};

const struct config_section alg_config_section = {
	.name = "alg",
	.help = "Application-level gateways, for protocols that name ports in their payload.",
	.size = sizeof(struct alg_config),
	.row = rows,
	.n = RTE_DIM(rows),
};

struct alg_config alg_settings = {.ftp = true,
				  .timeout = 30,
				  .max_sessions = 4096,
				  .max_expectations = 1024,
				  .max_expectations_per_subscriber = 16};

/* A switch that workers read while it changes. */
static void set(bool *to, bool value)
{
	__atomic_store_n(to, value, __ATOMIC_RELAXED);
}

void alg_switch(const struct alg_config *config)
{
	set(&alg_settings.ftp, config->ftp);
	set(&alg_settings.tftp, config->tftp);
	set(&alg_settings.pptp, config->pptp);
	set(&alg_settings.sip, config->sip);
	set(&packet_reads_calls, config->pptp);
}

#define ALGS_MAX 8

static const struct alg *registered[ALGS_MAX];
static uint32_t registered_n;

void alg_register(const struct alg *alg)
{
	if (registered_n < ALGS_MAX)
		registered[registered_n++] = alg;
}

const struct alg *alg_at(uint32_t i)
{
	return i < registered_n ? registered[i] : NULL;
}

struct algs *algs_create(int socket)
{
	uint32_t buckets = rte_align32pow2(alg_settings.max_sessions);
	uint32_t expectations = alg_settings.max_expectations;
	struct algs *algs =
		rte_zmalloc_socket("algs", sizeof(*algs) + buckets * sizeof(*algs->bucket),
				   RTE_CACHE_LINE_SIZE, socket);

	if (algs == NULL)
		return NULL;
	algs->buckets = buckets;
	algs->expectation_buckets = rte_align32pow2(expectations);
	TAILQ_INIT(&algs->waiting);
	TAILQ_INIT(&algs->unused);
	algs->expectations = rte_zmalloc_socket(
		"expectations", expectations * sizeof(*algs->expectations), 0, socket);
	algs->by_mapping = rte_zmalloc_socket(
		"expectations", algs->expectation_buckets * sizeof(*algs->by_mapping), 0, socket);
	algs->by_dialog = rte_zmalloc_socket(
		"expectations", algs->expectation_buckets * sizeof(*algs->by_dialog), 0, socket);
	algs->dialogues = rte_zmalloc_socket(
		"dialogues", alg_settings.max_sessions * sizeof(*algs->dialogues), 0, socket);
	if (algs->expectations == NULL || algs->by_mapping == NULL || algs->by_dialog == NULL ||
	    algs->dialogues == NULL) {
		algs_destroy(algs);
		return NULL;
	}
	for (uint32_t i = 0; i < expectations; i++)
		TAILQ_INSERT_TAIL(&algs->unused, &algs->expectations[i], link);
	for (uint32_t i = 0; i < alg_settings.max_sessions; i++) {
		algs->dialogues[i].next = algs->free;
		algs->free = &algs->dialogues[i];
	}
	return algs;
}

void algs_destroy(struct algs *algs)
{
	if (algs == NULL)
		return;
	rte_free(algs->expectations);
	rte_free(algs->by_mapping);
	rte_free(algs->by_dialog);
	rte_free(algs->dialogues);
	rte_free(algs);
}

uint32_t alg_sessions(const struct nat *nat)
{
	return __atomic_load_n(&nat->algs->dialogues_n, __ATOMIC_RELAXED);
}

/* ---- dialogues ---- */

static struct dialogue **bucket_of(struct algs *algs, const struct session *session)
{
	return &algs->bucket[(uintptr_t)session / sizeof(*session) % algs->buckets];
}

struct dialogue *dialogue_of(struct algs *algs, const struct session *session)
{
	struct dialogue *dialogue = *bucket_of(algs, session);

	while (dialogue != NULL && dialogue->session != session)
		dialogue = dialogue->next;
	return dialogue;
}

/* Whether a session has the ALG's port: its server, or either of two peers. */
static bool has_port(const struct session *session, const struct alg *alg)
{
	const struct tuple *out = &session->tuple[0];
	rte_be16_t port = rte_cpu_to_be_16(alg->port);
	bool inbound = (session->flags & SESSION_INBOUND) != 0;

	if (alg->peers && (out->sport == port || out->dport == port))
		return true;
	return (inbound ? out->sport : out->dport) == port;
}

/* The ALG for a session. */
static const struct alg *alg_for(const struct session *session)
{
	for (uint32_t i = 0; i < registered_n; i++)
		if (registered[i]->protocol == tuple_proto(&session->tuple[0]) &&
		    __atomic_load_n(registered[i]->enabled, __ATOMIC_RELAXED) &&
		    has_port(session, registered[i]))
			return registered[i];
	return NULL;
}

/* What outsiders begin takes a place only where a server was forwarded or they were expected: they
 * may be as many as they like. */
static bool may_follow(const struct session *session)
{
	const struct mapping *mapping = session->owner;

	return !(session->flags & SESSION_INBOUND) || session->flags & SESSION_EXPECTED ||
	       mapping_is_fixed(mapping);
}

void alg_begin(struct nat *nat, struct session *session)
{
	const struct alg *alg = alg_for(session);
	struct algs *algs = nat->algs;
	struct dialogue *dialogue, **bucket;

	if (likely(alg == NULL) || session->flags & SESSION_HAIRPIN)
		return;
	if (session->tuple[0].src == session->tuple[1].dst) /* not translated */
		return;
	if (!may_follow(session))
		return;
	dialogue = algs->free;
	if (dialogue == NULL) {
		nat->stats->alg_full++;
		return;
	}
	algs->free = dialogue->next;
	bucket = bucket_of(algs, session);
	*dialogue = (struct dialogue){.next = *bucket, .session = session, .alg = alg};
	*bucket = dialogue;
	__atomic_store_n(&algs->dialogues_n, algs->dialogues_n + 1, __ATOMIC_RELAXED);
	session->flags |= SESSION_ALG;
}

void alg_end(struct nat *nat, struct session *session)
{
	struct algs *algs = nat->algs;
	struct dialogue *dialogue, **link = bucket_of(algs, session);

	if (likely(!(session->flags & SESSION_ALG)))
		return;
	while (*link != NULL && (*link)->session != session)
		link = &(*link)->next;
	if (*link == NULL) /* a PPTP call's */
		return;
	dialogue = *link;
	*link = dialogue->next;
	dialogue->next = algs->free;
	algs->free = dialogue;
	__atomic_store_n(&algs->dialogues_n, algs->dialogues_n - 1, __ATOMIC_RELAXED);
}
