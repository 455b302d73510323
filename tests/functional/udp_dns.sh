#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254, .253
#
# UDP: a name server, many source ports, and the mapping's independence of the endpoint (RFC 4787).
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL"
net ip addr add 198.51.100.253/24 dev weir-out

net dnsmasq --no-resolv --no-hosts --user=root --bind-interfaces --listen-address=$SERVER \
	--conf-file=/dev/null --pid-file="$RUN_DIR/dnsmasq.pid" --address=/example.net/192.0.2.80

dns() {
	local i

	for ((i = 0; i < 50; i++)); do
		[ "$(sub dig @"$SERVER" "host$i.example.net" A +short +tries=1 +time=3 "$@")" = 192.0.2.80 ] ||
			return
	done
}

# ask SOURCE PORT SERVER PORT: what the server saw.
ask() {
	sub /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-once "$@"
}

expect "50 DNS queries over UDP are answered at the first try" dns
expect "50 DNS queries over TCP are answered" dns +tcp

serve net udp-server 0.0.0.0 7000
serve net udp-server $SERVER 7001
expect "1000 source ports are all answered" sub timeout 60 /usr/bin/python3 \
	"$FUNCTIONAL/traffic.py" udp $SUB $SERVER 7000 1000

first=$(ask $SUB 5000 $SERVER 7000)
expect "the server sees a pool address ($first)" grep -q '^203\.0\.113\.' <<<"$first"
expect_equal "towards another port the public port is the same" "$first" \
	"$(ask $SUB 5000 $SERVER 7001)"
expect_equal "towards another address too" "$first" "$(ask $SUB 5000 198.51.100.253 7000)"
rival=$(ask $SUB2 5000 $SERVER 7000)
expect "another subscriber with the same source port is answered ($rival)" \
	grep -q '^203\.0\.113\.' <<<"$rival"
expect_not "and has a public port of its own" test "$rival" = "$first"
expect_equal "the first one keeps his" "$first" "$(ask $SUB 5000 $SERVER 7000)"
other=$(ask $SUB 5001 $SERVER 7000)
expect_equal "a subscriber's source ports share one public address" "${first%:*}" "${other%:*}"
finish
