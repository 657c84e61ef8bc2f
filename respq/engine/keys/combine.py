"""Unions, intersections and differences of sorted sets; plain sets take part with scores of 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING, Final

from respq.engine.core import WRONG_TYPE
from respq.engine.keys.value import Scored
from respq.errors import WrongType

if TYPE_CHECKING:
    from respq.engine.keys.keyed import Keyed

SUM: Final = b"SUM"
MIN: Final = b"MIN"
MAX: Final = b"MAX"
Scores = dict[bytes, float]


class Source:
    """One of the sets that are combined; where there is no key, nothing is in it."""

    __slots__ = ("_value", "weight")

    def __init__(self, value: Scored | None) -> None:
        self._value = value
        self.weight = 1.0

    def __len__(self) -> int:
        return len(self._value) if self._value is not None else 0

    def __iter__(self) -> Iterator[tuple[float, bytes]]:
        return self._value.scored() if self._value is not None else iter(())

    def score_of(self, member: bytes) -> float | None:
        """Return the score of a member; None if it is none."""
        return self._value.score_of(member) if self._value is not None else None


def sources(keys: Keyed, now_ms: int, db: int, names: Sequence[bytes]) -> list[Source]:
    """Return the sets of these names; raise `WrongType` for what is neither kind of set."""
    found = []
    for name in names:
        keys.refuse_queue(db, name)
        key = keys.find_key(now_ms, db, name)
        if key is not None and not isinstance(key.value, Scored):
            raise WrongType(WRONG_TYPE)
        found.append(Source(key.value if key is not None else None))
    return found


def union(sets: Sequence[Source], aggregate: bytes) -> Scores:
    """Return the members of any of the sets."""
    scores: Scores = {}
    # Redis begins with the smallest, which tells in the last digit of a sum.
    for each in sorted(sets, key=len):
        for score, member in each:
            weighted = score * each.weight
            if isnan(weighted):
                weighted = 0.0
            old = scores.get(member)
            scores[member] = weighted if old is None else _together(old, weighted, aggregate)
    return scores


def intersection(sets: Sequence[Source], aggregate: bytes) -> Scores:
    """Return the members of all of the sets."""
    scores: Scores = {}
    smallest, *others = sorted(sets, key=len)
    for first, member in smallest:
        total = first * smallest.weight
        if isnan(total):
            total = 0.0
        for each in others:
            score = each.score_of(member)
            if score is None:
                break
            total = _together(total, score * each.weight, aggregate)
        else:
            scores[member] = total
    return scores


def intersection_count(sets: Sequence[Source], limit: int) -> int:
    """Return how many members all of the sets have, counted up to a limit; 0 for none."""
    count = 0
    smallest, *others = sorted(sets, key=len)
    for _, member in smallest:
        if all(each.score_of(member) is not None for each in others):
            count += 1
            if count == limit:
                break
    return count


def difference(sets: Sequence[Source]) -> Scores:
    """Return the members of the first of the sets that are in none of the others."""
    first, *others = sets
    return {
        member: score
        for score, member in first
        if all(each.score_of(member) is None for each in others)
    }


def _together(old: float, new: float, aggregate: bytes) -> float:
    if aggregate == SUM:
        total = old + new
        # Redis: infinities that cancel out are nothing.
        return 0.0 if isnan(total) else total
    if aggregate == MIN:
        return new if new < old else old
    return new if new > old else old
