"""A less urgent job is found where a more urgent one was owed, and only there."""

from __future__ import annotations

import pytest

from tests.check.recording import Recording

LOW, HIGH = ["1-1", "7:1-1", "low"], ["1-2", "8:1-2", "high"]
PASSED = "job mail/1-1 was handed out while the more urgent job mail/1-2 was ready"


def queued(options: str = "", **times: float) -> Recording:
    """Return a history in which a job of priority 1 and then one of priority 2 are pushed."""
    recording = Recording()
    recording.say("QPUSH mail low PRIORITY 1", "1-1")
    recording.say(f"QPUSH mail high PRIORITY 2 {options}", "1-2", **times)
    return recording


def popped_in_the_wrong_order(recording: Recording) -> list[str]:
    recording.say("QPOP mail", LOW)
    recording.say("QPOP mail", HIGH)
    return recording.findings()


def test_a_less_urgent_job_that_goes_first_is_found() -> None:
    assert popped_in_the_wrong_order(queued()) == [f"lines 2 and 3: {PASSED}"]


def test_it_is_found_when_the_other_is_only_seen_to_wait_afterwards() -> None:
    recording = queued()
    recording.say("QPOP mail", LOW)
    recording.shown("1-2", payload="high")

    assert recording.findings() == [f"lines 2 and 3: {PASSED}"]


def test_the_right_order_is_fine() -> None:
    recording = queued()
    recording.say("QPOP mail", ["1-2", "7:1-2", "high"])
    recording.say("QPOP mail", ["1-1", "8:1-1", "low"])

    assert recording.findings() == []


def test_several_of_one_reply_are_compared_with_what_was_left() -> None:
    recording = queued()
    recording.say("QPUSH mail mid PRIORITY 2", "1-3")
    recording.say("QPOP mail COUNT 2", [["1-3", "6:1-3", "mid"], LOW])
    recording.say("QPOP mail", HIGH)

    assert recording.findings() == [f"lines 2 and 4: {PASSED}"]


@pytest.mark.parametrize("options", ["DELAY 5s", "AT 17", "TTL 5s", "DEPENDS 1 1-1"])
def test_a_job_that_may_not_be_ready_is_owed_nothing(options: str) -> None:
    assert popped_in_the_wrong_order(queued(options)) == []


def test_a_push_that_was_answered_only_after_the_pop_began_is_owed_nothing() -> None:
    assert popped_in_the_wrong_order(queued(at=20, end=30)) == []


def test_jobs_that_go_out_at_the_same_time_have_no_order() -> None:
    recording = queued()
    recording.say("QPOP mail", LOW, at=30, end=40)
    recording.say("QPOP mail", HIGH, at=40, end=50)

    assert recording.findings() == []


def test_a_job_that_was_not_seen_afterwards_is_owed_nothing() -> None:
    recording = queued()
    recording.say("QPOP mail", LOW)

    assert recording.findings() == []


def test_one_that_had_been_delivered_before_is_owed_nothing() -> None:
    recording = queued()
    recording.say("QPOP mail", ["1-2", "5:1-2", "high"])
    recording.say("QNACK mail 5:1-2 DELAY 1s", 1)

    assert popped_in_the_wrong_order(recording) == []


def test_a_pop_without_an_answer_may_hold_it() -> None:
    recording = queued()
    recording.unanswered("QPOP mail")

    assert popped_in_the_wrong_order(recording) == []


def test_a_pop_of_several_queues_without_an_answer_may_hold_it() -> None:
    recording = queued()
    recording.unanswered("QMPOP 2 post mail")

    assert popped_in_the_wrong_order(recording) == []


def test_one_from_before_the_server_was_down_cannot_hold_what_was_pushed_later() -> None:
    recording = Recording()
    recording.unanswered("QPOP mail", at=1, gave_up=2)
    recording.down(3)
    recording.say("QPUSH mail low PRIORITY 1", "1-1")
    recording.say("QPUSH mail high PRIORITY 2", "1-2")

    assert popped_in_the_wrong_order(recording) == [f"lines 4 and 5: {PASSED}"]


@pytest.mark.parametrize("settings", ["FAIR YES", "GROUPCONCURRENCY 1", "TTL 5s"])
def test_a_queue_with_another_order_owes_nothing(settings: str) -> None:
    recording = queued()
    recording.say(f"QUEUE SET mail {settings}", "OK")

    assert popped_in_the_wrong_order(recording) == []


@pytest.mark.parametrize(
    ("settings", "low", "high", "count"),
    [
        ("ORDER MIN", 1, 2, 0),
        ("ORDER MIN", 2, 1, 1),
        ("ORDER MAX", 1, 2, 1),
        ("PRIORITIES TEXT", "b", "a", 0),
        ("PRIORITIES TEXT", "a", "ab", 1),
        ("PRIORITIES TEXT ORDER MIN", "a", "ab", 0),
        ("PRIORITIES TEXT ORDER MIN", "ab", "a", 1),
        ("PRIORITIES NUMERIC", 9, 10, 1),
    ],
)
def test_the_queue_says_what_is_more_urgent(
    settings: str, low: object, high: object, count: int
) -> None:
    recording = Recording()
    recording.say(f"QUEUE CREATE mail {settings}", "OK")
    recording.say(f"QPUSH mail low PRIORITY {low}", "1-1")
    recording.say(f"QPUSH mail high PRIORITY {high}", "1-2")

    assert len(popped_in_the_wrong_order(recording)) == count


def test_a_priority_that_was_edited_is_not_known() -> None:
    recording = queued()
    recording.say("QEDIT mail 1-2 PRIORITY 0", "OK")

    assert popped_in_the_wrong_order(recording) == []


def test_a_push_that_repeats_one_without_an_answer_does_not_say_how_urgent_its_job_is() -> None:
    recording = queued()
    recording.unanswered("QPUSH mail top PRIORITY 9 IDMP p 1")
    recording.say("QPUSH mail top PRIORITY 0 IDMP p 1", "1-3")
    recording.say("QPOP mail", ["1-3", "6:1-3", "top"])
    recording.shown("1-2", payload="high")

    assert recording.findings() == []
