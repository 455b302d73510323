#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254, .253
#
# A pool that maps and filters by address (RFC 4787 sections 4.1, 5), and a subscriber who runs out
# of ports: the ICMP error that its program sees, the log line, and weirctl why (RFC 6888 REQ-11).
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_OPTIONS=", mapping-udp: address-dependent, filtering: address-dependent, max-ports-tcp: 3"
net_up "$SMALL" 'icmp: {refusal-code: admin-prohibited}'
net ip addr add 198.51.100.253/24 dev weir-out

ask() {
	sub /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-once "$@"
}

# answers PATTERN COMMAND...: the command's output has it.
answers() {
	local output

	output=$("${@:2}")
	printf '%s\n' "$output"
	grep -Eq "$1" <<<"$output"
}

# Opens five connections, holds them, and says how many the client could open.
open_five() {
	sub /usr/bin/python3 - <<-EOF
		import socket
		held, errors = [], []
		for i in range(5):
		    try:
		        held.append(socket.create_connection(("$SERVER", 8000), 5, ("$SUB", 0)))
		    except OSError as error:
		        errors.append(type(error).__name__)
		print(len(held), "open,", *sorted(set(errors)))
	EOF
}

serve net udp-server $SERVER 7000
serve net udp-server 198.51.100.253 7000
serve net udp-server $SERVER 7001
first=$(ask $SUB 5000 $SERVER 7000)
expect_equal "towards another port of the address the public port is the same" "$first" \
	"$(ask $SUB 5000 $SERVER 7001)"
other=$(ask $SUB 5000 198.51.100.253 7000)
expect_not "towards another address it is another" test "$other" = "$first"
expect_equal "on the same public address" "${first%:*}" "${other%:*}"
expect "show pools says so" answers 'address-dependent' weirctl show pools

serve net tcp-server 0.0.0.0 8000
expect "three connections open, and the others are refused at once, by ICMP" \
	answers '^3 open, OSError' open_five
expect "weirctl why tells the reason" answers 'tcp +.*PORT_LIMIT.*max-ports' weirctl why $SUB
expect "and of another subscriber that there is none" answers 'Nothing' weirctl why $SUB2
expect "one log line names the subscriber and the limit" \
	test "$(grep -c "subscriber $SUB is refused tcp in pool main: .*max-ports" "$RUN_DIR/weir.log")" = 1
expect "every packet is accounted for" accounts_balance
finish
