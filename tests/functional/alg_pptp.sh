#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 .11 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# Two subscribers behind one public address call one PPTP server at once: Debian's client and server,
# with others in pppd's place, as not every kernel has PPP: a loop, and one who asks.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_ADDRESSES=203.0.113.7/32
net_up "$SMALL" 'alg: {pptp: yes}'

cat >"$RUN_DIR/pppd" <<-'END'
	#!/bin/sh
	stty raw -echo
	printf '~\377}#} !first\216&~' # the server speaks first, as pppd does: a frame of RFC 1662
	exec cat
END
chmod 755 "$RUN_DIR/pppd"
printf 'localip 10.9.0.1\nremoteip 10.9.0.2-20\n' >"$RUN_DIR/pptpd.conf"
touch "$RUN_DIR/options"
net /usr/sbin/pptpd --fg --conf "$RUN_DIR/pptpd.conf" --option "$RUN_DIR/options" \
	--ppp "$RUN_DIR/pppd" --listen "$SERVER" --pidfile "$RUN_DIR/pptpd.pid" \
	>"$RUN_DIR/pptpd.log" 2>&1 </dev/null &

listening() {
	net ss -Hltn 'sport = :1723' | grep -q .
}

# call SOURCE COUNT: a call in the background until hang_up; its client's files are its own, as there
# is one control connection for each host and server.
call() {
	mkdir -p /run/pptp
	mkfifo "$RUN_DIR/line-$1"
	sub unshare --mount sh -c "mount -t tmpfs none /run/pptp && exec timeout 120 /usr/bin/python3 \
		$FUNCTIONAL/pptp_client.py $1 $SERVER $2 60" \
		<"$RUN_DIR/line-$1" >"$RUN_DIR/call-$1" 2>&1 7>&- 8>&- &
}

answered() {
	wait_until 60 grep -q answered "$RUN_DIR/call-$1" && cat "$RUN_DIR/call-$1" &&
		grep -q "answered $2 of $2" "$RUN_DIR/call-$1"
}

calls() {
	show sessions '[.sessions[] | select(.protocol == "gre" and .alg == "followed")] | length'
}

has_calls() {
	[ "$(calls)" = "$1" ]
}

expect "the PPTP server listens" wait_until 10 listening || cat "$RUN_DIR/pptpd.log"
call $SUB 20
exec 7>"$RUN_DIR/line-$SUB"
call $SUB2 20
exec 8>"$RUN_DIR/line-$SUB2"
expect "20 frames of the one subscriber's call come back" answered $SUB 20
expect "20 frames of the other's, at the same time" answered $SUB2 20
expect_equal "each call has a session" 2 "$(calls)"
expect_equal "of one public address" 203.0.113.7 \
	"$(show sessions '[.sessions[].outside] | unique | join(" ")')"
expect_equal "and two public identifiers" 2 \
	"$(show sessions '[.sessions[] | select(.protocol == "gre").outside_port] | unique | length')"
exec 7>&-
expect "the one hangs up: its call's session ends" wait_until 20 has_calls 1
exec 8>&-
expect "so does the other" wait_until 20 has_calls 0
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
