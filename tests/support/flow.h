/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SUPPORT_FLOW_H
#define WEIR_SUPPORT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "nat.h"
#include "session.h"
#include "stats.h"

/*
 * The whole dataplane in one thread: real pools, rules, routes, homes and pipelines between fake
 * ports, with a clock that the test sets. What a test says is: packet in, verdict, packet out.
 *
 *	subscribers             INSIDE                  OUTSIDE        gateway        the Internet
 *	S1 100.64.0.2 ---+-- 100.64.0.1/16  [weir]  198.51.100.1/24 -- 198.51.100.254 -- B1
 *192.0.2.1 S2 100.64.0.3 ---+                  pool 203.0.113.1                           B2
 *192.0.2.2 ROUTER 100.64.0.9                                                              and all
 *else
 *
 * Every host answers ARP at once, except 100.64.255.x and 198.51.100.2xx below .250, which are
 * silent until flow_arp_reply(). 192.0.2.0/24, 203.0.113.0/24 and 198.18.0.0/24 have a route by
 * the gateway; there is no default route.
 *
 * After each step the sum of the verdicts must be the packets received, less those that wait. At a
 * test's end enough time passes for everything to expire; then no session, mapping, port, block,
 * subscriber or packet buffer may be left.
 */
enum flow_port { INSIDE, OUTSIDE, INSIDE2, FLOW_PORTS }; /* the last in realm 2, if at all */

#define S1      "100.64.0.2"
#define S2      "100.64.0.3"
#define ROUTER  "100.64.0.9" /* a subscriber's own, with hosts behind it */
#define B1      "192.0.2.1"
#define B2      "192.0.2.2"
#define TRANSIT "198.18.0.7" /* a router on the way to B1 */
#define POOL    "203.0.113.1"

#define WEIR_INSIDE  "100.64.0.1"
#define WEIR_OUTSIDE "198.51.100.1"

/* What a test may set; what is left out is as said. */
struct flow_setup {
	uint32_t workers;                           /* 1 */
	const char *pool;                           /* POOL */
	uint16_t ports_first;                       /* 1024 */
	uint16_t ports_last;                        /* 65535 */
	uint32_t block_size;                        /* 1024 */
	uint32_t max_blocks;                        /* 16 */
	uint32_t max_sessions;                      /* 2048 */
	uint32_t max_subscribers;                   /* 64 */
	uint32_t max_sessions_per_subscriber;       /* no limit */
	uint16_t inside_mtu, outside_mtu;           /* 1500 */
	void (*set_pool)(struct pool_config *pool); /* what the pool has beyond that */
	bool answer_syns;                           /* icmp.unsolicited-syn: unreachable */
	const char *inside_mss, *outside_mss;       /* mss-clamp: off */
	void (*set_limits)(struct limits_config *limits);
	const char *inside2;     /* address of a second inside interface, of 16 bits: realm 2 */
	const char *outside_too; /* a prefix more that is behind the gateway */
	const char *subscribers; /* the prefix of the only rule; no rule: everybody is translated */
};

/* Once a program, then every test between flow_start() and flow_teardown(), cmocka's teardown. */
int flow_group_setup(void **state);
void flow_start(const struct flow_setup *setup);
int flow_teardown(void **state);

#define FLOW_TEST(test) cmocka_unit_test_teardown(test, flow_teardown)
#define FLOW_RUN(tests) cmocka_run_group_tests(tests, flow_group_setup, NULL)

/* New rules while weir runs, as a reload has them. */
struct rule_config;
void flow_rules(const struct rule_config *rule, uint32_t n);
struct static_config;
void flow_statics(const struct static_config *config, uint32_t n);

/* All of it at once. Without rules everybody is translated by the first pool. */
struct flow_config {
	const struct pool_config *pool;
	uint32_t pools;
	const struct rule_config *rule;
	uint32_t rules;
	const struct static_config *fixed;
	uint32_t statics;
};
/* Until nothing is left on addresses that are no more; or only until the configuration has changed,
 * before any home has looked at its sessions. */
void flow_reload(const struct flow_config *config);
void flow_reload_begin(const struct flow_config *config);
/* The same with one pool, which is as flow_start() made it but for its addresses. */
void flow_addresses(const char *addresses);
struct pool_config flow_pool(const char *name, const char *addresses);

/* What the control thread does beside them: it waits for RCU, whose readers must not be us. */
void flow_readers_offline(void);
void flow_readers_online(void);

/* ---- packets in ---- */

/* The worker to whom the ports give the packets that follow; 0 at first. */
void flow_deliver_to(uint32_t worker);

/* Sends a packet into weir and lets the workers turn until all is quiet. */
void flow_send(enum flow_port port, const struct frame_spec *spec);

/* Many in one burst: queues a packet; flow_turn() takes them. The frame may still be changed. */
struct rte_mbuf *flow_queue(enum flow_port port, const struct frame_spec *spec);
void flow_turn(void);

/* ---- verdicts ---- */

/* Every packet since the last flow_send() or first flow_queue() ended so, and there was one. ARP
 * does not count. */
#define flow_expect_verdict(verdict)     flow_expect_verdict_at(verdict, 1, __FILE__, __LINE__)
#define flow_expect_verdicts(verdict, n) flow_expect_verdict_at(verdict, n, __FILE__, __LINE__)
void flow_expect_verdict_at(enum verdict verdict, uint64_t n, const char *file, int line);

/* ---- packets out ---- */

/* The next frame that weir sent on the port; NULL: none. It stays the fixture's, for the next 256.
 * ARP requests that a host answered are not seen. */
struct rte_mbuf *flow_receive(enum flow_port port);

/* Nothing (more) was sent on any port. */
#define flow_expect_silence() flow_expect_silence_at(__FILE__, __LINE__)
void flow_expect_silence_at(const char *file, int line);

/* ---- the three together ---- */

/* `in` ends with the verdict, and `out` is all that leaves. */
#define flow_pass(in_port, in, verdict, out_port, out)     \
	do {                                               \
		flow_send(in_port, in);                    \
		flow_expect_verdict(verdict);              \
		frame_expect(flow_receive(out_port), out); \
		flow_expect_silence();                     \
	} while (0)

/* `in` ends with the verdict, and nothing leaves. */
#define flow_drop(in_port, in, verdict)       \
	do {                                  \
		flow_send(in_port, in);       \
		flow_expect_verdict(verdict); \
		flow_expect_silence();        \
	} while (0)

/* `in` ends with the verdict, and its sender gets an ICMP error that quotes it as it came. */
#define flow_refuse(in_port, in, verdict, type, code) \
	flow_refuse_at(in_port, in, verdict, type, code, 0, __FILE__, __LINE__)
void flow_refuse_at(enum flow_port port, const struct frame_spec *in, enum verdict verdict,
		    uint8_t type, uint8_t code, uint16_t mtu, const char *file, int line);

/* ---- what packets become ---- */

struct endpoint {
	char address[16];
	uint16_t port; /* or ICMP identifier */
};

/* The address of a spec, in network order. */
rte_be32_t flow_address(const char *text);

/* The source of a frame that weir sent. */
struct endpoint flow_source(const struct rte_mbuf *frame);

/* Sends the first packet of a session from the inside, expects it outside in order, and says what
 * its public endpoint is. */
#define flow_open(in) flow_open_at(in, __FILE__, __LINE__)
struct endpoint flow_open_at(const struct frame_spec *in, const char *file, int line);

/* The packet with its source in public. The endpoint must live on. */
struct frame_spec flow_public(const struct frame_spec *spec, const struct endpoint *source);
/* The packet of the other direction: an ICMP request's reply, no TCP flags changed. */
struct frame_spec flow_answer(const struct frame_spec *spec);
/* What the remote sends back to the public endpoint: both of the above. */
struct frame_spec flow_reply(const struct frame_spec *spec, const struct endpoint *source);
/* The packet one hop on: its TTL is one less. */
struct frame_spec flow_hop(const struct frame_spec *spec);
/* A TCP packet with other flags. */
struct frame_spec flow_flags(const struct frame_spec *spec, uint8_t tcp_flags);

/* ---- time ---- */

void flow_advance(uint32_t seconds);
void flow_advance_ms(uint32_t ms);

/* ---- state ---- */

/* Of all homes together. */
uint32_t flow_sessions(void);
uint32_t flow_mappings(void);
uint32_t flow_subscribers(void);
uint32_t flow_ports(void);  /* in use */
uint32_t flow_blocks(void); /* held, not resting */

/* One line for what a refused first packet must leave: no session, mapping or port. */
#define flow_expect_nothing_kept()                    \
	do {                                          \
		assert_int_equal(flow_sessions(), 0); \
		assert_int_equal(flow_mappings(), 0); \
		assert_int_equal(flow_ports(), 0);    \
	} while (0)

/* The session of a packet from the inside; NULL: none. */
const struct session *flow_session(const struct frame_spec *spec);

/* The state that a TCP session is in. */
#define flow_expect_state(spec, name) assert_string_equal(flow_state(spec), name)
const char *flow_state(const struct frame_spec *spec); /* "none": no session */

/* A subscriber whose home is this worker. */
const char *flow_subscriber_of(uint32_t worker);

/* Two subscribers, and two workers that may be their homes and get the packets: with i from 0 to 7
 * in all combinations. */
void flow_pick_homes(uint32_t i, const char **a, const char **b);

/* Sum over the workers of a counter in struct stats. */
#define flow_count(field) flow_count_at(offsetof(struct stats, field))
uint64_t flow_count_at(size_t offset);

/* ---- when things run short ---- */

/* The port takes only so many frames from now on; the hand-over rings so many packets. */
void flow_limit_port(enum flow_port port, uint32_t frames);
void flow_limit_handover(uint32_t packets);
/* Weir finds no packet buffers, or finds them again. */
void flow_take_buffers(void);
void flow_give_buffers(void);

/* A silent host answers ARP after all. */
void flow_arp_reply(enum flow_port port, const char *address);

#endif
