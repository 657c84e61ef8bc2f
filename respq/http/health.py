"""How the server is: the word of /healthz, and whether it takes work.

    loading    the journal is being read back
    draining   it ends: acks are taken, new work is not
    degraded   it runs, but what it executes does not become durable: a commit failed (the
               process is about to stop), or none has ended for `STALL_S` although one is
               under way (the disk hangs); nothing that changes state is answered meanwhile.
               Or memory or the disk is short, and it takes no more jobs
    ok         it takes work, and only then

A hanging disk shows between two looks that are `STALL_S` apart, so it is found as often as
somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from respq.runtime.core import Core

STALL_S: Final = 5.0
"""Far above the worst commit of a disk that works, below the patience of a client."""


@dataclass(frozen=True, slots=True)
class Status:
    """A word for machines, and a sentence for people unless all is well."""

    word: str
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether the server takes work."""
        return self.word == "ok"


class Health:
    """Looks at a core from outside."""

    def __init__(self, core: Core, steady_s: Callable[[], float] | None = None) -> None:
        self._core = core
        self._steady_s = steady_s or core.loop.time
        self._position = 0
        """Of the next batch, when last looked at."""
        self._moved_s = self._steady_s()

    def status(self) -> Status:
        """Return how the server is now."""
        core = self._core
        if core.failed:
            return Status("degraded", "a commit failed: the process is stopping")
        if core.broker.draining:
            return Status("draining", "the server is shutting down")
        if core.broker.loading:
            return Status("loading", "the journal is being read back")
        stalled_s = self._stalled_s()
        if stalled_s >= STALL_S:
            return Status("degraded", f"a commit has been under way for {int(stalled_s)} s or more")
        if core.pressure.reason:
            return Status("degraded", core.pressure.reason)
        return Status("ok")

    def _stalled_s(self) -> float:
        """Return for how long no commit has ended although one is under way."""
        committer = self._core.committer
        if committer is None:
            return 0.0
        now_s = self._steady_s()
        if self._core.is_settled or committer.position != self._position:
            self._position = committer.position
            self._moved_s = now_s
        return now_s - self._moved_s
