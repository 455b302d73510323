# SPDX-License-Identifier: BSD-3-Clause
"""A weir of our own between two taps, with a generated config; or a NAT that runs already.

    100.64.SLOT.N  [weir-in]  100.64.0.1 weir 198.51.100.1  [weir-out]  198.18.SLOT.N
    subscribers, on the link                        servers, behind 198.51.100.254

A test that asks for a pool of its own gets one in the same weir, by a rule for its subscribers."""
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from . import wire
from .registry import Skipped

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUNS = "/run/weir-runs"
MAIN_POOL = "203.0.113.0/28"
SMALL = {"limits": {"max-sessions": 65536, "max-subscribers": 4096}}

# The weirs that run, by name: sections of their configs.
LABS = {
    "main": {"workers": {"count": 2}},
    "short": {"timeouts": {"tcp-opening": 3, "tcp-established": 9, "tcp-closing": 6,
                           "tcp-reset": 4, "udp-first": 4, "udp-stream": 6, "icmp": 4}},
    "no-inbound-refresh": {"timeouts": {"tcp-opening": 4, "tcp-reset": 4, "udp-first": 4,
                                        "udp-stream": 4, "inbound-refresh": "no"}},
    # what may be chosen otherwise
    "choices": {"alg": {"ftp": "no", "tftp": "yes", "sip": "yes"},
                "icmp": {"unsolicited-syn": "unreachable", "refusal-code": "admin-prohibited"}},
    "workers": {"workers": {"count": 4}},
    "limits": {"limits": {"max-sessions-per-subscriber": 100}},
    "mapping-limit": {"limits": {"max-inbound-sessions-per-mapping": 50,
                                 "max-sessions-per-subscriber": 100}},
    "silent": {"icmp": {"errors": "no"}},
    "no-default": {"routes": None},
    "restarted": {},
}


def yaml(value, indent=0):
    """Plain YAML of dicts, lists of dicts, and scalars or lists of them."""
    lines = []
    pad = " " * indent
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{pad}{key}:", *yaml(item, indent + 2)]
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            lines.append(f"{pad}{key}:")
            for element in item:
                first, *rest = yaml(element, indent + 4)
                lines += [f"{pad}  - {first.lstrip()}", *rest]
        elif isinstance(item, list):
            lines.append(f"{pad}{key}: [{', '.join(str(element) for element in item)}]")
        else:
            lines.append(f"{pad}{key}: {json.dumps(item) if ',' in str(item) else item}")
    return lines


def merge(into, more):
    """Adds sections: dicts are merged, lists appended, None takes a section away."""
    for key, item in more.items():
        if item is None:
            into.pop(key, None)
        elif isinstance(item, dict):
            into[key] = merge(dict(into.get(key, {})), item)
        elif isinstance(item, list):
            into[key] = into.get(key, []) + item
        else:
            into[key] = item
    return into


class Addresses:
    """Hands out public addresses to pools: 192.0.2.1 and on."""

    def __init__(self):
        self.next = 1

    def take(self, count):
        first, self.next = self.next, self.next + count
        return [f"192.0.2.{n}" for n in range(first, first + count)]


class Lab:
    """A NAT and the bench around it. `refused`: by test, why weir does not take its config."""

    inside_net, outside_net = "100.64", "198.18"

    def weirctl(self, *words):
        if not os.access(self.weirctl_path, os.X_OK) or not os.path.exists(self.socket):
            raise Skipped(f"needs weirctl, and a weir that answers at {self.socket}")
        output = subprocess.run([self.weirctl_path, "--socket", self.socket, "--json", *words],
                                capture_output=True, text=True, timeout=20)
        if output.returncode != 0:
            raise RuntimeError(f"weirctl {' '.join(words)}: {output.stderr.strip()}")
        return json.loads(output.stdout)

    def weirctl_says(self, *words):
        """What a person sees: exit code, standard output, standard error."""
        done = subprocess.run([self.weirctl_path, "--socket", self.socket, *words],
                              capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout, done.stderr

    def attach(self, namespace, inside, outside):
        with wire.Namespace(namespace):
            near = wire.Wire(inside, "02:00:64:40:00:0a", "100.64.255.254", self.gateway,
                             "100.64.0.0/16")
            far = wire.Wire(outside, "02:00:c6:33:64:fe", "198.51.100.254", self.upstream,
                            "198.51.100.0/24")
        self.bench = wire.Bench(near, far)
        if not near.find_peer() or not far.find_peer():
            raise RuntimeError(f"no answer to ARP for {self.gateway} and {self.upstream}")


class RunningNat(Lab):
    """A NAT on interfaces that are there already."""

    def __init__(self, options):
        self.name, self.refused = "main", {}
        self.gateway, self.upstream = options.gateway, options.upstream
        self.socket, self.weirctl_path = options.socket, options.weirctl
        self.attach(None, options.inside, options.outside)

    def pool_of(self, _):
        return None

    def stop(self):
        self.bench.stop()


class OwnWeir(Lab):
    gateway, upstream = "100.64.0.1", "198.51.100.1"

    def __init__(self, name, tests, build):
        self.name, self.build = name, build
        self.namespace = f"weir-{os.getpid()}-{name}"
        self.prefix = f"weir-{os.getpid()}-{name}"
        self.folder = f"{RUNS}/{os.getpid()}/{name}"
        self.socket = f"{self.folder}/weir.sock"
        self.weirctl_path = f"{build}/app/weirctl/weirctl"
        self.pools, self.refused, self.process = {}, {}, None
        self.bench = None
        self.stopping = threading.Lock()
        os.makedirs(self.folder, exist_ok=True)
        self.config = self._config_for(tests)

    # ---- config ----

    def _base(self):
        return {
            "interfaces": [
                {"name": "inside", "device": "net_tap0,iface=weir-in", "side": "inside",
                 "address": "100.64.0.1/16"},
                {"name": "outside", "device": "net_tap1,iface=weir-out", "side": "outside",
                 "address": "198.51.100.1/24", "mtu": 1400}],
            "routes": [{"to": "0.0.0.0/0", "via": "198.51.100.254"}],
            "pools": [{"name": "main", "addresses": [MAIN_POOL]}],
            "eal": {"file-prefix": self.prefix},
            "control": {"socket": self.socket},
        }

    def _sections_of(self, test, addresses):
        """What a test adds: its pools, with rules for its subscribers, and more."""
        sections, mine = {"pools": [], "rules": []}, []
        wanted = [test.pool] if test.pool is not None else test.pools or []
        for i, keys in enumerate(wanted):
            keys = dict(keys)
            for_prefix = keys.pop("for", f"{self.inside_net}.{test.slot}.0/24")
            given = keys.pop("addresses", None)
            if given is None:
                given = addresses.take(test.addresses)
            mine += given
            name = f"test{test.slot}-{i}"
            sections["pools"].append({"name": name, "addresses": given, **keys})
            sections["rules"].append({"inside": for_prefix, "pool": name})
        if test.config is not None:
            merge(sections, test.config(self, test, mine))
        return sections, mine

    def _config_for(self, tests):
        config = merge(merge(self._base(), SMALL), LABS[self.name])
        addresses, more, rules = Addresses(), {}, []
        for test in tests:
            if not test.needs_own_config:
                continue
            sections, mine = self._sections_of(test, addresses)
            self.pools[test] = mine or None
            problem = self._check(merge(merge({}, config), sections))
            if problem is not None:
                self.refused[test] = problem
                continue
            rules += sections.pop("rules")
            merge(more, sections)
        if rules:
            more["rules"] = rules + [{"inside": "0.0.0.0/0", "pool": "main"}]
        return merge(config, more)

    def check(self, sections):
        """None when weir would take its config with more sections; else what it says."""
        return self._check(merge(merge({}, self.config), sections))

    def _check(self, config):
        """None when weir takes the config; else what it says."""
        config = merge(merge({}, config), {})
        if "rules" in config and not config["rules"]:
            del config["rules"]
        path = f"{self.folder}/check.yaml"
        self.write(config, path)
        output = subprocess.run([f"{self.build}/app/weir/weir", "-c", path, "--check"],
                                capture_output=True, text=True, timeout=30)
        if output.returncode == 0:
            return None
        said = [line for line in output.stderr.splitlines() if line.strip()]
        return said[-1].replace(path, "config") if said else f"status {output.returncode}"

    @staticmethod
    def write(config, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(yaml(config)) + "\n")

    def pool_of(self, test):
        return self.pools.get(test)

    # ---- running it ----

    def start(self):
        path = f"{self.folder}/weir.yaml"
        self.write(self.config, path)
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        with wire.Namespace(self.namespace):
            with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as f:
                f.write("1")
        self._run(path)

    def _run(self, path):
        self.log = f"{self.folder}/weir.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, f"{self.build}/app/weir/weir", "-c", path],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 120
        while "weir: ready" not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("weir did not start: " + self.said().strip()[-600:])
            time.sleep(0.05)
        self.attach(self.namespace, "weir-in", "weir-out")

    def restart(self):
        """Ends weir and starts it again; the bench is a new one."""
        self._end()
        self._run(f"{self.folder}/weir.yaml")

    def reload(self, config):
        self.write(config, f"{self.folder}/weir.yaml")
        return self.weirctl("reload")

    def telemetry(self, *commands):
        """What DPDK's telemetry socket answers to each command."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(20)
            client.connect(f"/run/dpdk/{self.prefix}/dpdk_telemetry.v2")
            client.recv(1024)
            answers = []
            for command in commands:
                client.send(command.encode())
                answers.append(json.loads(client.recv(16384))[command.split(",")[0]])
            return answers

    def memory(self):
        """Bytes that weir has taken so far, hugepages too."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            sizes = dict(line.split(":", 1) for line in file)
        return sum(int(sizes[name].split()[0]) << 10 for name in ("VmRSS", "HugetlbPages"))

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def _end(self):
        if self.bench is not None:
            self.bench.stop()
            self.bench = None
        if self.process is None:
            return
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def stop(self):
        with self.stopping:
            self._stop()

    def _stop(self):
        self._end()
        subprocess.run(["ip", "netns", "del", self.namespace], stderr=subprocess.DEVNULL)
        shutil.rmtree(f"/run/dpdk/{self.prefix}", ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def start_all(labs):
    """Starts them at the same time; by lab, what went wrong."""
    problems = {}

    def start(lab):
        try:
            lab.start()
        except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
            problems[lab] = str(problem)

    threads = [threading.Thread(target=start, args=(lab,)) for lab in labs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def sweep():
    """Removes what runs that were killed left: of processes that are gone."""
    try:
        folders = os.listdir("/run/dpdk")
    except OSError:
        return
    for folder in folders:
        parts = folder.split("-")
        if len(parts) == 3 and parts[0] == "weir" and parts[1].isdigit() and \
                not os.path.exists(f"/proc/{parts[1]}"):
            shutil.rmtree(f"/run/dpdk/{folder}", ignore_errors=True)
