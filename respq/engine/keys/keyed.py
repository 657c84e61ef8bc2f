"""Keys as the engine has them: found, made, renamed, removed, whatever they hold.

A look-up says of a key that has expired that it is not there; that it is gone is emitted when its
time comes in a turn, or before something else takes its name. Not by the look-up: what is asked
for may be refused yet, and a refusal leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import TypeVar

from respq.engine.core import WRONG_TYPE, EngineCore
from respq.engine.jobs.retry import drawn
from respq.engine.keys.key import Key
from respq.engine.keys.records import KeyExpires, KeyMade, KeyRemoved, KeyRenamed, KeysFlushed
from respq.engine.keys.space import AnyKey, copy_of
from respq.engine.keys.value import Value, check_size
from respq.engine.records import QueueDropped
from respq.errors import RespqError, WrongType

V = TypeVar("V", bound=Value)
QUEUE = b"queue"
NO_TYPE = b"none"


class Keyed(EngineCore):
    """What all families do with their keys."""

    def find_key(self, now_ms: int, db: int, name: bytes) -> AnyKey | None:
        """Return a key of any family; None if there is none, or a queue."""
        key = self.state.keys.names[db].find(name)
        return None if key is not None and key.expires_ms and key.is_over(now_ms) else key

    def key_of(self, now_ms: int, db: int, name: bytes, family: type[V]) -> Key[V] | None:
        """Return a key of a family; None if there is none.

        Raises `WrongType` for a queue and for a key of another family; but to a client that has
        waited one that came to be there is none, so that it goes on waiting.
        """
        key = self.find_key(now_ms, db, name)
        if key is not None and isinstance(key.value, family):
            return key
        if not self.serving:
            self._refuse_other(key, db, name)
        return None

    def strict_key_of(self, now_ms: int, db: int, name: bytes, family: type[V]) -> Key[V] | None:
        """Return the same; raise `WrongType` to those who have waited, too."""
        key = self.find_key(now_ms, db, name)
        if key is not None and key.value.__class__ is family:
            return key
        self._refuse_other(key, db, name)
        return None

    def _refuse_other(self, key: AnyKey | None, db: int, name: bytes) -> None:
        if key is not None or name in self.state.names[db]:
            raise WrongType(WRONG_TYPE)

    def refuse_queue(self, db: int, name: bytes) -> None:
        """Raise `WrongType` for a queue: what overwrites every other key does not drop jobs."""
        if name in self.state.names[db]:
            raise WrongType(WRONG_TYPE)

    def has_name(self, now_ms: int, db: int, name: bytes) -> bool:
        """Tell whether there is a key or a queue of that name."""
        return name in self.state.names[db] or self.find_key(now_ms, db, name) is not None

    def type_of(self, now_ms: int, db: int, name: bytes) -> bytes:
        """Return what TYPE says of a name."""
        if name in self.state.names[db]:
            return QUEUE
        key = self.find_key(now_ms, db, name)
        return NO_TYPE if key is None else key.value.type_name

    def make_key(self, db: int, name: bytes, family: type[V], *, expires_ms: int = 0) -> Key[V]:
        """Make a key with nothing in it, where no key or queue has the name (any more)."""
        self.remove_name(db, name)
        number = self.next_number()
        self.emit(KeyMade(number, db, name, family.code, expires_ms))
        return self.state.keys.names[db][name]

    def key_or_new(self, now_ms: int, db: int, name: bytes, family: type[V]) -> Key[V]:
        """Return a key of a family; make it if there is none. Raises as `strict_key_of`.

        Something must be put into a new one by the next record.
        """
        key = self.strict_key_of(now_ms, db, name, family)
        return self.make_key(db, name, family) if key is None else key

    def remove_name(self, db: int, name: bytes) -> None:
        """Remove the key of that name if there is one, be it over or not; a queue stays."""
        key = self.state.keys.names[db].find(name)
        if key is not None:
            self.emit(KeyRemoved(key.number))

    def delete_name(self, now_ms: int, db: int, name: bytes) -> bool:
        """Remove the key or the queue of that name; return whether there was one."""
        queue = self.state.names[db].get(name)
        if queue is not None:
            self.emit(QueueDropped(queue.number))
            return True
        key = self.find_key(now_ms, db, name)
        if key is not None:
            self.emit(KeyRemoved(key.number))
        return key is not None

    def expire_key(self, now_ms: int, key: AnyKey, until_ms: int) -> None:
        """Let a key be there until then; 0 for ever. One whose time has passed is gone."""
        if 0 < until_ms <= now_ms:
            self.emit(KeyRemoved(key.number))
        elif until_ms or key.expires_ms:
            self.emit(KeyExpires(key.number, until_ms))

    def place_key(self, key: AnyKey, db: int, name: bytes) -> None:
        """Give a key another name, in this database or another; what had it is gone.

        Raises `WrongType` if a queue has it.
        """
        self.refuse_queue(db, name)
        self.remove_name(db, name)
        self.emit(KeyRenamed(key.number, db, name))

    def copy_key(self, key: AnyKey, db: int, name: bytes) -> None:
        """Make a key like another; what had its name is gone.

        Raises:
            WrongType: if a queue has it.
            TooBig: for a value that no transaction can hold.
        """
        self.refuse_queue(db, name)
        check_size(key.value.full_bytes)
        self.remove_name(db, name)
        for record in copy_of(key, self.next_number(), db, name):
            self.emit(record)

    def flush(self, db: int) -> None:
        """Remove every key and every queue of a database. Fences, numbers and ids go on."""
        for queue in list(self.state.names[db].values()):
            self.emit(QueueDropped(queue.number))
        if self.state.keys.names[db]:
            self.emit(KeysFlushed(db))

    def key_is_due(self, now_ms: int, key: AnyKey) -> None:
        """Remove a key whose time is over; one that was flushed is waiting to be freed."""
        if self.state.keys.key(key.number) is key and key.is_over(now_ms):
            self.expired_keys += 1
            self.emit(KeyRemoved(key.number))

    def names_after(self, now_ms: int, db: int, number: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield the number, name and type of what is in a database, from behind a number on."""
        queues = self.state.queues
        return merge(
            (
                (each, queues[each].name, QUEUE)
                for each in queues.irange(number, inclusive=(False, True))
                if queues[each].db == db
            ),
            (
                (key.number, key.name, key.value.type_name)
                for key in self.state.keys.after(db, number)
                if not key.is_over(now_ms)
            ),
        )

    def all_names(self, now_ms: int, db: int) -> list[bytes]:
        """Return every name in a database."""
        keys = self.state.keys.names[db]
        return [
            *self.state.names[db],
            *(name for name, key in keys.items() if not key.is_over(now_ms)),
        ]

    def names_count(self, db: int) -> int:
        """Return how many keys and queues a database has, with some that are about to go."""
        return len(self.state.names[db]) + len(self.state.keys.names[db])

    def random_name(self, now_ms: int, db: int) -> bytes | None:
        """Return the name of some key or queue; None if there is none."""
        for _ in range(_TRIES):
            self.draws += 1
            queues, chunks = self.state.names[db], self.state.keys.chunks[db]
            total = self.names_count(db)
            if not total:
                return None
            draw = drawn(self.draws, total, total - 1)
            if draw < len(queues):
                return next(islice(queues, draw, None))
            chunk = chunks.peekitem(drawn(self.draws, 1, len(chunks) - 1))[1]
            key = next(islice(chunk.values(), drawn(self.draws, 2, len(chunk) - 1), None))
            if not key.is_over(now_ms):
                return key.name  # type: ignore[no-any-return]
        return next(iter(self.all_names(now_ms, db)), None)

    def key_present(self, now_ms: int, db: int, name: bytes) -> AnyKey:
        """Return a key; raise Redis' error if there is none, `WrongType` for a queue."""
        self.refuse_queue(db, name)
        key = self.find_key(now_ms, db, name)
        if key is None:
            raise RespqError("no such key")
        return key


_TRIES = 20
"""Keys that are drawn before every one is looked at: most of them have expired then."""
