"""Dead letters: looking at them, giving them another chance, throwing them away."""

from __future__ import annotations

from itertools import islice

from respq.engine.jobs.flow import Flowing
from respq.engine.jobs.job import BY_REDRIVE, DEAD, Job
from respq.engine.records import JobReleased, QueuePurged


class DeadLetters(Flowing):
    """The dead jobs of a queue."""

    def dead_count(self, db: int, name: bytes) -> int:
        """Return how many dead letters a queue has; 0 for a queue that is not there."""
        queue = self.state.names[db].get(name)
        return len(queue.dead) if queue is not None else 0

    def dead(self, db: int, name: bytes, count: int) -> list[Job]:
        """Return up to ``count`` dead letters, the longest dead first."""
        queue = self.state.names[db].get(name)
        return list(islice(queue.dead.values(), count)) if queue is not None else []

    def redrive(self, now_ms: int, db: int, name: bytes, count: int) -> int:
        """Make up to ``count`` dead letters READY with a clean record; return how many.

        A ttl that is over is forgotten: they would be dead again at once.
        """
        dead = self.dead(db, name, count)
        for job in dead:
            # The error stays to be read; the counts start again.
            error = job.notes.error if job.notes is not None else b""
            self.emit(
                JobReleased(
                    job.queue.number,
                    job.number,
                    BY_REDRIVE,
                    self.next_number(),
                    0,
                    now_ms,
                    0,
                    0,
                    error,
                )
            )
        return len(dead)

    def purge_dead(self, now_ms: int, db: int, name: bytes) -> int:
        """Throw all dead letters of a queue away; return how many there were."""
        self.settle_all(now_ms)
        queue = self.state.names[db].get(name)
        count = len(queue.dead) if queue is not None else 0
        if queue is not None and count:
            self.emit(QueuePurged(queue.number, DEAD, self.state.next_number, count))
        return count
