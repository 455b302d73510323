/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_string_fns.h>

#include "clock.h"
#include "cmd.h"
#include "log.h"
#include "nat.h"
#include "rules.h"
#include "text.h"

LOG_TYPE(nat);

#define SETS    64 /* of strangers; a power of two */
#define PLACES  4
#define EVENTS  256 /* in line for the control thread; a power of two */
#define SILENCE 60  /* seconds between events about one subscriber */
#define LINES   20  /* a second, in all */

struct stranger {
	rte_be32_t address; /* 0: a free place */
	uint32_t realm;
	const struct pool *pool; /* only told from others: it may have gone */
	struct refusals refusals;
};

struct event {
	rte_be32_t address;
	uint32_t realm;
	uint32_t count;
	/* its name, cut if need be: the pool may go before it is read; or "" */
	char pool[64] __rte_aligned(4); /* as rte_jhash() reads it */
	uint8_t verdict, protocol;
};

struct refused {
	struct stranger set[SETS][PLACES];
	struct event event[EVENTS];
	uint32_t head;                     /* the home's; free-running */
	uint32_t lost;                     /* the home's: events without room */
	uint32_t tail __rte_cache_aligned; /* the control thread's */
	uint32_t lost_said;
};

struct refused *refused_create(int socket)
{
	return rte_zmalloc_socket("refused", sizeof(struct refused), RTE_CACHE_LINE_SIZE, socket);
}

void refused_destroy(struct refused *refused)
{
	rte_free(refused);
}

/* ---- the home ---- */

/* The place of who is no subscriber: its own, or that of the one refused longest ago. */
static struct refusals *stranger(struct refused *refused, const struct tuple *key,
				 const struct pool *pool)
{
	struct stranger *set = refused->set[tuple_hash(key) % SETS], *oldest = set;

	for (struct stranger *s = set; s < set + PLACES; s++) {
		if (s->address == key->src && s->realm == tuple_realm(key) && s->pool == pool)
			return &s->refusals;
		if (s->refusals.of[0].last < oldest->refusals.of[0].last)
			oldest = s;
	}
	*oldest = (struct stranger){.address = key->src, .realm = tuple_realm(key), .pool = pool};
	return &oldest->refusals;
}

/* The refusals' entry for the verdict, moved to the front; or a new one there. */
static struct refusal *latest(struct refusals *refusals, uint8_t verdict, uint32_t now)
{
	struct refusal *of = refusals->of;
	struct refusal fresh = {.verdict = verdict, .first = now};

	if (of[0].count != 0 && of[0].verdict == verdict)
		return of;
	if (of[1].count != 0 && of[1].verdict == verdict)
		fresh = of[1];
	of[1] = of[0];
	of[0] = fresh;
	return of;
}

static void tell(struct refused *refused, const struct tuple *key, const struct refusal *refusal,
		 const struct pool *pool)
{
	struct event *event = &refused->event[refused->head % EVENTS];

	if (refused->head - __atomic_load_n(&refused->tail, __ATOMIC_ACQUIRE) == EVENTS) {
		__atomic_store_n(&refused->lost, refused->lost + 1, __ATOMIC_RELAXED);
		return;
	}
	*event = (struct event){
		.address = key->src,
		.realm = tuple_realm(key),
		.count = refusal->count,
		.verdict = refusal->verdict,
		.protocol = refusal->protocol,
	};
	if (pool != NULL)
		strlcpy(event->pool, pool->name, sizeof(event->pool));
	__atomic_store_n(&refused->head, refused->head + 1, __ATOMIC_RELEASE);
}

/* The pool that the subscriber is in, or would have been. NULL: none. */
static struct pool *pool_of(const struct subscriber *subscriber, const struct packet *p)
{
	struct pool *pool;

	if (subscriber != NULL)
		return subscriber->address->pool;
	return rules_decide(&p->tuple, &pool) == RULE_PERMIT ? pool : NULL;
}

void refused_note(struct nat *nat, struct subscriber *subscriber, const struct tuple *inside,
		  const struct packet *p, enum verdict verdict)
{
	struct tuple key = {.src = inside->src, .proto_realm = proto_realm(0, tuple_realm(inside))};
	bool outbound = tuple_realm(&p->tuple) != REALM_OUTSIDE;
	uint32_t now = clock_seconds(nat->now_ms);
	struct pool *pool = pool_of(subscriber, p);
	struct refusals *refusals =
		subscriber != NULL ? &subscriber->refusals : stranger(nat->refused, &key, pool);
	struct refusal *refusal = latest(refusals, (uint8_t)verdict, now);

	if (pool != NULL && (verdict == VERDICT_NO_PORT || verdict == VERDICT_NO_ADDRESS))
		__atomic_fetch_add(&pool->refused, 1, __ATOMIC_RELAXED);
	refusal->protocol = tuple_proto(&p->tuple);
	refusal->remote = outbound ? p->tuple.dst : p->tuple.src;
	refusal->remote_port = outbound ? p->tuple.dport : p->tuple.sport;
	refusal->last = now;
	refusal->count++;
	if (refusals->said != 0 && now - (refusals->said - 1) < SILENCE)
		return;
	refusals->said = now + 1;
	tell(nat->refused, &key, refusal, pool);
}

/* ---- the log ---- */

static void show_line(const struct event *event)
{
	char text[TEXT_IPV4_SIZE], realm[24] = "", pool[sizeof(event->pool) + 10] = "";

	if (event->realm > 1)
		snprintf(realm, sizeof(realm), " in realm %u", event->realm);
	if (event->pool[0] != '\0')
		snprintf(pool, sizeof(pool), " in pool %s", event->pool);
	LOG(NOTICE, "subscriber %s%s is refused %s%s: %s (%u so far)",
	    text_ipv4(event->address, text), realm, text_protocol(event->protocol), pool,
	    verdicts[event->verdict].text, event->count);
}

/* What was written in this second. */
struct second {
	uint32_t second, lines, left_out;
	uint64_t pools; /* a bit by a hash of the name: it had a line */
};

/* Whether an event gets a line: there is one left, or its pool had none. */
static bool takes_line(struct second *written, const struct event *event)
{
	uint64_t pool = UINT64_C(1)
			<< rte_jhash(event->pool, (uint32_t)strlen(event->pool), 0) % 64;

	if (written->lines >= LINES && written->pools & pool)
		return false;
	written->lines++;
	written->pools |= pool;
	return true;
}

/* Writes what lines of one home there are to write; the others are counted. */
static void drain(struct refused *refused, struct second *written)
{
	uint32_t head = __atomic_load_n(&refused->head, __ATOMIC_ACQUIRE);
	uint32_t lost = __atomic_load_n(&refused->lost, __ATOMIC_RELAXED);

	for (uint32_t i = refused->tail; i != head; i++) {
		const struct event *event = &refused->event[i % EVENTS];

		if (takes_line(written, event))
			show_line(event);
		else
			written->left_out++;
	}
	__atomic_store_n(&refused->tail, head, __ATOMIC_RELEASE);
	written->left_out += lost - refused->lost_said;
	refused->lost_said = lost;
}

void refused_show(uint64_t now_ms)
{
	static struct second written;

	if (clock_seconds(now_ms) != written.second) {
		if (written.left_out != 0)
			LOG(NOTICE,
			    "%u more subscribers are refused: see `weirctl show pools` and "
			    "`weirctl show verdicts`",
			    written.left_out);
		written = (struct second){.second = clock_seconds(now_ms)};
	}
	for (uint32_t home = 0; home < WORKERS_MAX && nats[home] != NULL; home++)
		drain(nats[home]->refused, &written);
}

/* ---- weirctl why ---- */

static json_t *refusal_json(const struct refusal *refusal, uint32_t now)
{
	char remote[TEXT_IPV4_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i}", "verdict",
			 verdicts[refusal->verdict].name, "text", verdicts[refusal->verdict].text,
			 "protocol", text_protocol(refusal->protocol), "remote",
			 text_ipv4(refusal->remote, remote), "remote_port",
			 (int)rte_be_to_cpu_16(refusal->remote_port), "count", (int)refusal->count,
			 "first", (int)(now - refusal->first), "last", (int)(now - refusal->last));
}

static void add_refusals(json_t *list, const struct refusals *refusals, uint32_t realm, bool known)
{
	uint32_t now = clock_seconds(clock_ms());

	for (int i = 0; i < REFUSALS_KEPT; i++) {
		json_t *entry;

		if (refusals->of[i].count == 0)
			continue;
		entry = refusal_json(&refusals->of[i], now);
		json_object_set_new(entry, "realm", json_integer(realm));
		json_object_set_new(entry, "subscriber", json_boolean(known));
		json_array_append_new(list, entry);
	}
}

static void add_of_home(json_t *list, const struct nat *nat, rte_be32_t address)
{
	for (uint32_t i = 0; i < slab_size(nat->subscribers); i++) {
		const struct subscriber *subscriber = slab_at(nat->subscribers, i);

		if (__atomic_load_n(&subscriber->live, __ATOMIC_ACQUIRE) &&
		    subscriber->key.src == address)
			add_refusals(list, &subscriber->refusals, tuple_realm(&subscriber->key),
				     true);
	}
	for (uint32_t i = 0; i < SETS * PLACES; i++) {
		const struct stranger *s = &nat->refused->set[i / PLACES][i % PLACES];

		if (s->address == address && address != 0)
			add_refusals(list, &s->refusals, s->realm, false);
	}
}

static json_t *show_why(struct cmd_call *call)
{
	rte_be32_t address;
	json_t *list;

	if (!subscriber_parse(call, &address))
		return NULL;
	list = json_array();
	for (uint32_t home = 0; home < WORKERS_MAX && nats[home] != NULL; home++)
		add_of_home(list, nats[home], address);
	return json_pack("{s:o}", "refusals", list);
}

static const struct cmd why_cmd = {
	.path = "/weir/why",
	.usage = "ADDRESS",
	.help = "Why a subscriber was refused lately. Parameter: its inside address.",
	.where = CMD_CONTROL,
	.run = show_why,
};
CMD_REGISTER(why_cmd);
