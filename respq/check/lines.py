"""The format of a history: one request a line, as JSON (docs/checking.md).

    {"client": "w1", "start": 17.2, "end": 17.9, "command": ["QPOP", "mail"], "reply": null}
    {"client": "w1", "start": 18.0, "end": null, "command": ["QACK", "mail", "1:7-2"]}
    {"down": 19.5}

Lines may come in any order. A request is between two times: its effect was not before it was
sent, and not after its answer had come. One without an answer happened at any time since, or
never. If the line says when its client gave up, and a later one that the server was down
then, it happened until then or never.
"""

from __future__ import annotations

import base64
import binascii
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec


class BadLine(ValueError):
    """A line that cannot be used; the text begins with its number."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")


class Line(msgspec.Struct):
    """A line as it stands in the file; one with `down` is no request."""

    client: str | int = ""
    start: float | None = None
    end: float | msgspec.UnsetType | None = msgspec.UNSET
    command: list[Any] | None = None
    commands: list[list[Any]] | None = None
    reply: Any = msgspec.UNSET
    error: str | None = None
    gave_up: float | None = None
    db: int = 0
    down: float | None = None


@dataclass(slots=True, eq=False)
class Request:
    """When a line's commands had their effect; those of one EXEC share it."""

    line: int
    start_ms: float
    end_ms: float
    """When the answer came; of one without an answer when it had happened if it did."""
    is_answered: bool

    def is_before(self, other: Request) -> bool:
        """Whether the effect of this one, if it had any, was surely before the other's."""
        return self.end_ms < other.start_ms


@dataclass(slots=True)
class Call:
    """One command that was not refused, or one that was, with its error."""

    request: Request
    words: list[str]
    reply: Any
    """None for a request without an answer."""
    error: str | None
    db: int
    place: int
    """Among the commands of its line."""
    is_alone: bool
    """Whether it is no part of an EXEC."""

    @property
    def line(self) -> int:
        """The number of its line."""
        return self.request.line

    @property
    def is_answered(self) -> bool:
        """Whether its reply is known."""
        return self.request.is_answered

    @property
    def name(self) -> str:
        """The command's name, in capitals."""
        return self.words[0].upper()


class Lines:
    """Reads lines, and knows when requests without an answer had happened at the latest."""

    def __init__(self, skew_ms: float = 0.0) -> None:
        """Prepare to read.

        Args:
            skew_ms: how far the clocks of the recording machines may be apart.
        """
        self.requests = 0
        self.answered = 0
        self._skew_ms = skew_ms
        self._downs: list[float] = []
        self._open: list[tuple[float, Request]] = []
        """Requests without an answer, and when their clients gave up."""

    def read(self, lines: Iterable[bytes]) -> Iterator[Call]:
        """Yield the commands of all lines; times are final when it has ended.

        Raises:
            BadLine: for the first line that is not of the format.
        """
        decode = msgspec.json.Decoder(Line).decode
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            try:
                line = decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as fault:
                raise BadLine(number, f"it is not a request in JSON: {fault}") from None
            if line.down is not None:
                self._downs.append(line.down)
                continue
            yield from self._calls(number, line)
        self._settle()

    def _calls(self, number: int, line: Line) -> Iterator[Call]:
        request = self._request(number, line)
        if not line.command:
            raise BadLine(number, "it has no `command`")
        words = _texts(number, line.command)
        error = line.error
        reply = None if line.reply is msgspec.UNSET else line.reply
        name = words[0].upper()
        if name == "MULTI" or (name == "EXEC") != (line.commands is not None):
            raise BadLine(number, "a transaction is one line: EXEC, with its `commands`")
        if name == "SELECT":
            raise BadLine(number, "SELECT is not recorded: lines say their `db`")
        if line.commands is None:
            yield Call(request, words, reply, error, line.db, 0, True)
        elif error is None and not (request.is_answered and reply is None):
            yield from _executed(request, line.commands, reply, line.db)

    def _request(self, number: int, line: Line) -> Request:
        if line.start is None:
            raise BadLine(number, "it has no `start`")
        has_reply = line.reply is not msgspec.UNSET
        says = line.error is not None or (has_reply and line.reply is not None)
        if line.end is msgspec.UNSET:
            raise BadLine(number, "it has no `end`; that of a request without an answer is null")
        self.requests += 1
        start_ms = line.start - self._skew_ms
        if line.end is None:
            if says:
                raise BadLine(number, "it has an answer, but no `end`")
            request = Request(number, start_ms, math.inf, False)
            if line.gave_up is not None:
                self._open.append((line.gave_up, request))
            return request
        if not has_reply and line.error is None:
            raise BadLine(number, "it has an `end`, so it needs a `reply` or an `error`")
        if line.error is not None and has_reply and line.reply is not None:
            raise BadLine(number, "it has a `reply` and an `error`: only one can be")
        if line.end < line.start:
            raise BadLine(number, f"it ends at {line.end}, before it starts at {line.start}")
        self.answered += 1
        return Request(number, start_ms, line.end + self._skew_ms, True)

    def _settle(self) -> None:
        self._downs.sort()
        for gave_up_ms, request in self._open:
            place = bisect_left(self._downs, gave_up_ms)
            if place < len(self._downs):
                request.end_ms = self._downs[place] + self._skew_ms
        self._open.clear()


def _executed(request: Request, commands: list[list[Any]], reply: Any, db: int) -> Iterator[Call]:
    """Yield the commands of an EXEC that ran, or may have run."""
    replies = reply if request.is_answered else [None] * len(commands)
    if not isinstance(replies, list) or len(replies) != len(commands):
        raise BadLine(request.line, "EXEC has not as many replies as `commands`")
    for place, (command, one) in enumerate(zip(commands, replies, strict=True)):
        if not command:
            raise BadLine(request.line, "one of the `commands` is empty")
        error = None
        if isinstance(one, dict) and one.keys() == {"error"}:
            error = str(one["error"])
        yield Call(request, _texts(request.line, command), one, error, db, place, False)


def _texts(line: int, words: list[Any]) -> list[str]:
    return [word if type(word) is str else text(line, word) for word in words]


def text(line: int, value: Any) -> str:
    """Return a word or a bulk string of a reply; bytes that are no UTF-8 are in base64."""
    match value:
        case str():
            return value
        case bool():
            pass
        case int() | float():
            return str(value)
        case {"base64": str(code)}:
            try:
                return base64.b64decode(code, validate=True).decode(errors="surrogateescape")
            except binascii.Error:
                raise BadLine(line, f"{code!r} is not base64") from None
    raise BadLine(line, f"{value!r} is not a text or a number")
