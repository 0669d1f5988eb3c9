"""The servers that are compared: what each is, how it is built, and what it needs."""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from correctness import Framed, Resp
from measuring import BUILD_DIR as FLOOR_BUILD_DIR
from measuring import build

HERE = Path(__file__).resolve().parent
TARGET_DIR = FLOOR_BUILD_DIR.parent
BUILD_DIR = TARGET_DIR / "peers"
RELEASE = TARGET_DIR / "release"
VENV_PYTHON = BUILD_DIR / "venv" / "bin" / "python"
BUILD_LIMIT_S = 1200


class Absent(Exception):
    """What a server needs is not here; the text says what, and how to install it."""


@dataclass(frozen=True)
class Prepared:
    """A server that can be started; `{port}` in `command` stands for its port."""
    command: str
    version: str
    note: str = ""  # what its title has to add on this machine


@dataclass(frozen=True)
class Peer:
    """`prepare` builds the server, or raises Absent."""
    title: str
    prepare: Callable[[], "Prepared"]
    protocol: type = Framed
    builds_fast: bool = True  # in seconds, so that the smoke test can take it


def run_quietly(argv, what, **options):
    """Runs a compiler or asks a program for its version; what it said comes with the error."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=BUILD_LIMIT_S, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(f"{what}: {error}") from error
    if done.returncode != 0:
        raise Absent(f"{what}: {shlex.join(map(str, argv))} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


def need(program, install):
    """The path of a program, or Absent with how to install it."""
    found = shutil.which(program)
    if found is None:
        raise Absent(f"no {program}: {install}")
    return found


def prepared(words, version, note=""):
    return Prepared(shlex.join(map(str, words)), version, note)


def need_cc():
    return need("cc", "apt-get install gcc libc6-dev")


def need_release(program):
    """One of this repository's own programs."""
    return need(str(RELEASE / program), "cargo build --release")


def floor():
    compiler = run_quietly([need_cc(), "--version"], "no cc").splitlines()[0]
    return prepared([build("epoll_server"), "{port}"], compiler)


def libuv():
    need_cc()
    need("pkg-config", "apt-get install pkg-config")
    install = "apt-get install libuv1-dev"
    version = run_quietly(["pkg-config", "--modversion", "libuv"], install)
    flags = run_quietly(["pkg-config", "--cflags", "--libs", "libuv"], install)
    program = build("libuv_server", HERE, shlex.split(flags))
    return prepared([program, "{port}"], f"libuv {version}")


def rust(program):
    need("cargo", "install Rust 1.88 or later with cargo")
    target = BUILD_DIR / "rust"
    manifest = HERE / "rust" / "Cargo.toml"
    run_quietly(["cargo", "build", "--release", "--locked", "--manifest-path", manifest,
                 "--target-dir", target, "--bin", program], "cannot build the Rust servers")
    return target / "release" / program


def locked_version(package):
    """The version of a Rust package, from Cargo.lock."""
    lines = (HERE / "rust" / "Cargo.lock").read_text().splitlines()
    _, version, _ = lines[lines.index(f'name = "{package}"') + 1].split('"')
    return f"{package} {version}"


def tokio():
    return prepared([rust("tokio_server"), "{port}"], locked_version("tokio"))


def monoio():
    program = rust("monoio_server")
    driver = run_quietly([program, "--driver"], "cannot ask monoio for its driver")
    note = driver if driver == "io_uring" else f"{driver}: no io_uring here"
    return prepared([program, "{port}"], locked_version("monoio"), note)


def rust_threads():
    program = rust("threads_server")
    return prepared([program, "{port}"], run_quietly(["rustc", "--version"], "no rustc"))


def go():
    need("go", "apt-get install golang-go")
    program = BUILD_DIR / "go_server"
    run_quietly(["go", "build", "-o", program, "."], "cannot build the Go server", cwd=HERE / "go")
    return prepared([program, "{port}"], run_quietly(["go", "version"], "no Go"))


def python_version(python=sys.executable):
    return run_quietly([python, "--version"], "no Python")


def asyncio():
    words = [sys.executable, HERE / "python" / "asyncio_server.py", "asyncio", "{port}"]
    return prepared(words, python_version())


def uvloop():
    for python in (sys.executable, VENV_PYTHON):
        try:
            version = run_quietly([python, "-c", "import uvloop; print(uvloop.__version__)"], "")
        except Absent:
            continue
        words = [python, HERE / "python" / "asyncio_server.py", "uvloop", "{port}"]
        return prepared(words, f"uvloop {version}, {python_version(python)}")
    venv = os.path.relpath(VENV_PYTHON.parent.parent)
    raise Absent(f"no uvloop: python3 -m venv {venv} && {venv}/bin/pip install uvloop")


def python_threads():
    return prepared([sys.executable, HERE / "python" / "threads_server.py", "{port}"],
                    python_version())


def redis():
    program = need("redis-server", "apt-get install redis-server")
    need_release("readyc")
    words = [program, "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--appendonly", "no"]
    return prepared(words, run_quietly([program, "--version"], "no Redis"))


def readyd():
    program = need_release("readyd")
    return prepared([program, "--listen", "framed=127.0.0.1:{port}"],
                    run_quietly([program, "--version"], "no readyd"))


PEERS = {
    "floor": Peer("bare C epoll loop (the floor)", floor),
    "readyd": Peer("readyd, defaults", readyd),
    "libuv": Peer("libuv, C", libuv),
    "tokio": Peer("tokio current_thread", tokio, builds_fast=False),
    "monoio": Peer("monoio", monoio, builds_fast=False),
    "rust-threads": Peer("Rust std, a thread a connection", rust_threads, builds_fast=False),
    "go": Peer("Go net", go, builds_fast=False),
    "asyncio": Peer("asyncio", asyncio),
    "uvloop": Peer("asyncio + uvloop", uvloop),
    "python-threads": Peer("Python, a thread a connection", python_threads),
    "redis": Peer("Redis ECHO", redis, protocol=Resp),
}
