"""Jobs that wait for others: BLOCKED until every parent is done.

A child names its parents when it is pushed, and its record keeps the numbers of those that are
still to be done. Parents are jobs of the same queue, and they are there before their children,
so that there is no cycle. When one is done its children are freed; when it ends otherwise, dead,
cancelled or thrown away, they are dead letters, and so are theirs.

What a parent's end means for its children is settled in slices, the first of them in the
transaction of the end. A crash in between loses nothing: at the start each child is told of
every parent that is not to be done any more. One that is gone was done, unless it left word that
its children are to die (`Queue.orphaned`), in the transaction in which it was thrown away.
"""

from __future__ import annotations

from collections import deque

from respq.config import CANCEL_SLICE, ERROR_BYTES_MAX, FLOW_SLICE, PURGE_WALK
from respq.engine.core import shown
from respq.engine.jobs.amend import Amending
from respq.engine.jobs.job import DEAD, DONE, Job
from respq.engine.jobs.queue import Queue
from respq.engine.records import ChildrenDied, ChildrenFreed, FlowCancelling


class Flowing(Amending):
    """Parents and children."""

    def settle(self, now_ms: int) -> None:
        """Tell children of the parents that ended just now: `FLOW_SLICE`; the rest is for later.

        Of a parent that is thrown away one at least is told now: it leaves word for the others, or
        after a crash such a parent could not be told from one that was done.
        """
        ended = self.state.ended
        left = FLOW_SLICE
        for queue, parent, name, done in list(ended):
            children = queue.children.get(parent)
            if not done and children and queue.job(parent) is None:
                numbers = sorted(children)[: max(left, 1)]
                left -= len(numbers)
                self._end(now_ms, queue, parent, name, numbers)
        self._tell(now_ms, ended, left)
        self.state.untold += ended
        ended.clear()

    def settle_later(self, now_ms: int) -> None:
        """Tell the next `FLOW_SLICE` children."""
        self._tell(now_ms, self.state.untold, FLOW_SLICE)
        self.settle(now_ms)

    def _tell(self, now_ms: int, ended: deque[tuple[Queue, int, bytes, bool]], left: int) -> None:
        while ended and left > 0:
            queue, parent, name, done = ended[0]
            children = queue.children.get(parent)
            if not children:
                ended.popleft()
                continue
            numbers = sorted(children)[:left]  # In the order of their push.
            left -= len(numbers)
            if done:
                self._free(now_ms, queue, parent, numbers)
            else:
                self._end(now_ms, queue, parent, name, numbers)

    def find_ended(self) -> None:
        """Look for parents that ended before their children were told."""
        for queue in self.state.queues.values():
            for parent in queue.children:
                job = queue.job(parent)
                if job is None or job.phase in (DEAD, DONE):
                    name = job.id if job is not None else b""
                    gone = job is None and parent not in queue.orphaned
                    done = gone or (job is not None and job.phase == DONE)
                    self.state.untold.append((queue, parent, name, done))

    def show_flow(self, db: int, name: bytes, flow: bytes) -> list[Job]:
        """Return the jobs of a flow that are there, in order of their push. Raises `NoQueue`."""
        queue = self.queue(db, name)
        return queue.jobs_of(sorted(queue.flows[flow])) if flow in queue.flows else []

    def cancel_flow(
        self, now_ms: int, db: int, name: bytes, flow: bytes, reason: bytes, by: bytes = b""
    ) -> int:
        """Cancel the jobs of a flow that are still to be done, the last ones first.

        Many are cancelled in slices, in the order in which none is freed by another. Raises
        `NoQueue`.

        Returns:
            How many they were.
        """
        queue = self.queue(db, name)
        members = queue.flows.get(flow, {})
        count = sum([_is_to_be_done(job) for job in queue.jobs_of([*members])]) if members else 0
        if count:
            reason = reason[:ERROR_BYTES_MAX]
            below = self.state.next_number
            self._cancel_slice(now_ms, queue, FlowCancelling(queue.number, flow, below, reason, by))
        return count

    def cancel_on(self, now_ms: int) -> None:
        """Cancel the next jobs of a flow that is being cancelled."""
        queue = next(iter(self.state.cancelling.values()))
        self._cancel_slice(now_ms, queue, next(iter(queue.cancelling.values())))

    def _cancel_slice(self, now_ms: int, queue: Queue, left: FlowCancelling) -> None:
        members = queue.flows.get(left.flow, {})
        below = found = 0
        chosen = []
        if len(members) <= CANCEL_SLICE:
            chosen = [number for number in sorted(members, reverse=True) if number < left.below]
        else:
            for seen, job in enumerate(queue.before(left.below)):
                if seen == PURGE_WALK or found >= CANCEL_SLICE:
                    below = job.number + 1
                    break
                if job.number in members:
                    chosen.append(job.number)
                    found += 1 + len(queue.children.get(job.number, ()))
        for number in chosen:
            member = queue.job(number)
            if member is not None and _is_to_be_done(member):
                self.cancel(now_ms, queue.db, queue.name, member.id, left.reason, left.by)
        if below or left.flow in queue.cancelling:
            self.emit(FlowCancelling(queue.number, left.flow, below, left.reason, left.by))
        self.settle(now_ms)

    def _free(self, now_ms: int, queue: Queue, parent: int, numbers: list[int]) -> None:
        behind: list[int] = []
        before: list[int] = []
        for number in numbers:
            job = queue.job(number)
            assert job is not None
            (before if job.order < 0 else behind).append(number)
        if behind:
            first = self.state.next_number
            self.state.next_number += len(behind)
            self.emit(ChildrenFreed(queue.number, parent, behind, first, now_ms))
        if before:
            order = self.draw_front(len(before))
            self.emit(ChildrenFreed(queue.number, parent, before, order, now_ms))

    def _end(self, now_ms: int, queue: Queue, parent: int, name: bytes, numbers: list[int]) -> None:
        how = "is dead" if queue.job(parent) is not None else "was thrown away"
        error = queue.orphaned.get(parent) or f"its parent {shown(name)} {how}".encode()
        more = queue.job(parent) is None and len(queue.children[parent]) > len(numbers)
        first = self.state.next_number
        self.state.next_number += len(numbers)
        due_ms = queue.keeps_dead_until(now_ms)
        self.emit(ChildrenDied(queue.number, parent, numbers, first, now_ms, error, due_ms, more))


def _is_to_be_done(job: Job) -> bool:
    return job.phase not in (DEAD, DONE)
