# SPDX-License-Identifier: BSD-3-Clause
"""What a test is, and the list of all of them, in the order in which they are written."""

TESTS = []


class Failed(Exception):
    """The rule does not hold."""


class OptedOut(Exception):
    """A configuration key says that the rule shall not hold."""


class Skipped(Exception):
    """Something that the test needs is not there."""


class TooSlow(Exception):
    """The machine was too busy for the test's timing: it says nothing, and is tried again."""


class Test:
    def __init__(self, function, rfc, req, text, lab, options):
        self.function, self.rfc, self.req, self.text, self.lab = function, rfc, req, text, lab
        self.pool = options.pop("pool", None)        # keys of a pool of its own
        self.addresses = options.pop("addresses", 1)  # how many that pool has
        self.pools = options.pop("pools", None)      # or several pools: a list of keys
        self.config = options.pop("config", None)    # more sections: a function of the trial's slot
        self.alone = options.pop("alone", False)     # nothing else may run beside it
        self.opt_out = options.pop("opt_out", None)  # the key that may say that it shall not hold
        if options:
            raise TypeError(f"{function.__name__}: {sorted(options)}?")
        self.slot = len(TESTS) + 1
        self.name = f"{rfc} {req}"

    @property
    def needs_own_config(self):
        return self.lab != "main" or any(
            option is not None for option in (self.pool, self.pools, self.config))


def rules_of(rfc):
    """The decorator of a file's tests: @req("REQ-1", "what must hold", ...)."""
    def req(name, text, lab="main", **options):
        def add(function):
            TESTS.append(Test(function, rfc, name, text, lab, options))
            return function
        return add
    return req
