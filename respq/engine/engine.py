"""The engine: every decision about queues, without clock, disk or network.

Each part checks, then emits (core.py); what a record does to the state is in state.py.
Time comes in as ``now_ms``, unix milliseconds that never run backwards.
"""

from __future__ import annotations

from respq.config import DUE_SLICE, FREE_SLICE
from respq.engine.check import check
from respq.engine.jobs.administer import Administering
from respq.engine.jobs.dead import DeadLetters
from respq.engine.jobs.delivery import Delivering
from respq.engine.jobs.explain import Explaining
from respq.engine.jobs.job import DEAD, DELAYED, DONE, FORGOTTEN, LEASED, OVER, Job
from respq.engine.jobs.purge import Purging
from respq.engine.jobs.queue import Queue
from respq.engine.jobs.schedule import Scheduling
from respq.engine.jobs.workers import check_workers
from respq.engine.keys.key import Key
from respq.engine.keys.keyed import Keyed
from respq.engine.keys.value import Taken
from respq.engine.records import (
    GateClosed,
    GateOpened,
    JobDue,
    JobRemoved,
    WindowClosed,
    WindowOpened,
)
from respq.engine.relocate import Relocating


class Engine(
    Scheduling, Delivering, DeadLetters, Purging, Explaining, Administering, Keyed, Relocating
):
    """All queues and keys, and everything that can be done to them."""

    def tick(self, now_ms: int) -> bool:
        """Let everything happen that is due by now, in one slice; return whether more is.

        Each due transition is a transaction of its own.
        """
        if self.state.is_behind:
            self._go_on(now_ms)
        timers = self.state.timers
        if timers.first_ms > now_ms:
            return self.state.is_behind
        for due in timers.due(now_ms, DUE_SLICE):
            start = len(self.records)
            if isinstance(due, Job):
                self._job_is_due(now_ms, due)
            elif isinstance(due, Queue):
                self.look_at_queue(now_ms, due)
            elif isinstance(due, WindowOpened):
                self.emit(WindowClosed(due.queue, due.number, due.key))
            elif isinstance(due, GateClosed):
                self.emit(GateOpened(due.queue, due.number, due.group))
            elif isinstance(due, Key):
                self.key_is_due(now_ms, due)
            else:
                self.fire(now_ms, due)
            if self.state.ended:
                self.settle(now_ms)
            self.end_transaction(start)
        return timers.first_ms <= now_ms or self.state.is_behind

    def _go_on(self, now_ms: int) -> None:
        """Take the next slice of each thing that was begun."""
        state = self.state
        state.free(FREE_SLICE)
        state.keys.free(state, FREE_SLICE)
        for begun, go_on in (
            (state.untold, self.settle_later),
            (state.purging, self.purge_on),
            (state.cancelling, self.cancel_on),
        ):
            if begun:
                start = len(self.records)
                go_on(now_ms)
                self.end_transaction(start)

    def next_deadline_ms(self) -> int:
        """Return the earliest instant at which `tick` has something to do."""
        return 0 if self.state.is_behind else self.state.timers.first_ms

    def start(self, now_ms: int) -> None:
        """Begin to serve a state that was read back: what happened meanwhile is settled."""
        self.workers.find_again()
        self.extend_leases(now_ms)
        self.find_ended()
        if not self.state.schedules_held:
            self.catch_up(now_ms)

    def hold_schedules(self, now_ms: int, held: bool) -> None:
        """Have no schedule fire for a while, as if the server were down for them, or end that."""
        self.state.hold_schedules(held)
        if not held:
            self.catch_up(now_ms)

    def deliverable(self, now_ms: int, db: int, name: bytes | int) -> int:
        """Return how much there is of this name for clients that wait: jobs, or what a key has.

        A number is of a job that ended.
        """
        if isinstance(name, int):
            return 1
        queue = self.state.names[db].get(name)
        if queue is not None:
            return self.room(now_ms, queue)
        key = self.find_key(now_ms, db, name)
        return key.value.deliverable if key is not None else 0

    def undo(self, now_ms: int, job: Job | Taken, fence: int) -> None:
        """Put back what was popped, of a queue or of a key: its reply was never handed over."""
        if isinstance(job, Taken):
            job.put_back(self, now_ms)
        else:
            super().undo(now_ms, job, fence)

    def check(self) -> None:
        """Assert that every index agrees with the jobs."""
        check(self.state)
        check_workers(self.state, self.workers)

    def _job_is_due(self, now_ms: int, job: Job) -> None:
        if job.queue.job(job.number) is not job:
            return  # Purged; its timer goes when the graveyard is freed, a slice each turn.
        if not 0 < job.timer_ms <= now_ms:
            return  # It died with a parent that was due in the same slice.
        if job.phase == LEASED:
            self.end_lease(now_ms, job)
        elif job.phase == DEAD:
            self.emit(JobRemoved(job.queue.number, job.number, FORGOTTEN))
        elif job.phase == DONE:
            self.emit(JobRemoved(job.queue.number, job.number, OVER))
        elif self._ttl_is_over(now_ms, job):
            self.expire(now_ms, job)
        elif job.phase == DELAYED:
            self.emit(JobDue(job.queue.number, job.number, self.place_of(job), job.due_ms))
