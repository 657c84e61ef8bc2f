"""Hashes in the journal, and when they are large; beside a real Redis in tests/compat."""

from __future__ import annotations

import random
from typing import Any

import pytest

from respq.engine.keys import hashes
from respq.engine.keys.hashes import RECORD_FIELDS_MAX, Hash, HashRemoved, HashSet
from respq.engine.keys.records import KeyRestored, RestoreBegin, RestoreEnd, RestorePiece
from tests.engine.keys.compacting import (
    check_a_crash_loses_nothing,
    check_changes_come_out_right,
    check_what_lives_is_estimated,
    said,
)
from tests.harness import Harness, image

WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"


def fill(harness: Harness, name: str, count: int, size: int = 5) -> None:
    """Make a hash of many fields."""
    words = [b"HSET", name.encode()]
    for number in range(count):
        words += [b"%0*d" % (size, number), b"%d" % number]
    harness.default.ask(*words)


@pytest.mark.parametrize(
    "line",
    [
        *("HSET q f v", "HSETNX q f v", "HMSET q f v", "HGET q f", "HMGET q f g", "HGETALL q"),
        *(
            "HDEL q f",
            "HEXISTS q f",
            "HLEN q",
            "HKEYS q",
            "HVALS q",
            "HSTRLEN q f",
            "HINCRBY q f 1",
        ),
        *("HINCRBYFLOAT q f 1", "HRANDFIELD q", "HRANDFIELD q 2", "HSCAN q 0"),
    ],
)
@pytest.mark.parametrize("made", ["QPUSH q x", "SET q x", "ZADD q 1 x"])
def test_what_is_no_hash_is_of_the_wrong_type(harness: Harness, made: str, line: str) -> None:
    harness.say(made)
    before = len(harness.journal)

    assert harness.refusal(line) == WRONG
    assert len(harness.journal) == before


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("HSET h f", "wrong number of arguments for 'hset' command"),
        ("HSET h f v g", "wrong number of arguments for 'hset' command"),
        ("HMSET h f v g", "wrong number of arguments for 'hmset' command"),
        ("HINCRBY h word x", "value is not an integer or out of range"),
        ("HINCRBY h word 1", "hash value is not an integer"),
        ("HINCRBY h float 1", "hash value is not an integer"),
        ("HINCRBY h most 1", "increment or decrement would overflow"),
        ("HINCRBYFLOAT h word nan", "value is not a valid float"),
        ("HINCRBYFLOAT h word -inf", "value is NaN or Infinity"),
        ("HINCRBYFLOAT h word 1", "hash value is not a float"),
        ("HINCRBYFLOAT h infinite 1", "increment would produce NaN or Infinity"),
        ("HRANDFIELD h x y", "value is not an integer or out of range"),
        ("HRANDFIELD h WITHVALUES", "value is not an integer or out of range"),
        ("HRANDFIELD h 1 y", "syntax error near 'y'"),
        ("HRANDFIELD h 9223372036854775807 WITHVALUES", "value is out of range"),
        ("HSCAN h x", "invalid cursor"),
        ("HSCAN h 0 COUNT 0", "syntax error"),
        ("HSCAN h 0 COUNT x", "value is not an integer or out of range"),
        ("HSCAN h 0 NOVALUES", "syntax error near 'NOVALUES'"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_redis(
    harness: Harness, line: str, error: str
) -> None:
    harness.say("HSET h word abc float 1.5 most 9223372036854775807 infinite inf")
    before = len(harness.journal)

    assert harness.refusal(line) == f"ERR {error}"
    assert len(harness.journal) == before


def test_what_changes_nothing_is_not_in_the_journal(harness: Harness) -> None:
    harness.say("HSET h f v")
    before = len(harness.journal)

    for line in ("HSETNX h f w", "HDEL h g", "HDEL none f"):
        assert harness.say(line) == 0
    assert len(harness.journal) == before


def test_a_value_that_is_set_again_has_changed_for_who_watches(harness: Harness) -> None:
    harness.say("HSET h f v")
    client = harness.client()
    client.say("WATCH h")
    harness.say("HSET h f v")
    client.say("MULTI")

    assert not isinstance(client.say("EXEC"), list)


def test_a_record_says_what_is_so_in_the_end(harness: Harness) -> None:
    harness.say("HSET h a 1 b 2 a 3")
    harness.say("HINCRBY h a 4")
    harness.say("HINCRBYFLOAT h b 0.5")
    harness.say(f"HSETNX h c {'x' * 65}")
    harness.say("HDEL h none c c")

    assert said(harness, 0)[1:] == [
        HashSet(1, [b"a", b"b"], [b"3", b"2"]),
        HashSet(1, [b"a"], [b"7"]),
        HashSet(1, [b"b"], [b"2.5"]),
        HashSet(1, [b"c"], [b"x" * 65], True),
        HashRemoved(1, [b"c"]),
    ]


def test_a_float_beyond_a_double_is_added(harness: Harness) -> None:
    assert harness.say("HINCRBYFLOAT h f 1e400") == harness.say("INCRBYFLOAT s 1e400")
    assert harness.say("HINCRBYFLOAT h f -1e400") == b"0"


def test_many_fields_are_said_in_several_records_of_one_transaction(harness: Harness) -> None:
    fill(harness, "h", RECORD_FIELDS_MAX + 1)

    assert [type(each) for each in said(harness, 0)[1:]] == [HashSet, HashSet]
    assert len(harness.journal) == 1
    harness.crash()
    assert harness.say("HLEN h") == RECORD_FIELDS_MAX + 1


def test_a_long_run_is_said_in_several_records(harness: Harness) -> None:
    fields = [b"%d" % number for number in range(RECORD_FIELDS_MAX)] + [b"0", b"new"]
    engine = harness.engine

    news = hashes.put_each(engine, harness.now_ms, 0, b"h", fields, fields)
    engine.end_transaction(0)
    harness.settle()

    assert news == [1] * RECORD_FIELDS_MAX + [0, 1]
    assert [type(each) for each in said(harness, 0)[1:]] == [HashSet, HashSet]
    assert harness.say("HLEN h") == RECORD_FIELDS_MAX + 1


def test_few_fields_are_in_the_order_in_which_they_came(harness: Harness) -> None:
    harness.say("HSET h z 1 b 2 a 3")
    harness.say("HSET h b new c 4")
    harness.say("HDEL h z")
    harness.say("HSET h z again")
    expected = {b"b": b"new", b"a": b"3", b"c": b"4", b"z": b"again"}

    for _ in range(2):
        assert [*harness.say("HGETALL h").items()] == [*expected.items()]
        assert harness.say("HKEYS h") == (*expected,)
        assert harness.say("HVALS h") == (*expected.values(),)
        harness.compact(len(harness.journal))
        harness.crash()


def test_an_emptied_one_is_gone_also_after_a_crash(harness: Harness) -> None:
    harness.say("HSET h a 1 b 2")
    harness.say("EXPIRE h 100")
    harness.say("HDEL h a b c")

    assert harness.say("EXISTS h") == 0
    harness.crash()
    assert harness.say("KEYS *") == []
    harness.say("HSET h a 1")
    assert harness.say("TTL h") == -1


def test_it_expires_at_its_millisecond(harness: Harness) -> None:
    harness.say("HSET h a 1")
    harness.say("PEXPIRE h 10")

    harness.pass_ms(9)
    assert harness.say("HSET h b 2") == 1
    harness.pass_ms(1)
    assert harness.say("HLEN h") == 0


def test_one_that_is_over_but_still_there_begins_anew(harness: Harness) -> None:
    harness.say("HSET h a 1")
    harness.say("PEXPIRE h 10")
    harness.now_ms += 10

    assert harness.say("HGET h a") is None
    assert harness.say("HINCRBY h a 5") == 5
    assert harness.say("PTTL h") == -1


CHANGES = [
    *("HSET h 00001 other", "HSET h new 1 00090 longer-than-it-was", "HDEL h 00005 00050 00095"),
    *("HINCRBY h 00099 1000", "HSETNX h 0 0", "DEL h", "RENAME h y", "EXPIRE h 10", "FLUSHDB"),
    *("SET h x", "COPY h y", "MOVE h 1", f"HSET h long {'x' * 65}"),
]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.hashes.PIECE_BYTES", 300)


def filled(harness: Harness) -> None:
    fill(harness, "h", 150)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_whatever_happens_while_it_is_said_again_comes_out_right(line: str) -> None:
    check_changes_come_out_right(filled, 1, 7, line, "HSET h 00003 5 00042 55 00091 95 00149 x")


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_a_crash_while_it_is_said_again_loses_nothing(line: str) -> None:
    check_a_crash_loses_nothing(filled, 1, 7, line)


@pytest.mark.usefixtures("small_pieces")
def test_a_large_one_is_said_again_in_pieces_and_a_small_one_in_one_record(
    harness: Harness,
) -> None:
    fill(harness, "h", 100)
    harness.say("HSET y a 1")
    harness.compact(2)

    kinds = [type(each) for each in said(harness, 2)][:-1]
    assert kinds == [RestoreBegin, *[RestorePiece] * 4, RestoreEnd, KeyRestored]


def test_few_fields_with_large_values_are_said_again_in_pieces_too(harness: Harness) -> None:
    value = b"x" * 20_000
    for number in range(5):
        harness.default.ask(b"HSET", b"h", b"%d" % number, value)
    since = len(harness.journal)
    harness.compact(since)

    pieces = [len(each.items[1]) for each in said(harness, since) if isinstance(each, RestorePiece)]
    assert pieces == [2, 2, 1]
    harness.crash()
    assert harness.say("HGETALL h") == {b"%d" % number: value for number in range(5)}


def test_what_lives_is_estimated(harness: Harness) -> None:
    fill(harness, "h", 2_000, 50)
    harness.say("HSET y a 1")

    check_what_lives_is_estimated(harness)


@pytest.mark.parametrize(("fields", "encoding"), [(512, b"listpack"), (513, b"hashtable")])
def test_its_encoding_is_that_of_redis_and_stays(
    harness: Harness, fields: int, encoding: bytes
) -> None:
    fill(harness, "h", fields)
    fill(harness, "h", fields)
    assert harness.say("OBJECT ENCODING h") == encoding
    harness.default.ask(b"HDEL", b"h", *(b"%05d" % number for number in range(1, fields)))
    assert harness.say("OBJECT ENCODING h") == encoding
    harness.crash()
    assert harness.say("OBJECT ENCODING h") == encoding
    harness.compact(len(harness.journal))
    harness.crash()
    assert harness.say("OBJECT ENCODING h") == encoding


@pytest.mark.parametrize(
    "line",
    ["HSET h {} v", "HSET h f {}", "HSETNX h f {}", "HMSET h a 1 {} v b 2", "HSET h f {} f v"],
)
def test_a_long_field_or_value_tells_in_the_encoding(harness: Harness, line: str) -> None:
    harness.say(line.format("x" * 64))
    assert harness.say("OBJECT ENCODING h") == b"listpack"
    harness.say("DEL h")
    harness.say(line.format("x" * 65))
    assert harness.say("OBJECT ENCODING h") == b"hashtable"


def test_a_scan_returns_what_is_there_all_the_time_whatever_its_values_become(
    harness: Harness,
) -> None:
    fill(harness, "h", 1_000)
    cursor, found = b"0", []
    for step in range(1_000):
        cursor, parts = harness.say(f"HSCAN h {cursor.decode()} COUNT 20")
        found += parts[::2]
        if cursor == b"0":
            break
        harness.say(f"HSET h {step * 101 % 1_000:05} other new{step} 1")
        harness.say(f"HDEL h new{step - 1}")

    assert cursor == b"0"
    assert step > 5
    assert {b"%05d" % number for number in range(1_000)} <= {*found}
    assert len(found) == len({*found})


def test_so_many_are_drawn_again_and_again_and_no_more(harness: Harness) -> None:
    harness.say("HSET h a 1")

    refused = harness.refusal("HRANDFIELD h -10001")
    assert refused == "TOOBIG up to 10000 are drawn with repetition at once, not 10001"
    assert harness.say("HRANDFIELD h -10000") == (b"a",) * 10_000


def test_fields_are_drawn_with_their_values(harness: Harness) -> None:
    fill(harness, "h", 300)
    resp3 = harness.client()
    resp3.say("HELLO 3")

    for count, size in ((3, 3), (250, 250), (999, 300), (-7, 7)):
        in_a_row = harness.say(f"HRANDFIELD h {count} WITHVALUES")
        in_pairs = resp3.say(f"HRANDFIELD h {count} WITHVALUES")
        for pairs in ([*zip(in_a_row[::2], in_a_row[1::2], strict=True)], in_pairs):
            assert len(pairs) == size
            assert all(int(field) == int(value) for field, value in pairs)
    assert len({*harness.say("HRANDFIELD h 250")}) == 250


def test_a_large_one_is_freed_in_slices(harness: Harness) -> None:
    fill(harness, "h", 5_000)
    value: Any = harness.engine.key_of(harness.now_ms, 0, b"h", Hash).value  # type: ignore[union-attr]
    harness.say("DEL h")

    assert harness.engine.state.is_behind
    left = []
    while harness.broker.tick(harness.now_ms):
        left.append(len(value))
    assert left == sorted(left, reverse=True)
    assert left[0] > 0
    assert len(value) == 0


def test_random_changes_leave_it_as_it_must_be() -> None:
    harness = Harness()
    draw = random.Random(7)
    plain: dict[bytes, bytes] = {}
    for number in range(600):
        field = draw.randrange(300)
        if draw.randrange(3):
            harness.say(f"HSET h {field} {number} {field + 1} {'x' * draw.randrange(9)}y")
            harness.say(f"HINCRBY h {field} 1")
            plain[b"%d" % field] = b"%d" % (number + 1)
            plain[b"%d" % (field + 1)] = harness.say(f"HGET h {field + 1}")
        else:
            harness.say(f"HDEL h {field}")
            plain.pop(b"%d" % field, None)
    assert harness.say("HGETALL h") == plain
    assert image(harness.replayed()) == image(harness.engine.state)
