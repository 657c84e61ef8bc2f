"""What the libraries bit, struct and cmsgpack compute, which Lua 5.1 could only with pains."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

Number = int | float
Value = bytes | int | float

_MASK_32, _MASK_64 = 2**32 - 1, 2**64 - 1
_TO_32_BITS = 6_755_399_441_055_744.0
"""2**52 + 2**51: added to a number it leaves the number's low 32 bits in those of the sum."""
_INTEGER_BYTES_MAX = 32
_ALIGNMENT = 8
_INTEGER_SIZES = {"b": 1, "h": 2, "l": 8, "t": 8}
_SIZES = {"x": 1, "f": 4, "d": 8}
_DIGITS_MAX = 2**31 - 1


class BadFormat(Exception):
    """What is wrong, and with which argument of which function, if with one."""


def low_bits(number: Number) -> int:
    """Return the low 32 bits of a number, as the library BitOp takes them."""
    raw: int = struct.unpack_from("<I", struct.pack("<d", number + _TO_32_BITS))[0]
    return raw


def bit(name: bytes, first: Number, second: Number = 0) -> Value:
    """Compute one operation of the library bit."""
    left, right = low_bits(first), low_bits(second)
    shift = right & 31
    match name:
        case b"tohex":
            return _hexadecimal(left, second)
        case b"band":
            left &= right
        case b"bor":
            left |= right
        case b"bxor":
            left ^= right
        case b"bnot":
            left = ~left
        case b"lshift":
            left <<= shift
        case b"rshift":
            left >>= shift
        case b"arshift":
            left = _signed(left) >> shift
        case b"rol":
            left = left << shift | left >> (32 - shift)
        case b"ror":
            left = left >> shift | left << (32 - shift)
        case b"bswap":
            left = int.from_bytes(left.to_bytes(4, "little"), "big")
    return _signed(left & _MASK_32)


def _signed(value: int) -> int:
    return value - 2**32 if value >> 31 else value


def _hexadecimal(value: int, digits: Number) -> bytes:
    count = _signed(low_bits(digits))
    shown = b"%08x" % value if count >= 0 else b"%08X" % value
    count = min(abs(count), 8)
    return shown[8 - count :]


def pack_double(number: float) -> bytes:
    """Return a number as MessagePack's float, 32 bits if they are enough."""
    try:
        short = struct.pack(">f", number)
    except OverflowError:
        return b"\xcb" + struct.pack(">d", number)
    if struct.unpack(">f", short)[0] == number:
        return b"\xca" + short
    return b"\xcb" + struct.pack(">d", number)


def unpack_double(data: bytes) -> float:
    """Return a big-endian float of 4 or 8 bytes."""
    number: float = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
    return number


def pack_integer(number: Number) -> bytes:
    """Return 8 big-endian bytes."""
    return (int(number) & _MASK_64).to_bytes(8, "big")


def unpack_integer(data: bytes, signed: bool) -> float:
    """Return an integer of 8 big-endian bytes as the number that Lua has for it."""
    return float(int.from_bytes(data, "big", signed=signed))


@dataclass(slots=True)
class _Step:
    """One option of a format: its letter, its size, and zeros before it."""

    letter: str
    size: int
    padding: int
    order: str


class _Format:
    """The format of struct.pack, struct.unpack and struct.size, read option by option."""

    def __init__(self, name: str, shape: bytes) -> None:
        self.name = name
        self.shape = shape.partition(b"\0")[0].decode("latin-1")
        self.place = 0
        self.order = "little"
        self.alignment = 1
        self.at = 0
        """How many bytes there are so far; whoever steps adds what is behind the padding."""

    def __iter__(self) -> Iterator[_Step]:
        while self.place < len(self.shape):
            letter = self.shape[self.place]
            self.place += 1
            size = self._size(letter)
            if letter.lower() in "bhltixfdcs" and letter not in "XFDCSt":
                padding = self._padding(letter, size)
                self.at += padding
                yield _Step(letter, size, padding, self.order)
            elif not (self.name == "size" and letter.isascii() and letter.isalnum()):
                self._control(letter)

    def bad_argument(self, place: int, text: str) -> BadFormat:
        """Return the error for an argument of the function."""
        return BadFormat(text, place, self.name)

    def _number(self, default: int) -> int:
        start = self.place
        while self.place < len(self.shape) and self.shape[self.place] in "0123456789":
            self.place += 1
        digits = self.shape[start : self.place]
        if not digits:
            return default
        if len(digits) > 10 or int(digits) > _DIGITS_MAX:
            raise BadFormat("integral size overflow")
        return int(digits)

    def _size(self, letter: str) -> int:
        if letter in "iI":
            size = self._number(4)
            if size > _INTEGER_BYTES_MAX:
                raise BadFormat(
                    f"integral size {size} is larger than limit of {_INTEGER_BYTES_MAX}"
                )
            return size
        if letter == "c":
            return self._number(1)
        if letter in "bBhHlLT":
            return _INTEGER_SIZES[letter.lower()]
        return _SIZES.get(letter, 0)

    def _padding(self, letter: str, size: int) -> int:
        if size == 0 or letter == "c":
            return 0
        size = min(size, self.alignment)
        return (size - (self.at & (size - 1))) & (size - 1)

    def _control(self, letter: str) -> None:
        match letter:
            case " ":
                pass
            case ">":
                self.order = "big"
            case "<":
                self.order = "little"
            case "!":
                self.alignment = self._number(_ALIGNMENT)
                if self.alignment.bit_count() != 1:
                    raise BadFormat(f"alignment {self.alignment} is not a power of 2")
            case _:
                raise self.bad_argument(1, f"invalid format option '{letter}'")


def struct_pack(shape: bytes, missing: bytes, *values: Value) -> bytes:
    """Return what struct.pack makes of strings and numbers.

    Args:
        shape: the format.
        missing: what stands behind the values, for the error if it is needed.
        values: the first ones of the kinds that can be packed.

    Raises:
        BadFormat: the format cannot be read, or a value is not what it wants.
    """
    steps = _Format("pack", shape)
    packed = bytearray()
    place = 0

    def following(kind: str) -> Value:
        nonlocal place
        place += 1
        if place > len(values):
            got = missing.decode()
            raise steps.bad_argument(place + 1, f"{kind} expected, got {got}")
        return values[place - 1]

    def number() -> Number:
        value = following("number")
        if isinstance(value, bytes):
            try:
                return float(value)
            except ValueError:
                raise steps.bad_argument(place + 1, "number expected, got string") from None
        return value

    for step in steps:
        packed += bytes(step.padding)
        if step.letter in "cs":
            value = following("string")
            text = value if isinstance(value, bytes) else b"%.14g" % value
            size = step.size or len(text)
            if len(text) < size:
                raise steps.bad_argument(place + 2, "string too short")
            packed += text[:size]
            packed += b"\0" if step.letter == "s" else b""
        elif step.letter == "x":
            packed += b"\0"
        elif step.letter in "fd":
            packed += _pack_float(step, number())
        else:
            packed += _pack_integer(step, number())
        steps.at = len(packed)
    return bytes(packed)


def _pack_float(step: _Step, number: Number) -> bytes:
    sign = "<" if step.order == "little" else ">"
    try:
        return struct.pack(sign + step.letter, number)
    except OverflowError:
        return struct.pack(sign + step.letter, float("inf") if number > 0 else float("-inf"))


def _pack_integer(step: _Step, number: Number) -> bytes:
    whole = int(number) if abs(number) < 2**64 else -(2**63)
    raw = (whole & _MASK_64).to_bytes(_INTEGER_BYTES_MAX, "little")[: step.size]
    return raw if step.order == "little" else raw[::-1]


def struct_unpack(shape: bytes, data: bytes, start: Number) -> tuple[Value, ...]:
    """Return the values that a format finds in bytes, and the place behind them.

    Raises:
        BadFormat: the format cannot be read, or the bytes are too few for it.
    """
    steps = _Format("unpack", shape)
    if not 1 <= start < 2**53:
        raise steps.bad_argument(3, "offset must be 1 or greater")
    steps.at = int(start) - 1
    values: list[Value] = []
    for step in steps:
        size = step.size
        if steps.at + size > len(data):
            raise steps.bad_argument(2, "data string too short")
        if step.letter == "c" and size == 0:
            if not values or isinstance(values[-1], bytes):
                raise BadFormat("format 'c0' needs a previous size")
            size = int(values.pop())
            if not 0 <= size <= len(data) - steps.at:
                raise steps.bad_argument(2, "data string too short")
        if step.letter == "s":
            end = data.find(b"\0", steps.at)
            if end < 0:
                raise BadFormat("unfinished string in data")
            values.append(data[steps.at : end])
            size = end - steps.at + 1
        elif step.letter != "x":
            values.append(_read(step, data[steps.at : steps.at + size]))
        steps.at += size
    return (*values, steps.at + 1)


def _read(step: _Step, raw: bytes) -> Value:
    if step.letter == "c":
        return raw
    if step.letter in "fd":
        number: float = struct.unpack(("<" if step.order == "little" else ">") + step.letter, raw)[
            0
        ]
        return number
    little = (raw if step.order == "little" else raw[::-1])[:8]
    return float(int.from_bytes(little, "little", signed=step.letter.islower()))


def struct_size(shape: bytes) -> int:
    """Return how many bytes a format takes.

    Raises:
        BadFormat: the format cannot be read, or has no fixed size.
    """
    steps = _Format("size", shape)
    for step in steps:
        if step.letter == "s":
            raise steps.bad_argument(1, "option 's' has no fixed size")
        if step.letter == "c" and step.size == 0:
            raise steps.bad_argument(1, "option 'c0' has no fixed size")
        steps.at += step.size
    return steps.at
