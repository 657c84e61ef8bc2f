"""Lists: items in a row, taken and put in at both ends, and anywhere between.

Records count places from the first item, as the list is when they come: they say what is taken
out and put in, and where. So a copy in pieces is of one moment, which a `Chain` makes cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from respq.engine.keys.chain import Chain
from respq.engine.keys.records import KeyRemoved
from respq.engine.keys.value import PIECE_BYTES, Piece, Taken, Value, check_size
from respq.engine.record import Record
from respq.errors import RespqError

if TYPE_CHECKING:
    from respq.engine.keys.key import Key
    from respq.engine.keys.keyed import Keyed

_ITEM_BYTES: Final = 2
"""Of an item besides its own, in the journal, and in a listpack if it is short."""
_LISTPACK_HEAD_BYTES: Final = 7
_LISTPACK_BYTES_MAX: Final = 8_192
_LISTPACK_AGAIN_BYTES_MAX: Final = 4_096
"""One that has grown is a quicklist until it has shrunk to half of that."""
RECORD_PLACES_MAX: Final = 10_000
"""Places in one record."""


class ListPushed(Record, tag=90):
    """Items are at an end of a list, put there one after the other: the last of them outermost."""

    number: int
    items: list[bytes]
    at_front: bool


class ListPopped(Record, tag=91):
    """So many items at an end of a list are not in it any more."""

    number: int
    count: int
    at_front: bool


class ListSet(Record, tag=92):
    """Another item is at a place."""

    number: int
    place: int
    item: bytes


class ListInserted(Record, tag=93):
    """An item is at a place; what was there and behind is one further on."""

    number: int
    place: int
    item: bytes


class ListRemoved(Record, tag=94):
    """The items at these places, which rise, are not in a list any more."""

    number: int
    places: list[int]


ListRecord = ListPushed | ListPopped | ListSet | ListInserted | ListRemoved


class List(Value, gc=False, eq=False):
    """The value of a list."""

    items: Chain = msgspec.field(default_factory=Chain)
    is_quicklist: bool = False
    """It has been so large that Redis would not keep it in a listpack any more."""

    code: ClassVar[int] = 1
    type_name: ClassVar[bytes] = b"list"

    def __len__(self) -> int:
        """Return how many items there are."""
        return self.items.count

    @property
    def encoding(self) -> bytes:
        """``listpack`` or ``quicklist``."""
        return b"quicklist" if self.is_quicklist else b"listpack"

    @property
    def is_empty(self) -> bool:
        """Whether there is no item."""
        return not self.items.count

    @property
    def deliverable(self) -> int:
        """How many items there are to be popped."""
        return self.items.count

    @property
    def full_bytes(self) -> int:
        """Of its items."""
        return self.items.size + _ITEM_BYTES * self.items.count

    def pieces(self) -> Iterator[Piece]:
        """Yield whether it is a quicklist, and items in their order."""
        is_quicklist = self.is_quicklist
        taken: list[bytes] = []
        size = 0
        is_first = True
        for run in self.items.runs():
            for item in run:
                if size >= PIECE_BYTES:
                    yield [is_quicklist, taken]
                    taken, size, is_first = [], 0, False
                taken.append(item)
                size += len(item) + _ITEM_BYTES
        if taken or is_first:
            yield [is_quicklist, taken]

    def add_piece(self, items: Piece) -> None:
        """Take the next items."""
        self.is_quicklist, taken = items
        self.items.append(taken)

    def plain(self) -> Any:
        """Return its items, and whether Redis would have a quicklist."""
        return list(self.items), self.is_quicklist

    def check(self) -> None:
        """Assert that the items are counted as they are."""
        self.items.check()

    def free(self, limit: int) -> bool:
        """Let go of some items."""
        return self.items.free(limit)

    def _note_growth(self, size: int) -> None:
        size += self.full_bytes + _LISTPACK_HEAD_BYTES
        self.is_quicklist = size > _LISTPACK_BYTES_MAX

    def _note_shrinking(self) -> None:
        size = self.full_bytes + _LISTPACK_HEAD_BYTES
        self.is_quicklist = size > _LISTPACK_AGAIN_BYTES_MAX

    def _pushed(self, record: ListPushed) -> None:
        items = record.items
        if not self.is_quicklist:
            self._note_growth(sum(map(len, items)))
        if record.at_front:
            self.items.prepend(items)
        else:
            self.items.append(items)

    def _popped(self, record: ListPopped) -> Value | None:
        if record.at_front:
            gone = self.items.drop_first(record.count)
        else:
            gone = self.items.drop_last(record.count)
        if self.is_quicklist:
            self._note_shrinking()
        if not gone:
            return None
        # Freeing a million items at once would take a while.
        popped = List()
        popped.items.blocks += gone
        popped.items.count = sum([len(block.items) for block in gone])
        return popped

    def _set(self, record: ListSet) -> None:
        if not self.is_quicklist:
            self._note_growth(len(record.item))
        self.items.replace(record.place, record.item)
        if self.is_quicklist:
            self._note_shrinking()

    def _inserted(self, record: ListInserted) -> None:
        if not self.is_quicklist:
            self._note_growth(len(record.item))
        self.items.insert(record.place, record.item)

    def _removed(self, record: ListRemoved) -> None:
        self.items.remove(record.places)
        if self.is_quicklist:
            self._note_shrinking()

    applies: ClassVar[Mapping[type[Record], Callable[[Any, Any], Value | None]]] = {
        ListPushed: _pushed,
        ListPopped: _popped,
        ListSet: _set,
        ListInserted: _inserted,
        ListRemoved: _removed,
    }


def read(keys: Keyed, now_ms: int, db: int, name: bytes) -> Chain | None:
    """Return the items of a list; None if there is none."""
    key = keys.key_of(now_ms, db, name, List)
    return key.value.items if key is not None else None


def push(
    keys: Keyed, now_ms: int, db: int, name: bytes, items: Sequence[bytes], *, at_front: bool
) -> int:
    """Put items at an end, one after the other; return how many there are then."""
    key = keys.key_or_new(now_ms, db, name, List)
    keys.emit(ListPushed(key.number, [*items], at_front))
    return key.value.items.count


def push_if_there(
    keys: Keyed, now_ms: int, db: int, name: bytes, items: Sequence[bytes], *, at_front: bool
) -> int:
    """Do the same, but to a list that is there; if there is none, return 0."""
    key = keys.key_of(now_ms, db, name, List)
    if key is None:
        return 0
    keys.emit(ListPushed(key.number, [*items], at_front))
    return key.value.items.count


def pop_one(keys: Keyed, key: Key[List], *, at_front: bool) -> bytes:
    """Take the item at an end out of a list."""
    items = key.value.items
    item = items.first if at_front else items.last
    keys.emit(ListPopped(key.number, 1, at_front))
    return item


def pop(keys: Keyed, key: Key[List], count: int, *, at_front: bool) -> list[bytes]:
    """Take up to ``count`` items out of a list, from an end on; the outermost comes first."""
    items = key.value.items
    count = min(count, items.count)
    if at_front:
        popped = items.slice(0, count)
    else:
        popped = items.slice(items.count - count, items.count)[::-1]
    if count:
        keys.emit(ListPopped(key.number, count, at_front))
    return popped


def move(
    keys: Keyed,
    now_ms: int,
    db: int,
    source: bytes,
    destination: bytes,
    *,
    from_front: bool,
    to_front: bool,
) -> bytes | None:
    """Take the item at an end of a list, and put it at an end of one; None if there is none.

    Raises `WrongType` for a destination of another kind, also to those who have waited.
    """
    key = keys.key_of(now_ms, db, source, List)
    if key is None:
        return None
    items = key.value.items
    item = items.first if from_front else items.last
    # Put in first: a list that is its own destination must not be empty in between.
    into = keys.key_or_new(now_ms, db, destination, List)
    keys.emit(ListPushed(into.number, [item], to_front))
    keys.emit(ListPopped(key.number, 1, from_front))
    return item


def place_of(items: Chain, index: int) -> int | None:
    """Return the place that an index means, which counts from the end if below 0; None if none."""
    place = index + items.count if index < 0 else index
    return place if 0 <= place < items.count else None


def span_of(items: Chain, first: int, last: int) -> tuple[int, int]:
    """Return from where up to where two indexes reach; the same twice for nothing."""
    start = max(0, first + items.count if first < 0 else first)
    stop = min(items.count, (last + items.count if last < 0 else last) + 1)
    return (start, stop) if start < stop else (0, 0)


def replace(keys: Keyed, key: Key[List], index: int, item: bytes) -> None:
    """Have another item be there; raise `RespqError` if there is no such index."""
    place = place_of(key.value.items, index)
    if place is None:
        raise RespqError("index out of range")
    keys.emit(ListSet(key.number, place, item))


def insert(keys: Keyed, key: Key[List], pivot: bytes, item: bytes, *, behind: bool) -> int:
    """Put an item beside the first one that is ``pivot``.

    Return how many there are then; -1 if none is.
    """
    items = key.value.items
    place = next(items.places_of(pivot, items.count), None)
    if place is None:
        return -1
    keys.emit(ListInserted(key.number, place + behind, item))
    return items.count


def remove(keys: Keyed, key: Key[List], count: int, item: bytes) -> int:
    """Remove the first items that are this one, the last ones for a count below 0, all for 0.

    Return how many there were.
    """
    items = key.value.items
    backward = count < 0
    found = items.places_of(item, items.count, backward=backward)
    places = [*islice(found, abs(count) or None)]
    if not backward:
        places.reverse()
    # Those behind first: the others are where they were.
    for start in range(0, len(places), RECORD_PLACES_MAX):
        keys.emit(ListRemoved(key.number, places[start : start + RECORD_PLACES_MAX][::-1]))
    return len(places)


def trim(keys: Keyed, key: Key[List], first: int, last: int) -> None:
    """Remove what does not lie between two indexes."""
    items = key.value.items
    start, stop = span_of(items, first, last)
    if start == stop:
        keys.emit(KeyRemoved(key.number))
        return
    if stop < items.count:
        keys.emit(ListPopped(key.number, items.count - stop, at_front=False))
    if start:
        keys.emit(ListPopped(key.number, start, at_front=True))


def store(keys: Keyed, db: int, name: bytes, items: Sequence[bytes]) -> int:
    """Have a key be the list of these, whatever it was; with nothing in it there is none.

    Raises:
        WrongType: for a queue.
        TooBig: for what no transaction can hold.
    """
    keys.refuse_queue(db, name)
    check_size(sum(map(len, items)) + _ITEM_BYTES * len(items))
    keys.remove_name(db, name)
    if items:
        number = keys.make_key(db, name, List).number
        for start in range(0, len(items), RECORD_PLACES_MAX):
            some = [*items[start : start + RECORD_PLACES_MAX]]
            keys.emit(ListPushed(number, some, at_front=False))
    return len(items)


class TakenItems(Taken):
    """Items that were popped for a client, the outermost first."""

    __slots__ = ("at_front",)

    family = List

    def __init__(self, key: Key[List], items: Sequence[bytes], at_front: bool) -> None:
        super().__init__(key, items)
        self.at_front = at_front

    def fill(self, keys: Keyed, key: Key[List]) -> None:
        """Put them in at the end that they came from."""
        keys.emit(ListPushed(key.number, [*reversed(self.things)], self.at_front))
