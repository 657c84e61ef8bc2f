"""Strings: bytes under a name, which may be read as a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from respq.engine.keys.floats import parse_long_double, round_to_long_double, show_long_double
from respq.engine.keys.value import PIECE_BYTES, Piece, Value
from respq.engine.record import Record
from respq.errors import RespqError, SyntaxFault

if TYPE_CHECKING:
    from respq.engine.keys.key import Key
    from respq.engine.keys.keyed import Keyed

AS_IT_IS, NO_INTEGER, RAW = range(3)
"""How Redis would keep the bytes: as an integer if they read like one, never so, or in a buffer of
their own, because something was written into them."""
INTEGER_MAX: Final = (1 << 63) - 1
INTEGER_MIN: Final = -1 << 63
NOT_AN_INTEGER: Final = "value is not an integer or out of range"
NOT_A_FLOAT: Final = "value is not a valid float"
_EMBSTR_BYTES_MAX: Final = 44


class StringSet(Record, tag=80):
    """A string is this now."""

    number: int
    value: bytes
    form: int = AS_IT_IS


class StringWritten(Record, tag=81):
    """A string has these bytes from ``offset`` on; what it lacked before them is zeros."""

    number: int
    offset: int
    part: bytes


StringRecord = StringSet | StringWritten


class String(Value, gc=False, eq=False):
    """The value of a string."""

    data: bytes = b""
    form: int = AS_IT_IS

    code: ClassVar[int] = 0
    type_name: ClassVar[bytes] = b"string"

    @property
    def encoding(self) -> bytes:
        """``int``, ``embstr`` or ``raw``."""
        if self.form == AS_IT_IS and integer_or_none(self.data) is not None:
            return b"int"
        is_short = self.form != RAW and len(self.data) <= _EMBSTR_BYTES_MAX
        return b"embstr" if is_short else b"raw"

    @property
    def full_bytes(self) -> int:
        """As many as it has."""
        return len(self.data)

    def pieces(self) -> Iterator[Piece]:
        """Yield its form with the first bytes, and then the others."""
        data, form = self.data, self.form
        yield [form, data[:PIECE_BYTES]]
        for start in range(PIECE_BYTES, len(data), PIECE_BYTES):
            yield [data[start : start + PIECE_BYTES]]

    def add_piece(self, items: Piece) -> None:
        """Take the next bytes."""
        if len(items) > 1:
            self.form = items[0]
        self.data += items[-1]

    def plain(self) -> Any:
        """Return its bytes, and whether Redis would have an integer."""
        return self.data, self.form

    def _set(self, record: StringSet) -> None:
        self.data, self.form = record.value, record.form

    def _written(self, record: StringWritten) -> None:
        before = self.data[: record.offset].ljust(record.offset, b"\0")
        after = self.data[record.offset + len(record.part) :]
        self.data = b"".join((before, record.part, after))
        self.form = RAW

    applies: ClassVar[Mapping[type[Record], Callable[[Any, Any], None]]] = {
        StringSet: _set,
        StringWritten: _written,
    }


def integer_or_none(data: bytes) -> int | None:
    """Return the integer of 64 bits that bytes are the shortest way to write."""
    digits = data[1:] if data[:1] == b"-" else data
    if not 0 < len(digits) < 20 or not digits.isdigit() or (digits[:1] == b"0" and data != b"0"):
        return None
    number = int(data)
    return number if INTEGER_MIN <= number <= INTEGER_MAX else None


def read(keys: Keyed, now_ms: int, db: int, name: bytes) -> bytes | None:
    """Return the bytes of a string; None if there is none."""
    key = keys.key_of(now_ms, db, name, String)
    return key.value.data if key is not None else None


def write(
    keys: Keyed,
    now_ms: int,
    db: int,
    name: bytes,
    data: bytes,
    *,
    expires_ms: int | None = 0,
    form: int = AS_IT_IS,
) -> None:
    """Have a string be these bytes, whatever the key held, until then; None leaves that as it is.

    Raises `WrongType` for a queue.
    """
    keys.refuse_queue(db, name)
    if expires_ms is not None and 0 < expires_ms <= now_ms:
        keys.remove_name(db, name)
        return
    key = keys.find_key(now_ms, db, name)
    if key is not None and isinstance(key.value, String):
        if expires_ms is not None:
            keys.expire_key(now_ms, key, expires_ms)
    else:
        kept_ms = key.expires_ms if key is not None and expires_ms is None else 0
        key = keys.make_key(db, name, String, expires_ms=expires_ms or kept_ms)
    keys.emit(StringSet(key.number, data, form))


def append(keys: Keyed, now_ms: int, db: int, name: bytes, part: bytes, bytes_max: int) -> int:
    """Write behind the end of a string; return how long it is then."""
    key = keys.key_of(now_ms, db, name, String)
    if key is None:
        write(keys, now_ms, db, name, part)
        return len(part)
    return _write_into(keys, key, len(key.value.data), part, bytes_max)


def overwrite(
    keys: Keyed, now_ms: int, db: int, name: bytes, offset: int, part: bytes, bytes_max: int
) -> int:
    """Write into a string from ``offset`` on; return how long it is then."""
    if offset < 0:
        raise RespqError("offset is out of range")
    key = keys.key_of(now_ms, db, name, String)
    if not part:
        return len(key.value.data) if key is not None else 0
    _check_length(offset + len(part), bytes_max)
    if key is None:
        key = keys.make_key(db, name, String)
    return _write_into(keys, key, offset, part, bytes_max)


def _write_into(keys: Keyed, key: Key[String], offset: int, part: bytes, bytes_max: int) -> int:
    _check_length(offset + len(part), bytes_max)
    keys.emit(StringWritten(key.number, offset, part))
    return len(key.value.data)


def _check_length(length: int, bytes_max: int) -> None:
    if length > bytes_max:
        raise RespqError("string exceeds maximum allowed size (proto-max-bulk-len)")


def add(keys: Keyed, now_ms: int, db: int, name: bytes, amount: int) -> int:
    """Add to the integer that a string is; 0 if there is none."""
    data = read(keys, now_ms, db, name)
    number = 0 if data is None else integer_or_none(data)
    if number is None:
        raise SyntaxFault(NOT_AN_INTEGER)
    if not INTEGER_MIN <= number + amount <= INTEGER_MAX:
        raise RespqError("increment or decrement would overflow")
    write(keys, now_ms, db, name, b"%d" % (number + amount), expires_ms=None)
    return number + amount


def add_float(keys: Keyed, now_ms: int, db: int, name: bytes, amount: bytes) -> bytes:
    """Add to the number that a string is, as Redis does on x86; return it as it is written."""
    data = read(keys, now_ms, db, name)
    numbers = parse_long_double(b"0" if data is None else data), parse_long_double(amount)
    if numbers[0] is None or numbers[1] is None:
        raise RespqError(NOT_A_FLOAT)
    total = round_to_long_double(numbers[0], numbers[1])
    if total is None:
        raise RespqError("increment would produce NaN or Infinity")
    text = show_long_double(total)
    write(keys, now_ms, db, name, text, expires_ms=None, form=NO_INTEGER)
    return text
