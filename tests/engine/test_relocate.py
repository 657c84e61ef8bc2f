"""What lives is said again, and the batches that said it before can be forgotten."""

from __future__ import annotations

import msgspec
import pytest

from respq.config import ANSWER_WINDOW_MS
from respq.engine.check import check
from respq.engine.codec import decode_records, encode_records
from respq.engine.engine import Engine
from respq.engine.keys.records import KeyMade
from respq.engine.records import (
    AnswerKept,
    JobRestored,
    JobsPushed,
    QueueMade,
    Record,
    ScheduleSet,
    Trimmed,
    WindowOpened,
)
from respq.engine.relocate import living_bytes
from respq.engine.state import State
from respq.runtime.zones import load_zone
from tests.engine.test_state import HISTORIES, counters
from tests.harness import START_MS, Harness, image


def copies(records: list[Record]) -> list[Record]:
    return list(decode_records(encode_records(records, [])))


@pytest.mark.parametrize("name", HISTORIES)
def test_what_is_said_again_stands_for_what_is_forgotten(name: str) -> None:
    """Whenever it is said, and however much of what lies between is still there."""
    history = HISTORIES[name]
    for said in range(len(history) + 1):
        for forgotten in range(said + 1):
            engine = Engine(counters(State()), load_zone)
            lived = engine.state
            lived.build_indexes()
            for lived.position, record in enumerate(history[:said], 1):
                lived.apply(record)
            lived.position = said + 1
            for position, record in enumerate(history[:forgotten], 1):
                for _ in engine.relocate(START_MS, position, copies([record])):
                    pass
            again, _ = engine.take_records()
            if not isinstance(history[said - 1], KeyMade):  # What is put into it comes next.
                check(lived)
            for record in history[said:]:
                lived.apply(record)
            while lived.graveyard or lived.keys.graveyard:
                lived.free(100)
                lived.keys.free(lived, 100)

            replayed = counters(State())
            replayed.position = forgotten + 1
            for record in copies([*history[forgotten:said], *again, *history[said:]]):
                replayed.apply(record)
            replayed.build_indexes()

            check(replayed)
            assert not replayed.unmade
            assert image(replayed) == image(lived), (said, forgotten)
            assert replayed.timers.entries() == lived.timers.entries()


def said_again(harness: Harness, batches: int | None = None) -> list[Record]:
    """Compact, and return what was said but for `Trimmed`."""
    before = len(harness.journal)
    harness.compact(before if batches is None else batches)
    said = [each for body in harness.journal[before:] for each in decode_records(body)]
    assert isinstance(said[-1], Trimmed)
    return [each for each in said if not isinstance(each, Trimmed)]


def kinds(records: list[Record]) -> list[type[Record]]:
    return [type(each) for each in records]


def test_only_what_lives_is_said_again(harness: Harness) -> None:
    for each in ("a", "b", "c"):
        harness.say(f"QPUSH q {each}")
    receipt = harness.say("QPOP q")[1].decode()
    harness.say(f"QACK q {receipt}")

    said = said_again(harness)

    assert kinds(said) == [QueueMade, JobRestored, JobRestored]
    jobs = [each for each in said if isinstance(each, JobRestored)]
    assert [job.payload for job in jobs] == [b"b", b"c"]


def test_what_was_said_again_is_not_said_twice(harness: Harness) -> None:
    harness.say("QPUSH q a ID mine DEDUP k WINDOW 1h")
    harness.say("QSCHED ADD q nightly x EVERY 1h")
    first = said_again(harness)
    assert {*kinds(first)} == {QueueMade, JobRestored, AnswerKept, WindowOpened, ScheduleSet}

    # A crash before the journal has forgotten them: the old batches are looked at once more.
    harness.forgotten = 0
    harness.crash()

    again = said_again(harness, 1)
    assert {*kinds(again)} <= {AnswerKept, WindowOpened}


def test_a_schedule_that_was_set_again_and_again_is_said_once(harness: Harness) -> None:
    harness.say("QPUSH q a")
    for seconds in range(10, 60):
        harness.say(f"QSCHED ADD q tick x EVERY {seconds}s")

    assert kinds(said_again(harness)).count(ScheduleSet) == 1


def test_jobs_keep_their_places(harness: Harness) -> None:
    for each in ("a", "b", "c"):
        harness.say(f"QPUSH q {each}")
    harness.say("QPUSH q front FRONT")
    said_again(harness, 1)
    harness.say("QPUSH q d")
    said_again(harness)
    harness.crash()

    assert [harness.say("QPOP q")[2] for _ in range(5)] == [b"front", b"a", b"b", b"c", b"d"]


def test_answers_are_forgotten_in_the_order_they_were_given(harness: Harness) -> None:
    """One that was said again comes behind younger ones, and is still the older one."""
    first = harness.say("QPUSH q a ID one")
    harness.pass_ms(10)
    harness.say("QPUSH q b ID two")
    said_again(harness, 1)
    harness.crash()

    queue = harness.queue("q")
    assert list(queue.answers) == [b"id:one", b"id:two"]
    assert harness.say("QPUSH q a ID one") == first


def test_answers_that_are_over_are_not_said_again(harness: Harness) -> None:
    harness.say("QPUSH q a ID one")
    harness.pass_ms(ANSWER_WINDOW_MS)

    assert AnswerKept not in kinds(said_again(harness))


def test_jobs_of_a_queue_that_is_said_again_behind_them_wait_for_it(harness: Harness) -> None:
    harness.say("QUEUE CREATE q LEASE 5s")
    harness.say("QPUSH q a")
    harness.say("QUEUE RENAME q r")
    said_again(harness, 1)

    replayed = harness.replayed()

    assert [queue.name for queue in replayed.queues.values()] == [b"r"]
    assert [len(queue) for queue in replayed.queues.values()] == [1]


def test_a_queue_that_was_dropped_needs_no_full_record(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QPUSH q b")
    harness.say("QUEUE DROP q")
    said_again(harness, 1)

    assert len(harness.replayed().queues) == 0


def test_a_queue_that_is_said_nowhere_is_noticed() -> None:
    state = State()
    state.apply(JobsPushed(1, 2, [b"a"], 0, START_MS, 0, None))

    assert state.unmade == {1}


@pytest.mark.parametrize("count", [1, 40, 3_000])
def test_what_lives_is_estimated(count: int) -> None:
    harness = Harness()
    for number in range(count):
        harness.broker.execute(
            harness.default.session, [b"QPUSH", b"q", b"x" * (number % 200)], harness.now_ms
        )
    harness.settle()
    before = sum(living_bytes(harness.engine.state))

    said = said_again(harness)

    exact = sum(len(msgspec.msgpack.encode(each)) for each in said)
    assert before == pytest.approx(exact, rel=0.2, abs=100)
