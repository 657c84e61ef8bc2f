"""What happened to the jobs of one queue between two moments.

It is read from the records while the state is rebuilt beside them, for an ack or a death names a
job and only the state knows what that is. Each job is kept as it was when it happened, once: of
one that died twice the later death stands.

Where compaction has forgotten the beginning, some of it comes late or never. A queue says its name
only when it is said again, so what happens in it before waits for that; and a job that ended
before it was said again is gone, nobody knows with what payload. So the journal is read on behind
the range until everything that lives has been said again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from respq.engine.batch import BatchHeader
from respq.engine.jobs.job import TAKEN, Job, job_id
from respq.engine.records import (
    ChildrenDied,
    JobDied,
    JobDone,
    JobOptions,
    JobRemoved,
    JobRestored,
    JobReturned,
    JobsAcked,
    JobsPushed,
    QueueMade,
    QueueRenamed,
    Record,
)
from respq.engine.state import State
from respq.errors import JournalRefused
from respq.journal.journal import BatchSource
from respq.journal.moment import Moment, NotHeld
from respq.journal.replay import replay

PUSHED: Final = "pushed"
ACKED: Final = "acked"
DEAD: Final = "dead"


@dataclass(frozen=True, slots=True)
class Gathered:
    """A job to which it happened, as it was then."""

    position: int
    """Of the batch that says so."""
    number: int
    pushed_ms: int
    payload: bytes
    priority: int | bytes
    options: JobOptions | None

    @property
    def id(self) -> bytes:
        """The id that clients knew."""
        given = self.options.id if self.options is not None else None
        return given if given is not None else job_id(self.pushed_ms, self.number)


@dataclass(slots=True)
class Harvest:
    """What was found in a range of the journal."""

    first: int
    """Position behind which the range begins."""
    last: int
    """Position of its last batch."""
    jobs: list[Gathered] = field(default_factory=list)
    """In the order in which it happened to them."""
    gone: int = 0
    """How many others there were, of which the journal knows no more what they were."""
    nameless: int = 0
    """How many there were in queues of which the journal knows no more what they were called."""


def gather(
    journal: BatchSource,
    begin: Moment,
    end: Moment,
    queue: tuple[int, bytes],
    which: str,
    report: Callable[[str], None],
) -> Harvest:
    """Return the jobs that were pushed, acknowledged or dead in a queue after ``begin``.

    Args:
        journal: to be read.
        begin: position 0 is before everything.
        end: what had happened by then belongs to it.
        queue: database and name, as it was called when it happened.
        which: `PUSHED`, `ACKED` or `DEAD`.
        report: called with a sentence for everything that was passed over.

    Raises:
        NotHeld: the journal does not hold all that happened between the two.
        JournalRefused: they lie the wrong way round, or there was no such queue.
        StartRefused: it cannot be read up to there.
    """
    gatherer = _Gatherer(begin, end, queue, which)
    replayed = replay(journal, gatherer.state, report, until=gatherer.wants)
    for moment in (begin, end):
        if moment.position is not None and moment.position >= replayed.next_position:
            raise NotHeld("the journal ends at", replayed.next_position - 1, replayed.now_ms)
    return gatherer.harvest()


@dataclass(slots=True)
class _Found:
    """A job to which it happened, in a queue whose name may still have to be learnt."""

    queue: int
    name: tuple[int, bytes] | None
    position: int
    job: Gathered | None = None


class _Overheard(State):
    """A state that tells of each record before it makes it true."""

    def __init__(self, hear: Callable[[Record], None]) -> None:
        super().__init__()
        self._hear = hear

    def apply(self, record: Record) -> None:
        """Tell of a record, and make it true."""
        self._hear(record)
        super().apply(record)


class _Gatherer:
    """Notes what happens to the jobs of one queue."""

    def __init__(self, begin: Moment, end: Moment, wanted: tuple[int, bytes], which: str) -> None:
        self.state = _Overheard(self._hear)
        self._begin, self._end, self._wanted = begin, end, wanted
        self._events = _EVENTS[which]
        self._is_inside = False
        self._was_there = False
        self._journal_begins = 0
        self._first = begin.position or 0
        self._last = 0
        self._found: dict[int, _Found] = {}
        """By the number of the job."""
        self._first_names: dict[int, tuple[int, bytes]] = {}
        """What queues were called when they said it, by number."""

    def wants(self, header: BatchHeader) -> bool:
        """Tell whether the batch is to be applied; from then on its records are of it.

        Raises:
            NotHeld, JournalRefused: see `gather`.
        """
        if not self._journal_begins:
            self._journal_begins = header.position
            self._check_held(header)
        is_before, is_by_then = self._begin.includes(header), self._end.includes(header)
        if is_before and not is_by_then:
            raise JournalRefused("the range ends before it begins: exchange its two moments")
        self._is_inside = is_by_then and not is_before
        if is_before:
            self._first = header.position
        if is_by_then:
            self._last = header.position
        return is_by_then or not self._has_said_all

    def _check_held(self, header: BatchHeader) -> None:
        """Refuse a range of which the beginning has been forgotten, given the first batch."""
        before = header.position - 1
        position, at_ms = self._begin.position, self._begin.at_ms
        if before and (
            position < before if position is not None else at_ms is None or at_ms < header.now_ms
        ):
            raise NotHeld(
                "compaction has forgotten a part of what happened since then: begin behind "
                f"position {before}, for the journal begins at",
                header.position,
                header.now_ms,
            )

    @property
    def _has_said_all(self) -> bool:
        """Whether all that lived when the journal was cut has been said in full."""
        trimmed = self.state.trimmed
        return self._journal_begins == 1 or (
            trimmed is not None and trimmed.before >= self._journal_begins
        )

    def _hear(self, record: Record) -> None:
        kind = type(record)
        if self._is_inside and kind in self._events:
            for number, job in self._events[kind](self, record):
                self._note(record, number, job)
        match record:
            case QueueMade() | QueueRenamed():
                self._learn_name(record)
            case JobReturned() if self._is_inside and kind in self._events:
                # A pop without a lease never reached its worker: it was no ack.
                self._found.pop(record.number, None)
            case JobRestored():
                self._learn_job(record)

    def _note(self, record: Any, number: int, job: Gathered | None) -> None:
        queue = self.state.queues.get(record.queue)
        name = None
        if queue is not None and record.queue not in self.state.unmade:
            name = queue.db, queue.name
            if name != self._wanted:
                return
        self._found.pop(number, None)
        self._found[number] = _Found(record.queue, name, self.state.position, job)

    def _learn_name(self, record: QueueMade | QueueRenamed) -> None:
        if isinstance(record, QueueMade):
            name = record.db, record.name
            self._first_names.setdefault(record.number, name)
        else:
            queue = self.state.queues.get(record.queue)
            if queue is None or record.queue in self.state.unmade:
                return
            name = queue.db, record.name
        self._was_there |= name == self._wanted

    def _learn_job(self, record: JobRestored) -> None:
        found = self._found.get(record.number)
        if found is not None and found.job is None:
            found.job = Gathered(
                found.position,
                record.number,
                record.pushed_ms,
                record.payload,
                record.priority,
                record.options,
            )

    def pushed(self, record: JobsPushed) -> Happened:
        """Yield the jobs of a push."""
        for number, payload in enumerate(record.payloads, record.first):
            yield (
                number,
                Gathered(
                    self.state.position,
                    number,
                    record.pushed_ms,
                    payload,
                    record.priority,
                    record.options,
                ),
            )

    def ended(self, record: JobsAcked | ChildrenDied) -> Happened:
        """Yield the jobs of a run of ends."""
        for number in record.numbers:
            yield number, self._as_it_is(record.queue, number)

    def ended_alone(self, record: JobDone | JobDied) -> Happened:
        """Yield the job that ended."""
        yield record.number, self._as_it_is(record.queue, record.number)

    def taken(self, record: JobRemoved) -> Happened:
        """Yield the job of a pop that needs no ack."""
        if record.cause == TAKEN:
            yield record.number, self._as_it_is(record.queue, record.number)

    def returned(self, _: JobReturned) -> Happened:
        """Yield nothing: `_hear` takes it back."""
        yield from ()

    def _as_it_is(self, queue_number: int, number: int) -> Gathered | None:
        queue = self.state.queues.get(queue_number)
        job: Job | None = queue.job(number) if queue is not None else None
        if job is None:
            return None
        return Gathered(
            self.state.position,
            number,
            job.pushed_ms,
            job.payload_here,
            job.priority,
            job.options,
        )

    def harvest(self) -> Harvest:
        """Return what was found."""
        if not self._was_there:
            raise JournalRefused(f"there was no queue {_shown(self._wanted)}")
        harvest = Harvest(self._first, self._last)
        for found in self._found.values():
            name = found.name or self._first_names.get(found.queue)
            if name is None:
                harvest.nameless += 1
            elif name == self._wanted:
                if found.job is None:
                    harvest.gone += 1
                else:
                    harvest.jobs.append(found.job)
        return harvest


Happened = Iterator[tuple[int, Gathered | None]]
"""Numbers of jobs, and what they are; None for those that are not there any more."""

_EVENTS: Final[dict[str, dict[type[Record], Callable[[_Gatherer, Any], Happened]]]] = {
    PUSHED: {JobsPushed: _Gatherer.pushed},
    ACKED: {
        JobsAcked: _Gatherer.ended,
        JobDone: _Gatherer.ended_alone,
        JobRemoved: _Gatherer.taken,
        JobReturned: _Gatherer.returned,
    },
    DEAD: {JobDied: _Gatherer.ended_alone, ChildrenDied: _Gatherer.ended},
}
"""Records that say so of a job, with what finds it."""


def _shown(queue: tuple[int, bytes]) -> str:
    return f"'{queue[1].decode(errors='backslashreplace')}' in database {queue[0]}"
