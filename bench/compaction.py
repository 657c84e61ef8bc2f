"""A row about compaction: what the load gets while it goes on, and what is left of it when idle.

One server is loaded; what is done soon fills a segment of its journal, so that compaction goes on
now and then by itself. INFO is asked ten times a second how many commands were carried out, and
whether compaction runs:

    running      0    0    1    1    1    1    0    0    0
    interval       ├──┤    ├──┼──┼──┤         ├──┼──┤
                  between     during           between

An interval in which it begins or ends belongs to neither. The load goes on until there are as many
seconds of both as a round is to have.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from threading import Event, Thread

from generator import WARM_UP_SECONDS, Load, Workload, generate, prepare, shown_command
from pipeline import Pipeline
from result import Bench, Line, Target, missing
from rivals import respq
from server import MeasurementFailed, Mode, Server
from wire import redis_info

MODE = Mode.EVERYSEC
ASK_SECONDS = 0.1
RUN_SECONDS_MIN = 5.0
RUNS_MAX = 20
"""In which a round must have seen both; a segment has to be full before there is work to do."""
FILLING = Load(pipeline=50, count=20_000, payload_bytes=4_096)
"""More than a segment, so that what is outside a compaction is after one, not before the first."""
FILLINGS_MAX = 20
IDLE_SECONDS_MIN = 3.0
END_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Sample:
    """What INFO said at an instant."""

    at_s: float
    commands: int
    is_running: bool
    passes: int


@dataclass(frozen=True)
class CompactionCost:
    """Commands a second during compaction and between, and what an idle server takes after it."""

    name: str
    title: str
    workload: Workload
    load: Load
    """Without its seconds."""
    ratio_min: float
    idle_percent_max: float

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for the load and one for the idle server."""
        load = replace(self.load, seconds=max(bench.seconds, RUN_SECONDS_MIN))
        cost = self._line("during, beside between", str(load), "commands/s")
        cost.target = Target(self.ratio_min)
        cost.loads["ours"] = shown_command(self.workload, load)
        idle = self._line("idle after it, beside one that is new", "idle", "% of a processor")
        idle.target, idle.judges_ratio = Target(self.idle_percent_max, at_least=False), False
        try:
            if respq.SERVER.executable() is not None:
                with Server(respq.SERVER, MODE, bench.directory) as server:
                    prepare(server, self.workload)
                    _have_compacted(server, self.workload)
                    for _ in range(bench.rounds):
                        _compare(server, self.workload, load, bench.seconds, cost)
                    cost.facts["ours"] = server.rival.facts(server.port)
                    _watch_idle(bench, server, idle)
        except (MeasurementFailed, OSError) as failure:
            cost.problem = idle.problem = str(failure)
        yield cost
        yield idle

    def _line(self, what: str, load: str, unit: str) -> Line:
        return Line(
            self.name,
            f"{self.title}: {what}",
            load,
            unit,
            problem=missing([respq.SERVER]),
            commands={"ours": respq.SERVER.shown_command(MODE)},
        )


class Watch:
    """Asks a server what it has done, again and again, in a thread."""

    def __init__(self, port: int) -> None:
        self.samples: list[Sample] = []
        self._client = Pipeline(port)
        self._is_over = Event()
        self._failure: OSError | None = None
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self._failure is not None:
            raise MeasurementFailed(f"INFO was not answered: {self._failure}")

    def _run(self) -> None:
        try:
            while not self._is_over.wait(ASK_SECONDS):
                self.samples.append(self._sample())
        except OSError as failure:
            self._failure = failure

    def _sample(self) -> Sample:
        [answer] = self._client.ask([["INFO", "stats", "persistence"]])
        at_s = time.monotonic()
        info = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)
        return Sample(
            at_s,
            int(info["total_commands_processed"]),
            info["respq_compaction_running"] == "1",
            int(info["respq_compaction_passes"]),
        )


class Intervals:
    """Those between samples that lie wholly in a compaction, or wholly outside; added up."""

    def __init__(self) -> None:
        self.seconds = {True: 0.0, False: 0.0}
        """During a compaction, and between."""
        self.commands = {True: 0, False: 0}

    def add(self, samples: Sequence[Sample]) -> None:
        """Add those of one run."""
        for before, after in pairwise(samples):
            is_during = before.is_running
            if after.is_running == is_during and (is_during or before.passes == after.passes):
                self.seconds[is_during] += after.at_s - before.at_s
                self.commands[is_during] += after.commands - before.commands

    def rate(self, is_during: bool) -> float:
        """Return the commands a second during compactions, or between."""
        return self.commands[is_during] / self.seconds[is_during]

    @property
    def share(self) -> float:
        """Return the part of the time that was during compactions."""
        return self.seconds[True] / sum(self.seconds.values())


def _have_compacted(server: Server, workload: Workload) -> None:
    """Let jobs through until compaction has begun."""
    for _ in range(FILLINGS_MAX):
        generate(server, workload, FILLING)
        if redis_info(server.port, "persistence")["respq_compaction_passes"] != "0":
            return
    raise MeasurementFailed(f"{FILLINGS_MAX * FILLING.count:,} jobs did not have it compact")


def _compare(server: Server, workload: Workload, load: Load, seconds: float, line: Line) -> None:
    """Load the server until there are enough seconds of both, and note what it did in them."""
    seen = Intervals()
    for _ in range(RUNS_MAX):
        server.wait_until_quiet()
        began_s = time.monotonic() + WARM_UP_SECONDS
        with Watch(server.port) as watch:
            run = generate(server, workload, load)
        loaded = [each for each in watch.samples if began_s <= each.at_s <= began_s + load.seconds]
        line.rounds.append({"run": run, "samples": [asdict(each) for each in loaded]})
        seen.add(loaded)
        if min(seen.seconds.values()) >= seconds:
            break
    else:
        raise MeasurementFailed(
            f"of {RUNS_MAX} runs of {load.seconds:g} s {seen.seconds[True]:.1f} s were in a "
            f"compaction, {seen.seconds[False]:.1f} s outside"
        )
    line.ours.append(seen.rate(True))
    line.theirs.append(seen.rate(False))
    line.notes["ours"] = f"{100 * seen.share:.0f} % of the time"


def _watch_idle(bench: Bench, server: Server, line: Line) -> None:
    """Note the processor time of a server whose journal was compacted, and of a new one."""
    _await_end(server)
    seconds = max(bench.seconds, IDLE_SECONDS_MIN)
    with ExitStack() as stack:
        new = stack.enter_context(Server(respq.SERVER, MODE, bench.directory))
        both = (server, new)
        for _ in range(bench.rounds):
            for each in both:
                each.wait_until_quiet()
            before = [_processor_seconds(each) for each in both]
            time.sleep(seconds)
            after = [_processor_seconds(each) for each in both]
            for values, begin, end in zip((line.ours, line.theirs), before, after, strict=True):
                values.append(100 * (end - begin) / seconds)


def _await_end(server: Server) -> None:
    """Wait until what is compacted still is done."""
    ends_s = time.monotonic() + END_SECONDS_MAX
    while redis_info(server.port, "persistence")["respq_compaction_running"] != "0":
        if time.monotonic() > ends_s:
            raise MeasurementFailed(
                f"compaction goes on {END_SECONDS_MAX:g} s after the last command"
            )
        time.sleep(ASK_SECONDS)


def _processor_seconds(server: Server) -> float:
    """Return the processor time of a process, by its clock: what /proc tells is too coarse.

    The number of that clock is what clock_getcpuclockid(3) makes of the process's.
    """
    return time.clock_gettime((~server.pid() << 3) | 2)
