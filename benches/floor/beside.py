#!/usr/bin/env python3
"""Measures how long an ECHO client waits beside clients that keep the server busy.

The server has core 0, all load core 1. The load never waits for its own sake: its sockets are
nonblocking, and it sends and reads whatever they take. The ECHO client has a connection of its own
and sends one 32-byte request every few milliseconds; it runs at the highest priority, so that what it
waits for is the server.
"""

import argparse
import os
import selectors
import shlex
import socket
import subprocess
import sys
import time
from multiprocessing import Pipe, Process

from measuring import (HOST, LOAD_CORE, RunningServer, check_cores, exit_cleanly_on_sigterm,
                       free_port, pin_to, raise_descriptor_limit)

HEADER_BYTES = 64
PIPELINED_BYTES = 64 * 1024
RECEIVE_BYTES = 1 << 20
CLIENTS = 64
CHARGEN_READERS = 1000
LARGEST_BODY = 300_000_000
LARGE_CLIENTS = 4
PAUSE_S = 0.003


def frame(body):
    return str(len(body)).encode().ljust(HEADER_BYTES) + body


def pipelined(*bodies):
    """Frames of these bodies in turn, as many as fit a send buffer."""
    round_ = b"".join(map(frame, bodies))
    return round_ * max(1, PIPELINED_BYTES // len(round_))


MIX = [b"ECHO " + b"x" * 32, b"LOOKUP www.example.org", b"DAYTIME", b"STATS", b"HELP"]
LOADS = {
    "nothing": (0, b""),
    "ECHO": (CLIENTS, pipelined(MIX[0])),
    "LOOKUP": (CLIENTS, pipelined(MIX[1])),
    "DAYTIME": (CLIENTS, pipelined(MIX[2])),
    "STATS": (CLIENTS, pipelined(MIX[3])),
    "mix": (CLIENTS, pipelined(*MIX)),
    "16 KiB": (CLIENTS, pipelined(b"ECHO " + b"x" * 16384)),
    "chargen": (CHARGEN_READERS, b""),
    "300 MB": (LARGE_CLIENTS, None),
}


class Client:
    """A nonblocking client that sends the same bytes again and again and reads all that comes."""

    def __init__(self, port, message):
        self.socket = socket.create_connection((HOST, port))
        self.socket.setblocking(False)
        self.message = memoryview(message)
        self.sent = 0

    def work(self):
        try:
            while self.message and (count := self.socket.send(self.message[self.sent:])):
                self.sent = (self.sent + count) % len(self.message)
        except BlockingIOError:
            pass
        try:
            self.socket.recv_into(Client.room)
        except BlockingIOError:
            pass


Client.room = bytearray(RECEIVE_BYTES)


def run_load(port, count, message, ready):
    os.sched_setaffinity(0, {LOAD_CORE})
    raise_descriptor_limit()
    selector = selectors.EpollSelector()
    events = selectors.EVENT_READ | (selectors.EVENT_WRITE if message else 0)
    for _ in range(count):
        client = Client(port, message)
        selector.register(client.socket, events, client)
    ready.send(True)
    while True:
        for key, _ in selector.select():
            key.data.work()


def start_load(name, framed_port, chargen_port):
    count, message = LOADS[name]
    if name == "chargen":
        framed_port = chargen_port
    if message is None:
        message = frame(b"ECHO " + bytes(LARGEST_BODY))
    if not count:
        return None
    here, there = Pipe()
    process = Process(target=run_load, args=(framed_port, count, message, there), daemon=True)
    process.start()
    here.recv()
    return process


def probe(port, seconds):
    """The waiting times of an ECHO client, sorted, in milliseconds."""
    os.sched_setaffinity(0, {LOAD_CORE})
    os.nice(-20)
    request = frame(b"ECHO " + b"y" * 32)
    reply_bytes = HEADER_BYTES + 32
    times = []
    with socket.create_connection((HOST, port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(30)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            client.sendall(request)
            got = 0
            while got < reply_bytes:
                got += len(client.recv(reply_bytes - got)) or sys.exit("the server hung up")
            times.append((time.monotonic() - began) * 1000)
            time.sleep(PAUSE_S)
    return sorted(times)


def measure(name, command, load, seconds):
    chargen_port = free_port()
    command = command.replace("{chargen}", str(chargen_port))
    with RunningServer(name, command) as server:
        process = start_load(load, server.port, chargen_port)
        try:
            time.sleep(0.3)
            here, there = Pipe()
            prober = Process(target=lambda: there.send(probe(server.port, seconds)))
            prober.start()
            times = here.recv() if here.poll(seconds + 40) else sys.exit(f"{name}: no answer")
            prober.join()
        finally:
            if process:
                process.kill()
                process.join()
    rank = lambda part: times[min(len(times) - 1, int(part * len(times)))]
    return len(times), rank(0.5), rank(0.99), times[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", action="append", required=True, metavar="NAME=COMMAND",
                        help="{port} becomes the port of the framed service, {chargen} of chargen")
    parser.add_argument("--load", default=",".join(LOADS), metavar="NAME[,NAME]",
                        help=f"which of {', '.join(LOADS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--most-p50", type=float, metavar="MS", help="fail above this median")
    parser.add_argument("--most-max", type=float, metavar="MS", help="fail above this maximum")
    arguments = parser.parse_args()
    exit_cleanly_on_sigterm()
    check_cores()
    raise_descriptor_limit()
    print("| beside | server | requests | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|---|")
    failed = False
    for load in arguments.load.split(","):
        for server in arguments.server:
            name, _, command = server.partition("=")
            count, p50, p99, longest = measure(name, command, load, arguments.seconds)
            print(f"| {load} | {name} | {count} | {p50:.2f} | {p99:.2f} | {longest:.2f} |",
                  flush=True)
            failed |= p50 > (arguments.most_p50 or p50) or longest > (arguments.most_max or longest)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
