from __future__ import annotations

import pytest

from respq.config import DUE_SLICE
from respq.engine.engine import Engine
from respq.engine.jobs.push import PushTerms
from respq.engine.records import Record
from respq.engine.state import State
from respq.engine.timers import NEVER_MS
from respq.runtime.zones import load_zone
from tests.harness import START_MS, Harness


@pytest.fixture
def engine() -> Engine:
    engine = Engine(State(), load_zone)
    engine.state.build_indexes()
    engine.create_queue(START_MS, 0, b"q", {})
    engine.take_records()
    return engine


def delay(engine: Engine, count: int, delay_ms: int) -> None:
    engine.push_many(START_MS, 0, b"q", [b"x"] * count, PushTerms(delay_ms=delay_ms))
    engine.take_records()


def kinds(records: list[Record]) -> list[str]:
    return [type(record).__name__ for record in records]


def test_nothing_happens_before_the_first_deadline(engine: Engine) -> None:
    delay(engine, 1, 10)
    assert engine.next_deadline_ms() == START_MS + 10

    assert engine.tick(START_MS + 9) is False
    assert engine.records == []
    assert engine.tick(START_MS + 10) is False
    assert kinds(engine.records) == ["JobDue"]
    assert engine.next_deadline_ms() == NEVER_MS


def test_what_is_due_happens_in_slices(engine: Engine) -> None:
    delay(engine, DUE_SLICE + 1, 10)

    assert engine.tick(START_MS + 10) is True
    assert len(engine.records) == DUE_SLICE
    assert engine.tick(START_MS + 10) is False
    assert len(engine.records) == DUE_SLICE + 1


def test_the_earliest_comes_first_over_all_kinds(engine: Engine) -> None:
    engine.push(START_MS, 0, b"q", [b"x"])
    engine.lease(START_MS, 0, b"q", lease_ms=30)
    engine.push_many(START_MS, 0, b"q", [b"x"], PushTerms(delay_ms=20))
    engine.push_many(START_MS, 0, b"q", [b"x"], PushTerms(ttl_ms=10))
    engine.take_records()

    engine.tick(START_MS + 100)

    assert kinds(engine.records) == ["JobDied", "JobDue", "JobReleased"]


def test_each_due_transition_is_a_transaction_of_its_own(engine: Engine) -> None:
    delay(engine, 3, 10)

    engine.tick(START_MS + 10)

    assert engine.sizes == []


def test_a_tick_that_is_late_does_the_same_as_one_that_is_on_time() -> None:
    late, on_time = Harness(), Harness()
    for harness in (late, on_time):
        harness.say("QPUSH q a DELAY 10 TTL 25")
        harness.say("QPUSH q b PRIORITY 1")
        harness.say("QPOP q LEASE 20")
        harness.say("QPUSH q c DELAY 10")

    late.pass_ms(30)
    for _ in range(30):
        on_time.pass_ms(1)

    for harness in (late, on_time):
        assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == [b"b", b"c"]
        assert harness.say("QDLQ LIST q")[0][b"payload"] == b"a"


def test_a_state_that_was_read_back_waits_for_the_same_instants(engine: Engine) -> None:
    harness = Harness()
    harness.say("QUEUE CREATE q")
    harness.say("QPUSH q x DELAY 5s")
    harness.say("QPUSH q y")
    harness.say("QPOP q LEASE 3s")
    harness.say("QSCHED ADD q s x EVERY 4s")
    entries = harness.engine.state.timers.entries()

    harness.crash()

    assert harness.engine.state.timers.entries() == entries
    assert harness.broker.next_deadline_ms() == START_MS + 3_000
