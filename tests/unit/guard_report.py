#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""tests/guard/report.py with counts as callgrind writes them: what is red, and what is not.

    guard_report.py PATH_OF_REPORT
"""
import os
import subprocess
import sys
import tempfile
import unittest

REPORT = sys.argv.pop(1)
DUMP = """# callgrind format
desc: Trigger: Client Request: {name} 100 packet
summary: 0

fn=(1) track
0 {own}
cfn=(2) find
calls=100 0
0 {called}

fn=(2)
0 {called}

totals: {total}
"""


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.baseline, self.counts = (os.path.join(folder.name, name)
                                      for name in ("baseline", "count"))

    def count(self, **packet):
        """A dump of each scenario: so many instructions a packet, 40 of them in a call."""
        for number, (name, n) in enumerate(packet.items(), 1):
            with open(f"{self.counts}.{number}", "w", encoding="utf-8") as file:
                file.write(DUMP.format(name=name, own=round((n - 40) * 100), called=4000,
                                       total=round(n * 100)))

    def report(self, what="compare", *more, about="gcc 12"):
        done = subprocess.run([sys.executable, REPORT, self.baseline, self.counts, what, about,
                               *more], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def keep(self, **packet):
        self.count(**packet)
        self.assertEqual(self.report("update")[0], 0)

    def test_the_same_passes(self):
        self.keep(out=500, back=400)
        status, text = self.report()
        self.assertEqual((status, text.splitlines()[-1]), (0, "2 passed, 0 failed"))

    def test_a_little_more_passes(self):
        self.keep(out=500)
        self.count(out=509)
        self.assertEqual(self.report()[0], 0)

    def test_more_is_red_and_says_where(self):
        self.keep(out=500, back=400)
        self.count(out=515, back=400)
        status, text = self.report()
        self.assertEqual((status, text.splitlines()[-1]), (1, "1 passed, 1 failed"))
        self.assertRegex(text, r"out +packet +500.0 +515.0 +\+3.0 %  FAILED")
        self.assertRegex(text, r"475.0  track\n +40.0  find")

    def test_small_steps_add_up(self):
        self.keep(out=500)
        for n, status in ((508, 0), (516, 1)):
            self.count(out=n)
            self.assertEqual(self.report()[0], status)

    def test_less_is_said_and_passes(self):
        self.keep(out=500)
        self.count(out=450)
        status, text = self.report()
        self.assertEqual(status, 0)
        self.assertIn("Better: tools/guard --update keeps it so.", text)

    def test_a_new_scenario_needs_a_baseline(self):
        self.keep(out=500)
        self.count(out=500, new=100)
        status, text = self.report()
        self.assertEqual(status, 1)
        self.assertIn("FAILED: no baseline", text)

    def test_a_scenario_that_is_gone_is_red(self):
        self.keep(out=500, gone=100)
        os.remove(f"{self.counts}.2")
        status, text = self.report()
        self.assertEqual(status, 1)
        self.assertIn("FAILED: no such scenario", text)

    def test_another_compiler_is_said(self):
        self.keep(out=500)
        self.count(out=600)
        self.assertIn("made with gcc 12, this with gcc 13", self.report(about="gcc 13")[1])

    def test_update_keeps_the_new_count(self):
        self.keep(out=500)
        self.keep(out=600)
        self.assertEqual(self.report()[0], 0)

    def test_nothing_counted_is_red(self):
        self.keep(out=500)
        os.remove(f"{self.counts}.1")
        self.assertEqual(self.report()[0], 1)

    def test_functions_of_one(self):
        self.keep(out=500)
        self.assertIn("460.0  track", self.report("functions", "out")[1])
        self.assertEqual(self.report("functions", "other")[0], 1)


unittest.main()
