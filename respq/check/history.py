"""What is known of jobs and queues from all lines together.

An event belongs to a request, and so has two times and may not have happened at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, TypeAlias

from respq.check.lines import Request

DEFAULT_LEASE_MS = 30_000
_PAYLOAD_KEPT = 64


def stored(payload: str) -> str:
    """Return what is kept of a payload: itself, or a digest, so that a history fits in memory."""
    if len(payload) <= _PAYLOAD_KEPT:
        return payload
    digest = blake2b(payload.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return f"{payload[:16]}… of {len(payload)} characters, {digest}"


@dataclass(slots=True, eq=False)
class Push:
    """A push that was told this id, or that named it and had no answer."""

    request: Request
    payload: str | None
    """None if it is not known."""
    priority: str = ""
    lease_ms: int | None = None
    maxlease_ms: int | None = None
    is_prompt: bool = True
    """Whether it made the job ready at once."""
    may_vanish: bool = False
    """Whether the job may go without anybody ending it."""
    may_repeat: bool = False
    """Whether it may have been told the id of a job that was there already."""
    may_fail: bool = False
    """Whether it may have been refused, or made no job, though what was sent with it was done."""

    def is_like(self, other: Push) -> bool:
        """Whether jobs of the one are judged as those of the other."""
        mine = self.payload, self.lease_ms, self.maxlease_ms, self.may_vanish
        return mine == (other.payload, other.lease_ms, other.maxlease_ms, other.may_vanish)


@dataclass(slots=True, eq=False)
class Source:
    """What may have made jobs whose ids nobody was told."""

    push: Push
    is_single: bool
    """Whether it made one job at most."""
    made: list[Job] = field(default_factory=list)
    """Jobs that only this one can have made."""


@dataclass(slots=True, eq=False)
class Delivery:
    """A job in the answer to a pop."""

    request: Request
    job: Job
    place: tuple[int, int]
    """Of the command in its line, and of the job in the reply."""
    fence: int
    """0 for a job that was taken by NOACK."""
    lease_ms: int | None
    payload: str


@dataclass(slots=True, eq=False)
class End:
    """An ack, a move or a nack."""

    request: Request
    kind: Literal["ack", "move", "nack"]
    fence: int
    is_sure: bool
    """Whether an answer said that it took effect; else it may have."""


@dataclass(slots=True, eq=False)
class Touch:
    """A lease that lasts from then on for a time."""

    request: Request
    fence: int
    lease_ms: int | None
    is_sure: bool


@dataclass(slots=True, eq=False)
class Look:
    """What QSHOW said."""

    request: Request
    phase: str
    """Empty if there was no such job."""
    fence: int
    payload: str


@dataclass(slots=True, eq=False)
class Removal:
    """QDEL or QCANCEL."""

    request: Request
    kind: Literal["deleted", "cancelled"]
    is_sure: bool


@dataclass(slots=True, eq=False)
class Edit:
    """QEDIT: whatever the push said may not hold any more."""

    request: Request


Event: TypeAlias = Push | Delivery | End | Touch | Look | Removal | Edit


@dataclass(slots=True, eq=False)
class Job:
    """One id of a queue, and everything that was recorded of it."""

    queue: Queue
    id: str
    events: list[Event] = field(default_factory=list)
    sources: tuple[Source, ...] = ()
    """What may have made it, if no push was told its id or named it."""

    def __str__(self) -> str:
        return f"{self.queue.name}/{self.id}"


@dataclass(slots=True, eq=False)
class Queue:
    """A queue, and what of it makes judgement careful."""

    name: str
    jobs: dict[str, Job] = field(default_factory=dict)
    sources: dict[str | None, list[Source]] = field(default_factory=lambda: defaultdict(list))
    """By payload; None for those that may have made any."""
    removal: Request | None = None
    """The first that may have ended any of its jobs."""
    replacement: Request | None = None
    """The first that may have ended any that has a key."""
    priorities: set[str] = field(default_factory=set)
    """Of its pushes."""
    blind_pops: list[Request] = field(default_factory=list)
    """Pops without an answer: they may hold any of its jobs."""
    lease_ms: int = DEFAULT_LEASE_MS
    """The shortest that it ever had."""
    is_set: bool = False
    """Whether it was ever configured or paused, so that pushes may be refused."""
    is_grouped: bool = False
    """Whether its order may be another than that of priorities."""
    may_vanish: bool = False
    orders: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of ORDER and PRIORITIES that it was made with."""
    is_renamed: bool = False
    counts: tuple[Request, int] | None = None
    """The last answer of QSTATS: how many jobs there were that are not done."""

    def may_lose_jobs(self, request: Request) -> None:
        """Note a request that may have ended any of its jobs."""
        if self.removal is None or request.start_ms < self.removal.start_ms:
            self.removal = request

    def may_replace_jobs(self, request: Request) -> None:
        """Note a request that may have ended any that has a key."""
        if self.replacement is None or request.start_ms < self.replacement.start_ms:
            self.replacement = request

    def may_make_jobs(self, push: Push) -> None:
        """Note what may make any number of jobs; those that are alike are one source."""
        for alike in self.sources[push.payload]:
            if not alike.is_single and alike.push.is_like(push):
                if push.request.start_ms < alike.push.request.start_ms:
                    alike.push = push
                return
        self.sources[push.payload].append(Source(push, is_single=False))

    def job(self, job_id: str) -> Job:
        """Return the job of an id."""
        job = self.jobs.get(job_id)
        if job is None:
            job = self.jobs[job_id] = Job(self, job_id)
        return job


@dataclass(slots=True, eq=False)
class Part:
    """One of several effects that are there together or not at all."""

    job: Job | None = None
    """Whose delivery is ended by `end`, or that is pushed by its id."""
    end: End | None = None
    push: Push | None = None
    source: Source | None = None


@dataclass(slots=True, eq=False)
class Transaction:
    """An EXEC or a QMOVE without an answer."""

    request: Request
    parts: list[Part] = field(default_factory=list)


class History:
    """Everything that was recorded."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.deliveries: list[Delivery] = []
        self.transactions: dict[Request, Transaction] = {}

    def queue(self, db: int, name: str) -> Queue:
        """Return a queue of a database."""
        full = f"{db}:{name}" if db else name
        queue = self.queues.get(full)
        if queue is None:
            queue = self.queues[full] = Queue(full)
        return queue

    def jobs(self) -> Iterable[Job]:
        """Return all jobs that can be judged."""
        for queue in self.queues.values():
            if not queue.is_renamed:
                yield from queue.jobs.values()

    def part(self, request: Request, part: Part) -> None:
        """Note what a request without an answer does, all of it or nothing."""
        transaction = self.transactions.get(request)
        if transaction is None:
            transaction = self.transactions[request] = Transaction(request)
        transaction.parts.append(part)
