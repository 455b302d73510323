#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     README.md's own topology, in namespaces of its own names:
#
#     subscriber                    weir                              internet
#     100.64.0.2/16  [weir-in]  100.64.0.1 | 198.51.100.1  [weir-out]  198.51.100.254/24
#
# Every command that README.md shows runs as it stands there. Its names (weir-in, subscriber,
# /run/weir) are the machine's own, so this runs in a network and mount namespace apart.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${1-}" != apart ]; then
	need_root
	exec unshare --net --mount --propagation private "$0" apart
fi
mkdir -p /run/netns /run/weir
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs -o mode=750 tmpfs /run/weir
ip link set lo up
run_setup
cd "$ROOT" || exit 1

# What a line of the README means here: the build may be elsewhere, root needs no sudo, other
# tests may have this file prefix, and a lookup asks for what there is now.
here() {
	local line=$1

	line=${line#\$ }
	line=${line#sudo }
	line=${line//build\/app/$WEIR_BUILD/app}
	line=${line/config\/weir.yaml/$CONFIG}
	case $line in
	*" lookup "*) line="${line%% lookup *} lookup $(mapped) tcp" ;;
	esac
	printf '%s\n' "$line"
}

# The indented lines of the README that are commands, in their order.
commands() {
	sed -nE 's/^    (\$ )?((sudo )?(ip|build\/app\/[a-z]+\/[a-z]+) .*)$/\2/p' README.md
}

mapped() {
	"$WEIR_BUILD/app/weirctl/weirctl" --json show sessions protocol tcp |
		jq -r '.sessions[0] | "\(.outside) \(.outside_port)"'
}

# A connection, for the commands that show one.
connect() {
	inside_internet nc -l -p 80 >/dev/null &
	SERVER_PID=$!
	sleep 0.5
	ip netns exec subscriber nc 198.51.100.254 80 < <(sleep 60) >/dev/null &
	CLIENT_PID=$!
	sleep 0.5
}

inside_internet() {
	ip netns exec internet "$@"
}

start_daemon() {
	$1 >"$RUN_DIR/weir.log" 2>&1 &
	WEIR_PID=$!
	for _ in $(seq 100); do
		grep -q 'weir: ready' "$RUN_DIR/weir.log" && return 0
		sleep 0.1
	done
	return 1
}

CONFIG=$RUN_DIR/readme.yaml
cp config/weir.yaml "$CONFIG"
printf 'eal: {file-prefix: readme%s}\n' $$ >>"$CONFIG"

connected=no
while read -r line <&3; do
	case $line in
	*weirctl*)
		if [ $connected = no ]; then
			connect
			connected=yes
		fi
		;;
	esac
	command=$(here "$line")
	case $command in
	*/weir\ -c\ *yaml) expect "$line" start_daemon "$command" ;;
	*) expect "$line" bash -c "$command </dev/null" ;;
	esac
done 3< <(commands)

kill "$CLIENT_PID" "$SERVER_PID" 2>/dev/null
expect "the daemon runs all along, and ends on SIGTERM" kill -TERM "$WEIR_PID"
wait "$WEIR_PID"
expect_equal "with status 0" 0 $?
ip netns del subscriber
ip netns del internet
finish
