#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub  100.64.0.10 -- 100.64.0.1, realm 1 \
#                                               weir 203.0.113.0/28 -- net 198.51.100.254
#     sub2 100.64.0.10 -- 100.64.0.1, realm 2 /
#          10.9.0.1 behind it
#
# Two realms whose subscribers have the same addresses, and weir's own are the same, too.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
run_setup
namespace weir sub sub2 net || {
	failed "network namespaces can be made"
	finish
}
config "$SMALL" "static:
  - {outside: 203.0.113.1, outside-port: 80, protocol: udp, inside: $SUB, inside-port: 8000, realm: 2}"
sed -i 's/^routes:/  - name: inside2\
    device: "net_tap2,iface=weir-in2"\
    side: inside\
    address: 100.64.0.1\/16\
    realm: 2\
routes:\
  - to: 10.9.0.0\/16\
    via: 100.64.0.10/' "$CONFIG"
expect_equal "a gateway that two realms could have is asked for" "routes[0].interface" \
	"$("$WEIR_BUILD/app/weir/weir" -c "$CONFIG" --check 2>&1 | grep -o 'routes\[0\].interface')"
sed -i 's/via: 100.64.0.10/&\n    interface: inside2/' "$CONFIG"
start
second_connect() {
	tap_attach weir-in2 sub2 02:00:64:40:01:0a "$SUB/16" &&
		inside sub2 ip route replace default via 100.64.0.1 &&
		inside sub2 ip addr add 10.9.0.1/32 dev lo
}

expect "the second realm's tap is handed to its host" second_connect
serve net udp-server $SERVER 8000
serve sub2 udp-server $SUB 8000

# seen LABEL: its public endpoint, asked from the same port in both realms.
seen() {
	inside "$1" timeout 20 /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-once "$SUB" 5000 "$SERVER" 8000
}

sessions_of() {
	weirctl --json show sessions inside $SUB realm "$1" protocol udp | jq '.sessions | length'
}

expect "the first realm's subscriber reaches the Internet" ping_all sub -c 2 -i 0.05 $SERVER
expect "so does the second's" ping_all sub2 -c 2 -i 0.05 $SERVER
first=$(seen sub) second=$(seen sub2)
expect "they have public endpoints" test -n "$first" -a -n "$second"
expect_not "of their own" test "$first" = "$second"
expect_equal "a second time the first has its first" "$first" "$(seen sub)"
expect_equal "and the second its own" "$second" "$(seen sub2)"
expect_equal "two subscribers have one address" "1 2" \
	"$(show "subscribers" '[.subscribers[] | select(.address == "100.64.0.10") | .realm] | unique | join(" ")')"
expect "what is behind a router of the second realm is reached" ping_all sub2 -c 2 -i 0.05 -I 10.9.0.1 $SERVER
expect_equal "by a route of that realm" 2 "$(show routes '.routes[] | select(.to == "10.9.0.0/16") | .realm')"
expect "the second's server is reached from outside" net timeout 20 /usr/bin/python3 \
	"$FUNCTIONAL/traffic.py" udp $SERVER 203.0.113.1 80 5
expect "and from the other realm" sub timeout 20 /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp $SUB \
	203.0.113.1 80 5
expect "sessions are cleared in one realm" weirctl clear sessions inside $SUB realm 2
expect_equal "where there are none then" 0 "$(sessions_of 2)"
expect_not "those of the other stay" test "$(sessions_of 1)" = 0
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
