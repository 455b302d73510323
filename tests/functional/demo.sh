#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     The demo's own topology: sub - weir - net, see tools/demo.
#
# The demo holds, and leaves nothing behind.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
run_setup
expect "every step of tools/demo holds" "$ROOT/tools/demo"
expect_not "it leaves no namespace behind" grep -q demo <(ip netns list)
finish
