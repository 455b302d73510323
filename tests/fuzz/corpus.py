#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of tests/fuzz/corpus: one small file an idea. Inputs that once found a bug stand
beside them, named bug-*, and are not written here."""
import os
import struct

from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, IPOption, Raw

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
WEIR, HOST, GATEWAY = "02:00:00:00:00:01", "02:00:00:00:01:02", "02:00:00:00:01:fe"
S1, S2, B1, POOL = "100.64.0.2", "100.64.0.3", "192.0.2.1", "203.0.113.1"
WEIR_IN, WEIR_OUT = "100.64.0.1", "198.51.100.1"


def save(target, name, data):
    os.makedirs(os.path.join(CORPUS, target), exist_ok=True)
    with open(os.path.join(CORPUS, target, name), "wb") as file:
        file.write(data)


def ether(packet):
    return bytes(Ether(src=HOST, dst=WEIR) / packet)


# ---- packets ----

UDP_OUT = IP(src=S1, dst=B1) / UDP(sport=4000, dport=53) / b"question"
TCP_OUT = IP(src=S1, dst=B1) / TCP(sport=4001, dport=80, flags="S", options=[("MSS", 1460)])
ECHO = IP(src=S1, dst=B1) / ICMP(type=8, id=77, seq=1) / b"ping"
STAMP = IP(src=S1, dst=B1) / ICMP(type=13, id=78, ts_ori=1, ts_rx=0, ts_tx=0)
BACK_UDP = IP(src=B1, dst=POOL) / UDP(sport=53, dport=1024) / b"answer"
BACK_TCP = IP(src=B1, dst=POOL) / TCP(sport=80, dport=1024, flags="SA")
BACK_ECHO = IP(src=B1, dst=POOL) / ICMP(type=0, id=77, seq=1) / b"ping"
OPTIONS = IP(src=S1, dst=B1, options=[IPOption(b"\x07\x07\x04\0\0\0\0"), IPOption(b"\x01")])
SOURCE_ROUTED = IP(src=S1, dst=B1, options=[IPOption(b"\x83\x07\x04\xc0\0\x02\x05")])
LOCAL = IP(src=S1, dst=WEIR_IN) / ICMP(type=8, id=5) / b"are you there"


def error(type_, code, quoted, src=B1, dst=POOL, cut=None, mtu=0):
    quote = bytes(quoted)[:cut]
    return IP(src=src, dst=dst) / ICMP(type=type_, code=code, nexthopmtu=mtu) / Raw(quote)


QUOTED_UDP = IP(src=POOL, dst=B1) / UDP(sport=1024, dport=53) / b"question"
QUOTED_TCP = IP(src=POOL, dst=B1) / TCP(sport=1024, dport=80, flags="S")
QUOTED_ECHO = IP(src=POOL, dst=B1) / ICMP(type=8, id=1024) / b"ping"

PACKETS = {
    "udp": UDP_OUT,
    "udp-no-checksum": IP(src=S1, dst=B1) / UDP(sport=1, dport=2, chksum=0) / b"x",
    "tcp-syn": TCP_OUT,
    "tcp-null": IP(src=S1, dst=B1) / TCP(flags=0),
    "echo": ECHO,
    "timestamp": STAMP,
    "options": OPTIONS / UDP(sport=4000, dport=53),
    "source-routed": SOURCE_ROUTED / UDP(),
    "fragment": IP(src=S1, dst=B1, flags="MF") / UDP() / bytes(16),
    "fragment-last": IP(src=S1, dst=B1, frag=2, proto=17) / bytes(16),
    "gre": IP(src=S1, dst=B1, proto=47) / bytes(8),
    "martian": IP(src="127.0.0.1", dst=B1) / UDP(),
    "multicast": IP(src=S1, dst="224.0.0.1") / UDP(),
    "too-long": IP(src=S1, dst=B1, len=1000) / UDP(),
    "error-udp": error(3, 3, QUOTED_UDP),
    "error-tcp-8-bytes": error(11, 0, QUOTED_TCP, cut=28),
    "error-echo": error(11, 0, QUOTED_ECHO),
    "error-short-quote": error(3, 1, QUOTED_UDP, cut=24),
    "error-quotes-error": error(3, 1, error(3, 1, QUOTED_UDP)),
    "error-odd": error(3, 4, QUOTED_UDP / b"odd", mtu=1400),
}


def parse_seeds():
    for name, packet in PACKETS.items():
        save("parse", name, b"\x01\x00" + ether(packet))
    for name in ("udp", "tcp-syn", "error-udp", "error-odd", "options"):
        for cut in (1, 35, 41, 62):
            save("parse", f"{name}-cut{cut}", bytes([0, cut]) + ether(PACKETS[name]))
    save("parse", "raw-wrong-checksums", b"\x04\x00" + ether(IP(src=S1, dst=B1, chksum=1) / UDP()))
    save("parse", "raw-other-host", b"\x04\x00" + bytes(Ether(dst=HOST, src=HOST) / UDP_OUT))
    save("parse", "raw-any-mac", b"\x06\x00" + bytes(Ether(dst=HOST, src=HOST) / UDP_OUT))
    save("parse", "raw-broadcast", b"\x04\x00" + bytes(Ether(dst="ff:ff:ff:ff:ff:ff") / UDP_OUT))
    save("parse", "raw-ipv6", b"\x04\x00" + bytes(Ether(dst=WEIR, src=HOST, type=0x86DD)) + bytes(40))
    save("parse", "arp", b"\x00\x00" + bytes(Ether(dst=WEIR, src=HOST) / ARP()))
    save("parse", "short", b"\x00\x00" + ether(UDP_OUT)[:20])


def quote_seeds():
    sessions = ((0x00, "udp", QUOTED_UDP), (0x10, "tcp", QUOTED_TCP), (0x20, "echo", QUOTED_ECHO))
    for flags, name, quoted in sessions:
        for type_, code in ((3, 3), (3, 4), (11, 0), (12, 0)):
            save("quote", f"{name}-{type_}-{code}", bytes([flags, 0]) + bytes(error(type_, code, quoted)))
        save("quote", f"{name}-8-bytes", bytes([flags, 0]) + bytes(error(11, 0, quoted, cut=28)))
        save("quote", f"{name}-cut", bytes([flags, 57]) + bytes(error(3, 1, quoted / bytes(40))))
        inner = error(3, 3, quoted, src=S1, dst=B1)
        save("quote", f"{name}-inside", bytes([flags | 1, 0]) + bytes(inner))
    save("quote", "unaimed", b"\x04\x00" + bytes(error(3, 3, QUOTED_UDP)))
    save("quote", "raw", b"\x02\x00" + bytes(error(3, 3, QUOTED_UDP)))
    long_quote = IP(src=POOL, dst=B1, options=[IPOption(b"\x01")]) / UDP(sport=1, dport=53) / bytes(700)
    save("quote", "too-long-for-outside", b"\x01\x00" + bytes(error(3, 3, long_quote, src=S1, dst=B1)))
    save("quote", "ttl", b"\x00\x00" + bytes(IP(src=B1, dst=POOL, ttl=1) / ICMP(type=3) / QUOTED_UDP))


def frame(flags, packet, cut=0, seconds=0):
    data = packet if isinstance(packet, bytes) else ether(packet)
    head = bytes([flags | (0x10 if cut else 0) | (0x20 if seconds else 0)])
    head += bytes([cut] if cut else []) + bytes([seconds] if seconds else [])
    return head + struct.pack(">H", len(data)) + data


def pipeline_seeds():
    out, aim, run = 0x01, 0x08, 0x40
    back = out | aim | run
    ack = IP(src=S1, dst=B1) / TCP(sport=4001, dport=80, flags="A") / b"data"
    fin = IP(src=S1, dst=B1) / TCP(sport=4001, dport=80, flags="FA")
    big = IP(src=S1, dst=B1) / UDP(sport=4000, dport=53) / bytes(1300)
    big_df = IP(src=S1, dst=B1, flags="DF") / UDP(sport=4000, dport=53) / bytes(1300)
    datagram = UDP(sport=4000, dport=53, len=24, chksum=1)
    first = IP(src=S1, dst=B1, id=7, flags="MF") / datagram / bytes(8)
    later = IP(src=S1, dst=B1, id=7, frag=2, proto=17) / bytes(8)
    back_first = IP(src=B1, dst=POOL, id=8, flags="MF") / UDP(sport=53, len=24, chksum=1) / bytes(8)
    seeds = {
        "udp-both-ways": frame(run, UDP_OUT) + frame(back, BACK_UDP) + frame(run, UDP_OUT),
        "tcp-life": frame(run, TCP_OUT) + frame(back, BACK_TCP) + frame(run, ack)
        + frame(back, IP(src=B1, dst=POOL) / TCP(flags="FA")) + frame(run, fin)
        + frame(back, IP(src=B1, dst=POOL) / TCP(flags="R")),
        "echo": frame(run, ECHO) + frame(back, BACK_ECHO) + frame(run, STAMP),
        "hairpin": frame(run, UDP_OUT) + frame(aim | run, IP(src=S2, dst=POOL) / UDP(sport=5, dport=6)),
        "hairpin-twice": frame(run, UDP_OUT) + 2 * frame(aim | run, IP(src=S2, dst=POOL) / UDP(sport=5, dport=6)),
        "error-in": frame(run, UDP_OUT) + frame(back, error(3, 4, QUOTED_UDP, mtu=500)),
        "error-out": frame(run, UDP_OUT) + frame(back, BACK_UDP)
        + frame(aim | run, error(3, 3, BACK_UDP, src=S1, dst=B1)),
        "fragmented": frame(run, big) + frame(run, big, cut=200),
        "fragmentation-needed": frame(run, big_df),
        "fragments": frame(run, first) + frame(run, later) + frame(run, later),
        "fragments-early": frame(run, later) + frame(run, first) + frame(out | aim | run, back_first)
        + frame(out | run, IP(src=B1, dst=POOL, id=8, frag=2, proto=17) / bytes(8)),
        "fragments-overlap": frame(run, first) + frame(run, IP(src=S1, dst=B1, id=7, frag=1, proto=17) / bytes(16)),
        "fragments-many": b"".join(frame(0, IP(src=S1, dst=B1, id=i, frag=2, proto=17) / bytes(8)) for i in range(20)),
        "ttl": frame(run, IP(src=S1, dst=B1, ttl=1) / UDP(sport=4000, dport=53)),
        "expiry": frame(run, UDP_OUT) + frame(run, UDP_OUT, seconds=7) + frame(back, BACK_UDP, seconds=7),
        "unknown-neighbour": frame(run, IP(src="100.64.9.9", dst=B1, ttl=1) / UDP())
        + frame(run, IP(src=S1, dst="100.64.7.7") / UDP(), seconds=2)
        + frame(run, IP(src=S1, dst="198.51.100.77") / UDP()),
        "arp-then-packet": frame(run, IP(src=S1, dst="198.51.100.77") / UDP())
        + frame(out | run, bytes(Ether(dst=WEIR, src=HOST)
                                 / ARP(op=2, hwsrc=HOST, psrc="198.51.100.77", hwdst=WEIR, pdst=WEIR_OUT)), seconds=1)
        + frame(run, IP(src=S1, dst="198.51.100.77") / UDP(sport=9)),
        "local": frame(run, LOCAL) + frame(out | run, IP(src=B1, dst=WEIR_OUT) / ICMP(type=8)),
        "local-cut": frame(run, LOCAL, cut=47),
        "between-subscribers": frame(run, IP(src=S1, dst=S2) / UDP()),
        "outside-unasked": frame(out | run, BACK_UDP),
        "padding": frame(run, ether(UDP_OUT) + bytes(20)) + frame(run, ether(UDP_OUT) + bytes(20), cut=60),
        "burst": b"".join(frame(0, IP(src=S1, dst=B1) / UDP(sport=100 + i, dport=53)) for i in range(33)),
        "ports-run-out": b"".join(frame(0, IP(src=S1, dst=B1) / UDP(sport=i + 1, dport=9)) for i in range(140)),
        "all": b"".join(frame(run, packet) for packet in PACKETS.values()),
        "all-outside": b"".join(frame(run | out, packet) for packet in PACKETS.values()),
    }
    for name, data in seeds.items():
        save("pipeline", name, data)


def arp_frame(flags, packet):
    data = bytes(packet)
    return bytes([flags, len(data)]) + data


def arp_seeds():
    def arp(**fields):
        return Ether(dst=WEIR, src=fields.get("hwsrc", HOST)) / ARP(**fields)

    ask = arp(op=1, hwsrc=HOST, psrc=S1, pdst=WEIR_IN)
    tell = arp(op=2, hwsrc=GATEWAY, psrc="198.51.100.254", hwdst=WEIR, pdst=WEIR_OUT)
    pool = arp(op=1, hwsrc=GATEWAY, psrc="198.51.100.254", pdst=POOL)
    probe = arp(op=1, hwsrc=HOST, psrc="0.0.0.0", pdst=WEIR_IN)
    announce = arp(op=1, hwsrc=HOST, psrc=S2, pdst=S2)
    conflict = arp(op=1, hwsrc=HOST, psrc=WEIR_IN, pdst=WEIR_IN)
    moved = arp(op=2, hwsrc=HOST, psrc="198.51.100.254", hwdst=WEIR, pdst=WEIR_OUT)
    silent = bytes([100, 64, 3, 3])
    answer = arp(op=2, hwsrc=HOST, psrc="100.64.3.3", hwdst=WEIR, pdst=WEIR_IN)
    seeds = {
        "ask": arp_frame(4, ask),
        "tell": arp_frame(1, tell),
        "pool": arp_frame(5, pool),
        "probe": arp_frame(4, probe),
        "announce": arp_frame(4, announce),
        "conflict": arp_frame(4, conflict) * 2,
        "moved": arp_frame(1 | 8, moved) + arp_frame(0x10, bytes([9, 9, 9, 9])) + arp_frame(1 | 8, tell),
        "waits": arp_frame(0x10, silent) * 3 + arp_frame(8, answer) + arp_frame(0x10, silent),
        "waits-in-vain": (arp_frame(0x10, silent) + arp_frame(0x18, silent)) * 4,
        "short": arp_frame(0, bytes(ask)[:30]),
        "padded": arp_frame(4, bytes(ask) + bytes(18)),
        "raw": arp_frame(2, bytes(ask)),
    }
    for name, data in seeds.items():
        save("arp", name, data)


GOOD = """interfaces:
  - name: inside
    device: net_tap0,iface=a
    side: inside
    address: 100.64.0.1/16
  - name: outside
    device: net_tap1,iface=b
    side: outside
    address: 198.51.100.1/24
routes:
  - to: 0.0.0.0/0
    via: 198.51.100.254
pools:
  - name: main
    addresses: [203.0.113.0/28, 203.0.113.32-203.0.113.40]
    excluded-addresses: [203.0.113.7]
    port-range: 1024-65535
rules:
  - inside: 100.64.0.0/10
    pool: main
timeouts:
  udp-first: 5m
  tcp-established: 2h
limits:
  max-sessions: 4096
workers:
  count: 1
"""


def config_seeds():
    changes = {
        "good": ("", ""),
        "unknown-key": ("side: inside", "sidee: inside"),
        "bad-address": ("100.64.0.1/16", "100.64.0.1/99"),
        "bad-port-range": ("1024-65535", "65535-1024"),
        "bad-time": ("5m", "5 weeks"),
        "negative": ("max-sessions: 4096", "max-sessions: -1"),
        "huge": ("max-sessions: 4096", "max-sessions: 99999999999999999999"),
        "anchor": ("routes:", "routes: &a"),
        "alias-loop": ("routes:\n", "routes: &a [*a]\n"),
        "no-pool": ("pool: main", "pool: other"),
        "tab": ("  - name: main", "\t- name: main"),
        "list-for-map": ("timeouts:\n  udp-first: 5m\n  tcp-established: 2h", "timeouts: [1, 2]"),
        "scalar-for-list": ("[203.0.113.0/28, 203.0.113.32-203.0.113.40]", "203.0.113.0/28"),
        "backwards": ("203.0.113.32-203.0.113.40", "203.0.113.40-203.0.113.32"),
        "null": ("name: main", "name: ~"),
        "twice": ("limits:", "timeouts:\n  udp-first: 5m\nlimits:"),
        "escape": ("name: main", 'name: "m\\x07\\nain"'),
        "tag": ("name: main", "name: !!binary main"),
    }
    for name, (old, new) in changes.items():
        assert old in GOOD, name
        save("config", name, GOOD.replace(old, new, 1).encode())
    save("config", "empty", b"")
    save("config", "two-documents", b"---\na: 1\n---\nb: 2\n")
    save("config", "not-yaml", b"{[}: \x00\xff")
    save("config", "utf16", GOOD.encode("utf-16"))
    save("config", "flow", b'{"interfaces": [], "pools": [{"name": "x"}]}')
    save("config", "deep", b"[" * 200)


# ---- ALGs: which, flags, a payload ----

FROM_OUTSIDE, SERVER_INSIDE, AT_LINE, NO_ROOM, MAPPED = 1, 2, 4, 8, 16
FTP, PPTP, SIP, TFTP = range(4)


def alg(which, name, flags, payload):
    save("alg", name, bytes([which, flags]) + payload)


def ftp_seeds():
    for name, flags, text in (
            ("port", AT_LINE, "PORT 100,64,0,2,19,137\r\n"),
            ("full", AT_LINE | NO_ROOM, "PORT 100,64,0,2,19,137\r\n"),
            ("eprt", AT_LINE, "EPRT |1|100.64.0.2|5001|\r\n"),
            ("eprt-cut", AT_LINE, "EPRT |1|100"),
            ("two", 0, "x\r\nPORT 100,64,0,2,19,137\r\n"),
            ("227", AT_LINE | SERVER_INSIDE, "227 Passive (100,64,0,2,19,137)\r\n"),
            ("229", AT_LINE | SERVER_INSIDE, "229 Extended (|||5001|)\r\n"),
            ("229-cut", AT_LINE | SERVER_INSIDE, "229 (|||"),
            ("short", AT_LINE | SERVER_INSIDE, "229 (\n")):
        alg(FTP, f"ftp-{name}", flags, text.encode())


def pptp_message(kind, length, first=0, second=0, result=0):
    head = struct.pack(">HHLHHHHB", length, 1, 0x1A2B3C4D, kind, 0, first, second, result)
    return head.ljust(length, b"\0")[:length]


def pptp_seeds():
    request, reply = pptp_message(7, 168, 7, 1), pptp_message(8, 32, 100, 7, 1)
    for name, flags, payload in (
            ("request", AT_LINE, pptp_message(1, 156) + request),
            ("refused", AT_LINE | NO_ROOM, request),
            ("reply", AT_LINE | FROM_OUTSIDE | MAPPED, reply),
            ("reply-unknown", AT_LINE | FROM_OUTSIDE, reply),
            ("reply-out", AT_LINE | SERVER_INSIDE, reply),
            ("incoming", AT_LINE | MAPPED, pptp_message(9, 220, 7) + pptp_message(10, 24, 7, 8, 1)),
            ("link", AT_LINE | FROM_OUTSIDE | MAPPED,
             pptp_message(15, 24, 7) + pptp_message(14, 40, 7) + pptp_message(11, 28, 7)),
            ("end", AT_LINE | MAPPED, pptp_message(12, 16, 7) + pptp_message(13, 148, 7)),
            ("gone", AT_LINE | FROM_OUTSIDE | MAPPED, pptp_message(13, 148, 7)),
            ("cut", AT_LINE, request + request[:13]),
            ("zero", AT_LINE, bytes(12)),
            ("magic", AT_LINE, b"\0\x10\0\1\x1a\x2b\x3c\x4e" + bytes(8))):
        alg(PPTP, f"pptp-{name}", flags, payload)


SDP = ("v=0\r\no=a 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
       "a=rtcp:4001 IN IP4 {0}\r\nm=video 4002 TCP/RTP/AVP 31\r\nc=IN IP4 {0}\r\nm=x 0 y\r\n")


def sip_message(start, host, port, method="INVITE", body=""):
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (f"{start}\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9;received={host};rport={port}\r\n"
            f"From: <sip:a@{host}>;tag=1\r\nt: <sip:b@192.0.2.1>\r\nCall-ID: x@{host}\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:a@{host}:{port}>;expires=60\r\n"
            f"Route: <sip:{host}>,\r\n <sip:192.0.2.1>\r\nExpires: 60\r\n{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def sip_seeds():
    invite = sip_message(f"INVITE sip:b@{B1} SIP/2.0", S1, 5060, body=SDP.format(S1))
    for name, flags, payload in (
            ("invite", MAPPED, invite),
            ("invite-new", 0, invite.replace(b":5060", b":5070")),
            ("invite-full", NO_ROOM, invite),
            ("invite-cut", 0, invite[:-20]),
            ("invite-in", FROM_OUTSIDE | MAPPED,
             sip_message(f"INVITE sip:a@{POOL}:40000 SIP/2.0", POOL, 40000, body=SDP.format(B1))),
            ("ok", FROM_OUTSIDE,
             sip_message("SIP/2.0 200 OK", POOL, 40000, body=SDP.format("192.0.2.2"))),
            ("busy", FROM_OUTSIDE, sip_message("SIP/2.0 486 Busy", POOL, 40000)),
            ("registered", FROM_OUTSIDE,
             sip_message("SIP/2.0 200 OK", POOL, 40000, "REGISTER")),
            ("bye", 0, sip_message(f"BYE sip:b@{B1} SIP/2.0", S1, 5060, "BYE")),
            ("cancel", 0, sip_message(f"CANCEL sip:b@{B1} SIP/2.0", S1, 5060, "CANCEL")),
            ("many", 0, b"OPTIONS sip:b SIP/2.0\r\n" + b"v:100.64.0.2\r\n" * 80 + b"\r\n"),
            ("awake", 0, b"\r\n\r\n"),
            ("length", 0, b"BYE sip:b SIP/2.0\r\nl: 99999\r\n\r\n")):
        alg(SIP, f"sip-{name}", flags, payload)


def tftp_seeds():
    alg(TFTP, "tftp-get", 0, b"\0\1file\0octet\0")
    alg(TFTP, "tftp-cut", 0, b"\0\1file")
    alg(TFTP, "tftp-short", 0, b"\0")


for write in (parse_seeds, quote_seeds, pipeline_seeds, arp_seeds, config_seeds, ftp_seeds,
              pptp_seeds, sip_seeds, tftp_seeds):
    write()
