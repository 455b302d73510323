/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

char *text_ipv4(rte_be32_t address, char text[TEXT_IPV4_SIZE])
{
	const uint8_t *b = (const uint8_t *)&address;

	snprintf(text, TEXT_IPV4_SIZE, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	return text;
}

char *text_prefix(const struct prefix *prefix, char text[TEXT_PREFIX_SIZE])
{
	char address[TEXT_IPV4_SIZE];

	snprintf(text, TEXT_PREFIX_SIZE, "%s/%u", text_ipv4(prefix->address, address),
		 prefix->length);
	return text;
}

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{IPPROTO_ICMP, "icmp"}, {IPPROTO_TCP, "tcp"},   {IPPROTO_UDP, "udp"},
	{IPPROTO_GRE, "gre"},   {IPPROTO_ESP, "esp"},   {IPPROTO_AH, "ah"},
	{IPPROTO_SCTP, "sctp"}, {IPPROTO_IPIP, "ipip"}, {IPPROTO_IPV6, "ipv6"},
};

const char *text_protocol(uint8_t protocol)
{
	static char numbers[256][4];

	for (size_t i = 0; i < RTE_DIM(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	/* the same bytes whoever writes them, so several threads may */
	snprintf(numbers[protocol], sizeof(numbers[protocol]), "%u", protocol);
	return numbers[protocol];
}

bool text_parse_ipv4(const char *text, rte_be32_t *address)
{
	return inet_pton(AF_INET, text, address) == 1;
}

bool text_parse_uint(const char *text, uint64_t max, uint64_t *value)
{
	char *end;
	unsigned long long parsed;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	parsed = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || parsed > max)
		return false;
	*value = parsed;
	return true;
}

bool text_parse_prefix(const char *text, struct prefix *prefix)
{
	char host[TEXT_IPV4_SIZE];
	const char *slash = strchr(text, '/');
	rte_be32_t address;
	uint64_t length = 32;
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (!text_parse_ipv4(host, &address))
		return false;
	if (slash != NULL && !text_parse_uint(slash + 1, 32, &length))
		return false;
	if ((address & ~prefix_mask((uint8_t)length)) != 0)
		return false;
	*prefix = (struct prefix){.address = address, .length = (uint8_t)length};
	return true;
}

bool text_parse_protocol(const char *text, uint8_t *protocol)
{
	uint64_t number;

	for (size_t i = 0; i < RTE_DIM(protocols); i++) {
		if (strcmp(protocols[i].name, text) == 0) {
			*protocol = protocols[i].number;
			return true;
		}
	}
	if (!text_parse_uint(text, 255, &number))
		return false;
	*protocol = (uint8_t)number;
	return true;
}
