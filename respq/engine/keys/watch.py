"""WATCH: who wants to know that a name is not as it was.

What a record changes is read off it, for queues and for keys, and only while anybody watches: it
costs nothing else. As in Redis every change counts, of oneself too, and one that changes nothing
in effect; what compaction says again is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from respq.engine.keys.records import (
    KeyMade,
    KeyRenamed,
    KeyRestored,
    KeysFlushed,
    RestoreBegin,
    RestoreEnd,
    RestorePiece,
)
from respq.engine.records import QueueMade, QueueRenamed, Record

if TYPE_CHECKING:
    from respq.engine.state import State

Name = tuple[int, bytes]
"""A database, and a key or a queue in it."""


class Watch:
    """The names that one client watches."""

    __slots__ = ("is_broken", "names")

    def __init__(self) -> None:
        self.names: set[Name] = set()
        self.is_broken = False
        """One of them is not as it was."""


class Watches:
    """All who watch, by name."""

    def __init__(self) -> None:
        self._by_name: dict[Name, dict[Watch, None]] = {}

    def __bool__(self) -> bool:
        """Tell whether anybody watches."""
        return bool(self._by_name)

    def add(self, watch: Watch, names: Iterable[Name]) -> None:
        """Have a client watch names from now on."""
        for name in names:
            watch.names.add(name)
            self._by_name.setdefault(name, {})[watch] = None

    def remove(self, watch: Watch) -> None:
        """Forget what a client watches."""
        for name in watch.names:
            watches = self._by_name[name]
            del watches[watch]
            if not watches:
                del self._by_name[name]
        watch.names.clear()

    def note(self, state: State, record: Record) -> None:
        """Note what a record changes that is about to be applied."""
        for name in _changed(state, record, self._by_name):
            for watch in self._by_name.get(name, ()):
                watch.is_broken = True


def _changed(state: State, record: Any, watched: Iterable[Name]) -> Iterator[Name]:
    match record:
        case QueueMade() | KeyMade() | KeyRestored() | RestoreBegin():
            yield record.db, record.name
        case RestorePiece() | RestoreEnd():
            pass
        case KeysFlushed():
            names = state.keys.names[record.db]
            yield from [each for each in watched if each[0] == record.db and each[1] in names]
        case _ if hasattr(record, "queue"):
            queue = state.queues[record.queue]
            yield queue.db, queue.name
            if isinstance(record, QueueRenamed):
                yield queue.db, record.name
        case _ if hasattr(record, "number"):
            key = state.keys.key(record.number)
            if key is not None:
                yield key.db, key.name
            if isinstance(record, KeyRenamed):
                yield record.db, record.name
