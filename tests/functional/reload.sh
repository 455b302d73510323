#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- weir, 203.0.113.1 and .2 -- net 198.51.100.254
#
# Pools that change by a reload: a download that runs across it goes on; what is on an address that is
# taken away ends, and its subscriber has another one; what cannot change is refused as a whole.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_ADDRESSES="203.0.113.1, 203.0.113.2"
POOL_OPTIONS=", block-idle-timeout: 1, port-reuse-timeout: 1"
net_up "$SMALL"
SIZE=4000000
head -c $SIZE /dev/urandom >"$RUN_DIR/data"

listening() {
	net ss -Hltn "sport = :$1" | grep -q .
}

# A server that sends half of a file, and the rest once $RUN_DIR/go is there.
serve_halves() {
	{
		printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' $SIZE
		head -c $((SIZE / 2)) "$RUN_DIR/data"
		wait_until 60 test -e "$RUN_DIR/go"
		tail -c $((SIZE / 2)) "$RUN_DIR/data"
	} | net nc -N -l $SERVER 8001 >/dev/null
}

half_is_there() {
	[ "$(stat -c %s "$RUN_DIR/received" 2>/dev/null || echo 0)" -ge $((SIZE / 4)) ]
}

# addresses LIST: writes them into the pool.
addresses() {
	sed -i "s|\(name: main, addresses: \)\[[^]]*\]|\1[$1]|" "$CONFIG"
}

outside_of() {
	show subscribers ".subscribers[] | select(.address == \"$1\") | .outside"
}

serve_halves &
wait_until 10 listening 8001
sub curl -sS --max-time 90 -o "$RUN_DIR/received" "http://$SERVER:8001/" &
curl=$!
expect "a download begins" wait_until 20 half_is_there
mine=$(outside_of $SUB)
addresses "$mine, 203.0.113.3"
expect "a reload adds an address and takes another one away" weirctl reload
expect_equal "the pool has two addresses" 2 "$(show pools '.pools[0].addresses')"
touch "$RUN_DIR/go"
expect "the download goes on and ends" wait $curl
expect "it arrived as it was sent" cmp "$RUN_DIR/data" "$RUN_DIR/received"
expect_equal "the subscriber is where it was" "$mine" "$(outside_of $SUB)"

# ends: how many sessions a reload says that it ended.
ends() {
	weirctl --json reload | jq .ended
}

serve net udp-server $SERVER 8000
expect "a reload that changes nothing is one" weirctl reload
expect "ping sessions begin" ping_all sub -c 1 $SERVER
addresses "203.0.113.3, 203.0.113.8/30"
expect_equal "sessions on an address that is taken away end" 1 "$(
	weirctl clear sessions protocol tcp >/dev/null
	ends
)"
expect "the subscriber goes on with its next packet" ping_all sub -c 1 $SERVER
expect "answers come, too" many udp $SUB 20
drained() {
	[ "$(show pools '[.pools[].draining] | add')" = 0 ]
}
expect "what was taken away is let go of" wait_until 60 drained
expect_not "the subscriber has another address" test "$(outside_of $SUB)" = "$mine"

sed -i "s/^pools:/&\n  - {name: second, addresses: [203.0.113.2]}/" "$CONFIG"
printf 'rules: [{inside: %s/32, pool: second}, {pool: main}]\n' $SUB2 >>"$CONFIG"
expect "a pool and a rule for it come together" weirctl reload
expect "the subscriber that it names is translated" ping_all sub -c 1 -I $SUB2 $SERVER
expect_equal "by that pool" 203.0.113.2 "$(outside_of $SUB2)"

# refused WORDS: a reload is refused with these words, and the configuration in force stays.
refused() {
	local before after output

	before=$(weirctl --json show config)
	output=$(weirctl reload 2>&1) && return 1
	after=$(weirctl --json show config)
	printf '%s\n' "$output"
	grep -qF "$1" <<<"$output" && [ "$before" = "$after" ] &&
		[ "$(show pools '.pools | length')" = 2 ]
}
cp "$CONFIG" "$RUN_DIR/good.yaml"
sed -i 's/\[203.0.113.2\]/[203.0.113.2, 203.0.113.4], block-size: 512/' "$CONFIG"
expect "another block size is refused, and says why" refused \
	'pools[0].block-size: 512, what it is now: a change of this needs a restart'
cp "$RUN_DIR/good.yaml" "$CONFIG"
sed -i 's/\[203.0.113.2\]/&, filtering: address-dependent/' "$CONFIG"
expect "so is a filtering that needs memory" refused 'pools[0].filtering: address-dependent'
cp "$RUN_DIR/good.yaml" "$CONFIG"
sed -i 's/max-sessions: 65536/max-sessions: 32768/' "$CONFIG"
expect "so is another size of the tables" refused 'limits.max-sessions'
cp "$RUN_DIR/good.yaml" "$CONFIG"
sed -i 's/\[203.0.113.2\]/&, max-ports-per-subscriber: 1/' "$CONFIG"
kill -HUP "$WEIR_PID"
limited() {
	[ "$(weirctl --json show config | jq '.pools[0]["max-ports-per-subscriber"]')" = 1 ]
}
expect "a limit changes by a signal" wait_until 10 limited
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
