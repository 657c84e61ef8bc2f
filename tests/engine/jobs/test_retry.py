from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.config import DURATION_MS_MAX
from respq.engine.jobs.retry import (
    DEFAULT_BACKOFF,
    EXPONENTIAL,
    FIXED,
    LINEAR,
    Backoff,
    delay_ms,
)


def exact(kind: int, base_ms: int = 1_000, max_ms: int = 3_600_000) -> Backoff:
    return Backoff(kind=kind, base_ms=base_ms, max_ms=max_ms, jitter_pct=0)


@pytest.mark.parametrize(
    ("kind", "delays"),
    [
        (FIXED, [1_000, 1_000, 1_000, 1_000]),
        (LINEAR, [1_000, 2_000, 3_000, 4_000]),
        (EXPONENTIAL, [1_000, 2_000, 4_000, 8_000]),
    ],
)
def test_delays_grow_as_the_kind_says(kind: int, delays: list[int]) -> None:
    backoff = exact(kind)

    assert [delay_ms(backoff, attempt, 7) for attempt in (1, 2, 3, 4)] == delays


@pytest.mark.parametrize("kind", [FIXED, LINEAR, EXPONENTIAL])
def test_a_delay_stops_at_the_maximum(kind: int) -> None:
    backoff = exact(kind, base_ms=700, max_ms=600)

    assert {delay_ms(backoff, attempt, 7) for attempt in range(1, 20)} == {600}


@pytest.mark.parametrize("attempt", [12, 13, 64, 65, 66, 10_000, 2**63])
def test_a_late_attempt_waits_for_the_maximum(attempt: int) -> None:
    assert delay_ms(exact(EXPONENTIAL), 12, 7) == 2_048_000
    assert delay_ms(exact(EXPONENTIAL), max(attempt, 13), 7) == 3_600_000


def test_the_default_is_one_second_doubled_up_to_an_hour_within_a_tenth() -> None:
    assert Backoff(EXPONENTIAL, 1_000, 3_600_000, 10) == DEFAULT_BACKOFF
    assert all(900 <= delay_ms(DEFAULT_BACKOFF, 1, number) <= 1_100 for number in range(1_000))


def test_jitter_is_the_same_in_every_process_and_version() -> None:
    delays = [delay_ms(DEFAULT_BACKOFF, 3, number) for number in range(5)]

    assert delays == [3_726, 4_241, 3_689, 3_865, 4_294]


def test_jitter_spreads_evenly() -> None:
    backoff = Backoff(kind=FIXED, base_ms=1_000, max_ms=3_600_000, jitter_pct=50)
    tenths = Counter((delay_ms(backoff, 1, number) - 500) // 100 for number in range(10_000))

    assert set(tenths) >= set(range(10))
    assert all(850 <= tenths[each] <= 1_150 for each in range(10))


def test_jobs_that_reached_the_maximum_do_not_gather_there() -> None:
    delays = Counter(delay_ms(DEFAULT_BACKOFF, 30, number) for number in range(10_000))

    assert max(delays) <= 3_600_000
    assert min(delays) < 3_600_000 * 0.91
    assert delays.most_common(1)[0][1] < 10


def test_an_attempt_has_its_own_jitter() -> None:
    backoff = Backoff(kind=FIXED, base_ms=100_000, max_ms=3_600_000, jitter_pct=10)

    assert len({delay_ms(backoff, attempt, 7) for attempt in range(1, 50)}) > 40


def test_no_base_is_no_delay() -> None:
    assert delay_ms(Backoff(EXPONENTIAL, 0, 3_600_000, 100), 5, 7) == 0


durations = st.integers(0, DURATION_MS_MAX)


@given(
    st.builds(
        Backoff,
        kind=st.sampled_from([FIXED, LINEAR, EXPONENTIAL]),
        base_ms=durations,
        max_ms=durations,
        jitter_pct=st.integers(0, 100),
    ),
    st.integers(1, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
def test_a_delay_is_never_negative_nor_over_the_maximum(
    backoff: Backoff, attempt: int, job_number: int
) -> None:
    assert 0 <= delay_ms(backoff, attempt, job_number) <= backoff.max_ms
