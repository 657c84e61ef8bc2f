"""Rows that look for a cliff: what a job costs in an extreme situation, against a plain one.

Two servers of respq run, one brought into the situation, and are loaded in turn. What is compared
is the processor time that a job takes; the pace of the generator does not come into it. The
second line of a row is the longest turn of the event loop of the server in the situation, while
it was brought there as well as later; the former alone is in brackets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from threading import Event, Thread

from generator import Load, Measured, Workload, generate
from pipeline import Pipeline
from result import Bench, Line, Target, missing
from rivals import respq
from server import MeasurementFailed, Mode, Server
from wire import ask_redis, redis_info

STALL_MS_MAX = 10.0
NOISE_SECONDS = 2.0


@dataclass(frozen=True)
class ComingDue:
    """Delayed jobs that are pushed before each run, which begins when the first of them is due."""

    filling: Load
    delay_seconds: int
    """More than it takes to push them, or they come due before the run."""


@dataclass(frozen=True)
class Situation:
    """What a server holds, and the load that it gets then."""

    workload: Workload
    load: Load
    """Without its seconds."""
    commands: tuple[str, ...] = ()
    """Sent first."""
    fillings: tuple[tuple[Workload, Load], ...] = ()
    """Counted runs, whose jobs stay."""
    coming_due: ComingDue | None = None


@dataclass(frozen=True)
class Cliff:
    """The cost of a job in a situation, and the longest turn of the loop."""

    name: str
    title: str
    shown: str
    """The situation, in the column of the load."""
    steep: Situation
    plain: Situation
    ratio_max: float

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for the cost and one for the stall."""
        cost, stall = (
            Line(
                self.name,
                f"{self.title}: {what}",
                self.shown,
                unit,
                target=Target(bound, at_least=False),
                judges_ratio=unit == "µs",
                problem=missing([respq.SERVER]),
                commands={"ours": respq.SERVER.shown_command(Mode.MEMORY)},
            )
            for what, unit, bound in (
                ("processor time of a job, beside a plain server's", "µs", self.ratio_max),
                ("longest turn of the loop", "ms", STALL_MS_MAX),
            )
        )
        try:
            if respq.SERVER.executable() is not None:
                self._measure_both(bench, cost, stall)
        except (MeasurementFailed, OSError) as failure:
            cost.problem = stall.problem = str(failure)
        yield cost
        yield stall

    def _measure_both(self, bench: Bench, cost: Line, stall: Line) -> None:
        sides = {"ours": self.steep, "theirs": self.plain}
        values = {"ours": cost.ours, "theirs": cost.theirs}
        with ExitStack() as stack:
            servers = {}
            for key, situation in sides.items():
                server = Server(respq.SERVER, Mode.MEMORY, bench.directory)
                servers[key] = stack.enter_context(server)
                _bring_about(server, situation)
            brought_there_ms = _longest_turn_ms(servers["ours"])
            for _ in range(bench.rounds):
                measured = {}
                for key, server in servers.items():
                    for each in servers.values():
                        each.wait_until_quiet()
                    situation = sides[key]
                    load = replace(situation.load, seconds=bench.seconds)
                    if situation.coming_due is None:
                        run = generate(server, situation.workload, load)
                    else:
                        run = _generate_while_due(server, situation, situation.coming_due, load)
                    measured[key] = run
                    if "came_due_per_second" in run:
                        cost.notes[key] = f"{run['came_due_per_second']:,.0f}/s came due"
                    values[key].append(run["process_cpu_seconds"] / run["jobs"] * 1e6)
                cost.rounds.append(measured)
            stall.ours.append(_longest_turn_ms(servers["ours"]))
            if brought_there_ms:
                stall.notes["ours"] = f"{brought_there_ms:.1f} before the load"


@dataclass(frozen=True)
class Fairness:
    """How long others wait for an answer while one client sends very long pipelines."""

    name: str
    title: str
    pipeline: int
    load: Load
    p99_max_us: float
    workload: Workload = field(default=respq.PUSH)

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield one line: the p99 of the others, beside the same without the long pipelines."""
        line = Line(
            self.name,
            self.title,
            f"{self.load.connections} clients beside one with P={self.pipeline:,}",
            "µs",
            target=Target(self.p99_max_us, at_least=False),
            judges_ratio=False,
            problem=missing([respq.SERVER]),
            commands={"ours": respq.SERVER.shown_command(Mode.MEMORY)},
        )
        try:
            if respq.SERVER.executable() is not None:
                self._measure(bench, line)
        except MeasurementFailed as failure:
            line.problem = str(failure)
        yield line

    def _measure(self, bench: Bench, line: Line) -> None:
        load = replace(self.load, seconds=bench.seconds)
        with Server(respq.SERVER, Mode.MEMORY, bench.directory) as server:
            for _ in range(bench.rounds):
                alone = generate(server, self.workload, load)
                with _Noise(server, self.pipeline) as noise:
                    beside = generate(server, self.workload, load)
                line.ours.append(beside["round_trip_p99_us"])
                line.theirs.append(alone["round_trip_p99_us"])
                line.rounds.append({"ours": beside, "theirs": alone, "noise": noise.runs})


class _Noise:
    """Cycles in long pipelines on a queue of their own, one run after the other."""

    def __init__(self, server: Server, pipeline: int) -> None:
        self._server = server
        self._load = Load(connections=1, pipeline=pipeline, seconds=NOISE_SECONDS, queues=1)
        self._is_over = Event()
        self.runs: list[Measured] = []
        self._failure: MeasurementFailed | None = None
        self._thread = Thread(target=self._run)

    def __enter__(self) -> _Noise:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                self.runs.append(generate(self._server, respq.QUEUES_CYCLE, self._load))
        except MeasurementFailed as failure:
            self._failure = failure


def _bring_about(server: Server, situation: Situation) -> None:
    client = Pipeline(server.port)
    for command in situation.commands:
        [reply] = client.ask([command.split()])
        if isinstance(reply, Exception):
            raise MeasurementFailed(f"{command}: {reply}")
    for workload, load in situation.fillings:
        generate(server, workload, load)
    server.wait_until_quiet()


def _generate_while_due(
    server: Server, situation: Situation, coming_due: ComingDue, load: Load
) -> Measured:
    """Load the server while delayed jobs come due, from the first instant to the last.

    To wait until the server is quiet would be to wait until all of them are ready.
    """
    began_s = time.monotonic()
    generate(server, respq.delayed_by(coming_due.delay_seconds), coming_due.filling)
    time.sleep(max(0.0, began_s + coming_due.delay_seconds - time.monotonic()))
    before, before_s = _delayed_count(server), time.monotonic()
    run = generate(server, situation.workload, load)
    after, after_s = _delayed_count(server), time.monotonic()
    if not after < before or after == 0:
        raise MeasurementFailed(
            f"{before:,} were delayed when the load began, {after:,} at its end"
        )
    run["came_due_per_second"] = (before - after) / (after_s - before_s)
    if ask_redis(server.port, "DEL", respq.LATER) != b":1":
        raise MeasurementFailed(f"the queue {respq.LATER} was not there")
    return run


def _delayed_count(server: Server) -> int:
    [stats] = Pipeline(server.port).ask([["QSTATS", respq.LATER]])
    by_name = dict(zip(*[iter(stats[1])] * 2, strict=True))
    return int(by_name[b"delayed"])


def _longest_turn_ms(server: Server) -> float:
    # All of INFO counts the jobs of every queue, and would itself be the longest turn.
    return int(redis_info(server.port, "stats")["respq_loop_stall_max_us"]) / 1_000
