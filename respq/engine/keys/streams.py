"""Streams: entries in the order of their ids; new ones come at the end, old ones leave in front.

    blocks   of up to `BLOCK_ENTRIES` entries, ids beside fields: what goes in front, or is said
             of one in the middle, moves no more than one block, and their list
    firsts   of each block the id that it began with, by which it is found

A stream that is empty stays, with the last id that it gave: ids rise, whatever was removed,
whatever the clock says, and over restarts. What a trim of many entries lets go of is freed in
slices.

All records say of entries what holds then, whatever was before, and of the stream all of what
they change. So a copy in pieces need not be of one moment, but for the ids and counts of the
stream, which its first piece has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from respq.engine.keys.ids import ID_MAX, NewId, id_of, next_id, parts_of
from respq.engine.keys.value import PIECE_BYTES, Piece, Value
from respq.engine.record import Record
from respq.errors import RespqError

if TYPE_CHECKING:
    from respq.engine.keys.key import Key
    from respq.engine.keys.keyed import Keyed

BLOCK_ENTRIES: Final = 100
BLOCK_BYTES: Final = 4096
"""As of Redis' nodes: what MAXLEN ~ leaves is about the same."""
TRIM_LIMIT: Final = 100 * BLOCK_ENTRIES
"""Entries that a trim with ``~`` removes at once, unless told."""
_ENTRY_BYTES: Final = 11
_FIELD_BYTES: Final = 2
"""Of an entry in the journal, besides its fields, and of each of these besides its bytes."""

Row = tuple[bytes, ...]
"""The fields of an entry, each with its value behind it."""
Entry = tuple[int, Row]
"""An id and what it stands for."""


class StreamAdded(Record, tag=130):
    """An entry is in a stream, and its id is the last that was given."""

    number: int
    ms: int
    seq: int
    entries_added: int
    """How many there have ever been."""
    fields: list[bytes]


class StreamTrimmed(Record, tag=131):
    """No entry up to this id is in a stream."""

    number: int
    ms: int
    seq: int


class StreamDeleted(Record, tag=132):
    """Entries are not in a stream; somebody picked them out."""

    number: int
    ids: list[int]
    """Milliseconds and sequences, by turns."""


class StreamSet(Record, tag=133):
    """A stream has given this id last, and so on."""

    number: int
    last_ms: int
    last_seq: int
    entries_added: int
    deleted_ms: int
    deleted_seq: int


StreamRecord = StreamAdded | StreamTrimmed | StreamDeleted | StreamSet


class Block(msgspec.Struct, gc=False, eq=False):
    """Neighbouring entries."""

    ids: list[int]
    rows: list[Row]
    spent: int = 0
    """How many have ever been in it."""
    size: int = 0
    """About how many bytes they take in the journal."""


class Trim(msgspec.Struct, frozen=True):
    """What is to be removed in front of a stream."""

    maxlen: int | None = None
    """How many entries are to be left; None to go by ``minid``."""
    minid: int = 0
    """The first id that is to be left."""
    approximate: bool = False
    """Only whole blocks are removed."""
    limit: int = 0
    """How many go at most; 0 for any number."""


class Stream(Value, gc=False, eq=False):
    """The value of a stream."""

    blocks: list[Block] = msgspec.field(default_factory=list)
    firsts: list[int] = msgspec.field(default_factory=list)
    length: int = 0
    size: int = 0
    last_id: int = 0
    """The last that was given."""
    entries_added: int = 0
    deleted_id: int = 0
    """The greatest of an entry that was picked out."""

    code: ClassVar[int] = 5
    type_name: ClassVar[bytes] = b"stream"

    def __len__(self) -> int:
        """Return how many entries there are."""
        return self.length

    @property
    def encoding(self) -> bytes:
        """``stream``."""
        return b"stream"

    @property
    def deliverable(self) -> int:
        """How many entries there are."""
        return self.length

    @property
    def full_bytes(self) -> int:
        """Of its entries."""
        return self.size

    @property
    def top_id(self) -> int:
        """The id of the last entry that is there; 0 if there is none."""
        return self.blocks[-1].ids[-1] if self.blocks else 0

    @property
    def first_id(self) -> int:
        """The id of the first one; 0 if there is none."""
        return self.blocks[0].ids[0] if self.blocks else 0

    def has(self, entry_id: int) -> bool:
        """Tell whether there is an entry of that id."""
        place, at = self._find(entry_id)
        return place >= 0 and self.blocks[place].ids[at : at + 1] == [entry_id]

    def entries(self, first: int, last: int = ID_MAX) -> Iterator[Entry]:
        """Yield the entries from one id to another."""
        start = max(0, bisect_right(self.firsts, first) - 1)
        for place in range(start, len(self.blocks)):
            block = self.blocks[place]
            low = bisect_left(block.ids, first) if place == start else 0
            high = bisect_right(block.ids, last)
            yield from zip(block.ids[low:high], block.rows[low:high], strict=True)
            if high < len(block.ids):
                return

    def entries_backward(self, first: int, last: int) -> Iterator[Entry]:
        """Yield the same from the last one on."""
        start = bisect_right(self.firsts, last) - 1
        for place in range(start, -1, -1):
            block = self.blocks[place]
            low = bisect_left(block.ids, first)
            high = bisect_right(block.ids, last) if place == start else len(block.ids)
            yield from zip(block.ids[low:high][::-1], block.rows[low:high][::-1], strict=True)
            if low:
                return

    def removed_by(self, trim: Trim) -> tuple[int, int]:
        """Return how many entries a trim removes, and the id of the last of them."""
        count = through = 0
        for block in self.blocks:
            if trim.limit and count + len(block.ids) > trim.limit:
                break
            if trim.maxlen is None:
                part = bisect_left(block.ids, trim.minid)
            else:
                part = min(len(block.ids), self.length - count - trim.maxlen)
            if part <= 0 or (trim.approximate and part < len(block.ids)):
                break
            count += part
            through = block.ids[part - 1]
            if part < len(block.ids):
                break
        return count, through

    def pieces(self) -> Iterator[Piece]:
        """Yield the ids and counts of the stream in the first one, and ids and fields of all."""
        head = [*parts_of(self.last_id), self.entries_added, *parts_of(self.deleted_id)]
        first = 0
        while True:
            ids: list[int] = []
            rows: list[Row] = []
            size = 0
            for entry_id, row in self.entries(first):
                ids += parts_of(entry_id)
                rows.append(row)
                size += _size_of(row)
                first = entry_id + 1
                if size >= PIECE_BYTES:
                    break
            if rows or head:
                yield [head, ids, rows]
            if size < PIECE_BYTES:
                return
            head = []

    def add_piece(self, items: Piece) -> None:
        """Take the next entries."""
        head, ids, rows = items
        if head:
            self.last_id, self.entries_added = id_of(head[0], head[1]), head[2]
            self.deleted_id = id_of(head[3], head[4])
        for ms, seq, row in zip(ids[::2], ids[1::2], rows, strict=True):
            self._put(id_of(ms, seq), tuple(row))

    def plain(self) -> Any:
        """Return its ids and counts, and its entries."""
        return (self.last_id, self.entries_added, self.deleted_id), [*self.entries(0)]

    def check(self) -> None:
        """Assert that the blocks are full of entries in order, and that the counts are right."""
        ids = [each for block in self.blocks for each in block.ids]
        assert ids == sorted(set(ids))
        assert len(ids) == self.length
        assert self.top_id <= self.last_id
        assert len(self.firsts) == len(self.blocks)
        for place, block in enumerate(self.blocks):
            assert 0 < len(block.ids) == len(block.rows) <= block.spent
            assert self.firsts[place] <= block.ids[0]
            assert block.ids[-1] < (*self.firsts, ID_MAX + 1)[place + 1]
            assert block.size == sum(map(_size_of, block.rows))
        assert self.size == sum(block.size for block in self.blocks)

    def free(self, limit: int) -> bool:
        """Let go of the last entries."""
        while self.blocks and limit > 0:
            block = self.blocks[-1]
            count = min(limit, len(block.ids))
            # Both: a copy of it may be on its way.
            del block.ids[-count:], block.rows[-count:]
            limit -= count
            if not block.ids:
                self.blocks.pop()
        return bool(self.blocks)

    def _find(self, entry_id: int) -> tuple[int, int]:
        """Return the place of a block, and in it where an entry of that id is or would be."""
        place = bisect_right(self.firsts, entry_id) - 1
        return place, bisect_left(self.blocks[place].ids, entry_id) if place >= 0 else 0

    def _put(self, entry_id: int, row: Row) -> None:
        """Have an entry be there: the last one, but where a copy is ahead of its changes."""
        size = _size_of(row)
        if entry_id > self.top_id or not self.blocks:
            block = self.blocks[-1] if self.blocks else None
            if (
                block is None
                or block.spent >= BLOCK_ENTRIES
                or (block.size + size > BLOCK_BYTES and block.ids)
            ):
                block = Block([], [])
                self.blocks.append(block)
                self.firsts.append(entry_id)
            block.ids.append(entry_id)
            block.rows.append(row)
        elif self.has(entry_id):
            return
        else:
            place, at = self._find(entry_id)
            if place < 0:
                place, self.firsts[0] = 0, entry_id
            block = self.blocks[place]
            block.ids.insert(at, entry_id)
            block.rows.insert(at, row)
        block.spent += 1
        block.size += size
        self.size += size
        self.length += 1

    def _added(self, record: StreamAdded) -> None:
        self.last_id = id_of(record.ms, record.seq)
        self.entries_added = record.entries_added
        self._put(self.last_id, tuple(record.fields))

    def _trimmed(self, record: StreamTrimmed) -> Stream:
        through = id_of(record.ms, record.seq)
        # Nobody has the entries any more; how many they are does not tell in this turn.
        whole = bisect_right(self.firsts, through)
        if whole and self.blocks[whole - 1].ids[-1] > through:
            whole -= 1
        gone = Stream(blocks=self.blocks[:whole])
        del self.blocks[:whole], self.firsts[:whole]
        for block in gone.blocks:
            gone.length += len(block.ids)
            self.size -= block.size
        self.length -= gone.length
        if self.blocks:
            self._cut(0, 0, bisect_right(self.blocks[0].ids, through))
        return gone

    def _deleted(self, record: StreamDeleted) -> None:
        for ms, seq in zip(record.ids[::2], record.ids[1::2], strict=True):
            entry_id = id_of(ms, seq)
            self.deleted_id = max(self.deleted_id, entry_id)
            if self.has(entry_id):
                place, at = self._find(entry_id)
                self._cut(place, at, at + 1)

    def _cut(self, place: int, start: int, stop: int) -> None:
        """Take entries out of a block; one without any goes."""
        block = self.blocks[place]
        size = sum(map(_size_of, block.rows[start:stop]))
        del block.ids[start:stop], block.rows[start:stop]
        block.size -= size
        self.size -= size
        self.length -= stop - start
        if not block.ids:
            del self.blocks[place], self.firsts[place]

    def _set(self, record: StreamSet) -> None:
        self.last_id = id_of(record.last_ms, record.last_seq)
        self.entries_added = record.entries_added
        self.deleted_id = id_of(record.deleted_ms, record.deleted_seq)

    applies: ClassVar[Mapping[type[Record], Callable[[Any, Any], Value | None]]] = {
        StreamAdded: _added,
        StreamTrimmed: _trimmed,
        StreamDeleted: _deleted,
        StreamSet: _set,
    }


def _size_of(row: Row) -> int:
    return _ENTRY_BYTES + _FIELD_BYTES * len(row) + sum(map(len, row))


def read(keys: Keyed, now_ms: int, db: int, name: bytes) -> Stream | None:
    """Return a stream; None if there is none."""
    key = keys.key_of(now_ms, db, name, Stream)
    return key.value if key is not None else None


def present(keys: Keyed, now_ms: int, db: int, name: bytes) -> Key[Stream]:
    """Return the key of a stream; raise Redis' error if there is none."""
    key = keys.key_of(now_ms, db, name, Stream)
    if key is None:
        raise RespqError("no such key")
    return key


def add(
    keys: Keyed,
    now_ms: int,
    db: int,
    name: bytes,
    wanted: NewId | None,
    fields: Sequence[bytes],
    *,
    trim: Trim | None = None,
    may_make: bool = True,
) -> int | None:
    """Put an entry at the end, of that id or by the clock; return its id.

    None if there is no such stream, and none may be made. Raises `RespqError` for an id that is
    not above all that were given before.
    """
    if wanted == (0, 0):
        raise RespqError("The ID specified in XADD must be greater than 0-0")
    key = keys.strict_key_of(now_ms, db, name, Stream)
    if key is None and not may_make:
        return None
    last = key.value.last_id if key is not None else 0
    entry_id = _new_id(wanted, last, now_ms)
    if key is None:
        key = keys.make_key(db, name, Stream)
    added = key.value.entries_added + 1
    keys.emit(StreamAdded(key.number, *parts_of(entry_id), added, [*fields]))
    if trim is not None:
        trim_key(keys, key, trim)
    return entry_id


def _new_id(wanted: NewId | None, last: int, now_ms: int) -> int:
    if last == ID_MAX:
        raise RespqError("The stream has exhausted the last possible ID, unable to add more items")
    if wanted is None:
        return next_id(last, now_ms)
    ms, seq = wanted
    entry_id = id_of(ms, seq or 0)
    if seq is None and ms == parts_of(last)[0]:
        entry_id = last + 1
    if entry_id <= last or parts_of(entry_id)[0] != ms:
        raise RespqError(
            "The ID specified in XADD is equal or smaller than the target stream top item"
        )
    return entry_id


def trim_key(keys: Keyed, key: Key[Stream], trim: Trim) -> int:
    """Remove entries in front of a stream; return how many."""
    count, through = key.value.removed_by(trim)
    if count:
        keys.emit(StreamTrimmed(key.number, *parts_of(through)))
    return count


def remove(keys: Keyed, key: Key[Stream], ids: Sequence[int]) -> int:
    """Remove entries by their ids; return how many there were."""
    found = [each for each in dict.fromkeys(ids) if key.value.has(each)]
    if found:
        keys.emit(StreamDeleted(key.number, [part for each in found for part in parts_of(each)]))
    return len(found)


def set_last_id(
    keys: Keyed, key: Key[Stream], last_id: int, entries_added: int | None, deleted_id: int
) -> None:
    """Have a stream go on behind an id; 0 and None leave the other figures alone.

    Raises `RespqError` for what would not be so of its entries.
    """
    stream = key.value
    if last_id < stream.deleted_id:
        raise RespqError("The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if last_id < stream.top_id:
        raise RespqError("The ID specified in XSETID is smaller than the target stream top item")
    if entries_added is None:
        entries_added = stream.entries_added
    elif entries_added < stream.length:
        raise RespqError(
            "The entries_added specified in XSETID is smaller than the target stream length"
        )
    deleted_id = deleted_id or stream.deleted_id
    keys.emit(StreamSet(key.number, *parts_of(last_id), entries_added, *parts_of(deleted_id)))
