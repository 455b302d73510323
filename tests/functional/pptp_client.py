#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pptp_client.py SOURCE SERVER COUNT SECONDS

A PPTP call by the client of package pptp-linux, with this program in pppd's place: it sends COUNT
frames, which the server's pppd, a loop, sends back, then waits until its standard input ends.
Prints "answered N of COUNT", and succeeds when all were. A frame that gets lost is sent again.
"""
import os
import pty
import select
import subprocess
import sys
import time
import tty

FLAG, ESCAPE = 0x7E, 0x7D


def fcs(data):
    """RFC 1662 appendix C.2."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
    return value ^ 0xFFFF


def frame(payload):
    payload = b"\xff\x03\x00\x21" + payload
    check = fcs(payload)
    out = bytearray([FLAG])
    for byte in payload + bytes([check & 0xFF, check >> 8]):
        escaped = byte in (FLAG, ESCAPE) or byte < 0x20
        out += bytes([ESCAPE, byte ^ 0x20] if escaped else [byte])
    return bytes(out + bytes([FLAG]))


class Line:
    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.seen = b""

    def ask(self, payload, deadline):
        """Whether a frame comes back."""
        while time.monotonic() < deadline:
            os.write(self.descriptor, frame(payload))
            until = min(deadline, time.monotonic() + 1)
            while time.monotonic() < until:
                if not select.select([self.descriptor], [], [], 0.1)[0]:
                    continue
                try:
                    self.seen += os.read(self.descriptor, 65536)
                except OSError:  # the client has ended
                    return False
                if payload in self.seen:
                    self.seen = b""
                    return True
        return False


def main(source, server, count, seconds):
    master, slave = pty.openpty()
    tty.setraw(slave)
    client = subprocess.Popen(
        ["/usr/sbin/pptp", server, "--nolaunchpppd", "--nohostroute", "--localbind", source],
        stdin=slave, stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    line = Line(master)
    deadline = time.monotonic() + int(seconds)
    answered = sum(line.ask(f"{source}, frame {i:06}".encode(), deadline)
                   for i in range(int(count)))
    print(f"answered {answered} of {count}", flush=True)
    sys.stdin.read()
    client.terminate()
    client.wait()
    return 0 if answered == int(count) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
