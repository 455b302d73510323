#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# A deterministic pool (RFC 7422): three subscribers, 100.64.0.8 to .10, on addresses of three
# blocks of 64 ports, of which the last is for overflow. So .10, the third, has the first block of
# the second address; .11 has none. weirctl lookup knows without a packet, packets agree, and so do
# both after a restart.
# shellcheck disable=SC2016 # $a is sed's
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_OPTIONS=", allocation: deterministic, inside: [100.64.0.8-100.64.0.10], overflow-blocks: 1,\
 port-range: 1024-1215, block-size: 64"
net_up "$SMALL"
serve net udp-server $SERVER 8000

# lookup ENDPOINT: "ADDRESS FIRST-LAST INSIDE" of the block that is computed for it.
lookup() {
	weirctl --json lookup "$@" |
		jq -r '.blocks[] | select(.computed) | "\(.outside) \(.first)-\(.last) \(.inside)"'
}

# seen PORT: the address and block of the public endpoint that the server sees.
seen() {
	local public port

	public=$(sub /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-once $SUB "$1" $SERVER 8000)
	port=${public#*:}
	printf '%s %s\n' "${public%:*}" $(((port - 1024) / 64))
}

knows_all() {
	[ "$(lookup "$SUB" 5000 udp)" = "203.0.113.1 1024-1087 $SUB" ] &&
		[ "$(lookup 203.0.113.1 1087 tcp)" = "203.0.113.1 1024-1087 $SUB" ] &&
		[ "$(lookup 203.0.113.0 1088 icmp)" = "203.0.113.0 1088-1151 100.64.0.9" ]
}

# Holds 70 UDP sessions of the subscriber: 64 in its own block, 6 in overflow.
overflows() {
	many udp "$SUB" 70 && [ "$(show subscribers '[.subscribers[].blocks[].first] | @text')" = "[1024,1152]" ]
}

# says PATTERN COMMAND...
says() {
	local output

	output=$("${@:2}" 2>&1)
	printf '%s\n' "$output"
	grep -Eq "$1" <<<"$output"
}

# Whether `weir --check` refuses the configuration, changed by the sed script, with the words.
refuses() {
	sed -E "$1" "$CONFIG" >"$RUN_DIR/broken.yaml"
	says "broken\.yaml:[0-9]+: $2" "$WEIR_BUILD/app/weir/weir" -c "$RUN_DIR/broken.yaml" --check
}

expect "before the first packet lookup answers both ways" knows_all
expect "in words too" says 'By computation' weirctl lookup 203.0.113.1 1024 tcp
expect "nobody has a port of an overflow block" not weirctl lookup 203.0.113.1 1152 udp
expect_equal "the server sees the computed address and block" "203.0.113.1 0" "$(seen 5000)"
expect_equal "of other ports too" "203.0.113.1 0" "$(seen 5001)"
expect "more sessions than the block has ports go on in overflow" overflows
expect "another subscriber, who is not listed, is refused" \
	not sub ping -c 1 -W 2 -I $SUB2 $SERVER
expect "weirctl why tells the reason" says 'NOT_IN_POOL' weirctl why $SUB2
expect "show pools says deterministic" says 'main .* deterministic' weirctl show pools
expect "every packet is accounted for" accounts_balance

stop
start
expect "after a restart lookup answers the same" knows_all
expect_equal "and the server sees the same" "203.0.113.1 0" "$(seen 6000)"

sed -i 's/100.64.0.8-100.64.0.10/&, 100.64.0.11/' "$CONFIG"
expect "a reload appends a subscriber" weirctl reload
expect_equal "lookup knows it" "203.0.113.1 1088-1151 $SUB2" "$(lookup "$SUB2" 5000 udp)"
expect "and it is translated" ping_all sub -c 1 -I $SUB2 $SERVER
expect_equal "nobody has moved" "203.0.113.1 0" "$(seen 6000)"
cp "$CONFIG" "$RUN_DIR/good.yaml"
sed -i 's/100.64.0.8-100.64.0.10, 100.64.0.11/100.64.0.11, 100.64.0.8-100.64.0.10/' "$CONFIG"
expect "a reload that would move subscribers is refused" \
	says 'pools\[0\].*move subscribers' not weirctl reload
expect_equal "and changes nothing" "203.0.113.1 0" "$(seen 6002)"
cp "$RUN_DIR/good.yaml" "$CONFIG"

expect "too many subscribers are refused with what would fit" \
	refuses 's/100.64.0.8-/100.64.0.0\/24, 100.65.0.8-/;s/-100.64.0.10, 100.64.0.11/-100.65.0.10/' \
	'pools\[0\].inside: found "259 subscribers", want at most 32, .* 130 addresses'
expect "a whole address of a subscriber's is not mapped statically" \
	refuses '$a static: [{outside: 203.0.113.1, inside: 100.64.0.77}]' \
	'static\[0\].outside: found "203.0.113.1", want an address of another pool: pool main'
finish
