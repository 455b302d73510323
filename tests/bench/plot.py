# SPDX-License-Identifier: BSD-3-Clause
"""SVG plots of the figures, by gnuplot: only what was measured in this run."""
import os
import re
import subprocess
import textwrap

from targets import PIPELINE_CYCLES

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000",
           "#8c564b", "#66a61e", "#5c3d99", "#b8a200")
HEAD = """
set terminal svg size {width},{height} font "sans-serif,13" background "white"
set output "{file}"
set title "{title}\\n{{/*0.75 {machine}}}"
set border 3 lc rgb "#606060"
set tics nomirror
set grid y lc rgb "#dddddd"
set key outside right top Left reverse samplen 2 spacing 1.3
set lmargin 10
"""


def text(value):
    """As gnuplot's enhanced text and quoted strings take it."""
    return re.sub(r'[\\"{}@^_&~]', "", str(value))


def script(file, title, machine, width=960, height=480):
    about = (f"{machine['cpu']}, TSC {machine['tsc_hz'] / 1e6:.0f} MHz, {machine['dpdk']}, weir "
             f"{machine['weir']} {machine['commit']}; bars: min and max of the runs")
    return HEAD.format(file=file, title=text(title), machine=text(about), width=width,
                       height=height)


def gnuplot(lines):
    subprocess.run(["gnuplot", "-"], input=lines, text=True, check=True)


def block(name, rows):
    return f"${name} << EOD\n" + "\n".join(" ".join(map(str, row)) for row in rows) + "\nEOD\n"


LADDER = {1008: "1 K", 64512: "64 K", 258048: "258 K", 1032192: "1 M", 4128768: "4.1 M",
          16515072: "16.5 M"}


def round_name(sessions):
    if sessions in LADDER:
        return LADDER[sessions]
    for size, letter in ((1000000, "M"), (1000, "K")):
        if sessions >= size:
            return f"{sessions / size:.3g} {letter}".replace(".0 ", " ")
    return str(sessions)


def lines_by_sessions(file, title, machine, series, ylabel, scale=1.0, flat=(), targets=()):
    """series: [(label, figures)], a line each over the number of sessions; flat: [(label, figure)],
    a dashed line across; targets: [(sessions, value)]."""
    counts = sorted({row["sessions"] for _, rows in series for row in rows})
    out = script(file, title, machine)
    out += f'set ylabel "{text(ylabel)}"\nset xlabel "sessions, each used at random"\nset logscale x\n'
    names = ", ".join(f'"{round_name(n)}" {n}' for n in counts)
    out += f"set xtics ({names})\nset xrange [{counts[0] * 0.7}:{counts[-1] * 1.4}]\n"
    out += "set yrange [0:*]\n"
    plots = []
    for i, (label, rows) in enumerate(series):
        out += block(f"d{i}", [(row["sessions"], row["median"] * scale, row["min"] * scale,
                                row["max"] * scale)
                               for row in sorted(rows, key=lambda row: row["sessions"])])
        colour = COLOURS[i % len(COLOURS)]
        plots.append(f'$d{i} using 1:2 with linespoints pt 7 ps 0.6 lw 2 lc rgb "{colour}" '
                     f'title "{text(label)}"')
        plots.append(f'$d{i} using 1:2:3:4 with yerrorbars ps 0 lw 1.2 lc rgb "{colour}" notitle')
    for i, (label, row) in enumerate(flat):
        colour = COLOURS[(len(series) + i) % len(COLOURS)]
        plots.append(f'{row["median"] * scale} with lines lw 2 dt 2 lc rgb "{colour}" '
                     f'title "{text(label)}"')
    if targets:
        out += block("targets", targets)
        plots.append('$targets using 1:2 with points pt 8 ps 1 lw 1.5 lc rgb "#606060" '
                     'title "target"')
    gnuplot(out + "plot " + ", \\\n".join(plots) + "\n")


def bars(file, title, machine, rows, ylabel, scale=1.0, groups=None, logscale=False):
    """rows: [(label, group, figure)]: bars with min and max, side by side by label."""
    labels = list(dict.fromkeys(label for label, _, _ in rows))
    groups = groups or list(dict.fromkeys(group for _, group, _ in rows))
    width = 0.8 / len(groups)
    out = script(file, title, machine)
    out += f'set ylabel "{text(ylabel)}"\nset style fill solid 0.85 noborder\n'
    out += "set bmargin 4\n"
    out += f"set boxwidth {width * 0.92}\nset xrange [-0.6:{len(labels) - 0.4}]\n"
    out += "set logscale y\nset yrange [0.5:*]\n" if logscale else "set yrange [0:*]\n"
    # tics take a printf format; long names get lines
    names = ["\\n".join(textwrap.wrap(text(label).replace("%", "%%"), 12)) for label in labels]
    out += "set xtics (" + ", ".join(f'"{name}" {i}' for i, name in enumerate(names)) + ")\n"
    plots = []
    for g, group in enumerate(groups):
        data = [(labels.index(label) + (g - (len(groups) - 1) / 2) * width, row["median"] * scale,
                 row["min"] * scale, row["max"] * scale)
                for label, of, row in rows if of == group]
        out += block(f"d{g}", data)
        colour = COLOURS[g % len(COLOURS)]
        title_of = f'title "{text(group)}"' if len(groups) > 1 else "notitle"
        plots.append(f'$d{g} using 1:2 with boxes lc rgb "{colour}" {title_of}')
        plots.append(f'$d{g} using 1:2:3:4 with yerrorbars ps 0 lw 1.5 lc rgb "#303030" notitle')
    gnuplot(out + "plot " + ", \\\n".join(plots) + "\n")


def plot_pipeline(folder, machine, results, find):
    rows = find(results, bench="pipeline")
    kinds = list(dict.fromkeys((row["frames"], row["direction"]) for row in rows))
    # the mixed direction alone where there is one: nine lines tell less than three
    if any(direction == "mixed" for _, direction in kinds):
        kinds = [kind for kind in kinds if kind[1] == "mixed"]
    series = [(f"{frames}, {direction}", find(rows, frames=frames, direction=direction))
              for frames, direction in kinds]
    if series:
        file = f"{folder}/pipeline.svg"
        lines_by_sessions(file, "weir: cycles a packet of established sessions, parse to transmit",
                          machine, series, "TSC cycles a packet",
                          targets=[(n, cycles) for n, cycles in PIPELINE_CYCLES
                                   if any(row["sessions"] == n for row in rows)])
        yield file


def plot_mixes(folder, machine, results, find):
    rows = find(results, bench="mixes")
    if rows:
        file = f"{folder}/mixes.svg"
        bars(file, "weir: cycles a packet, with something else beside established sessions", machine,
             [(row["beside"], f"{round_name(row['sessions'])} sessions, {row['frames']}", row)
              for row in rows], "TSC cycles a packet of all")
        yield file


def plot_workers(folder, machine, results, find):
    for packets, what in (("established", "packets of established sessions"),
                          ("first", "first packets")):
        rows = find(results, bench="workers", packets=packets)
        if rows:
            file = f"{folder}/workers-{packets}.svg"
            bars(file, f"weir: one worker and two, {what}", machine,
                 [("one worker" if row["workers"] == 1 else f"two, {row['steered']}",
                   f"{round_name(row['sessions'])} sessions, {row['frames']}", row) for row in rows],
                 "million packets a second", scale=1e-6)
            yield file


def plot_wire(folder, machine, results, find):
    for link in ("memif", "veth"):
        rows = [row for row in find(results, bench="wire", link=link, what="full rate")]
        if not rows:
            continue
        frames = list(dict.fromkeys(row["frames"] for row in rows))
        others = list(dict.fromkeys(row["box"] for row in rows if row["box"] != "weir"))
        series, flat = [], []
        for kind in frames:
            ours = find(rows, box="weir", frames=kind)
            label = f"{kind} B" if kind.isdigit() else "IMIX"
            if ours:
                series.append((f"weir, {label}", ours))
            for other in others:
                theirs = find(rows, box=other, frames=kind)
                if len(theirs) > 1 or not ours:
                    series.append((f"{other}, {label}", theirs))
                elif theirs:
                    flat.append((f"{other}, {label}", theirs[0]))
        file = f"{folder}/{link}.svg"
        lines_by_sessions(file, f"Whole program on one CPU over {link}, both directions", machine,
                          series, "million packets a second", 1e-6, flat)
        yield file
        yield from plot_latency(folder, machine, results, find, link)


def plot_latency(folder, machine, results, find, link):
    rows = []
    for figure in find(results, bench="wire", link=link, frames="64"):
        if figure["what"].startswith("p"):
            label = figure["what"].replace("p999", "p99.9") + " load"
            rows.append((label, f"{figure['box']}, {round_name(figure['sessions'])} sessions",
                         figure))
    if rows:
        file = f"{folder}/latency-{link}.svg"
        bars(file, f"Latency over {link}, 64 B, at 50 and 90 % of the rate without loss", machine,
             rows, "us, logarithmic", logscale=True)
        yield file


def plot_all(folder, machine, results, find):
    os.makedirs(folder, exist_ok=True)
    for one in (plot_pipeline, plot_mixes, plot_workers, plot_wire):
        yield from one(folder, machine, results, find)
