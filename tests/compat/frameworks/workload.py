"""What the workloads of all frameworks use, on the side of the framework.

A workload is a module ``NAME_workload`` with the jobs of a framework and two functions::

    story(place) -> outcome      a realistic day: what came of it, as JSON can hold it
    outlive(place) -> outcome    jobs pushed and done while the server is killed: `push_and_do`

It runs in a process of its own (program.py) with the framework on the path, and so do its workers.
What a job did it notes in a file, so that no server has a say in it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from itertools import count, cycle
from pathlib import Path
from typing import Any

LIMIT_S = 60.0
"""How long anything may take that takes a second."""
DIRECTORY = "WORKLOAD_DIRECTORY"
"""The environment variable by which jobs find `directory`."""
URL = "WORKLOAD_URL"
"""The environment variable by which modules find `Place.url` when they are imported."""
AROUND = 12
"""Jobs pushed before, and again after a kill."""


@dataclass(frozen=True)
class Place:
    """Where a workload runs."""

    port: int
    protocol: int
    """Of RESP, and the database: two runs on one server do not meet."""
    durable: bool
    """Whether jobs that were answered for are waited for until they are done."""

    @property
    def url(self) -> str:
        """Return the address as redis-py takes it."""
        return f"redis://127.0.0.1:{self.port}/{self.protocol}?protocol={self.protocol}"


def until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as something holds."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.01)


async def until_async(condition: Callable[[], Any], what: str) -> None:
    """Return as soon as something holds, or is awaited to; the loop runs on meanwhile."""
    end = time.monotonic() + LIMIT_S
    while True:
        held = condition()
        if await held if isawaitable(held) else held:
            return
        assert time.monotonic() < end, f"not within {LIMIT_S} s: {what}"
        await asyncio.sleep(0.01)


# What jobs did


def directory() -> Path:
    """Return the directory of this run."""
    return Path(os.environ[DIRECTORY])


def note(line: str) -> str:
    """Note that a job was done; return its name as the job's result."""
    with (directory() / "noted").open("a") as file:
        file.write(line + "\n")
    return line


def noted() -> list[str]:
    """Return what jobs have noted, in order."""
    path = directory() / "noted"
    return path.read_text().splitlines() if path.exists() else []


def note_when_open(line: str, gate: str = "open") -> str:
    """Begin a job, and end it when a gate is open."""
    note(f"begun {line}")
    until((directory() / gate).exists, f"the gate is {gate}")
    return note(line)


def open_gate(gate: str = "open") -> None:
    """Let jobs end that do `note_when_open`."""
    (directory() / gate).touch()


# Workers


@contextmanager
def workers(
    *commands: Sequence[str], again: bool = True
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run worker processes, Python programs, and end them at last.

    Args:
        commands: the arguments of each, as behind ``python``.
        again: start a worker that has ended once more, as a supervisor does.
    """
    with (directory() / "workers.log").open("ab") as log:

        def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, *command], stdout=log, stderr=log, start_new_session=True
            )

        running = [start(command) for command in commands]
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                for at, command in enumerate(commands):
                    if running[at].poll() is not None:
                        running[at] = start(command)

        watcher = threading.Thread(target=watch)
        if again:
            watcher.start()
        try:
            yield running
        finally:
            over.set()
            if again:
                watcher.join()
            for process in running:
                end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a worker and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        assert process.poll() is not None
    process.wait(LIMIT_S)


# A kill in the middle

Way = Callable[[str], bool]
"""Pushes a job that notes the name given; returns whether that was answered for."""


def push_and_do(
    place: Place,
    ways: Mapping[str, Way],
    hold: Way,
    lost: tuple[type[Exception], ...],
    *commands: Sequence[str],
) -> dict[str, Any]:
    """Push jobs all the while that the server is killed and started again, and have them done.

    When the server is killed a worker has one job in its hands, others wait, and more are coming.
    Take workers that do one job at a time, where the framework loses what is on its way to one.

    Args:
        place: where.
        ways: how jobs are pushed, which takes turns; of each the jobs are done in order.
        hold: pushes a job that does `note_when_open`.
        lost: what a push raises that gets no answer.
        commands: of the workers.

    Returns:
        The names ``answered`` for and those ``done``.
    """
    answered: list[str] = []
    turns = zip(cycle(ways.items()), count())

    def push(way: Way, name: str) -> bool:
        try:
            if not way(name):
                return False
        except lost:
            time.sleep(0.01)
            return False
        answered.append(name)
        return True

    def push_next() -> bool:
        (kind, way), number = next(turns)
        return push(way, f"{kind} {number}")

    def push_some() -> None:
        wanted = len(answered) + AROUND
        until(lambda: push_next() and len(answered) >= wanted, "pushes are answered")

    with workers(*commands):
        until(lambda: push(hold, "held"), "a push is answered")
        until(lambda: "begun held" in noted(), "a worker has a job in its hands")
        push_some()
        print("kill", flush=True)  # noqa: T201
        while not (directory() / "restarted").exists():
            push_next()
        open_gate()
        push_some()
        # Behind them comes nothing any more.
        for kind, way in ways.items():
            until(lambda kind=kind, way=way: push(way, f"last {kind}"), "a push is answered")  # type: ignore[misc]
        awaited = set(answered if place.durable else [f"last {kind}" for kind in ways])
        until(lambda: awaited <= set(noted()), "the jobs are done")
    return {"answered": answered, "done": noted()}
