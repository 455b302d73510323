# SPDX-License-Identifier: BSD-3-Clause
"""The conformance runner behind tools/conform: black-box tests of a NAT, RFC by RFC.

    registry.py   what a test is, and the list of all
    packets.py    packets as bytes: built with scapy, dissected here
    wire.py       the two interfaces, and hosts on them that are only addresses
    trial.py      what a running test has in hand: its hosts, and verbs such as "passes"
    lab.py        a weir of our own between two taps, with a generated config
    runner.py     selection, concurrency, the report
    rfc*.py, ip_rules.py, icmp_rules.py, traps.py   the tests
"""
