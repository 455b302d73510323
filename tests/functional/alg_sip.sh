#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 .11 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# Two subscribers call by sipp, from the same port, through a filter that lets only those in who were
# asked for. What the server reads in SDP is where their media are reached from the outside.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_OPTIONS=', filtering: address-and-port-dependent'
net_up "$SMALL" 'alg: {sip: yes}'

net sipp -sn uas -i "$SERVER" -p 5060 -nostdin -trace_msg -message_file "$RUN_DIR/server" \
	>"$RUN_DIR/sipp-server" 2>&1 </dev/null &

listening() {
	net ss -Hlun 'sport = :5060' | grep -q .
}

# call SOURCE MILLISECONDS: a call in the background, whose client sends media back as they come.
call() {
	sub timeout 60 sipp "$SERVER:5060" -sn uac -i "$1" -p 5060 -mi "$1" -mp 4000 -rtp_echo -m 1 \
		-d "$2" -nostdin >"$RUN_DIR/sipp-$1" 2>&1 </dev/null &
}

# offers: the media endpoints that the server read in offers, one a line.
offers() {
	tr -d '\r' <"$RUN_DIR/server" | awk '
		/^INVITE/ { offer = 1 }
		/^SIP\/2.0/ { offer = 0 }
		offer && /^c=/ { address = $3 }
		offer && /^m=audio/ { print address, $2 }' | sort -u
}

offered() {
	[ "$(offers | wc -l)" = "$1" ]
}

# media SOURCE_PORT ADDRESS PORT: a datagram from the server's side, which comes back.
media() {
	net timeout 10 /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-once "$SERVER" "$@"
}

has_expectations() {
	[ "$(show workers '[.workers[].alg.expectations] | add')" = "$1" ]
}

expect "the server listens" wait_until 10 listening
call $SUB 10000
first=$!
call $SUB2 10000
second=$!
expect "two subscribers call it at once" wait_until 20 offered 2
expect_equal "it reads public addresses only" 2 "$(offers | grep -c '^203\.0\.113\.')"
expect "each awaits RTP and RTCP" wait_until 5 has_expectations 4
while read -r a p; do
	address=$a port=$p
	expect "a datagram to $address:$port comes back from its client" media 7000 "$address" "$port"
	expect_equal "that port is even" 0 "$((port % 2))"
done < <(offers)
expect "the first call ends well" wait $first
expect "the second call ends well" wait $second
expect "nothing is awaited any more" wait_until 5 has_expectations 0
expect_not "nobody new gets in" media 7002 "$address" "$port"

sed -i 's/sip: yes/sip: no/' "$CONFIG"
expect "weir takes the other switch while it runs" kill -HUP "$WEIR_PID"
expect "the new switch is there" wait_until 5 grep -q reloaded "$RUN_DIR/weir.log"
weirctl clear sessions --all >/dev/null
call $SUB 100
third=$!
expect "without the ALG" wait $third
expect "the server reads where the client is inside" grep -q "^$SUB 4000$" <(offers)
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
