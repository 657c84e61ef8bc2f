"""Ids of entries of a stream: milliseconds and a sequence, as one integer.

``<ms>-<seq>`` are two numbers of 64 bits; the milliseconds are the upper half. Read as Redis
reads them, which takes whatever C takes for an unsigned number: `` +5``, and ``-05`` for what is
5 short of 2 ** 64.
"""

from __future__ import annotations

import re
from typing import Final

from respq.engine.keys.strings import integer_or_none
from respq.errors import RespqError

SEQ_BITS: Final = 64
SEQ_MAX: Final = (1 << SEQ_BITS) - 1
ID_MAX: Final = (1 << 2 * SEQ_BITS) - 1
_RAW_BYTES_MAX: Final = 127
_NUMBER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")

NewId = tuple[int, int | None]
"""The milliseconds of an entry to be, and its sequence; None for the next that is free."""


def id_of(ms: int, seq: int) -> int:
    """Return the id of these parts."""
    return ms << SEQ_BITS | seq


def parts_of(entry_id: int) -> tuple[int, int]:
    """Return the milliseconds and the sequence of an id."""
    return entry_id >> SEQ_BITS, entry_id & SEQ_MAX


def show_id(entry_id: int) -> bytes:
    """Return an id as clients see it."""
    return b"%d-%d" % (entry_id >> SEQ_BITS, entry_id & SEQ_MAX)


def next_id(last: int, now_ms: int) -> int:
    """Return the id of an entry of this moment: above the last one, whatever the clock says."""
    return max(last + 1, now_ms << SEQ_BITS)


def parse_id(raw: bytes, missing_seq: int = 0) -> int:
    """Return the id that is written so, in whole or without its sequence; raise Redis' error."""
    ms, seq = _split(_text(raw))
    return id_of(_number(ms), missing_seq if seq is None else _number(seq))


def parse_new_id(raw: bytes) -> NewId | None:
    """Return what an entry is to be called; None for ``*``, to be named by the clock."""
    if raw == b"*":
        return None
    ms, seq = _split(_text(raw))
    if seq is None:
        return _number(ms), 0
    return _number(ms), None if seq == b"*" else _number(seq)


def parse_start(raw: bytes) -> int:
    """Return the first id of an interval: ``-``, an id, or ``(`` and the one before."""
    if raw[:1] != b"(":
        return _parse_end_of_all(raw, 0)
    before = parse_id(raw[1:])
    if before == ID_MAX:
        raise RespqError("invalid start ID for the interval")
    return before + 1


def parse_end(raw: bytes) -> int:
    """Return the last id of an interval: ``+``, an id, or ``(`` and the one behind."""
    if raw[:1] != b"(":
        return _parse_end_of_all(raw, SEQ_MAX)
    behind = parse_id(raw[1:], SEQ_MAX)
    if behind == 0:
        raise RespqError("invalid end ID for the interval")
    return behind - 1


def _parse_end_of_all(raw: bytes, missing_seq: int) -> int:
    match _text(raw):
        case b"-":
            return 0
        case b"+":
            return ID_MAX
    return parse_id(raw, missing_seq)


def _text(raw: bytes) -> bytes:
    """Return what a string of C has of it."""
    if len(raw) > _RAW_BYTES_MAX:
        raise _invalid()
    return raw.partition(b"\0")[0]


def _split(text: bytes) -> tuple[bytes, bytes | None]:
    ms, dash, seq = text.partition(b"-")
    return ms, seq if dash else None


def _number(text: bytes) -> int:
    if text.isdigit() and len(text) < 20:
        return int(text)
    match = _NUMBER.fullmatch(text)
    if match is None or (integer_or_none(text) or 0) < 0:
        raise _invalid()
    number = int(match[2])
    if number > SEQ_MAX:
        raise _invalid()
    return -number & SEQ_MAX if match[1] == b"-" else number


def _invalid() -> RespqError:
    return RespqError("Invalid stream ID specified as stream command argument")
