#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Puts the lines of tests/bench/bench together: tables, or JSON with --json."""
import json
import os
import platform
import statistics
import sys


def cpu_model():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def about(line):
    return {
        "machine": platform.node(),
        "cpu": cpu_model(),
        "on_cpu": int(os.environ["CPU"]),
        "tsc_hz": line["tsc_hz"],
        "kernel": platform.release(),
        "dpdk": line["dpdk"],
        "weir": line["weir"],
        "commit": os.environ.get("COMMIT", ""),
        "hugepages": os.environ["HUGE"] == "yes",
        "load": os.getloadavg()[0],
    }


# What tells one figure from another; the rest of a line is measured.
KEYS = ("bench", "sessions", "frames", "direction", "step", "of", "load", "unit")


def figures(lines):
    """One figure for all runs of the same: median, min and max of the runs, and the best windows."""
    runs = {}
    for line in lines:
        if line["bench"] != "about":
            runs.setdefault(tuple(line.get(key) for key in KEYS), []).append(line)
    for key, same in runs.items():
        values = [line["value"] for line in same]
        best = max if key[-1].endswith("/s") else min
        figure = {name: value for name, value in zip(KEYS, key) if value is not None}
        figure.update(median=statistics.median(values), min=min(values), max=max(values),
                      best=best(line["best"] for line in same), runs=len(values))
        yield figure


TITLES = {
    "pipeline": "Pipeline, established sessions: cycles a packet, pipeline_run() as a whole",
    "steps": "Pipeline by step: cycles a packet",
    "setup": "New sessions a second, by the table's load in %: first packets, whole pipeline",
    "churn": "Sessions made and expired a second, table 40 % full",
    "ports": "Port allocation: cycles a port, by the load in %",
    "memory": "Bytes a session, all in, at 80 % load",
    "start": "Time to set up the tables: ms",
}


def number(value):
    return f"{value:,.0f}" if value >= 10000 else f"{value:,.1f}"


def table(title, rows):
    columns = [key for key in KEYS[1:-1] if any(key in row for row in rows)]
    heads = columns + ["median", "min", "max", "best"]
    cells = [[str(row.get(key, "")) for key in columns] +
             [number(row[key]) for key in heads[len(columns):]] for row in rows]
    width = [max(len(line[i]) for line in [heads] + cells) for i in range(len(heads))]
    print(f"\n{title}")
    for line in [heads] + cells:
        print("  " + "  ".join(
            text.ljust(size) if head in ("frames", "direction", "step", "of") else text.rjust(size)
            for text, size, head in zip(line, width, heads)))


def main():
    lines = [json.loads(line) for line in sys.stdin]
    machine = about(next(line for line in lines if line["bench"] == "about"))
    results = list(figures(lines))
    if "--json" in sys.argv[1:]:
        json.dump({"about": machine, "figures": results}, sys.stdout, indent=1)
        print()
        return
    print(f"{machine['cpu']}, TSC {machine['tsc_hz'] / 1e6:.0f} MHz, CPU {machine['on_cpu']}, "
          f"load {machine['load']:.1f}; Linux {machine['kernel']}; {machine['dpdk']}; "
          f"weir {machine['weir']} {machine['commit']}; "
          f"{'2 MB hugepages' if machine['hugepages'] else 'no hugepages'}")
    for bench, title in TITLES.items():
        rows = [row for row in results if row["bench"] == bench]
        if rows:
            table(title, rows)
    print("\nmedian, min, max: of the runs, each the median of its windows; "
          "best: the best tenth of the windows")


main()
