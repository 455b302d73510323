/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A first packet that is refused leaves no session and holds no port. Its session stands already
 * when the refusal comes late: a hairpinned packet needs one half to find the other, perhaps in
 * another home, and fragments meet at a third worker. Only the home destroys, so whoever refuses
 * tells the home which session it was, by its tuple, and the home ends it in its next loop if no
 * packet has passed in it meanwhile. A ring that is full loses some: those end by their timeouts.
 */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_ring_elem.h>

#include "nat.h"

#define WAITING  1024 /* sessions on their way to their home */
#define PER_LOOP 64

static bool has_passed(const struct session *session)
{
	return (__atomic_load_n(&session->packets[0], __ATOMIC_RELAXED) |
		__atomic_load_n(&session->packets[1], __ATOMIC_RELAXED)) != 0;
}

int withdraw_setup(struct nat *nat, int socket)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "withdrawn %u", nat->home);
	nat->withdrawn =
		rte_ring_create_elem(name, sizeof(struct tuple), WAITING, socket, RING_F_SC_DEQ);
	return nat->withdrawn != NULL ? 0 : -rte_errno;
}

void withdraw_teardown(struct nat *nat)
{
	rte_ring_free(nat->withdrawn);
}

void nat_withdraw(const struct session *session)
{
	struct tuple tuple = session->tuple[0];

	if (!has_passed(session))
		rte_ring_mp_enqueue_elem(nats[session->home]->withdrawn, &tuple, sizeof(tuple));
}

void withdraw_poll(struct nat *nat)
{
	struct tuple tuple;
	uint8_t direction;

	for (uint32_t i = 0; i < PER_LOOP; i++) {
		struct session *session;

		if (!reclaim_has_room(nat->reclaim, 2) ||
		    rte_ring_sc_dequeue_elem(nat->withdrawn, &tuple, sizeof(tuple)) != 0)
			return;
		session = session_find(nat->sessions, &tuple, tuple_hash(&tuple), &direction);
		if (session != NULL && !has_passed(session))
			session_end(nat->sessions, session);
	}
}
