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
from typing import Any

from respq.broker.call import FOREVER_MS, Wait
from respq.broker.command import Bound, Command
from respq.broker.session import Session
from respq.engine.timers import Timers

Name = tuple[int, bytes | int]
"""A database, and a queue in it by name, or a job by number."""


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
        db = sessions[0].db
        names = tuple([(db, name) for name in dict.fromkeys(wait.names)])
        lines = [self.names.setdefault(name, OrderedDict()) for name in names]
        deadline_ms = 0 if wait.timeout_ms == FOREVER_MS else now_ms + wait.timeout_ms
        can_run = command.can_run(bound)
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
                if isinstance(name[1], int):
                    self.awaited[name[1]] = len(self.names[name])

    def remove(self, waiter: Waiter) -> None:
        """Forget a waiter; its client waits no more."""
        waiter.session.waiter = None
        self.count -= 1
        for name in waiter.names:
            line = self.names[name]
            del line[waiter.number]
            if not line:
                del self.names[name]
            if not waiter.can_run:
                self.unlike[name] -= 1
                if not self.unlike[name]:
                    del self.unlike[name]
            if isinstance(name[1], int):
                self.awaited[name[1]] -= 1
                if not self.awaited[name[1]]:
                    del self.awaited[name[1]]
        if waiter.deadline_ms:
            self.deadlines.remove(waiter.deadline_ms, waiter.number)

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
