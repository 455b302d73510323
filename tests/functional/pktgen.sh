#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     tools/pktgen/PROFILE.lua -- tests/pktgen/mock.lua, in place of Pktgen-DPDK
#
# The profiles call what Pktgen's Lua API has, in both forms of it, say what came through and what
# was lost, and weir takes the configurations beside them.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
run_setup

PROFILES=$ROOT/tools/pktgen

# profile NAME [VARIABLE=VALUE...]: what it says is in $RUN_DIR/said, its calls in $RUN_DIR/calls.
profile() {
	local name=$1

	shift
	env DURATION=5 SHOTS=2 "$@" lua5.4 "$ROOT/tests/pktgen/mock.lua" "$PROFILES/$name.lua" \
		>"$RUN_DIR/said" 2>"$RUN_DIR/calls" || {
		cat "$RUN_DIR/said" "$RUN_DIR/calls"
		return 1
	}
	cat "$RUN_DIR/said"
}

said() {
	grep -qE -- "$1" "$RUN_DIR/said"
}

called() {
	grep -qxE -- "$1" "$RUN_DIR/calls"
}

# In their order, with others between.
called_in_order() {
	local pattern line=0 next

	for pattern in "$@"; do
		next=$(tail -n +$((line + 1)) "$RUN_DIR/calls" | grep -nxE -m 1 -- "$pattern" | cut -d: -f1)
		[ -n "$next" ] || {
			printf 'not called in its turn: %s\n' "$pattern"
			return 1
		}
		line=$((line + next))
	done
}

accepts() {
	sed -e 's/0000:3b:00.0/net_null0/; s/0000:3b:00.1/net_null1/' "$PROFILES/$1.yaml" >"$RUN_DIR/$1.yaml"
	"$WEIR_BUILD/app/weir/weir" -c "$RUN_DIR/$1.yaml" --check
}

for file in "$PROFILES"/*.lua; do
	expect "${file##*/} is Lua" lua5.4 -e 'assert(loadfile(arg[1]))' /dev/null "$file"
done
for api in 22.07 26.02; do
	for name in subscribers return imix setup; do
		expect "$name runs with the API of $api" profile $name API=$api
		expect "$name of $api loses nothing" said 'lost 0 of [1-9][0-9,]* \(0.0000 %\)'
		expect "$name of $api ends Pktgen" called 'call quit '
	done
done

expect "subscribers: 255 x 64 to one remote" profile subscribers
expect "... from the first to the last subscriber" called_in_order \
	'call range.src_ip 0 start 100.64.0.1' 'call range.src_ip 0 min 100.64.0.1' \
	'call range.src_ip 0 max 100.64.0.255' 'call range.src_ip 0 inc 0.0.0.1'
expect "... from 64 source ports" called_in_order 'call range.src_port 0 min 1024' \
	'call range.src_port 0 max 1087' 'call range.src_port 0 inc 1'
expect "... to weir's MAC, learnt by ARP" called 'call range.dst_mac 0 start 02:00:00:00:00:01'
expect "... in 64 bytes" called 'call range.pkt_size 0 max 64'
expect "... and then starts" called_in_order 'call set_range 0 on' 'call clear all' 'call start 0' \
	'call stop all'
expect "other sizes and numbers" profile subscribers SIZE=512 SUBSCRIBERS=1021 PORTS=8 RATE=0.5
expect "... go to Pktgen" called_in_order 'call range.src_ip 0 max 100.64.3.253' \
	'call range.pkt_size 0 max 512' 'call set 0 rate 100' 'call set 0 rate 0\.336[0-9]*'
expect_not "a number that is none is refused" profile subscribers RATE=fast

expect "return: to every port of the pool" profile return
expect "... after the sessions are opened" called_in_order 'call range.dst_ip 1 min 203.0.113.1' \
	'call range.dst_port 1 min 1024' 'call range.dst_port 1 max 17343' 'call start 0' 'call start 1'
expect "return, both ways" profile return BOTH=yes
expect "... says both" said 'in to out: sent'
expect "... says both" said 'out to in: sent'
printf '%s\n' \
	'udp 17 297 ANSWERED src=100.64.0.1 dst=198.18.0.1 sport=1024 dport=9 packets=41 bytes=1886 src=198.18.0.1 dst=203.0.113.1 sport=9 dport=7275 packets=2 bytes=92 realm=1' \
	'icmp 1 9 src=100.64.0.1 dst=198.18.0.1 type=8 code=0 id=1' >"$RUN_DIR/learnt"
expect "return, learnt" profile return LEARNT="$RUN_DIR/learnt"
expect "... to the public side of the session" grep -q \
	'^packet 198.18.0.1/32:9 203.0.113.1:7275 64$' "$RUN_DIR/calls"
expect "... and no others" called 'call set 1 seq_cnt 1'

expect "imix" profile imix
expect_equal "... seven small, four medium, one large" "7 64 4 594 1 1518" \
	"$(sed -n 's/^packet .* //p' "$RUN_DIR/calls" | sort -n | uniq -c | xargs)"

expect "setup: shots" profile setup
expect_equal "... of new subscribers each" "100.65.0.0 100.65.2.9" \
	"$(sed -n 's/^call range.src_ip 0 start //p' "$RUN_DIR/calls" | xargs)"
expect "... of so many packets" called_in_order 'call set all count 16384' 'call start 0' \
	'call set all count 16384' 'call start 0'

# file KIND [VARIABLE=VALUE...]: flows.lua writes $RUN_DIR/KIND.pcap; tcpdump's lines of it.
file() {
	local kind=$1

	shift
	env "$@" lua5.4 "$PROFILES/flows.lua" "$kind" "$RUN_DIR/$kind.pcap" &&
		tcpdump -enttvvr "$RUN_DIR/$kind.pcap" 2>/dev/null | paste - - >"$RUN_DIR/$kind.txt"
}

# lines KIND PATTERN: how many of its packets are so.
lines() {
	grep -cE -- "$2" "$RUN_DIR/$1.txt"
}

expect "flows.lua writes subscribers" file out SUBSCRIBERS=10 PORTS=7 MAC=02:00:00:00:00:aa
expect_equal "... each pair of them" 70 \
	"$(grep -oE '100\.64\.0\.[0-9]+\.[0-9]+ >' "$RUN_DIR/out.txt" | sort -u | wc -l)"
expect_equal "... with right checksums" 70 "$(lines out 'udp sum ok')"
expect_equal "... of the header too" 0 "$(lines out 'bad cksum')"
expect_equal "... to the MAC that was asked for" 70 "$(lines out '> 02:00:00:00:00:aa.* length 60:')"
expect "flows.lua writes a mix" file imix SUBSCRIBERS=12 PORTS=4
expect_equal "... seven small" 28 "$(lines imix 'length 60:')"
expect_equal "... four medium" 16 "$(lines imix 'length 590:')"
expect_equal "... one large" 4 "$(lines imix 'length 1514:')"
expect_equal "... with right checksums" 48 "$(lines imix 'udp sum ok')"
expect "flows.lua writes answers" file return LEARNT="$RUN_DIR/learnt"
expect_equal "... to what was learnt" 1 \
	"$(lines return '> 02:00:00:00:00:02.*198.18.0.1.9 > 203.0.113.1.7275: \[udp sum ok\]')"
expect "flows.lua writes first packets" file setup SESSIONS=640
expect_equal "... each of another session" 640 \
	"$(grep -oE '100\.65\.0\.[0-9]+\.[0-9]+ >' "$RUN_DIR/setup.txt" | sort -u | wc -l)"
expect_not "flows.lua writes nothing else" file other
: >"$RUN_DIR/learnt"
expect_not "nothing learnt is a mistake" file return LEARNT="$RUN_DIR/learnt"
expect_not "... for the profile too" profile return LEARNT="$RUN_DIR/learnt"
for api in 22.07 26.02; do
	for name in subscribers return imix setup; do
		expect "$name of $api, from a file" profile $name API=$api PCAP=yes SESSIONS=1000
		expect "... is sent from it" called_in_order 'call pcap 0 on' 'call start 0' 'call quit '
		expect_not "... and nothing else" called 'call (set_range|seqTable).*'
	done
done
expect "setup, from a file" profile setup PCAP=yes SESSIONS=1000
expect "... counts its packets" said '1,000 new sessions in .* lost 0'

expect "loss is said" profile subscribers CAPACITY=3000000 RATE=6
expect "... with its share" said 'received 3.000 Mpps.*lost [1-9][0-9,]* of .*\(50\.'
expect "a search finds the rate without loss" profile subscribers CAPACITY=3000000 SEARCH=yes
expect "... near 3 Mpps" said 'no more than 0 % lost: (2\.9[0-9]{2}|3\.000) Mpps'
expect_not "a weir that does not answer" profile subscribers SILENT=yes
expect "... is told of" said 'does not answer ARP for 10.0.0.1'

expect "weir takes memif.yaml" accepts memif
expect "weir takes nic.yaml" accepts nic
finish
