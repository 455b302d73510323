#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     in process:    a worker, or two, between ports that are not there
#     on the wire:   generator == memif or veth == weir, testpmd or the kernel
#
# Every part of tools/bench runs and says something; what figures it gives is no matter here. But
# what it counts, and does not measure, holds on any machine: the plain path takes no lock, and two
# workers that get their own subscribers' packets share nothing.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
run_setup
[ "$(nproc --all)" -ge 2 ] || skip "it takes two CPUs"

RESULTS=$RUN_DIR/results
PLOTS=$RUN_DIR/plots

# has KIND [FIELD VALUE]: at least one figure of it, and each of them a number.
has() {
	jq -en --arg kind "$1" --arg field "${2:-bench}" --arg value "${3:-$1}" \
		'input | [.figures[] | select(.bench == $kind and (.[$field] | tostring) == $value)] |
		 length > 0 and all(.median | type == "number")' "$RESULTS"
}

# shared STEERED UNIT
shared() {
	jq --arg steered "$1" --arg unit "$2/packet" '.figures[] |
		select(.bench == "shared" and .steered == $steered and .unit == $unit).median' "$RESULTS"
}

above_zero() {
	jq -en --argjson number "${1:-0}" '$number > 0'
}

is_svg() {
	grep -q '<svg' "$1" && grep -q '</svg>' "$1"
}

measure() {
	"$ROOT/tools/bench" all --quick --no-huge --json --plot "$PLOTS" >"$RESULTS"
}

expect "it measures everything, in short" measure
for kind in pipeline mixes setup churn memory ports start workers wire newflows roundtrip dump; do
	expect "there are figures of $kind" has $kind
done
for box in testpmd kernel weir; do
	expect "and of $box on the wire" has wire box $box
done
for other in testpmd kernel; do
	expect "and of weir beside $other, turn by turn" has wire beside $other
done
for beside in nothing "0.4 % new flows" "3 % new flows"; do
	expect "and of established flows on the wire beside $beside" has newflows beside "$beside"
done
expect "and what they lose" has newflows what "established lost"
expect "each new flow made a session" above_zero \
	"$(jq '[.figures[] | select(.bench == "newflows" and .what == "made").median] | min' "$RESULTS")"
expect "it says how far apart the CPUs were" \
	above_zero "$(jq .about.round_trip_cycles.median "$RESULTS")"
for plot in pipeline mixes workers-established workers-first memif veth latency-memif; do
	expect "a plot, $plot.svg" is_svg "$PLOTS/$plot.svg"
done
for steered in right wrong "return wrong"; do
	expect_equal "no locked instruction for an established packet, steered $steered" 0 \
		"$(shared "$steered" "locked instructions")"
done
expect_equal "and no cache line shared, steered right" 0 "$(shared right "cache lines shared")"
expect_equal "or wrong" 0 "$(shared wrong "cache lines shared")"
expect "but where a session's packets meet two workers" \
	above_zero "$(shared "return wrong" "cache lines shared")"
expect "and a new subscriber's block takes a locked instruction" \
	above_zero "$(shared "right, new subscribers" "locked instructions")"

refuses() {
	! "$ROOT/tools/bench" "$@"
}
expect "an unknown number of sessions is refused" refuses pipeline --sessions 7Q
expect "and an unknown part" refuses everything
expect "and unknown frames" refuses pipeline --frames udp64,jumbo
expect "and a direction of its own" refuses pipeline --direction sideways

# says WORDS ARGUMENT...: tools/bench refuses them, with these words.
says() {
	"$ROOT/tools/bench" "${@:2}" >"$RUN_DIR/said" 2>&1 && return 1
	grep -F -- "$1" "$RUN_DIR/said"
}
# fake_vpp NAME: a program that says it is VPP, and where VPP would start shows its configuration.
fake_vpp() {
	cat >"$1" <<-'END'
		#!/bin/sh
		case $1 in --version) echo "vpp v26.06-fake" ;; *) cat "$2"; exit 3 ;; esac
	END
	chmod 755 "$1"
}
fake_vpp "$RUN_DIR/vpp"
expect "a VPP that is not there is refused" says "is no program" ports --vpp "$RUN_DIR/none"
expect "and a program that is none" says "does not say that it is VPP" ports --vpp /bin/cat
expect "and plugins where there are none" says "no memif_plugin.so" ports --vpp-plugins "$RUN_DIR"
expect "and VPP for what it takes no part in" says "goes with ports" pipeline --vpp "$RUN_DIR/vpp"
expect "and one that ends at once" says "$RUN_DIR/vpp does not start" \
	ports --quick --no-huge --vpp "$RUN_DIR/vpp"
for words in "main-core 0 corelist-workers $(($(nproc --all) - 1))" "main-heap-page-size default " \
	"plugin nat_plugin.so { enable }"; do
	expect "... with its configuration, $words" grep -F -- "$words" "$RUN_DIR/said"
done
finish
