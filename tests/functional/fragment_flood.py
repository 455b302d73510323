#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""fragment_flood.py SOURCE TARGET SECONDS: last fragments of datagrams whose first never comes.

They go to TARGET and the 15 addresses behind it, as fast as they can be sent, each of another
datagram. Prints how many.
"""
import ipaddress
import socket
import struct
import sys
import time


def main():
    source = socket.inet_aton(sys.argv[1])
    first = int(ipaddress.ip_address(sys.argv[2]))
    targets = [ipaddress.ip_address(first + i) for i in range(16)]
    end = time.monotonic() + float(sys.argv[3])
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sent = 0
    while time.monotonic() < end:
        for _ in range(100):
            target = targets[sent % 16]
            # 64 bytes at offset 128; the kernel fills in the checksum
            header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 84, sent // 16 % 65535 + 1, 16, 64, 17,
                                 0, source, target.packed)
            try:
                sock.sendto(header + bytes(64), (str(target), 0))
            except OSError:
                continue
            sent += 1
        # a rate that the queues of taps take on any machine: what is lost is then weir's doing
        time.sleep(0.01)
    print(sent)


main()
