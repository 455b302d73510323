# SPDX-License-Identifier: BSD-3-Clause
"""Two boxes side by side, in turns of a tenth of a second: throughput, loss, latency.

Both are up all the time, with their flows; the one whose turn it is not is stopped (SIGSTOP), as
both are on the same CPU. So what the machine does besides, or how fast it is just now, meets both,
and what one is beside the other does not depend on it.
"""
import contextlib
import json
import statistics
import sys

LATENCIES = ("p50_us", "p99_us", "p999_us")
LATENCY_AT = (50, 90)  # % of the rate without loss
FULL_TRIALS = 7
LATENCY_TRIALS = 15
# A turn begins with so much at full rate: caches are the other's.
WARM_UP_MS = 20


def emit(**line):
    line.setdefault("best", line["value"])
    print(json.dumps(line), flush=True)


@contextlib.contextmanager
def round_trips(machine, **of):
    """Before and after a measurement, how far apart the two CPUs are: nothing may poll then."""
    of = {"bench": "roundtrip", "unit": "cycles", **of}
    emit(**of, what="before", value=machine.round_trip())
    yield
    emit(**of, what="after", value=machine.round_trip())


def forwarded(result):
    return result["received_during"] / result["seconds"]


class Trial:
    """A turn of a box: so much traffic for so long. The rate is packets a second, 0 for all that
    the generator can, or a function of what the box forwards at full rate at this moment."""

    def __init__(self, box, size, rate, ms, count_cycles=False):
        with box.turn():
            full = forwarded(box.generator.run(size, 0, min(ms, WARM_UP_MS)))
            rate = rate(full) if callable(rate) else rate
            busy = box.busy() if count_cycles else None
            pauses = box.pauses()
            self.result = box.generator.run(size, rate, ms)
            self.disturbed = box.pauses() != pauses
            if busy:
                self.cycles, self.packets = (now - then for now, then in zip(box.busy(), busy))
                self.packets = self.packets or self.result["received"]

    def loss(self):
        """Of what the generator made, also what there was no room for in the ring."""
        made = self.result["sent"] + self.result["refused"]
        return 1 - self.result["received"] / max(made, 1)

    def sent(self):
        return self.result["sent"] / self.result["seconds"]


class Search:
    """RFC 2544 section 26.1, by bisection: the highest rate at which no more is lost than the
    tolerance, a part of the packets.

    On a shared machine others take the CPU away now and then, for longer than the box's ring of
    2,048 frames lasts. So a rate is tried several times, and holds as soon as one trial holds; a
    trial that fails while the kernel took a CPU from the box or the generator is not counted
    among the TRIES that a rate has, up to MOST. How many of ten more trials hold at the rate that
    was found is reported with it.
    """
    TRIES, MOST, STEPS, CONFIRM = 3, 10, 8, 10

    def __init__(self, box, most, args):
        self.box, self.most, self.tolerance = box, most, args.tolerance
        self.steps, self.confirm = (1, 1) if args.quick else (self.STEPS, self.CONFIRM)
        self.rate, self.held = 0.0, 0

    def holds(self, rate):
        """Yields the rate for each trial, and takes the trial: what was sent a second, or 0."""
        failures = 0
        for _ in range(self.MOST):
            trial = yield rate
            if trial.loss() <= self.tolerance:
                return trial.sent()
            failures += not trial.disturbed
            if failures == self.TRIES:
                break
        return 0

    def run(self):
        """Yields the rate for each trial, and takes the trial; leaves what it found."""
        high = self.most * 1.02
        for _ in range(self.steps):
            rate = (self.rate + high) / 2
            sent = yield from self.holds(rate)
            if sent:
                self.rate = max(self.rate, min(sent, rate))
            else:
                high = rate
        for _ in range(self.confirm if self.rate else 0):
            trial = yield self.rate
            self.held += trial.loss() <= self.tolerance


def search_in_turns(searches, size, ms):
    """Each search a trial, and again, until all have found what they look for."""
    running = {search: search.run() for search in searches}
    wanted = {search: next(run) for search, run in running.items()}
    while wanted:
        for search, rate in list(wanted.items()):
            try:
                wanted[search] = running[search].send(Trial(search.box, size, rate, ms))
            except StopIteration:
                del wanted[search]


class Pair:
    """Another box and weir, which take turns: one run of all figures."""

    def __init__(self, link, pair, size, number, args):
        self.link, self.boxes, self.size, self.number, self.args = link, pair, size, number, args

    def emit(self, box, **line):
        emit(bench="wire", link=self.link, box=box.name, sessions=box.sessions, frames=self.size,
             run=self.number, **line)

    def emit_beside(self, **line):
        """What weir is beside the other box."""
        other, weir = self.boxes
        self.emit(weir, beside=other.name, **line)

    def trials(self, rates, times, ms):
        """The trials of each box: one, and the other's, and again; each is first every other
        time."""
        trials = {box: [] for box in self.boxes}
        for number in range(1 if self.args.quick else times):
            for box in self.boxes if number % 2 == 0 else reversed(self.boxes):
                trials[box].append(Trial(box, self.size, rates[box], ms, rates[box] == 0))
        return [trials[box] for box in self.boxes]

    def full_rate(self):
        """What each box forwards when frames come as fast as they can."""
        trials = self.trials(dict.fromkeys(self.boxes, 0), FULL_TRIALS, self.args.ms)
        rates = [[forwarded(trial.result) for trial in some] for some in trials]
        for box, some, of_it in zip(self.boxes, trials, rates):
            self.emit(box, what="full rate", unit="packets/s", value=statistics.median(of_it),
                      best=max(of_it),
                      generator_bound=int(statistics.median(trial.loss() for trial in some) < 0.01))
            if hasattr(some[0], "cycles"):
                self.emit(box, what="busy", unit="cycles/packet", value=statistics.median(
                    trial.cycles / max(trial.packets, 1) for trial in some))
        theirs, ours = rates
        self.emit_beside(what="part of its rate", unit="%",
                         value=100 * statistics.median(our / max(their, 1)
                                                       for their, our in zip(theirs, ours)))
        return {box: statistics.median(some) for box, some in zip(self.boxes, rates)}

    def no_loss(self, most):
        """The rate of each box without loss."""
        searches = [Search(box, most[box], self.args) for box in self.boxes]
        search_in_turns(searches, self.size, self.args.ms)
        for search in searches:
            self.emit(search.box, what="no loss", unit="packets/s", value=search.rate,
                      tolerance=self.args.tolerance, held=search.held, of=search.confirm)
        return {search.box: search.rate for search in searches}

    def latency(self, full, no_loss):
        """At parts of the rate without loss. A host may be faster or slower than when that was
        found, so each turn takes that part of what the box forwards at full rate just now."""
        for part in LATENCY_AT:
            rates = {box: lambda now, of=part / 100 * no_loss[box] / max(full[box], 1):
                     max(now * of, 1000) for box in self.boxes}
            trials = self.trials(rates, LATENCY_TRIALS, self.args.latency_ms)
            for key in LATENCIES:
                what = f"{key[:-3]} at {part} %"
                theirs, ours = ([trial.result[key] for trial in some] for some in trials)
                for box, some in zip(self.boxes, (theirs, ours)):
                    self.emit(box, what=what, unit="us", value=statistics.median(some),
                              best=min(some))
                self.emit_beside(what=f"{what}, more", unit="us",
                                 value=statistics.median(ours) - statistics.median(theirs))

    def run(self):
        full = self.full_rate()
        self.latency(full, self.no_loss(full))


def measure(over, link, others, args):
    """Each other box beside weir, with as many sessions."""
    for sessions in args.sessions:
        for other in others:
            with contextlib.ExitStack() as stack:
                pair = []
                for name in (other, "weir"):
                    pair.append(stack.enter_context(over(args.machine, name, sessions)))
                    pair[-1].stop()
                for size in args.sizes:
                    for number in range(args.runs):
                        print(f"{link}: {other} and weir, {sessions} sessions, {size}, "
                              f"run {number + 1}", file=sys.stderr)
                        with round_trips(args.machine, link=link, beside=other, sessions=sessions,
                                         frames=size, run=number):
                            Pair(link, pair, size, number, args).run()
