"""A row that sets respq beside another server, or in another mode, under the same load.

Both servers run all the time and are loaded in turn (A B A B …), each run beginning when both
are quiet. What the machine does meanwhile then falls on both, and the ratio of one round means
something even where its rates do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from generator import Load, Measured, Workload, generate, prepare, shown_command
from result import Bench, Line, Target, missing
from server import MeasurementFailed, Mode, Rival, Server


@dataclass(frozen=True)
class Side:
    """A server in a mode with something to do."""

    rival: Rival
    mode: Mode
    workload: Workload


@dataclass(frozen=True)
class Cell:
    """A load, and the ratio wanted under it."""

    load: Load
    at_least: float | None


@dataclass(frozen=True)
class Comparison:
    """Jobs a second of two sides, under each of the cells' loads."""

    name: str
    title: str
    ours: Side
    theirs: Side
    cells: tuple[Cell, ...]

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for each cell; where one side is missing, the other's rate alone."""
        for cell in self.cells:
            line = Line(
                self.name,
                self.title,
                str(cell.load),
                "jobs/s",
                target=None if cell.at_least is None else Target(cell.at_least),
                problem=missing([self.ours.rival, self.theirs.rival]),
            )
            try:
                self._measure_cell(bench, replace(cell.load, seconds=bench.seconds), line)
            except MeasurementFailed as failure:
                line.problem = str(failure)
            yield line

    def _measure_cell(self, bench: Bench, load: Load, line: Line) -> None:
        sides = {"ours": self.ours, "theirs": self.theirs}
        values = {"ours": line.ours, "theirs": line.theirs}
        for measured in rounds_in_turn(bench, sides, load, [line]):
            for key, each in measured.items():
                values[key].append(each["jobs_per_second"])


def rounds_in_turn(
    bench: Bench, sides: dict[str, Side], load: Load, lines: Sequence[Line]
) -> Iterator[dict[str, Measured]]:
    """Load the sides in turn and yield what each round measured, by side, without those missing.

    The record of it all goes into each of the lines.
    """
    with ExitStack() as stack:
        running = {}
        for key, side in sides.items():
            for line in lines:
                line.commands[key] = side.rival.shown_command(side.mode)
                line.loads[key] = shown_command(side.workload, load)
            if side.rival.executable() is not None:
                running[key] = stack.enter_context(Server(side.rival, side.mode, bench.directory))
        for _ in range(bench.rounds):
            measured = {}
            for key, server in running.items():
                for name, each in running.items():
                    prepare(each, sides[name].workload)
                measured[key] = generate(server, sides[key].workload, load)
            for line in lines:
                line.rounds.append(measured)
            yield measured
        for line in lines:
            line.facts = {key: each.rival.facts(each.port) for key, each in running.items()}
