#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""weirctl against a fake weir with canned replies: what it asks, what it prints, how it exits.

    weirctl.py PATH_OF_WEIRCTL
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

WEIRCTL = sys.argv.pop(1)

SESSIONS = [
    {"protocol": "tcp", "state": "ESTABLISHED", "inside": f"100.64.0.{i % 250}",
     "inside_port": 5000 + i, "outside": "203.0.113.1", "outside_port": 40001 + i,
     "remote": "198.51.100.7", "remote_port": 80, "realm": 1, "age": 12, "idle": 3,
     "expires": 7437, "worker": 0, "packets_out": 10, "bytes_out": 1000, "packets_in": 1234,
     "bytes_in": 1_500_000}
    for i in range(2500)
]
PING = dict(SESSIONS[0], protocol="icmp", state="ANSWERED", inside_port=77, outside_port=41000,
            remote_port=0)
SUBSCRIBER = {"address": "100.64.0.5", "realm": 1, "pool": "main", "outside": "203.0.113.1",
              "worker": 0, "sessions": 12, "mappings": 9,
              "blocks": [{"first": 1024, "last": 2047, "tcp": 5, "udp": 3, "icmp": 1}]}
CANNED = {
    "/weir/verdicts": {"translated": 1234567, "no_session": 3, "tx_full": 0, "received": 1234571,
                       "waiting": 1, "of_tomorrow": 9},
    "/weir/pools": {"pools": [{"name": "main", "addresses": 2, "subscribers": 12,
                               "block-size": 512,
                               "blocks": {"total": 252, "taken": 12, "resting": 51},
                               "ports": {"total": 129024, "tcp": 100, "udp": 20, "icmp": 0},
                               "mapping": {"tcp": "endpoint-independent",
                                           "udp": "endpoint-independent",
                                           "icmp": "endpoint-independent"},
                               "filtering": {"tcp": "address-dependent",
                                             "udp": "address-dependent",
                                             "icmp": "endpoint-independent"}}]},
    "/weir/static": {"static": [
        {"protocol": "tcp", "outside": "203.0.113.1", "outside_port": 443,
         "inside": "100.64.0.5", "inside_port": 8443, "realm": 1, "weight": 1, "pool": "main"},
        {"protocol": "any", "outside": "203.0.113.2", "outside_port": 0,
         "inside": "100.64.0.6", "inside_port": 0, "realm": 1, "weight": 1, "pool": "main"}]},
    "/weir/why": {"refusals": [{"verdict": "PORT_LIMIT", "text": "as many ports in use as",
                                "protocol": "tcp", "remote": "192.0.2.1", "remote_port": 443,
                                "count": 1234, "first": 100, "last": 3, "realm": 1,
                                "subscriber": True}]},
    "/weir/ports": {"ports": [{"interface": "inside", "device": "net_tap0", "driver": "net_tap",
                               "link": "up", "mac": "02:00:00:00:00:01", "speed": 10000,
                               "rx_packets": 1000, "tx_packets": 2, "rx_bytes": 64000,
                               "tx_bytes": 128, "rx_missed": 0, "rx_errors": 0, "rx_nombuf": 0,
                               "tx_errors": 0, "rx_queues": 1, "tx_queues": 1}]},
    "/weir/info": {"version": "0.1.0", "pid": 42, "uptime": 7500, "workers": 1,
                   "hugepages": True},
    "/weir/workers": {"workers": [
        {"worker": 0, "lcore": 1, "cpu": 1, "socket": 0, "received": 10, "sent": 9,
         "handed_over": 0, "taken_over": 0, "held": 1, "sessions": 3, "mappings": 2,
         "subscribers": 1, "busy_percent": 12.34, "cycles_per_packet": 412,
         "answers": {"ttl_exceeded": 5}, "answers_limited": 1, "answers_suppressed": 2}]},
    "/weir/timeouts": {"tcp-established": 7440, "icmp": 60, "inbound-refresh": True},
    "/weir/subscriber": {"subscribers": [SUBSCRIBER]},
    "/weir/subscribers": {"subscribers": [SUBSCRIBER], "next": None},
    "/weir/lookup": {"mappings": [{"protocol": "tcp", "inside": "100.64.0.5", "inside_port": 5000,
                                   "outside": "203.0.113.1", "outside_port": 1030, "realm": 1,
                                   "sessions": 2, "age": 70}], "blocks": []},
    "/weir/clear": {"cleared": 3},
    "/weir/reload": {"reloaded": "/etc/weir/weir.yaml"},
}


class FakeWeir:
    """Answers as weir's control socket does, and keeps what it was asked."""

    def __init__(self, path):
        self.asked = []
        self.canned = dict(CANNED)
        self.sessions = SESSIONS
        self.refusal = None
        self.raw = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    # Before the next one listens: its socket may get the same number, and this thread its calls.
    def close(self):
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed: the test is over
            with client, client.makefile("rw") as stream:
                for line in stream:
                    stream.write(self.answer(json.loads(line)) + "\n")
                    stream.flush()

    def page(self, args):
        first = int(args.get("after", "0:0").split(":")[1])
        last = min(first + int(args["limit"]), len(self.sessions))
        return {"sessions": self.sessions[first:last],
                "next": f"0:{last}" if last < len(self.sessions) else None}

    def answer(self, request):
        self.asked.append((request["path"], request["args"]))
        if self.raw is not None:
            return self.raw
        if self.refusal is not None:
            return json.dumps({"ok": False, "error": self.refusal})
        if request["path"] == "/weir/sessions":
            return json.dumps({"ok": True, "reply": self.page(request["args"])})
        return json.dumps({"ok": True, "reply": self.canned[request["path"]]})


class Weirctl(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "weir.sock")
        self.weir = FakeWeir(self.path)

    def tearDown(self):
        self.weir.close()
        self.directory.cleanup()

    def run_words(self, *words, path=None):
        done = subprocess.run([WEIRCTL, "--socket", path or self.path, *words],
                              capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *words):
        code, out, err = self.run_words(*words)
        self.assertEqual((code, err), (0, ""), words)
        return out

    def wrong(self, code, text, *words, **more):
        got, out, err = self.run_words(*words, **more)
        self.assertEqual(got, code, (words, out, err))
        self.assertIn(text, err)
        return out, err

    # Verdicts come with shares and meanings; those without a packet only with --all.
    def test_verdicts(self):
        out = self.ok("show", "verdicts")
        self.assertRegex(out, r"1,234,567 +100\.00 % +translated +translated and sent\n")
        self.assertRegex(out, r"\b9 +<0\.01 % +of_tomorrow\n")
        self.assertNotIn("tx_full", out)
        self.assertIn("1,234,571 packets received, 1 of them waiting", out)
        self.assertIn("tx_full", self.ok("show", "verdicts", "--all"))

    # Numbers stand right, words left, under a header, and columns start where the header says.
    def test_columns_are_aligned(self):
        header, row = self.ok("show", "ports").splitlines()
        self.assertEqual(header.index("DEVICE"), row.index("net_tap0"))
        self.assertEqual(header.index("RX PACKETS") + len("RX PACKETS"),
                         row.index("1,000") + len("1,000"))
        self.assertIn("10 Gb/s", row)
        self.assertIn("64.0 kB", row)

    # A pool's use counts resting blocks too: they cannot be taken.
    def test_why(self):
        self.assertRegex(self.ok("why", "100.64.0.5"),
                         r"1,234 +1m40s +3s +tcp +192\.0\.2\.1:443 +PORT_LIMIT +as many")
        self.wrong(2, "found 'here'", "why", "here")
        self.wrong(2, "it takes ADDRESS", "why")

    # A forwarded port has its ports, a whole address none.
    def test_static(self):
        out = self.ok("show", "static")
        self.assertRegex(out, r"tcp +203\.0\.113\.1:443 +100\.64\.0\.5:8443 +main\n")
        self.assertRegex(out, r"any +203\.0\.113\.2 +100\.64\.0\.6 +main\n")
        self.assertEqual(json.loads(self.ok("--json", "show", "static")),
                         CANNED["/weir/static"])

    def test_pools(self):
        self.assertRegex(self.ok("show", "pools"), r"main +2 +12 +512 +252 +12 +51 +25\.0 %")
        self.assertIn("tcp and udp address-dependent", self.ok("show", "pools"))
        self.assertNotIn("MAPPING", self.ok("show", "pools"))

    def test_info_and_timeouts(self):
        self.assertRegex(self.ok("show", "info"), r"uptime +2h05m\n")
        self.assertRegex(self.ok("show", "timeouts"), r"tcp-established +7440 +2h04m\n")
        self.assertRegex(self.ok("show", "timeouts"), r"inbound-refresh +yes")

    def test_workers(self):
        out = self.ok("show", "workers")
        self.assertIn("12.3 %", out)
        self.assertIn("5 ttl exceeded, 1 over a rate limit", out)

    # Filters reach weir as arguments, checked and in weir's spelling.
    def test_filters(self):
        self.ok("show", "sessions", "inside", "100.64.0.0/16", "outside-port", "40001",
                "protocol", "TCP", "state", "established")
        path, args = self.weir.asked[0]
        del args["limit"]
        self.assertEqual((path, args), ("/weir/sessions", {
            "inside": "100.64.0.0/16", "outside_port": "40001", "protocol": "tcp",
            "state": "ESTABLISHED"}))

    # A long list is fetched in pages and printed whole, each session once.
    def test_pages(self):
        out = self.ok("show", "sessions").splitlines()
        self.assertEqual(len(out), 2502)
        self.assertIn("2,500 sessions", out[-1])
        self.assertEqual(len(set(out)), 2502)
        self.assertEqual([a.get("after") for _, a in self.weir.asked], [None, "0:1000", "0:2000"])
        for line in out[1:-1]:
            self.assertEqual(out[0].index("REMOTE"), line.index("198.51.100.7:80"))

    def test_limit(self):
        out = self.ok("show", "sessions", "limit", "5").splitlines()
        self.assertEqual(len(out), 7)
        self.assertEqual(out[-1], "5 sessions; there are more")
        self.assertEqual(self.weir.asked[0][1], {"limit": 5})

    # --json over pages is one JSON document with every session as weir sent it.
    def test_pages_json(self):
        self.assertEqual(json.loads(self.ok("show", "sessions", "--json"))["sessions"], SESSIONS)
        self.weir.sessions = []
        self.assertEqual(json.loads(self.ok("show", "sessions", "--json")), {"sessions": []})

    # A weir that gives one cursor for ever does not keep weirctl busy for ever.
    def test_same_cursor(self):
        self.weir.page = lambda args: {"sessions": [PING], "next": "0:1"}
        self.wrong(1, "again and again", "show", "sessions")

    # --lines is conntrack -L's format: both tuples; identifiers instead of ports for ping.
    def test_lines(self):
        self.weir.sessions = [SESSIONS[0], PING]
        self.assertEqual(self.ok("show", "sessions", "--lines").splitlines(), [
            "tcp      6 7437 ESTABLISHED src=100.64.0.0 dst=198.51.100.7 sport=5000 dport=80 "
            "packets=10 bytes=1000 src=198.51.100.7 dst=203.0.113.1 sport=80 dport=40001 "
            "packets=1234 bytes=1500000 realm=1 worker=0 age=12 idle=3",
            "icmp     1 7437 ANSWERED src=100.64.0.0 dst=198.51.100.7 id=77 packets=10 "
            "bytes=1000 src=198.51.100.7 dst=203.0.113.1 id=41000 packets=1234 bytes=1500000 "
            "realm=1 worker=0 age=12 idle=3"])

    # The realm is shown only where there is more than the usual one.
    def test_realm_only_when_unusual(self):
        self.assertNotIn("REALM", self.ok("show", "sessions", "limit", "1"))
        self.weir.sessions = [dict(SESSIONS[0], realm=7)]
        self.assertIn("REALM", self.ok("show", "sessions"))

    def test_subscribers(self):
        self.assertRegex(self.ok("show", "subscribers"), r"100\.64\.0\.5 +main +203\.0\.113\.1 +12")
        for word in "subscriber", "subscribers", "sub":
            self.assertRegex(self.ok("show", word, "100.64.0.5"), r"1024-2047 +1,024 +5 +3 +1\n")
        self.assertEqual(self.weir.asked[-1], ("/weir/subscriber", {"address": "100.64.0.5"}))

    def test_unknown_subscriber(self):
        self.weir.canned["/weir/subscriber"] = {"subscribers": []}
        self.wrong(1, "100.64.0.9 is no subscriber now", "show", "subscriber", "100.64.0.9")

    # lookup tells the mapping; the block that is computed; or, with exit code 1, that nobody has it.
    def test_lookup(self):
        out = self.ok("lookup", "203.0.113.1", "1030", "tcp")
        self.assertRegex(out, r"tcp +100\.64\.0\.5:5000 +203\.0\.113\.1:1030 +2 +1m10s\n")
        self.assertEqual(self.weir.asked[-1][1],
                         {"address": "203.0.113.1", "port": "1030", "protocol": "tcp"})
        self.assertNotIn("computation", out)
        self.weir.canned["/weir/lookup"] = {"mappings": [], "blocks": [
            {"computed": True, "pool": "det", "inside": "100.64.0.5", "realm": 1,
             "outside": "203.0.113.1", "first": 1024, "last": 2047}]}
        out = self.ok("lookup", "203.0.113.1", "1030", "udp")
        self.assertIn("No mapping for 203.0.113.1 port 1030 udp now", out)
        self.assertRegex(out, r"det +100\.64\.0\.5 +203\.0\.113\.1 +1024-2047\n")
        self.weir.canned["/weir/lookup"] = {"mappings": [], "blocks": []}
        self.wrong(1, "nobody has 203.0.113.1 port 9 udp now", "lookup", "203.0.113.1", "9", "udp")

    # clear wants a filter or --all in so many words, and asks nothing of weir otherwise.
    def test_clear(self):
        self.wrong(2, "or --all", "clear", "sessions")
        self.wrong(2, "exclude", "clear", "sessions", "--all", "inside", "100.64.0.5")
        self.wrong(2, "limit", "clear", "sessions", "limit", "5")
        self.assertEqual(self.weir.asked, [])
        self.assertEqual(self.ok("clear", "sessions", "inside", "100.64.0.5"),
                         "3 sessions cleared\n")
        self.ok("clear", "sessions", "--all")
        self.assertEqual([a for _, a in self.weir.asked],
                         [{"inside": "100.64.0.5"}, {"all": True}])

    def test_json_is_the_reply(self):
        for path, words in (("/weir/pools", "show pools"), ("/weir/verdicts", "show verdicts"),
                            ("/weir/lookup", "lookup 203.0.113.1 1030 tcp"),
                            ("/weir/reload", "reload")):
            self.assertEqual(json.loads(self.ok("--json", *words.split())), CANNED[path])

    # A wrong word or value is named with what would be right, exit code 2, and weir is not asked.
    def test_wrong_words(self):
        self.wrong(2, "did you mean 'sessions'?", "show", "sesions")
        self.wrong(2, "did you mean 'show'?", "shwo", "pools")
        self.wrong(2, "did you mean 'inside'?", "show", "sessions", "insde", "100.64.0.5")
        self.wrong(2, "found '100.64.0.256', expected an IPv4", "show", "sessions", "remote",
                   "100.64.0.256")
        self.wrong(2, "expected a port number", "lookup", "203.0.113.1", "65536", "tcp")
        self.wrong(2, "1 to 65535", "clear", "sessions", "inside-port", "0", "protocol", "icmp")
        self.wrong(2, "expected tcp, udp", "lookup", "203.0.113.1", "1", "tpc")
        self.wrong(2, "'inside' needs a value", "show", "sessions", "inside")
        self.wrong(2, "given twice", "show", "sessions", "remote", "1.2.3.4", "remote", "1.2.3.5")
        self.wrong(2, "one word too many", "show", "pools", "main")
        self.wrong(2, "--lines", "show", "pools", "--lines")
        self.wrong(2, "which of these", "show")
        self.wrong(2, "unrecognized option", "show", "pools", "--jsn")
        self.assertEqual(self.weir.asked, [])

    def test_short_words(self):
        self.assertIn("1,234,567", self.ok("sh", "ver"))
        self.wrong(2, "which of these", "show", "s")

    def test_help(self):
        out = self.ok("help")
        for words in "show sessions", "lookup", "clear sessions", "reload", "Exit code":
            self.assertIn(words, out)
        self.assertEqual(self.ok("--help"), out)
        for words in (("help", "show", "sessions"), ("show", "sessions", "--help")):
            self.assertIn("remote-port N", self.ok(*words))

    def test_reload(self):
        self.assertEqual(self.ok("reload"), "reloaded /etc/weir/weir.yaml\n")
        self.weir.canned["/weir/reload"] = {"reloaded": "/etc/weir/weir.yaml", "ended": 1234}
        self.assertEqual(self.ok("reload"),
                         "reloaded /etc/weir/weir.yaml; 1,234 sessions ended\n")

    def test_refusal(self):
        self.weir.refusal = "weir.yaml:3: pools: overlap"
        self.wrong(1, "weirctl: weir.yaml:3: pools: overlap\n", "reload")

    # Not running: which socket, and what to do.
    def test_not_there(self):
        _, err = self.wrong(1, "weir is not running: there is no socket", "show", "info",
                            path=self.path + "x")
        self.assertIn(self.path + "x", err)
        self.assertIn("systemctl start weir", err)
        self.weir.close()
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(self.path + "y")
        stale.close()
        self.wrong(1, "nothing listens on", "show", "info", path=self.path + "y")

    # No permission: the group that has it is named.
    @unittest.skipUnless(os.geteuid() == 0, "needs root to become another user")
    def test_no_permission(self):
        group = 8  # mail: on every Debian
        os.chmod(self.directory.name, 0o755)
        os.chown(self.path, 0, group)
        os.chmod(self.path, 0o660)
        with tempfile.TemporaryDirectory() as directory:  # the build may be out of reach
            os.chmod(directory, 0o755)
            program = shutil.copy(WEIRCTL, directory)
            other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program,
                     "--socket", self.path, "show", "info")
            for _ in range(2):
                done = subprocess.run(other, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn("the group 'mail'", done.stderr)
                os.chmod(self.directory.name, 0o750)  # now not even the socket can be seen
                os.chown(self.directory.name, 0, group)

    def test_not_weir(self):
        self.weir.raw = "220 ready"
        self.wrong(1, "does not speak weir's protocol", "show", "info")

    # A full disk or a closed pipe is a failure, not a short list.
    def test_output_fails(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([WEIRCTL, "--socket", self.path, "show", "sessions"],
                                  stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
