#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# A hostile mix while .10 downloads, pings, and exchanges datagrams: from the outside spoofed
# packets, fragments, malformed ones of all kinds, resets and ICMP errors about .10's own
# connection and stream; from .11 scans, expiring, malformed and fragmented packets. What .10 does
# goes on, and what weir keeps has its bounds.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
MOST=700 # sessions of a subscriber
net_up "limits: {max-sessions: 65536, max-sessions-per-subscriber: $MOST,
         max-inbound-sessions-per-mapping: 50}"
inside sub ip link set weir-in txqueuelen 10000
inside net ip link set weir-out txqueuelen 10000
serve net udp-server $SERVER 8000
serve net tcp-server $SERVER 8000
head -c 20000000 /dev/urandom >"$RUN_DIR/data"
(cd "$RUN_DIR" && net /usr/bin/python3 -m http.server --bind $SERVER 8080) >/dev/null 2>&1 </dev/null &
wait_until 10 sub curl -sS -o /dev/null -r 0-1 http://$SERVER:8080/data

mac_of() { # LABEL ADDRESS
	inside "$1" ping -c 1 -W 5 "$2" >/dev/null
	inside "$1" ip neigh show "$2" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p'
}

# endpoint PROTOCOL REMOTE_PORT: of .10's session, PUBLIC:PORT:REMOTE:PORT.
endpoint() {
	weirctl --json show sessions inside $SUB protocol "$1" remote-port "$2" |
		jq -r '.sessions[0] | "\(.outside):\(.outside_port):\(.remote):\(.remote_port)"'
}

# attack NAME NAMESPACE ARGUMENT...
attacks=()
attack() {
	inside "$2" timeout 100 /usr/bin/python3 "$FUNCTIONAL/hostile.py" "${@:3}" \
		>"$RUN_DIR/attack-$1" 2>&1 </dev/null &
	attacks+=($!)
	wait_until 20 grep -q ready "$RUN_DIR/attack-$1"
}

# sent NAME: it sent thousands.
sent() {
	cat "$RUN_DIR/attack-$1"
	[ "$(tail -n 1 "$RUN_DIR/attack-$1")" -ge 12000 ]
}

memory() {
	awk '/^(VmRSS|HugetlbPages)/ { kb += $2 } END { print kb }' "/proc/$WEIR_PID/status"
}

bounded() {
	local sessions waiting

	sessions=$(in_all sessions)
	waiting=$(verdict waiting)
	printf '%s sessions, %s packets wait\n' "$sessions" "$waiting"
	[ "$sessions" -le $((2 * MOST)) ] && [ "$waiting" -le 4096 ]
}

downloaded() {
	wait "$download" && cmp "$RUN_DIR/data" "$RUN_DIR/got"
}

stream_held() {
	wait "$stream"
	cat "$RUN_DIR/stream"
}

nothing_waits() {
	[ "$(verdict waiting)" = 0 ]
}

sub timeout 200 curl -sS --limit-rate 4M -o "$RUN_DIR/got" http://$SERVER:8080/data &
download=$!
sub timeout 200 /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-steady $SUB $SERVER 8000 300 \
	>"$RUN_DIR/stream" 2>&1 &
stream=$!
sleep 1
tcp=$(endpoint tcp 8080)
udp=$(endpoint udp 8000)
before=$(memory)
attack out net out weir-out "$(mac_of net 198.51.100.1)" 8 203.0.113.0 - "$tcp" "$udp"
attack in sub in weir-in "$(mac_of sub 100.64.0.1)" 8 $SERVER $SUB2

expect "under attack: 50 pings are answered" ping_all sub -q -I $SUB -c 50 -i 0.02 $SERVER
expect "and 100 new TCP connections" many tcp $SUB 100
expect "and 100 new UDP clients" many udp $SUB 100
expect "sessions and waiting packets are within bounds" bounded
wait "${attacks[@]}"
expect "sessions and waiting packets are within bounds at its end" bounded
expect "the download arrives as it was sent" downloaded
expect "every datagram of the stream was answered, by one public endpoint" stream_held
expect_equal "the stream's endpoint is still the same" "$udp" "$(endpoint udp 8000)"
expect "the outside sent its share" sent out
expect "and so did the inside" sent in
for name in error_translated no_session inbound_limit session_limit fragment_timeout \
	bad_ip_header bad_ip_checksum truncated bad_transport bad_tcp_flags bad_quote \
	error_no_session martian_source not_ipv4 link_broadcast unknown_icmp ttl_exceeded; do
	expect "some ended as $name" test "$(verdict $name)" -gt 0
done
expect "weir took no more than 32 MB for it" test $(($(memory) - before)) -lt 32768
expect "after a while nothing waits" wait_until 10 nothing_waits
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
