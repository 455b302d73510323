#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Puts the lines of JSON of tests/bench together: tables, JSON (--json), plots (--plot DIR)."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import plot
import targets

# What tells one figure from another; the rest of a line is measured.
KEYS = ("bench", "link", "box", "sessions", "frames", "direction", "step", "of", "load", "beside",
        "packets", "workers", "steered", "what", "unit")
WORDS = ("link", "box", "frames", "direction", "step", "of", "beside", "packets", "steered", "what",
         "unit")  # to the left in a table
EXTRA = ("tolerance", "generator_bound", "held", "established_part", "by")


def cpu_model():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def version_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return ""


def vpp_version():
    return version_of(os.environ["VPP"], "--version").split(" built")[0]


def round_trips(lines):
    """How far apart the two CPUs were, before and after what was measured on the wire."""
    cycles = [line["value"] for line in lines if line["bench"] == "roundtrip"]
    if not cycles:
        return {}
    return {"round_trip_cycles": {"median": statistics.median(cycles), "min": min(cycles),
                                  "max": max(cycles)}}


def about(lines):
    line = next(line for line in lines if line["bench"] == "about")
    return {
        "machine": platform.node(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "on_cpu": int(os.environ["CPU"]),
        "tsc_hz": line["tsc_hz"],
        "kernel": platform.release(),
        "compiler": version_of("cc", "--version"),
        "dpdk": line["dpdk"],
        "weir": line["weir"],
        "commit": os.environ.get("COMMIT", ""),
        "hugepages": os.environ["HUGE"] == "yes",
        "load": os.getloadavg()[0],
        **({"vpp": vpp_version()} if os.environ.get("VPP") else {}),
        **round_trips(lines),
    }


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
        for name in EXTRA:
            if name in same[0]:
                figure[name] = (sum(line[name] for line in same) if name == "held" else
                                same[0][name])
        if "of" in same[0] and isinstance(same[0]["of"], int):
            figure["of"] = sum(line["of"] for line in same)
        yield figure


def find(results, **wanted):
    return [figure for figure in results
            if all(figure.get(key) == value for key, value in wanted.items())]


def derive(results):
    """What follows from two figures of the same run."""
    for figure in results:
        if figure["bench"] == "mixes":
            alone = find(results, **{**{key: figure[key] for key in KEYS if key in figure},
                                     "beside": "nothing"})
            if alone:
                part = figure["established_part"] * alone[0]["median"] / figure["median"]
                figure["established_lost_percent"] = (1 - part) * 100
        if figure["bench"] == "workers":
            one = find(results, bench="workers", workers=1, sessions=figure["sessions"],
                       frames=figure["frames"], packets=figure["packets"])
            if one:
                figure["times_one"] = figure["median"] / one[0]["median"]
                figure["times_one_best"] = figure["best"] / one[0]["best"]


# ---- tables ----

TITLES = {
    "pipeline": "Pipeline, established sessions: cycles a packet, pipeline_run() as a whole",
    "steps": "Pipeline by step: cycles a packet",
    "mixes": "Something else beside established sessions: cycles a packet of all, poll included",
    "setup": "New sessions a second, by the table's load in %: first packets, whole pipeline",
    "churn": "Sessions made and expired a second, table 40 % full",
    "ports": "Port allocation, by the load in %: cycles",
    "memory": "Bytes a session, all in, at 80 % load",
    "start": "From the command to ready, with room for so many sessions: s",
    "workers": "Workers in process, both directions: packets a second of all",
    "shared": "What two workers share for an established packet, counted instruction by instruction",
    "dump": "All sessions dumped under full load (64 B over memif)",
}


def number(value):
    if value >= 10000:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if value == 0 or abs(value) >= 1 else f"{value:.3f}"


def print_rows(heads, cells, left):
    width = [max(len(line[i]) for line in [heads] + cells) for i in range(len(heads))]
    for line in [heads] + cells:
        print(("  " + "  ".join(text.ljust(size) if head in left else text.rjust(size)
                                for text, size, head in zip(line, width, heads))).rstrip())


DERIVED = {
    "established_lost_percent": ("established lost", "{:.1f} %"),
    "times_one": ("x one", "{:.2f}"),
    "times_one_best": ("best x one", "{:.2f}"),
    "by": ("by", "{}"),
}


def derived_cell(row, key):
    if row.get(key) in (None, {}):
        return ""
    if key == "by":
        return "; ".join(f"{name} ({times})" for name, times in row["by"].items())
    return DERIVED[key][1].format(row[key])


def table(title, rows):
    columns = [key for key in KEYS[1:-1] if any(row.get(key) not in (None, "") for row in rows)]
    if len({row["unit"] for row in rows}) > 1:
        columns.append("unit")
    heads = columns + ["median", "min", "max", "best"]
    extra = [key for key in DERIVED if any(row.get(key) for row in rows)]
    cells = [[str(row.get(key, "")) for key in columns] +
             [number(row[key]) for key in heads[len(columns):]] +
             [derived_cell(row, key) for key in extra] for row in rows]
    print(f"\n{title}")
    print_rows(heads + [DERIVED[key][0] for key in extra], cells, WORDS + ("by",))


def wire_table(rows):
    """Whole programs: a line for each box, number of sessions and kind of frame."""
    lines = {}
    for row in rows:
        if "beside" in row:
            continue
        lines.setdefault((row["link"], row["box"], row["sessions"], row.get("frames", "")),
                         {})[row["what"]] = row
    heads = ["link", "box", "sessions", "frames", "Mpps", "min", "max", "no loss", "min", "max",
             "held", "busy cycles"] + [f"{p} us" for p in ("p50", "p99", "p99.9")] + \
            [f"{p} at 90 %" for p in ("p50", "p99", "p99.9")]
    cells = []
    for (link, box, sessions, frames), what in lines.items():
        if not frames:
            continue
        rates = [f"{what[name][key] / 1e6:.2f}" for name in ("full rate", "no loss")
                 for key in ("median", "min", "max")]
        rates[0] += "*" if what["full rate"]["generator_bound"] else ""
        latency = [f"{what[f'{p} at {part} %']['median']:.1f}" for part in (50, 90)
                   for p in ("p50", "p99", "p999")]
        busy = f"{what['busy']['median']:.0f}" if "busy" in what else ""
        held = f"{what['no loss']['held']}/{what['no loss']['of']}"
        cells.append([link, box, f"{sessions:,}", frames, *rates, held, busy, *latency])
    print("\nWhole programs, both directions, one CPU; latency at 50 and 90 % of the rate without "
          "loss")
    print_rows(heads, cells, ("link", "box", "frames"))
    tolerance = next((row["tolerance"] for row in rows if "tolerance" in row), 0)
    print(f"  no loss: at most {tolerance * 100:g} % lost in a trial; held: of more trials at that "
          "rate")
    if any(row.get("generator_bound") for row in rows):
        print("  *: the box took all that the generator could send")
    for (link, box, sessions, _), what in lines.items():
        if "set-up" in what:
            print(f"  {link}, {box}: {what['set-up']['median']:,.0f} new sessions a second, "
                  f"until there were {sessions:,}")


def trips_cell(results, **of):
    """The cache line's round trips around a measurement, least and most."""
    trips = find(results, bench="roundtrip", **of)
    least, most = (of_all(row[key] for row in trips) for of_all, key in ((min, "min"), (max, "max")))
    return f"{least:.0f}" if least == most else f"{least:.0f}-{most:.0f}"


def beside_table(rows, results):
    """Weir beside each other box, as they took turns."""
    lines = {}
    for row in rows:
        if "beside" in row:
            lines.setdefault((row["link"], row["beside"], row["sessions"], row["frames"]),
                             {})[row["what"]] = row
    columns = ("part of its rate", "p99 at 50 %, more", "p99 at 90 %, more")
    heads = ["link", "beside", "sessions", "frames"]
    for head in ("part of its rate %", "p99 us more at 50 %", "at 90 %"):
        heads += [head, "min", "max"]
    cells = [[link, beside, f"{sessions:,}", frames] +
             [f"{what[column][key]:.1f}" for column in columns for key in ("median", "min", "max")] +
             [trips_cell(results, link=link, beside=beside, sessions=sessions, frames=frames)]
             for (link, beside, sessions, frames), what in lines.items()]
    print("\nWeir beside another box, turn by turn")
    print_rows(heads + ["round trip"], cells, ("link", "beside", "frames"))


def new_flows_table(rows, results):
    """Established packets beside nothing and beside new flows, as two weirs took turns."""
    lines = {}
    for row in rows:
        lines.setdefault((row["link"], row["sessions"], row["frames"], row["beside"]),
                         {})[row["what"]] = row
    cells = []
    for (link, sessions, frames, beside), what in lines.items():
        cell = [link, f"{sessions:,}", frames, beside]
        cell += [f"{what['established'][key] / 1e6:.2f}" for key in ("median", "min", "max")]
        cell[4] += "*" if what["established"]["generator_bound"] else ""
        cell.append(f"{what['busy']['median']:.0f}")
        if "established lost" in what:
            cell += [f"{what['established lost'][key]:.1f}" for key in ("median", "min", "max")]
            cell.append(f"{what['part of what weir took']['median']:.2f}")
            cell += [f"{what[name]['median']:,.0f}" for name in ("made", "ended", "at a time")]
            cell.append(trips_cell(results, link=link, beside=beside, sessions=sessions,
                                   frames=frames))
        cells.append(cell + [""] * (16 - len(cell)))
    print("\nNew flows beside established ones, turn by turn: established Mpps, and sessions of new "
          "flows by weir's counters")
    print_rows(["link", "sessions", "frames", "beside", "Mpps", "min", "max", "busy cycles",
                "lost %", "min", "max", "new % of all", "made/s", "ended/s", "at a time",
                "round trip"], cells, ("link", "frames", "beside"))
    if any(row.get("generator_bound") for row in rows):
        print("  *: weir took all that the generator could send")


def print_tables(machine, results, reached):
    trips = machine.get("round_trip_cycles")
    print(f"{machine['cpu']}, TSC {machine['tsc_hz'] / 1e6:.0f} MHz, CPU {machine['on_cpu']} of "
          f"{machine['cpus']}, load {machine['load']:.1f}; Linux {machine['kernel']}; "
          f"{machine['dpdk']}; {machine['compiler']}; weir {machine['weir']} {machine['commit']}; "
          f"{machine['vpp'] + '; ' if 'vpp' in machine else ''}"
          f"{'2 MB hugepages' if machine['hugepages'] else 'no hugepages'}"
          + (f"; a cache line to the other CPU and back {trips['median']:,.0f} cycles "
             f"({trips['min']:,.0f} to {trips['max']:,.0f})" if trips else ""))
    for bench, title in TITLES.items():
        rows = find(results, bench=bench)
        if rows:
            table(title, rows)
    rows = find(results, bench="wire")
    if rows:
        wire_table(rows)
        beside_table(rows, results)
    rows = find(results, bench="newflows")
    if rows:
        new_flows_table(rows, results)
    print("\nmedian, min, max: of the runs, each the median of its windows or trials; "
          "best: the best tenth of the windows")
    if reached:
        print("\nTargets")
        print_rows(["what", "target", "measured", ""],
                   [[row["what"], row["target"], row["measured_text"],
                     "met" if row["met"] else "missed"] for row in reached], ("what", "target", ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="the figures mean nothing")
    args = parser.parse_args()
    lines = [json.loads(line) for line in sys.stdin]
    machine = about(lines)
    results = list(figures(lines))
    derive(results)
    reached = [] if args.quick else targets.reached(results, find)
    if args.plot:
        for name in plot.plot_all(args.plot, machine, results, find):
            print(f"plot: {name}", file=sys.stderr)
    if args.json:
        json.dump({"about": machine, "figures": results, "targets": reached}, sys.stdout, indent=1)
        print()
    else:
        print_tables(machine, results, reached)


if __name__ == "__main__":
    main()
