from __future__ import annotations

import pytest

from respq.engine.jobs import push
from tests.harness import Harness


def payloads(harness: Harness) -> list[bytes]:
    return [payload for _, payload in harness.say("QPEEK q COUNT 99")]


@pytest.fixture
def full(harness: Harness) -> Harness:
    """Hold three jobs in a queue that holds no more."""
    harness.say("QUEUE CREATE q MAXLEN 3")
    harness.say("QMPUSH q 3 a b c")
    return harness


@pytest.fixture
def rolling(full: Harness) -> Harness:
    full.say("QUEUE SET q OVERFLOW DROPOLDEST")
    return full


def test_a_full_queue_refuses(full: Harness) -> None:
    error = "MAXLEN queue 'q' holds 3 jobs, 1 more would be over its MAXLEN of 3"

    assert full.refusal("QPUSH q d") == error
    assert full.refusal("QPUSH q d PRIORITY 9 DELAY 5s") == error
    full.crash()
    assert full.refusal("QPUSH q d") == error


def test_several_jobs_come_in_all_or_none(full: Harness) -> None:
    full.say("QPOP q NOACK")

    assert full.refusal("QMPUSH q 2 d e") == (
        "MAXLEN queue 'q' holds 2 jobs, 2 more would be over its MAXLEN of 3"
    )
    assert isinstance(full.say("QPUSH q d"), bytes)


def test_delayed_jobs_count_and_leased_and_dead_ones_do_not(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 2")
    harness.say("QPUSH q a")
    receipt = harness.say("QPOP q")[1].decode()
    harness.say("QPUSH q b")
    dead = harness.say("QPOP q")[1].decode()
    harness.say(f"QNACK q {dead} FATAL")
    harness.say("QPUSH q c DELAY 5s")
    harness.say("QPUSH q d")

    assert harness.refusal("QPUSH q e").startswith("MAXLEN ")
    # What is given back is never refused.
    assert harness.say(f"QNACK q {receipt} DELAY 0") == 1
    assert harness.say("QDLQ REDRIVE q") == 1
    assert harness.say("QLEN q") == 3


def test_a_pipeline_is_refused_from_the_first_on_that_finds_no_room(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 3")

    replies = harness.default.pipeline(*[f"QPUSH q {each}" for each in "abcde"])

    assert [str(reply)[:6] == "MAXLEN" for reply in replies] == [False] * 3 + [True] * 2
    assert payloads(harness) == [b"a", b"b", b"c"]


def test_a_repeated_push_is_answered_by_a_full_queue(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 1")
    harness.say("QPUSH q a ID mine")

    assert harness.say("QPUSH q a ID mine") == b"mine"


def test_the_oldest_makes_room(rolling: Harness) -> None:
    rolling.say("QPUSH q d")
    rolling.say("QMPUSH q 2 e f PRIORITY 0")

    assert payloads(rolling) == [b"d", b"e", b"f"]
    totals = rolling.queue("q").totals
    assert (totals.evicted, totals.pushed, totals.dropped) == (3, 6, 0)
    rolling.crash()
    assert payloads(rolling) == [b"d", b"e", b"f"]


def test_the_least_urgent_goes_first(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 4 OVERFLOW DROPOLDEST")
    for name, priority in (("a", 5), ("b", 1), ("c", 1), ("d", 3)):
        harness.say(f"QPUSH q {name} PRIORITY {priority}")

    harness.say("QPUSH q e PRIORITY 9")
    assert payloads(harness) == [b"e", b"a", b"d", b"c"]
    harness.say("QPUSH q f PRIORITY 9")
    harness.say("QPUSH q g PRIORITY 9")

    assert payloads(harness) == [b"e", b"f", b"g", b"a"]


def test_the_least_urgent_is_the_largest_where_the_smallest_is_the_first(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 2 OVERFLOW DROPOLDEST ORDER MIN")
    for priority in (5, 1, 3):
        harness.say(f"QPUSH q p{priority} PRIORITY {priority}")

    assert payloads(harness) == [b"p1", b"p3"]


def test_a_pipeline_throws_away_what_single_pushes_do(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 2 OVERFLOW DROPOLDEST")
    harness.say("QMPUSH q 2 a b PRIORITY 2")

    harness.default.pipeline("QPUSH q c", "QPUSH q d", "QPUSH q e")

    # The first makes room of a, and is the least urgent then.
    assert payloads(harness) == [b"b", b"e"]


def test_only_ready_jobs_make_room(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 2 OVERFLOW DROPOLDEST")
    harness.say("QPUSH q a DELAY 5s")
    harness.say("QPUSH q b")

    assert harness.refusal("QMPUSH q 2 c d") == (
        "MAXLEN queue 'q' holds 2 jobs, 2 more would be over its MAXLEN of 2"
    )
    harness.say("QPUSH q c DELAY 9s")
    assert harness.refusal("QPUSH q d").startswith("MAXLEN ")
    assert harness.say("QLEN q") == 0


def test_a_pipeline_rolls_through(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 2 OVERFLOW DROPOLDEST")

    replies = harness.default.pipeline(*[f"QPUSH q {each}" for each in "abcdefgh"])

    assert len(set(replies)) == 8
    assert payloads(harness) == [b"g", b"h"]


def test_a_smaller_limit_throws_nothing_away_by_itself(full: Harness) -> None:
    full.say("QUEUE SET q MAXLEN 1 OVERFLOW DROPOLDEST")
    assert full.say("QLEN q") == 3

    full.say("QPUSH q d")

    assert payloads(full) == [b"d"]


def test_a_much_smaller_limit_is_reached_push_by_push(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "EVICTED_MAX", 3)
    harness.say("QMPUSH q 9 a b c d e f g h i")
    harness.say("QUEUE SET q MAXLEN 2 OVERFLOW DROPOLDEST")

    for left in (6, 3, 2, 2):
        harness.say("QPUSH q x")
        assert harness.say("QLEN q") == left


def test_no_limit_is_zero(full: Harness) -> None:
    facts = full.say("QUEUE GET q")
    assert (facts[b"MAXLEN"], facts[b"OVERFLOW"]) == (3, b"REJECT")

    full.say("QUEUE SET q MAXLEN 0")

    assert full.say("QUEUE GET q")[b"MAXLEN"] == 0
    assert isinstance(full.say("QPUSH q d"), bytes)


def test_a_schedule_is_not_refused(full: Harness) -> None:
    full.say("QSCHED ADD q tick x EVERY 10s")

    full.pass_ms(10_000)

    assert full.say("QLEN q") == 4


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("MAXLEN -1", "ERR MAXLEN is from 0 to 9223372036854775807, not -1"),
        ("MAXLEN many", "ERR value is not an integer or out of range: 'many'"),
        ("OVERFLOW NEVER", "ERR OVERFLOW is one of REJECT, DROPOLDEST, not 'NEVER'"),
    ],
)
def test_what_cannot_be_read_is_named(full: Harness, words: str, error: str) -> None:
    assert full.refusal(f"QUEUE SET q {words}") == error
