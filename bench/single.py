"""Rows about what a single server costs: memory of a job, depth of a queue, length of a journal."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from comparison import Side
from generator import Load, fill, generate, prepare, shown_command
from result import Bench, Line, Target, missing
from server import MeasurementFailed, Server
from wire import ask_redis

DEPTH_PIPELINE = 500
"""So long that the way to the server and back vanishes in what the server does."""


@dataclass(frozen=True)
class JobMemory:
    """Bytes of resident memory that one waiting job adds; another server's beside, for scale."""

    name: str
    title: str
    ours: Side
    theirs: Side
    jobs: int
    bytes_max: float

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield one line."""
        line = Line(
            self.name,
            self.title,
            f"{self.jobs:,} jobs",
            "bytes",
            target=Target(self.bytes_max, at_least=False),
            judges_ratio=False,
            problem=missing([self.ours.rival, self.theirs.rival]),
        )
        try:
            for key, side, values in (
                ("ours", self.ours, line.ours),
                ("theirs", self.theirs, line.theirs),
            ):
                line.commands[key] = side.rival.shown_command(side.mode)
                if side.rival.executable() is not None:
                    values.append(self._bytes_per_job(bench, side))
        except MeasurementFailed as failure:
            line.problem = str(failure)
        yield line

    def _bytes_per_job(self, bench: Bench, side: Side) -> float:
        with Server(side.rival, side.mode, bench.directory) as server:
            prepare(server, side.workload)
            empty = server.rss_bytes()
            fill(server, side.workload, self.jobs)
            server.wait_until_quiet()
            return (server.rss_bytes() - empty) / self.jobs


@dataclass(frozen=True)
class DepthCost:
    """What a push and a pop cost in a deep queue, as a multiple of a shallow one.

    One connection with a long pipeline walks the cycle, so the depth stays and a step's time is
    the server's work on it: the way there and back is shared by the commands of the pipeline.
    """

    name: str
    title: str
    side: Side
    deep: int
    shallow: int
    ratio_max: float

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for push and one for pop."""
        lines = {
            kind: Line(
                self.name,
                f"{self.title}: {word}",
                f"{self.deep:,} against {self.shallow:,}",
                "µs",
                target=Target(self.ratio_max, at_least=False),
                problem=missing([self.side.rival]),
                commands={"ours": self.side.rival.shown_command(self.side.mode)},
            )
            for kind, word in (("push", "a push"), ("take", "a pop"))
        }
        try:
            if self.side.rival.executable() is not None:
                self._measure_both(bench, lines)
        except MeasurementFailed as failure:
            for line in lines.values():
                line.problem = str(failure)
        yield from lines.values()

    def _measure_both(self, bench: Bench, lines: dict[str, Line]) -> None:
        workload = self.side.workload
        load = Load(connections=1, pipeline=DEPTH_PIPELINE, seconds=bench.seconds)
        for line in lines.values():
            line.loads["ours"] = shown_command(workload, load)
        with ExitStack() as stack:
            servers = {}
            for key, depth in (("ours", self.deep), ("theirs", self.shallow)):
                server = Server(self.side.rival, self.side.mode, bench.directory)
                servers[key] = stack.enter_context(server)
                prepare(server, workload)
                fill(server, workload, depth)
            for _ in range(bench.rounds):
                measured = {}
                for key, server in servers.items():
                    server.wait_until_quiet()
                    measured[key] = generate(server, workload, load)
                for kind, line in lines.items():
                    line.ours.append(_cost_us(measured["ours"], kind))
                    line.theirs.append(_cost_us(measured["theirs"], kind))
                    line.rounds.append(measured)


@dataclass(frozen=True)
class Replay:
    """How fast a killed server reads its journal again: records a second, from a warm page cache.

    What an empty journal takes to start is subtracted: it is the interpreter's, not the replay's.
    """

    name: str
    title: str
    side: Side
    records: int
    rate_min: float

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield one line."""
        line = Line(
            self.name,
            self.title,
            f"{self.records:,} pushes",
            "records/s",
            target=Target(self.rate_min),
            judges_ratio=False,
            problem=missing([self.side.rival]),
            commands={"ours": self.side.rival.shown_command(self.side.mode)},
        )
        try:
            if self.side.rival.executable() is not None:
                self._measure_restarts(bench, line)
        except MeasurementFailed as failure:
            line.problem = str(failure)
        yield line

    def _measure_restarts(self, bench: Bench, line: Line) -> None:
        with (
            Server(self.side.rival, self.side.mode, bench.directory) as empty,
            Server(self.side.rival, self.side.mode, bench.directory) as full,
        ):
            fill(full, self.side.workload, self.records)
            for _ in range(bench.rounds):
                empty.kill()
                empty_seconds = empty.start()
                full.kill()
                ready_seconds = full.start()
                found = ask_redis(full.port, "QLEN", "jobs")
                if found != f":{self.records}".encode():
                    raise MeasurementFailed(f"after the restart QLEN answers {found.decode()}")
                line.ours.append(self.records / max(ready_seconds - empty_seconds, 1e-3))
                line.rounds.append(
                    {"ready_seconds": ready_seconds, "empty_ready_seconds": empty_seconds}
                )


@dataclass(frozen=True)
class Startup:
    """How long a killed server takes to be ready, beside reading its files, both from a cold cache.

    A second line has the resident memory that it has then, a job.
    """

    name: str
    title: str
    side: Side
    jobs: int

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for the time and one for the memory."""
        ready, memory = (
            Line(
                self.name,
                f"{self.title}: {what}",
                f"{self.jobs:,} jobs",
                unit,
                problem=missing([self.side.rival]),
                commands={"ours": self.side.rival.shown_command(self.side.mode)},
            )
            for what, unit in (
                ("time to ready, beside `cat` of the journal", "s"),
                ("resident memory of a job", "bytes"),
            )
        )
        try:
            if self.side.rival.executable() is not None:
                self._measure(bench, ready, memory)
        except MeasurementFailed as failure:
            ready.problem = memory.problem = str(failure)
        yield ready
        yield memory

    def _measure(self, bench: Bench, ready: Line, memory: Line) -> None:
        with Server(self.side.rival, self.side.mode, bench.directory) as server:
            empty_bytes = server.rss_bytes()
            fill(server, self.side.workload, self.jobs)
            for _ in range(bench.rounds):
                start_cold(server, self.jobs, ready)
                memory.ours.append((server.rss_bytes() - empty_bytes) / self.jobs)


def start_cold(server: Server, jobs: int, line: Line) -> None:
    """Kill a server, have its files read, and start it again, both from a cold cache.

    How long each takes goes into the line. The queue `jobs` must be as long as it was.
    """
    server.kill()
    files = files_of(server)
    size_bytes = sum(path.stat().st_size for path in files)
    forget_pages(files)
    began = time.monotonic()
    subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True)
    line.theirs.append(time.monotonic() - began)
    forget_pages(files)
    line.ours.append(server.start())
    line.rounds.append({"journal_bytes": size_bytes})
    found = ask_redis(server.port, "QLEN", "jobs")
    if found != f":{jobs}".encode():
        raise MeasurementFailed(f"after the restart QLEN answers {found.decode()}")


def files_of(server: Server) -> list[Path]:
    """Return what a server has written."""
    return [path for path in server.directory.rglob("*") if path.is_file()]


def forget_pages(files: Sequence[Path]) -> None:
    """Have the system drop what it keeps of files, so that the disk is read."""
    os.sync()
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _cost_us(measured: dict[str, object], kind: str) -> float:
    steps = measured["steps"]
    assert isinstance(steps, list)
    return float(next(step["us_per_command"] for step in steps if step["kind"] == kind))
