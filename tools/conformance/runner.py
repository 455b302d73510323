# SPDX-License-Identifier: BSD-3-Clause
"""Selection, concurrency, and the report."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from . import lab as labs
from .registry import TESTS, Failed, OptedOut, Skipped, TooSlow
from .trial import Trial

AT_ONCE = 12
ATTEMPTS = 3
TRACE_LINES = 14
PASS, FAIL, OPTED_OUT, SKIPPED = "pass", "FAIL", "opted out", "skipped"
KNOWN_MISSING = os.path.join(os.path.dirname(__file__), "known-missing")


class Result:
    def __init__(self, verdict, why="", trace=(), seconds=0.0):
        self.verdict, self.why, self.trace, self.seconds = verdict, why, list(trace), seconds


def trace_lines(trial, began):
    """What was sent and what came: the last of it, and what still lies in the inboxes."""
    lines = [f"{at - began:6.2f} s  {who}: {packet}" for at, who, packet in list(trial.trace)]
    if len(lines) > TRACE_LINES:
        lines = [f"... {len(lines) - TRACE_LINES} earlier"] + lines[-TRACE_LINES:]
    for host in trial.hosts.values():
        lines += [f"   also at {host.name}: {packet}" for packet in host.take_all()[:4]]
    return lines


def run_one(test, lab):
    """Runs a test; never raises."""
    if test in lab.refused:
        return Result(FAIL, f"weir refuses the config: {lab.refused[test]}")
    for attempt in range(ATTEMPTS):
        result = attempt_one(test, lab, attempt)
        if result is not None:
            return result
    return Result(SKIPPED, "the machine is too busy for its timing")


def attempt_one(test, lab, attempt):
    """None when the machine was too slow. Another attempt has subscribers of its own."""
    began = time.monotonic()
    trial = Trial(test, lab, attempt)
    try:
        test.function(trial)
        result = Result(PASS)
    except OptedOut as key:
        result = Result(OPTED_OUT, str(key))
    except Skipped as why:
        result = Result(SKIPPED, str(why))
    except TooSlow:
        result = None
    except Failed as why:
        result = failed(trial, str(why), began)
    except Exception as problem:  # a test must never take the others down
        where = traceback.extract_tb(problem.__traceback__)[-1]
        result = failed(trial, f"{type(problem).__name__}: {problem} "
                        f"({os.path.basename(where.filename)}:{where.lineno})", began)
    trial.close()
    if result is None:
        return None
    result.seconds = time.monotonic() - began
    return result


def failed(trial, why, began):
    """A failure; or opted out, where the configuration in force says so."""
    key = trial.test.opt_out
    if key is not None:
        value, preset = opted(trial, key)
        if value != preset:
            return Result(OPTED_OUT, f"{key[0]}: {value}")
    return Result(FAIL, why, trace_lines(trial, began))


def opted(trial, key):
    """A setting as it is, and the value that holds the rule."""
    name, path, preset = key
    try:
        value = trial.setting(*path)
    except Exception:
        value = None
    return (preset if value is None else value), preset


class Run:
    """Runs tests in their labs and gives the results, in the order of the tests."""

    def __init__(self, tests, running, keep):
        self.tests = tests
        self.labs = running  # by name; or a text: why there is none
        self.keep = keep
        self.results = {}
        self.ready = {test: threading.Event() for test in tests}

    def _finish(self, test, result):
        self.results[test] = result
        self.ready[test].set()

    def _run(self, test):
        lab = self.labs[test.lab]
        if isinstance(lab, str):
            self._finish(test, Result(FAIL, lab))
        elif isinstance(lab, labs.RunningNat) and test.needs_own_config:
            self._finish(test, Result(SKIPPED, "needs a configuration of its own"))
        elif isinstance(lab, labs.OwnWeir) and not lab.alive():
            self._finish(test, Result(FAIL, "weir has ended: " + lab.said().strip()[-400:]))
        else:
            self._finish(test, run_one(test, lab))

    def _run_lab(self, tests, pool):
        """A weir whose tests are done ends: it would take CPU time from the others."""
        for future in [pool.submit(self._run, test) for test in tests if not test.alone]:
            future.result()
        for test in tests:
            if test.alone:
                self._run(test)
        lab = self.labs[tests[0].lab]
        if isinstance(lab, labs.OwnWeir) and not self.keep:
            lab.stop()

    def start(self):
        """The long ones first, so that they do not come last."""
        pool = ThreadPoolExecutor(AT_ONCE)
        for name in sorted(self.labs, key=lambda name: name != "short"):
            mine = [test for test in self.tests if test.lab == name]
            threading.Thread(target=self._run_lab, args=(mine, pool), daemon=True).start()

    def in_order(self):
        for test in self.tests:
            self.ready[test].wait()
            yield test, self.results[test]


# ---- selection ----

def plain(text):
    return text.lower().replace("rfc", "").replace("req-", "").replace(" ", "")


def matches(test, word):
    """'4787', 'RFC4787:REQ-1', '5508:3' (with its 3 a, 3 b), '4787:3a', 'traps'."""
    rfc, _, wanted = word.partition(":")
    mine = plain(test.req)
    return plain(rfc) in plain(test.rfc).split("/") and (
        not wanted or plain(wanted) in (mine, mine.rstrip("abcdefghijklm")))


def select(words):
    for word in words:
        if not any(matches(test, word) for test in TESTS):
            sys.exit(f"conform: nothing is named {word}; --list names all")
    return [test for test in TESTS if not words or any(matches(test, word) for word in words)]


def known_missing(path):
    """By test name, why this weir does not have it yet."""
    known = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, _, why = line.strip().partition("  ")
            if name and not name.startswith("#"):
                known[name] = why.strip()
    names = {test.name for test in TESTS}
    wrong = [name for name in known if name not in names]
    if wrong:
        sys.exit(f"conform: {path}: no test is named {wrong[0]}")
    return known


def excuse(test, result, known):
    """A known gap is skipped; one that is closed must leave the list."""
    if test.name not in known:
        return result
    if result.verdict == FAIL:
        return Result(SKIPPED, f"not in this weir yet: {known[test.name]}")
    return Result(FAIL, f"is in the list of what is missing, but the verdict is {result.verdict}: "
                  "take it off the list", seconds=result.seconds)


# ---- report ----

def print_result(test, result):
    print(f"{test.name:<18} {result.verdict:<9} {test.text}", flush=True)
    if result.why:
        print(f"    {result.why}")
    for line in result.trace:
        print(f"    | {line}")
    sys.stdout.flush()


def last_line(count):
    return f"{count[PASS]} passed, {count[FAIL]} failed" + (
        f", {count[SKIPPED]} skipped" if count[SKIPPED] else "")


def report(run, known, as_json):
    count = {PASS: 0, FAIL: 0, OPTED_OUT: 0, SKIPPED: 0}
    rows = []
    for test, result in run.in_order():
        result = excuse(test, result, known)
        count[result.verdict] += 1
        if not as_json:
            print_result(test, result)
        rows.append({"rfc": test.rfc, "req": test.req, "text": test.text, "verdict": result.verdict,
                     "why": result.why, "packets": result.trace,
                     "seconds": round(result.seconds, 1)})
    if as_json:
        json.dump({"tests": rows, "passed": count[PASS], "failed": count[FAIL],
                   "opted_out": count[OPTED_OUT], "skipped": count[SKIPPED]}, sys.stdout, indent=1)
        print()
    else:
        if count[OPTED_OUT]:
            print(f"{count[OPTED_OUT]} opted out of by configuration")
        print(last_line(count))
    return count[FAIL]


# ---- the command ----

def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="tools/conform", description="Tests a NAT against the RFCs, by packets on its two "
        "interfaces. Without --inside and --outside it starts a weir of its own, between two taps in "
        "a network namespace, with one config after the other.",
        epilog="A test is named RFC or RFC:REQ, such as 4787, 4787:3a, 5508:REQ-3, traps.")
    parser.add_argument("test", nargs="*", help="only these; default: all")
    parser.add_argument("--list", action="store_true", help="name the tests")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--build", default=os.environ.get("WEIR_BUILD", f"{labs.ROOT}/build"),
                        help="where weir was built; default: %(default)s")
    parser.add_argument("--known-missing", action="store_true",
                        help="skip what tools/conformance/known-missing names, while it fails")
    parser.add_argument("--keep", action="store_true", help="keep configs and logs")
    nat = parser.add_argument_group("a NAT that runs already, default config, on an idle pair of "
                                    "interfaces of this host")
    nat.add_argument("--inside", metavar="IF", help="its interface towards subscribers ends here; "
                     "they are in 100.64.0.0/16")
    nat.add_argument("--outside", metavar="IF", help="its other one; the Internet's router there is "
                     "198.51.100.254")
    nat.add_argument("--gateway", default="100.64.0.1", help="the NAT's inside address")
    nat.add_argument("--upstream", default="198.51.100.1", help="the NAT's outside address")
    nat.add_argument("--socket", default="/run/weir/weir.sock", help="for weirctl")
    nat.add_argument("--weirctl", default=f"{labs.ROOT}/build/app/weirctl/weirctl")
    options = parser.parse_args(argv)
    if bool(options.inside) != bool(options.outside):
        parser.error("--inside and --outside go together")
    return options


def start_labs(tests, options):
    names = {test.lab for test in tests}
    if options.inside:
        nat = labs.RunningNat(options)
        return {name: nat for name in names}
    if not os.access(f"{options.build}/app/weir/weir", os.X_OK):
        sys.exit(f"conform: no weir in {options.build}; build it, or name the place by --build")
    own = {}
    for name in sorted(names):
        own[name] = labs.OwnWeir(name, [test for test in tests if test.lab == name], options.build)
    for lab, problem in labs.start_all(own.values()).items():
        print(f"conform: {lab.name}: {problem}", file=sys.stderr)
        lab.stop()
        own[lab.name] = problem
    return own


def run_tests(tests, options):
    known = known_missing(KNOWN_MISSING) if options.known_missing else {}
    running = start_labs(tests, options)
    try:
        run = Run(tests, running, options.keep)
        run.start()
        return report(run, known, options.json)
    finally:
        for lab in set(running.values()):
            if not isinstance(lab, str) and not options.keep:
                lab.stop()
        if not options.keep:
            shutil.rmtree(f"{labs.RUNS}/{os.getpid()}", ignore_errors=True)


def main(argv):
    options = arguments(argv)
    tests = select(options.test)
    if options.list:
        for test in tests:
            print(f"{test.name:<18} {test.text}")
        return 0
    if os.geteuid() != 0:
        sys.exit("conform: needs root for raw sockets: sudo tools/conform")
    labs.sweep()
    return 1 if run_tests(tests, options) else 0
