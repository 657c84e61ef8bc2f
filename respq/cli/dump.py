r"""Batches and records as lines that people and programs can read.

    batch 12  2026-11-22T10:06:00.123Z  epoch 3  next number 8  fence 9  order 7  records 2
      JobPushed  queue 7  number 8  payload "hello\x00"  priority 0  ...
      JobAcked  queue 7  number 5

As JSON each line is an object with ``position``; a record has ``record`` too. Bytes are text
where they are UTF-8, else ``{"base64": ...}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from respq.cli.values import instant, plain, quoted
from respq.engine.batch import BatchHeader, BrokenBatch, decode_batch
from respq.engine.codec import UnreadableRecord, decode_records

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
    ).format(time=instant(header.now_ms), **fields)


def _record(_position: int, record: msgspec.Struct) -> str:
    words = [f"  {type(record).__name__}"]
    words += [f"{name} {_shown(value)}" for name, value in _fields(record)]
    return "  ".join(words)


def _fields(record: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(record, name)) for name in record.__struct_fields__)


def _shown(value: object) -> str:
    match value:
        case bytes():
            return quoted(value)
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


def _json_batch(header: BatchHeader) -> str:
    return json.dumps(msgspec.structs.asdict(header))


def _json_record(position: int, record: msgspec.Struct) -> str:
    line = {"position": position, "record": type(record).__name__}
    return json.dumps({**line, **{name: plain(value) for name, value in _fields(record)}})
