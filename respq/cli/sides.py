"""The two servers of an import: what is asked of each of them, and what their errors mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol

import hiredis

from respq.cli.kinds import KINDS, Kind, Measure, Reply, Request
from respq.engine.keys.keyed import NO_TYPE

_STOPS = frozenset(
    [
        *("LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "READONLY"),
        *("OOM", "MISCONF", "SHUTDOWN", "NOREPLICAS"),
    ]
)
"""Errors that say something of the server, and nothing of a key."""
_UNKNOWN = "ERR unknown command"


class Asked(Protocol):
    """Whoever answers requests."""

    def ask(self, requests: Sequence[Sequence[bytes]]) -> list[Reply]:
        """Return the answers to requests, errors among them."""


class Stopped(Exception):
    """It cannot go on; the message says why."""


class Refused(Stopped):
    """A server's error for a request; where that is about a key, the others may go on."""

    def __init__(self, by: str, error: object) -> None:
        super().__init__(f"the {by} refuses: {error}")
        self.by = by
        self.error = str(error)


@dataclass(frozen=True, slots=True)
class Found:
    """What a server says of a key."""

    name: bytes
    type: bytes
    end_ms: int
    """When it expires; 0 never."""
    measure: Measure | None
    """None where there is none: no key, a type that is not known, or a fault."""
    fault: str = ""
    """The error that came instead."""
    memory_bytes: int = 0
    """What it takes at the server, about; 0 if that does not say."""

    @property
    def is_there(self) -> bool:
        """Whether there is a key."""
        return self.type != NO_TYPE

    @property
    def kind(self) -> Kind | None:
        """What it is; None for a type that is not known."""
        return KINDS.get(self.type)


class Side:
    """One of the servers."""

    def __init__(self, asked: Asked, name: str) -> None:
        """Take who answers, and what it is in messages."""
        self._asked = asked
        self.name = name
        self.info = self._read_info()
        self._has_ends = self._knows(b"PEXPIRETIME", b"")
        self._has_usage = self._knows(b"MEMORY", b"USAGE", b"")
        self.has_field_ends = self._knows(b"HPEXPIRETIME", b"", b"FIELDS", b"1", b"")

    def _read_info(self) -> dict[str, str]:
        text = self._must(b"INFO").decode(errors="replace")
        pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        info = dict(tuple(pair) for pair in pairs)
        if info.get("loading", "0") != "0":
            raise Stopped(f"the {self.name} is loading its data: try again when it is done")
        return info

    def _knows(self, *request: bytes) -> bool:
        [answer] = self.ask([list(request)])
        return not str(answer).startswith(_UNKNOWN)

    def _must(self, *request: bytes) -> Reply:
        try:
            return self.one(list(request))
        except Refused as fault:
            what = request[0].decode()
            raise Stopped(f"the {self.name} refuses {what}: {fault.error}") from fault

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the answers to requests, errors about their keys among them.

        Raises:
            Stopped: for an error that is not about a key.
            Unanswered: the connection broke.
        """
        answers = self._asked.ask(requests)
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError) and str(answer).split(" ")[0] in _STOPS:
                raise Stopped(f"the {self.name} refuses: {answer}")
        return answers

    def one(self, request: Request) -> Reply:
        """Return the answer to one request.

        Raises:
            Refused: it is an error.
            Stopped, Unanswered: see `ask`.
        """
        [answer] = self.ask([request])
        if isinstance(answer, hiredis.ReplyError):
            raise Refused(self.name, answer)
        return answer

    def select(self, db: int) -> None:
        """Have what is asked from now on be about a database."""
        self._must(b"SELECT", b"%d" % db)

    @property
    def now_ms(self) -> int:
        """What its clock says."""
        return _milliseconds(self._must(b"TIME"))

    @property
    def databases(self) -> dict[int, int]:
        """Return how many keys it has in each database that is not empty."""
        return {
            int(name[2:]): int(facts.split(",")[0].removeprefix("keys="))
            for name, facts in self.info.items()
            if name.startswith("db") and name[2:].isdigit()
        }

    def scan(self, cursor: bytes, count: int) -> tuple[bytes, list[bytes]]:
        """Return the next cursor and some names; it ends with cursor 0."""
        next_cursor, names = self._must(b"SCAN", cursor, b"COUNT", b"%d" % count)
        return next_cursor, names

    def watch(self, names: Sequence[bytes]) -> None:
        """Begin to notice changes of keys.

        Raises:
            Refused: these may not be looked at.
        """
        self.one([b"WATCH", *names])

    def unchanged(self) -> bool:
        """Tell whether no key has changed since it was first watched; watch none from now on."""
        answer = self.ask([[b"MULTI"], [b"EXEC"]])[-1]
        if isinstance(answer, hiredis.ReplyError):
            raise Stopped(f"the {self.name} refuses EXEC: {answer}")
        return answer is not None

    def look(self, names: Sequence[bytes]) -> list[Found]:
        """Return what there is of keys; a key that changes meanwhile may have a fault."""
        end = b"PEXPIRETIME" if self._has_ends else b"PTTL"
        requests = [[word, name] for name in names for word in (b"TYPE", end)]
        now, *answers = self.ask([[b"TIME"], *requests])
        now_ms = 0 if self._has_ends else _milliseconds(now)
        found = [
            _found(name, kind, end, now_ms)
            for name, kind, end in zip(names, answers[::2], answers[1::2], strict=True)
        ]
        known = [(each, each.kind) for each in found if not each.fault]
        asked = [(each, kind) for each, kind in known if kind is not None]
        usages = [[b"MEMORY", b"USAGE", each.name] for each, _ in asked if self._has_usage]
        answers = self.ask([*(kind.measure(each.name) for each, kind in asked), *usages])
        measured = {
            each.name: _measured(each, kind, answer, usage)
            for (each, kind), answer, usage in zip_longest(
                asked, answers[: len(asked)], answers[len(asked) :]
            )
        }
        return [measured.get(each.name, each) for each in found]

    def transaction(self, requests: Sequence[Request]) -> list[Reply]:
        """Have requests done together, and return their answers.

        Raises:
            Refused: none was done, or the first that was refused.
        """
        queued = self.ask([[b"MULTI"], *requests, [b"EXEC"]])
        answers = queued.pop()
        for answer in [*queued, *(answers if isinstance(answers, list) else [answers])]:
            if isinstance(answer, hiredis.ReplyError):
                raise Refused(self.name, answer)
        return list(answers)


def _milliseconds(time: Reply) -> int:
    seconds, microseconds = map(int, time)
    return seconds * 1_000 + microseconds // 1_000


def _found(name: bytes, kind: Reply, end: Reply, now_ms: int) -> Found:
    """Read the answers to TYPE, and to PEXPIRETIME or, with the time it then was, to PTTL."""
    for answer in (kind, end):
        if isinstance(answer, hiredis.ReplyError):
            return Found(name, b"", 0, None, str(answer))
    if end == -2:
        kind = NO_TYPE
    return Found(name, kind, end + now_ms if end > 0 else 0, None)


def _measured(found: Found, kind: Kind, answer: Reply, usage: Reply) -> Found:
    """Read the answers to the request for a measure, and to MEMORY USAGE where that is known."""
    if isinstance(answer, hiredis.ReplyError):
        return replace(found, fault=str(answer))
    memory_bytes = usage if isinstance(usage, int) else 0
    return replace(found, measure=kind.measured(answer), memory_bytes=memory_bytes)
