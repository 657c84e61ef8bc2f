from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.keys import hashed
from respq.engine.keys.hashed import BUCKET_MAX, Hashed


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed, "BUCKET_MAX", 2)


def whole_walk(entries: Hashed[int], count: int) -> list[bytes]:
    found: list[bytes] = []
    cursor, seen = entries.walk(0, count)
    found += [key for key, _ in seen]
    while cursor:
        cursor, seen = entries.walk(cursor, count)
        found += [key for key, _ in seen]
    return found


@pytest.mark.usefixtures("small_buckets")
def test_it_holds_what_a_dict_holds() -> None:
    entries: Hashed[int] = Hashed()
    plain: dict[bytes, int] = {}
    for number in range(2_000):
        key = b"%d" % (number * 7_919 % 500)
        if number % 3:
            entries.put(key, number)
            plain[key] = number
        else:
            assert entries.take(key) == plain.pop(key, None)
        assert entries.find(key) == plain.get(key)
        assert len(entries) == len(plain)
        entries.check()
    assert dict(entries.items()) == plain
    assert sorted(entries) == sorted(plain)


@pytest.mark.usefixtures("small_buckets")
@given(
    st.sets(st.binary(max_size=3), max_size=60),
    st.lists(st.tuples(st.booleans(), st.binary(max_size=3)), max_size=60),
    st.integers(1, 5),
)
def test_a_walk_meets_once_what_is_there_all_the_time(
    stay: set[bytes], changes: list[tuple[bool, bytes]], count: int
) -> None:
    entries: Hashed[int] = Hashed()
    for key in stay:
        entries.put(key, 1)
    met: list[bytes] = []
    cursor = 0
    changes = [each for each in changes if each[1] not in stay]
    while True:
        cursor, found = entries.walk(cursor, count)
        met += [key for key, _ in found]
        if not cursor:
            break
        for is_put, key in changes[:5]:
            if is_put:
                entries.put(key, 2)
            else:
                entries.take(key)
        changes = changes[5:]

    entries.check()
    assert stay <= {*met}
    assert all(met.count(key) == 1 for key in stay)


@pytest.mark.usefixtures("small_buckets")
def test_a_walk_goes_on_where_it_was_when_all_has_been_removed_meanwhile() -> None:
    entries: Hashed[int] = Hashed()
    for number in range(100):
        entries.put(b"%d" % number, number)
    cursor, _ = entries.walk(0, 50)
    assert cursor
    for number in range(100):
        entries.take(b"%d" % number)
    for number in range(2):
        entries.put(b"new%d" % number, number)

    following, found = entries.walk(cursor, 50)

    assert following == 0
    assert {key for key, _ in found} <= {b"new0", b"new1"}


def test_a_few_are_walked_at_once_and_many_are_not() -> None:
    entries: Hashed[int] = Hashed()
    for number in range(BUCKET_MAX):
        entries.put(b"%d" % number, number)
    assert len(entries.walk(0, 1)[1]) == BUCKET_MAX

    for number in range(5_000):
        entries.put(b"%d" % number, number)

    assert max(len(entries.walk(0, 10)[1]), 1) <= BUCKET_MAX
    assert sorted(whole_walk(entries, 10)) == sorted(b"%d" % number for number in range(5_000))


def test_a_change_touches_one_bucket_however_many_entries_there_are() -> None:
    """And the places, of which there are few for each entry."""
    entries: Hashed[int] = Hashed()
    for number in range(100_000):
        entries.put(b"%d" % number, number)

    assert max(map(len, entries._buckets)) <= BUCKET_MAX + 1
    assert len(entries._places) < 100_000 / 16


def test_places_become_fewer_when_entries_do() -> None:
    entries: Hashed[int] = Hashed()
    for number in range(20_000):
        entries.put(b"%d" % number, number)
    most = len(entries._places)
    for number in range(19_900):
        entries.take(b"%d" % number)

    entries.check()
    assert most >= 256
    assert len(entries._places) <= 8
    assert {key for key, _ in entries.walk(0, 100)[1]} == {b"%d" % n for n in range(19_900, 20_000)}


def test_a_change_back_and_forth_parts_and_joins_no_bucket_each_time() -> None:
    entries: Hashed[int] = Hashed()
    for number in range(BUCKET_MAX + 1):
        entries.put(b"%d" % number, number)
    parted = [*entries._buckets]
    assert len(parted) > 1

    for _ in range(5):
        for number in range(10):
            entries.take(b"%d" % number)
        for number in range(10):
            entries.put(b"%d" % number, number)
        for one, other in zip(entries._buckets, parted, strict=True):
            assert one is other


def test_what_is_walked_may_change_meanwhile() -> None:
    entries: Hashed[int] = Hashed()
    for number in range(2_000):
        entries.put(b"%d" % number, number)
    met = []
    for key, _ in entries.walked():
        met.append(key)
        entries.put(b"new%d" % len(met), 0) if len(met) < 500 else None
        entries.take(b"%d" % (1_000 + len(met)))

    assert {b"%d" % number for number in range(1_000)} <= {*met}
    assert len(met) == len({*met})


@pytest.mark.parametrize("removed", [0, 900])
def test_each_entry_is_picked_as_likely(removed: int) -> None:
    """Also where most have gone."""
    entries: Hashed[int] = Hashed()
    for number in range(1_000):
        entries.put(b"%d" % number, number)
    for number in range(removed):
        entries.take(b"%d" % number)
    draw = random.Random(7)
    picked = Counter(entries.pick(draw.randrange)[1] for _ in range(100 * len(entries)))

    assert len(picked) == len(entries)
    chi_squared = sum((times - 100) ** 2 / 100 for times in picked.values())
    assert chi_squared == pytest.approx(len(entries), rel=5 * math.sqrt(2 / len(entries)))


def test_a_pick_takes_few_draws_whatever_has_come_and_gone() -> None:
    entries: Hashed[int] = Hashed()
    draw = random.Random(7)
    draws = 0

    def below(size: int) -> int:
        nonlocal draws
        draws += 1
        return draw.randrange(size)

    for number in range(30_000):
        entries.put(b"%d" % number, number)
    while entries:
        before = draws
        for _ in range(100):
            entries.pick(below)
        assert draws - before < 100 * 30
        for key in [key for key, _ in entries.walked()][: len(entries) // 2 + 1]:
            entries.take(key)
