"""The types of Redis, as what a copy of a key is made of: items, some at a time.

    string       the value is its one item
    list         an element
    hash         a field, its value
    set          a member
    zset         a member, its score
    stream       an id, the fields and values of the entry

A piece is read from a place on: an index, a cursor, an id; each reply says where the next one
begins. Requests are made here and replies are read here; nothing here asks a server.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

Request = list[bytes]
Reply = Any
Item = tuple[bytes, ...]
"""All of the same length but those of streams."""
Place = bytes | int
"""Where a piece begins."""
_NO_ID = b"0-0"
_PART_MAX = 2**64 - 1
"""Of an id."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What is known of a value before it is read."""

    length: int
    """Its items; of a string the bytes."""
    last_id: bytes = b""
    """Of a stream."""
    entries_added: int | None = None
    deleted_id: bytes | None = None
    """Of a stream; None where the server, being older than Redis 7, does not know."""
    groups: int = 0

    def agrees(self, other: Measure) -> bool:
        """Tell whether both may be of the same value."""
        counts = self.entries_added, self.deleted_id
        return (self.length, self.last_id) == (other.length, other.last_id) and (
            None in counts or counts == (other.entries_added, other.deleted_id)
        )


class Kind(ABC):
    """One of the types."""

    name: ClassVar[bytes]
    """As TYPE says it."""
    start: ClassVar[Place] = 0

    @abstractmethod
    def measure(self, key: bytes) -> Request:
        """Return the request that asks for the `Measure` of a key."""

    def measured(self, reply: Reply) -> Measure:
        """Read its reply."""
        return Measure(reply)

    def length(self, items: Sequence[Item]) -> int:
        """Return the length that some items alone would have."""
        return len(items)

    @abstractmethod
    def whole(self, key: bytes) -> Request:
        """Return the request for all items."""

    def whole_items(self, reply: Reply) -> list[Item]:
        """Read its reply."""
        return self.piece_items(reply, self.start)[0]

    @abstractmethod
    def piece(self, key: bytes, place: Place, count: int) -> Request:
        """Return the request for some items from a place on."""

    @abstractmethod
    def piece_items(self, reply: Reply, place: Place) -> tuple[list[Item], Place | None]:
        """Read its reply: the items, and the place of the next piece; None behind the last."""

    @abstractmethod
    def write(self, key: bytes, items: Sequence[Item]) -> list[Request]:
        """Return requests that put items into a key, behind those that are there."""

    def finish(self, key: bytes, measure: Measure) -> list[Request]:
        """Return requests that make a key of that measure when all its items are there."""
        return []

    def ends(self, key: bytes, items: Sequence[Item]) -> Request | None:
        """Return the request that asks which items have an end of their own, if they can."""
        return None

    @abstractmethod
    def compare(self, key: bytes, at: int, items: Sequence[Item]) -> Request:
        """Return the request whose reply tells whether a key has items, the first being the nth."""

    @abstractmethod
    def same(self, reply: Reply, items: Sequence[Item]) -> bool:
        """Read its reply."""


class String(Kind):
    """A value."""

    name = b"string"

    def measure(self, key: bytes) -> Request:
        return [b"STRLEN", key]

    def length(self, items: Sequence[Item]) -> int:
        # One that is not there and an empty one are two things.
        return sum(len(value) for (value,) in items) if items else -1

    def whole(self, key: bytes) -> Request:
        return [b"GET", key]

    def piece(self, key: bytes, place: Place, count: int) -> Request:
        return self.whole(key)

    def piece_items(self, reply: Reply, place: Place) -> tuple[list[Item], Place | None]:
        return [] if reply is None else [(reply,)], None

    def write(self, key: bytes, items: Sequence[Item]) -> list[Request]:
        return [[b"SET", key, value] for (value,) in items]

    def compare(self, key: bytes, at: int, items: Sequence[Item]) -> Request:
        return self.whole(key)

    def same(self, reply: Reply, items: Sequence[Item]) -> bool:
        return [(reply,)] == items


class _Ranked(Kind):
    """Items that are asked for by their index."""

    def piece(self, key: bytes, place: Place, count: int) -> Request:
        assert isinstance(place, int)
        return self._range(key, place, place + count - 1)

    def whole(self, key: bytes) -> Request:
        return self._range(key, 0, -1)

    @abstractmethod
    def _range(self, key: bytes, first: int, last: int) -> Request: ...


class List(_Ranked):
    """Elements in their order."""

    name = b"list"

    def measure(self, key: bytes) -> Request:
        return [b"LLEN", key]

    def _range(self, key: bytes, first: int, last: int) -> Request:
        return [b"LRANGE", key, b"%d" % first, b"%d" % last]

    def piece_items(self, reply: Reply, place: Place) -> tuple[list[Item], Place | None]:
        assert isinstance(place, int)
        return [(each,) for each in reply], place + len(reply) if reply else None

    def write(self, key: bytes, items: Sequence[Item]) -> list[Request]:
        return [[b"RPUSH", key, *(element for (element,) in items)]]

    def compare(self, key: bytes, at: int, items: Sequence[Item]) -> Request:
        return self._range(key, at, at + len(items) - 1)

    def same(self, reply: Reply, items: Sequence[Item]) -> bool:
        return [(each,) for each in reply] == items


class SortedSet(_Ranked):
    """Members with scores."""

    name = b"zset"

    def measure(self, key: bytes) -> Request:
        return [b"ZCARD", key]

    def _range(self, key: bytes, first: int, last: int) -> Request:
        return [b"ZRANGE", key, b"%d" % first, b"%d" % last, b"WITHSCORES"]

    def piece_items(self, reply: Reply, place: Place) -> tuple[list[Item], Place | None]:
        assert isinstance(place, int)
        items = _pairs(reply)
        return items, place + len(items) if items else None

    def write(self, key: bytes, items: Sequence[Item]) -> list[Request]:
        return [[b"ZADD", key, *(each for member, score in items for each in (score, member))]]

    def compare(self, key: bytes, at: int, items: Sequence[Item]) -> Request:
        return [b"ZMSCORE", key, *(member for member, _ in items)]

    def same(self, reply: Reply, items: Sequence[Item]) -> bool:
        # Versions write the same number with more digits or fewer.
        return None not in reply and [*map(float, reply)] == [float(score) for _, score in items]


class _Scanned(Kind):
    """Items that are asked for by a cursor; some may come twice."""

    start = b"0"

    def piece_items(self, reply: Reply, place: Place) -> tuple[list[Item], Place | None]:
        cursor, flat = reply
        return self.whole_items(flat), None if cursor == b"0" else cursor


class Hash(_Scanned):
    """Fields with values."""

    name = b"hash"

    def measure(self, key: bytes) -> Request:
        return [b"HLEN", key]

    def whole(self, key: bytes) -> Request:
        return [b"HGETALL", key]

    def whole_items(self, reply: Reply) -> list[Item]:
        return _pairs(reply)

    def piece(self, key: bytes, place: Place, count: int) -> Request:
        assert isinstance(place, bytes)
        return [b"HSCAN", key, place, b"COUNT", b"%d" % count]

    def write(self, key: bytes, items: Sequence[Item]) -> list[Request]:
        return [[b"HSET", key, *(each for item in items for each in item)]]

    def compare(self, key: bytes, at: int, items: Sequence[Item]) -> Request:
        return [b"HMGET", key, *(field for field, _ in items)]

    def same(self, reply: Reply, items: Sequence[Item]) -> bool:
        return bool(reply == [value for _, value in items])

    def ends(self, key: bytes, items: Sequence[Item]) -> Request | None:
        fields = [field for field, _ in items]
        return [b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(fields), *fields]


class Set(_Scanned):
    """Members."""

    name = b"set"

    def measure(self, key: bytes) -> Request:
        return [b"SCARD", key]

    def whole(self, key: bytes) -> Request:
        return [b"SMEMBERS", key]

    def whole_items(self, reply: Reply) -> list[Item]:
        return [(each,) for each in reply]

    def piece(self, key: bytes, place: Place, count: int) -> Request:
        assert isinstance(place, bytes)
        return [b"SSCAN", key, place, b"COUNT", b"%d" % count]

    def write(self, key: bytes, items: Sequence[Item]) -> list[Request]:
        return [[b"SADD", key, *(member for (member,) in items)]]

    def compare(self, key: bytes, at: int, items: Sequence[Item]) -> Request:
        return [b"SMISMEMBER", key, *(member for (member,) in items)]

    def same(self, reply: Reply, items: Sequence[Item]) -> bool:
        return 0 not in reply


class Stream(Kind):
    """Entries by their ids, and what is remembered of those that are gone."""

    name = b"stream"
    start = b"-"

    def measure(self, key: bytes) -> Request:
        return [b"XINFO", b"STREAM", key]

    def measured(self, reply: Reply) -> Measure:
        facts: dict[bytes, Any] = dict(zip(reply[::2], reply[1::2], strict=True))
        return Measure(
            facts[b"length"],
            facts[b"last-generated-id"],
            facts.get(b"entries-added"),
            facts.get(b"max-deleted-entry-id"),
            facts[b"groups"],
        )

    def whole(self, key: bytes) -> Request:
        return [b"XRANGE", key, b"-", b"+"]

    def piece(self, key: bytes, place: Place, count: int) -> Request:
        assert isinstance(place, bytes)
        return [b"XRANGE", key, place, b"+", b"COUNT", b"%d" % count]

    def piece_items(self, reply: Reply, place: Place) -> tuple[list[Item], Place | None]:
        items = [(entry_id, *fields) for entry_id, fields in reply]
        return items, _next_id(items[-1][0]) if items else None

    def write(self, key: bytes, items: Sequence[Item]) -> list[Request]:
        return [[b"XADD", key, *item] for item in items]

    def finish(self, key: bytes, measure: Measure) -> list[Request]:
        requests: list[Request] = []
        if not measure.length:
            # XSETID makes no stream, and one that nothing was ever added to has no id to give.
            made = b"0-1" if measure.last_id == _NO_ID else measure.last_id
            requests.append([b"XADD", key, b"MAXLEN", b"0", made, b"", b""])
        counts: Request = []
        if measure.entries_added is not None and measure.deleted_id is not None:
            counts = [b"ENTRIESADDED", b"%d" % measure.entries_added]
            counts += [b"MAXDELETEDID", measure.deleted_id]
        return [*requests, [b"XSETID", key, measure.last_id, *counts]]

    def compare(self, key: bytes, at: int, items: Sequence[Item]) -> Request:
        return [b"XRANGE", key, items[0][0], items[-1][0]]

    def same(self, reply: Reply, items: Sequence[Item]) -> bool:
        return self.piece_items(reply, b"-")[0] == items


def _next_id(entry_id: bytes) -> bytes | None:
    """Return the least id behind one, None behind the last; Redis 6.0 and older know no ``(``."""
    ms, _, seq = entry_id.partition(b"-")
    if int(seq) < _PART_MAX:
        return b"%b-%d" % (ms, int(seq) + 1)
    return b"%d-0" % (int(ms) + 1) if int(ms) < _PART_MAX else None


def _pairs(flat: list[Any]) -> list[Item]:
    return list(zip(flat[::2], flat[1::2], strict=True))


KINDS: dict[bytes, Kind] = {
    kind.name: kind for kind in (String(), List(), Hash(), Set(), SortedSet(), Stream())
}
