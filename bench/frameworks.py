"""Rows that set a worker loop on respq, or a job framework on it, beside job frameworks on Redis.

The same no-op job, pushed by one producer one after the other and done by one worker process, in
each framework's own way (drivers/).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from result import Bench, Line, Target, missing
from rivals import redis, respq
from server import BUILD, MeasurementFailed, Mode, Server

HERE = Path(__file__).parent / "drivers"
INSTALLED = BUILD / "frameworks"
INSTALL = "bench/install_frameworks.sh"
SECONDS_MAX = 120
CALIBRATION_JOBS = 200
JOBS_STEP = 100
"""A driver that works in batches wants a multiple of them."""


@dataclass(frozen=True)
class Driver:
    """A program that pushes or works (drivers/jobs.py), and how the table calls it."""

    shown: str
    program: str
    package: str
    """Its directory under `INSTALLED`, and what it is called there."""

    def command(self) -> list[str] | None:
        """Return how it is called, None where it is not installed."""
        place = INSTALLED / self.package
        if self.program.endswith(".mjs"):
            node = shutil.which("node")
            there = (place / "node_modules" / self.package).is_dir()
            return [node, str(place / self.program)] if node and there else None
        return (
            [sys.executable, str(HERE / self.program)] if (place / ".installed").exists() else None
        )

    def run(self, phase: str, port: int, count: int) -> float:
        """Push or do ``count`` jobs; return the jobs a second."""
        command = self.command()
        assert command is not None
        try:
            done = subprocess.run(
                [*command, phase, str(port), str(count)],
                capture_output=True,
                text=True,
                timeout=SECONDS_MAX,
                env=os.environ | {"PYTHONPATH": str(INSTALLED / self.package)},
                check=False,
            )
            answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired:
            raise MeasurementFailed(f"{self.shown}: {phase} did not end") from None
        except (IndexError, ValueError):
            lines = (done.stderr.strip() or "it said nothing").splitlines()
            raise MeasurementFailed(f"{self.shown}: {phase}: {lines[-1]}") from None
        if "problem" in answer:
            raise MeasurementFailed(f"{self.shown}: {answer['problem']}")
        return count / float(answer["seconds"])


ONE_BY_ONE = Driver("redis-py, one by one", "respq_one.py", "redis")
TEN_AT_ONCE = Driver("redis-py, ten at once", "respq_ten.py", "redis")


@dataclass(frozen=True)
class Framework:
    """A framework on Redis, beside the same or a loop of our own on respq."""

    name: str
    title: str
    ours: Driver
    theirs: Driver
    our_mode: Mode
    their_mode: Mode
    at_least: float | None = None

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for pushing and one for working."""
        lines = {
            phase: Line(
                self.name,
                f"{self.title}: {shown}",
                "one process",
                "jobs/s",
                target=None if self.at_least is None else Target(self.at_least),
                problem=missing([respq.SERVER, redis.SERVER]) or self._missing_driver(),
                commands={
                    "ours": respq.SERVER.shown_command(self.our_mode),
                    "theirs": redis.SERVER.shown_command(self.their_mode),
                },
            )
            for phase, shown in (("push", "push"), ("work", "pop, run, ack"))
        }
        try:
            if all(line.problem is None for line in lines.values()):
                self._measure_both(bench, lines)
        except MeasurementFailed as failure:
            for line in lines.values():
                line.problem = str(failure)
        yield from lines.values()

    def _missing_driver(self) -> str | None:
        absent = [each.shown for each in (self.ours, self.theirs) if each.command() is None]
        return f"{', '.join(absent)}: missing: {INSTALL}" if absent else None

    def _measure_both(self, bench: Bench, lines: dict[str, Line]) -> None:
        with (
            Server(respq.SERVER, self.our_mode, bench.directory) as our_server,
            Server(redis.SERVER, self.their_mode, bench.directory) as their_server,
        ):
            sides = (("ours", self.ours, our_server), ("theirs", self.theirs, their_server))
            counts = {}
            for key, driver, server in sides:
                rates = _both(driver, server, CALIBRATION_JOBS)
                jobs = min(rates.values()) * bench.seconds
                counts[key] = max(1, round(jobs / JOBS_STEP)) * JOBS_STEP
            for _ in range(bench.rounds):
                measured: dict[str, Any] = {}
                for key, driver, server in sides:
                    server.wait_until_quiet()
                    measured[key] = {"jobs": counts[key], **_both(driver, server, counts[key])}
                for phase, line in lines.items():
                    line.ours.append(measured["ours"][phase])
                    line.theirs.append(measured["theirs"][phase])
                    line.rounds.append(measured)


def _both(driver: Driver, server: Server, count: int) -> dict[str, float]:
    return {phase: driver.run(phase, server.port, count) for phase in ("push", "work")}


FRAMEWORKS = (
    Driver("RQ, SimpleWorker", "rq_simple.py", "rq"),
    Driver("Celery, solo pool", "celery_solo.py", "celery"),
    Driver("Dramatiq, eight threads", "dramatiq_threads.py", "dramatiq"),
    Driver("Huey, one thread", "huey_thread.py", "huey"),
    Driver("arq, ten at once", "arq_async.py", "arq"),
    Driver("saq, ten at once", "saq_async.py", "saq"),
)
BULLMQ = Driver("BullMQ, ten at once", "bullmq.mjs", "bullmq")


def beside_a_loop(name: str, ours: Driver, theirs: Driver) -> Framework:
    """Return a row of a loop on respq with its default, and a framework on the fastest Redis."""
    title = f"fsync: {ours.shown} vs {theirs.shown}"
    return Framework(name, title, ours, theirs, Mode.ALWAYS, Mode.MEMORY)


def on_both(driver: Driver, mode: Mode, redis_mode: str, at_least: float) -> Framework:
    """Return a row of a framework on respq and on Redis, both in one mode."""
    name = f"drop-in-{mode}-{driver.package}"
    title = f"{mode}: {driver.shown}, on respq vs on Redis, {redis_mode}"
    return Framework(name, title, driver, driver, mode, mode, at_least)
