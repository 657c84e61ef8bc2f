"""One queue: its settings, its jobs by number and by phase, its totals.

    jobs      every job, by number, in chunks of 65,536 numbers: no dict ever grows so far
              that one resize stalls the loop (a dict of 1.4 M entries takes 43 ms)
    ready     the order in which READY jobs go out
    leases    LEASED jobs by receipt: an ack is one lookup, and a receipt that is not in
              here is stale, whatever it says
    delayed   DELAYED jobs by about when they are due, see `DELAY_BITS`
    dead      DEAD jobs by number, in order of death
    done      DONE jobs by number
    ids       jobs whose producer gave the id
    keys      jobs by the dedup key that they hold
    flows     numbers of the jobs of each flow
    children  numbers of the BLOCKED jobs that wait for a job, by its number
    windows   what holds a dedup key until an instant, by key
    gates     what a worker closed for a while, by group; the queue itself by an empty name
    answers   what repeated pushes are told, oldest first
    meter     how busy it has been of late, of which the journal knows nothing

``ready``, ``delayed``, ``leases`` and the timers are indexes: replay leaves them alone
and builds them once at its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import msgspec

from respq.engine.grouped import GroupedOrder
from respq.engine.jobs.job import BLOCKED, DEAD, DELAYED, LEASED, READY, Job
from respq.engine.jobs.meter import SPACING_MS, Meter
from respq.engine.ordered import ReadyOrder
from respq.engine.records import (
    AnswerKept,
    FlowCancelling,
    GateClosed,
    Pauses,
    QueueSettings,
    ScheduleSet,
    WindowOpened,
)
from respq.engine.spread import Spread
from respq.engine.timers import Timers

Part = dict[Any, Any] | deque[Job]
"""Of an index, which may hold many jobs."""
CHUNK_BITS = 16
DELAY_BITS = 10
"""Delayed jobs that are due in the same 1,024 ms share a slot: a new one costs two dicts, not a
place in an order of a million."""
SPARSE = 1 << (CHUNK_BITS - 2)
"""So few jobs in a chunk are found faster by sorting them than by trying every number."""
DEFAULT_SETTINGS = QueueSettings()
ANY_PHASE = -1
FOREVER_MS = 1 << 62
"""Until when a queue is paused without an end."""
TOTALS = (
    "pushed",
    "popped",
    "acked",
    "nacked",
    "expired",
    "dead",
    "redelivered",
    "redriven",
    "undone",
    "dropped",
    "purged",
    "returned",
    "deleted",
    "evicted",
    "forgotten",
    "replaced",
    "cancelled",
    "moved",
    "unreadable",
)


@dataclass(slots=True)
class Totals:
    """Counts since the queue was made, each bumped by a record alone."""

    pushed: int = 0
    popped: int = 0
    acked: int = 0
    nacked: int = 0
    expired: int = 0
    """Leases that ended."""
    dead: int = 0
    redelivered: int = 0
    """Pops of jobs that had been tried before."""
    redriven: int = 0
    undone: int = 0
    """Pops whose reply could not be handed over."""
    dropped: int = 0
    """Jobs whose ttl was over, in a queue that drops them."""
    purged: int = 0
    returned: int = 0
    """Jobs taken without a lease that never reached their worker: counted as acked, yet back."""
    deleted: int = 0
    """Jobs that somebody threw away one by one."""
    evicted: int = 0
    """Jobs that made room for others, in a queue that drops its oldest."""
    forgotten: int = 0
    """Dead letters that were kept for long enough."""
    replaced: int = 0
    """Jobs that made way for another with their dedup key."""
    cancelled: int = 0
    """Jobs that were not wanted any more; of those in work, when it ended."""
    moved: int = 0
    """Dead letters that were redriven to another queue."""
    unreadable: int = 0
    """Jobs that are dead because their payload could not be read."""

    def as_list(self) -> list[int]:
        """Return the counts in the order of `TOTALS`, as the journal keeps them."""
        return [getattr(self, name) for name in TOTALS]


class Queue:
    """A named queue and everything in it."""

    __slots__ = (
        "active_ms",
        "answers",
        "blocked_count",
        "cancelling",
        "children",
        "configured",
        "db",
        "dead",
        "delayed",
        "delayed_count",
        "done",
        "flows",
        "gates",
        "groups",
        "has_away",
        "ids",
        "is_guarded",
        "is_limited",
        "jobs",
        "keys",
        "leases",
        "look_ahead_in",
        "look_ms",
        "made_ms",
        "meter",
        "name",
        "next_sample_ms",
        "next_service_ms",
        "next_wait_ms",
        "number",
        "orphaned",
        "paid_until",
        "pauses",
        "position",
        "purging",
        "push_paid_until",
        "rate_opens_ms",
        "ready",
        "ready_bytes",
        "schedules",
        "settings",
        "totals",
        "unready_bytes",
        "warm",
        "windows",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.db = 0
        self.name = b""
        self.made_ms = 0
        self.active_ms = 0
        self.configured = False
        self.settings = DEFAULT_SETTINGS
        self.totals = Totals()
        self.position = 0
        """As `Job.position`."""
        self.jobs: dict[int, dict[int, Job]] = {}
        self.warm: set[int] = set()
        """Places in ``jobs`` where payloads may be in memory."""
        self.has_away = False
        """Whether payloads of READY jobs may be away."""
        self.look_ahead_in = 0
        """After how many more pops, if so, to ask for the payloads that are needed next."""
        self.pauses = Pauses()
        self.paid_until = 0
        """What its rate has given out; see `Rate`."""
        self.purging: dict[int, tuple[int, int]] = {}
        """By phase, what a purge still has to throw away: below which number, and what came into
        the phase by when."""
        self.push_paid_until = 0
        """What its rate of pushes has let in."""
        self.rate_opens_ms = 0
        """When to tell those who wait that its rate allows more; derived."""
        self.is_limited = False
        """Whether more than its READY jobs decides what it gives out; derived."""
        self.is_guarded = False
        """Whether it may refuse a job for more than its options; derived."""
        self.cancelling: dict[bytes, FlowCancelling] = {}
        """Flows some jobs of which are still to be cancelled."""
        self.gates: dict[bytes, GateClosed] = {}
        self.ready: ReadyOrder | GroupedOrder
        self.groups: GroupedOrder | None
        """The same as ``ready``, where groups matter."""
        self.begin_indexes()
        self.windows: dict[bytes, WindowOpened] = {}
        self.answers: dict[bytes, AnswerKept] = {}
        self.schedules: dict[bytes, ScheduleSet] = {}
        self.look_ms = 0
        """When the timers look what has become of it; derived."""
        self.meter: Meter | None = None
        """How busy it has been of late; not journaled."""
        self.next_sample_ms = 0
        """When to `measure` before any total changes."""
        self.next_wait_ms = 0
        """When to `note_wait` before a job goes out."""
        self.next_service_ms = 0
        """When to `note_service` before a delivery is acknowledged."""

    def measure(self, now_ms: int) -> Meter:
        """Return its meter, brought forward to now; it has one from then on."""
        totals = self.totals
        counts = totals.pushed, totals.popped, totals.acked, totals.nacked + totals.expired
        if self.meter is None:
            self.meter = Meter(now_ms, counts)
        else:
            self.meter.advance(now_ms, counts)
        self.next_sample_ms = self.meter.next_ms
        return self.meter

    def forget_meter(self) -> None:
        """Have nothing that was measured; the next one who uses it begins anew."""
        self.meter = None
        self.next_sample_ms = self.next_wait_ms = self.next_service_ms = 0

    def note_wait(self, now_ms: int, run: list[Job]) -> None:
        """Measure the wait of jobs that are about to go out.

        Where there is an SLO each of them is looked at. Else the first within `SPACING_MS`
        stands for all: when many go out, what is measured must not make them fewer.
        """
        meter = self.meter
        if meter is None or now_ms >= meter.next_ms:
            meter = self.measure(now_ms)
        meter.note_wait(now_ms - run[0].since_ms, self.totals.popped)
        slo_ms = self.settings.slo_ms
        if slo_ms is None:
            self.next_wait_ms = min(now_ms + SPACING_MS, meter.next_ms)
        else:
            meter.judge(run, now_ms, slo_ms)

    def note_service(self, now_ms: int, job: Job) -> None:
        """Measure how long a job took that is about to be acknowledged, for others as well."""
        meter = self.meter
        if meter is None or now_ms >= meter.next_ms:
            meter = self.measure(now_ms)
        meter.note_service(now_ms - job.since_ms, self.totals.acked)
        self.next_service_ms = min(now_ms + SPACING_MS, meter.next_ms)

    def note_taken(self) -> None:
        """Have the meter know of a job that is done without having been worked at."""
        if self.meter is not None:
            self.meter.taken += 1

    def deliverable(self, now_ms: int) -> int:
        """Return how many READY jobs may be handed out; their ttl may be over."""
        count = self.ready.count
        if not self.is_limited:
            return count
        if self.pauses.pops_ms or b"" in self.gates:
            return 0
        settings = self.settings
        if self.groups is not None:
            count = self.groups.claimable
        if settings.concurrency is not None:
            count = min(count, settings.concurrency - len(self.leases))
        if settings.rate is not None:
            count = min(count, settings.rate.left(self.paid_until, now_ms))
        return max(0, count)

    @property
    def waiting_count(self) -> int:
        """How many jobs count for its MAXLEN."""
        return self.ready.count + self.delayed_count + self.blocked_count

    @property
    def waiting_bytes(self) -> int:
        """How many bytes their payloads have, in a queue with MAXBYTES."""
        return self.ready_bytes + self.unready_bytes

    def keeps_dead_until(self, now_ms: int) -> int:
        """Return until when a job that dies now is kept; 0 for ever."""
        keepdead_ms = self.settings.keepdead_ms
        return 0 if keepdead_ms is None else now_ms + keepdead_ms

    def decide_limits(self) -> None:
        """Note whether anything but its READY jobs decides what it gives out, and takes."""
        settings = self.settings
        limits = settings.concurrency is not None or settings.rate is not None
        closed = self.pauses.pops_ms > 0 or b"" in self.gates
        self.is_limited = limits or closed or self.groups is not None
        full = settings.maxlen is not None or settings.maxbytes is not None
        guards = full or settings.push_rate is not None
        self.is_guarded = guards or settings.refuse_duplicates or self.pauses.puts_ms > 0

    def count_bytes(self, phase: int, count: int) -> None:
        """Count bytes of payloads that come into a phase, or leave it if that is below 0."""
        if phase == READY:
            self.ready_bytes += count
        elif phase in (DELAYED, BLOCKED):
            self.unready_bytes += count

    def begin_indexes(self) -> None:
        """Have nothing but ``jobs`` refer to a job."""
        self.begin_order()
        self.delayed: Timers[Job] = Timers()
        self.delayed_count = 0
        self.leases: Spread[bytes, Job] = Spread()
        self.dead: dict[int, Job] = {}
        self.done: dict[int, Job] = {}
        self.ids: Spread[bytes, Job] = Spread()
        self.keys: Spread[bytes, Job] = Spread()
        self.blocked_count = 0
        self.ready_bytes = 0
        """Of READY payloads; counted, as those of DELAYED and BLOCKED ones, under MAXBYTES only."""
        self.unready_bytes = 0
        self.children: dict[int, dict[int, None]] = {}
        self.flows: dict[bytes, dict[int, None]] = {}
        self.orphaned: dict[int, bytes] = {}
        """By the number of a parent that is gone without being done, what its children are to die
        of that have not been told."""

    def index_parts(self) -> list[Part]:
        """Return the dicts and deques in which its jobs stand, besides ``jobs``."""
        found: list[Part] = [*self.ready.parts(), *self.delayed.parts(), self.dead, self.done]
        for spread in (self.leases, self.ids, self.keys):
            found += spread.parts()
        found += (self.children, self.flows, self.orphaned)
        return [part for part in found if part]

    def begin_order(self) -> None:
        """Have an order without jobs, of the kind that the settings ask for."""
        settings = self.settings
        if settings.group_concurrency is None and not settings.fair:
            self.ready = ReadyOrder(min_first=settings.min_first)
            self.groups = None
        else:
            self.ready = self.groups = GroupedOrder(
                min_first=settings.min_first,
                limit=settings.group_concurrency,
                fair=settings.fair,
                gates=self.gates,
            )

    @property
    def counts(self) -> tuple[int, int, int, int, int, int]:
        """How many jobs are in each phase, by its code."""
        return (
            self.ready.count,
            self.delayed_count,
            len(self.leases),
            len(self.dead),
            len(self.done),
            self.blocked_count,
        )

    def job(self, number: int) -> Job | None:
        """Return the job of that number."""
        chunk = self.jobs.get(number >> CHUNK_BITS)
        return chunk.get(number) if chunk is not None else None

    def keep(self, job: Job) -> None:
        """Add a job to the table, in no index."""
        number = job.number
        chunk = self.jobs.get(number >> CHUNK_BITS)
        if chunk is None:
            chunk = self.jobs[number >> CHUNK_BITS] = {}
        chunk[number] = job
        self.warm.add(number >> CHUNK_BITS)
        options = job.options
        if options is None:
            return
        if options.id is not None:
            self.ids[options.id] = job
        if options.dedup is not None:
            if options.dedup.key in self.keys:
                job.options = msgspec.structs.replace(options, dedup=None)
            else:
                self.keys[options.dedup.key] = job
        if options.flow is not None:
            self.flows.setdefault(options.flow, {})[number] = None

    def keep_all(self, jobs: dict[int, Job]) -> None:
        """Do what `keep` does for jobs, by their numbers, that are consecutive."""
        first = next(iter(jobs))
        place = first >> CHUNK_BITS
        options = jobs[first].options
        named = options is not None and (
            options.id is not None or options.dedup is not None or options.flow is not None
        )
        if named or (first + len(jobs) - 1) >> CHUNK_BITS != place:
            for job in jobs.values():
                self.keep(job)
            return
        chunk = self.jobs.get(place)
        if chunk is None:
            chunk = self.jobs[place] = {}
            self.warm.add(place)
        chunk.update(jobs)

    def jobs_of(self, numbers: list[int]) -> list[Job]:
        """Return the jobs of those numbers; raise `KeyError` unless all are there."""
        try:
            # Jobs that are handed out or acknowledged together were mostly pushed together.
            return list(map(self.jobs[numbers[0] >> CHUNK_BITS].__getitem__, numbers))
        except KeyError:
            return [self.jobs[number >> CHUNK_BITS][number] for number in numbers]

    def forget_all(self, jobs: list[Job]) -> None:
        """Do what `forget` does for several jobs."""
        place = -1
        chunk: dict[int, Job] = {}
        for job in jobs:
            number = job.number
            if job.options is not None:
                self.forget(job)
                continue
            if number >> CHUNK_BITS != place:
                place = number >> CHUNK_BITS
                chunk = self.jobs[place]
            del chunk[number]
            if not chunk:
                del self.jobs[place]
                place = -1

    def forget(self, job: Job) -> None:
        """Take a job out of the table; the caller has taken it out of the indexes."""
        number = job.number
        chunk = self.jobs[number >> CHUNK_BITS]
        del chunk[number]
        if not chunk:
            del self.jobs[number >> CHUNK_BITS]
        options = job.options
        if options is None:
            return
        if options.id is not None and self.ids.get(options.id) is job:
            del self.ids[options.id]
        if options.dedup is not None and self.keys.get(options.dedup.key) is job:
            del self.keys[options.dedup.key]
        if options.flow is not None:
            members = self.flows[options.flow]
            del members[number]
            if not members:
                del self.flows[options.flow]

    def replace(self, job: Job, successor: Job) -> None:
        """Have another object stand for a job, under the same number, id, key and flow."""
        self.jobs[job.number >> CHUNK_BITS][job.number] = successor
        options = successor.options
        if options is None:
            return
        if options.id is not None:
            self.ids[options.id] = successor
        if options.dedup is not None:
            self.keys[options.dedup.key] = successor

    def let_go(self, job: Job) -> None:
        """Free the dedup key that a job holds, for good."""
        options = job.options
        if options is not None and options.dedup is not None:
            del self.keys[options.dedup.key]
            job.options = msgspec.structs.replace(options, dedup=None)

    def find(self, job_id: bytes) -> Job | None:
        """Return the job that clients know by ``job_id``."""
        job = self.ids.get(job_id)
        if job is not None:
            return job
        pushed_ms, dash, number = job_id.partition(b"-")
        if not (dash and pushed_ms.isdigit() and number.isdigit() and len(number) < 20):
            return None
        job = self.job(int(number))
        return job if job is not None and job.id == job_id else None

    def after(self, number: int) -> Iterator[Job]:
        """Yield the jobs with larger numbers in their order; the first few at little cost."""
        for place in sorted(each for each in self.jobs if each >= number >> CHUNK_BITS):
            chunk = self.jobs[place]
            first = max(number + 1, place << CHUNK_BITS)
            if len(chunk) < SPARSE:
                yield from (chunk[each] for each in sorted(chunk) if each >= first)
            else:
                present = map(chunk.get, range(first, (place + 1) << CHUNK_BITS))
                yield from (job for job in present if job is not None)

    def before(self, number: int) -> Iterator[Job]:
        """Yield the jobs with smaller numbers, the largest first; the first few at little cost."""
        for place in sorted(each for each in self.jobs if each <= number >> CHUNK_BITS)[::-1]:
            chunk = self.jobs[place]
            below = min(number, (place + 1) << CHUNK_BITS)
            if len(chunk) < SPARSE:
                yield from (chunk[each] for each in sorted(chunk, reverse=True) if each < below)
            else:
                present = map(chunk.get, range(below - 1, (place << CHUNK_BITS) - 1, -1))
                yield from (job for job in present if job is not None)

    def between(self, first: int, below: int) -> Iterator[Job]:
        """Yield the jobs from one number to below another, in their order."""
        return takewhile(lambda job: job.number < below, self.after(first - 1))

    def in_phase(self, phase: int) -> list[Job]:
        """Return the jobs of a phase from its index."""
        if phase == READY:
            return list(self.ready)
        if phase == DELAYED:
            return [job for slot in self.delayed.slots() for job in slot]
        if phase == BLOCKED:
            numbers = {number for children in self.children.values() for number in children}
            return self.jobs_of(sorted(numbers))
        if phase == LEASED:
            return list(self.leases.values())
        return list((self.dead if phase == DEAD else self.done).values())

    def __iter__(self) -> Iterator[Job]:
        """Yield every job, in order of number within a chunk's age."""
        for chunk in self.jobs.values():
            yield from chunk.values()

    def __len__(self) -> int:
        """Return the number of jobs in all phases."""
        return sum(map(len, self.jobs.values()))
