#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub                      guest: weir, 2 workers              net
#     100.64.0.10, .11  [tap]  nic1 [0000:01:00.0  02:00.0] nic2  [tap]  198.51.100.254
#                       [tap]  nic3 [0000:03:00.0  04:00.0] nic4  [tap]
#
# weir on PCI NICs, bound to vfio-pci behind an IOMMU, in a guest that is emulated in software: with
# nic1 and nic2, virtio-net with two queues and RSS; then with nic3 and nic4, e1000e, which have one
# queue. QEMU is slow, and says nothing of speed.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/guest/guest.sh
. "$(dirname "$0")/../guest/guest.sh"

run_setup
guest_prepare >"$RUN_DIR/prepare" 2>&1 || {
	cat "$RUN_DIR/prepare"
	skip "$GUEST_MISSING"
}
build_portable app/weir/weir app/weirctl/weirctl || {
	failed "weir is built for $PORTABLE_MARCH"
	finish
}

# The helpers of lib.sh ask weir in the guest; again, when it got no CPU for too long.
weirctl() {
	local try

	for try in 1 2 3; do
		guest "$PORTABLE_BUILD/app/weirctl/weirctl $*" >"$RUN_DIR/weirctl.$try" 2>&1 && break
	done
	cat "$RUN_DIR/weirctl.$try"
}

# guest_bind ADDRESS...: as dpdk-devbind.py does it, which takes the emulator half a minute.
guest_bind() {
	guest "modprobe vfio-pci
		for address in $*; do
			device=/sys/bus/pci/devices/\$address
			[ ! -e \$device/driver ] || echo \$address >\$device/driver/unbind
			echo vfio-pci >\$device/driver_override
			echo \$address >/sys/bus/pci/drivers_probe
			[ -e /sys/bus/pci/drivers/vfio-pci/\$address ] || exit 1
		done"
}

# guest_weir INSIDE OUTSIDE OUTSIDE_MTU: weir with two NICs, ready when it returns 0.
guest_weir() {
	cat >"$GUEST_SHARE/weir.yaml" <<-END
		interfaces:
		  - {name: inside, device: "$1", side: inside, address: 100.64.0.1/16}
		  - {name: outside, device: "$2", side: outside, address: 198.51.100.1/24, mtu: $3}
		routes:
		  - {to: 0.0.0.0/0, via: 198.51.100.254}
		pools:
		  - {name: main, addresses: [203.0.113.0/28]}
		limits: {max-sessions: 16384, max-subscribers: 1024}
		workers: {count: 2, cores: [2, 1], idle: sleep, buffers: 4096}
		eal: {hugepages: yes}
	END
	cat >"$GUEST_SHARE/run" <<-END
		echo \$\$ >/run/weir.pid
		exec "$PORTABLE_BUILD/app/weir/weir" -c /run/guest/weir.yaml
	END
	rm -f "$GUEST_SHARE/status"
	: >"$GUEST_SHARE/weir.log"
	guest 'mkdir -p /run/weir
		(sh /run/guest/run >/run/guest/weir.log 2>&1; echo $? >/run/guest/status) &'
	wait_until 90 weir_ready_or_ended && weir_is_ready
}

weir_ready_or_ended() {
	weir_is_ready || [ -s "$GUEST_SHARE/status" ]
}

guest_weir_ends() {
	guest "kill -TERM \$(cat /run/weir.pid)"
	wait_until 60 test -s "$GUEST_SHARE/status"
	[ "$(cat "$GUEST_SHARE/status")" = 0 ]
}

log_says() {
	grep -q -- "$1" "$RUN_DIR/weir.log"
}

# hosts_at INSIDE_TAP OUTSIDE_TAP: subscribers and the server are behind these.
hosts_at() {
	tap_attach "$1" sub $SUB_MAC $SUB/16 $SUB2/16 &&
		tap_attach "$2" net $SERVER_MAC $SERVER/24 &&
		sub ip route replace default via 100.64.0.1 &&
		net ip route replace 203.0.113.0/24 via 198.51.100.1
}

# The public address and port of one subscriber's port 40000; asked again when it takes too long.
seen_as() {
	local try

	for try in 1 2 3 4 5; do
		sub /usr/bin/python3 "$FUNCTIONAL/traffic.py" udp-once $SUB 40000 $SERVER 8000 2>/dev/null &&
			return
	done
}

# 2 MB of TCP.
download() {
	sub timeout 100 iperf3 -c "$SERVER" -B "$SUB2" -n 2M "$@"
}

# traffic: all of it arrives, whole.
traffic() {
	expect "echo requests of one subscriber pass" ping_all sub -q -c 20 -i 0.05 -W 30 -I $SUB $SERVER
	expect "and of another" ping_all sub -q -c 20 -i 0.05 -W 30 -I $SUB2 $SERVER
	expect "200 UDP flows of one subscriber are answered" many udp $SUB 200
	expect "and of another" many udp $SUB2 200
	expect "100 TCP connections of one subscriber work" many tcp $SUB 100
	expect "and of another" many tcp $SUB2 100
	expect "2 MB go up" download
	expect "2 MB come down" download -R
	expect "both workers got packets" test "$(show workers '[.workers[].received] | min')" -gt 50
	expect "packets were translated" test "$(verdict translated)" -gt 1500
	expect_equal "none had a wrong checksum" 0 "$(verdict bad_ip_checksum)"
	expect_equal "what was handed over was taken over" "$(in_all handed_over)" "$(in_all taken_over)"
	expect "every packet is accounted for" wait_until 30 accounts_balance
}

received() {
	show workers '.workers[].received'
}

# arrives_at_one SUBSCRIBER: 20 requests and their answers do, but for what else is going on. Which
# worker it is stands in WORKER.
arrives_at_one() {
	local before after grown i

	mapfile -t before < <(received)
	ping_all sub -q -c 20 -i 0.05 -W 30 -I "$1" "$SERVER" || return
	mapfile -t after < <(received)
	for i in 0 1; do
		grown[i]=$((after[i] - before[i]))
		[ "${grown[i]}" -lt 40 ] || WORKER=$i
	done
	printf 'worker 0 received %s, worker 1 %s\n' "${grown[@]}"
	[ $((grown[0] + grown[1])) -ge 40 ] && [ "${grown[1 - WORKER]}" -lt 10 ]
}

link_is() {
	[ "$(show ports ".ports[] | select(.interface == \"$1\").link")" = "$2" ]
}

# link_flaps NIC INTERFACE: it goes down and up, weir says so, and nothing is lost but packets.
link_flaps() {
	local before after seen

	seen=$(seen_as)
	before=$(in_all sessions)
	guest_monitor "set_link $1 off"
	expect "weir says that the link is down" wait_until 60 log_says "interface $2: the link is down"
	expect "weirctl show ports says so too" link_is "$2" down
	guest_monitor "set_link $1 on"
	expect "... that it is up again" wait_until 60 link_is_up_again "$2"
	expect "weirctl show ports says so too" link_is "$2" up
	after=$(in_all sessions)
	expect "sessions are still there" test "$after" -ge "$before" -a "$before" -gt 400
	expect_equal "with their mappings" "$seen" "$(seen_as)"
	expect "traffic goes on" ping_all sub -q -c 5 -i 0.2 -W 30 $SERVER
}

link_is_up_again() {
	[ "$(grep -c "interface $1: the link is up" "$RUN_DIR/weir.log")" = 2 ]
}

namespace weir sub net || {
	failed "network namespaces can be made"
	finish
}
expect "a guest starts" guest_start virtio-net-pci:weir-in virtio-net-pci:weir-out \
	e1000e:weir-in2 e1000e:weir-out2
[ $failures = 0 ] || finish
ln -s "$GUEST_SHARE/weir.log" "$RUN_DIR/weir.log"
expect "its NICs are bound to vfio-pci" guest_bind 0000:01:00.0 0000:02:00.0 0000:03:00.0 0000:04:00.0

# ---- virtio-net ----

expect "weir starts on virtio-net" guest_weir 0000:01:00.0 0000:02:00.0 1500
[ $failures = 0 ] || finish
hosts_at weir-in weir-out
expect_equal "its workers are on the CPUs that they were given" "2 1" \
	"$(show workers '.workers[].cpu' | xargs)"
serve net tcp-server $SERVER 8000
serve net udp-server $SERVER 8000
net iperf3 -s -B $SERVER --forceflush >"$RUN_DIR/iperf3" 2>&1 </dev/null &
wait_until 20 grep -q listening "$RUN_DIR/iperf3"
expect_not "the NICs steer" log_says 'does not steer'
traffic
expect_equal "RSS delivers subscribers home: no packet was handed over" 0 "$(in_all handed_over)"
WORKER=0
expect "one's packets arrive at one worker, both ways" arrives_at_one $SUB
home=$WORKER
expect "and another's" arrives_at_one $SUB2
expect_equal "which is not the same" $((1 - home)) "$WORKER"
link_flaps nic1 inside
expect "weir ends on SIGTERM" guest_weir_ends
expect "and says so" log_says 'ending: Terminated'

# ---- e1000e ----

sub ip addr flush dev weir-in
net ip addr flush dev weir-out
expect "weir starts on e1000e" guest_weir 0000:03:00.0 0000:04:00.0 1400
hosts_at weir-in2 weir-out2
expect "weir says that a NIC has one queue" log_says 'interface inside has 1 receive queues for 2'
expect "and does not steer" log_says 'interface inside does not steer packets'
traffic
expect "packets did arrive at the wrong worker" test "$(in_all handed_over)" -gt 50
expect "packets of the outside's MTU pass" ping_all sub -c 3 -W 30 -M "do" -s 1372 $SERVER
sub ip route flush cache
expect "larger ones are told of it" sub grep -q 'mtu = 1400' <(
	sub ping -c 1 -W 30 -M "do" -s 1373 -I $SUB2 $SERVER 2>&1)
link_flaps nic4 outside
expect "weir ends on SIGTERM" guest_weir_ends
finish
