# SPDX-License-Identifier: BSD-3-Clause
"""The two interfaces, and the hosts on them: addresses whose packets we write and read ourselves.

No kernel stack takes part: ARP for the hosts is answered here. One thread reads both interfaces and
puts each packet into the inbox of the host that it is for, so tests with hosts of their own can run
at the same time."""
import ctypes
import os
import select
import socket
import struct
import threading
import time
from collections import deque

from . import packets
from .packets import Packet

ETH_IP, ETH_ARP = 0x0800, 0x0806
SOL_PACKET, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 263, 23, 33
BROADCAST = b"\xff" * 6
INBOX_MAX = 70000
WINDOW = 128  # packets on their way: a tap's queue holds 500, and drops what is more
CLONE_NEWNET = 0x40000000


class Namespace:
    """with Namespace(name): what this thread opens there lives in that network namespace."""

    def __init__(self, name):
        self.name = name

    @staticmethod
    def _enter(fd):
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if self.name:
            fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            self._enter(fd)
            os.close(fd)

    def __exit__(self, *_):
        self._enter(self.home)
        os.close(self.home)


def mac_bytes(text):
    return bytes(int(part, 16) for part in text.split(":"))


class Wire:
    """One interface. `gateway` is the NAT's own address there, `next_hop` ours when it is a router."""

    def __init__(self, interface, mac, own, gateway, subnet):
        self.interface = interface
        self.mac = mac_bytes(mac)
        self.own = socket.inet_aton(own)
        self.gateway = gateway
        network, length = subnet.split("/")
        self.mask = ~((1 << 32 - int(length)) - 1) & 0xFFFFFFFF
        self.network = struct.unpack("!I", socket.inet_aton(network))[0] & self.mask
        self.peer = None
        self.hosts = {}
        self.lock = threading.Lock()
        self.sent = 0
        self.paced = True  # until a ping is not answered
        self.answered, self.mark = threading.Event(), None
        self.dead = set()  # addresses whose ARP stays unanswered
        self.arp_seen = deque(maxlen=1000)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((interface, 3))
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setblocking(False)

    def packet(self, data, mac=None):
        """Sends an IP packet; now and then it waits until the NAT has done with those before."""
        with self.lock:
            self.frame(data, mac)
            self.sent += 1
            if self.sent % WINDOW == 0 and self.paced:
                self._drain()

    def _drain(self):
        self.answered.clear()
        self.mark = os.urandom(8)
        own = socket.inet_ntoa(self.own)
        self.frame(packets.echo(own, self.gateway, 1, payload=self.mark))
        self.paced = self.answered.wait(5)

    def frame(self, data, mac=None, kind=ETH_IP):
        self.send_frame((mac or self.peer) + self.mac + struct.pack("!H", kind) + data)

    def send_frame(self, frame):
        for _ in range(2000):
            try:
                self.socket.send(frame)
                return
            except (BlockingIOError, OSError) as problem:
                if problem.errno not in (11, 105):
                    raise
                time.sleep(0.001)
        raise OSError(f"{self.interface} takes no packets")

    def arp(self, operation, target, sender=None, target_mac=b"\0" * 6, mac=BROADCAST):
        """Sends ARP; `sender` is the address that it speaks for."""
        sender = self.own if sender is None else socket.inet_aton(sender)
        body = struct.pack("!HHBBH", 1, ETH_IP, 6, 4, operation)
        body += self.mac + sender + target_mac + socket.inet_aton(target)
        self.frame(body, mac, ETH_ARP)

    def find_peer(self, seconds=5):
        """Learns the NAT's MAC address; False when it does not answer."""
        end = time.monotonic() + seconds
        while self.peer is None and time.monotonic() < end:
            self.arp(1, self.gateway)
            time.sleep(0.1)
        return self.peer is not None

    def take(self, frame):
        kind = frame[12:14]
        if kind == b"\x08\x06" and len(frame) >= 42:
            self._take_arp(frame[14:42])
        elif kind == b"\x08\x00" and len(frame) >= 34:
            if frame[30:34] == self.own and frame[-8:] == self.mark:
                self.answered.set()
            host = self.hosts.get(socket.inet_ntoa(frame[30:34]))
            if host is not None:
                host.put(frame[14:])

    def _take_arp(self, body):
        operation = body[7]
        sender_mac, sender, target = body[8:14], body[14:18], body[24:28]
        self.arp_seen.append((operation, sender_mac, socket.inet_ntoa(sender),
                              socket.inet_ntoa(target)))
        if socket.inet_ntoa(sender) == self.gateway:
            self.peer = sender_mac
        if operation != 1 or sender == target:
            return
        address = socket.inet_ntoa(target)
        near = struct.unpack("!I", target)[0] & self.mask == self.network
        if near and address != self.gateway and address not in self.dead:
            self.arp(2, socket.inet_ntoa(sender), address, sender_mac, sender_mac)


class Bench:
    """Both wires, read by one thread."""

    def __init__(self, inside, outside):
        self.inside, self.outside = inside, outside
        self.running = True
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        poll = select.poll()
        wires = {wire.socket.fileno(): wire for wire in (self.inside, self.outside)}
        for fd in wires:
            poll.register(fd, select.POLLIN)
        while self.running:
            for fd, _ in poll.poll(200):
                self._drain(wires[fd])

    @staticmethod
    def _drain(wire):
        for _ in range(256):
            try:
                wire.take(wire.socket.recv(65536))
            except (BlockingIOError, OSError):
                return

    def stop(self):
        self.running = False
        self.thread.join()
        self.inside.socket.close()
        self.outside.socket.close()


class Host:
    """An address on a wire. What comes for it waits in its inbox."""

    def __init__(self, name, wire, address, trace):
        self.name, self.wire, self.address, self.trace = name, wire, address, trace
        self.inbox = deque(maxlen=INBOX_MAX)
        self.changed = threading.Condition()
        wire.hosts[address] = self

    def put(self, data):
        with self.changed:
            self.inbox.append(data)
            self.changed.notify_all()

    def send(self, data, mac=None):
        packet = Packet(data, quoted=True)
        self.trace.append((time.monotonic(), f"{self.name} sends", packet))
        self.wire.packet(data, mac)
        return packet

    def receive(self, matches, seconds=10.0):
        """The first packet that matches, taken out of the inbox; None when none comes in time."""
        end = time.monotonic() + seconds
        looked = set()
        with self.changed:
            while True:
                for data in list(self.inbox):
                    if id(data) in looked:
                        continue
                    looked.add(id(data))
                    packet = Packet(data)
                    if matches(packet):
                        self.inbox.remove(data)
                        self.trace.append((time.monotonic(), f"{self.name} gets", packet))
                        return packet
                left = end - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    if end - time.monotonic() <= 0:
                        return None

    def take_all(self):
        """Everything in the inbox, as packets."""
        with self.changed:
            everything = [Packet(data) for data in self.inbox]
            self.inbox.clear()
        return everything

    def fence(self, seconds=5.0):
        """Returns once the NAT has done with what this host sent before: it has answered a ping
        sent behind it. Without an answer, after `seconds`."""
        ident, cookie = os.urandom(2), os.urandom(8)
        wanted = packets.echo(self.address, self.wire.gateway, int.from_bytes(ident, "big"),
                              payload=cookie)
        self.wire.frame(wanted)
        end = time.monotonic() + seconds
        with self.changed:
            while time.monotonic() < end:
                for data in self.inbox:
                    if data[-8:] == cookie and data[9] == 1:
                        self.inbox.remove(data)
                        return True
                self.changed.wait(max(0.0, end - time.monotonic()))
        return False
