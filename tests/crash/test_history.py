"""The checker of the crash tests sees what it is there to see."""

from __future__ import annotations

import pytest

from tests.crash.history import Event, Found, History

HERE = {"1-1": Found("ready", "p", 0)}
HELD = {"1-1": Found("leased", "p", 7)}
PUSH = Event("push", 1.0, "1-1", "p", answered_s=2.0)
POP = Event("pop", 3.0, "1-1", fence=7, answered_s=4.0)
ACK = Event("ack", 5.0, "1-1", fence=7, answered_s=6.0)
UNANSWERED_ACK = Event("ack", 5.0, "1-1", fence=7)
NACK = Event("nack", 5.0, "1-1", fence=7, answered_s=6.0)
SECOND_POP = Event("pop", 5.0, "1-1", fence=8, answered_s=6.0)
FALLING_POP = Event("pop", 7.0, "1-1", fence=6, answered_s=8.0)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([PUSH], HERE),
        ([PUSH, POP], HELD),
        ([PUSH, POP, ACK], {}),
        ([PUSH, POP, UNANSWERED_ACK], {}),
        ([PUSH, POP, UNANSWERED_ACK], HELD),
        ([PUSH, POP, NACK], HERE),
    ],
)
def test_a_history_that_keeps_the_laws_is_fine(
    events: list[Event], found: dict[str, Found]
) -> None:
    assert History(events).violations(found) == []


@pytest.mark.parametrize(
    ("events", "found", "said"),
    [
        ([PUSH], {}, "is lost"),
        ([PUSH, POP], {}, "is lost"),
        ([PUSH, POP, ACK], HELD, "its ack was answered"),
        ([PUSH], {"1-1": Found("ready", "q", 0)}, "payload"),
        ([PUSH, POP, SECOND_POP], {"1-1": Found("leased", "p", 8)}, "still held"),
        ([PUSH, POP], HERE, "never given back"),
        ([PUSH, POP, NACK, FALLING_POP], {"1-1": Found("leased", "p", 6)}, "after fence 7"),
        ([PUSH, POP, ACK, ACK], {}, "acknowledged 2 times"),
    ],
)
def test_a_broken_law_is_found(events: list[Event], found: dict[str, Found], said: str) -> None:
    violations = History(events).violations(found)

    assert any(said in each for each in violations), violations
