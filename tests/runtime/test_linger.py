"""Whether the loop stays awake, on a clock and a loop that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from respq.runtime.linger import Linger

LINGER_S = 0.000_25
SHORT_S, LONG_S = 0.000_05, 0.000_6
MANY = 40
"""Turns that decide an average."""


class Bench:
    """A loop whose callbacks run when it is told to, and time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.preemptions = 0
        self.waiting: list[Callable[[], None]] = []
        loop = cast("asyncio.AbstractEventLoop", self)
        self.linger = Linger(
            loop,
            lambda: self.now_s,
            linger_us=round(LINGER_S * 1e6),
            preemptions=lambda: self.preemptions,
        )

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def turn(self, *, is_lone: bool = True) -> None:
        self.linger.begin(self.now_s)
        self.linger.end(self.now_s, is_lone=is_lone)

    def spin(self, seconds: float) -> None:
        """Let time pass, and the loop go round in it ten times."""
        for _ in range(10):
            self.now_s += seconds / 10
            waiting, self.waiting = self.waiting, []
            for callback in waiting:
                callback()

    def turns(self, interval_s: float, count: int = MANY) -> None:
        for _ in range(count):
            self.spin(interval_s)
            self.turn()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_loop_stays_awake_where_turns_follow_one_another_soon(bench: Bench) -> None:
    assert not bench.linger.is_awake

    bench.turns(SHORT_S)

    assert bench.linger.is_awake
    assert len(bench.waiting) == 1


def test_it_may_sleep_when_none_has_come_for_as_long_as_it_takes(bench: Bench) -> None:
    bench.turns(SHORT_S)

    bench.spin(0.9 * LINGER_S)
    assert bench.linger.is_awake
    bench.spin(0.2 * LINGER_S)

    assert not bench.linger.is_awake
    assert bench.waiting == []


@pytest.mark.parametrize("interval_s", [1.1 * LINGER_S, LONG_S, 1.0, 3_600.0])
def test_it_may_sleep_where_turns_come_at_longer_intervals(bench: Bench, interval_s: float) -> None:
    bench.turns(SHORT_S)

    bench.turns(interval_s)

    assert not bench.linger.is_awake


def test_it_may_sleep_where_several_clients_ask_together(bench: Bench) -> None:
    for _ in range(MANY):
        bench.spin(SHORT_S)
        bench.turn(is_lone=False)

    assert not bench.linger.is_awake


def test_one_pause_among_short_intervals_is_forgotten_soon(bench: Bench) -> None:
    bench.turns(SHORT_S)
    bench.turns(3_600.0, count=1)

    bench.turns(SHORT_S, count=8)

    assert bench.linger.is_awake


def test_it_sleeps_for_a_while_where_the_processor_is_taken_away(bench: Bench) -> None:
    bench.turns(SHORT_S)
    for _ in range(200):
        bench.preemptions += 1
        bench.turns(SHORT_S, count=5)
    assert not bench.linger.is_awake
    assert bench.waiting == []

    bench.turns(SHORT_S, count=round(0.2 / SHORT_S) + MANY)

    assert bench.linger.is_awake


def test_what_the_system_does_now_and_then_is_no_reason(bench: Bench) -> None:
    bench.turns(SHORT_S)
    for _ in range(20):
        bench.preemptions += 1
        bench.turns(SHORT_S, count=round(0.01 / SHORT_S))
        assert bench.linger.is_awake


def test_what_was_taken_away_while_nothing_was_asked_does_not_count(bench: Bench) -> None:
    bench.turns(SHORT_S)
    bench.spin(1.0)
    bench.preemptions += 1_000

    bench.turns(SHORT_S)
    bench.turns(SHORT_S, count=round(0.02 / SHORT_S))

    assert bench.linger.is_awake
