#!/usr/bin/env python3
"""Measures the load generator `readyc bench` against a bare one in C, `load.c`.

Both drive readyd in the same closed loop, with the same payload and for the same time; the server
has core 0 and the client core 1. Every measurement starts a fresh server; each second round goes in
reverse order. The ratio of readyc to C is taken within each round, and its median is reported.

The cost is the client's CPU time a request, from the first instruction to the last, workers
included: wait4(2) says it, and the client cannot flatter itself. What readyc reports of its own
measured part stands beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from measuring import (HERE, HOST, LOAD_CORE, MeasurementError, RunningServer, build, check_cores,
                       exit_cleanly_on_sigterm, pin_to, raise_descriptor_limit, significant)

RELEASE = HERE.parent.parent / "target" / "release"
CONNECTIONS, PAYLOAD = 64, 64
CLIENT_OVERTIME_S = 60

# name -> requests under way on each connection
WORK = {"pingpong": 1, "pipelined": 32}

# With every reply compared, and with none: what verifying costs is not hidden in the ratio.
READYC_OF = {"C": "readyc", "C, not verifying": "readyc, not verifying"}


def command_of(client, programs, port, depth, seconds):
    """The command line that has `client` do the common work."""
    verifying = not client.endswith("not verifying")
    if client.startswith("readyc"):
        return [programs.readyc, "bench", f"--connections={CONNECTIONS}", f"--pipeline={depth}",
                f"--size={PAYLOAD}", f"--duration={seconds}s", "--json=-", "--quiet",
                *([] if verifying else ["--no-verify"]), f"{HOST}:{port}"]
    return [programs.load, f"--port={port}", f"--connections={CONNECTIONS}", f"--depth={depth}",
            f"--size={PAYLOAD}", f"--seconds={seconds}", "--warmup=0", "--latency",
            *([] if verifying else ["--no-verify"])]


def figures_of_readyc(report):
    achieved = report["achieved"]
    return {
        "requests": achieved["answered"],
        "elapsed_s": achieved["elapsed_s"],
        "own_cpu_s": report["client"]["cpu_s"],
        "p50_us": report["service_us"]["p50"],
        "p99_us": report["service_us"]["p99"],
    }


def run_client(argv, limit_s):
    """Runs a client to its end; returns what it printed and the CPU time of all its processes."""
    with tempfile.TemporaryFile() as stderr:
        client = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=stderr, preexec_fn=pin_to(LOAD_CORE))
        give_up = threading.Timer(limit_s, client.kill)
        give_up.start()
        try:
            printed = client.stdout.read()
            # Not client.wait(): it would throw away what the kernel says of the process's CPU time.
            _, status, usage = os.wait4(client.pid, 0)
            client.returncode = os.waitstatus_to_exitcode(status)
        finally:
            give_up.cancel()
            if client.returncode is None:
                client.kill()
                client.wait()
        if client.returncode != 0:
            stderr.seek(0)
            said = stderr.read()[-2000:].decode(errors="replace").strip()
            raise MeasurementError(f"{argv[0]}: status {client.returncode}: {said} "
                                   f"{printed[-2000:].decode(errors='replace')}")
        return json.loads(printed), usage.ru_utime + usage.ru_stime


def measure(client, programs, depth, seconds):
    """One run of `client` on a fresh server."""
    server = f"{programs.readyd} --listen framed={HOST}:{{port}} --log warn"
    with RunningServer("readyd", server) as running:
        argv = command_of(client, programs, running.port, depth, seconds)
        printed, cpu_s = run_client(argv, seconds + CLIENT_OVERTIME_S)
    if client.startswith("readyc"):
        figures = figures_of_readyc(printed)
    else:
        figures = {**printed, "own_cpu_s": printed["cpu_s"]}
    if figures["requests"] == 0:
        raise MeasurementError(f"{client}: no request was answered")
    figures["cpu_us_per_request"] = cpu_s * 1e6 / figures["requests"]
    figures["own_cpu_us_per_request"] = figures["own_cpu_s"] * 1e6 / figures["requests"]
    return figures


def run_rounds(programs, work_name, arguments):
    """Returns, for each client, its figures in the order of the rounds."""
    clients = [client for pair in READYC_OF.items() for client in pair]
    figures = {client: [] for client in clients}
    for number in range(arguments.rounds):
        for client in clients if number % 2 == 0 else reversed(clients):
            print(f"{work_name}: round {number + 1}/{arguments.rounds}, {client}", file=sys.stderr)
            figures[client].append(measure(client, programs, WORK[work_name], arguments.seconds))
    return figures


def ratios(figures, floor, readyc, which):
    return [one[which] / other[which] for one, other in zip(figures[readyc], figures[floor])]


def summarise(figures):
    """Reduces the rounds of one shape of work to one row for each client."""
    rows = []
    floors = {readyc: floor for floor, readyc in READYC_OF.items()}
    for client, rounds in figures.items():
        floor = floors.get(client, client)
        row = {"client": client, "rounds": rounds,
               "requests_per_s": statistics.median(r["requests"] / r["elapsed_s"] for r in rounds)}
        for which in ("cpu_us_per_request", "own_cpu_us_per_request", "p50_us", "p99_us"):
            row[which] = statistics.median(r[which] for r in rounds)
        for which in ("cpu_us_per_request", "own_cpu_us_per_request"):
            row[f"ratio_of_{which}"] = ratios(figures, floor, client, which)
        rows.append(row)
    return rows


def print_table(results):
    print("| work | client | CPU µs a request | ratio to C: median (min–max) | measured part only "
          "| its ratio | requests/s | p50 µs | p99 µs |")
    print("|---|---|---|---|---|---|---|---|---|")
    for work_name, rows in results.items():
        for row in rows:
            ratio = row["ratio_of_cpu_us_per_request"]
            own_ratio = statistics.median(row["ratio_of_own_cpu_us_per_request"])
            print(f"| {work_name}, depth {WORK[work_name]} | {row['client']} "
                  f"| {significant(row['cpu_us_per_request'])} "
                  f"| {statistics.median(ratio):.2f} ({min(ratio):.2f}–{max(ratio):.2f}) "
                  f"| {significant(row['own_cpu_us_per_request'])} | {own_ratio:.2f} "
                  f"| {row['requests_per_s']:,.0f} "
                  f"| {significant(row['p50_us'])} | {significant(row['p99_us'])} |")


def work_argument(text):
    names = text.split(",")
    for name in names:
        if name not in WORK:
            raise argparse.ArgumentTypeError(f"no work named {name!r}; there are {', '.join(WORK)}")
    return names


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readyd", default=str(RELEASE / "readyd"), metavar="PROGRAM")
    parser.add_argument("--readyc", default=str(RELEASE / "readyc"), metavar="PROGRAM")
    parser.add_argument("--work", type=work_argument, default=list(WORK), metavar="NAME[,NAME]",
                        help=f"which of {', '.join(WORK)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure here")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def main():
    arguments = parse_arguments()
    exit_cleanly_on_sigterm()
    check_cores()
    raise_descriptor_limit()
    arguments.load = build("load")
    try:
        results = {name: summarise(run_rounds(arguments, name, arguments))
                   for name in arguments.work}
    except (MeasurementError, OSError) as error:
        sys.exit(f"clients.py: {error}")
    print_table(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
