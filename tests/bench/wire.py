#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whole programs on the wire: prints lines of JSON like tests/bench/bench.

ports:  weir over memif, and dpdk-testpmd (macswap) and VPP, where there is one, in its place; and
        what new flows cost the established ones;
kernel: weir over veth and af_packet, and the kernel's nftables masquerade in its place;
dump:   weir over memif while all of its sessions are dumped;
start:  how long weir takes to start.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import box as boxes
import newflows
import turns
import vpp
from turns import emit, round_trips

IN_FLIGHT = 1024


# ---- dump ----

def telemetry_dump(folder, pages):
    """All sessions by DPDK's telemetry socket, page by page: how many came."""
    with boxes.telemetry_connect(folder) as client:
        after, sessions = "", 0
        for _ in range(pages):
            page = boxes.telemetry_ask(client, f"/weir/sessions,,,,,,,,,{after}")
            sessions += len(page["sessions"])
            after = page.get("next")
            if after is None:
                break
        return sessions


def traffic_beside(box, process, least):
    """Full load while a process runs, and for at least so many trials."""
    trials = []
    cycles = []
    while len(trials) < least or process and process.poll() is None:
        before = box.busy()
        trials.append(box.generator.loop("64", IN_FLIGHT, 10 if box.machine.quick else 300))
        busy, packets = (now - then for now, then in zip(box.busy(), before))
        cycles.append(busy / max(packets, 1))
    total = {key: sum(trial[key] for trial in trials) for key in ("sent", "received")}
    return {"lost": total["sent"] - total["received"], "cycles": cycles}


def measure_dump(args):
    for number in range(args.runs):
        for sessions in args.sessions:
            with boxes.over_memif(args.machine, "weir", sessions) as box:
                weirctl = [f"{args.build}/app/weirctl/weirctl", "--socket",
                           f"{box.folder}/weir.sock", "--json", "show", "sessions"]
                client = [sys.executable, os.path.abspath(__file__), "telemetry-client",
                          "--folder", box.folder]
                box.stop()
                for name, command in (("weirctl --json show sessions", weirctl),
                                      ("telemetry /weir/sessions", client)):
                    print(f"dump: {name}, {sessions} sessions, run {number + 1}", file=sys.stderr)
                    with round_trips(args.machine, link="memif", beside=name, sessions=sessions,
                                     run=number), box.turn():
                        dump_beside(box, name, command, number)


def dump_beside(box, name, command, number):
    """One dump under full load, between two stretches of full load without."""
    least = 1 if box.machine.quick else 5
    before = traffic_beside(box, None, least)
    with tempfile.TemporaryFile("w+") as output:
        begin = time.monotonic()
        process = subprocess.Popen(box.machine.command(command), stdout=output)
        during = traffic_beside(box, process, 1)
        took = time.monotonic() - begin
        if process.wait() != 0:
            raise RuntimeError(f"{name} failed")
        output.seek(0)
        seen = json.load(output)
    after = traffic_beside(box, None, least)
    seen = len(seen["sessions"]) if isinstance(seen, dict) else seen
    if seen < box.sessions:
        raise RuntimeError(f"{name} shows {seen} of {box.sessions} sessions")
    common = {"bench": "dump", "sessions": box.sessions, "of": name, "run": number}
    quiet = statistics.median(before["cycles"] + after["cycles"])
    busy = statistics.median(during["cycles"])
    emit(**common, what="lost beside it", unit="packets", value=during["lost"])
    emit(**common, what="lost before and after", unit="packets",
         value=before["lost"] + after["lost"])
    emit(**common, what="busy before and after", unit="cycles/packet", value=quiet)
    emit(**common, what="busy beside it", unit="cycles/packet", value=busy)
    emit(**common, what="throughput lost", unit="%", value=(1 - quiet / max(busy, 1)) * 100)
    emit(**common, what="the dump took", unit="s", value=took)


# ---- start ----

def memory_available():
    for line in open("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def measure_start(args):
    """From the command to "ready", on devices that are not there (net_null)."""
    for sessions in args.sessions:
        if sessions * 320 > memory_available() * 0.8:
            print(f"start: not enough memory for {sessions} sessions", file=sys.stderr)
            continue
        for number in range(args.runs):
            with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
                config = boxes.weir_config(args.machine, folder, "net_null0", "net_null1",
                                           sessions * 4 // 5)
                begin = time.monotonic()
                program = boxes.Program(
                    args.machine, [f"{args.build}/app/weir/weir", "-c", config], "weir: ready",
                    f"{folder}/box.log")
                emit(bench="start", sessions=sessions, unit="s", run=number,
                     value=time.monotonic() - begin)
                program.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("ports", "kernel", "dump", "start", "telemetry-client"))
    parser.add_argument("--build")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--other", type=int, default=0)
    parser.add_argument("--sessions", default="64512")
    parser.add_argument("--sizes", default="64,imix")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ms", type=int, default=100, help="of a trial")
    parser.add_argument("--latency-ms", type=int, default=30, help="of one for latency")
    parser.add_argument("--tolerance", type=float, default=0.0)
    parser.add_argument("--folder", help="telemetry-client: of the box")
    parser.add_argument("--vpp", help="a vpp program, for its boxes too")
    parser.add_argument("--vpp-plugins", help="the folder of its plugins, if not where it looks")
    parser.add_argument("--no-huge", action="store_true")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    if args.what == "telemetry-client":
        print(telemetry_dump(args.folder, 1 << 24))
        return
    args.sessions = [int(n) for n in args.sessions.split(",")]
    args.sizes = args.sizes.split(",")
    if args.quick:
        args.ms = args.latency_ms = 10
    args.machine = boxes.Machine(args.build, args.core, args.other, not args.no_huge, args.quick,
                                 args.vpp, args.vpp_plugins)
    if args.what == "ports":
        turns.measure(boxes.over_memif, "memif", ["testpmd", *(vpp.BOXES if args.vpp else ())],
                      args)
        newflows.measure(args)
    elif args.what == "kernel":
        turns.measure(boxes.over_veth, "veth", ["kernel"], args)
    elif args.what == "dump":
        measure_dump(args)
    else:
        measure_start(args)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:  # what a program said that does not start, or not go on
        sys.exit(f"{os.path.basename(__file__)}: {error}")
