"""PUSHRATE: how many jobs a queue takes in a time."""

from __future__ import annotations

from tests.harness import Harness


def test_a_push_that_comes_too_soon_is_refused_with_how_long_to_wait(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PUSHRATE 2 PER 1s")
    harness.say("QMPUSH q 2 a b")

    assert harness.refusal("QPUSH q c") == (
        "RATELIMIT 500 queue 'q' takes 2 jobs in 1000 ms: try again then"
    )
    harness.pass_ms(499)
    assert harness.refusal("QPUSH q c").startswith("RATELIMIT 1 ")
    harness.pass_ms(1)
    harness.say("QPUSH q c")
    assert harness.refusal("QMPUSH q 2 d e").startswith("RATELIMIT 1000 ")
    harness.crash()
    assert harness.refusal("QPUSH q d").startswith("RATELIMIT 500 ")
    assert harness.say("QLEN q") == 3


def test_more_at_once_than_it_ever_takes_is_an_error(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PUSHRATE 2 PER 1s")

    assert harness.refusal("QMPUSH q 3 a b c") == (
        "ERR 3 jobs at once are more than queue 'q' takes in 1000 ms, 2: push fewer"
    )
    assert harness.say("QLEN q") == 0


def test_a_pipeline_is_taken_as_far_as_the_rate_allows(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PUSHRATE 2 PER 1s")

    replies = harness.default.pipeline(*[f"QPUSH q {each}" for each in "abc"])

    assert [str(reply)[:9] == "RATELIMIT" for reply in replies] == [False, False, True]


def test_repetitions_and_what_comes_back_cost_nothing(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PUSHRATE 1 PER 1s")
    harness.say("QPUSH q a ID mine")
    receipt = harness.say("QPOP q")[1].decode()

    assert harness.say("QPUSH q a ID mine") == b"mine"
    assert harness.say(f"QNACK q {receipt} DELAY 0") == 1
    harness.pass_ms(1_000)
    assert isinstance(harness.say("QPUSH q b"), bytes)


def test_a_schedule_is_not_refused_but_counts(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PUSHRATE 1 PER 1s")
    harness.say("QPUSH q a")
    harness.say("QSCHED ADD q s b EVERY 100")
    harness.pass_ms(100)

    assert harness.say("QLEN q") == 2
    assert harness.refusal("QPUSH q c").startswith("RATELIMIT 1900 ")


def test_another_rate_begins_anew_and_none_ends_it(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PUSHRATE 1 PER 1h")
    harness.say("QPUSH q a")
    harness.say("QUEUE SET q PUSHRATE 1 PER 30m")
    harness.say("QPUSH q b")
    assert harness.refusal("QPUSH q c").startswith("RATELIMIT ")
    assert harness.say("QUEUE GET q")[b"PUSHRATE"] == b"1 PER 1800000"

    harness.say("QUEUE SET q NOPUSHRATE")

    harness.say("QPUSH q c")
    assert harness.say("QUEUE GET q")[b"PUSHRATE"] == b""
    assert harness.refusal("QUEUE SET q PUSHRATE 0 PER 1s") == (
        "ERR the number of PUSHRATE is from 1 to 1000000, not 0"
    )
    assert harness.refusal("QUEUE SET q PUSHRATE 1 IN 1s").startswith("ERR PUSHRATE is n PER ms")
