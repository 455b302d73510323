# SPDX-License-Identifier: BSD-3-Clause
"""What tools/guard says: callgrind's counts held against the baseline.

usage: report.py BASELINE COUNTS compare|update|functions ABOUT [SCENARIO]

COUNTS is callgrind's output file; the dump of each scenario is COUNTS.1, COUNTS.2, ...
"""

import collections
import glob
import os
import re
import sys

# Percent. The counts of one build repeat to the instruction, on every machine; this is what the
# compiler may move when something else in the same file changes. It is held against the baseline,
# not against yesterday, so small steps add up until they are seen.
TOLERANCE = 2.0
FUNCTIONS = 12
SHOWN = 3  # scenarios whose functions are listed

Scenario = collections.namedtuple("Scenario", "name unit count functions")


def read_dump(path):
    """A dump: its name is "SCENARIO UNITS UNIT", costs follow their function's "fn=" line."""
    names, functions = {}, collections.Counter()
    function, called, trigger, total = None, False, None, 0
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("desc: Trigger: Client Request: "):
            trigger = line.split(": ")[-1].split()
        elif line.startswith("totals: "):
            total = int(line.split()[1])
        elif line.startswith("fn="):
            number, name = re.fullmatch(r"fn=\((\d+)\)(?: (.*))?", line).groups()
            function = names.setdefault(number, name)
        elif line.startswith("cfn="):
            number, name = re.fullmatch(r"cfn=\((\d+)\)(?: (.*))?", line).groups()
            names.setdefault(number, name)
        elif line.startswith("calls="):
            called = True  # the next line is what the callee took
        elif re.match(r"[+*\d-]", line):
            if not called:
                functions[function] += int(line.split()[1])
            called = False
    if trigger is None:
        return None
    name, units, unit = trigger
    units = int(units)
    return Scenario(name, unit, total / units,
                    [(f, n / units) for f, n in functions.most_common()])


def read_counts(path):
    dumps = glob.glob(glob.escape(path) + ".*")
    dumps.sort(key=lambda dump: int(dump.rsplit(".", 1)[1]))
    return [s for s in map(read_dump, dumps) if s is not None]


def read_baseline(path):
    """What it was made with, and the count of each scenario."""
    about, counts = None, {}
    if not os.path.exists(path):
        return about, counts
    for line in open(path, encoding="utf-8"):
        if line.startswith("# with "):
            about = line[len("# with "):].strip()
        elif line.strip() and not line.startswith("#"):
            name, count = line.split()[:2]
            counts[name] = float(count)
    return about, counts


def update(path, scenarios, about):
    with open(path, "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: BSD-3-Clause\n"
                   "# Instructions of each scenario of tests/guard/guard.c, by tools/guard --update\n"
                   f"# with {about}\n")
        for s in scenarios:
            file.write(f"{s.name:<14} {s.count:8.1f} a {s.unit}\n")
    print(f"\nThat is {path} now.")


def print_functions(scenario):
    print(f"\n{scenario.name}, instructions a {scenario.unit} by function:")
    for function, count in scenario.functions[:FUNCTIONS]:
        print(f"  {count:8.1f}  {function}")


def compare(scenarios, baseline):
    """The table; the scenarios that are worse, and how many failed, passed and are better."""
    worse, failed, better = [], 0, 0
    print(f"{'SCENARIO':<14} {'UNIT':<8} {'BASELINE':>9} {'NOW':>9} {'CHANGE':>9}")
    for s in scenarios:
        was = baseline.pop(s.name, None)
        if was is None:
            failed += 1
            print(f"{s.name:<14} {s.unit:<8} {'-':>9} {s.count:9.1f} {'':>9}  FAILED: no baseline")
            continue
        change = 100 * (s.count - was) / was
        word = ""
        if change > TOLERANCE:
            word = "  FAILED"
            worse.append(s)
        elif change < -TOLERANCE:
            word = "  better"
            better += 1
        change = round(change, 1) + 0.0  # no "-0.0"
        print(f"{s.name:<14} {s.unit:<8} {was:9.1f} {s.count:9.1f} {change:+8.1f} %{word}")
    for name, was in baseline.items():
        failed += 1
        print(f"{name:<14} {'':<8} {was:9.1f} {'-':>9} {'':>9}  FAILED: no such scenario")
    return worse, failed + len(worse), len(scenarios) - len(worse), better


def main():
    baseline_path, counts_path, what, about = sys.argv[1:5]
    scenarios = read_counts(counts_path)
    if not scenarios:
        sys.exit("guard: nothing was counted")
    if what == "functions":
        chosen = [s for s in scenarios if s.name == sys.argv[5]]
        if not chosen:
            sys.exit("guard: scenarios are " + " ".join(s.name for s in scenarios))
        print_functions(chosen[0])
        return
    made_with, baseline = read_baseline(baseline_path)
    worse, failed, passed, better = compare(scenarios, baseline)
    if what == "update":
        update(baseline_path, scenarios, about)
        return
    for s in worse[:SHOWN]:
        print_functions(s)
    if failed:
        print(f"\nMore than {TOLERANCE:g} % above {baseline_path}. Where it is meant: "
              "tools/guard --update,\nand say why in the commit. "
              "tools/guard --functions SCENARIO shows where the instructions are.")
        if made_with != about:
            print(f"The baseline was made with {made_with}, this with {about}.")
    elif better:
        print("\nBetter: tools/guard --update keeps it so.")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
