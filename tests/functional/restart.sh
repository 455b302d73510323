#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#     other: an empty namespace where a second weir is tried
#
# Start, stop, kill, start again: nothing is left that somebody would have to clean up by hand.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL"
namespace other

# second PREFIX: a second weir beside the first.
second() {
	sed -e "s|file-prefix: .*|file-prefix: $1|" -e "s|$RUN_DIR/weir.sock|$RUN_DIR/other.sock|" \
		"$CONFIG" >"$RUN_DIR/other.yaml"
	inside other timeout -s KILL 20 "$WEIR_BUILD/app/weir/weir" -c "$RUN_DIR/other.yaml" 2>&1
}

refused() {
	local output status

	output=$(second "weir-$RUN_ID")
	status=$?
	printf 'status %s\n%s\n' "$status" "$output"
	[ "$status" = 1 ] && grep -q "weir-$RUN_ID" <<<"$output"
}

stops_in_time() {
	local start end

	start=$(date +%s%N)
	stop || return
	end=$(date +%s%N)
	printf '%s ms\n' $(((end - start) / 1000000))
	[ $((end - start)) -lt 2000000000 ]
}

# What a weir that is gone must not leave behind.
leftovers() {
	local label

	for label in weir sub net; do
		inside "$label" ip -o link | grep 'weir-\(in\|out\)'
	done
	find /dev/hugepages -name "weir-${RUN_ID}map_*" 2>/dev/null
	find "$RUN_DIR" -name '*.sock'
	find "/run/dpdk/weir-$RUN_ID" -type s 2>/dev/null
}

nothing_left() {
	local left

	left=$(leftovers)
	printf '%s\n' "$left"
	[ -z "$left" ]
}

expect "traffic passes" ping_all sub -c 2 -i 0.2 $SERVER
expect "a second weir with the same file prefix is refused, and says so" refused
expect "the first one goes on" ping_all sub -c 2 -i 0.2 $SERVER
expect "its control socket too" weirctl show info

kill -KILL "$WEIR_PID"
wait "$WEIR_PID" 2>/dev/null
expect "after kill -9 weirctl says that weir is not there" not weirctl show info
if weir_start "$CONFIG" && hosts_connect; then
	ok "after kill -9 it starts again"
else
	failed "after kill -9 it starts again"
	finish
fi
expect "and traffic passes" ping_all sub -c 3 -i 0.2 $SERVER

sub ping -q -n -i 0.01 -w 30 $SERVER >/dev/null 2>&1 &
sleep 0.5
expect "SIGTERM under traffic ends it with status 0 within 2 s" stops_in_time
expect "and leaves nothing behind" nothing_left
if weir_start "$CONFIG" && hosts_connect; then
	ok "it starts again"
else
	failed "it starts again"
	finish
fi
expect "and traffic passes" ping_all sub -c 3 -i 0.2 $SERVER
finish
