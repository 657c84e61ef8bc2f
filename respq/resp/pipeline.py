"""Many short requests at once, read by hiredis.

hiredis reads replies, not requests: it takes ``:5``, RESP3 types and nested arrays, it
allocates an array from its header alone, and some versions crash on a map with a list for
a key (measured: 3.0 and 3.1). So it sees only small slices without long arrays and
without the headers of maps, sets and their kin; and what it makes of them counts only if
it is proved to be one array of bulk strings after the other, to the last byte:

- a probe is fed behind the slice. It comes back as itself only if nothing was left over.
- The arguments are joined, which fails if one is not ``bytes``. That leaves the *lines*,
  ``+`` and ``(``, which become ``bytes`` too. But the byte that begins one stands outside
  of the arguments. So if the slice and its arguments have the same such bytes, in the same
  order, there was no line.

A reader lives for one slice, which costs less than a command: none is ever poisoned,
large, or idle in memory.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from hiredis import ProtocolError, Reader, ReplyError

SLICE_BYTES = 16 * 1024
"""hiredis moves its buffer every 1,024 bytes read: a longer slice costs more per command."""

_DENSE_BYTES, _DENSE_LINES = 512, 8
_REFUSED = [
    (b"*", re.compile(rb"\*\d\d\d").search),  # 99 elements may be nested 3,000 deep: 3 MB
    (b"~", re.compile(rb"~\d+\r\n").search),
    (b"%", re.compile(rb"%\d+\r\n").search),
    (b"|", re.compile(rb"\|\d+\r\n").search),
    (b">", re.compile(rb">\d+\r\n").search),
    (b"=", re.compile(rb"=\d+\r\n").search),
]
_NOT_LINE = bytes(set(range(256)) - set(b"+("))
_PROBE = b"%0\r\n"
_PROBE_READ: dict[Any, Any] = {}
_NOT_ENOUGH = object()


def is_dense(data: bytes, position: int) -> bool:
    """Whether lines are short from ``position`` on; where they are long, hiredis saves nothing."""
    return data.count(b"\r", position, position + _DENSE_BYTES) > _DENSE_LINES


def slice_before(mark: bytes, data: bytes, position: int, stop: int) -> bytes:
    """Return the bytes up to the last line before ``stop`` that begins with ``mark``.

    The end of the data will do as well if it is the end of a line.
    """
    if stop >= len(data) and data.endswith(b"\r\n"):
        return data[position:]
    cut = data.rfind(b"\r\n" + mark, position, stop)
    return data[position : cut + 2] if cut >= 0 else b""


def read_requests(piece: bytes) -> list[list[bytes]] | None:
    """Return the requests that ``piece`` consists of, or None if it may be anything else."""
    requests = _read(piece)
    if not requests or not all(requests):
        return None
    try:
        arguments = b"".join(chain.from_iterable(requests))
    except TypeError:
        return None
    return requests if _has_no_line(piece, arguments) else None


def read_arguments(piece: bytes) -> list[bytes] | None:
    """Return the bulk strings that ``piece`` consists of, or None if it may be anything else."""
    values = _read(piece)
    if not values:
        return None
    try:
        arguments = b"".join(values)
    except TypeError:
        return None
    return values if _has_no_line(piece, arguments) else None


def _read(piece: bytes) -> list[Any] | None:
    """Return what hiredis makes of ``piece``, or None if it is refused or cut off."""
    for mark, is_refused in _REFUSED:
        if mark in piece and is_refused(piece):
            return None
    reader = Reader(ProtocolError, ReplyError, None, None, _NOT_ENOUGH)
    reader.feed(piece)
    reader.feed(_PROBE)
    try:
        values = list(iter(reader.gets, _NOT_ENOUGH))
    except ProtocolError:
        return None
    return values if values and values.pop() == _PROBE_READ else None


def _has_no_line(piece: bytes, arguments: bytes) -> bool:
    if b"+" not in piece and b"(" not in piece:
        return True  # Looking for two bytes costs a tenth of picking them out.
    starts = piece.translate(None, _NOT_LINE)
    return not starts or starts == arguments.translate(None, _NOT_LINE)
