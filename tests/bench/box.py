# SPDX-License-Identifier: BSD-3-Clause
"""A box under test on one CPU, between the two ports of a generator on another: weir, dpdk-testpmd,
VPP or the kernel, over memif or veth."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import vpp

INSIDE, OUTSIDE = "10.0.0.1", "192.0.2.1"
PER_SUBSCRIBER = 64

WEIR_CONFIG = """
interfaces:
  - {{name: inside, device: "{inside}", side: inside, address: 10.0.0.1/29}}
  - {{name: outside, device: "{outside}", side: outside, address: 192.0.2.1/29}}
routes:
  - {{to: 0.0.0.0/0, via: 192.0.2.2}}
  - {{to: 100.64.0.0/10, via: 10.0.0.2}}
pools:
  - {{name: bench, addresses: [{addresses}], block-size: {block}, max-blocks-per-subscriber: {blocks}}}
limits: {{max-sessions: {sessions}, max-subscribers: {subscribers}}}
timeouts: {{udp-first: 3600s, udp-stream: 3600s, ports: [{{protocol: udp, port: 53, timeout: 1s}}]}}
workers: {{count: 1, cores: [{core}], control-core: {other}, idle: poll}}
eal: {{file-prefix: {prefix}, hugepages: {hugepages}}}
control: {{socket: {folder}/weir.sock}}
"""


class Machine:
    """Where things run: the box's CPU, the other one, hugepages or not, how politely; and the
    user's VPP."""

    def __init__(self, build, core, other, hugepages=True, quick=False, vpp=None,
                 vpp_plugins=None):
        self.build, self.core, self.other = build, core, other
        self.hugepages, self.quick = hugepages, quick
        self.vpp, self.vpp_plugins = vpp, vpp_plugins

    def command(self, words):
        """In a session of its own, which goes before other work on the machine (autogroup -20)."""
        if self.quick:
            return ["setsid", "-w", *words]
        return ["setsid", "-w", "sh", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "sh",
                *words]

    def eal_memory(self, megabytes):
        if self.hugepages:
            return ["--in-memory", "--single-file-segments"]
        return ["--no-huge", "--no-shconf", "-m", str(megabytes)]

    def round_trip(self):
        """TSC cycles that a cache line takes from one CPU to the other and back, while nothing else
        polls on them."""
        memory = [] if self.hugepages else ["--no-huge", "64"]
        lines = subprocess.run(
            self.command([f"{self.build}/tests/bench/bench", "roundtrip", "--cpus",
                          f"{self.other},{self.core}", *memory]),
            capture_output=True, text=True, check=True).stdout.splitlines()
        return json.loads(lines[-1])["value"]

    def memif(self, folder, number, role):
        """One end of a memif link. Of hugepages the client's end saves a copy."""
        copy = "" if role == "server" or not self.hugepages else ",zero-copy=yes"
        return (f"net_memif{number},role={role},id={number},socket={folder}/memif,"
                f"socket-abstract=no,rsize=11,bsize=2048{copy}")


def enter(namespace):
    return ["ip", "netns", "exec", namespace] if namespace else []


def children_of(pid):
    """The processes below one: setsid's child is the program."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [int(child) for child in found]


def pauses_of(pid):
    """How often the kernel took the CPU away from a process's polling threads."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            for line in (task / "status").read_text().splitlines():
                if line.startswith("nonvoluntary_ctxt_switches:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


class Program:
    """A program that says on its output when it is ready (or a function does), and is ended by its
    process number."""

    def __init__(self, machine, command, ready, log, namespace=None):
        self.log = open(log, "w+")
        self.process = subprocess.Popen(enter(namespace) + machine.command(command),
                                        stdin=subprocess.PIPE, stdout=self.log,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        for _ in range(6000):
            if ready() if callable(ready) else ready in pathlib.Path(log).read_text(errors="replace"):
                self.pids = children_of(self.process.pid) or [self.process.pid]
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.pids = children_of(self.process.pid) or [self.process.pid]
        self.end()
        raise RuntimeError(f"{command[0]} does not start: {pathlib.Path(log).read_text()[-2000:]}")

    def pauses(self):
        return sum(pauses_of(pid) for pid in self.pids)

    def signal(self, number):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self):
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # it may be stopped
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdin.close()
        self.log.close()


class Generator:
    """The generator process and its commands."""

    def __init__(self, machine, devices, folder, namespace=None, addresses=(INSIDE, OUTSIDE)):
        command = [f"{machine.build}/tests/bench/generator", "--lcores", f"0@{machine.other}",
                   "--no-pci", f"--file-prefix={pathlib.Path(folder).name}", "--no-telemetry",
                   "--log-level=lib.eal:error", *machine.eal_memory(400)]
        for device in devices:
            command += ["--vdev", device]
        self.errors = open(f"{folder}/generator.log", "w+")
        self.process = subprocess.Popen(
            enter(namespace) + machine.command(command + ["--", *addresses]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        ready = self.answer()
        if "ready" not in ready:
            raise RuntimeError("the generator does not start")
        self.tsc_hz = ready["tsc_hz"]
        self.pids = children_of(self.process.pid) or [self.process.pid]

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"the generator does not take: {self.said}")
                return answer
        self.errors.seek(0)
        raise RuntimeError(f"the generator ended: {self.errors.read()[-2000:]}")

    def say(self, line):
        self.said = line
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.say(line)
        return self.answer()

    def run(self, size, rate, ms):
        return self.ask(f"run mixed {size} {int(rate)} {ms}")

    def loop(self, size, frames, ms):
        return self.ask(f"loop {size} {frames} {ms}")

    def pauses(self):
        return sum(pauses_of(pid) for pid in self.pids)

    def end(self):
        try:
            self.process.stdin.write("quit\n")
            self.process.stdin.close()
            self.process.wait(15)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            for pid in self.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Box:
    """A box that is up, with its flows."""

    def __init__(self, machine, name, sessions, folder):
        self.machine, self.name, self.sessions, self.folder = machine, name, sessions, folder
        self.program = self.generator = self.cli = self.client = None
        self.learned = {}

    def telemetry(self, command):
        """weir's answer. It takes less of the generator's CPU than weirctl does."""
        if self.client is None:
            self.client = telemetry_connect(self.folder)
        return telemetry_ask(self.client, command)

    def worker(self):
        """weir's only worker, as it shows it."""
        workers = self.telemetry("/weir/workers")["workers"]  # lists are objects there
        return next(iter(workers.values()))

    def busy(self):
        """(cycles, packets) so far, as weir or VPP counts them; of the kernel, without packets,
        what the box's CPU spent in software interrupts; of others nothing."""
        if self.name == "kernel":
            for line in open("/proc/stat"):
                if line.startswith(f"cpu{self.machine.core} "):
                    ticks = int(line.split()[7])
                    return ticks / os.sysconf("SC_CLK_TCK") * self.generator.tsc_hz, 0
        if self.cli:
            return self.cli.busy()
        if self.name != "weir":
            return None
        worker = self.worker()
        return worker["cycles_busy"], worker["received"] + worker["taken_over"]

    def stop(self):
        """Until its turn: it polls, on a CPU that is another's too."""
        if self.program:
            self.program.signal(signal.SIGSTOP)

    @contextlib.contextmanager
    def turn(self):
        """It runs meanwhile."""
        if self.program:
            self.program.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.stop()

    def pauses(self):
        """Times that a CPU was taken from the box or the generator."""
        return (self.program.pauses() if self.program else 0) + self.generator.pauses()

    def end(self):
        # the box first: net_memif's server may crash when its client leaves while it polls
        for part in (self.program, self.generator):
            if part:
                part.end()
        if self.client:
            self.client.close()

    def set_up_flows(self):
        """As RFC 9693 asks: sessions are made first, and are all there before it is measured."""
        self.generator.ask(f"flows {self.sessions} {PER_SUBSCRIBER}")
        if self.cli:
            self.cli.measure_idle()
        if self.name in ("testpmd", vpp.FORWARDING):
            self.generator.ask("mirror")
            for _ in range(50):  # testpmd waits for its links, some seconds
                if self.generator.run("64", 100000, 100)["received"]:
                    return
                time.sleep(0.2)
            raise RuntimeError(f"{self.name} does not forward")
        self.learned = self.generator.ask("learn")
        least = self.sessions if self.name == "weir" else self.sessions * 0.99
        if self.learned["learned"] < least:
            raise RuntimeError(f"{self.name}: only {self.learned['learned']} of {self.sessions} "
                               "flows were set up")
        if self.cli and self.cli.sessions(self.name) < self.learned["learned"]:
            raise RuntimeError(f"{self.name}: it has {self.cli.sessions(self.name)} sessions of "
                               f"{self.learned['learned']}")


def file_prefix(folder):
    return f"{pathlib.Path(folder).name}-weir"


def telemetry_connect(folder):
    """DPDK's telemetry socket of the weir of a folder."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(60)
    client.connect(f"/run/dpdk/{file_prefix(folder)}/dpdk_telemetry.v2")
    client.recv(65536)
    return client


def telemetry_ask(client, command):
    client.send(command.encode())
    return json.loads(client.recv(65536))[command.split(",")[0]]


def subscribers_of(sessions):
    return -(-sessions // PER_SUBSCRIBER)


def blocks_of(sessions, room):
    """(ports a block, blocks a subscriber): one block of just as many as it has sessions, unless
    there is room for others, that come and go."""
    if not room:
        return PER_SUBSCRIBER, 1
    return 1024, 2 + (PER_SUBSCRIBER + 2 * room // subscribers_of(sessions)) // 1024


def weir_config(machine, folder, inside, outside, sessions, room=0):
    """For so many sessions, and room for more, of one packet to port 53."""
    path = f"{folder}/weir.yaml"
    subscribers = max(16, subscribers_of(sessions) * 5 // 4)
    block, blocks = blocks_of(sessions, room)
    # subscribers choose an address at random
    addresses = subscribers * blocks * 3 // 2 // (64512 // block) + 2
    networks = ", ".join(f"203.0.{112 + i}.0/24" for i in range((addresses + 255) // 256))
    pathlib.Path(path).write_text(WEIR_CONFIG.format(
        inside=inside, outside=outside, addresses=networks, block=block, blocks=blocks,
        sessions=max(1024, sessions * 5 // 4 + room), subscribers=subscribers, core=machine.core,
        other=machine.other, hugepages="auto" if machine.hugepages else "no",
        prefix=file_prefix(folder), folder=folder))
    return path


def weir(machine, folder, inside, outside, sessions, room=0, namespace=None):
    config = weir_config(machine, folder, inside, outside, sessions, room)
    return Program(machine, [f"{machine.build}/app/weir/weir", "-c", config], "weir: ready",
                   f"{folder}/box.log", namespace)


def testpmd(machine, folder, devices):
    command = ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{machine.other},1@{machine.core}",
               "--no-pci", f"--file-prefix=testpmd{os.getpid()}", "--no-telemetry",
               *(["--in-memory"] if machine.hugepages else machine.eal_memory(400))]
    for device in devices:
        command += ["--vdev", device]
    # forwards between the two ports whatever the destination: MACs swapped
    return Program(machine, command + ["--", "--nb-cores=1", "--forward-mode=macswap",
                                       "--rxd=2048", "--txd=2048", "--total-num-mbufs=65535",
                                       "--auto-start"], "Press enter", f"{folder}/box.log")


def start_vpp(machine, folder, sessions):
    config = vpp.startup(machine, folder, sessions)
    return Program(machine, [machine.vpp, "-c", config],
                   pathlib.Path(folder, "cli.sock").exists, f"{folder}/box.log")


@contextlib.contextmanager
def over_memif(machine, name, sessions, room=0):
    """weir, with room for more sessions, testpmd or one of VPP's over memif."""
    folder = tempfile.mkdtemp(prefix="weir-bench-")
    servers = [machine.memif(folder, i, "server") for i in range(2)]
    clients = [machine.memif(folder, i, "client") for i in range(2)]
    box = Box(machine, name, sessions, folder)
    try:
        if name == "weir":
            box.program = weir(machine, folder, *servers, sessions, room)
        elif name in vpp.BOXES:
            box.program = start_vpp(machine, folder, sessions)
            box.cli = vpp.Cli(folder)
            box.cli.configure(name, folder, sessions, subscribers_of(sessions))
        else:
            box.program = testpmd(machine, folder, servers)
        box.generator = Generator(machine, clients, folder, addresses=("-", "-")
                                  if name == "testpmd" else (INSIDE, OUTSIDE))
        box.set_up_flows()
        yield box
    finally:
        box.end()
        shutil.rmtree(folder, ignore_errors=True)


def run(*words, namespace=None):
    subprocess.run(enter(namespace) + list(words), check=True)


class Links:
    """Two veth pairs between two namespaces: gen0-box0 (inside), gen1-box1 (outside)."""

    def __init__(self, name):
        self.generator, self.box = f"{name}-gen", f"{name}-box"
        for namespace in (self.generator, self.box):
            run("ip", "netns", "add", namespace)
            for family in ("all", "default"):
                run("sysctl", "-qw", f"net.ipv6.conf.{family}.disable_ipv6=1", namespace=namespace)
        for i in range(2):
            run("ip", "link", "add", f"gen{i}", "netns", self.generator, "type", "veth",
                "peer", "name", f"box{i}", "netns", self.box)
            for namespace, name in ((self.generator, f"gen{i}"), (self.box, f"box{i}")):
                run("ip", "link", "set", name, "up", namespace=namespace)
                subprocess.run(enter(namespace) + ["ethtool", "-K", name, "tx", "off", "rx", "off"],
                               check=False, capture_output=True)

    def end(self):
        for namespace in (self.generator, self.box):
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def kernel_nat(machine, links, sessions):
    """The kernel as the box: routes, nftables masquerade out of box1, a CPU of its own (RPS)."""
    namespace = links.box
    for address, device in (("10.0.0.1/29", "box0"), ("192.0.2.1/29", "box1")):
        run("ip", "addr", "add", address, "dev", device, namespace=namespace)
        run("sh", "-c", f"echo {1 << machine.core:x} >/sys/class/net/{device}/queues/rx-0/rps_cpus",
            namespace=namespace)
    run("ip", "route", "add", "default", "via", "192.0.2.2", namespace=namespace)
    run("ip", "route", "add", "100.64.0.0/10", "via", "10.0.0.2", namespace=namespace)
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
        namespace=namespace)
    run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; "
        "}; add rule ip nat post oifname box1 masquerade", namespace=namespace)


@contextlib.contextmanager
def conntrack_room(sessions):
    """The kernel's conntrack for so many sessions; its limits are the machine's, so they go back."""
    files = {pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max"): sessions * 2,
             pathlib.Path("/sys/module/nf_conntrack/parameters/hashsize"): sessions}
    before = {}
    for file, want in files.items():
        if file.exists() and int(file.read_text()) < want:
            before[file] = file.read_text()
            file.write_text(str(want))
    try:
        yield
    finally:
        for file, text in before.items():
            file.write_text(text)


@contextlib.contextmanager
def over_veth(machine, name, sessions):
    """weir or the kernel between the same veth links, the generator on af_packet at both ends."""
    folder = tempfile.mkdtemp(prefix="weir-bench-")
    box = Box(machine, name, sessions, folder)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        links = Links(pathlib.Path(folder).name)
        stack.callback(links.end)
        stack.callback(box.end)
        if name == "weir":
            devices = [f"net_af_packet{i},iface=box{i},framecnt=4096,qdisc_bypass=1" for i in range(2)]
            box.program = weir(machine, folder, *devices, sessions, namespace=links.box)
        else:
            kernel_nat(machine, links, sessions)
            stack.enter_context(conntrack_room(sessions))
        box.generator = Generator(machine,
                                  [f"net_af_packet{i},iface=gen{i},framecnt=4096,qdisc_bypass=1" for i in range(2)],
                                  folder, namespace=links.generator)
        box.set_up_flows()
        yield box
