"""Servers measured in turns: the shapes of work, the rounds, and what they come to.

Rounds interleave the servers and every second one goes in reverse, so that a slow drift of the
machine falls on all of them alike. A ratio is taken within its round, and the median of the ratios
is reported: what disturbs one round does not decide the result.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass

from measuring import LOAD_CORE, MeasurementError, RunningServer, pin_to, significant

FLOOR = "floor"
LOAD_SETUP_LIMIT_S = 60


@dataclass(frozen=True)
class Work:
    """What is asked of a server; sizes in bytes of text."""
    title: str
    connections: int = 64
    size: int = 32
    depth: int = 1
    idle: int = 0
    mode: str = "pingpong"


WORK = {
    "pingpong": Work("ping-pong, 64 connections, 32 B"),
    "pipelined": Work("pipelined, 64 connections, depth 32", depth=32),
    "idle": Work("ping-pong, 1,000 active and 8,000 idle", connections=1000, idle=8000),
    "large": Work("16 KiB bodies, 64 connections", size=16384),
    "churn": Work("connect, request, close, 64 slots", mode="churn"),
}


def run_client(name, argv, server, limit_s):
    """Runs a load generator that prints JSON on its own core; a failure of it is the server's."""
    try:
        # subprocess.run kills the generator itself if anything interrupts the wait.
        done = subprocess.run(argv, capture_output=True, text=True, preexec_fn=pin_to(LOAD_CORE),
                              timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{name}: the load did not end in {limit_s} s") from error
    if done.returncode != 0:
        raise MeasurementError(f"{name}: {done.stderr.strip()} {done.stdout.strip()[-2000:]} "
                               f"server: {server.said()}")
    return json.loads(done.stdout)


def measure(name, command, load, work, seconds, warmup):
    """Runs one server under one load of `load.c` and returns the load generator's figures."""
    with RunningServer(name, command) as server:
        argv = [load, f"--port={server.port}", f"--pid={server.process.pid}",
                f"--seconds={seconds}", f"--warmup={warmup}", f"--connections={work.connections}",
                f"--size={work.size}", f"--depth={work.depth}", f"--idle={work.idle}",
                f"--mode={work.mode}"]
        return run_client(name, argv, server, seconds + warmup + LOAD_SETUP_LIMIT_S)


def run_rounds(measures, work, rounds, failures=None):
    """Returns, for each server, its figures in the order of the rounds.

    `measures` holds a function of the work for each server's name. A failure ends the run, unless
    there is a dict for `failures`: then it is written down there, and the server sits out the rest.
    """
    figures = {name: [] for name in measures}
    for number in range(rounds):
        for name in measures if number % 2 == 0 else reversed(measures):
            if failures is not None and name in failures:
                continue
            print(f"{work.title}: round {number + 1}/{rounds}, {name}", file=sys.stderr)
            try:
                figures[name].append(measures[name](work))
            except MeasurementError as error:
                if failures is None:
                    raise
                failures[name] = str(error)
    return figures


def summarise(figures, floor_of=lambda name: FLOOR):
    """Reduces the rounds of one shape of work to one row for each server."""
    def costs(name):
        return [figure["server_cpu_us_per_request"] for figure in figures[name]]

    rows = []
    for name, rounds in figures.items():
        ratios = [cost / floor for cost, floor in zip(costs(name), costs(floor_of(name)))]
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
            print(f"| {WORK[work_name].title} | {row['server']} "
                  f"| {cost[0]} ({cost[1]}–{cost[2]}) "
                  f"| {row['ratio_median']:.2f} ({row['ratio_min']:.2f}–{row['ratio_max']:.2f}) "
                  f"| {row['requests_per_s_median']:,.0f} | {row['core_used_median']:.0%} |")


def machine():
    return {"system": platform.system(), "kernel": platform.release(), "cores": os.cpu_count()}


def work_argument(text):
    names = text.split(",")
    for name in names:
        if name not in WORK:
            raise argparse.ArgumentTypeError(f"no work named {name!r}; there are {', '.join(WORK)}")
    return names


def add_round_arguments(parser, rounds, seconds):
    """The options that every script of rounds has, with its own defaults for two of them."""
    parser.add_argument("--work", type=work_argument, default=list(WORK), metavar="NAME[,NAME]",
                        help=f"which of {', '.join(WORK)} (default: all)")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"(default: {rounds})")
    parser.add_argument("--seconds", type=float, default=seconds,
                        help=f"of each measured window (default: {seconds})")
    parser.add_argument("--warmup", type=float, default=0.5,
                        help="seconds before each window (default: 0.5)")


def parse_round_arguments(parser):
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments
