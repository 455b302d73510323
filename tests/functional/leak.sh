#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# After thousands of short connections and shortened timeouts everything is free again: sessions,
# mappings, subscribers, ports, blocks and packet buffers.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_OPTIONS=", port-reuse-timeout: 2, block-idle-timeout: 1"
net_up "$SMALL" "$SHORT"
serve net tcp-server $SERVER 8000
serve net udp-server $SERVER 8000

buffers_as_before() {
	printf '%s before, %s now\n' "$before" "$(in_all buffers_in_use)"
	[ "$(in_all buffers_in_use)" = "$before" ]
}

# none_used JQ-PATH: of the pool.
none_used() {
	[ "$(show pools ".pools[0].$1")" = 0 ]
}

none_in_all() {
	[ "$(in_all "$1")" = 0 ]
}

ping_all sub -c 2 -i 0.2 $SERVER >/dev/null
wait_until 10 no_sessions
before=$(in_all buffers_in_use)

expect "5000 short TCP connections work" many tcp $SUB 5000
expect "1000 of another subscriber too" many tcp $SUB2 1000
expect "1000 UDP clients are answered" many udp $SUB 1000
sub timeout 20 nc -z -w 1 $SERVER 1-200 >/dev/null 2>&1
sub ping -q -n -c 200 -i 0.002 -W 1 198.51.100.99 >/dev/null 2>&1

expect "sessions end" wait_until 30 no_sessions
expect "so do mappings" wait_until 10 none_in_all mappings
for protocol in tcp udp icmp; do
	expect "no $protocol port is in use" wait_until 10 none_used "ports.$protocol"
done
expect "blocks are given back" wait_until 20 none_used blocks.taken
expect "and have rested" wait_until 20 none_used blocks.resting
expect "subscribers without state are forgotten" wait_until 20 none_in_all subscribers
expect_equal "nothing waits" 0 "$(show verdicts .waiting)"
expect "no packet buffer is missing" wait_until 10 buffers_as_before
expect "every packet is accounted for" wait_until 5 accounts_balance
expect "and it works as before" many tcp $SUB 200
finish
