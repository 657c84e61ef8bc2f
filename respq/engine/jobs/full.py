"""Full records: all that a job or a queue is, in one record."""

from __future__ import annotations

from typing import TypeVar

from respq.engine.jobs.job import Job, Notes
from respq.engine.jobs.queue import Queue
from respq.engine.records import JobRestored, QueueMade

Kind = TypeVar("Kind", bound=JobRestored)

_NO_NOTES = Notes()


def job_in_full(kind: type[Kind], job: Job, payload: bytes) -> Kind:
    """Return the record of a job as it stands; its payload may be away."""
    notes = job.notes or _NO_NOTES
    return kind(
        job.queue.number,
        job.number,
        payload,
        job.priority,
        job.pushed_ms,
        job.due_ms,
        job.options,
        job.phase,
        job.order,
        job.since_ms,
        job.fence,
        job.holder,
        notes.failures,
        notes.crashes,
        notes.error,
        notes.reason,
        notes.cancelled,
        notes.progress,
        notes.log,
        notes.result,
        notes.history,
        job.ready_ms,
    )


def queue_in_full(queue: Queue) -> QueueMade:
    """Return the record of a queue as it stands, without what is in it."""
    return QueueMade(
        queue.number,
        queue.db,
        queue.name,
        queue.made_ms,
        queue.configured,
        queue.settings,
        queue.totals.as_list(),
        queue.pauses,
        queue.paid_until,
        queue.push_paid_until,
        queue.active_ms,
        {**queue.purging},
        {**queue.orphaned},
    )
