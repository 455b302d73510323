#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 (MTU 1400) -- net 198.51.100.254 (router)
#                                                      -- MTU 1300 -- far 192.0.2.2
#
# Path-MTU discovery (RFC 1191): about weir's own link by weir, about a link behind by its router,
# whose ICMP error comes through the translation.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
OUTSIDE_MTU=1400
net_up "$SMALL"
namespace far
net ip link set weir-out mtu 1400
net ip link add to-far type veth peer name to-net netns "weir-$RUN_ID-far"
net ip addr add 192.0.2.1/24 dev to-far
net ip link set to-far mtu 1300 up
net sysctl -qw net.ipv4.ip_forward=1
inside far ip addr add 192.0.2.2/24 dev to-net
inside far ip link set to-net mtu 1300 up
# Servers that claim to take 1500 bytes: the sender must find out.
inside far ip route add default via 192.0.2.1 advmss 1460
net ip route replace 203.0.113.0/24 via 198.51.100.1 advmss 1460

# told FROM MTU SIZE TARGET: a packet of SIZE is too big: FROM says so, with the MTU.
told() {
	local output

	output=$(sub ping -n -c 1 -W 2 -M 'do' -s $(($3 - 28)) "$4")
	printf '%s\n' "$output"
	grep -Eq "From $1 .*mtu = $2" <<<"$output"
}

# learnt MTU TARGET
learnt() {
	sub ip route get "$2"
	sub ip route get "$2" | grep -q "mtu $1"
}

fits() {
	sub ping -n -c 1 -W 2 -M 'do' -s $(($1 - 28)) "$2" | grep -q '1 received'
}

# upload LABEL ADDRESS: by a connection that starts with segments too big for the path.
upload() {
	local server

	sub ip route flush cache
	inside "$1" nc -d -l "$2" 8000 </dev/null >"$RUN_DIR/received" &
	server=$!
	wait_until 5 listening "$1" || return
	sub timeout 30 nc -N "$2" 8000 <"$RUN_DIR/data" || return
	wait "$server"
	cmp "$RUN_DIR/data" "$RUN_DIR/received"
}

listening() {
	inside "$1" ss -Hltn "sport = :8000" | grep -q .
}

fragmented() {
	sub ping -n -c 3 -i 0.2 -W 2 -M dont -s 1472 "$SERVER"
	wait_until 5 captured_fragment
}

captured_fragment() {
	tcpdump -nr "$RUN_DIR/capture" 'ip[6:2] & 0x3fff != 0 and src net 203.0.113.0/24' |
		grep 'ICMP echo request'
}

head -c 2000000 /dev/urandom >"$RUN_DIR/data"

expect "weir answers what is too big for its outside link" told 100.64.0.1 1400 1500 $SERVER
expect "the subscriber's kernel learns it" learnt 1400 $SERVER
expect "a packet of 1400 bytes passes" fits 1400 $SERVER
expect "the next router's answer comes through" told 198.51.100.254 1300 1400 192.0.2.2
expect "the subscriber's kernel learns that too" learnt 1300 192.0.2.2
expect "a packet of 1300 bytes passes" fits 1300 192.0.2.2
expect "a TCP upload over weir's small link works" upload net $SERVER
expect "and has used path-MTU discovery" learnt 1400 $SERVER
expect "a TCP upload over the router's smaller link works" upload far 192.0.2.2
expect "and has used path-MTU discovery" learnt 1300 192.0.2.2

net tcpdump --immediate-mode -U -i weir-out -w "$RUN_DIR/capture" icmp >/dev/null 2>"$RUN_DIR/tcpdump" &
wait_until 5 grep -q 'listening on' "$RUN_DIR/tcpdump"
sub ip route flush cache
expect "without DF a packet that is too big leaves in fragments" fragmented
finish
