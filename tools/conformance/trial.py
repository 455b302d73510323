# SPDX-License-Identifier: BSD-3-Clause
"""What a running test has in hand: its hosts, and verbs that read like the rule.

Every test has subscribers and servers of its own (addresses made of its slot), so that many run at
once through one NAT. That nothing came is shown by a fence, not by waiting: a ping sent behind the
packet has been answered."""
import itertools
import os
import time

from . import packets
from .registry import Failed, OptedOut, Skipped, TooSlow
from .wire import Host

COOKIES = itertools.count(int.from_bytes(os.urandom(4), "big"))
SOON = 10.0    # for what must come: the machine may be busy
GRACE = 0.05   # after a fence: for the reader thread


class Trial:
    def __init__(self, test, lab, attempt=0):
        self.offset = 120 * (attempt % 2)  # so that another attempt meets no state of the first
        self.test, self.lab = test, lab
        self.bench = lab.bench
        self.trace = []
        self.hosts = {}
        self.pool = lab.pool_of(test)  # its public addresses, as texts; None when not known

    # ---- hosts ----

    def subscriber(self, n=1):
        return self._host(f"S{n}", self.bench.inside, f"{self.lab.inside_net}.{self.test.slot}.{self.offset + n}")

    def server(self, n=1):
        return self._host(f"B{n}", self.bench.outside,
                          f"{self.lab.outside_net}.{self.test.slot}.{n}")

    def host_at(self, name, address, inside=False):
        return self._host(name, self.bench.inside if inside else self.bench.outside, address)

    def _host(self, name, wire, address):
        if (name, address) not in self.hosts:
            self.hosts[name, address] = Host(name, wire, address, self.trace)
        return self.hosts[name, address]

    s1 = property(lambda self: self.subscriber(1))
    s2 = property(lambda self: self.subscriber(2))
    b1 = property(lambda self: self.server(1))
    b2 = property(lambda self: self.server(2))

    def close(self):
        for host in self.hosts.values():
            host.wire.hosts.pop(host.address, None)

    # ---- saying what must hold ----

    def check(self, holds, text):
        if not holds:
            raise Failed(text)

    def still(self, there, since, limit, text):
        """Something that ends at `limit` seconds after `since` (a time) must still be there."""
        if not there:
            if time.monotonic() - since > limit - 1:
                raise TooSlow(text)
            raise Failed(text)

    def equal(self, found, wanted, what):
        if found != wanted:
            raise Failed(f"{what}: wanted {wanted}, found {found}")

    def opted_out(self, key):
        raise OptedOut(key)

    def skip(self, why):
        raise Skipped(why)

    # ---- packets with a mark to know them by ----

    def cookie(self):
        return b"%016x" % next(COOKIES)

    def udp(self, host, sport, to, dport, payload=None, **fields):
        """Sends a datagram; its payload is its mark."""
        return host.send(packets.udp(host.address, sport, to, dport,
                                     self.cookie() if payload is None else payload, **fields))

    def tcp(self, host, sport, to, dport, flags, seq=None, ack=0, payload=b"", **fields):
        """Sends a segment; its sequence number, random where not given, is its mark."""
        seq = int.from_bytes(os.urandom(4), "big") if seq is None else seq
        return host.send(packets.tcp(host.address, sport, to, dport, flags, seq, ack, payload,
                                     **fields))

    def ping(self, host, ident, to, reply=False, seq=1, **fields):
        return host.send(packets.echo(host.address, to, ident, seq, self.cookie(), reply, **fields))

    def send(self, proto, host, sport, to, dport, **fields):
        """A packet that begins a session: a datagram, a SYN, an echo request."""
        if proto == "udp":
            return self.udp(host, sport, to, dport, **fields)
        if proto == "tcp":
            return self.tcp(host, sport, to, dport, "S", **fields)
        return self.ping(host, sport, to, **fields)

    @staticmethod
    def is_copy(sent):
        """A predicate: the packet is `sent`, translated."""
        def matches(packet):
            if packet.protocol != sent.protocol or packet.is_error or packet.fragment:
                return False
            if packet.protocol == 6:
                return (packet.seq, packet.flags, packet.payload) == (sent.seq, sent.flags,
                                                                      sent.payload)
            if packet.protocol == 1 and packet.type != sent.type:
                return False
            return packet.payload == sent.payload
        return matches

    # ---- what becomes of them ----

    def passes(self, sent, at, seconds=SOON):
        """The copy of `sent` that arrives at a host, with every checksum right; or the test fails."""
        packet = at.receive(self.is_copy(sent), seconds)
        if packet is None:
            raise Failed(f"did not arrive at {at.name} ({at.address}): {sent}")
        wrong = packet.wrong_checksums()
        if wrong:
            raise Failed(f"arrived with a wrong {wrong[0]} checksum: {packet}")
        return packet

    def arrives(self, sent, sender, at):
        """The copy of `sent` at a host, or None when it was not let through."""
        self.fence(sender, at)
        return at.receive(self.is_copy(sent), 0)

    def fence(self, *hosts):
        for host in hosts:
            host.fence()
        time.sleep(GRACE)

    def blocked(self, sent, sender, at, why):
        packet = self.arrives(sent, sender, at)
        if packet is not None:
            raise Failed(f"{why}: arrived as {packet}")

    def whole(self, at, sent_by, protocol=17):
        """The one datagram that has come to a host, put together where it came in fragments."""
        self.fence(sent_by, at)
        got = [packet for packet in at.take_all() if packet.protocol == protocol]
        if len(got) == 1 and not got[0].fragment:
            return got[0]
        datagram = packets.reassemble(list({p.offset: p for p in got}.values()))
        if datagram is None:
            raise Failed(f"fragments at {at.name}: {[(p.offset, len(p.l4), p.mf) for p in got]}")
        wrong = [name for packet in got for name in packet.wrong_checksums()]
        if wrong:
            raise Failed(f"a fragment arrived with a wrong {wrong[0]} checksum")
        return datagram

    def error_about(self, sent, at, seconds=SOON):
        """The ICMP error that quotes `sent` (its addresses and first 8 bytes as sent), or None."""
        return at.receive(lambda packet: self.quotes(packet, sent), seconds)

    @staticmethod
    def quotes(packet, sent):
        quote = packet.quote
        return quote is not None and (quote.src, quote.dst, quote.protocol) == (
            sent.src, sent.dst, sent.protocol) and quote.l4[:8] == sent.l4[:8]

    def no_error_about(self, sent, sender, why):
        self.fence(sender)
        error = sender.receive(lambda packet: packet.is_error, 0)
        if error is not None:
            raise Failed(f"{why}: {error}")

    # ---- sessions ----

    def out(self, proto, host, sport, to, dport=7, **fields):
        """Begins a session and returns the first packet as `to` sees it."""
        seen = self.passes(self.send(proto, host, sport, to.address, dport, **fields), to)
        self.check(seen.src != host.address, f"not translated: {seen}")
        return seen

    def back(self, proto, host, sport, public, **fields):
        """A packet from outside to a public (address, port): sends it and returns it."""
        address, port = public
        if proto == "icmp":
            return self.ping(host, port, address, reply=True, **fields)
        return self.send(proto, host, sport, address, port, **fields)

    def reaches(self, proto, host, sport, public, inside, **fields):
        """Whether a packet from outside to a public endpoint gets to a subscriber."""
        return self.arrives(self.back(proto, host, sport, public, **fields), host, inside)

    def connect(self, host, sport, server, dport=80):
        """A TCP connection, both ways through its three steps."""
        return Connection(self, host, sport, server, dport)

    # ---- what an operator reads ----

    def weirctl(self, *words):
        """weirctl's answer, from its JSON."""
        return self.lab.weirctl(*words)

    def sessions_of(self, host):
        return self.weirctl("show", "sessions", "inside", host.address).get("sessions", [])

    def timeout(self, name):
        """A timeout as `weirctl show timeouts` says it, in seconds."""
        known = self.weirctl("show", "timeouts")
        if name not in known:
            raise Failed(f"weirctl show timeouts has no {name}")
        value = known[name]
        return value if isinstance(value, (int, float)) else value["seconds"]

    def setting(self, *path):
        """A value of `weirctl show config`, or None."""
        value = self.weirctl("show", "config")
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def need_outside_mtu(self, mtu):
        found = self.setting("interfaces", 1, "mtu")
        if found != mtu:
            raise Skipped(f"needs an outside MTU of {mtu}, it is {found}")


class Connection:
    """A TCP connection that the test plays both ends of."""

    def __init__(self, trial, client, sport, server, dport):
        self.trial, self.client, self.server = trial, client, server
        self.sport, self.dport = sport, dport
        syn = trial.tcp(client, sport, server.address, dport, "S")
        seen = trial.passes(syn, server)
        self.public = seen.source
        self.cseq = (syn.seq + 1) & 0xFFFFFFFF
        self.sseq = int.from_bytes(os.urandom(4), "big")
        trial.passes(self.from_server("SA"), client)
        self.sseq = (self.sseq + 1) & 0xFFFFFFFF
        trial.passes(self.from_client("A"), server)

    def from_client(self, flags, payload=b""):
        sent = self.trial.tcp(self.client, self.sport, self.server.address, self.dport, flags,
                              self.cseq, self.sseq if "A" in flags else 0, payload)
        self.cseq = (self.cseq + len(payload)) & 0xFFFFFFFF
        return sent

    def from_server(self, flags, payload=b""):
        sent = self.trial.tcp(self.server, self.dport, self.public[0], self.public[1], flags,
                              self.sseq, self.cseq if "A" in flags else 0, payload)
        self.sseq = (self.sseq + len(payload)) & 0xFFFFFFFF
        return sent

    def works(self):
        """Data passes both ways; or the test fails."""
        self.trial.passes(self.from_client("PA", self.trial.cookie()), self.server)
        self.trial.passes(self.from_server("PA", self.trial.cookie()), self.client)

    def answers(self):
        """Whether data from the server still gets to the client."""
        sent = self.from_server("PA", self.trial.cookie())
        return self.trial.arrives(sent, self.server, self.client) is not None
