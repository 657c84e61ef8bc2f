"""Runs the workload of a framework on respq and on a real Redis, and compares what came of it.

A framework is a line in requirements.txt, a module ``NAME_workload`` (workload.py says what is in
it), and a module ``test_NAME`` that calls `outcomes` and `kills`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.compat.frameworks.workload import DIRECTORY
from tests.requirements import ROOT, framework, redis_py, redis_server
from tests.server_process import ServerProcess

PROGRAM = "tests.compat.frameworks.program"
PROGRAM_S = 100.0
"""How long a workload may take. It should take a few seconds."""
END_S = 10.0
LOG_LINES = 40
"""How much of a log is shown when something went wrong."""


class Server(Protocol):
    """What can be started, killed, and started again on the same port."""

    port: int

    def start(self) -> None: ...

    def kill(self) -> None: ...


class RedisProcess:
    """``redis-server`` as it is without a configuration file: snapshots, no append-only file."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it is ready."""
        self._process = subprocess.Popen(
            [redis_server(), "--port", str(self.port), "--bind", "127.0.0.1"],
            cwd=self._directory,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"ready to accept connections" in line.lower():
                return
        raise AssertionError(f"redis-server ended with status {self._process.wait()}")

    def kill(self) -> None:
        """End it at once, with no chance to save anything."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=END_S)
            self._process = None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True)
class Both:
    """Something of respq, and the same of Redis."""

    respq: Any
    redis: Any


def made(kind: str, directory: Path) -> Server:
    """Return a server, ``respq`` or ``redis``, that keeps its data in a directory."""
    return ServerProcess(directory) if kind == "respq" else RedisProcess(directory)


@contextmanager
def servers(directory: Path) -> Iterator[Both]:
    """Run one of each."""
    with ExitStack() as stack:
        running = []
        for kind in ("respq", "redis"):
            (directory / kind).mkdir()
            running.append(server := made(kind, directory / kind))
            stack.callback(server.kill)
            server.start()
        yield Both(*running)


def on_both(run: Callable[[str], Any]) -> Both:
    """Call a function for ``respq`` and for ``redis`` at the same time."""
    with ThreadPoolExecutor(2) as pool:
        return Both(*pool.map(run, ("respq", "redis")))


# A workload, undisturbed


def outcomes(
    name: str, running: Both, directory: Path, protocol: int, redis_major: int | None = None
) -> Both:
    """Run the story of a framework on both; return what came of it.

    A framework that does not let one choose the protocol takes the default of its client: before
    redis-py 8 that was RESP2.
    """

    def run(kind: str) -> Any:
        (directory / kind).mkdir()
        with program(
            *(name, "story", getattr(running, kind).port, protocol, directory / kind),
            redis_major=redis_major,
        ) as process:
            return outcome(process, directory / kind)

    return on_both(run)


# A workload, and a kill in the middle


@dataclass(frozen=True)
class Survival:
    """What a kill has left."""

    answered: list[str]
    """The jobs whose pushes were answered, in order."""
    done: list[str]

    @property
    def lost(self) -> list[str]:
        """Return the jobs that were answered for and never done."""
        return sorted(set(self.answered) - set(self.done))


def kills(name: str, directory: Path, protocol: int) -> Both:
    """Run a framework on both, kill each server in the middle; return a `Survival` of each."""

    def run(kind: str) -> Survival:
        (directory / kind).mkdir()
        (directory / kind / "data").mkdir()
        server = made(kind, directory / kind / "data")
        server.start()
        try:
            durable = ["durable"] if kind == "respq" else []
            with program(
                name, "outlive", server.port, protocol, directory / kind, *durable
            ) as process:
                assert process.stdout is not None
                if process.stdout.readline() == "kill\n":
                    server.kill()
                    server.start()
                    (directory / kind / "restarted").touch()
                return Survival(**outcome(process, directory / kind))
        finally:
            server.kill()

    return on_both(run)


# The process


@contextmanager
def program(
    name: str,
    part: str,
    port: int,
    protocol: int,
    directory: Path,
    *words: str,
    redis_major: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a part of a workload in a process of its own, with its notes in a directory."""
    path = [framework(name)] if redis_major is None else [redis_py(redis_major), framework(name)]
    command = [sys.executable, "-m", PROGRAM, name, part, str(port), str(protocol), *words]
    with (directory / "program.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, path)),
                DIRECTORY: str(directory),
            },
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=END_S)


def outcome(process: subprocess.Popen[str], directory: Path) -> Any:
    """Return what a workload printed at its end; show the logs if it ended badly."""
    try:
        said, _ = process.communicate(timeout=PROGRAM_S)
    except subprocess.TimeoutExpired:
        said = "it did not end"
        process.kill()
    if process.returncode == 0:
        return json.loads(said.splitlines()[-1])
    shown = [f"--- {path}\n" + tail(path) for path in sorted(directory.glob("*.log"))]
    raise AssertionError("\n".join([f"in {directory}: {said}", *shown]))


def tail(path: Path) -> str:
    """Return the end of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_LINES:])
