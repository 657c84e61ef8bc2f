"""One index of everything that happens at an instant, due to the millisecond.

Objects that are due in the same millisecond share a dict, keyed by number: adding and
removing a lease touches two dicts, and the sorted keys only when a millisecond is the
first or last of its kind. A heap with lazy deletion was rejected: acknowledged leases
would stay in it until their time, millions under load.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from sortedcontainers import SortedDict

T = TypeVar("T")

NEVER_MS = 1 << 62
"""Later than every instant."""


class Timers(Generic[T]):
    """Objects by the instant at which they are due."""

    __slots__ = ("_slots", "first_ms")

    def __init__(self) -> None:
        self._slots: dict[int, dict[int, T]] = SortedDict()
        self.first_ms = NEVER_MS
        """The earliest instant at which something is due, `NEVER_MS` if nothing is."""

    def add(self, due_ms: int, number: int, due: T) -> None:
        """Have ``due`` fall due at ``due_ms``, under a number that no other object has."""
        slot = self._slots.get(due_ms)
        if slot is None:
            self._slots[due_ms] = {number: due}
            if due_ms < self.first_ms:
                self.first_ms = due_ms
        else:
            slot[number] = due

    def add_all(self, due_ms: int, due: dict[int, T]) -> None:
        """Have several objects, by their numbers, fall due at ``due_ms``; ``due`` is kept."""
        slot = self._slots.get(due_ms)
        if slot is not None:
            slot.update(due)
            return
        self._slots[due_ms] = due
        if due_ms < self.first_ms:
            self.first_ms = due_ms

    def remove(self, due_ms: int, number: int) -> None:
        """Forget the object ``number``, which was to be due at ``due_ms``."""
        self.remove_all(due_ms, (number,))

    def remove_all(self, due_ms: int, numbers: Sequence[int]) -> None:
        """Forget several objects that were to be due at ``due_ms``."""
        slot = self._slots[due_ms]
        for number in numbers:
            del slot[number]
        if not slot:
            del self._slots[due_ms]
            if due_ms == self.first_ms:
                self.first_ms = next(iter(self._slots), NEVER_MS)

    def due(self, now_ms: int, limit: int) -> list[T]:
        """Return up to ``limit`` objects that are due, earliest first; they stay in the index."""
        found: list[T] = []
        for due_ms in self._slots:
            if due_ms > now_ms or len(found) >= limit:
                break
            found += islice(self._slots[due_ms].values(), limit - len(found))
        return found

    def slots(self) -> Iterator[Collection[T]]:
        """Yield what is due in each instant, earliest first."""
        for slot in self._slots.values():
            yield slot.values()

    def parts(self) -> Iterable[dict[int, T]]:
        """Return the dicts that it consists of."""
        return self._slots.values()

    def entries(self) -> set[tuple[int, int]]:
        """Return every pair of instant and number."""
        return {(due_ms, number) for due_ms, slot in self._slots.items() for number in slot}
