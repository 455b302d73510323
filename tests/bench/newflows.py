# SPDX-License-Identifier: BSD-3-Clause
"""What new flows cost the established ones, on the wire.

Two weirs with the same established flows take turns of a tenth of a second (turns.py), at full rate.
One gets nothing else; of what the other gets, a part are first packets of new flows: each one packet
from a subscriber's next port, whose session ends by itself a second or two later, so that as many end
as begin.

weir's wheel has seconds: the sessions of one end in the first part of a later one. So a figure is of
a round, all turns of some seconds. And the generator sends as long as a weir runs, else sessions would
end when weir has nothing else to do.
"""
import contextlib
import statistics
import sys
import time

import box as boxes
from turns import WARM_UP_MS, emit, round_trips

# Of 100,000 packets that are sent, both ways together.
PARTS = ((400, "0.4 % new flows"), (3000, "3 % new flows"))
# New flows' sessions at a time: 3 % of 30 Mpps for two seconds and some more, half of the time.
ROOM = 1 << 20
# With fewer sessions there are too few subscribers for their ports; with more, two weirs take too
# much memory.
SESSIONS_LEAST, SESSIONS_MOST = 60000, 1100000
ROUNDS = 5
ROUND_SECONDS = 2
LEAD_IN_SECONDS = 3.5  # until as many sessions end as begin
TURNS_MOST = 200  # in one round: others may have the CPU
# So many end while others begin, by those: a host that gets faster or slower meanwhile moves it.
ENDED_LEAST, ENDED_MOST = 0.7, 1.4
# What weir may say of packets: it is no error that there was no room for one on the way out.
FINE = ("translated", "tx_full", "arp", "received", "waiting")

SENT = ("sent", "refused", "new_sent", "new_received", "new_missing")
COUNTED = ("received", "sessions_created", "sessions_destroyed")


def add(total, more):
    for key in total:
        total[key] += more[key]


class Round:
    """What came out of one weir in some turns, and what it counted meanwhile."""

    def __init__(self):
        self.established = 0
        self.seconds = 0.0  # in which those came out
        self.running = 0.0
        self.counted = dict.fromkeys(COUNTED, 0)
        self.cycles = self.packets = 0

    def rate(self):
        return self.established / max(self.seconds, 1e-6)

    def busy(self):
        return self.cycles / max(self.packets, 1)


class Side:
    """One weir, and what it gets beside its established flows."""

    def __init__(self, box, part, args):
        self.box, self.part, self.args = box, part, args
        self.sent = dict.fromkeys(SENT, 0)

    def turn(self, into):
        ms = self.args.ms + WARM_UP_MS
        begin = time.monotonic()
        with self.box.turn():
            before = self.box.worker()
            result = self.box.generator.ask(
                f"beside {self.part} {self.args.size} {WARM_UP_MS} {ms}")
            after = self.box.worker()
        took = time.monotonic() - begin
        grown = {key: after[key] - before[key] for key in (*COUNTED, "cycles_busy")}
        add(self.sent, result)
        add(into.counted, grown)
        # where weir was stopped while it had packets, it counts that time as busy
        if grown["cycles_busy"] <= took * self.box.generator.tsc_hz:
            into.cycles += grown["cycles_busy"]
            into.packets += grown["received"]
        into.established += result["received_during"]
        into.seconds += result["seconds"]
        into.running += ms / 1000

    def counters(self):
        """(by name, verdicts)"""
        with self.box.turn():
            return self.box.worker(), self.box.telemetry("/weir/verdicts")

    def settle(self):
        """Until all sessions but the established ones have ended."""
        with self.box.turn():
            add(self.sent, self.box.generator.ask("drain"))
            for _ in range(3000):
                if self.box.worker()["sessions"] <= self.box.sessions:
                    break
                time.sleep(0.01)

    def generator_bound(self):
        """Whether weir took all that the generator could send."""
        return self.sent["refused"] < (self.sent["sent"] + self.sent["refused"]) / 100


class Run:
    """Two weirs, and one part of new flows beside the second's."""

    def __init__(self, pair, part, args):
        self.quick = args.quick
        self.sides = [Side(pair[0], 0, args), Side(pair[1], part, args)]
        self.turns = 0

    def round(self, seconds):
        """Turns of both for so long, and until something came of each; each is first every other
        time."""
        rounds = quiet, loaded = [Round() for _ in self.sides]
        end = time.monotonic() + (0 if self.quick else seconds)
        most = self.turns + TURNS_MOST
        while (time.monotonic() < end or not quiet.established or not loaded.established or
               not loaded.counted["sessions_created"]):
            if self.turns == most:
                raise RuntimeError("new flows: weir makes no sessions or forwards nothing")
            both = list(zip(self.sides, rounds))
            for side, into in both if self.turns % 2 == 0 else reversed(both):
                side.turn(into)
            self.turns += 1
        return rounds

    def measure(self):
        """There are figures then, or an error says why there are none."""
        first = self.sides[1].counters()
        self.round(LEAD_IN_SECONDS)
        self.rounds = [self.round(ROUND_SECONDS) for _ in range(1 if self.quick else ROUNDS)]
        self.lasting = self.sides[1].counters()[0]["sessions"] - self.sides[1].box.sessions
        self.sides[1].settle()
        last = self.sides[1].counters()
        self.check(*({key: now[key] - then[key] for key in now if isinstance(now[key], int)}
                     for now, then in zip(last, first)))
        self.check_pace()

    def check(self, counted, verdicts):
        """Each new flow made a session, and these have ended, by weir's counters."""
        sent, made = self.sides[1].sent, counted["sessions_created"]
        refused = {name: count for name, count in verdicts.items() if count and name not in FINE}
        if sent["new_missing"]:
            raise RuntimeError("new flows: the generator had used all source ports")
        if refused:
            raise RuntimeError(f"new flows: weir refused packets: {refused}")
        if made != sent["new_sent"]:
            raise RuntimeError(f"{sent['new_sent']} new flows were sent, {made} sessions were made")
        if sent["new_received"] + verdicts["tx_full"] < made:
            raise RuntimeError(f"of the first packets of {made} new flows only "
                               f"{sent['new_received']} came out")
        if counted["sessions_destroyed"] != made:
            raise RuntimeError(f"of {made} new flows' sessions {counted['sessions_destroyed']} ended")

    def total(self, i):
        total = dict.fromkeys(COUNTED, 0)
        for both in self.rounds:
            add(total, both[i].counted)
        return total

    def check_pace(self):
        """About as many sessions ended as began, while it was measured."""
        made, ended = (self.total(1)[f"sessions_{what}"] for what in ("created", "destroyed"))
        if not self.quick and not ENDED_LEAST <= ended / max(made, 1) <= ENDED_MOST:
            raise RuntimeError(f"new flows: {made} sessions began, but {ended} ended meanwhile")

    def emit(self, name, **common):
        for i, (side, beside) in enumerate(zip(self.sides, ("nothing", name))):
            of = {**common, "beside": beside}
            rates = [both[i].rate() for both in self.rounds]
            busy = [both[i].busy() for both in self.rounds]
            emit(**of, what="established", unit="packets/s", value=statistics.median(rates),
                 best=max(rates), generator_bound=int(side.generator_bound()))
            emit(**of, what="busy", unit="cycles/packet", value=statistics.median(busy),
                 best=min(busy))
        total, running = self.total(1), sum(both[1].running for both in self.rounds)
        lost = [100 * (1 - loaded.rate() / quiet.rate()) for quiet, loaded in self.rounds]
        emit(**of, what="established lost", unit="%", value=statistics.median(lost), best=min(lost))
        emit(**of, what="part of what weir took", unit="%",
             value=100 * total["sessions_created"] / max(total["received"], 1))
        emit(**of, what="made", unit="sessions/s", value=total["sessions_created"] / running)
        emit(**of, what="ended", unit="sessions/s", value=total["sessions_destroyed"] / running)
        emit(**of, what="at a time", unit="sessions", value=self.lasting)


def measure(args):
    """The first kind of frame, each number of sessions that there is room for."""
    args.size = args.sizes[0]
    for sessions in args.sessions:
        if not args.quick and not SESSIONS_LEAST <= sessions <= SESSIONS_MOST:
            print(f"memif: no new flows beside {sessions} sessions, only beside {SESSIONS_LEAST} to "
                  f"{SESSIONS_MOST}", file=sys.stderr)
            continue
        with contextlib.ExitStack() as stack:
            pair = []
            for _ in range(2):
                pair.append(stack.enter_context(
                    boxes.over_memif(args.machine, "weir", sessions, ROOM)))
                pair[-1].stop()
            for number in range(args.runs):
                for part, name in PARTS:
                    print(f"memif: weir, {name}, {sessions} sessions, {args.size}, "
                          f"run {number + 1}", file=sys.stderr)
                    common = {"link": "memif", "sessions": sessions, "frames": args.size,
                              "run": number}
                    with round_trips(args.machine, beside=name, **common):
                        run = Run(pair, part, args)
                        run.measure()
                    run.emit(name, bench="newflows", **common)
