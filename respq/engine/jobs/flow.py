"""Jobs that wait for others: BLOCKED until every parent is done.

A child names its parents when it is pushed, and its record keeps the numbers of those that are
still to be done. Parents are jobs of the same queue, and they are there before their children,
so that there is no cycle. When one is done its children are freed; when it ends otherwise, dead,
cancelled or thrown away, they are dead letters, and so are theirs.

What a parent's end means for its children is settled in slices, the first of them in the
transaction of the end. A crash in between loses nothing: at the start each child is told of
every parent that is not to be done any more. One that is gone was done: if it was thrown away, its
children were settled with it.
"""

from __future__ import annotations

from collections import deque
from heapq import nlargest

from respq.config import CANCEL_SLICE, ERROR_BYTES_MAX, FLOW_SLICE
from respq.engine.core import shown
from respq.engine.jobs.amend import Amending
from respq.engine.jobs.job import DEAD, DONE, Job
from respq.engine.jobs.queue import Queue
from respq.engine.records import ChildrenDied, ChildrenFreed, FlowCancelling


class Flowing(Amending):
    """Parents and children."""

    def settle(self, now_ms: int) -> None:
        """Tell `FLOW_SLICE` children of the parents that ended just now; the rest is for later."""
        self._tell(now_ms, self.state.ended)
        self.state.untold += self.state.ended
        self.state.ended.clear()

    def settle_later(self, now_ms: int) -> None:
        """Tell the next `FLOW_SLICE` children."""
        self._tell(now_ms, self.state.untold)
        self.settle(now_ms)

    def settle_all(self, now_ms: int) -> None:
        """Tell all of them, before their parents are forgotten."""
        while self.state.untold:
            self.settle_later(now_ms)

    def _tell(self, now_ms: int, ended: deque[tuple[Queue, int, bytes, bool]]) -> None:
        left = FLOW_SLICE
        while ended and left > 0:
            queue, parent, name, done = ended[0]
            children = queue.children.get(parent)
            if not children:
                ended.popleft()
                continue
            # One that is gone without being done could not be told from one that was.
            whole = not done and queue.job(parent) is None
            numbers = sorted(children)  # In the order of their push.
            if not whole:
                del numbers[left:]
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
                    done = job is None or job.phase == DONE
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
        jobs = [job for job in self.show_flow(db, name, flow) if _is_to_be_done(job)]
        if jobs:
            reason = reason[:ERROR_BYTES_MAX]
            whole = FlowCancelling(queue.number, flow, jobs[-1].number + 1, reason, by)
            self._cancel_slice(now_ms, queue, whole)
        return len(jobs)

    def cancel_on(self, now_ms: int) -> None:
        """Cancel the next jobs of a flow that is being cancelled."""
        queue = next(iter(self.state.cancelling.values()))
        self._cancel_slice(now_ms, queue, next(iter(queue.cancelling.values())))

    def _cancel_slice(self, now_ms: int, queue: Queue, left: FlowCancelling) -> None:
        members = [number for number in queue.flows.get(left.flow, ()) if number < left.below]
        last = nlargest(CANCEL_SLICE, members)
        for job in queue.jobs_of(last) if last else ():
            if _is_to_be_done(job):
                self.cancel(now_ms, queue.db, queue.name, job.id, left.reason, left.by)
        more = len(members) > len(last)
        if more or left.flow in queue.cancelling:
            below = last[-1] if more else 0
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
        first = self.state.next_number
        self.state.next_number += len(numbers)
        self.emit(
            ChildrenDied(
                queue.number,
                parent,
                numbers,
                first,
                now_ms,
                f"its parent {shown(name)} {how}".encode(),
                queue.keeps_dead_until(now_ms),
            )
        )


def _is_to_be_done(job: Job) -> bool:
    return job.phase not in (DEAD, DONE)
