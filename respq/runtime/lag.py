"""Loop lag: by how much a timer of the event loop comes too late."""

from __future__ import annotations

import asyncio
import time
from typing import Final

_EVERY_S: Final = 0.05


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
