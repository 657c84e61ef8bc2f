"""Dead letters: looking at them, giving them another chance, throwing them away."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import msgspec

from respq.engine.core import check_name
from respq.engine.jobs.flow import Flowing
from respq.engine.jobs.job import BY_REDRIVE, MOVED, Job
from respq.engine.payloads import Payloads
from respq.engine.records import JobReleased, JobRemoved

LOOKED_AT_MAX = 100_000
"""Dead letters whose errors are looked at in one go; it takes about 20 ms."""


class DeadLetters(Flowing, Payloads):
    """The dead jobs of a queue."""

    def dead_count(self, db: int, name: bytes) -> int:
        """Return how many dead letters a queue has; 0 for a queue that is not there."""
        queue = self.queue_or_none(db, name)
        return len(queue.dead) if queue is not None else 0

    def dead(self, db: int, name: bytes, count: int) -> list[Job]:
        """Return up to ``count`` dead letters, the longest dead first."""
        queue = self.queue_or_none(db, name)
        return list(islice(queue.dead.values(), count)) if queue is not None else []

    def redrive(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        count: int,
        *,
        per_second: int = 0,
        to: bytes | None = None,
        matches: Callable[[bytes], bool] | None = None,
        dry_run: bool = False,
        by: bytes = b"",
    ) -> int:
        """Make up to ``count`` dead letters READY with a clean record; return how many.

        A ttl that is over by then is forgotten: they would be dead again at once. Of them
        ``per_second`` come back in a second, the others being DELAYED; 0 is for all. ``to`` is
        the queue into which they are pushed as new jobs, instead of their own. ``matches``
        tells by its last error whether one is meant; `LOOKED_AT_MAX` letters are looked at.
        With ``dry_run`` they are only counted.

        Raises:
            SyntaxFault, TooBig: for a name of a queue that cannot be one.
            PayloadsAway: if they go elsewhere, and their payloads have to be read.
        """
        if to is not None:
            check_name("queue name of TO", to)
            self.queue_or_none(db, to, now_ms)
        looked_at = self.dead(db, name, LOOKED_AT_MAX if matches is not None else count)
        dead = [job for job in looked_at if matches is None or matches(_error(job))][:count]
        if dry_run:
            return len(dead)
        if to is not None and to != name:
            return self._redrive_elsewhere(now_ms, db, to, dead, per_second)
        for place, job in enumerate(dead):
            self._revive(now_ms, job, _delay_ms(place, per_second), by)
        return len(dead)

    def _revive(self, now_ms: int, job: Job, delay_ms: int, by: bytes) -> None:
        due_ms = now_ms + delay_ms if delay_ms else 0
        number, order = job.number, self.next_number()
        # The error stays to be read; the counts start again.
        self.emit(
            JobReleased(
                *(job.queue.number, number, BY_REDRIVE, order, due_ms, now_ms, 0, 0, _error(job)),
                by=by,
            )
        )

    def _redrive_elsewhere(
        self, now_ms: int, db: int, to: bytes, dead: list[Job], per_second: int
    ) -> int:
        """Push dead letters of a queue into another; those whose payload nobody can read stay."""
        payloads = self.payloads(dead[0].queue, dead) if dead else []
        place = 0
        for job, payload in zip(dead, payloads, strict=True):
            if payload is not None:
                delay_ms = _delay_ms(place, per_second)
                self._revive_elsewhere(now_ms, db, to, job, payload, delay_ms)
                place += 1
        return place

    def _revive_elsewhere(
        self, now_ms: int, db: int, to: bytes, job: Job, payload: bytes, delay_ms: int
    ) -> None:
        queue = self.queue_or_new(now_ms, db, to)
        alike = queue.settings.text == job.queue.settings.text
        default = b"" if queue.settings.text else 0
        options = job.options
        if options is not None:
            # Its id, its key and its flow belong to the queue that it leaves.
            options = msgspec.structs.replace(
                options, id=None, dedup=None, expires_ms=None, flow=None
            )
        priority = job.priority if alike else default
        self.put_one(now_ms, queue, payload, priority, delay_ms, None, options)
        self.emit(JobRemoved(job.queue.number, job.number, MOVED))


def _delay_ms(place: int, per_second: int) -> int:
    """Return after how long the job at a place comes back; ``per_second`` is 0 for all at once."""
    return place * 1_000 // per_second if per_second else 0


def _error(job: Job) -> bytes:
    return job.notes.error if job.notes is not None else b""
