# SPDX-License-Identifier: BSD-3-Clause
"""RFC 5382 (BCP 142): TCP."""
import time

from . import packets
from .registry import rules_of
from .sip import INVITE

req = rules_of("RFC 5382")
SMALL_POOL = {"port-range": "1024-1279", "block-size": 64, "max-blocks-per-subscriber": 1}


@req("REQ-1", "a mapping does not depend on the remote endpoint")
def endpoint_independent(t):
    first = t.out("tcp", t.s1, 5000, t.b1, 1).source
    rival = t.out("tcp", t.s2, 5000, t.b1, 1).source
    t.check(rival != first, f"two subscribers are both seen as {first}")
    for s, public in ((t.s1, first), (t.s2, rival)):
        for remote in ((t.b1, 2), (t.b2, 1)):
            t.equal(t.out("tcp", s, 5000, *remote).source, public, f"{s.name}:5000 is seen as")


@req("REQ-2", "a connection from the inside: handshake, data, both FINs, last ACKs")
def whole_connection(t):
    for closer in ("client", "server"):
        c = t.connect(t.s1, 5000 if closer == "client" else 5001, t.b1)
        c.works()
        near, far = (c.from_client, c.from_server) if closer == "client" else (
            c.from_server, c.from_client)
        at_near, at_far = (t.s1, t.b1) if closer == "client" else (t.b1, t.s1)
        t.passes(near("FA"), at_far)
        t.passes(far("A"), at_near)
        t.passes(far("PA", t.cookie()), at_near)
        t.passes(near("A"), at_far)
        t.passes(far("FA"), at_near)
        t.passes(near("A"), at_far)


@req("REQ-2 a", "simultaneous open: the SYNs cross, then SYN-ACKs both ways, then data")
def simultaneous_open(t):
    syn = t.tcp(t.s1, 5000, t.b1.address, 80, "S")
    public = t.passes(syn, t.b1).source
    crossing = t.tcp(t.b1, 80, *public, "S")
    t.passes(crossing, t.s1)
    t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "SA", syn.seq, crossing.seq + 1), t.b1)
    t.passes(t.tcp(t.b1, 80, *public, "SA", crossing.seq, syn.seq + 1), t.s1)
    t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "PA", syn.seq + 1, crossing.seq + 1,
                   t.cookie()), t.b1)
    t.passes(t.tcp(t.b1, 80, *public, "PA", crossing.seq + 1, syn.seq + 1, t.cookie()), t.s1)


def crossed(t, public, port):
    """The rest of a simultaneous open of S1:5000 and B1:port, whose SYNs have both been sent."""
    mine, theirs = 1000, 5000
    t.passes(t.tcp(t.s1, 5000, t.b1.address, port, "SA", mine, theirs + 1), t.b1)
    t.passes(t.tcp(t.b1, port, *public, "SA", theirs, mine + 1), t.s1)
    t.passes(t.tcp(t.s1, 5000, t.b1.address, port, "PA", mine + 1, theirs + 1, t.cookie()), t.b1)
    t.passes(t.tcp(t.b1, port, *public, "PA", theirs + 1, mine + 1, t.cookie()), t.s1)


@req("REQ-2 d", "simultaneous open where the SYN from the outside comes first, and where both repeat")
def simultaneous_open_inbound_first(t):
    public = t.out("tcp", t.s1, 5000, t.b2).source
    t.passes(t.tcp(t.b1, 80, *public, "S", 5000), t.s1)
    seen = t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "S", 1000), t.b1)
    t.equal(seen.source, public, "the crossing SYN's source")
    crossed(t, public, 80)
    for _ in range(3):
        t.passes(t.tcp(t.s1, 5000, t.b1.address, 81, "S", 1000), t.b1)
        t.passes(t.tcp(t.b1, 81, *public, "S", 5000), t.s1)
    crossed(t, public, 81)


@req("REQ-2 e", "so it works where the SYN from the outside was filtered and is repeated",
     pool={"filtering": "address-and-port-dependent"})
def simultaneous_open_filtered(t):
    """Not so where the mapping did not exist: then the peer cannot know the port."""
    public = t.out("tcp", t.s1, 5000, t.b2).source
    t.blocked(t.tcp(t.b1, 80, *public, "S", 5000), t.b1, t.s1, "filtered")
    t.equal(t.passes(t.tcp(t.s1, 5000, t.b1.address, 80, "S", 1000), t.b1).source, public, "the source")
    t.passes(t.tcp(t.b1, 80, *public, "S", 5000), t.s1)
    crossed(t, public, 80)


@req("REQ-2 b", "a connection from the outside to a mapping that is there")
def inbound_connection(t):
    public = t.out("tcp", t.s1, 5000, t.b1).source
    syn = t.tcp(t.b2, 4000, *public, "S")
    t.passes(syn, t.s1)
    answer = t.tcp(t.s1, 5000, t.b2.address, 4000, "SA", ack=syn.seq + 1)
    t.equal(t.passes(answer, t.b2).source, public, "the source of the SYN-ACK")
    t.passes(t.tcp(t.b2, 4000, *public, "A", syn.seq + 1, answer.seq + 1), t.s1)
    t.passes(t.tcp(t.b2, 4000, *public, "PA", syn.seq + 1, answer.seq + 1, t.cookie()), t.s1)


@req("REQ-2 c", "SYN, FIN and RST with options, urgent data, ECN and odd sizes pass unchanged")
def unusual_segments(t):
    syn = t.tcp(t.s1, 5000, t.b1.address, 80, "SEC", options=[
        ("MSS", 1360), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)])
    seen = t.passes(syn, t.b1)
    t.equal(seen.l4[20:], syn.l4[20:], "the options")
    for flags, size in (("PA", 1), ("PAU", 3), ("FPAC", 1001)):
        sent = t.tcp(t.s1, 5000, t.b1.address, 80, flags, payload=b"x" * size)
        t.equal(t.passes(sent, t.b1).payload, sent.payload, "the payload")


@req("REQ-3", "filtering is endpoint-independent",
     opt_out=("pools[0].filtering", ("pools", 0, "filtering"), "endpoint-independent"))
def filtering(t):
    public = t.out("tcp", t.s1, 5000, t.b1, 80).source
    for host, port in ((t.b1, 81), (t.b2, 80)):
        t.check(t.reaches("tcp", host, port, public, t.s1),
                f"a SYN from {host.name}:{port} is filtered")


@req("REQ-3 a", "filtering can be address-dependent for TCP", pool={"filtering": "address-dependent"})
def filtering_by_address(t):
    public = t.out("tcp", t.s1, 5000, t.b1, 80).source
    t.check(t.reaches("tcp", t.b1, 81, public, t.s1), "another port of the same host is filtered")
    t.check(not t.reaches("tcp", t.b2, 80, public, t.s1), "another host is let in")


@req("REQ-3 b", "TCP and UDP filtering are chosen apart", pool={"filtering-tcp": "address-dependent"})
def filtering_apart(t):
    tcp = t.out("tcp", t.s1, 5000, t.b1, 80).source
    udp = t.out("udp", t.s1, 5000, t.b1, 80).source
    t.check(t.reaches("udp", t.b2, 80, udp, t.s1), "UDP from another host is filtered")
    t.check(not t.reaches("tcp", t.b2, 80, tcp, t.s1), "TCP from another host is let in")


@req("REQ-4", "an unsolicited inbound SYN has no answer for 6 s")
def unsolicited_syn(t):
    """To a port that nobody has, and silence also afterwards or ICMP 3/3."""
    public = t.out("tcp", t.s1, 5000, t.b1).source
    syn = t.tcp(t.b1, 4000, public[0], 1023, "S")
    time.sleep(5.9)
    early = t.b1.receive(lambda packet: packet.dst == t.b1.address, 0)
    t.check(early is None, f"answered within 6 s: {early}")
    time.sleep(2)
    late = t.error_about(syn, t.b1, 0)
    t.check(late is None or (late.type, late.code) == (3, 3), f"answered by {late}")


@req("REQ-4 a", "an outbound SYN within 6 s makes a filtered inbound SYN be dropped silently",
     pool={"filtering-tcp": "address-and-port-dependent"})
def syn_within_6_s(t):
    """The simultaneous open of RFC 5382 section 5.2, where the inbound SYN comes first."""
    public = t.out("tcp", t.s1, 5000, t.b2, 80).source
    syn = t.tcp(t.b1, 4000, *public, "S")
    t.blocked(syn, t.b1, t.s1, "filtered by address and port")
    time.sleep(1)
    t.equal(t.out("tcp", t.s1, 5000, t.b1, 4000).source, public, "the outbound SYN's source")
    time.sleep(7)
    late = t.b1.receive(lambda packet: packet.is_error, 0)
    t.check(late is None, f"the inbound SYN was answered: {late}")
    t.check(t.reaches("tcp", t.b1, 4000, public, t.s1), "the repeated SYN is filtered")


@req("REQ-4 b", "then port unreachable where that is chosen, unless S1 opened the same meanwhile",
     lab="choices", pool={"filtering-tcp": "address-and-port-dependent"})
def unsolicited_syn_answered(t):
    """Silence for 5.9 s; by 8 s ICMP 3/3 about one SYN, and nothing about the other."""
    public = t.out("tcp", t.s1, 5000, t.b2, 80).source
    alone = t.tcp(t.b1, 4001, *public, "S")
    crossing = t.tcp(t.b1, 4000, *public, "S")
    began = time.monotonic()
    t.blocked(crossing, t.b1, t.s1, "filtered by address and port")
    t.equal(t.out("tcp", t.s1, 5000, t.b1, 4000).source, public, "the outbound SYN's source")
    time.sleep(max(0.0, began + 5.7 - time.monotonic()))
    early = t.b1.receive(lambda packet: packet.is_error or packet.flags == "RA", 0)
    t.check(early is None, f"answered within 5.7 s: {early}")
    late = t.error_about(alone, t.b1)
    t.check(late is not None and (late.type, late.code) == (3, 3), f"not answered, or by {late}")
    t.fence(t.b1)
    other = t.error_about(crossing, t.b1, 0)
    t.check(other is None, f"the SYN that S1's crossed is answered: {other}")
    c = t.tcp(t.b1, 4000, *public, "S")
    t.passes(c, t.s1)


@req("REQ-5", "established and transitory timeouts are at least 2 h 4 min and 4 min by default")
def default_timeouts(t):
    for name, least in (("tcp-established", 7440), ("tcp-opening", 240), ("tcp-closing", 240)):
        t.check(t.timeout(name) >= least, f"{name} is {t.timeout(name)} s")


@req("REQ-5 a", "the timeouts can be configured, and run as configured", lab="short")
def timeouts_run(t):
    """3 s while opening, 9 s established, from the last packet on."""
    half = t.out("tcp", t.s2, 6000, t.b1, 80).source
    c = t.connect(t.s1, 5000, t.b1)
    c.works()
    began = time.monotonic()
    time.sleep(6)
    t.still(c.answers(), began, 9, "established is gone after 6 s of 9")
    t.check(not t.reaches("tcp", t.b2, 81, half, t.s2), "half-open is there after 6 s of 3")
    time.sleep(12)
    t.check(not c.answers(), "established is there after 12 s of 9")


@req("REQ-6", "TCP ALGs other than FTP are off by default: SIP over TCP passes unchanged")
def no_algs(t):
    c = t.connect(t.s1, 5060, t.b1, 5060)
    body = INVITE.format(host=t.s1.address).encode()
    t.passes(c.from_client("PA", body), t.b1)


@req("REQ-7", "no port is used for two inside endpoints at once", pool=SMALL_POOL)
def no_overloading(t):
    seen = {}
    for n in range(1, 5):
        for packet in [t.tcp(t.subscriber(n), 3000 + i, t.b1.address, 80, "S") for i in range(64)]:
            public = t.passes(packet, t.b1).source
            t.check(public not in seen, f"{public} is {seen.get(public)} and "
                    f"{packet.src}:{packet.sport}")
            seen[public] = f"{packet.src}:{packet.sport}"


@req("REQ-8", "hairpinning, with the external source address and port")
def hairpin(t):
    public = t.out("tcp", t.s1, 5000, t.b1).source
    other = t.out("tcp", t.s2, 6000, t.b1).source
    syn = t.tcp(t.s2, 6000, *public, "S")
    t.equal(t.passes(syn, t.s1).source, other, "the source that S1 sees")
    answer = t.tcp(t.s1, 5000, *other, "SA", ack=syn.seq + 1)
    t.equal(t.passes(answer, t.s2).source, public, "the source of the SYN-ACK")
    t.passes(t.tcp(t.s2, 6000, *public, "A", syn.seq + 1, answer.seq + 1), t.s1)
    t.passes(t.tcp(t.s2, 6000, *public, "PA", syn.seq + 1, answer.seq + 1, t.cookie()), t.s1)
    t.passes(t.tcp(t.s1, 5000, *other, "PA", answer.seq + 1, syn.seq + 1, t.cookie()), t.s2)


@req("REQ-9", "an ICMP type 3 about a TCP packet is translated, quote and checksums too")
def icmp_translated(t):
    seen = t.out("tcp", t.s1, 5000, t.b1)
    for length in (None, 28):
        t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, seen.data, length=length))
        error = t.s1.receive(lambda packet: packet.is_error)
        t.check(error is not None, f"an error that quotes {length or 'all'} bytes does not arrive")
        t.equal(error.quote.source, (t.s1.address, 5000), "the quoted source")
        t.equal(error.wrong_checksums(), [], "wrong checksums")
        t.equal(packets.checksum(error.quote.data[:20]), 0, "the quoted header's checksum")


@req("REQ-10", "no ICMP error ends a mapping or a connection")
def icmp_ends_nothing(t):
    c = t.connect(t.s1, 5000, t.b1)
    about = c.from_client("PA", t.cookie())
    seen = t.passes(about, t.b1)
    for code in (0, 1, 2, 3, 4, 9, 10, 13):
        t.b1.send(packets.error(t.b1.address, seen.src, 3, code, seen.data, 1300))
    c.works()
    t.equal(t.out("tcp", t.s1, 5000, t.b2, 80).source, c.public, "the mapping")
