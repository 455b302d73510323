#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# Echo requests through weir and to weir.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL"

# Both with one identifier, so that they would meet on the outside.
ping_together() {
	local first second status=0

	ping_all sub -q -c 20 -i 0.1 -e 77 -I "$SUB" "$SERVER" &
	first=$!
	ping_all sub -q -c 20 -i 0.1 -e 77 -I "$SUB2" "$SERVER" &
	second=$!
	wait "$first" || status=1
	wait "$second" && return "$status"
}

expect "the very first echo request is answered" ping_all sub -c 1 $SERVER
expect "echo requests pass, none lost" ping_all sub -c 50 -i 0.02 $SERVER
expect "large echo requests pass" ping_all sub -c 3 -i 0.2 -s 1472 $SERVER
expect "weir's inside address answers" ping_all sub -c 3 -i 0.2 100.64.0.1
expect "weir's outside address answers" ping_all net -c 3 -i 0.2 198.51.100.1
expect "two subscribers with one identifier both get their answers" ping_together
expect_not "a pool address nobody uses gives no answer" ping_all net -c 2 -i 0.2 -W 1 203.0.113.9
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
