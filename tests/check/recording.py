"""Histories written by hand, for the tests of the checker."""

from __future__ import annotations

import json
from typing import Any

from respq.check.checker import check

_UNSET: Any = object()


class Recording:
    """Lines of one clock: a request begins 10 ms after the one before, and takes 1 ms."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.now_ms = 0.0

    def say(
        self, command: str, reply: Any, *, at: float = _UNSET, end: float = _UNSET, **more: Any
    ) -> None:
        """Record a request that was answered."""
        start_ms = self._start(at)
        end_ms = start_ms + 1 if end is _UNSET else end
        self._line(command, start_ms, end_ms, reply=reply, **more)

    def refused(self, command: str, error: str) -> None:
        """Record a request that was answered with an error."""
        start_ms = self._start(_UNSET)
        self._line(command, start_ms, start_ms + 1, error=error)

    def unanswered(
        self, command: str, *, at: float = _UNSET, gave_up: float | None = None, **more: Any
    ) -> None:
        """Record a request without an answer."""
        if gave_up is not None:
            more["gave_up"] = gave_up
        self._line(command, self._start(at), None, **more)

    def exec(self, commands: list[str], replies: list[Any] | None) -> None:
        """Record a transaction; one without replies had no answer."""
        words = [command.split() for command in commands]
        if replies is None:
            self.unanswered("EXEC", commands=words)
        else:
            self.say("EXEC", replies, commands=words)

    def gone(self, job: str, queue: str = "mail") -> None:
        """Record that QSHOW did not find a job."""
        self.refused(f"QSHOW {queue} {job}", f"NOJOB queue '{queue}' has no job '{job}'")

    def shown(
        self,
        job: str,
        phase: str = "ready",
        fence: int = 0,
        payload: str = "hi",
        queue: str = "mail",
        **more: Any,
    ) -> None:
        """Record what QSHOW found."""
        facts = ["id", job, "phase", phase, "fence", fence, "payload", payload]
        self.say(f"QSHOW {queue} {job}", facts, **more)

    def down(self, at: float) -> None:
        """Record that no server ran at that time."""
        self.lines.append({"down": at})
        self.now_ms = max(self.now_ms, at)

    def raw(self) -> list[bytes]:
        """Return the lines as they stand in a file."""
        return [json.dumps(line).encode() + b"\n" for line in self.lines]

    def findings(self, **options: Any) -> list[str]:
        """Return what the checker says."""
        return [str(each) for each in check(self.raw(), **options).findings]

    def _start(self, at: float) -> float:
        self.now_ms = self.now_ms + 10 if at is _UNSET else at
        return self.now_ms

    def _line(self, command: str, start: float, end: float | None, **more: Any) -> None:
        self.lines.append(
            {"client": "a", "start": start, "end": end, "command": command.split(), **more}
        )
