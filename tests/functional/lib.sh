# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# What the functional tests share. A test is a script of its own: it draws its topology on top,
# sources this file, sets up what it needs, says `expect TEXT COMMAND...` for each rule, and ends
# with `finish`. Each rule prints one line, `ok: TEXT` or `FAILED: TEXT`; tools/test counts them.
# Exit status: 0 all held, 1 not, 77 cannot run here.
#
# The usual topology, made by `net_up`:
#
#     sub                             weir                             net
#     100.64.0.10/16  [weir-in]  100.64.0.1 | 198.51.100.1  [weir-out]  198.51.100.254/24
#     100.64.0.11/16                                                    (routes 203.0.113.0/24)
set -u
# shellcheck source=tools/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/common.sh"

FUNCTIONAL=$ROOT/tests/functional
SUB=100.64.0.10
SUB2=100.64.0.11
SERVER=198.51.100.254
SUB_MAC=02:00:64:40:00:0a
SERVER_MAC=02:00:c6:33:64:fe
failures=0

ok() {
	say "ok: $*"
}

failed() {
	failures=$((failures + 1))
	say "FAILED: $*"
}

skip() {
	say "skipped: $*"
	exit 77
}

# expect TEXT COMMAND...: the command's output is shown only when it fails.
expect() {
	local text=$1 output=$RUN_DIR/output

	shift
	if "$@" >"$output" 2>&1; then
		ok "$text"
	else
		failed "$text"
		{
			printf '$ %s\n' "$*"
			tail -n 40 "$output"
		} | sed 's/^/    /'
	fi
}

# expect_not TEXT COMMAND...
expect_not() {
	local text=$1

	shift
	expect "$text" not "$@"
}

not() {
	! "$@"
}

# expect_equal TEXT WANTED FOUND
expect_equal() {
	if [ -n "$2" ] && [ "$2" = "$3" ]; then
		ok "$1"
	else
		failed "$1: wanted '$2', found '$3'"
	fi
}

finish() {
	if [ $failures -gt 0 ] && [ -s "$RUN_DIR/weir.log" ]; then
		say "weir's log:"
		tail -n 40 "$RUN_DIR/weir.log"
	fi
	[ $failures = 0 ]
	exit
}

# run_setup: a run that ends with this script.
run_setup() {
	need_root
	run_sweep
	trap 'run_end "$RUN_ID"' EXIT
	trap 'exit 130' INT TERM HUP
	run_begin $$
}

# config [SECTION...]: writes the usual config with more sections to $CONFIG. POOL_ADDRESSES and
# POOL_OPTIONS (", key: value") change its pool.
config() {
	CONFIG=$RUN_DIR/weir.yaml
	{
		weir_config_base
		printf 'pools:\n  - {name: main, addresses: [%s]%s}\n' \
			"${POOL_ADDRESSES:-203.0.113.0/28}" "${POOL_OPTIONS:-}"
		[ $# = 0 ] || printf '%s\n' "$@"
	} >"$CONFIG"
}

# The limits that keep a test small.
SMALL='limits: {max-sessions: 65536}'
# Timeouts that pass while a test waits.
SHORT='timeouts: {tcp-opening: 2, tcp-established: 4, tcp-closing: 2, tcp-reset: 2, udp-first: 2, udp-stream: 2, icmp: 2}'

# start: weir with $CONFIG, and the taps; or the test ends here.
start() {
	if ! weir_start "$CONFIG"; then
		failed "weir starts"
		finish
	fi
	hosts_connect || {
		failed "the taps are handed to the hosts"
		finish
	}
}

hosts_connect() {
	tap_attach weir-in sub $SUB_MAC $SUB/16 $SUB2/16 &&
		tap_attach weir-out net $SERVER_MAC $SERVER/24 &&
		inside sub ip route replace default via 100.64.0.1 &&
		inside net ip route replace 203.0.113.0/24 via 198.51.100.1
}

stop() {
	kill -TERM "$WEIR_PID" 2>/dev/null
	wait "$WEIR_PID"
}

# net_up [CONFIG SECTION...]: the usual topology with weir running in it.
net_up() {
	run_setup
	namespace weir sub net || {
		failed "network namespaces can be made"
		finish
	}
	config "$@"
	start
}

sub() {
	inside sub "$@"
}

net() {
	inside net "$@"
}

# serve LABEL ARGUMENT...: a traffic.py server in that namespace, until the run ends.
serve() {
	local label=$1 log

	shift
	log=$RUN_DIR/serve-$label-${*//[^a-z0-9.]/-}
	inside "$label" /usr/bin/python3 "$FUNCTIONAL/traffic.py" "$@" >"$log" 2>&1 </dev/null &
	wait_until 10 grep -q listening "$log"
}

# show THING FILTER: jq's answer about what `weirctl show THING` says.
show() {
	weirctl --json show "$1" | jq -r "$2"
}

# verdict NAME: how many packets ended so.
verdict() {
	show verdicts ".$1"
}

# in_all WHAT: the sum of a figure over the workers.
in_all() {
	show workers "[.workers[].$1] | add"
}

no_sessions() {
	[ "$(in_all sessions)" = 0 ]
}

# Every packet received has ended in one verdict, or waits.
accounts_balance() {
	local received ended

	read -r received ended < <(show verdicts '"\(.received - .waiting) \(del(.received, .waiting) | add)"')
	printf '%s received and not waiting, %s ended\n' "${received:-?}" "${ended:-?}"
	[ "${received:-0}" -gt 0 ] && [ "$received" = "$ended" ]
}

# telemetry COMMAND: DPDK's own client's answer, JSON.
telemetry() {
	printf '%s\n' "$1" | dpdk-telemetry.py -f "weir-$RUN_ID" | tail -n 1
}

# ping_all LABEL OPTION...: none is lost.
ping_all() {
	local output

	output=$(inside "$1" ping -n -W 3 "${@:2}")
	printf '%s\n' "$output"
	grep -q ' 0% packet loss' <<<"$output"
}

# many PROTOCOL SOURCE COUNT: so many clients of the server's port 8000 all get their answer.
many() {
	sub timeout 100 /usr/bin/python3 "$FUNCTIONAL/traffic.py" "$1" "$2" $SERVER 8000 "$3"
}
