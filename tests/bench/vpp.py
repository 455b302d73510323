# SPDX-License-Identifier: BSD-3-Clause
"""FD.io VPP as a box under test: what it is configured with, and its command line.

Debian has no VPP; the user builds it (tools/bench ports --vpp PATH). One worker on the box's CPU,
VPP's main thread on the other, beside the generator. Room, addresses, timeouts, rings and memory are
those of weir, so that nothing but the translation differs.
"""
import pathlib
import re
import socket
import time

FORWARDING = "vpp forwarding"
BOXES = (FORWARDING, "vpp det44", "vpp nat44-ei", "vpp nat44-ed")

INTERFACES = ("memif1/0", "memif1/1")
PUBLIC = "203.0.64.0"
# nat44-ed and nat44-ei choose a subscriber's address by its bytes modulo their number: a prime,
# as all of 100.64.0.0/10 would have the same one of 256.
POOL = ("203.0.64.1", "203.0.65.253")
# det44: so many subscribers share an address, 2 to the power of
SHARING = 4

# Startup: memory of huge pages or none, threads, the plugins that are needed and no others.
STARTUP = """
unix {{ nodaemon nosyslog runtime-dir {folder} cli-listen {folder}/cli.sock }}
cpu {{ main-core {other} corelist-workers {core} }}
memory {{ main-heap-size {heap}M main-heap-page-size {page} }}
buffers {{ buffers-per-numa 16384 page-size {page} }}
api-segment {{ prefix {prefix} }}
statseg {{ socket-name {folder}/stats.sock }}
plugins {{
  {path}
  plugin default {{ disable }}
  plugin memif_plugin.so {{ enable }}
  plugin nat_plugin.so {{ enable }}
  plugin nat44_ei_plugin.so {{ enable }}
  plugin det44_plugin.so {{ enable }}
}}
"""


def room_for(sessions):
    """As weir has: its tables are 80 % full then."""
    return max(1024, sessions * 5 // 4)


def heap_megabytes(sessions):
    """VPP's plugins take up to 750 bytes a session, tables and all, when full. tools/bench reserves
    the memory."""
    return 384 + room_for(sessions) * 800 // 1048576


def startup(machine, folder, sessions):
    """Writes VPP's startup configuration; its path."""
    path = pathlib.Path(folder, "startup.conf")
    path.write_text(STARTUP.format(
        folder=folder, core=machine.core, other=machine.other, heap=heap_megabytes(sessions),
        page="default-hugepage" if machine.hugepages else "default",
        prefix=pathlib.Path(folder).name,
        path=f"path {machine.vpp_plugins}" if machine.vpp_plugins else ""))
    return str(path)


def links(folder):
    """The two ports: 10.0.0.1 inside, 192.0.2.1 outside, routes to what lies behind them."""
    yield f"create memif socket id 1 filename {folder}/memif"
    for i, (name, address) in enumerate(zip(INTERFACES, ("10.0.0.1/29", "192.0.2.1/29"))):
        yield f"create interface memif id {i} socket-id 1 master ring-size 2048"
        yield f"set interface ip address {name} {address}"
        yield f"set interface rx-mode {name} polling"
        yield f"set interface state {name} up"
    yield f"ip route add 0.0.0.0/0 via 192.0.2.2 {INTERFACES[1]}"
    yield f"ip route add 100.64.0.0/10 via 10.0.0.2 {INTERFACES[0]}"


def translation(name, sessions, subscribers):
    """What makes VPP the NAT of that name, with room for the sessions."""
    inside, outside = INTERFACES
    if name == "vpp nat44-ed":
        yield f"nat44 plugin enable sessions {room_for(sessions)}"
        yield "set nat timeout udp 3600"
        yield f"nat44 add address {POOL[0]} - {POOL[1]}"
        yield f"set interface nat44 in {inside} out {outside}"
    elif name == "vpp nat44-ei":
        yield (f"nat44 ei plugin enable sessions {room_for(sessions)} "
               f"users {room_for(subscribers)}")
        yield "set nat44 ei timeout udp 3600"
        yield f"nat44 ei add address {POOL[0]} - {POOL[1]}"
        yield f"set interface nat44 ei in {inside} out {outside}"
    elif name == "vpp det44":
        bits = max(subscribers.bit_length(), SHARING)  # the first has number 1
        yield "det44 plugin enable"
        yield "set det44 timeouts udp 3600"
        yield f"det44 add in 100.64.0.0/{32 - bits} out {PUBLIC}/{32 - bits + SHARING}"
        yield f"set interface det44 inside {inside} outside {outside}"


# How each says how many sessions there are.
COUNTS = {
    "vpp nat44-ed": ("show nat44 summary", r"total sessions: (\d+)"),
    "vpp nat44-ei": ("show nat44 ei sessions", r": (\d+) sessions -"),
    "vpp det44": ("show det44 mappings", r"sessions number: (\d+)"),
}


class Cli:
    """VPP's command line, by its socket: a terminal that says it is none gets each answer with a
    zero byte behind it."""
    NO_TERMINAL = b"\xff\xfa\x18\x00vppctl\xff\xf0"
    OPTION = re.compile(rb"\xff(?:\xfa[^\xff]*\xff\xf0|[\xfb-\xfe].)", re.DOTALL)

    def __init__(self, folder):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(f"{folder}/cli.sock")
        self.socket.sendall(self.NO_TERMINAL)
        self.cycles = self.packets = 0
        self.empty_poll = 0.0

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\0"):
            some = self.socket.recv(65536)
            if not some:
                raise RuntimeError(f"vpp ended at: {line}")
            answer += some
        return self.OPTION.sub(b"", answer[:-1]).decode(errors="replace").replace("\r", "")

    def configure(self, name, folder, sessions, subscribers):
        for line in [*links(folder), *translation(name, sessions, subscribers)]:
            answer = self.ask(line).strip()
            if answer and answer not in INTERFACES:
                raise RuntimeError(f"vpp does not take: {line}: {answer}")

    def sessions(self, name):
        command, pattern = COUNTS[name]
        return sum(int(count) for count in re.findall(pattern, self.ask(command)))

    def nodes(self):
        """{node: (calls, packets, cycles)} of the worker since the last time."""
        nodes = {}
        threads = self.ask("show runtime").split("Thread ")
        self.ask("clear runtime")
        for line in threads[-1].splitlines():
            words = line.split()
            try:
                calls, packets, _, clocks, _ = (float(word) for word in words[-5:])
            except ValueError:
                continue
            nodes[words[0]] = (calls, packets, clocks * (packets or calls))
        return nodes

    def measure_idle(self):
        """What it costs VPP to find nothing: its count of cycles has that in it."""
        self.nodes()
        time.sleep(0.05)
        calls, packets, cycles = self.nodes().get("memif-input", (0, 0, 0.0))
        self.empty_poll = cycles / calls if calls and not packets else 0.0

    def busy(self):
        """(cycles, packets) so far, as VPP counts them by node, without polls that found nothing."""
        nodes = self.nodes()
        calls, packets, _ = nodes.get("memif-input", (0, 0, 0.0))
        busy_calls = nodes.get("ethernet-input", (0, 0, 0.0))[0]
        self.cycles += sum(cycles for _, packets, cycles in nodes.values() if packets)
        if packets:
            self.cycles -= max(calls - busy_calls, 0) * self.empty_poll
        self.packets += packets
        return self.cycles, self.packets
