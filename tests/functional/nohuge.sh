#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# weir runs with hugepages and without, and its log says which.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
run_setup
namespace weir sub net

# try_memory SETTING: weir with that setting of eal.hugepages carries traffic.
try_memory() {
	config "$SMALL"
	sed -i "s|^eal:|&\n  hugepages: $1|" "$CONFIG"
	weir_start "$CONFIG" && hosts_connect && ping_all sub -c 5 -i 0.1 "$SERVER"
}

logged() {
	grep -iE "$1" "$RUN_DIR/weir.log"
}

# 512 MB of hugepages for the time of the test, where there are none.
pages=/proc/sys/vm/nr_hugepages
had=$(cat $pages)
enough_pages() {
	[ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 256 ]
}
enough_pages || echo $((had + 256)) >$pages
trap 'echo "$had" >$pages; run_end "$RUN_ID"' EXIT

expect "it runs without hugepages" try_memory no
expect "and says so" logged 'weir: .* MB of ordinary memory'
expect_equal "to weirctl too" false "$(show info .hugepages)"
stop
if enough_pages; then
	expect "it runs with hugepages" try_memory yes
	expect "and says so" logged 'weir: .* MB of hugepages'
	expect_equal "to weirctl too" true "$(show info .hugepages)"
	stop
	expect "and gives them back" wait_until 5 enough_pages
else
	skip "the kernel gives no hugepages"
fi
finish
