/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ether.h>

#include "frame.h"

#define LINK_LENGTH     14
#define ERROR_MAX       576 /* RFC 1812 4.3.2.3 */
#define ERROR_LENGTH    8   /* an ICMP error's header before its quote */
#define FRAME_MAX       (2 * 65536)
#define DEFAULT_SRC_MAC "02:00:00:00:00:0a"
#define DEFAULT_DST_MAC "02:00:00:00:00:0b"

/* Building: every put function writes at `at` and returns how many bytes it wrote. */

static size_t put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return 2;
}

static size_t put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
	return 4;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static size_t put_address(uint8_t *at, const char *text)
{
	if (text == NULL || inet_pton(AF_INET, text, at) != 1)
		fail_msg("a frame spec's address is %s", text == NULL ? "missing" : text);
	return 4;
}

static size_t put_mac(uint8_t *at, const char *text)
{
	if (rte_ether_unformat_addr(text, (struct rte_ether_addr *)at) != 0)
		fail_msg("a frame spec's MAC is %s", text);
	return 6;
}

/* RFC 1071, as its text says: 16-bit words in network order, an odd byte padded. */
static uint16_t checksum_of(const uint8_t *data, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Over the pseudo header and the first `covered` of `length` bytes. */
static uint16_t partial_checksum(const struct frame_spec *spec, const uint8_t *data, size_t length,
				 size_t covered)
{
	uint8_t pseudo[12] = {0};

	put_address(pseudo, spec->src);
	put_address(pseudo + 4, spec->dst);
	pseudo[9] = spec->proto;
	put16(pseudo + 10, (uint32_t)length);
	return checksum_of(data, covered, (uint16_t)~checksum_of(pseudo, sizeof(pseudo), 0));
}

static uint16_t transport_checksum(const struct frame_spec *spec, const uint8_t *data,
				   size_t length)
{
	return partial_checksum(spec, data, length, length);
}

static size_t put_payload(uint8_t *at, const struct frame_spec *spec)
{
	for (uint16_t i = 0; i < spec->length; i++)
		at[i] = spec->payload != NULL ? ((const uint8_t *)spec->payload)[i]
					      : (uint8_t)(i * 13 + i / 256 + 1);
	return spec->length;
}

static size_t put_tcp(uint8_t *at, const struct frame_spec *spec)
{
	size_t header = 20 + spec->tcp_options_length;

	memset(at, 0, 20);
	put16(at, spec->sport);
	put16(at + 2, spec->dport);
	put32(at + 4, spec->seq);
	put32(at + 8, spec->ack);
	at[12] = (uint8_t)(header / 4 << 4);
	at[13] = spec->tcp_flags;
	put16(at + 14, 0xfaf0);
	memcpy(at + 20, spec->tcp_options_length > 0 ? spec->tcp_options : at,
	       spec->tcp_options_length);
	size_t length = header + put_payload(at + header, spec);
	put16(at + 16, transport_checksum(spec, at, length) + spec->bad_checksum);
	return length;
}

static size_t put_udp(uint8_t *at, const struct frame_spec *spec)
{
	size_t length = 8 + put_payload(at + 8, spec);

	put16(at, spec->sport);
	put16(at + 2, spec->dport);
	put16(at + 4, (uint32_t)length);
	put16(at + 6, 0);
	if (!spec->no_checksum) {
		uint16_t checksum = transport_checksum(spec, at, length);

		put16(at + 6, (checksum == 0 ? 0xffffu : checksum) + spec->bad_checksum);
	}
	return length;
}

/* UDP-Lite: like UDP, with `coverage` bytes covered; 0: all. */
static size_t put_udplite(uint8_t *at, const struct frame_spec *spec)
{
	size_t length = 8 + put_payload(at + 8, spec);
	size_t covered = spec->coverage != 0 ? spec->coverage : length;
	uint16_t checksum;

	put16(at, spec->sport);
	put16(at + 2, spec->dport);
	put16(at + 4, spec->coverage);
	put16(at + 6, 0);
	checksum = partial_checksum(spec, at, length, covered);
	put16(at + 6, (checksum == 0 ? 0xffffu : checksum) + spec->bad_checksum);
	return length;
}

/* A DCCP-Data packet with short sequence numbers; the checksum covers the header and `coverage`
 * bytes (multiples of 4, from 1 on: RFC 4340 section 9.2), 0: all. */
static size_t put_dccp(uint8_t *at, const struct frame_spec *spec)
{
	size_t header = 12, length = header + put_payload(at + header, spec);
	size_t covered = spec->coverage != 0 ? header + (spec->coverage - 1) * 4u : length;

	memset(at, 0, header);
	put16(at, spec->sport);
	put16(at + 2, spec->dport);
	at[4] = (uint8_t)(header / 4);
	at[5] = (uint8_t)spec->coverage;
	at[8] = 2 << 1; /* Data */
	put16(at + 6, partial_checksum(spec, at, length, covered) + spec->bad_checksum);
	return length;
}

static size_t put_ip(uint8_t *at, const struct frame_spec *spec);

static size_t put_icmp(uint8_t *at, const struct frame_spec *spec)
{
	size_t length = ERROR_LENGTH;

	at[0] = spec->type;
	at[1] = spec->code;
	put16(at + 2, 0);
	put16(at + 4, spec->quote != NULL ? 0 : spec->ident);
	put16(at + 6, spec->quote != NULL ? spec->mtu : spec->seq);
	if (spec->quote == NULL) {
		length += put_payload(at + length, spec);
	} else {
		size_t room = ERROR_MAX - 20u - spec->options_length - ERROR_LENGTH;

		if (spec->quote_length != 0)
			room = spec->quote_length;
		length += RTE_MIN(room, put_ip(at + length, spec->quote));
	}
	put16(at + 2, checksum_of(at, length, 0) + spec->bad_checksum);
	return length;
}

static size_t put_transport(uint8_t *at, const struct frame_spec *spec)
{
	switch (spec->proto) {
	case IPPROTO_TCP:
		return put_tcp(at, spec);
	case IPPROTO_UDP:
		return put_udp(at, spec);
	case IPPROTO_ICMP:
		return put_icmp(at, spec);
	case IPPROTO_UDPLITE:
		return put_udplite(at, spec);
	case IPPROTO_DCCP:
		return put_dccp(at, spec);
	default:
		return put_payload(at, spec);
	}
}

static size_t put_ip(uint8_t *at, const struct frame_spec *spec)
{
	size_t header = 20 + spec->options_length;
	size_t whole = put_transport(at + header, spec);
	size_t length = whole - RTE_MIN(whole, spec->fragment_offset);

	if (spec->fragment_length != 0)
		length = RTE_MIN(length, spec->fragment_length);
	bool more = spec->fragment_offset + length < whole;
	memmove(at + header, at + header + spec->fragment_offset, length);

	at[0] = (uint8_t)(0x40 | header / 4);
	at[1] = spec->tos;
	put16(at + 2, (uint32_t)(header + length));
	put16(at + 4, spec->ip_id);
	put16(at + 6, (spec->df ? 0x4000u : 0) | (more ? 0x2000u : 0) | spec->fragment_offset / 8);
	at[8] = spec->ttl == 0 ? 64 : spec->ttl;
	at[9] = spec->proto;
	put16(at + 10, 0);
	put_address(at + 12, spec->src);
	put_address(at + 16, spec->dst);
	memcpy(at + 20, spec->options_length > 0 ? spec->options : at, spec->options_length);
	put16(at + 10, checksum_of(at, header, 0) + spec->bad_ip_checksum);
	return header + length;
}

static size_t put_arp(uint8_t *at, const struct frame_spec *spec)
{
	static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4};

	memset(at, 0, 28);
	memcpy(at, ethernet_ipv4, sizeof(ethernet_ipv4));
	put16(at + 6, spec->arp);
	put_mac(at + 8, spec->src_mac != NULL ? spec->src_mac : DEFAULT_SRC_MAC);
	put_address(at + 14, spec->src);
	if (spec->arp_target_mac != NULL)
		put_mac(at + 18, spec->arp_target_mac);
	put_address(at + 24, spec->dst);
	return 28;
}

static size_t put_frame(uint8_t *at, const struct frame_spec *spec)
{
	put_mac(at, spec->dst_mac != NULL ? spec->dst_mac : DEFAULT_DST_MAC);
	put_mac(at + 6, spec->src_mac != NULL ? spec->src_mac : DEFAULT_SRC_MAC);
	put16(at + 12, spec->arp != 0 ? RTE_ETHER_TYPE_ARP : RTE_ETHER_TYPE_IPV4);
	size_t length = LINK_LENGTH + (spec->arp != 0 ? put_arp(at + LINK_LENGTH, spec)
						      : put_ip(at + LINK_LENGTH, spec));
	memset(at + length, 0, spec->padding);
	return length + spec->padding;
}

struct rte_mbuf *frame_build(struct rte_mempool *pool, const struct frame_spec *spec)
{
	static uint8_t bytes[FRAME_MAX];
	size_t length = put_frame(bytes, spec), done = 0;
	struct rte_mbuf *frame = NULL;

	while (done < length) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

		assert_non_null(mbuf);
		size_t part = RTE_MIN(length - done, (size_t)rte_pktmbuf_tailroom(mbuf));
		if (spec->segment != 0)
			part = RTE_MIN(part, (size_t)spec->segment);
		memcpy(rte_pktmbuf_append(mbuf, (uint16_t)part), bytes + done, part);
		done += part;
		if (frame == NULL)
			frame = mbuf;
		else
			assert_int_equal(rte_pktmbuf_chain(frame, mbuf), 0);
	}
	return frame;
}

/* Comparing: the frame of the spec beside the one that came, field by field. */

enum format { DECIMAL, HEX, ADDRESS, MAC, CHECKSUM };

struct field {
	const char *name; /* NULL: past the last */
	uint8_t offset, size;
	enum format format;
};

static const struct field link_fields[] = {
	{"destination MAC", 0, 6, MAC}, {"source MAC", 6, 6, MAC}, {"EtherType", 12, 2, HEX}, {0}};

static const struct field arp_fields[] = {{"ARP hardware", 0, 2, HEX},
					  {"ARP protocol", 2, 2, HEX},
					  {"ARP lengths", 4, 2, HEX},
					  {"ARP operation", 6, 2, DECIMAL},
					  {"ARP sender MAC", 8, 6, MAC},
					  {"ARP sender", 14, 4, ADDRESS},
					  {"ARP target MAC", 18, 6, MAC},
					  {"ARP target", 24, 4, ADDRESS},
					  {0}};

static const struct field ip_fields[] = {{"IP version and header length", 0, 1, HEX},
					 {"IP TOS", 1, 1, HEX},
					 {"IP total length", 2, 2, DECIMAL},
					 {"IP identification", 4, 2, HEX},
					 {"IP fragment flags and offset", 6, 2, HEX},
					 {"IP TTL", 8, 1, DECIMAL},
					 {"IP protocol", 9, 1, DECIMAL},
					 {"IP checksum", 10, 2, CHECKSUM},
					 {"IP source", 12, 4, ADDRESS},
					 {"IP destination", 16, 4, ADDRESS},
					 {0}};

static const struct field tcp_fields[] = {
	{"TCP source port", 0, 2, DECIMAL}, {"TCP destination port", 2, 2, DECIMAL},
	{"TCP sequence number", 4, 4, HEX}, {"TCP acknowledgement", 8, 4, HEX},
	{"TCP header length", 12, 1, HEX},  {"TCP flags", 13, 1, HEX},
	{"TCP window", 14, 2, DECIMAL},     {"TCP checksum", 16, 2, CHECKSUM},
	{"TCP urgent pointer", 18, 2, HEX}, {0}};

static const struct field udp_fields[] = {
	{"UDP source port", 0, 2, DECIMAL},
	{"UDP destination port", 2, 2, DECIMAL},
	{"UDP length", 4, 2, DECIMAL},
	{"UDP checksum", 6, 2, HEX}, /* 0 and 0xffff are not the same */
	{0}};

static const struct field icmp_fields[] = {
	{"ICMP type", 0, 1, DECIMAL},      {"ICMP code", 1, 1, DECIMAL},
	{"ICMP checksum", 2, 2, CHECKSUM}, {"ICMP identifier", 4, 2, DECIMAL},
	{"ICMP sequence", 6, 2, DECIMAL},  {0}};

static const struct field error_fields[] = {
	{"ICMP type", 0, 1, DECIMAL},      {"ICMP code", 1, 1, DECIMAL},
	{"ICMP checksum", 2, 2, CHECKSUM}, {"ICMP unused", 4, 2, HEX},
	{"ICMP MTU", 6, 2, DECIMAL},       {0}};

/* Two byte strings side by side, and the report of what differs. */
struct comparison {
	const uint8_t *got, *want;
	size_t left;        /* bytes of both not yet compared */
	const char *prefix; /* "" or "quoted " */
	char *why;
	size_t used;
};

static void __rte_format_printf(2, 3) report(struct comparison *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(c->why + c->used, FRAME_WHY_SIZE - c->used, format, arguments);
	va_end(arguments);
	c->used = RTE_MIN(c->used + (size_t)length, (size_t)FRAME_WHY_SIZE - 1);
}

static void report_value(struct comparison *c, const struct field *field, const uint8_t *at)
{
	uint32_t value = 0;

	if (field->format == ADDRESS) {
		report(c, "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
		return;
	}
	if (field->format == MAC) {
		report(c, RTE_ETHER_ADDR_PRT_FMT, at[0], at[1], at[2], at[3], at[4], at[5]);
		return;
	}
	for (int i = 0; i < field->size; i++)
		value = value << 8 | at[i];
	report(c, field->format == DECIMAL ? "%u" : "0x%x", value);
}

static bool same(const struct field *field, const uint8_t *got, const uint8_t *want)
{
	/* 0 and 0xffff are the same number to whoever checks the sum (RFC 1624 section 3) */
	if (field->format == CHECKSUM)
		return get16(got) % 0xffff == get16(want) % 0xffff;
	return memcmp(got, want, field->size) == 0;
}

static void advance(struct comparison *c, size_t length)
{
	length = RTE_MIN(length, c->left);
	c->got += length;
	c->want += length;
	c->left -= length;
}

static void compare_fields(struct comparison *c, const struct field *field)
{
	size_t end = 0;

	for (; field->name != NULL && c->left >= (size_t)field->offset + field->size; field++) {
		const uint8_t *got = c->got + field->offset, *want = c->want + field->offset;

		end = (size_t)field->offset + field->size;
		if (same(field, got, want))
			continue;
		report(c, "  %s%s: got ", c->prefix, field->name);
		report_value(c, field, got);
		report(c, ", want ");
		report_value(c, field, want);
		report(c, "\n");
	}
	advance(c, end);
}

static void compare_bytes(struct comparison *c, const char *name, size_t length)
{
	length = RTE_MIN(length, c->left);
	for (size_t i = 0; i < length; i++)
		if (c->got[i] != c->want[i]) {
			report(c, "  %s%s: byte %zu: got 0x%02x, want 0x%02x\n", c->prefix, name, i,
			       c->got[i], c->want[i]);
			break;
		}
	advance(c, length);
}

static void compare_ip(struct comparison *c, const struct frame_spec *spec)
{
	compare_fields(c, ip_fields);
	compare_bytes(c, "IP options", spec->options_length);
	if (spec->fragment_offset != 0) {
		compare_bytes(c, "fragment", c->left);
	} else if (spec->proto == IPPROTO_TCP) {
		compare_fields(c, tcp_fields);
		compare_bytes(c, "TCP options", spec->tcp_options_length);
	} else if (spec->proto == IPPROTO_UDP) {
		compare_fields(c, udp_fields);
	} else if (spec->proto == IPPROTO_ICMP && spec->quote != NULL) {
		compare_fields(c, error_fields);
		c->prefix = "quoted ";
		compare_ip(c, spec->quote);
	} else if (spec->proto == IPPROTO_ICMP) {
		compare_fields(c, icmp_fields);
	}
	compare_bytes(c, "payload", c->left - RTE_MIN(c->left, spec->padding));
}

bool frame_matches(const struct rte_mbuf *mbuf, const struct frame_spec *spec,
		   char why[FRAME_WHY_SIZE])
{
	static uint8_t wanted[FRAME_MAX], copy[FRAME_MAX];
	struct frame_spec known = *spec;
	char unread[FRAME_WHY_SIZE];
	struct comparison c = {.prefix = "", .want = wanted, .why = why != NULL ? why : unread};

	c.why[0] = '\0';
	if (mbuf == NULL) {
		report(&c, "  no frame\n");
		return false;
	}
	size_t length = RTE_MIN((size_t)mbuf->pkt_len, sizeof(copy));
	c.got = rte_pktmbuf_read(mbuf, 0, (uint32_t)length, copy);
	if (known.any_ip_id && length >= LINK_LENGTH + 20)
		known.ip_id = (uint16_t)get16(c.got + LINK_LENGTH + 4);
	size_t wanted_length = put_frame(wanted, &known);
	if (spec->dst_mac == NULL && length >= LINK_LENGTH)
		memcpy(wanted, c.got, 6);
	if (spec->src_mac == NULL && length >= LINK_LENGTH)
		memcpy(wanted + 6, c.got + 6, 6);

	if (length != wanted_length)
		report(&c, "  frame length: got %zu, want %zu\n", length, wanted_length);
	c.left = RTE_MIN(length, wanted_length);
	compare_fields(&c, link_fields);
	if (spec->arp != 0)
		compare_fields(&c, arp_fields);
	else
		compare_ip(&c, &known);
	compare_bytes(&c, "padding", c.left);
	return c.used == 0;
}

void frame_expect_at(const struct rte_mbuf *mbuf, const struct frame_spec *spec, const char *file,
		     int line)
{
	char why[FRAME_WHY_SIZE];

	if (frame_matches(mbuf, spec, why))
		return;
	print_error("not the frame that was expected:\n%s", why);
	_fail(file, line);
}
