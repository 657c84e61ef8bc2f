"""Queues as objects: made, set, renamed, emptied, dropped."""

from __future__ import annotations

from typing import Any

import msgspec

from respq.config import IDLE_QUEUE_MS
from respq.engine.core import DEFAULT_SETTINGS, EngineCore, check_name, shown
from respq.engine.jobs.queue import Queue
from respq.engine.records import QueueDropped, QueuePurged, QueueRenamed, QueueSet
from respq.errors import Exists, Immutable, WrongState

ANY_PHASE = -1


class Administering(EngineCore):
    """What an operator does to whole queues."""

    def create_queue(self, now_ms: int, db: int, name: bytes, changes: dict[str, Any]) -> None:
        """Make a queue with settings; raise `Exists` if there is one of that name."""
        check_name("queue name", name)
        if name in self.state.names[db]:
            raise Exists(f"queue '{shown(name)}' exists: use QUEUE SET to change it")
        settings = msgspec.structs.replace(DEFAULT_SETTINGS, **changes)
        self.make_queue(now_ms, db, name, settings, configured=True)

    def set_queue(self, db: int, name: bytes, changes: dict[str, Any]) -> None:
        """Change settings of a queue; those not named stay.

        Raises:
            NoQueue: if there is no such queue.
            Immutable: if ORDER or PRIORITIES would change.
        """
        queue = self.queue(db, name)
        for field, word in (("min_first", "ORDER"), ("text", "PRIORITIES")):
            if changes.get(field, getattr(queue.settings, field)) != getattr(queue.settings, field):
                raise Immutable(
                    f"{word} of queue '{shown(name)}' was fixed when it was made: "
                    "create another queue"
                )
        settings = msgspec.structs.replace(queue.settings, **changes)
        self.emit(QueueSet(queue.number, settings))

    def rename_queue(self, db: int, name: bytes, new_name: bytes) -> None:
        """Give a queue another name.

        Raises:
            NoQueue: if there is no such queue.
            Exists: if the new name is taken.
            WrongState: while jobs are leased, since their holders ack by the old name.
        """
        queue = self.queue(db, name)
        check_name("new queue name", new_name)
        if new_name in self.state.names[db]:
            raise Exists(f"queue '{shown(new_name)}' exists: drop it first")
        if queue.leases:
            raise WrongState(
                f"queue '{shown(name)}' has {len(queue.leases)} leased jobs: "
                "their holders ack by its name"
            )
        self.emit(QueueRenamed(queue.number, new_name))

    def purge_queue(self, db: int, name: bytes) -> int:
        """Throw all jobs of a queue away, in every phase; return how many there were."""
        queue = self.queue(db, name)
        count = len(queue)
        if count:
            self.emit(QueuePurged(queue.number, ANY_PHASE, self.state.next_number, count))
        return count

    def drop_queue(self, db: int, name: bytes) -> bool:
        """Remove a queue with its jobs and schedules; return whether there was one."""
        queue = self.state.names[db].get(name)
        if queue is None:
            return False
        self.emit(QueueDropped(queue.number))
        return True

    def look_at_idle(self, now_ms: int, queue: Queue) -> None:
        """Drop a queue that nobody configured and nobody has used for a day."""
        if len(queue) or queue.schedules:
            self.state.look_again(queue, now_ms + IDLE_QUEUE_MS)
        elif queue.active_ms + IDLE_QUEUE_MS > now_ms:
            self.state.look_again(queue, queue.active_ms + IDLE_QUEUE_MS)
        else:
            self.emit(QueueDropped(queue.number))
