"""What can be done to a job besides delivering it: cancelled, kicked, edited."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest
from operator import attrgetter
from typing import Any

import msgspec

from respq.config import ERROR_BYTES_MAX
from respq.engine.core import shown
from respq.engine.jobs.full import job_in_full
from respq.engine.jobs.job import BLOCKED, CANCELLED, DEAD, DELAYED, DONE, LEASED, READY, Job, Notes
from respq.engine.jobs.push import Producing, no_room_for_bytes, read_priority
from respq.engine.jobs.retry import Backoff
from respq.engine.records import (
    JobCancelled,
    JobDue,
    JobEdited,
    JobOptions,
    JobRemoved,
    JobRestored,
    Labels,
)
from respq.engine.state import Ending
from respq.errors import NoJob, SyntaxFault, WrongState


class EditTerms(msgspec.Struct, frozen=True):
    """What an edit changes; None leaves it as it is."""

    payload: bytes | None = None
    priority: bytes | None = None
    """As given; how it is read depends on the queue."""
    delay_ms: int | None = None
    at_ms: int | None = None
    attempts: int | None = None
    backoff: Backoff | None = None
    lease_ms: int | None = None
    maxlease_ms: int | None = None
    ttl_ms: int | None = None
    """0 for none."""
    name: bytes | None = None
    tags: tuple[bytes, ...] | None = None
    meta: bytes | None = None
    trace: bytes | None = None


class Amending(Producing):
    """Changes of single jobs."""

    def find_job(self, db: int, name: bytes, job_id: bytes) -> Job:
        """Return a job; raise `NoQueue` or `NoJob` if it is not there."""
        job = self.queue(db, name).find(job_id)
        if job is None:
            raise NoJob(f"queue '{shown(name)}' has no job '{shown(job_id)}'")
        return job

    def cancel(
        self, now_ms: int, db: int, name: bytes, job_id: bytes, reason: bytes, by: bytes = b""
    ) -> bool:
        """Have a job not be done; return False if there is none, or if it is dead or done.

        One that waits is gone. The holder of one that is in work is told when it touches or
        ends it, and it is not tried again.
        """
        queue = self.queue_or_none(db, name)
        job = queue.find(job_id) if queue is not None else None
        if job is None or job.phase in (DEAD, DONE):
            return False
        if job.phase == LEASED:
            reason = reason[:ERROR_BYTES_MAX]
            self.emit(JobCancelled(job.queue.number, job.number, reason, now_ms, by))
        else:
            self.emit(JobRemoved(job.queue.number, job.number, CANCELLED))
        return True

    def ending(self, db: int, name: bytes, job_id: bytes) -> Ending | int:
        """Return how a job ended; the number of one that is still to be done.

        Of one that is not there any more nothing is known but that it is ``gone``, unless
        somebody waits for it.
        """
        queue = self.queue_or_none(db, name)
        job = queue.find(job_id) if queue is not None else None
        if job is None:
            return self.state.endings.get((db, name, job_id), (b"gone", b""))
        notes = job.notes or Notes()
        if job.phase == DONE:
            return b"done", notes.result
        return (b"dead", notes.error) if job.phase == DEAD else job.number

    def kick(self, now_ms: int, db: int, name: bytes, count: int, by: bytes = b"") -> int:
        """Make up to ``count`` DELAYED jobs READY, the next to be due first; return how many."""
        queue = self.queue_or_none(db, name)
        if queue is None:
            return 0
        kicked: list[Job] = []
        for slot in queue.delayed.slots():
            kicked += nsmallest(count - len(kicked), slot, key=attrgetter("due_ms"))
            if len(kicked) == count:
                break
        for job in kicked:
            self._kick_one(now_ms, job, by)
        return len(kicked)

    def kick_these(
        self, now_ms: int, db: int, name: bytes, ids: Sequence[bytes], by: bytes = b""
    ) -> int:
        """Make those of the jobs READY that are DELAYED; return how many they were."""
        queue = self.queue_or_none(db, name)
        if queue is None:
            return 0
        kicked = 0
        for job_id in ids:
            job = queue.find(job_id)
            if job is not None and job.phase == DELAYED:
                self._kick_one(now_ms, job, by)
                kicked += 1
        return kicked

    def _kick_one(self, now_ms: int, job: Job, by: bytes) -> None:
        self.emit(JobDue(job.queue.number, job.number, self.place_of(job), now_ms, by))

    def edit(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        job_id: bytes,
        terms: EditTerms,
        by: bytes = b"",
    ) -> None:
        """Change what is given of a job that nobody holds; the rest stays.

        With another priority it stands behind the jobs of that priority. A delay counts from
        now; a ttl too.

        Raises:
            NoQueue, NoJob: if it is not there.
            MaxLen: if its queue has no room for a larger payload.
            WrongState: if somebody holds it, or if a dead letter would get a delay.
            BadPriority: for a priority that the queue cannot order.
            SyntaxFault: if it would be due only after its ttl.
        """
        job = self.find_job(db, name, job_id)
        delays = terms.delay_ms is not None or terms.at_ms is not None
        if job.phase == LEASED:
            raise WrongState(f"job '{shown(job_id)}' is leased: edit it when it is back")
        if job.phase == DONE:
            raise WrongState(f"job '{shown(job_id)}' is done: push another")
        if job.phase == DEAD and delays:
            raise WrongState(f"job '{shown(job_id)}' is dead: QDLQ REDRIVE it to have it delivered")
        if terms.payload is not None and job.phase != DEAD:
            _check_bytes(job, terms.payload)
        priority = job.priority
        if terms.priority is not None:
            priority = read_priority(terms.priority, text=job.queue.settings.text)
        phase, due_ms = job.phase, job.due_ms
        if delays:
            due_ms = terms.at_ms or now_ms + (terms.delay_ms or 0)
            due_ms = due_ms if due_ms > now_ms else 0
            phase = DELAYED if due_ms else READY
        if job.phase == BLOCKED:
            phase = BLOCKED
        options = _edited(now_ms, job.options or JobOptions(), terms)
        late = options.expires_ms is not None and due_ms >= options.expires_ms
        if late and phase in (DELAYED, BLOCKED) and options.expires_ms is not None:
            raise SyntaxFault(
                f"the job would be due {due_ms - now_ms} ms from now, after its ttl, which is "
                f"over in {options.expires_ms - now_ms} ms"
            )
        moves = (priority, phase) != (job.priority, job.phase) and phase != DEAD
        self.emit(
            JobEdited(
                job.queue.number,
                job.number,
                terms.payload,
                priority,
                due_ms,
                None if options == JobOptions() else options,
                phase,
                self.place_of(job, front=job.order < 0) if moves else job.order,
                now_ms if phase != job.phase else job.since_ms,
                now_ms,
                by,
                _words(terms),
            )
        )
        if terms.payload is not None:
            # Only full records say where a payload is.
            self.emit(job_in_full(JobRestored, self.find_job(db, name, job_id), terms.payload))


def _check_bytes(job: Job, payload: bytes) -> None:
    queue, limit = job.queue, job.queue.settings.maxbytes
    more = len(payload) - job.payload_bytes
    if limit is not None and more > 0 and queue.waiting_bytes + more > limit:
        raise no_room_for_bytes(queue, more)


def _words(terms: EditTerms) -> bytes:
    """Return what an edit changes, as words."""
    given = [name for name in terms.__struct_fields__ if getattr(terms, name) is not None]
    return " ".join(name.removesuffix("_ms") for name in given).encode()


def _edited(now_ms: int, options: JobOptions, terms: EditTerms) -> JobOptions:
    """Return the options of a job with what an edit changes in them."""
    changes: dict[str, Any] = {
        name: getattr(terms, name)
        for name in ("attempts", "backoff", "lease_ms", "maxlease_ms")
        if getattr(terms, name) is not None
    }
    if terms.ttl_ms is not None:
        changes["expires_ms"] = now_ms + terms.ttl_ms if terms.ttl_ms else None
    labels = options.labels or Labels()
    said = {
        name: getattr(terms, name)
        for name in Labels.__struct_fields__
        if getattr(terms, name) is not None
    }
    labels = msgspec.structs.replace(labels, **said)
    changes["labels"] = None if labels == Labels() else labels
    return msgspec.structs.replace(options, **changes)
