# SPDX-License-Identifier: BSD-3-Clause
"""RFC 7422: deterministic port ranges, which need no log."""
from .registry import rules_of

req = rules_of("RFC 7422")
FIRST, SIZE, BLOCKS, OVERFLOW = 1024, 256, 252, 124  # of one address


def addresses_of(test):
    """Two that are not side by side, and no other test's."""
    first = 2 * test.slot % 60
    return [f"203.0.113.{first + 128}", f"203.0.113.{first + 192}"]


def deterministic(lab, test, _):
    """128 computed blocks an address, for 256 subscribers."""
    prefix = f"{lab.inside_net}.{test.slot}.0/24"
    name = f"deterministic{test.slot}"
    return {"pools": [{"name": name, "addresses": addresses_of(test), "allocation": "deterministic",
                       "inside": [prefix], "block-size": SIZE, "overflow-blocks": OVERFLOW}],
            "rules": [{"inside": prefix, "pool": name}]}


def block_of(t, subscriber):
    """What RFC 7422 computes, from the last byte of the address."""
    number = int(subscriber.address.split(".")[3])
    computed = BLOCKS - OVERFLOW
    first = FIRST + number % computed * SIZE
    return addresses_of(t.test)[number // computed], first, first + SIZE - 1


def expect_in(t, public, block, who):
    address, port = public
    t.check(address == block[0] and block[1] <= port <= block[2],
            f"{who} has {address}:{port}, wanted {block[0]}:{block[1]}-{block[2]}")


@req("s2", "address and port range follow from the inside address, and from them who it was",
     config=deterministic)
def computed(t):
    """Subscribers in no order, all protocols: each has the ports that this test computes, and
    weirctl lookup tells it both ways; also of a subscriber that never sent a packet."""
    for n in (60, 1, 130, 8, 119):
        s = t.subscriber(n)
        for proto in ("udp", "tcp", "icmp"):
            expect_in(t, t.out(proto, s, 5000, t.b1).source, block_of(t, s), s.address)
    for n in (60, 2):
        s = t.subscriber(n)
        address, first, last = block_of(t, s)
        for words in ((s.address, "9", "udp"), (address, str(first), "tcp"),
                      (address, str(last), "icmp")):
            found = t.weirctl("lookup", *words)["blocks"]
            t.equal([(b["computed"], b["inside"], b["outside"], b["first"], b["last"])
                     for b in found], [(True, s.address, address, first, last)],
                    f"lookup {' '.join(words)}")


@req("s2 a", "a full range goes on in the overflow of the address; the others' stay theirs",
     config=deterministic)
def overflow(t):
    """One port more than S1's own block has."""
    own = block_of(t, t.s1)
    seen = [t.passes(packet, t.b1).source
            for packet in [t.udp(t.s1, 3000 + i, t.b1.address, 7) for i in range(SIZE + 1)]]
    for public in seen[:SIZE]:
        expect_in(t, public, own, t.s1.address)
    t.equal(len(set(seen)), SIZE + 1, "different public endpoints")
    first = FIRST + (BLOCKS - OVERFLOW) * SIZE
    expect_in(t, seen[SIZE], (own[0], first, FIRST + BLOCKS * SIZE - 1), t.s1.address)
    expect_in(t, t.out("udp", t.s2, 5000, t.b1).source, block_of(t, t.s2), t.s2.address)
