"""Draws: as many as are wanted, each as likely."""

from __future__ import annotations

from collections import Counter

import pytest

from respq.engine.keys.draws import Draws
from respq.engine.keys.hashed import Hashed
from tests.harness import Harness


def hashed(count: int) -> Hashed[int]:
    entries: Hashed[int] = Hashed()
    for number in range(count):
        entries.put(b"%d" % number, number)
    return entries


def test_no_two_commands_draw_the_same(harness: Harness) -> None:
    first, second = ([Draws(harness.engine).below(1_000) for _ in range(20)] for _ in range(2))

    assert first != second
    assert len({*first}) > 15


@pytest.mark.parametrize("size", [1, 5, 100, 1_000])
@pytest.mark.parametrize("count", [0, 1, 4, 300, 1_000])
def test_entries_that_are_drawn_are_different_and_so_many(
    harness: Harness, size: int, count: int
) -> None:
    found = Draws(harness.engine).entries(hashed(size), count)

    assert len(found) == len(dict(found)) == min(size, count)
    assert all(b"%d" % value == key for key, value in found)


def test_entries_below_zero_may_come_again(harness: Harness) -> None:
    found = Draws(harness.engine).entries(hashed(3), -100)

    assert len(found) == 100
    assert len(dict(found)) == 3


@pytest.mark.parametrize("count", [2, 30])
def test_each_set_of_entries_is_as_likely(harness: Harness, count: int) -> None:
    entries = hashed(40)
    met = Counter(
        value for _ in range(600) for _, value in Draws(harness.engine).entries(entries, count)
    )

    assert len(met) == 40
    for times in met.values():
        assert 0.3 < times / (15 * count) < 1.8


@pytest.mark.parametrize("draws", [1, 300])
def test_each_entry_of_many_buckets_is_drawn(harness: Harness, draws: int) -> None:
    """By commands that draw once, and by those that draw often."""
    entries = hashed(1_000)
    met: Counter[int] = Counter()
    for _ in range(60_000 // draws):
        met.update(value for _, value in Draws(harness.engine).entries(entries, -draws))

    assert len(met) == 1_000
    assert all(20 < times < 110 for times in met.values())
