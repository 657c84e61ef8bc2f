r"""Batches and records as lines that people and programs can read.

    batch 12  2026-11-22T10:06:00.123Z  epoch 3  next number 8  fence 9  order 7  records 2
      JobPushed  queue 7  number 8  payload "hello\x00"  priority 0  ...
      JobAcked  queue 7  number 5

As JSON each line is an object with ``position``; a record has ``record`` too. Bytes are text
where they are UTF-8, else ``{"base64": ...}``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from respq.engine.batch import BatchHeader, BrokenBatch, decode_batch
from respq.engine.codec import UnreadableRecord, decode_records

_SHOWN_BYTES_MAX = 256
"""Of a value in a line for people; JSON has all of it."""
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}

BatchLine = Callable[[BatchHeader], str]
RecordLine = Callable[[int, msgspec.Struct], str]


class UnreadableBatch(Exception):
    """A batch that cannot be shown."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"batch {position} cannot be read: {reason}")


def dump(batches: Iterable[tuple[int, bytes]], *, as_json: bool) -> Iterator[str]:
    """Yield a line for each batch and, after it, for each of its records.

    Raises:
        UnreadableBatch: for the first batch that is damaged, or newer than this version.
    """
    batch_line, record_line = (_json_batch, _json_record) if as_json else (_batch, _record)
    for position, blob in batches:
        try:
            header, body, _ = decode_batch(blob, None)
            records = decode_records(body)
        except (BrokenBatch, UnreadableRecord) as fault:
            raise UnreadableBatch(position, str(fault)) from fault
        yield batch_line(header)
        for record in records:
            yield record_line(header.position, record)


def _batch(header: BatchHeader) -> str:
    fields = msgspec.structs.asdict(header)
    return (
        "batch {position}  {time}  epoch {epoch}  next number {next_number}  "
        "fence {next_fence}  order {next_order}  records {record_count}"
    ).format(time=_instant(header.now_ms), **fields)


def _record(_position: int, record: msgspec.Struct) -> str:
    words = [f"  {type(record).__name__}"]
    words += [f"{name} {_shown(value)}" for name, value in _fields(record)]
    return "  ".join(words)


def _fields(record: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(record, name)) for name in record.__struct_fields__)


def _instant(now_ms: int) -> str:
    """Return an instant as ISO 8601 in UTC; one beyond the calendar as its number."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)
    except OverflowError:
        return str(now_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: object) -> str:
    match value:
        case bytes():
            return _quoted(value)
        case list() | tuple():
            return "[" + ", ".join(_shown(each) for each in value) + "]"
        case msgspec.Struct():
            return "(" + "  ".join(f"{name} {_shown(each)}" for name, each in _fields(value)) + ")"
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _quoted(value: bytes) -> str:
    """Return bytes in quotes: text as it is, what is none or cannot be seen by its code."""
    text = value[:_SHOWN_BYTES_MAX].decode(errors="surrogateescape")
    shown = "".join(
        _ESCAPES.get(each) or (each if each.isprintable() else _code(each)) for each in text
    )
    return f'"{shown}"' + (f"... {len(value)} bytes" if len(value) > _SHOWN_BYTES_MAX else "")


def _code(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        # How surrogateescape carries a byte that is part of no character.
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def _json_batch(header: BatchHeader) -> str:
    return json.dumps(msgspec.structs.asdict(header))


def _json_record(position: int, record: msgspec.Struct) -> str:
    line = {"position": position, "record": type(record).__name__}
    return json.dumps({**line, **{name: _plain(value) for name, value in _fields(record)}})


def _plain(value: object) -> object:
    """Return a value as what JSON knows."""
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case msgspec.Struct():
            return {name: _plain(each) for name, each in _fields(value)}
        case _:
            return value
