# SPDX-License-Identifier: BSD-3-Clause
"""RFC 7857: updates to the NAT behavioural requirements. REQs are its sections."""
import time

from . import packets
from .registry import rules_of

req = rules_of("RFC 7857")


def state(t, host):
    """The TCP state of a subscriber's only session, as an operator reads it."""
    found = t.sessions_of(host)
    t.equal(len(found), 1, f"sessions of {host.name}")
    return found[0]["state"]


@req("s2", "TCP states follow the segments: SYN, SYN-ACK, ACK, FINs in either order, RST")
def tcp_states(t):
    def expect(host, name, after):
        t.fence(host)
        t.equal(state(t, host), name, f"{host.name} after {after}")

    first_syn = t.subscriber(10)
    t.out("tcp", first_syn, 5000, t.b1)
    expect(first_syn, "SYN_SENT", "SYN")
    for n, first in ((1, "client"), (2, "server")):
        s = t.subscriber(n)
        c = t.connect(s, 5000, t.b1)
        expect(s, "ESTABLISHED", "the handshake")
        near = (c.from_client, t.b1) if first == "client" else (c.from_server, s)
        far = (c.from_server, s) if first == "client" else (c.from_client, t.b1)
        t.passes(near[0]("FA"), near[1])
        expect(s, "FIN_WAIT" if first == "client" else "CLOSE_WAIT", f"the {first}'s FIN")
        t.passes(far[0]("FA"), far[1])
        expect(s, "TIME_WAIT" if first == "client" else "LAST_ACK", "both FINs")
    for n, side in ((3, "client"), (4, "server")):
        s = t.subscriber(n)
        c = t.connect(s, 5000, t.b1)
        near = (c.from_client, t.b1) if side == "client" else (c.from_server, s)
        far = (c.from_server, s) if side == "client" else (c.from_client, t.b1)
        for what, name in (("R", "CLOSE"), ("RA", "CLOSE")):
            t.passes(near[0](what), near[1])
            expect(s, name, f"the {side}'s RST")
            t.passes(far[0]("PA", t.cookie()), far[1])
            if side == "client":
                t.passes(near[0]("A"), near[1])
            expect(s, "ESTABLISHED", "data after the RST")
        t.passes(near[0]("FA"), near[1])
        t.passes(far[0]("R"), far[1])
        expect(s, "CLOSE", "a FIN and the other's RST")


@req("s2 b", "simultaneous open goes by its own state; a new SYN opens a closed connection again")
def tcp_states_of_syns(t):
    def expect(name, after):
        t.fence(t.s1)
        t.equal(state(t, t.s1), name, f"after {after}")

    public = t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "S", 1000), t.b1).source
    t.passes(t.tcp(t.b1, 80, *public, "S", 5000), t.s1)
    expect("SYN_SENT2", "SYNs both ways")
    t.passes(t.tcp(t.b1, 80, *public, "SA", 5000, 1001), t.s1)
    t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "SA", 1000, 5001), t.b1)
    t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "A", 1001, 5001), t.b1)
    expect("ESTABLISHED", "SYN-ACKs both ways")
    t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "S", 9000), t.b1)
    t.passes(t.tcp(t.b1, 80, *public, "S", 7000), t.s1)
    expect("ESTABLISHED", "blind SYNs")
    t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "FA", 1001, 5001), t.b1)
    t.passes(t.tcp(t.b1, 80, *public, "FA", 5001, 1002), t.s1)
    expect("TIME_WAIT", "both FINs")
    again = t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "S", 2000), t.b1)
    t.equal(again.source, public, "the new connection's public endpoint")
    expect("SYN_SENT", "a new SYN")


@req("s2 a", "a segment that is no SYN begins nothing")
def only_syn_begins(t):
    for flags in ("A", "PA", "SA", "FA", "R", ""):
        t.blocked(t.tcp(t.s1, 5000, t.b1.address, 80, flags, ack=1), t.s1, t.b1, f"[{flags}]")
    public = t.out("tcp", t.s2, 5000, t.b1).source
    for flags in ("A", "SA", "FA", "R"):
        t.blocked(t.tcp(t.b2, 80, *public, flags, ack=1), t.b2, t.s2, f"[{flags}] from outside")


@req("s2.1", "opening and closing have timeouts of their own, and run as configured", lab="short")
def opening_and_closing(t):
    """3 s opening, 6 s closing."""
    half = t.out("tcp", t.s1, 5000, t.b1).source
    c = t.connect(t.s2, 6000, t.b1)
    t.passes(c.from_client("FA"), t.b1)
    t.passes(c.from_server("FA"), t.s2)
    began = time.monotonic()
    time.sleep(4.5)
    t.still(t.sessions_of(t.s2), began, 6, "FIN and FIN: gone 4.5 s into 6")
    t.check(not t.reaches("tcp", t.b2, 80, half, t.s1), "half-open is there after 4.5 s of 3")
    time.sleep(4)
    t.check(not c.answers(), "FIN and FIN: there after 9 s of 6")


@req("s2.1 a", "opening and closing timeouts are 4 minutes or more by default")
def opening_and_closing_default(t):
    for name in ("tcp-opening", "tcp-closing"):
        t.check(t.timeout(name) >= 240, f"{name} is {t.timeout(name)} s")


@req("s2.2", "a RST passes and ends the session only after its timeout; data brings it back",
     lab="short")
def reset(t):
    """Reset 4 s, established 9 s: with data after the RST the session outlives the 4 s."""
    blind, dead = t.connect(t.s1, 5000, t.b1), t.connect(t.s2, 6000, t.b1)
    t.passes(blind.from_server("R"), t.s1)
    t.passes(dead.from_server("R"), t.s2)
    t.passes(blind.from_client("PA", t.cookie()), t.b1)
    began = time.monotonic()
    time.sleep(6.5)
    t.still(blind.answers(), began, 9, "gone 6.5 s after data that followed the RST")
    t.check(not dead.answers(), "there 6.5 s after a RST, with a timeout of 4")


@req("s2.2 a", "the timeout after a RST is 4 minutes or more by default")
def reset_default(t):
    t.check(t.timeout("tcp-reset") >= 240, f"tcp-reset is {t.timeout('tcp-reset')} s")


@req("s3", "ports overlap only where chosen, and then towards different remotes",
     pool={"port-range": "1024-1087", "block-size": 64, "mapping": "address-and-port-dependent",
           "filtering": "address-and-port-dependent", "port-overloading": "yes"})
def overlapping(t):
    """64 ports serve 100 sessions to 100 remotes; two never share port and remote."""
    seen = set()
    for i in range(100):
        packet = t.out("udp", t.s1, 3000 + i, t.b1, 1000 + i)
        t.check((packet.source, packet.dport) not in seen, f"{packet} stands for two")
        seen.add((packet.source, packet.dport))
    for i in range(64):
        t.out("tcp", t.s1, 3000 + i, t.b1, 80)
    t.blocked(t.tcp(t.s1, 9000, t.b1.address, 80, "S"), t.s1, t.b1, "the 65th to one remote")
    mine = [pool for pool in t.weirctl("show", "pools")["pools"]
            if pool["name"] == f"test{t.test.slot}-0"]
    t.equal(mine[0]["ports"]["overloaded"], 36, "ports that the pool says are overloaded")


@req("s4", "paired pooling: when the paired address is full the flow is refused, not moved",
     addresses=2, pool={"port-range": "1024-1087", "block-size": 64})
def strict_pairing(t):
    for proto in ("udp", "tcp"):
        seen = {t.out(proto, t.s1, 3000 + i, t.b1).src for i in range(64)}
        t.check(len(seen) == 1, f"seen as {sorted(seen)}")
        t.blocked(t.send(proto, t.s1, 9000, t.b1.address, 7), t.s1, t.b1,
                  f"the 65th {proto} mapping, the other address is free")


@req("s4 a", "soft pairing, where chosen: a flow may use another address then",
     addresses=2, pool={"port-range": "1024-1087", "block-size": 64,
                        "address-pooling": "soft"})
def soft_pairing(t):
    seen = {t.out("udp", t.s1, 3000 + i, t.b1).src for i in range(64)}
    t.check(len(seen) == 1, f"seen as {sorted(seen)} while one address has room")
    t.check(t.out("udp", t.s1, 9000, t.b1).src not in seen, "the 65th")


@req("s5", "mappings are per protocol: TCP and UDP of one source port have ports of their own")
def per_protocol(t):
    pairs = [(t.out("tcp", t.s1, port, t.b1).sport, t.out("udp", t.s1, port, t.b1).sport)
             for port in range(5000, 5016)]
    t.check(any(tcp != udp for tcp, udp in pairs), f"always the same: {pairs}")


@req("s6", "filtering is per protocol: a UDP mapping lets no TCP or ICMP in")
def filtering_per_protocol(t):
    for open_, others in (("udp", ("tcp", "icmp")), ("tcp", ("udp", "icmp")),
                          ("icmp", ("udp", "tcp"))):
        s = t.subscriber({"udp": 11, "tcp": 12, "icmp": 13}[open_])
        public = t.out(open_, s, 5000, t.b1).source
        for other in others:
            t.check(not t.reaches(other, t.b1, 7, public, s), f"{other} comes in by {open_}'s")


@req("s7", "inbound refresh can be switched off", lab="no-inbound-refresh")
def no_inbound_refresh(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for _ in range(8):
        time.sleep(1)
        t.udp(t.b1, 7, *public)
    t.check(not t.reaches("udp", t.b1, 7, public, t.s1), "kept alive from outside")


@req("s7 b", "nor is it refreshed by new remotes, each with its first packet",
     lab="no-inbound-refresh")
def no_inbound_refresh_by_many(t):
    """A packet a second from another port each time, beside one that S1 never answers."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    for i in range(10):
        time.sleep(1)
        t.udp(t.b2, 1000 + i, *public)
    t.check(not t.reaches("udp", t.b1, 7, public, t.s1), "kept alive by strangers")


@req("s7 a", "filtered packets never refresh", lab="short",
     pool={"filtering": "address-dependent"})
def filtered_do_not_refresh(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for _ in range(9):
        time.sleep(1)
        t.udp(t.b2, 7, *public)
    t.check(not t.reaches("udp", t.b1, 7, public, t.s1), "kept alive by filtered packets")


@req("s7.1", "ICMP errors sent outward in answer to inbound packets do not refresh",
     lab="no-inbound-refresh")
def answers_do_not_refresh(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for _ in range(8):
        time.sleep(1)
        t.udp(t.b1, 7, *public)
        got = t.s1.receive(lambda packet: packet.protocol == 17, 0.2)
        if got is not None:
            t.s1.send(packets.error(t.s1.address, t.b1.address, 3, 3, got.data))
    t.check(not t.reaches("udp", t.b1, 7, public, t.s1), "kept alive by errors")


@req("s7.1 a", "a RST sent outward in answer to an inbound packet does not refresh",
     lab="no-inbound-refresh")
def resets_do_not_refresh(t):
    public = t.out("tcp", t.s1, 5000, t.b1).source
    for _ in range(9):
        time.sleep(1)
        syn = t.tcp(t.b1, 80, *public, "S", 5000)
        if t.s1.receive(t.is_copy(syn), 0.2) is not None:
            t.tcp(t.s1, 5000, t.b1.address, 80, "RA", ack=5001)
    t.check(not t.reaches("tcp", t.b1, 80, public, t.s1), "kept alive by resets")


@req("s8", "port parity is not kept for dynamic mappings by default")
def no_parity(t):
    kept = [t.out("udp", t.s1, port, t.b1).sport % 2 == port % 2 for port in range(5000, 5032)]
    if all(kept):
        t.opted_out("pools[0].port-parity: yes")


@req("s9", "ports are chosen at random, not kept or counted up (RFC 6056 section 4)")
def random_ports(t):
    ports = [t.out("udp", t.s1, 5000 + i, t.b1).sport for i in range(64)]
    steps = {b - a for a, b in zip(ports, ports[1:])}
    t.check(len(steps) > 48, f"only {len(steps)} different steps between 64 ports: {ports[:8]}...")


@req("s10", "IP identifications of two subscribers' fragments do not meet", pool={})
def fragment_ids(t):
    """Both send a fragmented datagram with identification 77 to one host, through one address."""
    seen = []
    for s in (t.s1, t.s2):
        for piece in packets.fragments(packets.udp(s.address, 5000, t.b1.address, 7, b"x" * 1600,
                                                   id=77), 800):
            s.send(piece)
        t.fence(s, t.b1)
        got = t.b1.take_all()
        t.check(len(got) >= 2, f"{len(got)} fragments of {s.name} arrive")
        ids = {p.id for p in got if p.fragment}
        t.check(len(ids) == 1, f"one datagram's fragments have the identifications {ids}")
        seen += ids
    t.check(len(set(seen)) == 2, f"both have {seen[0]}")


@req("s10 a", "so do those of packets that may still be fragmented on their way", pool={})
def whole_ids(t):
    seen = [t.out("udp", s, 5000, t.b1, id=77).id for s in (t.s1, t.s2)]
    t.check(seen[0] != seen[1], f"both have {seen[0]}")
    ids = [t.out("udp", t.s1, 5000, t.b1, id=77).id for _ in range(50)]
    t.check(len(set(ids)) == 50, f"{50 - len(set(ids))} of 50 repeat")


@req("s11", "an ICMP query's mapping may go with its last session", lab="short")
def query_mapping_ends(t):
    public = t.out("icmp", t.s1, 5000, t.b1).source
    time.sleep(8)
    t.check(not t.reaches("icmp", t.b1, None, public, t.s1), "there 8 s after, the timeout is 4")
    t.out("icmp", t.s1, 5000, t.b1)


@req("s12", "ICMP queries are hairpinned")
def hairpin_query(t):
    """S2 pings the public address and identifier of S1, and gets S1's answer from there."""
    public = t.out("icmp", t.s1, 5000, t.b1).source
    other = t.out("udp", t.s2, 6000, t.b1).src
    sent = t.ping(t.s2, public[1], public[0])
    seen = t.passes(sent, t.s1)
    t.equal(seen.src, other, "the source that S1 sees")
    reply = t.s1.send(packets.echo(t.s1.address, seen.src, seen.ident, 1, seen.payload, reply=True))
    answer = t.passes(reply, t.s2)
    t.equal((answer.src, answer.ident), public, "source and identifier of the answer")
