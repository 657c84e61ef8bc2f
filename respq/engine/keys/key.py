"""A key: what has a name, may expire, and holds a value of some family."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from respq.engine.keys.value import Value

V = TypeVar("V", bound=Value)


class Key(msgspec.Struct, Generic[V], gc=False, eq=False):
    """A named value.

    The garbage collector does not track keys, as it does not track jobs.
    """

    number: int
    db: int
    name: bytes
    expires_ms: int
    """0 for never."""
    value: V
    position: int = 0
    """As `Job.position`; of a copy in pieces that of its begin."""

    def is_over(self, now_ms: int) -> bool:
        """Tell whether it has expired, although it may still be there."""
        return 0 < self.expires_ms <= now_ms
