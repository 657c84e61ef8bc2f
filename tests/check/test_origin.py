"""A job whose id nobody was told needs something that made it."""

from __future__ import annotations

import pytest

from tests.check.recording import Recording

JOB = ["1-1", "7:1-1", "hi"]
NOBODY = "is there, and nobody pushed it"


@pytest.mark.parametrize(
    "maker",
    [
        "QPUSH mail hi",
        "QMPUSH mail 2 ho hi",
        "QPUSH mail hi PRIORITY 5 ID 1-1",
    ],
)
def test_a_push_without_an_answer_may_have_made_it(maker: str) -> None:
    recording = Recording()
    recording.unanswered(maker)
    recording.say("QPOP mail", JOB)

    assert recording.findings() == []


@pytest.mark.parametrize(
    ("maker", "reply"),
    [
        ("QSCHED ADD mail s hi EVERY 5s", 1),
        ("QPUSH post x THEN mail hi", "1-9"),
        ("QDLQ REDRIVE post TO mail", 1),
    ],
)
def test_it_may_have_been_made_by_something_else_than_a_push(maker: str, reply: object) -> None:
    recording = Recording()
    recording.say(maker, reply)
    recording.say("QPOP mail", JOB)

    assert recording.findings() == []


@pytest.mark.parametrize(
    "maker",
    ["QPUSH post hi", "QPUSH mail ho", "QSCHED ADD mail s ho EVERY 5s", "QPUSH x y THEN mail ho"],
)
def test_of_another_queue_or_payload_it_was_not_made(maker: str) -> None:
    recording = Recording()
    recording.unanswered(maker)
    recording.say("QPOP mail", JOB)

    assert recording.findings() == [f"line 2: job mail/1-1 {NOBODY}"]


def test_a_refused_push_made_nothing() -> None:
    recording = Recording()
    recording.refused("QPUSH mail hi", "MAXLEN the queue is full")
    recording.say("QPOP mail", JOB)

    assert recording.findings() == [f"line 2: job mail/1-1 {NOBODY}"]


def test_a_push_that_was_sent_later_made_nothing() -> None:
    recording = Recording()
    recording.shown("1-1")
    recording.unanswered("QPUSH mail hi")

    assert recording.findings() == [f"line 1: job mail/1-1 {NOBODY}"]


def test_each_push_made_one_job_at_most() -> None:
    recording = Recording()
    recording.unanswered("QPUSH mail hi")
    recording.say("QPOP mail", JOB)
    recording.say("QPOP mail", ["1-2", "8:1-2", "hi"])

    assert recording.findings() == [
        "lines 1, 2 and 3: 2 jobs of mail have the payload 'hi' and an id that no push was told, "
        "and only 1 of its pushes had no answer"
    ]


def test_a_move_without_an_answer_brings_its_payload() -> None:
    recording = Recording()
    recording.say("QPUSH mail hi", "1-1")
    recording.say("QPOP mail", JOB)
    recording.unanswered("QMOVE mail sent 7:1-1")
    recording.say("QPOP sent", ["1-2", "8:1-2", "hi"])
    recording.say("QPOP sent", ["1-3", "9:1-3", "ho"])

    assert recording.findings() == [f"line 5: job sent/1-3 {NOBODY}"]


def test_what_is_known_of_such_a_job_is_held_against_it() -> None:
    recording = Recording()
    recording.unanswered("QPUSH mail hi")
    recording.say("QPOP mail", JOB)
    recording.gone("1-1")

    assert recording.findings() == [
        "lines 2 and 3: job mail/1-1 is lost: it was there, nobody ended it, and it is gone"
    ]
