"""Fences that fall or repeat are found over all jobs and queues."""

from __future__ import annotations

from tests.check.recording import Recording


def two_jobs() -> Recording:
    recording = Recording()
    recording.say("QPUSH mail hi", "1-1")
    recording.say("QPUSH post ho", "1-2")
    return recording


def test_fences_that_rise_are_fine_whatever_the_order_of_their_queues() -> None:
    recording = two_jobs()
    recording.say("QPOP post", ["1-2", "7:1-2", "ho"])
    recording.say("QPOP mail", ["1-1", "8:1-1", "hi"])

    assert recording.findings() == []


def test_fences_of_pops_that_overlap_may_have_either_order() -> None:
    recording = two_jobs()
    recording.say("QPOP post", ["1-2", "8:1-2", "ho"], at=30, end=50)
    recording.say("QPOP mail", ["1-1", "7:1-1", "hi"], at=50, end=60)

    assert recording.findings() == []


def test_a_fence_that_falls_is_found() -> None:
    recording = two_jobs()
    recording.say("QPOP post", ["1-2", "8:1-2", "ho"], at=30, end=50)
    recording.say("QPOP mail", ["1-1", "7:1-1", "hi"], at=50.1, end=60)

    assert recording.findings() == [
        "lines 3 and 4: job mail/1-1 was handed out with fence 7 after fence 8 had been given to "
        "job post/1-2"
    ]


def test_fences_of_one_reply_rise() -> None:
    recording = Recording()
    recording.say("QMPUSH mail 2 hi ho", ["1-1", "1-2"])
    recording.say("QPOP mail COUNT 2", [["1-1", "8:1-1", "hi"], ["1-2", "7:1-2", "ho"]])

    assert recording.findings() == [
        "line 2: job mail/1-2 was handed out with fence 7 after fence 8 had been given to job "
        "mail/1-1"
    ]


def test_a_fence_is_given_once() -> None:
    recording = two_jobs()
    recording.say("QPOP post", ["1-2", "7:1-2", "ho"])
    recording.say("QPOP mail", ["1-1", "7:1-1", "hi"])

    assert recording.findings() == [
        "lines 3 and 4: fence 7 was given twice: to job post/1-2 and to job mail/1-1"
    ]
