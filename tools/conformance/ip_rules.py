# SPDX-License-Identifier: BSD-3-Clause
"""The IP layer under the NAT: options, lengths, TTL, fragments, identifications."""
import os
import struct

from . import packets
from .registry import rules_of
from .rfc4787 import in_pieces

req = rules_of("RFC 791")
udp_req = rules_of("RFC 768")
ident_req = rules_of("RFC 6864")
tiny_req = rules_of("RFC 1858")
overlap_req = rules_of("RFC 5722")

RECORD_ROUTE, TIMESTAMP, SECURITY, ROUTER_ALERT = 7, 68, 130, 148


def option(kind, length):
    """An option of that many bytes in all, whose pointer says that it is full."""
    return bytes([kind, length, length + 1]).ljust(length, b"\0")


def optional(t, sender, sport, to, dport, options, proto="udp", size=0):
    """Sends a packet with these options, whose payload (TCP: sequence number) is its mark."""
    if proto == "tcp":
        mark = int.from_bytes(os.urandom(4), "big")
        data = packets.tcp(sender.address, sport, to, dport, "S", mark)
    elif proto == "icmp":
        data = packets.echo(sender.address, to, sport, payload=t.cookie())
    else:
        data = packets.udp(sender.address, sport, to, dport, t.cookie() + b"o" * size)
    return sender.send(packets.with_options(data, options))


@req("3.1", "options of any length pass, and are neither lost nor taken for the transport header")
def options_pass(t):
    """No-operations, record route, timestamp and router alert of 4 to 40 bytes, both ways."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    for length in range(4, 44, 4):
        for options in (b"\1" * length, option(SECURITY, length), option(RECORD_ROUTE, length),
                        option(TIMESTAMP, length), b"\1" + option(RECORD_ROUTE, length - 1),
                        option(ROUTER_ALERT, 4) + b"\0" * (length - 4)):
            seen = t.passes(optional(t, t.s1, 5000, t.b1.address, 7, options), t.b1)
            t.equal(seen.source, public, f"the source with options {options.hex()}")
            t.equal(seen.data[20:seen.header], options, "the options")
            back = t.passes(optional(t, t.b1, 7, *public, options), t.s1)
            t.equal(back.data[20:back.header], options, "the options of the answer")


@req("3.1 a", "so they do with TCP and pings")
def options_of_others(t):
    for proto in ("tcp", "icmp"):
        for length in (4, 12, 40):
            sent = optional(t, t.s1, 5000 + length, t.b1.address, 7, b"\1" * length, proto)
            seen = t.passes(sent, t.b1)
            t.equal(seen.header, 20 + length, f"{proto}: bytes of its header")


@req("3.1 b", "a malformed option is never forwarded, nor does it harm")
def malformed_options(t):
    """A length of 0 or 1, one behind the header's end, and one of which only the type is there."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    for options in (b"\x07\0\0\0", b"\x07\1\0\0", b"\x07\5\4\0", b"\x07\xff\4\0", b"\1\1\1\x07",
                    b"\1\1\x07\3", b"\x83\0\4\0", b"\x44\x28" + b"\0" * 34):
        t.blocked(optional(t, t.s1, 5000, t.b1.address, 7, options), t.s1, t.b1, options.hex())
        t.blocked(optional(t, t.b1, 7, *public, options), t.b1, t.s1, options.hex())


@req("3.2", "what is too big goes in fragments: copied options in each, the others in the first")
def options_in_fragments(t):
    t.need_outside_mtu(1400)
    copied, once = option(SECURITY, 11) + b"\1", option(RECORD_ROUTE, 23) + b"\1"
    sent = optional(t, t.s1, 5000, t.b1.address, 7, copied + once, size=1400)
    t.fence(t.s1, t.b1)
    pieces = sorted((p for p in t.b1.take_all() if p.fragment), key=lambda p: p.offset)
    t.check(len(pieces) >= 2, f"{len(pieces)} fragments arrive")
    t.check(all(p.length <= 1400 for p in pieces), "a fragment is longer than 1400")
    t.check(copied + once in pieces[0].data[20:pieces[0].header] , "the first has not all options")
    for piece in pieces:
        t.equal(piece.wrong_checksums(), [], "wrong checksums")
    for piece in pieces[1:]:
        has = piece.data[20:piece.header]
        t.check(copied[:11] in has, f"the option to be copied is not in {has.hex()}")
        t.check(once[:3] not in has, "an option that is not to be copied is in a later fragment")
    body = b"".join(p.l4 for p in pieces)
    t.equal(body[8:], sent.payload, "the datagram")


@req("3.2 a", "sizes around the MTU: what fits goes whole, one byte more in fragments or not at all")
def around_the_mtu(t):
    t.need_outside_mtu(1400)
    for size in (1371, 1372, 1373, 1374, 1375, 1376, 1379, 1380, 1472):
        sent = t.udp(t.s1, 5000, t.b1.address, 7, t.cookie().ljust(size, b"m"))
        t.fence(t.s1, t.b1)
        got = t.b1.take_all()
        if size <= 1372:
            t.equal(len(got), 1, f"packets for {sent.length} bytes")
            t.equal((got[0].length, got[0].payload), (sent.length, sent.payload), "the packet")
            continue
        t.check(len(got) == 2 and all(p.length <= 1400 for p in got),
                f"{sent.length} bytes leave as {[p.length for p in got]}")
        t.check(all(p.length % 8 == 4 for p in got if p.mf), "a fragment is no multiple of 8")
        t.equal(packets.reassemble(got).payload, sent.payload, "the datagram")
        t.equal(packets.reassemble(got).wrong_checksums(), [], "wrong checksums")


@req("3.2 b", "a fragment that is too big for the next link is cut once more, or refused with DF")
def fragment_too_big(t):
    t.need_outside_mtu(1400)
    payload = t.cookie() * 300
    data = packets.udp(t.s1.address, 5000, t.b1.address, 7, payload, id=4711)
    for piece in packets.fragments(data, 1480):
        t.s1.send(piece)
    t.fence(t.s1, t.b1)
    got = t.b1.take_all()
    whole = packets.reassemble(got)
    t.check(whole is not None, f"fragments: {[(p.offset, p.length, p.mf) for p in got]}")
    t.check(all(p.length <= 1400 for p in got), "a fragment is longer than 1400")
    t.check(whole.payload == payload and not whole.wrong_checksums(), "its bytes are not as sent")
    pieces = packets.fragments(packets.udp(t.s1.address, 5000, t.b1.address, 7, payload, id=4712), 1480)
    sent = t.s1.send(packets.mend_header(packets.with_byte(pieces[0], 6, 0x60)))
    error = t.error_about(sent, t.s1)
    t.check(error is not None and (error.type, error.code, error.mtu) == (3, 4, 1400),
            f"about a fragment with DF: {error}")


@req("3.2 c", "a datagram of 65535 bytes passes in its 46 fragments, both ways")
def biggest(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    payload = os.urandom(65507)
    for sender, receiver, data in (
            (t.s1, t.b1, packets.udp(t.s1.address, 5000, t.b1.address, 7, payload, id=1)),
            (t.b1, t.s1, packets.udp(t.b1.address, 7, *public, payload, id=2))):
        for piece in packets.fragments(data, 1376):
            sender.send(piece)
        whole = t.whole(receiver, sender)
        t.check(whole.payload == payload and not whole.wrong_checksums(), "its bytes are not as sent")


@req("3.2 d", "a fragment that ends behind byte 65535 is dropped")
def ping_of_death(t):
    t.out("udp", t.s1, 5000, t.b1)
    data = packets.fragments(packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x" * 1400, id=9), 1000)
    t.s1.send(data[0])
    last = data[1][:6] + struct.pack("!H", 0x1FFF) + data[1][8:]
    t.s1.send(packets.mend_header(last))
    t.fence(t.s1, t.b1)
    got = [p for p in t.b1.take_all() if p.offset > 1000]
    t.check(not got, f"arrives: {got[:1]}")


@tiny_req("section 3", "a first fragment that cuts the TCP header, or one at offset 8, is dropped")
def tiny(t):
    syn = packets.tcp(t.s1.address, 5000, t.b1.address, 80, "S", 1, options=[("MSS", 1400)], id=31)
    for piece in packets.fragments(syn, 16):
        t.s1.send(piece)
    for piece in packets.fragments(syn[:4] + b"\0\x20" + syn[6:], 8):
        t.s1.send(piece)
    t.fence(t.s1, t.b1)
    got = t.b1.take_all()
    t.check(not got, f"arrives: {got[:1]}")


@overlap_req("section 3", "of a datagram whose fragments overlap nothing more passes once it shows")
def overlap(t):
    """The second overlaps the first by 8 bytes, with other bytes: the receiver must not get both."""
    t.out("udp", t.s1, 5000, t.b1)
    one = packets.udp(t.s1.address, 5000, t.b1.address, 7, b"a" * 992 + b"b" * 600, id=41)
    first, second = packets.fragments(one, 1000)
    early = packets.mend_header(second[:6] + struct.pack("!H", (1000 - 8) // 8) + second[8:])
    for order in ((first, early, second), (early, first, second)):
        t.b1.take_all()
        for piece in order:
            t.s1.send(piece)
        t.fence(t.s1, t.b1)
        got = t.b1.take_all()
        ranges = [(p.offset, p.offset + len(p.l4)) for p in got]
        t.check(all(a[1] <= b[0] or b[1] <= a[0] for i, a in enumerate(ranges)
                    for b in ranges[:i]), f"fragments that overlap arrive: {ranges}")
        t.check(packets.reassemble(got) is None, "the datagram arrives")
        one = packets.udp(t.s1.address, 5000, t.b1.address, 7, b"a" * 992 + b"b" * 600, id=42)


@udp_req("checksum", "a UDP checksum of 0 stays 0, both ways and between subscribers, whole and in fragments")
def no_checksum(t):
    def bare(sender, sport, to, dport, size=0, **fields):
        data = packets.udp(sender.address, sport, to, dport, t.cookie() + b"z" * size, **fields)
        return data[:26] + b"\0\0" + data[28:]

    def passes(data, sender, receiver):
        seen = t.passes(sender.send(data), receiver)
        t.equal(seen.l4[6:8], b"\0\0", f"checksum at {receiver.name}")
        return seen

    first = passes(bare(t.s1, 5000, t.b1.address, 7), t.s1, t.b1).source
    passes(bare(t.b1, 7, *first), t.b1, t.s1)
    passes(bare(t.b2, 9, *first), t.b2, t.s1)
    second = passes(bare(t.s2, 6000, *first), t.s2, t.s1).source
    passes(bare(t.s1, 5000, *second), t.s1, t.s2)
    for n, (sender, sport, to, receiver) in enumerate((
            (t.s1, 5000, (t.b1.address, 7), t.b1), (t.b1, 7, first, t.s1),
            (t.s2, 6000, first, t.s1))):
        for piece in in_pieces(bare(sender, sport, *to, size=2000, id=60 + n), (1, 2, 0), 800):
            sender.send(piece)
        t.equal(t.whole(receiver, sender).l4[6:8], b"\0\0", f"fragmented, at {receiver.name}")


@udp_req("checksum a", "a checksum that comes out as 0 is sent as ffff")
def checksum_comes_out_zero(t):
    """Payloads chosen so that the translated datagram's sum is 0 at B1, and at S1."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    for sender, source, dst, to, receiver in (
            (t.s1, public, (t.b1.address, 7), (t.b1.address, 7), t.b1),
            (t.b1, (t.b1.address, 7), (t.s1.address, 5000), public, t.s1)):
        mark = t.cookie()
        after = packets.udp(source[0], source[1], *dst, mark + b"\0\0")
        fix = struct.unpack("!H", after[26:28])[0]
        sport = 5000 if sender is t.s1 else 7
        sent = t.udp(sender, sport, *to, mark + struct.pack("!H", fix))
        t.equal(t.passes(sent, receiver).l4[6:8], b"\xff\xff", f"checksum at {receiver.name}")


@udp_req("length", "a UDP length below 8 or beyond the packet is dropped; bytes behind it pass")
def udp_length(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for length in (0, 7, 25, 65535):
        for sender, sport, to, receiver in ((t.s1, 5000, (t.b1.address, 7), t.b1),
                                            (t.b1, 7, public, t.s1)):
            data = packets.udp(sender.address, sport, *to, t.cookie())
            sent = sender.send(data[:24] + struct.pack("!H", length) + b"\0\0" + data[28:])
            t.blocked(sent, sender, receiver, f"UDP length {length}")


@udp_req("port 0", "from port 0 a datagram may come, to port 0 it may not go")
def port_zero(t):
    t.passes(t.udp(t.s1, 0, t.b1.address, 7), t.b1)
    t.blocked(t.udp(t.s1, 5000, t.b1.address, 0), t.s1, t.b1, "to port 0")
    t.blocked(t.tcp(t.s1, 0, t.b1.address, 80, "S"), t.s1, t.b1, "TCP from port 0")
    t.blocked(t.tcp(t.s1, 5000, t.b1.address, 0, "S"), t.s1, t.b1, "TCP to port 0")


@req("3.1 c", "TTL: lowered by one in every direction, and what would reach 0 goes no further")
def ttl(t):
    first = t.out("udp", t.s1, 5000, t.b1).source
    second = t.out("udp", t.s2, 6000, t.b1).source
    ways = ((t.s1, 5000, (t.b1.address, 7), t.b1), (t.b1, 7, first, t.s1),
            (t.s2, 6000, first, t.s1), (t.s1, 5000, second, t.s2))
    for sender, sport, to, receiver in ways:
        for value in (2, 64, 128, 255):
            seen = t.passes(t.udp(sender, sport, *to, ttl=value), receiver)
            t.equal(seen.ttl, value - 1, f"{sender.name} to {receiver.name}: TTL {value} becomes")
        for value in (0, 1):
            sent = t.udp(sender, sport, *to, ttl=value)
            t.blocked(sent, sender, receiver, f"TTL {value}")
            error = t.error_about(sent, sender)
            t.check(error is not None and (error.type, error.code) == (11, 0),
                    f"{sender.name} to {receiver.name}, TTL {value}: {error}")


@req("3.1 d", "the TTL of ICMP errors and fragments, too")
def ttl_of_others(t):
    seen = t.out("udp", t.s1, 5000, t.b1)
    for value in (0, 1):
        t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, seen.data, ttl=value))
    t.fence(t.b1, t.s1)
    t.check(not t.s1.take_all(), "an error with the last TTL arrives")
    t.b1.send(packets.error(t.b1.address, seen.src, 3, 1, seen.data, ttl=2))
    error = t.s1.receive(lambda packet: packet.is_error)
    t.equal(error and error.ttl, 1, "TTL of an error that came with 2")
    for piece in packets.fragments(packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x" * 1500,
                                               ttl=1, id=70), 1000):
        t.s1.send(piece)
    t.fence(t.s1, t.b1)
    t.check(not t.b1.take_all(), "fragments with TTL 1 arrive")
    t.equal(len([p for p in t.s1.take_all() if p.is_error]), 1, "errors, about the first only")


@ident_req("4.1", "the identification of atomic packets is left alone; inbound ones are, too")
def atomic(t):
    public = t.out("udp", t.s1, 5000, t.b1).source
    for ident in (0, 1, 77, 65535):
        t.equal(t.out("udp", t.s1, 5000, t.b1, id=ident, flags="DF").id, ident, "outbound with DF")
        for flags in ("DF", ""):
            back = t.passes(t.udp(t.b1, 7, *public, id=ident, flags=flags), t.s1)
            t.equal((back.id, back.df), (ident, flags == "DF"), "inbound")


@ident_req("5.3.1", "identifications of what may be fragmented differ, per public address, server "
           "and protocol: of whole packets, fragments, errors, whoever sends them", pool={})
def unique(t):
    """3 subscribers on one public address, each with identification 7 in all that it sends."""
    hosts = [t.subscriber(n) for n in (1, 2, 3)]
    for proto, number in (("udp", 17), ("tcp", 6), ("icmp", 1)):
        for i in range(400):
            host = hosts[i % 3]
            if proto == "udp" and i % 5 == 4:
                data = packets.udp(host.address, 5000, t.b1.address, 7, b"f" * 500, id=7 + i)
                for piece in packets.fragments(data, 256):
                    host.send(piece)
            else:
                t.send(proto, host, 5000 + i if proto == "tcp" else 5000, t.b1.address, 7, id=7)
        t.fence(*hosts, t.b1)
        got = [packet for packet in t.b1.take_all() if packet.protocol == number]
        seen = [packet.id for packet in got if packet.offset == 0]
        t.equal((len(seen), len(set(seen))), (400, 400), f"{proto}: datagrams, identifications")
        t.check(all(packet.id in seen for packet in got if packet.offset),
                "a later fragment has another identification than its first")
