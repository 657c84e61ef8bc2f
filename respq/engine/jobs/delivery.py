"""How jobs go out and come back: lease, ack, nack, touch, undo, and the end of a lease."""

from __future__ import annotations

from collections.abc import Sequence

from respq.config import ERROR_BYTES_MAX, RESTART_LEASE_MS, TRANSACTION_BYTES_MAX
from respq.engine.core import EngineCore, shown
from respq.engine.jobs import job as jobs
from respq.engine.jobs.job import LEASED, Job, is_receipt
from respq.engine.jobs.queue import Queue
from respq.engine.jobs.retry import DEFAULT_BACKOFF, delay_ms
from respq.engine.records import (
    JobDied,
    JobReleased,
    JobRemoved,
    JobReturned,
    JobsAcked,
    JobsLeased,
    JobTouched,
    JobUndone,
)
from respq.errors import SyntaxFault, TooBig

LEASE_MS = 30_000
ATTEMPTS = 3
"""Defaults of the server: a job without an option in a queue without a setting."""

FAIL, SILENT, FATAL = b"FAIL", b"SILENT", b"FATAL"

DUE_DEAD = -1
DUE_STALE = -2


class Delivering(EngineCore):
    """Deliveries."""

    def lease(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        *,
        count: int = 1,
        lease_ms: int | None = None,
        holder: bytes = b"",
    ) -> list[Job]:
        """Lease up to ``count`` of the most urgent jobs, most urgent first."""
        queue = self.state.names[db].get(name)
        if queue is not None and queue.is_limited:
            count = min(count, self.room(now_ms, queue))
        leased: list[Job] = []
        while queue is not None and len(leased) < count:
            at_head = queue.ready.head(count - len(leased))
            if not at_head:
                break
            usual = now_ms + (_queue_lease_ms(queue) if lease_ms is None else lease_ms), 1
            terms, start, end = usual, 0, len(at_head)
            for place, job in enumerate(at_head):
                if job.options is None and job.trouble is None:
                    its = usual
                elif self._ttl_is_over(now_ms, job):
                    end = place
                    break
                else:
                    its = (
                        now_ms + (_lease_ms(job) if lease_ms is None else lease_ms),
                        1 + job.attempts,
                    )
                if its != terms:
                    self._lease_run(now_ms, at_head[start:place], terms, holder)
                    terms, start = its, place
            self._lease_run(now_ms, at_head[start:end], terms, holder)
            leased += at_head[:end]
            if end < len(at_head):
                self.expire(now_ms, at_head[end])
        return leased

    def room(self, now_ms: int, queue: Queue) -> int:
        """Return how many READY jobs may go out, and see to it that who waits is told of more."""
        room = queue.deliverable(now_ms)
        rate = queue.settings.rate
        if not room and rate is not None and not rate.left(queue.paid_until, now_ms):
            self.state.open_at(queue, rate.opens_ms(queue.paid_until))
        return room

    def _lease_run(
        self, now_ms: int, run: list[Job], terms: tuple[int, int], holder: bytes
    ) -> None:
        """Lease jobs of one queue until the same instant, in the same attempt."""
        if not run:
            return
        until_ms, attempt = terms
        fence = self.state.next_fence
        self.state.next_fence = fence + len(run)
        numbers = [job.number for job in run]
        self.emit(
            JobsLeased(run[0].queue.number, numbers, until_ms, fence, attempt, now_ms, holder)
        )

    def take(self, now_ms: int, db: int, name: bytes, *, count: int = 1) -> list[Job]:
        """Take up to ``count`` of the most urgent jobs for good, without a lease."""
        queue = self.state.names[db].get(name)
        if queue is not None and queue.is_limited:
            if not self.room(now_ms, queue):
                return []
            rate = queue.settings.rate
            count = count if rate is None else min(count, rate.left(queue.paid_until, now_ms))
        taken: list[Job] = []
        while queue is not None and len(taken) < count:
            job = queue.ready.first()
            if job is None:
                break
            if self._ttl_is_over(now_ms, job):
                self.expire(now_ms, job)
                continue
            self.emit(JobRemoved(queue.number, job.number, jobs.TAKEN, now_ms))
            taken.append(job)
        return taken

    def ack(self, now_ms: int, db: int, name: bytes, receipts: Sequence[bytes]) -> list[bool]:
        """Finish the deliveries that the receipts prove; return which of them were good.

        A receipt that is stale or of another queue counts nothing and changes nothing, and
        so does one that is given again.

        Raises:
            SyntaxFault: if one of them does not have the form of a receipt.
        """
        queue = self.state.names[db].get(name)
        numbers: dict[int, None] = {}
        good = []
        for receipt, job in zip(receipts, _leased(queue, receipts)):  # noqa: B905 - 100 ns
            if job is None:
                check_receipt(receipt)
            elif job.due_ms > now_ms and job.number not in numbers:
                numbers[job.number] = None
                good.append(True)
                continue
            good.append(False)
        if numbers and queue is not None:
            self.emit(JobsAcked(queue.number, list(numbers)))
        return good

    def nack(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        receipts: Sequence[bytes],
        *,
        outcome: bytes = FAIL,
        delay: int | None = None,
        error: bytes = b"",
        front: bool = False,
    ) -> list[int]:
        """Give deliveries back; return for each when it is due again.

        FAIL counts an attempt and backs off, SILENT counts nothing, FATAL makes the job a
        dead letter. ``delay`` is milliseconds instead of the backoff; of ``error`` the first
        `ERROR_BYTES_MAX` bytes stay with the job. With ``front`` they stand before the jobs
        of their priority, in their order, as soon as they are due.

        Returns:
            Unix milliseconds; 0 for READY at once, `DUE_DEAD`, `DUE_STALE`.

        Raises:
            SyntaxFault: if one of them does not have the form of a receipt.
            TooBig: for so many that the error, kept with each, would burst a transaction.
        """
        error = error[:ERROR_BYTES_MAX]
        if len(receipts) * len(error) > TRANSACTION_BYTES_MAX:
            raise TooBig(
                f"{len(receipts)} times an error of {len(error)} bytes is over the limit of a "
                f"transaction, {TRANSACTION_BYTES_MAX} bytes: nack fewer at once"
            )
        held = self.held(now_ms, db, name, receipts)
        due = [
            DUE_STALE
            if job is None or not job.receipt  # The same receipt may be given twice.
            else self._nack_one(now_ms, job, outcome, delay, error, front)
            for job in (reversed(held) if front else held)
        ]
        return due[::-1] if front else due

    def touch(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        receipts: Sequence[bytes],
        *,
        lease_ms: int | None = None,
    ) -> list[int]:
        """Let leases last from now on; return the end of each in unix ms, 0 for a lost one."""
        ends = []
        for job in self.held(now_ms, db, name, receipts):
            if job is None:
                ends.append(0)
                continue
            until_ms = now_ms + (_lease_ms(job) if lease_ms is None else lease_ms)
            self.emit(JobTouched(job.queue.number, job.number, until_ms))
            ends.append(until_ms)
        return ends

    def undo(self, job: Job, fence: int) -> None:
        """Put a popped job back: its reply was never handed to the transport.

        ``fence`` is that of the pop, 0 if it was taken without a lease. Does nothing if
        the delivery is over, if the queue is gone, or if another job has the id by now.
        """
        queue = self.state.queues.get(job.queue.number)
        if queue is None:
            return
        if fence:
            if job.phase == LEASED and job.fence == fence and queue.job(job.number) is job:
                self.emit(JobUndone(queue.number, job.number))
        elif queue.job(job.number) is None and job.id not in queue.ids:
            trouble = job.trouble or jobs.Trouble()
            self.emit(
                JobReturned(
                    queue.number,
                    job.number,
                    job.payload,
                    job.priority,
                    job.pushed_ms,
                    job.due_ms,
                    job.options,
                    job.phase,
                    job.order,
                    job.since_ms,
                    job.fence,
                    job.holder,
                    trouble.failures,
                    trouble.crashes,
                    trouble.error,
                    trouble.reason,
                )
            )

    def held(
        self, now_ms: int, db: int, name: bytes, receipts: Sequence[bytes]
    ) -> list[Job | None]:
        """Return the job of each receipt, None for one that is not good (any more).

        Raises:
            SyntaxFault: if one of them does not have the form of a receipt.
        """
        queue = self.state.names[db].get(name)
        found = []
        for receipt, job in zip(receipts, _leased(queue, receipts), strict=True):
            if job is None:
                check_receipt(receipt)
            found.append(job if job is not None and job.due_ms > now_ms else None)
        return found

    def end_lease(self, now_ms: int, job: Job) -> None:
        """Take a job from a holder whose lease is over."""
        trouble = job.trouble or jobs.Trouble()
        crashes = trouble.crashes + 1
        if self._ttl_is_over(now_ms, job):
            self.expire(now_ms, job)
        elif _is_spent(job, trouble.failures + crashes):
            self._die(now_ms, job, jobs.BY_LEASE_END, jobs.ATTEMPTS_SPENT, crashes=crashes)
        else:
            self._release(now_ms, job, jobs.BY_LEASE_END, 0, crashes=crashes)

    def expire(self, now_ms: int, job: Job) -> None:
        """End a job whose ttl is over: dead, or dropped if its queue says so."""
        held = job.phase == LEASED
        if job.queue.settings.drop_expired:
            cause = jobs.HELD_EXPIRED if held else jobs.EXPIRED
            self.emit(JobRemoved(job.queue.number, job.number, cause))
            return
        crashes = (job.trouble.crashes if job.trouble is not None else 0) + held
        cause = jobs.BY_LEASE_END if held else jobs.BY_TTL
        self._die(now_ms, job, cause, jobs.TTL_OVER, crashes=crashes)

    def extend_leases(self, now_ms: int) -> None:
        """Let leases that ended while the server was down live on for a while.

        Their workers may still be at it: a restart must not double their work.
        """
        for queue in self.state.queues.values():
            for job in list(queue.leases.values()):
                if job.due_ms <= now_ms:
                    lease_ms = min(job.due_ms - job.since_ms, RESTART_LEASE_MS)
                    self.emit(JobTouched(queue.number, job.number, now_ms + lease_ms))

    def _nack_one(
        self, now_ms: int, job: Job, outcome: bytes, delay: int | None, error: bytes, front: bool
    ) -> int:
        trouble = job.trouble or jobs.Trouble()
        if outcome == SILENT:
            due_ms = now_ms + delay if delay else 0
            if self._ttl_is_over(max(now_ms, due_ms), job):
                return self._nack_expired(now_ms, job, trouble.failures, error)
            self._release(now_ms, job, jobs.BY_SILENT, due_ms, error=error, front=front)
            return due_ms
        failures = trouble.failures + 1
        attempts = failures + trouble.crashes
        if outcome == FATAL or _is_spent(job, attempts):
            reason = jobs.FATAL if outcome == FATAL else jobs.ATTEMPTS_SPENT
            self._die(now_ms, job, jobs.BY_NACK, reason, failures=failures, error=error)
            return DUE_DEAD
        if delay is None:
            options = job.options
            backoff = options.backoff if options is not None else None
            backoff = backoff or job.queue.settings.backoff or DEFAULT_BACKOFF
            delay = delay_ms(backoff, attempts, job.number)
        due_ms = now_ms + delay if delay else 0
        if self._ttl_is_over(max(now_ms, due_ms), job):
            return self._nack_expired(now_ms, job, failures, error)
        self._release(
            now_ms, job, jobs.BY_NACK, due_ms, failures=failures, error=error, front=front
        )
        return due_ms

    def _nack_expired(self, now_ms: int, job: Job, failures: int, error: bytes) -> int:
        """End a job whose ttl is over before it could be handed out again."""
        if job.queue.settings.drop_expired:
            self.emit(JobRemoved(job.queue.number, job.number, jobs.NACKED_EXPIRED))
        else:
            self._die(now_ms, job, jobs.BY_NACK, jobs.TTL_OVER, failures=failures, error=error)
        return DUE_DEAD

    def _release(
        self,
        now_ms: int,
        job: Job,
        cause: int,
        due_ms: int,
        *,
        failures: int | None = None,
        crashes: int | None = None,
        error: bytes = b"",
        front: bool = False,
    ) -> None:
        trouble = job.trouble or jobs.Trouble()
        self.emit(
            JobReleased(
                job.queue.number,
                job.number,
                cause,
                self.next_order(front=front),
                due_ms,
                now_ms,
                trouble.failures if failures is None else failures,
                trouble.crashes if crashes is None else crashes,
                error or trouble.error,
            )
        )

    def _die(
        self,
        now_ms: int,
        job: Job,
        cause: int,
        reason: int,
        *,
        failures: int | None = None,
        crashes: int | None = None,
        error: bytes = b"",
    ) -> None:
        trouble = job.trouble or jobs.Trouble()
        keepdead_ms = job.queue.settings.keepdead_ms
        self.emit(
            JobDied(
                job.queue.number,
                job.number,
                self.next_number(),
                cause,
                reason,
                now_ms,
                trouble.failures if failures is None else failures,
                trouble.crashes if crashes is None else crashes,
                error or trouble.error,
                0 if keepdead_ms is None else now_ms + keepdead_ms,
            )
        )

    @staticmethod
    def _ttl_is_over(now_ms: int, job: Job) -> bool:
        options = job.options
        expires_ms = options.expires_ms if options is not None else None
        return expires_ms is not None and expires_ms <= now_ms


def check_receipt(text: bytes) -> None:
    """Raise `SyntaxFault` for what does not have the form of a receipt."""
    if not is_receipt(text):
        raise SyntaxFault(f"'{shown(text)}' is not a receipt: one looks like 41:1763-17")


def _lease_ms(job: Job) -> int:
    """Return how long a delivery of this job lasts unless its consumer says otherwise."""
    options = job.options
    if options is not None and options.lease_ms is not None:
        return options.lease_ms
    return _queue_lease_ms(job.queue)


def _queue_lease_ms(queue: Queue) -> int:
    lease_ms = queue.settings.lease_ms
    return LEASE_MS if lease_ms is None else lease_ms


def attempts_max(job: Job) -> int:
    """Return after how many attempts a job is dead; 0 for never."""
    options = job.options
    if options is not None and options.attempts is not None:
        return options.attempts
    attempts = job.queue.settings.attempts
    return ATTEMPTS if attempts is None else attempts


def _is_spent(job: Job, attempts: int) -> bool:
    limit = attempts_max(job)
    return 0 < limit <= attempts


def _leased(queue: Queue | None, receipts: Sequence[bytes]) -> list[Job | None]:
    """Return the job of each receipt, None where a delivery is over or never was."""
    return [None] * len(receipts) if queue is None else queue.leases.get_all(receipts)
