#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The clients and servers of the functional tests.

traffic.py tcp-server ADDRESS PORT            answers every line with "ADDRESS:PORT" of its peer
traffic.py udp-server ADDRESS PORT            answers every datagram so
traffic.py tcp SOURCE ADDRESS PORT COUNT      opens, asks and closes COUNT connections, 64 at a time
traffic.py udp SOURCE ADDRESS PORT COUNT      asks from COUNT source ports, each again when unanswered
traffic.py udp-steady SOURCE ADDRESS PORT COUNT  asks COUNT times from one port, 40 a second
traffic.py udp-once SOURCE PORT ADDRESS PORT  asks once from one source port, prints the answer

The clients print "answered N of COUNT" and succeed when all were.
"""
import asyncio
import select
import socket
import sys
import time


async def answer_line(reader, writer):
    host, port = writer.get_extra_info("peername")
    while await reader.readline():
        writer.write(f"{host}:{port}\n".encode())
        await writer.drain()
    writer.close()


async def tcp_server(address, port):
    server = await asyncio.start_server(answer_line, address, int(port), backlog=1024)
    print("listening", flush=True)
    await server.serve_forever()


def udp_server(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((address, int(port)))
    print("listening", flush=True)
    while True:
        _, peer = sock.recvfrom(2048)
        sock.sendto(f"{peer[0]}:{peer[1]}\n".encode(), peer)


async def ask(source, address, port, gate):
    async with gate:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(address, port, local_addr=(source, 0)), 20)
        writer.write(b"who am I?\n")
        line = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
        await writer.wait_closed()
        return bool(line)


async def tcp(source, address, port, count):
    gate = asyncio.Semaphore(64)
    answers = await asyncio.gather(
        *(ask(source, address, int(port), gate) for _ in range(int(count))),
        return_exceptions=True)
    report(sum(a is True for a in answers), int(count))
    for error in {repr(a) for a in answers if a is not True}:
        print(error)


def udp(source, address, port, count):
    poll = select.epoll()
    waiting = {}
    for _ in range(int(count)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((source, 0))
        sock.connect((address, int(port)))
        poll.register(sock, select.EPOLLIN)
        waiting[sock.fileno()] = sock
    for _ in range(3):  # a full socket buffer may lose some: ask again
        for sock in list(waiting.values()):
            sock.send(b"who am I?\n")
            time.sleep(0.0002)
            collect(poll, waiting, 0)
        end = time.monotonic() + 3
        while waiting and time.monotonic() < end:
            collect(poll, waiting, 0.1)
    report(int(count) - len(waiting), int(count))


def collect(poll, waiting, seconds):
    for number, _ in poll.poll(seconds):
        sock = waiting.pop(number)
        poll.unregister(sock)
        sock.recv(2048)
        sock.close()


def udp_once(source, source_port, address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, int(source_port)))
    sock.settimeout(5)
    sock.sendto(b"who am I?\n", (address, int(port)))
    print(sock.recv(2048).decode().strip())


def udp_steady(source, address, port, count):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    sock.settimeout(5)
    answers = []
    for _ in range(int(count)):
        sock.sendto(b"who am I?\n", (address, int(port)))
        try:
            answer, peer = sock.recvfrom(2048)
            while peer != (address, int(port)):  # a stranger's
                answer, peer = sock.recvfrom(2048)
            answers.append(answer)
        except OSError as error:
            print(error)
        time.sleep(0.025)
    print(*sorted({answer.decode().strip() for answer in answers}))
    report(len(answers) if len(set(answers)) == 1 else 0, int(count))


status = 0


def report(answered, count):
    global status
    print(f"answered {answered} of {count}")
    status = 0 if answered == count else 1


def main():
    commands = {
        "tcp-server": lambda *a: asyncio.run(tcp_server(*a)),
        "udp-server": udp_server,
        "tcp": lambda *a: asyncio.run(tcp(*a)),
        "udp": udp,
        "udp-steady": udp_steady,
        "udp-once": udp_once,
    }
    commands[sys.argv[1]](*sys.argv[2:])
    return status


sys.exit(main())
