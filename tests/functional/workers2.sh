#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- [2 queues] weir, 2 workers [2 queues] -- net 198.51.100.254
#
# The kernel spreads flows over a tap's queues in its own way, so about half of all packets arrive
# at a worker that is not their subscriber's home. Nothing may be lost for that.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL" "workers: {count: 2}"
serve net tcp-server $SERVER 8000
serve net udp-server $SERVER 8000

expect_equal "two workers run" 2 "$(show workers '.workers | length')"
expect "pings of one subscriber are answered" ping_all sub -c 20 -i 0.02 -I $SUB $SERVER
expect "pings of the other are answered" ping_all sub -c 20 -i 0.02 -I $SUB2 $SERVER
expect "1000 TCP connections of one subscriber work" many tcp $SUB 1000
expect "1000 TCP connections of the other work" many tcp $SUB2 1000
expect "500 UDP clients of one subscriber are answered" many udp $SUB 500
expect "500 UDP clients of the other are answered" many udp $SUB2 500
expect "packets did arrive at the wrong worker" test "$(in_all handed_over)" -gt 0
expect_equal "what was handed over was taken over" "$(in_all handed_over)" "$(in_all taken_over)"
expect_equal "and nothing lost on the way" 0 "$(verdict handover_full)"
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
