"""/metrics: the plain integers of the server as text for Prometheus.

The loop reads the integers, a thread makes the text: sixteen lines a queue. Where many
queues are shown that takes a while, and a thread that never rests keeps the loop waiting
for the interpreter at each of its sockets (measured with 1,000 queues and 50 clients: a p99
of 9 ms, against 2.5 ms without a scrape). So the thread rests every `_PACE_SAMPLES` lines.

Left out is whatever would have to be counted for the metrics alone.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import Final, cast

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from respq import __version__
from respq.engine.jobs.job import PHASE_NAMES
from respq.engine.jobs.queue import TOTALS
from respq.engine.jobs.workers import STATE_NAMES
from respq.http.health import Health
from respq.http.queues import FOLDED_LABEL, QueueReader, Reading, Row
from respq.runtime.committer import BUCKETS_MS, Committer
from respq.runtime.core import Core
from respq.runtime.lag import STALL_BUCKETS_S
from respq.runtime.traffic import BUCKETS_S

Encoder = Callable[[Collector], bytes]

_PACE_SAMPLES: Final = 32
"""About 0.3 ms of work."""
_PACE_S: Final = 0.001
_PHASES: Final = tuple(name.decode() for name in PHASE_NAMES)
_TOTALS_HELP: Final = {
    "pushed": "Jobs pushed",
    "popped": "Deliveries: jobs handed to a consumer",
    "acked": "Jobs acknowledged",
    "nacked": "Deliveries given back by QNACK",
    "expired": "Leases that ended without an answer",
    "dead": "Jobs that became dead letters",
    "redelivered": "Deliveries of jobs that had been tried before",
    "redriven": "Dead letters made ready again",
    "undone": "Deliveries taken back because their reply could not be handed over",
    "dropped": "Jobs whose ttl was over, in queues that drop them",
    "purged": "Jobs removed by a purge",
    "returned": "Jobs that came back after a pop without a lease was undone",
    "deleted": "Jobs thrown away by QDEL",
    "evicted": "Jobs that made room for others, in queues that drop their oldest",
    "forgotten": "Dead letters that were kept for long enough",
    "replaced": "Jobs that made way for another with their dedup key",
    "cancelled": "Jobs that were not wanted any more",
    "moved": "Dead letters that were redriven to another queue",
    "unreadable": "Jobs that are dead because their payload could not be read from the journal",
}


class Metrics:
    """Makes the exposition of a core, one at a time."""

    def __init__(self, core: Core, health: Health) -> None:
        self._core = core
        self._health = health
        self._queues = QueueReader(core)
        self._process = ProcessCollector(registry=None)
        self._build = _build(core.loop)
        self._turn = asyncio.Lock()

    async def exposition(self, encode: Encoder) -> bytes:
        """Return what ``encode`` makes of all metrics as they are now."""
        async with self._turn:
            reading = await self._queues.read()
            families = list(self._server_families())
            scrape = _Scrape(families, reading, self._core, self._process)
            return await asyncio.to_thread(encode, scrape)

    def _server_families(self) -> Iterator[Metric]:
        core = self._core
        broker, traffic = core.broker, core.traffic
        yield _info("respq_build", "What runs.", self._build)
        yield _gauge("respq_ready", "1 if the server takes work.", self._health.status().is_ready)
        yield _gauge("respq_loading", "1 while the journal is being read back.", broker.loading)
        yield _gauge("respq_draining", "1 while the server is shutting down.", broker.draining)
        yield _gauge("respq_clients", "Clients connected.", len(core.clients))
        yield _gauge("respq_waiters", "Clients blocked in a command.", broker.waiters.count)
        workers = GaugeMetricFamily(
            "respq_workers", "Workers that are known or have an order, by state.", labels=["state"]
        )
        for name, count in zip(STATE_NAMES, broker.engine.count_workers(), strict=True):
            workers.add_metric([name.decode()], count)
        yield workers
        yield _counter(
            "respq_connections_total",
            "Connections made, those turned away included.",
            traffic.connections_total,
        )
        yield _counter(
            "respq_connections_rejected_total",
            "Connections turned away at maxclients.",
            traffic.rejected_total,
        )
        yield _counter(
            "respq_connections_cut_total",
            "Connections closed because the client did not read what was sent to it.",
            traffic.cut_total,
        )
        yield _counter("respq_requests_total", "Requests received.", traffic.commands_total)
        yield _counter(
            "respq_lost_items_total",
            "Items popped from keys for clients who were gone, that could not be put back.",
            broker.engine.lost_items,
        )
        yield from self._command_families()
        yield from _pressure_families(core)
        yield _gauge(
            "respq_held_replies",
            "Replies that wait until what they depend on is committed.",
            sum(client.held_count for client in core.clients.values()),
        )
        yield _gauge(
            "respq_loop_lag_seconds",
            "By how much the last timer of the event loop was late.",
            core.lag.last_ms / 1_000,
        )
        yield _gauge(
            "respq_loop_lag_max_seconds",
            "The worst loop lag since the start.",
            core.lag.max_ms / 1_000,
        )
        stalls = HistogramMetricFamily(
            "respq_loop_stall_seconds",
            "Turns of the event loop over 1 ms: nobody else was served meanwhile.",
        )
        stalls.add_metric([], _buckets(STALL_BUCKETS_S, core.stalls.counts), core.stalls.sum_s)
        yield stalls
        yield _gauge(
            "respq_loop_stall_max_seconds",
            "The longest turn of the event loop since the start, if over 1 ms.",
            core.stalls.max_s,
        )

    def _command_families(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "respq_command_calls", "Calls of a command.", labels=["command"]
        )
        failures = CounterMetricFamily(
            "respq_command_failures",
            "Calls of a command that were answered with an error.",
            labels=["command"],
        )
        durations = HistogramMetricFamily(
            "respq_command_duration_seconds",
            "Time to execute a command, without its commit; one in 32 is timed, "
            "in a pipeline with its neighbours.",
            labels=["command"],
        )
        timed = self._core.traffic.durations
        for command in self._core.broker.table:
            label = [command.full_name]
            calls.add_metric(label, command.calls)
            failures.add_metric(label, command.failures)
            counts = timed.counts.get(command.name)
            if counts is not None:
                sum_s = timed.sums_s[command.name]
                durations.add_metric(label, _buckets(BUCKETS_S, counts), sum_s)
        yield calls
        yield failures
        yield durations


class _Scrape(Collector):
    """What was read, as families; its encoder drives it, in a thread."""

    def __init__(
        self,
        families: list[Metric],
        reading: Reading,
        core: Core,
        process: Collector,
    ) -> None:
        self._families = families
        self._reading = reading
        self._core = core
        self._process = process
        self._written = 0

    def collect(self) -> Iterator[Metric]:
        """Yield every family; its samples can be taken once."""
        for family in self._families:
            yield self._paced(family, family.samples)
        yield from self._queue_families()
        if self._core.committer is not None:
            yield from _commit_families(self._core, self._core.committer)
        for family in self._process.collect():
            yield self._paced(family, family.samples)

    def _queue_families(self) -> Iterator[Metric]:
        reading = self._reading
        rows = reading.rows
        yield _gauge("respq_queues", "Queues, of all databases.", reading.queues_count)
        yield _gauge(
            "respq_queues_folded",
            f"Queues without labels of their own, summed as the queue {FOLDED_LABEL}.",
            reading.folded_count,
        )
        yield self._paced(
            GaugeMetricFamily("respq_jobs", "Jobs by queue and phase."), _jobs_samples(rows)
        )
        age = GaugeMetricFamily(
            "respq_oldest_ready_seconds",
            "For how long the oldest claimable job has been ready; 0 if there is none.",
        )
        yield self._paced(age, _age_samples(rows))
        for place, name in enumerate(TOTALS):
            family = CounterMetricFamily(f"respq_jobs_{name}", f"{_TOTALS_HELP[name]}, by queue.")
            yield self._paced(family, _total_samples(rows, name, place))

    def _paced(self, family: Metric, samples: Iterable[Sample]) -> Metric:
        # An encoder goes through them once, in order: an iterator is list enough.
        family.samples = cast("list[Sample]", self._pace(samples))
        return family

    def _pace(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            self._written += 1
            if self._written % _PACE_SAMPLES == 0:
                time.sleep(_PACE_S)
            yield sample


def _jobs_samples(rows: list[Row]) -> Iterator[Sample]:
    for row in rows:
        for phase, count in zip(_PHASES, row.counts, strict=True):
            yield Sample("respq_jobs", {**_labels(row), "phase": phase}, count)


def _age_samples(rows: list[Row]) -> Iterator[Sample]:
    for row in rows:
        yield Sample("respq_oldest_ready_seconds", _labels(row), row.oldest_ms / 1_000)


def _total_samples(rows: list[Row], name: str, place: int) -> Iterator[Sample]:
    for row in rows:
        yield Sample(f"respq_jobs_{name}_total", _labels(row), row.totals[place])


def _labels(row: Row) -> dict[str, str]:
    return {"db": str(row.db), "queue": row.label}


def _pressure_families(core: Core) -> Iterator[Metric]:
    pressure, space = core.pressure, core.pressure.space
    yield _gauge(
        "respq_memory_limit_bytes", "maxmemory, given or found; 0 for none.", pressure.limit_bytes
    )
    yield _gauge(
        "respq_memory_used_bytes",
        "Resident memory as it is compared with the limit.",
        pressure.used_bytes,
    )
    yield _gauge(
        "respq_memory_level", "0 ok, 1 warning, 2 critical: growth is refused.", pressure.level
    )
    state = core.engine.state
    yield _counter("respq_payloads_let_go", "Payloads dropped from memory.", state.payloads_let_go)
    yield _counter(
        "respq_payloads_read_back", "Payloads read back from the journal.", state.payloads_read
    )
    yield _counter(
        "respq_payload_batches_read", "Batches that were read for them.", state.batches_read
    )
    refused = CounterMetricFamily(
        "respq_growth_refused",
        "Commands refused because memory or the disk was short.",
        labels=["error"],
    )
    for prefix, count in core.broker.growth_refused.items():
        refused.add_metric([prefix], count)
    yield refused
    if space is not None:
        yield _gauge(
            "respq_disk_free_bytes", "Free space on the disk of the journal.", space.free_bytes
        )
        yield _gauge(
            "respq_disk_free_min_bytes",
            "Free space under which growth is refused; 0 for never.",
            space.floor_bytes,
        )
        yield _gauge("respq_disk_short", "1 while growth is refused for it.", space.is_short)
        yield _gauge("respq_ballast_bytes", "Size of the ballast now.", space.held_bytes)


def _commit_families(core: Core, committer: Committer) -> Iterator[Metric]:
    figures = committer.figures
    durations = HistogramMetricFamily(
        "respq_commit_duration_seconds", "Time that the journal took for a batch."
    )
    bounds_s = [bound_ms / 1_000 for bound_ms in BUCKETS_MS]
    durations.add_metric([], _buckets(bounds_s, figures.durations), figures.total_ms / 1_000)
    yield durations
    yield _counter("respq_committed_records_total", "Records committed.", figures.records)
    yield _counter("respq_committed_bytes_total", "Bytes of committed batches.", figures.bytes)
    yield _gauge(
        "respq_uncommitted_bytes",
        "Size of the requests whose batch has not begun to commit, at most.",
        core.uncommitted_bytes,
    )
    yield _gauge(
        "respq_commit_inline",
        "1 while commits run in the event loop, 0 while in a thread of their own.",
        committer.inline,
    )
    # It looks at files, which a bad disk may take its time for: never in the loop.
    size_bytes = committer.journal.size_bytes()
    yield _gauge("respq_journal_bytes", "Space that the journal takes.", size_bytes)
    yield _gauge("respq_journal_position", "Position of the newest batch.", committer.position - 1)
    compactor = core.compactor
    if compactor is not None:
        yield _gauge(
            "respq_journal_live_bytes",
            "How much of the journal lived when it was last looked at, about.",
            compactor.live_bytes,
        )
        yield _gauge(
            "respq_compaction_running", "1 while the journal is compacted.", not compactor.is_idle
        )
        yield _counter("respq_compaction_passes_total", "Compactions begun.", compactor.passes)
        yield _counter(
            "respq_compaction_relocated_total",
            "Jobs and other things that compaction wrote anew.",
            compactor.relocated,
        )
        yield _counter(
            "respq_compaction_relocated_bytes_total",
            "Bytes of what compaction wrote anew.",
            compactor.relocated_bytes,
        )


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return the cumulated buckets of a histogram; the last count is beyond all bounds."""
    names = [*map(floatToGoString, bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))


def _gauge(name: str, doc: str, value: float) -> Metric:
    return GaugeMetricFamily(name, doc, value=value)


def _counter(name: str, doc: str, value: float) -> Metric:
    return CounterMetricFamily(name, doc, value=value)


def _info(name: str, doc: str, labels: dict[str, str]) -> Metric:
    return InfoMetricFamily(name, doc, value=labels)


def _build(loop: asyncio.AbstractEventLoop) -> dict[str, str]:
    """Return the versions of what matters for speed; ``none`` for what is not in use."""
    on_uvloop = type(loop).__module__.partition(".")[0] == "uvloop"
    return {
        "version": __version__,
        "python": platform.python_version(),
        "hiredis": _version("hiredis"),
        "uvloop": _version("uvloop") if on_uvloop else "none",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
