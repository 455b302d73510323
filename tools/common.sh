# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What tools/demo, tools/test and the functional tests share: packages, the build, and network
# namespaces that never outlive their owner. Source it after `set -u`.
#
# A *run* is a set of namespaces weir-ID-LABEL with one folder, /run/weir-runs/ID. Whatever a run
# starts, it starts inside one of its namespaces, so ending a run is: end what lives in them, then
# delete them. This needs no memory of process numbers, so a run that was killed can be ended too.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WEIR_BUILD=${WEIR_BUILD:-$ROOT/build}
RUNS=/run/weir-runs
PATH=$PATH:/usr/sbin:/sbin

say() {
	printf '%s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die "needs root for network namespaces: sudo $0"
}

# ---- packages ----

# The one list of Debian packages, by what they are for. The build looks for cmocka too.
declare -A PACKAGES=(
	[build]="gcc libc6-dev meson ninja-build pkg-config libdpdk-dev libjansson-dev libevent-dev
		libcyaml-dev libyaml-dev libnuma-dev libsystemd-dev libcmocka-dev"
	[net]="iproute2 iputils-ping procps util-linux coreutils jq curl"
	[demo]="nginx dnsmasq-base iperf3 traceroute bind9-dnsutils"
	[bench]="dpdk-dev ethtool nftables python3"
	[guard]="valgrind python3"
	[guest]="qemu-system-x86 busybox-static cpio kmod"
	[plot]="gnuplot-nox python3"
	[test]="git clang-format shellcheck iputils-arping iputils-tracepath netcat-openbsd tcpdump
		python3 python3-scapy dpdk-dev vsftpd lftp tftpd-hpa tftp-hpa coturn stun-client
		lua5.4 pptp-linux pptpd sip-tester"
)

missing_packages() {
	local package

	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s\n' "$package"
	done
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# install_packages GROUP...: what is missing of them, starting none of the services they bring.
install_packages() {
	local group missing service policy=/usr/sbin/policy-rc.d own_policy=no log status=0

	# shellcheck disable=SC2046,SC2086 # words, each a package
	mapfile -t missing < <(for group in "$@"; do missing_packages ${PACKAGES[$group]}; done)
	[ ${#missing[@]} -gt 0 ] || return 0
	need_root
	command -v apt-get >/dev/null || die "install these first: ${missing[*]}"
	say "installing: ${missing[*]}"
	if [ ! -e $policy ]; then
		own_policy=yes
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	fi
	log=$(mktemp)
	if ! apt_install "${missing[@]}" >"$log" 2>&1; then
		apt-get update >"$log" 2>&1 && apt_install "${missing[@]}" >>"$log" 2>&1 || status=$?
	fi
	[ $own_policy = no ] || rm -f $policy
	for service in nginx vsftpd tftpd-hpa coturn pptpd; do # neither now nor at the next boot
		case " ${missing[*]} " in
		*" $service "*)
			systemctl disable "$service.service" >/dev/null 2>&1
			systemctl stop "$service.service" >/dev/null 2>&1
			;;
		esac
	done
	[ $status = 0 ] || cat "$log" >&2
	rm -f "$log"
	[ $status = 0 ] || die "could not install packages"
}

# ---- build ----

# build_weir DIRECTORY [MESON OPTION...]: shows output on failure only.
build_weir() {
	local directory=$1

	shift
	build_weir_target "$directory" all "$@"
}

# build_weir_target DIRECTORY TARGET [MESON OPTION...]: that and what it needs.
build_weir_target() {
	local directory=$1 target=$2 log status=0

	shift 2
	log=$(mktemp)
	if [ ! -e "$directory/build.ninja" ]; then
		meson setup "$directory" "$ROOT" "$@" >"$log" 2>&1 || status=$?
	fi
	[ $status != 0 ] || ninja --quiet -C "$directory" "$target" >"$log" 2>&1 || status=$?
	[ $status = 0 ] || cat "$log" >&2
	rm -f "$log"
	return $status
}

# A build for other machines than this one, and for emulators, which know no AVX-512.
PORTABLE_BUILD=$ROOT/build-guard
PORTABLE_MARCH=x86-64-v3

# build_portable TARGET...: an existing build keeps the options it was set up with, whatever
# meson.build has come to say, so it is made anew when that changes.
build_portable() {
	local options target

	options=$(cat "$ROOT/meson.build" "$ROOT/meson_options.txt" | cksum)
	[ "$(cat "$PORTABLE_BUILD/options" 2>/dev/null)" = "$options" ] || rm -rf "$PORTABLE_BUILD"
	for target in "$@"; do
		build_weir_target "$PORTABLE_BUILD" "$target" -Dmarch=$PORTABLE_MARCH >&2 || return
	done
	printf '%s\n' "$options" >"$PORTABLE_BUILD/options"
}

# ---- runs ----

# run_begin ID: ends what is left of an earlier run of that name, then begins.
run_begin() {
	RUN_ID=$1
	RUN_DIR=$RUNS/$RUN_ID
	run_end "$RUN_ID"
	mkdir -p "$RUN_DIR"
	chmod 755 $RUNS "$RUN_DIR"
}

run_namespaces() {
	ip netns list 2>/dev/null | awk -v start="weir-$1-" 'index($1, start) == 1 { print $1 }'
}

# run_pids ID: the processes inside the run's namespaces.
run_pids() {
	local namespace

	for namespace in $(run_namespaces "$1"); do
		ip netns pids "$namespace" 2>/dev/null
	done
}

# run_end ID: SIGTERM, 3 s later SIGKILL; then nothing of the run is left. Does nothing when
# there is no such run.
run_end() {
	local id=$1 namespace pids try

	mapfile -t pids < <(run_pids "$id")
	[ ${#pids[@]} = 0 ] || kill -TERM "${pids[@]}" 2>/dev/null
	for ((try = 0; try < 30; try++)); do
		mapfile -t pids < <(run_pids "$id")
		[ ${#pids[@]} -gt 0 ] || break
		sleep 0.1
	done
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	for namespace in $(run_namespaces "$id"); do
		ip netns del "$namespace"
	done
	rm -rf "${RUNS:?}/$id" "/run/dpdk/weir-$id"
	rm -f "/dev/hugepages/weir-$id"map_* "/run/weir/weir-$id.lock"
	rmdir --ignore-fail-on-non-empty $RUNS 2>/dev/null
	return 0
}

# run_sweep: ends the runs whose name is the number of a process that is gone.
run_sweep() {
	local id

	for id in $(ip netns list 2>/dev/null | sed -n 's/^weir-\([0-9]*\)-.*/\1/p' | sort -u); do
		[ -d "/proc/$id" ] || run_end "$id"
	done
}

# namespace LABEL...: makes them, with loopback up and IPv6 off (weir speaks IPv4; silence is
# easier to count).
namespace() {
	local label

	for label in "$@"; do
		ip netns add "weir-$RUN_ID-$label" || return
		inside "$label" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
		inside "$label" ip link set lo up
	done
}

# inside LABEL COMMAND...: runs it in that namespace of the run.
inside() {
	local label=$1

	shift
	nsenter --net="/run/netns/weir-$RUN_ID-$label" -- "$@"
}

# wait_until SECONDS COMMAND...: tries it every 0.1 s until it succeeds.
wait_until() {
	local end=$((SECONDS + $1 + 1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# ---- weir between two namespaces ----

# weir_config_base: the part of a config that every topology shares. The taps are weir-in and
# weir-out; OUTSIDE_MTU may say otherwise.
weir_config_base() {
	cat <<-END
		interfaces:
		  - name: inside
		    device: "net_tap0,iface=weir-in"
		    side: inside
		    address: 100.64.0.1/16
		  - name: outside
		    device: "net_tap1,iface=weir-out"
		    side: outside
		    address: 198.51.100.1/24
		    mtu: ${OUTSIDE_MTU:-1500}
		routes:
		  - to: 0.0.0.0/0
		    via: 198.51.100.254
		eal:
		  file-prefix: weir-$RUN_ID
		control:
		  socket: $RUN_DIR/weir.sock
	END
}

# weir_start CONFIG: in namespace "weir" (which must exist); ready when it returns 0. Its number is
# in WEIR_PID, its log in $RUN_DIR/weir.log.
weir_start() {
	: >"$RUN_DIR/weir.log" # an earlier weir was ready too
	setsid nsenter --net="/run/netns/weir-$RUN_ID-weir" -- \
		"$WEIR_BUILD/app/weir/weir" -c "$1" >>"$RUN_DIR/weir.log" 2>&1 </dev/null &
	WEIR_PID=$!
	wait_until 90 weir_ready_or_gone && weir_is_ready && kill -0 "$WEIR_PID" 2>/dev/null
}

weir_is_ready() {
	grep -q 'weir: ready' "$RUN_DIR/weir.log"
}

weir_ready_or_gone() {
	weir_is_ready || ! kill -0 "$WEIR_PID"
}

# tap_attach DEVICE LABEL MAC ADDRESS...: hands weir's tap to a namespace, as its host's interface.
# net_tap gives the kernel's end the port's own MAC, so the host needs another.
tap_attach() {
	local device=$1 label=$2 mac=$3 address

	shift 3
	inside weir ip link set "$device" netns "weir-$RUN_ID-$label" || return
	inside "$label" ip link set "$device" address "$mac" || return
	for address in "$@"; do
		inside "$label" ip addr add "$address" dev "$device" || return
	done
	inside "$label" ip link set "$device" up
}

# weirctl ARGUMENT...: talks to the run's weir.
weirctl() {
	"$WEIR_BUILD/app/weirctl/weirctl" --socket "$RUN_DIR/weir.sock" "$@"
}
