"""Workers: who asks for jobs by a CONSUMER name, what each holds, and what each is to do.

What an operator orders is a fact in the journal (`State.orders`). Who is known is not: it is
kept from the pops that name a consumer, and found again from the leases at the start.

    known        name -> worker; those unseen for longest stand first, or nearly
    deliveries   of one worker: receipt -> number of the queue

A delivery ends in many ways, and none of them looks here, so that nobody pays who names no
consumer. Those that are over stay until they are swept out, which happens when they may be
about as many as the others. They are names only: a job that is done is not kept for them.
"""

from __future__ import annotations

from collections import OrderedDict
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

_SWEEP_SLACK: Final = 16
"""Deliveries of one worker that are not worth a look whether they are over."""
_LOOKED_AT: Final = 16
"""Workers that are asked, for a new one, whether they can be forgotten."""


class Worker(msgspec.Struct, gc=False):
    """What is known of one worker."""

    first_seen_ms: int
    seen_ms: int
    """When it last asked for jobs, or touched one."""
    popped: int = 0
    """How many jobs it was given."""
    deliveries: dict[bytes, int] = {}
    sweep_at: int = _SWEEP_SLACK
    """With how many deliveries those are to be swept out that are over."""


class Workers:
    """All workers that are known."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: OrderedDict[bytes, Worker] = OrderedDict()

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
        if for_good:
            return
        deliveries = worker.deliveries
        for job in jobs:
            deliveries[job.receipt] = job.queue.number
        if len(deliveries) > worker.sweep_at:
            self.held(name)

    def held(self, name: bytes) -> list[Job]:
        """Return the jobs that a worker holds, in the order in which it got them.

        It takes as long as `Worker.deliveries` are many, and sweeps those out that are over.
        """
        worker = self._known.get(name)
        if worker is None:
            return []
        queues = self._state.queues
        jobs = []
        for receipt, number in worker.deliveries.items():
            queue = queues.get(number)
            job = queue.leases.get(receipt) if queue is not None else None
            if job is not None:
                jobs.append(job)
        worker.deliveries = {job.receipt: job.queue.number for job in jobs}
        worker.sweep_at = 2 * len(jobs) + _SWEEP_SLACK
        return jobs

    def find_again(self) -> None:
        """Know those again who hold jobs of a state that was read back."""
        held = [
            job
            for queue in self._state.queues.values()
            for job in queue.leases.values()
            if job.holder
        ]
        for job in sorted(held, key=attrgetter("fence")):
            self.given(job.since_ms, job.holder, (job,), for_good=False)

    def forget_unseen(self, now_ms: int) -> None:
        """Forget those unseen for a day who hold nothing and have no order."""
        for name, worker in [*self._known.items()]:
            if now_ms - worker.seen_ms >= UNSEEN_WORKER_MS and self._can_go(name):
                del self._known[name]

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
                del self._known[name]
            else:
                self._known.move_to_end(name)

    def _can_go(self, name: bytes) -> bool:
        return name not in self._state.orders and not self.held(name)


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
        return [self._outline(name) for name in sorted({*self.workers, *self.state.orders})]

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
        jobs = self.workers.held(name)[:SHOWN_MAX]
        facts = {
            **self._outline(name),
            b"ordered_ms": order.ordered_ms if order is not None else 0,
            b"by": order.by if order is not None else b"",
            b"first_seen_ms": worker.first_seen_ms if worker is not None else 0,
            b"popped": worker.popped if worker is not None else 0,
        }
        return facts, [(job.queue.name, job.id, job.due_ms, job.queue.db) for job in jobs]

    def _outline(self, name: bytes) -> dict[bytes, bytes | int]:
        worker, order = self.workers.get(name), self.state.orders.get(name)
        return {
            b"name": name,
            b"state": STATE_NAMES[order.order if order is not None else ACTIVE],
            b"held": len(self.workers.held(name)),
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
        assert len(receipts) <= len(worker.deliveries) <= worker.sweep_at
        over = worker.deliveries.keys() - receipts
        assert len(over) == len(worker.deliveries) - len(receipts)
        for receipt in over:
            queue_or_none = state.queues.get(worker.deliveries[receipt])
            assert queue_or_none is None or receipt not in queue_or_none.leases
    for name, order in state.orders.items():
        assert order.name == name
        assert order.order in (QUIET, STOP)
