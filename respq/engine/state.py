"""The whole state, and the only code that changes it.

`apply` makes one recorded fact true. Recovery, a standby and the live server run the same
functions; the one difference is ``live``: replay changes objects only, and the indexes
(ready order, leases, timers) are built once at its end by `build_indexes`.

Pushes, leases and acks are runs (records.py): their functions pay for their look-ups once,
and move jobs between indexes many at a time. What they do to a job is what `_enter`, `_leave`
and `Queue.keep` do to one.

Compaction says anew what lives, and the journal then begins later. So a replay may find a change
of an object whose full record has gone: it is passed over, and its number remembered, because
at the end every such number must lie below what the last `Trimmed` says. And it may find jobs
of a queue whose full record comes only later: they wait in a queue without a name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from sortedcontainers import SortedDict

from respq.config import ANSWER_WINDOW_MS, ANSWERS_MAX, DATABASES, IDLE_QUEUE_MS, LOG_LINES_MAX
from respq.engine.jobs import job as jobs
from respq.engine.jobs.history import (
    ACKED,
    CANCELLED,
    DIED,
    DUE,
    EDITED,
    EXPIRED,
    FREED,
    KICKED,
    NACKED,
    REDRIVEN,
    SILENT,
    UNDONE,
    after,
    after_delivery,
)
from respq.engine.jobs.job import BLOCKED, DEAD, DELAYED, DONE, LEASED, READY, Job, Notes
from respq.engine.jobs.queue import (
    ANY_PHASE,
    CHUNK_BITS,
    DELAY_BITS,
    FOREVER_MS,
    Part,
    Queue,
    Totals,
)
from respq.engine.keys import space
from respq.engine.keys.space import AnyKey, Keyspace
from respq.engine.records import (
    AnswerKept,
    ChildrenDied,
    ChildrenFreed,
    EpochStarted,
    FlowCancelling,
    GateClosed,
    GateOpened,
    JobCancelled,
    JobDied,
    JobDone,
    JobDue,
    JobEdited,
    JobReleased,
    JobRemoved,
    JobRestored,
    JobReturned,
    JobsAcked,
    JobsLeased,
    JobsPushed,
    JobTouched,
    JobUndone,
    QueueDropped,
    QueueMade,
    QueuePaused,
    QueuePurged,
    QueueRenamed,
    QueueSet,
    QueueSettings,
    Record,
    ScheduleFired,
    ScheduleRemoved,
    ScheduleSet,
    Trimmed,
    WindowClosed,
    WindowOpened,
    WorkerOrdered,
)
from respq.engine.timers import Timers

Hold = TypeVar("Hold", WindowOpened, GateClosed)
Timed = Job | ScheduleSet | Queue | WindowOpened | GateClosed | AnyKey


AWAY = -1
"""Stands for a database in names: the name is the number of a queue whose payloads are awaited."""
_LENGTHS_SHARED = 1 << 16

Ending = tuple[bytes, bytes]
"""How a job ended, and what its last holder said of that."""


class State:
    """Every queue, job, schedule and order, and the counters that never fall."""

    def __init__(self) -> None:
        self.epoch = 0
        self.position = 1
        """In the journal, of the batch that holds what is applied now."""
        self.trimmed: Trimmed | None = None
        """What may be forgotten of the journal."""
        self.next_number = 1
        self.next_fence = 1
        self.first_order = 0
        """Of the jobs that stand before all others; falls, and is found again from the jobs."""
        self.queues: SortedDict[int, Queue] = SortedDict()
        """By number, in order of number: SCAN walks it."""
        self.unmade: set[int] = set()
        """Numbers of the queues whose full record the replay has not come to."""
        self.schedules: dict[int, ScheduleSet] = {}
        """By number."""
        self.placed: dict[int, int] = {}
        """The `Job.position` of each schedule, by its number."""
        self.names: tuple[dict[bytes, Queue], ...] = tuple({} for _ in range(DATABASES))
        """By name, one dict a database."""
        self.keys = Keyspace()
        """What is no queue; a name is never in both."""
        self.timers: Timers[Timed] = Timers()
        self.live = False
        self.schedules_held = False
        """Whether no schedule is in the timers: none fires."""
        self.watched: Mapping[tuple[int, bytes | int], Any] = {}
        """Names that somebody waits for; kept by the broker."""
        self.news: list[tuple[int, bytes | int]] = []
        """Watched names with a job that came to be READY since the broker looked, and numbers of
        awaited jobs that ended."""
        self.passed_over = 0
        """Largest number of an absent object for which replay found a change."""
        self.graveyard: list[dict[int, Job]] = []
        """Jobs of purged queues, to be freed in slices; …"""
        self.remains: list[Part] = []
        """… and parts of the indexes in which they stood."""
        self.purging: dict[int, Queue] = {}
        """Queues, by number, in which a purge goes on."""
        self.cancelling: dict[int, Queue] = {}
        """Queues, by number, in which a flow is being cancelled."""
        self.awaited: Collection[int] = ()
        """Numbers of jobs whose end somebody waits for; kept by the broker."""
        self.ended: deque[tuple[Queue, int, bytes, bool]] = deque()
        """Parents that ended in this transaction, by number and id, done or not."""
        self.untold: deque[tuple[Queue, int, bytes, bool]] = deque()
        """Those of earlier ones that have children who have not been told."""
        self.endings: dict[tuple[int, bytes, bytes], Ending] = {}
        """How awaited jobs ended, by database, queue and id, until the broker has told it."""
        self.orders: dict[bytes, WorkerOrdered] = {}
        """What workers are to do that may not go on as they are, by name."""
        self.keeps_payloads = True
        """Whether payloads stay in memory that a replay comes by."""
        self.wanted: dict[int, dict[int, None]] = {}
        """Positions of batches whose payloads are to be read, each with the numbers of the queues
        that wait for them."""
        self.reading: dict[int, dict[int, None]] = {}
        """The same of those that are being read."""
        self.unreadable: set[int] = set()
        """Positions of those that cannot be."""
        self.payloads_let_go = 0
        self.payloads_read = 0
        self.batches_read = 0
        """For payloads; the three are not journaled."""
        self._lengths: dict[int, int] = {}

    @property
    def is_behind(self) -> bool:
        """Whether something was begun that the next turns are to go on with."""
        return bool(
            self.graveyard
            or self.remains
            or self.untold
            or self.purging
            or self.cancelling
            or self.keys.graveyard
            or self.keys.remains
        )

    def apply(self, record: Record) -> None:
        """Make one recorded fact true."""
        APPLY[record.__class__](self, record)

    def build_indexes(self) -> None:
        """Build ready orders, leases and timers from the objects, and go live."""
        self.live = True
        for queue in self.queues.values():
            queue.dead.clear()
            self._enter_all(queue)
            for parent in [each for each in queue.orphaned if each not in queue.children]:
                del queue.orphaned[parent]
            _keep_youngest(queue.answers)
            for schedule in queue.schedules.values():
                self._time_schedule(schedule)
            for window in queue.windows.values():
                self.timers.add(window.until_ms, window.number, window)
            for gate in queue.gates.values():
                self.timers.add(gate.until_ms, gate.number, gate)
            self._time_queue(queue)
        self.keys.build_indexes(self)

    # Indexes: where a job stands by its phase.

    def _enter(self, job: Job) -> None:
        """Put a job into the indexes of its phase."""
        queue = job.queue
        phase = job.phase
        if phase == DEAD:
            queue.dead[job.number] = job
        if not self.live:
            return
        if phase == READY:
            queue.ready.append(job)
            if isinstance(job.payload, int):
                queue.has_away = True
            self._tell_waiters(queue)
        elif phase == LEASED:
            job.receipt = receipt = b"%d:%b" % (job.fence, job.id)
            queue.leases[receipt] = job
        elif phase == DELAYED:
            queue.delayed_count += 1
        elif phase == DONE:
            queue.done[job.number] = job
        elif phase == BLOCKED:
            queue.blocked_count += 1
            assert job.options is not None
            for parent in job.options.depends:
                queue.children.setdefault(parent, {})[job.number] = None
        if queue.groups is not None and queue.groups.holds(job):
            queue.groups.hold(job)
        if queue.settings.maxbytes is not None:
            queue.count_bytes(phase, job.payload_bytes)
        self._time(job)

    def _enter_all(self, queue: Queue) -> None:
        """Put all jobs of a queue into the indexes of their phases, in their order.

        READY ones, of which there may be millions, go in by priority, and not one by one.
        """
        jobs = sorted(queue, key=attrgetter("order"))
        if jobs:
            self.first_order = min(self.first_order, jobs[0].order)
        ready: dict[int | bytes, list[Job]] = {}
        at_once = queue.groups is None and queue.settings.maxbytes is None
        for job in jobs:
            if job.phase != READY or not at_once:
                self._enter(job)
                continue
            bucket = ready.get(job.priority)
            if bucket is None:
                bucket = ready[job.priority] = []
            bucket.append(job)
            if job.options is not None:
                self._time(job)
            if isinstance(job.payload, int):
                queue.has_away = True
        for priority, bucket in ready.items():
            queue.ready.extend(priority, bucket)

    def _time(self, job: Job) -> None:
        """Put a job into the indexes of instants."""
        if not self.live:
            return
        if job.phase == DELAYED:
            job.queue.delayed.add(job.due_ms >> DELAY_BITS, job.number, job)
        timer_ms = job.timer_ms
        if timer_ms:
            self.timers.add(timer_ms, job.number, job)

    def _untime(self, job: Job) -> None:
        """Take it out of them."""
        if not self.live:
            return
        if job.phase == DELAYED:
            job.queue.delayed.remove(job.due_ms >> DELAY_BITS, job.number)
        timer_ms = job.timer_ms
        if timer_ms:
            self.timers.remove(timer_ms, job.number)

    def length(self, size: int) -> int:
        """Return a length; the same object for the same length: an object takes 32 bytes."""
        if size >= _LENGTHS_SHARED:
            return size
        return self._lengths.setdefault(size, size)

    def tell_payloads(self, number: int) -> None:
        """Have the broker look again for those who wait for payloads of a queue."""
        if (AWAY, number) in self.watched:
            self.news.append((AWAY, number))

    def _tell_waiters(self, queue: Queue) -> None:
        """Have the broker look again for those who wait for jobs of a queue."""
        if self.watched and (queue.db, queue.name) in self.watched:
            self.news.append((queue.db, queue.name))

    def _leave(self, job: Job) -> None:
        """Take a job out of the indexes of its phase."""
        queue = job.queue
        phase = job.phase
        if phase == DEAD:
            del queue.dead[job.number]
        if not self.live:
            return
        if phase == READY:
            queue.ready.remove(job)
        elif phase == LEASED:
            del queue.leases[job.receipt]
            job.receipt = b""
            if queue.settings.concurrency is not None:
                self._tell_waiters(queue)
        elif phase == DELAYED:
            queue.delayed_count -= 1
        elif phase == DONE:
            del queue.done[job.number]
        elif phase == BLOCKED:
            queue.blocked_count -= 1
            assert job.options is not None
            for parent in job.options.depends:
                children = queue.children[parent]
                del children[job.number]
                if not children:
                    del queue.children[parent]
                    queue.orphaned.pop(parent, None)
        if queue.groups is not None and queue.groups.holds(job):
            queue.groups.free(job)
            self._tell_waiters(queue)
        if queue.settings.maxbytes is not None:
            queue.count_bytes(phase, -job.payload_bytes)
        self._untime(job)

    def _ended(self, job: Job, how: bytes, said: bytes = b"") -> None:
        """Remember how a job ended, for the jobs and the clients that wait for that."""
        queue = job.queue
        if job.number in queue.children:
            self.ended.append((queue, job.number, job.id, how == b"done"))
        if job.number in self.awaited:
            self.endings[queue.db, queue.name, job.id] = how, said
            self.news.append((queue.db, job.number))

    def _all_ended(self, queue: Queue) -> None:
        """Have those told who wait for jobs of a queue that are thrown away."""
        for number in self.awaited:
            job = queue.job(number)
            if job is not None:
                self._ended(job, b"gone")

    def _bury(self, job: Job, order: int, due_ms: int, died_ms: int, notes: Notes) -> None:
        """Make a dead letter of a job: it holds no key and waits for nobody any more."""
        self._move(job, DEAD, order, due_ms, died_ms)
        job.notes = notes
        job.queue.let_go(job)
        if job.options is not None and job.options.depends:
            job.options = msgspec.structs.replace(job.options, depends=())
        self._ended(job, b"dead", notes.error)

    def _move(self, job: Job, phase: int, order: int, due_ms: int, since_ms: int) -> None:
        """Take a job from its phase to another."""
        self._leave(job)
        job.phase = phase
        job.order = order
        job.due_ms = due_ms
        job.since_ms = since_ms
        self._enter(job)

    def pass_over(self, number: int) -> None:
        """Remember the number of an absent object for which there was a change."""
        self.passed_over = max(self.passed_over, number)

    def _present(self, queue: Queue | None, number: int) -> Job | None:
        """Return the job a change is for; note its number if it is absent."""
        if queue is not None:
            chunk = queue.jobs.get(number >> CHUNK_BITS)
            if chunk is not None:
                job = chunk.get(number)
                if job is not None:
                    return job
        self.pass_over(number)
        return None

    def _present_runs(
        self, queue: Queue | None, numbers: list[int]
    ) -> Iterator[tuple[list[Job], int]]:
        """Yield the jobs that a run is for, each time with the place of the first of them.

        All at once where none is absent, else one by one.
        """
        try:
            if queue is not None:
                yield queue.jobs_of(numbers), 0
                return
        except KeyError:
            pass
        for place, number in enumerate(numbers):
            job = self._present(queue, number)
            if job is not None:
                yield [job], place

    # Epochs and queues.

    def _epoch_started(self, record: EpochStarted) -> None:
        self.epoch = record.epoch

    def _trimmed(self, record: Trimmed) -> None:
        self.trimmed = record

    def _queue_made(self, record: QueueMade) -> None:
        queue = self.queue_of(record.number)
        queue.position = self.position
        if record.number not in self.unmade:
            return
        self.unmade.remove(record.number)
        queue.db, queue.name = record.db, record.name
        queue.made_ms, queue.active_ms = record.made_ms, record.active_ms or record.made_ms
        queue.configured, queue.settings = record.configured, record.settings
        queue.totals = Totals(*record.totals)
        queue.pauses = record.pauses
        queue.paid_until, queue.push_paid_until = record.paid_until, record.push_paid_until
        queue.purging, queue.orphaned = {**record.purging}, {**record.orphaned}
        queue.begin_order()
        queue.decide_limits()
        self.names[queue.db][queue.name] = queue
        self._look_at_purging(queue)
        self._time_queue(queue)

    def queue_of(self, number: int) -> Queue:
        """Return the queue that a full record belongs to; one without a name if there is none."""
        queue: Queue | None = self.queues.get(number)
        if queue is None:
            queue = self.queues[number] = Queue(number)
            self.unmade.add(number)
        return queue

    def _queue_to_change(self, number: int) -> Queue | None:
        """Return a queue; note its number if it is absent or will be said in full later."""
        queue: Queue | None = self.queues.get(number)
        if queue is None or number in self.unmade:
            self.pass_over(number)
            return None
        return queue

    def _queue_set(self, record: QueueSet) -> None:
        queue = self._queue_to_change(record.queue)
        if queue is None:
            return
        if record.settings.rate != queue.settings.rate:
            queue.paid_until = queue.rate_opens_ms = 0
        if record.settings.push_rate != queue.settings.push_rate:
            queue.push_paid_until = 0
        regroup = (record.settings.group_concurrency, record.settings.fair) != (
            queue.settings.group_concurrency,
            queue.settings.fair,
        )
        if (record.settings.maxbytes is None) != (queue.settings.maxbytes is None):
            self._count_bytes_anew(queue, record.settings)
        queue.settings = record.settings
        if regroup:
            self._regroup(queue)
        self._configured(queue)

    def _count_bytes_anew(self, queue: Queue, settings: QueueSettings) -> None:
        """Count the bytes of payloads from now on, or do it no more."""
        queue.ready_bytes = queue.unready_bytes = 0
        if self.live and settings.maxbytes is not None:
            for job in queue:
                queue.count_bytes(job.phase, job.payload_bytes)

    def _regroup(self, queue: Queue) -> None:
        """Build the order of a queue anew, in which groups matter otherwise from now on."""
        queue.ready.clear()
        queue.begin_order()
        if not self.live:
            return
        for job in sorted(queue, key=attrgetter("order")):
            if job.phase == READY:
                queue.ready.append(job)
            if queue.groups is not None and queue.groups.holds(job):
                queue.groups.hold(job)

    def _queue_paused(self, record: QueuePaused) -> None:
        queue = self._queue_to_change(record.queue)
        if queue is not None:
            queue.pauses = record.pauses
            self._configured(queue)

    def _configured(self, queue: Queue) -> None:
        """Let what was decided about a queue hold; it is kept from then on, however idle it is."""
        queue.configured = True
        queue.decide_limits()
        self._time_queue(queue)
        self._tell_waiters(queue)

    def _time_queue(self, queue: Queue) -> None:
        """Have the timers look at a queue when something happens to it by itself."""
        if not self.live:
            return
        if queue.configured:
            instants = (*msgspec.structs.astuple(queue.pauses), queue.rate_opens_ms)
            self.look_at(queue, min((ms for ms in instants if 0 < ms < FOREVER_MS), default=0))
        else:
            self.look_at(queue, queue.active_ms + IDLE_QUEUE_MS)

    def look_at(self, queue: Queue, due_ms: int) -> None:
        """Move the instant at which the timers look at a queue; 0 for never."""
        if queue.look_ms:
            self.timers.remove(queue.look_ms, queue.number)
        queue.look_ms = due_ms
        if due_ms:
            self.timers.add(due_ms, queue.number, queue)

    def open_at(self, queue: Queue, opens_ms: int) -> None:
        """Have those who wait for jobs of a queue told when its rate allows more; 0 for now."""
        if queue.rate_opens_ms != opens_ms:
            queue.rate_opens_ms = opens_ms
            self._time_queue(queue)
        if not opens_ms:
            self._tell_waiters(queue)

    def _queue_renamed(self, record: QueueRenamed) -> None:
        queue = self._queue_to_change(record.queue)
        if queue is None:
            return
        del self.names[queue.db][queue.name]
        queue.name = record.name
        self.names[queue.db][queue.name] = queue
        self._tell_waiters(queue)

    def _queue_purged(self, record: QueuePurged) -> None:
        queue = self.queues.get(record.queue)
        if queue is None:
            self.pass_over(record.queue)
            return
        queue.totals.purged += record.count
        if record.phase != ANY_PHASE:
            self._phase_purged(queue, record)
            return
        queue.purging = {}
        self._look_at_purging(queue)
        self._all_ended(queue)
        self._clear(queue)

    def _clear(self, queue: Queue) -> None:
        """Take all jobs from a queue; they, and what they stood in, are freed in slices.

        Jobs refer back to the queue, unseen by the garbage collector: no index may keep one.
        """
        if self.live:
            self.graveyard += queue.jobs.values()
            self.remains += queue.index_parts()
        queue.jobs = {}
        queue.begin_indexes()

    def _phase_purged(self, queue: Queue, record: QueuePurged) -> None:
        phase, below = record.phase, record.below
        # One that does not go in slices is of few jobs.
        whole = self.live and not record.first and phase not in queue.purging
        jobs = queue.in_phase(phase) if whole else list(queue.between(record.first, below))
        for job in reversed(jobs):
            if job.phase == phase and job.number < below and job.since_ms <= record.at_ms:
                self._leave(job)
                queue.forget(job)
                self._ended(job, b"done" if phase == DONE else b"gone")
        if record.first:
            queue.purging[phase] = record.first, record.at_ms
        else:
            queue.purging.pop(phase, None)
        self._look_at_purging(queue)

    def _look_at_purging(self, queue: Queue) -> None:
        """Have the next turns go on with a purge, if there is something left of one."""
        if queue.purging:
            self.purging[queue.number] = queue
        else:
            self.purging.pop(queue.number, None)

    def _queue_dropped(self, record: QueueDropped) -> None:
        queue = self.queues.pop(record.queue, None)
        if queue is None:
            self.pass_over(record.queue)
            return
        if record.queue in self.unmade:
            self.unmade.remove(record.queue)
        else:
            del self.names[queue.db][queue.name]
        self.purging.pop(queue.number, None)
        self.cancelling.pop(queue.number, None)
        for schedule in queue.schedules.values():
            self._untime_schedule(schedule)
            del self.schedules[schedule.number], self.placed[schedule.number]
        for window in queue.windows.values():
            self._untime_hold(window)
        for gate in queue.gates.values():
            self._untime_hold(gate)
        self._all_ended(queue)
        self._clear(queue)
        self.look_at(queue, 0)

    def free(self, limit: int) -> None:
        """Free up to ``limit`` jobs of purged queues, or entries of indexes that held them."""
        while self.remains and limit > 0:
            part = self.remains[-1]
            take = part.popitem if isinstance(part, dict) else part.pop
            if len(part) <= limit:
                self.remains.pop()
                limit -= len(part)
            else:
                for _ in range(limit):
                    take()
                limit = 0
        while self.graveyard and limit > 0:
            chunk = self.graveyard[-1]
            while chunk and limit > 0:
                number, job = chunk.popitem()
                timer_ms = job.timer_ms
                if timer_ms:
                    self.timers.remove(timer_ms, number)
                limit -= 1
            if not chunk:
                self.graveyard.pop()

    # Jobs.

    def _jobs_pushed(self, record: JobsPushed) -> None:
        queue = self.queues.get(record.queue)
        if queue is None:
            queue = self.queue_of(record.queue)
        payloads: Sequence[bytes | int] = record.payloads
        if not self.keeps_payloads:
            payloads = [self.length(len(each)) for each in record.payloads]
        queue.totals.pushed += len(payloads)
        queue.active_ms = pushed_ms = record.pushed_ms
        push_rate = queue.settings.push_rate
        if push_rate is not None:
            spent = push_rate.spend(queue.push_paid_until, pushed_ms, len(payloads))
            queue.push_paid_until = spent
        priority, due_ms, options = record.priority, record.due_ms, record.options
        phase = DELAYED if due_ms else READY
        if options is not None and options.depends:
            phase = BLOCKED
        pushed: dict[int, Job] = {}
        number, position = record.first, self.position
        before = record.order - number if record.order else 0
        for payload in payloads:
            pushed[number] = Job(
                queue,
                number,
                payload,
                priority,
                pushed_ms,
                pushed_ms,
                number + before,
                phase,
                due_ms,
                options,
                position,
            )
            number += 1
        queue.keep_all(pushed)
        if not self.live:
            return
        if before:
            for job in reversed(pushed.values()):
                self._enter(job)
            return
        if phase != READY or options is not None:
            for job in pushed.values():
                self._enter(job)
            return
        queue.ready.extend(priority, pushed.values())
        if queue.settings.maxbytes is not None:
            queue.count_bytes(READY, sum(map(len, record.payloads)))
        if self.watched and (queue.db, queue.name) in self.watched:
            self.news.append((queue.db, queue.name))

    def _job_restored(self, record: JobRestored) -> None:
        queue = self.queue_of(record.queue)
        present = queue.job(record.number)
        if present is not None:
            present.position = self.position
            return
        dedup = record.options.dedup if record.options is not None else None
        if dedup is not None and dedup.key in queue.keys:
            # Of a job that was pushed while this one held the key, which the replay did not know.
            queue.let_go(queue.keys[dedup.key])
        self._restore(record, queue)

    def _job_returned(self, record: JobReturned) -> None:
        queue = self.queue_of(record.queue)
        queue.totals.undone += 1
        queue.totals.returned += 1
        self._restore(record, queue)

    def _restore(self, record: JobRestored, queue: Queue) -> None:
        """Make a job of its full record."""
        job = Job(
            queue,
            record.number,
            record.payload if self.keeps_payloads else self.length(len(record.payload)),
            record.priority,
            record.pushed_ms,
            record.since_ms,
            record.order,
            record.phase,
            record.due_ms,
            record.options,
            self.position,
            None,
            record.fence,
            record.holder,
            b"",
            record.ready_ms,
        )
        job.notes = _notes_or_none(
            Notes(
                record.failures,
                record.crashes,
                record.error,
                record.reason,
                record.cancelled,
                record.progress,
                record.log,
                record.result,
                record.history,
            )
        )
        queue.keep(job)
        if self.live and job.phase == READY:
            self._enter_in_place(job)
        else:
            self._enter(job)

    def _enter_in_place(self, job: Job) -> None:
        """Put a READY job into the indexes where its order says, not behind its equals."""
        queue = job.queue
        queue.ready.restore(job)
        if queue.settings.maxbytes is not None:
            queue.count_bytes(READY, job.payload_bytes)
        if isinstance(job.payload, int):
            queue.has_away = True
        if job.timer_ms:
            self.timers.add(job.timer_ms, job.number, job)
        self._tell_waiters(queue)

    def _jobs_leased(self, record: JobsLeased) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            totals = queue.totals
            totals.popped += len(record.numbers)
            queue.active_ms = record.leased_ms
            if record.attempt > 1:
                totals.redelivered += len(record.numbers)
            if queue.is_limited:
                self._spend(queue, record.leased_ms, len(record.numbers))
        for leased, place in self._present_runs(queue, record.numbers):
            self._hand_out(leased, record, record.fence + place)

    @staticmethod
    def _spend(queue: Queue, now_ms: int, count: int) -> None:
        rate = queue.settings.rate
        if rate is not None:
            queue.paid_until = rate.spend(queue.paid_until, now_ms, count)

    def _hand_out(self, leased: list[Job], record: JobsLeased, fence: int) -> None:
        """Lease jobs of one queue as ``record`` says, the first of them under ``fence``."""
        queue = leased[0].queue
        if self.live:
            self._enter_leases(queue, leased, record.until_ms, fence)
        until_ms, since_ms, holder = record.until_ms, record.leased_ms, record.holder
        for job in leased:
            job.phase = LEASED
            job.due_ms = until_ms
            job.since_ms = since_ms
            job.fence = fence
            job.holder = holder
            fence += 1
            options = job.options
            if options is not None and options.dedup is not None and options.dedup.until_start:
                queue.let_go(job)

    def _enter_leases(self, queue: Queue, leased: list[Job], until_ms: int, fence: int) -> None:
        """Move READY jobs of one queue to the leases; the first gets ``fence``."""
        queue.ready.remove_all(leased)
        if queue.settings.maxbytes is not None:
            queue.count_bytes(READY, -sum([job.payload_bytes for job in leased]))
        receipts: dict[bytes, Job] = {}
        timed: dict[int, Timed] = {}
        pushed_ms = -1
        for job in leased:
            number = job.number
            if job.options is not None:
                if job.timer_ms:
                    self.timers.remove(job.timer_ms, number)
                receipt = b"%d:%b" % (fence, job.id)
            else:
                if job.pushed_ms != pushed_ms:
                    pushed_ms = job.pushed_ms
                    shape = b"%%d:%d-%%d" % pushed_ms
                receipt = shape % (fence, number)
            job.receipt = receipt
            receipts[receipt] = job
            timed[number] = job
            fence += 1
        queue.leases.add_all(receipts)
        self.timers.add_all(until_ms, timed)
        if queue.groups is not None:
            for job in leased:
                queue.groups.hold(job)

    def _job_touched(self, record: JobTouched) -> None:
        job = self._present(self.queues.get(record.queue), record.number)
        if job is None:
            return
        if self.live:
            self.timers.remove(job.timer_ms, job.number)
            job.due_ms = record.until_ms
            self.timers.add(job.timer_ms, job.number, job)
        else:
            job.due_ms = record.until_ms
        if record.progress >= 0 or record.line:
            notes = job.notes = job.notes or Notes()
            notes.progress = record.progress if record.progress >= 0 else notes.progress
            notes.log = (*notes.log, record.line)[-LOG_LINES_MAX:] if record.line else notes.log

    def _jobs_acked(self, record: JobsAcked) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            queue.totals.acked += len(record.numbers)
        for acked, _ in self._present_runs(queue, record.numbers):
            if self.live:
                self._leave_leases(acked)
            acked[0].queue.forget_all(acked)
            if self.awaited or acked[0].queue.children:
                for job in acked:
                    self._ended(job, b"done")

    def _leave_leases(self, acked: list[Job]) -> None:
        """Take LEASED jobs of one queue, which nobody will look for again, out of the indexes."""
        queue = acked[0].queue
        queue.leases.remove_all([job.receipt for job in acked])
        if queue.settings.concurrency is not None or queue.groups is not None:
            self._tell_waiters(queue)
        if queue.groups is not None:
            for job in acked:
                queue.groups.free(job)
        until_ms = acked[0].due_ms
        timed: list[int] = []
        for job in acked:
            if job.due_ms != until_ms:
                self.timers.remove_all(until_ms, timed)
                until_ms, timed = job.due_ms, []
            timed.append(job.number)
        self.timers.remove_all(until_ms, timed)

    def _job_removed(self, record: JobRemoved) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            totals = queue.totals
            if record.cause == jobs.TAKEN:
                totals.popped += 1
                totals.acked += 1
                self._spend(queue, record.taken_ms, 1)
            else:
                for name in _COUNTED_AS[record.cause]:
                    setattr(totals, name, getattr(totals, name) + 1)
        job = self._present(queue, record.number)
        if job is None:
            return
        if record.cause == jobs.TAKEN and job.queue.groups is not None and self.live:
            job.queue.groups.end_turn(job)
        self._leave(job)
        job.queue.forget(job)
        said = job.notes.error if job.notes is not None else b""
        self._ended(job, _ENDED_AS.get(record.cause, b"gone"), said)

    def _job_released(self, record: JobReleased) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            totals = queue.totals
            if record.cause == jobs.BY_LEASE_END:
                totals.expired += 1
            elif record.cause == jobs.BY_REDRIVE:
                totals.redriven += 1
            else:
                totals.nacked += 1
        job = self._present(queue, record.number)
        if job is None:
            return
        log = job.notes.log if job.notes is not None else ()
        what = _RELEASED_AS[record.cause]
        if record.cause == jobs.BY_REDRIVE:
            history = after(job, record.released_ms, what, record.by)
        else:
            said = job.notes.error if job.notes is not None else b""
            # The record has the error that stays: an old one where nothing new was said.
            is_new = record.cause == jobs.BY_NACK or record.error != said
            text = record.error if is_new else b""
            history = after_delivery(job, record.released_ms, what, text)
        notes = Notes(record.failures, record.crashes, record.error, log=log, history=history)
        if record.cause == jobs.BY_REDRIVE:
            self._forget_old_ttl(job, max(record.released_ms, record.due_ms))
        phase = DELAYED if record.due_ms else READY
        self._move(job, phase, record.order, record.due_ms, record.released_ms)
        job.notes = notes
        job.holder = b""

    @staticmethod
    def _forget_old_ttl(job: Job, now_ms: int) -> None:
        """Let a dead letter live on although its ttl is over: somebody wants it done."""
        options = job.options
        expires_ms = options.expires_ms if options is not None else None
        if options is not None and expires_ms is not None and expires_ms <= now_ms:
            job.options = msgspec.structs.replace(options, expires_ms=None)

    def _job_due(self, record: JobDue) -> None:
        job = self._present(self.queues.get(record.queue), record.number)
        if job is None:
            return
        if job.notes is None and not record.by:
            # Many jobs have a delay and nothing else to tell: this takes no history.
            job.ready_ms = record.due_ms
        else:
            self._note(job, record.due_ms, KICKED if record.by else DUE, record.by)
        self._move(job, READY, record.order, 0, record.due_ms)

    @staticmethod
    def _note(job: Job, at_ms: int, what: int, who: bytes = b"", text: bytes = b"") -> None:
        """Note an event of a job."""
        history = after(job, at_ms, what, who, text)
        notes = job.notes = job.notes or Notes()
        notes.history = history

    def _job_died(self, record: JobDied) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            queue.totals.dead += 1
            queue.totals.nacked += record.cause == jobs.BY_NACK
            queue.totals.expired += record.cause == jobs.BY_LEASE_END
            queue.totals.unreadable += record.cause == jobs.BY_READING
        job = self._present(queue, record.number)
        if job is None:
            return
        log = job.notes.log if job.notes is not None else ()
        text = jobs.REASON_NAMES[record.reason] + (b": " + record.error if record.error else b"")
        if job.phase == LEASED:
            history = after_delivery(job, record.died_ms, DIED, text)
        else:
            history = after(job, record.died_ms, DIED, b"", text)
        notes = Notes(
            record.failures,
            record.crashes,
            record.error,
            record.reason,
            log=log,
            history=history,
        )
        self._bury(job, record.order, record.due_ms, record.died_ms, notes)

    def _job_undone(self, record: JobUndone) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            queue.totals.undone += 1
        job = self._present(queue, record.number)
        if job is None:
            return
        self._leave(job)
        history = after_delivery(job, record.undone_ms, UNDONE)
        notes = job.notes = job.notes or Notes()
        notes.history = history
        job.phase = READY
        job.due_ms = 0
        job.holder = b""
        if self.live:
            self._enter_in_place(job)

    def _job_cancelled(self, record: JobCancelled) -> None:
        job = self._present(self.queues.get(record.queue), record.number)
        if job is not None:
            self._note(job, record.cancelled_ms, CANCELLED, record.by, record.reason)
            notes = job.notes = job.notes or Notes()
            notes.cancelled = True
            notes.error = record.reason

    def _job_done(self, record: JobDone) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            queue.totals.acked += 1
        job = self._present(queue, record.number)
        if job is None:
            return
        history = after_delivery(job, record.done_ms, ACKED)
        self._move(job, DONE, job.order, record.until_ms, record.done_ms)
        notes = job.notes = job.notes or Notes()
        notes.result, notes.history = record.result, history
        job.holder = b""
        job.queue.let_go(job)
        self._ended(job, b"done", record.result)

    def _children_freed(self, record: ChildrenFreed) -> None:
        queue = self.queues.get(record.queue)
        for children, place in self._present_runs(queue, record.numbers):
            freed = list(enumerate(children, record.order + place))
            # As in a push: of those that go before all others the last one is put there first.
            for order, job in reversed(freed) if record.order < 0 else freed:
                options = job.options
                assert options is not None
                self._leave(job)
                left = tuple([each for each in options.depends if each != record.parent])
                job.options = msgspec.structs.replace(options, depends=left)
                if not left:
                    self._note(job, record.freed_ms, FREED)
                    job.phase = DELAYED if job.due_ms > record.freed_ms else READY
                    job.due_ms = job.due_ms if job.phase == DELAYED else 0
                    job.order = order
                    job.since_ms = record.freed_ms
                self._enter(job)

    def _children_died(self, record: ChildrenDied) -> None:
        queue = self.queues.get(record.queue)
        if queue is not None:
            queue.totals.dead += len(record.numbers)
            if record.more:
                queue.orphaned[record.parent] = record.error
        for children, place in self._present_runs(queue, record.numbers):
            for order, job in enumerate(children, record.order + place):
                history = after(job, record.died_ms, DIED, b"", record.error)
                notes = Notes(error=record.error, reason=jobs.PARENT_ENDED, history=history)
                # Whoever redrives it wants it done, whatever became of its parents.
                self._bury(job, order, record.due_ms, record.died_ms, notes)

    def _flow_cancelling(self, record: FlowCancelling) -> None:
        queue = self.queue_of(record.queue)
        queue.cancelling.pop(record.flow, None)
        if record.below:
            queue.cancelling[record.flow] = record
        if queue.cancelling:
            self.cancelling[queue.number] = queue
        else:
            self.cancelling.pop(queue.number, None)

    def _job_edited(self, record: JobEdited) -> None:
        job = self._present(self.queues.get(record.queue), record.number)
        if job is None:
            return
        queue = job.queue
        if job.phase == record.phase and (job.priority, job.order) == (
            record.priority,
            record.order,
        ):
            self._untime(job)
            before_bytes = job.payload_bytes
            self._edit(job, record)
            if self.live and queue.settings.maxbytes is not None:
                queue.count_bytes(job.phase, job.payload_bytes - before_bytes)
            self._time(job)
            return
        # Another object stands for it: entries of the old one may be left in the ready order.
        successor = copy(job)
        if job.phase == record.phase == DEAD:
            # It keeps its place among the dead.
            self._untime(job)
            queue.replace(job, successor)
            queue.ready.disown(job)
            self._edit(successor, record)
            queue.dead[record.number] = successor
            self._time(successor)
        else:
            self._leave(job)
            queue.replace(job, successor)
            queue.ready.disown(job)
            self._edit(successor, record)
            self._enter(successor)

    def _edit(self, job: Job, record: JobEdited) -> None:
        if record.payload is not None:
            job.payload = (
                record.payload if self.keeps_payloads else self.length(len(record.payload))
            )
            job.queue.warm.add(job.number >> CHUNK_BITS)
        job.priority = record.priority
        job.due_ms = record.due_ms
        job.options = record.options
        job.phase = record.phase
        job.order = record.order
        job.since_ms = record.since_ms
        self._note(job, record.edited_ms, EDITED, record.by, record.what)

    # Schedules and answers.

    def _schedule_set(self, record: ScheduleSet) -> None:
        queue = self.queue_of(record.queue)
        self.placed[record.number] = self.position
        old = queue.schedules.get(record.name)
        if old is not None:
            self._untime_schedule(old)
        # The state changes as it fires; the record stays what the batch will say.
        schedule = msgspec.structs.replace(record)
        queue.schedules[schedule.name] = schedule
        self.schedules[schedule.number] = schedule
        self._time_schedule(schedule)

    def _schedule_fired(self, record: ScheduleFired) -> None:
        schedule = self.schedules.get(record.number)
        if schedule is None:
            self.pass_over(record.number)
            return
        self._untime_schedule(schedule)
        schedule.runs = record.runs
        schedule.last_ms = record.last_ms
        schedule.next_ms = record.next_ms
        schedule.last_job = record.last_job
        schedule.skipped = record.skipped
        self._time_schedule(schedule)

    def _schedule_removed(self, record: ScheduleRemoved) -> None:
        schedule = self.schedules.pop(record.number, None)
        if schedule is None:
            self.pass_over(record.number)
            return
        self._untime_schedule(schedule)
        del self.placed[record.number]
        del self.queues[record.queue].schedules[schedule.name]

    def hold_schedules(self, held: bool) -> None:
        """Take all schedules out of the timers, or put them back."""
        if held and not self.schedules_held:
            for schedule in self.schedules.values():
                self._untime_schedule(schedule)
        was_held, self.schedules_held = self.schedules_held, held
        if was_held and not held:
            for schedule in self.schedules.values():
                self._time_schedule(schedule)

    def _is_timed(self, schedule: ScheduleSet) -> bool:
        waits = schedule.next_ms > 0 and not schedule.paused
        return waits and self.live and not self.schedules_held

    def _time_schedule(self, schedule: ScheduleSet) -> None:
        if self._is_timed(schedule):
            self.timers.add(schedule.next_ms, schedule.number, schedule)

    def _untime_schedule(self, schedule: ScheduleSet) -> None:
        if self._is_timed(schedule):
            self.timers.remove(schedule.next_ms, schedule.number)

    def _answer_kept(self, record: AnswerKept) -> None:
        answers = self.queue_of(record.queue).answers
        if answers.get(record.key) == record:
            return
        # A key that comes back after its window goes to the end: oldest stay first.
        answers.pop(record.key, None)
        answers[record.key] = record
        if not self.live:
            # One that compaction said again comes behind younger ones.
            if len(answers) > 2 * ANSWERS_MAX:
                _keep_youngest(answers)
            return
        answered_ms = record.until_ms - ANSWER_WINDOW_MS
        while len(answers) > ANSWERS_MAX:
            del answers[next(iter(answers))]
        for key in [k for k, _ in zip(answers, range(2), strict=False)]:
            if answers[key].until_ms <= answered_ms:
                del answers[key]

    def _window_opened(self, record: WindowOpened) -> None:
        self._begin_hold(self.queue_of(record.queue).windows, record.key, record)

    def _window_closed(self, record: WindowClosed) -> None:
        queue = self.queues.get(record.queue)
        self._end_hold(queue.windows if queue is not None else {}, record.key, record.number)

    def _gate_closed(self, record: GateClosed) -> None:
        queue = self.queue_of(record.queue)
        self._begin_hold(queue.gates, record.group, record)
        self._gate_moved(queue, record.group)

    def _gate_opened(self, record: GateOpened) -> None:
        queue = self.queues.get(record.queue)
        gates = queue.gates if queue is not None else {}
        if self._end_hold(gates, record.group, record.number) and queue is not None:
            self._gate_moved(queue, record.group)
            self._tell_waiters(queue)

    def _begin_hold(self, holds: dict[bytes, Hold], name: bytes, hold: Hold) -> None:
        """Have something be held until an instant; it takes the place of one of that name."""
        old = holds.get(name)
        if old is not None:
            self._untime_hold(old)
        holds[name] = hold
        if self.live:
            self.timers.add(hold.until_ms, hold.number, hold)

    def _end_hold(self, holds: dict[bytes, Hold], name: bytes, number: int) -> bool:
        """Have it be held no more; return whether it was, and not by another of that name."""
        hold = holds.get(name)
        if hold is None or hold.number != number:
            self.pass_over(number)
            return False
        self._untime_hold(hold)
        del holds[name]
        return True

    def _untime_hold(self, hold: WindowOpened | GateClosed) -> None:
        if self.live:
            self.timers.remove(hold.until_ms, hold.number)

    @staticmethod
    def _gate_moved(queue: Queue, group: bytes) -> None:
        queue.decide_limits()
        if queue.groups is not None:
            queue.groups.gate_moved(group)

    # Workers.

    def _worker_ordered(self, record: WorkerOrdered) -> None:
        self.orders.pop(record.name, None)
        if record.order:
            self.orders[record.name] = record


_RELEASED_AS = {
    jobs.BY_NACK: NACKED,
    jobs.BY_SILENT: SILENT,
    jobs.BY_LEASE_END: EXPIRED,
    jobs.BY_REDRIVE: REDRIVEN,
}
"""What the end of a delivery is in the history of a job, by the cause."""

_ENDED_AS = {
    jobs.TAKEN: b"done",
    jobs.OVER: b"done",
    jobs.CANCELLED: b"cancelled",
    jobs.HELD_CANCELLED: b"cancelled",
    jobs.NACKED_CANCELLED: b"cancelled",
}
"""How a job ended that is gone without an ack, by the cause; the others are just gone."""


def _keep_youngest(answers: dict[bytes, AnswerKept]) -> None:
    """Sort answers by age and let go of those that are too many, or too old for the youngest."""
    young = sorted(answers.values(), key=attrgetter("until_ms"))[-ANSWERS_MAX:]
    answers.clear()
    for answer in young:
        if answer.until_ms > young[-1].until_ms - ANSWER_WINDOW_MS:
            answers[answer.key] = answer


def _notes_or_none(notes: Notes) -> Notes | None:
    return None if notes == _NO_NOTES else notes


_NO_NOTES = Notes()

_COUNTED_AS = {
    jobs.EXPIRED: ("dropped",),
    jobs.HELD_EXPIRED: ("dropped", "expired"),
    jobs.NACKED_EXPIRED: ("dropped", "nacked"),
    jobs.PURGED: ("purged",),
    jobs.DELETED: ("deleted",),
    jobs.EVICTED: ("evicted",),
    jobs.FORGOTTEN: ("forgotten",),
    jobs.REPLACED: ("replaced",),
    jobs.CANCELLED: ("cancelled",),
    jobs.HELD_CANCELLED: ("cancelled", "expired"),
    jobs.NACKED_CANCELLED: ("cancelled", "nacked"),
    jobs.OVER: (),
    jobs.MOVED: ("moved", "redriven"),
}
"""The totals that a job counts for which goes without an ack, by the cause."""

APPLY: dict[type[Record], Callable[[State, Any], None]] = {
    EpochStarted: State._epoch_started,
    Trimmed: State._trimmed,
    QueueMade: State._queue_made,
    QueueSet: State._queue_set,
    QueueRenamed: State._queue_renamed,
    QueuePurged: State._queue_purged,
    QueueDropped: State._queue_dropped,
    QueuePaused: State._queue_paused,
    JobsPushed: State._jobs_pushed,
    JobRestored: State._job_restored,
    JobReturned: State._job_returned,
    JobCancelled: State._job_cancelled,
    JobEdited: State._job_edited,
    JobDone: State._job_done,
    ChildrenFreed: State._children_freed,
    ChildrenDied: State._children_died,
    FlowCancelling: State._flow_cancelling,
    JobsLeased: State._jobs_leased,
    JobTouched: State._job_touched,
    JobsAcked: State._jobs_acked,
    JobReleased: State._job_released,
    JobDue: State._job_due,
    JobDied: State._job_died,
    JobUndone: State._job_undone,
    JobRemoved: State._job_removed,
    ScheduleSet: State._schedule_set,
    ScheduleFired: State._schedule_fired,
    ScheduleRemoved: State._schedule_removed,
    AnswerKept: State._answer_kept,
    WindowOpened: State._window_opened,
    WindowClosed: State._window_closed,
    GateClosed: State._gate_closed,
    GateOpened: State._gate_opened,
    WorkerOrdered: State._worker_ordered,
    **space.APPLY,
}
