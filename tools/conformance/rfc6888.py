# SPDX-License-Identifier: BSD-3-Clause
"""RFC 6888 (BCP 127): what a carrier-grade NAT must do beside."""
import struct
import time

from . import packets
from .registry import TooSlow, rules_of

req = rules_of("RFC 6888")
ONE_BLOCK = {"port-range": "1024-1087", "block-size": 64, "max-blocks-per-subscriber": 1}
PREFIX = "198.19.7.0/24"  # the destinations that are not translated


def correlation(a, b):
    """Pearson's, of two lists of numbers."""
    n = len(a)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    top = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    bottom = (sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)) ** 0.5
    return top / bottom if bottom else 1.0


def many(t, s, count, dport=7, first=3000):
    """So many UDP sessions of a subscriber; what B1 sees."""
    sent = [t.udp(s, first + i, t.b1.address, dport) for i in range(count)]
    return [t.passes(packet, t.b1) for packet in sent]


@req("REQ-1", "other protocols pass by address only, or are dropped and counted")
def other_protocols(t):
    before = t.weirctl("show", "verdicts").get("unknown_protocol", 0)
    body = b"\0\0\0\0" + t.cookie()
    sent = t.s1.send(packets.ip(t.s1.address, t.b1.address, 253, body))
    seen = t.arrives(sent, t.s1, t.b1)
    if seen is None:
        after = t.weirctl("show", "verdicts").get("unknown_protocol", 0)
        t.check(after > before, "protocol 253 vanishes without a count")
    else:
        t.check(seen.src != t.s1.address, "protocol 253 leaves with its inside address")


@req("REQ-1 a", "GRE, ESP and SCTP pass by address only, both ways, on the paired address")
def by_address(t):
    public = t.out("udp", t.s1, 5000, t.b1).src
    for protocol in (47, 50, 132):
        body = b"\0\0\x08\0" + t.cookie()
        sent = t.s1.send(packets.ip(t.s1.address, t.b1.address, protocol, body))
        seen = t.arrives(sent, t.s1, t.b1)
        t.check(seen is not None, f"protocol {protocol} does not arrive")
        t.equal(seen.src, public, f"source of protocol {protocol}")
        t.equal(seen.payload, sent.payload, f"bytes of protocol {protocol}")
        back = t.b1.send(packets.ip(t.b1.address, public, protocol, b"\0\0\x08\0" + t.cookie()))
        t.check(t.arrives(back, t.b1, t.s1) is not None, f"protocol {protocol} does not come back")
        stray = t.b2.send(packets.ip(t.b2.address, public, protocol, b"\0\0\x08\0" + t.cookie()))
        t.blocked(stray, t.b2, t.s1, f"protocol {protocol} from a host never spoken to")


@req("REQ-1 b", "one inside host per public address, remote and other protocol", pool={})
def by_address_rival(t):
    """On a pool of one address a second subscriber's GRE to the same host must not mix with the
    first's; towards another host it passes."""
    def gre(s, b):
        sent = s.send(packets.ip(s.address, b.address, 47, b"\0\0\x08\0" + t.cookie()))
        return t.arrives(sent, s, b)

    seen = gre(t.s1, t.b1)
    t.check(seen is not None, "the first subscriber's GRE does not arrive")
    t.check(gre(t.s2, t.b1) is None, "the second's passes towards the same host")
    t.check(gre(t.s2, t.b2) is not None, "the second's does not pass towards another host")
    for b, s in ((t.b1, t.s1), (t.b2, t.s2)):
        back = b.send(packets.ip(b.address, seen.src, 47, b"\0\0\x08\0" + t.cookie()))
        t.check(t.arrives(back, b, s) is not None, f"{b.name}'s GRE does not reach {s.name}")


@req("REQ-2", "one public address a subscriber, over all protocols",
     pool={"addresses": ["192.0.2.224/28"]})
def paired(t):
    for n in range(1, 9):
        s = t.subscriber(n)
        seen = {t.out(proto, s, port, t.b1).src for proto in ("udp", "tcp", "icmp")
                for port in (5000, 5001, 5002)}
        t.check(len(seen) == 1, f"{s.address} is seen as {sorted(seen)}")


@req("REQ-3", "a pool of any size, not contiguous: all of it is used",
     pool={"addresses": ["192.0.2.200-192.0.2.202", "203.0.113.77", "192.0.2.208/31"]})
def pool_shape(t):
    """120 subscribers on three addresses, one more, and two: 6."""
    wanted = {f"192.0.2.{n}" for n in (200, 201, 202, 208, 209)} | {"203.0.113.77"}
    seen = {t.out("udp", t.subscriber(n), 5000, t.b1).src for n in range(1, 121)}
    t.equal(seen, wanted, "addresses in use")


@req("REQ-4", "a limit of ports a subscriber, configurable; others do not feel it",
     pool={"port-range": "1024-4095", "block-size": 64, "max-blocks-per-subscriber": 2})
def port_limit(t):
    """Two blocks of 64: 128 ports."""
    many(t, t.s1, 128)
    t.blocked(t.udp(t.s1, 9000, t.b1.address, 7), t.s1, t.b1, "the 129th port")
    many(t, t.s2, 10)


@req("REQ-4 a", "a limit of sessions a subscriber, configurable", lab="limits")
def session_limit(t):
    for i in range(100):
        t.out("udp", t.s1, 5000, t.b1, 1000 + i)
    t.blocked(t.udp(t.s1, 5000, t.b1.address, 2000), t.s1, t.b1, "the 101st session")
    t.out("udp", t.s2, 5000, t.b1, 2000)


@req("REQ-4 b", "a limit for each protocol, configurable",
     pool={"max-ports-udp": 20})
def limit_by_protocol(t):
    many(t, t.s1, 20)
    t.blocked(t.udp(t.s1, 9000, t.b1.address, 7), t.s1, t.b1, "the 21st UDP port")
    t.out("tcp", t.s1, 9000, t.b1)
    t.out("udp", t.s2, 9000, t.b1)


@req("REQ-4 c", "a limit of the rate of new sessions a subscriber; others do not feel it",
     pool={"session-rate": 20})
def session_rate(t):
    """20 a second: of 2000 at once most are refused, and another subscriber's pass."""
    began = time.monotonic()
    for i in range(2000):
        t.udp(t.s1, 3000 + i, t.b1.address, 7)
        if i % 100 == 99:
            t.fence(t.s1)
            t.out("udp", t.s2, 5000 + i, t.b1, 9)
    t.fence(t.s1, t.b1)
    got = len([p for p in t.b1.take_all() if p.dport == 7])
    most = 20 * (time.monotonic() - began + 1.5)
    if most >= 2000:
        raise TooSlow
    t.check(20 <= got <= most, f"{got} of 2000 new sessions at a limit of 20 a second")


@req("REQ-5", "sessions under one mapping are bounded against spoofed inbound", lab="limits",
     alone=True)
def spoofed_inbound(t):
    """20,000 sources write to one public endpoint: at most 100 sessions, and S1's own goes on."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    spoof(t, public, 20000)
    count = len(t.sessions_of(t.s1))
    t.check(1 <= count <= 100, f"{count} sessions, the limit is 100")
    t.check(t.reaches("udp", t.b1, 7, public, t.s1), "S1's session has gone")
    t.equal(t.out("udp", t.s1, 5000, t.b1).source, public, "S1's mapping")
    t.out("udp", t.s2, 5000, t.b1)


def spoof(t, public, count):
    """Datagrams from so many sources to one public endpoint."""
    template = packets.udp("198.18.0.1", 9, *public, b"")
    template = template[:26] + b"\0\0" + template[28:]  # no UDP checksum
    for n in range(count):
        spoofed = template[:12] + struct.pack("!BBH", 198, 19, n) + template[16:]
        t.b1.wire.packet(packets.mend_header(spoofed))
        if n % 200 == 0:
            t.fence(t.b1)
    t.fence(t.b1)


@req("REQ-5 a", "spoofed inbound through one mapping leaves its owner room for more",
     lab="mapping-limit")
def spoofed_leaves_room(t):
    """At most 50 sessions from outside through a mapping."""
    public = t.out("udp", t.s1, 5000, t.b1).source
    spoof(t, public, 500)
    count = len(t.sessions_of(t.s1))
    t.check(1 <= count <= 51, f"{count} sessions, the limit is 50 from outside")
    many(t, t.s1, 40)


@req("REQ-6", "translation can be off for destinations: forwarded untouched, both ways",
     config=lambda lab, test, _: {"rules": [
         {"inside": f"{lab.inside_net}.{test.slot}.0/24", "destination": PREFIX,
          "action": "exempt"}]})
def exempt(t):
    far = t.host_at("D", "198.19.7.7")
    for proto in ("udp", "tcp"):
        sent = t.send(proto, t.s1, 5000, far.address, 7)
        t.equal(t.passes(sent, far).source, (t.s1.address, 5000), f"the {proto} source at D")
        back = t.back(proto, far, 7, (t.s1.address, 5000))
        t.equal(t.passes(back, t.s1).source, (far.address, 7), f"the {proto} source at S1")
    t.check(t.out("udp", t.s1, 5000, t.b1).src != t.s1.address, "B1 sees the inside address")


@req("REQ-6 a", "so it can be off for ports", config=lambda lab, test, _: {"rules": [
    {"inside": f"{lab.inside_net}.{test.slot}.0/24", "protocol": "udp",
     "destination-ports": "500-510", "action": "exempt"}]})
def exempt_ports(t):
    for port, untouched in ((499, False), (500, True), (510, True), (511, False)):
        sent = t.udp(t.s1, 5000, t.b1.address, port)
        seen = t.passes(sent, t.b1)
        t.equal(seen.source == (t.s1.address, 5000), untouched, f"port {port} is untouched")
    back = t.udp(t.b1, 500, t.s1.address, 5000)
    t.equal(t.passes(back, t.s1).source, (t.b1.address, 500), "the answer's source at S1")
    t.check(t.out("tcp", t.s1, 5000, t.b1, 500).src != t.s1.address, "TCP leaves untouched")


@req("REQ-7", "filtering is endpoint-independent",
     opt_out=("pools[0].filtering", ("pools", 0, "filtering"), "endpoint-independent"))
def filtering(t):
    for proto in ("udp", "tcp"):
        public = t.out(proto, t.s1, 5000, t.b1, 1).source
        t.check(t.reaches(proto, t.b2, 2, public, t.s1), f"{proto} from another host is filtered")


@req("REQ-8", "a freed port rests before another subscriber gets it", lab="short",
     pool={**ONE_BLOCK, "block-idle-timeout": "1s", "port-reuse-timeout": "8s"})
def reuse(t):
    """One block: S1's session of 4 s ends, and the block rests 8 s."""
    def gets_through():
        sent = t.udp(t.s2, 5000, t.b1.address, 7)
        return t.arrives(sent, t.s2, t.b1) is not None

    began = time.monotonic()
    t.out("udp", t.s1, 5000, t.b1)
    t.check(not gets_through(), "two subscribers hold one block")
    while not gets_through():
        t.check(time.monotonic() - began < 40, "not given back after 40 s")
        time.sleep(0.5)
    took = time.monotonic() - began
    t.check(took >= 11.5, f"reused after {took:.1f} s: 4 s of timeout and 8 s of rest make 12")


@req("REQ-8 a", "that rest is 120 s by default, and configurable")
def reuse_default(t):
    found = t.setting("pools", 0, "port-reuse-timeout")
    t.check(found is not None and found >= 120, f"port-reuse-timeout is {found}")


@req("REQ-8 b", "how many ports rest is configurable: beyond, those that rested longest are free",
     lab="short", pool={**ONE_BLOCK, "block-idle-timeout": "1s", "port-reuse-timeout": "1h",
                        "max-resting-ports": 63})
def resting_limit(t):
    """The pool's one block of 64 may not rest: S2 gets it soon, not after an hour."""
    t.out("udp", t.s1, 5000, t.b1)
    began = time.monotonic()
    while t.arrives(t.udp(t.s2, 5000, t.b1.address, 7), t.s2, t.b1) is None:
        t.check(time.monotonic() - began < 40, "not given back after 40 s")
        time.sleep(0.5)
    t.check(time.monotonic() - began >= 3, "S1's session of 4 s was not waited for")


@req("REQ-9", "subscribers can ask for mappings by PCP")
def pcp(t):
    """ANNOUNCE (RFC 6887 section 14.1) is answered."""
    address = struct.pack("!IIH", 0, 0, 0) + b"\xff\xff" + bytes(map(int, t.s1.address.split(".")))
    t.udp(t.s1, 5350, t.bench.inside.gateway, 5351, struct.pack("!BBHI", 2, 0, 0, 0) + address)
    answer = t.s1.receive(lambda packet: packet.sport == 5351, 1)
    t.check(answer is not None, "PCP is not answered")


@req("REQ-10", "pools, limits and counters can be read by machine")
def by_machine(t):
    t.check(t.weirctl("show", "pools").get("pools"), "no pools")
    t.check(t.setting("limits"), "no limits")
    t.check(t.weirctl("show", "verdicts").get("translated", 0) > 0, "no counters")


@req("REQ-10 a", "the NATv2 MIB (RFC 7659) is answered by SNMP")
def mib(t):
    get = bytes.fromhex("302602010104067075626c6963a019020101020100020100300e300c06082b060102010101"
                        "000500")
    t.udp(t.s1, 5350, t.bench.inside.gateway, 161, get)
    answer = t.s1.receive(lambda packet: packet.sport == 161, 1)
    t.check(answer is not None, "SNMP is not answered")


def fill(t):
    """Fills a pool of 64 ports from S1."""
    return many(t, t.s1, 64)


@req("REQ-11 A", "out of ports: the packet is dropped", pool=ONE_BLOCK)
def full_drops(t):
    fill(t)
    for s in (t.s1, t.s2):
        t.blocked(t.udp(s, 9000, t.b1.address, 7), s, t.b1, "no port is left")


@req("REQ-11 B", "out of ports: ICMP 3 code 1 to the sender", pool=ONE_BLOCK)
def full_says_so(t):
    fill(t)
    for s, proto in ((t.s1, "udp"), (t.s2, "udp"), (t.s2, "tcp"), (t.s2, "icmp")):
        if s is t.s1:
            t.s1.take_all()
        sent = t.send(proto, s, 9000, t.b1.address, 7)
        if s is t.s2 and proto != "udp" and t.arrives(sent, s, t.b1) is not None:
            continue
        error = t.error_about(sent, s)
        t.check(error is not None and (error.type, error.code) == (3, 1),
                f"{s.name}, {proto}: {error}")


@req("REQ-11 C", "out of ports: an operator can read who was refused, and why", pool=ONE_BLOCK)
def full_is_told(t):
    fill(t)
    t.udp(t.s2, 9000, t.b1.address, 7)
    t.fence(t.s2)
    said = t.weirctl("why", t.s2.address)["refusals"]
    t.check(said and said[0]["verdict"] in ("NO_ADDRESS", "NO_PORT") and
            said[0]["remote"] == t.b1.address and said[0]["protocol"] == "udp", f"why says {said}")
    t.check(not t.weirctl("why", t.subscriber(3).address)["refusals"], "others were refused")
    if hasattr(t.lab, "said"):
        end = time.monotonic() + 10
        while t.s2.address not in t.lab.said() and time.monotonic() < end:
            time.sleep(0.1)
        t.check(f"subscriber {t.s2.address} is refused" in t.lab.said(), "the log does not say so")


@req("REQ-11 D", "out of ports: no mapping is removed to make room", pool=ONE_BLOCK)
def full_keeps(t):
    held = fill(t)
    for i in range(200):
        t.udp(t.s2, 9000 + i, t.b1.address, 7)
    t.fence(t.s2)
    for i, seen in enumerate(held):
        t.check(t.out("udp", t.s1, 3000 + i, t.b1).source == seen.source,
                f"S1:{3000 + i} had {seen.source}")


@req("REQ-12", "destinations are not logged unless asked for")
def no_destinations(t):
    t.out("udp", t.s1, 5000, t.b1)
    t.connect(t.s1, 5001, t.b1).works()
    t.fence(t.s1)
    if not hasattr(t.lab, "said"):
        t.skip("the log of a NAT that runs elsewhere is not known")
    lines = [line for line in t.lab.said().splitlines() if t.b1.address in line]
    t.check(not lines, f"the log names it: {lines[:1]}")


@req("REQ-13", "at least 99 % of the ports are handed out before the first refusal",
     pool={"port-range": "1024-9215", "block-size": 256, "max-blocks-per-subscriber": 1},
     alone=True)
def all_ports(t):
    """8192 ports; 32 subscribers take 256 each."""
    seen = set()
    for n in range(1, 33):
        s = t.subscriber(n)
        for packet in [t.udp(s, 3000 + i, t.b1.address, 7) for i in range(256)]:
            got = t.b1.receive(t.is_copy(packet), 1)
            if got is None:
                t.check(len(seen) >= 8192 * 0.99, f"refused after {len(seen)} of 8192")
                return
            seen.add(got.sport)
    t.equal(len(seen), 8192, "different ports")


@req("REQ-14", "a thousand sessions of a subscriber lie in one or two port blocks")
def few_blocks(t):
    """A block is the unit of the log: 1024 ports, on a boundary of the pool's range."""
    blocks = {(seen.src, seen.sport // 1024) for seen in many(t, t.s1, 1000)}
    t.check(len(blocks) <= 2, f"1000 sessions lie in {len(blocks)} blocks of 1024 ports")


@req("REQ-15", "ports are hard to guess: no order inside a block",
     pool={"port-range": "1024-65535", "block-size": 1024})
def hard_to_guess(t):
    """500 of a block's 1024 ports: no trend, no serial correlation, no steps, spread evenly."""
    ports = [seen.sport for seen in many(t, t.s1, 500)]
    n = len(ports)
    trend = correlation(list(range(n)), ports)
    serial = correlation(ports[:-1], ports[1:])
    t.check(abs(trend) < 0.22, f"correlation with the order is {trend:.2f}")
    t.check(abs(serial) < 0.22, f"correlation with the port before is {serial:.2f}")
    steps = [abs(b - a) for a, b in zip(ports, ports[1:])]
    common = max(steps.count(step) for step in set(steps))
    t.check(common < n / 20, f"one step between ports occurs {common} times of {n}")
    base = min(ports)
    eighths = [len([p for p in ports if (p - base) * 8 // 1024 == i]) for i in range(8)]
    chi = sum((count - n / 8) ** 2 / (n / 8) for count in eighths)
    t.check(chi < 29.9, f"chi-square over eighths of the block is {chi:.1f}, 7 degrees of freedom")


@req("REQ-15 a", "port blocks are not handed out in order",
     pool={"port-range": "1024-65535", "block-size": 256})
def blocks_hard_to_guess(t):
    ports = [t.out("udp", t.subscriber(n), 5000, t.b1).sport // 256 for n in range(1, 101)]
    trend = correlation(list(range(100)), ports)
    serial = correlation(ports[:-1], ports[1:])
    t.check(abs(trend) < 0.45, f"correlation with the order is {trend:.2f}")
    t.check(abs(serial) < 0.45, f"correlation with the block before is {serial:.2f}")
