/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first packet of a session touches a dozen cache lines that nobody has touched lately: buckets
 * of three tables, the subscriber, its block and bitmap, a free record. One after the other they
 * cost more than all that is computed. So before the first packets of a burst are admitted, what
 * they will most likely touch is asked for, of all at once, in rounds: each follows what the one
 * before has brought, and the burst's plain packets are dealt with in between. The public port is
 * foreseen too, by the random number that will choose it. A wrong guess costs time and nothing
 * else.
 */
#include <rte_branch_prediction.h>
#include <rte_malloc.h>

#include "nat.h"
#include "rules.h"

/* One packet's, as far as it is known. */
struct view {
	const struct packet *p;
	uint64_t hash; /* of the subscriber's key */
	const struct subscriber *subscriber;
	struct block *block;
};

/* What is under way for one burst. */
struct foresight {
	uint32_t n, round;
	struct view view[FORESEE_MAX];
};

struct foresight *foresight_create(int socket)
{
	return rte_zmalloc_socket("foresight", sizeof(struct foresight), RTE_CACHE_LINE_SIZE,
				  socket);
}

void nat_foresee(struct nat *nat, struct packet *const p[], uint32_t n)
{
	struct foresight *f = nat->foresight;

	f->n = 0;
	f->round = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct tuple inside = mapping_key(&p[i]->tuple, ENDPOINT_INDEPENDENT), key;
		struct view *view = &f->view[f->n];
		struct pool *pool;

		if (rules_decide(&p[i]->tuple, &pool) != RULE_PERMIT)
			continue;
		key = subscriber_key(&p[i]->tuple, pool);
		*view = (struct view){
			.p = p[i],
			.hash = tuple_hash(&key),
		};
		table_prefetch_both(nat->subscriber_table, view->hash);
		table_prefetch_both(nat->mapping_table, tuple_hash(&inside));
		session_prefetch(nat->sessions, f->n);
		f->n++;
	}
}

static void prefetch_subscriber(const struct subscriber *subscriber)
{
	rte_prefetch0(subscriber);
	rte_prefetch0((const char *)subscriber + RTE_CACHE_LINE_SIZE);
}

static void look_for_subscribers(const struct nat *nat, struct foresight *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct view *view = &f->view[i];
		uint32_t value = table_guess(nat->subscriber_table, view->hash);

		if (unlikely(value == TABLE_NONE))
			value = table_guess_in(table_other(nat->subscriber_table, view->hash),
					       view->hash);
		view->subscriber = slab_at(nat->subscribers, value);
		if (view->subscriber == NULL)
			continue;
		prefetch_subscriber(view->subscriber);
	}
}

static void look_for_blocks(struct foresight *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		const struct subscriber *subscriber = f->view[i].subscriber;

		if (subscriber == NULL)
			continue;
		f->view[i].block = subscriber->blocks;
		rte_prefetch0(subscriber->blocks);
		rte_prefetch0(subscriber->address);
	}
}

static enum port_protocol protocol_of(const struct view *view)
{
	return nat_port_protocol(tuple_proto(&view->p->tuple));
}

static void look_for_ports(const struct foresight *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->view[i].block != NULL)
			block_prefetch(f->view[i].block, protocol_of(&f->view[i]));
}

/* The session's reply and the mapping's outside key, with the port that will be chosen. */
static void look_at_outside(const struct nat *nat, const struct view *view, uint32_t number)
{
	int32_t port = port_foresee(view->block, protocol_of(view), number);
	struct tuple reply = tuple_inverse(&view->p->tuple, REALM_OUTSIDE), outside;

	if (port < 0)
		return;
	reply.dst = view->block->address->address;
	reply.dport = rte_cpu_to_be_16((uint16_t)port);
	outside = mapping_outside_key(&reply);
	table_prefetch_both(sessions_table(nat->sessions), tuple_hash(&reply));
	table_prefetch_both(nat->mapping_table, tuple_hash(&outside));
}

static void look_at_outsides(struct nat *nat, struct foresight *f)
{
	uint32_t n = 0;

	random_prepare(&nat->random, f->n);
	for (uint32_t i = 0; i < f->n; i++)
		if (f->view[i].block != NULL)
			look_at_outside(nat, &f->view[i], random_peek(&nat->random, n++));
}

void nat_foresee_next(struct nat *nat)
{
	struct foresight *f = nat->foresight;

	switch (f->round++) {
	case 0:
		return look_for_subscribers(nat, f);
	case 1:
		return look_for_blocks(f);
	case 2:
		return look_for_ports(f);
	default:
		look_at_outsides(nat, f);
		f->n = 0;
	}
}

bool nat_foresees(const struct nat *nat)
{
	return nat->foresight->n != 0;
}

void nat_foresee_inbound(const struct nat *nat, const struct tuple *tuple)
{
	struct tuple key = mapping_outside_key(tuple);

	table_prefetch(nat->mapping_table, tuple_hash(&key));
}

/* What a session's last round needs: whose it is, and its port. */
static void look_at_holder(const struct mapping *mapping, uint8_t protocol)
{
	const struct block *block = mapping_block(mapping);

	prefetch_subscriber(mapping_subscriber(mapping));
	if (block != NULL && mapping->sessions == 1)
		block_prefetch(block, nat_port_protocol(protocol));
}

void nat_foresee_end(void *context, const struct session *session, uint32_t round)
{
	const struct nat *nat = context;
	const struct mapping *mapping = session->owner;
	struct tuple inside, outside;

	if (round > 0)
		return look_at_holder(mapping, tuple_proto(&session->tuple[0]));
	rte_prefetch0(mapping->place);
	if (mapping->sessions > 1)
		return;
	inside = mapping_inside(mapping);
	outside = mapping_outside(mapping);
	table_prefetch_both(nat->mapping_table, tuple_hash(&inside));
	table_prefetch_both(nat->mapping_table, tuple_hash(&outside));
}
