# SPDX-License-Identifier: BSD-3-Clause
"""What weir shall reach, against what was measured in this run. Nothing that was not is listed."""

AT_MOST, AT_LEAST = "<=", ">="

# By sessions: of an established session's packet, 64 B UDP, both directions.
PIPELINE_CYCLES = ((64512, 90), (1032192, 130), (16515072, 180))
# Sessions, VPP's plugin, how many times its rate.
TIMES_VPP = ((64512, "nat44-ed", 3), (64512, "nat44-ei", 1.7), (1032192, "nat44-ei", 2))


def _sessions(n):
    return {64512: "64 K", 1032192: "1 M", 16515072: "16.5 M"}[n]


def _worst(figures, key="median", of=max):
    values = [figure[key] for figure in figures if key in figure]
    return of(values) if values else None


def _measured(results, find):
    """(what, relation, target, unit, measured or None), in order."""
    for sessions, cycles in PIPELINE_CYCLES:
        yield (f"pipeline, 64 B UDP, both directions, {_sessions(sessions)} sessions", AT_MOST, cycles,
               "cycles", _worst(find(results, bench="pipeline", sessions=sessions, frames="udp64",
                                     direction="mixed")))

    def rate(box, sessions, key="median"):
        return _worst(find(results, bench="wire", link="memif", box=box, sessions=sessions,
                           frames="64", what="full rate"), key)

    def beside(box, sessions, what, key="median"):
        return _worst(find(results, bench="wire", link="memif", box="weir", beside=box,
                           sessions=sessions, frames="64", what=what), key)

    yield ("over memif, 64 B, 64 K sessions: part of testpmd's rate, turn by turn", AT_LEAST, 70,
           "%", beside("testpmd", 64512, "part of its rate"))
    ours, theirs = (rate(box, 64512, "best") for box in ("weir", "testpmd"))
    yield ("... the best turns of both", AT_LEAST, 70, "%",
           100 * ours / theirs if ours and theirs else None)
    for sessions, other, times in TIMES_VPP:
        part = beside(f"vpp {other}", sessions, "part of its rate")
        yield (f"over memif, 64 B, {_sessions(sessions)} sessions: times VPP {other}'s rate, turn by "
               "turn", AT_LEAST, times, "x", _scaled(part, 0.01))
    yield ("new sessions a second at 1 M, the worst load", AT_LEAST, 1.5, "M/s",
           _scaled(_worst(find(results, bench="setup", sessions=1032192), of=min), 1e-6))
    yield ("made and expired a second at 16.5 M", AT_LEAST, 0.6, "M/s",
           _scaled(_worst(find(results, bench="churn", sessions=16515072), of=min), 1e-6))
    for sessions in (64512, 1032192):
        lost = f"established throughput lost beside 3 % new flows, {_sessions(sessions)} sessions"
        of = {"beside": "3 % new flows", "sessions": sessions}
        yield (f"{lost}: in process", AT_MOST, 25, "%",
               _worst(find(results, bench="mixes", **of), "established_lost_percent"))
        yield (f"{lost}: over memif, 64 B, turn by turn", AT_MOST, 25, "%",
               _worst(find(results, bench="newflows", link="memif", frames="64",
                           what="established lost", **of)))
    yield ("memory a session, the worst", AT_MOST, 216, "bytes",
           _worst([row for row in find(results, bench="memory") if row["sessions"] > 500000]))
    for load, cycles in ((50, 60), (99, 120)):
        for of in ("subscriber, 4 blocks of 256", "pool, 32768 blocks of 1024"):
            yield (f"a port at {load} % of a {of.split(',')[0]}'s", AT_MOST, cycles, "cycles",
                   _worst(find(results, bench="ports", of=of, load=load)))
    for steered, times in (("right", 1.9), ("wrong", 1.4)):
        yield (f"two workers, steered {steered}, the worst", AT_LEAST, times, "x one",
               _worst(find(results, bench="workers", packets="established", workers=2,
                           steered=steered), "times_one", min))
    yield ("p99 latency that weir adds to testpmd's at 50 % load, 64 B, turn by turn", AT_MOST, 20,
           "us", beside("testpmd", 64512, "p99 at 50 %, more"))
    yield ("packets lost beside a dump", AT_MOST, 0, "packets",
           _worst(find(results, bench="dump", what="lost beside it"), "max"))
    yield ("throughput lost beside a dump", AT_MOST, 5, "%",
           _worst([row for row in find(results, bench="dump", what="throughput lost")
                   if row["of"].endswith("in process")]))


def _scaled(value, by):
    return None if value is None else value * by


def reached(results, find):
    rows = []
    for what, relation, target, unit, measured in _measured(results, find):
        if measured is None:
            continue
        met = measured <= target if relation == AT_MOST else measured >= target
        rows.append({"what": what, "target": f"{relation} {target} {unit}", "measured": measured,
                     "measured_text": f"{measured:.2f}" if measured < 10 else f"{measured:,.1f}",
                     "met": met})
    return rows
