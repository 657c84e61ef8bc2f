"""What a queue server should do, as plainly as it can be said: the other side of the laws.

One list of jobs a queue, searched from end to end; no indexes, no records, no journal. Where
two jobs come to be ready in the same instant either may go first: they have the same rank, until
the model is told which of them stands before the other (`learn_order`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.property.schedules import ModelSchedule

LEASE_MS = 30_000
ATTEMPTS = 3
WINDOW_MS = 600_000
RESTART_LEASE_MS = 30_000
IDLE_MS = 86_400_000
FOREVER_MS = 1 << 62
UNNAMED = b"unnamed "
FOLLOWED = "f"
"""The queue into which acks push what follows."""
ORPHANED = "its parent"
"""Begins what is said of a job that died with another."""


@dataclass(eq=False)
class ModelJob:
    id: bytes
    queue: ModelQueue
    priority: int | bytes
    phase: str
    rank: float
    """When it came to be ready, or dead; lower is earlier."""
    due_ms: int = 0
    """End of the delay or of the lease."""
    expires_ms: int | None = None
    attempts_max: int | None = None
    lease_ms: int | None = None
    attempts: int = 0
    leased_ms: int = 0
    receipt: bytes = b""
    key: str | None = None
    """By which pushes are known to repeat it; None when it has let go of it."""
    until_start: bool = False
    maxlease_ms: int | None = None
    then: bool = False
    """Whether its ack pushes another job."""
    cancelled: bool = False
    keep: int | None = None
    group: str | None = None
    delivered: bool = False
    """Whether it was ever leased."""
    parents: set[bytes] = field(default_factory=set)
    """Those that are still to be done."""
    payload: str = "p"
    may_have_expired: bool = False
    """Its parent and its ttl ended together: for which of them it is dead the engine knows."""
    error: str = ""
    """What was last said of why it failed."""
    jitter_ms: int = 0
    """By how much it may be delayed, which is known when it has been looked at."""

    @property
    def timer_ms(self) -> int | None:
        """When something happens to it without anyone's doing."""
        if self.phase == "dead":
            return self.due_ms or None
        if self.phase in ("leased", "done"):
            return self.due_ms
        ends = [self.expires_ms] if self.expires_ms is not None else []
        # A delay that is over while it is blocked is nothing that happens.
        ends += [self.due_ms] if self.phase == "delayed" else []
        return min(ends, default=None)

    def is_over(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms

    def is_spent(self) -> bool:
        limit = self.queue.attempts_max if self.attempts_max is None else self.attempts_max
        return 0 < limit <= self.attempts


@dataclass(eq=False)
class ModelQueue:
    min_first: bool = False
    text: bool = False
    lease_ms: int = LEASE_MS
    attempts_max: int = ATTEMPTS
    ttl_ms: int | None = None
    drop_expired: bool = False
    maxlen: int = 0
    """0 for none."""
    maxbytes: int = 0
    """0 for none."""
    drop_oldest: bool = False
    concurrency: int = 0
    """0 for none."""
    rate: tuple[int, int] | None = None
    level: Fraction = Fraction(0)
    """How many jobs the rate allowed at ``level_ms``."""
    level_ms: int = 0
    push_rate: tuple[int, int] | None = None
    pushes: list[int] = field(default_factory=list)
    """When the jobs came that the rate of pushes counts."""
    refuse_duplicates: bool = False
    windows: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """By key: the id of its job, and until when."""
    keepdead_ms: int = 0
    """0 for ever."""
    keep_ms: int = 0
    group_concurrency: int = 0
    """0 for none; 1 is strict order."""
    fair: bool = False
    turns: dict[str | None, tuple[int, int]] = field(default_factory=dict)
    """By group: when it last gave out a job, or came to be there; not before, and not after."""
    seen: dict[str | None, set[tuple[object, ...]]] = field(default_factory=dict)
    """By group: its jobs that make it be there, as they were when its turn was last thought of."""
    configured: bool = False
    pauses: dict[str, int] = field(default_factory=dict)
    """Until when, of IN, OUT, ACK and TOUCH."""
    gates: dict[str | None, int] = field(default_factory=dict)
    """Until when a worker has closed a group, or the queue."""
    active_ms: int = 0
    jobs: dict[bytes, ModelJob] = field(default_factory=dict)
    answers: dict[object, tuple[list[bytes], int]] = field(default_factory=dict)
    schedules: dict[str, ModelSchedule] = field(default_factory=dict)

    def is_closed(self, now_ms: int) -> bool:
        """Whether it gives out nothing, whatever is ready."""
        full = 0 < self.concurrency <= len(self.in_phase("leased"))
        closed = "OUT" in self.pauses or None in self.gates
        return full or closed or (self.rate is not None and self.fill(now_ms) < 1)

    def is_full(self, group: str | None) -> bool:
        """Whether as many jobs of a group are out as may be."""
        if group in self.gates and self.groups_matter:
            return True
        if group is None or not self.group_concurrency:
            return False
        held = [job for job in self.jobs.values() if job.group == group and self.holds(job)]
        return len(held) >= self.group_concurrency

    @property
    def groups_matter(self) -> bool:
        return self.group_concurrency > 0 or self.fair

    def close(self, job: ModelJob, until_ms: int) -> int:
        """Close the gate of a job; return until when it is closed."""
        group = job.group if self.groups_matter else None
        self.gates[group] = max(until_ms, self.gates.get(group, 0))
        return self.gates[group]

    def holds(self, job: ModelJob) -> bool:
        retried = job.phase == "delayed" and job.delivered and self.group_concurrency == 1
        return job.phase == "leased" or retried

    def keeps_its_place(self, job: ModelJob) -> bool:
        """Whether a job comes back to where it was: in strict order, if it was out before."""
        return self.group_concurrency == 1 and job.group is not None and job.delivered

    def think_of_turns(self, turn: int) -> None:
        """Note which groups are there now, and which have come since.

        A group is there as long as one of its jobs is ready or held. Where none has been so
        all the while it may be another group of the same name by now.
        """
        there: dict[str | None, set[tuple[object, ...]]] = {}
        for job in self.jobs.values():
            if job.phase == "ready" or self.holds(job):
                image = (job.id, job.phase, job.rank, job.receipt)
                there.setdefault(job.group, set()).add(image)
        for group in [group for group in self.turns if group not in there]:
            del self.turns[group]
        for group, images in there.items():
            first, _ = self.turns.get(group, (turn, turn))
            if group not in self.turns or not images & self.seen[group]:
                self.turns[group] = first, turn
        self.seen = there

    def forget_turns(self, turn: int) -> None:
        """Have turns begin anew, in an order that is not known."""
        self.think_of_turns(turn)
        self.turns = dict.fromkeys(self.turns, (0, turn))

    def may_be_next(self, group: str | None, others: set[str | None]) -> bool:
        """Tell whether none of the others has surely waited for longer."""
        first, _ = self.turns[group]
        return all(self.turns[other][1] >= first for other in others)

    def fill(self, now_ms: int) -> Fraction:
        """Return how many jobs its rate allows now, parts of one included."""
        if self.rate is None:
            return Fraction(0)
        jobs, per_ms = self.rate
        more = Fraction((now_ms - self.level_ms) * jobs, per_ms)
        self.level, self.level_ms = min(Fraction(jobs), self.level + more), now_ms
        return self.level

    def may_push(self, count: int, now_ms: int) -> bool:
        """Tell whether the rate of pushes allows so many more: replay its bucket."""
        if self.push_rate is None:
            return True
        jobs, per_ms = self.push_rate
        level, at_ms = Fraction(jobs), 0
        for pushed_ms in self.pushes:
            level = min(Fraction(jobs), level + Fraction((pushed_ms - at_ms) * jobs, per_ms)) - 1
            at_ms = pushed_ms
        return min(Fraction(jobs), level + Fraction((now_ms - at_ms) * jobs, per_ms)) >= count

    def holder(self, key: str) -> ModelJob | None:
        """Return the job that holds a key."""
        return next((job for job in self.jobs.values() if job.key == key), None)

    @property
    def nameless(self) -> list[ModelJob]:
        """Its jobs with ids that nobody was told, in the order of their push."""
        return [job for job in self.jobs.values() if job.id.startswith(UNNAMED)]

    @property
    def waiting(self) -> int:
        """How many jobs count for its limit."""
        return sum(len(self.in_phase(each)) for each in ("ready", "delayed", "blocked"))

    @property
    def waiting_bytes(self) -> int:
        """How many bytes their payloads have."""
        phases = ("ready", "delayed", "blocked")
        return sum(len(job.payload) for each in phases for job in self.in_phase(each))

    def in_phase(self, phase: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.phase == phase]


class Model:
    """Queues by name, and the ranks of what happened."""

    def __init__(self) -> None:
        self.queues: dict[str, ModelQueue] = {}
        self.taken: dict[bytes, ModelJob] = {}
        """Popped without a lease."""
        self.finished: set[bytes] = set()
        """Ids of the server's own making that are acked: none may come back."""
        self.receipts: list[tuple[str, bytes]] = []
        """All that were ever given out, with the name of their queue."""
        self.fence = 0
        self.rank = 0
        self.first_rank = 0
        """Of those that stand before all others; below 0."""
        self.turn = 0
        """Counts what may have given a group its turn."""
        self.ended: list[tuple[ModelJob, bool]] = []
        """Jobs that ended, done or not, of which those that wait for them have not been told."""
        self.arrived: Counter[tuple[ModelQueue, str]] = Counter()
        """By queue and payload: how many jobs came that the model has not thought of yet."""
        self.payloads_away = False
        """Whether some may have had to be read: a pop of several may get fewer then of a queue in
        which groups matter."""
        self.is_short = False
        """Whether memory or the disk is: what would make the state grow is refused."""
        self.unnamed = 0
        """How many jobs have come without anybody being told their ids."""

    def may_get_fewer(self, name: str) -> bool:
        """Tell whether a pop of several may leave jobs in a queue that could go out."""
        return self.payloads_away and self.queues[name].groups_matter

    def push_unnamed(
        self, name: str, payload: str, now_ms: int, *, priority: int | bytes | None = None
    ) -> ModelJob:
        """Have a job come that nobody may refuse and whose id nobody is told.

        It is called `UNNAMED` and a number until the machine has found out; see `name`.
        """
        queue = self.queue(name, now_ms)
        if priority is None:
            priority = b"" if queue.text else 0
        self.unnamed += 1
        job = ModelJob(
            b"%b%d" % (UNNAMED, self.unnamed), queue, priority, "ready", self.next_rank()
        )
        job.payload = payload
        if queue.ttl_ms is not None:
            job.expires_ms = now_ms + queue.ttl_ms
        if queue.refuse_duplicates and queue.holder(f"payload {payload}") is None:
            job.key = f"payload {payload}"
        queue.jobs[job.id] = job
        queue.pushes.append(now_ms)
        queue.active_ms = now_ms
        return job

    def name(self, queue: ModelQueue, ids: dict[str, list[bytes]]) -> None:
        """Give ids to those jobs of a queue that have none: the payloads of all say which.

        Those that are alike have them in the order of their push.
        """
        assert Counter(job.payload for job in queue.nameless) == {
            payload: len(its) for payload, its in ids.items()
        }
        for job in queue.nameless:
            job.id = ids[job.payload].pop(0)
            assert job.id not in self.finished
        queue.jobs = {job.id: job for job in queue.jobs.values()}

    def queue(self, name: str, now_ms: int) -> ModelQueue:
        """Return the queue of that name; make it if it is not there."""
        if name not in self.queues:
            self.queues[name] = ModelQueue(active_ms=now_ms)
        return self.queues[name]

    def think_of_turns(self) -> None:
        self.turn += 1
        for queue in self.queues.values():
            queue.think_of_turns(self.turn)

    def next_rank(self, *, front: bool = False) -> int:
        if front:
            self.first_rank -= 1
            return self.first_rank
        self.rank += 1
        return self.rank

    def has(self, name: str, job_id: bytes) -> bool:
        """Tell whether a queue has a job, in any phase."""
        return name in self.queues and job_id in self.queues[name].jobs

    def find(self, name: str, job_id: bytes) -> ModelJob | None:
        """Return a job, in any phase."""
        return self.queues[name].jobs.get(job_id) if name in self.queues else None

    def claimable(self, name: str, now_ms: int) -> list[ModelJob]:
        """Return the jobs of a queue that a pop might be given."""
        queue = self.queues.get(name)
        ready = queue.in_phase("ready") if queue is not None and not queue.is_closed(now_ms) else []
        if queue is not None:
            ready = [job for job in ready if not queue.is_full(job.group)]
        return [job for job in ready if not job.is_over(now_ms)]

    def held(self, receipt: bytes, name: str, now_ms: int) -> ModelJob | None:
        """Return the job that a receipt is good for."""
        jobs = self.queues[name].in_phase("leased") if name in self.queues else []
        found = [job for job in jobs if job.receipt == receipt and job.due_ms > now_ms]
        return found[0] if found else None

    def take_first(self, job_id: bytes, name: str, now_ms: int) -> ModelJob:
        """Check that a popped job was one that had to be next, and return it."""
        queue = self.queues[name]
        assert not queue.is_closed(now_ms)
        queue.level -= queue.rate is not None
        for each in queue.in_phase("ready"):
            if each.is_over(now_ms):
                self.expire(each, now_ms)
        ready = [job for job in queue.in_phase("ready") if not queue.is_full(job.group)]
        job = queue.jobs[job_id]
        priorities = [each.priority for each in ready]
        urgent = min(priorities) if queue.min_first else max(priorities)
        assert job in ready
        assert job.priority == urgent
        if queue.fair:
            self.think_of_turns()
            assert queue.may_be_next(job.group, {j.group for j in ready if j.priority == urgent})
            ready = [each for each in ready if each.group == job.group]
        assert job.rank == min(each.rank for each in ready if each.priority == urgent)
        return job

    def lease(
        self, job_id: bytes, receipt: bytes, name: str, now_ms: int, lease_ms: int | None
    ) -> None:
        job = self.take_first(job_id, name, now_ms)
        job.queue.active_ms = now_ms
        fence = int(receipt.partition(b":")[0])
        assert receipt == b"%d:%b" % (fence, job_id)
        assert fence > self.fence
        self.fence = fence
        self.receipts.append((name, receipt))
        for own in (lease_ms, job.lease_ms, job.queue.lease_ms):
            if own is not None:
                job.due_ms = now_ms + (
                    own if job.maxlease_ms is None else min(own, job.maxlease_ms)
                )
                break
        job.phase, job.receipt, job.leased_ms = "leased", receipt, now_ms
        job.delivered = True
        if job.until_start:
            job.key = None
        self.gave_out(job)

    def gave_out(self, job: ModelJob) -> None:
        """Have its group wait for its next turn, if it is still there."""
        self.think_of_turns()
        if job.group in job.queue.turns:
            job.queue.turns[job.group] = self.turn, self.turn

    def take(self, job_id: bytes, name: str, now_ms: int) -> None:
        job = self.take_first(job_id, name, now_ms)
        del job.queue.jobs[job_id]
        self.ended.append((job, True))
        self.taken[job_id] = job
        self.gave_out(job)
        self.follow_up(job, now_ms)

    def finish(self, job: ModelJob, now_ms: int) -> None:
        self.follow_up(job, now_ms)
        keep = job.queue.keep_ms if job.keep is None else job.keep
        if keep:
            job.phase, job.due_ms, job.receipt, job.key = "done", now_ms + keep, b"", None
        else:
            del job.queue.jobs[job.id]
            self.finished.add(job.id)
        self.ended.append((job, True))

    def follow_up(self, job: ModelJob, now_ms: int) -> None:
        if job.then:
            self.push_unnamed(FOLLOWED, "followed", now_ms)

    def children(self, job: ModelJob) -> list[ModelJob]:
        return [each for each in job.queue.jobs.values() if job.id in each.parents]

    def settle(self, now_ms: int) -> None:
        """Tell those that wait for jobs that ended, and those that wait for them.

        Those that die by that do so together.
        """
        rank = self.next_rank() if self.ended else 0
        while self.ended:
            job, done = self.ended.pop(0)
            if done:
                self.free_children(job, now_ms)
            else:
                for child in self.children(job):
                    child.error = ORPHANED
                    child.may_have_expired = child.is_over(now_ms)
                    self.die(child, now_ms)
                    child.rank = rank

    def free_children(self, parent: ModelJob, now_ms: int) -> None:
        """Let those go that waited for a job that is done, and for no other."""
        freed = self.children(parent)
        for child in freed:
            child.parents.remove(parent.id)
        ranks = [self.next_rank(front=child.rank < 0) for child in freed]
        # Those that go before others do so in the order of their push.
        before = iter(sorted(rank for rank in ranks if rank < 0))
        behind = iter(rank for rank in ranks if rank >= 0)
        for child in freed:
            rank = next(before if child.rank < 0 else behind)
            if not child.parents:
                child.phase = "delayed" if child.due_ms > now_ms else "ready"
                child.due_ms = child.due_ms if child.phase == "delayed" else 0
                child.rank = rank

    def learn_order(self, queue: ModelQueue, orders: dict[bytes, int]) -> None:
        """Part jobs that came to stand in a line together, as ``orders`` by id say."""
        in_line = [job for each in ("ready", "leased", "dead") for job in queue.in_phase(each)]
        for rank in {job.rank for job in in_line}:
            alike = sorted(
                (job for job in in_line if job.rank == rank), key=lambda job: orders[job.id]
            )
            for place, job in enumerate(alike):
                job.rank += place / len(alike)

    def make_room(self, queue: ModelQueue, payloads: list[str], replaced: ModelJob | None) -> bool:
        """Let the ready jobs go that are missed least for others, if there are enough.

        Nothing goes for one that replaces another: it needs room for what it is larger by.
        """
        more, more_bytes = len(payloads), sum(map(len, payloads))
        if replaced is not None:
            more, more_bytes = 0, more_bytes - len(replaced.payload)

        def fits(waiting: int, waiting_bytes: int) -> bool:
            short = not more or not queue.maxlen or waiting + more <= queue.maxlen
            light = more_bytes <= 0 or not queue.maxbytes
            return short and (light or waiting_bytes + more_bytes <= queue.maxbytes)

        if fits(queue.waiting, queue.waiting_bytes):
            return True
        ready = queue.in_phase("ready")
        others = queue.waiting - len(ready)
        others_bytes = queue.waiting_bytes - sum(len(job.payload) for job in ready)
        drops = queue.drop_oldest and replaced is None
        if not drops or not fits(others, others_bytes):
            return False
        while not fits(queue.waiting, queue.waiting_bytes):
            ready = queue.in_phase("ready")
            priorities = [job.priority for job in ready]
            least = max(priorities) if queue.min_first else min(priorities)
            self.throw_away(min((job for job in ready if job.priority == least), key=by_rank))
        return True

    def throw_away(self, job: ModelJob) -> None:
        """Have a job be gone that was not done, and those be dead that wait for it."""
        del job.queue.jobs[job.id]
        self.ended.append((job, False))

    def release(self, job: ModelJob, due_ms: int, *, front: bool = False) -> None:
        if front or job.phase == "dead" or not job.queue.keeps_its_place(job):
            job.rank = self.next_rank(front=front)
        job.phase = "delayed" if due_ms else "ready"
        job.due_ms = due_ms
        job.receipt = b""

    def die(self, job: ModelJob, now_ms: int) -> None:
        job.phase = "dead"
        job.key = None
        job.due_ms = now_ms + job.queue.keepdead_ms if job.queue.keepdead_ms else 0
        job.rank = self.next_rank()
        job.receipt = b""
        job.parents = set()
        self.ended.append((job, False))

    def expire(self, job: ModelJob, now_ms: int) -> None:
        if job.queue.drop_expired:
            self.throw_away(job)
        else:
            self.die(job, now_ms)

    def undo(self, job_id: bytes, fence: int, now_ms: int) -> None:
        """Put a popped job back to where it was, if it is still in that delivery."""
        if fence:
            queues = self.queues.values()
            found = [queue.jobs[job_id] for queue in queues if job_id in queue.jobs]
            for job in found:
                if job.phase != "leased" or job.receipt != b"%d:%b" % (fence, job_id):
                    continue
                job.phase, job.due_ms, job.receipt = "ready", 0, b""
                if job.cancelled:
                    self.throw_away(job)
                    self.settle(now_ms)
            return
        taken = self.taken.pop(job_id)
        if taken.queue in self.queues.values() and job_id not in taken.queue.jobs:
            if taken.key is not None and taken.queue.holder(taken.key) is not None:
                taken.key = None
            taken.queue.jobs[job_id] = taken

    def pass_to(self, now_ms: int) -> None:
        """Let everything happen that is due by now; what happens together has one rank."""
        rank, first_rank = self.next_rank(), self.next_rank(front=True)
        for queue in self.queues.values():
            queue.pauses = {what: end for what, end in queue.pauses.items() if end > now_ms}
            queue.gates = {group: end for group, end in queue.gates.items() if end > now_ms}
            while self._pass_round(queue, now_ms, rank, first_rank):
                pass
            for job in queue.jobs.values():
                job.rank = max(first_rank, min(job.rank, rank))
        self.rank, self.first_rank = rank, first_rank
        self.think_of_turns()

    def _pass_round(self, queue: ModelQueue, now_ms: int, rank: int, first_rank: int) -> bool:
        """Let happen what is due in a queue, earliest first; return whether anything was.

        A schedule fires for one slot, and for its next one when the rest has happened.
        """
        due: list[tuple[int, ModelSchedule | ModelJob]] = [
            (each.next_ms, each)
            for each in queue.schedules.values()
            if each.is_due(now_ms) and not self.is_short
        ]
        for job in queue.jobs.values():
            if job.timer_ms is not None and job.timer_ms <= now_ms:
                due.append((job.timer_ms, job))
        for due_ms, each in sorted(due, key=when):
            if isinstance(each, ModelSchedule):
                self.fire(queue, each, due_ms, each.slot_after(due_ms), now_ms)
            elif each.id in queue.jobs and each.timer_ms is not None and each.timer_ms <= now_ms:
                self._have_its_time(each, now_ms, rank, first_rank)
        return bool(due)

    def _have_its_time(self, job: ModelJob, now_ms: int, rank: int, first_rank: int) -> None:
        front = job.phase == "delayed" and job.rank < 0 and not job.is_over(now_ms)
        before = job.rank
        self._fall_due(job, now_ms)
        self.settle(now_ms)
        # A job that died has a place among the dead.
        if job.phase != "ready" or not job.queue.keeps_its_place(job):
            job.rank = first_rank if front else rank
        else:
            job.rank = before

    def fire(
        self, queue: ModelQueue, schedule: ModelSchedule, slot_ms: int, next_ms: int, now_ms: int
    ) -> ModelJob | None:
        """Have a schedule push its job, or skip a slot, and go on to its next one."""
        last: Any = schedule.last
        job = None
        pending = last in queue.jobs.values() and last.phase not in ("dead", "done")
        if pending and schedule.skips and not self._may_end_first(last, schedule, slot_ms):
            schedule.skipped += 1
        else:
            job = self.push_of(queue, schedule, now_ms)
            job.jitter_ms = schedule.jitter_ms
            schedule.runs += 1
            schedule.last = job
        self.go_on(queue, schedule, next_ms)
        return job

    def _may_end_first(self, last: ModelJob, schedule: ModelSchedule, slot_ms: int) -> bool:
        """Tell whether a job that is due in the very instant of a slot went before it."""
        return last.timer_ms == slot_ms and self.arrived[last.queue, schedule.payload] > 0

    def push_of(self, queue: ModelQueue, schedule: ModelSchedule, now_ms: int) -> ModelJob:
        self.arrived[queue, schedule.payload] -= 1
        (name,) = (name for name, each in self.queues.items() if each is queue)
        return self.push_unnamed(name, schedule.payload, now_ms)

    def go_on(self, queue: ModelQueue, schedule: ModelSchedule, next_ms: int) -> None:
        """Have a schedule wait for a slot; 0 for none, and then it is gone."""
        schedule.next_ms = next_ms
        if not next_ms or 0 < schedule.runs_max <= schedule.runs:
            del queue.schedules[schedule.payload]

    def _fall_due(self, job: ModelJob, now_ms: int) -> None:
        was_leased = job.phase == "leased"
        job.attempts += was_leased
        if job.phase in ("dead", "done") or job.cancelled:
            self.throw_away(job)
        elif job.is_over(now_ms):
            self.expire(job, now_ms)
        elif was_leased and job.is_spent():
            self.die(job, now_ms)
        else:
            self.release(job, 0)

    def restart(self, now_ms: int, *, is_short: bool = False) -> None:
        """Let leases that ended meanwhile live on for a while; turns begin anew."""
        self.turn += 1
        for queue in self.queues.values():
            queue.forget_turns(self.turn)
            for job in queue.in_phase("leased"):
                if job.due_ms <= now_ms:
                    job.due_ms = now_ms + min(job.due_ms - job.leased_ms, RESTART_LEASE_MS)
        self.is_short = is_short
        self.make_up(now_ms)

    def make_up(self, now_ms: int) -> None:
        """Have schedules make up for what they missed, unless memory or the disk is short."""
        if self.is_short:
            return
        rank = self.next_rank()
        for queue in self.queues.values():
            for schedule in [each for each in queue.schedules.values() if each.is_due(now_ms)]:
                self._catch_up(queue, schedule, now_ms, rank)

    def _catch_up(self, queue: ModelQueue, schedule: ModelSchedule, now_ms: int, rank: int) -> None:
        """Deal with the slots that a schedule missed."""
        if schedule.catchup == "ALL":
            schedule.next_ms = schedule.first_to_make_up_for(now_ms)
        elif schedule.catchup == "NONE":
            self.go_on(queue, schedule, schedule.slot_after(now_ms))
        else:
            next_ms = schedule.slot_after(now_ms)
            job = self.fire(queue, schedule, schedule.next_ms, next_ms, now_ms)
            if job is not None:
                job.rank = rank


def by_rank(job: ModelJob) -> float:
    return job.rank


def when(due: tuple[int, ModelSchedule | ModelJob]) -> int:
    return due[0]
