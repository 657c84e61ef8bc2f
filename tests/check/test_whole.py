"""A transaction without an answer is there as a whole or not at all."""

from __future__ import annotations

from tests.check.recording import Recording

JOB = ["1-1", "7:1-1", "hi"]
PUSHES = ["QPUSH mail hi ID x", "QPUSH mail hi ID y"]
HALF = "one part is there and another is not"


def held() -> Recording:
    recording = Recording()
    recording.say("QPUSH mail hi", "1-1")
    recording.say("QPOP mail", JOB)
    return recording


def test_both_pushes_or_none_are_fine() -> None:
    both, none = Recording(), Recording()
    for recording in (both, none):
        recording.exec(PUSHES, None)
    both.shown("x")
    both.shown("y")
    none.gone("x")
    none.gone("y")

    assert both.findings() == none.findings() == []


def test_one_of_two_pushes_is_half_a_transaction() -> None:
    recording = Recording()
    recording.exec(PUSHES, None)
    recording.shown("x")
    recording.gone("y")

    assert recording.findings() == [f"lines 1, 2 and 3: of the transaction in line 1 {HALF}"]


def test_one_that_was_not_there_before_the_other_was_seen_may_have_come() -> None:
    recording = Recording()
    recording.exec(PUSHES, None)
    recording.gone("y")
    recording.shown("x")

    assert recording.findings() == []


def test_one_that_somebody_may_have_ended_may_have_been_there() -> None:
    recording = Recording()
    recording.exec(PUSHES, None)
    recording.shown("x")
    recording.say("QDEL mail y z", 1)
    recording.gone("y")

    assert recording.findings() == []


def test_one_that_may_have_been_refused_is_not_missed() -> None:
    recording = Recording()
    recording.say("QUEUE CREATE mail MAXLEN 1", "OK")
    recording.exec(PUSHES, None)
    recording.shown("x")
    recording.gone("y")

    assert recording.findings() == []


def test_a_push_without_the_ack_beside_it_is_half_a_transaction() -> None:
    recording = held()
    recording.exec(["QACK mail 7:1-1", "QPUSH sent hi ID x"], None)
    recording.shown("x", queue="sent")
    recording.shown("1-1", "leased", 7)

    assert recording.findings() == [f"lines 3, 4 and 5: of the transaction in line 3 {HALF}"]


def test_an_ack_without_the_push_beside_it_is_half_a_transaction() -> None:
    recording = held()
    recording.exec(["QACK mail 7:1-1", "QPUSH sent hi ID x"], None)
    recording.gone("1-1")
    recording.gone("x", "sent")

    assert recording.findings() == [f"lines 3, 4 and 5: of the transaction in line 3 {HALF}"]


def test_a_move_that_pushed_and_did_not_end_is_half_a_transaction() -> None:
    recording = held()
    recording.unanswered("QMOVE mail sent 7:1-1")
    recording.say("QPOP sent", ["1-2", "8:1-2", "hi"])
    recording.shown("1-1", "leased", 7)

    assert recording.findings() == [f"lines 3, 4 and 5: of the transaction in line 3 {HALF}"]


def test_a_move_that_ended_and_did_not_push_is_half_a_transaction() -> None:
    recording = held()
    recording.unanswered("QMOVE mail sent 7:1-1 ID x")
    recording.gone("1-1")
    recording.gone("x", "sent")

    assert recording.findings() == [f"lines 3, 4 and 5: of the transaction in line 3 {HALF}"]


def test_a_move_is_there_or_not() -> None:
    moved, kept = held(), held()
    for recording in (moved, kept):
        recording.unanswered("QMOVE mail sent 7:1-1 ID x")
    moved.shown("x", queue="sent")
    moved.gone("1-1")
    kept.gone("x", "sent")
    kept.shown("1-1", "leased", 7)

    assert moved.findings() == kept.findings() == []


def test_a_lease_that_may_have_ended_first_leaves_the_ack_without_effect() -> None:
    recording = held()
    recording.exec(["QACK mail 7:1-1", "QPUSH sent hi ID x"], None)
    recording.shown("x", queue="sent", at=40_000)
    recording.shown("1-1", "ready", 7)

    assert recording.findings() == []


def test_a_move_that_may_have_failed_within_a_transaction_is_not_missed() -> None:
    recording = held()
    recording.exec(["QMOVE mail sent 7:1-1 ID x", "QPUSH sent hi ID y"], None)
    recording.shown("y", queue="sent")
    recording.gone("x", "sent")

    assert recording.findings() == []


def test_a_nack_beside_a_push_leaves_its_job_there() -> None:
    recording = held()
    recording.exec(["QNACK mail 7:1-1 SILENT", "QPUSH sent hi ID x"], None)
    recording.shown("x", queue="sent")
    recording.shown("1-1", "ready", 7)

    assert recording.findings() == []
