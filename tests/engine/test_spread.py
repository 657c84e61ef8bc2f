from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine import spread
from respq.engine.spread import Spread

KEYS = st.binary(max_size=2)
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "get"]), st.lists(KEYS, max_size=6, unique=True)),
    max_size=40,
)


@pytest.mark.parametrize("whole_max", [0, 3, 1_000])
@given(steps=STEPS)
def test_it_holds_what_a_dict_would(whole_max: int, steps: list[tuple[str, list[bytes]]]) -> None:
    spread.WHOLE_MAX, before = whole_max, spread.WHOLE_MAX  # type: ignore[misc]
    try:
        entries: Spread[bytes, int] = Spread()
        known: dict[bytes, int] = {}
        for place, (step, keys) in enumerate(steps):
            if step == "add":
                if place % 2:
                    entries.add_all(dict.fromkeys(keys, place))
                for key in keys:
                    entries[key] = place
                known |= dict.fromkeys(keys, place)
            elif step == "remove":
                there = [key for key in keys if key in known]
                entries.remove_all(there)
                for key in there:
                    del known[key]
            assert entries.get_all(keys) == [known.get(key) for key in keys]
            assert [entries.find(key) for key in keys] == entries.get_all(keys)
            assert dict(entries.items()) == known
            assert len(entries) == len(known)
    finally:
        spread.WHOLE_MAX = before  # type: ignore[misc]


def test_it_parts_when_it_has_grown_and_becomes_whole_when_it_is_empty() -> None:
    entries: Spread[int, str] = Spread()
    entries.add_all(dict.fromkeys(range(spread.WHOLE_MAX), "x"))
    assert entries._shards == []

    entries[-1] = "one more"

    assert max(map(len, entries._shards)) < 2 * spread.WHOLE_MAX // spread.SHARDS
    assert entries[-1] == "one more"
    assert len(entries) == spread.WHOLE_MAX + 1
    entries.remove_all(list(entries))
    assert entries._shards == []
    entries[1] = "anew"
    assert entries.get_all([1, 2]) == ["anew", None]


def test_a_key_that_is_not_there_cannot_be_removed() -> None:
    entries: Spread[int, str] = Spread()
    entries[1] = "x"

    with pytest.raises(KeyError):
        del entries[2]
    entries.add_all(dict.fromkeys(range(spread.WHOLE_MAX + 2), "x"))
    with pytest.raises(KeyError):
        entries.remove_all([-5])
