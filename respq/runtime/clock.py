"""The one door to time.

The server's clock is the wall clock, bent so that it can be built upon: it starts at the
later of the wall and the journal's time, adopts forward jumps of the wall at once, lets the
wall catch up after a backward one by running at half speed, never runs backwards and never
stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def _wall_ms() -> float:
    return time.time() * 1_000


def _steady_ms() -> float:
    return time.monotonic() * 1_000


class Clock:
    """Unix milliseconds that only rise."""

    def __init__(
        self,
        wall_ms: Callable[[], float] = _wall_ms,
        steady_ms: Callable[[], float] = _steady_ms,
        stopwatch_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.stopwatch_s = stopwatch_s
        """By which is measured how long work takes."""
        self._wall_ms = wall_ms
        self._steady_ms = steady_ms
        self._anchor_ms = wall_ms()
        """The last time that was the wall's or the journal's; what passed since runs slow."""
        self._anchored_ms = steady_ms()

    def start_from(self, at_ms: int) -> None:
        """Never show less than ``at_ms``, the time that the journal has reached."""
        steady_ms = self._steady_ms()
        self._anchor_ms = max(self._bent_ms(steady_ms), at_ms)
        self._anchored_ms = steady_ms

    def now_ms(self) -> int:
        """Return the time."""
        steady_ms = self._steady_ms()
        wall_ms = self._wall_ms()
        bent_ms = self._bent_ms(steady_ms)
        if wall_ms < bent_ms:
            return int(bent_ms)
        self._anchor_ms = wall_ms
        self._anchored_ms = steady_ms
        return int(wall_ms)

    def _bent_ms(self, steady_ms: float) -> float:
        """Return what the clock shows until the wall has caught up."""
        # From the anchor, not from the last reading: tiny steps would be rounded away.
        return self._anchor_ms + (steady_ms - self._anchored_ms) / 2
