#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     weir: an empty namespace, where nothing may appear
#
# A broken configuration gives exit status 1 and one line with file, line, what was found and what
# would be right; nothing is started. What weir ships as examples is right.
# shellcheck disable=SC2016 # $a is sed's
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
run_setup
namespace weir
config "$SMALL"
GOOD=$RUN_DIR/good.yaml
BROKEN=$RUN_DIR/broken.yaml
cp "$CONFIG" "$GOOD"

# weir ARGUMENT...
weir() {
	inside weir timeout -s KILL 20 "$WEIR_BUILD/app/weir/weir" "$@" </dev/null
}

# one_line WORDS OPTION...: weir OPTION... ends with 1 and one line that names file and line, and
# holds the words.
one_line() {
	local words=$1 output status

	shift
	output=$(weir "$@" 2>&1)
	status=$?
	printf 'status %s\n%s\n' "$status" "$output"
	[ "$status" = 1 ] && [ "$(grep -c . <<<"$output")" = 1 ] &&
		grep -qE 'broken\.yaml:[0-9]+' <<<"$output" && grep -qiE "$words" <<<"$output"
}

nothing_started() {
	inside weir ip -o link | grep -v ' lo:'
	[ ! -e "$RUN_DIR/weir.sock" ] && [ "$(inside weir ip -o link | grep -cv ' lo:')" = 0 ]
}

# broken TEXT WORDS SED-SCRIPT: the good configuration, changed so, is refused.
broken() {
	sed -E "$3" "$GOOD" >"$BROKEN"
	cmp -s "$GOOD" "$BROKEN" && failed "$1: the test changed nothing"
	expect "$1" one_line "$2" -c "$BROKEN" --check
}

expect "the usual configuration is right" weir -c "$GOOD" --check

broken "an unknown section" colour '$a colour: blue'
broken "an unknown key of an interface" metric 's/^    mtu: .*/&\n    metric: 3/'
broken "a misspelt key" adress 's/address: 198/adress: 198/'
broken "a word for a number" 'mtu.*large' 's/mtu: .*/mtu: large/'
broken "a number out of range" '700000' 's/mtu: .*/mtu: 700000/'
broken "no sessions at all" max-sessions 's/max-sessions: .*/max-sessions: 0}/'
broken "a negative timeout" 'tcp-established.*-5' '$a timeouts: {tcp-established: -5}'
broken "an unknown unit of time" 'udp-first.*5 apples' '$a timeouts: {udp-first: 5 apples}'
broken "an unknown side" sideways 's/side: outside/side: sideways/'
broken "no outside interface" outside 's/side: outside/side: inside/'
broken "no pools" pools '/^pools:/,/name: main/d'
broken "a prefix longer than 32" '203\.0\.113\.0/33' 's|203.0.113.0/28|203.0.113.0/33|'
broken "a prefix with host bits" '203\.0\.113\.1/28' 's|203.0.113.0/28|203.0.113.1/28|'
broken "two pools that overlap" '203\.0\.113\.8' \
	's|^(  - .name: )main(.*)|&\n  - {name: second, addresses: [203.0.113.8/29]}|'
broken "a pool among the subscribers" '100\.64' 's|203.0.113.0/28|100.64.128.0/28|'
broken "weir's own address in a pool" '198\.51\.100\.1' 's|203.0.113.0/28|198.51.100.0/28|'
broken "two interfaces with one address" '100\.64\.0\.1' 's|198.51.100.1/24|100.64.0.1/16|'
broken "two interfaces with one name" inside 's/name: outside/name: inside/'
broken "one device twice" weir-in 's/net_tap1,iface=weir-out/net_tap0,iface=weir-in/'
broken "a gateway in no connected subnet" '192\.0\.2\.1' 's/via: .*/via: 192.0.2.1/'
broken "an address that is none" '198\.51\.100\.300' 's/via: .*/via: 198.51.100.300/'
broken "a block size that is no power of two" '100' 's|203.0.113.0/28\]|&, block-size: 100|'
broken "a rule with a pool that does not exist" 'nowhere' \
	'$a rules: [{inside: 100.64.0.0/16, pool: nowhere}]'
broken "a PCI device that is not there" 'ffff:1f:1f.7' 's/"net_tap1.*"/ffff:1f:1f.7/'
broken "a device that DPDK does not know" 'eth0' 's/"net_tap1.*"/eth0/'
broken "more workers than there may be" 'count.*100000' '$a workers: {count: 100000}'
broken "a list where one value belongs" 'mtu' 's/mtu: .*/mtu: [1500]/'
broken "a key twice" 'mtu' 's/^    mtu: .*/&\n    mtu: 1400/'
broken "YAML that ends in the middle" 'broken' 's/max-sessions: .*/max-sessions: [1/'
broken "a tab for indentation" 'broken' 's/^    mtu/\tmtu/'

: >"$BROKEN"
expect "an empty file" one_line configuration -c "$BROKEN" --check

# no_such_file OPTION...
no_such_file() {
	local output status

	output=$(weir -c "$RUN_DIR/absent.yaml" "$@" 2>&1)
	status=$?
	printf 'status %s\n%s\n' "$status" "$output"
	[ "$status" = 1 ] && [ "$(grep -c . <<<"$output")" = 1 ] && grep -q 'absent\.yaml' <<<"$output"
}
expect "a file that is not there" no_such_file --check
expect "and without --check" no_such_file

sed 's/side: outside/side: sideways/' "$GOOD" >"$BROKEN"
expect "without --check it is refused in the same way" one_line sideways -c "$BROKEN"
expect "nothing was started by all this" nothing_started

# ---- what weir ships ----

# readme_example: the first YAML of the README.
readme_example() {
	awk '/^```yaml/ { on = 1; next } /^```/ { if (on) exit } on' "$ROOT/README.md"
}

# An example's PCI addresses are those of its author's machine, so taps stand in for them.
with_taps() {
	awk '/device: *"?[0-9a-f]{2,4}:/ { sub(/device:.*/, "device: \"net_tap" n++ "\"") } { print }'
}

readme_example | with_taps >"$RUN_DIR/readme.yaml"
expect "the README has an example" test -s "$RUN_DIR/readme.yaml"
expect "and it is right" weir -c "$RUN_DIR/readme.yaml" --check
for example in "$ROOT"/config/*.yaml; do
	[ -e "$example" ] || continue
	with_taps <"$example" >"$RUN_DIR/example.yaml"
	expect "config/${example##*/} is right" weir -c "$RUN_DIR/example.yaml" --check
done
expect "--version says the version" weir --version
finish
