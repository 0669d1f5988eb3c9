#!/usr/bin/env python3
"""Measures servers of the framed echo protocol against the floor, `epoll_server.c`.

Each server gets core 0 and the load generator core 1. Every measurement starts a fresh process;
rounds.py says how they take turns and how ratios are formed.

The cost is the server's CPU time a request (user and kernel), not the time the client waited.
"""

import argparse
import json
import shlex
import sys
from functools import partial
from pathlib import Path

from measuring import (MeasurementError, build, check_cores, exit_cleanly_on_sigterm,
                       raise_descriptor_limit)
from rounds import (FLOOR, WORK, add_round_arguments, machine, measure, parse_round_arguments,
                    print_table, run_rounds, summarise)

SELF_CHECK_TOLERANCE = 0.05


def server_argument(text):
    name, equals, command = text.partition("=")
    if not (name and equals and command) or "{port}" not in command or name == FLOOR:
        raise argparse.ArgumentTypeError(
            f"expected NAME=COMMAND with {{port}} in the command and a name other than {FLOOR}")
    return name, command


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", action="append", default=[], type=server_argument,
                        metavar="NAME=COMMAND", help="a server to measure; {port} is replaced")
    parser.add_argument("--self-check", action="store_true",
                        help="measure the floor against itself; exit 1 unless the ratios are near 1")
    add_round_arguments(parser, rounds=5, seconds=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure here")
    return parse_round_arguments(parser)


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
    measures = {name: partial(measure, name, command, load, seconds=arguments.seconds,
                              warmup=arguments.warmup)
                for name, command in servers.items()}

    try:
        results = {name: summarise(run_rounds(measures, WORK[name], arguments.rounds))
                   for name in arguments.work}
    except MeasurementError as error:
        sys.exit(f"compare.py: {error}")
    print_table(results)
    if arguments.json:
        settings = {"rounds": arguments.rounds, "seconds": arguments.seconds, "warmup": arguments.warmup}
        report = {"machine": machine(), "settings": settings, "results": results}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    if arguments.self_check:
        for name, rows in results.items():
            if abs(rows[1]["ratio_median"] - 1) > SELF_CHECK_TOLERANCE:
                sys.exit(f"compare.py: self-check: {name} differs from itself; is the machine quiet?")


if __name__ == "__main__":
    main()
