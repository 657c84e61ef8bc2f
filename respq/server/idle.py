"""The idle timeout: connections that are silent for too long are closed.

A sweep from time to time looks at every connection, so that a request costs nothing but a
flag. Silence is noticed at the first sweep in it and ends a connection at the first behind
the timeout: at most two sweeps late, never early. As in Redis, a client that is blocked waits by
our leave, however long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

_SWEEPS = 8
"""In one timeout."""
_SWEEP_S_MAX = 10.0


class Client(Protocol):
    """A connection as the sweep sees it."""

    def end_if_silent(self, now_s: float, timeout_s: float) -> None:
        """Close at once if nothing came or went for ``timeout_s``."""


class IdleTimeout:
    """Sweeps the connections as long as the loop runs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clients: Callable[[], Iterable[Client]],
        timeout_ms: int,
    ) -> None:
        self._loop = loop
        self._clients = clients
        self._timeout_s = timeout_ms / 1_000
        self._every_s = min(self._timeout_s / _SWEEPS, _SWEEP_S_MAX)
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to sweep, unless silence has no limit."""
        if self._timeout_s:
            self._handle = self._loop.call_later(self._every_s, self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _sweep(self) -> None:
        now_s = self._loop.time()
        for client in list(self._clients()):
            client.end_if_silent(now_s, self._timeout_s)
        self.start()
