# SPDX-License-Identifier: BSD-3-Clause
"""What other NATs fell into, as far as packets and weirctl show it.

Some have their tests elsewhere: ageing by a walk over the whole table (6) in tests/unit/wheel.c; an
HA queue that drops without a counter (10) has no like here, but each of weir's queues has a verdict
or a counter for what it drops; errors about what deserves none (21) in icmp_rules.py."""
import copy
import time

from . import packets
from .registry import rules_of

req = rules_of("traps")
ONE_BLOCK = {"port-range": "1024-1087", "block-size": 64, "max-blocks-per-subscriber": 1}


def no_state(t, hosts, what):
    for host in hosts:
        found = t.sessions_of(host)
        t.check(not found, f"{what} makes a session: {found[:1]}")


@req("3", "a pool with one port left gives it: no number of random tries runs out",
     pool={"port-range": "1024-5119", "block-size": 4096, "max-blocks-per-subscriber": 1})
def last_port(t):
    """All 4096 ports of one block, the last ones too."""
    for i in range(4096):
        t.check(t.b1.receive(t.is_copy(t.udp(t.s1, 2000 + i, t.b1.address, 7)), 10) is not None,
                f"refused at the port number {i + 1}")


@req("2", "more workers give a subscriber no fewer ports", lab="workers",
     pool={"port-range": "1024-5119", "block-size": 64, "max-blocks-per-subscriber": 64})
def ports_of_workers(t):
    """All 4096 ports of the one address, with four workers."""
    sent = [t.udp(t.s1, 2000 + i, t.b1.address, 7) for i in range(4096)]
    seen = {t.passes(packet, t.b1).source for packet in sent}
    t.equal(len(seen), 4096, "public endpoints of one subscriber")
    t.blocked(t.udp(t.s1, 9000, t.b1.address, 7), t.s1, t.b1, "the 4097th")


def broken(t):
    """Packets with one thing wrong, by the verdict that names it."""
    good = packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x" * 21)
    error = packets.error(t.s1.address, t.b1.address, 3, 3, good)
    first = packets.fragments(packets.tcp(t.s1.address, 1, t.b1.address, 80, "S"), 16)[0]
    return {
        "truncated": good[:-8],
        "bad_ip_header": packets.mend_header(packets.with_byte(good, 0, 0x44)),
        "bad_ip_checksum": packets.with_byte(good, 10, good[10] ^ 0x55),
        "bad_transport": packets.with_byte(good, 25, 7),
        "bad_tcp_flags": packets.tcp(t.s1.address, 1, t.b1.address, 80, "SF"),
        "bad_tcp_state": packets.tcp(t.s1.address, 1, t.b1.address, 80, "A"),
        "port_zero": packets.udp(t.s1.address, 1, t.b1.address, 0),
        "bad_icmp_checksum": error[:22] + b"\x55\x55" + error[24:],
        "bad_quote": packets.icmp(t.s1.address, t.b1.address, 3, 3, body=b"x" * 28),
        "error_no_session": packets.error(t.s1.address, t.b1.address, 3, 3, packets.udp(
            t.b1.address, 9, t.s1.address, 9)),
        "martian_source": packets.udp("127.0.0.1", 1, t.b1.address, 7),
        "martian_destination": packets.udp(t.s1.address, 1, "240.0.0.1", 7),
        "fragment_tiny": first,
        "bad_fragment": packets.mend_header(packets.with_byte(good, 6, 0x20)),
        "unknown_icmp": packets.icmp(t.s1.address, t.b1.address, 44),
        "ttl_exceeded": packets.udp(t.s1.address, 1, t.b1.address, 7, ttl=1),
        "no_session": packets.echo(t.s1.address, t.b1.address, 1, reply=True),
    }


@req("5", "what cannot be translated is counted by what is wrong with it", lab="choices", alone=True)
def a_verdict_each(t):
    for verdict, data in broken(t).items():
        before = t.weirctl("show", "verdicts").get(verdict, 0)
        t.s1.send(data)
        t.fence(t.s1)
        t.equal(t.weirctl("show", "verdicts").get(verdict, 0) - before, 1, f"{verdict} counts")


@req("7", "DNS has no short timeout of its own unless one is configured", lab="short")
def dns_timeout(t):
    """An answered session of 6 s is there after 4.5 s, to port 53 too."""
    t.equal(t.weirctl("show", "timeouts").get("ports", []), [], "timeouts by port")
    public = t.out("udp", t.s1, 5000, t.b1, 53).source
    t.check(t.reaches("udp", t.b1, 53, public, t.s1), "the answer is lost")
    began = time.monotonic()
    time.sleep(4.5)
    t.still(t.reaches("udp", t.b1, 53, public, t.s1), began, 6, "gone 4.5 s into a timeout of 6 s")


@req("8", "the session list of thousands of sessions is whole", alone=True)
def long_list(t):
    for packet in [t.udp(t.s1, 5000, t.b1.address, 1000 + i) for i in range(3000)]:
        t.passes(packet, t.b1)
    t.equal(len(t.sessions_of(t.s1)), 3000, "sessions listed")


@req("11", "an echo reply, or a timestamp reply, begins nothing")
def reply_begins_nothing(t):
    t.blocked(t.ping(t.s1, 5000, t.b1.address, reply=True), t.s1, t.b1, "an echo reply from inside")
    no_state(t, (t.s1,), "an echo reply from inside")
    public = t.out("icmp", t.s2, 5000, t.b1).source
    before = len(t.sessions_of(t.s2))
    t.arrives(t.ping(t.b2, public[1] ^ 1, public[0], reply=True), t.b2, t.s2)
    t.equal(len(t.sessions_of(t.s2)), before, "sessions after a stray echo reply")


@req("12", "a command without its parameters says so, does nothing, and is never silent",
     lab="choices", alone=True)
def bare_commands(t):
    """Each of weirctl's, shortened to nothing, and each of telemetry's."""
    t.out("udp", t.s1, 5000, t.b1)
    rules = t.weirctl("rule", "list")
    _, listed, _ = t.lab.weirctl_says("help")
    names = [line[2:20].strip() for line in listed.split("Options:")[0].splitlines()
             if line.startswith("  ")]
    t.check(len(names) >= 20 and "clear sessions" in names, f"weirctl help names {names}")
    for name in names:
        code, output, said = t.lab.weirctl_says(*name.split())
        t.check((code == 0 and output.strip()) or (code != 0 and name in said),
                f"weirctl {name}: code {code}, output {output[:60]!r}, error {said[:60]!r}")
    t.check(t.sessions_of(t.s1), "a bare command has ended a session")
    t.equal(t.weirctl("rule", "list"), rules, "the rules afterwards")
    commands = [name for name in t.lab.telemetry("/")[0] if name.startswith("/weir/")]
    t.check(len(commands) >= 10, f"telemetry has {commands}")
    for name, answer in zip(commands, t.lab.telemetry(*commands)):
        t.check(answer not in (None, "", {}), f"{name} without parameters answers {answer!r}")
    t.check(t.sessions_of(t.s1), "a bare telemetry command has ended a session")


@req("13", "subscribers that are idle cost no memory: the inside is a /16, and all of it may come")
def idle_memory(t):
    """weir's tables are as long as limits say; a pool's address has room for its ports."""
    if not hasattr(t.lab, "memory"):
        t.skip("the memory of a NAT that runs elsewhere is not known")
    t.check(t.lab.memory() < 600 << 20, f"weir has {t.lab.memory() >> 20} MB")
    before = t.lab.memory()
    for n in range(1, 251):
        t.out("udp", t.subscriber(n), 5000, t.b1)
    t.check(t.lab.memory() - before < 64 << 20,
            f"250 subscribers of one session took {t.lab.memory() - before >> 20} MB")


def two_pools(lab, test, _):
    """Two pools of one block each, the second for what goes to B2."""
    mine, far = f"{lab.inside_net}.{test.slot}.0/24", f"{lab.outside_net}.{test.slot}.2/32"
    flooded, quiet = f"flooded{test.slot}", f"quiet{test.slot}"
    return {"pools": [{"name": flooded, "addresses": ["192.0.2.251"], **ONE_BLOCK},
                      {"name": quiet, "addresses": ["192.0.2.252"], **ONE_BLOCK}],
            "rules": [{"inside": mine, "destination": far, "pool": quiet},
                      {"inside": mine, "pool": flooded}]}


@req("14", "no flood of refusals hides which pool has run out", lab="choices", config=two_pools,
     alone=True)
def exhausted_pool(t):
    """100 subscribers are refused by one pool, then one by the other: figures and log name both."""
    names = (f"flooded{t.test.slot}", f"quiet{t.test.slot}")
    t.out("udp", t.s1, 5000, t.b1)
    t.out("udp", t.s1, 6000, t.b2)
    for n in range(2, 102):
        t.udp(t.subscriber(n), 5000, t.b1.address, 7)
    t.udp(t.s2, 6000, t.b2.address, 7)
    t.fence(t.s2)
    refused = {pool["name"]: pool["refused"] for pool in t.weirctl("show", "pools")["pools"]}
    t.equal([refused[name] for name in names], [100, 1], "packets that the two pools refused")
    end = time.monotonic() + 10
    while time.monotonic() < end and f"in pool {names[1]}" not in t.lab.said():
        time.sleep(0.1)
    for name in names:
        t.check(f"in pool {name}" in t.lab.said(), f"the log does not name {name}")


@req("16", "unsolicited inbound packets make no state", lab="choices", alone=True)
def unsolicited_inbound(t):
    """To ports that nobody has, of addresses in use and not; answers to nothing; as fragments."""
    def state():
        pools = t.weirctl("show", "pools")["pools"]
        return ([worker["sessions_created"] for worker in t.weirctl("show", "workers")["workers"]],
                [(pool["blocks"]["taken"], pool["subscribers"]) for pool in pools])

    public = t.out("udp", t.s1, 5000, t.b1).source
    before = state()
    for address in (public[0], "203.0.113.5", "203.0.113.9"):
        for port in (1, 80, 443, 1023, 1024, public[1] ^ 1, 65535):
            for proto in ("udp", "tcp", "icmp"):
                t.back(proto, t.b2, 7, (address, port))
            t.ping(t.b2, port, address)
            t.tcp(t.b2, 7, address, port, "SA")
            for piece in packets.fragments(packets.udp(t.b2.address, 7, address, port, b"x" * 99), 64):
                t.b2.send(piece)
            t.b2.send(packets.ip(t.b2.address, address, 47, b"\0\0\x08\0" + b"x" * 20))
    t.fence(t.b2)
    t.equal(state(), before, "sessions made, blocks taken and subscribers")
    t.equal(t.s1.take_all(), [], "what S1 got")


@req("17", "an endpoint-independent mapping stays so beside a rival on the same address and port")
def rival(t):
    """A rival: another subscriber with the same source port that got the same public address."""
    for proto in ("udp", "tcp"):
        first = t.out(proto, t.s1, 5000, t.b1).source
        for n in range(2, 110):
            other = t.subscriber(n)
            second = t.out(proto, other, 5000, t.b1).source
            if second[0] == first[0]:
                break
        else:
            t.skip("no two subscribers share a public address")
        for remote in ((t.b1, 8), (t.b2, 7), (t.b2, 8)):
            t.equal(t.out(proto, t.s1, 5000, *remote).source, first, f"{proto}: S1 is seen as")
            t.equal(t.out(proto, other, 5000, *remote).source, second, f"{proto}: rival is seen as")


@req("18", "a hairpinned answer comes from the port that was asked")
def hairpin_port(t):
    for proto in ("udp", "tcp"):
        public = t.out(proto, t.s1, 5000, t.b1).source
        asked = t.send(proto, t.s2, 6000, *public)
        source = t.passes(asked, t.s1).source
        if proto == "udp":
            answer = t.udp(t.s1, 5000, *source)
        else:
            answer = t.tcp(t.s1, 5000, *source, "SA", ack=asked.seq + 1)
        t.equal(t.passes(answer, t.s2).source, public, f"{proto}: the answer's source")


@req("19", "TCP traceroute: a time-exceeded with 8 bytes of TCP reaches its sender, mended")
def tcp_traceroute(t):
    sent = t.tcp(t.s1, 5000, t.b1.address, 80, "S", ttl=5)
    seen = t.passes(sent, t.b1)
    t.b2.send(packets.error(t.b2.address, seen.src, 11, 0, seen.data, length=28))
    error = t.error_about(sent, t.s1)
    t.check(error is not None, "does not arrive")
    t.equal(packets.checksum(error.payload[:20]), 0, "checksum of the quoted header")


@req("20", "fragmentation needed goes to the subscriber, not to the pool's address")
def too_big_inside(t):
    t.need_outside_mtu(1400)
    public = t.out("udp", t.s1, 5000, t.b1).src
    pool = t.host_at("pool", public)
    sent = t.udp(t.s1, 5000, t.b1.address, 7, b"x" * 1400, flags="DF")
    t.check(t.error_about(sent, t.s1) is not None, "the subscriber gets nothing")
    t.fence(t.b1)
    t.equal(len(pool.take_all()), 0, "packets to the pool's address")


def with_pool(t, **keys):
    """The lab's config with other keys for the pool of the test, its name too."""
    config, name = copy.deepcopy(t.lab.config), f"test{t.test.slot}-0"
    for rule in config["rules"]:
        if rule.get("pool") == name:
            rule["pool"] = keys.get("name", name)
    for pool in config["pools"]:
        if pool["name"] == name:
            pool.update(keys)
    return config


@req("1", "adding an address to a pool, or taking away an unused one, moves nobody",
     lab="restarted", alone=True, pool={}, addresses=8)
def address_added(t):
    """Eight addresses: one without subscribers goes, two more come; and back again."""
    hosts = [t.subscriber(n) for n in range(1, 6)]

    def public():
        return [t.out("udp", host, 5000, t.b1).source for host in hosts]

    before = public()
    used = {address for address, _ in before}
    unused = next(address for address in t.pool if address not in used)
    kept = [address for address in t.pool if address != unused]
    t.lab.reload(with_pool(t, addresses=kept + ["192.0.2.240", "192.0.2.241"]))
    try:
        t.equal(public(), before, "public endpoints after the reload")
        for host, (address, port) in zip(hosts, before):
            t.check(t.reaches("udp", t.b1, 7, (address, port), host),
                    f"nothing comes in by {address}:{port}")
        again = [t.out("udp", host, 5001, t.b1).src for host in hosts]
        t.equal(again, [address for address, _ in before], "addresses of new sessions")
    finally:
        t.lab.reload(t.lab.config)
    t.equal(public(), before, "public endpoints after the way back")


@req("9", "a configuration that is taken lets packets through; one that is not changes nothing",
     lab="restarted", alone=True, pool={})
def config_taken(t):
    taken = ({"block-size": 1024}, {"address-pooling": "soft"}, {"port-parity": "yes"},
             {"max-ports-per-subscriber": 2}, {"filtering": "address-and-port-dependent"},
             {"mapping": "address-and-port-dependent"}, {"block-idle-timeout": 1},
             {"timeouts": {"udp-stream": 5}}, {"addresses": ["192.0.2.242"]},
             {"name": "another", "addresses": ["192.0.2.243"]})
    try:
        for i, keys in enumerate(taken):
            t.lab.reload(with_pool(t, **keys))
            for host in (t.s1, t.subscriber(2 + i)):
                public = t.out("udp", host, 5000, t.b1).source
                t.check(t.reaches("udp", t.b1, 7, public, host), f"no answer with {keys}")
        before = t.weirctl("show", "config")
        for keys in ({"block-size": 64}, {"port-range": "2048-4095"},
                     {"port-range": "2048-4095", "addresses": ["192.0.2.244"]}):
            t.lab.write(with_pool(t, name="another", **keys), f"{t.lab.folder}/weir.yaml")
            code, _, said = t.lab.weirctl_says("reload")
            t.check(code != 0 and list(keys)[0] in said, f"{keys} is taken: {said}")
            t.equal(t.weirctl("show", "config"), before, f"the configuration after {keys}")
    finally:
        t.lab.reload(t.lab.config)


@req("22", "the ports after a restart are others", lab="restarted", alone=True)
def other_ports(t):
    before = [t.out("udp", t.s1, 5000 + i, t.b1).source for i in range(32)]
    t.lab.restart()
    t.close()
    t.hosts.clear()
    t.bench = t.lab.bench
    after = [t.out("udp", t.s1, 5000 + i, t.b1).source for i in range(32)]
    same = sum(a == b for a, b in zip(before, after))
    t.check(same <= 4, f"{same} of 32 public endpoints are the same after a restart")


@req("23", "a forwarded port is not given to another subscriber",
     config=lambda lab, test, _: {
         "pools": [{"name": "forwarded", "addresses": ["192.0.2.250"],
                    **{k: v for k, v in ONE_BLOCK.items()}}],
         "rules": [{"inside": f"{lab.inside_net}.{test.slot}.0/24", "pool": "forwarded"}],
         "static": [{"inside": f"{lab.inside_net}.{test.slot}.1", "inside-port": 80,
                     "outside": "192.0.2.250", "outside-port": 1030, "protocol": "tcp"}]})
def forwarded_port(t):
    """A forward into a block's ports: reachable, and never another's."""
    syn = t.tcp(t.b1, 4000, "192.0.2.250", 1030, "S")
    t.equal(t.passes(syn, t.s1).dport, 80, "the forwarded port")
    for i in range(64):
        seen = t.arrives(t.tcp(t.s2, 3000 + i, t.b1.address, 80, "S"), t.s2, t.b1)
        t.check(seen is None or seen.sport != 1030, "S2 gets the forwarded port")


@req("24", "a full pool is refused aloud, and no live session is evicted", pool=ONE_BLOCK)
def full(t):
    held = [t.out("udp", t.s1, 3000 + i, t.b1) for i in range(64)]
    sent = t.udp(t.s2, 3000, t.b1.address, 7)
    t.check(t.error_about(sent, t.s2) is not None, "refused in silence")
    t.check(t.reaches("udp", t.b1, 7, held[0].source, t.s1), "the oldest session has gone")


@req("25", "orphan fragments of many sources do not cost others their fragmented datagrams",
     alone=True)
def orphans(t):
    """6000 last fragments from 100 subscribers; then a datagram of another's in fragments."""
    t.out("udp", t.s1, 5000, t.b1)
    piece = packets.fragments(packets.udp(t.s1.address, 5000, t.b1.address, 7, b"x" * 64), 32)[1]
    for n in range(6000):
        orphan = piece[:4] + n.to_bytes(2, "big") + piece[6:15] + bytes([2 + n % 100]) + piece[16:]
        t.bench.inside.packet(packets.mend_header(orphan))
        if n % 200 == 0:
            t.fence(t.s1)
    t.fence(t.s1)
    t.b1.take_all()
    data = packets.udp(t.s1.address, 5000, t.b1.address, 7, b"y" * 1000, id=60000)
    for piece in packets.fragments(data, 504):
        t.s1.send(piece)
    t.fence(t.s1, t.b1)
    got = [p for p in t.b1.take_all() if p.protocol == 17]
    whole = got[0] if len(got) == 1 else packets.reassemble(got)
    t.check(whole is not None and whole.payload == b"y" * 1000, f"{len(got)} fragments arrive")


@req("26", "sources that no host of that side has, and packets whose length ends before the ports, are not translated")
def martians(t):
    for source in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"):
        t.blocked(t.s1.send(packets.udp(source, 5000, t.b1.address, 7, t.cookie())), t.s1, t.b1,
                  f"from {source}")
    near, far = t.bench.inside.gateway, t.bench.outside.gateway
    public = t.out("udp", t.s1, 5000, t.b1).source
    rival = t.out("udp", t.s2, 5000, t.b1).source
    for source in (near, far, "100.64.255.255", "100.64.0.0", public[0], t.b2.address):
        t.blocked(t.s1.send(packets.udp(source, 5000, t.b1.address, 7, t.cookie())), t.s1, t.b1,
                  f"from {source}")
    for source in ("127.0.0.1", "240.0.0.1", near, far, "198.51.100.255", "198.51.100.0",
                   t.s2.address, rival[0]):
        t.blocked(t.b1.send(packets.udp(source, rival[1], *public, t.cookie())), t.b1, t.s1,
                  f"from {source} outside")
    t.b1.take_all()
    for length in (20, 22, 24, 27):
        short = packets.udp(t.s1.address, 5000, t.b1.address, 7, t.cookie())
        t.s1.send(packets.mend_header(packets.with_byte(short, 3, length)))
    t.fence(t.s1, t.b1)
    t.check(not t.b1.take_all(), "a packet that ends within its UDP header arrives")


@req("27", "the packet that starts an ARP request is not lost")
def first_packet(t):
    near = t.host_at("N", f"198.51.100.{100 + t.test.slot % 100}")
    sent = t.udp(t.s1, 5000, near.address, 7)
    t.passes(sent, near)


@req("27 a", "ARP probes for weir's addresses are answered (RFC 5227)")
def arp_probe(t):
    for wire in (t.bench.inside, t.bench.outside):
        wire.arp_seen.clear()
        wire.arp(1, wire.gateway, "0.0.0.0")
        end = time.monotonic() + 5
        while time.monotonic() < end and not any(
                seen[0] == 2 and seen[2] == wire.gateway for seen in list(wire.arp_seen)):
            time.sleep(0.05)
        t.check(any(seen[0] == 2 and seen[2] == wire.gateway for seen in list(wire.arp_seen)),
                f"a probe for {wire.gateway} is not answered")
