"""Queues as objects: made, set, renamed, emptied, dropped; and jobs that are thrown away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from respq.config import IDLE_QUEUE_MS
from respq.engine.core import EngineCore, check_name, shown
from respq.engine.jobs.job import DELETED, DONE, OVER
from respq.engine.jobs.queue import DEFAULT_SETTINGS, FOREVER_MS, Queue
from respq.engine.records import (
    GateOpened,
    JobRemoved,
    Pauses,
    QueueDropped,
    QueuePaused,
    QueueRenamed,
    QueueSet,
)
from respq.errors import Exists, Immutable, WrongState

PAUSABLE = Pauses.__struct_fields__
REGROUPED_MAX = 10_000
"""Jobs that are put into another order at once; it takes about 10 ms."""

COUNTED_MAX = 50_000
"""Jobs whose bytes are counted at once; it takes about 5 ms."""


class Administering(EngineCore):
    """What an operator does to whole queues."""

    def create_queue(self, now_ms: int, db: int, name: bytes, changes: dict[str, Any]) -> None:
        """Make a queue with settings; raise `Exists` if there is one of that name."""
        check_name("queue name", name)
        if self.queue_or_none(db, name, now_ms) is not None:
            raise Exists(f"queue '{shown(name)}' exists: use QUEUE SET to change it")
        settings = msgspec.structs.replace(DEFAULT_SETTINGS, **changes)
        self.make_queue(now_ms, db, name, settings, configured=True)

    def set_queue(self, db: int, name: bytes, changes: dict[str, Any]) -> None:
        """Change settings of a queue; those not named stay.

        Raises:
            NoQueue: if there is no such queue.
            Immutable: if ORDER or PRIORITIES would change.
            WrongState: if groups would matter otherwise, for too many jobs to be put in order; or
                if there are too many for their bytes to be counted.
        """
        queue = self.queue(db, name)
        for field, word in (("min_first", "ORDER"), ("text", "PRIORITIES")):
            if changes.get(field, getattr(queue.settings, field)) != getattr(queue.settings, field):
                raise Immutable(
                    f"{word} of queue '{shown(name)}' was fixed when it was made: "
                    "create another queue"
                )
        settings = msgspec.structs.replace(queue.settings, **changes)
        grouping = settings.group_concurrency, settings.fair
        if grouping != (queue.settings.group_concurrency, queue.settings.fair):
            held = len(queue)
            if held > REGROUPED_MAX:
                raise WrongState(
                    f"queue '{shown(name)}' holds {held} jobs: GROUPCONCURRENCY and FAIR can be "
                    f"changed while it holds {REGROUPED_MAX} at most"
                )
        if settings.maxbytes is not None and queue.settings.maxbytes is None:
            held = len(queue)
            if held > COUNTED_MAX:
                raise WrongState(
                    f"queue '{shown(name)}' holds {held} jobs: MAXBYTES can be set while it holds "
                    f"{COUNTED_MAX} at most"
                )
        self.emit(QueueSet(queue.number, settings))
        queue.next_wait_ms = 0  # An SLO holds for the next job, however soon that goes out.

    def rename_queue(self, db: int, name: bytes, new_name: bytes) -> None:
        """Give a queue another name.

        Raises:
            NoQueue: if there is no such queue.
            Exists: if the new name is taken.
            WrongState: while jobs are leased, since their holders ack by the old name.
        """
        queue = self.queue(db, name)
        check_name("new queue name", new_name)
        if self.queue_or_none(db, new_name) is not None:
            raise Exists(f"queue '{shown(new_name)}' exists: drop it first")
        if queue.leases:
            raise WrongState(
                f"queue '{shown(name)}' has {len(queue.leases)} leased jobs: "
                "their holders ack by its name"
            )
        self.emit(QueueRenamed(queue.number, new_name))

    def delete(self, db: int, name: bytes, ids: Sequence[bytes]) -> int:
        """Throw jobs away, whatever their phase; return how many there were.

        Of a leased job the receipt is stale from then on.
        """
        queue = self.queue_or_none(db, name)
        if queue is None:
            return 0
        count = 0
        for job_id in ids:
            job = queue.find(job_id)
            if job is not None:
                cause = OVER if job.phase == DONE else DELETED
                self.emit(JobRemoved(queue.number, job.number, cause))
                count += 1
        return count

    def drop_queue(self, db: int, name: bytes) -> bool:
        """Remove a queue with its jobs and schedules; return whether there was one."""
        queue = self.queue_or_none(db, name)
        if queue is None:
            return False
        self.emit(QueueDropped(queue.number))
        return True

    def pause_queue(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        what: Collection[str],
        *,
        for_ms: int | None = None,
    ) -> None:
        """Have a queue refuse some of what is asked of it, without an end or for a while.

        ``what`` are fields of `Pauses`; those that are not named stay. Raises `NoQueue`.
        """
        self._pause(
            self.queue(db, name),
            dict.fromkeys(what, FOREVER_MS if for_ms is None else now_ms + for_ms),
        )

    def resume_queue(self, db: int, name: bytes, what: Collection[str]) -> bool:
        """End pauses; return whether there was one. Raises `NoQueue`.

        With those of pops the gates are opened that workers have closed.
        """
        queue = self.queue(db, name)
        gates = list(queue.gates.values()) if "pops_ms" in what else []
        for gate in gates:
            self.emit(GateOpened(queue.number, gate.number, gate.group))
        return self._pause(queue, dict.fromkeys(what, 0)) or bool(gates)

    def forget_meters(self, queues: Iterable[Queue]) -> None:
        """Forget what was measured of queues: it begins anew. Totals stay; nothing is recorded."""
        for queue in queues:
            queue.forget_meter()

    def _pause(self, queue: Queue, ends: dict[str, int]) -> bool:
        pauses = msgspec.structs.replace(queue.pauses, **ends)
        if pauses == queue.pauses:
            return False
        self.emit(QueuePaused(queue.number, pauses))
        return True

    def look_at_queue(self, now_ms: int, queue: Queue) -> None:
        """Let happen to a queue what is due: a pause ends, a rate opens, an idle one is dropped."""
        if not queue.configured:
            self._look_at_idle(now_ms, queue)
            return
        if 0 < queue.rate_opens_ms <= now_ms:
            self.state.open_at(queue, 0)
        ends = msgspec.structs.asdict(queue.pauses)
        self._pause(queue, {what: 0 for what, until_ms in ends.items() if until_ms <= now_ms})

    def _look_at_idle(self, now_ms: int, queue: Queue) -> None:
        """Drop a queue that nobody configured and nobody has used for a day."""
        if len(queue) or queue.schedules or queue.windows or queue.gates:
            self.state.look_at(queue, now_ms + IDLE_QUEUE_MS)
        elif queue.active_ms + IDLE_QUEUE_MS > now_ms:
            self.state.look_at(queue, queue.active_ms + IDLE_QUEUE_MS)
        else:
            self.emit(QueueDropped(queue.number))
