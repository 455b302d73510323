#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# TCP by real stacks: bulk both ways, many short connections, and ports that come back.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL" "$SHORT"

head -c 20000000 /dev/urandom >"$RUN_DIR/data"

download() {
	net nc -N -l "$SERVER" 8001 <"$RUN_DIR/data" >/dev/null &
	wait_until 5 listening 8001 || return
	sub timeout 30 nc -d "$SERVER" 8001 </dev/null >"$RUN_DIR/received"
	cmp "$RUN_DIR/data" "$RUN_DIR/received"
}

upload() {
	net nc -d -l "$SERVER" 8002 </dev/null >"$RUN_DIR/received" &
	local server=$!

	wait_until 5 listening 8002 || return
	sub timeout 30 nc -N "$SERVER" 8002 <"$RUN_DIR/data" || return
	wait "$server"
	cmp "$RUN_DIR/data" "$RUN_DIR/received"
}

listening() {
	net ss -Hltn "sport = :$1" | grep -q .
}

refused() {
	local output

	output=$(sub nc -v -z -w 3 "$SERVER" 9 2>&1)
	printf '%s\n' "$output"
	grep -q 'refused' <<<"$output"
}

expect "20 MB arrive at the subscriber as sent" download
expect "20 MB arrive at the server as sent" upload
expect "a closed port is refused at once: the reset passes" refused

serve net tcp-server $SERVER 8000
expect "2000 short connections all work" many tcp $SUB 2000
expect "their sessions end" wait_until 20 no_sessions
expect "and work again with the ports given back" many tcp $SUB 2000
expect_not "the server cannot open a connection that nobody asked for" \
	net nc -z -w 2 203.0.113.5 80
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
