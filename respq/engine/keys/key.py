"""A key: what has a name, may expire, and holds a value of some family."""

from __future__ import annotations

from typing import Generic, TypeVar

from respq.engine.keys.value import Value

V = TypeVar("V", bound=Value)


class Key(Generic[V]):
    """A named value."""

    __slots__ = ("db", "expires_ms", "name", "number", "position", "value")

    def __init__(self, number: int, db: int, name: bytes, expires_ms: int, value: V) -> None:
        self.number = number
        self.db = db
        self.name = name
        self.expires_ms = expires_ms
        """0 for never."""
        self.value = value
        self.position = 0
        """As `Job.position`; of a copy in pieces that of its begin."""

    def is_over(self, now_ms: int) -> bool:
        """Tell whether it has expired, although it may still be there."""
        return 0 < self.expires_ms <= now_ms
