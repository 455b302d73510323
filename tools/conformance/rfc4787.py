# SPDX-License-Identifier: BSD-3-Clause
"""RFC 4787 (BCP 127): UDP."""
import time

from . import packets
from .registry import rules_of
from .sip import INVITE

req = rules_of("RFC 4787")
SMALL_POOL = {"port-range": "1024-2047", "block-size": 64, "max-blocks-per-subscriber": 1}
POOL = ("pools[0].mapping", ("pools", 0, "mapping"), "endpoint-independent")
FILTERING = ("pools[0].filtering", ("pools", 0, "filtering"), "endpoint-independent")


def mapping_type(t, s, sport):
    """The public endpoints that one inside endpoint has towards three remote ones."""
    return [t.out("udp", s, sport, *remote).source for remote in ((t.b1, 1), (t.b1, 2), (t.b2, 1))]


@req("REQ-1", "a mapping does not depend on the remote endpoint", opt_out=POOL)
def endpoint_independent(t):
    """One inside endpoint has one public endpoint, also with a rival on the same source port."""
    first = t.out("udp", t.s1, 5000, t.b1, 1).source
    rival = t.out("udp", t.s2, 5000, t.b1, 1).source
    t.check(rival != first, f"two subscribers are both seen as {first}")
    seen = [first, *mapping_type(t, t.s1, 5000)]
    t.check(len(set(seen)) == 1, f"S1:5000 is seen as {seen}")
    t.equal(mapping_type(t, t.s2, 5000), [rival] * 3, "S2:5000 is seen as")


@req("REQ-1 a", "address-dependent mapping, where chosen, does what it says",
     pool={"mapping": "address-dependent"})
def address_dependent(t):
    first, same_host, other_host = mapping_type(t, t.s1, 5000)
    t.equal(same_host, first, "towards another port of the same host")
    t.check(other_host != first, f"the same public endpoint {first} towards another host")


@req("REQ-1 b", "address-and-port-dependent mapping, where chosen, does what it says",
     pool={"mapping": "address-and-port-dependent"})
def address_and_port_dependent(t):
    seen = mapping_type(t, t.s1, 5000)
    t.check(len(set(seen)) == 3, f"three remote endpoints see {seen}")
    t.equal(mapping_type(t, t.s1, 5000), seen, "the sessions' public endpoints, again")


@req("REQ-2", "a subscriber has one public address (paired pooling)")
def paired(t):
    """1000 source ports over TCP, UDP and ICMP."""
    sent = []
    for port in range(2000, 3000):
        proto = ("tcp", "udp", "icmp")[port % 3]
        sent.append((proto, t.send(proto, t.s1, port, t.b1.address, 9)))
    addresses = {t.passes(packet, t.b1).src for _, packet in sent}
    t.check(len(addresses) == 1, f"seen as {sorted(addresses)}")


@req("REQ-3", "no port is used for two inside endpoints at once", pool=SMALL_POOL)
def no_overloading(t):
    """16 subscribers with 64 ports each fill a range of 1024, all towards one remote endpoint."""
    seen = {}
    for n in range(1, 17):
        s = t.subscriber(n)
        for packet in [t.udp(s, 3000 + i, t.b1.address, 7) for i in range(64)]:
            public = t.passes(packet, t.b1).source
            t.check(public not in seen, f"{public} is {seen.get(public)} and "
                    f"{packet.src}:{packet.sport}")
            seen[public] = f"{packet.src}:{packet.sport}"


@req("REQ-3 a", "a source port below 1024 maps below 1024, others to 1024 and up, where chosen",
     pool={"port-range": "512-65535", "block-size": 512, "keep-port-range": "yes"})
def port_ranges(t):
    for proto in ("udp", "tcp"):
        for port in (1, 2, 21, 500, 1022, 1023, 1024, 1025, 5000, 49152, 65534, 65535):
            seen = t.out(proto, t.s1, port, t.b1).sport
            t.check((seen < 1024) == (port < 1024), f"{proto} port {port} is seen as {seen}")


@req("REQ-4", "port parity is kept, where the option is on", pool={"port-parity": "yes"})
def parity(t):
    for packet in [t.udp(t.s1, port, t.b1.address, 7) for port in range(4000, 5000)]:
        seen = t.passes(packet, t.b1)
        t.equal(seen.sport % 2, packet.sport % 2, f"parity of {seen.sport} for {packet.sport}")


@req("REQ-5", "a UDP mapping lasts its timeout, at least 2 minutes by default", lab="short")
def udp_timer(t):
    """The timer that the configuration names is the one that runs: there at 3 of 4 s, gone at 8."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    began = time.monotonic()
    time.sleep(2)
    t.still(t.reaches("udp", t.b1, 7, public, t.s1), began, 4, "gone 2 s into a timeout of 4 s")
    time.sleep(9)
    t.check(not t.reaches("udp", t.b1, 7, public, t.s1), "still there 9 s into a timeout of 6 s")


@req("REQ-5 a", "a shorter timer only for a well-known destination port",
     config=lambda *_: {"timeouts": {"ports": [{"protocol": "udp", "port": 53,
                                                        "timeout": 2}]}})
def udp_timer_of_port(t):
    dns = t.out("udp", t.s1, 5000, t.b1, 53).source
    other = t.out("udp", t.s1, 5001, t.b1, 1053).source
    time.sleep(5)
    t.check(not t.reaches("udp", t.b1, 53, dns, t.s1), "DNS still there after 5 s of 2")
    t.check(t.reaches("udp", t.b1, 1053, other, t.s1), "another port is gone after 5 s")


@req("REQ-5 b", "the UDP timers can be configured", lab="short")
def udp_timer_configurable(t):
    t.equal((t.timeout("udp-first"), t.timeout("udp-stream")), (4, 6), "udp-first, udp-stream")


@req("REQ-5 c", "the UDP timers are 5 minutes or more by default")
def udp_timer_default(t):
    for name in ("udp-first", "udp-stream"):
        t.check(t.timeout(name) >= 300, f"{name} is {t.timeout(name)} s")


@req("REQ-6", "an outbound packet refreshes the mapping", lab="short")
def outbound_refresh(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for _ in range(3):
        began = time.monotonic()
        time.sleep(2)
        now = t.out("udp", t.s1, 5000, t.b1).source
        t.still(now == public, began, 4, "gone though refreshed every 2 s")
    t.still(t.reaches("udp", t.b1, 7, public, t.s1), began, 4, "gone though refreshed every 2 s")


@req("REQ-6 a", "an inbound packet refreshes the mapping, unless configured otherwise", lab="short",
     opt_out=("timeouts.inbound-refresh", ("timeouts", "inbound-refresh"), True))
def inbound_refresh(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for _ in range(4):
        began = time.monotonic()
        time.sleep(2)
        t.still(t.reaches("udp", t.b1, 7, public, t.s1), began, 4, "gone though refreshed every 2 s")


@req("REQ-7", "the same prefix inside and outside is handled, or refused at start",
     config=lambda *_: {})
def same_prefix(t):
    """The same subnet, one within the other, and around it; in another realm, too."""
    for address in ("198.51.100.9/24", "198.51.100.129/25", "198.51.0.9/16"):
        for side, realm in (("inside", 2), ("inside", 1), ("outside", 1)):
            said = t.lab.check({"interfaces": [
                {"name": "clash", "device": "net_tap2,iface=weir-clash", "side": side,
                 "address": address, **({"realm": realm} if side == "inside" else {})}]})
            where = f"{address} {side}, realm {realm}"
            t.check(said is not None, f"weir --check takes {where} beside 198.51.100.1/24 outside")
            t.check("198.51." in said and "clash" in said or "subnet" in said,
                    f"{where} is refused for another reason: {said}")


@req("REQ-8", "filtering is endpoint-independent", opt_out=FILTERING)
def filtering(t):
    public = t.out("udp", t.s1, 5000, t.b1, 1).source
    for host, port in ((t.b1, 1), (t.b1, 2), (t.b2, 1)):
        t.check(t.reaches("udp", host, port, public, t.s1),
                f"{host.name}:{port} does not reach what was opened towards B1:1")


@req("REQ-8 a", "filtering can be address-dependent", pool={"filtering": "address-dependent"})
def filtering_by_address(t):
    public = t.out("udp", t.s1, 5000, t.b1, 1).source
    t.check(t.reaches("udp", t.b1, 2, public, t.s1), "another port of the same host is filtered")
    t.check(not t.reaches("udp", t.b2, 1, public, t.s1), "another host is let in")
    t.out("udp", t.s1, 5000, t.b2, 9)
    t.check(t.reaches("udp", t.b2, 1, public, t.s1), "a host is filtered after S1 wrote to it")


@req("REQ-8 b", "filtering can be address- and port-dependent",
     pool={"filtering": "address-and-port-dependent"})
def filtering_by_port(t):
    public = t.out("udp", t.s1, 5000, t.b1, 1).source
    t.check(t.reaches("udp", t.b1, 1, public, t.s1), "the answer itself is filtered")
    t.check(not t.reaches("udp", t.b1, 2, public, t.s1), "another port of that host is let in")
    t.check(not t.reaches("udp", t.b2, 1, public, t.s1), "another host is let in")


@req("REQ-9", "hairpinning, with the external source address and port")
def hairpin(t):
    first = t.out("udp", t.s1, 5000, t.b1).source
    second = t.out("udp", t.s2, 6000, t.b1).source
    seen = t.passes(t.udp(t.s2, 6000, *first), t.s1)
    t.equal(seen.source, second, "the source that S1 sees")
    t.equal(seen.dport, 5000, "the port that it arrives at")
    t.equal(t.passes(t.udp(t.s1, 5000, *second), t.s2).source, first, "the source of the answer")


@req("REQ-9 a", "hairpinning to a mapping of one's own, and from a new source port")
def hairpin_self(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    seen = t.passes(t.udp(t.s1, 5001, *public), t.s1)
    t.check(seen.src == public[0] and seen.sport != 5001, f"the source is {seen.source}")
    t.equal(seen.source, t.out("udp", t.s1, 5001, t.b1).source, "its public endpoint elsewhere")


@req("REQ-10", "UDP ALGs are off by default: SIP and TFTP pass unchanged")
def no_algs(t):
    body = INVITE.format(host=t.s1.address).encode()
    packet = t.udp(t.s1, 5060, t.b1.address, 5060, body)
    t.equal(t.passes(packet, t.b1).payload, body, "the INVITE")
    t.passes(t.udp(t.s1, 5069, t.b1.address, 69, b"\0\1file\0octet\0"), t.b1)


STRICT = {"mapping": "endpoint-independent", "filtering": "address-and-port-dependent"}


def tftp_works(t):
    """Whether the server's answer, from another port, gets through a strict filter."""
    public = t.out("udp", t.s1, 5069, t.b1, 69, payload=b"\0\1file\0octet\0").source
    return t.reaches("udp", t.b1, 3000, public, t.s1) is not None


def invite_is_translated(t):
    """Whether an INVITE names the public address when it arrives."""
    body = INVITE.format(host=t.s1.address).encode()
    t.udp(t.s1, 5060, t.b1.address, 5060, body)
    seen = t.b1.receive(lambda packet: packet.payload.startswith(b"INVITE "))
    t.check(seen is not None, "the INVITE does not arrive")
    return seen.payload != body


def ftp_port_is_translated(t):
    """Whether a PORT command names the public address when it arrives."""
    c = t.connect(t.s1, 5021, t.b1, 21)
    command = f"PORT {t.s1.address.replace('.', ',')},19,137\r\n".encode()
    c.from_client("PA", command)
    seen = t.b1.receive(lambda packet: packet.payload.startswith(b"PORT "))
    t.check(seen is not None, "the command does not arrive")
    return seen.payload != command


@req("REQ-10 a", "each ALG has a switch of its own, and does nothing when it is off", pool=STRICT)
def alg_switches(t):
    """By default FTP's is on, and the others are off."""
    t.check(ftp_port_is_translated(t), "FTP is on, and the command passes as it is")
    t.check(not tftp_works(t), "TFTP is off, and its server's answer comes in")
    t.check(not invite_is_translated(t), "SIP is off, and the INVITE is changed")


@req("REQ-10 b", "the same switches the other way", lab="choices", pool=STRICT)
def alg_switches_turned(t):
    t.check(not ftp_port_is_translated(t), "FTP is off, and the command is changed")
    t.check(tftp_works(t), "TFTP is on, and its server's answer does not come in")
    t.check(invite_is_translated(t), "SIP is on, and the INVITE passes as it is")


@req("REQ-11", "mapping and filtering do not change with load", pool=SMALL_POOL, alone=True)
def deterministic(t):
    """The same test with the range at a few, 95 and 100 per cent."""
    def probe(load):
        seen = set(mapping_type(t, t.s1, 5000))
        t.check(len(seen) == 1, f"at {load} % S1:5000 is seen as {sorted(seen)}")
        for host, port in ((t.b1, 9), (t.b2, 9)):
            t.check(t.reaches("udp", host, port, next(iter(seen)), t.s1),
                    f"at {load} % {host.name} is filtered")

    probe(1)
    for n in range(2, 17):
        if n == 16:
            probe(95)
        for packet in [t.udp(t.subscriber(n), 3000 + i, t.b1.address, 7) for i in range(64)]:
            t.passes(packet, t.b1)
    probe(100)
    t.blocked(t.udp(t.subscriber(17), 3000, t.b1.address, 7), t.subscriber(17), t.b1,
              "more than 100 %")


@req("REQ-12", "no ICMP error ends a mapping")
def icmp_ends_nothing(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    for kind, code in [(3, code) for code in range(16)] + [(4, 0), (5, 1), (11, 0), (11, 1), (12, 0)]:
        t.b1.send(packets.error(t.b1.address, seen.src, kind, code, seen.data, 1300))
    t.check(t.reaches("udp", t.b1, 7, seen.source, t.s1), "the mapping is gone")
    t.equal(t.out("udp", t.s1, 5000, t.b1).source, seen.source, "the mapping after the errors")


@req("REQ-12 a", "an ICMP error from an intermediate router passes")
def icmp_from_router(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    t.b2.send(packets.error(t.b2.address, seen.src, 11, 0, seen.data))
    error = t.s1.receive(lambda packet: packet.is_error)
    t.check(error is not None, "a time-exceeded from B2 does not arrive")
    t.equal((error.src, error.quote.source), (t.b2.address, (t.s1.address, 5000)),
            "its source, and that of the quote")


@req("REQ-12 b", "ICMP type 3 passes, whatever its code")
def icmp_unreachable(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    for code in range(16):
        t.b1.send(packets.error(t.b1.address, seen.src, 3, code, seen.data, 1300))
        error = t.s1.receive(lambda packet: packet.is_error)
        t.check(error is not None and (error.type, error.code) == (3, code),
                f"code {code} arrives as {error}")


@req("REQ-13", "too big with DF: type 3 code 4 to the sender, with the MTU")
def too_big(t):
    t.need_outside_mtu(1400)
    sent = t.udp(t.s1, 5000, t.b1.address, 7, b"x" * 1432, flags="DF")
    error = t.error_about(sent, t.s1)
    t.check(error is not None, "no ICMP error about 1460 bytes for a link of 1400")
    t.equal((error.type, error.code, error.mtu), (3, 4, 1400), "type, code, MTU")
    t.blocked(sent, t.s1, t.b1, "too big for the link")


@req("REQ-13 a", "too big without DF: fragmented, in order")
def fragmented(t):
    t.need_outside_mtu(1400)
    sent = t.udp(t.s1, 5000, t.b1.address, 7, bytes(range(256)) * 5 + b"x" * 152)
    t.fence(t.s1, t.b1)
    pieces = [packet for packet in t.b1.take_all() if packet.fragment]
    t.check(len(pieces) >= 2, f"{len(pieces)} fragments arrive")
    t.check([p.offset for p in pieces] == sorted(p.offset for p in pieces), "not in order")
    t.check(all(p.length <= 1400 for p in pieces), "a fragment is longer than 1400")
    whole = packets.reassemble(pieces)
    t.check(whole is not None and whole.payload == sent.payload, "they do not make the datagram")
    t.equal(whole.wrong_checksums(), [], "wrong checksums")


def in_pieces(data, order, size=1000):
    """The packet's fragments in that order."""
    pieces = packets.fragments(data, size)
    return [pieces[i] for i in order]


def fragments_pass(t, order, outbound, pieces=3):
    """A datagram in so many fragments, sent in that order, arrives whole and translated."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    payload = (t.cookie() * 63 * pieces)[:1000 * pieces - 500]
    if outbound:
        sender, receiver, source = t.s1, t.b1, public
        data = packets.udp(t.s1.address, 5000, t.b1.address, 7, payload, id=77)
    else:
        sender, receiver, source = t.b1, t.s1, (t.b1.address, 7)
        data = packets.udp(t.b1.address, 7, *public, payload, id=78)
    for piece in in_pieces(data, order):
        sender.send(piece)
    whole = t.whole(receiver, sender)
    t.equal(whole.source, source, "the source of the reassembled datagram")
    t.check(whole.payload == payload and not whole.wrong_checksums(), "its bytes are not as sent")


@req("REQ-14", "fragments pass, in order, both ways")
def fragments_in_order(t):
    fragments_pass(t, (0, 1, 2), True)
    fragments_pass(t, (0, 1, 2), False)


@req("REQ-14 b", "fragments pass out of order, last first, duplicated, both ways")
def fragments_out_of_order(t):
    for order in ((2, 1, 0), (1, 0, 2), (1, 2, 0), (2, 2, 0, 0, 1)):
        fragments_pass(t, order, True)
        fragments_pass(t, order, False)
    for outbound in (True, False):
        fragments_pass(t, tuple(reversed(range(40))), outbound, 40)


@req("REQ-14 c", "fragments are hairpinned, whatever their order: datagrams, pings, answers")
def hairpin(t):
    first = t.out("udp", t.s1, 5000, t.b1).source
    second = t.out("udp", t.s2, 6000, t.b1).source
    ident = t.out("icmp", t.s1, 5000, t.b1).source
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        payload = t.cookie() * 150
        for piece in in_pieces(packets.udp(t.s2.address, 6000, *first, payload, id=51), order):
            t.s2.send(piece)
        whole = t.whole(t.s1, t.s2)
        t.equal((whole.source, whole.dport), (second, 5000), "the datagram's source and port")
        t.check(whole.payload == payload and not whole.wrong_checksums(), "its bytes are not as sent")
    for order in ((0, 1, 2), (2, 1, 0)):
        payload = t.cookie() * 150
        ping = packets.echo(t.s2.address, ident[0], ident[1], payload=payload, id=52)
        for piece in in_pieces(ping, order):
            t.s2.send(piece)
        whole = t.whole(t.s1, t.s2, 1)
        t.check(whole.payload == payload and not whole.wrong_checksums(), "the ping is not as sent")
        reply = packets.echo(t.s1.address, whole.src, whole.ident, payload=payload, reply=True, id=53)
        for piece in in_pieces(reply, order):
            t.s1.send(piece)
        whole = t.whole(t.s2, t.s1, 1)
        t.equal((whole.src, whole.ident), ident, "source and identifier of the reply")
        t.check(whole.payload == payload and not whole.wrong_checksums(), "the reply is not as sent")


@req("REQ-14 a", "a flood of fragments without a first one harms nobody", alone=True)
def fragment_flood(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    orphans = [packets.fragments(data, 1000)[1] for data in (
        packets.udp(t.b2.address, 7, *public, b"x" * 1400),
        packets.udp(t.s2.address, 5000, t.b1.address, 7, b"x" * 1400))]
    most = 2 * (t.setting("fragments", "max-waiting") or 1024)
    for n in range(5000):
        for orphan, sender in zip(orphans, (t.b2, t.s2)):
            sender.wire.packet(packets.mend_header(orphan[:4] + n.to_bytes(2, "big") + orphan[6:]))
        if n % 100 == 0:
            t.passes(t.udp(t.s1, 5000, t.b1.address, 7), t.b1)
            t.passes(t.udp(t.b1, 7, *public), t.s1)
        if n % 1000 == 999:
            waiting = t.weirctl("show", "verdicts")["waiting"]
            t.check(waiting <= most, f"{waiting} packets wait, {most} is the bound")
    fragments_pass(t, (0, 1, 2), True)
    fragments_pass(t, (2, 1, 0), False)
