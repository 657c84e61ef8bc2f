"""Jobs thrown away by the queue or by the phase.

A whole queue is emptied by one record, and its memory is freed in slices that nobody sees. So are
the jobs of one phase where there are no others, or few of them. Many among others go in slices, one
a turn: what the queue still has to throw away is part of its state, and a restart goes on with it.
"""

from __future__ import annotations

from respq.config import PURGE_SLICE, PURGE_WALK
from respq.engine.jobs.flow import Flowing
from respq.engine.jobs.job import DONE
from respq.engine.jobs.queue import ANY_PHASE, Queue
from respq.engine.records import QueuePurged


class Purging(Flowing):
    """Purges."""

    def purge(self, now_ms: int, queue: Queue, phase: int = ANY_PHASE) -> int:
        """Throw the jobs of a queue away that are in ``phase`` now; return how many they are."""
        held = len(queue)
        count = held if phase == ANY_PHASE else queue.counts[phase]
        below = self.state.next_number
        if count == held:
            if count:
                # What is done was counted when it was.
                purged = count - len(queue.done)
                self.emit(QueuePurged(queue.number, ANY_PHASE, below, purged))
        elif phase not in queue.purging and 0 < count <= PURGE_SLICE:
            purged = 0 if phase == DONE else count
            self.emit(QueuePurged(queue.number, phase, below, purged, 0, now_ms))
        elif count:
            self._purge_slice(queue, phase, below, now_ms)
        return count

    def purge_on(self, now_ms: int) -> None:
        """Throw the next jobs away of one queue that has some to be thrown away."""
        queue = next(iter(self.state.purging.values()))
        phase, (below, at_ms) = next(iter(queue.purging.items()))
        self._purge_slice(queue, phase, below, at_ms)
        self.settle(now_ms)

    def _purge_slice(self, queue: Queue, phase: int, below: int, at_ms: int) -> None:
        # The last ones first: what waits for one that is thrown away is BLOCKED no longer.
        first = found = children = 0
        for seen, job in enumerate(queue.before(below)):
            if seen == PURGE_WALK or found + children >= PURGE_SLICE:
                first = job.number + 1
                break
            if job.phase == phase and job.since_ms <= at_ms:
                found += 1
                children += len(queue.children.get(job.number, ()))
        purged = 0 if phase == DONE else found
        self.emit(QueuePurged(queue.number, phase, below, purged, first, at_ms))
