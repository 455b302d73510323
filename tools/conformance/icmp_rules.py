# SPDX-License-Identifier: BSD-3-Clause
"""When a router sends ICMP errors, and what they look like: RFC 1812, 1122, 792, 1191, 4884.

Where a test asks for many errors, each goes to another subscriber: one source gets few at a time."""
import struct
import time

from . import packets
from .packets import Packet
from .registry import rules_of

req = rules_of("RFC 1812")
host_req = rules_of("RFC 1122")
mtu_req = rules_of("RFC 1191")
extension_req = rules_of("RFC 4884")
SOURCE_ROUTE = packets.IPOption(b"\x83\x07\x04\x01\x02\x03\x04\x00")


def expired(t, host=None, dport=33434, to=None, **fields):
    """Sends a datagram with TTL 1; returns it and the error."""
    host = host or t.s1
    sent = t.udp(host, 5000, (to or t.b1).address, dport, ttl=1, **fields)
    error = t.error_about(sent, host)
    t.check(error is not None, f"no error about {sent}")
    return sent, error


@req("4.3.2.1", "ICMP of unknown type is never answered")
def unknown_type(t):
    for kind in (1, 2, 7, 44, 200):
        for to in (t.bench.inside.gateway, t.b1.address):
            for ttl in (1, 64):
                t.s1.send(packets.icmp(t.s1.address, to, kind, 0, b"\0\1\0\1", b"x" * 20, ttl=ttl))
    t.fence(t.s1)
    answers = t.s1.take_all()
    t.check(not answers, f"answered: {answers[0] if answers else ''}")


@req("4.3.2.2", "an error has a fresh TTL")
def fresh_ttl(t):
    _, error = expired(t)
    t.check(error.ttl in (64, 128, 255), f"its TTL is {error.ttl}")


@req("4.3.2.3", "an error quotes as much as fits in 576 bytes, as it came")
def quote_size(t):
    for n, size in enumerate((0, 1, 7, 100, 519, 520, 521, 1200), 1):
        s = t.subscriber(n)
        sent = t.udp(s, 5000, t.b1.address, 7, b"q" * size, ttl=1, tos=0x20, id=4660)
        error = t.error_about(sent, s)
        t.check(error is not None, f"no error about {sent}")
        t.check(error.length <= 576, f"it has {error.length} bytes")
        wanted = min(sent.length, 576 - 28)
        t.equal(len(error.payload), wanted, f"bytes quoted of {sent.length}")
        t.check(same_but_ttl(error.payload, sent.data), f"the quote is not as sent: {error}")
        t.equal(error.wrong_checksums(), [], "wrong checksums")


def same_but_ttl(quote, sent):
    """RFC 1812 tolerates a lower TTL, and the header checksum that goes with it."""
    return quote[:8] == sent[:8] and quote[9:10] == sent[9:10] and quote[12:] == sent[12:len(quote)]


@req("4.3.2.4", "an error's source is an address of the interface that it leaves by")
def error_source(t):
    _, error = expired(t)
    t.equal(error.src, t.bench.inside.gateway, "towards S1")
    public = t.out("udp", t.s1, 5000, t.b1).source
    sent = t.udp(t.b1, 7, *public, ttl=1)
    error = t.error_about(sent, t.b1)
    t.check(error is not None, "no error towards B1")
    t.equal(error.src, t.bench.outside.gateway, "towards B1")
    t.check(same_but_ttl(error.payload, sent.data), f"the quote is not as B1 sent it: {error}")


@req("4.3.2.5", "an error's TOS is the packet's, 0, or precedence 6 or 7")
def error_tos(t):
    for tos in (0, 0x10, 0xB8):
        _, error = expired(t, tos=tos)
        t.check(error.tos in (tos, 0, 0xC0, 0xE0), f"TOS {error.tos:#x} about {tos:#x}")


@req("4.3.2.6", "source-routed packets are not forwarded, and counted")
def source_routed(t):
    before = t.weirctl("show", "verdicts").get("source_routed", 0)
    t.blocked(t.udp(t.s1, 5000, t.b1.address, 7, options=SOURCE_ROUTE), t.s1, t.b1, "source-routed")
    after = t.weirctl("show", "verdicts").get("source_routed", 0)
    t.equal(after - before, 1, "source_routed counts")


def silent_about(t, host, data, why, mac=None):
    """Sends a packet that would deserve an error; silence must follow."""
    host.send(data, mac)
    t.fence(host)
    answers = [p for p in host.take_all() if p.is_error]
    t.check(not answers, f"{why}: {answers[0] if answers else ''}")
    expired(t, host)  # silence was no rate limit


@req("4.3.2.7 a", "no error about an ICMP error; about an echo, one")
def about_error(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    got = t.passes(t.back("udp", t.b1, 7, seen.source), t.s1)
    silent_about(t, t.s1, packets.error(t.s1.address, t.b1.address, 3, 3, got.data, ttl=1),
                 "about a 3/3")
    silent_about(t, t.s1, packets.error(t.s1.address, t.b1.address, 11, 0, got.data, ttl=1),
                 "about an 11/0")
    sent = t.ping(t.s1, 5000, t.b1.address, ttl=1)
    t.check(t.error_about(sent, t.s1) is not None, "none about an echo")


@req("4.3.2.7 b", "no error about a packet that fails the header's checks")
def about_malformed(t):
    for n in range(5):
        host = t.subscriber(n + 1)
        good = packets.udp(host.address, 5000, t.b1.address, 7, b"x" * 20, ttl=1)
        name, data = list(malformed(good).items())[n]
        silent_about(t, host, data, name)


def malformed(good):
    return {
        "checksum": packets.with_byte(good, 10, good[10] ^ 0x55),
        "version 5": packets.mend_header(packets.with_byte(good, 0, 0x55)),
        "header of 16 bytes": packets.mend_header(packets.with_byte(good, 0, 0x44)),
        "total length beyond the frame": packets.mend_header(packets.with_byte(good, 2, 0x40)),
        "total length within the header": packets.mend_header(packets.with_byte(good, 3, 12)),
    }


@req("4.3.2.7 c", "no error about an IP broadcast or multicast")
def about_group(t):
    for n, to in enumerate(("255.255.255.255", "224.0.0.1", "239.1.2.3", "198.51.100.255",
                            "100.64.255.255"), 1):
        host = t.subscriber(n)
        silent_about(t, host, packets.udp(host.address, 5000, to, 7, b"x", ttl=1), f"to {to}")


@req("4.3.2.7 d", "no error about a link-layer broadcast or multicast")
def about_link_group(t):
    data = packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x", ttl=1)
    silent_about(t, t.s1, data, "broadcast frame", b"\xff" * 6)
    silent_about(t, t.s1, data, "multicast frame", bytes.fromhex("01005e000001"))


@req("4.3.2.7 e", "no error about a fragment other than the first")
def about_fragment(t):
    pieces = packets.fragments(packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x" * 600, ttl=1,
                                           id=99), 304)
    silent_about(t, t.s1, pieces[1], "second fragment")


@req("4.3.2.7 f", "no error to a source that is not one host")
def about_source(t):
    """What comes back would be seen by the address itself, or at the link."""
    for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
                   "100.64.255.255"):
        ghost = t.host_at("ghost", source, inside=True)
        t.s1.send(packets.udp(source, 5000, t.b1.address, 7, b"x", ttl=1))
        t.fence(t.s1)
        answers = ghost.take_all() + [p for p in t.s1.take_all() if p.is_error]
        t.check(not answers, f"from {source}: {answers[0] if answers else ''}")


@req("4.3.2.8", "errors are limited in rate, and what is over is counted", alone=True)
def rate_limit(t):
    """5000 packets with TTL 1 as fast as they go: no more than a second's worth and what was saved."""
    rate = t.setting("icmp", "source-rate")
    if rate is None:
        t.skip("the limit is not known")
    before, seen = limited(t), expired_count(t)
    data = packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x", ttl=1)
    began = time.monotonic()
    for _ in range(5000):
        t.s1.wire.packet(data)
    t.fence(t.s1)
    took = time.monotonic() - began
    got = len([p for p in t.s1.take_all() if p.is_error])
    t.check(0 < got <= rate * (took + 2), f"{got} errors in {took:.1f} s at {rate} a second")
    over = expired_count(t) - seen - got
    t.check(over > 0, "none was over the limit: the machine is too slow")
    t.equal(limited(t) - before, over, "what was over, counted")


def expired_count(t):
    return t.weirctl("show", "verdicts").get("ttl_exceeded", 0)


def limited(t):
    return sum(worker["answers_limited"] for worker in t.weirctl("show", "workers")["workers"])


@req("4.3.2.8 a", "one source over its limit takes no errors from another", alone=True)
def rate_fair(t):
    data = packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x", ttl=1)
    for n in range(20):
        for _ in range(200):
            t.s1.wire.packet(data)
        t.fence(t.s1)
        sent = t.udp(t.s2, 5000 + n, t.b1.address, 7, ttl=1)
        t.check(t.error_about(sent, t.s2) is not None, f"S2 gets no answer after {200 * n} of S1's")


@req("5.2.7.1", "no route: ICMP 3 code 0 or 1; no neighbour: 3 code 1", lab="no-default")
def unreachable(t):
    sent = t.udp(t.s1, 5000, "203.0.114.1", 7)
    error = t.error_about(sent, t.s1)
    t.check(error is not None and (error.type, error.code) in ((3, 0), (3, 1)),
            f"no route: {error}")
    t.bench.outside.dead.add("198.51.100.77")
    sent = t.udp(t.s1, 5000, "198.51.100.77", 7)
    error = t.error_about(sent, t.s1, 15)
    t.check(error is not None and (error.type, error.code) == (3, 1), f"no neighbour: {error}")


@req("5.3.1", "TTL 0 and 1 are not forwarded, 2 is; it is lowered by one")
def ttl(t):
    for value in (0, 1):
        sent = t.udp(t.s1, 5000, t.b1.address, 7, ttl=value)
        t.blocked(sent, t.s1, t.b1, f"TTL {value}")
        t.check(t.error_about(sent, t.s1) is not None, f"no error about TTL {value}")
    t.equal(t.out("udp", t.s1, 5000, t.b1, ttl=2).ttl, 1, "TTL of a packet that came with 2")


@host_req("3.2.2", "errors of unknown code pass, for their type")
def unknown_code(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    for kind, code in ((3, 200), (11, 9), (12, 77)):
        t.b1.send(packets.error(t.b1.address, seen.src, kind, code, seen.data))
        error = t.s1.receive(lambda packet: packet.is_error)
        t.check(error is not None and (error.type, error.code) == (kind, code),
                f"{kind}/{code} arrives as {error}")


@host_req("3.2.2 a", "the checksum of every error is right, generated or translated, also at odd lengths")
def odd_lengths(t):
    for size in range(9):
        s = t.subscriber(size + 1)
        sent = t.udp(s, 5000, t.b1.address, 7, b"o" * size, ttl=1)
        error = t.error_about(sent, s)
        t.check(error is not None, f"no error about {sent}")
        t.equal(error.wrong_checksums(), [], f"{size} bytes: wrong checksums, generated")
        seen = t.out("udp", t.s1, 5000, t.b1, payload=t.cookie() + b"o" * size)
        for length in (None, 28, 29, 30, 31):
            t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, seen.data, length=length))
            error = t.s1.receive(lambda packet: packet.is_error)
            t.check(error is not None, f"{length or 'all'} bytes quoted: does not arrive")
            t.equal(error.wrong_checksums(), [], f"{length or 'all'} quoted: wrong checksums")


@mtu_req("section 4", "fragmentation needed carries the next hop's MTU, for the packet as it came")
def next_hop_mtu(t):
    t.need_outside_mtu(1400)
    for size in (1373, 1400, 1472):
        sent = t.udp(t.s1, 5000, t.b1.address, 7, b"x" * size, flags="DF")
        error = t.error_about(sent, t.s1)
        t.check(error is not None and (error.type, error.code, error.mtu) == (3, 4, 1400),
                f"about {sent.length} bytes: {error}")
        t.equal(error.quote.source, sent.source, "the quoted source")
    t.passes(t.udp(t.s1, 5000, t.b1.address, 7, b"x" * 1372, flags="DF"), t.b1)


@mtu_req("section 4 a", "fragmentation needed from a router outside keeps its MTU")
def far_mtu(t):
    for proto in ("udp", "tcp"):
        seen = t.out(proto, t.s1, 5000, t.b1)
        t.b2.send(packets.error(t.b2.address, seen.src, 3, 4, seen.data, 1280, length=28))
        error = t.s1.receive(lambda packet: packet.is_error)
        t.check(error is not None and error.mtu == 1280, f"{proto}: {error}")


@extension_req("section 4", "an error with extensions keeps them, also with a wrong length field")
def extensions(t):
    """A length field beyond the packet must do no harm."""
    seen = t.out("udp", t.s1, 5000, t.b1)
    for words in (0, 32, 255):
        rest = struct.pack("!BBH", 0, words, 0)
        body = seen.data.ljust(128, b"\0") + b"\x20\0\xdf\xff"
        t.b1.send(packets.icmp(t.b1.address, seen.src, 11, 0, rest, body))
        error = t.s1.receive(lambda packet: packet.is_error)
        t.check(error is not None, f"length field {words}: does not arrive")
        t.equal((len(error.payload), error.wrong_checksums()), (len(body), []),
                "bytes behind the ICMP header, and wrong checksums")
        t.equal(Packet(error.payload, quoted=True).source, (t.s1.address, 5000), "quoted source")
