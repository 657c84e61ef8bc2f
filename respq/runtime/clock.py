"""The one door to time.

The server's clock is the wall clock, bent so that it can be built upon: it starts at the
later of the wall and the journal's time, adopts forward jumps of the wall at once, lets the
wall catch up after a backward one by running at half speed, never runs backwards and never
stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_MS_NS: Final = 1_000_000


class Clock:
    """Unix milliseconds that only rise."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
        stopwatch_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.stopwatch_s = stopwatch_s
        """By which is measured how long work takes."""
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._anchor_ns = wall_ns()
        """The last time that was the wall's or the journal's; what passed since runs slow."""
        self._anchored_ns = steady_ns()

    def start_from(self, at_ms: int) -> None:
        """Never show less than ``at_ms``, the time that the journal has reached."""
        if at_ms > self.now_ms():
            self._anchor_ns = at_ms * _MS_NS
            self._anchored_ns = self._steady_ns()

    def now_ms(self) -> int:
        """Return the time."""
        steady_ns = self._steady_ns()
        wall_ns = self._wall_ns()
        # From the anchor, not from the last reading: tiny steps would be rounded away.
        bent_ns = self._anchor_ns + (steady_ns - self._anchored_ns) // 2
        if wall_ns < bent_ns:
            return bent_ns // _MS_NS
        self._anchor_ns = wall_ns
        self._anchored_ns = steady_ns
        return wall_ns // _MS_NS
