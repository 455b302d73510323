# SPDX-License-Identifier: BSD-3-Clause
"""Packets as bytes: built with scapy, dissected here (scapy's dissector is too slow for floods)."""
import logging
import socket
import struct

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption  # noqa: E402 F401
from scapy.packet import Raw  # noqa: E402

PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}
ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED, PARAMETER_PROBLEM = 0, 3, 8, 11, 12
TIMESTAMP, TIMESTAMP_REPLY = 13, 14
ERRORS = {3, 4, 5, 11, 12}
FLAG_LETTERS = "FSRPAUEC"


def checksum(data):
    """The Internet checksum (RFC 1071) of bytes; 0 for bytes that hold a right one."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def is_multicast_or_reserved(address):
    return int(address.split(".", 1)[0]) >= 224


class Packet:
    """An IPv4 packet, sent or seen. What is not there (a short quote) reads as None."""

    def __init__(self, data, quoted=False):
        self.data = data
        (version_ihl, self.tos, self.length, self.id, fragment, self.ttl, self.protocol,
         self.ip_checksum) = struct.unpack_from("!BBHHHBBH", data)
        self.src = socket.inet_ntoa(data[12:16])
        self.dst = socket.inet_ntoa(data[16:20])
        self.header = (version_ihl & 15) * 4
        self.df = bool(fragment & 0x4000)
        self.mf = bool(fragment & 0x2000)
        self.offset = (fragment & 0x1FFF) * 8
        self.fragment = self.mf or self.offset > 0
        if not quoted:
            self.data = data[:self.length]
        self.l4 = self.data[self.header:]
        self.name = PROTOCOLS.get(self.protocol, str(self.protocol))
        self.sport = self.dport = self.seq = self.ack = self.flags = None
        self.type = self.code = self.ident = None
        self.payload = self.l4
        if self.offset == 0:
            getattr(self, "_" + self.name, lambda: None)()

    def _udp(self):
        if len(self.l4) >= 8:
            self.sport, self.dport = struct.unpack_from("!HH", self.l4)
            self.payload = self.l4[8:]

    def _tcp(self):
        if len(self.l4) >= 8:
            self.sport, self.dport, self.seq = struct.unpack_from("!HHI", self.l4)
            self.payload = b""
        if len(self.l4) >= 20:
            self.ack, offset, flags = struct.unpack_from("!IBB", self.l4, 8)
            self.flags = "".join(c for i, c in enumerate(FLAG_LETTERS) if flags >> i & 1)
            self.payload = self.l4[(offset >> 4) * 4:]

    def _icmp(self):
        if len(self.l4) >= 8:
            self.type, self.code, _, self.ident, self.seq = struct.unpack_from("!BBHHH", self.l4)
            self.payload = self.l4[8:]
            if self.type in (ECHO, TIMESTAMP):
                self.sport = self.ident
            elif self.type in (ECHO_REPLY, TIMESTAMP_REPLY):
                self.dport = self.ident

    @property
    def source(self):
        return self.src, self.sport

    @property
    def is_error(self):
        return self.protocol == 1 and self.offset == 0 and self.type in ERRORS

    @property
    def mtu(self):
        """The next-hop MTU of a type 3 code 4 (RFC 1191)."""
        return self.seq

    @property
    def quote(self):
        """The packet quoted in an ICMP error, or None."""
        if self.is_error and len(self.payload) >= 20:
            return Packet(self.payload, quoted=True)
        return None

    def wrong_checksums(self):
        """Names of its checksums that are wrong."""
        wrong = []
        if checksum(self.data[:self.header]) != 0:
            wrong.append("IP header")
        if self.fragment:
            return wrong
        if self.protocol == 1 and checksum(self.l4) != 0:
            wrong.append("ICMP")
        if self.protocol in (6, 17):
            pseudo = self.data[12:20] + struct.pack("!BBH", 0, self.protocol, len(self.l4))
            zero = self.protocol == 17 and self.l4[6:8] == b"\0\0"
            if not zero and checksum(pseudo + self.l4) != 0:
                wrong.append(self.name.upper())
        return wrong

    def __str__(self):
        ports = "" if self.sport is None else f":{self.sport}"
        dports = "" if self.dport is None else f":{self.dport}"
        text = f"{self.name} {self.src}{ports} > {self.dst}{dports}"
        if self.protocol == 6:
            text += f" [{self.flags}] seq {self.seq} ack {self.ack}"
        if self.protocol == 1 and self.type is not None:
            text += f" type {self.type} code {self.code}"
            text += f" mtu {self.mtu}" if (self.type, self.code) == (3, 4) else ""
        if self.fragment:
            text += f" fragment {self.offset}{'+' if self.mf else ''} id {self.id}"
        text += f" ttl {self.ttl} len {self.length}{' DF' if self.df else ''}"
        quote = self.quote
        return text + (f" {{about {quote}}}" if quote is not None else "")


# ---- building ----

def ip(src, dst, proto, l4, **fields):
    """An IP packet around bytes or a scapy layer; fields are scapy's, such as ttl=1, flags="DF"."""
    layer = Raw(l4) if isinstance(l4, bytes) else l4
    return bytes(IP(src=src, dst=dst, proto=proto, **fields) / layer)


def udp(src, sport, dst, dport, payload=b"", **fields):
    return bytes(IP(src=src, dst=dst, **fields) / UDP(sport=sport, dport=dport) / Raw(payload))


def tcp(src, sport, dst, dport, flags, seq=0, ack=0, payload=b"", options=(), **fields):
    segment = TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, window=65535,
                  options=list(options))
    return bytes(IP(src=src, dst=dst, **fields) / segment / Raw(payload))


def icmp(src, dst, kind, code=0, rest=b"\0\0\0\0", body=b"", wrong_checksum=False, **fields):
    """Any ICMP message: type, code, the 4 bytes behind the checksum, the rest."""
    message = struct.pack("!BBH", kind, code, 0) + rest + body
    right = checksum(message)
    right ^= 0x5555 if wrong_checksum else 0
    return ip(src, dst, 1, message[:2] + struct.pack("!H", right) + message[4:], **fields)


def echo(src, dst, ident, seq=1, payload=b"", reply=False, **fields):
    return icmp(src, dst, ECHO_REPLY if reply else ECHO, 0, struct.pack("!HH", ident, seq), payload,
                **fields)


def error(src, dst, kind, code, about, mtu=0, length=None, trailer=b"", **fields):
    """An ICMP error that quotes `length` bytes of the packet `about` (all of it without)."""
    rest = struct.pack("!HH", 0, mtu)
    return icmp(src, dst, kind, code, rest, about[:length] + trailer, **fields)


def with_byte(data, offset, value):
    return data[:offset] + bytes([value]) + data[offset + 1:]


def mend_header(data):
    """The packet with a right IP header checksum."""
    size = (data[0] & 15) * 4
    bare = data[:10] + b"\0\0" + data[12:size]
    return bare[:10] + struct.pack("!H", checksum(bare)) + data[12:]


def with_options(data, options):
    """The packet with options in its IP header, which are a multiple of 4 bytes."""
    size = 20 + len(options)
    total = struct.unpack("!H", data[2:4])[0] + len(options)
    header = bytes([0x40 | size // 4]) + data[1:2] + struct.pack("!H", total) + data[4:20]
    return mend_header(header + options + data[20:])


def fragments(data, size, ident=None):
    """Cuts a packet into fragments of at most `size` payload bytes (a multiple of 8)."""
    header, rest = data[:20], data[20:]
    ident = struct.unpack("!H", header[4:6])[0] if ident is None else ident
    pieces = []
    for at in range(0, len(rest), size):
        piece = rest[at:at + size]
        more = 0x2000 if at + size < len(rest) else 0
        pieces.append(mend_header(header[:2] + struct.pack("!HHH", 20 + len(piece), ident,
                                                           more | at // 8) + header[8:] + piece))
    return pieces


def reassemble(pieces):
    """The packet of its fragments (Packet), or None when some are missing."""
    pieces = sorted(pieces, key=lambda p: p.offset)
    body = b""
    for piece in pieces:
        if piece.offset != len(body):
            return None
        body += piece.l4
    if not pieces or pieces[-1].mf:
        return None
    header = pieces[0].data[:20]
    whole = header[:2] + struct.pack("!HHH", 20 + len(body), pieces[0].id, 0) + header[8:] + body
    return Packet(mend_header(whole))
