"""What a record says to those who listen: the events of jobs, one for each job of a run.

They are read off before the record is applied, for a job that is acknowledged is gone after
it, and only on the live path: replay tells nobody. An event is the database, the name of the
queue, what happened, and the id of the job (of a purge: how many there were). Touches, and
what is done to queues and schedules, say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from respq.engine.jobs import job as jobs
from respq.engine.jobs.job import LEASED, Job, job_id
from respq.engine.records import (
    ChildrenDied,
    ChildrenFreed,
    JobCancelled,
    JobDied,
    JobDone,
    JobDue,
    JobEdited,
    JobReleased,
    JobRemoved,
    JobReturned,
    JobsAcked,
    JobsLeased,
    JobsPushed,
    JobUndone,
    QueuePurged,
    Record,
)

if TYPE_CHECKING:
    from respq.engine.jobs.queue import Queue
    from respq.engine.state import State

Told = tuple[int, bytes, bytes, bytes]
"""An event: database, queue, what happened, and to which job."""

PUSHED: Final = b"pushed"
READY: Final = b"ready"
LEASED_OUT: Final = b"leased"
ACKED: Final = b"acked"
NACKED: Final = b"nacked"
EXPIRED: Final = b"expired"
DEAD: Final = b"dead"
REDRIVEN: Final = b"redriven"
UNDONE: Final = b"undone"
DROPPED: Final = b"dropped"
DELETED: Final = b"deleted"
EVICTED: Final = b"evicted"
FORGOTTEN: Final = b"forgotten"
REPLACED: Final = b"replaced"
OVER: Final = b"over"
CANCELLED: Final = b"cancelled"
EDITED: Final = b"edited"
PURGED: Final = b"purged"

NAMES: Final = frozenset(
    (
        *(PUSHED, READY, LEASED_OUT, ACKED, NACKED, EXPIRED, DEAD, REDRIVEN, UNDONE, DROPPED),
        *(DELETED, EVICTED, FORGOTTEN, REPLACED, OVER, CANCELLED, EDITED, PURGED),
    )
)
"""All there are."""

_RELEASED_AS: Final = {
    jobs.BY_NACK: NACKED,
    jobs.BY_SILENT: NACKED,
    jobs.BY_LEASE_END: EXPIRED,
    jobs.BY_REDRIVE: REDRIVEN,
}
_REMOVED_AS: Final = {
    jobs.TAKEN: ACKED,
    jobs.EXPIRED: DROPPED,
    jobs.HELD_EXPIRED: DROPPED,
    jobs.NACKED_EXPIRED: DROPPED,
    jobs.DELETED: DELETED,
    jobs.EVICTED: EVICTED,
    jobs.FORGOTTEN: FORGOTTEN,
    jobs.REPLACED: REPLACED,
    jobs.CANCELLED: CANCELLED,
    jobs.OVER: OVER,
    jobs.MOVED: REDRIVEN,
}
"""HELD_CANCELLED and NACKED_CANCELLED are missing: that was said when it was cancelled."""


def events_of(state: State, record: Record) -> Iterable[Told]:
    """Return the events of a record that is about to be applied, in the order of its jobs."""
    told = _EVENTS.get(record.__class__)
    return () if told is None else told(state, record)


def _pushed(state: State, record: JobsPushed) -> Iterable[Told]:
    queue = state.queues[record.queue]
    options = record.options
    if options is not None and options.id is not None:
        return ((queue.db, queue.name, PUSHED, options.id),)
    numbers = range(record.first, record.first + len(record.payloads))
    return [(queue.db, queue.name, PUSHED, job_id(record.pushed_ms, number)) for number in numbers]


def _run(word: bytes) -> Callable[[State, JobsLeased | JobsAcked | ChildrenDied], list[Told]]:
    def told(state: State, record: JobsLeased | JobsAcked | ChildrenDied) -> list[Told]:
        queue = state.queues[record.queue]
        db, name = queue.db, queue.name
        return [(db, name, word, job.id) for job in queue.jobs_of(record.numbers)]

    return told


def _freed(state: State, record: ChildrenFreed) -> Iterable[Told]:
    """Of the children those come to be READY who wait for nobody else, and have no delay left."""
    queue = state.queues[record.queue]
    for job in queue.jobs_of(record.numbers):
        assert job.options is not None
        is_last = all(each == record.parent for each in job.options.depends)
        if is_last and job.due_ms <= record.freed_ms:
            yield queue.db, queue.name, READY, job.id


def _one(word: bytes) -> Callable[[State, Any], Iterable[Told]]:
    def told(state: State, record: Any) -> Iterable[Told]:
        return (_event(_job(state, record), word),)

    return told


def _released(state: State, record: JobReleased) -> Iterable[Told]:
    return (_event(_job(state, record), _RELEASED_AS[record.cause]),)


def _removed(state: State, record: JobRemoved) -> Iterable[Told]:
    word = _REMOVED_AS.get(record.cause)
    if word is None:
        return ()
    job = _job(state, record)
    if word is CANCELLED and job.phase == LEASED:
        return ()  # Its holder has ended it; that it is cancelled was said before.
    return (_event(job, word),)


def _returned(state: State, record: JobReturned) -> Iterable[Told]:
    queue = state.queues[record.queue]
    options = record.options
    own = options.id if options is not None else None
    its_id = job_id(record.pushed_ms, record.number) if own is None else own
    return ((queue.db, queue.name, UNDONE, its_id),)


def _purged(state: State, record: QueuePurged) -> Iterable[Told]:
    queue = state.queues[record.queue]
    return ((queue.db, queue.name, PURGED, b"%d" % record.count),) if record.count else ()


def _job(state: State, record: Any) -> Job:
    queue: Queue = state.queues[record.queue]
    job = queue.job(record.number)
    assert job is not None, "the engine has looked at it"
    return job


def _event(job: Job, word: bytes) -> Told:
    return job.queue.db, job.queue.name, word, job.id


_EVENTS: Final[dict[type[Record], Callable[[State, Any], Iterable[Told]]]] = {
    JobsPushed: _pushed,
    JobDue: _one(READY),
    ChildrenFreed: _freed,
    JobsLeased: _run(LEASED_OUT),
    JobsAcked: _run(ACKED),
    JobDone: _one(ACKED),
    JobRemoved: _removed,
    JobReleased: _released,
    JobDied: _one(DEAD),
    ChildrenDied: _run(DEAD),
    JobUndone: _one(UNDONE),
    JobReturned: _returned,
    JobCancelled: _one(CANCELLED),
    JobEdited: _one(EDITED),
    QueuePurged: _purged,
}
