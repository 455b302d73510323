#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254 (router) -- far 192.0.2.2
#
# Traceroute in its three modes: weir is the first hop, a router behind it the second.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL"
namespace far
net ip link add to-far type veth peer name to-net netns "weir-$RUN_ID-far"
net ip addr add 192.0.2.1/24 dev to-far
net ip link set to-far up
net sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
inside far ip addr add 192.0.2.2/24 dev to-net
inside far ip link set to-net up
inside far ip route add default via 192.0.2.1
inside far sysctl -qw net.ipv4.icmp_ratelimit=0
serve far tcp-server 192.0.2.2 80

# hops OPTION...: three hops, each the right one.
hops() {
	local output

	output=$(sub traceroute -n -q 2 -w 2 -m 6 "$@" 192.0.2.2)
	printf '%s\n' "$output"
	grep -q '^ *1 *100\.64\.0\.1 ' <<<"$output" && grep -q '^ *2 *198\.51\.100\.254 ' <<<"$output" &&
		grep -q '^ *3 *192\.0\.2\.2 ' <<<"$output"
}

no_route() {
	local output

	output=$(net ping -n -c 1 -W 2 203.0.113.77)
	! grep -q ' 0% packet loss' <<<"$output"
}

expect "UDP mode shows weir, the router and the target" hops
expect "ICMP mode does" hops -I
expect "TCP mode does" hops -T -p 80
# 203.0.113.77 lies in no pool: it must not run in circles between weir and the router.
expect "an address outside the pool is not answered" no_route
finish
