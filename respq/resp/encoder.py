"""Replies to bytes: one table of writers for each protocol, by the type of the reply.

Headers of usual sizes are made once, and the parts of a reply are joined: that is a
quarter of the time of formatting it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from itertools import chain
from operator import attrgetter
from typing import Any

from respq.errors import RespqError
from respq.resp.replies import Encoded, NullArray, Push, Replies, Reply, SetOf, Simple, Verbatim

_CACHED = 1_024
_INTEGERS = [b":%d\r\n" % value for value in range(_CACHED)]
_ARRAYS = [b"*%d\r\n" % count for count in range(_CACHED)]
_BULKS = [b"$%d\r\n" % size for size in range(_CACHED)]
_NEXT_BULKS = [b"\r\n$%d\r\n" % size for size in range(_CACHED)]
_THREE_BULKS = [b"*3\r\n$%d\r\n" % size for size in range(_CACHED)]

_LINE_ENDS = str.maketrans("\r\n", "  ")


def encode(reply: Reply, protocol: int) -> bytes:
    """Return the bytes of a reply in RESP2 or RESP3.

    Raises:
        TypeError: for a value that is no `Reply`.
    """
    if reply.__class__ is tuple:  # the hot path saves a look-up
        return _write_bulks(reply)
    return (_RESP3 if protocol == 3 else _RESP2)[reply.__class__](reply)


def encode_ids(pushed_ms: int, numbers: range) -> list[bytes]:
    """Return the bytes of the ids ``pushed_ms-number``, the same in both protocols."""
    if len(numbers) == 1:
        return [_write_bulk(b"%d-%d" % (pushed_ms, numbers[0]))]
    size = len(b"%d-%d" % (pushed_ms, numbers[-1]))
    if size != len(b"%d-%d" % (pushed_ms, numbers[0])):
        return [_write_bulk(b"%d-%d" % (pushed_ms, number)) for number in numbers]
    shape = b"$%d\r\n%d-%%d\r\n" % (size, pushed_ms)
    return [shape % number for number in numbers]


def encode_integers(numbers: Iterable[int]) -> list[bytes]:
    """Return the bytes of each number, the same in both protocols."""
    # As `_write_integer`, without a call for each.
    return [
        _INTEGERS[number] if 0 <= number < _CACHED else b":%d\r\n" % number for number in numbers
    ]


def encode_bulks(values: Iterable[bytes]) -> list[bytes]:
    """Return the bytes of each bulk string, the same in both protocols."""
    return [_write_bulk(value) for value in values]


def encode_deliveries(receipts: list[bytes], payloads: list[bytes]) -> list[bytes]:
    """Return the bytes of ``[id, receipt, payload]`` for each job, the same in both protocols.

    A receipt is digits, a colon and the id.
    """
    replies = []
    sizes = 0, 0
    for receipt, payload in zip(receipts, payloads):  # noqa: B905 - a keyword costs 100 ns
        id_at = receipt.index(b":") + 1
        if (id_at, len(receipt)) != sizes:
            sizes = id_at, len(receipt)
            head = b"*3\r\n$%d\r\n" % (len(receipt) - id_at)
            middle = b"\r\n$%d\r\n" % len(receipt)
        size = len(payload)
        tail = _NEXT_BULKS[size] if size < _CACHED else b"\r\n$%d\r\n" % size
        replies.append(b"".join((head, receipt[id_at:], middle, receipt, tail, payload, b"\r\n")))
    return replies


class _Writers(dict[type, Callable[[Any], bytes]]):
    """Writers by exact type; a subclass is looked up once and remembered."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes]:
        for base in kind.__mro__:
            writer = self.get(base)
            if writer is not None:
                self[kind] = writer
                return writer
        raise TypeError(f"{kind.__name__} is no reply")


def _write_integer(value: int) -> bytes:
    return _INTEGERS[value] if 0 <= value < _CACHED else b":%d\r\n" % value


def _write_bulk(value: bytes) -> bytes:
    size = len(value)
    return b"".join((_BULKS[size] if size < _CACHED else b"$%d\r\n" % size, value, b"\r\n"))


def _write_bulks(values: tuple[bytes, ...]) -> bytes:
    if len(values) == 3:  # a popped job: id, receipt, payload
        first, second, third = values
        size = len(third)
        try:
            return b"".join(
                (
                    _THREE_BULKS[len(first)],
                    first,
                    _NEXT_BULKS[len(second)],
                    second,
                    _NEXT_BULKS[size] if size < _CACHED else b"\r\n$%d\r\n" % size,
                    third,
                    b"\r\n",
                )
            )
        except IndexError:
            pass
    return b"".join((_array_head(len(values)), *map(_write_bulk, values)))


def _write_error(error: RespqError) -> bytes:
    line = f"-{error.prefix} {error}"
    if "\n" in line or "\r" in line:
        line = line.translate(_LINE_ENDS)
    try:
        # What a client sent comes back as its own bytes.
        return line.encode("utf-8", "surrogateescape") + b"\r\n"
    except UnicodeEncodeError:
        return line.encode("utf-8", "replace") + b"\r\n"


def show_double(value: float) -> bytes:
    """Write the shortest digits that read back as ``value``, placed as Redis 7.2 places them."""
    if math.isnan(value):
        return b"nan"
    if math.isinf(value):
        return b"inf" if value > 0 else b"-inf"
    if value.is_integer() and abs(value) <= 2**62:
        return b"-0" if value == 0 and math.copysign(1, value) < 0 else b"%d" % int(value)
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) - len(fraction)
    sign = "-" if value < 0 else ""
    return (sign + _place(digits, power)).encode()


def _place(digits: str, power: int) -> str:
    """Write ``digits`` times ten to the ``power``, as plain as Redis does."""
    magnitude = abs(power + len(digits) - 1)
    if power >= 0 and magnitude < len(digits) + 7:
        return digits + "0" * power
    if power < 0 and (power > -7 or magnitude < 4):
        before = len(digits) + power
        if before > 0:
            return f"{digits[:before]}.{digits[before:]}"
        return f"0.{'0' * -before}{digits}"
    point = "." if len(digits) > 1 else ""
    return f"{digits[0]}{point}{digits[1:]}e{power + len(digits) - 1:+d}"


def _array_head(count: int) -> bytes:
    return _ARRAYS[count] if count < _CACHED else b"*%d\r\n" % count


def _write_parts(head: bytes, items: Iterable[Any], writers: _Writers) -> bytes:
    return b"".join([head, *[writers[type(item)](item) for item in items]])


def _resp2() -> _Writers:
    def write_array(items: Collection[Any]) -> bytes:
        return _write_parts(_array_head(len(items)), items, writers)

    def write_push(reply: Push) -> bytes:
        if not reply.in_resp2:
            reply.in_resp2 = write_array(reply.items)
        return reply.in_resp2

    writers = _Writers(_SAME_IN_BOTH)
    writers |= {
        type(None): lambda _: b"$-1\r\n",
        NullArray: lambda _: b"*-1\r\n",
        bool: lambda value: b":1\r\n" if value else b":0\r\n",
        float: lambda value: _write_bulk(show_double(value)),
        list: write_array,
        set: write_array,
        frozenset: write_array,
        dict: lambda pairs: write_array([*chain.from_iterable(pairs.items())]),
        Verbatim: lambda reply: _write_bulk(reply.text),
        Push: write_push,
        Replies: lambda replies: _write_parts(b"", replies, writers),
    }
    return writers


def _resp3() -> _Writers:
    def write_array(items: list[Any]) -> bytes:
        return _write_parts(_array_head(len(items)), items, writers)

    def write_set(items: Collection[Any]) -> bytes:
        return _write_parts(b"~%d\r\n" % len(items), items, writers)

    def write_map(pairs: dict[Any, Any]) -> bytes:
        return _write_parts(b"%%%d\r\n" % len(pairs), chain.from_iterable(pairs.items()), writers)

    def write_push(reply: Push) -> bytes:
        if not reply.in_resp3:
            head = b">%d\r\n" % len(reply.items)
            reply.in_resp3 = _write_parts(head, reply.items, writers)
        return reply.in_resp3

    writers = _Writers(_SAME_IN_BOTH)
    writers |= {
        type(None): lambda _: b"_\r\n",
        NullArray: lambda _: b"_\r\n",
        bool: lambda value: b"#t\r\n" if value else b"#f\r\n",
        float: lambda value: b",%b\r\n" % show_double(value),
        list: write_array,
        set: write_set,
        frozenset: write_set,
        SetOf: write_set,
        dict: write_map,
        Verbatim: lambda reply: b"=%d\r\ntxt:%b\r\n" % (len(reply.text) + 4, reply.text),
        Push: write_push,
        Replies: lambda replies: _write_parts(b"", replies, writers),
    }
    return writers


_SAME_IN_BOTH: dict[type, Callable[[Any], bytes]] = {
    int: _write_integer,
    bytes: _write_bulk,
    tuple: _write_bulks,
    Simple: attrgetter("line"),
    Encoded: attrgetter("data"),
    RespqError: _write_error,
}
_RESP2, _RESP3 = _resp2(), _resp3()
