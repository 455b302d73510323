/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_arp.h>
#include <rte_errno.h>
#include <rte_ring_elem.h>

#include "internal.h"
#include "log.h"

LOG_TYPE(arp);

#define FACTS             1024 /* on their way to the control thread; what does not fit is lost */
#define CONFLICT_EVERY_MS 10000

struct arp_frame {
	struct rte_ether_hdr ether;
	struct rte_arp_hdr arp;
} __rte_packed __rte_aligned(2);

_Static_assert(sizeof(struct arp_frame) == 42, "14 bytes of Ethernet, 28 of ARP");

enum fact_kind {
	FACT_NONE,
	FACT_LEARN,    /* a neighbour that we talk to */
	FACT_UPDATE,   /* worth knowing only of a neighbour that is known */
	FACT_CONFLICT, /* somebody else uses an address of ours */
};

/* What a worker tells the control thread. */
struct fact {
	rte_be32_t address;
	struct rte_ether_addr mac;
	uint16_t port;
	uint32_t kind; /* enum fact_kind */
};

_Static_assert(sizeof(struct fact) == 16, "a ring's element is a multiple of 4 bytes");

static struct rte_ring *facts; /* from any worker, to the control thread */
static uint64_t next_conflict_ms;

int arp_setup(void)
{
	facts = rte_ring_create_elem("arp facts", sizeof(struct fact), FACTS, SOCKET_ID_ANY,
				     RING_F_SC_DEQ);
	next_conflict_ms = 0;
	return facts == NULL ? -rte_errno : 0;
}

void arp_teardown(void)
{
	rte_ring_free(facts);
	facts = NULL;
}

/*
 * Every field is checked, so that nothing behind it can be surprised. The Ethernet source need not
 * be the ARP sender: bonding and VRRP send with another.
 */
static bool is_valid(const struct rte_mbuf *mbuf)
{
	const struct arp_frame *frame = rte_pktmbuf_mtod(mbuf, const struct arp_frame *);
	const struct rte_arp_hdr *arp = &frame->arp;

	if (mbuf->nb_segs != 1 || rte_pktmbuf_data_len(mbuf) < sizeof(*frame))
		return false;
	if (arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(rte_be32_t))
		return false;
	if (!rte_is_valid_assigned_ether_addr(&frame->ether.src_addr) ||
	    !rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha))
		return false;
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) && arp->arp_data.arp_sip == 0)
		return true; /* a probe, RFC 5227 1.1 */
	return (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
		arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY)) &&
	       packet_is_host(arp->arp_data.arp_sip);
}

/*
 * A neighbour is made known by its reply to us and by its request for an address of ours, on which
 * an answer depends. What it tells everybody changes only what is known already, so that a chatty
 * subnet does not fill the table.
 */
static enum fact_kind fact_of(const struct iface *iface, const struct arp_frame *frame,
			      bool sender_ours, bool target_ours)
{
	const struct rte_arp_ipv4 *data = &frame->arp.arp_data;
	bool reply = frame->arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY);
	struct prefix subnet = iface_subnet(iface);

	if (sender_ours)
		return FACT_CONFLICT;
	if (!subnet_has_host(&subnet, data->arp_sip))
		return FACT_NONE;
	if (data->arp_sip == data->arp_tip)
		return FACT_UPDATE;
	if (!reply)
		return target_ours ? FACT_LEARN : FACT_NONE;
	if (data->arp_tip == iface->address &&
	    rte_is_same_ether_addr(&frame->ether.dst_addr, &iface->source.mac))
		return FACT_LEARN;
	return FACT_UPDATE;
}

static void hand_over(enum fact_kind kind, uint16_t port, const struct rte_arp_ipv4 *data)
{
	struct fact fact = {
		.address = data->arp_sip, .mac = data->arp_sha, .port = port, .kind = kind};

	if (kind != FACT_NONE)
		rte_ring_mp_enqueue_elem(facts, &fact, sizeof(fact));
}

static void turn_into_answer(struct rte_mbuf *mbuf, const struct rte_ether_addr *mac)
{
	struct arp_frame *frame = rte_pktmbuf_mtod(mbuf, struct arp_frame *);
	struct rte_arp_ipv4 *data = &frame->arp.arp_data;
	rte_be32_t asked = data->arp_tip;

	frame->ether.dst_addr = data->arp_sha;
	frame->ether.src_addr = *mac;
	frame->arp.arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	data->arp_tha = data->arp_sha;
	data->arp_tip = data->arp_sip;
	data->arp_sha = *mac;
	data->arp_sip = asked;
	rte_pktmbuf_trim(mbuf, (uint16_t)(rte_pktmbuf_data_len(mbuf) - sizeof(*frame)));
}

bool arp_input(struct rte_mbuf *mbuf, uint16_t port, bool (*answers_for)(rte_be32_t address),
	       enum verdict *verdict)
{
	const struct iface *iface = &ifaces[port];
	const struct arp_frame *frame = rte_pktmbuf_mtod(mbuf, const struct arp_frame *);
	const struct rte_arp_ipv4 *data = &frame->arp.arp_data;

	*verdict = VERDICT_BAD_ARP;
	if (!is_valid(mbuf))
		goto done;
	*verdict = VERDICT_ARP;
	if (rte_is_same_ether_addr(&data->arp_sha, &iface->source.mac))
		goto done; /* our own, looped back */

	bool sender_ours = data->arp_sip == iface->address || answers_for(data->arp_sip);
	bool target_ours = data->arp_tip == iface->address || answers_for(data->arp_tip);
	hand_over(fact_of(iface, frame, sender_ours, target_ours), port, data);
	if (frame->arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) && target_ours && !sender_ours) {
		turn_into_answer(mbuf, &iface->source.mac);
		return true;
	}
done:
	rte_pktmbuf_free(mbuf);
	return false;
}

static struct rte_mbuf *make_request(struct rte_mempool *buffers, uint16_t port, rte_be32_t sender,
				     rte_be32_t target, const struct rte_ether_addr *to)
{
	const struct rte_ether_addr *mac = &ifaces[port].source.mac;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(buffers);
	struct arp_frame *frame;

	if (mbuf == NULL)
		return NULL;
	frame = (struct arp_frame *)rte_pktmbuf_append(mbuf, sizeof(*frame));
	if (frame == NULL) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	*frame = (struct arp_frame){
		.ether = {.dst_addr = *to,
			  .src_addr = *mac,
			  .ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP)},
		.arp = {.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
			.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
			.arp_hlen = RTE_ETHER_ADDR_LEN,
			.arp_plen = sizeof(rte_be32_t),
			.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
			.arp_data = {.arp_sha = *mac, .arp_sip = sender, .arp_tip = target}},
	};
	return mbuf;
}

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct rte_mbuf *arp_request(struct rte_mempool *buffers, uint16_t port, rte_be32_t address)
{
	return make_request(buffers, port, route_source(port), address, &broadcast);
}

struct rte_mbuf *arp_request_unicast(struct rte_mempool *buffers, uint16_t port, rte_be32_t address,
				     const struct rte_ether_addr *mac)
{
	return make_request(buffers, port, route_source(port), address, mac);
}

static void announce(uint16_t port, rte_be32_t address)
{
	struct rte_mbuf *frame = make_request(route_buffers, port, address, address, &broadcast);

	if (frame != NULL)
		route_transmit(frame, port);
}

void arp_announce(void)
{
	for (uint16_t port = 0; port < IFACES_MAX; port++) {
		if (ifaces[port].name != NULL)
			announce(port, ifaces[port].address);
	}
}

void arp_announce_address(rte_be32_t address)
{
	const struct iface *iface = iface_connected(REALM_OUTSIDE, address);

	if (iface != NULL)
		announce(iface->port, address);
}

static void warn_of_conflict(const struct fact *fact, uint64_t now_ms)
{
	char address[TEXT_IPV4_SIZE], mac[TEXT_MAC_SIZE];

	if (now_ms < next_conflict_ms)
		return;
	next_conflict_ms = now_ms + CONFLICT_EVERY_MS;
	LOG(WARNING, "%s: duplicate address: %s uses %s, which is ours", ifaces[fact->port].name,
	    text_mac(fact->mac.addr_bytes, mac), text_ipv4(fact->address, address));
}

void arp_learn(uint64_t now_ms)
{
	struct fact fact;

	for (uint32_t i = 0; i < FACTS; i++) {
		if (rte_ring_sc_dequeue_elem(facts, &fact, sizeof(fact)) != 0)
			return;
		if (fact.kind == FACT_LEARN)
			neighbour_learn(fact.port, fact.address, &fact.mac, now_ms);
		else if (fact.kind == FACT_UPDATE)
			neighbour_update(fact.port, fact.address, &fact.mac, now_ms);
		else
			warn_of_conflict(&fact, now_ms);
	}
}
