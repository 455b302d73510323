#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- [2 queues] weir, 2 workers [2 queues] -- net 198.51.100.254
#
# Datagrams in fragments, both ways, with each fragment at whatever worker it arrives; then the same
# and all else while others flood weir with fragments that never become a datagram (RFC 4787
# REQ-14).
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL" "workers: {count: 2}"
serve net tcp-server $SERVER 8000
serve net udp-server $SERVER 8000

# big OPTION...: 8 KB datagrams, 40 of them a second for 3 s; nearly all arrive.
big() {
	local lost

	net iperf3 -s -D -1
	sleep 0.5
	lost=$(sub timeout 60 iperf3 -J -u -l 8000 -b 2560k -t 3 -c "$SERVER" "$@" |
		tee "$RUN_DIR/iperf.json" | jq '.end.sum.packets - .end.sum.lost_packets')
	tail -n 40 "$RUN_DIR/iperf.json"
	[ "${lost:-0}" -ge 110 ]
}

# sized LABEL SIZE TARGET
sized() {
	ping_all "$1" -q -c 20 -i 0.05 -s "$2" "$3"
}

floods=()
flood() {
	inside "$1" timeout 60 /usr/bin/python3 "$FUNCTIONAL/fragment_flood.py" "$2" "$3" 8 \
		>"$RUN_DIR/flood-$1" 2>&1 </dev/null &
	floods+=($!)
}

flooded() {
	cat "$RUN_DIR/flood-$1"
	[ "$(grep -o '[0-9]*' "$RUN_DIR/flood-$1")" -gt 10000 ]
}

nothing_waits() {
	[ "$(verdict waiting)" = 0 ]
}

expect "echo requests of 4000 bytes pass and come back" sized sub 4000 $SERVER
expect "so do those of 60000 bytes" sized sub 60000 $SERVER
expect "UDP datagrams of 8 KB pass" big
expect "UDP datagrams of 8 KB come back" big -R
expect "nothing waits for a fragment" wait_until 5 nothing_waits

net ip addr add 192.0.2.9/32 dev lo
flood net 192.0.2.9 203.0.113.0
flood sub $SUB2 $SERVER
sleep 1
expect "under a flood of fragments: pings pass" ping_all sub -q -c 50 -i 0.02 $SERVER
expect "and 200 TCP connections" many tcp $SUB 200
expect "and 200 UDP clients" many udp $SUB 200
expect "and echo requests of 4000 bytes" sized sub 4000 $SERVER
wait "${floods[@]}"
expect "the outside sent its flood" flooded net
expect "and so did the inside" flooded sub
expect "fragments were refused" test "$(verdict fragment_limit)" -gt 1000
expect "and after a while nothing of them waits" wait_until 10 nothing_waits
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
