"""When the event loop is kept from sleeping.

A loop that sleeps lets its processor sleep. The next request then waits until that is awake, 20 to
60 µs on a virtual machine, and finds no cache warm. So where requests come at short intervals the
loop looks for the next one again and again instead, for as long as such a one may take.

That takes the processor from whoever else could use it. It is not done where the process has less
than two to itself, and not for a while after the system took it away to run others.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from typing import Final

from respq.config import LINGER_US

_WEIGHT: Final = 1 / 8
"""Of the last interval in the average."""
_INTERVAL_S_MAX: Final = 0.001
"""A longer one counts as this: some short ones are to outweigh a pause."""
_LOOK_S: Final = 0.01
"""So often it is looked whether others had to be run."""
_PREEMPTIONS_MAX: Final = 2
"""Times in that time that the processor may have been taken away: a system has chores."""
_REST_S: Final = 0.2
"""So long the loop sleeps as it likes after it was more often."""
_WHO: Final = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)


def _preemptions() -> int:
    """Return how often the system has taken the processor from this thread."""
    return resource.getrusage(_WHO).ru_nivcsw


class Linger:
    """Keeps a loop awake between requests that come at short intervals."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stopwatch_s: Callable[[], float],
        *,
        linger_us: int = LINGER_US,
        preemptions: Callable[[], int] = _preemptions,
    ) -> None:
        """Begin without lingering.

        Args:
            loop: what is kept awake.
            stopwatch_s: tells the time in seconds.
            linger_us: how long the loop waits awake at most; 0 for never.
            preemptions: tells how often the processor was taken away so far.
        """
        self.is_awake = False
        """Whether the loop is kept from sleeping."""
        self._loop = loop
        self._stopwatch_s = stopwatch_s
        self._linger_s = linger_us / 1_000_000
        self._preemptions = preemptions
        self._interval_s = _INTERVAL_S_MAX
        """Average of what passed between the end of a turn and the begin of the next."""
        self._ended_s = 0.0
        self._until_s = 0.0
        self._rests_until_s = 0.0
        self._looked_s = 0.0
        self._seen = 0
        """Preemptions, when it was looked last."""

    def begin(self, now_s: float) -> None:
        """Note that a turn begins."""
        passed_s = now_s - self._ended_s
        if passed_s > _INTERVAL_S_MAX:
            passed_s = _INTERVAL_S_MAX
        self._interval_s += (passed_s - self._interval_s) * _WEIGHT

    def end(self, now_s: float, *, is_lone: bool) -> None:
        """Note that a turn has ended, and stay awake if the next is likely to begin soon.

        Args:
            now_s: the time in seconds.
            is_lone: whether a single client has asked in it. Several are not answered any sooner
                if each finds the loop awake: they are cheaper together.
        """
        self._ended_s = now_s
        if not is_lone or self._interval_s >= self._linger_s or now_s < self._rests_until_s:
            return
        self._until_s = now_s + self._linger_s
        if not self.is_awake:
            self.is_awake = True
            if now_s - self._looked_s > _LOOK_S:
                self._looked_s, self._seen = now_s, self._preemptions()
            self._loop.call_soon(self._stay_awake)

    def _stay_awake(self) -> None:
        now_s = self._stopwatch_s()
        if now_s >= self._until_s:
            self.is_awake = False
            return
        if now_s - self._looked_s > _LOOK_S:
            seen = self._preemptions()
            if seen - self._seen > _PREEMPTIONS_MAX:
                self.is_awake = False
                self._rests_until_s = now_s + _REST_S
                return
            self._looked_s, self._seen = now_s, seen
        self._loop.call_soon(self._stay_awake)
