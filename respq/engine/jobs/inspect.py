"""What can be said of a job, a queue and a schedule, as names and plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import ceil
from operator import attrgetter

from respq.config import METERED_QUEUES_MAX
from respq.engine.jobs import job as jobs
from respq.engine.jobs.dedup import shown_key
from respq.engine.jobs.delivery import ATTEMPTS, LEASE_MS, attempts_max
from respq.engine.jobs.history import EVENT_NAMES
from respq.engine.jobs.job import DEAD, LEASED, PHASE_NAMES, REASON_NAMES, Job, Notes
from respq.engine.jobs.meter import COUNTED, HORIZONS_MS, Meter, Times, merged
from respq.engine.jobs.queue import FOREVER_MS, TOTALS, Queue
from respq.engine.jobs.rate import Rate
from respq.engine.jobs.retry import DEFAULT_BACKOFF, EXPONENTIAL, LINEAR, Backoff
from respq.engine.jobs.schedule import CATCHUP_NAMES
from respq.engine.records import JobOptions, Labels, ScheduleSet
from respq.engine.state import State
from respq.errors import TooBig

Fact = int | float | bytes | None | list[bytes]
Facts = dict[bytes, Fact]
RATES, LATENCY, TIMINGS = b"RATES", b"LATENCY", b"TIMINGS"
"""Kinds of what a meter tells."""


def priority_text(priority: int | bytes) -> bytes:
    """Return a priority as it goes on the wire: always a bulk string."""
    return priority if isinstance(priority, bytes) else b"%d" % priority


def job_facts(job: Job, payload: bytes | None) -> Facts:
    """Return everything about a job but its receipt, which is its holder's alone.

    ``payload`` is its own, None if it cannot be read.
    """
    notes = job.notes or Notes()
    options = job.options
    return {
        b"id": job.id,
        b"queue": job.queue.name,
        b"phase": PHASE_NAMES[job.phase],
        b"priority": priority_text(job.priority),
        b"pushed_ms": job.pushed_ms,
        b"since_ms": job.since_ms,
        b"due_ms": job.due_ms,
        b"expires_ms": (options.expires_ms if options is not None else None) or 0,
        b"attempts": job.attempts,
        b"attempts_max": attempts_max(job),
        b"failures": notes.failures,
        b"crashes": notes.crashes,
        b"fence": job.fence,
        b"consumer": job.holder if job.phase == LEASED else b"",
        b"error": notes.error,
        b"reason": REASON_NAMES[notes.reason] if job.phase == DEAD else b"",
        b"payload": payload,
        **_label_facts(options),
        b"dedup": shown_key(options.dedup) if options is not None else b"",
        b"cancelled": int(notes.cancelled),
        b"progress": notes.progress,
        b"log": list(notes.log),
        b"result": notes.result,
        b"flow": (options.flow if options is not None else None) or b"",
        b"depends": _parents(job),
        b"group": (options.group if options is not None else None) or b"",
    }


def history_facts(job: Job) -> list[Facts]:
    """Return what has happened to a job: time, event, who did it and what was said; oldest first.

    First that it was pushed; last how it came to be where it is, unless that is told before.
    """
    events = [(job.pushed_ms, b"pushed", b"", b"")]
    if job.ready_ms:
        events.append((job.ready_ms, b"ready", b"", b""))
    for event in job.notes.history if job.notes is not None else ():
        events.append((event.at_ms, EVENT_NAMES[event.what], event.who, event.text))
    last = _last_event(job, told_ms={at_ms for at_ms, *_ in events})
    if last is not None:
        place = len(events)
        while place > 1 and _came_after(job, *events[place - 1]):
            place -= 1
        events.insert(place, (job.since_ms, *last))
    return [dict(zip(_EVENT_FACTS, event, strict=True)) for event in events]


_EVENT_FACTS = (b"at_ms", b"event", b"who", b"text")


def _came_after(job: Job, at_ms: int, event: bytes, *_: bytes) -> bool:
    """Tell whether an event happened to a job in the phase that it is in."""
    # A job can be cancelled and stay what it is only while it is LEASED.
    return at_ms > job.since_ms or (at_ms == job.since_ms and event == b"cancelled")


def _last_event(job: Job, told_ms: set[int]) -> tuple[bytes, bytes, bytes] | None:
    """Return how a job came into its phase, unless its history has an event of that instant."""
    match job.phase:
        case jobs.LEASED:
            return b"leased", job.holder, b"until %d" % job.due_ms
        case jobs.DELAYED:
            return b"delayed", b"", b"until %d" % job.due_ms
        case jobs.BLOCKED:
            return b"blocked", b"", b""
        case jobs.READY if job.since_ms not in told_ms:
            return b"ready", b"", b""
    return None


def flow_facts(jobs: list[Job]) -> dict[bytes, int]:
    """Return how many jobs of a flow are in each phase."""
    phases = [job.phase for job in jobs]
    return {name: phases.count(phase) for phase, name in enumerate(PHASE_NAMES)}


def jobs_named(jobs: list[Job]) -> list[tuple[bytes, bytes, bytes]]:
    """Return the id, the phase and the NAME of jobs."""
    return [(job.id, PHASE_NAMES[job.phase], _label_facts(job.options)[b"name"]) for job in jobs]  # type: ignore[misc]


def _parents(job: Job) -> list[bytes]:
    """Return the ids of the jobs that one waits for."""
    numbers = job.options.depends if job.options is not None else ()
    parents = (job.queue.job(number) for number in numbers)
    return [parent.id for parent in parents if parent is not None]


def delivery_facts(job: Job) -> Facts:
    """Return what WITHMETA tells a consumer about the job it gets."""
    return {
        b"priority": priority_text(job.priority),
        b"pushed_ms": job.pushed_ms,
        b"attempt": job.attempts + 1,
        b"attempts_max": attempts_max(job),
        b"lease_until_ms": job.due_ms if job.phase == LEASED else 0,
        b"error": job.notes.error if job.notes is not None else b"",
        **_label_facts(job.options),
    }


def _label_facts(options: JobOptions | None) -> Facts:
    labels = (options.labels if options is not None else None) or _NO_LABELS
    return {
        b"name": labels.name,
        b"tags": list(labels.tags),
        b"meta": labels.meta,
        b"trace": labels.trace,
    }


_NO_LABELS = Labels()


def queue_facts(queue: Queue, now_ms: int) -> Facts:
    """Return how many jobs stand where, how old the oldest claimable is, and the totals."""
    ready, delayed, leased, dead, done, blocked = queue.counts
    facts: Facts = {
        b"ready": ready,
        b"delayed": delayed,
        b"leased": leased,
        b"dead": dead,
        b"done": done,
        b"blocked": blocked,
        b"schedules": len(queue.schedules),
        b"oldest_ready_ms": oldest_ready_ms(queue, now_ms),
    }
    return facts | dict(zip(_TOTALS_NAMES, _totals_of(queue.totals), strict=True))


_TOTALS_NAMES = [b"%b_total" % name.encode() for name in TOTALS]
_totals_of = attrgetter(*TOTALS)


def server_facts(state: State, now_ms: int) -> Facts:
    """Return the sums over all queues of all databases, and the age of the oldest job.

    The names are those of `queue_facts`. It takes a microsecond or two for each queue.
    """
    queues = list(state.queues.values())
    counts = list(zip(*[queue.counts for queue in queues], strict=True))
    totals = list(zip(*[_totals_of(queue.totals) for queue in queues], strict=True))
    return {
        b"queues": len(queues),
        **dict(zip(PHASE_NAMES, map(sum, counts or [()] * len(PHASE_NAMES)), strict=True)),
        b"schedules": sum([len(queue.schedules) for queue in queues]),
        b"oldest_ready_ms": max(
            [oldest_ready_ms(queue, now_ms) for queue in queues if queue.ready.count], default=0
        ),
        **dict(zip(_TOTALS_NAMES, map(sum, totals or [()] * len(TOTALS)), strict=True)),
    }


def oldest_ready_ms(queue: Queue, now_ms: int) -> int:
    """Return for how long the oldest claimable job has been READY; 0 without one."""
    since_ms = queue.ready.oldest_since_ms()
    return 0 if since_ms is None else max(0, now_ms - since_ms)


def check_metered(queues: Collection[Queue]) -> None:
    """Raise `TooBig` for more queues than can be told of at once."""
    if len(queues) > METERED_QUEUES_MAX:
        raise TooBig(
            f"{len(queues)} queues are too many for what is measured, the limit is "
            f"{METERED_QUEUES_MAX}: name those that matter"
        )


def queue_figures(queue: Queue, now_ms: int, kinds: Collection[bytes]) -> Facts:
    """Return what the meter of a queue tells, of these kinds; 0 where nothing was measured."""
    return _figures([queue], now_ms, kinds, slo_ms=queue.settings.slo_ms or 0)


def server_figures(state: State, now_ms: int, kinds: Collection[bytes]) -> Facts:
    """Return the same of all queues of all databases together.

    Raises:
        TooBig: if more than `METERED_QUEUES_MAX` of them have meters.
    """
    metered = [queue for queue in state.queues.values() if queue.meter is not None]
    if kinds:
        check_metered(metered)
    return _figures(metered, now_ms, kinds)


def _figures(
    queues: Iterable[Queue], now_ms: int, kinds: Collection[bytes], slo_ms: int | None = None
) -> Facts:
    if not kinds:
        return {}
    metered = [(queue, queue.measure(now_ms)) for queue in queues if queue.meter is not None]
    meters = [meter for _, meter in metered]
    facts: Facts = {}
    if RATES in kinds:
        every = [[rate for rates in meter.rates for rate in rates] for meter in meters]
        sums = map(sum, zip(*every, strict=True)) if every else [0.0] * len(_RATES_NAMES)
        facts |= {name: round(rate, 3) for name, rate in zip(_RATES_NAMES, sums, strict=True)}
    if LATENCY in kinds:
        facts |= _times_facts(b"wait", merged(times for meter in meters for times in meter.waits))
        if slo_ms is not None:
            facts[b"slo_ms"] = slo_ms
        facts[b"slo_share"] = _slo_share(metered)
    if TIMINGS in kinds:
        services = (times for meter in meters for times in meter.services)
        facts |= _times_facts(b"service", merged(services))
        facts[b"workers_needed"] = sum(map(_workers_needed, meters))
    return facts


_PUSHED, _5M = COUNTED.index("pushed"), HORIZONS_MS.index(300_000)
_RATES_NAMES = [
    b"%b_rate_%b" % (name.encode(), span) for name in COUNTED for span in (b"1m", b"5m", b"15m")
]


def _times_facts(name: bytes, times: Times) -> Facts:
    facts: Facts = {b"%b_p%d_ms" % (name, each): times.within_ms(each) for each in (50, 90, 99)}
    facts[b"%b_max_ms" % name] = times.max_ms
    facts[b"%b_mean_ms" % name] = round(times.mean_ms, 3)
    return facts


def _slo_share(metered: Iterable[tuple[Queue, Meter]]) -> float | None:
    """Return which share of the deliveries of queues with an SLO was in time; None without any."""
    judged = [
        meter.in_time(queue.settings.slo_ms)
        for queue, meter in metered
        if queue.settings.slo_ms is not None
    ]
    delivered = sum([each for _, each in judged])
    return round(sum([in_time for in_time, _ in judged]) / delivered, 6) if delivered else None


def _workers_needed(meter: Meter) -> int:
    """Return how many workers are busy all the time with what comes in; 0 if that is unknown."""
    services = sum([times.sum_ms for times in meter.services])
    count = sum([times.count for times in meter.services])
    arrivals = round(meter.rates[_PUSHED][_5M], 3)
    if not arrivals or not count:
        return 0
    # Not one more because of a sum of fractions that is a hair over what it should be.
    return max(1, ceil(round(arrivals * services / count / 1_000, 9)))


def backoff_text(backoff: Backoff | None) -> bytes:
    """Return a backoff as the words of BACKOFF that give it."""
    backoff = backoff or DEFAULT_BACKOFF
    kind = {EXPONENTIAL: b"EXPONENTIAL", LINEAR: b"LINEAR"}.get(backoff.kind, b"FIXED")
    return b"%b %d MAX %d JITTER %d" % (kind, backoff.base_ms, backoff.max_ms, backoff.jitter_pct)


def settings_facts(queue: Queue) -> Facts:
    """Return the settings of a queue by their QUEUE SET words, defaults filled in, and its pauses.

    A pause is the instant of its end in unix ms, -1 if it has none, and 0 if there is none.
    """
    settings = queue.settings
    return {
        b"ORDER": b"MIN" if settings.min_first else b"MAX",
        b"PRIORITIES": b"TEXT" if settings.text else b"NUMERIC",
        b"LEASE": LEASE_MS if settings.lease_ms is None else settings.lease_ms,
        b"ATTEMPTS": ATTEMPTS if settings.attempts is None else settings.attempts,
        b"BACKOFF": backoff_text(settings.backoff),
        b"TTL": settings.ttl_ms or 0,
        b"EXPIRED": b"DROP" if settings.drop_expired else b"DEAD",
        b"MAXLEN": settings.maxlen or 0,
        b"MAXBYTES": settings.maxbytes or 0,
        b"OVERFLOW": b"DROPOLDEST" if settings.drop_oldest else b"REJECT",
        b"DUPLICATES": b"REFUSE" if settings.refuse_duplicates else b"ALLOW",
        b"CONCURRENCY": settings.concurrency or 0,
        b"GROUPCONCURRENCY": settings.group_concurrency or 0,
        b"FAIR": b"YES" if settings.fair else b"NO",
        b"KEEPDEAD": settings.keepdead_ms or 0,
        b"KEEP": settings.keep_ms or 0,
        b"RATE": _rate_text(settings.rate),
        b"PUSHRATE": _rate_text(settings.push_rate),
        b"SLO": settings.slo_ms or 0,
        b"paused_in_ms": _pause_end(queue.pauses.puts_ms),
        b"paused_out_ms": _pause_end(queue.pauses.pops_ms),
        b"paused_ack_ms": _pause_end(queue.pauses.acks_ms),
        b"paused_touch_ms": _pause_end(queue.pauses.touches_ms),
        b"waiting_bytes": queue.waiting_bytes,
        b"closed_until_ms": queue.gates[b""].until_ms if b"" in queue.gates else 0,
        b"closed_groups": _closed_groups(queue),
    }


def _closed_groups(queue: Queue) -> int:
    return 0 if queue.groups is None else len(queue.gates) - (b"" in queue.gates)


def _rate_text(rate: Rate | None) -> bytes:
    return b"" if rate is None else b"%d PER %d" % (rate.jobs, rate.per_ms)


def _pause_end(until_ms: int) -> int:
    return -1 if until_ms == FOREVER_MS else until_ms


def schedule_facts(queue: Queue, schedule: ScheduleSet) -> Facts:
    """Return everything about a schedule; None is what it leaves to the queue."""
    options = schedule.options or JobOptions()
    return {
        b"name": schedule.name,
        b"queue": queue.name,
        b"cron": schedule.cron,
        b"tz": schedule.zone or (b"UTC" if schedule.cron else b""),
        b"every_ms": schedule.every_ms,
        b"at_ms": schedule.at_ms,
        b"next_ms": schedule.next_ms,
        b"last_ms": schedule.last_ms,
        b"runs": schedule.runs,
        b"runs_max": schedule.runs_max,
        b"catchup": CATCHUP_NAMES[schedule.catchup],
        b"overlap": b"SKIP" if schedule.skips_overlap else b"ALLOW",
        b"skipped": schedule.skipped,
        b"jitter_ms": schedule.jitter_ms,
        b"start_ms": schedule.start_ms,
        b"end_ms": schedule.end_ms,
        b"paused": int(schedule.paused),
        b"delay_ms": schedule.delay_ms,
        b"priority": priority_text(schedule.priority),
        b"attempts": options.attempts,
        b"backoff": None if options.backoff is None else backoff_text(options.backoff),
        b"lease_ms": options.lease_ms,
        b"ttl_ms": schedule.ttl_ms,
        b"payload": schedule.payload,
    }
