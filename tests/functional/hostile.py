#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""hostile.py SIDE INTERFACE MAC SECONDS PEER SOURCE [PUBLIC:PORT:REMOTE:PORT...]

Sends hostile frames to weir's MAC address: from the outside (SIDE "out") to the pool at PEER and
15 addresses behind it, and to the public endpoints of a victim's sessions, TCP's first; from the
inside (SIDE "in") in the name of the subscriber SOURCE to the server at PEER. A list of all kinds
is made once, then sent again and again. Prints how many frames: 12000 at the least.
"""
import ipaddress
import os
import random
import socket
import struct
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools"))
from conformance import packets  # noqa: E402

OF_EACH = 400
AT_ONCE, PAUSE, AT_LEAST = 40, 0.01, 12000


def port():
    return random.randrange(65536)


def anyone():
    return str(ipaddress.ip_address(random.randrange(0x01000000, 0xDF000000)))


def any_packet(source, to, dport=None):
    dport = port() if dport is None else dport
    kind = random.randrange(4)
    if kind == 0:
        return packets.udp(source, port(), to, dport, b"h" * random.randrange(200))
    if kind == 1:
        return packets.tcp(source, port(), to, dport, random.choice(["S", "SA", "A", "F", "R", "SF", ""]))
    if kind == 2:
        return packets.echo(source, to, port(), reply=random.random() < 0.5)
    return packets.ip(source, to, random.choice([0, 2, 41, 47, 50, 51, 103, 132, 255]), os.urandom(40))


def orphan(source, to):
    """A fragment of a datagram of which nothing else comes, or that is no good."""
    data = packets.udp(source, port(), to, port(), b"f" * 1200, id=port())
    return random.choice(packets.fragments(data, 8 * random.randrange(1, 150)))


def damaged(data):
    """With some bytes changed, cut off, or another length."""
    data = bytearray(data)
    for _ in range(random.randrange(4)):
        data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.5:
        data[2:4] = struct.pack("!H", random.randrange(1500))
    if random.random() < 0.5:
        data = data[:random.randrange(1, len(data))]
    if len(data) >= 20 and random.random() < 0.7:
        return packets.mend_header(bytes(data)) if data[0] & 15 >= 5 else bytes(data)
    return bytes(data)


def optional(data):
    return packets.with_options(data, os.urandom(4 * random.randrange(1, 11)))


def error_about(source, data):
    kind, code = random.choice([(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 13), (4, 0), (5, 1),
                                (11, 0), (11, 1), (12, 0), (random.randrange(256), 0)])
    about = packets.Packet(data)
    return packets.error(source, about.src, kind, code, data, mtu=random.choice([0, 68, 576, 1280]),
                         length=random.choice([None, 20, 27, 28, 60]))


def forged(public, public_port, remote, remote_port):
    """In the name of the victim's remote: resets and SYNs, errors about what the victim sent."""
    flags = random.choice(["R", "RA", "S", "SA"])
    about = packets.tcp(public, public_port, remote, remote_port, "A", port() << 16)
    return random.choice([
        packets.tcp(remote, remote_port, public, public_port, flags, seq=port() << 16),
        error_about(anyone(), about)])


def datagram_to(public, public_port, remote, remote_port):
    about = packets.udp(public, public_port, remote, remote_port, b"x" * 9)
    return random.choice([packets.udp(anyone(), port(), public, public_port, b"h"),
                          error_about(anyone(), about)])


def outside(peer, _, victims):
    pool = [str(ipaddress.ip_address(peer) + i) for i in range(16)]
    for _ in range(OF_EACH):
        to = random.choice(pool)
        yield any_packet(anyone(), to)
        yield any_packet(random.choice(["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
                                        "240.1.1.1", to, peer]), to)
        yield orphan(anyone(), to)
        yield damaged(any_packet(anyone(), to))
        yield optional(any_packet(anyone(), to))
        yield error_about(anyone(), any_packet(to, anyone()))
        if victims:
            yield forged(*victims[0])
            yield datagram_to(*victims[1])


def inside(peer, source, _):
    for _ in range(OF_EACH):
        yield any_packet(source, anyone())
        yield any_packet(source, peer)
        yield packets.udp(source, port(), peer, port(), b"t", ttl=random.randrange(2))
        yield orphan(source, peer)
        yield damaged(any_packet(source, peer))
        yield optional(any_packet(source, peer))
        yield error_about(source, any_packet(peer, source))
        yield any_packet(random.choice(["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"]), peer)
        yield packets.udp(source, port(), peer, port(), b"d" * 1472, flags="DF")


def main():
    side, interface, mac, seconds, peer, source = sys.argv[1:7]
    victims = [(a, int(b), c, int(d)) for a, b, c, d in (word.split(":") for word in sys.argv[7:])]
    random.seed(5)
    link = bytes(int(part, 16) for part in mac.split(":")) + b"\x02\0\0\0\0\x66"
    broadcast = b"\xff" * 6 + link[6:]
    frames = [(link if random.random() < 0.97 else broadcast) + b"\x08\0" + data
              for data in {"in": inside, "out": outside}[side](peer, source, victims)]
    frames += [link + os.urandom(random.randrange(2, 200)) for _ in range(OF_EACH)]
    random.shuffle(frames)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    print("ready", flush=True)
    end, sent = time.monotonic() + float(seconds), 0
    while time.monotonic() < end or sent < AT_LEAST:
        for _ in range(AT_ONCE):
            try:
                sock.send(frames[sent % len(frames)])
            except OSError:
                continue
            sent += 1
        time.sleep(PAUSE)  # a rate that taps take: what is lost is then weir's doing
    print(sent)


main()
