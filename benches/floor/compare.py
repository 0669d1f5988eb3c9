#!/usr/bin/env python3
"""Measures servers of the framed echo protocol against the floor, `epoll_server.c`.

Each server gets core 0 and the load generator core 1. Every measurement starts a fresh process;
rounds interleave the servers and each second round reverses their order, so that a slow drift of
the machine falls on all of them alike. The ratio to the floor is taken within each round, and the
median of those ratios is reported: what disturbs one round does not decide the result.

The cost is the server's CPU time a request (user and kernel), not the time the client waited.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from measuring import (LOAD_CORE, MeasurementError, RunningServer, build, check_cores,
                       exit_cleanly_on_sigterm, pin_to, raise_descriptor_limit, significant)

FLOOR = "floor"
LOAD_SETUP_LIMIT_S = 60
SELF_CHECK_TOLERANCE = 0.05

# What is asked of the servers: name -> (title, arguments of the load generator).
WORK = {
    "pingpong": ("ping-pong, 64 connections, 32 B",
                 ["--connections=64", "--size=32"]),
    "pipelined": ("pipelined, 64 connections, depth 32",
                  ["--connections=64", "--size=32", "--depth=32"]),
    "idle": ("ping-pong, 1,000 active and 8,000 idle",
             ["--connections=1000", "--size=32", "--idle=8000"]),
    "large": ("16 KiB bodies, 64 connections",
              ["--connections=64", "--size=16384"]),
    "churn": ("connect, request, close, 64 slots",
              ["--connections=64", "--size=32", "--mode=churn"]),
}


def measure(name, command, load, work_arguments, seconds, warmup):
    """Runs one server under one load and returns the load generator's figures."""
    with RunningServer(name, command) as server:
        argv = [load, f"--port={server.port}", f"--pid={server.process.pid}",
                f"--seconds={seconds}", f"--warmup={warmup}", *work_arguments]
        # subprocess.run kills the generator itself if anything interrupts the wait.
        done = subprocess.run(argv, capture_output=True, text=True, preexec_fn=pin_to(LOAD_CORE),
                              timeout=seconds + warmup + LOAD_SETUP_LIMIT_S)
        if done.returncode != 0:
            raise MeasurementError(f"{name}: {done.stderr.strip()} {done.stdout.strip()} "
                                   f"server: {server.said()}")
        return json.loads(done.stdout)


def run_rounds(servers, load, work_name, arguments):
    """Returns, for each server, its figures in the order of the rounds."""
    title, work_arguments = WORK[work_name]
    figures = {name: [] for name in servers}
    for number in range(arguments.rounds):
        order = list(servers) if number % 2 == 0 else list(reversed(servers))
        for name in order:
            print(f"{title}: round {number + 1}/{arguments.rounds}, {name}", file=sys.stderr)
            figures[name].append(measure(name, servers[name], load, work_arguments,
                                         arguments.seconds, arguments.warmup))
    return figures


def summarise(figures):
    """Reduces the rounds of one shape of work to one row for each server."""
    def costs(name):
        return [figure["server_cpu_us_per_request"] for figure in figures[name]]

    rows = []
    for name, rounds in figures.items():
        ratios = [cost / floor for cost, floor in zip(costs(name), costs(FLOOR))]
        rows.append({
            "server": name,
            "cpu_us_median": statistics.median(costs(name)),
            "cpu_us_min": min(costs(name)),
            "cpu_us_max": max(costs(name)),
            "ratio_median": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
            "requests_per_s_median": statistics.median(r["requests"] / r["elapsed_s"] for r in rounds),
            "core_used_median": statistics.median(r["server_cpu_s"] / r["elapsed_s"] for r in rounds),
            "rounds": rounds,
        })
    return rows


def print_table(results):
    print("| work | server | CPU µs a request: median (min–max) | ratio to floor: median (min–max) "
          "| requests/s | core used |")
    print("|---|---|---|---|---|---|")
    for work_name, rows in results.items():
        for row in rows:
            cost = [significant(row[f"cpu_us_{which}"]) for which in ("median", "min", "max")]
            print(f"| {WORK[work_name][0]} | {row['server']} "
                  f"| {cost[0]} ({cost[1]}–{cost[2]}) "
                  f"| {row['ratio_median']:.2f} ({row['ratio_min']:.2f}–{row['ratio_max']:.2f}) "
                  f"| {row['requests_per_s_median']:,.0f} | {row['core_used_median']:.0%} |")


def server_argument(text):
    name, equals, command = text.partition("=")
    if not (name and equals and command) or "{port}" not in command or name == FLOOR:
        raise argparse.ArgumentTypeError(
            f"expected NAME=COMMAND with {{port}} in the command and a name other than {FLOOR}")
    return name, command


def work_argument(text):
    names = text.split(",")
    for name in names:
        if name not in WORK:
            raise argparse.ArgumentTypeError(f"no work named {name!r}; there are {', '.join(WORK)}")
    return names


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", action="append", default=[], type=server_argument,
                        metavar="NAME=COMMAND", help="a server to measure; {port} is replaced")
    parser.add_argument("--self-check", action="store_true",
                        help="measure the floor against itself; exit 1 unless the ratios are near 1")
    parser.add_argument("--work", type=work_argument, default=list(WORK), metavar="NAME[,NAME]",
                        help=f"which of {', '.join(WORK)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each measured window")
    parser.add_argument("--warmup", type=float, default=0.5, help="seconds before each window")
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
    epoll_server, load = build("epoll_server"), build("load")

    floor_command = shlex.quote(epoll_server) + " {port}"
    servers = {FLOOR: floor_command}
    if arguments.self_check:
        servers["floor again"] = floor_command
    servers.update(arguments.server)

    try:
        results = {name: summarise(run_rounds(servers, load, name, arguments))
                   for name in arguments.work}
    except (MeasurementError, subprocess.TimeoutExpired) as error:
        sys.exit(f"compare.py: {error}")
    print_table(results)
    if arguments.json:
        machine = {"system": platform.system(), "kernel": platform.release(), "cores": os.cpu_count()}
        settings = {"rounds": arguments.rounds, "seconds": arguments.seconds, "warmup": arguments.warmup}
        report = {"machine": machine, "settings": settings, "results": results}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    if arguments.self_check:
        for name, rows in results.items():
            if abs(rows[1]["ratio_median"] - 1) > SELF_CHECK_TOLERANCE:
                sys.exit(f"compare.py: self-check: {name} differs from itself; is the machine quiet?")


if __name__ == "__main__":
    main()
