"""A row that sets the latencies of respq beside another server's, under a fixed load.

Jobs are pushed by the clock, and consumers wait for them in blocking pops (loadgen/schedule.c). A
server that cannot keep the rate gathers a backlog, and its latency is then that of a queue which
grows: the line says so in place of a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from comparison import Side, rounds_in_turn
from generator import Load, Measured
from result import Bench, Line, Target, missing
from server import MeasurementFailed

LATENCIES = {"push": "p99 of a push", "push_to_pop": "p99 from push to pop"}
"""What the generator calls them, and how a line's title ends."""
KEPT_SHARE_MIN = 0.98
"""Of the rate. One stall of some ms at the end of a run costs as much as a percent of it."""


@dataclass(frozen=True)
class Latency:
    """The p99 of a push, and of the way from push to pop, of two sides at fixed rates."""

    name: str
    title: str
    ours: Side
    theirs: Side
    loads: tuple[Load, ...]
    ratio_max: float

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for each latency under each load; the lines of a load share its runs."""
        for load in self.loads:
            lines = {
                latency: Line(
                    self.name,
                    f"{self.title}: {shown}",
                    str(load),
                    "µs",
                    target=Target(self.ratio_max, at_least=False),
                    problem=missing([self.ours.rival, self.theirs.rival]),
                )
                for latency, shown in LATENCIES.items()
            }
            try:
                self._measure_load(bench, replace(load, seconds=bench.seconds), lines)
            except MeasurementFailed as failure:
                for line in lines.values():
                    line.problem = str(failure)
            yield from lines.values()

    def _measure_load(self, bench: Bench, load: Load, lines: dict[str, Line]) -> None:
        sides = {"ours": self.ours, "theirs": self.theirs}
        measured: dict[str, list[Measured]] = {key: [] for key in sides}
        for of_round in rounds_in_turn(bench, sides, load, list(lines.values())):
            for key, each in of_round.items():
                measured[key].append(each)
        shortfalls = [
            text
            for key, runs in measured.items()
            if runs and (text := shortfall(sides[key].rival.name, load, runs))
        ]
        for latency, line in lines.items():
            for key, values in (("ours", line.ours), ("theirs", line.theirs)):
                values += [run[latency]["p99_us"] for run in measured[key]]
                if measured[key]:
                    line.notes[key] = _other_percentiles(latency, measured[key])
            line.problem = "; ".join([*filter(None, [line.problem]), *shortfalls]) or None


def _other_percentiles(latency: str, runs: Sequence[Measured]) -> str:
    p50, p999 = (median(run[latency][key] for run in runs) for key in ("p50_us", "p999_us"))
    return f"p50 {p50:,.0f}, p99.9 {p999:,.0f}"


def shortfall(server: str, load: Load, runs: Sequence[Measured]) -> str | None:
    """Return who did not keep the rate, the generator or the server, None when both did."""
    sent_share = median(run["sent"] / run["planned"] for run in runs)
    if sent_share < KEPT_SHARE_MIN:
        return f"the generator sent {sent_share:.0%} of the pushes to {server} in time"
    finished_per_second = median(run["jobs_per_second"] for run in runs)
    if finished_per_second < KEPT_SHARE_MIN * load.rate:
        return f"{server} kept {finished_per_second:,.0f} of {load.rate:,} jobs/s"
    return None
