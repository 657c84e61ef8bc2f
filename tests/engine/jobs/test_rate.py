from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from respq.engine.jobs.rate import Rate

T = 1_700_000_000_000
STEPS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5)), max_size=40)


@given(st.integers(1, 20), st.integers(1, 3_000), STEPS)
def test_it_gives_what_a_bucket_that_is_refilled_would_give(
    jobs: int, per_ms: int, steps: list[tuple[int, int]]
) -> None:
    rate = Rate(jobs, per_ms)
    now_ms, paid_until, level = T, 0, Fraction(jobs)

    for elapsed_ms, wanted in steps:
        now_ms += elapsed_ms
        level = min(Fraction(jobs), level + Fraction(elapsed_ms * jobs, per_ms))
        assert rate.left(paid_until, now_ms) == int(level)
        count = min(wanted, int(level))
        level -= count
        if count:
            paid_until = rate.spend(paid_until, now_ms, count)


@given(st.integers(1, 20), st.integers(1, 3_000), st.integers(0, 9))
def test_it_opens_at_the_first_millisecond_at_which_a_job_may_go(
    jobs: int, per_ms: int, again: int
) -> None:
    rate = Rate(jobs, per_ms)
    now_ms, paid_until = T, rate.spend(0, T, jobs)

    for _ in range(again):
        now_ms = rate.opens_ms(paid_until)
        paid_until = rate.spend(paid_until, now_ms, rate.left(paid_until, now_ms))
    opens_ms = rate.opens_ms(paid_until)

    assert opens_ms > now_ms
    assert rate.left(paid_until, opens_ms - 1) == 0
    assert rate.left(paid_until, opens_ms) >= 1
