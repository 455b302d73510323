/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
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
	struct algs *algs =
		rte_zmalloc_socket("algs", sizeof(*algs) + buckets * sizeof(*algs->bucket),
				   RTE_CACHE_LINE_SIZE, socket);

	if (algs == NULL)
		return NULL;
	algs->buckets = buckets;
	TAILQ_INIT(&algs->waiting);
	TAILQ_INIT(&algs->unused);
	algs->expectations = rte_zmalloc_socket(
		"expectations", alg_settings.max_expectations * sizeof(*algs->expectations), 0,
		socket);
	algs->dialogues = rte_zmalloc_socket(
		"dialogues", alg_settings.max_sessions * sizeof(*algs->dialogues), 0, socket);
	if (algs->expectations == NULL || algs->dialogues == NULL) {
		algs_destroy(algs);
		return NULL;
	}
	for (uint32_t i = 0; i < alg_settings.max_expectations; i++)
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

static struct dialogue *dialogue_of(struct algs *algs, const struct session *session)
{
	struct dialogue *dialogue = *bucket_of(algs, session);

	while (dialogue != NULL && dialogue->session != session)
		dialogue = dialogue->next;
	return dialogue;
}

/* The ALG for a session: by its server's port. */
static const struct alg *alg_for(const struct session *session)
{
	const struct tuple *out = &session->tuple[0];
	rte_be16_t port = session->flags & SESSION_INBOUND ? out->sport : out->dport;

	for (uint32_t i = 0; i < registered_n; i++)
		if (registered[i]->protocol == tuple_proto(out) &&
		    port == rte_cpu_to_be_16(registered[i]->port) &&
		    __atomic_load_n(registered[i]->enabled, __ATOMIC_RELAXED))
			return registered[i];
	return NULL;
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
	while ((*link)->session != session)
		link = &(*link)->next;
	dialogue = *link;
	*link = dialogue->next;
	dialogue->next = algs->free;
	algs->free = dialogue;
	__atomic_store_n(&algs->dialogues_n, algs->dialogues_n - 1, __ATOMIC_RELAXED);
}

/* ---- packets ---- */

/* A packet under way: where its payload is, all in one segment. */
struct view {
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;  /* or NULL */
	struct rte_udp_hdr *udp;  /* or NULL */
	uint32_t payload, length; /* from the frame's beginning; bytes */
};

/* False: there is no payload to read, or it lies in pieces that fit in no single segment. */
static bool view_packet(struct nat *nat, struct packet *p, struct view *view)
{
	uint32_t header, end = (uint32_t)p->l3 + p->length;

	if (p->flags & PACKET_FRAGMENT_ANY || rte_pktmbuf_linearize(p->mbuf) != 0) {
		nat->stats->alg_skipped++;
		return false;
	}
	*view = (struct view){.ip = packet_ip(p)};
	if (view->ip->next_proto_id == IPPROTO_TCP) {
		view->tcp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_tcp_hdr *, p->l4);
		header = (view->tcp->data_off >> 4) * 4u;
	} else {
		view->udp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_udp_hdr *, p->l4);
		header = sizeof(*view->udp);
		end = RTE_MIN(end, p->l4 + (uint32_t)rte_be_to_cpu_16(view->udp->dgram_len));
	}
	view->payload = p->l4 + header;
	if (view->payload >= end || end > rte_pktmbuf_data_len(p->mbuf))
		return false;
	view->length = end - view->payload;
	if (view->length > ALG_PAYLOAD_MAX) {
		nat->stats->alg_skipped++;
		return false;
	}
	return true;
}

static struct alg_endpoint endpoint(rte_be32_t address, rte_be16_t port)
{
	return (struct alg_endpoint){.address = address, .port = rte_be_to_cpu_16(port)};
}

/* What an ALG's `expect` needs to know. */
struct expecting {
	struct nat *nat;
	const struct session *session;
};

static bool expect(struct alg_call *call, uint16_t inside_port, struct alg_endpoint *outside)
{
	const struct expecting *expecting = call->context;
	const struct mapping *mapping =
		alg_expect(expecting->nat, expecting->session, rte_cpu_to_be_16(inside_port));

	if (mapping == NULL)
		return false;
	*outside = endpoint(mapping_host(mapping)->tuple[1].dst,
			    mapping_host(mapping)->tuple[1].dport);
	if (mapping_keeps_ports(mapping))
		outside->port = inside_port;
	return true;
}

/* Whether a segment begins a line, as far as was seen. */
static bool at_line(const struct dialogue *dialogue, uint32_t direction, uint32_t seq)
{
	return dialogue->lines_known[direction] &&
	       (seq == dialogue->line[direction][0] || seq == dialogue->line[direction][1]);
}

static void line_begins(struct dialogue *dialogue, uint32_t direction, uint32_t seq)
{
	uint32_t *line = dialogue->line[direction];

	if (!dialogue->lines_known[direction])
		line[0] = line[1] = seq;
	dialogue->lines_known[direction] = true;
	if (line[0] == seq || line[1] == seq)
		return;
	line[1] = line[0];
	line[0] = seq;
}

/* The payload as the ALG wants it, in call->out. */
static enum alg_result ask(struct nat *nat, struct dialogue *dialogue, const struct packet *p,
			   const struct view *view)
{
	const struct session *session = p->session;
	struct expecting expecting = {nat, session};
	struct alg_call *call = &nat->algs->call;
	enum alg_result result;

	memcpy(nat->algs->in, rte_pktmbuf_mtod_offset(p->mbuf, char *, view->payload),
	       view->length);
	call->in = nat->algs->in;
	call->length = view->length;
	call->direction = p->direction;
	call->server_inside = session->flags & SESSION_INBOUND;
	call->at_line = view->tcp == NULL ||
			at_line(dialogue, p->direction, rte_be_to_cpu_32(view->tcp->sent_seq));
	call->inside = endpoint(session->tuple[0].src, session->tuple[0].sport);
	call->outside = endpoint(session->tuple[1].dst, session->tuple[1].dport);
	call->remote = endpoint(session->tuple[0].dst, session->tuple[0].dport);
	call->expect = expect;
	call->context = &expecting;
	call->out_length = call->copied = 0;
	result = dialogue->alg->payload(call);
	if (result == ALG_CHANGED && !alg_finish(call))
		result = ALG_REFUSED;
	return result;
}

/* Puts the new payload into the packet. False: it has no room for it. */
static bool put_payload(struct packet *p, const struct view *view, const struct alg_call *call)
{
	int32_t growth = (int32_t)call->out_length - (int32_t)call->length;
	rte_be16_t total = rte_cpu_to_be_16((uint16_t)(p->length + growth));

	if (p->length + growth > UINT16_MAX)
		return false;
	if (growth > 0 && rte_pktmbuf_append(p->mbuf, (uint16_t)growth) == NULL)
		return false;
	if (growth < 0)
		rte_pktmbuf_trim(p->mbuf, (uint16_t)-growth);
	memcpy(rte_pktmbuf_mtod_offset(p->mbuf, char *, view->payload), call->out,
	       call->out_length);
	view->ip->hdr_checksum =
		checksum_apply(view->ip->hdr_checksum,
			       checksum_fold(checksum_delta16(view->ip->total_length, total)));
	view->ip->total_length = total;
	p->length = (uint16_t)(p->length + growth);
	if (view->tcp != NULL) {
		view->tcp->cksum = 0;
		view->tcp->cksum = rte_ipv4_udptcp_cksum(view->ip, view->tcp);
		return true;
	}
	view->udp->dgram_len =
		rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(view->udp->dgram_len) + growth));
	if (view->udp->dgram_cksum != 0) {
		view->udp->dgram_cksum = 0;
		view->udp->dgram_cksum = rte_ipv4_udptcp_cksum(view->ip, view->udp);
	}
	return true;
}

/* What arrives with a wrong checksum shall not leave with a right one. */
static bool checksum_ok(const struct view *view)
{
	if (view->tcp != NULL)
		return rte_ipv4_udptcp_cksum_verify(view->ip, view->tcp) == 0;
	return view->udp->dgram_cksum == 0 ||
	       rte_ipv4_udptcp_cksum_verify(view->ip, view->udp) == 0;
}

static void translate_payload(struct nat *nat, struct dialogue *dialogue, struct packet *p)
{
	struct alg_call *call = &nat->algs->call;
	uint32_t seq;
	struct view view;

	if (!view_packet(nat, p, &view) || !checksum_ok(&view))
		return;
	seq = view.tcp != NULL ? rte_be_to_cpu_32(view.tcp->sent_seq) : 0;
	switch (ask(nat, dialogue, p, &view)) {
	case ALG_CHANGED:
		if (!put_payload(p, &view, call)) {
			nat->stats->alg_skipped++;
			break;
		}
		nat->stats->alg_changed++;
		if (view.tcp != NULL && call->out_length != call->length)
			alg_stream_grow(&dialogue->stream[p->direction], seq + call->copied,
					(int32_t)(call->out_length - call->length));
		break;
	case ALG_MALFORMED:
		nat->stats->alg_malformed++;
		break;
	case ALG_SPLIT:
		nat->stats->alg_split++;
		break;
	case ALG_REFUSED:
		nat->stats->alg_refused++;
		break;
	case ALG_UNCHANGED:
		break;
	}
	if (view.tcp != NULL && call->in[call->length - 1] == '\n')
		line_begins(dialogue, p->direction, seq + call->length);
}

/* The segment's own header; its payload was dealt with. `seq` of what was sent before stays. */
static void translate_stream(const struct dialogue *dialogue, const struct packet *p)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_tcp_hdr *, p->l4);
	uint32_t end = p->l4 + (tcp->data_off >> 4) * 4u;
	const struct alg_stream *own = &dialogue->stream[p->direction];
	const struct alg_stream *other = &dialogue->stream[p->direction ^ 1];

	end = RTE_MIN(end, (uint32_t)rte_pktmbuf_data_len(p->mbuf));
	if (own->changed || other->changed)
		alg_stream_rewrite(tcp, rte_pktmbuf_mtod_offset(p->mbuf, uint8_t *, end), own,
				   other);
}

void alg_translate(struct nat *nat, struct packet *p)
{
	struct dialogue *dialogue = dialogue_of(nat->algs, p->session);
	const struct rte_tcp_hdr *tcp;

	if (dialogue == NULL || p->flags & PACKET_LATER)
		return;
	if (tuple_proto(&p->tuple) != IPPROTO_TCP)
		return translate_payload(nat, dialogue, p);
	if (p->tcp_event == TCP_EVENT_SYN || p->tcp_event == TCP_EVENT_SYNACK) {
		tcp = rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_tcp_hdr *, p->l4);
		/* a new connection on old ports */
		dialogue->stream[p->direction] = (struct alg_stream){0};
		dialogue->lines_known[p->direction] = false;
		line_begins(dialogue, p->direction, rte_be_to_cpu_32(tcp->sent_seq) + 1);
	} else {
		translate_payload(nat, dialogue, p);
	}
	translate_stream(dialogue, p);
}
