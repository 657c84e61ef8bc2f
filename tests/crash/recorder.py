"""Records what clients do, in the lines that ``respq check`` reads."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

Words = tuple[Any, ...]
LOST = (redis.ConnectionError, redis.TimeoutError)
"""The answer did not come. A refusal while the server loads is one of them to redis-py."""


def now_ms() -> float:
    return time.monotonic() * 1_000


class Recorder:
    """Writes a line for each request when its answer has come, or will not come any more."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        self._lock = threading.Lock()

    def down(self) -> None:
        """Record that no server runs now."""
        self._write({"down": now_ms()})

    def call(self, client: redis.Redis, name: str, *words: Any) -> Any:
        """Send one command, and return its reply."""
        return self.pipeline(client, name, [words])[0]

    def pipeline(self, client: redis.Redis, name: str, commands: list[Words]) -> list[Any]:
        """Send commands together, and return their replies; raise one that is an error."""
        return _good(self.look(client, name, commands))

    def look(self, client: redis.Redis, name: str, commands: list[Words]) -> list[Any] | None:
        """Send commands together, and return their replies and errors."""
        pipe = client.pipeline(transaction=False)
        start_ms, replies = self._send(pipe, commands)
        end_ms = None if replies is None else now_ms()
        for command, reply in zip(commands, replies or [None] * len(commands), strict=True):
            self._write(_line(name, start_ms, end_ms, command) | _answer(reply, end_ms))
        return replies

    def transaction(self, client: redis.Redis, name: str, commands: list[Words]) -> list[Any]:
        """Send commands as MULTI and EXEC, and return their replies."""
        pipe = client.pipeline(transaction=True)
        start_ms, replies = self._send(pipe, commands)
        end_ms = None if replies is None else now_ms()
        line = _line(name, start_ms, end_ms, ("EXEC",)) | {"commands": commands}
        if replies is not None:
            line["reply"] = [
                {"error": str(each)} if isinstance(each, Exception) else each for each in replies
            ]
        self._write(line)
        return _good(replies)

    def _send(self, pipe: Any, commands: list[Words]) -> tuple[float, list[Any] | None]:
        """Return when they were sent, and their replies; None if the connection broke."""
        for command in commands:
            pipe.execute_command(*command)
        start_ms = now_ms()
        try:
            return start_ms, pipe.execute(raise_on_error=False)
        except LOST:
            return start_ms, None

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        with self._lock:
            self._file.write(text + "\n")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _line(name: str, start_ms: float, end_ms: float | None, command: Words) -> dict[str, Any]:
    line: dict[str, Any] = {"client": name, "start": start_ms, "end": end_ms, "command": command}
    return line if end_ms is not None else line | {"gave_up": now_ms()}


def _answer(reply: Any, end_ms: float | None) -> dict[str, Any]:
    if end_ms is None:
        return {}
    return {"error": str(reply)} if isinstance(reply, Exception) else {"reply": reply}


def _good(replies: list[Any] | None) -> list[Any]:
    if replies is None:
        raise redis.ConnectionError("the server is gone")
    for each in replies:
        if isinstance(each, Exception):
            raise each
    return replies
