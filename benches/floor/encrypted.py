#!/usr/bin/env python3
"""Measures what TLS costs: readyd's own, beside HAProxy and nginx that end TLS in front of a readyd.

The server, or the proxy and the server behind it, have core 0; the client, `readyc bench --tls`, has
core 1. Every measurement starts fresh processes; each second round goes in reverse order. A ratio is
taken within each round, and its median is reported.

The cost is the CPU time a request of all processes on the server's side, from before the load to
after it, so the handshakes count. All have one certificate (ECDSA, P-256); the client's first choice
is TLS 1.3 with AES-256-GCM, and each server takes it. Needs Debian's haproxy, nginx,
libnginx-mod-stream and openssl, and a readyd that was built with `--features tls`.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from measuring import (HERE, HOST, LOAD_CORE, MeasurementError, RunningServer, check_cores,
                       exit_cleanly_on_sigterm, pin_to, process_cpu_s, raise_descriptor_limit,
                       significant)

RELEASE = HERE.parent.parent / "target" / "release"
CONNECTIONS = 64
CLIENT_OVERTIME_S = 60
PLAIN = "readyd, plain"
OURS = "readyd"

# name -> arguments of readyc bench
WORK = {
    "pingpong": ["--size=32"],
    "pipelined": ["--size=32", "--pipeline=32"],
    "large": ["--size=16KiB"],
    "resumed": ["--size=32", "--lifetime=1"],
}

HAPROXY = """\
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen readyd
    bind {host}:{port} ssl crt {folder}/both.pem
    server one {host}:{behind}
"""

NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8000; }}
stream {{
    server {{
        listen {host}:{port} ssl;
        proxy_pass {host}:{behind};
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:readyd:10m;
    }}
}}
"""


def make_certificate(folder):
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "30", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True, capture_output=True)
    (folder / "both.pem").write_text(certificate.read_text() + key.read_text())


def processes_of(pid):
    """A process and its children: nginx has a worker."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


class Proxy(RunningServer):
    """HAProxy or nginx with a configuration that is written when its port is known."""

    def __init__(self, name, command, configuration, folder, behind):
        super().__init__(name, command)
        text = configuration.format(host=HOST, port=self.port, behind=behind, folder=folder)
        (folder / f"{name}.conf").write_text(text)


def start(name, programs, folder, stack):
    """Starts what `name` is; returns the servers, the first of which has the clients."""
    options = f",tls,cert={folder}/cert.pem,key={folder}/key.pem" if name == OURS else ""
    command = f"{shlex.quote(str(programs.readyd))} --log warn --listen framed={HOST}:{{port}}"
    readyd = stack.enter_context(RunningServer("readyd", command + options))
    if name in (OURS, PLAIN):
        return [readyd]
    command, configuration = {
        "haproxy": (f"haproxy -f {folder}/haproxy.conf", HAPROXY),
        "nginx": (f"nginx -c {folder}/nginx.conf", NGINX),
    }[name]
    proxy = Proxy(name, command, configuration, folder, readyd.port)
    return [stack.enter_context(proxy), readyd]


def measure(name, programs, folder, work, seconds):
    """One run against fresh processes."""
    with ExitStack() as stack:
        servers = start(name, programs, folder, stack)
        pids = [pid for server in servers for pid in processes_of(server.process.pid)]
        before = sum(map(process_cpu_s, pids))
        encrypted = [] if name == PLAIN else [
            "--tls", f"--ca={folder}/cert.pem", "--servername=localhost"]
        client = subprocess.run(
            [programs.readyc, "bench", f"--connections={CONNECTIONS}", f"--duration={seconds}s",
             "--json=-", "--quiet", *WORK[work], *encrypted, f"{HOST}:{servers[0].port}"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds + CLIENT_OVERTIME_S,
            preexec_fn=pin_to(LOAD_CORE))
        cpu_s = sum(map(process_cpu_s, pids)) - before
    try:
        achieved = json.loads(client.stdout)["achieved"]
    except ValueError:
        raise MeasurementError(f"{name}: readyc: {client.stderr.decode(errors='replace')}") from None
    if not achieved["answered"] or achieved["mismatched"]:
        raise MeasurementError(f"{name}: {achieved['answered']} requests answered, "
                               f"{achieved['mismatched']} of them wrongly")
    tls = achieved.get("tls") or {"handshakes": 0, "resumed": 0}
    return {"cpu_us_per_request": cpu_s * 1e6 / achieved["answered"],
            "requests_per_s": achieved["answered"] / achieved["elapsed_s"],
            "handshakes": tls["handshakes"], "resumed": tls["resumed"]}


def run_rounds(names, programs, folder, work, arguments):
    figures = {name: [] for name in names}
    for number in range(arguments.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            print(f"{work}: round {number + 1}/{arguments.rounds}, {name}", file=sys.stderr)
            figures[name].append(measure(name, programs, folder, work, arguments.seconds))
    return figures


def print_table(results):
    print("| work | who ends TLS | CPU µs a request | ratio to readyd's TLS: median (min–max) "
          "| requests/s | resumed |")
    print("|---|---|---|---|---|---|")
    for work, figures in results.items():
        for name, rounds in figures.items():
            cost, rate = (statistics.median(one[which] for one in rounds)
                          for which in ("cpu_us_per_request", "requests_per_s"))
            ratios = [one["cpu_us_per_request"] / ours["cpu_us_per_request"]
                      for one, ours in zip(rounds, figures[OURS])]
            handshakes, resumed = (sum(one[which] for one in rounds)
                                   for which in ("handshakes", "resumed"))
            share = f"{100 * resumed / handshakes:.1f} %" if handshakes else "–"
            print(f"| {work} | {name} | {significant(cost)} | {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f}–{max(ratios):.2f}) | {rate:,.0f} | {share} |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readyd", type=Path, default=RELEASE / "readyd", help="built with tls")
    parser.add_argument("--readyc", type=Path, default=RELEASE / "readyc", help="likewise")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each run")
    parser.add_argument("--work", type=lambda text: text.split(","), default=list(WORK),
                        help=f"some of {','.join(WORK)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.work) - set(WORK):
        parser.error(f"--work: no {', '.join(sorted(unknown))}; there are {', '.join(WORK)}")
    return arguments


def main():
    arguments = parse_arguments()
    exit_cleanly_on_sigterm()
    check_cores()
    raise_descriptor_limit()
    names = [OURS, "haproxy", "nginx", PLAIN]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        # nginx as root gives its worker the rights of nobody.
        os.chmod(folder, 0o755)
        make_certificate(folder)
        try:
            results = {work: run_rounds(names, arguments, folder, work, arguments)
                       for work in arguments.work}
        except (MeasurementError, OSError, subprocess.SubprocessError) as error:
            sys.exit(f"encrypted.py: {error}")
    print_table(results)


if __name__ == "__main__":
    main()
