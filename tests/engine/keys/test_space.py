"""Keys in the journal: said in full, in pieces, while they change, and after a crash between."""

from __future__ import annotations

import msgspec
import pytest

from respq.config import FREE_SLICE
from respq.engine.keys.records import KeyRestored, RestoreBegin, RestoreEnd, RestorePiece
from respq.engine.keys.space import FREED_AT_ONCE
from respq.engine.keys.strings import String
from respq.engine.relocate import living_bytes
from tests.engine.keys.compacting import (
    check_a_crash_loses_nothing,
    check_changes_come_out_right,
    said,
    steps,
)
from tests.harness import Harness


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.strings.PIECE_BYTES", 3)


def test_a_small_key_is_said_again_in_one_record(harness: Harness) -> None:
    harness.say("SET a abc PX 100")
    harness.say("SET a abd KEEPTTL")
    harness.compact(2)

    assert [each for each in said(harness, 2) if isinstance(each, KeyRestored)] == [
        KeyRestored(1, 0, b"a", String.code, harness.now_ms + 100, [0, b"abd"])
    ]


def test_a_large_one_is_said_again_in_pieces(harness: Harness) -> None:
    harness.say("SET a 0123456789")
    harness.compact(1)

    kinds = [type(each) for each in said(harness, 1)]
    assert kinds[:-1] == [RestoreBegin, *[RestorePiece] * 4, RestoreEnd]
    harness.compact(len(harness.journal))
    assert harness.replayed().keys.key(1) is not None


def test_what_was_said_again_is_not_said_twice(harness: Harness) -> None:
    harness.say("SET a 0123456789")
    harness.say("SET b 1")
    harness.compact(2)
    before = len(harness.journal)

    harness.forgotten = 0
    harness.crash()
    harness.compact(2)

    assert not any(isinstance(each, RestoreBegin | KeyRestored) for each in said(harness, before))


CHANGES = [
    *("APPEND a xyz", "SETRANGE a 2 --", "SET a short", "SET a 9876543210987654321", "RENAME a c"),
    *("RENAME b a", "MOVE a 1", "DEL a", "FLUSHDB", "EXPIRE a 10", "PERSIST a", "EXPIRE a -1"),
    *("COPY a c", "COPY b a REPLACE", "GETDEL a", "SET b 1"),
]


def filled(harness: Harness) -> None:
    harness.say("SET a 0123456789 PX 100000")
    harness.say("SET b 1")


@pytest.mark.parametrize("again", [None, "SET a 0123456789"])
@pytest.mark.parametrize("line", CHANGES)
def test_whatever_happens_to_a_key_while_it_is_said_again_comes_out_right(
    line: str, again: str | None
) -> None:
    """At whichever step, and whether or not it is made again before the end."""
    lines = [line] if again is None else [line, again]
    check_changes_come_out_right(filled, 2, 12, *lines)


@pytest.mark.parametrize("line", CHANGES)
def test_a_crash_while_a_key_is_said_again_loses_nothing(line: str) -> None:
    check_a_crash_loses_nothing(filled, 2, 12, line)


def test_a_key_that_expires_while_it_is_said_again_is_gone(harness: Harness) -> None:
    harness.say("SET a 0123456789 PX 10")
    for number, _ in enumerate(steps(harness, 1)):
        if number == 2:
            harness.pass_ms(10)

    assert harness.say("GET a") is None
    assert len(harness.replayed().keys) == 0


def test_a_copy_of_a_large_key_is_one_transaction_and_another_key(harness: Harness) -> None:
    harness.say("SET a 0123456789 PX 1000")
    harness.say("COPY a b")
    harness.say("APPEND a x")
    harness.crash()

    assert harness.say("GET b") == b"0123456789"
    assert harness.say("PTTL b") == 1000


@pytest.mark.parametrize("count", [1, 40, 3_000])
def test_what_lives_is_estimated(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.strings.PIECE_BYTES", 1_000)
    harness = Harness()
    for number in range(count):
        harness.broker.execute(
            harness.default.session, [b"SET", b"%d" % number, b"x" * (number % 200)], harness.now_ms
        )
    harness.settle()
    before = sum(living_bytes(harness.engine.state))
    since = len(harness.journal)

    harness.compact(since)

    exact = sum(len(msgspec.msgpack.encode(each)) for each in said(harness, since))
    assert before == pytest.approx(exact, rel=0.2, abs=100)


def test_a_large_value_is_freed_in_slices_when_its_key_is_gone(harness: Harness) -> None:
    things = [b"%d" % number for number in range(3 * FREE_SLICE)]
    harness.default.ask(b"SADD", b"small", *things[:FREED_AT_ONCE])
    harness.default.ask(b"SADD", b"large", *things)

    harness.say("DEL small")
    assert not harness.engine.state.is_behind
    harness.say("DEL large")
    assert harness.engine.state.is_behind

    assert harness.broker.tick(harness.now_ms)
    while harness.broker.tick(harness.now_ms):
        pass
    assert not harness.engine.state.is_behind


def test_several_values_are_freed_in_one_slice(harness: Harness) -> None:
    names = [b"%d" % number for number in range(10)]
    for name in names:
        harness.default.ask(b"SADD", name, *(b"%d" % each for each in range(3 * FREED_AT_ONCE)))

    harness.default.ask(b"DEL", *names)
    assert len(harness.engine.state.keys.remains) == 10

    assert not harness.broker.tick(harness.now_ms)


def test_a_pop_of_a_block_leaves_nothing_to_be_freed(harness: Harness) -> None:
    harness.default.ask(b"RPUSH", b"list", *(b"%d" % number for number in range(4_000)))

    for _ in range(4):
        harness.default.ask(b"LPOP", b"list", b"800")
        assert not harness.engine.state.is_behind
