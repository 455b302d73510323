#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# DPDK's own dpdk-telemetry.py reads everything that weir shows.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
net_up "$SMALL"
serve net udp-server $SERVER 8000
many udp $SUB 300 >/dev/null
public=$(sub /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-once $SUB 5000 $SERVER 8000)

# answered COMMAND [FILTER]: the answer is JSON, not null, and the filter holds for it.
answered() {
	local answer

	answer=$(telemetry "$1")
	printf '%.2000s\n' "$answer"
	[ ${#answer} -le 16384 ] &&
		jq -e "to_entries[0].value | . != null and (${2:-true})" <<<"$answer" >/dev/null
}

# all_sessions: follows the pages to their end.
all_sessions() {
	local after="" answer n=0

	while :; do
		answer=$(telemetry "/weir/sessions,,,,,,,,,$after" | jq -c 'to_entries[0].value')
		n=$((n + $(jq '.sessions | length' <<<"$answer")))
		after=$(jq -r '.next // empty' <<<"$answer")
		[ -n "$after" ] || break
	done
	printf '%s\n' $n
}

commands=$(telemetry / | jq -r '.["/"][] | select(startswith("/weir/"))')
for wanted in info verdicts workers ports pools sessions subscriber lookup; do
	expect "/weir/$wanted is there" grep -qx "/weir/$wanted" <<<"$commands"
done
for command in $commands; do
	expect "$command has a help text" answered "/help,$command" "tostring | length > 10"
	case $command in
	/weir/subscriber)
		expect "$command answers" answered "$command,$SUB" "tostring | contains(\"$SUB\")"
		;;
	/weir/lookup)
		expect "$command answers" answered "$command,${public%:*},${public#*:},udp" \
			"tostring | contains(\"$SUB\")"
		;;
	*) expect "$command answers" answered "$command" ;;
	esac
done
expect "the pages of /weir/sessions hold every session" \
	test "$(all_sessions)" -ge 301
expect_equal "and as many as weirctl shows" "$(show sessions '.sessions | length')" "$(all_sessions)"
expect "nothing that changes state is offered" not grep -q clear <<<"$commands"
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
