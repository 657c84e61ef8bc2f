from __future__ import annotations

import json

import pytest

from respq.cli.dump import UnreadableBatch, dump
from respq.engine.batch import BatchHeader, encode_batch
from respq.engine.codec import encode_records
from respq.engine.jobs.retry import DEFAULT_BACKOFF
from respq.engine.records import JobOptions, JobsAcked, JobsPushed, QueueMade, QueueSettings, Record

NOW_MS = 1_795_341_960_123  # 2026-11-22T10:06:00.123Z


def header(position: int = 12, records: int = 1, now_ms: int = NOW_MS) -> BatchHeader:
    return BatchHeader(
        version=1,
        position=position,
        epoch=3,
        now_ms=now_ms,
        next_number=8,
        next_fence=9,
        next_order=7,
        record_count=records,
    )


def pushed(payload: bytes, options: JobOptions | None = None) -> JobsPushed:
    return JobsPushed(
        queue=7,
        first=8,
        payloads=[payload],
        priority=-5,
        pushed_ms=NOW_MS,
        due_ms=0,
        options=options,
    )


def lines(*records: Record, as_json: bool = False) -> list[str]:
    blob, _ = encode_batch(header(records=len(records)), encode_records(records, []), 0)
    return list(dump([(12, blob)], as_json=as_json))


def test_a_batch_is_a_line_and_each_of_its_records_another() -> None:
    assert lines(pushed(b"hello"), JobsAcked(queue=7, numbers=[5])) == [
        "batch 12  2026-11-22T10:06:00.123Z  epoch 3  next number 8  fence 9  order 7  records 2",
        f'  JobsPushed  queue 7  first 8  payloads ["hello"]  priority -5  pushed_ms {NOW_MS}  '
        "due_ms 0  options -  order 0",
        "  JobsAcked  queue 7  numbers [5]",
    ]


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"", '""'),
        ("grüße 🙂".encode(), '"grüße 🙂"'),
        (b'say "no"\\', r'"say \"no\"\\"'),
        (b"a\r\n\tb\x00\x1b[31m", r'"a\r\n\tb\x00\x1b[31m"'),
        (b"\xff\x80z", r'"\xff\x80z"'),
        (b"\xe2\x80\xa8", r'"\u2028"'),
        (b"\xed\xb3\xbf", r'"\xed\xb3\xbf"'),
    ],
)
def test_bytes_are_shown_so_that_no_two_look_alike_nor_move_the_cursor(
    payload: bytes, shown: str
) -> None:
    assert f"payloads [{shown}]  priority" in lines(pushed(payload))[1]


def test_a_long_payload_is_cut_for_people_and_whole_in_json() -> None:
    payload = b"x" * 100_000

    assert 'payloads ["' + "x" * 256 + '"... 100000 bytes]  priority' in lines(pushed(payload))[1]
    assert json.loads(lines(pushed(payload), as_json=True)[1])["payloads"] == ["x" * 100_000]


def test_what_a_record_holds_is_shown_too() -> None:
    options = JobOptions(id=b"order-17", backoff=DEFAULT_BACKOFF)
    made = QueueMade(
        number=7,
        db=0,
        name=b"mail",
        made_ms=NOW_MS,
        configured=True,
        settings=QueueSettings(text=True),
        totals=[1, 2],
    )

    push, make = lines(pushed(b"", options), made)[1:]

    assert 'options (id "order-17"  attempts -  backoff (kind 2  base_ms 1000  max_ms' in push
    assert "configured yes  settings (text yes  min_first no  lease_ms -" in make
    assert "totals [1, 2]  pauses (puts_ms 0  pops_ms 0" in make


def test_json_has_one_object_a_line() -> None:
    options = JobOptions(backoff=DEFAULT_BACKOFF)

    batch, first, second = map(
        json.loads, lines(pushed(b"a"), pushed(b"\xff", options), as_json=True)
    )

    assert batch["position"] == 12
    assert batch["now_ms"] == NOW_MS
    assert (first["position"], first["record"], first["payloads"]) == (12, "JobsPushed", ["a"])
    assert second["payloads"] == [{"base64": "/w=="}]
    assert second["options"]["backoff"]["base_ms"] == 1_000


def test_an_instant_beyond_the_calendar_is_shown_as_its_number() -> None:
    blob, _ = encode_batch(header(now_ms=2**64 - 1), encode_records([], []), 0)

    assert f"  {2**64 - 1}  " in next(dump([(12, blob)], as_json=False))


def test_a_batch_that_cannot_be_read_stops_the_dump_with_its_position() -> None:
    whole, _ = encode_batch(header(), encode_records([], []), 0)
    unknown, _ = encode_batch(header(), b"\xc0", 0)

    for bad in (whole[:-1], whole[:3], unknown):
        shown = dump([(12, whole), (13, bad)], as_json=False)
        assert next(shown).startswith("batch 12")
        with pytest.raises(UnreadableBatch, match="batch 13 cannot be read: "):
            next(shown)
