# SPDX-License-Identifier: BSD-3-Clause
"""Whole programs on the wire: a generator on one core, the box under test on the other.

`ports`: weir over memif, beside dpdk-testpmd (macswap) on the same ports in the same run.
`kernel`: weir and the kernel's nftables masquerade over the same pair of af_packet/veth links.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

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
  - {{name: bench, addresses: [203.0.113.0/24, 203.0.112.0/24], block-size: 64, max-blocks-per-subscriber: 1}}
limits: {{max-sessions: {sessions}, max-subscribers: {subscribers}}}
timeouts: {{udp-first: 3600s, udp-stream: 3600s}}
workers: {{count: 1, cores: [{core}], control-core: {other}, idle: poll}}
eal: {{file-prefix: {prefix}}}
control: {{socket: {folder}/weir.sock}}
"""


def memif(folder, number, role):
    """A memif link: one end of it. The client's end saves a copy."""
    device = (f"net_memif{number},role={role},id={number},socket={folder}/memif,"
              "socket-abstract=no,rsize=11,bsize=2048")
    return device + (",zero-copy=yes" if role == "client" else "")


def first(command):
    """Runs in a session of its own that goes before other work on the machine (autogroup -20)."""
    text = " ".join(f"'{word}'" for word in command)
    return ["setsid", "-w", "sh", "-c", f"echo -20 >/proc/self/autogroup; exec {text}"]


class Program:
    """A program that says on its output when it is ready, and is ended by its process number."""

    def __init__(self, command, ready, log, namespace=None):
        self.log = open(log, "w+")
        enter = ["ip", "netns", "exec", namespace] if namespace else []
        self.process = subprocess.Popen(enter + first(command), stdin=subprocess.PIPE,
                                        stdout=self.log, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        for _ in range(600):
            if ready in pathlib.Path(log).read_text(errors="replace"):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.end()
        raise RuntimeError(f"{command[0]} does not start: {pathlib.Path(log).read_text()[-2000:]}")

    def end(self):
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True,
                                  text=True).stdout.split()
        for pid in children or [str(self.process.pid)]:
            try:
                os.kill(int(pid), signal.SIGTERM)
            except ProcessLookupError:
                pass
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


class Generator:
    """The generator process and its commands."""

    def __init__(self, build, core, devices, folder, namespace=None, addresses=(INSIDE, OUTSIDE)):
        command = [f"{build}/tests/bench/generator", "--lcores", f"0@{core}", "--in-memory",
                   "--no-pci", "--single-file-segments", f"--file-prefix=gen{os.getpid()}",
                   "--no-telemetry", "--log-level=lib.eal:error"]
        for device in devices:
            command += ["--vdev", device]
        enter = ["ip", "netns", "exec", namespace] if namespace else []
        self.errors = open(f"{folder}/generator.log", "w")
        self.process = subprocess.Popen(enter + first(command + ["--", *addresses]),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)
        if "ready" not in self.answer():
            raise RuntimeError("the generator does not start: see its errors")

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError("the generator ended")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def flows(self, n):
        return self.ask(f"flows {n} {PER_SUBSCRIBER}")

    def learn(self):
        return self.ask("learn")

    def run(self, direction, size, rate, ms):
        return self.ask(f"run {direction} {size} {int(rate)} {ms}")

    def end(self):
        try:
            self.process.stdin.write("quit\n")
            self.process.stdin.close()
            self.process.wait(15)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.errors.close()


def no_loss_rate(generator, direction, size, ms=300, tolerance=0.0):
    """RFC 2544 section 26.1: the highest rate at which nothing is lost, by bisection.

    A shared machine takes the core away now and then; a rate counts as held when one of three
    trials loses nothing (`tolerance`: a part of the packets that may be lost).
    """
    full = generator.run(direction, size, 0, ms)
    high = full["received"] / full["seconds"] * 1.1
    low = 0.0
    for _ in range(8):
        rate = (low + high) / 2
        for _ in range(3):
            trial = generator.run(direction, size, rate, ms)
            sent = trial["sent"] + trial["refused"]
            if trial["received"] >= sent * (1 - tolerance):
                low = max(low, trial["received"] / trial["seconds"])
                break
        else:
            high = rate
    return low, full["received"] / full["seconds"]


def measure(generator, direction, size, runs):
    """Throughput at full rate, without loss, and latency at 50 and 90 % of that."""
    best = [no_loss_rate(generator, direction, size) for _ in range(runs)]
    lossless = statistics.median(rate for rate, _ in best)
    result = {
        "direction": direction, "size": size,
        "no_loss_mpps": lossless / 1e6,
        "no_loss_min": min(rate for rate, _ in best) / 1e6,
        "no_loss_max": max(rate for rate, _ in best) / 1e6,
        "full_mpps": statistics.median(full for _, full in best) / 1e6,
        "full_min": min(full for _, full in best) / 1e6,
        "full_max": max(full for _, full in best) / 1e6,
    }
    for part in (50, 90):
        trials = [generator.run(direction, size, lossless * part / 100, 300) for _ in range(5)]
        for key in ("p50_us", "p99_us", "p999_us"):
            result[f"{key}_at_{part}"] = statistics.median(trial[key] for trial in trials)
    return result


def weir_config(folder, inside, outside, sessions, core, other):
    path = f"{folder}/weir.yaml"
    subscribers = max(16, sessions // PER_SUBSCRIBER * 5 // 4)
    pathlib.Path(path).write_text(WEIR_CONFIG.format(
        inside=inside, outside=outside, sessions=max(1024, sessions * 5 // 4),
        subscribers=subscribers, core=core, other=other, prefix=f"bench{os.getpid()}",
        folder=folder))
    return path


def busy_cycles(build, folder):
    """Cycles a packet while busy, as weir counts them itself."""
    text = subprocess.run([f"{build}/app/weirctl/weirctl", "--socket", f"{folder}/weir.sock",
                           "--json", "show", "workers"], capture_output=True, text=True).stdout
    return json.loads(text)["workers"][0]["cycles_per_packet"] if text else None


def over_memif(build, box, sessions, sizes, runs, core=1, other=0):
    """One box over memif: rows of figures."""
    folder = tempfile.mkdtemp(prefix="weir-bench-")
    servers = [memif(folder, i, "server") for i in range(2)]
    program = generator = None
    rows = []
    try:
        if box == "weir":
            config = weir_config(folder, *servers, sessions, core, other)
            program = Program([f"{build}/app/weir/weir", "-c", config], "weir: ready",
                              f"{folder}/box.log")
        else:
            command = ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{other},1@{core}", "--in-memory", "--no-pci",
                       f"--file-prefix=testpmd{os.getpid()}", "--no-telemetry"]
            for device in servers:
                command += ["--vdev", device]
            # forwards between the two ports whatever the destination: MACs swapped
            program = Program(command + ["--", "--nb-cores=1", "--forward-mode=macswap",
                                         "--rxd=2048", "--txd=2048", "--total-num-mbufs=65535",
                                         "--auto-start"],
                              "Press enter", f"{folder}/box.log")
        generator = Generator(build, other, [memif(folder, i, "client") for i in range(2)], folder,
                              addresses=(INSIDE, OUTSIDE) if box == "weir" else ("-", "-"))
        generator.flows(sessions)
        if box == "weir":
            learned = generator.learn()
            if learned["learned"] != sessions:
                raise RuntimeError(f"only {learned['learned']} of {sessions} flows were set up")
        else:
            generator.ask("mirror")
        for size in sizes:
            row = {"box": box, "sessions": sessions, **measure(generator, "mixed", size, runs)}
            if box == "weir":
                row["busy_cycles"] = busy_cycles(build, folder)
            rows.append(row)
    finally:
        # the box first: net_memif's server may crash when its client leaves while it polls
        if program:
            program.end()
        if generator:
            generator.end()
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def ip(*words, namespace=None):
    subprocess.run(["ip"] + (["-n", namespace] if namespace else []) + list(words), check=True)


class Links:
    """Two veth pairs between two namespaces: gen0-box0 (inside), gen1-box1 (outside)."""

    def __init__(self):
        self.generator, self.box = f"weir-bench-gen-{os.getpid()}", f"weir-bench-box-{os.getpid()}"
        for namespace in (self.generator, self.box):
            ip("netns", "add", namespace)
            for family in ("all", "default"):
                subprocess.run(["ip", "netns", "exec", namespace, "sysctl", "-qw",
                                f"net.ipv6.conf.{family}.disable_ipv6=1"], check=True)
        for i in range(2):
            ip("link", "add", f"gen{i}", "netns", self.generator, "type", "veth",
               "peer", "name", f"box{i}", "netns", self.box)
            ip("link", "set", f"gen{i}", "up", namespace=self.generator)
            ip("link", "set", f"box{i}", "up", namespace=self.box)
            for namespace, name in ((self.generator, f"gen{i}"), (self.box, f"box{i}")):
                subprocess.run(["ip", "netns", "exec", namespace, "ethtool", "-K", name,
                                "tx", "off", "rx", "off"], check=False, capture_output=True)

    def end(self):
        for namespace in (self.generator, self.box):
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def kernel_nat(links, sessions):
    """The kernel as the box: routes, and nftables masquerade out of box1."""
    ip("addr", "add", "10.0.0.1/29", "dev", "box0", namespace=links.box)
    ip("addr", "add", "192.0.2.1/29", "dev", "box1", namespace=links.box)
    ip("route", "add", "default", "via", "192.0.2.2", namespace=links.box)
    ip("route", "add", "100.64.0.0/10", "via", "10.0.0.2", namespace=links.box)
    run = ["ip", "netns", "exec", links.box]
    subprocess.run(run + ["sysctl", "-qw", "net.ipv4.ip_forward=1",
                          "net.ipv4.conf.all.rp_filter=0"], check=True)
    subprocess.run(run + ["nft", "add table ip nat; add chain ip nat post "
                          "{ type nat hook postrouting priority 100; }; "
                          "add rule ip nat post oifname box1 masquerade"], check=True)
    subprocess.run(run + ["sysctl", "-qw", f"net.netfilter.nf_conntrack_max={sessions * 2}"],
                   check=False)
    # its hash table is the whole machine's: as large as weir's for as many sessions
    buckets = pathlib.Path("/sys/module/nf_conntrack/parameters/hashsize")
    if buckets.exists() and int(buckets.read_text()) < sessions:
        buckets.write_text(str(sessions))


def over_veth(build, box, sessions, sizes, runs, core=1, other=0):
    """weir or the kernel between the same veth links, the generator on af_packet at both ends."""
    folder = tempfile.mkdtemp(prefix="weir-bench-")
    links = Links()
    program = generator = None
    rows = []
    try:
        if box == "weir":
            devices = [f"net_af_packet{i},iface=box{i},framecnt=4096" for i in range(2)]
            config = weir_config(folder, *devices, sessions, core, other)
            program = Program([f"{build}/app/weir/weir", "-c", config], "weir: ready",
                              f"{folder}/box.log", namespace=links.box)
        else:
            kernel_nat(links, sessions)
        generator = Generator(build, other,
                              [f"net_af_packet{i},iface=gen{i},framecnt=4096" for i in range(2)],
                              folder, namespace=links.generator)
        generator.flows(sessions)
        learned = generator.learn()
        if learned["learned"] < sessions * 0.99:
            raise RuntimeError(f"only {learned['learned']} of {sessions} flows were set up")
        for size in sizes:
            rows.append({"box": box, "sessions": sessions,
                         **measure(generator, "mixed", size, runs)})
    finally:
        if program:
            program.end()
        if generator:
            generator.end()
        links.end()
        shutil.rmtree(folder, ignore_errors=True)
    return rows


COLUMNS = (
    ("box", "box", "{}"), ("link", "link", "{}"), ("sessions", "sessions", "{:,}"),
    ("size", "size", "{}"), ("full_mpps", "Mpps", "{:.2f}"), ("full_min", "min", "{:.2f}"),
    ("full_max", "max", "{:.2f}"), ("no_loss_mpps", "no loss", "{:.2f}"),
    ("p50_us_at_50", "p50 us", "{:.1f}"), ("p99_us_at_50", "p99 us", "{:.1f}"),
    ("p999_us_at_50", "p99.9", "{:.1f}"), ("p99_us_at_90", "p99 at 90 %", "{:.1f}"),
)


def print_table(rows):
    cells = [[title for _, title, _ in COLUMNS]]
    cells += [[form.format(row[key]) for key, _, form in COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths)))
    for row in rows:
        other = [r for r in rows if r["box"] != "weir" and
                 (r["link"], r["size"]) == (row["link"], row["size"])]
        if row["box"] == "weir" and other:
            print(f"{row['link']}, {row['size']} B, {row['sessions']:,} sessions: weir is "
                  f"{row['full_mpps'] / other[0]['full_mpps']:.2f} x {other[0]['box']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("ports", "kernel"))
    parser.add_argument("--build", required=True)
    parser.add_argument("--sessions", default="64512")
    parser.add_argument("--sizes", default="64,imix")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    measure_box, link, other = ((over_memif, "memif", "testpmd") if args.what == "ports" else
                                (over_veth, "veth", "kernel"))
    counts = [int(n) for n in args.sessions.split(",")]
    rows = []
    for box, numbers in ((other, counts[:1]), ("weir", counts)):
        for sessions in numbers:
            print(f"{box} over {link}, {sessions} sessions", file=sys.stderr)
            rows += [{"link": link, **row} for row in
                     measure_box(args.build, box, sessions, args.sizes.split(","), args.runs)]
    if args.json:
        json.dump(rows, sys.stdout, indent=1)
        print()
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
