#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10, .11 -- weir -- net 198.51.100.254
#
# Rules that change while weir runs: by weirctl, until a reload; and by the configuration.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL"
serve net udp-server $SERVER 8000
net ip route replace 100.64.0.0/16 via 198.51.100.1

pings() {
	ping_all sub -c 2 -i 0.05 -W 1 -I "$1" "$SERVER"
}

# How many packets of the subscriber arrive with its own source.
untouched() {
	local log=$RUN_DIR/untouched

	net timeout 20 tcpdump -n -l -i weir-out -c 2 "icmp and src host $SUB" >"$log" 2>&1 &
	wait_until 10 grep -q listening "$log"
	pings "$SUB" && wait $!
}

expect "before any rule the preset lets both subscribers out" pings $SUB
expect_equal "it is listed as such" "0 permit" \
	"$(weirctl --json rule list | jq -r '.rules[] | "\(.number) \(.action)"')"
expect "a deny rule for one can be added" weirctl rule add 5 deny inside $SUB/32 protocol icmp
expect_not "it is refused from then on" pings $SUB
expect_equal "its ping sessions ended" 0 \
	"$(weirctl --json show sessions protocol icmp | jq '.sessions | length')"
expect "the other subscriber is not" pings $SUB2
expect "and what the rule does not name goes on" many udp $SUB 5
expect "the refusals have a verdict of their own" test "$(verdict denied)" -gt 0
expect_not "a number is given once" weirctl rule add 5 permit
expect_not "a rule that makes no sense is refused" weirctl rule add 6 deny ports 99999
expect "the rule can be deleted" weirctl rule del 5
expect "then the subscriber is let out again" pings $SUB
expect_not "it cannot be deleted twice" weirctl rule del 5

expect "a destination can be exempted" weirctl rule add 7 exempt destination $SERVER
expect "ping sessions end" weirctl clear sessions --all
expect "the subscriber is seen with its own address, and answered" untouched
expect_equal "its sessions show it" $SUB \
	"$(weirctl --json show sessions protocol icmp | jq -r '.sessions[0].outside')"

printf 'rules: [{inside: %s/32, action: deny}, {inside: 100.64.0.0/16}]\n' $SUB2 >>"$CONFIG"
expect "a reload takes the rules of the configuration" weirctl reload
expect_equal "and no others" "10 20" \
	"$(weirctl --json rule list | jq -r '[.rules[].number | tostring] | join(" ")')"
expect_not "the subscriber that it names is refused" pings $SUB2
expect "the other is translated" pings $SUB
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
