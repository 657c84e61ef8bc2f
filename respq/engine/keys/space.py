"""The keys of all databases, and what each record does to them.

    names    by name, a `Spread` a database: millions of keys stall nothing
    chunks   by number, in chunks of 4,096 numbers: SCAN walks them, and records name numbers
    ...      a copy that is being told, by number: its pieces, and the changes meanwhile

Where a key is that a copy is told of, the copy is all the same, and changes go to the key. Where
it is not, which is in a replay whose journal begins behind the key, they are kept for the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from sortedcontainers import SortedDict

from respq.config import DATABASES
from respq.engine.keys.families import BY_CODE, CHANGES
from respq.engine.keys.key import Key
from respq.engine.keys.records import (
    KeyExpires,
    KeyMade,
    KeyRemoved,
    KeyRenamed,
    KeyRestored,
    KeysFlushed,
    RestoreBegin,
    RestoreEnd,
    RestorePiece,
)
from respq.engine.keys.value import Value
from respq.engine.record import Record
from respq.engine.spread import Spread

if TYPE_CHECKING:
    from respq.engine.state import State

CHUNK_BITS: Final = 12
FREED_AT_ONCE: Final = 64
"""Things in a value that is freed at once when its key goes."""

AnyKey = Key[Any]


class Restoring:
    """A copy of a key that is being told."""

    __slots__ = ("changes", "is_there", "key", "position")

    def __init__(self, key: AnyKey, position: int, *, is_there: bool) -> None:
        self.key = key
        self.position = position
        """Of its begin."""
        self.is_there = is_there
        """The key has been there before: the copy is not needed."""
        self.changes: list[Record] = []
        """Of its value, since the begin."""


class Keyspace:
    """All keys that are no queues."""

    def __init__(self) -> None:
        self.names: list[Spread[bytes, AnyKey]] = [Spread() for _ in range(DATABASES)]
        self.chunks: list[SortedDict[int, dict[int, AnyKey]]] = [
            SortedDict() for _ in range(DATABASES)
        ]
        self._filled: list[SortedDict[int, dict[int, AnyKey]]] = []
        """Those of `chunks` in which there are any: mostly one."""
        self.expiring: list[int] = [0] * DATABASES
        """How many keys have an end, while the state is live; …"""
        self.ends_ms: list[int] = [0] * DATABASES
        """… and the sum of these instants."""
        self.restoring: dict[int, Restoring] = {}
        self.graveyard: list[dict[int, AnyKey]] = []
        """Flushed keys, to be freed in slices."""
        self.remains: list[Value] = []
        """Large values of keys that are gone, likewise."""

    def __len__(self) -> int:
        """Return how many keys there are in all databases."""
        return sum(map(len, self.names))

    def __iter__(self) -> Iterator[AnyKey]:
        """Yield every key, by database and number."""
        for chunks in self.chunks:
            for chunk in chunks.values():
                yield from (chunk[number] for number in sorted(chunk))

    def key(self, number: int) -> AnyKey | None:
        """Return a key by its number."""
        place = number >> CHUNK_BITS
        for chunks in self._filled:
            chunk = chunks.get(place)
            if chunk is not None and number in chunk:
                return chunk[number]  # type: ignore[no-any-return]
        return None

    def after(self, db: int, number: int) -> Iterator[AnyKey]:
        """Yield the keys of a database with larger numbers in their order."""
        chunks = self.chunks[db]
        for place in chunks.irange(number >> CHUNK_BITS):
            chunk = chunks[place]
            yield from (chunk[each] for each in sorted(chunk) if each > number)

    def free(self, state: State, limit: int) -> None:
        """Free up to ``limit`` keys that were flushed, or things in values that are gone."""
        while self.graveyard and limit > 0:
            chunk = self.graveyard[-1]
            while chunk and limit > 0:
                number, key = chunk.popitem()
                if key.expires_ms:
                    state.timers.remove(key.expires_ms, number)
                self.bury(key.value)
                limit -= 1
            if not chunk:
                self.graveyard.pop()
        while self.remains and limit > 0:
            value = self.remains[-1]
            count = len(value)
            if not value.free(limit):
                self.remains.pop()
            limit -= count

    def enter(self, state: State, key: AnyKey) -> None:
        """Let a key have its name and number."""
        self.names[key.db][key.name] = key
        chunks, place = self.chunks[key.db], key.number >> CHUNK_BITS
        chunk = chunks.get(place)
        if chunk is None:
            if not chunks:
                self._filled.append(chunks)
            chunk = chunks[place] = {}
        chunk[key.number] = key
        self.time(state, key)
        if state.watched:
            self.tell(state, key)

    def leave(self, state: State, key: AnyKey) -> None:
        """Let it have them no more."""
        del self.names[key.db][key.name]
        chunks = self.chunks[key.db]
        chunk = chunks[key.number >> CHUNK_BITS]
        del chunk[key.number]
        if not chunk:
            del chunks[key.number >> CHUNK_BITS]
            if not chunks:
                self._note_filled()
        self.untime(state, key)

    def remove(self, state: State, key: AnyKey) -> None:
        """Let a key be gone."""
        self.leave(state, key)
        if state.live:
            self.bury(key.value)

    def time(self, state: State, key: AnyKey) -> None:
        """Have a key be removed in its time."""
        if state.live and key.expires_ms:
            state.timers.add(key.expires_ms, key.number, key)
            self.expiring[key.db] += 1
            self.ends_ms[key.db] += key.expires_ms

    def untime(self, state: State, key: AnyKey) -> None:
        """Undo that."""
        if state.live and key.expires_ms:
            state.timers.remove(key.expires_ms, key.number)
            self.expiring[key.db] -= 1
            self.ends_ms[key.db] -= key.expires_ms

    def tell(self, state: State, key: AnyKey) -> None:
        """Have the broker look again for those who wait for the name of a key."""
        if (key.db, key.name) in state.watched:
            state.news.append((key.db, key.name))

    def flush(self, state: State, db: int) -> None:
        """Let every key of a database be gone."""
        if state.live:
            self.graveyard += self.chunks[db].values()
        self.names[db] = Spread()
        self.chunks[db] = SortedDict()
        self._note_filled()
        self.expiring[db] = self.ends_ms[db] = 0
        for number in [n for n, each in self.restoring.items() if each.key.db == db]:
            del self.restoring[number]

    def build_indexes(self, state: State) -> None:
        """Begin to be live: copies that have no end mean nothing."""
        self.restoring.clear()
        for key in self:
            self.time(state, key)

    def _note_filled(self) -> None:
        self._filled = [chunks for chunks in self.chunks if chunks]

    def bury(self, value: Value) -> None:
        """Free what belongs to no key any more, in slices if it is large."""
        if len(value) > FREED_AT_ONCE and value.free(FREED_AT_ONCE):
            self.remains.append(value)


def _key_made(state: State, record: KeyMade) -> None:
    _make(state, record, BY_CODE[record.kind]())


def _make(state: State, record: KeyMade | KeyRestored | RestoreBegin, value: Value) -> None:
    key = Key(record.number, record.db, record.name, record.expires_ms, value)
    key.position = state.position
    state.keys.enter(state, key)


def _key_removed(state: State, record: KeyRemoved) -> None:
    key = state.keys.key(record.number)
    if key is not None:
        state.keys.remove(state, key)
        state.keys.restoring.pop(record.number, None)
    elif state.keys.restoring.pop(record.number, None) is None:
        state.pass_over(record.number)


def _key_expires(state: State, record: KeyExpires) -> None:
    key = _present_or_restoring(state, record.number)
    if key is None:
        return
    is_there = key.number not in state.keys.restoring or state.keys.restoring[key.number].is_there
    if is_there:
        state.keys.untime(state, key)
    key.expires_ms = record.until_ms
    if is_there:
        state.keys.time(state, key)


def _key_renamed(state: State, record: KeyRenamed) -> None:
    key = _present_or_restoring(state, record.number)
    if key is None:
        return
    is_there = key.number not in state.keys.restoring or state.keys.restoring[key.number].is_there
    if is_there:
        state.keys.leave(state, key)
    key.db, key.name = record.db, record.name
    if is_there:
        state.keys.enter(state, key)


def _present_or_restoring(state: State, number: int) -> AnyKey | None:
    """Return the key that a change of its name or end is for; note its number if it is absent."""
    key = state.keys.key(number)
    if key is None and number in state.keys.restoring:
        key = state.keys.restoring[number].key
    if key is None:
        state.pass_over(number)
    return key


def _keys_flushed(state: State, record: KeysFlushed) -> None:
    state.keys.flush(state, record.db)


def _key_restored(state: State, record: KeyRestored) -> None:
    key = state.keys.key(record.number)
    if key is not None:
        key.position = state.position
        return
    state.keys.restoring.pop(record.number, None)
    _make(state, record, BY_CODE[record.kind].of_pieces(iter((record.items,))))


def _restore_begin(state: State, record: RestoreBegin) -> None:
    key = state.keys.key(record.number)
    is_there = key is not None
    if key is None:
        value = BY_CODE[record.kind]()
        key = Key(record.number, record.db, record.name, record.expires_ms, value)
    state.keys.restoring[record.number] = Restoring(key, state.position, is_there=is_there)


def _restore_piece(state: State, record: RestorePiece) -> None:
    restoring = state.keys.restoring.get(record.number)
    if restoring is None:
        # Its begin has been forgotten, or the key is gone.
        return
    if not restoring.is_there:
        restoring.key.value.add_piece(record.items)


def _restore_end(state: State, record: RestoreEnd) -> None:
    restoring = state.keys.restoring.pop(record.number, None)
    if restoring is None:
        return
    key = restoring.key
    key.position = restoring.position
    if not restoring.is_there:
        for change in restoring.changes:
            CHANGES[change.__class__](key.value, change)
        state.keys.enter(state, key)


def _changed(state: State, record: Any) -> None:
    """Do what a record of a family says to the value of its key."""
    keys = state.keys
    key = keys.key(record.number)
    if key is None:
        restoring = keys.restoring.get(record.number)
        if restoring is None:
            state.pass_over(record.number)
        else:
            restoring.changes.append(record)
        return
    gone = CHANGES[record.__class__](key.value, record)
    if gone is not None and state.live:
        keys.bury(gone)
    if key.value.is_empty:
        keys.leave(state, key)
        keys.restoring.pop(key.number, None)
    elif state.watched:
        keys.tell(state, key)


APPLY: Final[dict[type[Record], Callable[[State, Any], None]]] = {
    KeyMade: _key_made,
    KeyRemoved: _key_removed,
    KeyExpires: _key_expires,
    KeyRenamed: _key_renamed,
    KeysFlushed: _keys_flushed,
    KeyRestored: _key_restored,
    RestoreBegin: _restore_begin,
    RestorePiece: _restore_piece,
    RestoreEnd: _restore_end,
    **dict.fromkeys(CHANGES, _changed),
}


def in_full(keys: Keyspace, key: AnyKey) -> Iterator[Record]:
    """Yield what says all of a key as it stands: of a large one piece by piece.

    The caller may let time pass between two of them; a key that goes meanwhile has no end.
    """
    for record in copy_of(key, key.number, key.db, key.name):
        if keys.key(key.number) is not key:
            return
        yield record


def copy_of(key: AnyKey, number: int, db: int, name: bytes) -> Iterator[Record]:
    """Yield what makes another key like one, under this number and this name."""
    pieces = key.value.pieces()
    first, second = next(pieces), next(pieces, None)
    about = number, db, name, key.value.code, key.expires_ms
    if second is None:
        yield KeyRestored(*about, first)
        return
    yield RestoreBegin(*about)
    for piece in chain((first, second), pieces):
        yield RestorePiece(number, piece)
    yield RestoreEnd(number)
