#!/usr/bin/env python3
"""Compares readyd with other people's servers and frameworks at the same work.

Builds what can be built here, says what is absent, checks that each server is correct, and measures
the CPU time a request of each beside a bare C epoll loop, in interleaved rounds.
"""

import argparse
import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "floor"))

from catalogue import PEERS, Absent
from correctness import CHECKS, Framed, errors_of
from measuring import (MeasurementError, RunningServer, build, check_cores,
                       exit_cleanly_on_sigterm, raise_descriptor_limit)
from readyc_load import measure_with_readyc
from report import table, update_readme
from rounds import (FLOOR, WORK, add_round_arguments, machine, measure, parse_round_arguments,
                    print_table, run_rounds, summarise)

FLOOR_UNDER_READYC = "floor-under-readyc"
# A thread a connection, in Python, gives each of 64 threads its turn only every 5 ms: 0.3 s a round of all.
SMOKE_SECONDS = 1.0
ATTEMPTS = 3


def say(text):
    print(text, file=sys.stderr, flush=True)


def prepare(names):
    """Builds the servers; returns those that there are, and why the others are absent."""
    present, absent = {}, {}
    for name in names:
        say(f"preparing {name}")
        try:
            present[name] = PEERS[name].prepare()
        except (Absent, subprocess.CalledProcessError) as error:
            absent[name] = str(error)
            say(f"ABSENT: {name}: {error}")
    return present, absent


def check(present):
    """Returns what each server does wrong; a server that is not in it is correct."""
    incorrect = {}
    for name, prepared in present.items():
        say(f"checking {name}: {len(CHECKS)} conversations")
        try:
            with RunningServer(name, prepared.command) as server:
                errors = errors_of(server.port, PEERS[name].protocol)
        except MeasurementError as error:
            errors = [str(error)]
        if errors:
            incorrect[name] = errors
            say("\n".join(f"INCORRECT: {name}: {error}" for error in errors))
    return incorrect


def measures_of(servers, load, arguments):
    """How each server is measured; whoever does not speak frames brings the floor's second row."""
    measures = {}
    for name, prepared in servers.items():
        protocol = PEERS[name].protocol
        if protocol is Framed:
            measures[name] = partial(measure, name, prepared.command, load,
                                     seconds=arguments.seconds, warmup=arguments.warmup)
        else:
            measures[FLOOR_UNDER_READYC] = partial(
                measure_with_readyc, FLOOR_UNDER_READYC, servers[FLOOR].command, Framed,
                seconds=arguments.seconds)
            measures[name] = partial(measure_with_readyc, name, prepared.command, protocol,
                                     seconds=arguments.seconds)
    return {name: persistent(measurement) for name, measurement in measures.items()}


def floor_of(name):
    by_load = name in PEERS and PEERS[name].protocol is Framed
    return FLOOR if by_load else FLOOR_UNDER_READYC


def persistent(measurement):
    """On a crowded machine a process may not get to run for a whole window; try again before giving up."""
    def measure_again(work):
        for attempt in range(1, ATTEMPTS):
            try:
                return measurement(work)
            except MeasurementError as error:
                say(f"attempt {attempt} of {ATTEMPTS} failed: {error}")
        return measurement(work)
    return measure_again


def measure_work(measures, work, rounds):
    """Rows of those that got through all rounds, and why the others did not."""
    failures = {}
    figures = run_rounds(measures, work, rounds, failures)
    for name in measures:
        if floor_of(name) in failures and name not in failures:
            failures[name] = "the floor that it is compared with failed"
        if name in failures:
            say(f"FAILED: {name}: {failures[name]}")
    whole = {name: rounds for name, rounds in figures.items() if name not in failures}
    return summarise(whole, floor_of), failures


def peers_argument(text):
    names = text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"no peer named {name!r}; there are {', '.join(PEERS)}")
    return names


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=peers_argument, metavar="NAME[,NAME]",
                        help=f"which of {', '.join(PEERS)} (default: all; the floor is always there)")
    add_round_arguments(parser, rounds=5, seconds=1)
    parser.add_argument("--smoke", action="store_true",
                        help="only what needs no long build: check that it is correct, measure a "
                             "moment of ping-pong, and end with a count")
    parser.add_argument("--limit", type=int, default=3600, metavar="SECONDS",
                        help="stop everything after this time (default: 3600)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure here")
    parser.add_argument("--readme", action="store_true",
                        help="also put the table into README.md beside this script")
    arguments = parse_round_arguments(parser)
    if arguments.smoke:
        arguments.work, arguments.rounds, arguments.seconds = ["pingpong"], 1, SMOKE_SECONDS
        arguments.warmup = 0.1
    return arguments


def chosen(arguments):
    names = arguments.peers or [name for name, peer in PEERS.items()
                                if peer.builds_fast or not arguments.smoke]
    return [FLOOR, *(name for name in names if name != FLOOR)]


def stop_after(seconds):
    """Ends the script, and with it the server and the load that it has started."""
    def give_up(*_):
        sys.exit(f"run.py: not finished after {seconds} s: see --limit, --rounds and --peers")
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)


def compare(arguments, present, report):
    """Measures shape by shape, so that what is done is kept if the rest is interrupted."""
    measures = measures_of(present, build("load"), arguments)
    for work_name in arguments.work:
        rows, failures = measure_work(measures, WORK[work_name], arguments.rounds)
        report["results"][work_name] = rows
        report["failures"][work_name] = failures
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=2) + "\n")


def main():
    arguments = parse_arguments()
    exit_cleanly_on_sigterm()
    stop_after(arguments.limit)
    check_cores()
    raise_descriptor_limit()

    present, absent = prepare(chosen(arguments))
    incorrect = check(present)
    if FLOOR in absent or FLOOR in incorrect:
        sys.exit("run.py: without the floor there is nothing to compare with")
    measured = {name: prepared for name, prepared in present.items() if name not in incorrect}
    titles = {name: PEERS[name].title + (f" ({prepared.note})" if prepared.note else "")
              for name, prepared in measured.items()}
    titles[FLOOR_UNDER_READYC] = "the floor under the same load as Redis"
    report = {
        "machine": machine(),
        "settings": {"rounds": arguments.rounds, "seconds": arguments.seconds,
                     "warmup": arguments.warmup},
        "titles": titles,
        "versions": {name: prepared.version for name, prepared in measured.items()},
        "absent": absent, "incorrect": incorrect, "results": {}, "failures": {},
    }
    compare(arguments, measured, report)
    print(table(report))
    print()
    print_table(report["results"])
    if arguments.readme:
        update_readme(HERE / "README.md", table(report))

    failures = [name for failed in report["failures"].values() for name in failed]
    if arguments.smoke:
        bad = set(incorrect) | set(failures)
        print(f"\n{len(present) - len(bad)} passed, {len(bad)} failed, {len(absent)} skipped")
        sys.exit(1 if bad else 0)
    wanted_but_absent = [name for name in absent if name in (arguments.peers or [])]
    sys.exit(1 if incorrect or wanted_but_absent else 0)


if __name__ == "__main__":
    main()
