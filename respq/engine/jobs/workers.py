"""Workers: who asks for jobs by a CONSUMER name, what each holds, and what each is to do.

What an operator orders is a fact in the journal (`State.orders`). Who is known is not: it is
kept from the pops that name a consumer, and found again from the leases at the start.

    known        name -> worker; those unseen for longest stand first, or nearly
    deliveries   of one worker: receipts, and numbers of their queues
    to sweep     name -> how many of its deliveries are still to be looked at, round by round

A delivery ends in many ways, and none of them looks here, so that nobody pays who names no
consumer. Those that are over stay until they are swept out: when any worker asks for jobs, some
deliveries are looked at, about twice as many as it is given, those of all workers one round after
the other. So a sweep is no longer than the pop, and of those that are over there are in the
long run no more than of the others. They are names only: a job that is done is not kept for
them. What a worker holds is found by looking at all its deliveries.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from operator import attrgetter
from typing import Final

import msgspec

from respq.config import UNSEEN_WORKER_MS, WORKERS_MAX
from respq.engine.core import EngineCore, check_name, shown
from respq.engine.jobs.cron import Zones
from respq.engine.jobs.job import Job
from respq.engine.records import WorkerOrdered
from respq.engine.state import State
from respq.errors import Paused, RespqError, ShuttingDown, TooBig

ACTIVE: Final = 0
QUIET: Final = 1
STOP: Final = 2
STATE_NAMES: Final = (b"active", b"quiet", b"stop")
"""Names of the orders by their code; the codes stand in the journal."""
SHOWN_MAX: Final = 1_000
"""Jobs that are named of one worker."""

_SWEPT_AT_LEAST: Final = 4
"""Deliveries that are looked at, whether they are over, when a worker asks for jobs …"""
_SWEPT_FOR_EACH: Final = 2
"""… and for each job that it is given."""
_LOOKED_AT: Final = 16
"""Workers that are asked, for a new one, whether they can be forgotten."""


class Worker(msgspec.Struct, gc=False):
    """What is known of one worker."""

    first_seen_ms: int
    seen_ms: int
    """When it last asked for jobs, or touched one."""
    popped: int = 0
    """How many jobs it was given."""
    deliveries: deque[tuple[bytes, int]] = msgspec.field(default_factory=deque)
    """Receipts and numbers of queues; those looked at, or given, most recently stand last."""


class Workers:
    """All workers that are known."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: OrderedDict[bytes, Worker] = OrderedDict()
        self._to_sweep: OrderedDict[bytes, int] = OrderedDict()
        """Of each that has deliveries, those that this round has not looked at; next first."""

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._known)

    def __iter__(self) -> Iterator[bytes]:
        """Yield their names."""
        return iter(self._known)

    def get(self, name: bytes) -> Worker | None:
        """Return what is known of a worker."""
        return self._known.get(name)

    def seen(self, now_ms: int, name: bytes) -> Worker:
        """Note that a worker is there, and return it."""
        worker = self._known.get(name)
        if worker is None:
            self._make_room(now_ms)
            worker = self._known[name] = Worker(now_ms, now_ms)
        else:
            worker.seen_ms = now_ms
            self._known.move_to_end(name)
        return worker

    def given(self, now_ms: int, name: bytes, jobs: Collection[Job], *, for_good: bool) -> None:
        """Note which jobs a worker was given: to hold, or for good."""
        worker = self.seen(now_ms, name)
        worker.popped += len(jobs)
        if not for_good:
            self._keep(name, worker, jobs)
            self.sweep(_SWEPT_FOR_EACH * len(jobs))

    def _keep(self, name: bytes, worker: Worker, jobs: Collection[Job]) -> None:
        worker.deliveries.extend([(job.receipt, job.queue.number) for job in jobs])
        self._to_sweep.setdefault(name, len(worker.deliveries))

    def held(self, name: bytes) -> list[Job]:
        """Return the jobs that a worker holds, in the order in which it got them.

        It takes as long as `Worker.deliveries` are many.
        """
        return sorted(self._held(name), key=attrgetter("fence"))

    def count_held(self, name: bytes) -> int:
        """Return how many these are, in the same time; sweep out what is over."""
        worker = self._known.get(name)
        if worker is None:
            return 0
        self._to_sweep.pop(name, None)
        self._look_at(name, worker.deliveries, len(worker.deliveries))
        return len(worker.deliveries)

    def _held(self, name: bytes) -> Iterator[Job]:
        worker = self._known.get(name)
        if worker is not None:
            for receipt, number in worker.deliveries:
                job = self._leased(receipt, number)
                if job is not None:
                    yield job

    def _leased(self, receipt: bytes, number: int) -> Job | None:
        queue = self._state.queues.get(number)
        return queue.leases.get(receipt) if queue is not None else None

    def sweep(self, count: int) -> None:
        """Look at so many deliveries, and forget those that are over."""
        to_sweep = self._to_sweep
        while count > 0 and to_sweep:
            name, left = to_sweep.popitem(last=False)
            deliveries = self._known[name].deliveries
            if left > count:
                self._look_at(name, deliveries, count)
                to_sweep[name] = left - count
                to_sweep.move_to_end(name, last=False)
            else:
                self._look_at(name, deliveries, left)
            count -= left

    def _look_at(self, name: bytes, deliveries: deque[tuple[bytes, int]], count: int) -> None:
        """Forget those of the first deliveries that are over; the next round has them all."""
        for _ in range(count):
            delivery = deliveries.popleft()
            if self._leased(*delivery) is not None:
                deliveries.append(delivery)
        if deliveries:
            self._to_sweep[name] = len(deliveries)

    def left_to_sweep(self, name: bytes) -> int:
        """Return how many deliveries of a worker this round is still to look at."""
        return self._to_sweep.get(name, 0)

    def find_again(self) -> None:
        """Know those again who hold jobs of a state that was read back."""
        held = [
            job
            for queue in self._state.queues.values()
            for job in queue.leases.values()
            if job.holder
        ]
        for job in sorted(held, key=attrgetter("fence")):
            worker = self.seen(job.since_ms, job.holder)
            worker.popped += 1
            self._keep(job.holder, worker, (job,))

    def forget_unseen(self, now_ms: int) -> None:
        """Forget those unseen for a day who hold nothing and have no order."""
        for name, worker in [*self._known.items()]:
            if now_ms - worker.seen_ms >= UNSEEN_WORKER_MS and self._can_go(name):
                self._forget(name)

    def _make_room(self, now_ms: int) -> None:
        """Forget, for one that is new, some of those unseen for longest, if there are too many.

        Whoever cannot be forgotten stands behind the others then: they are not asked again
        and again.
        """
        for name in [name for name, _ in zip(self._known, range(_LOOKED_AT), strict=False)]:
            full = len(self._known) >= WORKERS_MAX
            if not full and now_ms - self._known[name].seen_ms < UNSEEN_WORKER_MS:
                return
            if self._can_go(name):
                self._forget(name)
            else:
                self._known.move_to_end(name)

    def _can_go(self, name: bytes) -> bool:
        return name not in self._state.orders and next(self._held(name), None) is None

    def _forget(self, name: bytes) -> None:
        del self._known[name]
        self._to_sweep.pop(name, None)


class Supervising(EngineCore):
    """What is known of workers, and what they are told to do."""

    def __init__(self, state: State, zones: Zones) -> None:
        super().__init__(state, zones)
        self.workers = Workers(state)

    def admit(self, now_ms: int, name: bytes) -> None:
        """Note that a worker asks for jobs, and raise unless it may have some.

        Raises:
            Paused: if it is quiet.
            ShuttingDown: if it is to stop.
        """
        self.workers.seen(now_ms, name)
        self.workers.sweep(_SWEPT_AT_LEAST)
        if name in self.state.orders:
            raise refusal(self.state.orders[name])

    def order_worker(self, now_ms: int, name: bytes, order: int, by: bytes) -> bool:
        """Tell a worker what to do, known or not; return whether that is anything new.

        Raises:
            SyntaxFault: for an empty name.
            TooBig: for a name that is too long, or if `WORKERS_MAX` others have orders.
        """
        check_name("worker name", name)
        orders = self.state.orders
        standing = orders.get(name)
        if order == (ACTIVE if standing is None else standing.order):
            return False
        if standing is None and len(orders) >= WORKERS_MAX:
            raise TooBig(
                f"{len(orders)} workers are quiet or to stop, the limit is {WORKERS_MAX}: "
                f"QWORKER RESUME those that are gone before '{shown(name)}'"
            )
        self.emit(WorkerOrdered(name, order, now_ms, by))
        return True

    def is_to_stop(self, name: bytes) -> bool:
        """Tell whether a worker is to give back what it holds."""
        order = self.state.orders.get(name)
        return order is not None and order.order == STOP

    def count_workers(self) -> list[int]:
        """Return how many workers are in each state, by its code."""
        # Copied at once: while the journal is read back, another thread makes orders.
        orders = [*self.state.orders.values()]
        counts = [len(self.workers), 0, 0]
        for order in orders:
            counts[order.order] += 1
            counts[ACTIVE] -= self.workers.get(order.name) is not None
        return counts

    def list_workers(self, now_ms: int) -> list[dict[bytes, bytes | int]]:
        """Return, by name, what is most asked of those who are known or have an order."""
        self.workers.forget_unseen(now_ms)
        return [
            self._outline(name, self.workers.count_held(name))
            for name in sorted({*self.workers, *self.state.orders})
        ]

    def show_worker(
        self, now_ms: int, name: bytes
    ) -> tuple[dict[bytes, bytes | int], list[tuple[bytes, bytes, int, int]]]:
        """Return everything about a worker, and queue, id, end of lease and database of its jobs.

        Raises:
            RespqError: if it is not known and has no order.
        """
        self.workers.forget_unseen(now_ms)
        worker, order = self.workers.get(name), self.state.orders.get(name)
        if worker is None and order is None:
            raise RespqError(f"no such worker '{shown(name)}': QWORKER LIST names those there are")
        jobs = self.workers.held(name)
        facts = {
            **self._outline(name, len(jobs)),
            b"ordered_ms": order.ordered_ms if order is not None else 0,
            b"by": order.by if order is not None else b"",
            b"first_seen_ms": worker.first_seen_ms if worker is not None else 0,
            b"popped": worker.popped if worker is not None else 0,
        }
        shown_jobs = jobs[:SHOWN_MAX]
        return facts, [(job.queue.name, job.id, job.due_ms, job.queue.db) for job in shown_jobs]

    def _outline(self, name: bytes, held_count: int) -> dict[bytes, bytes | int]:
        worker, order = self.workers.get(name), self.state.orders.get(name)
        return {
            b"name": name,
            b"state": STATE_NAMES[order.order if order is not None else ACTIVE],
            b"held": held_count,
            b"seen_ms": worker.seen_ms if worker is not None else 0,
        }


def refusal(order: WorkerOrdered) -> RespqError:
    """Return what a worker is told that asks for jobs against an order."""
    worker = f"worker '{shown(order.name)}' is"
    if order.order == QUIET:
        return Paused(f"{worker} quiet since {order.ordered_ms}: QWORKER RESUME lets it take jobs")
    return ShuttingDown(
        f"{worker} to stop since {order.ordered_ms}: give back what it holds, and end"
    )


def check_workers(state: State, workers: Workers) -> None:
    """Assert that exactly those jobs are held by each worker that are leased to it."""
    leased: dict[bytes, set[bytes]] = {name: set() for name in workers}
    for queue in state.queues.values():
        for receipt, job in queue.leases.items():
            if job.holder:
                leased[job.holder].add(receipt)
    for name, receipts in leased.items():
        worker = workers.get(name)
        assert worker is not None
        assert worker.first_seen_ms <= worker.seen_ms
        deliveries = dict(worker.deliveries)
        assert len(deliveries) == len(worker.deliveries)
        assert receipts <= deliveries.keys()
        assert min(1, len(deliveries)) <= workers.left_to_sweep(name) <= len(deliveries)
        for receipt in deliveries.keys() - receipts:
            queue_or_none = state.queues.get(deliveries[receipt])
            assert queue_or_none is None or receipt not in queue_or_none.leases
    for name, order in state.orders.items():
        assert order.name == name
        assert order.order in (QUIET, STOP)
