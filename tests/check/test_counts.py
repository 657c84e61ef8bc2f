"""QSTATS is held against what must be there, and what can be."""

from __future__ import annotations

import pytest

from tests.check.recording import Recording


def stats(recording: Recording, **counts: int) -> None:
    names = ("ready", "delayed", "leased", "dead", "done", "blocked")
    flat = [part for name in names for part in (name, counts.get(name, 0))]
    recording.say("QSTATS mail", ["mail", flat])


def life() -> Recording:
    """Return a history at whose end one job is surely there, and one may be."""
    recording = Recording()
    recording.say("QMPUSH mail 3 a b c", ["1-1", "1-2", "1-3"])
    recording.say("QPOP mail COUNT 2", [["1-1", "7:1-1", "a"], ["1-2", "8:1-2", "b"]])
    recording.say("QACK mail 7:1-1", 1)
    recording.unanswered("QACK mail 8:1-2")
    return recording


@pytest.mark.parametrize(
    "counts", [{"ready": 1}, {"ready": 1, "leased": 1}, {"dead": 1, "done": 9}]
)
def test_as_many_as_there_may_be_are_fine(counts: dict[str, int]) -> None:
    recording = life()
    stats(recording, **counts)

    assert recording.findings() == []


def test_fewer_than_there_must_be_are_found() -> None:
    recording = life()
    stats(recording, done=1)

    assert recording.findings() == [
        "line 5: mail has 0 jobs that are not done, and at least 1 must be there"
    ]


def test_more_than_there_can_be_are_found() -> None:
    recording = life()
    stats(recording, ready=3)

    assert recording.findings() == [
        "line 5: mail has 3 jobs that are not done, and no more than 2 can be there"
    ]


@pytest.mark.parametrize("maker", ["QPUSH mail d", "QSCHED ADD mail s x EVERY 5s"])
def test_what_nobody_was_told_of_may_be_there(maker: str) -> None:
    recording = life()
    recording.unanswered(maker)
    stats(recording, ready=3)

    assert recording.findings() == []


def test_only_the_last_count_is_looked_at() -> None:
    recording = life()
    stats(recording)
    stats(recording, ready=1)

    assert recording.findings() == []
