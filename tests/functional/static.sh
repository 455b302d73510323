#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- weir, 203.0.113.1 and .2 -- net 198.51.100.254
#
# Servers among the subscribers: a forwarded port and a whole address, from outside and inside; and
# what a reload makes of them.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL" "static:
  - {outside: 203.0.113.1, outside-port: 80, protocol: udp, inside: $SUB, inside-port: 8000}
  - {outside: 203.0.113.2, inside: $SUB2}"
serve sub udp-server $SUB 8000
serve sub udp-server $SUB2 8000

# asks LABEL SOURCE ADDRESS PORT
asks() {
	inside "$1" timeout 20 /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp "$2" "$3" "$4" 5
}

expect_equal "both are listed" "udp 203.0.113.1:80 $SUB:8000, any 203.0.113.2:0 $SUB2:0" "$(show static \
	'[.static[] | "\(.protocol) \(.outside):\(.outside_port) \(.inside):\(.inside_port)"] | join(", ")')"
expect "for people, too" grep -q "udp *203.0.113.1:80 *$SUB:8000 *main" <<<"$(weirctl show static)"
expect "the forwarded port answers" asks net $SERVER 203.0.113.1 80
expect_not "a port that is not forwarded does not" asks net $SERVER 203.0.113.1 81
expect "the whole address answers on the server's port" asks net $SERVER 203.0.113.2 8000
expect "and to pings" ping_all net -c 2 -i 0.05 203.0.113.2
expect "what the server begins has the whole address" ping_all sub -c 2 -i 0.05 -I $SUB2 $SERVER
expect_equal "as its session shows" 203.0.113.2 \
	"$(weirctl --json show sessions inside $SUB2 remote $SERVER | jq -r '.sessions[0].outside')"
sed -i '/outside-port/d' "$CONFIG"
expect "a reload takes the forwarded port away" weirctl reload
expect_not "it answers no more" asks net $SERVER 203.0.113.1 80
expect "the whole address goes on" asks net $SERVER 203.0.113.2 8000
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
