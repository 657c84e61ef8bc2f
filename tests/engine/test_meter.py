"""The meter of a queue alone: what averages, shares and generations are, to the digit."""

from __future__ import annotations

import random
from math import ceil, exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.jobs.meter import GENERATION_MS, SAMPLE_MS, Meter, Times, merged

T = 1_700_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Pushed:
    """A queue into which jobs are pushed, and its meter: it asks for samples as the engine does."""

    def __init__(self) -> None:
        self.now_ms = T
        self.count = 0
        self.meter = Meter(T, (0, 0, 0, 0))

    def push(self, count: int = 1) -> None:
        if self.now_ms >= self.meter.next_ms:
            self.ask()
        self.count += count

    def ask(self) -> tuple[float, ...]:
        """Return the rates over 1, 5 and 15 minutes."""
        self.meter.advance(self.now_ms, (self.count, 0, 0, 0))
        return self.meter.rates[0]

    def push_each(self, interval_ms: int, until_ms: int) -> None:
        """Push a job in the middle of each interval."""
        while self.now_ms < until_ms:
            self.now_ms += interval_ms // 2
            self.push()
            self.now_ms += interval_ms - interval_ms // 2


# Rates.


@pytest.mark.parametrize("lasting_ms", [5_000, MINUTE_MS, 20 * MINUTE_MS, HOUR_MS])
def test_a_steady_rate_shows_as_itself_over_every_horizon(lasting_ms: int) -> None:
    queue = Pushed()

    queue.push_each(100, T + lasting_ms)

    # Samples are not of the same number of intervals.
    assert queue.ask() == pytest.approx((10, 10, 10), rel=0.005)


def test_a_rate_that_was_steady_between_samples_is_exact() -> None:
    queue = Pushed()

    for _ in range(1_000):
        queue.push(25)
        queue.now_ms += 2_500
        assert queue.ask() == pytest.approx((10, 10, 10), rel=1e-12)


def test_a_young_average_is_that_of_its_life_so_far() -> None:
    queue = Pushed()
    for _ in range(24):
        queue.push(50)
        queue.now_ms += 5_000
        queue.ask()

    assert queue.now_ms - T == 2 * MINUTE_MS
    assert queue.ask()[2] == pytest.approx(10, rel=1e-12)


def test_less_than_a_second_counts_as_a_second() -> None:
    queue = Pushed()
    queue.push(7)

    assert queue.ask() == pytest.approx((7, 7, 7), rel=0.01)
    queue.now_ms += 1
    assert queue.ask() == pytest.approx((7, 7, 7), rel=0.01)
    queue.now_ms += 999
    assert queue.ask() == pytest.approx((7, 7, 7), rel=0.01)
    queue.now_ms += 1_000
    assert queue.ask() == pytest.approx((3.5, 3.5, 3.5), rel=0.02)


def test_a_burst_decays_by_e_in_each_horizon() -> None:
    queue = Pushed()
    queue.now_ms += 24 * HOUR_MS
    queue.ask()
    queue.push(6_000)
    assert queue.ask() == pytest.approx((100, 20, 20 / 3), rel=1e-9)

    queue.now_ms += MINUTE_MS
    after_a_minute = queue.ask()
    queue.now_ms += 14 * MINUTE_MS
    after_fifteen = queue.ask()

    assert after_a_minute == pytest.approx(
        (100 * exp(-1), 20 * exp(-1 / 5), 20 / 3 * exp(-1 / 15)), rel=1e-9
    )
    assert after_fifteen == pytest.approx(
        (100 * exp(-15), 20 * exp(-3), 20 / 3 * exp(-1)), rel=1e-9
    )


@pytest.mark.parametrize("asked_meanwhile", [0, 1, 1_000])
def test_a_gap_decays_the_same_whether_anybody_asks_meanwhile_or_not(asked_meanwhile: int) -> None:
    queue = Pushed()
    queue.push_each(100, T + HOUR_MS)
    before = queue.ask()

    for _ in range(asked_meanwhile):
        queue.now_ms += 600_000 // asked_meanwhile
        queue.ask()
    queue.now_ms = T + HOUR_MS + 600_000

    decays = [exp(-10), exp(-2), exp(-2 / 3)]
    # The average of an hour is not quite the whole: its weight was 1 - e^-4 over 15 minutes.
    ages = [(1 - exp(-60 / m)) / (1 - exp(-70 / m)) for m in (1, 5, 15)]
    expected = [r * d * a for r, d, a in zip(before, decays, ages, strict=True)]
    assert queue.ask() == pytest.approx(expected, rel=1e-9)


def test_what_came_before_a_gap_is_not_spread_over_it() -> None:
    queue = Pushed()
    queue.now_ms += 24 * HOUR_MS
    queue.ask()
    queue.push(6_000)

    # Nobody has asked since, and the next one who uses the queue finds it all.
    queue.now_ms += 10 * MINUTE_MS

    early = 6_000 / 60 * exp(-10)
    late = 6_000 / 60 * exp(-(600_000 - SAMPLE_MS) / MINUTE_MS)
    assert early < queue.ask()[0] < late


def test_an_average_over_all_time_counts_every_job_once() -> None:
    """Nothing is lost between samples: the weights of all that came sum up to what came."""
    rng, queue = random.Random(7), Pushed()
    came: list[tuple[int, int]] = []
    for _ in range(500):
        queue.now_ms += rng.choice([1, 40, 900, 6_000, 70_000])
        count = rng.randrange(5)
        queue.push(count)
        came.append((queue.now_ms, count))
    minute, *_ = queue.ask()

    # A job is taken to have come at most a sample's length before or after it did.
    sums = [
        sum(
            count * exp(-max(0, queue.now_ms - ms + shift_ms) / MINUTE_MS) / 60
            for ms, count in came
        )
        for shift_ms in (SAMPLE_MS, -SAMPLE_MS)
    ]
    assert sums[0] <= minute <= sums[1]


def test_activity_asks_for_a_sample_every_five_seconds_and_not_before() -> None:
    meter = Meter(T, (0, 0, 0, 0))

    assert meter.next_ms == T + 5_000
    meter.advance(T + 4_999, (1, 0, 0, 0))
    assert meter.next_ms == T + 9_999


def test_each_count_has_rates_of_its_own() -> None:
    meter = Meter(T, (100, 90, 80, 70))

    meter.advance(T + 10_000, (140, 120, 100, 80))

    # What happened before the meter was made is not its own.
    assert [ceil(minute * 2) for minute, _, _ in meter.rates] == [8, 6, 4, 2]


# Times.


@pytest.mark.parametrize("count", [1, 2, 10, 999])
def test_shares_are_those_of_a_sorted_list_and_at_most_an_eighth_more(count: int) -> None:
    rng, times = random.Random(count), Times()
    values = [int(rng.lognormvariate(4, 3)) for _ in range(count)]
    for ms in values:
        times.add(ms, 1)

    values.sort()
    for percent in (1, 50, 90, 99, 100):
        true_ms = values[ceil(count * percent / 100) - 1]
        assert true_ms <= times.within_ms(percent) <= true_ms * 1.125
    assert times.max_ms == values[-1]
    assert times.mean_ms == pytest.approx(sum(values) / count, rel=1e-12)
    assert times.count == count


@given(st.integers(0, 1 << 50))
def test_no_time_is_told_smaller_or_more_than_an_eighth_larger(ms: int) -> None:
    times = Times()
    times.add(ms, 1)
    times.add(1 << 60, 1)

    assert ms <= times.within_ms(50) <= ms * 1.125


def test_up_to_fifteen_milliseconds_are_exact() -> None:
    for ms in range(16):
        times = Times()
        times.add(ms, 1)
        times.add(1_000, 1)

        assert times.within_ms(50) == ms


def test_a_weight_is_as_many_times() -> None:
    one, many = Times(), Times()
    one.add(10, 99)
    one.add(500, 1)
    for ms in [10] * 99 + [500]:
        many.add(ms, 1)

    for percent in (50, 99, 100):
        assert one.within_ms(percent) == many.within_ms(percent)
    assert one.within_ms(99) == 10
    assert one.within_ms(100) == 500
    assert (one.mean_ms, one.count) == (many.mean_ms, many.count) == (14.9, 100)


def test_of_nothing_every_time_is_0() -> None:
    times = Times()

    assert (times.count, times.max_ms, times.mean_ms, times.within_ms(50)) == (0, 0, 0, 0)


def test_parts_merge_into_the_whole() -> None:
    parts = Times(), Times()
    parts[0].add(10, 3)
    parts[1].add(10, 1)
    parts[1].add(2_000, 1)

    whole = merged(parts)

    assert (whole.count, whole.max_ms, whole.mean_ms) == (5, 2_000, 408)
    assert (whole.within_ms(80), whole.within_ms(81)) == (10, 2_000)


# What a meter knows of times, and for how long.


def waits(meter: Meter, now_ms: int, popped: int) -> Times:
    meter.advance(now_ms, (popped, popped, 0, 0))
    return merged(meter.waits)


def test_a_measured_wait_stands_for_all_until_the_next_one() -> None:
    meter = Meter(T, (0, 0, 0, 0))
    meter.note_wait(10, 0)
    meter.note_wait(2, 100)
    meter.note_wait(2, 101)

    times = waits(meter, T, 110)

    assert (times.count, times.mean_ms, times.max_ms) == (110, (1_000 + 20) / 110, 10)


def test_what_was_taken_without_a_lease_has_no_service() -> None:
    meter = Meter(T, (0, 0, 0, 0))
    meter.note_service(40, 0)
    meter.taken += 5

    meter.advance(T, (9, 9, 7, 0))

    assert merged(meter.services).count == 2


def test_old_times_are_dropped_at_the_instant_and_not_before() -> None:
    meter = Meter(T, (0, 0, 0, 0))
    meter.note_wait(50, 0)
    assert waits(meter, T + GENERATION_MS - 1, 1).count == 1
    meter.note_wait(70, 1)

    # The first generation ends after 5 minutes, and is kept for 5 more.
    assert waits(meter, T + GENERATION_MS, 2).count == 2
    assert waits(meter, T + 2 * GENERATION_MS - 1, 2).count == 2
    assert waits(meter, T + 2 * GENERATION_MS, 2).count == 0


def test_a_generation_takes_only_its_own_with_it() -> None:
    meter = Meter(T, (0, 0, 0, 0))
    meter.note_wait(50, 0)
    waits(meter, T + GENERATION_MS, 1)
    meter.note_wait(70, 1)

    times = waits(meter, T + 2 * GENERATION_MS, 2)

    assert (times.count, times.max_ms) == (1, 70)
    assert waits(meter, T + 3 * GENERATION_MS - 1, 2).count == 1
    assert waits(meter, T + 3 * GENERATION_MS, 2).count == 0


def test_after_a_long_time_nothing_is_left_and_generations_go_on() -> None:
    meter = Meter(T, (0, 0, 0, 0))
    meter.note_wait(50, 0)

    assert waits(meter, T + 10 * GENERATION_MS + 7, 1).count == 0
    meter.note_wait(70, 1)
    assert waits(meter, T + 11 * GENERATION_MS - 1, 2).count == 1
    assert waits(meter, T + 12 * GENERATION_MS - 1, 2).count == 1
    assert waits(meter, T + 12 * GENERATION_MS, 2).count == 0


def test_a_sample_is_due_when_a_generation_ends() -> None:
    """Else what is measured behind its end would go with it."""
    meter = Meter(T, (0, 0, 0, 0))

    meter.advance(T + GENERATION_MS - 10, (0, 0, 0, 0))

    assert meter.next_ms == T + GENERATION_MS
