#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#                                    pool 198.51.100.128/28, in the outside subnet itself
#
# Neighbours: found, followed when they move, and answered for every address that weir speaks for.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_ADDRESSES=198.51.100.128/28
net_up "$SMALL"

# asked ADDRESS: someone answers ARP for it.
asked() {
	net arping -q -c 2 -w 3 -I weir-out "$1"
}

# probed ADDRESS: someone answers an address probe (RFC 5227), so nobody else may take it.
probed() {
	! net arping -q -D -c 2 -w 3 -I weir-out "$1"
}

# The kernel announces its new MAC once the interface is up again.
move_server() {
	net sysctl -qw net.ipv4.conf.weir-out.arp_notify=1
	net ip link set weir-out down
	net ip link set weir-out address 02:00:c6:33:64:aa
	net ip link set weir-out up
	wait_until 5 ping_all sub -c 1 "$SERVER" && ping_all sub -c 3 -i 0.3 "$SERVER"
}

unreachable() {
	local output

	output=$(sub ping -n -c 1 -W 8 198.51.100.99)
	printf '%s\n' "$output"
	grep -q 'From 100\.64\.0\.1 .*Destination Host Unreachable' <<<"$output"
}

expect "packets that come before the neighbour is known are held, not lost" \
	ping_all sub -c 5 -i 0.002 $SERVER
expect "weir's own address is answered for" asked 198.51.100.1
expect "so are the pool's addresses: the first" asked 198.51.100.128
expect "and the last" asked 198.51.100.143
expect_not "an address next to the pool is not" asked 198.51.100.144
expect_not "nor one that nobody has" probed 198.51.100.77
expect "a probe for weir's address is answered" probed 198.51.100.1
expect "a probe for a pool address is answered" probed 198.51.100.130
expect "a neighbour that gets another MAC is followed" move_server
expect "a neighbour that does not answer is reported as host unreachable" unreachable
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
