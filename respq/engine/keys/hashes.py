"""Hashes: fields, each with a value, in buckets, so that a million of them stall nothing.

All records say of fields what holds then, whatever was before. So a copy in pieces need not be
of one moment: what has changed since its begin is said behind it, and holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from respq.engine.keys.floats import parse_long_double, round_to_long_double, show_long_double
from respq.engine.keys.hashed import Hashed
from respq.engine.keys.strings import INTEGER_MAX, INTEGER_MIN, NOT_A_FLOAT, integer_or_none
from respq.engine.keys.value import PIECE_BYTES, Piece, Value
from respq.engine.record import Record
from respq.errors import RespqError

if TYPE_CHECKING:
    from respq.engine.keys.keyed import Keyed

_LISTPACK_MAX: Final = 512
_LISTPACK_BYTES_MAX: Final = 64
_HEADS_BYTES: Final = 4
"""Of a field and a value in the journal, besides themselves."""
RECORD_FIELDS_MAX: Final = 1_000
"""Fields in one record."""


class HashSet(Record, tag=100):
    """Fields of a hash have these values."""

    number: int
    fields: list[bytes]
    values: list[bytes]
    is_hashtable: bool = False
    """As of `Hash`."""


class HashRemoved(Record, tag=101):
    """Fields are not in a hash."""

    number: int
    fields: list[bytes]


HashRecord = HashSet | HashRemoved


class Hash(Value, gc=False, eq=False):
    """The value of a hash."""

    entries: Any = msgspec.field(default_factory=Hashed)
    """Values by field."""
    entries_bytes: int = 0
    is_hashtable: bool = False
    """It has been so large that Redis would not keep it in a listpack any more."""

    code: ClassVar[int] = 2
    type_name: ClassVar[bytes] = b"hash"

    def __len__(self) -> int:
        """Return how many fields there are."""
        return self.entries.count  # type: ignore[no-any-return]

    @property
    def encoding(self) -> bytes:
        """``listpack`` or ``hashtable``."""
        return b"hashtable" if self.is_hashtable else b"listpack"

    @property
    def is_empty(self) -> bool:
        """Whether there is no field."""
        return not self.entries.count

    @property
    def full_bytes(self) -> int:
        """Of its fields, and their values."""
        return self.entries_bytes + _HEADS_BYTES * len(self.entries)

    def find(self, field: bytes) -> bytes | None:
        """Return the value of a field; None if it is not there."""
        return self.entries.find(field)  # type: ignore[no-any-return]

    def pieces(self) -> Iterator[Piece]:
        """Yield whether it is a hash table, fields and values."""
        fields: list[bytes] = []
        values: list[bytes] = []
        size = 0
        for field, value in self.entries.walked():
            if size >= PIECE_BYTES:
                yield [self.is_hashtable, fields, values]
                fields, values, size = [], [], 0
            fields.append(field)
            values.append(value)
            size += _HEADS_BYTES + len(field) + len(value)
        yield [self.is_hashtable, fields, values]

    def add_piece(self, items: Piece) -> None:
        """Take the next fields."""
        is_hashtable, fields, values = items
        self._put(fields, values, is_hashtable)

    def plain(self) -> Any:
        """Return its fields with their values, and whether Redis would have a hash table."""
        return sorted(self.entries.items()), self.is_hashtable

    def check(self) -> None:
        """Assert that its size is that of its fields and values."""
        self.entries.check()
        sizes = [len(field) + len(value) for field, value in self.entries.items()]
        assert self.entries_bytes == sum(sizes)

    def free(self, limit: int) -> bool:
        """Let go of some fields."""
        return self.entries.let_go(limit)  # type: ignore[no-any-return]

    def _put(self, fields: Sequence[bytes], values: Sequence[bytes], is_hashtable: bool) -> None:
        olds = self.entries.put_all(fields, values)
        size = sum(map(len, values))
        if None in olds:
            size += sum(
                [len(field) for field, old in zip(fields, olds, strict=True) if old is None]
            )
            olds = [old for old in olds if old is not None]
        self.entries_bytes += size - sum(map(len, olds))
        self.is_hashtable = self.is_hashtable or is_hashtable

    def _set(self, record: HashSet) -> None:
        self._put(record.fields, record.values, record.is_hashtable)

    def _removed(self, record: HashRemoved) -> None:
        for field in record.fields:
            value = self.entries.take(field)
            # A copy in pieces may be ahead of its changes.
            if value is not None:
                self.entries_bytes -= len(field) + len(value)

    applies: ClassVar[Mapping[type[Record], Callable[[Any, Any], None]]] = {
        HashSet: _set,
        HashRemoved: _removed,
    }


def read(keys: Keyed, now_ms: int, db: int, name: bytes) -> Hash | None:
    """Return a hash; None if there is none."""
    key = keys.key_of(now_ms, db, name, Hash)
    return key.value if key is not None else None


def put(keys: Keyed, now_ms: int, db: int, name: bytes, words: Sequence[bytes]) -> int:
    """Give fields values, field and value in turn; return how many of the fields are new."""
    key = keys.key_or_new(now_ms, db, name, Hash)
    entries = key.value.entries
    before = entries.count
    fields, values = [*words[::2]], [*words[1::2]]
    if len(fields) > 1:
        pairs = dict(zip(fields, values, strict=True))
        fields, values = [*pairs], [*pairs.values()]
    _emit_set(keys, key.number, fields, values, _is_too_large(key.value, fields, words))
    return entries.count - before  # type: ignore[no-any-return]


def put_each(
    keys: Keyed, now_ms: int, db: int, name: bytes, fields: list[bytes], values: list[bytes]
) -> list[int]:
    """Give each field its value, one after the other; tell for each how many are new: 0 or 1."""
    key = keys.key_or_new(now_ms, db, name, Hash)
    value = key.value
    news = [1 if each is None else 0 for each in value.entries.find_all(fields)]
    if 1 in news and len(set(fields)) < len(fields):
        seen: set[bytes] = set()
        for place, field in enumerate(fields):
            if field in seen:
                news[place] = 0
            seen.add(field)
    longest = max(max(map(len, fields)), max(map(len, values)))
    is_hashtable = (
        value.is_hashtable
        or longest > _LISTPACK_BYTES_MAX
        or len(value) + sum(news) > _LISTPACK_MAX
    )
    _emit_set(keys, key.number, [*fields], [*values], is_hashtable)
    return news


def _emit_set(
    keys: Keyed, number: int, fields: list[bytes], values: list[bytes], is_hashtable: bool
) -> None:
    if len(fields) <= RECORD_FIELDS_MAX:
        keys.emit(HashSet(number, fields, values, is_hashtable))
        return
    for at in range(0, len(fields), RECORD_FIELDS_MAX):
        until = at + RECORD_FIELDS_MAX
        keys.emit(HashSet(number, fields[at:until], values[at:until], is_hashtable))


def _is_too_large(value: Hash, fields: Sequence[bytes], words: Sequence[bytes]) -> bool:
    """Tell whether Redis would keep a hash in no listpack when it gets these words."""
    if value.is_hashtable or max(map(len, words)) > _LISTPACK_BYTES_MAX:
        return True
    if len(words) > 2 * _LISTPACK_MAX:
        return True
    if value.entries.count + len(fields) <= _LISTPACK_MAX:
        return False
    return len(value) + sum(value.find(field) is None for field in fields) > _LISTPACK_MAX


def remove(keys: Keyed, now_ms: int, db: int, name: bytes, fields: Sequence[bytes]) -> int:
    """Remove fields; return how many there were."""
    key = keys.key_of(now_ms, db, name, Hash)
    if key is None:
        return 0
    found = [each for each in dict.fromkeys(fields) if key.value.find(each) is not None]
    if found:
        keys.emit(HashRemoved(key.number, found))
    return len(found)


def add(keys: Keyed, now_ms: int, db: int, name: bytes, field: bytes, amount: int) -> int:
    """Add to the integer that a field has; 0 if it is not there."""
    data = _find(keys, now_ms, db, name, field)
    number = 0 if data is None else integer_or_none(data)
    if number is None:
        raise RespqError("hash value is not an integer")
    if not INTEGER_MIN <= number + amount <= INTEGER_MAX:
        raise RespqError("increment or decrement would overflow")
    put(keys, now_ms, db, name, (field, b"%d" % (number + amount)))
    return number + amount


def add_float(keys: Keyed, now_ms: int, db: int, name: bytes, field: bytes, amount: bytes) -> bytes:
    """Add to the number that a field has, as Redis does on x86; return it as it is written."""
    more = parse_long_double(amount)
    if more is None:
        raise RespqError(NOT_A_FLOAT)
    if isinstance(more, float):
        raise RespqError("value is NaN or Infinity")
    data = _find(keys, now_ms, db, name, field)
    number = parse_long_double(b"0" if data is None else data)
    if number is None:
        raise RespqError("hash value is not a float")
    total = round_to_long_double(number, more)
    if total is None:
        raise RespqError("increment would produce NaN or Infinity")
    text = show_long_double(total)
    put(keys, now_ms, db, name, (field, text))
    return text


def _find(keys: Keyed, now_ms: int, db: int, name: bytes, field: bytes) -> bytes | None:
    value = read(keys, now_ms, db, name)
    return value.find(field) if value is not None else None
