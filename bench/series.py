"""What the charts show: rates and latencies as something grows, respq beside Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from comparison import Side, rounds_in_turn
from generator import Load, Measured, Workload, generate, prepare
from latency import shortfall
from result import Bench, missing
from rivals import redis, respq
from server import MeasurementFailed, Mode, Server

Value = Callable[[Measured, Any], float]
"""What of a run is drawn, given where on the x axis it stands."""
DEPTH_LOAD = Load(connections=1, pipeline=500)
"""So long a pipeline that the way there and back vanishes in what the server does."""
FILLING = Load(connections=8, pipeline=200)
LARGE_PAYLOAD_BYTES = 65_536
"""From here on fewer connections, or the generator's buffers are what is measured."""


@dataclass(frozen=True)
class Curve:
    """One side, as it is called in the picture."""

    label: str
    side: Side


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    unit: str
    curves: tuple[Curve, ...]
    load: Callable[[Any], Load]
    """Without its seconds."""
    value: Value
    filling: Callable[[Any], Load] | None = None
    """What is pushed first, and stays."""


@dataclass(frozen=True)
class Chart:
    """One picture."""

    name: str
    title: str
    x_label: str
    xs: tuple[Any, ...]
    """Numbers, drawn on a logarithmic axis, or words."""
    panels: tuple[Panel, ...]
    deep_xs: tuple[Any, ...] = field(default=())
    """Those that take minutes each, measured only if wanted."""


def measure(chart: Chart, bench: Bench, *, deep: bool) -> dict[str, Any]:
    """Return a chart with the values of every round, for JSON and for drawing.

    Panels that show the same runs share them. What a reader has to know of the values is a note,
    drawn into the picture too; where a value could not be had, that is a problem.
    """
    xs = chart.xs + (chart.deep_xs if deep else ())
    runs: dict[tuple[tuple[Curve, ...], Load, Load | None], list[dict[str, Measured]]] = {}
    panels = []
    notes = [text for text in [_absent(chart)] if text is not None]
    problems: list[str] = []
    for panel in chart.panels:
        values: dict[str, list[list[float]]] = {curve.label: [] for curve in panel.curves}
        for x in xs:
            load = replace(panel.load(x), seconds=bench.seconds)
            filling = panel.filling(x) if panel.filling is not None else None
            key = panel.curves, load, filling
            if key not in runs:
                where = " ".join(panel.title.split())
                try:
                    runs[key] = list(_rounds(bench, panel.curves, load, filling))
                except MeasurementFailed as failure:
                    runs[key] = []
                    problems.append(f"{where}, {x}: {failure}")
                notes += [f"{where}: {text}" for text in _shortfalls(load, runs[key])]
            for curve in panel.curves:
                rounds = [run for run in runs[key] if curve.label in run]
                values[curve.label].append([panel.value(run[curve.label], x) for run in rounds])
        panels.append(
            {
                "title": panel.title,
                "unit": panel.unit,
                "curves": [
                    {
                        "label": curve.label,
                        "command": curve.side.rival.shown_command(curve.side.mode),
                        "values": values[curve.label],
                    }
                    for curve in panel.curves
                ],
            }
        )
    return {
        "name": chart.name,
        "title": chart.title,
        "x_label": chart.x_label,
        "xs": list(xs),
        "panels": panels,
        "notes": notes,
        "problems": problems,
    }


def _absent(chart: Chart) -> str | None:
    sides = [curve.side for panel in chart.panels for curve in panel.curves]
    return missing(list(dict.fromkeys(side.rival for side in sides)))


def _shortfalls(load: Load, rounds: Sequence[dict[str, Measured]]) -> list[str]:
    """Return which sides did not keep a fixed rate: theirs is the latency of a growing queue."""
    if not load.rate or not rounds:
        return []
    found = (shortfall(label, load, [run[label] for run in rounds]) for label in rounds[0])
    return [text for text in found if text is not None]


def _rounds(
    bench: Bench, curves: Sequence[Curve], load: Load, filling: Load | None
) -> Iterator[dict[str, Measured]]:
    """Load the sides in turn; yield what each round measured, by label."""
    sides = {curve.label: curve.side for curve in curves}
    if filling is None:
        yield from rounds_in_turn(bench, sides, load, [])
        return
    with ExitStack() as stack:
        servers = {}
        for label, side in sides.items():
            if side.rival.executable() is None:
                continue
            server = stack.enter_context(Server(side.rival, side.mode, bench.directory))
            prepare(server, side.workload)
            generate(server, Workload(side.workload.steps[:1]), filling)
            servers[label] = server
        for _ in range(bench.rounds):
            measured = {}
            for label, server in servers.items():
                for each in servers.values():
                    each.wait_until_quiet()
                measured[label] = generate(server, sides[label].workload, load)
            yield measured


def _jobs_per_second(run: Measured, _: Any) -> float:
    return float(run["jobs_per_second"])


def _mib_per_second(run: Measured, payload_bytes: int) -> float:
    return float(run["jobs_per_second"]) * payload_bytes / (1 << 20)


def _cost_us(kind: str) -> Value:
    def value(run: Measured, _: Any) -> float:
        return float(next(s["us_per_command"] for s in run["steps"] if s["kind"] == kind))

    return value


def _percentile_us(latency: str) -> Value:
    keys = {"p50": "p50_us", "p90": "p90_us", "p99": "p99_us", "p99.9": "p999_us", "max": "max_us"}
    return lambda run, percentile: float(run[latency][keys[percentile]])


def _cycles(mode: Mode) -> tuple[Curve, ...]:
    return (
        Curve("respq", Side(respq.SERVER, mode, respq.CYCLE)),
        Curve("Redis Streams", Side(redis.SERVER, mode, redis.STREAM_CYCLE)),
        Curve("Redis lists, LMOVE and LREM", Side(redis.SERVER, mode, redis.LIST_CYCLE)),
    )


def _pushes(mode: Mode) -> tuple[Curve, ...]:
    return (
        Curve("respq", Side(respq.SERVER, mode, respq.PUSH)),
        Curve("Redis LPUSH", Side(redis.SERVER, mode, redis.LIST_PUSH)),
    )


def _queues(mode: Mode) -> tuple[Curve, ...]:
    return (
        Curve("respq", Side(respq.SERVER, mode, respq.QUEUES_CYCLE)),
        Curve("Redis lists, LMOVE and LREM", Side(redis.SERVER, mode, redis.LIST_QUEUES_CYCLE)),
    )


def _blocked(mode: Mode) -> tuple[Curve, ...]:
    return (
        Curve("respq", Side(respq.SERVER, mode, respq.BLOCKED)),
        Curve("Redis Streams", Side(redis.SERVER, mode, redis.STREAM_BLOCKED)),
        Curve("Redis lists, BRPOP without acks", Side(redis.SERVER, mode, redis.LIST_BLOCKED)),
    )


_DURABLE = ((Mode.MEMORY, "nothing on disk"), (Mode.ALWAYS, "fsync before each reply"))


def _cycles_and_pushes(load: Callable[[int], Load]) -> tuple[Panel, ...]:
    cycles = [
        Panel(f"push, pop, ack: {durability}", "jobs/s", _cycles(mode), load, _jobs_per_second)
        for mode, durability in _DURABLE
    ]
    pushes = [
        Panel(f"push: {durability}", "jobs/s", _pushes(mode), load, _jobs_per_second)
        for mode, durability in _DURABLE
    ]
    return *cycles, *pushes


def _payload_load(payload_bytes: int) -> Load:
    connections = 50 if payload_bytes < LARGE_PAYLOAD_BYTES else 8
    return Load(connections=connections, payload_bytes=payload_bytes)


def _fixed(rate: int) -> Callable[[Any], Load]:
    return lambda _: Load(rate=rate, consumers=100)


CHARTS: tuple[Chart, ...] = (
    Chart(
        "connections",
        "Throughput against connections, one command at a time",
        "connections",
        (1, 4, 16, 64, 256, 1_024, 4_096),
        _cycles_and_pushes(lambda connections: Load(connections=connections)),
    ),
    Chart(
        "pipeline",
        "Throughput against jobs in flight on each of 50 connections",
        "jobs in flight",
        (1, 2, 5, 10, 20, 50, 100),
        _cycles_and_pushes(lambda pipeline: Load(pipeline=pipeline)),
    ),
    Chart(
        "payload",
        "Throughput against the size of a payload, 50 connections, 8 from 64 KiB on",
        "bytes of a payload",
        (16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576),
        tuple(
            Panel(f"push, pop, ack: {durability}", unit, _cycles(mode), _payload_load, value)
            for unit, value in (("jobs/s", _jobs_per_second), ("MiB/s", _mib_per_second))
            for mode, durability in _DURABLE
        ),
    ),
    Chart(
        "depth",
        "Cost of a command against the depth of the queue, 500 in flight on one connection, "
        "nothing on disk",
        "jobs in the queue",
        (1_000, 10_000, 100_000, 1_000_000),
        tuple(
            Panel(
                title,
                "µs",
                _cycles(Mode.MEMORY)[:2],
                lambda _: DEPTH_LOAD,
                _cost_us(kind),
                filling=lambda depth: replace(FILLING, count=depth),
            )
            for kind, title in (("push", "a push"), ("take", "a pop"), ("ack", "an ack"))
        ),
        deep_xs=(10_000_000,),
    ),
    Chart(
        "queues",
        "Throughput against the number of queues, 50 connections, one command at a time",
        "queues",
        (1, 10, 100, 1_000, 10_000, 100_000),
        tuple(
            Panel(
                f"push, pop, ack: {durability}",
                "jobs/s",
                _queues(mode),
                lambda queues: Load(queues=queues),
                _jobs_per_second,
                filling=lambda queues: replace(FILLING, count=queues, queues=queues),
            )
            for mode, durability in _DURABLE
        ),
    ),
    Chart(
        "latency",
        "Latency at a fixed rate, 50 producers, 100 consumers that wait",
        "percentile",
        ("p50", "p90", "p99", "p99.9", "max"),
        tuple(
            Panel(
                f"{shown}, {rate:,} jobs/s:\n{durability}",
                "µs",
                _blocked(mode),
                _fixed(rate),
                _percentile_us(latency),
            )
            for latency, shown in (("push", "push"), ("push_to_pop", "push to pop"))
            for mode, durability in _DURABLE
            for rate in (5_000, 20_000)
        ),
    ),
)
