"""What is drawn at random, for commands that return or remove some members of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from respq.engine.jobs.retry import drawn
from respq.engine.keys.hashed import Hashed

if TYPE_CHECKING:
    from respq.engine.core import EngineCore

V = TypeVar("V")
_BITS: Final = 64
_MASK: Final = (1 << _BITS) - 1
_SPARSE: Final = 10
"""So many times as many as are drawn there must be, else all of them are looked at."""


class Draws:
    """The numbers of one command: which ones depends on how many commands drew before it.

    They are those of SplitMix64, of which the next one cannot be told from the last: an entry is
    found by several.
    """

    __slots__ = ("_state",)

    def __init__(self, engine: EngineCore) -> None:
        engine.draws += 1
        self._state = drawn(engine.draws, 0, _MASK)

    def below(self, size: int) -> int:
        """Return a number from 0 on that is below ``size``, each as likely."""
        self._state = mixed = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ mixed >> 31) * size >> _BITS

    def places(self, size: int, count: int) -> Sequence[int]:
        """Return places below ``size``: different ones, or of a count below 0 any, so many."""
        if count < 0:
            return [self.below(size) for _ in range(-count)]
        if count >= size:
            return range(size)
        # Floyd: of each size as likely, without drawing one in vain.
        chosen: dict[int, None] = {}
        for number in range(size - count, size):
            place = self.below(number + 1)
            chosen[number if place in chosen else place] = None
        return list(chosen)

    def entries(self, hashed: Hashed[V], count: int) -> list[tuple[bytes, V]]:
        """Return entries: different ones, or of a count below 0 any, so many.

        O(count), whatever there are.
        """
        if count < 0:
            return [hashed.pick(self.below) for _ in range(-count)]
        if count * _SPARSE >= len(hashed):
            every = [*hashed.items()]
            return [every[place] for place in self.places(len(every), count)]
        chosen: dict[bytes, V] = {}
        while len(chosen) < count:
            key, value = hashed.pick(self.below)
            chosen[key] = value
        return [*chosen.items()]
