from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from respq.runtime.clock import Clock

START_MS = 1_700_000_000_000
MS_NS = 1_000_000


class Times:
    """A wall that anybody may set, and a steady time that only passes."""

    def __init__(self) -> None:
        self.wall_ns = START_MS * MS_NS
        self.steady_ns = 5_000 * MS_NS
        self.clock = Clock(lambda: self.wall_ns, lambda: self.steady_ns)

    def pass_ms(self, elapsed_ms: float) -> int:
        elapsed_ns = round(elapsed_ms * MS_NS)
        self.wall_ns += elapsed_ns
        self.steady_ns += elapsed_ns
        return self.clock.now_ms()


def test_it_shows_the_wall() -> None:
    times = Times()

    assert times.clock.now_ms() == START_MS
    assert times.pass_ms(1) == START_MS + 1
    assert times.pass_ms(59_999) == START_MS + 60_000


def test_a_forward_jump_is_adopted_at_once() -> None:
    times = Times()

    times.wall_ns += 3_600_000 * MS_NS

    assert times.clock.now_ms() == START_MS + 3_600_000


def test_after_a_backward_jump_it_runs_at_half_speed_until_the_wall_has_caught_up() -> None:
    times = Times()
    times.pass_ms(10_000)

    times.wall_ns -= 1_000 * MS_NS

    assert times.clock.now_ms() == START_MS + 10_000
    assert times.pass_ms(2) == START_MS + 10_001
    assert times.pass_ms(1_000) == START_MS + 10_501
    assert times.pass_ms(998) == START_MS + 11_000  # Here both show the same.
    assert times.pass_ms(2) == START_MS + 11_002


def test_it_starts_at_the_time_that_the_journal_has_reached() -> None:
    times = Times()

    times.clock.start_from(START_MS + 5_000)

    assert times.clock.now_ms() == START_MS + 5_000
    assert times.pass_ms(100) == START_MS + 5_050


def test_a_journal_of_the_past_does_not_set_it_back() -> None:
    times = Times()

    times.clock.start_from(START_MS - 5_000)

    assert times.clock.now_ms() == START_MS


def test_what_passed_while_the_journal_was_read_is_not_added_to_its_time() -> None:
    times = Times()
    times.wall_ns += 60_000 * MS_NS
    times.steady_ns += 60_000 * MS_NS

    times.clock.start_from(START_MS + 3_600_000)

    assert times.clock.now_ms() == START_MS + 3_600_000


def test_it_does_not_stand_however_often_it_is_asked() -> None:
    times = Times()
    times.wall_ns -= 60_000 * MS_NS

    # A fifth of a microsecond each: of many such steps none may be lost.
    for _ in range(50_000):
        times.steady_ns += 200
        times.clock.now_ms()

    assert times.clock.now_ms() == START_MS + 5


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(-1e5, 1e5)), max_size=50))
def test_it_never_runs_backwards(steps: list[tuple[float, float]]) -> None:
    times = Times()
    shown = times.clock.now_ms()

    for elapsed_ms, jump_ms in steps:
        times.wall_ns += round(jump_ms * MS_NS)
        now_ms = times.pass_ms(elapsed_ms)
        assert now_ms >= shown
        shown = now_ms


@given(st.floats(-1e7, 1e7), st.lists(st.floats(3, 1e3), min_size=1, max_size=50))
def test_it_never_stands(jump_ms: float, steps: list[float]) -> None:
    times = Times()
    times.wall_ns += round(jump_ms * MS_NS)
    shown = times.clock.now_ms()

    for elapsed_ms in steps:
        now_ms = times.pass_ms(elapsed_ms)
        assert now_ms > shown
        shown = now_ms
