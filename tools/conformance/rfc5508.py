# SPDX-License-Identifier: BSD-3-Clause
"""RFC 5508 (BCP 148): ICMP."""
import struct
import time

from . import packets
from .registry import rules_of

req = rules_of("RFC 5508")
BEGUN = ("udp", "tcp", "icmp")


def error_at(t, host):
    return host.receive(lambda packet: packet.is_error)


def error_into(t, seen, kind=3, code=1, sender=None, to=None, **fields):
    """An error about `seen`, a packet at B1, comes from outside; what S1 gets, or None."""
    sender = sender or t.b1
    sender.send(packets.error(sender.address, seen.src, kind, code, seen.data, **fields))
    t.fence(sender, to or t.s1)
    return (to or t.s1).receive(lambda packet: packet.is_error, 0)


@req("REQ-1", "pings from the inside work")
def ping(t):
    seen = t.out("icmp", t.s1, 5000, t.b1)
    reply = t.back("icmp", t.b1, None, seen.source)
    answer = t.passes(reply, t.s1)
    t.equal((answer.src, answer.ident), (t.b1.address, 5000), "source and identifier of the reply")


@req("REQ-1 a", "an identifier's mapping does not depend on the remote host")
def ping_mapping(t):
    first = t.out("icmp", t.s1, 5000, t.b1).source
    rival = t.out("icmp", t.s2, 5000, t.b1).source
    t.check(first != rival, f"two subscribers are both seen as {first}")
    t.equal(t.out("icmp", t.s1, 5000, t.b2).source, first, "towards B2 it is seen as")


@req("REQ-1 b", "an odd length, an empty body and identifier 0 pass")
def ping_odd(t):
    for ident, body in ((0, b""), (5001, b"x"), (65535, t.cookie() + b"odd")):
        t.s1.send(packets.echo(t.s1.address, t.b1.address, ident, payload=body))
        seen = t.b1.receive(lambda packet, body=body: packet.type == 8 and packet.payload == body)
        t.check(seen is not None, f"identifier {ident} with {len(body)} bytes does not arrive")
        t.equal(seen.wrong_checksums(), [], "wrong checksums")
        t.b1.send(packets.echo(t.b1.address, seen.src, seen.ident, payload=body, reply=True))
        reply = t.s1.receive(lambda packet, body=body: packet.type == 0 and packet.payload == body)
        t.check(reply is not None and reply.ident == ident, f"the reply to {ident}: {reply}")


@req("REQ-2", "a query's timer is at least 60 s by default")
def query_timer_default(t):
    t.check(t.timeout("icmp") >= 60, f"icmp is {t.timeout('icmp')} s")


@req("REQ-2 a", "the query timer can be configured, and runs as configured", lab="short")
def query_timer(t):
    public = t.out("icmp", t.s1, 5000, t.b1).source
    began = time.monotonic()
    time.sleep(2)
    t.still(t.reaches("icmp", t.b1, None, public, t.s1), began, 4, "gone 2 s into 4 s")
    time.sleep(7)
    t.check(not t.reaches("icmp", t.b1, None, public, t.s1), "there after 7 s of 4")


@req("REQ-3", "an error with a wrong ICMP checksum is dropped")
def wrong_checksum(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    error = error_into(t, seen, wrong_checksum=True)
    t.check(error is None, f"arrives as {error}")


@req("REQ-3 a", "an error whose quoted IP header has a wrong checksum is dropped")
def wrong_inner_checksum(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    broken = packets.with_byte(seen.data, 10, seen.data[10] ^ 0x55)
    t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, broken))
    t.fence(t.b1, t.s1)
    error = t.s1.receive(lambda packet: packet.is_error, 0)
    t.check(error is None, f"arrives as {error}")


@req("REQ-3 b", "options in the quoted IP header are walked: IHL up to 15")
def inner_options(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    for words in (1, 10):
        header = packets.with_byte(seen.data[:20], 0, 0x45 + words)
        header = header[:2] + struct.pack("!H", seen.length + 4 * words) + header[4:]
        about = packets.mend_header(header + b"\x01" * (4 * words) + seen.data[20:])
        t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, about))
        error = error_at(t, t.s1)
        t.check(error is not None, f"{words} words of options in the quote: does not arrive")
        t.equal(error.quote.source, (t.s1.address, 5000), "the quoted source")
        t.equal(packets.checksum(error.quote.data[:20 + 4 * words]), 0, "quoted header's checksum")
        t.equal(error.wrong_checksums(), [], "wrong checksums")


@req("REQ-3 c", "the quoted transport checksum is not verified")
def inner_transport_checksum(t):
    for proto, offset in (("udp", 26), ("tcp", 36)):
        seen = t.out(proto, t.s1, 5000, t.b1)
        broken = packets.with_byte(seen.data, offset, seen.data[offset] ^ 0x55)
        t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, broken))
        error = error_at(t, t.s1)
        t.check(error is not None, f"a quoted {proto} packet with a wrong checksum: dropped")


@req("REQ-3 d", "RFC 4884 extensions pass, and do not count as the quoted packet")
def extensions(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    extension = struct.pack("!BBH", 0x20, 0, 0) + struct.pack("!HBB", 8, 1, 1) + b"\0\x01\x01\x40"
    right = packets.checksum(extension)
    extension = extension[:2] + struct.pack("!H", right) + extension[4:]
    padded = seen.data.ljust(128, b"\0")
    rest = struct.pack("!BBH", 0, 128 // 4, 0)
    t.b1.send(packets.icmp(t.b1.address, seen.src, 11, 0, rest, padded + extension))
    error = error_at(t, t.s1)
    t.check(error is not None, "does not arrive")
    t.equal(error.l4[5], 32, "its length field")
    t.equal(error.payload[128:], extension, "the extensions")
    t.equal(error.wrong_checksums(), [], "wrong checksums")
    t.equal(error.quote.source, (t.s1.address, 5000), "the quoted source")


@req("REQ-4", "an error from outside without a mapping is dropped")
def no_mapping(t):
    """About a port that nobody has."""
    seen = t.out("udp", t.s1, 5000, t.b1)
    about = packets.udp(seen.src, 1023, t.b1.address, 7, b"x")
    t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, about))
    t.fence(t.b1, t.s1)
    error = t.s1.receive(lambda packet: packet.is_error, 0)
    t.check(error is None, f"arrives as {error}")


@req("REQ-4 a", "an error from outside: quote put back, type and code kept, sent to the inside host")
def error_inbound(t):
    """TCP, UDP and echo, with the whole packet quoted and with 8 bytes of it."""
    for proto in BEGUN:
        sent = t.send(proto, t.s1, 5000, t.b1.address, 7)
        seen = t.passes(sent, t.b1)
        for length in (None, 28):
            for kind, code in ((3, 3), (3, 1), (11, 0), (12, 0)):
                error = error_into(t, seen, kind, code, length=length)
                where = f"{proto}, {length or 'all'} bytes quoted, {kind}/{code}"
                t.check(error is not None, f"{where}: does not arrive")
                t.equal((error.type, error.code), (kind, code), f"{where}: type and code")
                t.equal((error.src, error.dst), (t.b1.address, t.s1.address), f"{where}: addresses")
                check_quote(t, error, sent, where)


def check_quote(t, error, sent, where):
    """The quote is the packet as its sender sent it, but for what routers change."""
    quote = error.quote
    t.equal((quote.source, quote.dst, quote.dport), (sent.source, sent.dst, sent.dport),
            f"{where}: quoted addresses and ports")
    t.equal(packets.checksum(quote.data[:20]), 0, f"{where}: quoted header's checksum")
    t.equal(error.wrong_checksums(), [], f"{where}: wrong checksums")
    whole = quote.length == len(quote.data)
    if whole:
        t.equal(quote.wrong_checksums(), [], f"{where}: wrong checksums in the quote")


@req("REQ-4 b", "an error that quotes an ICMP error, or a fragment without ports, ends there")
def unusable_quotes(t):
    """Also one that quotes less than a header and 8 bytes, and one of another IP version."""
    seen = t.out("udp", t.s1, 5000, t.b1)
    nested = packets.error(seen.src, t.b1.address, 3, 3, packets.udp(t.b1.address, 7, seen.src,
                                                                     seen.sport, b"x"))
    later = packets.fragments(seen.data, 8)[1]
    version = packets.mend_header(packets.with_byte(seen.data, 0, 0x65))
    header = packets.mend_header(packets.with_byte(seen.data, 0, 0x44))
    for what, about, length in (("an ICMP error", nested, None), ("a later fragment", later, None),
                                ("version 6", version, None), ("16 bytes of header", header, None),
                                ("27 bytes", seen.data, 27), ("a header", seen.data, 20),
                                ("19 bytes", seen.data, 19), ("nothing", seen.data, 0)):
        t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, about, length=length))
        t.fence(t.b1, t.s1)
        error = t.s1.receive(lambda packet: packet.protocol == 1, 0)
        t.check(error is None, f"an error that quotes {what} arrives as {error}")
    t.check(error_into(t, seen) is not None, "the right one, after them, does not arrive")


@req("REQ-4 c", "an error about a first fragment, with options of its own, and about UDP without "
     "checksum is translated")
def unusual_quotes(t):
    seen = t.out("udp", t.s1, 5000, t.b1, payload=b"q" * 40)
    first = packets.fragments(seen.data, 24)[0]
    bare = seen.data[:26] + b"\0\0" + seen.data[28:]
    for what, about, options in (("a first fragment", first, b""), ("no checksum", bare, b""),
                                 ("options outside", seen.data, b"\1" * 40)):
        data = packets.error(t.b1.address, seen.src, 3, 1, about)
        t.b1.send(packets.with_options(data, options))
        error = error_at(t, t.s1)
        t.check(error is not None, f"{what}: does not arrive")
        t.equal(error.quote.source, (t.s1.address, 5000), f"{what}: the quoted source")
        t.equal(packets.checksum(error.quote.data[:20]), 0, f"{what}: quoted header's checksum")
        t.equal(error.wrong_checksums(), [], f"{what}: wrong checksums")
        if about is bare:
            t.equal(error.quote.l4[6:8], b"\0\0", "the quoted checksum")


@req("REQ-4 d", "an error not sent to the address that the quoted packet came from ends there")
def misdirected(t):
    """Not to the subscriber, nor to whom has that address."""
    seen = t.out("udp", t.s1, 5000, t.b1)
    other = t.out("udp", t.s2, 5000, t.b1)
    n = 3
    while other.src == seen.src:
        other = t.out("udp", t.subscriber(n), 5000, t.b1)
        n += 1
    t.b1.send(packets.error(t.b1.address, other.src, 3, 1, seen.data))
    t.fence(t.b1, t.s1)
    error = t.s1.receive(lambda packet: packet.is_error, 0)
    t.check(error is None, f"arrives as {error}")


@req("REQ-5", "an error from the inside: quote in its public form, outer source the public address")
def error_outbound(t):
    """S1 answers what B1 sent; also a router behind S1's CPE, with an address of its own."""
    router = t.host_at("R1", f"{t.lab.inside_net}.{t.test.slot}.77", inside=True)
    for proto in ("udp", "tcp"):
        public = t.out(proto, t.s1, 5000, t.b1).source
        for sender in (t.s1, router):
            sent = t.back(proto, t.b1, 7, public)
            got = t.passes(sent, t.s1)
            sender.send(packets.error(sender.address, t.b1.address, 3, 3, got.data))
            error = error_at(t, t.b1)
            where = f"{proto} by {sender.name}"
            t.check(error is not None, f"{where}: does not arrive")
            t.equal(error.src, public[0], f"{where}: outer source")
            check_quote(t, error, sent, where)


@req("REQ-5 a", "errors from the inside about replies, time-exceeded too, with 8 bytes quoted or all")
def error_outbound_kinds(t):
    public = t.out("icmp", t.s1, 5000, t.b1).source
    sent = t.back("icmp", t.b1, None, public)
    got = t.passes(sent, t.s1)
    for kind, code in ((3, 2), (11, 0), (11, 1), (12, 0)):
        for length in (28, None):
            t.s1.send(packets.error(t.s1.address, t.b1.address, kind, code, got.data, length=length))
            error = error_at(t, t.b1)
            where = f"{kind}/{code}, {length or 'all'} bytes"
            t.check(error is not None, f"{where}: does not arrive")
            t.equal((error.src, error.type, error.code), (public[0], kind, code), where)
            quote = error.quote
            t.equal((quote.src, quote.dst, quote.ident), (t.b1.address, *public), f"{where}: the quote")
            t.equal(error.wrong_checksums(), [], f"{where}: wrong checksums")


@req("REQ-5 b", "an error from the inside about nothing that came in ends there")
def error_about_nothing(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for about in (packets.udp(t.b2.address, 7, t.s1.address, 5000, b"x"),
                  packets.udp(t.b1.address, 7, *public, b"x"),
                  packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x")):
        t.s1.send(packets.error(t.s1.address, t.b1.address, 3, 3, about))
        t.fence(t.s1, t.b1)
        error = t.b1.receive(lambda packet: packet.is_error, 0)
        t.check(error is None, f"arrives as {error}")


@req("REQ-6", "an error about a query neither refreshes nor deletes its session", lab="short")
def errors_do_not_refresh(t):
    """Errors every second do not keep a query's session of 4 s, nor a UDP one."""
    for proto in ("icmp", "udp"):
        seen = t.out(proto, t.s1, 5000, t.b1)
        t.check(error_into(t, seen) is not None, f"{proto}: an error does not arrive")
        t.check(any(s["protocol"] == proto for s in t.sessions_of(t.s1)),
                f"{proto}: deleted by an error")
        public = seen.source
        for _ in range(8):
            t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, seen.data))
            time.sleep(1)
        t.check(not t.reaches(proto, t.b1, 7, public, t.s1), f"{proto}: kept by errors")


@req("REQ-7", "ICMP errors are hairpinned")
def hairpin_error(t):
    """S1 answers a hairpinned datagram by an error: S2 gets it, from S1's public address."""
    for proto in BEGUN:
        first = t.out(proto, t.s1, 5000, t.b1).source
        t.out(proto, t.s2, 6000, t.b1)
        if proto == "icmp":
            sent = t.ping(t.s2, first[1], first[0])
        else:
            sent = t.send(proto, t.s2, 6000, *first)
        got = t.passes(sent, t.s1)
        for length in (28, None):
            t.s1.send(packets.error(t.s1.address, got.src, 3, 3, got.data, length=length))
            error = error_at(t, t.s2)
            where = f"{proto}, {length or 'all'} bytes quoted"
            t.check(error is not None, f"{where}: does not arrive at S2")
            t.equal((error.src, error.dst), (first[0], t.s2.address),
                    f"{where}: outer source and destination")
            check_quote(t, error, sent, where)


@req("REQ-8", "no session possible: ICMP 3 code 1 or 13 to the sender, and drop",
     pool={"port-range": "1024-1087", "block-size": 64})
def refusal(t):
    t.out("udp", t.s1, 5000, t.b1)
    sent = t.udp(t.s2, 5000, t.b1.address, 7)
    error = t.error_about(sent, t.s2)
    t.check(error is not None, "refused in silence")
    t.check((error.type, error.code) in ((3, 1), (3, 13)), f"answered by {error}")
    t.blocked(sent, t.s2, t.b1, "no port is free")


@req("REQ-8 a", "the code of that answer is 13 where that is chosen", lab="choices",
     pool={"port-range": "1024-1087", "block-size": 64})
def refusal_code(t):
    t.out("udp", t.s1, 5000, t.b1)
    error = t.error_about(t.udp(t.s2, 5000, t.b1.address, 7), t.s2)
    t.check(error is not None and (error.type, error.code) == (3, 13), f"answered by {error}")


@req("REQ-9", "generated ICMP errors can be switched off", lab="silent",
     pool={"port-range": "1024-1087", "block-size": 64})
def silent(t):
    """TTL, size, a refusal, a port and a protocol of the NAT's own."""
    seen = t.out("udp", t.s1, 5000, t.b1)
    for sender, data in (
            (t.s1, packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x", ttl=1)),
            (t.b1, packets.udp(t.b1.address, 7, *seen.source, b"x", ttl=1)),
            (t.s1, packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x" * 1432, flags="DF")),
            (t.s2, packets.udp(t.s2.address, 5000, t.b1.address, 7, b"x")),
            (t.s1, packets.udp(t.s1.address, 5000, t.bench.inside.gateway, 7, b"x")),
            (t.s1, packets.ip(t.s1.address, t.bench.inside.gateway, 253, b"x" * 20))):
        t.no_error_about(sender.send(data), sender, "answered though icmp.errors is no")
    t.check(error_into(t, seen) is not None, "errors that pass through are not concerned")


@req("REQ-10", "Time Exceeded, Destination Unreachable and Echo as RFC 1812 asks")
def own_icmp(t):
    error = t.error_about(t.udp(t.s1, 5000, t.b1.address, 33434, ttl=1), t.s1)
    t.check(error is not None and (error.type, error.code) == (11, 0), f"TTL 1: {error}")
    t.equal(error.src, t.bench.inside.gateway, "its source")
    for host in (t.s1, t.b1):
        wanted = t.ping(host, 99, host.wire.gateway)
        reply = host.receive(lambda packet, wanted=wanted: packet.type == 0 and
                             packet.payload == wanted.payload)
        t.check(reply is not None, f"{host.name}'s ping of {host.wire.gateway} has no answer")
        t.equal(reply.wrong_checksums(), [], "wrong checksums")


@req("REQ-10 a", "Source Quench, Redirect, Information and router discovery are not answered or sent")
def obsolete_icmp(t):
    for kind in (4, 5, 10, 15, 17):
        t.s1.send(packets.icmp(t.s1.address, t.bench.inside.gateway, kind, 0, b"\0\1\0\1", b"x" * 28))
    t.fence(t.s1)
    answers = [p for p in t.s1.take_all() if p.type != 0]
    t.check(not answers, f"answered: {answers[0] if answers else ''}")


@req("REQ-11", "other ICMP types are dropped, and counted under a reason of their own")
def other_types(t):
    public = t.out("icmp", t.s1, 5000, t.b1).source
    before = t.weirctl("show", "verdicts").get("unknown_icmp", 0)
    for kind in (6, 15, 30, 44, 255):
        sent = t.s1.send(packets.icmp(t.s1.address, t.b1.address, kind, 0, b"\0\1\0\1", t.cookie()))
        t.blocked(sent, t.s1, t.b1, f"type {kind} from the inside")
        sent = t.b1.send(packets.icmp(t.b1.address, public[0], kind, 0, b"\0\1\0\1", t.cookie()))
        t.blocked(sent, t.b1, t.s1, f"type {kind} from the outside")
    after = t.weirctl("show", "verdicts").get("unknown_icmp", 0)
    t.check(after - before >= 10, f"unknown_icmp counts {after - before} of 10")
