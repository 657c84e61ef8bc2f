"""How jobs go out and come back: lease, ack, nack, touch, undo, and the end of a lease."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from respq.config import ERROR_BYTES_MAX, GATES_MAX, RESTART_LEASE_MS, TRANSACTION_BYTES_MAX
from respq.engine.core import paused, shown
from respq.engine.jobs import job as jobs
from respq.engine.jobs.full import job_in_full
from respq.engine.jobs.job import LEASED, PHASE_NAMES, Job, is_receipt
from respq.engine.jobs.push import Producing, PushTerms
from respq.engine.jobs.queue import Queue
from respq.engine.jobs.retry import DEFAULT_BACKOFF, delay_ms, drawn
from respq.engine.jobs.workers import Supervising
from respq.engine.payloads import Payloads
from respq.engine.records import (
    GateClosed,
    JobDied,
    JobDone,
    JobReleased,
    JobRemoved,
    JobReturned,
    JobsAcked,
    JobsLeased,
    JobTouched,
    JobUndone,
)
from respq.errors import BadReceipt, Cancelled, SyntaxFault, TooBig

LEASE_MS = 30_000
ATTEMPTS = 3
"""Defaults of the server: a job without an option in a queue without a setting."""

FAIL, SILENT, FATAL = b"FAIL", b"SILENT", b"FATAL"

DUE_DEAD = -1
DUE_STALE = -2
END_LOST = 0
END_CANCELLED = -1
END_TOO_LATE = -2
END_STOP = -3


class Delivering(Producing, Supervising, Payloads):
    """Deliveries; the end of one may push what follows on it."""

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
        """Lease up to ``count`` of the most urgent jobs, most urgent first.

        Raises:
            PayloadsAway: if there are some, and the payload of the first has to be read.
        """
        queue = self.state.names[db].get(name)
        if queue is None:
            self.refuse_key(db, name, now_ms)
        elif queue.is_limited:
            count = min(count, self.room(now_ms, queue))
        leased: list[Job] = []
        while queue is not None and len(leased) < count:
            at_head = queue.ready.head(count - len(leased))
            if queue.has_away:
                at_head = self.present(now_ms, queue, at_head, 0 if leased else count)
            if not at_head:
                break
            usual = now_ms + (_queue_lease_ms(queue) if lease_ms is None else lease_ms), 1
            terms, start, end = usual, 0, len(at_head)
            for place, job in enumerate(at_head):
                if job.options is None and job.notes is None:
                    its = usual
                elif self._ttl_is_over(now_ms, job):
                    end = place
                    break
                else:
                    its = now_ms + _lease_for(job, lease_ms), 1 + job.attempts
                if its != terms:
                    self._lease_run(now_ms, at_head[start:place], terms, holder)
                    terms, start = its, place
            self._lease_run(now_ms, at_head[start:end], terms, holder)
            leased += at_head[:end]
            if end < len(at_head):
                self.expire(now_ms, at_head[end])
        if holder and leased:
            self.workers.given(now_ms, holder, leased, for_good=False)
        return leased

    def draw_order(
        self, now_ms: int, db: int, names: Sequence[bytes], weights: Sequence[int]
    ) -> list[bytes]:
        """Return queues in the order in which to try them: one is drawn by its weight.

        Those with nothing to give out are left out, and take no part in the draw.
        """
        left = [
            (name, weight)
            for name, weight in zip(names, weights, strict=True)
            if self._has_any(now_ms, db, name)
        ]
        if not left:
            return []
        total = sum(weight for _, weight in left)
        draw = drawn(self.state.next_fence, self.changes, total - 1)
        for place, (_, weight) in enumerate(left):
            if draw < weight:
                left.insert(0, left.pop(place))
                break
            draw -= weight
        return [name for name, _ in left]

    def _has_any(self, now_ms: int, db: int, name: bytes) -> bool:
        queue = self.state.names[db].get(name)
        return queue is not None and self.room(now_ms, queue) > 0

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
        queue = run[0].queue
        if now_ms >= queue.next_wait_ms:
            queue.note_wait(now_ms, run)
        until_ms, attempt = terms
        fence = self.state.next_fence
        self.state.next_fence = fence + len(run)
        numbers = [job.number for job in run]
        self.emit(JobsLeased(queue.number, numbers, until_ms, fence, attempt, now_ms, holder))

    def take(
        self, now_ms: int, db: int, name: bytes, *, count: int = 1, holder: bytes = b""
    ) -> list[Job]:
        """Take up to ``count`` of the most urgent jobs for good, without a lease.

        Raises as `lease` does.
        """
        queue = self.state.names[db].get(name)
        if queue is None:
            self.refuse_key(db, name, now_ms)
        elif queue.is_limited:
            if not self.room(now_ms, queue):
                return []
            rate = queue.settings.rate
            count = count if rate is None else min(count, rate.left(queue.paid_until, now_ms))
        taken: list[Job] = []
        while queue is not None and len(taken) < count:
            at_head = queue.ready.head(1)
            if queue.has_away:
                at_head = self.present(now_ms, queue, at_head, 0 if taken else count)
            if not at_head:
                break
            job = at_head[0]
            if self._ttl_is_over(now_ms, job):
                self.expire(now_ms, job)
                continue
            if job.options is not None and self.is_follow_up_barred(now_ms, job):
                break  # It stays until that key is gone: nothing may be refused by now.
            if now_ms >= queue.next_wait_ms:
                queue.note_wait(now_ms, [job])
            self.emit(JobRemoved(queue.number, job.number, jobs.TAKEN, now_ms))
            queue.note_taken()
            self.follow_up(now_ms, job)
            taken.append(job)
        if holder and taken:
            self.workers.given(now_ms, holder, taken, for_good=True)
        return taken

    def ack(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        receipts: Sequence[bytes],
        *,
        strict: bool = False,
        result: bytes = b"",
    ) -> list[bool]:
        """Finish the deliveries that the receipts prove; return which of them were good.

        A receipt that is stale or of another queue counts nothing and changes nothing, and
        so does one that is given again. One of a cancelled job counts nothing, and the job
        is gone. ``result`` stays with the jobs that are kept, and goes to those who wait.

        Raises:
            Paused: if the queue takes no acks for now.
            SyntaxFault: if one of them does not have the form of a receipt.
            BadReceipt: if ``strict`` and one of them is stale.
            Cancelled: if ``strict`` and one of them is of a cancelled job.
            TooBig: for so many that the result, kept with each, would burst a transaction.
        """
        queue = self.state.names[db].get(name)
        if queue is None:
            self.refuse_key(db, name, now_ms)
        elif queue.pauses.acks_ms:
            raise paused(now_ms, queue, queue.pauses.acks_ms, "acks")
        if strict:
            self._all_held(now_ms, queue, receipts)
        if result:
            _check_burst(receipts, result)
        numbers: dict[int, Job] = {}
        good = []
        special = False
        for receipt, job in zip(receipts, _leased(queue, receipts)):  # noqa: B905 - 100 ns
            if job is None:
                check_receipt(receipt)
            elif job.due_ms > now_ms and job.number not in numbers:
                numbers[job.number] = job
                good.append(True)
                if job.options is not None or job.notes is not None:
                    special = True
                continue
            good.append(False)
        if not numbers or queue is None:
            return good
        if not special and not result and queue.settings.keep_ms is None:
            if now_ms >= queue.next_service_ms:
                queue.note_service(now_ms, next(iter(numbers.values())))
            self.emit(JobsAcked(queue.number, list(numbers)))
            return good
        acked = list(numbers.values())
        cancelled = self._finish(now_ms, queue, acked, result)
        places = [place for place, each in enumerate(good) if each]
        for place, job in zip(places, acked, strict=True):
            good[place] = job.number not in cancelled
        return good

    def _finish(self, now_ms: int, queue: Queue, acked: list[Job], result: bytes) -> set[int]:
        """End jobs some of which are more than done: kept, followed by others, or cancelled.

        Returns:
            The numbers of those that are cancelled.
        """
        cancelled = {job.number for job in acked if _is_cancelled(job)}
        for job in acked:
            if job.number not in cancelled:
                self.check_follow_up(now_ms, job)
        for number in cancelled:
            self.emit(JobRemoved(queue.number, number, jobs.CANCELLED))
        done = [job for job in acked if job.number not in cancelled]
        if done and now_ms >= queue.next_service_ms:
            queue.note_service(now_ms, done[0])
        gone = [job.number for job in done if not _keep_ms(job)]
        if gone:
            self.emit(JobsAcked(queue.number, gone))
        for job in done:
            keep_ms = _keep_ms(job)
            if keep_ms:
                self.emit(JobDone(queue.number, job.number, now_ms + keep_ms, now_ms, result))
            elif self.state.endings:
                self._tell_result(queue, job, result)
            self.follow_up(now_ms, job)
        return cancelled

    def _tell_result(self, queue: Queue, job: Job, result: bytes) -> None:
        """Let those who wait for the end of a job have the result, though it is not kept."""
        key = queue.db, queue.name, job.id
        if key in self.state.endings:
            self.state.endings[key] = b"done", result

    def move(
        self,
        now_ms: int,
        db: int,
        source: bytes,
        destination: bytes,
        receipt: bytes,
        payload: bytes | None,
        terms: PushTerms,
    ) -> list[bytes] | None:
        """Finish a delivery and push a job into another queue; return what the push returns.

        The new job carries what the old one said of itself, unless it brings its own.

        Raises:
            Paused: if the source takes no acks for now.
            SyntaxFault: if the receipt does not have the form of one.
            BadReceipt: if it is stale.
            Cancelled: if its job is cancelled.
            PayloadsAway, UnreadablePayload: see `Payloads.payload`.
            RespqError: whatever `push_many` raises.
        """
        queue = self.queue_or_none(db, source, now_ms)
        if queue is not None and queue.pauses.acks_ms:
            raise paused(now_ms, queue, queue.pauses.acks_ms, "acks")
        (job,) = self._all_held(now_ms, queue, (receipt,))
        self.check_follow_up(now_ms, job)
        labels = job.options.labels if job.options is not None else None
        if labels is not None and terms.labels is None:
            terms = msgspec.structs.replace(
                terms, name=labels.name, tags=labels.tags, meta=labels.meta, trace=labels.trace
            )
        if payload is None:
            payload = self.payload(job)
        ids = self.push_many(now_ms, db, destination, [payload], terms)
        self.ack(now_ms, db, source, (receipt,))
        return ids

    @staticmethod
    def _all_held(now_ms: int, queue: Queue | None, receipts: Sequence[bytes]) -> list[Job]:
        """Return the jobs of receipts; raise unless all are good, and none is cancelled."""
        found = []
        for receipt, job in zip(receipts, _leased(queue, receipts), strict=True):
            if job is None or job.due_ms <= now_ms:
                check_receipt(receipt)
                raise BadReceipt(
                    f"receipt '{shown(receipt)}' is stale: {_why_stale(queue, receipt)}"
                )
            if job.notes is not None and job.notes.cancelled:
                reason = shown(job.notes.error) or "no reason given"
                raise Cancelled(f"job '{shown(job.id)}' is cancelled: {reason}")
            found.append(job)
        return found

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
        closed_ms: int = 0,
    ) -> list[int]:
        """Give deliveries back; return for each when it is due again.

        FAIL counts an attempt and backs off, SILENT counts nothing, FATAL makes the job a
        dead letter. ``delay`` is milliseconds instead of the backoff; of ``error`` the first
        `ERROR_BYTES_MAX` bytes stay with the job. With ``front`` they stand before the jobs
        of their priority, in their order, as soon as they are due. With ``closed_ms`` the groups
        of the jobs give out nothing for so long, or the queue where groups do not matter.

        Returns:
            Unix milliseconds; 0 for READY at once, `DUE_DEAD`, `DUE_STALE`. Of one that is READY
            in what was closed, when that opens.

        Raises:
            Paused: if the queue takes no acks for now: nothing that ends a delivery.
            SyntaxFault: if one of them does not have the form of a receipt.
        """
        queue = self.state.names[db].get(name)
        if queue is None:
            self.refuse_key(db, name, now_ms)
        elif queue.pauses.acks_ms:
            raise paused(now_ms, queue, queue.pauses.acks_ms, "acks")
        error = error[:ERROR_BYTES_MAX]
        held = self.held(now_ms, db, name, receipts)
        if queue is not None and now_ms >= queue.next_sample_ms:
            queue.measure(now_ms)
        due = [
            DUE_STALE
            if job is None or not job.receipt  # The same receipt may be given twice.
            else self._nack_one(now_ms, job, outcome, delay, error, front)
            for job in (reversed(held) if front else held)
        ]
        if front:
            due.reverse()
        if closed_ms and queue is not None:
            jobs_held = [job for job, each in zip(held, due, strict=True) if each != DUE_STALE]
            opens = self._close(queue, filter(None, jobs_held), now_ms + closed_ms)
            due = [
                opens.get(job.number, each) if job is not None and each == 0 else each
                for job, each in zip(held, due, strict=True)
            ]
        return due

    def _close(self, queue: Queue, held: Iterable[Job], until_ms: int) -> dict[int, int]:
        """Close the gates of jobs until then or later; return when each opens, by their numbers."""
        opens = {}
        for job in held:
            group = (job.options.group if job.options is not None else None) or b""
            if queue.groups is None or (group not in queue.gates and len(queue.gates) >= GATES_MAX):
                group = b""
            gate = queue.gates.get(group)
            if gate is None or gate.until_ms < until_ms:
                self.emit(GateClosed(queue.number, self.next_number(), group, until_ms))
            opens[job.number] = queue.gates[group].until_ms
        return opens

    def touch(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        receipts: Sequence[bytes],
        *,
        lease_ms: int | None = None,
        progress: int = -1,
        line: bytes = b"",
    ) -> list[int]:
        """Let leases last from now on, and note what their holders say of the work.

        ``progress`` is in percent, -1 for what it was; of ``line`` the first
        `ERROR_BYTES_MAX` bytes stay with the job.

        Returns:
            The end of each in unix ms; `END_LOST`, `END_CANCELLED`, `END_STOP` for one whose
            holder is to stop, or `END_TOO_LATE` for one that lasts for as long as it may already.

        Raises:
            Paused: if the queue takes no touches for now.
            SyntaxFault: if one of them does not have the form of a receipt.
        """
        queue = self.queue_or_none(db, name, now_ms)
        if queue is not None and queue.pauses.touches_ms:
            raise paused(now_ms, queue, queue.pauses.touches_ms, "touches")
        line = line[:ERROR_BYTES_MAX]
        return [
            END_LOST if job is None else self._touch_one(now_ms, job, lease_ms, progress, line)
            for job in self.held(now_ms, db, name, receipts)
        ]

    def _touch_one(
        self, now_ms: int, job: Job, lease_ms: int | None, progress: int, line: bytes
    ) -> int:
        if job.holder:
            self.workers.seen(now_ms, job.holder)
        if _is_cancelled(job):
            return END_CANCELLED
        if self.state.orders and self.is_to_stop(job.holder):
            if progress >= 0 or line:
                self.emit(JobTouched(job.queue.number, job.number, job.due_ms, progress, line))
            return END_STOP
        until_ms = now_ms + (_lease_ms(job) if lease_ms is None else lease_ms)
        maxlease_ms = job.options.maxlease_ms if job.options is not None else None
        end = until_ms
        if maxlease_ms is not None and until_ms > job.since_ms + maxlease_ms:
            until_ms = max(job.due_ms, job.since_ms + maxlease_ms)
            end = END_TOO_LATE if until_ms == job.due_ms else until_ms
        if end != END_TOO_LATE or progress >= 0 or line:
            self.emit(JobTouched(job.queue.number, job.number, until_ms, progress, line))
        return end

    def undo(self, now_ms: int, job: Job, fence: int) -> None:
        """Put a popped job back: its reply was never handed to the transport.

        ``fence`` is that of the pop, 0 if it was taken without a lease. Does nothing if
        the delivery is over, if the queue is gone, or if another job has the id by now.
        """
        queue = self.state.queues.get(job.queue.number)
        if queue is None:
            return
        if fence:
            if job.phase != LEASED or job.fence != fence or queue.job(job.number) is not job:
                return
            if _is_cancelled(job):
                self.emit(JobRemoved(queue.number, job.number, jobs.CANCELLED))
            else:
                self.emit(JobUndone(queue.number, job.number, now_ms))
        elif queue.job(job.number) is None and job.id not in queue.ids:
            returned, options = job_in_full(JobReturned, job, self.payload(job)), job.options
            if options is not None and options.dedup is not None:
                if options.dedup.key in queue.keys:
                    # Decided here, for the journal may forget who has it by now.
                    options = msgspec.structs.replace(options, dedup=None)
                returned = msgspec.structs.replace(returned, options=options)
            self.emit(returned)

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
        if now_ms >= job.queue.next_sample_ms:
            job.queue.measure(now_ms)
        notes = job.notes or jobs.Notes()
        crashes = notes.crashes + 1
        if notes.cancelled:
            self.emit(JobRemoved(job.queue.number, job.number, jobs.HELD_CANCELLED))
        elif self._ttl_is_over(now_ms, job):
            self.expire(now_ms, job)
        elif _is_spent(job, notes.failures + crashes):
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
        crashes = (job.notes.crashes if job.notes is not None else 0) + held
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
        notes = job.notes or jobs.Notes()
        if notes.cancelled:
            self.emit(JobRemoved(job.queue.number, job.number, jobs.NACKED_CANCELLED))
            return DUE_DEAD
        if outcome == SILENT:
            due_ms = now_ms + delay if delay else 0
            if self._ttl_is_over(max(now_ms, due_ms), job):
                return self._nack_expired(now_ms, job, notes.failures, error)
            self._release(now_ms, job, jobs.BY_SILENT, due_ms, error=error, front=front)
            return due_ms
        failures = notes.failures + 1
        attempts = failures + notes.crashes
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
        notes = job.notes or jobs.Notes()
        self.emit(
            JobReleased(
                job.queue.number,
                job.number,
                cause,
                self.place_of(job, front=front),
                due_ms,
                now_ms,
                notes.failures if failures is None else failures,
                notes.crashes if crashes is None else crashes,
                error or notes.error,
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
        notes = job.notes or jobs.Notes()
        self.emit(
            JobDied(
                job.queue.number,
                job.number,
                self.next_number(),
                cause,
                reason,
                now_ms,
                notes.failures if failures is None else failures,
                notes.crashes if crashes is None else crashes,
                error or notes.error,
                job.queue.keeps_dead_until(now_ms),
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


def _lease_for(job: Job, lease_ms: int | None) -> int:
    """Return for how long a job is leased: what the pop says, within what the push said."""
    lease_ms = _lease_ms(job) if lease_ms is None else lease_ms
    maxlease_ms = job.options.maxlease_ms if job.options is not None else None
    return lease_ms if maxlease_ms is None else min(lease_ms, maxlease_ms)


def _keep_ms(job: Job) -> int:
    """Return for how long a job is kept when it is done; 0 for not at all."""
    options = job.options
    keep_ms = options.keep_ms if options is not None else None
    return (job.queue.settings.keep_ms if keep_ms is None else keep_ms) or 0


def _is_cancelled(job: Job) -> bool:
    return job.notes is not None and job.notes.cancelled


def _check_burst(receipts: Sequence[bytes], result: bytes) -> None:
    if len(receipts) * len(result) > TRANSACTION_BYTES_MAX:
        raise TooBig(
            f"{len(receipts)} times a result of {len(result)} bytes is over the limit of a "
            f"transaction, {TRANSACTION_BYTES_MAX} bytes: give fewer receipts at once"
        )


def _why_stale(queue: Queue | None, receipt: bytes) -> str:
    job = queue.find(receipt.partition(b":")[2]) if queue is not None else None
    if job is None:
        return "the job is gone"
    if job.phase == LEASED:
        fence = receipt.partition(b":")[0]
        if b"%d" % job.fence == fence:
            return f"its lease ended at {job.due_ms}"
        return f"the job was delivered again at {job.since_ms}"
    return f"the job is {PHASE_NAMES[job.phase].decode()} since {job.since_ms}"


def _is_spent(job: Job, attempts: int) -> bool:
    limit = attempts_max(job)
    return 0 < limit <= attempts


def _leased(queue: Queue | None, receipts: Sequence[bytes]) -> list[Job | None]:
    """Return the job of each receipt, None where a delivery is over or never was."""
    return [None] * len(receipts) if queue is None else queue.leases.get_all(receipts)
