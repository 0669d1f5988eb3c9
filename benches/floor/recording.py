#!/usr/bin/env python3
"""What recording costs: the processor time of a request, with `--trace` and without.

Three servers share core 0: one without `--trace`, one that has a trace and does not record, one that
records. Each has a `readyc bench` of its own on core 1, and only one of those runs at a time: the
others are stopped. Every slice of a tenth of a second is the next server's turn. So a ratio is made of
slices that followed one another, and what others do to the machine is in both.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from measuring import (HOST, LOAD_CORE, MeasurementError, RunningServer, check_cores,
                       exit_cleanly_on_sigterm, pin_to, process_cpu_s)

HEADER_BYTES = 64
SLICE_S = 0.1
SETTLE_S = 0.02
RING = "size=16MiB"


class Measured:
    """A server, its load, and a connection that asks it how many requests it has answered."""

    def __init__(self, server, arguments, seconds):
        self.server = server
        self.costs = []
        self.connection = socket.create_connection((HOST, server.port))
        command = [arguments.readyc, "--server", f"{HOST}:{server.port}", "bench", "--no-server-stats",
                   "-q", "--warmup", "0s", "-d", f"{seconds}s", "-c", str(arguments.connections),
                   "-P", str(arguments.pipeline)]
        self.load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     preexec_fn=pin_to(LOAD_CORE))

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            if not part:
                raise MeasurementError(f"{self.server.name}: closed: {self.server.said()}")
            data += part
        return data

    def requests(self):
        self.connection.sendall(b"5".ljust(HEADER_BYTES) + b"STATS")
        text = self.receive(int(self.receive(HEADER_BYTES)))
        return int(re.search(rb"^requests[ :=]+(\d+)", text, re.M)[1])

    def slice(self):
        """Has the load run for a while. Notes the processor time of a request, in nanoseconds."""
        self.load.send_signal(signal.SIGCONT)
        time.sleep(SETTLE_S)
        requests, cpu = self.requests(), process_cpu_s(self.server.process.pid)
        time.sleep(SLICE_S)
        cpu, requests = process_cpu_s(self.server.process.pid) - cpu, self.requests() - requests
        self.load.send_signal(signal.SIGSTOP)
        # What it has sent is answered before the next server's turn.
        time.sleep(SETTLE_S)
        self.costs.append(cpu / max(1, requests) * 1e9)

    def stop(self):
        self.connection.close()
        self.load.kill()
        self.load.wait()


def measure(arguments, folder):
    listen = f"{arguments.readyd} --listen framed={HOST}:{{port}} --log warn"
    commands = {
        "without --trace": listen,
        "not recording": f"{listen} --trace {folder}/paused,{RING},paused",
        "recording": f"{listen} --trace {folder}/recording,{RING}",
    }
    servers, measured = [], []
    try:
        for name, command in commands.items():
            servers.append(RunningServer(name, command).__enter__())
            # Each load runs for its third of the time, and is stopped for the rest.
            measured.append(Measured(servers[-1], arguments, 3 * arguments.seconds + 60))
            time.sleep(SETTLE_S)
            measured[-1].load.send_signal(signal.SIGSTOP)
        end = time.monotonic() + arguments.seconds
        while time.monotonic() < end or len(measured[0].costs) < 3:
            for one in measured:
                one.slice()
    finally:
        for one in measured:
            one.stop()
        for server in servers:
            server.stop()
    return measured


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--readyd", default="target/release/readyd")
    parser.add_argument("--readyc", default="target/release/readyc")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    exit_cleanly_on_sigterm()
    check_cores()
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        measured = measure(arguments, folder)
    base = measured[0].costs
    print(f"| {arguments.connections} connections, pipeline depth {arguments.pipeline} | ns of processor"
          f" time a request | ratio, median of {len(base)} | standard error |")
    print("|---|---|---|---|")
    for one in measured:
        ratios = [cost / first for cost, first in zip(one.costs, base)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        # Of a median; 1.35 standard deviations lie between the quartiles of a normal distribution.
        error = 1.25 * (high - low) / 1.35 / len(ratios) ** 0.5
        print(f"| {one.server.name} | {statistics.median(one.costs):.0f} | {middle:.3f} | {error:.3f} |")


if __name__ == "__main__":
    main()
