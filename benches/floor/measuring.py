"""What every measurement here needs: the C programs built, servers started and stopped, cores apart."""

import ctypes
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD_DIR = HERE.parent.parent / "target" / "floor"
CFLAGS = ["-O2", "-Wall", "-Wextra", "-Werror"]

SERVER_CORE, LOAD_CORE = 0, 1
HOST = "127.0.0.1"
STARTUP_LIMIT_S = 10


class MeasurementError(Exception):
    """A server or a client could not be run, or did not do its work correctly."""


def build(name, directory=HERE, flags=()):
    """Compiles the C program NAME.c of a directory and returns its path."""
    BUILD_DIR.mkdir(parents=True, exist_ok=True)
    program = BUILD_DIR / name
    subprocess.run(["cc", *CFLAGS, "-I", HERE, "-o", program, directory / f"{name}.c", *flags],
                   check=True)
    return str(program)


def exit_cleanly_on_sigterm():
    """Turns SIGTERM into an exception, so that what was started is stopped on the way out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def check_cores():
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        sys.exit(f"this needs core {SERVER_CORE} for the server and {LOAD_CORE} for the load")


def raise_descriptor_limit():
    """Child processes inherit it; 9,000 connections need as many descriptors on either side."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def pin_to(core):
    return lambda: os.sched_setaffinity(0, {core})


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def process_cpu_s(pid):
    """The processor time of all threads of a process so far, those that have ended included."""
    clock = ctypes.c_int()
    error = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise MeasurementError(f"cpu clock of process {pid}: {os.strerror(error)}")
    return time.clock_gettime(clock.value)


class RunningServer:
    """A server process on its own core, for the length of a `with` block."""

    def __init__(self, name, command):
        self.name = name
        self.port = free_port()
        self.argv = [part.replace("{port}", str(self.port)) for part in shlex.split(command)]

    def __enter__(self):
        self.stderr = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.stderr,
                preexec_fn=pin_to(SERVER_CORE),
            )
        except OSError as error:
            raise MeasurementError(f"{self.name}: cannot run {self.argv[0]}: {error}") from error
        try:
            self.wait_until_connectable()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_until_connectable(self):
        give_up_at = time.monotonic() + STARTUP_LIMIT_S
        while time.monotonic() < give_up_at:
            if self.process.poll() is not None:
                raise MeasurementError(f"{self.name}: exited at start: {self.said()}")
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise MeasurementError(f"{self.name}: nothing listens on port {self.port}: {self.said()}")

    def said(self):
        self.stderr.seek(0)
        return self.stderr.read()[-2000:].decode(errors="replace").strip() or "(nothing on stderr)"

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.stderr.close()


def significant(value):
    """Three digits that carry information, for costs from 0.1 to 100 µs."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
