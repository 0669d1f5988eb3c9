"""Load by `readyc bench`, for servers that do not speak frames, and its floor.

readyc does not read the server's processor clock, so that is done from outside: over a whole run,
less a run on the same server in which each connection opens, makes one request, and closes. What is
left are the requests alone.
"""

import os
import time

from catalogue import RELEASE
from correctness import Framed
from measuring import HOST, MeasurementError, RunningServer, process_cpu_s
from rounds import LOAD_SETUP_LIMIT_S, run_client

CLOSING_LIMIT_S = 20
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def request_arguments(protocol, work):
    if protocol is Framed:
        return [f"--size={work.size}"]
    text = (LETTERS * (work.size // len(LETTERS) + 1))[:work.size]
    request, reply = (spell(text.encode()).decode().replace("\r", r"\r").replace("\n", r"\n")
                      for spell in (protocol.request, protocol.reply))
    return [f"--send={request}", f"--expect={reply}"]


def command_line(protocol, work, port, limit):
    churn = ["--lifetime=1", "--close=rst"] if work.mode == "churn" else []
    return [str(RELEASE / "readyc"), "bench", f"--connections={work.connections}",
            f"--idle={work.idle}", f"--pipeline={work.depth}", *churn, limit, "--json=-", "--quiet",
            *request_arguments(protocol, work), f"{HOST}:{port}"]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def run_and_account(name, server, protocol, work, limit, limit_s):
    """Returns what a run achieved, and what it cost the server until the last connection was gone."""
    pid = server.process.pid
    open_before, cpu_before = descriptors(pid), process_cpu_s(pid)
    argv = command_line(protocol, work, server.port, limit)
    achieved = run_client(name, argv, server, limit_s)["achieved"]
    give_up_at = time.monotonic() + CLOSING_LIMIT_S
    while descriptors(pid) > open_before:
        if time.monotonic() > give_up_at:
            raise MeasurementError(f"{name}: keeps connections open that the client has closed")
        time.sleep(0.01)
    return achieved, process_cpu_s(pid) - cpu_before


def measure_with_readyc(name, command, protocol, work, seconds):
    """Runs one server under one load and returns the same figures as `rounds.measure`."""
    with RunningServer(name, command) as server:
        limit_s = seconds + LOAD_SETUP_LIMIT_S
        one_each, cpu_of_one_each = run_and_account(
            name, server, protocol, work, f"--requests={work.connections}", limit_s)
        whole, cpu_of_whole = run_and_account(
            name, server, protocol, work, f"--duration={seconds}s", limit_s)
    requests = whole["answered"] - one_each["answered"]
    if requests <= 0:
        raise MeasurementError(f"{name}: only {whole['answered']} requests were answered")
    server_cpu_s = cpu_of_whole - cpu_of_one_each
    return {"requests": requests, "elapsed_s": whole["elapsed_s"], "server_cpu_s": server_cpu_s,
            "server_cpu_us_per_request": server_cpu_s * 1e6 / requests}
