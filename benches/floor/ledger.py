#!/usr/bin/env python3
"""Where a request's processor time goes in readyd: each system call, and each function of its own.

    cargo build --release --locked
    benches/floor/ledger.py [--work pingpong,churn] [--seconds 4]

Three runs for each shape of work. The first tells the processor time a request, and how many turns of its
loop readyd took, each of which waits once. Under `strace -c` its other calls are counted, and divided by the
requests that it has counted itself. Under `perf
record` its time is sampled: the share of each system call, and of each function above the kernel, is
multiplied by the time of the first run, because sampling costs time, too. Both tools are needed, and
leave to use them; perf must find the names of the functions, so the script builds a readyd of its own
that keeps them. A share is as exact as the number of samples, some 4,000: the square root of its own.
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import (HERE, HOST, MeasurementError, RunningServer, build, check_cores,
                       exit_cleanly_on_sigterm, raise_descriptor_limit)
from rounds import LOAD_SETUP_LIMIT_S, WORK, run_client, work_argument

ROOT = HERE.parent.parent
SAMPLES_A_SECOND = 1000
WARMUP_S = 0.5
# What serving makes; the kernel calls its function for each by the same name.
CALLS = ["epoll_wait", "recvfrom", "sendto", "accept4", "epoll_ctl", "close"]
# Functions with less than this share of the whole are summed up.
LEAST_SHARE = 0.002


def build_with_names():
    directory = ROOT / "target/ledger"
    subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "readyd", "--target-dir", directory,
                    "--config", "profile.release.strip=false", "--config", "profile.release.debug=1"],
                   cwd=ROOT, check=True)
    return directory / "release/readyd"


def run_load(load, server, pid, work, seconds):
    argv = [load, f"--port={server.port}", f"--pid={pid}", f"--seconds={seconds}",
            f"--warmup={WARMUP_S}", f"--connections={work.connections}", f"--size={work.size}",
            f"--depth={work.depth}", f"--idle={work.idle}", f"--mode={work.mode}"]
    return run_client("readyd", argv, server, seconds + LOAD_SETUP_LIMIT_S)


def counters(server):
    """What the server has counted, as it says by its own protocol."""
    with socket.create_connection((HOST, server.port), timeout=10) as peer, peer.makefile("rb") as replies:
        peer.sendall(b"%-64d%s" % (5, b"STATS"))
        text = replies.read(int(replies.read(64))).decode()
    counted = dict(map(str.split, text.splitlines()))
    # The one value that is no number.
    del counted["version"]
    return {name: float(value) for name, value in counted.items()}


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def time_and_turns(command, load, work, seconds):
    """µs a request, and turns of the loop, each of them one epoll_wait, a request."""
    with RunningServer("readyd", command) as server:
        cost = run_load(load, server, server.process.pid, work, seconds)["server_cpu_us_per_request"]
        counted = counters(server)
        return cost, counted["turns"] / counted["requests"]


def count_calls(command, load, work, seconds):
    """Calls a request, by name. But for epoll_wait: a server that is slowed down finds more at once."""
    with tempfile.NamedTemporaryFile("r") as counts:
        with RunningServer("readyd", f"strace -f -c -o {counts.name} {command}") as server:
            run_load(load, server, child_of(server.process.pid), work, seconds)
            requests = counters(server)["requests"]
            subprocess.run(["kill", "-TERM", str(child_of(server.process.pid))], check=True)
            server.process.wait(timeout=30)
        lines = [line.split() for line in counts]
    return {fields[-1]: int(fields[3]) / requests for fields in lines
            if len(fields) >= 5 and fields[-1] in CALLS}


def report(samples, *arguments):
    """(share, binary, function) of each line of a report."""
    text = subprocess.run(["perf", "report", "-i", samples, "--stdio", "-g", "none", "-F", "overhead,dso,sym",
                           *arguments], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\s*([\d.]+)%\s+(\S+)\s+\[[.k]\] (.+?)\s*$", text, re.MULTILINE)
    return [(float(share) / 100, binary, function) for share, binary, function in found]


def inclusive(samples):
    text = subprocess.run(["perf", "report", "-i", samples, "--stdio", "-g", "none", "--children", "-F",
                           "overhead_children,sym"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\s*([\d.]+)%\s+\[k\] (\S+)", text, re.MULTILINE)
    return {function: float(share) / 100 for share, function in found}


def sample_time(command, load, work, seconds, cost):
    """The cost, in µs a request: by system call, of the rest of the kernel, by function above it."""
    with tempfile.TemporaryDirectory() as directory, RunningServer("readyd", command) as server:
        samples = f"{directory}/perf.data"
        recorder = subprocess.Popen(
            ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_A_SECOND), "-g", "-o", samples,
             "-p", str(server.process.pid), "--", "sleep", str(WARMUP_S + seconds)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run_load(load, server, server.process.pid, work, seconds)
        if recorder.wait(timeout=60):
            raise MeasurementError("perf record failed: is sampling allowed (perf_event_paranoid)?")
        flat, children = report(samples, "--no-children"), inclusive(samples)
        calls = {call: children.get(f"__x64_sys_{call}", 0) * cost for call in CALLS}
        above = [(share, function) for share, binary, function in flat if "kernel" not in binary]
        kernel = sum(share for share, binary, _ in flat if "kernel" in binary) * cost
        functions = {}
        for share, function in above:
            name = re.sub(r"<(?!impl )[^<>]*>", "", function) if share >= LEAST_SHARE else "(smaller ones)"
            functions[name] = functions.get(name, 0) + share * cost
        return calls, kernel - sum(calls.values()), functions


def print_ledger(work, cost, counted, sampled):
    calls, rest, functions = sampled
    print(f"\n**{work.title}**: {cost * 1000:,.0f} ns a request\n")
    print("| what | calls a request | ns a request |")
    print("|---|---|---|")
    for call in CALLS:
        if counted.get(call, 0) >= 0.01 or calls[call] >= 0.001:
            print(f"| {call} | {counted.get(call, 0):.3f} | {calls[call] * 1000:,.0f} |")
    print(f"| the rest of the kernel: entering and leaving, interrupts | | {rest * 1000:,.0f} |")
    for name, time in sorted(functions.items(), key=lambda item: -item[1]):
        print(f"| `{name}` | | {time * 1000:,.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=work_argument, default=["pingpong", "pipelined", "large", "churn"],
                        metavar="NAME[,NAME]", help=f"which of {', '.join(WORK)}")
    parser.add_argument("--seconds", type=float, default=4,
                        help="of each run (default: 4)")
    arguments = parser.parse_args()
    for tool in ("strace", "perf"):
        if shutil.which(tool) is None:
            sys.exit(f"ledger: this needs {tool}")
    exit_cleanly_on_sigterm()
    check_cores()
    raise_descriptor_limit()
    command, load = f"{build_with_names()} --listen framed={HOST}:{{port}}", build("load")
    try:
        for name in arguments.work:
            work = WORK[name]
            cost, turns = time_and_turns(command, load, work, arguments.seconds)
            counted = count_calls(command, load, work, arguments.seconds) | {"epoll_wait": turns}
            print_ledger(work, cost, counted,
                         sample_time(command, load, work, arguments.seconds, cost))
    except MeasurementError as error:
        sys.exit(f"ledger: {error}")


if __name__ == "__main__":
    main()
