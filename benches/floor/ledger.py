#!/usr/bin/env python3
"""Where a request's processor time goes in readyd: each system call, and each function of its own.

    cargo build --release --locked
    benches/floor/ledger.py [--work pingpong,churn] [--seconds 4]

Two runs for each shape of work. Under `strace -c` the server's calls are counted, and divided by the
requests that the server itself has counted. Under `perf record` its time is sampled: what share of it
lies in each system call, and in each function above the kernel. The shares are multiplied by the
processor time a request in that run. Both tools are needed, and leave to use them; perf must find the
names of the functions, so the script builds a readyd of its own that keeps them.
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
SAMPLES_A_SECOND = 4000
WARMUP_S = 0.5
# The kernel's function for each call that serving makes.
CALLS = {"epoll_wait": "epoll_wait", "recvfrom": "recvfrom", "sendto": "sendto", "accept4": "accept4",
         "epoll_ctl": "epoll_ctl", "close": "close"}
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


def requests_served(server):
    """What the server says, by its own protocol."""
    with socket.create_connection((HOST, server.port), timeout=10) as peer:
        peer.sendall(b"%-64d%s" % (5, b"STATS"))
        text = b""
        while b"\nrequests " not in text or not text.endswith(b"\n"):
            piece = peer.recv(65536)
            if not piece:
                raise MeasurementError("readyd closed instead of telling its statistics")
            text += piece
    return int(re.search(rb"^requests (\d+)$", text, re.MULTILINE)[1])


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def count_calls(command, load, work, seconds):
    """Calls a request, by name."""
    with tempfile.NamedTemporaryFile("r") as counts:
        with RunningServer("readyd", f"strace -f -c -o {counts.name} {command}") as server:
            run_load(load, server, child_of(server.process.pid), work, seconds)
            requests = requests_served(server)
            subprocess.run(["kill", "-TERM", str(child_of(server.process.pid))], check=True)
            server.process.wait(timeout=30)
        calls = {}
        for line in counts:
            fields = line.split()
            if len(fields) >= 5 and fields[-1] in CALLS:
                calls[fields[-1]] = int(fields[3]) / requests
        return calls


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


def sample_time(command, load, work, seconds):
    """µs a request: the whole, by system call, by function above the kernel."""
    with tempfile.TemporaryDirectory() as directory, RunningServer("readyd", command) as server:
        samples = f"{directory}/perf.data"
        recorder = subprocess.Popen(
            ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_A_SECOND), "-g", "-o", samples,
             "-p", str(server.process.pid), "--", "sleep", str(WARMUP_S + seconds)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cost = run_load(load, server, server.process.pid, work, seconds)["server_cpu_us_per_request"]
        if recorder.wait(timeout=60):
            raise MeasurementError("perf record failed: is sampling allowed (perf_event_paranoid)?")
        flat, children = report(samples, "--no-children"), inclusive(samples)
        calls = {call: children.get(f"__x64_sys_{name}", 0) * cost for call, name in CALLS.items()}
        above = [(share, function) for share, binary, function in flat if "kernel" not in binary]
        kernel = sum(share for share, binary, _ in flat if "kernel" in binary) * cost
        functions = {}
        for share, function in above:
            name = re.sub(r"<[^<>]*>", "", function) if share >= LEAST_SHARE else "(smaller ones)"
            functions[name] = functions.get(name, 0) + share * cost
        return cost, calls, kernel - sum(calls.values()), functions


def print_ledger(work, counted, sampled):
    cost, calls, rest, functions = sampled
    print(f"\n**{work.title}**: {cost * 1000:,.0f} ns a request\n")
    print("| what | calls a request | ns a request |")
    print("|---|---|---|")
    for call in CALLS:
        if counted.get(call, 0) >= 0.0005 or calls[call] >= 0.001:
            print(f"| {call} | {counted.get(call, 0):.3f} | {calls[call] * 1000:,.0f} |")
    print(f"| the kernel besides: entering and leaving, interrupts | | {rest * 1000:,.0f} |")
    for name, time in sorted(functions.items(), key=lambda item: -item[1]):
        print(f"| `{name}` | | {time * 1000:,.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=work_argument, default=["pingpong", "pipelined", "large", "churn"],
                        metavar="NAME[,NAME]", help=f"which of {', '.join(WORK)}")
    parser.add_argument("--seconds", type=float, default=4)
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
            counted = count_calls(command, load, work, arguments.seconds / 2)
            print_ledger(work, counted, sample_time(command, load, work, arguments.seconds))
    except MeasurementError as error:
        sys.exit(f"ledger: {error}")


if __name__ == "__main__":
    main()
