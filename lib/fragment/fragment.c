/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_malloc.h>

#include "fragment.h"
#include "ranges.h"

#define SOURCES      4096 /* counts of waiting packets, a power of two */
#define EXPIRE_BATCH 32   /* datagrams that one call ends */

/* Places are counted from 1; 0 is none. */
enum state {
	WAITING, /* for its first fragment */
	KNOWN,
	QUEUES,
	SPOILT = QUEUES, /* among those that are known: nothing more of it passes */
};

struct datagram {
	struct tuple key; /* the identification as source port */
	struct tuple tuple;
	uint64_t hash; /* of the tuple */
	uint32_t bucket;
	uint32_t chain;        /* the next of the bucket, or of the free */
	uint32_t older, newer; /* in its queue */
	uint32_t first, last;  /* packets that wait */
	rte_be16_t ident;
	uint8_t state;
	uint8_t flags; /* PACKET_REQUEST of the first */
	uint64_t expires_ms;
	struct ranges ranges;
} __rte_cache_aligned;

struct waiting {
	struct rte_mbuf *mbuf;
	uint32_t next;
	uint32_t source;
};

struct queue {
	uint32_t oldest, newest, n;
};

struct fragments {
	struct stats *stats;
	struct fragments_config config;
	uint32_t mask;           /* of the buckets */
	uint32_t datagrams_free; /* a chain */
	uint32_t waiting_free;
	uint32_t ready, ready_last; /* packets whose first has passed */
	struct queue queue[QUEUES];
	uint32_t *bucket;
	struct datagram *datagram;
	struct waiting *waiting;
	uint16_t source[SOURCES]; /* packets that wait, by a hash of their source */
};

struct fragments *fragments_create(struct stats *stats, int socket)
{
	struct fragments *f =
		rte_zmalloc_socket("fragments", sizeof(*f), RTE_CACHE_LINE_SIZE, socket);
	uint32_t datagrams = fragments_settings.max_datagrams;
	uint32_t waiting = fragments_settings.max_waiting;
	uint32_t buckets = rte_align32pow2(datagrams);

	if (f == NULL)
		return NULL;
	f->stats = stats;
	f->config = fragments_settings;
	f->mask = buckets - 1;
	f->bucket = rte_zmalloc_socket("fragments", buckets * sizeof(f->bucket[0]), 0, socket);
	f->datagram = rte_zmalloc_socket("fragments", (datagrams + 1) * sizeof(f->datagram[0]),
					 RTE_CACHE_LINE_SIZE, socket);
	f->waiting = rte_zmalloc_socket("fragments", (waiting + 1) * sizeof(f->waiting[0]),
					RTE_CACHE_LINE_SIZE, socket);
	if (f->bucket == NULL || f->datagram == NULL || f->waiting == NULL) {
		fragments_destroy(f);
		return NULL;
	}
	for (uint32_t i = 1; i < datagrams; i++)
		f->datagram[i].chain = i + 1;
	for (uint32_t i = 1; i < waiting; i++)
		f->waiting[i].next = i + 1;
	f->datagrams_free = 1;
	f->waiting_free = 1;
	return f;
}

static void free_list(struct fragments *f, uint32_t at)
{
	for (; at != 0; at = f->waiting[at].next)
		rte_pktmbuf_free(f->waiting[at].mbuf);
}

void fragments_destroy(struct fragments *f)
{
	if (f == NULL)
		return;
	for (uint32_t i = f->queue[WAITING].oldest; i != 0; i = f->datagram[i].newer)
		free_list(f, f->datagram[i].first);
	free_list(f, f->ready);
	rte_free(f->bucket);
	rte_free(f->datagram);
	rte_free(f->waiting);
	rte_free(f);
}

uint32_t fragments_count(const struct fragments *f)
{
	return f->queue[WAITING].n + f->queue[KNOWN].n;
}

/* ---- packets that wait ---- */

/* Takes a packet off its place, which is free then. */
static struct rte_mbuf *leave(struct fragments *f, uint32_t at)
{
	struct waiting *waiting = &f->waiting[at];

	f->source[waiting->source]--;
	f->stats->held--;
	waiting->next = f->waiting_free;
	f->waiting_free = at;
	return waiting->mbuf;
}

static void drop_waiting(struct fragments *f, struct datagram *d, enum verdict verdict)
{
	uint32_t next;

	for (uint32_t at = d->first; at != 0; at = next) {
		next = f->waiting[at].next;
		rte_pktmbuf_free(leave(f, at));
		f->stats->verdict[verdict]++;
	}
	d->first = 0;
	d->last = 0;
}

static void append(struct fragments *f, struct datagram *d, struct rte_mbuf *mbuf, uint32_t source)
{
	uint32_t at = f->waiting_free;

	f->waiting_free = f->waiting[at].next;
	f->waiting[at] = (struct waiting){.mbuf = mbuf, .source = source};
	if (d->last != 0)
		f->waiting[d->last].next = at;
	else
		d->first = at;
	d->last = at;
	f->source[source]++;
	f->stats->held++;
}

/* Its first has passed: what waits for it goes behind what else is ready. */
static void make_ready(struct fragments *f, struct datagram *d)
{
	if (d->first == 0)
		return;
	if (f->ready != 0)
		f->waiting[f->ready_last].next = d->first;
	else
		f->ready = d->first;
	f->ready_last = d->last;
	d->first = 0;
	d->last = 0;
}

uint32_t fragments_take(struct fragments *f, struct rte_mbuf *packet[], uint32_t n)
{
	uint32_t taken = 0;

	while (f->ready != 0 && taken < n) {
		uint32_t at = f->ready;

		f->ready = f->waiting[at].next;
		packet[taken++] = leave(f, at);
	}
	return taken;
}

/* ---- datagrams ---- */

static struct queue *queue_of(struct fragments *f, const struct datagram *d)
{
	return &f->queue[d->state == WAITING ? WAITING : KNOWN];
}

static void enqueue(struct fragments *f, struct datagram *d)
{
	struct queue *queue = queue_of(f, d);
	uint32_t i = (uint32_t)(d - f->datagram);

	d->older = queue->newest;
	d->newer = 0;
	if (queue->newest != 0)
		f->datagram[queue->newest].newer = i;
	else
		queue->oldest = i;
	queue->newest = i;
	queue->n++;
}

static void dequeue(struct fragments *f, struct datagram *d)
{
	struct queue *queue = queue_of(f, d);

	if (d->older != 0)
		f->datagram[d->older].newer = d->newer;
	else
		queue->oldest = d->newer;
	if (d->newer != 0)
		f->datagram[d->newer].older = d->older;
	else
		queue->newest = d->older;
	queue->n--;
}

static struct datagram *find(struct fragments *f, const struct tuple *key, uint32_t bucket)
{
	for (uint32_t i = f->bucket[bucket]; i != 0; i = f->datagram[i].chain)
		if (tuple_equal(&f->datagram[i].key, key))
			return &f->datagram[i];
	return NULL;
}

/* Forgets it; packets that wait end so. */
static void forget(struct fragments *f, struct datagram *d, enum verdict verdict)
{
	uint32_t i = (uint32_t)(d - f->datagram);
	uint32_t *link = &f->bucket[d->bucket];

	drop_waiting(f, d, verdict);
	dequeue(f, d);
	while (*link != i)
		link = &f->datagram[*link].chain;
	*link = d->chain;
	d->chain = f->datagrams_free;
	f->datagrams_free = i;
}

/* Makes room in a queue for one more. */
static void make_room(struct fragments *f, enum state state)
{
	const struct queue *queue = &f->queue[state];

	if (queue->n >= f->config.max_datagrams / 2)
		forget(f, &f->datagram[queue->oldest], VERDICT_FRAGMENT_LIMIT);
}

static struct datagram *create(struct fragments *f, const struct tuple *key, uint32_t bucket,
			       enum state state, uint64_t now_ms)
{
	struct datagram *d;

	make_room(f, state);
	d = &f->datagram[f->datagrams_free];
	f->datagrams_free = d->chain;
	*d = (struct datagram){.key = *key,
			       .bucket = bucket,
			       .chain = f->bucket[bucket],
			       .state = (uint8_t)state,
			       .expires_ms = now_ms + f->config.timeout * UINT64_C(1000)};
	f->bucket[bucket] = (uint32_t)(d - f->datagram);
	enqueue(f, d);
	return d;
}

void fragments_expire(struct fragments *f, uint64_t now_ms)
{
	for (uint32_t state = 0; state < QUEUES; state++) {
		for (uint32_t i = 0; i < EXPIRE_BATCH; i++) {
			struct datagram *d = &f->datagram[f->queue[state].oldest];

			if (f->queue[state].n == 0 || now_ms < d->expires_ms)
				break;
			forget(f, d, VERDICT_FRAGMENT_TIMEOUT);
		}
	}
}

/* ---- fragments ---- */

static struct tuple key_of(const struct packet *p)
{
	return (struct tuple){.src = p->tuple.src,
			      .dst = p->tuple.dst,
			      .sport = packet_ip(p)->packet_id,
			      .proto_realm = p->tuple.proto_realm};
}

static uint32_t source_of(const struct packet *p)
{
	struct tuple source = {.src = p->tuple.src,
			       .proto_realm = proto_realm(0, tuple_realm(&p->tuple))};

	return tuple_hash(&source) % SOURCES;
}

/* A place for one more packet of a datagram, which may take that of the oldest other that waits. */
static bool has_place(struct fragments *f, const struct datagram *d)
{
	uint32_t oldest = f->queue[WAITING].oldest;

	if (f->waiting_free == 0) {
		if (&f->datagram[oldest] == d)
			oldest = d->newer;
		if (oldest != 0)
			forget(f, &f->datagram[oldest], VERDICT_FRAGMENT_LIMIT);
	}
	return f->waiting_free != 0;
}

/* Puts a packet among those that wait for the first of its datagram, which may be a new one. */
static void wait_for_first(struct fragments *f, struct datagram *d, struct packet *p,
			   const struct tuple *key, uint32_t bucket, uint64_t now_ms)
{
	uint32_t source = source_of(p);

	/* before anybody makes room for it */
	if (f->source[source] >= f->config.max_waiting_per_source)
		return packet_refuse(p, VERDICT_FRAGMENT_LIMIT);
	if (d == NULL)
		d = create(f, key, bucket, WAITING, now_ms);
	if (!has_place(f, d)) {
		packet_refuse(p, VERDICT_FRAGMENT_LIMIT);
		if (d->first == 0)
			forget(f, d, VERDICT_FRAGMENT_LIMIT);
		return;
	}
	append(f, d, p->mbuf, source);
	p->kind = PACKET_GONE;
}

void fragments_follow(struct fragments *f, struct packet *p, uint64_t now_ms)
{
	struct tuple key = key_of(p);
	uint32_t bucket = tuple_hash(&key) & f->mask;
	struct datagram *d = find(f, &key, bucket);

	if (d == NULL || d->state == WAITING)
		return wait_for_first(f, d, p, &key, bucket, now_ms);
	if (d->state == SPOILT)
		return packet_refuse(p, VERDICT_FRAGMENT_OVERLAP);
	p->tuple = d->tuple;
	p->hash = d->hash;
	p->flags |= d->flags;
	p->kind = PACKET_QUERY;
}

/* The bytes of the datagram that a fragment has join those that have passed. */
static enum verdict record(struct fragments *f, struct datagram *d, const struct packet *p)
{
	uint16_t flags = rte_be_to_cpu_16(packet_ip(p)->fragment_offset);
	uint16_t first = (uint16_t)((flags & RTE_IPV4_HDR_OFFSET_MASK) * 8);
	uint16_t end = (uint16_t)(first + p->length - (p->l4 - p->l3));
	enum verdict verdict;

	if (d->state == SPOILT)
		return VERDICT_FRAGMENT_OVERLAP;
	switch (ranges_add(&d->ranges, first, end, (flags & RTE_IPV4_HDR_MF_FLAG) != 0)) {
	case RANGES_ADDED:
		return VERDICT_COUNT;
	case RANGES_REPEATED:
		return VERDICT_FRAGMENT_REPEATED;
	case RANGES_OVERLAP:
		verdict = VERDICT_FRAGMENT_OVERLAP;
		break;
	default:
		verdict = VERDICT_FRAGMENT_LIMIT;
	}
	drop_waiting(f, d, verdict);
	d->state = SPOILT;
	return verdict;
}

/* From now on the others of the datagram follow. */
static void pass_first(struct fragments *f, struct datagram *d, const struct packet *p,
		       rte_be16_t ident)
{
	d->tuple = p->tuple;
	d->hash = p->hash;
	d->flags = p->flags & PACKET_REQUEST;
	d->ident = ident;
	make_ready(f, d);
}

/* The first has come: it is with the known ones now, the newest of them. */
static void become_known(struct fragments *f, struct datagram *d, uint64_t now_ms)
{
	make_room(f, KNOWN);
	dequeue(f, d);
	d->state = KNOWN;
	d->expires_ms = now_ms + f->config.timeout * UINT64_C(1000);
	enqueue(f, d);
}

enum verdict fragments_pass(struct fragments *f, const struct packet *p, rte_be16_t *ident,
			    uint64_t now_ms)
{
	bool first = !(p->flags & PACKET_LATER);
	struct tuple key = key_of(p);
	uint32_t bucket = tuple_hash(&key) & f->mask;
	struct datagram *d = find(f, &key, bucket);
	enum verdict verdict;

	/* all of it has passed since the packet was told to follow */
	if (!first && (d == NULL || d->state == WAITING))
		return VERDICT_FRAGMENT_REPEATED;
	if (d == NULL)
		d = create(f, &key, bucket, KNOWN, now_ms);
	else if (d->state == WAITING)
		become_known(f, d, now_ms);
	verdict = record(f, d, p);
	if (verdict != VERDICT_COUNT)
		return verdict;
	if (first)
		pass_first(f, d, p, *ident);
	else
		*ident = d->ident;
	if (ranges_complete(&d->ranges))
		forget(f, d, VERDICT_FRAGMENT_TIMEOUT);
	return VERDICT_COUNT;
}
