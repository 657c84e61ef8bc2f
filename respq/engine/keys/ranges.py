"""Ranges of a sorted set: by rank, by score, by member. Each is found as a span of places."""

from __future__ import annotations

from math import inf, nextafter
from typing import Final

import msgspec

from respq.engine.keys.doubles import parse_bound
from respq.engine.keys.zsets import Zset
from respq.errors import RespqError

Span = tuple[int, int]
"""The first place, and the one behind the last; there is none if that is not behind it."""
NOTHING: Final = 0, 0


class ScoreRange(msgspec.Struct, frozen=True):
    """From one score to another."""

    least: float
    most: float
    above: bool = False
    """The least is not in it."""
    below: bool = False
    """The most is not in it."""

    def span(self, zset: Zset) -> Span:
        """Return where it lies. O(log n)."""
        entries = zset.entries
        least, most = self.least, self.most
        if (self.above and least == inf) or (self.below and most == -inf):
            return NOTHING
        start = entries.bisect_left((nextafter(least, inf) if self.above else least,))
        if not self.below:
            end = len(entries) if most == inf else entries.bisect_left((nextafter(most, inf),))
        else:
            end = entries.bisect_left((most,))
        return start, max(start, end)


class MemberRange(msgspec.Struct, frozen=True):
    """From one member to another, of members with the same score; None is before or behind all."""

    least: bytes | None
    most: bytes | None
    above: bool = False
    below: bool = False
    is_empty: bool = False
    """It begins behind all, or ends before all."""

    def span(self, zset: Zset, *, backward: bool = False) -> Span:
        """Return where it lies: O(log n) where all scores are the same.

        Where they are not, which Redis leaves open, it is what Redis finds in a listpack.
        """
        entries = zset.entries
        if self.is_empty or not entries:
            return NOTHING
        score = entries[0][0]
        if entries[-1][0] != score:
            return self._walked(zset, backward)
        start, end = 0, len(entries)
        if self.least is not None:
            bound = score, self.least
            start = entries.bisect_right(bound) if self.above else entries.bisect_left(bound)
        if self.most is not None:
            bound = score, self.most
            end = entries.bisect_left(bound) if self.below else entries.bisect_right(bound)
        return start, max(start, end)

    def _walked(self, zset: Zset, backward: bool) -> Span:
        members = [member for _, member in zset.entries]
        if not self._is_below(members[0]) or not self._is_above(members[-1]):
            return NOTHING
        places = range(len(members))
        enters, stays = self._is_above, self._is_below
        if backward:
            places, enters, stays = places[::-1], stays, enters
        first = next((place for place in places if enters(members[place])), None)
        if first is None or not stays(members[first]):
            return NOTHING
        last = first
        for place in range(first, -1, -1) if backward else range(first, len(members)):
            if not stays(members[place]):
                break
            last = place
        return min(first, last), max(first, last) + 1

    def _is_above(self, member: bytes) -> bool:
        return self.least is None or (member > self.least if self.above else member >= self.least)

    def _is_below(self, member: bytes) -> bool:
        return self.most is None or (member < self.most if self.below else member <= self.most)


def parse_scores(least: bytes, most: bytes) -> ScoreRange:
    """Return the range of two words, ``(5`` or ``inf``; raise Redis' error for others."""
    above, below = least[:1] == b"(", most[:1] == b"("
    first, last = parse_bound(least[above:]), parse_bound(most[below:])
    if first is None or last is None:
        raise RespqError("min or max is not a float")
    return ScoreRange(first, last, above, below)


def parse_members(least: bytes, most: bytes) -> MemberRange:
    """Return the range of two words, ``[a``, ``(a``, ``-`` or ``+``; raise Redis' error."""
    for word in (least, most):
        is_end = word[:1] in (b"-", b"+") and word[1:2] in (b"", b"\0")
        if not is_end and word[:1] not in (b"(", b"["):
            raise RespqError("min or max not valid string range item")
    ends = b"-", b"+"
    return MemberRange(
        None if least[:1] in ends else least[1:],
        None if most[:1] in ends else most[1:],
        above=least[:1] == b"(",
        below=most[:1] == b"(",
        is_empty=least[:1] == b"+" or most[:1] == b"-",
    )


def rank_span(zset: Zset, first: int, last: int, *, backward: bool = False) -> Span:
    """Return where entries lie from one rank to another, of the end on for those below 0."""
    size = len(zset)
    start = max(0, first + size if first < 0 else first)
    end = min(size, (last + size if last < 0 else last) + 1)
    if start >= end:
        return NOTHING
    return (size - end, size - start) if backward else (start, end)


def limited(span: Span, offset: int, count: int, *, backward: bool = False) -> Span:
    """Return a span from its ``offset``-th place on; all of it where the count is below 0."""
    start, end = span
    if offset < 0 or start + offset >= end:
        return NOTHING
    taken = end - start - offset
    if count >= 0:
        taken = min(taken, count)
    if backward:
        return end - offset - taken, end - offset
    return start + offset, start + offset + taken
