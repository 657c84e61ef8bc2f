"""Clients that wait, by what they wait for: first come, first served.

    names       (db, name) -> waiters in order of arrival
    deadlines   on the same kind of index as everything that is due

`names` is what the engine looks at to know whether a job that becomes ready is news to
anybody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from respq.broker.call import FOREVER_MS, Wait
from respq.broker.command import Bound, Command
from respq.broker.session import Session
from respq.engine.state import AWAY
from respq.engine.timers import Timers

Name = tuple[int, bytes | int]
"""A database, and a queue in it by name, or a job by number; or `AWAY`, and a queue by number."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One client in one blocking command."""

    session: Session
    command: Command
    bound: Bound
    names: tuple[Name, ...]
    otherwise: Any
    deadline_ms: int
    """0 for none."""
    since_ms: int
    number: int
    can_run: bool
    """`CommandTable.run` can carry out what it waits for."""

    @property
    def is_away(self) -> bool:
        """Whether it waits only until payloads have been read."""
        return self.names[0][0] == AWAY


class Waiters:
    """All clients that wait."""

    def __init__(self) -> None:
        self.names: dict[Name, OrderedDict[int, Waiter]] = {}
        self.unlike: dict[Name, int] = {}
        """By name, how many wait for more than `CommandTable.run` can do."""
        self.awaited: dict[int, int] = {}
        """By job, how many wait for its end."""
        self.deadlines: Timers[Waiter] = Timers()
        self.count = 0
        self._next_number = 1

    def add(
        self,
        sessions: Sequence[Session],
        command: Command,
        bound: Bound,
        wait: Wait,
        now_ms: int,
    ) -> None:
        """Have clients wait for the same, behind those that are waiting already.

        They have selected the same database.
        """
        names = _names(wait, sessions[0])
        if wait.arguments is not None:
            bound = [*wait.arguments], bound[1]
        lines = [self.names.setdefault(name, OrderedDict()) for name in names]
        deadline_ms = 0 if wait.timeout_ms == FOREVER_MS else now_ms + wait.timeout_ms
        can_run = wait.db is None and command.can_run(bound)
        for number, session in enumerate(sessions, self._next_number):
            session.waiter = waiter = Waiter(
                session, command, bound, names, wait.otherwise, deadline_ms, now_ms, number, can_run
            )
            for line in lines:
                line[number] = waiter
            if deadline_ms:
                self.deadlines.add(deadline_ms, number, waiter)
        self._next_number += len(sessions)
        self.count += len(sessions)
        if not can_run:
            for name in names:
                self.unlike[name] = self.unlike.get(name, 0) + len(sessions)
                if _is_job(name):
                    self.awaited[name[1]] = len(self.names[name])

    def move(self, waiter: Waiter, wait: Wait) -> None:
        """Have a client wait for something else, since when it has waited."""
        names = _names(wait, waiter.session)
        if names == waiter.names:
            return
        self._leave_lines(waiter)
        waiter.names, waiter.otherwise = names, wait.otherwise
        waiter.can_run = False
        if wait.timeout_ms != FOREVER_MS and not waiter.deadline_ms:
            waiter.deadline_ms = waiter.since_ms + wait.timeout_ms
            self.deadlines.add(waiter.deadline_ms, waiter.number, waiter)
        for name in names:
            line = self.names.setdefault(name, OrderedDict())
            is_last = not line or next(reversed(line)) < waiter.number
            line[waiter.number] = waiter
            if not is_last:
                for number in sorted(line):
                    line.move_to_end(number)
            self.unlike[name] = self.unlike.get(name, 0) + 1
            if _is_job(name):
                self.awaited[name[1]] = len(line)

    def remove(self, waiter: Waiter) -> None:
        """Forget a waiter; its client waits no more."""
        waiter.session.waiter = None
        self.count -= 1
        self._leave_lines(waiter)
        if waiter.deadline_ms:
            self.deadlines.remove(waiter.deadline_ms, waiter.number)

    def _leave_lines(self, waiter: Waiter) -> None:
        for name in waiter.names:
            line = self.names[name]
            del line[waiter.number]
            if not line:
                del self.names[name]
            if not waiter.can_run:
                self.unlike[name] -= 1
                if not self.unlike[name]:
                    del self.unlike[name]
            if _is_job(name):
                self.awaited[name[1]] -= 1
                if not self.awaited[name[1]]:
                    del self.awaited[name[1]]

    def alike(self, first: Waiter, name: Name, before: int | None, limit: int) -> list[Waiter]:
        """Return up to ``limit`` waiters for a name, from ``first`` on, who can be served together.

        The numbers of all are below ``before``, if that is not None.
        """
        found: list[Waiter] = []
        for waiter in self.names[name].values():
            if waiter is first or found:
                if (
                    len(found) == limit
                    or (before is not None and waiter.number >= before)
                    or not waiter.can_run
                    or waiter.command is not first.command
                ):
                    break
                found.append(waiter)
        return found

    def first(self, name: Name, *, besides: set[int]) -> Waiter | None:
        """Return the longest waiting client for ``name`` whose number is not in ``besides``."""
        for waiter in self.names.get(name, {}).values():
            if waiter.number not in besides:
                return waiter
        return None


def _names(wait: Wait, session: Session) -> tuple[Name, ...]:
    db = session.db if wait.db is None else wait.db
    return tuple([(db, name) for name in dict.fromkeys(wait.names)])


def _is_job(name: Name) -> TypeGuard[tuple[int, int]]:
    """Tell whether somebody who waits for a name waits for the end of a job."""
    return isinstance(name[1], int) and name[0] != AWAY
