"""How long the event loop keeps clients waiting: timers that come too late, and long turns."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from typing import Final

_EVERY_S: Final = 0.05
STALL_S: Final = 0.001
"""A turn that takes longer is a stall: nobody else is served meanwhile."""
STALL_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Stalls:
    """Turns longer than `STALL_S`; plain numbers, read when metrics are scraped."""

    __slots__ = ("counts", "max_s", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(STALL_BUCKETS_S) + 1)
        """By bucket; bucket i is up to ``STALL_BUCKETS_S[i]``, the last is beyond."""
        self.sum_s = 0.0
        self.max_s = 0.0
        """The longest since the start."""

    def add(self, elapsed_s: float) -> None:
        """Count one."""
        self.counts[bisect_left(STALL_BUCKETS_S, elapsed_s)] += 1
        self.sum_s += elapsed_s
        self.max_s = max(self.max_s, elapsed_s)


class LoopLag:
    """Measures the event loop it runs in; plain numbers, read when metrics are scraped."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self.last_ms = 0.0
        self.max_ms = 0.0
        """The worst since the start."""

    def start(self) -> None:
        """Begin to measure, twenty times a second."""
        self._due_s = time.perf_counter() + _EVERY_S
        self._handle = self._loop.call_later(_EVERY_S, self._measure)

    def stop(self) -> None:
        """Measure no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _measure(self) -> None:
        self.last_ms = max(0.0, time.perf_counter() - self._due_s) * 1_000
        self.max_ms = max(self.max_ms, self.last_ms)
        self.start()
